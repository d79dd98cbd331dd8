# Network cards: a guest's packets on taps and bridges, with the stock driver of
# Linux. Everything is made in the lab, or in a network of this test alone.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 40
# timeout: 150

. "$TOP/tests/integration/lib-linux.sh"

# make_tap NAME ADDRESS [OPTION...]
make_tap()
{
	local name=$1 address=$2
	shift 2
	ip tuntap add "$name" mode tap vnet_hdr "$@"
	ip addr add "$address/24" dev "$name"
	ip link set "$name" up
}

drop_link() { ip link del "$1" 2>/dev/null || true; }

# Frames of all kinds cross a tap both ways: small, the largest that fit, in
# fragments, and streams that use whatever offloads there are; then the same
# with the offloads off. Each stream's sum is told by both sides.
tap_script='
set -e
echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip link set eth0 up
ip addr add 10.99.1.2/24 dev eth0
for size in 1 1472 1473 20000; do
	ping -q -c 2 -s $size 10.99.1.1 | grep -q " 0% packet loss"
	echo "ping=$size"
done
# The other side may not listen yet.
again() {
	for try in $(seq 100); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}
stream() {
	head -c 1048576 /dev/urandom >/tmp/noise
	again nc 10.99.1.1 7001 </tmp/noise
	echo "sent_$1=$(md5sum </tmp/noise | cut -c 1-32)"
	again nc 10.99.1.1 7002 </dev/null >/tmp/got
	echo "got_$1=$(md5sum </tmp/got | cut -c 1-32)"
}
stream on
ethtool -k eth0 | sed -n "s/^\(tcp-segmentation-offload\|tx-checksumming\|generic-receive-offload\): /\1=/p"
ethtool -K eth0 tx off rx off tso off gso off gro off || true
ethtool -k eth0 | sed -n "s/^tcp-segmentation-offload: /tso_after=/p"
# Meanwhile the interrupts go from one CPU to the other and back.
while sleep 0.3; do
	cpu=$((3 - ${cpu:-1}))
	for irq in $(sed -n "s/^ *\([0-9]*\):.*virtio0-.*put.*/\1/p" /proc/interrupts); do
		echo $cpu >/proc/irq/$irq/smp_affinity && echo "moved=$irq"
	done
done >/tmp/moved 2>&1 &
stream off
kill $!
echo "irqs_moved=$(grep -c moved= /tmp/moved)"
ping -q -A -c 300 -s 100 10.99.1.1 | grep -q " 0% packet loss" && echo "ping=300"
ip link set eth0 down
cd /sys/class/net/eth0/statistics
echo "sent_frames=$(cat tx_packets)"
echo "got_frames=$(cat rx_packets)"
cd /
echo "mtu=$(cat /sys/class/net/eth0/mtu) queues=$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)"
echo "mac=$(cat /sys/class/net/eth0/address)"
echo "second=$(cat /sys/class/net/eth1/address) carrier=$(ip link set eth1 up; sleep 1; cat /sys/class/net/eth1/carrier)"
'

# The far end of a stream: takes one on 7001, then gives one on 7002, twice.
serve_streams()
{
	local round
	head -c 1048576 /dev/urandom >"$T/noise"
	for round in on off; do
		socat -u TCP-LISTEN:7001,reuseaddr STDOUT | md5sum |
			sed "s/^\(.\{32\}\).*/\1/" >"$T/took.$round"
		socat -u FILE:"$T/noise" TCP-LISTEN:7002,reuseaddr
	done
}

# assert_near A B WHAT: at most five apart.
assert_near()
{
	local apart=$(($1 - $2))
	assert_le "${apart#-}" 5 "$3, $1 and $2, are apart"
}

