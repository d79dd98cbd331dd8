# Bundles of engines in VMs: `hull-ct --vm`, by hand and by podman. Each of the
# two tests that boot does it once and looks at many things.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; make_bundle without arguments
# where: linux-kvm
# root: yes
# seconds: 35
# timeout: 250

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-podman.sh
. "$HERE/lib-podman.sh"

STORE=$CT_ROOT.store

vm() { run "$HULL_CT" --vm --root "$CT_ROOT" "$@"; }

# said FILE REGEX
said() { grep -qE -- "$2" "$1" 2>/dev/null; }

# heard FILE REGEX: it comes within the time that a start takes here.
heard()
{
	local i
	for ((i = 0; i < 50 * PATIENCE; i++)); do
		! said "$1" "$2" || return 0
		! gone "$job" || break
		sleep 1
	done
	said "$1" "$2" && return 0
	tail -n 50 "$T"/stream.*
	fail "the VM did not say $2"
}

make_vm_bundle()
{
	make_bundle
	"$ROOTFS/bin/busybox" --install "$ROOTFS/bin" 2>/dev/null || true
	echo old >"$ROOTFS/etc/of-the-image"
	mkdir -p "$ROOTFS/data"
	echo kept >"$ROOTFS/data/kept"
}

# --- by hand -----------------------------------------------------------------

program='
trap "echo got term; exit 7" TERM
trap "echo got usr1" USR1
echo "id=$(id -u):$(id -g):$(id -G)" "word=$1" "A=$A" "cwd=$PWD" "mask=$(umask)"
echo "host=$(hostname)" "file=$(cat /etc/given/it)" \
	"mode=$(stat -c %a:%u /etc/given/it)" "data=$(cat /data/kept)"
grep -E "CapBnd|CapAmb|NoNewPrivs" /proc/self/status
echo "range=$(xargs </proc/sys/net/ipv4/ping_group_range)"
echo volume >/vol/written && mkdir -m 777 /vol/sub && stat -c "vol=%a:%u:%g" /vol /vol/sub
echo more >/data/more && echo "own=$(grep -c " /data " /proc/mounts)"
echo to errors >&2
echo up
cat
echo end of input
sleep 1000000 &
while :; do wait; done'

