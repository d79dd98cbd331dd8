# --record-console: the file is read as a player would, by a reader of JSON.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are
# jq's.
# where: host-kvm
# seconds: 4

# played FILE: all that the terminal got. Fails when a line is no event, or
# goes back in time.
played()
{
	need_program jq jq
	jq -rjs '.[0] as $head | .[1:] |
		if $head.version != 2 or ($head.width | type) != "number" or
			($head.height | type) != "number"
		then error("the first line is no head") else . end |
		if any(.[]; (.[0] | type) != "number" or (.[2] | type) != "string"
			or (.[1] != "o" and .[1] != "r"))
		then error("a line is no event") else . end |
		if map(.[0]) != (map(.[0]) | sort)
		then error("time goes back") else . end |
		map(select(.[1] == "o") | .[2]) | join("")' "$1"
}

test_recording()
{
	local before after
	before=$(date +%s)
	tiny say --cmdline '1 one ^[1m"two"|~~three|last@|debug' \
		--record-console "$T/cast" --name 'a "name"' --result "$T/r.json"
	after=$(date +%s)
	assert_passed
	played "$T/cast" >"$T/played"
	cmp "$T/out" "$T/played" || fail "another text was recorded"
	assert_eq "$(head -n 1 "$T/cast" | jq -c '[.title, .width, .height]')" \
		'["a \"name\"",80,24]' "what the head says"
	# Times are those of the run, of the result beside it, and of the pause.
	run jq -s --argjson before "$before" --argjson after "$after" \
		--slurpfile result "$T/r.json" '$result[0].times as $times |
		(.[1][0] * 1000) as $first | (.[-1][0] * 1000) as $last |
		.[0].timestamp >= $before and .[0].timestamp <= $after and
		$first >= $times.first_instruction_ms and
		$first <= $times.first_console_byte_ms and
		$last - $first > 50 and $last <= $times.end_ms' "$T/cast"
	assert_eq "$out" true "whether the times are right"
}

# Each line is there as soon as the guest wrote it, and the rest soon.
test_recording_of_a_killed_hull()
{
	local pid
	echo 'an older file' >"$T/cast"
	"$HULL" run --kernel "$GUESTS/say.elf" --console none \
		--cmdline 'spin first|login: ' --record-console "$T/cast" \
		</dev/null >"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 'prompt in the recording' grep -q 'login: ' "$T/cast"
	kill -KILL "$pid"
	wait_status "$pid"
	assert_eq "$(played "$T/cast")" $'first\nlogin: '
}

test_recording_of_a_terminal()
{
	run "$TOOLS/pty_run" --timeout 30 --report "$T/report" size:30x100 \
		expect:ready raw 'send:before' expect:before size:40x132 \
		signal:WINCH sleep:200 'send:behind' expect:behind 'send:q' \
		-- "$HULL" run --kernel "$GUESTS/echo.elf" \
		--record-console "$T/cast" --timeout 20
	assert_status 0
	assert_has "$(played "$T/cast")" beforebehind
	assert_eq "$(jq -r 'select(type == "array" and .[1] == "r") | .[2]' \
		"$T/cast" | tail -n 1)" 132x40 "the new size"
	assert_match "$(jq -r 'select(type == "array") | .[1]' "$T/cast" |
		uniq | tr -d '\n')" 'oro$'
}

test_recording_without_a_place()
{
	tiny hello --record-console "$T/no/cast" --result "$T/r.json"
	assert_refused 2 "$T/no/cast" 'no such file'
	[ ! -e "$T/r.json" ] || fail "a result says that the guest runs"
	tiny hello --record-console /dev/full
	assert_refused 2 /dev/full 'no space'
}
