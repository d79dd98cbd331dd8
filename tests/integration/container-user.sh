# The verbs for people, called by an ordinary user who has IDs in /etc/subuid.
# What that user has stands in files that only the user's commands see.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119,SC2317 # $out and its like:
# see run in harness.sh; scripts for the shell inside; home_of without an
# argument; functions that wait_for and the trap call
# where: none
# root: yes
# seconds: 8

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# shellcheck source=tests/integration/lib-user.sh
. "$HERE/lib-user.sh"

test_life()
{
	make_user
	make_image
	user launch "$T/image.tar" web --restart always --stop-timeout 1 -- sh -c \
		'echo up; while :; do [ -e /end ] && rm /end && exit 3; sleep 0.05; done'
	assert_status 0
	assert_eq "$out" web
	is web running
	wait_for 5 'its log' logged web up
	# IDs: inside, and on disk.
	user exec web sh -c 'id -u; cat /proc/self/uid_map; stat -c %u:%g /data/file /bin
		touch /data/new; chown 33:33 /data/new; cat /proc/self/setgroups'
	assert_status 0
	assert_eq "$(tr -s ' ' <<<"$out")" '0
 0 0 1
 1 1 65535
1000:1001
0:0
allow'
	assert_eq "$(stat -c %u:%g "$STORE"/layers/tar-*/tree/data/file)" 500999:501000
	assert_eq "$(stat -c %u:%g "$STORE/containers/web/data/upper/data/new")" \
		500032:500032
	assert_eq "$(stat -c %u "/proc/$(info web pid)")" $USER_ID
	# Nobody has more rights than the user outside.
	user exec web sh -c 'mount -t tmpfs t /mnt 2>&1; mknod /n c 1 3 2>&1; echo $?'
	assert_match "$out" '1$'
	user exec --user 33 web id -u
	assert_eq "$out" 33
	user exec --user 65534:65534 web id -g
	assert_eq "$out" 65534
	user logs web
	assert_eq "$out" up
	user enter web sh -c 'echo $PPID; exit 4'
	assert_status 4
	# It is started anew, stopped, and started.
	user exec web touch /end
	wait_for 5 'the next run' logged web $'up\nup'
	user stop web
	assert_status 0
	is web stopped
	user start web
	assert_status 0
	is web running
	user destroy web
	refused_ct 'is running'
	user destroy --force web
	assert_status 0
	user prune
	assert_status 0
	assert_eq "$(find "$STORE"/{containers,layers} -mindepth 1)" '' 'what is left'
	assert_eq "$(ls "$T/run/hull-ct")" '' 'states'
	# Root's are apart.
	user list -q
	assert_eq "$out" ''
}

# Processes of other IDs, a supervisor that is killed, and the next verbs, each
# in another user namespace or none.
test_who_may_what()
{
	make_user
	user launch "$T/rootfs" c --user 33 --no-init --stop-timeout 1 -- sleep 1000
	assert_status 0
	local pid supervisor
	pid=$(info c pid)
	assert_eq "$(stat -c %u "/proc/$pid")" 500032
	assert_eq "$(info c supervised)" true
	supervisor=$(info c supervisor)
	kill -KILL "$supervisor"
	wait_for 5 'its end' eval '! kill -0 $supervisor 2>/dev/null'
	assert_eq "$(info c supervised)" false
	assert_match "$(info c remedy)" 'hull-ct start'
	user list
	assert_match "$out" 'c +[0-9]+ +orphaned '
	user start c
	assert_status 0
	assert_eq "$(info c pid)" "$pid"
	assert_eq "$(info c supervised)" true
	user kill c STOP
	assert_status 0
	user stop c
	assert_status 0
	user start c
	kill -KILL "$(info c supervisor)"
	user destroy --force c
	assert_status 0
	# Another user has nothing of it.
	user launch "$T/rootfs" c -- sleep 1000
	run setpriv --reuid 12346 --regid 12346 --clear-groups env \
		XDG_RUNTIME_DIR="$T/run" "$T/prog/hull-ct" list
	refused_ct
	user destroy --force c
	assert_status 0
}

test_clones_snapshots_and_archives()
{
	make_user
	make_image
	user launch "$T/image.tar" a --attach -- sh -c \
		'rm -r /data; mkdir /data; touch /data/mine; chown 7:8 /data/mine; rm /bin/vi'
	assert_status 0
	user snapshot create a before
	assert_status 0
	user clone a b
	assert_status 0
	user launch "$T/image.tar" look --attach --rm -- ls /data
	assert_eq "$out" file
	user export a -o "$T/home/a.tar"
	assert_status 0
	assert_eq "$(stat -c %u:%a "$T/home/a.tar")" "$USER_ID:600"
	tar --numeric-owner -tvf "$T/home/a.tar" >"$T/list"
	assert_match "$(grep ' ./data/mine\| data/mine' "$T/list")" '^-[^ ]+ 7/8 '
	assert_lacks "$(cat "$T/list")" data/file
	assert_lacks "$(cat "$T/list")" bin/vi
	user import "$T/home/a.tar" d -- sh -c 'stat -c %u:%g /data/mine; ls /data; rm /data/mine'
	assert_status 0
	user start d
	wait_for 5 'its log' logged d $'7:8\nmine'
	user stop d
	user snapshot rollback a before
	assert_status 0
	user list -q
	assert_eq "$out" $'a\nb\nd'
	local name
	for name in a b d; do
		user destroy "$name"
		assert_status 0
	done
	user prune
	assert_eq "$(find "$STORE" -user 500006)" '' 'files of its IDs'
}

