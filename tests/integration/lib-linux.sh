# Booting the Linux guest: helpers for the tests that do. There are no tests in
# here.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh

# initrd_with SCRIPT: the guest's initrd and an archive behind it (Linux
# Documentation/driver-api/early-userspace/buffer-format.rst) with the script.
# While it runs, the kernel says only warnings and worse on the console: a
# message of lesser weight that comes late must not stand amid a line of it.
initrd_with()
{
	mkdir -p "$T/more"
	printf '%s\n' 'echo 5 >/proc/sys/kernel/printk' "$1" >"$T/more/test.sh"
	(cd "$T/more" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0) |
		gzip -1 >"$T/more.gz"
	# $guest_tools: programs for it, see guests/linux/tools.sh.
	cat "$LINUX/initrd.cpio.gz" ${guest_tools:+"$guest_tools"} "$T/more.gz" \
		>"$T/initrd"
}

# boot_linux KERNEL SCRIPT [OPTION...]: to its end, on the serial port.
boot_linux()
{
	local kernel=$1 script=$2
	shift 2
	initrd_with "$script"
	run "$HULL" run --kernel "$LINUX/$kernel" --initrd "$T/initrd" \
		--cmdline "console=ttyS0 panic=-1 hull.file=/test.sh ${words:-}" \
		--timeout 300 "$@" </dev/null
	out=${out//$'\r'/}
}

# start_linux SCRIPT [OPTION...]: in the background, as $linux_pid, with its
# console on hvc0 and in $T/out.
start_linux()
{
	local script=$1
	shift
	initrd_with "$script"
	printf '+ hull run %s\n' "${*@Q}" | cut -c 1-1500
	: >"$T/out"
	"$HULL" run --kernel "$LINUX/bzImage" --initrd "$T/initrd" \
		--cmdline "console=${console:-hvc0} loglevel=5 panic=-1 hull.file=/test.sh" \
		--timeout "${limit:-400}" "$@" </dev/null >"$T/out" 2>"$T/err" &
	linux_pid=$!
}

said() { tr -d '\r' <"$T/out" | grep -q "^$1"; }

said_or_gone() { said "$1" || gone "$linux_pid"; }

# heard SECONDS LINE: waits until the guest printed a line that begins so.
heard()
{
	(wait_for "$1" "line '$2' of the guest" said_or_gone "$2") || {
		tail -n 30 "$T/out"
		exit 1
	}
	said "$2" || {
		end_linux
		fail "the guest ended before it said '$2'"
	}
}

# The end of what start_linux started, with what `run` leaves.
end_linux()
{
	wait_status "$linux_pid"
	out=$(tr -d '\0\r' <"$T/out")
	err=$(tr -d '\0' <"$T/err")
	printf '%s\n' "$out" | tail -n 100
	printf '%s\n' "$err" | tail -n 30
	case $err in
	*AddressSanitizer* | *'runtime error: '* | *'stack smashing'*)
		fail "a sanitizer stopped hull" ;;
	esac
}

# value KEY: what the guest's script said as KEY=VALUE.
value()
{
	sed -n "s/^$1=//p" <<<"$out" | head -n 1
}

# The kernel of the guest complained of nothing.
assert_calm()
{
	local regex='WARNING:|BUG:|Oops|soft lockup|hung_task|blocked for more'
	! grep -E "$regex" <<<"$out" || fail "the guest's kernel complains"
	assert_lacks "$err" 'waits for a reset'
}

# A file system with direct I/O, of $1 MiB, as $T/disks.
mount_disks()
{
	need_program mkfs.ext4 e2fsprogs
	truncate -s "$1M" "$T/disks.img"
	mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 -O ^has_journal \
		"$T/disks.img"
	mkdir "$T/disks"
	mount -o loop "$T/disks.img" "$T/disks"
}

# noise_file FILE MIB: whose blocks are all different, on any machine fast.
noise_file()
{
	local i
	head -c 4194304 /dev/urandom >"$T/noise-chunk"
	for ((i = 0; i < $2 / 4; i++)); do
		# Each copy turned by a bit more than the one before.
		tail -c +$((i * 5003 + 1)) "$T/noise-chunk"
		head -c $((i * 5003)) "$T/noise-chunk"
	done >"$1"
	rm "$T/noise-chunk"
}

sum_of() { md5sum <"$1" | cut -d ' ' -f 1; }

# spin_on DISK: a monitor that holds it, in the background as $holder.
spin_on()
{
	"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 60 --disk "$1" \
		</dev/null >"$T/o" 2>"$T/e" &
	holder=$!
	wait_for 10 "vCPU thread" has_threads "$holder" 2
}

# Flushes that a block device has got (Linux Documentation/block/stat.rst).
flushes_of()
{
	local fields
	read -r -a fields <"/sys/block/${1##*/}/stat"
	echo "${fields[15]}"
}

# $guest_tools: programs for the guest, see guests/linux/tools.sh.
need_tools()
{
	[ -e "$LINUX/tools.cpio.gz" ] || fail "no tools.cpio.gz: make linux-tools"
	guest_tools=$LINUX/tools.cpio.gz
}

# What a script prints for dump_is_right.
# shellcheck disable=SC2034 # of those that source this
tell_places='grep -E " (linux_banner|page_offset_base|phys_base)$" /proc/kallsyms'

# place_of SYMBOL: in the guest of which boot_linux printed the places.
place_of() { echo "0x$(sed -n "s/^\([0-9a-f]*\) . $1\$/\1/p" <<<"$out")"; }

# dump_is_right FILE: the kernel's messages come out of it without any symbols,
# all of its page structures can be followed, and gdb finds the same text where
# the kernel has mapped itself and where it has mapped all memory.
dump_is_right()
{
	local banner base phys
	need_program makedumpfile makedumpfile
	need_program gdb gdb
	banner=$(place_of linux_banner)
	base=$(place_of page_offset_base)
	phys=$(place_of phys_base)
	run makedumpfile --dump-dmesg "$1" "$T/dmesg"
	assert_status 0
	tail -n 20 "$T/dmesg"
	grep -q 'Linux version 6.1' "$T/dmesg" || fail "no first message"
	run makedumpfile -c -d 31 "$1" "$T/small"
	assert_status 0
	assert_le "$(stat -c %s "$T/small")" \
		$(($(stat -c %b "$1") * 512 / 2)) "bytes of the filtered dump"
	run gdb -nx -batch -ex "x/s $banner" -ex "x/s *(unsigned long *)$base + \
		($banner - 0xffffffff80000000 + *(unsigned long *)$phys)" \
		-ex 'info threads' -core "$1"
	assert_eq "$(grep -c 'Linux version 6.1' <<<"$out")" 2 \
		"places of the kernel's banner"
	assert_has "$out" 'LWP 1'
}
