# The console's ways out: nothing is lost however slow the reader, and the
# monitor's memory does not grow with what waits.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 8

# What guests/flood.c prints for kib=$1.
flood_text()
{
	seq -f '%015.0f' 0 $(($1 * 64 - 1))
}

test_file()
{
	tiny flood --cmdline kib=64 --console file="$T/console"
	assert_passed
	[ -z "$out" ] || fail "the console went to standard output too"
	flood_text 64 | cmp - "$T/console"
}

test_none()
{
	tiny hello --console none
	assert_passed
	[ -z "$out" ] || fail "there is output: $out"
}

test_stdout_to_a_file()
{
	tiny flood --cmdline kib=64
	assert_passed
	flood_text 64 | cmp - "$T/out"
}

# anonymous_kib PID: the monitor's own memory, guest RAM (shared) left out.
anonymous_kib()
{
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status"
}

test_slow_reader_loses_nothing()
{
	local pid before after
	mkfifo "$T/pipe"
	"$HULL" run --kernel "$GUESTS/flood.elf" --cmdline kib=256 \
		--timeout 50 >"$T/pipe" 2>"$T/e" &
	pid=$!
	exec 8<"$T/pipe"
	# A pipe takes 64 KiB; behind that the guest has to wait for us.
	sleep 2
	before=$(anonymous_kib "$pid")
	head -c 4096 <&8 >"$T/got"
	sleep 2
	after=$(anonymous_kib "$pid")
	gone "$pid" && fail "it ended while output was waiting"
	cat <&8 >>"$T/got"
	wait_status "$pid"
	assert_passed
	flood_text 256 | cmp - "$T/got"
	assert_le "$after" 2048 "KiB of the monitor's own memory"
	assert_le $((after - before)) 128 "KiB by which it grew"
}

test_reader_that_leaves()
{
	run bash -c '"$1" run --kernel "$2" --cmdline kib=64 --timeout 30 |
		head -c 100 >/dev/null; exit ${PIPESTATUS[0]}' - "$HULL" \
		"$GUESTS/flood.elf"
	# The guest goes on; that output was lost is told.
	assert_passed
	assert_match "$err" 'lost'
}

test_full_disk()
{
	[ -c /dev/full ] || skip "there is no /dev/full"
	tiny flood --cmdline kib=16 --console file=/dev/full
	assert_passed
	assert_match "$err" 'lost.*(space|ENOSPC)'
}

test_unix_socket()
{
	local pid
	need_program socat socat
	"$HULL" run --kernel "$GUESTS/echo.elf" --timeout 40 \
		--console unix="$T/sock" >"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 socket test -S "$T/sock"
	assert_eq "$(stat -c %a "$T/sock")" 600 "mode of the socket"
	# The first client hears what was said before it came.
	(
		sleep 0.5
		printf abc
		sleep 0.5
	) | socat -t 2 - "UNIX-CONNECT:$T/sock" >"$T/first"
	assert_has "$(<"$T/first")" 'echo: ready'
	assert_has "$(<"$T/first")" abc
	# It went; the next is served.
	(
		printf defq
		sleep 0.5
	) | socat -t 2 - "UNIX-CONNECT:$T/sock" >"$T/second"
	wait_status "$pid"
	assert_passed
	assert_has "$(<"$T/second")" def
	assert_has "$(<"$T/second")" bye
	[ ! -e "$T/sock" ] || fail "the socket was not removed"
}

test_unix_socket_that_is_in_use()
{
	local pid
	"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 40 \
		--console unix="$T/sock" >"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 socket test -S "$T/sock"
	tiny exit --console unix="$T/sock"
	[ "$status" -eq 2 ] || [ "$status" -eq 16 ] ||
		fail "a second monitor took the socket: status $status"
	assert_has "$err" "$T/sock"
	[ -S "$T/sock" ] || fail "the first one's socket is gone"
	kill -INT "$pid"
	wait_status "$pid"
	# A file that is no socket stays what it is.
	echo precious >"$T/file"
	tiny exit --console unix="$T/file"
	[ "$status" -eq 2 ] || [ "$status" -eq 16 ] || fail "status $status"
	assert_eq "$(<"$T/file")" precious
}

test_pty()
{
	local pid name
	need_program socat socat
	"$HULL" run --kernel "$GUESTS/echo.elf" --timeout 40 --console pty \
		>"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 "name of the terminal" grep -q /dev/pts/ "$T/e"
	name=$(grep -o '/dev/pts/[0-9]*' "$T/e" | head -n 1)
	(
		sleep 0.5
		printf 'xyz'
		sleep 1
		printf 'q'
		sleep 1
	) | socat -t 2 - "$name,raw,echo=0" >"$T/got"
	wait_status "$pid"
	assert_passed
	assert_has "$(<"$T/got")" xyz
	assert_has "$(<"$T/got")" bye
}

# Nobody listens for long: the backlog is bounded and the guest goes on.
test_flood_into_a_socket_without_a_client()
{
	local pid
	"$HULL" run --kernel "$GUESTS/flood.elf" --cmdline kib=64 --timeout 50 \
		--console unix="$T/sock" >"$T/o" 2>"$T/e" &
	pid=$!
	wait_status "$pid"
	assert_passed
}