# check_tap VHOST [OPTION...]
check_tap()
{
	local server vhost=$1 frames=/sys/class/net/hull1/statistics
	shift
	make_tap hull1 10.99.1.1 multi_queue
	echo 1 >/proc/sys/net/ipv6/conf/hull1/disable_ipv6
	serve_streams &
	server=$!
	need_tools
	boot_linux bzImage "$tap_script" --cpus 2 "$@" \
		--net "tap=hull1,queues=2,mac=02:00:00:00:00:11,vhost=$vhost" \
		--net none --stats "$T/stats"
	kill "$server" 2>/dev/null || true
	assert_has "$out" 'hull-init: script exited 0'
	# TCP would send a lost frame again, but its numbers tell. A few that the
	# tap had when the guest took its link down do not count.
	assert_near "$(<"$frames/rx_packets")" "$(value sent_frames)" \
		"frames that the tap got, and that the guest sent"
	assert_near "$(<"$frames/tx_packets")" "$(value got_frames)" \
		"frames that the tap sent, and that the guest got"
	drop_link hull1
	assert_eq "$(sed -n 's/^ping=//p' <<<"$out" | tr '\n' ' ')" \
		'1 1472 1473 20000 300 ' "pings that came back"
	assert_eq "$(value sent_on)" "$(<"$T/took.on")" "what the guest sent"
	assert_eq "$(value sent_off)" "$(<"$T/took.off")" \
		"what the guest sent without offloads"
	assert_eq "$(value got_on)" "$(sum_of "$T/noise")" "what the guest got"
	assert_eq "$(value got_off)" "$(sum_of "$T/noise")" \
		"what the guest got without offloads"
	assert_eq "$(value tcp-segmentation-offload)" on "TSO at first"
	assert_has "$(value tso_after)" off
	assert_eq "$(value mac)" 02:00:00:00:00:11 "MAC address"
	assert_eq "$(value mtu)" '1500 queues=2' "MTU and queues"
	assert_has "$(value second)" 'carrier=0'
	assert_calm
}

# moved_by_kernel N: of how many queues --stats says so. Those of a second
# pair count although a guest may not use it.
moved_by_kernel()
{
	assert_eq "$(grep -c '"vhost": true' "$T/stats")" "$1" \
		"queues that vhost-net served"
}

interrupts_moved()
{
	[ "$(value irqs_moved)" -ge 4 ] ||
		fail "the card's interrupts stayed where they were"
}

# interrupts_of QUEUE: of the first device, sent by hull itself.
interrupts_of()
{
	sed -n 's/.*"interrupts": \([0-9]*\).*/\1/p' "$T/stats" |
		sed -n "$(($1 + 1))p"
}

# seconds: 90
test_tap_pci()
{
	check_tap off
	moved_by_kernel 0
	interrupts_moved
}

# seconds: 90
test_tap_mmio()
{
	check_tap auto --transport mmio
	moved_by_kernel 0
}

# The kernel interrupts the guest by itself.
# seconds: 90
test_tap_vhost()
{
	check_tap auto
	moved_by_kernel 4
	interrupts_moved
	# Some come while the vector is masked.
	[ "$(interrupts_of 0)" -le 100 ] ||
		fail "hull sent $(interrupts_of 0) interrupts of vhost-net"
}

# Each interrupt goes through hull.
# seconds: 90
test_tap_vhost_mmio()
{
	check_tap on --transport mmio
	moved_by_kernel 4
	[ "$(interrupts_of 0)" -ge 10 ] ||
		fail "hull sent $(interrupts_of 0) interrupts of vhost-net"
}

# Runs a command that finds no other devices in /dev.
few_devices='
	mount -t tmpfs none "$T/dev"
	mkdir "$T/dev/net"
	for device in kvm null zero urandom net/tun; do
		: >"$T/dev/$device"
		mount --bind "/dev/$device" "$T/dev/$device"
	done
	mount --rbind "$T/dev" /dev
	exec "$@"'

# seconds: 5
test_vhost_missing()
{
	local boot=("$HULL" run --kernel "$GUESTS/poweroff-acpi.elf" --net)
	make_tap hull1 10.99.1.1
	mkdir "$T/dev"
	run unshare -m bash -ec "$few_devices" - \
		"${boot[@]}" tap=hull1,vhost=on </dev/null
	assert_status 2
	assert_match "$err" '^hull: error: .*vhost=on.*modprobe vhost_net'
	run unshare -m bash -ec "$few_devices" - \
		"${boot[@]}" tap=hull1 </dev/null
	assert_status 0
	run "${boot[@]}" tap=hull1,vhost=on </dev/null
	assert_status 0
	drop_link hull1
}