is_apart() { [ "$(readlink "$NETWORK")" != "$(readlink /proc/self/ns/net)" ]; }

on_host() { nsenter --net="$NETWORK" "$@"; }

served()
{
	[ "$(on_host busybox wget -qO - http://127.0.0.1:18080/)" = hello ]
}

# With mounts of the user's own, in place, and with the host's network.
test_mounts_and_networks()
{
	make_user
	need_program pasta passt
	mkdir "$T/home/src"
	echo data >"$T/home/src/file"
	chown -R $USER_ID:$USER_ID "$T/home"
	user launch "$T/rootfs" c --attach --rm --in-place \
		--mount "$T/home/src:/rw" --mount "$T/home/src:/ro:ro" -- sh -c '
		cat /rw/file; touch /rw/new /here; touch /ro/x
		mount -o remount,bind,rw /ro; touch /ro/x'
	assert_has "$out" data
	[ ! -e "$T/home/src/x" ] || fail 'what is read-only was written to'
	assert_eq "$(stat -c %u "$T/home/src/new")" $USER_ID
	[ -e "$T/rootfs/here" ] || fail 'it was not in place'
	user launch "$T/rootfs" c --attach --rm --net host -- cat /proc/net/dev
	assert_status 0
	assert_eq "$(sed -n 's/: .*//p' <<<"$out" | sort)" \
		"$(sed -n 's/: .*//p' /proc/net/dev | sort)"
	user launch "$T/rootfs" c --attach --rm -- ip -o link
	assert_eq "$(wc -l <<<"$out")" 1
	# A network in place of the host's. The host's node may be root's alone.
	unshare --net sleep 1000 &
	local holder=$!
	export NETWORK=/proc/$holder/ns/net
	wait_for 5 namespace is_apart
	on_host ip link set lo up
	on_host ip link add wan0 type veth peer name far
	on_host ip link set far up
	on_host ip addr add 192.0.2.9/24 dev wan0
	on_host ip link set wan0 up
	on_host ip route add default via 192.0.2.1
	mknod "$T/tun" c 10 200
	chmod 666 "$T/tun"
	echo "mount --bind '$T/tun' /dev/net/tun" >"$T/before"
	user launch "$T/rootfs" c --net user --publish 18080:80 -- \
		sh -c 'echo hello >/index.html; exec httpd -f -p 80 -h /'
	assert_status 0
	wait_for 10 'the published port' served
	user stop c
	assert_status 0
	! pgrep -f "$T/run/hull-ct/c" >/dev/null || fail 'pasta is left'
	NETWORK='' user destroy c
	kill "$holder"
	wait "$holder" || true
}

test_refusals()
{
	make_user
	refuse()
	{
		local regex=$1
		shift
		user launch "$T/rootfs" c "$@" -- true
		refused_ct "$regex"
		[ ! -e "$STORE/containers/c" ] || fail "a home is left by: $*"
	}
	refuse '\-\-net bridge=br0 needs root.*user, host and none' --net bridge=br0
	refuse '\-\-net move=eth0 needs root' --net move=eth0
	refuse '\-\-privileged needs root' --privileged
	refuse '\-\-vm needs root' --vm
	refuse '\-\-disk-quota needs root' --disk-quota 1G
	refuse 'a limit needs a cgroup that is delegated|has no memory controller' \
		--memory 64M
	user launch "$T/rootfs" c -- sleep 1000
	user ps c
	assert_eq "$(grep -c 'sleep 1000' "$T/out")" 1 'processes'
	user freeze c
	refused_ct 'has no cgroup'
	user destroy --force c
	echo ': nobody' >"$T/subuid"
	refuse '/etc/subuid gives the user tester less than the 65535 IDs.*usermod --add-subuids'
	echo 'tester:500000:1000' >"$T/subuid"
	refuse 'less than the 65535 IDs'
	# By number, and in parts.
	printf '%s:500000:40000\ntester:700000:30000\n' $USER_ID >"$T/subuid"
	user launch "$T/rootfs" c --attach --rm --user 50000 -- cat /proc/self/uid_map
	assert_status 0
	assert_eq "$(tr -s ' ' <<<"$out")" ' 0 0 1
 1 1 40000
 40001 40001 25535'
	echo 'mount --bind /dev/null /usr/bin/newuidmap' >"$T/before"
	refuse 'newuidmap; install the package uidmap'
	: >"$T/before"
	RUNTIME='' refuse 'XDG_RUNTIME_DIR is not set; say --root'
	user doctor
	assert_status 0
	assert_match "$out" 'limited +user +user [0-9]+: no bridges'
	assert_match "$out" 'ok +userns +launch has 65536 IDs'
	assert_match "$out" 'limited +cgroup +no cgroup is delegated'
	: >"$T/subuid"
	user doctor
	assert_match "$out" 'limited +userns +launch does not work: /etc/subuid'
}

test_delegated_cgroup()
{
	make_user
	delegate
	user launch "$T/rootfs" c -- sleep 1000
	assert_status 0
	assert_eq "$(info c cgroup)" "$CT_GROUP/hull-ct/c"
	user freeze c
	assert_status 0
	is c paused
	user thaw c
	assert_status 0
	user ps c
	assert_has "$out" 'sleep 1000'
	user doctor
	assert_match "$out" "ok +cgroup +version 2 .* of which $CT_GROUP is delegated"
	user stop c
	assert_status 0
	[ ! -d "$group/hull-ct/c" ] || fail 'the cgroup is left'
	user destroy c
	rmdir "$group/hull-ct" "$group/shell" "$group"
}
