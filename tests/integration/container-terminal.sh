# Terminals of containers that no engine takes: run and exec in the foreground
# relay them to the terminal they were called from.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 4

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# on_terminal STEP... -- WORD...: hull-ct WORD... on a terminal, whose settings
# must be what they were in the end. $ended is "status N" or "signal N".
on_terminal()
{
	local steps=()
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	run "$TOOLS/pty_run" --timeout 30 --report "$T/report" "${steps[@]}" -- \
		"$HULL_CT" --root "$CT_ROOT" "$@"
	assert_status 0
	ended=$(sed -n 1p "$T/report")
	assert_eq "$(sed -n 2,3p "$T/report")" 'termios restored
flags restored'
}

test_run_relays_the_terminal()
{
	make_bundle
	args sh -c 'stty size; tty; read x; echo "got $x"; read y; stty size
		test -t 2 && echo end; exit 4'
	on_terminal size:41x91 'expect:41 91' expect:/dev/pts/0 raw \
		'send:words\r' 'expect:got words' size:12x34 sleep:100 \
		'send:\r' 'expect:12 34' expect:end \
		-- run -t --bundle "$BUNDLE" c
	assert_eq "$ended" 'status 4'
	# The configuration asks for it, and the payload takes much at once.
	config '.process.terminal = true'
	args sh -c 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i + 1)); done'
	on_terminal end -- run --bundle "$BUNDLE" c
	assert_eq "$ended" 'status 0'
	assert_has "$out" 'line 1999'
	assert_eq "$(grep -c '^line' <<<"$out")" 2000 "lines"
}

test_exec_relays_the_terminal()
{
	make_bundle
	args sleep 1000
	ct run --detach --pid-file "$T/pid" --bundle "$BUNDLE" c
	assert_status 0
	status_is c running
	assert_eq "$(cat "$T/pid")" "$(pid_of c)"
	on_terminal size:20x60 'expect:20 60' raw 'send:\x03' expect:stopped \
		-- exec -t c sh -c \
		'trap "echo stopped; exit 3" INT; stty size
		while :; do sleep 0.1; done'
	assert_eq "$ended" 'status 3'
	ct exec -t --detach c true
	refused_ct 'console-socket'
	ct exec --console-socket "$T/none" c true
	refused_ct '--tty'
	ct create --tty --bundle "$BUNDLE" d
	assert_status 1
	assert_match "$err" 'unknown option --tty'
}

# On every way out the terminal is as it was.
test_terminal_is_put_back()
{
	make_bundle
	config '.process.terminal = true'
	args sh -c 'trap "exit 9" TERM HUP USR1 SEGV; echo on; while :; do sleep 0.1; done'
	local signal
	for signal in TERM HUP USR1 SEGV; do
		on_terminal expect:on raw signal:$signal end \
			-- run --bundle "$BUNDLE" c
		assert_eq "$ended" 'status 9' "after $signal"
	done
	on_terminal expect:on raw signal:TSTP cooked signal:CONT raw \
		signal:TERM end -- run --bundle "$BUNDLE" c
	assert_eq "$ended" 'status 9'
	# It never begins.
	args nonesuch
	on_terminal end -- run --bundle "$BUNDLE" c
	assert_eq "$ended" 'status 127'
	# Its first process is killed from outside.
	args sh -c 'echo on; exec sleep 1000'
	on_terminal expect:on raw end -- run --pid-file "$T/pid" \
		--bundle "$BUNDLE" c &
	local runner=$!
	wait_for 5 container status_is c running
	wait_for 5 file test -s "$T/pid"
	sleep 0.2
	ct kill c KILL
	wait_status "$runner"
	assert_eq "$(sed -n 1,2p "$T/report")" 'status 137
termios restored'
}

# Without a terminal of our own: a file is typed in, and its end is told.
test_terminal_from_and_to_files()
{
	make_bundle
	printf 'one\ntwo\n' >"$T/in"
	args sh -c 'stty -echo; cat; echo end'
	run "$HULL_CT" --root "$CT_ROOT" run -t --bundle "$BUNDLE" c <"$T/in"
	assert_status 0
	assert_match "$(tr -d '\r' <"$T/out")" $'one\ntwo\nend$'
	run sh -c '"$@" <&- >&-' sh "$HULL_CT" --root "$CT_ROOT" run -t \
		--bundle "$BUNDLE" c
	assert_status 0
}

# In the foreground without a terminal signals go to the payload as well.
test_signals_are_passed_on()
{
	make_bundle
	args sh -c 'trap "exit 9" TERM; echo on; while :; do sleep 0.1; done'
	ct run --detach --bundle "$BUNDLE" c
	assert_status 0
	"$HULL_CT" --root "$CT_ROOT" exec c sh -c \
		'trap "exit 7" TERM; echo on; while :; do sleep 0.1; done' \
		>"$T/on" &
	local runner=$!
	wait_for 5 exec grep -q on "$T/on"
	kill -TERM "$runner"
	wait_status "$runner"
	assert_status 7
}
