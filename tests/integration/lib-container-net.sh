# A network namespace that stands for the host's, and containers in it.
# shellcheck shell=bash disable=SC2034,SC2154

# Names are unique on the host: so are their cgroups.
C=n$BASHPID
STORE=$CT_ROOT.store
REAL_HULL_CT=$HULL_CT

# host COMMAND...: runs it in that namespace.
host() { nsenter --net="/proc/$HOST_PID/ns/net" "$@"; }

# make_host: makes it, with a second one that holds an interface "lo0", and a
# root filesystem for `launch`.
make_host()
{
	need_program busybox busybox-static
	need_program ip iproute2
	need_program nft nftables
	need_program jq jq
	need_program socat socat
	# Overlays do not lie on the overlay that is the lab's root.
	if [ "$PLACE" = lab ]; then
		mkdir "$T/fs"
		mount -t tmpfs fs "$T/fs"
		CT_ROOT=$T/fs/root
		STORE=$CT_ROOT.store
	fi
	mkdir -p "$T/rootfs/bin" "$T/rootfs/etc"
	cp "$(command -v busybox)" "$T/rootfs/bin/busybox"
	"$T/rootfs/bin/busybox" --install "$T/rootfs/bin"
	chmod 755 "$T"
	unshare --net sleep 1000 &
	HOST_PID=$!
	unshare --net sleep 1000 &
	echo $! >"$T/taken"
	wait_for 5 namespace is_apart "$HOST_PID"
	wait_for 5 namespace is_apart "$(cat "$T/taken")"
	host ip link set lo up
	nsenter --net="/proc/$(cat "$T/taken")/ns/net" \
		ip link add lo0 type veth peer name lo1
	printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %s "$@"\n' \
		"$HOST_PID" "$REAL_HULL_CT" >"$T/hull-ct"
	chmod +x "$T/hull-ct"
	HULL_CT=$T/hull-ct
	trap end_host EXIT
}

# make_net_bundle: a bundle beside it.
make_net_bundle()
{
	make_bundle
	trap end_host EXIT
}

is_apart()
{
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# shellcheck disable=SC2317 # called by the trap
end_host()
{
	local status=$? id
	set +e
	for id in $("$HULL_CT" --root "$CT_ROOT" list -q 2>/dev/null); do
		"$HULL_CT" --root "$CT_ROOT" destroy --force "$id" 2>/dev/null ||
			"$HULL_CT" --root "$CT_ROOT" delete --force "$id"
	done
	end_containers
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(jobs -p) 2>/dev/null
	wait
	return "$status"
}

# make_bridge NAME ADDRESS [OPTION...]
make_bridge()
{
	local name=$1 address=$2
	shift 2
	host ip link add "$name" type bridge "$@"
	host ip addr add "$address" dev "$name"
	host ip link set "$name" up
}

# pair NAME PEER: a veth pair, up, with addresses on NAME.
pair()
{
	host ip link show "$1" >/dev/null 2>&1 ||
		host ip link add "$1" type veth peer name "$2"
	host ip addr replace 192.0.2.9/24 dev "$1"
	host ip addr replace 2001:db8::9/64 dev "$1" nodad
	host ip addr replace 10.0.0.9/24 dev "$1" scope host
	host ip link set "$1" up
	host ip link set "$2" up
}

# launch NAME OPTION...: a container $C-NAME of the root filesystem.
launch()
{
	local name=$1
	shift
	ct launch "$T/rootfs" "$C-$name" "$@"
}

destroy()
{
	ct destroy --force "$C-$1"
	assert_status 0
}

pid_now() { "$HULL_CT" --root "$CT_ROOT" state "$C-$1" | jq -r .pid; }

# beside PID COMMAND...: a program of ours in the network namespace of PID, in the
# background.
beside()
{
	local pid=$1
	shift
	nsenter --net="/proc/$pid/ns/net" "$@" &
}

log_of() { cat "$STORE/containers/$C-$1/log"; }

# with_resolv_conf FILE: what the host says, to launches behind it.
with_resolv_conf()
{
	printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net unshare --mount sh -c %s sh "$@"\n' \
		"$HOST_PID" \
		"'mount --bind $1 /etc/resolv.conf && exec $REAL_HULL_CT \"\$@\"'" \
		>"$T/hull-ct"
}

tables() { host nft list tables | grep hull-ct || true; }

# The host's ends of veth pairs.
ends() { host ip -o link | grep -o ' ct[0-9a-f]*-[0-9]@' || true; }

no_pasta() { ! pgrep -f "pasta.*$CT_ROOT/" >/dev/null; }

nothing_left()
{
	assert_eq "$(tables)" '' 'tables of nftables that are left'
	assert_eq "$(ends)" '' 'ends of veth pairs that are left'
}

# answers WORDS COMMAND...: what busybox has to say contains them.
answers()
{
	local words=$1
	shift
	host timeout 3 busybox "$1" -w 2 "${@:2}" <<<'' 2>/dev/null |
		grep -q "$words"
}

# udp_answers WORDS ADDRESS PORT
udp_answers()
{
	host socat -t 1 - "udp:$2:$3" <<<'' 2>/dev/null | grep -q "$1"
}

listens() { host ss -ltn | grep -q ":$1 "; }

# kill_all NAME: the supervisor and all processes of the container, at once.
kill_all()
{
	local pid=$1 pids
	pid=$(pid_now "$1")
	pids="$pid $(ps -o ppid= -p "$pid")"
	# shellcheck disable=SC2086 # two words
	kill -KILL $pids 2>/dev/null || true
	wait_for 5 end gone "$pid"
}