# Two guests on a bridge, each with a tap that hull makes and takes away again;
# the kernel moves the frames of one of them.
test_bridge()
{
	local first
	ip link add hullbr0 type bridge
	ip addr add 10.99.2.1/24 dev hullbr0
	ip link set hullbr0 up
	need_tools
	start_linux '
		ip link set eth0 up; ip addr add 10.99.2.2/24 dev eth0
		echo "mac=$(cat /sys/class/net/eth0/address)"
		# Input that does not end: at its end nc would hang up.
		mkfifo /tmp/quiet; exec 3<>/tmp/quiet
		echo ready; nc -l -p 7001 <&3 | md5sum | sed "s/^/sum=/"
		' --net bridge=hullbr0,mtu=1400,vhost=on --transport mmio
	first=$linux_pid
	heard 100 ready
	assert_eq "$(find /sys/class/net/hullbr0/brif -mindepth 1 | wc -l)" 1 "ports"
	mkdir "$T/second"
	T=$T/second boot_linux bzImage '
		ip link set eth0 up; ip addr add 10.99.2.3/24 dev eth0
		for a in 10.99.2.2 10.99.2.1; do
			ping -q -c 2 $a && echo "answered=$a"
		done
		head -c 4194304 /dev/urandom >/tmp/noise
		nc 10.99.2.2 7001 </tmp/noise
		md5sum </tmp/noise | sed "s/^/sent=/"
		echo "mac=$(cat /sys/class/net/eth0/address)"
		' --net bridge=hullbr0,vhost=off
	assert_eq "$(sed -n 's/^answered=//p' <<<"$out" | xargs)" \
		'10.99.2.2 10.99.2.1' "who answers"
	local sent mac
	sent=$(value sent) mac=$(value mac)
	linux_pid=$first
	end_linux
	assert_eq "$(value sum)" "$sent" "what went from guest to guest"
	[ "$(value mac)" != "$mac" ] || fail "both have the address $mac"
	assert_eq "$(find /sys/class/net/hullbr0/brif -mindepth 1 | wc -l)" 0 \
		"ports when both have ended"
	drop_link hullbr0
}

# many_devices TRANSPORT: eight disks and four cards, found in order.
many_devices()
{
	local i options=()
	for i in 1 2 3 4; do
		make_tap "hull$i" "10.99.$i.1"
		options+=(--net "tap=hull$i,mac=02:00:00:00:01:0$i")
	done
	for i in 1 2 3 4 5 6 7 8; do
		truncate -s "${i}M" "$T/disk$i"
		options+=(--disk "$T/disk$i,cache=writeback,serial=serial$i")
	done
	boot_linux bzImage '
		for i in 0 1 2 3; do
			echo "mac$i=$(cat /sys/class/net/eth$i/address)"
			ip addr add 10.99.$((i + 1)).2/24 dev eth$i
			ip link set eth$i up
			ping -q -c 1 10.99.$((i + 1)).1 | grep -c " 0% packet"
		done
		for d in a b c d e f g h; do
			echo "vd$d=$(cat /sys/block/vd$d/size) $(cat /sys/block/vd$d/serial)"
			echo "$d" | dd of=/dev/vd$d conv=fsync 2>/dev/null
		done' --transport "$1" --iothreads 2 "${options[@]}"
	for i in 1 2 3 4; do
		drop_link "hull$i"
		assert_eq "$(value "mac$((i - 1))")" "02:00:00:00:01:0$i" "card $i"
	done
	assert_eq "$(grep -cx 1 <<<"$out")" 4 "cards that ping"
	i=0
	for d in a b c d e f g h; do
		i=$((i + 1))
		assert_eq "$(value "vd$d")" "$((i * 2048)) serial$i" "disk vd$d"
		assert_eq "$(head -c 1 "$T/disk$i")" "$d" "what disk $i holds"
	done
	assert_calm
}

test_many_devices_pci() { many_devices pci; }

test_many_devices_mmio() { many_devices mmio; }

# check_rebind TIMES [OPTION...]
check_rebind()
{
	local times=$1
	shift
	make_tap hull1 10.99.1.1
	boot_linux bzImage '
		cd /sys/bus/virtio/drivers/virtio_net
		dev=$(ls -d virtio*)
		up() { ip link set eth0 up; ip addr add 10.99.1.2/24 dev eth0; }
		up
		ping -q -s 1400 -A 10.99.1.1 >/dev/null 2>&1 &
		for i in $(seq '"$times"'); do
			echo $dev >unbind; echo $dev >bind
			up
			ping -q -c 1 -W 1 10.99.1.1 >/dev/null 2>&1 || true
		done
		ping -q -c 3 10.99.1.1' --stats "$T/stats" "$@"
	drop_link hull1
	assert_has "$out" '3 packets transmitted, 3 packets received'
	assert_has "$out" 'hull-init: script exited 0'
	assert_calm
}

# The driver is taken from the card and given back under load.
test_rebind() { check_rebind 100 --net tap=hull1,vhost=off; }

test_rebind_vhost()
{
	check_rebind 20 --net tap=hull1,vhost=on
	moved_by_kernel 2
}

# seconds: 10
test_busy_tap()
{
	make_tap hull1 10.99.1.1
	"$HULL" run --kernel "$GUESTS/spin.elf" --net tap=hull1 </dev/null \
		>/dev/null 2>&1 &
	wait_for 20 "hull has the tap" grep -q 1 /sys/class/net/hull1/carrier
	run "$HULL" run --kernel "$GUESTS/spin.elf" --net tap=hull1 </dev/null
	assert_status 2
	assert_match "$err" '^hull: error: .*hull1'
	kill -KILL $!
	wait_status $!
	drop_link hull1
}
