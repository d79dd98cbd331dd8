# An ordinary user who has IDs in /etc/subuid and launches containers. What that
# user has stands in files that only the user's commands see. Behind
# lib-people.sh.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317 # functions that the trap and
# wait_for call

USER_ID=12345
STORE=$T/home/.local/share/hull-ct

# The command $T/hull-ct is the user's. $T/before is run first, by root.
make_user()
{
	need_program newuidmap uidmap
	need_program jq jq
	make_rootfs
	trap 'destroy_of_user; end_jobs' EXIT
	mkdir -p "$T/home" "$T/run" "$T/prog"
	cp "$HULL_CT" "${HULL_CT%/*}/hull-unpack" "$T/prog"
	echo "tester:x:$USER_ID:$USER_ID::$T/home:/bin/sh" | cat /etc/passwd - >"$T/passwd"
	echo 'tester:500000:65536' >"$T/subuid"
	: >"$T/before"
	cat >"$T/hull-ct" <<-END
		#!/bin/bash
		[ -n "\$INSIDE" ] || INSIDE=1 exec \${NETWORK:+nsenter --net="\$NETWORK"} \\
			unshare --mount "\$0" "\$@"
		mount --bind "$T/passwd" /etc/passwd
		mount --bind "$T/subuid" /etc/subuid
		mount --bind "$T/subuid" /etc/subgid
		. "$T/before"
		exec setpriv --reuid $USER_ID --regid $USER_ID --clear-groups env -i \\
			PATH="$PATH" HOME="$T/home" \${RUNTIME-XDG_RUNTIME_DIR="$T/run"} \\
			"$T/prog/hull-ct" "\$@"
	END
	chmod -R go+rX "$T/prog" "$T/passwd" "$T/subuid"
	chmod 755 "$T" "$T/hull-ct"
	chmod 700 "$T/run"
	chown -R $USER_ID:$USER_ID "$T/home" "$T/run" "$T/rootfs"
}

# user VERB...: hull-ct as the user, in the user's own folders; as run.
user() { run "$T/hull-ct" "$@"; }

destroy_of_user()
{
	local status=$? id
	set +e
	for id in $("$T/hull-ct" list -q 2>/dev/null); do
		"$T/hull-ct" destroy --force "$id"
	done
	return "$status"
}

# is NAME STATUS: what list tells.
is()
{
	[ "$("$T/hull-ct" list -f json |
		jq -r --arg c "$1" '.[] | select(.id == $c).status')" = "$2" ]
}

info() { "$T/hull-ct" info --json "$1" | jq -r ".$2"; }

logged() { [ "$(cat "$STORE/containers/$1/log" 2>/dev/null)" = "$2" ]; }

# A tar of an image, in which somebody else has files.
make_image()
{
	mkdir -p "$T/image/data"
	cp -a "$T/rootfs/." "$T/image"
	echo theirs >"$T/image/data/file"
	chown -R 0:0 "$T/image"
	chown -R 1000:1001 "$T/image/data"
	tar -C "$T/image" -cf "$T/image.tar" .
	chmod 644 "$T/image.tar"
}

# A part of the tree of cgroups becomes the user's, whose commands are in it.
delegate()
{
	local tree=/sys/fs/cgroup/unified file
	[ -d "$tree" ] || tree=/sys/fs/cgroup
	group=$tree$CT_GROUP
	mkdir -p "$group/shell"
	for file in . cgroup.procs cgroup.subtree_control cgroup.threads shell \
		shell/cgroup.procs; do
		chown $USER_ID "$group/$file"
	done
	echo "echo \$\$ >$group/shell/cgroup.procs" >"$T/before"
}
