#!/bin/bash
# lab-selftest.sh: does tests/lab do what docs/lab.md says?
#
# Each check prints "ok" or "not ok"; the last line is the summary. Takes about
# two minutes.
set -uo pipefail

top=$(readlink -f "$(dirname "$(readlink -f "$0")")/..")
lab=$top/tests/lab
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

# check WHAT TEST...: one result.
check()
{
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
		sed 's/^/    /' "$tmp/out" "$tmp/err" 2>/dev/null | head -n 20
	fi
}

# lab ARG...: run it, leave out, err and status behind.
lab()
{
	"$lab" --name selftest "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# Nothing of a lab of ours runs or lies about. The end of QEMU is the kernel's
# work after the script's, hence the patience.
clean()
{
	local try
	for try in {1..30}; do
		if [ ! -e "$top/build/lab/run/selftest" ] && ! running; then
			return 0
		fi
		sleep 0.1
	done
	echo "something is left after $try tries" >>"$tmp/err"
	return 1
}

# Is there a process, zombies aside, with the run folder in its arguments?
running()
{
	local file
	for file in /proc/[0-9]*/cmdline; do
		# it may have ended since the pattern was expanded
		if { tr '\0' ' ' <"$file"; } 2>/dev/null |
			grep -q "build/lab/run/selftest/"; then
			return 0
		fi
	done
	return 1
}

none_running()
{
	sleep 1
	! running
}

said()
{
	grep -q -e "$1" "$tmp/$2"
}

status_is()
{
	[ "$status" -eq "$1" ]
}

one_line_125()
{
	status_is 125 && [ "$(wc -l <"$tmp/err")" -eq 1 ]
}

# A lab in the background whose command says "up" and then sleeps.
background()
{
	"$lab" --name selftest -- sh -c 'echo up; sleep 100' \
		>"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	for _ in {1..600}; do
		said up out && return
		sleep 0.1
	done
}

check_usage()
{
	local arguments
	for arguments in '' '--frob' '--cpus 0 -- true' '--cpus x -- true' \
		'--net a -- true' '--name a/b -- true' '--timeout' \
		'--env X -- true'; do
		# shellcheck disable=SC2086 # a list of words
		lab $arguments
		check "'$arguments' is refused with one line" \
			one_line_125
	done
	mkdir "$tmp/bin"
	ln -s "$(command -v readlink)" "$(command -v dirname)" \
		"$(command -v uname)" "$tmp/bin"
	PATH=$tmp/bin /bin/bash "$lab" true >"$tmp/out" 2>"$tmp/err"
	status=$?
	check "a missing program is refused" one_line_125
	check "and its package is named" said 'install the package qemu' err
}

check_inside()
{
	cat >"$tmp/inside" <<'END'
echo to-stdout; echo to-stderr >&2; echo reopened >/dev/stderr
[ "$(id -u)" = 0 ] && echo is-root
[ -c /dev/kvm ] && [ -r /dev/kvm ] && echo has-kvm
grep -q memory /sys/fs/cgroup/cgroup.subtree_control && echo has-cgroup
mkdir /sys/fs/cgroup/a && echo 1000000 >/sys/fs/cgroup/a/memory.max &&
	echo can-limit
[ "$(cat /sys/class/net/lo/operstate)" != down ] && echo has-lo
exec 3<>/dev/net/tun && echo has-tun
modprobe ext4 && echo has-modules
unshare -Ur true && echo has-userns
[ "$(hostname)" = selftest ] && echo has-name
[ "$A_VARIABLE" = 'a  b' ] && [ "$HULL_SEEN" = 1 ] && echo has-env
[ -z "${NOT_PASSED-}" ] && echo clean-env
[ "$PWD" = "$1" ] && echo has-cwd
echo data >"$LAB_RESULTS/file"
echo junk >>"$0" && echo wrote-over
(sleep 1000 &)
exit 42
END
	local word before
	before=$(cksum <"$tmp/inside")
	cd "$tmp" || exit 1
	HULL_SEEN=1 NOT_PASSED=1 lab --results "$tmp/results" \
		--env 'A_VARIABLE=a  b' -- bash "$tmp/inside" "$tmp"
	cd "$top" || exit 1
	check "the command's status comes back" status_is 42
	for word in to-stdout to-stderr reopened is-root has-kvm has-cgroup \
		can-limit has-lo has-tun has-modules has-userns has-name \
		has-env clean-env has-cwd wrote-over; do
		check "inside: $word" said "^$word\$" out
	done
	check "results stay" grep -qx data "$tmp/results/file"
	check "other files do not change" \
		[ "$(cksum <"$tmp/inside")" = "$before" ]
	check "nothing is left after a run" clean
}

check_status()
{
	lab -- /nonexistent
	check "a command that is not there gives 127" status_is 127
	lab -- sh -c 'kill -9 $$'
	check "a killed command gives 137" status_is 137
	lab -- seq 200000
	check "output is whole" \
		[ "$(cksum <"$tmp/out")" = "$(seq 200000 | cksum)" ]
	lab --timeout 4 -- sleep 100
	check "a time-out gives 124" status_is 124
	check "and says where the console log is" said 'console log is /' err
	lab -- sh -c 'echo c >/proc/sysrq-trigger; sleep 100'
	check "a panic gives 125" status_is 125
	check "and is named" said 'lab: Kernel panic.*console log is /' err
	check "and its log is there" \
		grep -q 'Kernel panic' "$top/build/lab/run/selftest/console.log"
	lab -- true
	check "a later success removes that log" clean
	"$lab" --name selftest -- sh -c 'seq 100000; sleep 100' 2>"$tmp/err" |
		head -n 1 >"$tmp/out"
	check "a closed stdout ends the lab" clean
}

check_signals()
{
	local signal expected
	for signal in TERM HUP KILL; do
		expected=$((128 + $(kill -l "$signal")))
		background
		kill -"$signal" "$pid"
		wait "$pid" 2>/dev/null
		status=$?
		check "SIG$signal gives $expected" status_is "$expected"
		if [ "$signal" = KILL ]; then
			check "and no process stays" none_running
		else
			check "and nothing stays" clean
		fi
	done
	background
	lab -- true
	check "a name in use is refused" status_is 125
	kill "$pid"
	wait "$pid" 2>/dev/null
}

# A terminal of our own by script(1): Ctrl-C, and the settings afterwards.
check_terminal()
{
	local inner
	# shellcheck disable=SC2016 # expanded in the lab
	printf -v inner '%q --name selftest --tty -- sh -c %q' "$lab" \
		'stty size; echo tty=$(tty); read -r line; echo "got $line"; exit 5'
	printf 'word\n' | timeout 60 script -q -e -c \
		"stty rows 31 cols 97; stty -g >$tmp/a; $inner; echo status=\$?;
		stty -g >$tmp/b" "$tmp/typescript" >"$tmp/out" 2>"$tmp/err"
	check "terminal: its size passes" said '31 97' out
	check "terminal: it is one inside" said 'tty=/dev/pts/' out
	check "terminal: keys arrive" said 'got word' out
	check "terminal: the status comes back" said 'status=5' out
	check "terminal: its settings are as before" cmp -s "$tmp/a" "$tmp/b"
	(sleep 15; printf '\003'; sleep 5) | timeout 60 script -q -e -c \
		"$(printf '%q --name selftest -- sleep 100' "$lab")" \
		"$tmp/typescript" >"$tmp/out" 2>"$tmp/err"
	status=$?
	check "Ctrl-C gives 130" status_is 130
	check "and nothing stays" clean
	printf 'echo piped\n' | "$lab" --name selftest --tty -- sh \
		>"$tmp/out" 2>"$tmp/err"
	check "--tty takes a pipe to its end" said '^# piped' out
}

check_nodes()
{
	local group=selftest-$$
	"$lab" --name selftest-1 --net "$group" --node 1 -- \
		timeout 60 socat -u TCP-LISTEN:5000,reuseaddr STDOUT \
		>"$tmp/out" 2>"$tmp/err" </dev/null &
	"$lab" --name selftest-2 --net "$group" --node 2 -- \
		socat -u 'EXEC:hostname' 'TCP:10.77.0.1:5000,retry=60' \
		>"$tmp/out2" 2>&1 </dev/null
	wait
	check "two nodes meet" said '^selftest-2' out
}

# The kernel package's place, the initramfs: two at once, from nothing.
check_fresh()
{
	local clone=$tmp/clone
	mkdir -p "$clone/tests" "$clone/tools"
	cp -r "$top"/tests/lab{,.d} "$clone/tests"
	cp "$top"/tools/{kernel-package,extract-vmlinux}.sh "$clone/tools"
	export HULL_CACHE=${HULL_CACHE:-$top/build/cache}
	"$clone/tests/lab" -- echo first >"$tmp/out" 2>"$tmp/err" &
	"$clone/tests/lab" -- echo second >"$tmp/out2" 2>"$tmp/err2"
	wait
	cat "$tmp/out2" >>"$tmp/out"
	check "two labs prepare a fresh tree together" \
		[ "$(sort "$tmp/out")" = "$(printf 'first\nsecond')" ]
}

"$lab" --prepare || exit 1
check_usage
check_inside
check_status
check_signals
check_nodes
if command -v script >/dev/null; then
	check_terminal
else
	skipped=$((skipped + 1))
	echo "skipped - terminal: script is missing (package bsdutils)"
fi
check_fresh
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
