# containerd drives hull-ct by its shim, as it drives any runtime. Its own client
# is what speaks to it here.
# shellcheck shell=bash disable=SC2154,SC2016 # $out and its like: see run in
# harness.sh; scripts for the shell inside
# where: cgroup2
# root: yes
# seconds: 40
# timeout: 200

HULL_CT=${HULL_CT:-$BUILD/hull-ct}

# shellcheck source=tests/integration/lib-podman.sh
. "$HERE/lib-podman.sh"

# engine ARGUMENT...: ctr, as run.
engine() { run ctr --address "$T/cd/socket" "$@"; }

# launch OPTION... [--] NAME COMMAND...: a container of the image.
launch()
{
	local options=()
	while [[ $1 == -* ]]; do
		options+=("$1")
		shift
	done
	engine run --runc-binary "$HULL_CT" --runc-root "$T/cd/runc" \
		"${options[@]}" "$box" "$@"
}

# shellcheck disable=SC2317 # called by wait_for
answers() { ctr --address "$T/cd/socket" version >/dev/null 2>&1; }

# shellcheck disable=SC2317 # called by the trap
end_containerd()
{
	local status=$? id
	set +e
	for id in $(ctr --address "$T/cd/socket" task ls -q); do
		ctr --address "$T/cd/socket" task rm --force "$id" >/dev/null
	done
	kill "$daemon"
	wait "$daemon"
	umount -l "$T/cd"
	return "$status"
}

start_containerd()
{
	make_image "$HULL_CT"
	PATH=$BUILD/guests/foreign:$PATH
	command -v ctr >/dev/null ||
		fail "$BUILD/guests/foreign/ctr is missing; run make foreign-kernels"
	# An overlay does not lie on the lab's.
	mkdir "$T/cd"
	mount -t tmpfs containerd "$T/cd"
	cat >"$T/cd/config.toml" <<-END
		version = 2
		root = "$T/cd/root"
		state = "$T/cd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri",
			"io.containerd.internal.v1.opt"]
		[grpc]
		address = "$T/cd/socket"
	END
	containerd --config "$T/cd/config.toml" >"$T/containerd.log" 2>&1 &
	daemon=$!
	trap 'end_containerd; end_pods; end_jobs' EXIT
	wait_for 60 containerd answers
	pod save --format oci-archive --output "$T/box.tar" box
	assert_status 0
	engine image import "$T/box.tar"
	assert_status 0
	engine image ls -q
	box=$out
}

# containerd tells of a terminal's size when the program runs already.
SIZED='until stty size 2>/dev/null | grep -v "^0"; do sleep 0.1; done'

# state NAME STATUS: what ctr tells of it.
# shellcheck disable=SC2317 # called by wait_for
state()
{
	ctr --address "$T/cd/socket" task ls | grep -q "^$1 .* $2\$"
}

test_life_of_a_container()
{
	start_containerd
	launch --rm c sh -c 'echo out; echo err >&2; id -u; cat /proc/self/cgroup; exit 5'
	assert_status 5
	assert_eq "$out" $'out\n0\n0::/default/c'
	assert_eq "$err" err
	launch --rm c nonesuch
	assert_match "$err" 'exec: "nonesuch": executable file not found in \$PATH'
	launch --detach --memory-limit=33554432 --cpus=0.5 c \
		sh -c 'i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done'
	assert_status 0
	wait_for 10 'its run' state c RUNNING
	local group=/sys/fs/cgroup/default/c
	assert_eq "$(cat "$group/memory.max" "$group/cpu.max" | xargs)" \
		'33554432 50000 100000'
	engine task exec --exec-id e c sh -c 'echo inside; exit 3'
	assert_status 3
	assert_eq "$out" inside
	run "$TOOLS/pty_run" --timeout 60 --report "$T/report" size:21x61 raw \
		expect:ready 'send:\r' 'expect:21 61' 'expect:/dev/pts/' -- \
		ctr --address "$T/cd/socket" task exec --tty --exec-id t c sh -c \
		"echo ready; read -r x; $SIZED; ls -l /proc/self/fd/0; exit 4"
	assert_status 0
	assert_has "$(<"$T/report")" 'status 4'
	engine task pause c
	assert_status 0
	state c PAUSED || fail 'it is not paused'
	assert_eq "$(cat "$group/cgroup.freeze")" 1
	engine task resume c
	assert_status 0
	engine task ps c
	assert_match "$out" '[0-9]'
	engine task metrics c
	assert_has "$out" 'memory'
	engine task kill --signal KILL c
	assert_status 0
	wait_for 10 'its end' state c STOPPED
	engine task rm c
	assert_status 0
	assert_has "$err" 'exit code 137'
	engine container rm c
	assert_status 0
	[ ! -d "$group" ] || fail 'the cgroup is left'
	[ -z "$(ls "$T/cd/runc/default")" ] || fail 'state is left'
}

# With a terminal, and out of a checkpoint.
test_terminal_and_checkpoint()
{
	start_containerd
	need_program criu criu
	run "$TOOLS/pty_run" --timeout 60 --report "$T/report" size:20x60 raw \
		expect:typed 'send:words\r' 'expect:got words' 'expect:20 60' -- \
		ctr --address "$T/cd/socket" run --runc-binary "$HULL_CT" \
		--runc-root "$T/cd/runc" --rm --tty "$box" t sh -c \
		"test -t 0 && echo typed; read -r x; echo got \$x; $SIZED; exit 6"
	assert_status 0
	assert_has "$(<"$T/report")" 'status 6'
	launch --detach c sh -c \
		'i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done'
	assert_status 0
	engine task exec --exec-id e c sh -c \
		'while [ ! -e /count ] || [ $(cat /count) -lt 3 ]; do sleep 0.1; done'
	assert_status 0
	# It is paused meanwhile, by containerd.
	engine task checkpoint --image-path "$T/cd/image" c
	assert_status 0
	[ -s "$T/cd/image/inventory.img" ] || fail 'there is no checkpoint'
	wait_for 10 'its run' state c RUNNING
	engine task exec --exec-id e c sh -c \
		'i=$(cat /count); while [ $(cat /count) = $i ]; do sleep 0.1; done'
	assert_status 0
}
