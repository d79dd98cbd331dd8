# What is made of a console for CI: each verdict, the reports of it and the log,
# with guests/say.c, which prints its command line.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 5

# say END TEXT [OPTION...]: see guests/say.c; END 0 ends with status 0.
say()
{
	local words="$1 $2"
	shift 2
	run "$HULL" run --kernel "$GUESTS/say.elf" --timeout 20 \
		--debug-exit value --cmdline "$words" "$@"
}

# field KEY: the value in the result, without quotes.
field()
{
	sed -nE "s/^ *\"$1\": \"?(.*[^\",])?\"?,?\$/\1/p" "$T/r.json" |
		head -n 1
}

# assert_result REASON STATUS: of --result, which is the exit status, too.
assert_result()
{
	assert_eq "$(field reason)" "$1" "reason in the result"
	assert_eq "$(field exit_status)" "$2" "status in the result"
	assert_status "$2"
	assert_eq "$(field passed | head -n 1)" \
		"$([ "$2" -eq 0 ] && echo true || echo false)" "passed"
}

valid_junit()
{
	need_program xmllint libxml2-utils
	xmllint --noout --schema "$HERE/junit.xsd" "$1"
}

# --- --expect and --fail-on ---------------------------------------------------

# Only how it ended by itself goes without saying.
test_quiet()
{
	say 7 'hi|' --quiet
	assert_status 7
	assert_eq "$out$err" hi
	say 0 'hi|' --quiet
	assert_status 0
	assert_eq "$out$err" hi
	say 0 'hi|' --quiet --expect bye
	assert_status 20
	assert_match "$err" '^hull: the guest ended'
	say 0 'bad|' --quiet --fail-on bad
	assert_status 18
	assert_match "$err" '^hull: .*bad'
}

test_expected_line()
{
	say spin 'one|two|' --expect '^tw[o]$'
	assert_status 0
	assert_match "$err" '^hull: .*--expect'
	say 0 'one|two|' --expect '^tw$'
	assert_status 20
	assert_match "$err" '^hull: .*before.*--expect'
	# The guest's own status is not made better or worse.
	say 3 'one|' --expect three
	assert_status 3
}

test_expected_prompt()
{
	say spin 'booted|^[1;32mbox login:^[0m ' --expect 'login: $'
	assert_status 0
	assert_has "$out" $'\x1b[1;32mbox login:'
}

test_expected_on_the_debug_console()
{
	say spin 'serial|@de~bug|' --expect '^debug$'
	assert_status 0
	say spin 'ser@de@ial|@bug|' --expect '^debug$' \
		--debugcon file="$T/debug"
	assert_status 0
	assert_eq "$(<"$T/debug")" debug
	assert_eq "$out" serial
}

test_expected_without_a_reader()
{
	local console
	for console in none unix="$T/sock"; do
		say spin 'one|two|' --expect two --console "$console"
		assert_status 0
		assert_eq "$out" '' "standard output"
	done
}

test_failing_line()
{
	say spin 'fine|it broke: x|report|' --fail-on 'never' --fail-on 'broke'
	assert_status 18
	assert_match "$err" '^hull: .*--fail-on broke: it broke: x'
	# What follows the line is still there.
	assert_has "$out" report
	say 0 'it broke|' --fail-on broke --expect 'it'
	assert_status 18
}

test_linux_in_trouble()
{
	local oops='[    1.5] BUG: kernel NULL pointer dereference|[    1.6] RIP|'
	say spin "$oops" --fail-on linux
	assert_status 18
	assert_match "$err" '^hull: .*\(bug\): .*NULL pointer'
	assert_has "$out" RIP
	say spin '[    1.5] Oops: 0002 [#1] SMP|' --expect never
	assert_status 18
	assert_has "$err" '(oops)'
	# A panic's line comes before what pvpanic tells.
	say panic '[    1.5] Kernel panic - not syncing: x|' --fail-on linux
	assert_status 18
	assert_has "$err" '(panic)'
	say panic 'no such line|' --fail-on linux
	assert_status 6
	say 0 "$oops" --expect RIP --fail-on none
	assert_status 0
	# Nobody asked for a judgement.
	say 0 "$oops"
	assert_status 0
}

test_bad_expressions()
{
	say 0 '' --expect '(a'
	assert_refused 2 '--expect' '\(a' 'regular expression'
	say 0 '' --fail-on 'a{3,1}'
	assert_refused 2 '--fail-on' 'a\{3,1\}'
	say 0 '' --expect ''
	assert_refused 2 '--expect' 'empty'
}

# --- tests --------------------------------------------------------------------

