# Containers that boot a system of their own: systemd and sysvinit.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 15
# timeout: 100

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# shellcheck source=tests/integration/lib-system.sh
. "$HERE/lib-system.sh"

console_said() { grep -qaE -- "$1" "$(home_of)/log"; }

# Every job of the boot is done. A service may fail in an emulated machine for
# want of time, which is then told as degraded.
booted()
{
	"$HULL_CT" --root "$CT_ROOT" exec "$C" systemctl is-system-running |
		grep -qxE 'running|degraded'
}

booted_again() { booted && ! inside test -e /run/before; }

inside() { "$HULL_CT" --root "$CT_ROOT" exec "$C" "$@"; }

test_systemd_lives()
{
	make_systemd_root
	unit probe '[Service]' ExecStart='/bin/sleep 1000' \
		ExecStop='/bin/touch /stopped' Delegate=yes
	launch --system --memory 512M
	case $err in
	*'has no memory controller'*) launch --system ;;
	esac
	assert_status 0
	wait_for 40 'the boot' booted
	ct exec "$C" systemctl is-system-running
	[ "$PLACE" = lab ] || assert_eq "$out" running
	# What it was told: by whom it runs, its console, and nothing of the host.
	ct exec "$C" sh -c 'tr "\0" "\n" </proc/1/environ
		cat /proc/1/comm; systemd-detect-virt; cat /run/systemd/container'
	assert_has "$out" 'container=hull-ct'
	assert_match "$out" $'\nsystemd\ncontainer-other\nhull-ct$'
	wait_for 10 'its console' console_said 'multi-user.target'
	# A service is begun, is in a group of its own, and ends.
	ct exec "$C" systemctl start probe
	assert_status 0
	ct exec "$C" systemctl show -p MainPID --value probe
	assert_eq "$(inside cat "/proc/$out/cgroup" | sed -n 's/^0:://p')" \
		/system.slice/probe.service
	inside systemctl stop probe
	ct exec "$C" sh -c 'ls /stopped; systemctl is-active probe'
	assert_eq "$out" $'/stopped\ninactive'
	# The log of the system.
	ct exec "$C" journalctl --no-pager -u probe
	assert_has "$out" 'Stopped probe.service'
	# Ours are beside its groups, not in them.
	ct exec "$C" grep ^0:: /proc/self/cgroup
	assert_eq "$out" 0::/hull-ct-exec
	ct info --json "$C"
	assert_eq "$(jq -r '.status, .system, .command[0]' "$T/out")" \
		$'running\ntrue\n/sbin/init'
	status_now running
	# Root of the container has the groups, but not the limits on the whole.
	local group
	group=/sys/fs/cgroup$(jq -r .cgroup "$T/out")
	[ -d "$group" ] || group=/sys/fs/cgroup/unified${group#/sys/fs/cgroup}
	assert_eq "$(stat -c %u "$group" "$group/cgroup.procs" \
		"$group/cgroup.subtree_control" | sort -u)" \
		"$(jq .idBase "$(home_of)/home.json")"
	assert_eq "$(stat -c %u "$group/cgroup.max.depth")" 0
	ct exec "$C" sh -c 'echo 5 >/sys/fs/cgroup/cgroup.max.depth'
	assert_status 1
	# In order, to the end.
	inside systemctl start probe
	inside rm /stopped
	ct stop "$C"
	assert_status 0
	assert_eq "$(last exitStatus)" 0
	console_said 'Reached target .*shutdown.target' ||
		fail 'it did not shut down in order'
	[ -e "$(home_of)/data/upper/stopped" ] || fail 'the service was killed'
}

