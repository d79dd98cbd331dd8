#!/bin/bash
# kernel-package.sh FLAVOUR CACHE OUT: a Debian kernel, unpacked, not installed.
#
# FLAVOUR is amd64 or cloud-amd64. The package that the meta-package
# linux-image-FLAVOUR stands for is downloaded into CACHE, unless one is there
# already, and OUT is made:
#	OUT/version, vmlinuz, vmlinux (ELF), config, lib/modules/VERSION (indexed)
# Does nothing when OUT is there. Any number may run at the same time.
set -euo pipefail

die()
{
	echo "kernel-package: $*" >&2
	exit 1
}

need()
{
	command -v "$1" >/dev/null || [ -x "/sbin/$1" ] ||
		die "$1 is missing; install the package $2"
}

# The newest package of this flavour in the cache, if any.
cached()
{
	local deb newest=
	for deb in "$cache"/linux-image-[0-9]*-"$flavour"_*_amd64.deb; do
		[ -e "$deb" ] || continue
		# linux-image-6.1.0-9-cloud-amd64 also ends in -amd64
		[ "$flavour" = amd64 ] && [[ $deb == *-cloud-amd64_* ]] &&
			continue
		if [ -z "$newest" ] ||
			[ "$(printf '%s\n' "$newest" "$deb" | sort -V |
				tail -n 1)" = "$deb" ]; then
			newest=$deb
		fi
	done
	echo "$newest"
}

# The versioned package behind the meta-package; empty without package lists.
resolve()
{
	apt-cache depends --important "linux-image-$flavour" 2>/dev/null |
		sed -n "s/^ *Depends: \(linux-image-[0-9].*-$flavour\)\$/\1/p" |
		head -n 1
}

refresh_lists()
{
	[ "$(id -u)" -eq 0 ] || die "the package lists are missing or old;" \
		"run apt-get update as root, then this again"
	echo "kernel-package: apt-get update" >&2
	apt-get -q update >&2 || die "apt-get update failed"
}

# apt drops to the user _apt when it runs as root, and that user can seldom
# write here; the packages are verified by hash either way.
fetch()
{
	local name tmp=$cache/.fetch-$flavour
	rm -rf "$tmp"
	mkdir -p "$tmp"
	name=$(resolve)
	if [ -z "$name" ]; then
		refresh_lists
		name=$(resolve)
		[ -n "$name" ] || die "apt knows no linux-image-$flavour"
	fi
	echo "kernel-package: downloading $name" >&2
	if ! (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root \
		download "$name" >&2); then
		refresh_lists
		name=$(resolve)
		(cd "$tmp" && apt-get -q -o APT::Sandbox::User=root \
			download "$name" >&2) || die "cannot download $name"
	fi
	mv "$tmp"/*.deb "$cache/"
	rmdir "$tmp"
}

unpack()
{
	local tmp=$out.tmp deb=$1 version
	echo "kernel-package: unpacking ${deb##*/}" >&2
	rm -rf "$tmp"
	mkdir -p "$tmp/deb"
	dpkg -x "$deb" "$tmp/deb" || die "$deb: cannot be unpacked; remove it"
	version=$(cd "$tmp/deb/lib/modules" && echo *)
	mv "$tmp/deb/lib" "$tmp/lib"
	mv "$tmp/deb/boot/vmlinuz-$version" "$tmp/vmlinuz"
	mv "$tmp/deb/boot/config-$version" "$tmp/config"
	mv "$tmp/deb/boot/System.map-$version" "$tmp/System.map"
	rm -rf "$tmp/deb"
	"$here/extract-vmlinux.sh" "$tmp/vmlinuz" "$tmp/vmlinux"
	PATH=$PATH:/sbin depmod -b "$tmp" -F "$tmp/System.map" "$version"
	rm "$tmp/System.map"
	echo "$version" >"$tmp/version"
	rm -rf "$out"
	mv "$tmp" "$out"
}

[ $# -eq 3 ] || die "usage: kernel-package.sh FLAVOUR CACHE OUT"
flavour=$1 cache=$2 out=$3
here=$(dirname "$(readlink -f "$0")")
[ ! -e "$out/version" ] || exit 0
need apt-get apt
need dpkg dpkg
need depmod kmod

mkdir -p "$cache" "$(dirname "$out")"
cache=$(readlink -f "$cache")
exec {out_lock}>"$out.lock"
flock "$out_lock"
[ ! -e "$out/version" ] || exit 0
exec {cache_lock}>"$cache/.lock"
flock "$cache_lock"
deb=$(cached)
if [ -z "$deb" ]; then
	fetch
	deb=$(cached)
fi
exec {cache_lock}>&-
unpack "$deb"