test_tests_that_fail()
{
	local tap='TAP version 13|1..4|ok 1 a|not ok 2 b|ok 3 c # SKIP no|'
	say 0 "$tap" --tests on
	assert_status 22
	assert_has "$err" "2 of the guest's 4 tests failed or have no result"
	say 0 "$tap" --tests off --result "$T/r.json"
	assert_status 0
	say 0 "$tap"
	assert_status 0
	say 0 "$tap" --result "$T/r.json"
	assert_result tests 22
	assert_eq "$(sed -nE 's/^    "(passed|failed|skipped|missing)": //p' \
		"$T/r.json" | tr -d ',\n')" 1211 "counts"
	say 0 'nothing|' --tests on
	assert_status 22
	say 0 'nothing|' --result "$T/r.json"
	assert_status 0
}

test_kselftest_and_kunit()
{
	say 0 'TAP version 13|1..1|# selftests: net: a|# TAP version 13|# 1..2|# ok 1 x|# not ok 2 y|not ok 1 selftests: net: a # exit=1|' \
		--result "$T/r.json" --junit "$T/j.xml"
	assert_result tests 22
	assert_eq "$(grep -c '"result": ' "$T/r.json")" 2 "tests"
	assert_has "$(<"$T/r.json")" '"selftests: net: a: y"'
	assert_has "$(<"$T/j.xml")" 'classname="selftests: net: a" name="y"'
	say 0 '[    0.1] KTAP version 1|[    0.1] 1..1|[    0.1]     KTAP version 1|[    0.1]     # Subtest: s|[    0.1]     1..1|[    0.1]     ok 1 t|[    0.1] ok 1 s|' \
		--tests on
	assert_status 0
}

# --- reports ------------------------------------------------------------------

test_result_of_each_end()
{
	say 0 'hello|' --result "$T/r.json"
	assert_result guest 0
	assert_eq "$(field guest_status)" 0
	assert_eq "$(field kernel)" "$GUESTS/say.elf"
	assert_eq "$(field console_log)" "$T/r.console.log"
	say 77 'hello|' --result "$T/r.json"
	assert_result guest 77
	say panic 'hello|' --result "$T/r.json"
	assert_result panic 6
	say spin 'hello|' --result "$T/r.json" --expect hello
	assert_result expect 0
	assert_eq "$(field line)" hello
	say spin 'hello|' --result "$T/r.json" --fail-on hello
	assert_result fail-on 18
	tiny triple --result "$T/r.json"
	assert_result triple-fault 8
	tiny internal-error --result "$T/r.json"
	assert_result kvm 10
	assert_match "$(<"$T/r.json")" '"detail": \[[^]]*likely: '
	tiny reset-acpi --result "$T/r.json"
	assert_result reboot 4
	tiny poweroff-acpi --result "$T/r.json"
	assert_result poweroff 0
	run "$HULL" run --kernel "$T/missing" --result "$T/r.json"
	assert_result config 2
	assert_has "$(field sentence)" "$T/missing"
}

test_result_when_the_host_refuses()
{
	run "$HULL" run --kernel "$GUESTS/say.elf" --memory 60T \
		--result "$T/r.json" --junit "$T/j.xml"
	assert_result host 16
	valid_junit "$T/j.xml"
	assert_has "$(<"$T/j.xml")" '<error '
}

# timeout: 90
test_result_of_a_time_out()
{
	local ms
	tiny spin --timeout 1500ms --result "$T/r.json" --junit "$T/j.xml"
	assert_result timeout 12
	ms=$(field end_ms)
	assert_ge "${ms%.*}" 1500 "milliseconds until the end"
	# A vCPU with interrupts off is brought out of the guest by force.
	assert_le "${ms%.*}" 3500 "milliseconds until the end"
	assert_match "$(<"$T/r.json")" 'vCPU 0: running .*interrupts off'
	assert_match "$err" 'vCPU 0: running .*interrupts off'
	valid_junit "$T/j.xml"
}

# The best of a few: a busy host is late now and then. The guest spins with
# interrupts off, and the time counts from when the machine was built.
test_time_out_is_exact()
{
	local i ms best=1000000
	for i in 1 2 3 4 5; do
		tiny spin --timeout 400ms --result "$T/r.json"
		assert_result timeout 12
		ms=$(field end_ms)
		ms=${ms%.*}
		assert_ge "$ms" 400 "milliseconds until the end"
		[ "$ms" -ge "$best" ] || best=$ms
	done
	assert_le "$best" 500 "milliseconds until the end"
}

# start_say: a guest that goes on, in the background as $pid.
start_say()
{
	# What is waited for must not be that of a run before.
	rm -f "$T/r.console.log"
	"$HULL" run --kernel "$GUESTS/say.elf" --timeout 50 \
		--result "$T/r.json" --junit "$T/j.xml" \
		--cmdline 'spin first|second|unfinished' >"$T/o" 2>"$T/e" \
		</dev/null &
	pid=$!
	wait_for 20 "the guest's lines" grep -q second "$T/r.console.log"
}

