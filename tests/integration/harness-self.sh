# The harness and the runner themselves: that a failure is seen as one, of
# every kind there is.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none

# run_sample BODY: runs a test with this body under a harness of its own in $T.
run_sample()
{
	mkdir -p "$T/tree/tests/integration" "$T/tree/build"
	cp "$HERE/harness.sh" "$T/tree/tests/integration/"
	printf '# where: none\n# timeout: %s\n\ntest_a()\n{\n%s\n}\n' \
		"${limit:-20}" "$1" >"$T/tree/tests/integration/sample.sh"
	run env -u HULL_TEST_RESULTS -u HULL_TEST_LOCK HULL_TEST_PLACE=host \
		HULL_TEST_PATIENCE="${patience:-1}" BUILD="$T/tree/build" \
		bash "$T/tree/tests/integration/harness.sh" sample.a
}

test_pass()
{
	run_sample '	true'
	assert_status 0
	assert_match "$out" '^ok sample\.a # [0-9]+\.[0-9]s$'
}

test_command_that_fails()
{
	run_sample '	false; true'
	assert_status 1
	assert_has "$out" 'not ok sample.a # exit status 1'
}

test_fail_tells_the_reason_and_the_place()
{
	run_sample '	assert_eq 1 2 "the answer"'
	assert_status 1
	assert_has "$out" "not ok sample.a # the answer: got '1', expected '2'"
	assert_has "$out" 'sample.sh:6'
}

test_skip()
{
	run_sample '	skip "no reason"'
	assert_status 0
	assert_eq "$out" 'skip sample.a # no reason'
}

test_time_out()
{
	limit=1 patience=2
	run_sample '	sleep 30'
	assert_status 1
	assert_has "$out" 'not ok sample.a # no end after 2 seconds'
}

test_left_process()
{
	run_sample '	setsid sleep 31 >/dev/null 2>&1 </dev/null & disown'
	assert_status 1
	assert_has "$out" 'not ok sample.a # left behind: sleep 31'
}

test_crash_of_a_program()
{
	# shellcheck disable=SC2016 # for the inner shell
	run_sample '	run bash -c "kill -SEGV \$\$"'
	assert_status 1
	assert_has "$out" 'not ok sample.a # bash died by signal 11'
}

test_no_such_test()
{
	run_sample '	true'
	run bash "$T/tree/tests/integration/harness.sh" sample.b nothing.a
	assert_status 1
	assert_has "$out" 'not ok sample.b # there is no such test'
	assert_has "$out" 'not ok nothing.a # there is no such test'
}

# sample_tree: a tree with the real runner, a lab that is a script of ours, and
# three tests of which two would need a lab.
sample_tree()
{
	mkdir -p "$T/tree/tests/integration"
	cp tests/run "$T/tree/tests/"
	cp "$HERE/harness.sh" "$T/tree/tests/integration/"
	# shellcheck disable=SC2016 # for the sample
	# Not as a here-document: this file's own list would have them too.
	printf '%s\n' '# where: none' '' \
		'test_here() { true; }' \
		'# where: linux-kvm' 'test_there() { true; }' \
		'# where: linux-kvm' '# seconds: 50' \
		'test_beyond() { [ "$HULL_TEST_PLACE" = lab ]; }' \
		>"$T/tree/tests/integration/a.sh"
	{
		printf 'unit:\n\t@echo "50%%: Checks: 4, Failures: 2, Errors: 0"\n'
		printf '\t@echo "x.c:1:F:c:t:0: wrong"; exit 1\n'
		printf 'fuzz-smoke:\n\t@echo ok fuzz.a\n'
		printf 'gates:\n\t@echo check-a: ok; echo "check-b: 2 finding(s)"\n'
		printf '\t@echo "make: *** [x.mk:1: check-%s] Error 1"; exit 1\n' b
	} >"$T/tree/Makefile"
	cat >"$T/tree/tests/lab"
	chmod +x "$T/tree/tests/lab"
}

no_linux_kvm()
{
	! grep -qE '^flags.*\b(vmx|svm)\b' /proc/cpuinfo ||
		skip "this host's KVM runs Linux, so nothing goes to a lab"
}

test_runner_adds_up()
{
	no_linux_kvm
	sample_tree <<'END'
#!/bin/bash
[ "$1" != --prepare ] || exit 0
while [ "$1" != -- ]; do shift; done
shift
HULL_TEST_PLACE=lab exec "$@"
END
	run "$T/tree/tests/run"
	assert_status 1
	assert_eq "$(tail -n 1 "$T/out")" '7 passed, 3 failed, 0 skipped'
	run "$T/tree/tests/run" a.
	assert_status 0
	assert_eq "$(tail -n 1 "$T/out")" '3 passed, 0 failed, 0 skipped'
}

test_runner_counts_what_a_dead_lab_took_along()
{
	no_linux_kvm
	sample_tree <<'END'
#!/bin/bash
[ "$1" != --prepare ] || exit 0
case $* in
*beyond*) echo "ok a.beyond # 1.0s"; exit 0 ;;
esac
exit 125
END
	run "$T/tree/tests/run" --jobs 2 a.
	assert_status 1
	assert_has "$out" 'a.there: no result: the lab ended before it'
	assert_eq "$(tail -n 1 "$T/out")" '2 passed, 1 failed, 0 skipped'
}

# A lab that stops dead is started again with what it left, once.
test_runner_starts_a_dead_lab_again()
{
	no_linux_kvm
	sample_tree <<'END'
#!/bin/bash
[ "$1" != --prepare ] || exit 0
while [ "$1" != -- ]; do shift; done
shift
tries=$(dirname "$0")/tries
echo "$*" >>"$tries"
if [ "$(wc -l <"$tries")" -eq 1 ]; then
	echo "ok a.beyond # 1.0s"
	exec sleep 1000
fi
HULL_TEST_PLACE=lab exec "$@"
END
	HULL_TEST_LAB_SILENCE=3 run "$T/tree/tests/run" --jobs 1 a.
	assert_status 0
	assert_has "$out" 'said nothing for 3 s'
	assert_eq "$(tail -n 1 "$T/out")" '3 passed, 0 failed, 0 skipped'
	assert_lacks "$(tail -n 1 "$T/tree/tests/tries")" beyond
}

test_runner_without_a_lab()
{
	no_linux_kvm
	sample_tree <<'END'
#!/bin/bash
exit 125
END
	run "$T/tree/tests/run" a.
	assert_status 1
	assert_eq "$(tail -n 1 "$T/out")" '1 passed, 2 failed, 0 skipped'
}

test_runner_fails_when_nothing_ran()
{
	run tests/run no-test-has-this-name
	assert_status 1
	assert_eq "$(tail -n 1 "$T/out")" '0 passed, 0 failed, 0 skipped'
}
