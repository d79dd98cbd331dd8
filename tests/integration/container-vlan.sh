# Networks of containers that not every host's kernel has: bridges that tell
# VLANs apart, and ipvlan.
# shellcheck shell=bash disable=SC2154,SC2016 # $out and its like: see run in
# harness.sh; scripts for the shell inside
# where: cgroup2
# root: yes
# seconds: 12

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-container-net.sh
. "$HERE/lib-container-net.sh"

# Same bridge, same network, other tag: nothing comes through.
test_vlans_are_apart()
{
	make_host
	make_bridge br0 10.9.0.1/24 vlan_filtering 1
	launch b --privileged --net bridge=br0,vlan=10,ip=10.9.0.3/24 -- sleep 1000
	assert_status 0
	launch c --privileged --net bridge=br0,vlan=20,ip=10.9.0.4/24 -- sleep 1000
	assert_status 0
	run host bridge vlan show
	assert_match "$out" 'ct[0-9a-f]*-0 +10 PVID Egress Untagged'
	assert_match "$out" 'ct[0-9a-f]*-0 +20 PVID Egress Untagged'
	[[ ! $out =~ ct[0-9a-f]*-0\ +1\  ]] || fail 'a port is in the default VLAN'
	assert_eq "$(grep -c PVID "$T/out")" 3 'ports and VLANs, with that of br0'
	launch a --privileged --attach --rm --net bridge=br0,vlan=10,ip=10.9.0.2/24 -- sh -c '
		ping -c 1 -W 9 10.9.0.3 | grep received
		ping -c 1 -W 2 10.9.0.4 | grep received
		ping -c 1 -W 2 10.9.0.1 | grep received; ip -d link show eth0'
	assert_has "$out" $'1 packets received, 0% packet loss\n1 packets transmitted, 0 packets received, 100% packet loss\n1 packets transmitted, 0 packets'
	launch a --privileged --attach --rm --net bridge=br0,ip=10.9.0.2/24 -- sh -c '
		ping -c 1 -W 2 10.9.0.3 | grep received
		ping -c 1 -W 9 10.9.0.1 | grep received'
	assert_has "$out" $'0 packets received, 100% packet loss\n1 packets transmitted, 1 packets received'
	destroy b
	destroy c
	nothing_left
}

test_ipvlan()
{
	make_host
	pair one far-one
	launch b --privileged --net ipvlan=one,ip=10.9.1.3/24 -- sleep 1000
	assert_status 0
	launch a --privileged --attach --rm --net ipvlan=one,mode=l2,ip=10.9.1.2/24 -- \
		sh -c 'ping -c 1 -W 9 10.9.1.3 | grep received'
	assert_has "$out" '1 packets received'
	destroy b
	launch b --privileged --net ipvlan=one,mode=l3s,ip=10.9.1.4/24 -- \
		sleep 1000
	assert_status 0
	run nsenter --net="/proc/$(pid_now b)/ns/net" ip -d addr show eth0
	assert_has "$out" 'inet 10.9.1.4/24'
	assert_has "$out" 'ipvlan  mode l3s'
	destroy b
}
