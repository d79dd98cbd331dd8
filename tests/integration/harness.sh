#!/bin/bash
# The harness of the integration tests: runs tests on the machine it is on,
# prints one line for each, and is sourced by them for its helpers. `tests/run`
# calls it, on the host and inside the lab.
#
# usage: harness.sh --list [FILE...]	what there is, see list_tests
#        harness.sh NAME...		run tests, named FILE.TEST
#
# A file tests/integration/FILE.sh defines functions test_TEST. Comment lines
# of the file's head, or right above a function, say for all or for one:
#
#   # where: none | host-kvm | linux-kvm | cgroup2	what it needs (docs/hacking.md)
#   # root: yes		only root can run it
#   # seconds: N	how long it takes in the lab, roughly
#   # timeout: N	when it counts as hung (default 60)
#
# The lines printed: "ok NAME # 1.2s", "not ok NAME # reason",
# "skip NAME # reason"; others start with "#".
#
# Each test runs in a process of its own with an empty directory $T, stdin from
# /dev/null, and `set -e`. A process it leaves behind fails it.

set -u -o pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 2
HERE=$TOP/tests/integration
BUILD=${BUILD:-$TOP/build}
RESULTS=${HULL_TEST_RESULTS:-$BUILD/tests}
HULL=${HULL:-$BUILD/hull}
GUESTS=$BUILD/guests
# shellcheck disable=SC2034 # used by the tests
TOOLS=$BUILD/tests/tools LINUX=$BUILD/guests/linux
# host or lab; the lab is an emulated machine, several times slower.
PLACE=${HULL_TEST_PLACE:-host}
# What tests wait for may take so many times as long as they say.
PATIENCE=${HULL_TEST_PATIENCE:-1}
readonly SKIPPED=77

# list_tests FILE...: lines NAME WHERE ROOT SECONDS TIMEOUT.
list_tests()
{
	local file
	for file in "$@"; do
		awk -v file="$(basename "$file" .sh)" '
		function reset() {
			where = all["where"]; root = all["root"]
			seconds = all["seconds"]; timeout = all["timeout"]
		}
		BEGIN {
			all["where"] = "none"; all["root"] = "no"
			all["seconds"] = 5; all["timeout"] = 60
			head = 1
			reset()
		}
		/^# (where|root|seconds|timeout): / {
			key = substr($2, 1, length($2) - 1)
			if (head) { all[key] = $3; reset() }
			else if (key == "where") where = $3
			else if (key == "root") root = $3
			else if (key == "seconds") seconds = $3
			else timeout = $3
			next
		}
		/^#/ { next }
		head { head = 0; reset() }
		/^test_[a-z0-9_]+\(\)/ {
			name = $1
			sub(/^test_/, "", name)
			sub(/\(\).*/, "", name)
			print file "." name, where, root, seconds, timeout
			reset()
			next
		}
		/^[ \t]*$/ { reset() }' "$file"
	done
}

# --- running -----------------------------------------------------------------

# The processes that carry this test's mark, except the reader itself.
marked_processes()
{
	local mark=$1 environ pid
	for environ in /proc/[0-9]*/environ; do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		if tr '\0' '\n' <"$environ" 2>/dev/null |
			grep -qxF "HULL_TEST_MARK=$mark"; then
			printf '%s\n' "$pid"
		fi
	done 2>/dev/null
}

# Kills what a test left, and says what that was.
sweep()
{
	local mark=$1 pid text left=''
	for pid in $(marked_processes "$mark"); do
		text=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")
		# Without any it is at its end already.
		[ -z "$text" ] || left+="$text; "
		kill -KILL "$pid" 2>/dev/null
	done
	printf '%s' "$left"
}

# Mounts below the directory $1.
unmount_below()
{
	local target
	while read -r target; do
		umount "$target"
	done < <(awk -v below="$1/" 'index($2, below) == 1 { print $2 }' \
		/proc/self/mounts | sort -r) 2>/dev/null
}

# Says every two minutes that the test NAME still runs: what is silent for longer
# is a lab that has died. Waits at a pipe of its own; sleep(1) would outlive it.
tell_of_long_test()
{
	local name=$1 for_ever minutes=0
	exec {for_ever}<> <(:)
	while ! read -r -t 120 -u "$for_ever"; do
		echo "# $name: $((minutes += 2)) minutes so far"
	done
}

