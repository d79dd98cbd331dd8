# Networks of containers, in a network namespace that stands for the host's.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 10

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-container-net.sh
. "$HERE/lib-container-net.sh"

test_bridge()
{
	make_host
	make_bridge br0 10.9.0.1/24
	launch b --net bridge=br0,ip=10.9.0.3/24 -- sleep 100
	assert_status 0
	launch a --attach --hostname alpha \
		--net bridge=br0,ip=10.9.0.2/24,ip=fd00:9::2/64,gateway=10.9.0.1,route=198.51.100.0/24@10.9.0.9,mac=02:00:00:00:00:77,mtu=1400,name=net0 \
		--dns 192.0.2.53 --dns 2001:db8::53 --dns-search example.org \
		--add-host db:192.0.2.7 -- sh -c '
			ping -c 1 -W 5 10.9.0.3 | grep received
			ip addr show net0; ip -6 addr show net0; ip route; ip -o link | wc -l
			cat /etc/resolv.conf /etc/hosts /etc/hostname
			stat -c %u:%a /etc/hosts; echo more >>/etc/hosts
			ip addr show lo'
	assert_status 0
	assert_has "$out" '1 packets received'
	assert_match "$out" 'net0@.*<[^>]*UP[^>]*> mtu 1400 '
	assert_has "$out" 'link/ether 02:00:00:00:00:77'
	assert_has "$out" 'inet 10.9.0.2/24 '
	assert_match "$out" 'inet6 fd00:9::2/64 scope global *flags'
	assert_has "$out" 'default via 10.9.0.1 dev net0'
	assert_has "$out" '198.51.100.0/24 via 10.9.0.9 dev net0'
	assert_has "$out" $'\n2\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\n127.0.0.1\tlocalhost\n'
	assert_has "$out" $'10.9.0.2\talpha\nfd00:9::2\talpha\n192.0.2.7\tdb\nalpha\n0:644\n'
	assert_has "$out" 'inet 127.0.0.1/8'
	assert_eq "$(ends | wc -l)" 1 "ends of veth pairs, one container running"
	destroy b
	nothing_left
}

test_list_and_info_show_networks()
{
	make_host
	make_bridge br0 10.9.0.1/24
	launch a --net bridge=br0,ip=10.9.0.2/24,ip=fd00:9::2/64,mac=02:00:00:00:00:77 \
		--net bridge=br0,name=two,mtu=1400 -- sleep 100
	assert_status 0
	launch b --attach -- true
	launch c --attach --net host -- true
	assert_status 0
	local want
	want='[{"kind":"bridge","device":"br0","name":"eth0","mac":"02:00:00:00:00:77","addresses":["10.9.0.2/24","fd00:9::2/64"]},{"kind":"bridge","device":"br0","name":"two","mtu":1400,"addresses":[]}]'
	# The same while it runs and when it has stopped.
	local pass
	for pass in running stopped; do
		[ "$pass" = running ] || ct stop "$C-a" -t 0
		ct list --json
		assert_eq "$(jq -c --arg c "$C-a" '.[] | select(.id == $c).networks' "$T/out")" \
			"$want" "$pass"
		ct list
		assert_match "$(grep "^$C-a " "$T/out")" ' br0:10\.9\.0\.2/24,fd00:9::2/64 br0$'
	done
	ct info --json "$C-a"
	assert_eq "$(jq -c .networks "$T/out")" "$want"
	ct info "$C-a"
	assert_match "$(grep ^networks "$T/out")" '^networks +\[\{"kind":"bridge","device":"br0"'
	ct list
	assert_match "$(grep "^$C-b " "$T/out")" ' -$'
	assert_match "$(grep "^$C-c " "$T/out")" ' host$'
	ct list --json
	assert_eq "$(jq -c --arg c "$C-b" '.[] | select(.id == $c).networks' "$T/out")" '[]'
	assert_eq "$(jq -c --arg c "$C-c" '.[] | select(.id == $c).networks' "$T/out")" \
		'[{"kind":"host"}]'
	# One that never ran.
	tar -C "$T/rootfs" -cf "$T/x.tar" .
	ct import "$T/x.tar" "$C-d" --net bridge=br0,vlan=7 -- true
	ct list
	assert_match "$(grep "^$C-d " "$T/out")" ' br0\.7$'
}

