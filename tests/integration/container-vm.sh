# `launch --vm`: an image in a VM of its own, with the verbs of a container. Each
# test boots once and looks at many things.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: linux-kvm
# root: yes
# seconds: 70
# timeout: 300

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

info() { "$HULL_CT" --root "$CT_ROOT" info --json "$C" | jq -r "$1"; }

# says REGEX: a line of the log.
says() { grep -qE -- "$1" "$(home_of)/log" 2>/dev/null; }

says_or_ended() { says "$1" || status_now stopped; }

heard()
{
	if ! (wait_for "$1" "/$2/ in the log" says_or_ended "$2") ||
		! says "$2"; then
		tail -n 50 "$(home_of)"/{log,last.json}
		fail "the VM did not say $2"
	fi
}

# The program has what launch says, and a machine of its own.
life='
trap "echo got term; exit 7" TERM
trap "echo got usr1" USR1
echo "id=$(id -u):$(id -g)" "word=$1" "A=$A" "cwd=$PWD" "host=$(hostname)"
echo "pid1=$(tr "\0" " " </proc/1/cmdline)" "kernel=$(uname -r)"
echo "root=$(stat -c %a:%u:%g /)" "file=$(cat /etc/of-the-image)"
grep -E "CapBnd|NoNewPrivs" /proc/self/status
awk "/MemTotal/ { print \"memory=\" \$2 }" /proc/meminfo
echo "disks=$(ls /dev)" "eth=$(ls /sys/class/net | xargs)"
echo "cpus=$(nproc)"
echo kept >/data/kept; echo new >/etc/of-the-image
echo up
# A fork would fail, and end the shell, while others use up the processes.
sleep 1000000 &
while :; do wait; done'

# Programs beside the first one, by the agent, in the VM $C that runs.
run_things_inside()
{
	ct exec "$C" sh -c 'echo out; echo err >&2; echo "A=$A $PWD"; exit 9'
	assert_status 9
	assert_eq "$out" $'out\nA=b /data'
	assert_eq "$err" err
	# More than a frame, both ways, and the end of the input.
	seq 1 2000 >"$T/in"
	"$HULL_CT" --root "$CT_ROOT" exec --user 7:8 --env B=c --cwd /etc "$C" \
		sh -c 'cat; id -u; id -g; echo "$B$PWD"' <"$T/in" >"$T/back"
	(cat "$T/in"; printf '7\n8\nc/etc\n') | cmp - "$T/back" ||
		fail 'not all came back'
	ct exec "$C" nonsense
	assert_status 127
	assert_has "$err" 'exec: "nonsense": executable file not found in $PATH'
	ct exec "$C" /etc/of-the-image
	assert_status 126
	ct exec --preserve-fds 1 "$C" true
	refused_ct 'preserve-fds.*no process of this host'
	ct exec --detach "$C" sh -c 'sleep 1; echo late >/data/late'
	assert_status 0
	run "$TOOLS/pty_run" --timeout 100 --report "$T/report" size:20x60 raw \
		'expect:20 60' size:12x34 'send:\r' 'expect:12 34' \
		'expect:/dev/pts/' 'send:a\x03' expect:stopped -- \
		"$HULL_CT" --root "$CT_ROOT" enter "$C" sh -c \
		'trap "echo stopped; exit 3" INT; stty size; read x; stty size; tty
		while :; do sleep 0.1; done'
	assert_has "$(<"$T/report")" 'status 3'
	assert_has "$(<"$T/report")" 'termios restored'
	ct exec "$C" cat /data/late
	assert_eq "$out" late
	# A session whose caller is killed ends what it ran.
	"$HULL_CT" --root "$CT_ROOT" exec "$C" sleep 4711 &
	wait_for 60 process inside_runs 'sleep 4711'
	kill -9 $!
	wait_for 60 'end of the process' inside_lacks 'sleep 4711'
	# No more processes than was said.
	ct exec "$C" sh -c 'i=0; while [ $i -lt 14 ]; do sleep 3 & i=$((i + 1)); done'
	assert_has "$err" 'esource temporarily unavailable'
	wait_for 60 'room for processes' inside_has_room
	ct kill "$C" USR1
	assert_status 0
	heard 30 '^got usr1$'
}

cpu_of() { sed -n 's/^usage_usec //p' "/sys/fs/cgroup/hull-ct/$1/cpu.stat"; }

# The child of the process that stands for the program.
monitor_of() { xargs <"/proc/$(pid_of "$1")/task/$(pid_of "$1")/children"; }

ct_info() { "$HULL_CT" --root "$CT_ROOT" info --json "$C"; }

look_at_network()
{
	ct exec "$C" sh -c 'ping -c 1 -W 30 10.9.8.1 && ping -c 1 -W 30 fd09::1 &&
		ip route && cat /etc/resolv.conf /etc/hosts'
	assert_status 0
	assert_has "$out" 'default via 10.9.8.1 dev eth0'
	assert_has "$out" 'nameserver 10.9.8.1'
	assert_match "$out" "10.9.8.2.$C"
	busybox ping -c 1 -W 30 10.9.8.2 || fail 'the host does not reach it'
	# The monitor has none but that descriptor.
	assert_eq "$(tail -n +3 "/proc/$(pid_of "$C")/net/dev" |
		cut -d : -f 1 | xargs)" lo
}

