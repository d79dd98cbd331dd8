#!/bin/bash
# foreign-kernels.sh [--installer | --symbols VERSION] CACHE OUT: kernels that
# others wrote, for the tests of the ways in:
#
#	OUT/memtest86+		by Linux' boot protocol
#	OUT/xen			multiboot 1 and 2
#	OUT/grub		GRUB, which is multiboot 1
#
# and two things of containers: OUT/sysvinit and OUT/sysvinit-shutdown, an init
# that cannot be installed beside systemd's, and OUT/containerd, its shim and its
# client OUT/ctr, which would run for ever when installed. With --installer, of
# 133 MB:
#
#	OUT/linux		the kernel of Debian's installer
#	OUT/initrd.cpio		its initrd, which no longer has to be decompressed
#
# With --symbols, of 283 MB:
#
#	OUT/vmlinux		Debian's kernel VERSION with its symbols, for gdb;
#				what it knows of types and lines is left out
#
# Their Debian packages are downloaded into CACHE, unless they are there
# already, and unpacked, not installed. Does nothing when all is in OUT. Any
# number may run at the same time.
set -euo pipefail

die()
{
	echo "foreign-kernels: $*" >&2
	exit 1
}

# The newest file of the package in the cache, if any.
cached() { compgen -G "$cache/${1}_*.deb" | sort -V | tail -n 1; }