# run_test NAME TIMEOUT: prints the result line and, for a failure, the end of
# what the test printed. All of it at once, so that parallel tests do not mix.
run_test()
{
	local name=$1 limit=$2 file=${1%%.*} log status left reason start line
	local teller=''
	log=$RESULTS/$name.log
	mkdir -p "$RESULTS"
	limit=$((limit * PATIENCE))
	start=${EPOCHREALTIME/./}
	if [ "$PLACE" = lab ]; then
		tell_of_long_test "$name" &
		teller=$!
	fi
	T=$(mktemp -d "${TMPDIR:-/tmp}/hull-test.XXXXXX") || return 2
	export T HULL_TEST_MARK=$name-$BASHPID-$start
	timeout --kill-after=5 "$limit" bash "$HERE/harness.sh" --one \
		"$file" "${name#*.}" </dev/null >"$log" 2>&1
	status=$?
	[ -z "$teller" ] || kill "$teller"
	left=$(sweep "$HULL_TEST_MARK")
	printf -v line '%d.%d' $(((${EPOCHREALTIME/./} - start) / 1000000)) \
		$(((${EPOCHREALTIME/./} - start) / 100000 % 10))
	reason=''
	if [ -f "$T/.reason" ]; then
		reason=$(head -n 1 "$T/.reason")
	fi
	unmount_below "$T"
	# A test may have taken permissions from its directories.
	rm -rf "$T" 2>/dev/null || { chmod -R u+rwX "$T" && rm -rf "$T"; }
	case $status in
	124 | 137) reason="no end after $limit seconds" ;;
	0)
		if [ -n "$left" ]; then
			status=1
			reason="left behind: $left"
		fi
		;;
	esac
	case $status in
	0) line="ok $name # ${line}s" ;;
	"$SKIPPED") line="skip $name # $reason" ;;
	*)
		line="not ok $name # ${reason:-exit status $status}"
		line+=$'\n'$(tail -n 40 "$log" | cut -c 1-400 |
			tr -cd '[:print:]\t\n' | sed 's/^/#   /')
		;;
	esac
	if [ -n "${HULL_TEST_LOCK:-}" ]; then
		(
			flock 9
			printf '%s\n' "$line"
		) 9>>"$HULL_TEST_LOCK"
	else
		printf '%s\n' "$line"
	fi
	[ $status -eq 0 ] || [ $status -eq "$SKIPPED" ]
}

run_tests()
{
	local name limit failed=0
	for name in "$@"; do
		if [ ! -f "$HERE/${name%%.*}.sh" ]; then
			echo "not ok $name # there is no such test"
			failed=1
			continue
		fi
		limit=$(list_tests "$HERE/${name%%.*}.sh" |
			awk -v name="$name" '$1 == name { print $5 }')
		if [ -z "$limit" ]; then
			echo "not ok $name # there is no such test"
			failed=1
			continue
		fi
		run_test "$name" "$limit" || failed=1
	done
	return $failed
}

# One test, in this process.
run_one()
{
	cd "$TOP" || exit 2
	trap end_jobs EXIT
	set -e
	# shellcheck disable=SC1090 # named by the caller
	. "$HERE/$1.sh"
	"test_$2"
}

# What the test started in the background and did not wait for.
# shellcheck disable=SC2317 # called by the trap
end_jobs()
{
	local status=$? pid
	set +e
	for pid in $(jobs -p); do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $(jobs -p); do
		(sleep 2 && kill -KILL "$pid") 2>/dev/null &
		local killer=$!
		wait "$pid" 2>/dev/null
		kill "$killer" 2>/dev/null
	done
	exit "$status"
}

# --- helpers for tests -------------------------------------------------------

fail()
{
	printf '%s\n' "$*" | head -n 1 >"$T/.reason"
	printf 'FAILED: %s\n' "$*"
	local i
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		printf '  at %s:%s\n' "${BASH_SOURCE[i]}" "${BASH_LINENO[i - 1]}"
	done
	exit 1
}

skip()
{
	printf '%s\n' "$*" >"$T/.reason"
	exit $SKIPPED
}

# need_program NAME PACKAGE
need_program()
{
	command -v "$1" >/dev/null ||
		fail "$1 is missing; install the Debian package $2"
}