test_result_of_signals()
{
	local pid
	start_say
	kill -INT "$pid"
	wait_status "$pid"
	assert_result ended 14
	valid_junit "$T/j.xml"
	start_say
	kill -TERM "$pid"
	sleep 0.3
	kill -TERM "$pid"
	wait_status "$pid"
	assert_result ended 14
	assert_has "$(<"$T/r.console.log")" unfinished
}

test_killed()
{
	local pid
	echo '"reason": "poweroff"' >"$T/r.json"
	start_say
	kill -KILL "$pid"
	wait_status "$pid"
	assert_eq "$(field reason)" running "reason in the result"
	assert_eq "$(field exit_status)" null "status in the result"
	valid_junit "$T/j.xml"
	assert_eq "$(sed -E 's/^\[ +[0-9]+\.[0-9]{6}\] //' \
		"$T/r.console.log")" $'first\nsecond' "log"
	assert_eq "$(find "$T" -name '*.new')" '' "files left"
}

test_times()
{
	local key last=0 value
	say 0 '[    0.000000] Linux version|[    0.1] Run /init as init process|hello|' \
		--result "$T/r.json"
	assert_status 0
	assert_match "$(field start)" '^20[0-9]{2}-.*T.*\.[0-9]{3}Z$'
	for key in first_instruction_ms first_console_byte_ms init_ms end_ms; do
		value=$(field $key)
		assert_match "$value" '^[0-9]+(\.[0-9]+)?$'
		assert_ge "${value%.*}" "$last" "$key"
		last=${value%.*}
	done
	assert_le "$last" 20000 "milliseconds of it all"
	assert_eq "$(field guest_bytes)" $((256 << 20))
	assert_ge "$(field peak_bytes)" 500000 "bytes at the most"
}

test_junit_is_valid()
{
	say 0 '1..5|ok 1 <a & "b">|not ok 2 c # exit=1|ok 3 # SKIP why|not ok 4 d # TODO|' \
		--junit "$T/j.xml"
	assert_status 22
	valid_junit "$T/j.xml"
	assert_eq "$(grep -c '<testcase' "$T/j.xml")" 6
	assert_has "$(<"$T/j.xml")" 'name="&lt;a &amp; &quot;b&quot;&gt;"'
	# The log is beside it.
	assert_has "$(<"$T/j.console.log")" 'not ok 2 c'
	# What a guest may print and XML may not hold.
	run "$HULL" run --kernel "$GUESTS/say.elf" --timeout 20 --cmdline \
		$'0 1..1|not ok 1 \x01\xff\xc3|' --junit "$T/j.xml"
	valid_junit "$T/j.xml"
	# Such a schema refuses something.
	sed -i 's/ name="boot"//' "$T/j.xml"
	! valid_junit "$T/j.xml" || fail "anything is valid"
}

# What /dev/stdout leads to, but nobody can do it harm.
test_report_on_standard_output()
{
	local fd=/proc/self/fd/1
	say 0 'hello|' --console none --result $fd
	assert_status 0
	assert_eq "$(grep -c '"format"' <<<"$out")" 1 "results"
	assert_has "$out" '"console_log": null'
	echo precious >"$T/file"
	"$HULL" run --kernel "$GUESTS/hello.elf" --console-log $fd \
		>>"$T/file" || [ $? -eq 3 ]
	assert_has "$(<"$T/file")" precious
	assert_has "$(<"$T/file")" '] hello'
}

test_reports_that_cannot_be_written()
{
	local option
	for option in --result --junit --console-log; do
		say 0 'hello|' $option /nowhere/file
		assert_refused 2 '/nowhere/file'
	done
	# Found out in the end: nobody can say that it went well.
	[ -c /dev/full ] || skip "there is no /dev/full"
	say 0 'hello|' --console-log /dev/full
	assert_status 0
	assert_match "$err" '/dev/full.*lost'
}

test_console_log()
{
	say 0 'one|^[31mtwo^[0m||three' --console-log "$T/log"
	assert_status 0
	assert_eq "$(sed -E 's/^\[ +[0-9]+\.[0-9]{6}\] /:/' "$T/log")" \
		$':one\n:two\n:\n:three' "log"
	# Its times go up, in the order of the lines.
	cut -c 2-13 "$T/log" | sort -c -n
}

# --- in a script --------------------------------------------------------------