# A name server on the host's loopback is of no use in another namespace.
test_name_servers_of_the_host()
{
	make_host
	make_bridge br0 10.9.0.1/24
	printf 'nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a.example\n' \
		>"$T/resolv.conf"
	with_resolv_conf "$T/resolv.conf"
	launch a --attach --rm --net bridge=br0 -- cat /etc/resolv.conf
	assert_eq "$out" $'nameserver 192.0.2.1\nsearch a.example'
	launch a --attach --rm --net host -- cat /etc/resolv.conf
	assert_eq "$out" $'nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a.example'
}

test_published_ports()
{
	make_host
	make_bridge br0 10.9.0.1/24
	launch a --net bridge=br0,ip=10.9.0.2/24 --publish 8080:80 \
		--publish 10.9.0.1:8053:53/udp -- sh -c '
		while :; do echo by tcp | nc -l -p 80; done'
	assert_status 0
	launch w --attach --rm --net bridge=br0,ip=10.9.0.9/24 \
		--publish 8090:90 -- true
	assert_status 0
	assert_match "$err" 'warning: .*/proc/sys/net/ipv4/ip_forward is 0'
	ct doctor
	assert_match "$out" 'forwarding.*from this host alone'
	host sysctl -q net.ipv4.ip_forward=1
	ct doctor
	assert_match "$out" 'forwarding.*other hosts reach'
	beside "$(pid_now a)" socat udp-recvfrom:53,fork exec:'echo by udp'
	wait_for 10 'answer by TCP' answers 'by tcp' nc 10.9.0.1 8080
	wait_for 10 'answer by UDP' udp_answers 'by udp' 10.9.0.1 8053
	# From within the container's own network, through the host.
	launch c --attach --rm --net bridge=br0,ip=10.9.0.4/24 -- \
		sh -c 'nc -w 5 10.9.0.1 8080 </dev/null'
	assert_has "$out" 'by tcp'
	! answers 'by tcp' nc 127.0.0.1 8080 || fail 'loopback is forwarded'
	launch b --net bridge=br0,ip=10.9.0.5/24 --publish 10.9.0.1:8080:80 -- true
	refused_ct "port 8080 is published by the container $C-a"
	beside "$HOST_PID" busybox nc -l -p 8081
	wait_for 5 listener listens 8081
	launch b --net bridge=br0,ip=10.9.0.5/24 --publish 8081:80 -- true
	refused_ct 'port 8081/tcp is in use on the host'
	launch b --net bridge=br0,ip=10.9.0.5/24 --publish 192.0.2.77:9:80 -- true
	refused_ct 'address that the host does not have'
	assert_eq "$(tables | wc -l)" 1 tables
	destroy a
	nothing_left
}

# Whoever is killed when: destroy and delete leave nothing.
test_kill_leaves_nothing()
{
	make_host
	make_bridge br0 10.9.0.1/24
	launch a --net bridge=br0,ip=10.9.0.2/24 --publish 8080:80 -- sleep 100
	assert_status 0
	assert_eq "$(tables | wc -l)" 1 tables
	kill_all a
	destroy a
	nothing_left
	make_net_bundle
	config '.process.args = ["sleep", "100"] | .annotations = {
		"hull-ct.net": "bridge=br0,ip=10.9.0.2/24",
		"hull-ct.publish": "8080:80 8443:443" }'
	local try delay
	for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
		delay=$(printf '0.%03d' $((try * try / 3)))
		timeout -s KILL "$delay" "$HULL_CT" --root "$CT_ROOT" create \
			--bundle "$BUNDLE" c >/dev/null 2>&1 || true
		ct delete --force c
		assert_status 0
		nothing_left
	done
}

# Before it has written who it is, pasta ends with whoever started it.
test_kill_leaves_no_pasta()
{
	need_program pasta passt
	make_host
	pair wan0 far
	host ip route add default via 192.0.2.1
	make_net_bundle
	config '.process.args = ["sleep", "100"] |
		.annotations = { "hull-ct.net": "user" }'
	local try creator
	for try in 1 2 3 4 5; do
		"$HULL_CT" --root "$CT_ROOT" create --bundle "$BUNDLE" c \
			>/dev/null 2>&1 &
		creator=$!
		until pgrep -f "pasta.*$CT_ROOT/" >/dev/null; do
			[ -d "/proc/$creator" ] || break
		done
		kill -KILL "$creator" 2>/dev/null || true
		ct delete --force c
		assert_status 0
		wait_for 2 "end of pasta, try $try" no_pasta
	done
}