inside_runs()
{
	"$HULL_CT" --root "$CT_ROOT" exec "$C" ps -o args | grep -q "^$1"
}

inside_lacks() { ! inside_runs "$1"; }

inside_has_room()
{
	"$HULL_CT" --root "$CT_ROOT" exec "$C" \
		sh -c 'for i in 1 2 3 4 5 6; do true & done; wait' 2>/dev/null
}

# What it wrote is there in a clone, which the first one does not hear of.
goes_on()
{
	local first=$C
	ct clone "$first" "$first-2"
	assert_status 0
	C=$first-2
	assert_eq "$(info '.layers | length')" 2
	ct start "$C"
	assert_status 0
	heard 150 '^up$'
	says 'file=new' || fail 'the clone has lost what was written'
	ct exec "$C" sh -c 'cat /data/kept /data/late; rm /data/kept; ls /data'
	assert_eq "$out" $'kept\nlate\nlate'
	# Its monitor is killed, and that is not the end of it.
	kill -9 "$(monitor_of "$C")"
	wait_for 30 end status_now stopped
	assert_eq "$(last exitStatus)" 137
	ct destroy "$C"
	assert_status 0
	C=$first
}

test_life_of_a_vm()
{
	make_rootfs
	mkdir -p "$T/rootfs/data"
	echo old >"$T/rootfs/etc/of-the-image"
	chmod 751 "$T/rootfs"
	chown 5:6 "$T/rootfs"
	need_program ip iproute2
	ip link add vmbr type bridge
	ip address add 10.9.8.1/24 dev vmbr
	ip -6 address add fd09::1/64 dev vmbr nodad
	ip link set vmbr up
	launch --vm --memory 128M --cpus 1.5 --pids 12 --env A=b --cwd /data \
		--stop-timeout 60 --dns 10.9.8.1 \
		--net bridge=vmbr,ip=10.9.8.2/24,ip=fd09::2/64,gateway=10.9.8.1 -- \
		sh -c "$life" sh 'two  words'
	assert_status 0
	heard 150 '^up$'
	local log
	log=$(<"$(home_of)/log")
	assert_has "$log" "id=0:0 word=two  words A=b cwd=/data host=$C"
	assert_match "$log" 'pid1=/init '
	assert_has "$log" 'root=751:5:6 file=old'
	assert_has "$log" 'CapBnd:	00000000a80435fb'
	assert_has "$log" 'eth=eth0 lo'
	assert_has "$log" 'cpus=2'
	assert_lacks "$log" 'vda'
	[ "$(sed -n 's/^memory=//p' <<<"$log")" -lt 131072 ] ||
		fail 'the guest has more memory than was said'
	# What the host sees of it.
	assert_eq "$(info .kind)" vm
	ct list
	assert_match "$out" "$C +[0-9]+ +running +vm "
	local used pid
	pid=$(monitor_of "$C")
	assert_match "$(tr '\0' ' ' <"/proc/$pid/cmdline")" '^/hull run '
	assert_eq "$(head -n 1 "/proc/$(pid_of "$C")/status")" 'Name:	hull-vm'
	assert_match "$(grep -E '^(Uid|CapBnd|CapEff|NoNewPrivs|Seccomp):' \
		"/proc/$pid/status" | xargs)" \
		'^Uid: (1879048192 ?){4} CapEff: 0+ CapBnd: 0+ NoNewPrivs: 1 Seccomp: 2$'
	[ ! -w "/proc/$pid/root" ] || [ -z "$(ls "/proc/$pid/root/home" 2>/dev/null)" ] ||
		fail 'the monitor sees the host'
	local group=/sys/fs/cgroup/hull-ct/$C
	assert_eq "$(cat "$group/memory.max" "$group/cpu.max" | xargs)" \
		"$(((128 + 48 + 2) * 1048576)) 150000 100000"
	assert_eq "$(jq .limits.memory.limit <(ct_info))" 134217728
	run_things_inside
	look_at_network
	ct freeze "$C"
	assert_status 0
	status_now paused || fail 'it is not frozen'
	used=$(cpu_of "$C")
	sleep 2
	assert_eq "$(cpu_of "$C")" "$used" 'time that a frozen VM has used'
	ct thaw "$C"
	assert_status 0
	ct update --memory 256M "$C"
	refused_ct memory
	# Its stop signal comes, and its status comes back.
	ct stop "$C"
	assert_status 0
	says '^got term$' || fail 'the program did not get its signal'
	assert_eq "$(last exitStatus)" 7
	assert_eq "$(cat "$T/rootfs/etc/of-the-image")" old
	status_now stopped || fail 'it is not stopped'
	[ -z "$(ls /sys/class/net/vmbr/brif)" ] || fail 'the tap is left'
	goes_on
	ct destroy "$C"
	assert_status 0
	[ -z "$(find "$STORE" -mindepth 2)" ] || fail 'files are left'
}

