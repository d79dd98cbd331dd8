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
monitor='' # the process that is measured

fail()
{
	echo "$me: $*" >&2
	exit 3
}

wrong()
{
	echo "$me: $*" >&2
	exit 2
}

# words OPTION GIVEN ALL: each given word is one of all.
words()
{
	local word
	[ -n "$2" ] || wrong "$1 takes one of: $3"
	for word in $2; do
		[[ " $3 " == *" $word "* ]] ||
			wrong "$1 takes of: $3; not '$word'"
	done
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
# A KVM in software may tell of IA32_ARCH_CAPABILITIES and not take what QEMU
# writes there.
qemu_minimal=(-nodefaults -no-user-config -display none -no-reboot
	-cpu 'host,-arch-capabilities')
qemu_serial=(-chardev 'file,id=out,path=/dev/stdout' -serial chardev:out)
qemu_off=x-option-roms=off,pit=off,pic=off,rtc=off
qemu_linux=acpi=on,${qemu_off%rtc=off}rtc=on

sample() # METRIC SUBJECT VALUE
{
	echo "$*" >>"$raw"
}

calculate() # FORMAT EXPRESSION: awk's arithmetic
{
	awk "BEGIN { printf \"$1\", $2 }" </dev/null
}

# guest_time TASK: in ret_guest. Fails when the thread has ended.
guest_time()
{
	local stat fields
	{ read -r stat <"$1/stat"; } 2>/dev/null || return
	read -r -a fields <<<"${stat##*) }"
	ret_guest=${fields[40]}
}

# thread_times: what each thread of $monitor has run so far, in nanoseconds
# (Linux Documentation/scheduler/sched-stats.rst), in the array ret_times; those
# that run a guest are left out. They are the ones with a guest_time (proc(5),
# /proc/PID/stat, field 43).
thread_times()
{
	local fields task
	ret_times=()
	for task in "/proc/$monitor/task"/*; do
		guest_time "$task" || continue
		[ "$ret_guest" -eq 0 ] || continue
		{ read -r -a fields <"$task/schedstat"; } 2>/dev/null ||
			continue
		ret_times[${task##*/}]=${fields[0]}
	done
}

# What they have run since `times_before`, in ret_ns. A thread that is new since
# then counts with all its time; one that ended, with none.
thread_times_since()
{
	local task
	ret_ns=0
	thread_times
	for task in "${!ret_times[@]}"; do
		ret_ns=$((ret_ns + ret_times[task] - ${times_before[task]-0}))
	done
}

# pin_threads: those of $monitor that run a guest to the first processor that we
# may use, the others to the last; the same for every monitor, so that none is
# lucky with where its threads are put, and where the interrupts of a disk
# arrive. Waits a little for guest_time, which is counted in ticks.
pin_threads()
{
	local task tries first last vcpus others
	# "0-3" or "0,2,5-7": the two ends.
	first=$(taskset -pc $$ | sed 's/.*: //')
	last=${first##*[-,]}
	first=${first%%[-,]*}
	[ "$first" != "$last" ] || return 0
	for ((tries = 0; tries < 12; tries++)); do
		vcpus=() others=()
		for task in "/proc/$monitor/task"/*; do
			guest_time "$task" || continue
			if [ "$ret_guest" -eq 0 ]; then
				others+=("${task##*/}")
			else
				vcpus+=("${task##*/}")
			fi
		done
		[ ${#vcpus[@]} -eq 0 ] || break
		sleep 0.005
	done
	[ ${#vcpus[@]} -gt 0 ] || return 0
	for task in "${vcpus[@]}"; do taskset -pc "$first" "$task"; done >/dev/null
	for task in "${others[@]}"; do taskset -pc "$last" "$task"; done >/dev/null
}

# Whether the program is there; says so when not.
have()
{
	local program
	case $1 in
	hull*) program=$hull ;;
	qemu*) program=qemu-system-x86_64 ;;
	kvmtool*) program=lkvm ;;
	host) program=fio ;;
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