configure()
{
	args sh -c "$program" sh 'two  words'
	echo 'of the host' >"$T/given"
	mkdir -m 1777 "$T/vol"
	chmod 604 "$T/given"
	config '.process.user = {uid: 3, gid: 4, additionalGids: [5, 6], umask: 23}'
	config '.process.cwd = "/not/yet" | .process.env += ["A=b"]'
	config '.process.noNewPrivileges = true | .root.readonly = false'
	config '.process.capabilities.ambient = ["CAP_NET_BIND_SERVICE"] |
		.process.capabilities.inheritable = ["CAP_NET_BIND_SERVICE"]'
	config ".mounts += [{destination: \"/etc/given/it\", type: \"bind\",
		source: \"$T/given\", options: [\"rbind\", \"ro\"]},
		{destination: \"/vol\", type: \"bind\", source: \"$T/vol\",
		options: [\"rbind\"]},
		{destination: \"/data\", type: \"tmpfs\", source: \"tmpfs\",
		options: [\"nosuid\", \"size=1m\", \"mode=777\", \"tmpcopyup\"]}]"
	config '.linux.sysctl = {"net.ipv4.ping_group_range": "0 7"} |
		.linux.resources.memory = {limit: 134217728} |
		.linux.resources.pids = {limit: 40}'
}

# A network as engines make it.
make_network()
{
	need_program ip iproute2
	ip netns add vm
	ip link add vmhost type veth peer name eth0 netns vm
	ip address add 10.9.9.1/24 dev vmhost
	ip link set vmhost up
	ip -n vm address add 10.9.9.2/24 dev eth0
	ip -n vm link set eth0 up
	ip -n vm link set lo up
	ip -n vm route add default via 10.9.9.1
	config '.linux.namespaces |= map(if .type == "network" then
		.path = "/run/netns/vm" else . end)'
}

nothing_left()
{
	[ -z "$(ls "$STORE/vms" 2>/dev/null)" ] || fail 'files are left'
	[ -z "$("$HULL_CT" --root "$CT_ROOT" list -q)" ] || fail 'a state is left'
}

create_and_delete()
{
	# What one that was killed has left is no obstacle.
	mkdir -p "$STORE/vms/c/data"
	vm create --bundle "$BUNDLE" --pid-file "$T/pid" c
	assert_status 0
	status_is c created || fail 'it is not created'
	assert_eq "$(pid_of c)" "$(<"$T/pid")"
	ct state c
	assert_eq "$(jq -r .bundle <<<"$out")" "$BUNDLE"
	vm create --bundle "$BUNDLE" c
	refused_ct exists
	[ -e "$STORE/vms/c/image/disk" ] || fail 'the other one is gone'
	# As behind a reboot.
	mkdir -p "$STORE/vms/old/data"
	ct prune
	[ ! -e "$STORE/vms/old" ] || fail 'what nobody has is still there'
	[ -e "$STORE/vms/c/image/disk" ] || fail 'what c has is gone'
	ct delete --force c
	assert_status 0
	nothing_left
}

# The process that stands for the program, and the monitor, on the host.
look_from_outside()
{
	local pid=$1 child group=/sys/fs/cgroup$CT_GROUP/c
	assert_eq "$(tr -d '\0' <"/proc/$pid/cmdline")" init
	child=$(cat "/proc/$pid/task/$pid/children")
	assert_match "$(tr '\0' ' ' <"/proc/${child% }/cmdline")" '^/hull run '
	assert_match "$(grep -E '^(Uid|CapBnd|CapEff|NoNewPrivs|Seccomp):' \
		"/proc/$pid/status" | xargs)" \
		'^Uid: ([0-9]{7,} ?){4} CapEff: 0+ CapBnd: 0+1db NoNewPrivs: 1 Seccomp: 2$'
	# What it needs for the folder of the host, and nothing else.
	assert_match "$(grep -E '^(Uid|CapBnd|CapEff|NoNewPrivs|Seccomp):' \
		"/proc/${child% }/status" | xargs)" \
		'^Uid: ([0-9]{7,} ?){4} CapEff: 0+1db CapBnd: 0+1db NoNewPrivs: 1 Seccomp: 2$'
	assert_eq "$(cat "$group/memory.max")" "$(((128 + 48 + 2 + 112) * 1048576))"
	ct list
	assert_match "$out" 'c +[0-9]+ +running +vm '
}

# As conmon does it: a process of the host stands for the one inside.
exec_as_engines()
{
	jq '.process | .args = ["sh", "-c", "echo out; echo err >&2; cat; sleep 2000"]' \
		"$BUNDLE/config.json" >"$T/process.json"
	echo words | "$HULL_CT" --root "$CT_ROOT" exec --pid-file "$T/exec.pid" \
		--process "$T/process.json" --detach c \
		>"$T/stream.exec" 2>"$T/stream.exec-errors"
	local pid
	pid=$(<"$T/exec.pid")
	wait_for 30 words said "$T/stream.exec" '^words$'
	assert_eq "$(<"$T/stream.exec")" $'out\nwords'
	assert_eq "$(<"$T/stream.exec-errors")" err
	assert_match "$(grep -E '^(Uid|CapEff|NoNewPrivs):' "/proc/$pid/status" |
		xargs)" '^Uid: ([0-9]{7,} ?){4} CapEff: 0+ NoNewPrivs: 1$'
	ls -l "/proc/$pid/fd" >"$T/fds"
	assert_eq "$(grep -c socket "$T/fds")" 1
	kill -TERM "$pid"
	wait_for 30 'end of the process' gone "$pid"
	ct exec --pid-file "$T/exec.pid" c nonsense
	assert_status 127
}

look_at_network()
{
	busybox ping -c 1 -W 30 10.9.9.2 >/dev/null || fail 'the host does not reach it'
	ct exec c sh -c 'ip route; cat /sys/class/net/eth0/address'
	assert_has "$out" 'default via 10.9.9.1 dev eth0'
	assert_has "$out" "$(ip -n vm -j link show eth0 | jq -r '.[0].address')"
	# The engine finds what it made.
	assert_has "$(ip -n vm address show eth0)" 10.9.9.2/24
}

test_bundle()
{
	make_vm_bundle
	configure
	create_and_delete
	make_network
	seq 1 30000 >"$T/input"
	"$HULL_CT" --vm --root "$CT_ROOT" run --bundle "$BUNDLE" \
		--pid-file "$T/pid" c <"$T/input" >"$T/stream.out" 2>"$T/stream.err" &
	job=$!
	heard "$T/stream.out" '^end of input$'
	sed -n '/^up$/,/^end of input$/p' "$T/stream.out" | sed '1d;$d' |
		cmp - "$T/input" || fail 'not all of the input came back'
	local head
	head=$(sed '/^up$/q' "$T/stream.out")
	assert_has "$head" 'id=3:4:4 5 6 word=two  words A=b cwd=/not/yet mask=0027'
	assert_has "$head" 'host=hull file=of the host mode=604:0 data=kept'
	assert_has "$head" 'CapBnd:	0000000020000420'
	assert_has "$head" 'CapAmb:	0000000000000400'
	assert_has "$head" 'NoNewPrivs:	1'
	assert_has "$head" 'range=0 7'
	assert_has "$head" 'own=2'
	assert_has "$head" $'vol=1777:0:0\nvol=777:3:4'
	assert_eq "$(stat -c '%u:%g %a' "$T/vol/written" "$T/vol/sub")" $'3:4 640\n3:4 777'
	assert_eq "$(<"$T/stream.err")" 'to errors'
	look_from_outside "$(<"$T/pid")"
	exec_as_engines
	look_at_network
	ct ps c
	assert_match "$out" '[0-9]+ sleep 1000000'
	assert_lacks "$out" init
	ct pause c
	assert_status 0
	status_is c paused || fail 'it is not paused'
	ct resume c
	ct delete c
	refused_ct running
	ct kill c USR1
	assert_status 0
	heard "$T/stream.out" '^got usr1$'
	ct kill c TERM
	assert_status 0
	local status=0
	wait "$job" || status=$?
	assert_eq "$status" 7
	assert_eq "$(tail -n 1 "$T/stream.out")" 'got term'
	assert_eq "$(<"$ROOTFS/etc/of-the-image")" old
	[ ! -e "$ROOTFS/data/more" ] || fail 'the root was written to'
	nothing_left
}

# --- by podman ---------------------------------------------------------------

test_podman()
{
	# The name of the program says that it is to be a VM.
	ln -s "$HULL_CT" "$T/hull-vm"
	make_image "$T/hull-vm"
	# Before anything boots, a sentence.
	# Not as run, which takes podman's "runtime error:" for a sanitizer's.
	status=0
	podman_alone run --rm --network none -v /dev/null:/e box true \
		2>"$T/refusal" || status=$?
	assert_status 126
	assert_has "$(<"$T/refusal")" 'a VM has no way to a device'
	mkdir "$T/folder"
	CONTAINERS_CONF=$T/containers.conf "$TOOLS/pty_run" --timeout 800 \
		--report "$T/report" size:20x60 raw expect:ready 'send:\r' \
		'expect:20 60' size:12x34 'send:words\r' 'expect:got words' \
		'expect:12 34' 'expect:got term' \
		-- podman "${pod_options[@]}" run -it --name c --network none \
		--hostname inside --memory 128m --user 3:4 --tmpfs /data \
		-v "$T/folder:/folder" -v kept:/kept -v "$T/folder:/read:ro" \
	        box sh -c 'trap "echo got term; exit 7" TERM
		echo ready; read -r x; stty size; read -r x; echo "got $x"; stty size
		hostname; id
		cat /etc/hosts; df /data; while :; do sleep 0.1; done' \
		>"$T/stream.tty" 2>&1 &
	job=$!
	heard "$T/stream.tty" 'uid=3 gid=4'
	pod exec c sh -c 'echo inside; echo errors >&2; id -u; exit 3'
	assert_status 3
	assert_eq "$out" $'inside\n3'
	assert_has "$err" errors
	pod exec --user 0 c sh -c 'echo by the guest >/folder/f && cat /read/f &&
		! touch /read/g && echo kept >/kept/k'
	assert_status 0
	assert_eq "$out" 'by the guest'
	assert_eq "$(<"$T/folder/f")" 'by the guest'
	assert_eq "$(cat "$(podman_alone volume inspect kept --format '{{.Mountpoint}}')/k")" kept
	pod exec c nonsense
	assert_status 127
	pod exec -i --user 0 c sh -c 'cat; hostname' <<<'fed'
	assert_eq "$out" $'fed\ninside'
	CONTAINERS_CONF=$T/containers.conf run "$TOOLS/pty_run" --timeout 100 \
		--report "$T/report.exec" size:21x61 raw expect:ready 'send:\r' \
		'expect:21 61' -- podman "${pod_options[@]}" exec -it c sh -c \
		'echo ready; read -r x; stty size; exit 4'
	assert_has "$(<"$T/report.exec")" 'status 4'
	pod ps --format '{{.Names}} {{.Status}}'
	assert_has "$out" 'c Up'
	pod stop -t 100 c
	assert_status 0
	wait "$job" || true
	assert_has "$(<"$T/report")" 'status 7'
	pod inspect c --format '{{.State.Status}} {{.State.ExitCode}}'
	assert_eq "$out" 'exited 7'
	pod logs c
	assert_has "$out" 'got words'
	assert_has "$out" localhost
	pod rm c
	assert_status 0
	[ -z "$(ls /var/lib/hull-ct/vms)" ] || fail 'files are left'
}

# --- what cannot be ----------------------------------------------------------

# refuses JQ-FILTER REGEX
refuses()
{
	cp "$BUNDLE/config.json" "$T/kept.json"
	config "$1"
	vm create --bundle "$BUNDLE" c
	refused_ct "$2"
	cp "$T/kept.json" "$BUNDLE/config.json"
}

# where: none
# seconds: 3
test_refusals()
{
	make_bundle
	local net='.linux.namespaces |= map(select(.type != "network"))'
	refuses '.mounts += [{destination: "/e", type: "bind", source: "/dev/null"}]' \
		'mounts.7.: /e: a VM has no way to a device'
	refuses '.mounts += [range(17) | {destination: "/e\(.)", type: "bind", source: "/etc"}]' \
		'mounts.23.: /e16: a VM can have 16 folders of the host at most'
	head -c 70000 /dev/zero >"$T/large"
	refuses ".mounts += [{destination: \"/e\", type: \"bind\", source: \"$T/large\"}]" \
		'copied into a VM only up to 65536 bytes'
	head -c 10 /dev/zero >"$T/zeros"
	refuses ".mounts += [{destination: \"/e\", type: \"bind\", source: \"$T/zeros\"}]" \
		'only text is copied'
	refuses '.mounts += [{destination: "/e", type: "ext4", source: "/dev/sda"}]' \
		'/e: of type ext4'
	refuses "$net" 'network namespace'
	refuses '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]
		| .linux.namespaces |= map(select(.type != "network" or .path))' \
		"host's network"
	refuses '.linux.namespaces |= map(if .type == "ipc" then
		.path = "/proc/self/ns/ipc" else . end)' 'share the ipc namespace'
	refuses '.linux.namespaces += [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 10}] |
		.linux.gidMappings = .linux.uidMappings' 'user namespace'
	refuses '.linux.devices = [{path: "/dev/sda", type: "b", major: 8, minor: 0}]' \
		'linux.devices'
	refuses '.linux.resources.memory = {limit: 67108864}' '96M'
	refuses '.hooks.startContainer = [{path: "/bin/true"}]' startContainer
	vm create --bundle "$BUNDLE" --preserve-fds 1 c
	refused_ct preserve-fds
	[ ! -e "$STORE/vms/c" ] || fail 'something was made'
}