test_macvlan()
{
	make_host
	host ip link add under type veth peer name under-peer
	host ip link set under up
	host ip link set under-peer up
	# The host has an eth0, too.
	host ip link add eth0 type veth peer name far-eth0
	launch b --net macvlan=under,ip=10.9.1.3/24 -- sleep 100
	assert_status 0
	launch a --attach --rm \
		--net macvlan=under,mode=bridge,ip=10.9.1.2/24,mac=02:00:00:00:00:78 \
		--net macvlan=under,mode=private -- sh -c '
			ping -c 1 -W 5 10.9.1.3 | grep received; ip link'
	assert_has "$out" '1 packets received'
	assert_has "$out" 'link/ether 02:00:00:00:00:78'
	assert_match "$out" 'eth1@.*UP'
	destroy b
}

test_moved_device()
{
	make_host
	pair one far-one
	launch a --attach --net move=one,ip=10.9.2.2/24,name=moved,mtu=1300 -- \
		sh -c 'ip addr show moved'
	assert_has "$out" 'inet 10.9.2.2/24'
	assert_has "$out" 'mtu 1300'
	[[ $out != *192.0.2* ]] || fail 'it kept its address beside ip='
}

no_link() { ! host ip link show "$1" >/dev/null 2>&1; }

# linux.netDevices (runtime-spec 1.3): permanent addresses come along, and what
# cannot be is refused before anything happened.
test_net_devices()
{
	make_host
	make_net_bundle
	pair one far-one
	pair two far-two
	config '.linux.netDevices = { one: { name: "inside" }, two: { name: "x%d" } }'
	sh_ct 'ip addr show inside; ip addr show x0'
	assert_status 0
	assert_has "$out" 'inet 192.0.2.9/24'
	assert_has "$out" 'inet6 2001:db8::9/64'
	assert_match "$out" 'inside.*<[^>]*UP'
	assert_match "$out" 'x0.*<[^>]*UP'
	[[ $out != *10.0.0.9* ]] || fail 'an address of host scope came along'
	# The kernel takes the first pair down with the namespace, after the run.
	wait_for 5 'end of the first pair' no_link far-one
	pair one far-one
	config '.linux.netDevices = { one: { name: "lo" } }'
	run_ct true
	refused_ct 'netDevices.one: the container has an interface lo already'
	host ip link show one >/dev/null || fail 'the device is gone'
	config '.linux.netDevices = { one: { name: "same" }, "far-one": { name: "same" } }'
	run_ct true
	refused_ct 'has an interface same already'
	host ip link show one >/dev/null || fail 'the first device did not come back'
	config '.linux.netDevices = { nonesuch: {} }'
	run_ct true
	refused_ct 'there is no interface nonesuch'
	config '.linux.netDevices = { one: { name: "a/b" } }'
	run_ct true
	refused_ct 'netDevices.one.name: "a/b"'
	config '.linux.netDevices = { one: {} } |
		.linux.namespaces |= map(select(.type != "network"))'
	run_ct true
	refused_ct 'netDevices: the container has no network namespace'
}

# pasta takes the interface with the default route for its model.
test_user()
{
	need_program pasta passt
	make_host
	pair wan0 far
	host ip addr del 10.0.0.9/24 dev wan0
	host ip route add default via 192.0.2.1
	launch a --net user --publish 8080:80 --publish 8081:81 -- sh -c '
		ip addr show wan0; while :; do echo by pasta | nc -l -p 80; done'
	assert_status 0
	wait_for 10 answer answers 'by pasta' nc 127.0.0.1 8080
	assert_has "$(log_of a)" 'inet 192.0.2.9/24'
	local pid
	pid=$(cat "$CT_ROOT/$C-a/pasta.pid")
	[ -d "/proc/$pid" ] || fail 'pasta does not run'
	kill_all a
	destroy a
	gone "$pid" || fail 'pasta is left'
	launch a --privileged --attach --rm --net user -- ip addr show wan0
	assert_has "$out" 'inet 192.0.2.9/24'
	# It has no address to take: its own words are told.
	host ip route del default
	launch a --attach --rm --net user -- true
	refused_ct 'pasta cannot make the network user: '
}

