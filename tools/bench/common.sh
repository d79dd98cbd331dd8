# What the benchmarks share; sourced by them, with `me` set to their name.
# shellcheck shell=bash disable=SC2034 # used by those who source it

: "${me:?}"
top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
cd "$top" || exit 2
bench=build/bench
guests=build/guests
linux=$guests/linux
hull=${HULL_PROGRAM:-build/hull}
raw=''

fail()
{
	echo "$me: $*" >&2
	exit 3
}

# number OPTION VALUE: a number from 1, or it is wrong usage.
number()
{
	[[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || {
		echo "$me: $1 takes a number from 1, not '$2'" >&2
		exit 2
	}
}

# QEMU leaves out whatever the guest does not use. With an RTC: Linux searches
# seconds for one that is missing.
hull_minimal=(--virtio-console off --rng off)
qemu_minimal=(-nodefaults -no-user-config -display none -no-reboot -cpu host)
qemu_serial=(-chardev 'file,id=out,path=/dev/stdout' -serial chardev:out)
qemu_off=x-option-roms=off,pit=off,pic=off,rtc=off
qemu_linux=acpi=on,${qemu_off%rtc=off}rtc=on

sample() # METRIC SUBJECT VALUE
{
	echo "$*" >>"$raw"
}

# Whether the program is there; says so when not.
have()
{
	local program
	case $1 in
	hull*) program=$hull ;;
	qemu*) program=qemu-system-x86_64 ;;
	kvmtool*) program=lkvm ;;
	*) return 0 ;;
	esac
	command -v "$program" >/dev/null || {
		echo "$me: skipped $1: $program is missing" >&2
		return 1
	}
}

# present SUBJECT...: those that can run, in the array subjects.
present()
{
	local subject
	subjects=()
	for subject in "$@"; do
		have "$subject" && subjects+=("$subject")
	done
}

usable_kvm()
{
	[ -r /dev/kvm ] && [ -w /dev/kvm ]
}

# report AWK-FILE RAW JSON CHECK: the table of all samples, and the same as JSON.
report()
{
	local host
	host="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	host="$host, Linux $(uname -r), load $(cut -d " " -f 1 /proc/loadavg)"
	echo "$me: $host"
	awk -v json="$3" -v check="$4" -v host="$host" \
		-f tools/bench/report.awk -f "$1" "$2"
}