# Each service within the limits of all, and so are containers that systemd
# makes scopes for.
# where: cgroup2
# seconds: 60
# timeout: 150
test_systemd_hands_out_limits()
{
	make_systemd_root
	small_boot
	unit probe '[Service]' ExecStart='/bin/sleep 1000' MemoryMax=20M \
		TasksMax=7 CPUQuota=50%
	launch_nest --memory 400M
	inside systemctl start probe
	ct exec "$C" sh -c 'cd /sys/fs/cgroup/system.slice/probe.service
		cat memory.max pids.max cpu.max'
	assert_eq "$out" $'20971520\n7\n50000 100000'
	local group
	group=/sys/fs/cgroup$("$HULL_CT" --root "$CT_ROOT" info --json "$C" |
		jq -r .cgroup)
	assert_eq "$(cat "$group/memory.max")" 419430400
	ct exec "$C" sh -c 'echo max >/sys/fs/cgroup/memory.max'
	assert_status 1
	assert_has "$(cat "$group/cgroup.subtree_control")" memory
	# A scope: its limits are what systemd knows, and what the kernel does.
	bundle '.linux.cgroupsPath = "machine.slice:try:one" |
		.process.args = ["sleep", "1000"] | .linux.resources +=
		{ memory: { limit: 67108864, swap: 67108864 }, pids: { limit: 30 },
		  cpu: { quota: 25000, period: 50000, shares: 2048, cpus: "0" } }'
	nest create --bundle /bundle one
	assert_status 0
	nest start one
	assert_status 0
	ct exec "$C" systemctl show try-one.scope -p Slice -p Delegate \
		-p MemoryMax -p MemorySwapMax -p TasksMax -p CPUQuotaPerSecUSec \
		-p CPUQuotaPeriodUSec -p CPUWeight -p AllowedCPUs
	assert_eq "$(sort "$T/out")" "$(sort <<-'X'
	Slice=machine.slice
	Delegate=yes
	MemoryMax=67108864
	MemorySwapMax=0
	TasksMax=30
	CPUQuotaPerSecUSec=500ms
	CPUQuotaPeriodUSec=50ms
	CPUWeight=79
	AllowedCPUs=0
	X
	)"
	local scope=$group/machine.slice/try-one.scope
	limits() { cat "$scope"/{memory.max,memory.swap.max,pids.max,cpu.max,cpu.weight,cpuset.cpus}; }
	assert_eq "$(limits | xargs)" '67108864 0 30 25000 50000 79 0'
	# A change is systemd's as well: it would take it back when it reads its
	# units anew.
	ct exec "$C" hull-ct update --memory 33554432 --pids-limit 20 one
	assert_status 0
	assert_eq "$(property try-one.scope MemoryMax)" 33554432
	inside systemctl daemon-reload
	assert_eq "$(limits | xargs)" '33554432 0 20 25000 50000 79 0'
	ct exec "$C" hull-ct delete --force one
	assert_status 0
	[ ! -d "$scope" ] || fail 'the scope is left'
	ct stop "$C"
	assert_status 0
	[ ! -d "$group" ] || fail 'a cgroup is left'
}

# From the inside: reboot is a new start, poweroff the end.
test_systemd_ends_itself()
{
	make_systemd_root
	launch --system
	assert_status 0
	wait_for 40 'the boot' booted
	inside touch /run/before
	# It may be gone before it can answer.
	ct exec "$C" systemctl reboot
	wait_for 40 'the next boot' booted_again
	ct exec "$C" systemctl poweroff
	wait_for 40 'the end' status_now stopped
	assert_eq "$(last exitStatus)" 0
	assert_eq "$(last restarts)" 1
	# Without its supervisor it goes on, and a new one takes over.
	ct start "$C"
	assert_status 0
	wait_for 40 'the boot' booted
	"$HULL_CT" --root "$CT_ROOT" info --json "$C" >"$T/info"
	assert_eq "$(jq -r '.supervised, .console, .remedy' "$T/info")" $'true\nok\nnull'
	kill -KILL "$(jq .supervisor "$T/info")"
	wait_for 5 'its end' eval '"$HULL_CT" --root "$CT_ROOT" list | grep -q "^$C .* orphaned "'
	status_now running
	booted || fail 'it went with its supervisor'
	ct info --json "$C"
	assert_eq "$(jq -r '.supervised, .console' "$T/out")" $'false\nlost'
	assert_match "$(jq -r .remedy "$T/out")" 'supervisor was killed.*hull-ct start'
	ct start "$C"
	assert_status 0
	# The console is no longer there, which is told until it starts anew.
	ct info --json "$C"
	assert_eq "$(jq -r '.supervised, .console' "$T/out")" $'true\nlost'
	assert_match "$(jq -r .remedy "$T/out")" 'hull-ct stop'
	console_said 'supervisor was killed, and the console went with it' ||
		fail 'the log does not tell of it'
	ct destroy --force "$C"
	assert_status 0
}

