# Limits of what an ordinary user launches, where controllers are delegated.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: cgroup2
# root: yes
# seconds: 20

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# shellcheck source=tests/integration/lib-user.sh
. "$HERE/lib-user.sh"

# shellcheck source=tests/integration/lib-system.sh
. "$HERE/lib-system.sh"

# The lab's root is an overlay: so this is of a copy of the image, too.
test_limits_of_a_user()
{
	make_user
	echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
	delegate
	user launch "$T/rootfs" c --memory 32M --pids 20 --cpus 0.5 -- sleep 1000
	assert_status 0
	local own=$group/hull-ct/c
	assert_eq "$(cat "$own/memory.max" "$own/pids.max" "$own/cpu.max" | xargs)" \
		'33554432 20 50000 100000'
	user exec c sh -c 'i=0; while [ $i -lt 50 ]; do sleep 100 & i=$((i + 1)); done'
	assert_le "$(cat "$own/pids.current")" 20 'processes'
	local run_may_die=yes
	user exec c sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'
	assert_status 137
	# shellcheck disable=SC2034 # harness.sh reads it
	run_may_die=no
	assert_ge "$(sed -n 's/^oom_kill //p' "$own/memory.events")" 1 'kills'
	user update --memory 48M c
	assert_status 0
	assert_eq "$(cat "$own/memory.max")" 50331648
	user destroy --force c
	assert_status 0
	[ ! -d "$own" ] || fail 'the cgroup is left'
	rmdir "$group/hull-ct" "$group/shell" "$group"
}

# shellcheck disable=SC2317 # called by wait_for
booted()
{
	"$T/hull-ct" exec sys systemctl is-system-running |
		grep -qxE 'running|degraded'
}

# It shares out what is the user's.
# seconds: 60
# timeout: 150
test_systemd_of_a_user()
{
	# shellcheck disable=SC2034 # lib-system.sh reads it
	local mapped=
	make_systemd_root
	small_boot
	unit probe '[Service]' ExecStart='/bin/sleep 1000' MemoryMax=20M
	make_user
	echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
	delegate
	user launch --system "$T/rootfs" sys --memory 400M
	assert_status 0
	wait_for 100 'the boot' booted
	local own=$group/hull-ct/sys
	assert_eq "$(cat "$own/memory.max")" 419430400
	assert_eq "$(stat -c %u "$own/cgroup.procs")" $USER_ID
	user exec sys sh -c 'systemctl start probe
		cat /sys/fs/cgroup/system.slice/probe.service/memory.max
		cat /proc/1/comm; id -u'
	assert_eq "$out" $'20971520\nsystemd\n0'
	assert_eq "$(stat -c %u "/proc/$(info sys pid)")" $USER_ID
	user stop sys
	assert_status 0
	assert_eq "$(jq .exitStatus "$STORE/containers/sys/last.json")" 0
	user destroy sys
	assert_status 0
	[ ! -d "$own" ] || fail 'the cgroup is left'
}
