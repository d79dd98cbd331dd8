# Booting the Linux guest: helpers for the tests that do. There are no tests in
# here.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh

# initrd_with SCRIPT: the guest's initrd and an archive behind it (Linux
# Documentation/driver-api/early-userspace/buffer-format.rst) with the script.
initrd_with()
{
	mkdir -p "$T/more"
	printf '%s\n' "$1" >"$T/more/test.sh"
	(cd "$T/more" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0) |
		gzip -1 >"$T/more.gz"
	# $tools: programs for it, see guests/linux/tools.sh.
	cat "$LINUX/initrd.cpio.gz" ${tools:+"$tools"} "$T/more.gz" \
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
		--timeout 400 "$@" </dev/null >"$T/out" 2>"$T/err" &
	linux_pid=$!
}

said() { tr -d '\r' <"$T/out" | grep -q "^$1"; }

said_or_gone() { said "$1" || gone "$linux_pid"; }

# heard SECONDS LINE: waits until the guest printed a line that begins so.
heard()
{
	wait_for "$1" "line '$2' of the guest" said_or_gone "$2"
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
