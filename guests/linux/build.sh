#!/bin/bash
# build.sh [OUT]: the real Linux guest, in OUT (default build/guests/linux).
#
#	OUT/bzImage		Debian's cloud kernel, as packaged
#	OUT/vmlinux		the ELF file inside it
#	OUT/config		its configuration
#	OUT/initrd.cpio.gz	busybox, virtio modules and init.c
#	OUT/vm.cpio		what hull-ct launches in VMs: modules, guests/vm
#
# Downloads go to $HULL_CACHE (default build/cache).
set -euo pipefail

top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
here=$top/guests/linux
out=$(readlink -m "${1:-$top/build/guests/linux}")
cache=${HULL_CACHE:-$top/build/cache}
kernel=$out/kernel
root=$out/initrd.tmp
busybox=/bin/busybox

# Loaded by init when a device asks for them, and their dependencies.
modules=(virtio_mmio virtio_pci virtio_blk virtio_net virtio_console virtio_rng
	virtio_balloon virtiofs vmw_vsock_virtio_transport pvpanic-mmio pvpanic-pci)
# The power button is of use only with the driver that reports its event.
button=(button evdev)
# What the VM of a container always has.
vm_modules=(virtio_pci virtio_blk virtio_console virtio_net virtiofs overlay button
	evdev)

die()
{
	echo "guests/linux: $*" >&2
	exit 1
}

need()
{
	command -v "$1" >/dev/null || [ -x "/sbin/$1" ] ||
		die "$1 is missing; install the package $2"
}

check_tools()
{
	need cpio cpio
	need gzip gzip
	need modprobe kmod
	need readelf binutils
	need "${CC:-gcc}" gcc
	[ -x "$busybox" ] ||
		die "$busybox is missing; install the package busybox-static"
	! readelf -l "$busybox" | grep -q INTERP ||
		die "$busybox is not static; install the package busybox-static"
}

# The module files behind one name, in loading order, as paths on this host.
depends()
{
	modprobe -S "$version" -d "$kernel" --show-depends "$1" |
		sed -n 's/^insmod \([^ ]*\) *$/\1/p'
}

# Copies modules into the initrd and lists their places there.
take()
{
	local path
	for path in "$@"; do
		install -D -m 644 "$path" "$root${path#"$kernel"}"
		echo "${path#"$kernel"}"
	done
}

# One line "PATTERN FILE..." for each alias of a module.
add_module()
{
	local pattern files last
	mapfile -t files < <(for module in "$@"; do depends "$module"; done)
	[ "${#files[@]}" -gt 0 ] || die "the kernel has no module $1"
	mapfile -t files < <(take "${files[@]}")
	last=$kernel$(modinfo_path "$1")
	modinfo -F alias "$last" | grep -E '^(virtio|pci|acpi)' |
		while read -r pattern; do
			echo "$pattern ${files[*]}"
		done >>"$root/lib/modules/hull.alias"
}

modinfo_path()
{
	local path
	path=$(depends "$1" | tail -n 1)
	echo "${path#"$kernel"}"
}

# An ordinary user cannot make the node /dev/console, which the kernel opens
# for init; but it can write the archive's entry for one (Linux
# Documentation/driver-api/early-userspace/buffer-format.rst).
console_node()
{
	local name=$1 fields
	# ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check
	fields=(1 020600 0 0 1 0 0 0 0 5 1 $((${#name} + 1)) 0)
	printf 070701
	printf '%08X' "${fields[@]}"
	printf '%s\0' "$name"
	# the header has 110 bytes; the next one starts at a multiple of 4
	head -c $(((4 - (110 + ${#name} + 1) % 4) % 4)) /dev/zero
}

build_initrd()
{
	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,dev,etc,proc,root,run,sys,tmp,lib/modules}
	mkdir -p "$root"/usr/{bin,sbin}
	"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -static -s \
		-o "$root/init" "$here/init.c"
	install -m 755 "$busybox" "$root/bin/busybox"
	install -m 644 "$here/profile" "$root/etc/profile"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	"$busybox" --list | grep -vx busybox >"$root/bin/applets"
	for module in "${modules[@]}"; do
		add_module "$module"
	done
	add_module "${button[@]}"
	# depmod warns where these are missing
	touch "$root/lib/modules/$version"/modules.{order,builtin{,.modinfo}}
	depmod -b "$root" "$version"
	rm "$root/lib/modules/$version"/modules.{order,builtin{,.modinfo}}
	{
		console_node dev/console
		(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
			cpio --quiet --reproducible -o -H newc -R 0:0)
	} | gzip -9n >"$out/initrd.tmp.gz"
	mv "$out/initrd.tmp.gz" "$out/initrd.cpio.gz"
	rm -rf "$root"
}

# Not compressed, which saves the guest the work.
build_vm_initrd()
{
	local file number=10
	rm -rf "$root"
	mkdir -p "$root"/{dev,modules}
	"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -static -s \
		-I "$top" -o "$root/init" "$top"/guests/vm/*.c
	while read -r file; do
		# The names are the order.
		install -m 644 "$file" "$root/modules/$number-${file##*/}"
		number=$((number + 1))
	done < <(for module in "${vm_modules[@]}"; do depends "$module"; done |
		awk '!seen[$0]++')
	{
		console_node dev/console
		(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
			cpio --quiet --reproducible -o -H newc -R 0:0)
	} >"$out/vm.tmp.cpio"
	mv "$out/vm.tmp.cpio" "$out/vm.cpio"
	rm -rf "$root"
}

PATH=$PATH:/sbin:/usr/sbin
check_tools
mkdir -p "$out"
exec {lock}>"$out/lock"
flock "$lock"
"$top/tools/kernel-package.sh" cloud-amd64 "$cache" "$kernel"
read -r version <"$kernel/version"
for file in vmlinuz:bzImage vmlinux:vmlinux config:config; do
	cmp -s "$kernel/${file%:*}" "$out/${file#*:}" ||
		cp "$kernel/${file%:*}" "$out/${file#*:}"
done
build_initrd
build_vm_initrd