test_systemd_on_this_terminal()
{
	make_systemd_root
	# The first time it reboots, the second it turns itself off.
	unit once '[Service]' Type=idle 'ExecStart=/bin/sh -c \
		"[ -e /again ] && exec systemctl poweroff; touch /again; systemctl reboot"'
	mkdir -p "$T/rootfs/etc/systemd/system/multi-user.target.wants"
	ln -s ../once.service \
		"$T/rootfs/etc/systemd/system/multi-user.target.wants"
	run script -qec "$HULL_CT --root $CT_ROOT launch $T/rootfs $C \
		--system --attach --rm" /dev/null
	assert_status 0
	assert_eq "$(grep -ac 'systemd 252.* running in system mode' "$T/out")" 2
	ct list -q
	assert_eq "$out" ''
}

test_sysvinit()
{
	make_sysvinit_root
	launch --system
	assert_status 0
	wait_for 20 'the boot' console_said 'level 2'
	console_said 'sysinit' || fail 'the first script did not run'
	ct exec "$C" sh -c 'cat /proc/1/comm; ls /run/started'
	assert_eq "$out" $'init\n/run/started'
	# A line of inittab that is to run again and again.
	wait_for 10 'respawn' console_said 'again 2'
	ct stop "$C"
	assert_status 0
	console_said 'going down' || fail 'it did not shut down in order'
	assert_eq "$(last exitStatus)" 0
	ct start "$C"
	wait_for 20 'the boot' eval '[ "$(grep -ac "level 2" "$(home_of)/log")" = 2 ]'
	ct exec "$C" /sbin/telinit 6
	wait_for 20 'the reboot' \
		eval '[ "$(grep -ac "level 2" "$(home_of)/log")" = 3 ]'
	status_now running
	# Another signal, and an init that does not heed it.
	ct destroy --force "$C"
	assert_status 0
	launch --system --stop-signal USR1 --stop-timeout 1
	wait_for 20 'the boot' console_said 'level 2'
	ct stop "$C"
	assert_status 0
	assert_eq "$(last exitStatus)" 137
}

test_bad_input()
{
	make_rootfs
	launch --system
	assert_status 127
	assert_has "$err" '"/sbin/init": no such file or directory'
	launch --system --user 1000
	refused_ct '\-\-system and --user'
}