test_nothing_but_the_guest_on_stdout()
{
	say 0 '1..1|ok 1 a|last' --result "$T/r.json" --junit "$T/j.xml" \
		--expect last --tests on
	assert_status 0
	printf '1..1\nok 1 a\nlast' | cmp - "$T/out"
	# And no input from a terminal is needed, nor one at all.
	run setsid -w "$HULL" run --kernel "$GUESTS/say.elf" --timeout 20 \
		--debug-exit value --cmdline '0 hi|' --result "$T/r.json" <&-
	assert_status 0
	assert_eq "$out" hi
}

test_script_feeds_the_guest()
{
	# The guest drops what came before it was ready.
	run bash -c '{ sleep 2; printf "abcq"; } | "$1" run --kernel "$2" --timeout 20 \
		--expect bye' - "$HULL" "$GUESTS/echo.elf"
	assert_status 0
	assert_has "$out" abc
}

# The script of docs/ci.md, with a file of words in the kernel's place.
test_git_bisect()
{
	local i words=('0 well|' '0 well|' '0 well|' missing '0 well|' \
		'spin BUG: x|' '0 not|' 'spin BUG: y|')
	need_program git git
	cat >"$T/bisect.sh" <<-END
		#!/bin/sh
		grep -q missing words && exit 125
		"$HULL" run --kernel "$GUESTS/say.elf" --timeout 20s \
			--debug-exit value --cmdline "\$(cat words)" \
			--expect '^well\$' >/dev/null
		case \$? in
		0) exit 0 ;;
		2 | 10 | 14 | 16) exit 125 ;;
		*) exit 1 ;;
		esac
	END
	chmod +x "$T/bisect.sh"
	mkdir "$T/repository"
	cd "$T/repository" || fail "no folder"
	git init -q .
	for ((i = 0; i < ${#words[@]}; i++)); do
		echo "${words[i]}" >words
		echo "$i" >number
		git add .
		git -c user.name=t -c user.email=t@t commit -q -m "change $i"
	done
	git bisect start HEAD HEAD~7
	run git bisect run "$T/bisect.sh"
	assert_status 0
	assert_match "$out" 'is the first bad commit'
	assert_eq "$(git log -1 --format=%s refs/bisect/bad)" 'change 5'
}

# example HEADING: the commands there that make a folder and run hull, of which a
# step of YAML has several lines.
example()
{
	sed -n "/^## $1\$/,/^## [^$]*\$/p" "$HERE/../../docs/ci.md" |
		grep -E -A 1 'mkdir -p|hull run' |
		sed -E -e 's/^ *(- )?//' -e '/^(run: |--$|artifacts)/d' |
		awk '/^(mkdir|hull)/ && NR > 1 { print "" } { printf "%s ", $0 }'
}

# As they stand in docs/ci.md, with a guest of ours in the kernel's place.
test_examples_for_github_and_gitlab()
{
	local place command
	mkdir "$T/bin"
	ln -s "$HULL" "$T/bin/hull"
	for place in 'GitHub Actions' GitLab; do
		mkdir "$T/$place"
		cd "$T/$place" || fail "no folder"
		cp "$GUESTS/say.elf" bzImage
		echo "an initrd" >tests.cpio.gz
		command=$(example "$place")
		assert_has "$command" '--tests on'
		# A kernel of Linux has its tests in the initrd.
		run env PATH="$T/bin:$PATH" bash -ec "$command \
			--cmdline '0 1..1|ok 1 a|' --debug-exit value"
		assert_status 0
		assert_has "$(<out/boot.json)" '"passed": 1'
		valid_junit out/boot.xml
		rm -r out
		run env PATH="$T/bin:$PATH" bash -ec "$command \
			--cmdline '0 1..1|not ok 1 a|' --debug-exit value"
		assert_status 22
		valid_junit out/boot.xml
	done
	# And every option that the pages name is one.
	cd "$HERE/../.." || fail "no folder"
	{
		"$HULL" run --help
		"$HULL" matrix --help
		tools/hull-kselftest --help
		echo "  --dump-dmesg" # makedumpfile's
		echo "  --fsys-tarfile" # dpkg's
		echo "  --wildcards" # tar's
	} >"$T/help"
	while read -r command; do
		grep -qE -- "$command([ =,]|\$)" "$T/help" ||
			fail "the pages name $command, which is no option"
	done < <(grep -ohE -- '--[a-z][a-z-]+' docs/ci.md docs/debugging.md |
		sort -u)
}

test_config_file()
{
	cat >"$T/vm.json" <<-END
		{
		  "kernel": "$GUESTS/say.elf",
		  "cmdline": "spin good|bad|",
		  "expect": "never",
		  "fail-on": ["none", "^bad\$"],
		  "timeout": 20
		}
	END
	run "$HULL" run --config "$T/vm.json"
	assert_status 18
	run "$HULL" run --config "$T/vm.json" --print-config
	assert_status 0
	assert_has "$out" '"^bad$"'
}
