# Looking inside Debian's kernel: gdb on its stub, with the symbols of its own
# /proc/kallsyms.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are
# gdb's.
# where: linux-kvm
# seconds: 60
# timeout: 200

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# gdb_does COMMAND...: a session on the guest of start_linux.
gdb_does()
{
	need_program gdb gdb
	printf '%s\n' 'set pagination off' 'set confirm off' \
		'set architecture i386:x86-64' "target remote $T/gdb" "$@" \
		>"$T/commands"
	run timeout 100 gdb -nx -batch -x "$T/commands"
	out+=$err
}

lines_of_guest() { grep -c 'the guest goes on' "$T/console" || true; }

goes_on_beyond() { [ "$(lines_of_guest)" -gt "$1" ]; }

# The lab's emulated processor tells its KVM of no breakpoint, int3 or
# otherwise (docs/debugging.md says why): those are tried on the tiny guests, and
# here all the rest.
test_gdb_in_linux()
{
	local banner said
	start_linux 'grep " linux_banner$" /proc/kallsyms
echo ready
while :; do sleep 1; echo "the guest goes on"; done' --gdb "unix:$T/gdb,wait" --cpus 2
	mv "$T/out" "$T/console" # what `run` writes has the same name
	wait_for 10 'socket for gdb' test -S "$T/gdb"
	# The first instructions of startup_64, one after the other.
	gdb_does 'info registers rip efer' 'stepi' 'stepi' 'stepi' \
		'info registers rip' 'detach'
	assert_match "$out" 'rip +0x1000000 '
	assert_match "$out" 'rip +0x10000[0-9a-f]{2} +0x10000([1-9a-f].|0[1-9a-f])'
	wait_for 60 'line "ready"' grep -q ready "$T/console"
	banner=0x$(tr -d '\r' <"$T/console" |
		sed -n 's/^\([0-9a-f]*\) . linux_banner$/\1/p')
	gdb_does "x/s $banner" 'info threads' 'info registers cr3 gs_base' \
		'stepi' 'detach'
	assert_has "$out" 'Linux version 6.1'
	assert_match "$out" 'Thread 2 \(vCPU 1\)'
	assert_match "$out" 'cr3 +0x[0-9a-f]+'
	assert_lacks "$out" 'Cannot'
	said=$(lines_of_guest)
	wait_for 60 'guest that goes on' goes_on_beyond "$said"
	kill -INT "$linux_pid"
	wait_status "$linux_pid"
	assert_status 14
}

# What Debian has of its kernel's symbols: it runs where they say, for hull did
# not move it.
test_gdb_with_symbols()
{
	local symbols=$GUESTS/symbols/vmlinux
	[ -e "$symbols" ] ||
		skip "283 MB have to be downloaded first: make debian-symbols"
	start_linux 'echo ready
while :; do sleep 1; echo "the guest goes on"; done' --gdb "unix:$T/gdb" --cpus 2
	mv "$T/out" "$T/console"
	wait_for 60 'line "ready"' grep -q ready "$T/console"
	gdb_does "file $symbols" 'x/s &linux_banner' 'info symbol $pc' \
		'thread apply all x/i $pc' 'stepi' 'info symbol $pc' 'stepi' \
		'info symbol $pc' 'print/x *(unsigned char *)&linux_banner' 'detach'
	assert_has "$out" '<linux_banner>:'
	assert_has "$out" 'Linux version 6.1'
	assert_match "$out" '=> 0xffffffff8[0-9a-f]+ <[a-z_0-9]+(\+[0-9]+)?>:'
	assert_ge "$(grep -cE '^[a-z_0-9]+( \+ [0-9]+)? in section \.' <<<"$out")" \
		3 'places that have a name'
	assert_has "$out" '= 0x4c' # the L of Linux
	wait_for 60 'guest that goes on' \
		goes_on_beyond "$(lines_of_guest)"
	kill -INT "$linux_pid"
	wait_status "$linux_pid"
	assert_status 14
}

# The driver of fw_cfg tells where the kernel's notes are.
# seconds: 40
test_dump_of_a_panic()
{
	mkdir -p "$T/more"
	cp "$LINUX"/kernel/lib/modules/*/kernel/drivers/firmware/qemu_fw_cfg.ko \
		"$T/more/"
	boot_linux bzImage "insmod /qemu_fw_cfg.ko
cat /sys/firmware/qemu_fw_cfg/rev
ls /sys/firmware/qemu_fw_cfg/by_name/etc
$tell_places
echo c >/proc/sysrq-trigger" --dump "$T/core" --dump-on panic --cpus 2 \
		--fw-cfg on --verbose
	assert_status 6
	assert_has "$out" vmcoreinfo
	assert_match "$err" 'VMCOREINFO is at 0x[0-9a-f]+000'
	dump_is_right "$T/core"
	grep -q 'Kernel panic - not syncing' "$T/dmesg" || fail "no panic"
}

# same_lines FILE: what docs/ci.md says of a console without its times.
same_lines()
{
	local command
	command=$(sed -n '/^    sed -E -e/,/^$/s/^    //p' "$HERE/../../docs/ci.md")
	tr -d '\r' <"$1" | bash -c "$command"
}

# All that Linux prints, and what it finds of the machine.
# seconds: 50
# timeout: 250
test_same_linux_twice()
{
	local first
	truncate -s 8M "$T/disk"
	initrd_with 'cat /proc/cmdline /proc/iomem
grep MHz /proc/cpuinfo
ls -l /sys/bus/virtio/devices
cat /sys/class/net/*/address
head -c 32 /dev/hwrng | od -An -tx1
date +%Y-%m-%dT%H'
	for first in yes no; do
		run "$HULL" run --kernel "$LINUX/bzImage" --initrd "$T/initrd" \
			--cmdline 'console=ttyS0 panic=-1 initramfs_async=0 audit=0 hull.file=/test.sh' \
			--seed 7 --rtc fixed=2026-01-01T00:00:00 --net none \
			--disk "$T/disk,cache=writeback" --timeout 300 \
			--memory 192 </dev/null
		assert_status 0
		same_lines "$T/out" >"$T/lines.$first"
	done
	assert_has "$out" $'\n2026-01-01T00'
	assert_ge "$(wc -l <"$T/lines.yes")" 200 "lines of the console"
	diff "$T/lines.yes" "$T/lines.no" ||
		fail "Linux says something else the second time"
}
