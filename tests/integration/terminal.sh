# The terminal: raw while the guest runs, and on every way out as it was found;
# the keys that are ours; and what happens where there is no terminal.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 5

# on_terminal STEP... -- [OPTION...]: hull run on a new terminal; the report in
# $report.
on_terminal()
{
	local steps=() kernel
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	kernel=$2
	shift 2
	[[ $* == *--timeout* ]] || set -- --timeout 40 "$@"
	run "$TOOLS/pty_run" --timeout 30 --report "$T/report" "${steps[@]}" \
		-- "$HULL" run --kernel "$GUESTS/$kernel.elf" "$@"
	report=$(<"$T/report")
	printf '%s\n' "$report"
}

# ended HOW: how the command ended, with the terminal as it was before.
ended()
{
	assert_status 0
	assert_has "$report" "$1"
	assert_has "$report" 'termios restored'
	assert_has "$report" 'flags restored'
}

test_guest_ends()
{
	on_terminal -- exit
	ended 'status 3'
	on_terminal expect:ready raw 'send:q' expect:bye -- echo
	ended 'status 3'
}

test_ctrl_a_x_quits()
{
	on_terminal raw 'send:\x01x' -- spin
	ended 'status 14'
}

# Nobody reads the serial port and its buffer is long full.
test_ctrl_a_x_quits_when_the_guest_does_not_read()
{
	on_terminal raw "send:$(printf 'y%.0s' {1..3000})" sleep:300 \
		'send:\x01x' -- spin
	ended 'status 14'
}

test_ctrl_a_help()
{
	on_terminal raw 'send:\x01?' expect:x 'send:\x01x' -- spin
	ended 'status 14'
	assert_match "$out" 'Ctrl-A'
}

# Ctrl-C, Ctrl-Z and Ctrl-\ belong to the guest while the terminal is raw.
test_control_keys_reach_the_guest()
{
	on_terminal expect:ready raw 'send:\x03\x1a\x1c\x04' \
		'expect:\x03\x1a\x1c\x04' send:q expect:bye -- echo
	ended 'status 3'
}

# What is pasted in one go arrives whole and in order.
test_pasted_text()
{
	local text
	text=$(seq -s . 1 200)
	on_terminal expect:ready raw "send:$text" "expect:$text" send:q \
		expect:bye -- echo
	ended 'status 3'
}

test_signals()
{
	local signal
	for signal in INT HUP; do
		on_terminal raw signal:$signal -- spin
		ended 'status 14'
	done
	on_terminal raw signal:TERM sleep:500 signal:TERM -- spin
	ended 'status 14'
}

# 11, 6, 7 and 3 are the signals' numbers on x86.
test_crash_of_ours()
{
	local signal
	for signal in SEGV:11 ABRT:6 BUS:7 QUIT:3; do
		on_terminal raw signal:"${signal%:*}" -- spin
		ended "signal ${signal#*:}"
	done
}

test_time_out()
{
	on_terminal raw -- spin --timeout 2
	ended 'status 12'
}

test_triple_fault()
{
	on_terminal -- triple
	ended 'status 8'
	assert_match "$out" 'triple fault'
}

# Stopped from outside and continued: raw again, and restored in the end.
test_refused_start()
{
	on_terminal -- exit --cpus 0
	ended 'status 2'
	on_terminal -- no-such-guest
	ended 'status 2'
}

# SIGKILL cannot be answered: the terminal stays raw (`reset` helps), but
# nothing else stays.
test_kill_leaves_nothing_else()
{
	local before after pid
	before=$(leavings)
	"$HULL" run --kernel "$GUESTS/spin.elf" --cpus 2 --timeout 60 \
		--console unix="$T/sock" >"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 "vCPU threads" has_threads "$pid" 3
	kill -KILL "$pid"
	wait_status "$pid"
	assert_status 137
	after=$(leavings)
	assert_eq "$after" "$before" "files in /dev/shm, /run and \$T"
	# The socket's name stays, and the next start takes it over.
	"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 60 \
		--console unix="$T/sock" >"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 "vCPU threads" has_threads "$pid" 2
	kill -INT "$pid"
	wait_status "$pid"
	assert_status 14
	[ ! -e "$T/sock" ] || fail "the socket was not removed"
}

