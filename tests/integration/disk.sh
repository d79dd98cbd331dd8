# Disks as a stock Linux guest and its user see them: file systems in every
# cache mode on both transports, what a disk tells of itself, space given back,
# a new size, a full file system of the host, limits, and what is left when the
# monitor is killed. Boots are dear, so each test checks much.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 40
# timeout: 180

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# --- many disks ----------------------------------------------------------------

# vda to vdd have a file system each, in the four cache modes; the others are
# what the script and the options below say.
many_script='
for d in a b c d e f g h; do
	s=/sys/block/vd$d
	echo "vd$d=$(cat $s/serial) $(cat $s/size) ro$(cat $s/ro) mq$(ls $s/mq | wc -l) discard$(($(cat $s/queue/discard_max_bytes) > 0))"
	echo "cache_vd$d=$(cat $s/queue/write_cache)"
done
for d in a b c d; do
	mke2fs -F -b 4096 /dev/vd$d >/dev/null || exit 1
	mkdir -p /m/$d
	mount -t ext4 /dev/vd$d /m/$d || exit 1
	head -c 500000 /dev/urandom >/m/$d/noise
	cp -r /etc /m/$d/etc
	rm /m/$d/etc/group
	echo "written_vd$d=$(md5sum </m/$d/noise)"
	umount /m/$d
done
echo 3 >/proc/sys/vm/drop_caches
for d in a b c d; do
	mount -t ext4 /dev/vd$d /m/$d || exit 1
	echo "read_vd$d=$(md5sum </m/$d/noise)"
	cmp /etc/passwd /m/$d/etc/passwd && [ ! -e /m/$d/etc/group ] && echo "files_vd$d=right"
