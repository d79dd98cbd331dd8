# Containers through the command line of hull-ct, with busybox for a root
# filesystem. They need cgroup v2 mounted, with or without controllers.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 8

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

test_command_line()
{
	run "$HULL_CT" --version
	assert_status 0
	assert_match "$out" '^hull-ct version 0'
	run "$HULL_CT" --help
	assert_status 0
	assert_has "$out" features
	run "$HULL_CT" create --help
	assert_status 0
	assert_has "$out" --console-socket
	run "$HULL_CT" features
	assert_status 0
	assert_eq "$(jq -r '.linux.namespaces | length' "$T/out")" 8
	assert_eq "$(jq -r .ociVersionMax "$T/out")" 1.2.0
	run "$HULL_CT" fly
	assert_status 2
	assert_match "$err" '^hull-ct: error: unknown verb "fly"'
	run "$HULL_CT" --cgroup-manager disabled list
	assert_status 2
	assert_match "$err" 'cgroupfs or systemd'
	run "$HULL_CT" --cgroup-manager cgroupfs --root "$T/r" list
	assert_status 0
	ct state ../x
	refused_ct 'ID'
	ct state nobody
	refused_ct '"nobody" does not exist'
}

test_errors_are_logged_as_json()
{
	run "$HULL_CT" --root "$CT_ROOT" --log "$T/log" --log-format json state no
	assert_status 1
	assert_eq "$(grep -c '' <"$T/log")" 1 "lines in the log"
	assert_eq "$(jq -r .level "$T/log")" error
	assert_eq "$(jq -r .msg "$T/log")" 'container "no" does not exist'
	assert_match "$(jq -r .time "$T/log")" '^20..-..-..T..:..:..Z$'
}

test_run_tells_the_exit_status()
{
	make_bundle
	sh_ct 'echo out; echo err >&2; exit 7'
	assert_status 7
	assert_eq "$out" out
	assert_eq "$err" err
	args sleep 1000
	"$HULL_CT" --root "$CT_ROOT" run --bundle "$BUNDLE" c &
	local runner=$!
	wait_for 5 container status_is c running
	ct kill c KILL
	wait_status "$runner"
	assert_status 137
	ct list -q
	assert_eq "$out" '' "what is left"
	[ ! -e "$CT_ROOT/c" ] || fail "the state is still there"
	[ ! -d "/sys/fs/cgroup/unified$CT_GROUP/c" ] || fail "the cgroup is left"
	[ ! -d "/sys/fs/cgroup$CT_GROUP/c" ] || fail "the cgroup is left"
}

test_what_the_payload_is()
{
	make_bundle
	config '.hostname = "inside" | .process.env += ["A=b c"] |
		.process.user = { uid: 5, gid: 6, additionalGids: [7, 8], umask: 63 } |
		.process.cwd = "/a/b"'
	sh_ct 'hostname; id -u; id -G; umask; pwd; echo "$A"; echo $$
		grep -E "^(Cap|NoNew|Seccomp:|Groups)" /proc/self/status | sed "s/ \$/ @/"
		true'
	assert_status 0
	assert_has "$out" "inside
5
6 7 8
0077
/a/b
b c
1
Groups:	7 8 @
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000020000420
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2"
	config '.process.user = { uid: 0, gid: 0 }'
	sh_ct 'grep -E "^Cap(Prm|Eff)" /proc/self/status'
	assert_eq "$out" "CapPrm:	0000000020000420
CapEff:	0000000020000420"
	# Only ambient ones outlive exec of who is not root.
	config '.process.user.uid = 5 |
		.process.capabilities.inheritable = ["CAP_KILL"] |
		.process.capabilities.ambient = ["CAP_KILL"]'
	sh_ct 'grep -E "^Cap(Prm|Eff|Amb)" /proc/self/status'
	assert_eq "$out" "CapPrm:	0000000000000020
CapEff:	0000000000000020
CapAmb:	0000000000000020"
}

