# Limits, as they show inside and as they bite. They need cgroup v2 with its
# controllers, which many hosts keep in version 1: then the lab has them.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: cgroup2
# root: yes
# seconds: 20

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

group() { cat "/sys/fs/cgroup$CT_GROUP/c/$1"; }

test_limits_are_written()
{
	make_bundle
	config '.linux.resources += {
		memory: { limit: 104857600, reservation: 52428800, swap: 157286400 },
		cpu: { shares: 1024, quota: 50000, period: 100000, burst: 10000, cpus: "0" },
		pids: { limit: 77 },
		blockIO: { weight: 500 },
		unified: { "memory.high": "94371840" } }'
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$(group memory.max)" 104857600
	assert_eq "$(group memory.low)" 52428800
	assert_eq "$(group memory.swap.max)" 52428800
	assert_eq "$(group memory.high)" 94371840
	assert_eq "$(group cpu.max)" '50000 100000'
	assert_eq "$(group cpu.max.burst)" 10000
	assert_eq "$(group cpu.weight)" 39
	assert_eq "$(group cpuset.cpus)" 0
	assert_eq "$(group pids.max)" 77
	assert_match "$(group io.weight)" 'default 49'
	ct start c
	ct update --memory 64M --pids-limit 33 c
	assert_status 0
	assert_eq "$(group memory.max)" 67108864
	assert_eq "$(group pids.max)" 33
	echo '{ "cpu": { "quota": -1 }, "pids": { "limit": -1 } }' |
		run "$HULL_CT" --root "$CT_ROOT" update --resources - c
	assert_status 0
	assert_eq "$(group cpu.max)" 'max 100000'
	assert_eq "$(group pids.max)" max
	ct events --stats c
	assert_status 0
	assert_eq "$(jq -r .data.memory.limit "$T/out")" 67108864
	assert_eq "$(jq -r .data.pids.current "$T/out")" 1
	ct update --memory -5 c
	refused_ct '--memory takes'
}

test_memory_limit_kills()
{
	make_bundle
	config '.linux.resources.memory = { limit: 16777216, swap: 16777216 }'
	args sh -c 'sleep 2; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000'
	ct run --detach --bundle "$BUNDLE" c
	"$HULL_CT" --root "$CT_ROOT" events --interval 1m c >"$T/events" &
	local reader=$!
	wait_for 20 oom grep -q '"type":"oom"' "$T/events"
	assert_eq "$(tail -n 1 "$T/events" | jq -c .)" \
		'{"type":"oom","id":"c","data":{"oom_kill":1}}'
	ct delete --force c
	wait_status "$reader"
	sh_ct 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo "status $?"'
	assert_has "$out" 'status 137'
}

test_pids_limit_holds()
{
	make_bundle
	config '.linux.resources.pids = { limit: 8 }'
	sh_ct 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done; echo all'
	assert_match "$err" "can't fork"
	assert_lacks "$out" all
}

test_controllers_are_switched_on_where_needed()
{
	make_bundle
	config ".linux.cgroupsPath = \"$CT_GROUP/deep/er/c\" |
		.linux.resources.pids = { limit: 9 }"
	run_ct cat /sys/fs/cgroup/pids.max
	assert_status 0
	assert_eq "$out" 9
	assert_eq "$(cat "/sys/fs/cgroup$CT_GROUP/deep/cgroup.subtree_control")" \
		pids
}

test_a_little_memory_is_enough()
{
	make_bundle
	config '.linux.resources.memory = { limit: 2097152 }'
	run_ct true
	assert_status 0
}

# A tenth of a processor is what two seconds of work get: in each period of a
# tenth of a second, 10 ms, however slow the machine is.
test_cpu_limit_holds()
{
	make_bundle
	ln -sf busybox "$ROOTFS/bin/timeout"
	config '.linux.resources.cpu = { quota: 10000, period: 100000 }'
	sh_ct 'timeout 2 sh -c "while :; do :; done"
		grep -E "^(usage_usec|nr_periods|nr_throttled)" /sys/fs/cgroup/cpu.stat'
	stat_of() { sed -n "s/^$1 //p" "$T/out"; }
	assert_ge "$(stat_of nr_throttled)" 5 'periods that it was held in'
	assert_le "$(stat_of usage_usec)" \
		$((($(stat_of nr_periods) + 5) * 12000)) 'microseconds'
}

# Four megabytes that nobody has read yet, at one a second.
test_io_limit_holds()
{
	need_program mkfs.ext4 e2fsprogs
	local loop before after
	make_bundle
	mkdir "$T/disk"
	truncate -s 24M "$T/disk.img"
	mkfs.ext4 -q -O ^has_journal "$T/disk.img"
	mount -o loop "$T/disk.img" "$T/disk"
	dd if=/dev/zero of="$T/disk/file" bs=1M count=4 status=none
	umount "$T/disk"
	loop=$(losetup --find --show "$T/disk.img")
	mount "$loop" "$T/disk"
	config ".linux.resources.blockIO = { throttleReadBpsDevice: [{
			major: $(stat -c %Hr "$loop"), minor: $(stat -c %Lr "$loop"),
			rate: 1048576 }] } |
		.mounts += [{ destination: \"/tmp\", source: \"$T/disk\", options: [\"bind\", \"ro\"] }]"
	sh_ct 'cat /proc/uptime; cat /tmp/file >/dev/null; cat /proc/uptime
		cat /sys/fs/cgroup/io.max'
	umount "$T/disk"
	losetup --detach "$loop"
	assert_match "$out" 'rbps=1048576'
	before=$(sed -n '1s/\..*//p' "$T/out")
	after=$(sed -n '2s/\..*//p' "$T/out")
	assert_ge $((after - before)) 2 'seconds'
}
