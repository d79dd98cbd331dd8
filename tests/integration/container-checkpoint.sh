# Checkpoint and restore by criu: what a program has in memory and around it is
# there again, elsewhere, too; and what cannot be is refused with a sentence.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; make_bundle without options
# where: cgroup2
# root: yes
# seconds: 12
# timeout: 100

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-container-net.sh
. "$HERE/lib-container-net.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"
# shellcheck source=tests/integration/lib-system.sh
. "$HERE/lib-system.sh"

# What is counted is nowhere but in memory.
COUNT='i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; sleep 0.1; done'

bundle_for_criu()
{
	need_program criu criu
	make_bundle
	config '.root.readonly = false'
	local applet
	for applet in mv readlink; do
		ln -sf busybox "$ROOTFS/bin/$applet"
	done
}

# count [BUNDLE]: where it stands.
count() { cat "${1:-$BUNDLE}/rootfs/count"; }

# counts_on FROM [BUNDLE]: it goes on from there, and does not begin anew.
counts_on()
{
	wait_for 10 "a count above $1" above "$1" "${2:-$BUNDLE}"
	assert_le "$(count "${2:-$BUNDLE}")" $(($1 + 100)) 'the count'
}

# shellcheck disable=SC2317 # called by wait_for
above() { [ "$(cat "$2/rootfs/count" 2>/dev/null || echo 0)" -gt "$1" ]; }

# shellcheck disable=SC2317 # called by wait_for
counting() { above 2 "$BUNDLE"; }

start_counting()
{
	args sh -c "${1:-$COUNT}"
	ct run --detach --bundle "$BUNDLE" c
	assert_status 0
	wait_for 10 'the count' counting
}

# What there is to see of the container's first process.
look_around()
{
	ct exec c sh -c 'readlink /proc/1/cwd; cat /scratch/t /data/file
		grep -E "^(Seccomp|NoNewPrivs|Cap...|Umask|Uid|Groups)" /proc/1/status
		grep -E "open files|core" /proc/1/limits; cat /proc/1/oom_score_adj
		cat /proc/sys/kernel/hostname /proc/1/cgroup
		cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
		wc -c </proc/kcore; touch /data/x'
	assert_has "$err" 'Read-only'
	echo "$out"
	tr '\0' '\n' <"/proc/$(pid_of c)/environ"
	sed 's/^[^/]*//; s/ - / /' "/proc/$(pid_of c)/mountinfo" |
		awk '{ print $2, $3 }' | sort
}