# In the foreground, with another user, a root that is not written to, a terminal,
# and nothing left behind.
# seconds: 30
test_foreground()
{
	make_rootfs
	run "$TOOLS/pty_run" --timeout 150 --report "$T/report" size:21x61 raw \
		'expect:21 61' 'expect:3:4' 'expect:tty' size:12x34 'send:\r' \
		'expect:12 34' -- "$HULL_CT" --root "$CT_ROOT" launch --vm -a \
		--tty --rm --read-only --user 3:4 "$T/rootfs" "$C" -- sh -c \
		'stty size; echo "$(id -u):$(id -g)"; test -t 0 && echo tty
		read x; stty size; touch /x; exit 42'
	assert_has "$(<"$T/report")" 'status 42'
	assert_has "$(<"$T/report")" 'termios restored'
	assert_has "$out" 'Read-only file system'
	[ -z "$(find "$STORE" -mindepth 2)" ] || fail 'files are left'
	# Without one: its files are ours, each for itself, to their end.
	seq 1 20000 >"$T/in"
	run "$HULL_CT" --root "$CT_ROOT" launch --vm -a "$T/rootfs" "$C" -- sh -c \
		'cat /kept 2>/dev/null && exit 6
		cat; echo kept >/kept; echo err >&2; exit 5' <"$T/in"
	assert_status 5
	assert_eq "$err" err
	cmp - "$T/in" <<<"$out" || fail 'not all came back'
	# What it wrote at last is on its disk.
	ct start "$C"
	assert_status 0
	wait_for 100 end status_now stopped
	says '^kept$' || fail 'what it wrote last is lost'
	assert_eq "$(last exitStatus)" 6
	ct destroy "$C"
	# Nor does what cannot be run leave anything.
	ct launch --vm "$T/rootfs" "$C" -- nonsense
	assert_status 127
	assert_has "$err" 'exec: "nonsense": executable file not found in $PATH'
	[ -z "$(find "$STORE" -mindepth 2)" ] || fail 'files are left'
}

# The disk of a container's files, whose IDs can be mapped where those of the
# lab cannot.
make_mappable()
{
	need_program mkfs.ext4 e2fsprogs
	truncate -s 64M "$T/disk.img"
	mkfs.ext4 -q -O ^has_journal "$T/disk.img"
	mkdir "$T/disk"
	mount -o loop "$T/disk.img" "$T/disk"
	mkdir "$T/disk/own" "$T/disk/read" "$T/disk/own/before"
	seq 1 200000 >"$T/disk/own/numbers"
	echo given >"$T/disk/read/file"
	ln -s /etc/shadow "$T/disk/own/link"
}

# Folders of the host: its users' files are on the host of the IDs of this VM
# alone, as with a container. What is of others there is nobody's.
test_mounts()
{
	make_rootfs
	make_mappable
	launch --vm --mount "$T/disk/own:/own" --mount "$T/disk/read:/in/read:ro" \
		-- sh -c 'echo up; while :; do sleep 1000; done'
	assert_status 0
	heard 100 '^up$'
	local base
	base=$(info .idBase)
	chown "$base:$base" "$T/disk/own"
	ct exec "$C" sh -ec 'cd /own; cat numbers >copy; mkdir made; mv copy made/
		echo mine >made/own; chown 7:8 made/own; chmod 604 made/own
		stat -c "%u:%g" . made/own before; cat /in/read/file
		grep -c virtiofs /proc/mounts'
	assert_status 0
	assert_eq "$out" $'0:0\n7:8\n65534:65534\ngiven\n2'
	ct exec "$C" sh -c 'cd /own; cat link; touch /in/read/x before/x
		mount -o remount,rw /in/read; touch /in/read/x'
	assert_has "$err" "can't open 'link'"
	assert_has "$err" '/in/read/x: Read-only file system'
	assert_has "$err" 'before/x: Permission denied'
	[ ! -e "$T/disk/read/x" ] || fail 'it was written to'
	cmp "$T/disk/own/numbers" "$T/disk/own/made/copy"
	assert_eq "$(stat -c '%u:%g %a' "$T/disk/own/made/own")" \
		"$((base + 7)):$((base + 8)) 604"
	echo from the host >"$T/disk/own/made/more"
	ct exec --user 7 "$C" sh -c 'cat /own/made/more; echo more >>/own/made/own'
	assert_eq "$out" 'from the host'
	ct destroy --force "$C"
	assert_status 0
	assert_eq "$(<"$T/disk/own/made/own")" $'mine\nmore'
}

# where: none
# seconds: 1
test_refusals()
{
	make_rootfs
	local none="$T/rootfs $C --vm"
	# shellcheck disable=SC2086 # words
	for what in "--mount /etc/passwd:/e" "--memory 64M" "--privileged" \
		"--in-place" "--disk 3M" "--no-init"; do
		ct launch $none $what -- true
		refused_ct "${what%% *}"
	done
	ct launch "$T/rootfs" "$C" --disk 1G -- true
	refused_ct 'disk goes with --vm'
	[ ! -e "$STORE/containers/$C" ] || fail 'something was made'
}
