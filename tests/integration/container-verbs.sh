# The verbs for people: launch and what follows, on root filesystems of busybox.
# They need cgroup v2 mounted, with or without controllers.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 6

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

test_launch_in_the_foreground()
{
	make_rootfs
	launch --attach --env A=b --env PATH=/bin --hostname h -- \
		sh -c 'echo out; echo err >&2; echo $A $PATH; hostname; exit 7'
	assert_status 7
	assert_eq "$out" $'out\nb /bin\nh'
	assert_eq "$err" err
	status_now stopped
	assert_eq "$(last exitStatus)" 7
	launch --attach -- true
	refused_ct "container $C exists; destroy it first"
	ct destroy "$C"
	assert_status 0
	[ ! -e "$(home_of)" ] || fail 'the home is left'
	launch --attach --rm -- true
	assert_status 0
	[ ! -e "$(home_of)" ] || fail 'the home is left behind --rm'
}

test_unprivileged_by_default()
{
	make_rootfs
	launch --attach -- sh -c '
		cat /proc/self/uid_map; touch /new; rm /bin/vi
		stat -c %u:%g /new /bin; mkdir /a && chown 1000:1000 /a
		grep CapEff /proc/self/status'
	assert_status 0
	assert_match "$out" '^ +0 +18[0-9]{8} +65536'
	assert_has "$out" $'0:0\n0:0'
	# On disk IDs are the container's own, and the folder is as it was.
	assert_eq "$(stat -c %u "$(home_of)/data/upper/new")" 0
	assert_eq "$(stat -c %u "$(home_of)/data/upper/a")" 1000
	[ ! -e "$T/rootfs/new" ] || fail 'the image was written to'
	[ -e "$T/rootfs/bin/vi" ] || fail 'the image was written to'
	ct destroy "$C"
	launch --attach --in-place -- sh -c 'touch /new; stat -c %u /new'
	assert_status 0
	assert_eq "$out" 0
	assert_eq "$(stat -c %u "$T/rootfs/new")" 0
	ct destroy "$C"
	[ -e "$T/rootfs/new" ] || fail 'destroy took a folder that is not its own'
	launch --attach --privileged -- cat /proc/self/uid_map
	assert_match "$out" '^ +0 +0 +4294967295'
	ct destroy "$C"
	launch --attach --read-only -- touch /x
	assert_status 1
	assert_has "$err" 'Read-only'
}

test_two_have_two_ranges_of_ids()
{
	make_rootfs
	launch --attach -- cat /proc/self/uid_map
	local first=$out
	ct launch "$T/rootfs" "$C-b" --attach -- cat /proc/self/uid_map
	assert_status 0
	[ "$out" != "$first" ] || fail "both have $out"
	ct destroy "$C"
	launch --attach -- cat /proc/self/uid_map
	assert_eq "$out" "$first" 'a range is used again'
}

test_our_init()
{
	make_rootfs
	# An orphan is reaped, and what the host called is not told inside.
	launch --attach --env SECRET=word -- sh -c '
		(sleep 0.1 & exec true) & sleep 0.5
		ps -o pid,stat,args; tr "\0" " " </proc/1/cmdline'
	assert_status 0
	grep -q ' Z ' <<<"$out" && fail "a zombie is left: $out"
	grep -q "SECRET\|$T" <<<"$out" && fail "arguments are told: $out"
	ct destroy "$C"
	launch -- sh -c 'trap "echo got; exit 9" TERM; echo up
		while :; do sleep 0.1; done'
	assert_status 0
	wait_for 5 container said up
	ct stop "$C"
	assert_status 0
	assert_eq "$(last exitStatus)" 9
	assert_has "$(cat "$(home_of)/log")" got
	ct destroy "$C"
	# As process 1 it gets no signal that it does not handle.
	launch --no-init --stop-timeout 0 -- sh -c 'echo $$; exec sleep 1000'
	wait_for 5 container said 1
	ct stop "$C"
	assert_status 0
	assert_eq "$(last exitStatus)" 137
}