# Where hull could leave something behind. /tmp is looked at in the lab, where
# nobody else works (linux.sh).
leavings()
{
	find /dev/shm /run -xdev -maxdepth 2 -iname '*hull*' 2>/dev/null | sort
	find "$T" -mindepth 1 ! -name o ! -name e ! -name sock | sort
}

# --- without a terminal ------------------------------------------------------

# idle_input FILE: an idle main thread although standard input is at its end.
idle_input()
{
	local pid ticks
	"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 60 <"$1" \
		>"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 "vCPU thread" has_threads "$pid" 2
	sleep 1
	ticks=$(main_thread_ticks "$pid")
	sleep 2
	ticks=$(($(main_thread_ticks "$pid") - ticks))
	kill -INT "$pid"
	wait_status "$pid"
	assert_status 14
	assert_le "$ticks" 10 "clock ticks of the main thread in 2 s"
}

test_input_from_dev_null() { idle_input /dev/null; }

test_input_from_an_empty_file()
{
	: >"$T/in"
	idle_input "$T/in"
}

test_input_from_a_pipe_that_ended()
{
	mkfifo "$T/in"
	true >"$T/in" &
	idle_input "$T/in"
}

# More typing than the guest takes: it waits in the pipe, nobody spins.
test_input_that_the_guest_does_not_read()
{
	head -c 100000 /dev/zero >"$T/in"
	idle_input "$T/in"
}

test_no_standard_input()
{
	run bash -c 'exec "$1" run --kernel "$2" <&-' - "$HULL" \
		"$GUESTS/exit.elf"
	assert_passed
}

test_no_standard_streams_at_all()
{
	run bash -c 'exec "$1" run --kernel "$2" <&- >&- 2>&-' - "$HULL" \
		"$GUESTS/hello.elf"
	assert_passed
}

# A guest that sets up its serial port empties what the port had received: up
# to the sixteen bytes of its FIFO are gone, as they would be on a PC. So the
# pipe waits for the guest and the file starts with bytes that nobody misses.
test_input_from_a_pipe_reaches_the_guest()
{
	# shellcheck disable=SC2016 # for the inner shell
	run bash -c '{ until grep -q ready "$3" 2>/dev/null; do sleep 0.1; done
		printf "one\r"; sleep 1; printf "two\rq"; } |
		"$1" run --kernel "$2" --timeout 20 | tee "$3"
		exit ${PIPESTATUS[1]}' - "$HULL" "$GUESTS/echo.elf" "$T/seen"
	assert_passed
	assert_has "$out" $'one\r\ntwo\r\nbye'
}

test_input_from_a_file_reaches_the_guest()
{
	{
		printf '%040d\n' 0
		seq 1 3000
		printf 'q'
	} >"$T/in"
	# shellcheck disable=SC2016 # for the inner shell
	run bash -c '"$1" run --kernel "$2" --timeout 50 <"$3"' - "$HULL" \
		"$GUESTS/echo.elf" "$T/in"
	assert_passed
	cmp <(tr -d '\r' <"$T/out" | grep -x '[1-9][0-9]*') <(seq 1 3000)
	assert_has "$out" bye
}

# Job control: started in the background it must not touch the terminal.
test_in_the_background_of_a_shell()
{
	# shellcheck disable=SC2016 # for the inner shell
	run "$TOOLS/pty_run" --timeout 30 --report "$T/report" expect:done-here \
		-- bash -ic '"$0" run --kernel "$1" --timeout 1 </dev/tty &
		wait $!; echo done-here $?' "$HULL" "$GUESTS/spin.elf"
	assert_status 0
	assert_has "$out" 'done-here 12'
	assert_has "$(<"$T/report")" 'termios restored'
}
