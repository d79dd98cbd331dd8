# Limits of launched containers, as they bite. They need cgroup v2 with its
# controllers: then the lab has them.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: cgroup2
# root: yes
# seconds: 20

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# The lab's root is an overlay, which cannot carry another one; what is in memory
# can, but cannot map IDs before Linux 6.3.
store_in_memory()
{
	mkdir -p "$CT_ROOT.store"
	mount -t tmpfs -o mode=700 store "$CT_ROOT.store"
}

launch() { ct launch "$T/rootfs" "$C" --privileged "$@"; }

test_limits_of_launch()
{
	make_rootfs
	store_in_memory
	launch --memory 32M --cpus 0.5 --pids 20 -- sh -c 'echo up; exec sleep 1000'
	assert_status 0
	wait_for 5 container said up
	local group=/sys/fs/cgroup/hull-ct/$C
	assert_eq "$(cat "$group/memory.max" "$group/cpu.max" "$group/pids.max" |
		xargs)" '33554432 50000 100000 20'
	ct top -n 1
	assert_match "$(tail -n 1 <<<"$out")" \
		"^$C +[0-9.]+ +[0-9.]+[KM] +32.0M "
	ct info --json "$C"
	assert_eq "$(jq .limits.memory.limit "$T/out")" 33554432
	[ "$(jq .uses.memory.current "$T/out")" -gt 0 ] || fail 'no memory is used'
	# A fork bomb stays in it.
	ct exec "$C" sh -c 'i=0; while [ $i -lt 50 ]; do sleep 100 & i=$((i + 1)); done'
	[ "$(cat "$group/pids.current")" -le 20 ] || fail 'more than 20 processes'
	ct destroy --force "$C"
	assert_status 0
	[ ! -d "$group" ] || fail 'the cgroup is left'
}

test_out_of_memory_is_told()
{
	make_rootfs
	store_in_memory
	launch --memory 16M -- sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
	wait_for 20 end status_now stopped
	assert_eq "$(last oomKilled)" true
	assert_eq "$(last exitStatus)" 137
	assert_has "$(cat "$(home_of)/log")" 'out of memory'
}