test_rlimits_and_scores()
{
	make_bundle
	config '.process.oomScoreAdj = 300 | .process.rlimits = [
		{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 },
		{ type: "RLIMIT_CORE", soft: 0, hard: 0 }] |
		.process.ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 0 } |
		.process.scheduler = { policy: "SCHED_BATCH", nice: 3 }'
	sh_ct 'cat /proc/self/limits /proc/self/oom_score_adj; cat /proc/self/stat'
	assert_status 0
	assert_match "$out" 'Max open files +100 +200 '
	assert_match "$out" 'Max core file size +0 +0 '
	assert_match "$out" $'\n300\n'
	# proc(5): nice is the 19th field, the policy the 41st.
	assert_eq "$(tail -n 1 "$T/out" | cut -d ' ' -f 19,41)" '3 3' 'nice, policy'
}

test_life()
{
	make_bundle
	args sleep 1000
	ct create --bundle "$BUNDLE" --pid-file "$T/pid" c
	assert_status 0
	status_is c created
	assert_eq "$(cat "$T/pid")" "$(pid_of c)"
	ct create --bundle "$BUNDLE" c
	refused_ct 'ID c exists'
	ct exec c true
	assert_status 0
	# A later change of the bundle changes nothing.
	args false
	ct start c
	assert_status 0
	status_is c running
	ct start c
	refused_ct 'running, not created'
	ct delete c
	refused_ct 'running'
	ct pause c
	assert_status 0
	status_is c paused
	ct exec c true
	refused_ct 'paused'
	ct resume c
	assert_status 0
	status_is c running
	ct resume c
	refused_ct 'running'
	ct ps --format json c
	assert_eq "$(jq -r '.[0]' "$T/out")" "$(cat "$T/pid")"
	ct list
	assert_match "$out" "c +$(cat "$T/pid") +running"
	# By number and by both of its names.
	ct kill c 0
	assert_status 0
	ct kill c FLY
	refused_ct '"FLY" is no signal'
	ct kill c SIGCONT
	assert_status 0
	ct kill c 9
	assert_status 0
	wait_for 5 end status_is c stopped
	ct kill c KILL
	refused_ct 'not running'
	ct delete c
	assert_status 0
	ct state c
	refused_ct 'does not exist'
	ct delete --force c
	assert_status 0
}

# The number of a container's processes is from MIN to MAX.
processes_are()
{
	local count
	count=$("$HULL_CT" --root "$CT_ROOT" ps --format json c | jq length)
	[ "$count" -ge "$1" ] && [ "$count" -le "$2" ]
}

test_kill_all_and_delete_force()
{
	make_bundle
	args sh -c 'sleep 900 & sleep 900 & trap "" TERM; sleep 900; wait; sleep 900'
	ct create --bundle "$BUNDLE" c
	ct start c
	assert_status 0
	wait_for 5 processes processes_are 4 9
	ct kill --all c TERM
	assert_status 0
	wait_for 5 end processes_are 0 2
	ct pause c
	assert_status 0
	ct delete --force c
	assert_status 0
	ct list -q
	assert_eq "$out" ''
}

test_exec()
{
	make_bundle
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	ct start c
	ct exec --cwd /tmp --env X=1 --user 3:4 c sh -c 'pwd; echo $X; id -u; id -g
		grep -E "^(CapPrm|NoNew|Seccomp:)" /proc/self/status; exit 9'
	assert_status 9
	assert_eq "$out" "/tmp
1
3
4
CapPrm:	0000000000000000
NoNewPrivs:	1
Seccomp:	2"
	echo '{"cwd": "/", "args": ["sleep", "1000"], "user": {"uid": 0, "gid": 0}}' \
		>"$T/process.json"
	ct exec --process "$T/process.json" --detach --pid-file "$T/pid" c
	assert_status 0
	assert_eq "$(stat -Lc %i "/proc/$(cat "$T/pid")/ns/pid")" \
		"$(stat -Lc %i "/proc/$(pid_of c)/ns/pid")" "the pid namespace"
	assert_eq "$(cat "/proc/$(cat "$T/pid")/cgroup")" \
		"$(cat "/proc/$(pid_of c)/cgroup")" "the cgroup"
	assert_match "$(cat "/proc/$(cat "$T/pid")/status")" 'CapPrm:	0+'$'\n'
}

