# A container that moves to another machine: checkpoint on one node, restore on
# the other. Two labs are the nodes, with a network between them.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none
# seconds: 60
# timeout: 300

HULL_CT=${HULL_CT:-$BUILD/hull-ct}

# What is counted is nowhere but in memory; who asks at port 7 is told.
# shellcheck disable=SC2016 # for the shell inside
COUNT='busybox nc -ll -p 7 -e cat /count & i=0
while :; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.2; done'

# --- on a node ---------------------------------------------------------------

# shellcheck disable=SC2317 # what follows runs in the labs
# node_bundle HULL-CT PROGRAM: /mnt/c, whose container has an address of its own.
node_bundle()
{
	local applet
	mkdir -p /mnt/c/rootfs/bin
	cp "$(command -v busybox)" /mnt/c/rootfs/bin/
	for applet in sh cat mv sleep; do
		ln -s busybox "/mnt/c/rootfs/bin/$applet"
	done
	"$1" spec --privileged --bundle /mnt/c
	jq --arg program "$2" '.root.readonly = false |
		.process.args = ["sh", "-c", $program] |
		.linux.cgroupsPath = "/move/c" |
		.linux.resources.memory.limit = 67108864 |
		.annotations = { "hull-ct.net": "macvlan=eth0,ip=10.77.0.100/24" }' \
		/mnt/c/config.json >/mnt/c/new
	mv /mnt/c/new /mnt/c/config.json
}

# node_ask ABOVE: what the container on the other node answers, once it is
# above that. (A macvlan's own host is the one that cannot ask.)
node_ask()
{
	local try count
	for try in {1..200}; do
		count=$(busybox nc -w 2 10.77.0.100 7 </dev/null 2>/dev/null) || true
		[ "${count:-0}" -le "$1" ] || { echo "$count"; return 0; }
		sleep 0.2
	done
	echo "no answer above $1 after $try tries" >&2
	return 1
}

# node_send ADDRESS:PORT, node_take PORT: standard input there, output here.
node_send() { socat -u - "TCP:$1,retry=300,interval=0.5"; }

node_take() { socat -u "TCP-LISTEN:$1,accept-timeout=200" -; }

# first_node HULL-CT PROGRAM
first_node()
{
	local last
	set -e
	mount -t tmpfs none /mnt
	node_bundle "$@"
	"$1" run --detach --bundle /mnt/c c
	echo "before=$(node_take 7000)"
	"$1" checkpoint --image-path /mnt/image c
	echo "left=$("$1" list -q)."
	last=$(cat /mnt/c/rootfs/count)
	echo "last=$last"
	tar -C /mnt -c c image | node_send 10.77.0.2:7001
	node_ask "$last" >/mnt/after
	echo "after=$(cat /mnt/after)"
	echo bye | node_send 10.77.0.2:7002
}

# second_node HULL-CT
second_node()
{
	set -e
	mount -t tmpfs none /mnt
	node_ask 3 >/mnt/before
	node_send 10.77.0.1:7000 </mnt/before
	node_take 7001 | tar -C /mnt -x
	"$1" restore --detach --image-path /mnt/image --bundle /mnt/c c
	echo "said=$(node_take 7002)"
	echo "state=$("$1" state c | jq -r .status)"
	echo "limit=$(cat /sys/fs/cgroup/move/c/memory.max)"
	"$1" delete --force c
	echo "left=$("$1" list -q)."
}

# --- on the host -------------------------------------------------------------

# node NUMBER FUNCTION [ARG...]: in the background, its words in $T/NUMBER.
node()
{
	local number=$1 functions
	shift
	functions=$(declare -f node_bundle node_ask node_send node_take \
		first_node second_node)
	"$TOP/tests/lab" --timeout $((100 * PATIENCE)) --memory 1024 \
		--net "move-$$" --node "$number" --name "move-$number-$$" \
		--results "$T/results-$number" -- \
		bash -c "$functions
\"\$@\"" bash "$@" </dev/null >"$T/$number" 2>&1 &
}

# told NUMBER KEY
told() { tr -d '\r' <"$T/$1" | sed -n "s/^$2=//p"; }

test_between_two_nodes()
{
	local program first status=0
	for program in criu jq socat busybox qemu-system-x86_64; do
		command -v "$program" >/dev/null || skip "no $program"
	done
	"$TOP/tests/lab" --prepare
	node 1 first_node "$HULL_CT" "$COUNT"
	first=$!
	node 2 second_node "$HULL_CT"
	wait $! || status=$?
	wait "$first" || status=$?
	head -n 50 "$T/1" "$T/2"
	assert_eq "$status" 0 "the nodes' exit status"
	assert_eq "$(told 1 left)" . "what the first node keeps"
	assert_ge "$(told 1 last)" "$(told 1 before)"
	# It goes on elsewhere from where it was, at the same address.
	assert_ge "$(told 1 after)" $(($(told 1 last) + 1))
	assert_le "$(told 1 after)" $(($(told 1 last) + 300))
	assert_eq "$(told 2 said)" bye
	assert_eq "$(told 2 state)" running
	assert_eq "$(told 2 limit)" 67108864
	assert_eq "$(told 2 left)" . "what the second node keeps"
}