test_refusals()
{
	make_host
	make_bridge br0 10.9.0.1/24
	pair one far-one
	local options reason
	while IFS='|' read -r options reason; do
		# shellcheck disable=SC2086 # several options
		launch a $options -- true
		refused_ct "$reason"
		[ ! -e "$STORE/containers/$C-a" ] || destroy a
	done <<-'END'
		--net bridge|bridge needs a device
		--net wire=br0|it takes bridge=BRIDGE, .*or none
		--net user=x|user takes no device
		--net bridge=a/b|"a/b" is no name of an interface
		--net bridge=br9|there is no bridge br9: make it
		--net bridge=one|one is no bridge
		--net macvlan=none9|there is no interface none9
		--net move=none9|there is no interface none9
		--net bridge=br0,vlan=5|does not tell VLANs apart
		--net bridge=br0,vlan=4095|vlan is a number from 1 to 4094
		--net bridge=br0,ip=10.9.0.2|ip is a station.s address and its prefix
		--net bridge=br0,ip=10.9.0.0/24|such as 192.0.2.2/24, not "10.9.0.0/24"
		--net bridge=br0,ip=10.9.0.300/24|not "10.9.0.300/24"
		--net bridge=br0,ip=dhcp|ip=dhcp: .*run a client
		--net bridge=br0,ip=10.9.0.2/33|not "10.9.0.2/33"
		--net bridge=br0,ip=127.0.0.2/8|not "127.0.0.2/8"
		--net bridge=br0,gateway=10.9.0.1|gateway 10.9.0.1 is in no network of eth0
		--net bridge=br0,ip=10.9.0.2/24,gateway=10.8.0.1|give it an ip=
		--net bridge=br0,ip=10.9.0.2/24,gateway=x|gateway is an address
		--net bridge=br0,route=10.0.0.0|route is NETWORK/PREFIX@GATEWAY
		--net bridge=br0,mac=01:00:00:00:00:01|multicast
		--net bridge=br0,mtu=9|mtu is a number
		--net bridge=br0,mtu|mtu needs a value
		--net bridge=br0,mtu=1400,mtu=1400|mtu is given twice
		--net bridge=br0,mode=l2|it takes no "mode"
		--net macvlan=one,mode=l2|mode is bridge, private
		--net macvlan=one,name=lo|would be called lo
		--net bridge=br0,name=a --net bridge=br0,name=a|two interfaces .* called a
		--net host --net none|stands alone
		--net none --net bridge=br0|the network none stands alone
		--publish 80:80|needs a bridge with an ip=, or the network user
		--net bridge=br0,ip=10.9.0.2/24 --publish 80|\[HOSTIP:\]HOSTPORT:PORT
		--net bridge=br0,ip=10.9.0.2/24 --publish 0:80|such as 8080:80
		--net bridge=br0,ip=10.9.0.2/24 --publish 80:80/sctp|such as 8080:80
		--net bridge=br0,ip=10.9.0.2/24 --publish 127.0.0.1:80:80|loopback
		--net bridge=br0,ip=10.9.0.2/24 --publish [::]:80:80|bridge with an ip= of IPv6
		--net user --publish 80:80 --publish 80:81|published twice
		--dns example.org|example.org: it is no address
		--dns-search -x|it is no domain
		--add-host name|it takes NAME:ADDRESS
	END
	# In a namespace of others a name may be taken.
	make_net_bundle
	config '.annotations = { "hull-ct.net": "bridge=br0,name=lo0 bridge=br0" } |
		.linux.namespaces |= map(if .type == "network" then
			.path = "'"/proc/$(cat "$T/taken")/ns/net"'" else . end)'
	run_ct true
	refused_ct 'network bridge=br0: the container has an interface lo0 already'
	config '.annotations = { "hull-ct.net": "bridge=br0,ip=x" }'
	run_ct true
	refused_ct 'annotations: hull-ct.net: bridge=br0,ip=x: ip is'
	host ip link show one >/dev/null || fail 'a device is gone'
	nothing_left
}
