# podman without root's rights drives hull-ct: inside of a user namespace that
# podman has made of the ranges in /etc/subuid. The user, and whatever podman
# leaves behind, are there for this test alone.
# shellcheck shell=bash disable=SC2154,SC2016 # $out and its like: see run in harness.sh
# where: none
# root: yes
# seconds: 10

HULL_CT=${HULL_CT:-$BUILD/hull-ct}
USER_ID=54321

# as_user SCRIPT: runs it as a user who has a range, with `pod` for podman.
as_user()
{
	cat >"$T/outer" <<-END
		for name in passwd group; do
			mount --bind "$T/\$name" "/etc/\$name" || exit
		done
		mount --bind "$T/subuid" /etc/subuid && mount --bind "$T/subuid" /etc/subgid || exit
		cd "$T/home" && exec setpriv --reuid $USER_ID --regid $USER_ID --init-groups \\
			env -i PATH="$PATH:/usr/sbin" HOME="$T/home" XDG_RUNTIME_DIR="$T/run" \\
			CONTAINERS_CONF="$T/containers.conf" sh "$T/inner"
	END
	cat >"$T/inner" - <<-END
		pod() {
			podman --storage-driver vfs --events-backend file \\
				--cgroup-manager cgroupfs --runtime "$T/hull-ct" "\$@"
		}
		# For a host whose controllers sit in version 1, too.
		pod_run() { pod run --cgroupns private --net none "\$@"; }
		$1
	END
	run unshare --mount --pid --fork --kill-child --mount-proc sh "$T/outer"
}

make_user()
{
	local applet
	need_program podman podman
	need_program conmon conmon
	need_program newuidmap uidmap
	need_program busybox busybox-static
	mkdir -p "$T/home" "$T/run" "$T/rootfs/bin" "$T/rootfs/tmp" "$T/rootfs/etc"
	echo "tester:x:$USER_ID:$USER_ID::$T/home:/bin/sh" | cat /etc/passwd - >"$T/passwd"
	echo "tester:x:$USER_ID:" | cat /etc/group - >"$T/group"
	echo 'tester:500000:65536' >"$T/subuid"
	sed 's,^hull-ct = .*,,; /runtimes/d' "$TOP/tools/podman.conf" >"$T/containers.conf"
	# The tree may lie where that user cannot look.
	cp "$HULL_CT" "$T/hull-ct"
	cp "$(command -v busybox)" "$T/rootfs/bin/"
	for applet in sh ls cat echo id stat sleep touch grep; do
		ln -s busybox "$T/rootfs/bin/$applet"
	done
	tar -C "$T/rootfs" -cf "$T/image.tar" .
	chmod 755 "$T"
	chmod 644 "$T"/{passwd,group,subuid,containers.conf,image.tar}
	chown -R "$USER_ID:$USER_ID" "$T/home" "$T/run"
	chmod 700 "$T/run"
}

test_run_exec_and_ids()
{
	make_user
	as_user "
		pod import '$T/image.tar' box >/dev/null
		pod_run --rm box sh -c 'id -u; cat /proc/self/uid_map; touch /f
			stat -c %u /f; exit 5'
		echo status \$?
		pod_run -d --name c box sleep 1000 >/dev/null
		pod exec c sh -c 'echo inside; exit 3'
		echo status \$?
		pod exec -u 33 c id -u
		pod ps --format '{{.Names}}'
		ls '$T/run/hull-ct' | wc -l
		pod rm -f -t 0 c
		pod ps -a -q
		ls '$T/run/hull-ct' | wc -l
		pod_run --rm --userns=keep-id box id -u
		pod_run --rm --cap-drop all --read-only box grep CapEff /proc/self/status
		pod_run --rm box nonesuch
		echo status \$?"
	assert_status 0
	assert_eq "$(tr -s '\t ' ' ' <<<"$out")" "0
 0 $USER_ID 1
 1 500000 65536
0
status 5
inside
status 3
33
c
1
c
0
$USER_ID
CapEff: 0000000000000000
status 127"
}
