# Containers in a container: launch --nesting.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 3

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# What nesting opens, and what it does not.
test_what_it_opens()
{
	make_rootfs
	cp "$TOOLS/filter_probe" "$T/rootfs/bin/probe"
	launch --attach --rm -- sh -c 'probe; grep -c "/proc/\|/sys/firmware" /proc/self/mounts'
	assert_status 0
	assert_has "$out" 'unshare ENOSYS'
	assert_ge "$(tail -n 1 "$T/out")" 5 'masked paths'
	launch --attach --rm --nesting -- sh -c 'probe
		grep -c "/proc/\|/sys/firmware" /proc/self/mounts
		mkdir /sys/fs/cgroup/own && echo own
		cat /proc/kcore; echo b >/proc/sysrq-trigger; echo 1 >/proc/sys/vm/swappiness
		grep Cap[PB] /proc/self/status'
	assert_status 0
	# Typing into a terminal and other machines stay out of reach.
	assert_match "$out" $'\nbpf E(INVAL|PERM)\n' 'up to the kernel'
	assert_eq "$(grep -vE 'Cap|bpf' "$T/out")" 'tiocsti ENOSYS
tiocsti-high ENOSYS
other-ioctl EBADF
unshare allowed
clone-user EPERM
clone3 EINVAL
unknown ENOSYS
vsock ENOSYS
0
own'
	# The host's files are its root's.
	assert_match "$err" "/proc/kcore'?: (Permission denied|No such file)"
	assert_match "$err" "/proc/sysrq-trigger: (Permission denied|nonexistent)"
	assert_match "$err" "/proc/sys/vm/swappiness: Permission denied"
	# CAP_SYS_ADMIN, and not CAP_SYS_MODULE, CAP_SYS_RAWIO or CAP_SYS_TIME.
	local bounding
	bounding=$(sed -n 's/^CapBnd:[^0-9a-f]*//p' "$T/out")
	assert_eq $((0x$bounding >> 21 & 1)) 1
	assert_eq $((0x$bounding & (1 << 16 | 1 << 17 | 1 << 25))) 0
	launch --nesting --privileged -- true
	refused_ct '\-\-nesting and --privileged exclude'
	launch --nesting --vm -- true
	refused_ct '\-\-nesting and --vm exclude'
}

# make_nest: a root filesystem with hull-ct, a bundle and another root in it.
make_nest()
{
	local bundle=$T/rootfs/bundle inner=$T/rootfs/inner
	make_rootfs
	mkdir -p "$bundle/rootfs/bin" "$inner/bin" "$T/rootfs/store"
	cp "$HULL_CT" "${HULL_CT%/*}/hull-unpack" "$T/rootfs/bin"
	cp "$T/rootfs/bin/busybox" "$bundle/rootfs/bin/sh"
	cp "$T/rootfs/bin/busybox" "$inner/bin"
	"$inner/bin/busybox" --install "$inner/bin"
	touch "$inner/mark"
	"$HULL_CT" spec --bundle "$bundle"
	jq '.process.args = ["sh", "-c", "read -r a b c </proc/self/uid_map; echo bundle $a $b $c"] |
		.linux.uidMappings[0] += { hostID: 1000, size: 5000 } |
		.linux.gidMappings[0] += { hostID: 1000, size: 5000 }' \
		"$bundle/config.json" >"$T/config"
	cp "$T/config" "$bundle/config.json"
	chmod -R go+rX "$T/rootfs"
	chown -R 1000:1000 "$bundle/rootfs"
}

# The same program inside: by bundle, with one more user namespace, and by
# launch: in a folder, with layers above it, and as a copy, where the files of a
# container are on an overlay that cannot carry another one.
test_hull_ct_inside()
{
	make_nest
	launch --attach --nesting -- sh -c '
		hull-ct run --bundle /bundle one; echo $?
		hull-ct launch /inner two --in-place --attach --rm -- \
			sh -c "rm /mark; touch /new; stat -c %u /new; grep -c . /proc/self/uid_map; exit 4"
		echo $?; ls /inner
		mount -t tmpfs -o mode=700 store /store
		hull-ct --store /store launch /inner three --pids 99 -- sleep 1000 2>&1 |
			grep -c "three\|pids controller\|processes live in it"
		hull-ct --store /store destroy --force three 2>/dev/null
		hull-ct --store /store launch /inner three -- sleep 1000
		hull-ct --store /store exec three sh -c "rm /new; id -u; hostname"
		hull-ct --store /store stop --timeout 0 three; hull-ct --store /store destroy three
		ls /inner; hull-ct list -q
		hull-ct launch /inner four -- sleep 1000
		hull-ct exec four sh -c "rm /new; touch /bin/x; stat -c %u /bin/busybox; ls /"
		hull-ct snapshot create four s 2>&1 | grep -c running
		hull-ct stop --timeout 0 four; hull-ct snapshot create four s 2>&1 | grep -c itself
		ls /var/lib/hull-ct/layers; hull-ct destroy four
		ls /var/lib/hull-ct/layers; ls /inner; [ ! -e /inner/bin/x ]'
	assert_status 0
	assert_eq "$(tr -s ' ' <<<"$out")" 'bundle 0 1000 5000
0
0
1
4
bin
dev
new
proc
sys
1
three
0
three
bin
dev
new
proc
sys
four
0
bin
dev
proc
sys
1
1
s-four-copy
bin
dev
new
proc
sys'
	# Nothing of it is the host's.
	ct list -q
	assert_eq "$out" "$C"
}
