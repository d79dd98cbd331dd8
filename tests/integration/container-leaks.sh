# What is left of containers whose makers were killed, and of very many: nothing.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 30

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# Nothing of container c: no state, no cgroup, no mount, no process.
nothing_left()
{
	local left
	left=$("$HULL_CT" --root "$CT_ROOT" list -q)
	[ -z "$left" ] && [ ! -d "/sys/fs/cgroup/unified$CT_GROUP/c" ] &&
		[ ! -d "/sys/fs/cgroup$CT_GROUP/c" ] &&
		[ "$(wc -l </proc/self/mounts)" -eq "$mounts" ]
}

# kill_everywhere STRIDE [--child]: create dies at a system call, one in STRIDE
# from a random one on, or its child does; delete cleans up, and the next create
# finds nothing.
kill_everywhere()
{
	local stride=$1 at=$((RANDOM % $1 + 1)) mounts
	echo "begins at call $at"
	mounts=$(wc -l </proc/self/mounts)
	shift
	while "$TOOLS/kill_at" "$@" $at "$HULL_CT" --root "$CT_ROOT" create \
		--bundle "$BUNDLE" c 2>"$T/killed"; do
		ct delete --force c
		assert_status 0
		nothing_left || wait_for 5 "end of call $at" nothing_left
		at=$((at + stride))
	done
	assert_ge "$at" 100 "calls that create was killed at"
	# The last time it was not.
	ct start c
	assert_status 0
	ct delete --force c
	assert_status 0
	wait_for 5 end nothing_left
	! pgrep -f 'sleep 98765' >/dev/null || fail "a process is left"
}

# timeout: 120
test_creator_killed_at_every_call()
{
	make_bundle --rootless
	mkdir "$T/src"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\" | .mounts += [
		{ destination: \"/tmp\", source: \"$T/src\", options: [\"bind\", \"ro\"] }]"
	args sleep 98765
	kill_everywhere 9
}

# timeout: 120
test_child_killed_at_every_call()
{
	make_bundle
	args sleep 98765
	kill_everywhere 9 --child
}

# timeout: 300
test_a_thousand_lives_leave_nothing()
{
	make_bundle
	args sleep 98765
	local i mounts files
	mounts=$(wc -l </proc/self/mounts)
	"$HULL_CT" --root "$CT_ROOT" create --bundle "$BUNDLE" c
	"$HULL_CT" --root "$CT_ROOT" delete --force c
	files=$(cut -f 1 /proc/sys/fs/file-nr)
	for ((i = 0; i < ${HULL_TEST_LIVES:-1000}; i++)); do
		if ! "$HULL_CT" --root "$CT_ROOT" create --bundle "$BUNDLE" c ||
			! "$HULL_CT" --root "$CT_ROOT" delete c; then
			fail "cycle $i"
		fi
	done
	wait_for 5 end nothing_left
	assert_eq "$(ls "$CT_ROOT")" '' "in the folder of states"
	# The host opens files, too; ours would be thousands.
	assert_le "$(cut -f 1 /proc/sys/fs/file-nr)" $((files + 900)) "open files"
}

test_creator_killed_at_any_moment()
{
	make_bundle
	args sleep 1000
	local i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		"$HULL_CT" --root "$CT_ROOT" create --bundle "$BUNDLE" c &
		local creator=$!
		sleep "0.00$((i * 7 % 10))"
		kill -KILL "$creator" 2>/dev/null || true
		wait "$creator" 2>/dev/null || true
		ct delete --force c
		assert_status 0
		ct list -q
		assert_eq "$out" ''
		[ ! -d "/sys/fs/cgroup/unified$CT_GROUP/c" ] ||
			fail "the cgroup is left"
		[ ! -d "/sys/fs/cgroup$CT_GROUP/c" ] || fail "the cgroup is left"
	done
}
