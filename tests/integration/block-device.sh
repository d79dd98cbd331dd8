# Block devices of the host as disks: blocks of 4096 bytes, discards, zeroes and
# flushes that go on to the device, its size, and who may use it. The devices
# are loop devices of this test.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 30
# timeout: 120

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# loop_device [OPTION...]: of $T/disks/image, as $device. It goes with its last
# user, which is this test.
loop_device()
{
	need_program losetup mount
	device=$(losetup --find --show "$@" "$T/disks/image")
	exec 6<"$device"
	losetup --detach "$device"
}

device_script='
cd /sys/block/vda
echo "blocks=$(blockdev --getss /dev/vda) $(cat queue/physical_block_size)"
echo "bytes=$(blockdev --getsize64 /dev/vda)"
echo "can=$(($(cat queue/discard_max_bytes) > 0)) $(($(cat queue/write_zeroes_max_bytes) > 0))"
echo "wrote_$(bulk write /dev/vda 32 7)"
echo "read_$(bulk read /dev/vda 32)"
blkdiscard -o 4194304 -l 8388608 /dev/vda && echo "discard=done"
bulk zero /dev/vda 16 4 && bulk punch /dev/vda 24 4 && echo "zeroes=done"
for at in 4 12 16 24; do
	dd if=/dev/vda bs=1M skip=$at count=4 iflag=direct 2>/dev/null | tr -d "\0" | wc -c
done | tr "\n" " " | sed "s/^/left=/"
echo
i=0
while [ $i -lt 20 ]; do
	dd if=/block of=/dev/vda bs=4096 seek=$i conv=sync,fsync 2>/dev/null || exit 1
	i=$((i + 1))
done
echo "ready for a new size"
until [ $(blockdev --getsize64 /dev/vda) != 67108864 ]; do usleep 100000; done
echo "new_bytes=$(blockdev --getsize64 /dev/vda)"
dd if=/block of=/dev/vda bs=4096 seek=16384 conv=sync,fsync 2>/dev/null && echo "beyond=written"
'

image_kib() { du -k "$T/disks/image" | cut -f 1; }

# block_device TRANSPORT
block_device()
{
	local before
	need_tools
	mount_disks 160
	truncate -s 64M "$T/disks/image"
	loop_device --sector-size 4096
	# The number of a loop device goes on where its last use ended.
	before=$(flushes_of "$device")
	mkdir -p "$T/more"
	head -c 3000 /dev/urandom >"$T/more/block"
	start_linux "$device_script" --transport "$1" \
		--disk "$device,cache=none"
	heard 90 'ready for a new size'
	assert_ge "$(flushes_of "$device")" $((before + 20)) \
		"flushes that the device got"
	# Of 32 MiB 8 were discarded and 4 punched out; zeroes keep their space.
	assert_ge "$(image_kib)" 20480 "KiB after the discards"
	assert_le "$(image_kib)" $((20480 + 512)) "KiB after the discards"
	truncate -s 80M "$T/disks/image"
	losetup -c "$device"
	kill -HUP "$linux_pid"
	end_linux
	assert_status 0
	assert_calm
	assert_eq "$(value blocks)" '4096 4096' "logical and physical blocks"
	assert_eq "$(value bytes)" 67108864 "size"
	assert_eq "$(value can)" '1 1' "discard and write zeroes"
	assert_match "$(value wrote_sum)" '^[0-9a-f]{16}$'
	assert_eq "$(value read_sum)" "$(value wrote_sum)" "what was read"
	assert_eq "$(value discard) $(value zeroes)" 'done done'
	assert_match "$(value left)" '^0 [1-9][0-9]* 0 0 $'
	assert_eq "$(value new_bytes)" 83886080 "size after SIGHUP"
	assert_eq "$(value beyond)" written
	cmp -n 3000 -i 67108864:0 "$T/disks/image" "$T/more/block" ||
		fail "what was written beyond the old end is not there"
}

# seconds: 40
test_block_device_pci() { block_device pci; }

# seconds: 40
test_block_device_mmio() { block_device mmio; }

# seconds: 10
test_two_writers_of_one_device()
{
	mount_disks 16
	truncate -s 8M "$T/disks/image"
	loop_device
	spin_on "$device"
	tiny exit --disk "$device"
	assert_refused 2 "$device" "process $holder\b"
	tiny exit --disk "$device,ro"
	assert_refused 2 "$device" "process $holder\b"
	kill -INT "$holder"
	wait_status "$holder"
	tiny exit --disk "$device"
	assert_passed
}

# seconds: 10
test_device_that_cannot_be_written()
{
	mount_disks 16
	truncate -s 8M "$T/disks/image"
	loop_device --read-only
	tiny exit --disk "$device"
	assert_refused 2 "$device" 'read-only' ',ro'
	tiny exit --disk "$device,ro"
	assert_passed
}
