#!/bin/bash
# selftest.sh: does the Linux guest do what init.c says?
#
# Under an emulated QEMU machine, so that neither KVM nor hull is needed. Each
# check prints "ok" or "not ok"; the last line is the summary. About a minute.
set -uo pipefail

top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
guest=${1:-$top/build/guests/linux}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

check()
{
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
		tail -n 20 "$tmp/out" | sed 's/^/    /'
	fi
}

# boot CMDLINE [QEMU-ARG...] <KEYS: one start; leaves out and status behind.
# The machine has QEMU's debug-exit at 0xf4: status N ends QEMU with 2 N + 1.
boot()
{
	local cmdline=$1
	shift
	timeout 60 qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -no-reboot -accel tcg -cpu max -M pc -m 256 \
		-device isa-debug-exit,iobase=0xf4,iosize=1 \
		-kernel "$guest/bzImage" -initrd "$guest/initrd.cpio.gz" \
		-append "console=ttyS0 quiet $cmdline" -serial stdio "$@" \
		>"$tmp/raw"
	status=$?
	tr -d '\r' <"$tmp/raw" >"$tmp/out"
}

said()
{
	grep -qx -e "$1" "$tmp/out"
}

silent()
{
	! grep -q -e "$1" "$tmp/out"
}

# Waits for the shell's prompt, types a line and holds the line open.
type_at_prompt()
{
	local _
	for _ in {1..300}; do
		if grep -q 'hull:~# ' "$tmp/raw" 2>/dev/null; then
			printf '%s\r' "$1"
			sleep 5
			return
		fi
		sleep 0.1
	done
}

check_scripts()
{
	local script
	boot 'hull.exit=0xf4 hull.run="echo one  two; seq 2000; exit 21"' \
		</dev/null
	check "hull.run takes a quoted command" said 'one two'
	check "its output is whole" [ "$(grep -c '^[0-9]*$' "$tmp/out")" -eq 2000 ]
	check "its status is printed" said 'hull-init: script exited 21'
	check "its status is written to the port" [ "$status" -eq 43 ]

	script=$(printf 'echo "a b"; tty; ps >/dev/null\nexit 3\n' | base64 -w 0)
	boot "hull.script=$script" </dev/null
	check "hull.script is decoded" said 'a b'
	check "it has the console as its terminal" said '/dev/ttyS0'
	check "without hull.exit the status is printed" \
		said 'hull-init: script exited 3'
	check "and the guest powers off" [ "$status" -eq 0 ]

	boot 'hull.script=%%%' </dev/null
	check "what is not base64 is refused" \
		said 'hull-init: hull.script is not base64'

	boot 'hull.run="kill -9 $$"' </dev/null
	check "a killed script has 137" said 'hull-init: script exited 137'
}

check_devices()
{
	truncate -s 1M "$tmp/disk"
	boot 'hull.run="lsmod; ls /dev/vda; modprobe virtio_net && echo loads"' \
		-drive "if=none,id=d,format=raw,file=$tmp/disk" \
		-device virtio-blk-pci,drive=d -device virtio-rng-pci </dev/null
	check "a disk gets its driver" said '/dev/vda'
	check "and the random number generator" said 'virtio_rng .*'
	check "what has no device is not loaded" silent '^virtio_balloon '
	check "but modprobe finds it" said 'loads'
}

check_endings()
{
	boot 'hull.bench=1' </dev/null
	check "hull.bench reaches init" said 'hull-init: reached'
	check "and powers off" [ "$status" -eq 0 ]
	for word in poweroff reboot exit; do
		rm -f "$tmp/raw"
		boot '' < <(type_at_prompt "$word")
		check "$word at the prompt ends the guest" [ "$status" -eq 0 ]
	done
	rm -f "$tmp/raw"
	boot '' -monitor "unix:$tmp/monitor,server,nowait" \
		< <(type_at_prompt 'echo here'; echo system_powerdown |
			socat - "UNIX-CONNECT:$tmp/monitor" >/dev/null; sleep 5)
	check "the power button ends the guest" \
		said '.*hull-init: power button'
}

for file in bzImage initrd.cpio.gz; do
	[ -e "$guest/$file" ] || {
		echo "$guest/$file is missing; run guests/linux/build.sh" >&2
		exit 1
	}
done
check_scripts
check_devices
check_endings
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