test_life_in_the_background()
{
	make_rootfs
	launch -- sh -c 'echo hello; exec sleep 1000'
	assert_status 0
	assert_eq "$out" "$C"
	wait_for 5 container said hello
	status_now running
	launch -- true
	refused_ct "container $C exists"
	ct exec "$C" sh -c 'echo in; id -u; exit 3'
	assert_status 3
	assert_eq "$out" $'in\n0'
	ct start "$C"
	refused_ct "container $C is running"
	ct destroy "$C"
	refused_ct 'stop it first, or use --force'
	ct stop "$C"
	assert_status 0
	status_now stopped
	ct stop "$C"
	refused_ct "container $C is stopped"
	ct start "$C"
	assert_status 0
	status_now running
	ct destroy --force "$C"
	assert_status 0
	ct list -q
	assert_eq "$out" ''
	launch -- nonesuch
	assert_status 127
	assert_match "$err" 'executable file not found'
	ct list -q
	assert_eq "$out" '' 'what a launch that failed leaves'
}

test_restart_policies()
{
	make_rootfs
	launch --restart on-failure:2 -- sh -c 'echo run; exit 1'
	wait_for 10 end status_now stopped
	assert_eq "$(grep -c run "$(home_of)/log")" 3
	assert_eq "$(last restarts)" 2
	ct destroy "$C"
	launch --restart on-failure -- sh -c 'echo run; exit 0'
	wait_for 10 end status_now stopped
	assert_eq "$(grep -c run "$(home_of)/log")" 1
	ct destroy "$C"
	launch --restart always -- sh -c 'echo run'
	wait_for 10 restarts said $'run\nrun\nrun'
	ct stop "$C"
	assert_status 0
	status_now stopped
}

test_logs_are_rotated()
{
	make_rootfs
	launch --log-size 10K --log-files 2 -- sh -c '
		i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done'
	wait_for 20 end status_now stopped
	assert_eq "$(find "$(home_of)" -name 'log*' -type f | sort | xargs -n 1 basename |
		xargs)" 'log log.1'
	assert_eq "$(tail -n 1 "$(home_of)/log")" 'line 2999'
	[ "$(stat -c %s "$(home_of)/log.1")" -le 10240 ] || fail 'log.1 is too large'
	ct destroy "$C"
	launch --log-size 0 -- sh -c 'echo x; readlink /proc/self/fd/1 >&2'
	wait_for 20 end status_now stopped
	[ ! -e "$(home_of)/log" ] || fail 'there is a log'
}

supervisor_of()
{
	ps -eo pid,args | awk -v c="$C" '/hull-ct/ && / launch | start / &&
		index($0, " " c) && !/awk/ { print $1; exit }'
}

test_supervisor_is_killed()
{
	make_rootfs
	launch --restart always -- sh -c 'echo up; while :; do
		[ -e /end ] && rm /end && exit 0; sleep 0.1; done'
	wait_for 5 container said up
	local supervisor
	supervisor=$(supervisor_of)
	kill -KILL "$supervisor"
	wait_for 5 'its end' eval '! kill -0 "$supervisor" 2>/dev/null'
	status_now running
	ct exec "$C" true
	assert_status 0
	# A new one takes over: the log, and the policy.
	ct start "$C"
	assert_status 0
	ct exec "$C" touch /end
	wait_for 5 'the next run' said $'up\nup'
	kill -KILL "$(supervisor_of)"
	ct destroy --force "$C"
	assert_status 0
	ct list -q
	assert_eq "$out" ''
}

test_state_of_before_a_reboot()
{
	make_rootfs
	launch -- sleep 1000
	assert_status 0
	kill -KILL "$(supervisor_of)"
	# The same process number in another life of the host.
	local state=$CT_ROOT/$C/state.json
	jq '.bootId = "00000000-0000-0000-0000-000000000000"' "$state" >"$T/s"
	kill -KILL "$(jq .pid "$state")"
	cp "$T/s" "$state"
	status_now stopped
	ct start "$C"
	assert_status 0
	status_now running
	ct destroy --force "$C"
	assert_status 0
	# A launch that was cut off before it wrote anything.
	mkdir -p "$(home_of)/data"
	ct destroy "$C"
	assert_status 0
	[ ! -e "$(home_of)" ] || fail 'the home is left'
}

test_mounts()
{
	make_rootfs
	mkdir "$T/share"
	echo text >"$T/share/file"
	launch --attach --mount "$T/share:/mnt/s:ro" -- sh -c '
		cat /mnt/s/file; touch /mnt/s/x'
	assert_status 1
	assert_eq "$out" text
	assert_has "$err" 'Read-only'
	ct destroy "$C"
	# Root inside is nobody to what the host's root has.
	launch --attach --mount "$T/share:/s" -- sh -c 'stat -c %u /s/file; touch /s/y'
	assert_status 1
	assert_eq "$out" 65534
}

