# podman drives hull-ct, as it would any runtime: conmon between the two.
# shellcheck shell=bash disable=SC2154,SC2016 # $out and its like: see run in harness.sh
# where: cgroup2
# root: yes
# seconds: 90
# timeout: 200

HULL_CT=${HULL_CT:-$BUILD/hull-ct}

# shellcheck source=tests/integration/lib-podman.sh
. "$HERE/lib-podman.sh"

test_run_and_statuses()
{
	make_image "$HULL_CT"
	pod run --rm --net none box sh -c 'echo out; id -u; cat /proc/self/cgroup; exit 5'
	assert_status 5
	assert_has "$out" 'out
0
0::/'
	pod run --rm --net none box nonesuch
	assert_status 127
	pod run --rm --net none box /bin/data
	assert_status 126
	pod run --rm --net none --read-only --user 5:6 --cap-drop all box \
		sh -c 'id -u; echo x >/x; grep CapEff /proc/self/status'
	assert_has "$out" 5
	assert_has "$out" 'CapEff:	0000000000000000'
	assert_has "$err" 'Read-only'
}

test_life_of_a_container()
{
	make_image "$HULL_CT"
	pod run -d --name c --net none box sh -c 'echo begin; sleep 1000'
	assert_status 0
	pod exec c sh -c 'echo inside; exit 3'
	assert_status 3
	assert_has "$out" inside
	pod logs c
	assert_has "$out" begin
	pod pause c
	assert_status 0
	pod ps -a --format '{{.Names}} {{.Status}}'
	assert_has "$out" 'c Paused'
	pod unpause c
	assert_status 0
	pod stop -t 1 c
	assert_status 0
	pod inspect c --format '{{.State.Status}} {{.State.ExitCode}}'
	assert_eq "$out" 'exited 137'
	pod start c
	assert_status 0
	pod rm -f -t 0 c
	assert_status 0
	pod ps -a -q
	assert_eq "$out" ''
}

test_limits()
{
	make_image "$HULL_CT"
	pod run --rm --net none --memory 32m --pids-limit 20 box \
		sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
	assert_status 0
	assert_eq "$out" "33554432
20"
	# What podman makes of it (OOMKilled) is conmon's to find out, and in an
	# emulated machine it does not for any runtime.
	pod run --rm --net none --memory 16m --memory-swap 16m box sh -c \
		'dd if=/dev/zero of=/dev/null bs=64M count=1; echo "dd $?"
		cat /sys/fs/cgroup/memory.events'
	assert_status 0
	assert_has "$out" 'dd 137'
	assert_has "$out" 'oom_kill 1'
}

test_engine_options()
{
	make_image "$HULL_CT"
	# It changes who may map what on the host.
	[ "$PLACE" = lab ] || skip "only in the lab"
	printf 'containers:1000000:1000000\n' | tee "$T/subuid" >"$T/subgid"
	cp "$T/subuid" /etc/subuid
	cp "$T/subgid" /etc/subgid
	pod run --rm --net none --userns=auto:size=65536 box sh -c \
		'id -u; cat /proc/self/uid_map; echo x >/tmp/f'
	assert_status 0
	assert_match "$out" '^0
 +0 +1[0-9]{6} +65536'
	# Limits of a container that runs.
	pod run -d --name u --net none --memory 64m box sleep 1000
	pod update --memory 48m --pids-limit 9 u
	if [ "$status" -eq 0 ]; then
		pod exec u cat /sys/fs/cgroup/memory.max
		assert_eq "$out" 50331648
	else # podman 4.3 has no such option
		assert_match "$err" 'unknown flag|unknown shorthand'
	fi
	pod kill --signal KILL u
	assert_status 0
	pod wait u
	assert_eq "$out" 137
	pod rm u
	# A fork bomb ends at the limit, and the rest goes on.
	pod run --rm --net none --pids-limit 12 box sh -c \
		'b() { b | b; }; (b) 2>/dev/null; echo $?' || true
	assert_lacks "$err" 'conmon'
	pod run --rm --net none box echo after
	assert_eq "$out" after
}

test_pods_and_builds()
{
	make_image "$HULL_CT"
	pod pod create --name p --hostname inpod --network none \
		--infra-image box --infra-command 'sleep 1000'
	assert_status 0
	pod run -d --pod p --name a box sleep 1000
	assert_status 0
	pod run --rm --pod p box sh -c 'cat /proc/sys/kernel/hostname'
	assert_eq "$out" inpod
	pod pod ps --format '{{.Name}} {{.Status}}'
	assert_has "$out" 'p '
	pod pod rm -f -t 0 p
	assert_status 0
	mkdir "$T/build"
	printf 'FROM box\nRUN echo made >/made\nRUN ["sh", "-c", "test -e /made"]\nCMD ["cat", "/made"]\n' \
		>"$T/build/Containerfile"
	pod build --network none --isolation oci -t made "$T/build"
	assert_status 0
	pod run --rm --net none made
	assert_eq "$out" made
}

test_terminal()
{
	make_image "$HULL_CT"
	# podman wants a terminal to pass on.
	CONTAINERS_CONF=$T/containers.conf "$TOOLS/pty_run" --timeout 150 \
		'expect:typed' 'send:words\r' 'expect:got words' end -- \
		podman "${pod_options[@]}" run --rm -it --net none box sh -c \
		'test -t 0 && echo typed; read -r x; echo "got $x"' >"$T/tty" 2>&1
	assert_has "$(cat "$T/tty")" 'got words'
}

# logged NAME NUMBER: a line of its log is above that.
# shellcheck disable=SC2317 # called by wait_for
logged() { [ "$(podman_alone logs --tail 1 "$1")" -gt "$2" ]; }

test_checkpoint()
{
	need_program criu criu
	make_image "$HULL_CT"
	pod run -d --name c --net none box sh -c \
		'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'
	wait_for 10 'its count' logged c 2
	pod container checkpoint c
	assert_status 0
	pod inspect c --format '{{.State.Status}} {{.State.Checkpointed}}'
	assert_eq "$out" 'exited true'
	local last
	last=$(podman_alone logs --tail 1 c)
	pod container restore c
	assert_status 0
	wait_for 10 'its count' logged c "$last"
	# To a file, and from that under another name.
	pod container checkpoint --export "$T/c.tar" --compress none c
	assert_status 0
	pod rm -f -t 0 c
	pod container restore --import "$T/c.tar" --name d
	assert_status 0
	wait_for 10 'its count' logged d "$last"
	pod exec d cat /proc/1/comm
	assert_eq "$out" sh
	pod inspect d --format '{{.State.Status}} {{.State.Restored}}'
	assert_eq "$out" 'running true'
}
