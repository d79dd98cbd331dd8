# tools/hull-kselftest: Linux' selftests in one line, with a tree that is as
# theirs are but for what it tests.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are for
# other shells.

# fake_tree: a source tree whose tests are installed by its Makefile, and print
# what kselftest's runner prints.
fake_tree()
{
	local tests=$T/linux/tools/testing/selftests
	mkdir -p "$tests"
	cat >"$tests/run" <<-'END'
		#!/bin/sh
		echo "TAP version 13"
		echo "1..4"
		echo "# selftests: fake: adds"
		echo "# arguments: $*"
		echo "# a program of the host says: $(./fake/program it runs)"
		echo "ok 1 selftests: fake: adds"
		echo "# selftests: fake: proc"
		[ -e /proc/self/status ] && [ -c /dev/null ] && [ -d /sys/kernel ] ||
			echo -n "not "
		echo "ok 2 selftests: fake: proc"
		echo "ok 3 selftests: fake: absent # SKIP no such device"
		echo "$FAKE_RESULT 4 selftests: fake: last"
	END
	# The Makefile stands where the tests' own would be.
	printf '%s\n' 'install:' \
		'	mkdir -p $(INSTALL_PATH)/fake' \
		'	install -m 755 run $(INSTALL_PATH)/run_kselftest.sh' \
		'	sed -i "s/.FAKE_RESULT/$(TARGETS)/" $(INSTALL_PATH)/run_kselftest.sh' \
		'	cp /bin/echo $(INSTALL_PATH)/fake/program' >"$tests/Makefile"
}

# where: linux-kvm
# seconds: 60
# timeout: 200
test_kselftest()
{
	need_program busybox busybox-static
	fake_tree
	export HULL
	run "$HERE/../../tools/hull-kselftest" --kernel "$LINUX/bzImage" \
		--targets 'not ok' --collection fake --memory 512M --cpus 1 \
		--timeout 150s --result "$T/r.json" --junit "$T/j.xml" "$T/linux"
	assert_status 22
	assert_has "$out" 'a program of the host says: it runs'
	assert_has "$out" 'arguments: -c fake'
	assert_eq "$(jq -c '.tests | [.passed, .failed, .skipped]' "$T/r.json")" \
		'[2,1,1]' "passed, failed and skipped tests"
	assert_has "$(cat "$T/j.xml")" 'fake: last'
}

# where: none
test_kselftest_refuses()
{
	local tool=$HERE/../../tools/hull-kselftest
	need_program busybox busybox-static
	export HULL
	mkdir "$T/empty"
	run "$tool" "$T/empty"
	assert_status 2
	assert_has "$err" 'no run_kselftest.sh'
	run "$tool" "$T/none"
	assert_status 2
	run "$tool" --no-such "$T/empty"
	assert_status 2
	fake_tree
	run "$tool" "$T/linux"
	assert_status 2
	assert_has "$err" 'no kernel'
}