# Runs a command to its end; afterwards $status, the files $T/out and $T/err,
# and their contents without NUL bytes in $out and $err.
run()
{
	printf '+ %s\n' "${*@Q}" | cut -c 1-1000
	status=0
	"$@" >"$T/out" 2>"$T/err" || status=$?
	out=$(tr -d '\0' <"$T/out")
	err=$(tr -d '\0' <"$T/err")
	printf '%s\n' "$out" | tail -n 30
	printf '%s\n' "$err" | tail -n 30
	printf '[status %d]\n' "$status"
	case $status in
	13[0-9] | 14[0-9] | 15[0-9]) # bash: killed by a signal
		[ "${run_may_die:-no}" = yes ] ||
			fail "$1 died by signal $((status - 128))" ;;
	esac
	case $err in
	*AddressSanitizer* | *'runtime error: '* | *'stack smashing'*)
		fail "a sanitizer stopped $1" ;;
	esac
}

assert_status()
{
	[ "$status" -eq "$1" ] || fail "exit status $status, expected $1"
}

assert_eq()
{
	[ "$1" = "$2" ] || fail "${3:-values differ}: got '$1', expected '$2'"
}

# assert_le A B WHAT
assert_le()
{
	[ "$1" -le "$2" ] || fail "$3: $1 is more than $2"
}

assert_ge()
{
	[ "$1" -ge "$2" ] || fail "$3: $1 is less than $2"
}

# assert_has TEXT STRING: a fixed string.
assert_has()
{
	[[ "$1" == *"$2"* ]] || fail "'$2' is not in: ${1:0:500}"
}

assert_lacks()
{
	[[ "$1" != *"$2"* ]] || fail "'$2' is in: ${1:0:500}"
}

# assert_match TEXT REGEX: an extended regular expression.
assert_match()
{
	[[ "$1" =~ $2 ]] || fail "nothing matches /$2/ in: ${1:0:500}"
}

# A refusal: the status, exactly one line on stderr that begins "hull: error:"
# and matches each REGEX without regard to case, nothing on stdout.
assert_refused()
{
	local expected=$1 regex lines
	shift
	assert_status "$expected"
	lines=$(grep -c '' <"$T/err" || true)
	assert_eq "$lines" 1 "lines on standard error"
	assert_match "$err" '^hull: error: .{10,}'
	assert_lacks "$err" '(null)'
	for regex in "$@"; do
		grep -qiE -- "$regex" <<<"$err" ||
			fail "the message does not say /$regex/: $err"
	done
	[ -z "$out" ] || fail "something on standard output: ${out:0:200}"
}

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds.
wait_for()
{
	local limit=$1 what=$2 end
	shift 2
	limit=$((limit * PATIENCE))
	end=$((SECONDS + limit))
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "no $what after $limit seconds"
		sleep 0.1
	done
}

# gone PID: the process has ended (a zombie has, too).
gone()
{
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	[[ ${stat##*) } == Z* ]]
}

# The clock ticks that the main thread of PID used: utime and stime.
main_thread_ticks()
{
	local stat
	stat=$(<"/proc/$1/task/$1/stat")
	# shellcheck disable=SC2086 # words
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# tiny NAME [OPTION...]: run one of guests/ with these options.
tiny()
{
	local guest=$1
	shift
	run "$HULL" run --kernel "$GUESTS/$guest.elf" "$@"
}

# guests/exit_value.h: the guest's checks held, or one of them did not.
assert_passed() { assert_status 3; }
assert_check_failed() { assert_status 5; }

# wait_status PID: waits for a background job; its exit status in $status.
wait_status()
{
	status=0
	wait "$1" || status=$?
	printf '[background %s: status %d]\n' "$1" "$status"
}

# has_threads PID COUNT: at least so many; a guest runs when there are two.
has_threads()
{
	local tasks=("/proc/$1/task"/*)
	[ ${#tasks[@]} -ge "$2" ]
}

# --- command line --------------------------------------------------------------

# Sourced by nothing but itself and shellcheck; tests are sourced by run_one.
case ${1:-} in
--list)
	shift
	[ $# -gt 0 ] || set -- "$HERE"/*.sh
	for file in "$@"; do
		[ "$(basename "$file")" = harness.sh ] || list_tests "$file"
	done
	;;
--one) run_one "$2" "$3" ;;
*) run_tests "$@" ;;
esac
