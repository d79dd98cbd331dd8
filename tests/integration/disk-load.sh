# Disks of a stock Linux guest under load: what fio writes and reads again in all
# sizes at once, and a gigabyte. Each time the host looks too.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 90
# timeout: 240

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# Each block that fio writes holds its own place and a checksum (fio(1), verify).
# All jobs run at once: depth 32 each, sizes from a sector on, one that verifies
# what it has written while it goes on, and one with flushes in between.
fio_jobs()
{
	local disk
	printf '%s\n' '[global]' "ioengine=$1" direct=1 verify=crc32c \
		verify_fatal=1 verify_state_save=0 iodepth=32 thread \
		rw=randwrite size=2m
	for disk in DISK1 DISK2; do
		printf '%s\n' "[mixed-$disk]" "filename=\${$disk}" \
			bssplit=512/20:1k/10:4k/30:12k/15:64k/15:128k/10
		printf '%s\n' "[backlog-$disk]" "filename=\${$disk}" \
			offset=8m bs=4k verify_backlog=64
		printf '%s\n' "[sequential-$disk]" "filename=\${$disk}" \
			offset=16m rw=write bssplit=4k/30:64k/40:1m/30
	done
	printf '%s\n' '[flushed]' 'filename=${DISK1}' offset=24m bs=8k fsync=16 \
		size=1m
}

verify_script='
cd /
DISK1=/dev/vda DISK2=/dev/vdb fio --eta=never --output=/fio.out /jobs.fio
status=$?
echo "fio=$status"
[ $status = 0 ] || cat /fio.out
'

# verify TRANSPORT
verify()
{
	local d=$T/disks
	need_program fio fio
	need_tools
	mount_disks 96
	truncate -s 32M "$d/a" "$T/b"
	mkdir -p "$T/more"
	fio_jobs io_uring >"$T/more/jobs.fio"
	start_linux "$verify_script" --transport "$1" \
		--disk "$d/a,cache=none" --disk "$T/b,cache=writeback"
	end_linux
	assert_status 0
	assert_has "$out" 'hull-init: script exited 0'
	assert_calm
	assert_eq "$(value fio)" 0 "fio's status in the guest"
	# The same jobs, but only their reading.
	fio_jobs psync | sed 's/^verify_backlog=.*//; s/^direct=1/direct=0/' \
		>"$T/host.fio"
	DISK1=$d/a DISK2=$T/b run fio --eta=never --verify_only "$T/host.fio"
	assert_status 0
	# It would not say if it had read nothing.
	assert_eq "$(grep -c 'READ: .*run=' <<<"$out")" 1 "fio's line about reads"
}

test_fio_verify_pci() { verify pci; }

test_fio_verify_mmio() { verify mmio; }

gigabyte_script='
echo "wrote_$(bulk write /dev/vda 1024 20)"
echo 3 >/proc/sys/vm/drop_caches
echo "read_$(bulk read /dev/vda 1024)"
'

# gigabyte TRANSPORT
gigabyte()
{
	local d=$T/disks
	need_tools
	mount_disks 1100
	truncate -s 1G "$d/a"
	start_linux "$gigabyte_script" --transport "$1" --disk "$d/a,cache=none"
	end_linux
	assert_status 0
	assert_calm
	assert_match "$(value wrote_sum)" '^[0-9a-f]{16}$'
	assert_eq "$(value read_sum)" "$(value wrote_sum)" "what the guest read"
	assert_eq "$("$LINUX/bulk" read "$d/a" 1024)" \
		"sum=$(value wrote_sum)" "what the image holds"
}

test_gigabyte_pci() { gigabyte pci; }

test_gigabyte_mmio() { gigabyte mmio; }
