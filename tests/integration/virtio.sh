# Drivers of a stock Linux guest that come and go: unbound and bound, unloaded
# and loaded while they work, and a second kernel that finds the devices as the
# first one left them. On both transports.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# seconds: 60
# timeout: 240

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
# rebind DRIVER TIMES
rebind() {
	local i=0 device=$(one $1)
	cd /sys/bus/virtio/drivers/$1
	while [ $i -lt $2 ]; do
		echo $device >unbind && echo $device >bind || return 1
		i=$((i + 1))
	done
	cd /
	echo "rebound_$1=$i"
}
echo "bus=$(readlink -f /sys/bus/virtio/devices/virtio0/.. | grep -o -E "pci|virtio-mmio|LNRO0005" | tail -n 1)"
echo "rng=$(cat /sys/class/misc/hw_random/rng_current)"
head -c 16384 /dev/hwrng >/tmp/r1
head -c 16384 /dev/hwrng >/tmp/r2
echo "random=$(gzip -c /tmp/r1 | wc -c) $(gzip -c /tmp/r2 | wc -c)"
cmp -s /tmp/r1 /tmp/r2 || echo "random=differs"
head -c 1048576 /dev/urandom >/tmp/noise
echo "noise=$(md5sum </tmp/noise)"
node
dd if=/tmp/noise of=/root/disk bs=65536 oflag=direct 2>/dev/null || exit 1
# What the load writes is what is there already.
( while [ ! -e /tmp/stop ]; do
	node
	dd if=/tmp/noise of=/root/disk bs=16384 oflag=direct 2>/dev/null && echo w >>/tmp/done
	dd if=/root/disk of=/dev/null bs=65536 iflag=direct 2>/dev/null || echo f >>/tmp/done
done ) &
( while [ ! -e /tmp/stop ]; do head -c 8192 /dev/hwrng; usleep 50000; done >/dev/null 2>&1 ) &
( while [ ! -e /tmp/stop ]; do p=$(port log /root/load); [ -z "$p" ] || echo more 2>/dev/null >$p; usleep 100000; done >/dev/null 2>&1 ) &
rebind virtio_blk 100
rebind virtio_rng 20
rebind virtio_console 20
touch /tmp/stop
wait
echo "load=$(grep -c w /tmp/done) rounds, $(grep -c f /tmp/done) interrupted"
written && echo "after_rebind=right"
for i in 1 2 3; do
	rmmod virtio_blk virtio_rng virtio_console || exit 1
	[ $i != 3 ] || rmmod $BUS virtio_pci_modern_dev virtio_pci_legacy_dev 2>/dev/null
	[ -e /dev/hwrng ] && [ "$(cat /sys/class/misc/hw_random/rng_current)" != none ] && echo "rng=still there"
	modprobe $BUS || exit 1
	modprobe -a virtio_blk virtio_rng virtio_console || exit 1
	written && [ "$(head -c 100 /dev/hwrng | wc -c)" = 100 ] && echo "reload$i=right"
done
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
	if [ -e "$LINUX/tools.cpio.gz" ]; then
		(cd "$T/more" && gzip -dc "$LINUX/tools.cpio.gz" |
			cpio --quiet -id bin/kexec)
		cp "$LINUX/bzImage" "$T/more/bzImage"
		cp "$LINUX/initrd.cpio.gz" "$T/more/initrd"
		script+=$kexec_script
	fi
	console=ttyS0 start_linux "BUS=$2$script" --transport "$1" \
		--memory 384 --disk "$T/image,cache=writeback" \
		--port "log,file=$T/log"
	end_linux
	assert_status 0
	sum=$(value noise)
	assert_match "$sum" '^[0-9a-f]{32}  -$'
	assert_eq "$(value bus)" "$3" "bus"
	assert_match "$(value rng)" '^virtio_rng'
	assert_match "$(value random)" '^16[34].. 16[34]..$'
	assert_has "$out" 'random=differs'
	assert_lacks "$out" 'rng=still there'
	assert_eq "$(value rebound_virtio_blk)" 100
	assert_eq "$(value rebound_virtio_rng)" 20
	assert_eq "$(value rebound_virtio_console)" 20
	# There was a load, and it was cut off more than once.
	assert_match "$(value load)" '^[0-9]+ rounds, [0-9]{2,} interrupted'
	assert_eq "$(value after_rebind)" right "data after the rebinds"
	for i in 1 2 3; do
		assert_eq "$(value reload$i)" right "after reload $i"
	done
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
