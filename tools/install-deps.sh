#!/bin/bash
# install-deps.sh [--check] [GROUP...]: install the Debian packages that the
# groups need (build, run, test, bench; all of them without a GROUP).
#
# Says what it installs and asks for sudo when not root. Does nothing when all
# is there. --check only tells what is missing, with status 1 if anything is.
set -euo pipefail

# GROUP PACKAGE REASON
readonly table='
build gcc               the compiler
build make              the Makefile
build libc6-dev         C library, the static one for the programs of initramfs
build linux-libc-dev    linux/kvm.h and the other kernel interfaces
build pkg-config        finds the libraries
build libjansson-dev    JSON: configuration files and the control API
build libfdt-dev        the flat device tree
build zlib1g-dev        gzip-compressed kernels
build liblzma-dev       xz-compressed kernels
build libzstd-dev       zstd-compressed kernels
build liblz4-dev        lz4-compressed kernels
build libbz2-dev        bzip2-compressed kernels
build liblzo2-dev       lzo-compressed kernels
build liburing-dev      io_uring, for disks and networks
build libseccomp-dev    filters of system calls, for containers
build libarchive-dev    layers of images, for containers
run   qemu-system-x86   the emulated machine of the lab
run   busybox-static    the userland of the Linux guest
run   kmod              module dependencies of the lab and of the guest
run   cpio              packs the initramfs
run   gzip              packs the initramfs
run   binutils          strips the initramfs programs
run   xz-utils          unpacks the kernel of the lab
run   lz4               unpacks the kernel of the guest
run   util-linux        flock, and setpriv, which ties QEMU to the lab
test  check             the unit test library
test  clang             the second compiler, and libFuzzer
test  libclang-rt-14-dev the runtime of libFuzzer and the sanitizers
test  clang-format      the format check
test  clang-tidy        static analysis
test  cppcheck          static analysis
test  shellcheck        checks the scripts
test  device-tree-compiler reads the device tree back
test  acpica-tools      disassembles the ACPI tables
test  e2fsprogs         makes the disks of VMs
test  socat             talks to sockets and terminals
test  jq              reads and changes JSON
test  mandoc            checks the man page
test  bash-completion   what the completion is tested in
test  zstd              repacks kernels
test  bzip2             repacks kernels
test  lzop              repacks kernels
test  gdb               talks to the gdb stub and reads dumps
test  makedumpfile      reads dumps of Linux
test  libdevmapper1.02.1 what grub-mkimage needs, which makes a foreign kernel
test  libxml2-utils     holds JUnit files to their schema
test  podman            an engine that drives hull-ct
test  conmon            what podman starts containers with
test  criu              checkpoints of containers
test  uidmap            newuidmap: containers of callers without root
test  iproute2          makes the networks that containers are put into
test  nftables          reads the rules of published ports
test  attr              attributes of files that go into archives
test  acl               the same for access control lists
test  libcap2-bin       the same for capabilities
test  systemd           boots in a container
test  dbus-daemon       between podman and systemd
test  passt             pasta, the network of a container without rights
bench crun              what hull-ct is compared with
bench runc              what hull-ct is compared with
bench lxc               what hull-ct is compared with
bench qemu-system-x86   what hull is compared with
bench fio               disk load, in guests and on the host
bench iperf3            network load
bench ethtool           part of the tools of the Linux guest
bench e2fsprogs         part of the tools of the Linux guest
bench iproute2          makes the network of the lab
'

# What of the groups' packages is not installed, one per line.
missing()
{
	local packages installed
	packages=$(echo "$table" | awk -v groups=" $groups " \
		'NF && index(groups, " " $1 " ") { print $2 }' | sort -u)
	# dpkg-query fails when it knows nothing of some package
	# shellcheck disable=SC2086 # one word per package
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' \
		$packages 2>/dev/null | sed -n 's/^installed //p' | sort -u ||
		true)
	comm -23 <(echo "$packages") <(echo "$installed")
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_get()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
}

lists_present()
{
	compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

describe()
{
	local package
	for package in "$@"; do
		echo "$table" | awk -v groups=" $groups " -v package="$package" '
			NF && $2 == package && index(groups, " " $1 " ") {
				reason = $0
				sub(/^[^ ]+ +[^ ]+ +/, "", reason)
				printf "  %-21s %s\n", package, reason
				exit
			}'
	done
}

check=0
groups=
for argument in "$@"; do
	case $argument in
	--check) check=1 ;;
	build | run | test | bench) groups+=" $argument" ;;
	*)
		echo "usage: install-deps.sh [--check] [build|run|test|bench]..." >&2
		exit 2
		;;
	esac
done
groups=${groups:-build run test bench}
command -v dpkg-query >/dev/null || {
	echo "install-deps: this is not a Debian system; what is needed:" >&2
	echo "$table" >&2
	exit 1
}

mapfile -t packages < <(missing)
[ "${#packages[@]}" -gt 0 ] || exit 0
echo "Missing packages (Debian):"
describe "${packages[@]}"
[ "$check" -eq 0 ] || exit 1
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
	echo "install-deps: there is no sudo; run this as root:" >&2
	echo "  apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
fi
echo "Installing them with apt-get$([ "$(id -u)" -eq 0 ] || echo ' (sudo)')."
lists_present || apt_get update
apt_get install -y --no-install-recommends "${packages[@]}" && exit 0
echo "install-deps: trying again with fresh package lists" >&2
apt_get update
apt_get install -y --no-install-recommends "${packages[@]}"
