# Containers of callers without root's rights: a user namespace of their own ID
# alone, one of a range of subordinate IDs, and root inside a user namespace,
# which is where engines without root run their runtime.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 5

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

USER_ID=12321

as_user() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@"; }

# A bundle of the user's, and a hull-ct that runs as the user.
make_rootless_bundle()
{
	make_bundle
	rm "$BUNDLE/config.json"
	chown -R $USER_ID:$USER_ID "$T"
	real=$HULL_CT
	as_user "$real" spec --bundle "$BUNDLE"
	printf '#!/bin/sh\nexec setpriv --reuid %s --regid %s --clear-groups "%s" "$@"\n' \
		$USER_ID $USER_ID "$real" >"$T/hull-ct"
	chmod 755 "$T/hull-ct"
	HULL_CT=$T/hull-ct
	chown -R $USER_ID:$USER_ID "$T"
}

test_own_id_alone()
{
	make_rootless_bundle
	mkdir "$T/src"
	echo data >"$T/src/file"
	config ".mounts += [{ destination: \"/mnt\", source: \"$T/src\",
		options: [\"bind\", \"ro\"] }] | .root.readonly = false"
	sh_ct 'id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups
		touch /made; stat -c %u /made; cat /mnt/file; echo x >/dev/null
		touch /mnt/x; hostname; grep -c . /proc/self/cgroup; exit 7'
	assert_status 7
	assert_match "$out" "^0
0
 +0 +$USER_ID +1
deny
0
data
hull"
	assert_match "$err" '/mnt/x: Read-only'
	assert_eq "$(stat -c %u "$ROOTFS/made")" $USER_ID
	ct list -q
	assert_eq "$out" ''
	config '.process.user.additionalGids = [3]'
	run_ct true
	refused_ct 'additionalGids' 'setgroups'
	config 'del(.process.user.additionalGids)'
	# What cannot be kept is refused.
	config '.linux.resources.pids = { limit: 5 }'
	run_ct true
	refused_ct 'cgroup'
	config 'del(.linux.resources.pids)'
	config '.linux.namespaces |= map(select(.type != "user")) |
		del(.linux.uidMappings, .linux.gidMappings)'
	run_ct true
	refused_ct 'linux.namespaces' 'user namespace'
}

test_life_without_root()
{
	make_rootless_bundle
	ct features
	assert_match "$(jq -r '.annotations."hull-ct.rights"' "$T/out")" '^a user'
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	assert_status 0
	status_is c created
	# Who may not mount keeps its program from the container in sealed memory.
	assert_match "$(readlink "/proc/$(pid_of c)/exe")" '^/memfd:hull-ct'
	run sh -c "echo x >>/proc/$(pid_of c)/exe"
	[ "$status" -ne 0 ] || fail 'the copy could be written to'
	ct start c
	assert_status 0
	status_is c running
	assert_eq "$(awk '/^Uid/ { print $2 }' "/proc/$(pid_of c)/status")" $USER_ID
	ct exec c sh -c 'id -u; hostname; echo $$; exit 5'
	assert_status 5
	assert_match "$out" '^0
hull
[2-9]'
	ct kill c KILL
	assert_status 0
	wait_for 5 end status_is c stopped
	ct delete c
	assert_status 0
	ct list -q
	assert_eq "$out" ''
	# Nobody else's.
	run setpriv --reuid 12322 --regid 12322 --clear-groups "$real" \
		--root "$CT_ROOT" list
	refused_ct
}

# The user's entries stand in files that only this test sees.
test_subordinate_ids()
{
	need_program newuidmap uidmap
	make_rootless_bundle
	echo "tester:x:$USER_ID:$USER_ID::/:/bin/sh" | cat /etc/passwd - >"$T/passwd"
	echo "tester:$((500000)):65536" >"$T/subuid"
	chmod 644 "$T/passwd" "$T/subuid"
	cat >"$T/private" <<-END
		mount --bind "$T/passwd" /etc/passwd
		mount --bind "$T/subuid" /etc/subuid
		mount --bind "$T/subuid" /etc/subgid
		exec "$T/hull-ct" --root "$CT_ROOT" run --bundle "$BUNDLE" c
	END
	local map="[{ containerID: 0, hostID: $USER_ID, size: 1 },
		{ containerID: 1, hostID: 500000, size: 65536 }]"
	config ".linux.uidMappings = $map | .linux.gidMappings = $map |
		.process.user.additionalGids = [3] | .root.readonly = false"
	args sh -c 'id -G; cat /proc/self/setgroups; touch /f; stat -c %u /f'
	run unshare --mount sh "$T/private"
	assert_status 0
	assert_eq "$out" '0 3
allow
0'
	config '.process.user.uid = 33'
	args sh -c 'id -u; touch /tmp/g; sleep 0'
	chmod 777 "$ROOTFS/tmp"
	run unshare --mount sh "$T/private"
	assert_status 0
	assert_eq "$(stat -c %u "$ROOTFS/tmp/g")" 500032
	# Not the user's.
	config '.linux.uidMappings[1].hostID = 700000'
	run unshare --mount sh "$T/private"
	assert_status 1
	assert_match "$err" '/etc/subuid'
}

