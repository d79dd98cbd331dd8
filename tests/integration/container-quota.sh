# Quotas of launched containers, as they bite, on a filesystem that keeps them.
# Mounting one takes a machine of our own: the lab.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: cgroup2
# root: yes
# seconds: 25

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

store_on_ext4()
{
	mount -t tmpfs -o size=80m disk "$T/disk"
	truncate -s 64M "$T/disk/image"
	mkfs.ext4 -q -O quota,project "$T/disk/image"
	mount -o loop,prjquota "$T/disk/image" "$STORE"
	chmod 711 "$STORE"
	# What is below is mapped, too, which the root of the lab cannot be.
	cp -a "$T/rootfs" "$STORE/rootfs"
}

launch() { ct launch "$STORE/rootfs" "$C" "$@"; }

# disk_of KEY [NAME]
disk_of()
{
	"$HULL_CT" --root "$CT_ROOT" info --json "${2:-$C}" | jq ".disk.$1"
}

test_quota()
{
	need_program mkfs.ext4 e2fsprogs
	make_rootfs
	mkdir -p "$STORE" "$T/disk"
	ct launch "$T/rootfs" "$C" --privileged --disk-quota 10M -- true
	refused_ct '\-\-disk-quota: the filesystem keeps no quotas of projects'
	assert_eq "$(find "$STORE/containers" -mindepth 1)" '' 'what is left'
	store_on_ext4
	launch --disk-quota 2M -- sleep 1000
	assert_status 0
	ct exec "$C" sh -c 'dd if=/dev/zero of=/big bs=64k count=64; df -k / | tail -1'
	assert_match "$err" '(Disk quota exceeded|No space left on device)'
	# What df says inside is what there is.
	assert_match "$out" ' 2048 +[12][0-9]{3} '
	local first used
	used=$(disk_of used)
	[ $((used > 1800000 && used <= 2097152)) = 1 ] || fail "used: $used"
	assert_eq "$(disk_of limit)" 2097152
	ct info "$C"
	assert_match "$out" 'disk.limit +2097152'
	# Nobody inside gets out of it by another number on the file, and small
	# files count, too.
	ct exec "$C" sh -c 'chattr -p 9 /big'
	[ "$status" -ne 0 ] || fail 'the project was changed from within'
	ct exec "$C" sh -c 'echo x >/etc/x && mkdir /d && echo more >/d/more'
	[ "$status" -ne 0 ] || fail 'there was room left'
	# What a snapshot keeps still counts; a clone has its own limit.
	ct stop "$C"
	ct snapshot create "$C" one
	assert_status 0
	ct clone "$C" "$C-b"
	assert_status 0
	[ "$(disk_of used)" -gt 1800000 ] || fail 'the snapshot is not counted'
	[ "$(disk_of used "$C-b")" -lt 100000 ] || fail "used: $(disk_of used "$C-b")"
	assert_eq "$(disk_of limit "$C-b")" 2097152
	ct start "$C-b"
	ct exec "$C-b" sh -c 'dd if=/dev/zero of=/more bs=1M count=1'
	assert_status 0
	ct exec "$C-b" sh -c 'dd if=/dev/zero of=/yet bs=1M count=2'
	assert_match "$err" '(Disk quota exceeded|No space left on device)'
	ct destroy -f "$C-b"
	ct start "$C"
	# What is full can be emptied: it is not read-only.
	ct exec "$C" sh -c 'rm /big'
	assert_status 0
	ct exec "$C" sh -c 'echo x >/more'
	[ "$status" -ne 0 ] || fail 'the snapshot is not counted any more'
	ct stop "$C"
	first=$(jq .project "$(home_of)/home.json")
	ct destroy "$C"
	# The number is free again, when all of its files are gone.
	launch --disk-quota 20M -- sleep 1000
	assert_eq "$(jq .project "$(home_of)/home.json")" "$first"
	assert_eq "$(disk_of limit)" 20971520
	ct stop "$C"
	# A limit that would not be kept is none to start with.
	umount "$STORE"
	mount -o loop "$T/disk/image" "$STORE"
	ct start "$C"
	refused_ct "the disk quota of $C: the filesystem keeps no quotas"
	ct info --json "$C"
	assert_eq "$(jq .disk "$T/out")" null
	umount "$STORE"
	mount -o loop,prjquota "$T/disk/image" "$STORE"
	ct start "$C"
	assert_status 0
	ct destroy -f "$C"
	umount "$STORE" "$T/disk"
}