test_bad_input()
{
	make_rootfs
	refuse()
	{
		local regex=$1
		shift
		launch "$@"
		refused_ct "$regex"
		[ ! -e "$(home_of)" ] || fail "a home is left by: $*"
	}
	refuse '\-\-memory takes a size' --memory lots -- true
	refuse '\-\-cpus takes a number' --cpus 1.2345 -- true
	refuse '\-\-cpus takes a number' --cpus 0 -- true
	refuse '\-\-pids takes a number' --pids 0 -- true
	refuse '\-\-disk-quota takes a size' --disk-quota 10X -- true
	refuse '\-\-disk-quota takes a size' --disk-quota 10K -- true
	refuse '\-\-disk-quota counts files above an image' --disk-quota 10M --in-place -- true
	refuse '\-\-io: /dev/null is no disk' --io /dev/null:rbps=1 -- true
	refuse '\-\-io takes DISK' --io x -- true
	refuse 'bridge needs a device: bridge=NAME' --net bridge -- true
	refuse '\-\-mount takes SOURCE' --mount /a -- true
	refuse 'cannot open /nonesuch' --mount /nonesuch:/a -- true
	refuse '\-\-env takes NAME=VALUE' --env x -- true
	refuse 'CAP_FLY" is no capability' --cap-add CAP_FLY -- true
	refuse '\-\-restart takes no' --restart sometimes -- true
	refuse '\-\-restart and --attach' --restart always --attach -- true
	refuse '\-\-rm goes with --attach' --rm -- true
	refuse '\-\-log-files takes a number from 1' --log-files 0 -- true
	refuse '"FLY" is no signal' --stop-signal FLY -- true
	refuse 'user "fly" is not in /etc/passwd of the container' --user fly -- true
	refuse 'does not say what to run'
	refuse 'a command stands behind --' true
	ct launch "$T/nonesuch" "$C" -- true
	refused_ct "cannot open the image $T/nonesuch"
	ct launch "$T/rootfs" ../x -- true
	refused_ct 'may not begin with a dot'
	for verb in start stop destroy; do
		ct "$verb" nonesuch
		refused_ct '"nonesuch" (does not exist|was not launched)'
	done
}

test_a_look_at_it()
{
	make_rootfs
	launch --autostart 2 -- sh -c 'i=0; while :; do
		echo "line $i"; i=$((i + 1)); sleep 0.05; done'
	wait_for 5 container grep -q 'line 5' "$(home_of)/log"
	ct info --json "$C"
	assert_eq "$(jq -r '.status, .autostart, .command[0], .last' "$T/out")" \
		$'running\ntrue\nsh\nnull'
	[ "$(jq .uses.cpu.usage_usec "$T/out")" -gt 0 ] || fail 'no time was used'
	ct info "$C"
	assert_match "$out" '(^|[[:space:]])uses.cpu '
	ct logs "$C" -n 1
	assert_match "$out" '^line [0-9]+$'
	# Two tables; CPU% is a number where there is no controller, too.
	ct top -n 2
	assert_status 0
	assert_eq "$(grep -c "^$C .* [0-9]*\.[0-9] " "$T/out")" 2
	# A launch that is in the foreground does not keep others from it.
	ct freeze "$C"
	assert_status 0
	status_now paused
	local lines
	lines=$(wc -l <"$(home_of)/log")
	sleep 0.3
	assert_eq "$(wc -l <"$(home_of)/log")" "$lines" 'what it prints when frozen'
	ct freeze "$C"
	refused_ct 'is paused'
	ct thaw "$C"
	assert_status 0
	status_now running
	run "$HULL_CT" --root "$CT_ROOT" enter "$C" sh -c 'echo $PPID; exit 4'
	assert_status 4
	"$HULL_CT" --root "$CT_ROOT" logs --follow "$C" >"$T/followed" &
	ct stop "$C"
	wait "$!" || fail 'logs --follow'
	cmp "$T/followed" "$(home_of)/log"
	ct info --json "$C"
	assert_eq "$(jq -r '.status, .last.exitStatus' "$T/out")" $'stopped\n143'
}

