#!/bin/bash
# tools.sh [OUT]: programs for tests and benchmarks inside the Linux guest, as
# OUT/tools.cpio.gz (default build/guests/linux). The kernel takes it appended
# to the initrd: cat initrd.cpio.gz tools.cpio.gz >both.
#
# fio, iperf3, ethtool, mkfs.ext4 and e2fsck are those of this host, with the
# libraries that they need; netload, kexec and bulk are made from the C files here.
#
# Theory of operation. Debian's fio links the client libraries of half a dozen
# storage networks, 60 libraries and 120 MB, and binds all their symbols before
# its first line, which takes an emulated guest half a minute. A library that is
# not in the list `kept` is therefore replaced by one that has its name and the
# symbols asked of it, each an instruction that ends the program: none of the
# engines behind them can be used in the guest.
set -euo pipefail

top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
here=$top/guests/linux
out=$(readlink -m "${1:-$top/build/guests/linux}")
root=$out/tools.tmp
libraries=$root/lib/x86_64-linux-gnu
loader=/lib64/ld-linux-x86-64.so.2

# PROGRAM:PACKAGE
programs=(fio:fio iperf3:iperf3 ethtool:ethtool mkfs.ext4:e2fsprogs
	e2fsck:e2fsprogs)
own=(netload kexec bulk)
kept=(libc.so.6 libm.so.6 libz.so.1 libnuma.so.1 libaio.so.1 libiperf.so.0
	libext2fs.so.2 libcom_err.so.2 libblkid.so.1 libuuid.so.1 libe2p.so.2
	libmnl.so.0)

die()
{
	echo "guests/linux/tools: $*" >&2
	exit 1
}

need()
{
	command -v "$1" >/dev/null ||
		die "$1 is missing; install the package $2"
}

needed_by()
{
	readelf -d "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u
}

is_kept()
{
	[[ " ${kept[*]} " == *" $1 "* ]]
}

# The file that the loader would take for a name, among a program's.
library_path()
{
	ldd "$2" | awk -v name="$1" '$1 == name { print $3 }'
}

add_libraries()
{
	local program=$1 name path
	while read -r name; do
		is_kept "$name" || continue
		[ ! -e "$libraries/$name" ] || continue
		path=$(library_path "$name" "$program")
		[ -n "$path" ] || die "$program: no library $name here"
		install -D -m 755 "$path" "$libraries/$name"
		add_libraries "$path"
	done < <(needed_by "$program")
}

# Lines "SONAME VERSION" of what the files ask of other libraries.
versions_wanted()
{
	objdump -p "$@" | awk '
		/required from/ { soname = $3; sub(/:$/, "", soname) }
		/^    0x/ && NF == 4 && soname { print soname, $4 }
		/^$/ { soname = "" }' | sort -u
}

# Symbols, as SYMBOL or SYMBOL@VERSION, that files ask for. nm complains about a
# placeholder without symbols.
symbols_wanted()
{
	nm -D --undefined-only "$@" 2>/dev/null |
		awk '$1 == "U" { print $2 }' | sort -u
}

# Those without a version that no library in the guest has.
symbols_loose()
{
	comm -23 <(symbols_wanted "$@" | grep -v @) \
		<(nm -D --defined-only "$libraries"/* 2>/dev/null |
			awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' |
			sort -u)
}

# placeholder SONAME FILE...: a library of that name for what files ask of it.
placeholder()
{
	local soname=$1 version script=$root/script symbols=$root/symbols
	local link=()
	shift
	: >"$script"
	: >"$symbols"
	while read -r version; do
		symbols_wanted "$@" | sed -n "s/@$version\$//p" >"$symbols.one"
		printf '%s { global: %s };\n' "$version" \
			"$(sed 's/$/;/' "$symbols.one" | tr '\n' ' ')" >>"$script"
		cat "$symbols.one" >>"$symbols"
	done < <(versions_wanted "$@" | sed -n "s/^$soname //p")
	if [ -s "$script" ]; then
		link=("-Wl,--version-script=$script")
	else
		symbols_loose "$@" >"$symbols"
	fi
	{
		echo '.text'
		awk '{ print ".globl " $1 "\n.type " $1 ", @function\n" $1 ":" }' \
			"$symbols"
		echo 'ud2'
		echo '.section .note.GNU-stack, "", @progbits'
	} >"$root/placeholder.s"
	"${CC:-gcc}" -shared -nostdlib -s "-Wl,-soname,$soname" "${link[@]}" \
		-o "$libraries/$soname" "$root/placeholder.s"
	rm "$script" "$symbols"* "$root/placeholder.s"
}

build()
{
	local program path name
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/etc" "$root/lib64" "$libraries"
	for program in "${programs[@]}"; do
		path=$(command -v "${program%:*}")
		install -m 755 "$path" "$root/bin/${program%:*}"
		add_libraries "$path"
	done
	install -m 755 "$loader" "$root$loader"
	while read -r name; do
		[ -e "$libraries/$name" ] || [ "$name" = "${loader##*/}" ] ||
			placeholder "$name" "$root"/bin/* "$libraries"/*
	done < <(needed_by "$root"/bin/* "$libraries"/*)
	for name in "${own[@]}"; do
		"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -static -s \
			-o "$root/bin/$name" "$here/$name.c"
	done
	install -m 755 "$root/bin/netload" "$root/bin/bulk" "$out"
	# without it mkfs.ext4 makes no journal
	install -m 644 /etc/mke2fs.conf "$root/etc/mke2fs.conf"
	(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
		cpio --quiet --reproducible -o -H newc -R 0:0) |
		gzip -9n >"$out/tools.tmp.gz"
	mv "$out/tools.tmp.gz" "$out/tools.cpio.gz"
	rm -rf "$root"
}

PATH=$PATH:/sbin:/usr/sbin
need cpio cpio
need gzip gzip
need readelf binutils
need "${CC:-gcc}" gcc
for program in "${programs[@]}"; do
	need "${program%:*}" "${program#*:}"
done
[ -e /etc/mke2fs.conf ] || die "/etc/mke2fs.conf is missing;" \
	"install the package e2fsprogs"
mkdir -p "$out"
exec {lock}>"$out/tools.lock"
flock "$lock"
build
