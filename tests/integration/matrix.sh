# `hull matrix`: many boots, one report.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 8

# table JSON: a table whose boots run guests/say.c, in $T/table.json.
table()
{
	cat >"$T/table.json" <<-END
		{
		  "common": {
		    "kernel": "$GUESTS/say.elf",
		    "memory": "32M",
		    "debug-exit": "value",
		    "timeout": 20
		  },
		  $1
		}
	END
}

matrix()
{
	run "$HULL" matrix "$T/table.json" --output "$T/results" "$@"
}

# timeout: 120
test_thirty_boots_with_failures()
{
	local i kernels='' configurations=''
	for i in 1 2 3 4 5 6; do
		kernels+="${kernels:+, }\"k$i\": { \"name\": \"n\" }"
	done
	configurations='"good": { "cmdline": "0 1..2|ok 1 a|ok 2 b|" },
		"bad": { "cmdline": "0 1..2|ok 1 a|not ok 2 b|" },
		"smp": { "cmdline": "0 hello|", "cpus": 2 },
		"oops": { "cmdline": "spin BUG: x|" },
		"expected": { "cmdline": "spin x|", "expect": "x" }'
	table "\"kernels\": { ${kernels//\"name\": \"n\"/} },
		\"configurations\": { $configurations }"
	matrix --jobs 4
	assert_status 22
	assert_eq "$(head -n 2 <<<"$out")" $'TAP version 13\n1..30'
	assert_eq "$(grep -c '^ok ' <<<"$out")" 18 "boots that passed"
	assert_eq "$(grep -c '^not ok .*-bad .*status 22: 1 of' <<<"$out")" 6
	assert_eq "$(grep -c '^not ok .*-oops .*status 18: .*BUG' <<<"$out")" 6
	assert_match "$out" '# 18 passed, 12 failed, 0 not run'
	assert_eq "$(grep -oE '^(not )?ok [0-9]+' <<<"$out" | grep -oE '[0-9]+' |
		sort -n | tr '\n' ' ')" "$(seq 30 | tr '\n' ' ')" "numbers"
	# One report of all of them: 30 boots and 24 tests.
	need_program xmllint libxml2-utils
	xmllint --noout --schema "$HERE/junit.xsd" "$T/results/matrix.xml"
	assert_match "$(<"$T/results/matrix.xml")" \
		'<testsuites name="hull" tests="54" failures="12" errors="0"'
	assert_eq "$(grep -c '<testsuite name="k[1-6]-' "$T/results/matrix.xml")" 30
	assert_eq "$(grep -c '"exit_status": 18' "$T/results/matrix.json")" 12
	assert_has "$(<"$T/results/k3-oops.console.log")" 'BUG: x'
	assert_has "$(<"$T/results/k3-oops.stderr")" 'hull: '
}

test_statuses()
{
	table '"boots": { "a": { "cmdline": "0 hello|" } }'
	matrix
	assert_status 0
	assert_match "$out" $'\nok 1 - a \\([0-9]+\\.[0-9] s\\)'
	table '"boots": { "a": { "cmdline": "0" }, "b": { "cmdline": "7" } }'
	matrix
	assert_status 22
	assert_match "$out" 'not ok 2 - b .* # status 7: .*value 7'
	table '"boots": { "a": { "cmdline": "7" }, "b": { "kernel": "/none" } }'
	matrix
	assert_status 16
	assert_match "$out" 'not ok 2 - b .* # status 2: .*/none'
	# A key that is none is the boot's error.
	table '"boots": { "a": { "kernle": "x" } }'
	matrix
	assert_status 16
	assert_match "$out" 'not ok 1 - a .*kernle.*kernel'
	assert_match "$(<"$T/results/matrix.xml")" '<error message='
	# What is expected to go wrong.
	table '"boots": {
		"p": { "cmdline": "panic", "pass-status": 6 },
		"v": { "cmdline": "33", "pass-status": 33 } }'
	matrix
	assert_status 0
	assert_eq "$(grep -c '"passed": true' "$T/results/matrix.json")" 4
	table '"boots": { "p": { "cmdline": "0", "pass-status": 6 } }'
	matrix
	assert_status 22
	assert_match "$out" 'status 20: .*--pass-status'
}

test_bad_tables()
{
	local text
	while IFS='|' read -r text regex; do
		printf '%s\n' "$text" >"$T/table.json"
		matrix
		assert_refused 2 'table.json' "$regex"
	done <<-'END'
		{ "boots": { "a": 1 } }|"a" is not an object
		{ "boots": { "a/b": {} } }|"a/b" is no name
		{ "boots": { ".a": {} } }|no name
		{ "boots": { "matrix": {} } }|no name
		{ "boots": { "a": {}, "a": {} } }|duplicate
		{ "boots": [] }|"boots" is not an object
		{ "boot": {} }|unknown key "boot"
		{ "boots": {} }|no boots
		{ "kernels": { "a": {} }, "boots": { "a": {} } }|two boots are named "a"
		[]|not an object
		{|[0-9]+:[0-9]+:
	END
	run "$HULL" matrix
	assert_refused 2 'hull matrix FILE'
	run "$HULL" matrix "$T/none.json"
	assert_refused 2 'none.json'
	table '"boots": { "a": {} }'
	run "$HULL" matrix "$T/table.json" --output /proc/none
	assert_refused 2 '/proc/none'
	run "$HULL" matrix "$T/table.json" --output "$T/table.json"
	assert_refused 2 'table.json' 'folder'
	run "$HULL" matrix "$T/table.json" --job 3
	assert_refused 2 '--job' '--jobs'
}

# start_spinning: two of three boots run, in the background as $pid.
start_spinning()
{
	table '"boots": { "a": { "cmdline": "spin x|" },
		"b": { "cmdline": "spin x|" }, "c": { "cmdline": "spin x|" } }'
	"$HULL" matrix "$T/table.json" --jobs 2 --output "$T/results" \
		>"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 20 "two guests" grep -qs x "$T/results/a.console.log"
	wait_for 20 "two guests" grep -qs x "$T/results/b.console.log"
}

test_interrupted()
{
	local pid signal
	for signal in INT TERM; do
		start_spinning
		kill -$signal "$pid"
		wait_status "$pid"
		assert_status 14
		assert_match "$(<"$T/o")" '# 0 passed, 2 failed, 1 not run'
		assert_has "$(<"$T/results/matrix.xml")" 'it was not started'
		assert_eq "$(grep -c '"reason": "ended"' "$T/results/matrix.json")" 2
		rm -r "$T/results"
	done
}

# The boots go with it: the harness looks for what is left.
test_killed()
{
	local pid child children
	start_spinning
	children=$(pgrep -P "$pid")
	kill -KILL "$pid"
	wait_status "$pid"
	for child in $children; do
		wait_for 10 "end of a boot" gone "$child"
	done
}

test_progress_on_a_terminal()
{
	table '"boots": { "slow": { "cmdline": "0 ~~~~~~~~~~hello|" } }'
	run "$TOOLS/pty_run" --timeout 30 'expect:0 of 1, 0 failed; running: slow' \
		'expect:ok 1 - slow' 'expect:1 passed' -- \
		"$HULL" matrix "$T/table.json" --output "$T/results"
	assert_status 0
}