test_missing_and_unfit_programs()
{
	make_bundle
	run_ct nonesuch
	assert_status 127
	assert_match "$err" 'exec: "nonesuch": executable file not found in \$PATH'
	run_ct /bin/nonesuch
	assert_status 127
	assert_match "$err" 'no such file or directory'
	run_ct /etc
	assert_status 126
	assert_match "$err" 'permission denied'
	touch "$ROOTFS/bin/data"
	run_ct data
	assert_status 126
	# Other failures have none of those words.
	config '.mounts += [{ destination: "/x", source: "/none/such",
		options: ["bind"] }]'
	run_ct true
	refused_ct 'mount /x' 'does not exist'
	assert_lacks "$err" 'No such file'
}

test_namespaces_by_path()
{
	make_bundle
	args sleep 1000
	ct create --bundle "$BUNDLE" first
	ct start first
	local pid
	pid=$(pid_of first)
	config ".linux.cgroupsPath = \"$CT_GROUP/d\" | .linux.namespaces |= map(
		if .type == \"pid\" then .path = \"/proc/$pid/ns/pid\"
		elif .type == \"ipc\" or .type == \"uts\" then
			.path = \"/proc/$pid/ns/\" + .type else . end) |
		del(.hostname)"
	sh_ct 'ps; readlink /proc/self/ns/uts; readlink /proc/self/ns/ipc'
	assert_status 0
	assert_match "$out" '1 0 +sleep 1000'
	assert_has "$out" "$(readlink "/proc/$pid/ns/uts")"
	assert_has "$out" "$(readlink "/proc/$pid/ns/ipc")"
}

test_user_namespace()
{
	make_bundle --rootless
	config ".linux.cgroupsPath = \"$CT_GROUP/c\""
	sh_ct 'cat /proc/self/uid_map; id -u; touch /dev/shm/f; stat -c %u /dev/shm/f
		echo x >/dev/null && echo written; mknod /dev/shm/n c 1 3; hostname'
	assert_has "$out" '         0     100000      65536
0
0
written'
	assert_has "$out" hull
	assert_has "$err" 'mknod'
}