download()
{
	(cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$1" >&2)
}

# apt drops to the user _apt when it runs as root, and that user can seldom
# write here; the packages are verified by hash either way.
fetch()
{
	local tmp=$cache/.fetch-$1 # for download
	rm -rf "$tmp"
	mkdir -p "$tmp"
	echo "foreign-kernels: downloading $1" >&2
	download "$1" || {
		[ "$(id -u)" -eq 0 ] || die "the package lists are missing or" \
			"old; run apt-get update as root, then this again"
		apt-get -q update >&2 || die "apt-get update failed"
		download "$1" || die "cannot download $1"
	}
	mv "$tmp"/*.deb "$cache/"
	rmdir "$tmp"
}

# unpack PACKAGE: the files that it has, to $tmp/deb.
unpack()
{
	[ -n "$(cached "$1")" ] || fetch "$1"
	dpkg -x "$(cached "$1")" "$tmp/deb" ||
		die "$(cached "$1"): cannot be unpacked; remove it"
}

# take PACKAGE [PATTERN NAME]...: files of the package become OUT/NAME.
take()
{
	local package=$1 file
	unpack "$package"
	shift
	while [ $# -gt 0 ]; do
		file=$(compgen -G "$tmp/deb/$1") || die "$package has no $1"
		case $file in
		*.gz) gzip -dc "$file" >"$tmp/$2" ;;
		*) mv "$file" "$tmp/$2" ;;
		esac
		shift 2
	done
	rm -rf "$tmp/deb"
}

# The multiboot kernel that Debian has of GRUB is made for coreboot, and takes
# the memory map from coreboot's tables, not from multiboot's information. So
# its image (two segments, as grub-mkimage writes them) gets such a table, where
# it looks for one (coreboot's documentation, "coreboot table": the header, and
# a record of type 1, memory).
make_grub()
{
	local modules=$tmp/deb/usr/lib/grub/i386-coreboot core=$tmp/core.elf
	local segments=() offset address bytes memory
	unpack grub-common
	unpack grub-coreboot-bin
	printf '%s\n' 'serial --unit=0 --speed=115200' \
		'terminal_input serial' 'terminal_output serial' \
		>"$tmp/grub.cfg"
	"$tmp/deb/usr/bin/grub-mkimage" -d "$modules" -O i386-coreboot -p / \
		-c "$tmp/grub.cfg" -o "$core" serial terminal normal lsmmap \
		halt || die "grub-mkimage failed"
	while read -r offset address bytes memory; do
		segments+=("$offset" "$address" "$bytes" "$memory")
	done < <(readelf -lW "$core" | awk '$1 == "LOAD" {
		print $2, $4, $5, $6 }')
	[ ${#segments[@]} -eq 8 ] || die "grub-mkimage's image is another one"
	cat >"$tmp/grub.S" <<-END
		.section .table, "a"
		.ascii "LBIO"
		.long 24, 0, table_end - table, 0, 1
		table: .long 1, table_end - table
		.quad 0, 0x9f000
		.long 1
		.quad 0x100000, 0x3f00000
		.long 1
		table_end:
		.section .core, "ax"
		.incbin "$core", ${segments[0]}, ${segments[2]}
		.section .bss, "aw", @nobits
		.skip ${segments[3]} - ${segments[2]}
		.section .modules, "a"
		.incbin "$core", ${segments[4]}, ${segments[6]}
	END
	cat >"$tmp/grub.ld" <<-END
		PHDRS {
			table PT_LOAD;
			core PT_LOAD;
			modules PT_LOAD;
		}
		SECTIONS {
			.table 0x500 : { *(.table) } :table
			.core ${segments[1]} : { *(.core) } :core
			.bss : { *(.bss) } :core
			.modules ${segments[5]} : { *(.modules) } :modules
			/DISCARD/ : { *(*) }
		}
	END
	as --32 -o "$tmp/grub.o" "$tmp/grub.S"
	ld -m elf_i386 -T "$tmp/grub.ld" -e "${segments[1]}" \
		-z max-page-size=4096 --no-warn-rwx-segments -o "$tmp/grub" \
		"$tmp/grub.o"
	rm -rf "$tmp/deb" "$core" "$tmp"/grub.*
}

is_complete()
{
	local name
	for name in "${names[@]}"; do
		[ -e "$out/$name" ] || return 1
	done
}

make_installer()
{
	local files=usr/lib/debian-installer/images/12/amd64/text
	take debian-installer-12-netboot-amd64 \
		"$files/debian-installer/amd64/linux" linux \
		"$files/debian-installer/amd64/initrd.gz" initrd.cpio
}

make_symbols()
{
	local package=linux-image-$version-dbg
	[ -n "$(cached "$package")" ] || fetch "$package"
	# Its other files are six times as large.
	dpkg-deb --fsys-tarfile "$(cached "$package")" |
		tar -x -O "./usr/lib/debug/boot/vmlinux-$version" \
			>"$tmp/debug" ||
		die "$(cached "$package"): cannot be unpacked; remove it"
	objcopy --strip-debug "$tmp/debug" "$tmp/vmlinux"
	rm "$tmp/debug"
}

make_others()
{
	take memtest86+ 'boot/memtest86+x64.bin' memtest86+
	take xen-hypervisor-4.17-amd64 'boot/xen-4.17-amd64.gz' xen
	make_grub
	take sysvinit-core sbin/init sysvinit sbin/shutdown sysvinit-shutdown
	take containerd usr/bin/containerd containerd usr/bin/ctr ctr \
		usr/bin/containerd-shim-runc-v2 containerd-shim-runc-v2
}

names=(memtest86+ xen grub sysvinit sysvinit-shutdown containerd
	containerd-shim-runc-v2 ctr)
make=make_others
if [ "${1:-}" = --installer ]; then
	names=(linux initrd.cpio) make=make_installer
	shift
elif [ "${1:-}" = --symbols ] && [ $# -gt 1 ]; then
	names=(vmlinux) make=make_symbols version=$2
	shift 2
fi
[ $# -eq 2 ] || die "usage: foreign-kernels.sh" \
	"[--installer | --symbols VERSION] CACHE OUT"
cache=$1 out=$2
! is_complete || exit 0
mkdir -p "$cache" "$(dirname "$out")"
cache=$(readlink -f "$cache")
exec {lock}>"$cache/.lock"
flock "$lock"
! is_complete || exit 0
tmp=$out.tmp
rm -rf "$tmp"
mkdir -p "$tmp"
$make
rm -rf "$out"
mv "$tmp" "$out"
