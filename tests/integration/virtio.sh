# Drivers of a stock Linux guest that come and go: unbound while they work, a hundred
# modules unloaded and loaded (on the two transports together), and a second kernel
# that finds the devices as the first one left them.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 100
# timeout: 400

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# Nodes of our own for disk and port: a write to a name in /dev that has just
# gone would make a file.
drivers_script='
one() { for v in /sys/bus/virtio/drivers/$1/virtio*; do echo ${v##*/}; done; }
# port NAME NODE: makes the node, and says so.
port() {
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat $p/name 2>/dev/null)" = $1 ] || continue
		rm -f $2
		mknod $2 c $(tr : " " <$p/dev) 2>/dev/null && echo $2
	done
}
node() {
	rm -f /root/disk
	mknod /root/disk b $(cat /sys/block/vd*/dev 2>/dev/null | tr : " ") 2>/dev/null
}
written() {
	node
	dd if=/root/disk bs=65536 count=16 iflag=direct 2>/dev/null | cmp - /tmp/noise
}
up() { ip link set eth0 up && ip addr add 10.99.1.2/24 dev eth0; }
drivers="virtio_blk virtio_net virtio_rng virtio_console"
# The device is taken from the driver that works with it; what still has it
# open gives it up, and then the module can go.
reload() {
	local m
	for m in $drivers; do
		eval "echo \$at_$m" >/sys/bus/virtio/drivers/$m/unbind || return 1
	done
	for m in $drivers; do
		while [ -d /sys/module/$m ]; do
			rmmod $m 2>/dev/null || usleep 5000
		done
	done
	[ -e /dev/vda ] || [ -e /sys/class/net/eth0 ] && return 1
	modprobe -a $drivers && up
}
echo "bus=$(readlink -f /sys/bus/virtio/devices/virtio0/.. | grep -o -E "pci|virtio-mmio|LNRO0005" | tail -n 1)"
echo "rng=$(cat /sys/class/misc/hw_random/rng_current)"
head -c 16384 /dev/hwrng >/tmp/r1
head -c 16384 /dev/hwrng >/tmp/r2
echo "random=$(gzip -c /tmp/r1 | wc -c) $(gzip -c /tmp/r2 | wc -c)"
cmp -s /tmp/r1 /tmp/r2 || echo "random=differs"
head -c 1048576 /dev/urandom >/tmp/noise
echo "noise=$(md5sum </tmp/noise)"
up
node
dd if=/tmp/noise of=/root/disk bs=65536 oflag=direct 2>/dev/null || exit 1
# What the load writes is what is there already.
( while [ ! -e /tmp/stop ]; do
	node
	dd if=/tmp/noise of=/root/disk bs=65536 oflag=direct 2>/dev/null && echo w >>/tmp/done
	dd if=/root/disk of=/dev/null bs=65536 iflag=direct 2>/dev/null || echo f >>/tmp/done
done ) &
( while [ ! -e /tmp/stop ]; do head -c 8192 /dev/hwrng; usleep 200000; done >/dev/null 2>&1 ) &
( while [ ! -e /tmp/stop ]; do p=$(port log /root/load); [ -z "$p" ] || echo more 2>/dev/null >$p; usleep 300000; done >/dev/null 2>&1 ) &
( while [ ! -e /tmp/stop ]; do ping -q -s 1400 -A -c 3 -W 1 10.99.1.1 >/dev/null 2>&1 && echo p >>/tmp/done; usleep 50000; done ) &
for m in $drivers; do eval "at_$m=$(one $m)"; done
i=0
while [ $i -lt 13 ] && reload; do i=$((i + 1)); done
echo "reloads=$i"
touch /tmp/stop
wait
echo "load=$(grep -c w /tmp/done) rounds, $(grep -c f /tmp/done) interrupted, $(grep -c p /tmp/done) pinged"
written && echo "after_reloads=right"
rmmod $drivers || exit 1
rmmod $BUS virtio_pci_modern_dev virtio_pci_legacy_dev 2>/dev/null
[ -e /dev/hwrng ] && [ "$(cat /sys/class/misc/hw_random/rng_current)" != none ] && echo "rng=still there"
modprobe $BUS || exit 1
modprobe -a $drivers || exit 1
up
written && [ "$(head -c 100 /dev/hwrng | wc -c)" = 100 ] && echo "after_bus=right"
ping -q -c 3 10.99.1.1 | grep "packets received"
until p=$(port log /root/last) && [ -n "$p" ] && echo "last words" >$p; do usleep 50000; done
echo "size=$(cat /sys/block/vd*/size)"
dmesg | grep -E "WARNING:|BUG:|Oops|Call Trace|soft lockup"
'

kexec_script='
echo "first kernel ends"
mount -t devtmpfs none /dev 2>/dev/null
kexec /bzImage /initrd "console=ttyS0 loglevel=5 panic=-1 hull.run=\"echo second_kernel=\$(dd if=/dev/vda bs=65536 count=16 iflag=direct | md5sum) \$(head -c 10 /dev/hwrng | wc -c)\"" || echo "kexec failed"
'

# drivers TRANSPORT MODULE BUS
drivers()
{
	local sum script=$drivers_script
	mkdir -p "$T/more"
	truncate -s 4M "$T/image"
	ip tuntap add hull1 mode tap vnet_hdr
	ip addr add 10.99.1.1/24 dev hull1
	ip link set hull1 up
	if [ -e "$LINUX/tools.cpio.gz" ]; then
		(cd "$T/more" && gzip -dc "$LINUX/tools.cpio.gz" |
			cpio --quiet -id bin/kexec)
		cp "$LINUX/bzImage" "$T/more/bzImage"
		cp "$LINUX/initrd.cpio.gz" "$T/more/initrd"
		script+=$kexec_script
	fi
	console=ttyS0 limit=900 start_linux "BUS=$2$script" --transport "$1" \
		--memory 384 --disk "$T/image,cache=writeback" \
		--port "log,file=$T/log" --net tap=hull1
	end_linux
	ip link del hull1
	assert_status 0
	sum=$(value noise)
	assert_match "$sum" '^[0-9a-f]{32}  -$'
	assert_eq "$(value bus)" "$3" "bus"
	assert_match "$(value rng)" '^virtio_rng'
	assert_match "$(value random)" '^16[34].. 16[34]..$'
	assert_has "$out" 'random=differs'
	assert_lacks "$out" 'rng=still there'
	assert_eq "$(value reloads)" 13 "times that all four drivers were reloaded"
	# There was a load, and it was cut off more than once.
	assert_match "$(value load)" \
		'^[0-9]+ rounds, [1-9][0-9]* interrupted, [1-9][0-9]* pinged'
	assert_eq "$(value after_reloads)" right "data after the reloads"
	assert_eq "$(value after_bus)" right "data after the bus was reloaded"
	assert_has "$out" '3 packets transmitted, 3 packets received'
	assert_eq "$(value size)" 8192
	assert_calm
	assert_eq "$(head -c 1048576 "$T/image" | md5sum)" "$sum" \
		"data on the host"
	assert_eq "$(tail -n 1 "$T/log")" 'last words'
	[ -e "$LINUX/tools.cpio.gz" ] ||
		skip "kexec: $LINUX/tools.cpio.gz is not built; all else passed"
	assert_eq "$(value second_kernel)" "${sum%% *} - 10" \
		"what the second kernel read"
}

test_drivers_come_and_go_pci() { drivers pci virtio_pci pci; }

test_drivers_come_and_go_mmio() { drivers mmio virtio_mmio LNRO0005; }