# Only the host may map IDs of a mount of its own.
test_idmapped_mount_in_a_user_namespace()
{
	make_bundle --rootless
	mkdir "$T/src"
	echo data >"$T/src/file"
	chown 5:6 "$T/src/file"
	config ".mounts += [{ destination: \"/mnt\", source: \"$T/src\",
		options: [\"bind\", \"idmap\"] }] | .root.readonly = false"
	sh_ct 'stat -c "%u %g" /mnt/file; touch /mnt/new'
	if [[ $err == *'cannot map IDs'* ]]; then
		skip "the filesystem of $T cannot map IDs"
	fi
	assert_status 0
	assert_eq "$out" '5 6'
	assert_eq "$(stat -c %u "$T/src/new")" 0
}

test_user_namespace_behind_closed_folders()
{
	make_bundle --rootless
	chmod 700 "$T"
	sh_ct 'echo in'
	assert_eq "$out" in
}

test_time_and_cgroup_namespaces()
{
	make_bundle
	config '.linux.namespaces += [{ type: "time" }] |
		.linux.timeOffsets = { boottime: { secs: 1000000000 } }'
	sh_ct 'grep "^0::" /proc/self/cgroup; cat /proc/uptime'
	assert_has "$out" '0::/'
	assert_match "$out" '10[0-9]{8}\.'
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	sh_ct 'grep "^0::" /proc/self/cgroup; mkdir /sys/fs/cgroup/x; ls /sys/fs/cgroup'
	assert_match "$out" "0::$CT_GROUP/c"
	assert_has "$err" 'Read-only'
	assert_has "$out" cgroup.events
}

test_mounts()
{
	make_bundle
	mkdir -p "$T/src/sub" "$T/below" "$ROOTFS/old"
	echo data >"$T/src/file"
	echo kept >"$ROOTFS/old/kept"
	chmod 750 "$ROOTFS/old"
	mount -t tmpfs below "$T/src/sub"
	touch "$T/src/sub/there"
	config ".mounts += [
		{ destination: \"/plain\", source: \"$T/src\", options: [\"bind\", \"ro\"] },
		{ destination: \"/deep\", source: \"$T/src\", options: [\"rbind\", \"rro\", \"nosuid\"] },
		{ destination: \"/half\", source: \"$T/src\", options: [\"rbind\", \"ro\"] },
		{ destination: \"/one\", source: \"$T/src/file\", options: [\"bind\", \"noexec\"] },
		{ destination: \"/old\", type: \"tmpfs\", source: \"t\",
		  options: [\"tmpcopyup\", \"size=1m\", \"noexec\"] }] |
		.root.readonly = false"
	sh_ct 'cat /plain/file; ls /plain/sub; touch /plain/x
		ls /deep/sub; touch /deep/sub/x; touch /half/sub/x && echo half
		cat /one; cat /old/kept; stat -c %a /old; touch /old/new && echo new
		grep -E " /(plain|deep|half|one|old)" /proc/self/mountinfo'
	assert_has "$out" "data
there
half
data
kept
750
new"
	assert_has "$err" '/plain/x: Read-only'
	assert_has "$err" '/deep/sub/x: Read-only'
	assert_match "$out" '/plain ro,'
	assert_match "$out" '/deep ro,nosuid,'
	assert_match "$out" '/one rw,noexec,'
	assert_lacks "$out" 'shared:'
	[ ! -e "$ROOTFS/old/new" ] || fail "the tmpfs was not in the way"
}

test_id_mapped_mounts()
{
	make_bundle
	mkdir "$T/src"
	touch "$T/src/file"
	chown 0:0 "$T/src" "$T/src/file"
	config ".mounts += [{ destination: \"/m\", source: \"$T/src\",
		options: [\"bind\"],
		uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
		gidMappings: [{ containerID: 0, hostID: 2000, size: 10 }] }]"
	sh_ct 'stat -c %u:%g /m/file'
	if grep -q 'cannot map IDs' <<<"$err"; then
		skip "the filesystem of $T cannot map IDs"
	fi
	assert_eq "$out" 1000:2000
}

test_root_is_read_only_and_sysctls()
{
	make_bundle
	config '.linux.sysctl = { "net.ipv4.ip_forward": "1",
		"kernel.shm_rmid_forced": "1" } | .domainname = "dom"'
	sh_ct 'touch /x; cat /proc/sys/net/ipv4/ip_forward
		cat /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/domainname
		echo 0 >/proc/sys/net/ipv4/ip_forward; ls -d /sys/firmware/*'
	assert_has "$err" '/x: Read-only'
	assert_eq "$out" "1
1
dom"
	assert_has "$err" 'ip_forward: Read-only'
}

test_devices()
{
	make_bundle
	config '.linux.devices = [{ path: "/dev/mine", type: "c", major: 1,
		minor: 5, fileMode: 384, uid: 3, gid: 4 },
		{ path: "/dev/disk", type: "b", major: 7, minor: 0 }] |
		.process.capabilities.bounding += ["CAP_DAC_OVERRIDE"] |
		.process.capabilities.effective += ["CAP_DAC_OVERRIDE"] |
		.process.capabilities.permitted += ["CAP_DAC_OVERRIDE"]'
	sh_ct 'stat -c "%F %t:%T %a %u:%g" /dev/mine /dev/null; ls -l /dev/fd /dev/ptmx
		head -c 3 /dev/mine | wc -c; head -c 1 /dev/disk'
	assert_has "$out" 'character special file 1:5 600 3:4'
	assert_has "$out" 'character special file 1:3 666 0:0'
	assert_has "$out" '/dev/fd -> /proc/self/fd'
	assert_has "$out" $'\n3'
	# The filter, not the rights: nothing allows the disk.
	assert_match "$err" '/dev/disk: Operation not permitted'
}

test_hooks()
{
	make_bundle
	cat >"$T/hook" <<-END
		#!/bin/sh
		{ echo "\$1 \$(readlink /proc/self/ns/mnt)"; cat; echo; } >>"$T/\$1"
		echo "\$1" >>"$T/order"
		ls -l /proc/self/fd >"$T/fds"
	END
	chmod 755 "$T/hook"
	cp "$T/hook" "$ROOTFS/hook"
	sed -i "s,$T,/out,g" "$ROOTFS/hook"
	mkdir "$T/shared"
	local filter='.hooks = {' kind
	for kind in prestart createRuntime createContainer poststart poststop; do
		filter+="$kind: [{ path: \"$T/hook\", args: [\"hook\", \"$kind\"],
			env: [\"PATH=/bin:/usr/bin\"] }],"
	done
	filter+='startContainer: [{ path: "/hook", args: ["hook", "startContainer"],
		env: ["PATH=/bin"] }] } '
	config "$filter | .mounts += [{ destination: \"/out\", source: \"$T/shared\",
		options: [\"bind\"] }]"
	args sh -c 'echo payload >>/out/order'
	ct create --bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$(tr '\n' ' ' <"$T/order")" \
		'prestart createRuntime createContainer ' 'hooks of create'
	ct start c
	assert_status 0
	wait_for 5 end status_is c stopped
	assert_eq "$(tr '\n' ' ' <"$T/shared/order")" 'startContainer payload '
	ct delete c
	assert_eq "$(tr '\n' ' ' <"$T/order")" \
		'prestart createRuntime createContainer poststart poststop '
	assert_eq "$(sed -n 2p "$T/prestart" | jq -r .status)" creating
	assert_match "$(sed -n 2p "$T/prestart" | jq -r .pid)" '^[1-9]'
	assert_eq "$(sed -n 2p "$T/poststop" | jq -r .status)" stopped
	[ "$(head -n 1 "$T/createRuntime")" != "createRuntime $(head -n 1 \
		"$T/createContainer" | cut -d ' ' -f 2)" ] ||
		fail "createContainer ran in the host's mount namespace"
	# A failing one takes the container down.
	config '.hooks = { createRuntime: [{ path: "/bin/false" }] }'
	run_ct true
	refused_ct 'createRuntime hook /bin/false' 'status 1'
	config '.hooks = { createRuntime: [{ path: "/bin/sleep",
		args: ["sleep", "100"], timeout: 1 }] }'
	run_ct true
	refused_ct 'longer than 1 s'
	ct list -q
	assert_eq "$out" ''
}

test_terminal()
{
	make_bundle
	config '.process.terminal = true | .process.consoleSize = { height: 33, width: 99 }'
	args sh -c 'stty size; test -t 0 && test -t 2 && echo tty; stat -c %F /dev/console
		ls -l /proc/self/fd/0; read -r line; echo "got $line"; test -c /dev/pts/ptmx && echo end'
	ct create --bundle "$BUNDLE" c
	refused_ct 'console-socket'
	"$TOOLS/console_recv" "$T/sock" $'typed\r' >"$T/console" 2>&1 &
	local receiver=$!
	wait_for 5 socket test -S "$T/sock"
	ct create --bundle "$BUNDLE" --console-socket "$T/sock" c
	assert_status 0
	ct start c
	assert_status 0
	wait_status "$receiver"
	out=$(tr -d '\r' <"$T/console")
	assert_has "$out" '33x99 /dev/ptmx'
	assert_has "$out" '33 99
tty
character special file'
	assert_has "$out" '/dev/pts/0'
	assert_has "$out" 'got typed
end'
}

test_remount()
{
	make_bundle
	mkdir -p "$T/src" "$ROOTFS/mnt"
	config ".mounts += [
		{ destination: \"/mnt\", source: \"$T/src\", options: [\"bind\"] },
		{ destination: \"/mnt\", options: [\"remount\", \"bind\", \"ro\", \"nosuid\"] },
		{ destination: \"/tmp\", type: \"tmpfs\", options: [\"size=1m\"] },
		{ destination: \"/tmp\", type: \"tmpfs\",
		  options: [\"remount\", \"size=3m\", \"nodev\"] }]"
	sh_ct 'grep -E " /(mnt|tmp) " /proc/self/mountinfo; touch /mnt/x'
	assert_match "$out" ' /mnt ro,nosuid[^ ]* '
	assert_match "$out" ' /tmp rw,nodev[^ ]* .*size=3072k'
	assert_match "$err" 'Read-only'
	config '.mounts += [{ destination: "/bin", options: ["remount", "ro"] }]'
	run_ct true
	refused_ct 'mount /bin'
}

# The layers of an overlay take more than fsconfig(2) does.
test_long_mount_options()
{
	make_bundle
	mount -t tmpfs layers "$(mkdir "$T/layers"; echo "$T/layers")"
	local i long layers=
	long=$(printf 'layer%080d' 0)
	for i in 1 2 3 4 5 6; do
		mkdir -p "$T/layers/$long$i"
		echo "$i" >"$T/layers/$long$i/file$i"
		layers+=:$T/layers/$long$i
	done
	mkdir "$T/layers/upper" "$T/layers/work"
	config ".mounts += [{ destination: \"/mnt\", type: \"overlay\",
		source: \"overlay\", options: [\"nodev\",
		\"lowerdir=${layers#:}\", \"upperdir=$T/layers/upper\",
		\"workdir=$T/layers/work\"] }] | .root.readonly = false"
	sh_ct 'cat /mnt/file*; echo new >/mnt/new
		grep -E " /mnt " /proc/self/mountinfo | cut -d " " -f 6'
	assert_status 0
	assert_eq "$out" "1
2
3
4
5
6
rw,nodev,relatime"
	assert_eq "$(cat "$T/layers/upper/new")" new
	config '.mounts[-1].options += ["rprivate"]'
	run_ct true
	refused_ct 'longer than 255 bytes'
}

test_no_pivot()
{
	make_bundle
	touch "$T/mark"
	args sh -c "ls /; ls $T; ls /../../etc; grep -c . /proc/self/mountinfo"
	ct run --no-pivot --bundle "$BUNDLE" c
	assert_lacks "$out" mark
	assert_lacks "$out" passwd
	assert_has "$out" tmp
	make_bundle_in_user_namespace
	args sh -c "ls /; ls $T; id -u"
	ct run --no-pivot --bundle "$BUNDLE" c
	assert_lacks "$out" mark
	assert_has "$out" tmp
}

make_bundle_in_user_namespace()
{
	rm "$BUNDLE/config.json"
	"$HULL_CT" spec --bundle "$BUNDLE" --rootless
	chown -R 100000:100000 "$ROOTFS"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\""
}

# An agent answers system calls, also those that the launcher still makes.
start_agent()
{
	rm -f "$T/agent"
	"$TOOLS/notify_agent" "$T/agent" >"$T/agent.out" &
	agent=$!
	wait_for 5 agent test -S "$T/agent"
}

test_seccomp_notify()
{
	make_bundle
	config ".root.readonly = false | .annotations = { a: \"b\" } |
		.linux.seccomp = { defaultAction: \"SCMP_ACT_ALLOW\",
		listenerPath: \"$T/agent\", listenerMetadata: \"of \\\"ours\\\"\",
		syscalls: [{ action: \"SCMP_ACT_NOTIFY\", names: [\"mkdir\", \"mkdirat\",
			\"sendmsg\", \"sendto\", \"write\", \"futex\", \"close\",
			\"setresuid\", \"capset\", \"execve\"] }] }"
	local early
	for early in false true; do
		config ".process.noNewPrivileges = ($early | not)"
		start_agent
		sh_ct 'mkdir /x; echo "status $?"'
		assert_status 0
		assert_eq "$out" 'status 1'
		assert_match "$err" 'Owner died'
		wait_status "$agent"
		head -n 1 "$T/agent.out" >"$T/told"
		assert_eq "$(jq -c '[.fds, .metadata, .state.id, .state.status,
			.state.annotations, .pid == .state.pid, .pid > 1]' "$T/told")" \
			'[["seccompFd"],"of \"ours\"","c","created",{"a":"b"},true,true]'
		assert_ge "$(tail -n 1 "$T/agent.out")" 3 "questions"
	done
	start_agent
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	assert_status 0
	ct start c
	assert_status 0
	local first=$agent
	start_agent
	ct exec c sh -c 'mkdir /x; exit 4'
	assert_status 4
	wait_status "$agent"
	assert_eq "$(head -n 1 "$T/agent.out" | jq -r .state.status)" running
	ct delete --force c
	wait_status "$first"
	# No agent.
	ct create --bundle "$BUNDLE" c
	refused_ct 'linux.seccomp.listenerPath' 'cannot connect'
	config 'del(.linux.seccomp.listenerPath, .linux.seccomp.listenerMetadata)'
	ct create --bundle "$BUNDLE" c
	refused_ct 'linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs it'
	ct list -q
	assert_eq "$out" ''
}

test_events()
{
	make_bundle
	args sleep 1000
	ct run --detach --bundle "$BUNDLE" c
	ct events --interval nonsense c
	refused_ct '--interval takes'
	ct events --interval 0s c
	refused_ct '--interval takes'
	"$HULL_CT" --root "$CT_ROOT" events --interval 50ms c >"$T/events" &
	local reader=$!
	wait_for 5 events eval '[ "$(grep -c stats "$T/events")" -ge 3 ]'
	assert_eq "$(head -n 1 "$T/events" | jq -r '.type + " " + .id')" 'stats c'
	# It ends with the container.
	ct delete --force c
	wait_status "$reader"
	assert_status 0
	ct events c
	refused_ct 'does not exist'
}

# What was cut off can be deleted, whatever there is of it.
test_delete_of_half_created()
{
	make_bundle
	args sleep 1000
	ct list
	mkdir -m 700 "$CT_ROOT/empty"
	ct delete empty
	assert_status 0
	ct create --bundle "$BUNDLE" c
	assert_status 0
	kill -KILL "$(pid_of c)"
	wait_for 5 end status_is c stopped
	# As it is before there is a process.
	jq '.pid = 0' "$CT_ROOT/c/state.json" >"$T/state"
	cp "$T/state" "$CT_ROOT/c/state.json"
	rm "$CT_ROOT/c/config.json"
	status_is c stopped
	ct delete c
	assert_status 0
	# Another boot's processes are not ours, whatever their number.
	ct create --bundle "$BUNDLE" c
	local pid
	pid=$(pid_of c)
	jq '.bootId = "0"' "$CT_ROOT/c/state.json" >"$T/state"
	cp "$T/state" "$CT_ROOT/c/state.json"
	status_is c stopped
	jq ".pid = $$ | .bootId = \"$(cat /proc/sys/kernel/random/boot_id)\"" \
		"$CT_ROOT/c/state.json" >"$T/state"
	cp "$T/state" "$CT_ROOT/c/state.json"
	status_is c stopped
	ct delete c
	assert_status 0
	wait_for 5 end gone "$pid"
}

# The plan of a configuration is what it was. Where it is to be another one:
# hull-ct run --dry-run --bundle BUNDLE id >tests/integration/plans/NAME.plan
test_plans()
{
	local plan name
	mkdir -p "$BUNDLE/rootfs"
	for plan in "$HERE"/plans/*.json; do
		name=$(basename "$plan" .json)
		cp "$plan" "$BUNDLE/config.json"
		ct run --dry-run --bundle "$BUNDLE" id
		assert_status 0
		diff -u "$HERE/plans/$name.plan" "$T/out" >&2 ||
			fail "the plan of $name differs"
	done
	ct list -q
	assert_eq "$out" '' "containers after --dry-run"
	echo '{}' >"$BUNDLE/config.json"
	ct create --dry-run --bundle "$BUNDLE" id
	refused_ct 'ociVersion'
}

# What the other tests do not look at from inside.
test_remaining_fields_from_inside()
{
	make_bundle
	ln -sf busybox "$ROOTFS/bin/uname"
	ln -sf busybox "$ROOTFS/bin/ionice"
	mkdir -p "$T/src"
	touch "$T/src/file"
	ln -s file "$T/src/link"
	config ".linux.personality = { domain: \"LINUX32\" } |
		.linux.rootfsPropagation = \"shared\" |
		.linux.namespaces += [{ type: \"time\" }] |
		.linux.timeOffsets = { monotonic: { secs: 5000000 } } |
		.process.ioPriority = { class: \"IOPRIO_CLASS_BE\", priority: 6 } |
		.linux.devices = [{ path: \"/dev/fifo\", type: \"p\", fileMode: 432, uid: 3, gid: 4 }] |
		.domainname = \"lan\" | del(.linux.seccomp) |
		.mounts += [{ destination: \"/src\", source: \"$T/src\",
			options: [\"bind\", \"nosymfollow\", \"noatime\", \"shared\"] },
		{ destination: \"/slow\", type: \"tmpfs\", options: [\"strictatime\", \"nodiratime\"] }] |
		.root.readonly = false"
	sh_ct 'uname -m; cat /proc/sys/kernel/domainname; ionice -p 1
		stat -c "%F %a %u %g" /dev/fifo; cat /src/link && echo followed
		cat /proc/timer_list 2>/dev/null | head -n 0
		grep monotonic /proc/self/timens_offsets | tr -s " "
		grep -oE " (/|/src|/slow) [^ ]+ [^ ]*( shared)?" /proc/self/mountinfo'
	assert_status 0
	assert_match "$out" '^i686
lan
best-effort: prio 6
fifo 660 3 4
monotonic 5000000 0'
	assert_match "$out" ' / [^ ]* shared'
	assert_match "$out" ' /src [^ ]*noatime[^ ]* shared'
	assert_match "$out" ' /slow rw,nodiratime'
	assert_lacks "$out" followed
	assert_match "$err" '/src/link'
}

test_limits_that_cannot_be_kept_are_refused()
{
	make_bundle
	if [ ! -e /sys/fs/cgroup/unified/cgroup.procs ] ||
		grep -q memory /sys/fs/cgroup/unified/cgroup.controllers; then
		skip "all controllers are in cgroup v2"
	fi
	config '.linux.resources.memory = { limit: 100000000 }'
	run_ct true
	refused_ct 'linux.resources.memory.limit' 'no memory controller' 'v1'
	config '.linux.resources.memory = { limit: -1 }'
	run_ct true
	assert_status 0
}

# The pages that say which test is for what name tests that there are.
test_named_tests_exist()
{
	local page word file='' other count=0
	for page in conformance-containers.md containers.md; do
		while read -r word; do
			count=$((count + 1))
			case $word in
			unit:* | fuzz:*)
				other=${word%%:*}
				[ -f "$TOP/tests/$other/${other/unit/test}_${word#*:}.c" ] ||
					fail "$page names $word"
				continue ;;
			.*) ;; # of the file before
			security.* | rootless.* | leaks.* | verbs.* | limits.* | system.*)
				file=container-${word%%.*} ;;
			*) file=${word%%.*} ;;
			esac
			grep -q "^test_${word#*.}()" "$HERE/$file.sh" ||
				fail "$page names $word, which is not in $file.sh"
		done < <(sed -n 's/^|.*|\([^|]*\)|$/\1/p' "$TOP/docs/$page" |
			sed -E 's/(unit|fuzz): /\1:/g' |
			grep -oE '(unit|fuzz):[a-z_]+|[a-z-]*\.[a-z_0-9]+')
	done
	assert_ge "$count" 80 'names of tests'
}