# systemd makes the groups of hull-ct's containers.
test_scopes()
{
	make_systemd_root
	small_boot
	launch_nest
	bundle '.process.args = ["sh", "-c", "cat /proc/self/cgroup; exit 7"]'
	nest run --bundle /bundle one
	assert_status 7
	assert_match "$out" '(^|
)0::/$'
	bundle '.linux.cgroupsPath = ":try:one" | .process.args = ["sleep", "1000"]'
	nest run --detach --bundle /bundle one
	assert_status 0
	assert_eq "$(property try-one.scope ActiveState)" active
	assert_eq "$(property try-one.scope Slice)" system.slice
	# Without the option: the state knows.
	ct exec "$C" hull-ct state one
	assert_eq "$(jq -r .status "$T/out")" running
	inside cat "/proc/$(jq .pid "$T/out")/cgroup" >"$T/group"
	assert_has "$(cat "$T/group")" 0::/system.slice/try-one.scope
	ct exec "$C" hull-ct exec one cat /proc/self/cgroup
	assert_match "$out" '(^|
)0::/$'
	# The name is taken, and whose it is stays as it is.
	nest create --bundle /bundle two
	refused_ct 'try-one.scope'
	assert_eq "$(property try-one.scope ActiveState)" active
	ct exec "$C" hull-ct list -q
	assert_eq "$out" one
	# One that has ended is gone from systemd by itself, but not from us.
	ct exec "$C" hull-ct kill one KILL
	wait_for 10 'its end' eval \
		'[ "$(property try-one.scope LoadState)" = not-found ]'
	ct exec "$C" hull-ct list -f json
	assert_eq "$(jq -r '.[0].status' "$T/out")" stopped
	ct exec "$C" hull-ct delete one
	assert_status 0
	# A running one ends with delete, and the name is free at once.
	local i
	for i in 1 2 3; do
		nest create --bundle /bundle one
		assert_status 0
		ct exec "$C" hull-ct delete --force one
		assert_status 0
		assert_eq "$(property try-one.scope LoadState)" not-found
	done
	bundle '.linux.cgroupsPath = "/a/b"'
	nest create --bundle /bundle one
	refused_ct 'linux.cgroupsPath.*SLICE:PREFIX:NAME'
	bundle '.linux.cgroupsPath = "a:b:c"'
	nest create --bundle /bundle one
	refused_ct '"a" is no slice'
	bundle '.linux.cgroupsPath = "nonesuch.slice/../x.slice:b:c"'
	nest create --bundle /bundle one
	refused_ct 'is no slice'
	inside systemctl --failed --no-legend >"$T/out"
	assert_eq "$(cat "$T/out")" ''
}

# podman's own way where there is systemd; in the lab it would take minutes.
test_podman_by_systemd()
{
	local applet image=$T/image
	[ "$PLACE" = host ] || skip 'only on the host'
	need_program podman podman
	need_program conmon conmon
	need_program dbus-daemon dbus-daemon
	need_program systemctl systemd
	make_usr_root
	mkdir -p "$image/bin" "$T/rootfs/etc/containers"
	cp "$(command -v busybox)" "$image/bin/busybox"
	for applet in sh cat sleep; do
		ln -s busybox "$image/bin/$applet"
	done
	tar -C "$image" -cf "$T/rootfs/image.tar" .
	cp "$HULL_CT" "$T/rootfs/hull-ct"
	cp "$TOP/tools/podman.conf" "$T/rootfs/etc/containers/containers.conf"
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' \
		>"$T/rootfs/etc/containers/policy.json"
	launch_open --mount /usr:/usr:ro
	inside systemctl start dbus.service
	pod() { ct exec "$C" podman --storage-driver vfs --events-backend file \
		--runtime /hull-ct "$@"; }
	pod import /image.tar box
	assert_status 0
	pod info --format '{{.Host.CgroupManager}}'
	assert_eq "$out" systemd
	# This host may have no controllers for it.
	pod run --rm --net none --pids-limit -1 box sh -c \
		'echo out; cat /proc/self/cgroup; exit 5'
	assert_status 5
	assert_match "$out" '^out
(.*
)?0::/$'
	pod run -d --name c --net none --pids-limit -1 box sleep 1000
	assert_status 0
	local scope=libpod-$out.scope
	assert_eq "$(property "$scope" ActiveState)" active
	assert_eq "$(property "$scope" Slice)" machine.slice
	pod exec c sh -c 'exit 3'
	assert_status 3
	pod pause c
	assert_status 0
	pod unpause c
	assert_status 0
	pod rm -f -t 0 c
	assert_status 0
	assert_eq "$(property "$scope" LoadState)" not-found
}

test_no_systemd()
{
	[ ! -e /run/systemd/private ] || skip 'systemd runs here'
	make_bundle
	config '.linux.cgroupsPath = "system.slice:a:b"'
	run env -u XDG_RUNTIME_DIR "$HULL_CT" --root "$CT_ROOT" \
		--cgroup-manager systemd run --bundle "$BUNDLE" c
	refused_ct 'no systemd is there for us' cgroupfs
	ct list -q
	assert_eq "$out" '' 'what is left of it'
	ct --systemd-cgroup create --dry-run --bundle "$BUNDLE" c
	assert_status 0
	assert_has "$out" 'parent: scope a-b.scope of systemd, in system.slice'
}