in_another_user_namespace()
{
	[ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

# As podman without root has it: root of a namespace, with the runtime inside.
test_root_of_a_user_namespace()
{
	make_bundle
	config ".linux.cgroupsPath = \"$CT_GROUP/c\" | .root.readonly = false"
	chown -R 100000:100000 "$T"
	args sh -c 'id -u; echo x >/dev/null && echo written; hostname; touch /made'
	cat >"$T/inside" <<-END
		exec "$HULL_CT" --root "$CT_ROOT" run --bundle "$BUNDLE" c
	END
	mkfifo -m 666 "$T/go"
	unshare --user --keep-caps --mount sh -c "read -r x <'$T/go'; exec setpriv --reuid 0 \
		--regid 0 --clear-groups sh '$T/inside'" >"$T/out" 2>"$T/err" &
	local pid=$!
	wait_for 5 namespace in_another_user_namespace "$pid"
	until echo '0 100000 65536' 2>/dev/null >"/proc/$pid/uid_map"; do
		sleep 0.1
	done
	echo '0 100000 65536' >"/proc/$pid/gid_map"
	echo go >"$T/go"
	wait_status "$pid"
	out=$(cat "$T/out")
	cat "$T/err"
	assert_status 0
	assert_eq "$out" '0
written
hull'
	assert_eq "$(stat -c %u "$ROOTFS/made")" 100000
	# Where setgroups is denied, nothing can be done about groups.
	chown -R 0:0 "$T"
	config '.mounts |= map(.options -= ["gid=5"])'
	run unshare --user --map-root-user --mount sh "$T/inside"
	assert_status 0
	assert_has "$out" written
}

# Where states are without --root: engines call `state` with no more of the
# environment than XDG_RUNTIME_DIR, which when it is empty is not there.
test_default_folders()
{
	make_rootless_bundle
	mkdir -m 700 "$T/run"
	chown $USER_ID:$USER_ID "$T/run"
	args sleep 1000
	run as_user env -i XDG_RUNTIME_DIR="$T/run" "$real" create --bundle "$BUNDLE" c
	assert_status 0
	run as_user env -i XDG_RUNTIME_DIR="$T/run" "$real" state c
	assert_status 0
	assert_eq "$(jq -r .status "$T/out")" created
	[ -e "$T/run/hull-ct/c/state.json" ] || fail "no state in $T/run/hull-ct"
	run as_user env -i XDG_RUNTIME_DIR="$T/run" "$real" delete --force c
	assert_status 0
	run as_user env -i XDG_RUNTIME_DIR= "$real" state c
	refused_ct 'XDG_RUNTIME_DIR is not set'
	# Root's are in /run, whatever the variable says.
	cat >"$T/root-default" <<-END
		mount -t tmpfs run /run
		XDG_RUNTIME_DIR="$T/run" "$real" list -q
		XDG_RUNTIME_DIR= "$real" list -q
		ls -ld /run/hull-ct
	END
	run unshare --mount sh "$T/root-default"
	assert_status 0
	assert_match "$out" '^drwx------ .* /run/hull-ct'
}