done
fstrim /m/b && echo "fstrim=done"
umount /m/*
# Written without the cache: it is large.
dd if=/dev/vde of=/dev/vdh bs=1M iflag=direct oflag=direct 2>/dev/null || exit 1
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vdh of=/dev/vdg bs=1M iflag=direct oflag=direct count=4 2>/dev/null || exit 1
dd if=/dev/vdg bs=1M count=4 iflag=direct 2>/dev/null | md5sum | sed "s/^/copy_of_4_mib=/"
echo no | dd of=/dev/vde conv=fsync 2>/dev/null || echo "read_only=refused"
blkdiscard -o 4194304 /dev/vdg && echo "discard_on=done"
dd if=/dev/vdg bs=1M skip=4 count=1 iflag=direct 2>/dev/null | tr -d "\0" | wc -c | sed "s/^/not_zero=/"
blkdiscard /dev/vdf 2>/dev/null || echo "discard_off=refused"
echo "ready for a new size"
old=$(cat /sys/block/vdh/size)
until [ $(cat /sys/block/vdh/size) != $old ]; do usleep 100000; done
echo "new_size=$(cat /sys/block/vdh/size)"
echo beyond | dd of=/dev/vdh bs=512 seek=$old conv=sync,fsync 2>/dev/null && echo "beyond=written"
dmesg | grep vdh: | tail -n 1
'

# disk_space FILE: the KiB that it occupies.
disk_space() { du -k "$1" | cut -f 1; }

# many_disks TRANSPORT
many_disks()
{
	local d=$T/disks i options=()
	mount_disks 200
	for i in a b c d f g; do
		head -c 8388608 /dev/zero >"$d/$i"
	done
	noise_file "$d/e" 32
	truncate -s 32M "$d/h"
	local before
	before=$(sum_of "$d/e")
	i=0
	for d in a,cache=none b,cache=writeback c,cache=writethrough \
		d,cache=unsafe e,ro f,discard=off,queues=1 g,queues=3 \
		h,cache=none; do
		i=$((i + 1))
		options+=(--disk "$T/disks/$d,serial=disk-${d%%,*}-$i,iothread=$((i % 2 + 1))")
	done
	d=$T/disks
	start_linux "$many_script" --transport "$1" --cpus 2 --iothreads 2 \
		"${options[@]}"
	heard 120 'ready for a new size'
	# One thread for each vCPU and I/O thread, and the main one.
	assert_eq "$(find "/proc/$linux_pid/task" -mindepth 1 -maxdepth 1 \
		-exec cat '{}/comm' ';' | grep -c '^io-')" 2 "I/O threads"
	truncate -s 36M "$d/h"
	kill -HUP "$linux_pid"
	end_linux
	assert_status 0
	assert_has "$out" 'hull-init: script exited 0'
	assert_calm
	check_identity
	check_contents "$before"
}

check_identity()
{
	local d
	for d in a b c d; do
		assert_match "$(value "vd$d")" \
			"^disk-$d-[1-4] 16384 ro0 mq2 discard1\$"
	done
	assert_eq "$(value vde)" 'disk-e-5 65536 ro1 mq2 discard0'
	assert_eq "$(value vdf)" 'disk-f-6 16384 ro0 mq1 discard0'
	# More queues than processors: Linux takes as many as it has.
	assert_eq "$(value vdg)" 'disk-g-7 16384 ro0 mq2 discard1'
	assert_eq "$(value vdh)" 'disk-h-8 65536 ro0 mq2 discard1'
	assert_eq "$(value cache_vda)" 'write back'
	assert_eq "$(value cache_vdc)" 'write through'
	assert_eq "$(value new_size)" 73728 "sectors after the resize"
}

# check_contents SUM: what the guest wrote and read, here and there.
check_contents()
{
	local d=$T/disks i sum
	for i in a b c d; do
		sum=$(value "written_vd$i")
		assert_match "$sum" '^[0-9a-f]{32}  -$'
		assert_eq "$(value "read_vd$i")" "$sum" "vd$i read again"
		assert_eq "$(value "files_vd$i")" right "files on vd$i"
		e2fsck -fn "$d/$i" || fail "the file system on vd$i is not clean"
		debugfs -R "dump /noise $T/noise" "$d/$i"
		assert_eq "$(sum_of "$T/noise")" "${sum%% *}" "vd$i on the host"
	done
	assert_eq "$(sum_of "$d/e")" "$1" "the image that is read-only"
	assert_eq "$(value read_only)" refused
	assert_eq "$(head -c 33554432 "$d/h" | md5sum)" "$1  -" \
		"32 MiB that the guest copied"
	assert_eq "$(value beyond)" written
	assert_eq "$(tail -c +33554433 "$d/h" | head -c 6)" beyond
	assert_eq "$(value copy_of_4_mib)" \
		"$(head -c 4194304 "$d/e" | md5sum)" "4 MiB copied again"
	# Space: 8 MiB were there, of which discards gave some back.
	assert_eq "$(value fstrim)" "done"
	assert_le "$(disk_space "$d/b")" 2048 "KiB of vdb after fstrim"
	assert_ge "$(disk_space "$d/a")" 8192 "KiB of vda, not trimmed"
	assert_eq "$(value discard_on)" "done"
	assert_eq "$(value not_zero)" 0 "bytes left after a discard"
	assert_le "$(disk_space "$d/g")" 4300 "KiB of vdg after blkdiscard"
	assert_eq "$(value discard_off)" refused
	assert_ge "$(disk_space "$d/f")" 8192 "KiB with discard=off"
}

# seconds: 80
test_many_disks_pci() { many_disks pci; }

# seconds: 80
test_many_disks_mmio() { many_disks mmio; }

# --- killed, full, limited -------------------------------------------------------

# Records of 512 bytes, on vda itself and in a file system's file on vdb; each is
# told only when fsync said that it is safe.
records_script='
mkdir /m
mount -t ext4 /dev/vdb /m || exit 1
dmesg | grep -o "EXT4-fs (vdb): .*" | sed "s/^/mounted=/"
[ ! -e /m/log ] || echo "log=$(tr -d "\0" </m/log | wc -l) $(tr -d "\0" </m/log | md5sum)"
i=0
while :; do
	i=$((i + 1))
	printf "record %07d\n" $i >/tmp/r
	dd if=/tmp/r of=/dev/vda bs=512 seek=$i conv=sync,fsync 2>/dev/null || exit 1
	dd if=/tmp/r of=/m/log bs=512 seek=$i conv=sync,fsync,notrunc 2>/dev/null || exit 1
	echo "safe $i"
done
'

# records FIRST LAST: what these records look like without their padding.
records() { seq -f 'record %07.0f' "$1" "$2"; }

# kill_amid TRANSPORT: a guest that writes to the disks in $d is killed with its
# monitor; what it was told is there. Leaves what it said in $told, and the number
# of records in $last.
kill_amid()
{
	start_linux "$records_script" --transport "$1" \
		--disk "$d/raw" --disk "$d/fs"
	heard 60 'safe 60'
	kill -KILL "$linux_pid"
	wait_status "$linux_pid"
	assert_status 137
	told=$(tr -d '\r' <"$T/out")
	last=$(sed -n 's/^safe \([0-9]*\)$/\1/p' <<<"$told" | tail -n 1)
	assert_ge "$last" 60 "records that were told"
	records 1 "$last" >"$T/expected"
	dd if="$d/raw" bs=512 skip=1 count="$last" status=none | tr -d '\0' |
		cmp - "$T/expected" || fail "$1: a record on vda is missing"
	# The journal is replayed on a copy; the image goes to the next guest.
	cp --sparse=always "$d/fs" "$T/fs"
	run e2fsck -fy "$T/fs"
	assert_le "$status" 1 "status of e2fsck"
	run debugfs -R "dump /log $T/log" "$T/fs"
	dd if="$T/log" bs=512 skip=1 count="$last" status=none | tr -d '\0' |
		cmp - "$T/expected" ||
		fail "$1: a record in the file on vdb is missing"
}

# seconds: 60
test_kill_loses_nothing_that_was_synced()
{
	local first last told d
	mount_disks 128
	d=$T/disks
	truncate -s 16M "$d/raw"
	truncate -s 32M "$d/fs"
	mkfs.ext4 -q "$d/fs"
	kill_amid mmio
	first=$last
	# No lock is left, and the guest recovers by itself.
	kill_amid pci
	out=$told
	assert_match "$out" 'mounted=EXT4-fs \(vdb\): recovery complete'
	assert_ge "$(value log | cut -d ' ' -f 1)" "$first" \
		"records that the next guest sees"
}

full_script='
head -c 12582912 /dev/urandom >/tmp/noise
echo "sum=$(md5sum </tmp/noise)"
t() { cut -d . -f 1 /proc/uptime; }
# 5 of the limit of 25 at once, the others at that rate.
from=$(t)
dd if=/dev/vdd of=/dev/null bs=4096 count=105 iflag=direct 2>/dev/null || exit 1
echo "limited=$(($(t) - from))"
from=$(t)
dd if=/dev/vda of=/dev/null bs=4096 count=105 iflag=direct 2>/dev/null || exit 1
echo "unlimited=$(($(t) - from))"
dd if=/tmp/noise of=/dev/vda bs=65536 oflag=direct 2>&1 | grep -o "dd: .*"
dd if=/dev/vda bs=65536 count=16 iflag=direct 2>/dev/null | cmp -n 1048576 - /tmp/noise && echo "report=alive"
for d in b c; do
	echo "vd$d begins"
	dd if=/tmp/noise of=/dev/vd$d bs=65536 oflag=direct conv=fsync 2>/dev/null
	echo "vd$d=$?"
done
echo 3 >/proc/sys/vm/drop_caches
for d in b c; do
	echo "read_vd$d=$(head -c 12582912 /dev/vd$d | md5sum)"
done
dmesg | grep "I/O error" | sed "s/^.*dev \(vd.\).*/error_of=\1/" | sort -u
'