test_autostart()
{
	make_rootfs
	local order
	for order in 3 1 2; do
		ct launch "$T/rootfs" "$C-$order" --autostart "$order" -- sleep 1000
		ct stop "$C-$order"
		assert_status 0
	done
	ct launch "$T/rootfs" "$C-none" -- sleep 1000
	ct stop "$C-none"
	ct autostart
	assert_status 0
	assert_eq "$out" "$C-1
$C-2
$C-3"
	ct autostart
	assert_eq "$out" '' 'those that run'
	assert_eq "$("$HULL_CT" --root "$CT_ROOT" list --json |
		jq -r --arg c "$C-none" '.[] | select(.id == $c).status')" stopped
}

test_terminals()
{
	make_rootfs
	# A terminal of the container's own, through ours.
	run script -qec "$HULL_CT --root $CT_ROOT launch $T/rootfs $C -a --rm -t \
		-- sh -c 'test -t 0 && tty; exit 6'" /dev/null
	assert_status 6
	assert_has "$out" /dev/pts/0
	launch -- sleep 1000
	run script -qec "$HULL_CT --root $CT_ROOT enter $C sh -c 'tty; exit 5'" \
		/dev/null
	assert_status 5
	assert_has "$out" /dev/pts/0
}

test_doctor()
{
	ct doctor
	assert_status 0
	assert_has "$out" 'Containers can run on this host.'
	assert_match "$out" 'ok +kernel +Linux'
	ct doctor --json
	assert_eq "$(jq .can_run "$T/out")" true
	assert_eq "$(jq -r '.items[] | select(.name == "userns").state' "$T/out")" ok
	# The ways that are taken where the best one is missing.
	fallbacks() { jq -r '.items[] | select(.name | test("^(paths|procfs|program)$")).state' \
		"$T/out" | xargs; }
	assert_eq "$(fallbacks)" 'ok ok ok'
	run "$TOOLS/call_less" openat2 fsopen open_tree -- "$HULL_CT" doctor --json
	assert_eq "$(fallbacks)" 'limited limited limited'
	# What it says of memory is what launch does.
	ct doctor --json
	make_rootfs
	local state
	state=$(jq -r '.items[] | select(.name == "memory").state' "$T/out")
	launch --attach --rm --memory 64M -- true
	case $state in
	ok) assert_status 0 ;;
	*) refused_ct 'has no memory controller' ;;
	esac
	# Beside a copy of the program alone there is no hull-unpack.
	cp "$HULL_CT" "$T/hull-ct"
	run "$T/hull-ct" doctor --json
	assert_eq "$(jq -r '.items[] | select(.name == "unpack").state' "$T/out")" \
		limited
	assert_match "$(jq -r '.items[] | select(.name == "vm").finding' "$T/out")" \
		'^no VMs(: .*/hull: |, /dev/kvm )'
	tar -C "$T/rootfs" -cf "$T/image.tar" .
	run "$T/hull-ct" --root "$CT_ROOT" launch "$T/image.tar" x -- true
	refused_ct 'images need the program .*/hull-unpack beside hull-ct'
}

test_help_manual_and_completion()
{
	local verb
	"$HULL_CT" man >"$T/hull-ct.1"
	run mandoc -T lint -W warning "$T/hull-ct.1"
	assert_eq "$out$err" '' 'what mandoc finds'
	run mandoc -T ascii "$T/hull-ct.1"
	assert_has "$out" 'one more capability, or ALL'
	"$HULL_CT" completion bash >"$T/hull-ct.bash"
	cat >"$T/complete" <<-'X'
	. "$1"
	shift
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_hull_ct
	printf '%s ' "${COMPREPLY[@]}"
	X
	completed() { bash "$T/complete" "$T/hull-ct.bash" hull-ct "$@"; }
	assert_eq "$(completed lau)" 'launch '
	assert_eq "$(completed --root x sn)" 'snapshot '
	assert_eq "$(completed launch --me)" '--memory '
	assert_eq "$(completed --st)" '--store '
	# Every verb has its help, and all three know it.
	for verb in $("$HULL_CT" --help | awk '/^  [a-z]/ { print $1 }'); do
		run "$HULL_CT" "$verb" --help
		assert_status 0
		assert_match "$out" "^usage: hull-ct .* $verb "
		grep -q "^\.Ss ${verb}\$" "$T/hull-ct.1" || fail "no $verb in the manual"
		grep -q "[\" ]${verb}[\" ]" "$T/hull-ct.bash" || fail "no $verb completed"
	done
}