# timeout: 120
test_restore_as_it_was()
{
	bundle_for_criu
	mkdir "$T/src"
	echo data >"$T/src/file"
	config ".process.cwd = \"/tmp\" | .hostname = \"kept\" |
		.process.env += [\"MARK=kept\"] | .process.user.umask = 23 |
		.process.oomScoreAdj = 77 |
		.process.rlimits = [{ type: \"RLIMIT_NOFILE\", soft: 60, hard: 64 }] |
		.linux.resources.memory.limit = 67108864 |
		.linux.resources.pids.limit = 30 |
		.mounts += [
			{ destination: \"/data\", source: \"$T/src\", options: [\"bind\", \"ro\"] },
			{ destination: \"/scratch\", type: \"tmpfs\", source: \"tmpfs\" }]"
	start_counting "echo tmp >/scratch/t; $COUNT"
	look_around >"$T/before"
	ct checkpoint --image-path "$T/image" --work-path "$T/work" c
	assert_status 0
	assert_eq "$out$err" ''
	[ -s "$T/work/dump.log" ] || fail 'no log'
	# It is gone as a whole.
	ct list -q
	assert_eq "$out" ''
	[ ! -d "/sys/fs/cgroup$CT_GROUP/c" ] || fail 'the cgroup is left'
	local last
	last=$(count)
	ct restore --detach --image-path "$T/image" --work-path "$T/work" \
		--pid-file "$T/pid" --bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$out$err" ''
	counts_on "$last"
	status_is c running || fail 'it does not run'
	assert_eq "$(cat "$T/pid")" "$(pid_of c)"
	grep -qx "$(pid_of c)" "/sys/fs/cgroup$CT_GROUP/c/cgroup.procs" ||
		fail 'it is in another group'
	look_around >"$T/after"
	diff "$T/before" "$T/after" || fail 'something is not as it was'
	# All that can be done with a container can be done with it.
	ct pause c
	status_is c paused || fail 'it is not paused'
	ct resume c
	ct kill c KILL
	assert_status 0
	wait_for 5 end status_is c stopped
	ct delete c
	assert_status 0
	[ ! -d "/sys/fs/cgroup$CT_GROUP/c" ] || fail 'the cgroup is left'
}

# timeout: 120
test_copy_of_one_that_goes_on()
{
	bundle_for_criu
	start_counting
	ct pause c
	ct checkpoint --leave-running --image-path "$T/image" c
	assert_status 0
	local last
	last=$(count)
	status_is c paused || fail 'it is no longer paused'
	ct resume c
	status_is c running || fail 'it does not go on'
	counts_on $((last + 2))
	# Another name, group and root, from the same files.
	cp -a "$BUNDLE" "$T/copy"
	last=$(count "$T/copy")
	sed -i "s,$CT_GROUP/c\",$CT_GROUP/d\"," "$T/copy/config.json"
	ct restore -d --image-path "$T/image" -b "$T/copy" d
	assert_status 0
	wait_for 10 'its count' above 2 "$T/copy"
	[ "$(pid_of c)" != "$(pid_of d)" ] || fail 'it is the same process'
	ct exec d cat /proc/self/cgroup
	assert_eq "$out" '0::/'
	grep -qx "$(pid_of d)" "/sys/fs/cgroup$CT_GROUP/d/cgroup.procs" ||
		fail 'it is in another group'
	ct delete --force c
	assert_status 0
	counts_on "$(count "$T/copy")" "$T/copy"
	# A name that is taken.
	ct restore -d --image-path "$T/image" -b "$T/copy" d
	refused_ct 'a container with the ID d exists'
}

# pages FOLDER: the KiB that pages take in it.
pages() { du -ck "$1"/pages-*.img | sed -n 's/\ttotal$//p'; }

# In the foreground its end is waited for; the memory of a --pre-dump serves. Its
# output goes on in another pipe.
# timeout: 120
test_wait_and_pre_dump()
{
	bundle_for_criu
	args sh -c 'x=kept; while [ ! -e /end ]; do echo 3 >/count; sleep 0.1; done; echo $x; exit 7'
	"$HULL_CT" --root "$CT_ROOT" run --detach --bundle "$BUNDLE" c \
		2>&1 | cat >"$T/said" &
	wait_for 10 'the count' counting
	ct checkpoint --pre-dump --image-path "$T/first" c
	assert_status 0
	local whole
	whole=$(pages "$T/first")
	ct checkpoint --parent-path ../first --auto-dedup \
		--image-path "$T/second" c
	assert_status 0
	# What is in the second is no longer in the first.
	assert_le "$(pages "$T/first")" $((whole - 1)) 'KiB of the first pages'
	wait
	assert_eq "$(cat "$T/said")" ''
	touch "$ROOTFS/end"
	run bash -o pipefail -c '"$@" 2>&1 | cat' sh "$HULL_CT" \
		--root "$CT_ROOT" restore --image-path "$T/second" \
		--bundle "$BUNDLE" c
	assert_status 7
	assert_eq "$out" kept
	ct list -q
	assert_eq "$out" ''
}

# timeout: 120
test_what_fails_leaves_it_running()
{
	bundle_for_criu
	args sh -c "$COUNT"
	# A file of the host that nobody has told criu of.
	echo data >"$T/data"
	ct run --detach --preserve-fds 1 --bundle "$BUNDLE" c 3<"$T/data"
	assert_status 0
	wait_for 10 'the count' counting
	run env PATH="$T/none" "$HULL_CT" --root "$CT_ROOT" checkpoint c
	refused_ct 'criu.* not in PATH.*install the package criu'
	ct checkpoint --image-path "$T/data" c
	refused_ct '\-\-image-path: .*/data is not a folder'
	ct checkpoint --image-path "$T/none/deep" c
	refused_ct '\-\-image-path: cannot make the folder .*none/deep'
	ct checkpoint --image-path "$T/image" --parent-path ../none c
	refused_ct '\-\-parent-path: cannot open the folder \.\./none'
	ct checkpoint --manage-cgroups-mode hard c
	refused_ct 'takes soft, full, strict or ignore, not "hard"'
	# What criu refuses is in its words, and in its log.
	ct checkpoint --image-path "$T/image" c
	refused_ct "container c: criu: .*$T/data; its log is $T/image/dump.log"
	status_is c running || fail 'it does not run any more'
	counts_on "$(count)"
	mkdir "$T/empty"
	config ".linux.cgroupsPath = \"$CT_GROUP/d\""
	ct restore --image-path "$T/empty" --bundle "$BUNDLE" d
	refused_ct 'empty holds no checkpoint'
	# Half a checkpoint: nothing is left of a restore that failed.
	ct restore --image-path "$T/image" --bundle "$BUNDLE" d
	refused_ct "criu: .*; its log is $T/image/restore.log"
	ct list -q
	assert_eq "$out" 'c'
	[ ! -d "/sys/fs/cgroup$CT_GROUP/d" ] || fail 'the cgroup is left'
	[ ! -e "$CT_ROOT/d" ] || fail 'state is left'
}

# Counts by way of a connection to itself, and holds a lock.
CONNECTED='nc -ll -p 700 -e cat & sleep 0.5
	i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done | nc 127.0.0.1 700 |
	while read -r i; do echo $i >/count.new; mv /count.new /count; done'

# What criu does only when it is told to: connections, locks, the rest of the
# network; and the group, which it may leave to us.
# timeout: 120
test_options()
{
	bundle_for_criu
	need_program flock util-linux
	need_program nft nftables
	ln -sf busybox "$ROOTFS/bin/nc"
	ln -sf busybox "$ROOTFS/bin/ip"
	cp "$TOOLS/lock_hold" "$ROOTFS/bin"
	config '.linux.resources.pids.limit = 30'
	args lock_hold /lock sh -c "$CONNECTED"
	ct run --detach --bundle "$BUNDLE" c
	assert_status 0
	wait_for 10 'the count' counting
	nsenter -t "$(pid_of c)" -n ip address add 192.0.2.7/24 dev lo
	ct checkpoint --image-path "$T/image" c
	refused_ct 'container c: criu: .*(lock|onnected)'
	ct checkpoint --file-locks --image-path "$T/image" c
	refused_ct 'container c: criu: .*onnected'
	counts_on "$(count)"
	ct checkpoint --file-locks --tcp-established \
		--manage-cgroups-mode ignore --image-path "$T/image" c
	assert_status 0
	flock -n "$ROOTFS/lock" true || fail 'the lock is left'
	local last
	last=$(count)
	ct restore --detach --file-locks --tcp-established \
		--manage-cgroups-mode ignore --image-path "$T/image" \
		--bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$(nsenter -t "$(pid_of c)" -n nft list ruleset)" ''
	counts_on "$last"
	! flock -n "$ROOTFS/lock" true || fail 'the lock is lost'
	grep -qx "$(pid_of c)" "/sys/fs/cgroup$CT_GROUP/c/cgroup.procs" ||
		fail 'it is in another group'
	assert_eq "$(cat "/sys/fs/cgroup$CT_GROUP/c/pids.max")" 30
	ct exec c ip -o address
	assert_has "$out" 192.0.2.7/24
	ct delete --force c
	rm "$ROOTFS/count"
	start_counting
	nsenter -t "$(pid_of c)" -n ip address add 192.0.2.7/24 dev lo
	ct checkpoint --empty-ns network --image-path "$T/empty" c
	assert_status 0
	last=$(count)
	ct restore --detach --empty-ns network --image-path "$T/empty" \
		--bundle "$BUNDLE" c
	assert_status 0
	counts_on "$last"
	ct exec c ip -o address
	assert_lacks "$out" 192.0.2.7
}

# A socket whose other end is the host's, as that of who logs there. criu knows of
# sockets in the container's own network only, so that is the host's, and by the
# name that the other end was given, so that is the same inside.
# timeout: 120
test_socket_of_the_host()
{
	bundle_for_criu
	need_program perl perl-base
	cp "$TOOLS/unix_hold" "$ROOTFS/bin"
	mkdir "$T/sock"
	config ".mounts += [{ destination: \"$T/sock\", source: \"$T/sock\",
		options: [\"bind\"] }] |
		.linux.namespaces |= map(select(.type != \"network\"))"
	perl -MSocket -e 'socket(S, PF_UNIX, SOCK_DGRAM, 0) or die;
		bind(S, sockaddr_un($ARGV[0])) or die; $| = 1;
		while (defined(recv(S, $m, 100, 0))) { print $m; }' \
		"$T/sock/s" >"$T/heard" &
	wait_for 5 socket test -S "$T/sock/s"
	args unix_hold "$T/sock/s" sh -c 'i=0; while :; do i=$((i+1)); echo $i >&3
		echo $i >/count.new; mv /count.new /count; sleep 0.1; done'
	ct run --detach --bundle "$BUNDLE" c
	assert_status 0
	wait_for 10 'the count' counting
	ct checkpoint --image-path "$T/image" c
	refused_ct 'container c: criu: .*(nix|xternal)'
	ct checkpoint --ext-unix-sk --image-path "$T/image" c
	assert_status 0
	local last
	last=$(count)
	ct restore --detach --ext-unix-sk --image-path "$T/image" \
		--bundle "$BUNDLE" c
	assert_status 0
	counts_on "$last"
	grep -qx $((last + 1)) "$T/heard" || fail 'it is not heard any more'
	ct delete --force c
}

# The terminal has its name and settings again, and another holder: an engine,
# or we ourselves. What was in a variable goes on.
# timeout: 120
test_terminal()
{
	bundle_for_criu
	local applet
	for applet in tty stty; do
		ln -sf busybox "$ROOTFS/bin/$applet"
	done
	config '.process.terminal = true |
		.process.consoleSize = { height: 31, width: 77 }'
	args sh -c 'stty -echo; i=0; while read -r line; do i=$((i + 1))
		echo "$i $line $(tty) $(stty size)" | tee /dev/console; echo $i >/count; done
		exit 5'
	ln -sf busybox "$ROOTFS/bin/tee"
	"$TOOLS/console_recv" "$T/sock" $'first\r' >"$T/console" 2>&1 &
	local receiver=$!
	wait_for 5 socket test -S "$T/sock"
	ct run --detach --console-socket "$T/sock" --bundle "$BUNDLE" c
	assert_status 0
	wait_for 10 'its answer' above 0 "$BUNDLE"
	ct checkpoint --image-path "$T/image" c
	assert_status 0
	wait_status "$receiver"
	assert_has "$(tr -d '\r' <"$T/console")" '1 first /dev/pts/0 31 77
1 first /dev/pts/0 31 77'
	rm "$T/sock"
	"$TOOLS/console_recv" "$T/sock" $'second\r' >"$T/console" 2>&1 &
	receiver=$!
	wait_for 5 socket test -S "$T/sock"
	ct restore --detach --console-socket "$T/sock" --image-path "$T/image" \
		--bundle "$BUNDLE" c
	assert_status 0
	wait_for 10 'its answer' above 1 "$BUNDLE"
	ct checkpoint --image-path "$T/again" c
	assert_status 0
	wait_status "$receiver"
	assert_eq "$(tr -d '\r' <"$T/console")" '31x77 /dev/ptmx
2 second /dev/pts/0 31 77
2 second /dev/pts/0 31 77'
	run "$TOOLS/pty_run" --timeout 30 --report "$T/report" size:20x60 raw \
		'send:third\r' 'expect:3 third /dev/pts/0 20 60' 'send:\x04' -- \
		"$HULL_CT" --root "$CT_ROOT" restore --image-path "$T/again" \
		--bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$(cat "$T/report")" 'status 5
termios restored
flags restored'
}

test_what_has_no_checkpoint()
{
	bundle_for_criu
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	ct checkpoint --image-path "$T/image" c
	refused_ct 'container c is created; only a running one'
	[ ! -e "$T/image" ] || fail 'a folder was made'
	ct delete --force c
	ct checkpoint c
	refused_ct 'does not exist'
	config '.process.terminal = true'
	ct restore --image-path "$T/none" --bundle "$BUNDLE" c
	refused_ct 'image-path: cannot open the folder'
	config '.hooks.createRuntime = [{ path: "/bin/true" }]'
	mkdir "$T/image"
	echo '[]' >"$T/image/descriptors.json"
	ct restore --image-path "$T/image" --bundle "$BUNDLE" c
	refused_ct 'hooks.createRuntime: restore has no time'
	ct restore --detach --image-path "$T/image" --bundle "$BUNDLE" c
	refused_ct 'console-socket'
	config 'del(.hooks) | .process.terminal = false |
		.linux.namespaces += [{ type: "user", path: "/proc/self/ns/user" }]'
	ct restore --image-path "$T/image" --bundle "$BUNDLE" c
	refused_ct 'criu cannot join the user namespace /proc/self/ns/user'
	ct features
	assert_eq "$(jq -r '.annotations["org.opencontainers.runc.checkpoint.enabled"]' \
		<<<"$out")" true
	run env PATH=/none "$HULL_CT" doctor
	assert_has "$out" 'install the package criu'
}

# shellcheck disable=SC2317 # called by wait_for
reached() { host busybox ping -c 1 -W 1 192.0.2.2 >/dev/null; }

# What hull-ct has made it makes again, on this host or on another one.
test_network_is_made_anew()
{
	need_program criu criu
	make_host
	make_net_bundle
	ln -s busybox "$ROOTFS/bin/mv"
	config '.root.readonly = false'
	make_bridge br0 192.0.2.1/24
	config '.annotations = { "hull-ct.net": "bridge=br0,ip=192.0.2.2/24" }'
	start_counting
	wait_for 5 'an answer' reached
	ct exec c busybox ip -o addr show eth0
	local before=$out last
	ct checkpoint --image-path "$T/image" c
	assert_status 0
	! reached || fail 'something answers'
	last=$(count)
	ct restore -d --image-path "$T/image" --bundle "$BUNDLE" c
	assert_status 0
	counts_on "$last"
	wait_for 5 'an answer' reached
	ct exec c busybox ip -o -4 addr show eth0
	assert_has "$out" '192.0.2.2/24'
	assert_has "$before" '192.0.2.2/24'
	ct exec c cat /etc/resolv.conf
	assert_status 0
	ct delete --force c
	assert_status 0
	! host ip -o link show | grep -q ': ct' || fail 'an interface is left'
}

# What root of a user namespace only has, mounts of the host among it, whose IDs
# are mapped and which it cannot make writable; and files that only the host's
# root may read are no hindrance.
# timeout: 120
test_user_namespace()
{
	need_program criu criu
	need_program mkfs.ext4 e2fsprogs
	make_bundle --rootless
	mkdir -m 700 "$T/src" "$T/mapped"
	truncate -s 20M "$T/disk.img"
	mkfs.ext4 -q -O ^has_journal "$T/disk.img"
	mount -o loop "$T/disk.img" "$T/mapped"
	chown 100000:100000 "$T/src"
	echo host >"$T/src/file"
	config ".root.readonly = false | .process.capabilities.bounding += [\"CAP_SYS_ADMIN\"] |
		.process.capabilities.effective += [\"CAP_SYS_ADMIN\"] |
		.process.capabilities.permitted += [\"CAP_SYS_ADMIN\"] | del(.linux.seccomp) |
		.mounts += [
		{ destination: \"/data\", source: \"$T/src\", options: [\"bind\", \"ro\"] },
		{ destination: \"/mapped\", source: \"$T/mapped\", options: [\"bind\", \"idmap\"] }]"
	ln -sf busybox "$ROOTFS/bin/mv"
	args sh -c "$COUNT"
	"$HULL_CT" --root "$CT_ROOT" run --detach --bundle "$BUNDLE" c \
		2>&1 | cat >"$T/said" &
	wait_for 10 'the count' counting
	ct checkpoint --image-path "$T/image" c
	assert_status 0
	assert_eq "$(stat -c '%a %u %g' "$T/image")" '700 0 0'
	wait
	local last
	last=$(count)
	"$HULL_CT" --root "$CT_ROOT" restore --detach --image-path "$T/image" \
		--bundle "$BUNDLE" c 2>&1 | cat >"$T/said" &
	counts_on "$last"
	assert_eq "$(cat "$T/said")" ''
	assert_eq "$(stat -c '%a %u %g' "$T/image")" '700 0 0'
	ct exec c sh -c 'cat /proc/1/uid_map /data/file; touch /mapped/new
		mount -o remount,rw,bind /data; touch /data/x'
	assert_has "$out" '         0     100000      65536'
	assert_has "$out" host
	assert_match "$err" 'mount: (permission denied|.*not permitted)'
	assert_has "$err" '/data/x: Read-only'
	assert_eq "$(stat -c %u "$T/mapped/new")" 0
	ct delete --force c
	assert_status 0
	wait
}

# A container of launch that prints where it stands.
launch_counting()
{
	need_program criu criu
	map_ids
	make_rootfs
	launch "$@" -- /bin/sh -c \
		'i=0; while :; do i=$((i + 1)); echo $i; echo $i >/count; sleep 0.1; done'
	assert_status 0
	wait_for 10 'the count' printed 3
}

# printed N: its log has come to N.
printed() { grep -qx "$1" "$(home_of)/log"; }

# printed_once: each number is in the log, and is so once.
printed_once()
{
	cp "$(home_of)/log" "$T/log"
	diff "$T/log" <(seq "$(grep -c '' <"$T/log")") ||
		fail 'it has not gone on from where it was'
}

saved() { [ -e "$(home_of)/checkpoint" ]; }

# Stopped by it, started from it: memory, log and process 1 are as they were,
# and the policy is for ends of its own.
# timeout: 120
test_launched()
{
	mkdir -p "$T/src"
	echo data >"$T/src/file"
	launch_counting --restart always --mount "$T/src:/data:ro" --nesting
	ct checkpoint "$C"
	assert_status 0
	assert_eq "$out$err" ''
	saved || fail 'there is no checkpoint'
	ct info "$C"
	assert_match "$out" 'checkpoint +true'
	sleep 0.5
	status_now stopped || fail 'it has been started anew'
	local last
	last=$(tail -n 1 "$(home_of)/log")
	ct start "$C"
	assert_status 0
	status_now running
	wait_for 10 'more' printed $((last + 5))
	printed_once
	! saved || fail 'the checkpoint is still there'
	ct exec "$C" sh -c 'cat /data/file /proc/1/comm; tr "\0" " " </proc/1/cmdline
		mount -o remount,rw,bind /data; touch /data/x'
	assert_has "$out" 'data
hull-init
hull-init 2 '
	assert_has "$err" '/data/x: Read-only'
	# It is supervised as before.
	ct info "$C"
	assert_match "$out" 'supervised +true'
	ct exec --detach "$C" sh -c 'sleep 0.3; kill -9 2'
	assert_status 0
	wait_for 10 'a new start' printed_again
	# Left away, by its own word or with all that came after a snapshot.
	ct checkpoint "$C"
	assert_status 0
	ct restore --image-path "$T/none" "$C"
	refused_ct 'image-path: cannot open the folder'
	ct restore --bundle "$T" "$C"
	refused_ct "container $C was launched: restore it without --bundle"
	ct start --anew "$C"
	assert_status 0
	! saved || fail 'the checkpoint is still there'
	ct stop "$C"
	ct restore "$C"
	refused_ct "container $C has no checkpoint of its own; say --image-path"
	ct destroy "$C"
	assert_status 0
	[ ! -e "$(home_of)" ] || fail 'something is left'
}

# shellcheck disable=SC2317 # called by wait_for
printed_again() { [ "$(grep -cx 3 "$(home_of)/log")" -gt 1 ]; }

# To a place of the caller's; and what fails leaves all as it is.
# timeout: 120
test_launched_elsewhere()
{
	launch_counting --privileged --no-init
	ct snapshot create "$C" first
	refused_ct 'running'
	ct checkpoint --leave-running "$C"
	refused_ct "container $C goes on.*say --image-path"
	run env PATH="$T/none" "$HULL_CT" --root "$CT_ROOT" checkpoint "$C"
	refused_ct 'install the package criu'
	status_now running || fail 'it does not run any more'
	! saved || fail 'there is half a checkpoint'
	ct checkpoint --image-path "$T/image" "$C"
	assert_status 0
	status_now stopped
	ct restore --image-path "$T/image" "$C"
	assert_status 0
	wait_for 10 'more' printed $(($(tail -n 1 "$(home_of)/log") + 5))
	printed_once
	[ -e "$T/image/inventory.img" ] || fail 'the checkpoint is gone'
	# One that cannot be used any more: nothing is lost, and it is said how
	# to go on.
	ct checkpoint "$C"
	assert_status 0
	rm "$(home_of)"/checkpoint/pages-1.img
	ct start "$C"
	refused_ct "container $C has a checkpoint; start --anew leaves that away: criu: .*its log is $(home_of)/restore.log"
	[ -s "$(home_of)/restore.log" ] || fail 'there is no log'
	saved || fail 'the checkpoint is gone'
	status_now stopped
	ct snapshot create "$C" first
	assert_status 0
	ct snapshot rollback "$C" first
	assert_status 0
	! saved || fail 'the checkpoint is newer than the files'
	ct start "$C"
	assert_status 0
	wait_for 10 'a new start' printed_again
}

# With an init of its own and its console.
# timeout: 120
test_launched_system()
{
	need_program criu criu
	make_distribution
	ln -sf /bin/busybox "$T/rootfs/sbin/init"
	cat >"$T/rootfs/etc/inittab" <<-'EOF'
		console::respawn:/bin/sh -c 'stty -onlcr; while :; do i=$((i+1)); echo $i; sleep 0.2; done'
	EOF
	launch --system
	assert_status 0
	wait_for 10 'the count' printed 3
	ct checkpoint "$C"
	assert_status 0
	ct start "$C"
	assert_status 0
	wait_for 10 'more' printed $(($(tail -n 1 "$(home_of)/log") + 3))
	printed_once
	# What systemd does: criu would not make it again.
	ct exec "$C" sh -c 'cd /sys/fs/cgroup; mkdir own
		until echo +pids >cgroup.subtree_control; do
			for pid in $(cat cgroup.procs); do
				echo $pid >own/cgroup.procs
			done
		done 2>/dev/null'
	assert_status 0
	ct checkpoint "$C"
	refused_ct "container $C has given controllers to groups of its own"
	status_now running || fail 'it does not run any more'
}