# The CPU ticks of all threads.
all_ticks()
{
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086 # words
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

paused() { [ "$(grep -c 'guest is paused' "$T/err")" -ge "$1" ]; }

# go_on COUNT DISK: after the message number COUNT, about DISK, make room.
go_on()
{
	local ticks
	wait_for 60 "pause number $1" paused "$1"
	assert_match "$(grep 'guest is paused' "$T/err" | tail -n 1)" \
		"disk $2: .*[Nn]o space.*kill -CONT $linux_pid"
	# Nothing runs now.
	ticks=$(all_ticks "$linux_pid")
	sleep 1
	assert_le $(($(all_ticks "$linux_pid") - ticks)) 20 \
		"clock ticks in a second of pause"
	if [ "$3" = room ]; then
		mount -o remount,size=64M "$4"
	elif [ "$3" = rm ]; then
		rm "$4"
	fi
	kill -CONT "$linux_pid"
}

host_without_space()
{
	local d=$T/disks i
	mount_disks 24
	for i in small-1 small-2; do
		mkdir "$T/$i"
		mount -t tmpfs -o size=8M tmpfs "$T/$i"
		truncate -s 16M "$T/$i/image"
	done
	truncate -s 16M "$d/image"
	head -c 12582912 /dev/zero >"$d/ballast"
	truncate -s 1M "$T/limited"
	start_linux "$full_script" --transport "$1" \
		--disk "$T/small-1/image,cache=writeback" \
		--disk "$T/small-2/image,cache=writeback,werror=stop" \
		--disk "$d/image,cache=none,werror=stop" \
		--disk "$T/limited,cache=writeback,iops=25,iops-burst=5" \
		--stats "$T/stats"
	heard 90 'vdb begins'
	# Continued without space it stops again.
	go_on 1 vdb nothing
	go_on 2 vdb room "$T/small-2"
	heard 60 'vdc begins'
	go_on 3 vdc rm "$d/ballast"
	end_linux
	assert_status 0
	assert_has "$out" 'hull-init: script exited 0'
	assert_calm
	assert_match "$out" "error writing '/dev/vda': (Input/output error|No space)"
	assert_eq "$(value report)" alive "the guest after the error"
	for i in b c; do
		assert_eq "$(value "vd$i")" 0 "status of dd to vd$i"
		assert_eq "$(value "read_vd$i")" "$(value sum)" "data of vd$i"
	done
	assert_eq "$(grep '^error_of=' <<<"$out")" error_of=vda
	assert_eq "$(head -c 12582912 "$T/small-2/image" | md5sum)" \
		"$(value sum)"
	assert_eq "$(head -c 12582912 "$d/image" | md5sum)" "$(value sum)"
	# 100 requests at 25 a second; the clock has whole seconds.
	assert_ge "$(value limited)" 3 "seconds with the limit"
	# As slow as the machine may be, the limit adds no more than itself.
	assert_le "$(($(value limited) - $(value unlimited)))" 15 \
		"seconds that the limit adds"
	assert_eq "$(jq -r '.devices[] | select(.type == "blk") |
		.queues[0].throttled > 0' "$T/stats" | tr '\n' ' ')" \
		'false false false true ' "disks that a limit held back"
}

# seconds: 60
test_host_without_space_pci() { host_without_space pci; }

# seconds: 60
test_host_without_space_mmio() { host_without_space mmio; }

# --- who may use it ----------------------------------------------------------------

# where: host-kvm
# root: no
# seconds: 8
test_two_writers_of_one_image()
{
	local image=$T/image kind
	noise_file "$image" 4
	sum_of "$image" >"$T/before"
	spin_on "$image,cache=writeback"
	for kind in '' ,ro; do
		tiny exit --disk "$image,cache=writeback$kind"
		assert_refused 2 "$image" "process $holder\b" ',ro'
	done
	# Another name of it is no way around.
	ln "$image" "$T/other"
	tiny exit --disk "$T/other,cache=writeback"
	assert_refused 2 "$T/other" "process $holder\b"
	kill -KILL "$holder"
	wait_status "$holder"
	tiny exit --disk "$image,cache=writeback"
	assert_passed
	# Readers share it, and keep a writer out.
	spin_on "$image,cache=writeback,ro"
	tiny exit --disk "$image,cache=writeback,ro"
	assert_passed
	tiny exit --disk "$image,cache=writeback"
	assert_refused 2 "$image" "process $holder\b"
	kill -INT "$holder"
	wait_status "$holder"
	# Twice in one guest is the same.
	tiny exit --disk "$image,cache=writeback" \
		--disk "$image,cache=writeback"
	assert_refused 2 "$image" twice
	tiny exit --disk "$image,cache=writeback,ro" \
		--disk "$image,cache=writeback,ro"
	assert_passed
	assert_eq "$(sum_of "$image")" "$(<"$T/before")" "the image"
}
