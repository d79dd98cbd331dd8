# What a hostile image or payload tries, each by the number of the hole it once
# was in a container launcher.
# shellcheck shell=bash disable=SC2154,SC2119,SC2016 # $out and its like: see run
# in harness.sh; options of make_bundle; scripts for the shell inside
# where: none
# root: yes
# seconds: 8

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"

# Nothing of the caller or of ours is open in the process that waits, nor in
# the payload.
test_no_descriptor_leaks()
{
	make_bundle
	args sleep 1000
	exec 7<"$HOME" 9>"$T/leak"
	ct create --bundle "$BUNDLE" c
	assert_status 0
	run find "/proc/$(pid_of c)/fd" -type l -printf '%f %l\n'
	assert_match "$out" 'socket'
	assert_eq "$(grep -cvE '^[012] |^[34] socket:' <<<"$out" || true)" 0 \
		"descriptors besides stdio and the start's socket"
	ct start c
	assert_status 0
	assert_eq "$(find "/proc/$(pid_of c)/fd" -type l | wc -l)" 3
	ct exec c sh -c 'ls /proc/self/fd | wc -l'
	# ls has one for the folder.
	assert_eq "$out" 4
	exec 7<&- 9>&-
}

test_preserved_descriptors_stay()
{
	make_bundle
	echo three >"$T/3"
	args sh -c 'cat <&3; ls /proc/self/fd | wc -l'
	exec 3<"$T/3"
	ct run --preserve-fds 1 --bundle "$BUNDLE" c
	exec 3<&-
	assert_status 0
	# ls has one more, for the folder.
	assert_eq "$out" "three
5"
}

# One that the caller promised and did not open is no place for ours.
test_hole_among_preserved_descriptors()
{
	make_bundle
	echo four >"$T/4"
	args sh -c 'cat <&4; ls /proc/self/fd | wc -l'
	exec 3<&- 4<"$T/4"
	ct run --preserve-fds 2 --bundle "$BUNDLE" c
	exec 4<&-
	assert_status 0
	assert_eq "$out" "four
5"
}

# Nothing of ours gets into the place of a standard file that is missing.
test_missing_standard_files()
{
	make_bundle
	args sh -c 'readlink /proc/self/fd/0; [ ! -e /proc/self/fd/3 ]'
	run sh -c '"$@" <&-' sh "$HULL_CT" --root "$CT_ROOT" run \
		--bundle "$BUNDLE" c
	assert_status 0
	assert_eq "$out" /dev/null
}

# CVE-2024-21626: a working directory reached through an open descriptor.
test_cwd_by_leaked_descriptor()
{
	make_bundle
	local fd
	for fd in 3 4 5 6 7 8 9 10; do
		config ".process.cwd = \"/proc/self/fd/$fd\""
		exec 9<"/"
		run_ct ls
		exec 9<&-
		[ "$status" -ne 0 ] || fail "it ran in /proc/self/fd/$fd: $out"
	done
}

# CVE-2019-5736: writing to the launcher through /proc/self/exe.
test_own_binary_is_out_of_reach()
{
	make_bundle
	cp "$HULL_CT" "$T/hull-ct"
	HULL_CT=$T/hull-ct
	local before
	before=$(sha256sum <"$T/hull-ct")
	# All rights that root has, and the program itself as the payload.
	config '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE",
		"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_FOWNER"]) |
		.process.noNewPrivileges = false | del(.linux.seccomp) |
		.root.readonly = false'
	args sleep 1000
	ct create --bundle "$BUNDLE" c
	assert_status 0
	local pid
	pid=$(pid_of c)
	# The waiting process is the launcher still. Who gets hold of its file
	# waits until nobody runs it (ETXTBSY) and opens it anew.
	exec 8<"/proc/$pid/exe"
	ct exec c sh -c 'echo x >>/proc/1/exe'
	[ "$status" -ne 0 ] || fail "the payload could open it"
	ct delete --force c
	run sh -c 'echo x >>/proc/self/fd/8'
	exec 8<&-
	assert_match "$err" 'Read-only file system'
	ln -sf /proc/self/exe "$ROOTFS/bin/self"
	run_ct /bin/self --version
	assert_eq "$(sha256sum <"$T/hull-ct")" "$before" "the launcher"
}

# CVE-2019-19921, CVE-2021-30465: links in the image that move mounts.
test_links_do_not_move_mounts()
{
	make_bundle
	mkdir -p "$T/outside" "$T/src"
	touch "$T/src/mark" "$T/outside/file"
	ln -s "$T/outside" "$ROOTFS/absolute"
	ln -s "../../../../../../../..$T/outside" "$ROOTFS/relative"
	ln -s "$T/outside/file" "$ROOTFS/link"
	config ".mounts += [
		{ destination: \"/absolute/a\", source: \"$T/src\", options: [\"bind\"] },
		{ destination: \"/relative/b\", type: \"tmpfs\", source: \"t\" }] |
		.root.readonly = false"
	run_ct true
	# A link that leads nowhere inside is refused, not made into a folder.
	refused_ct 'mount /absolute/a'
	mkdir -p "$ROOTFS$T/outside"
	run_ct true
	assert_status 0
	assert_eq "$(ls "$T/outside")" file "outside of the root"
	[ -d "$ROOTFS$T/outside/a" ] || fail "the mount is not inside"
	rm -rf "$ROOTFS/proc"
	ln -s /tmp "$ROOTFS/proc"
	run_ct true
	refused_ct 'mount /proc' 'not a plain folder'
}

# The same where openat2(2) is missing: walked step by step.
test_links_do_not_move_mounts_without_openat2()
{
	real=$HULL_CT
	printf '#!/bin/sh\nexec "%s" openat2 -- "%s" "$@"\n' \
		"$TOOLS/call_less" "$real" >"$T/hull-ct"
	chmod +x "$T/hull-ct"
	HULL_CT=$T/hull-ct
	ct features
	assert_eq "$(jq -r '.annotations."hull-ct.paths"' "$T/out")" \
		'step by step'
	test_links_do_not_move_mounts
	ct features
	HULL_CT=$real
	ct features
	assert_eq "$(jq -r '.annotations."hull-ct.paths"' "$T/out")" openat2
}

# CVE-2019-16884, CVE-2025-52881: the host's /proc is not what is written to,
# and where it must be, what lies over one of its files stops the walk.
test_procfs_is_private()
{
	make_bundle
	config '.linux.sysctl = { "kernel.msgmax": "9000" }'
	args cat /proc/sys/kernel/msgmax
	touch "$T/cover"
	ct features
	assert_eq "$(jq -r '.annotations."hull-ct.procfs"' "$T/out")" \
		'private mount'
	cat >"$T/covered" <<-END
		mount --bind "$T/cover" /proc/sys/kernel/msgmax
		exec "$HULL_CT" --root "$CT_ROOT" run --bundle "$BUNDLE" c
	END
	run unshare --mount sh "$T/covered"
	assert_status 0
	assert_eq "$out" 9000
	[ ! -s "$T/cover" ] || fail "what lies over /proc was written to"
	run "$TOOLS/call_less" fsopen -- "$HULL_CT" features
	assert_eq "$(jq -r '.annotations."hull-ct.procfs"' "$T/out")" \
		'/proc of the host, checked'
}

# Root of a user namespace may change mounts there, but no setting of a bind
# mount may be taken back (mount_namespaces(7), "locked").
test_bind_mounts_are_locked()
{
	make_bundle --rootless
	mkdir -p "$T/src/sub" "$T/free"
	chmod 777 "$T/src" "$T/free"
	echo data >"$T/src/file"
	mount -t tmpfs -o mode=777 below "$T/src/sub"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\" | del(.linux.seccomp) |
		.process.capabilities |= map_values([\"CAP_SYS_ADMIN\", \"CAP_DAC_OVERRIDE\"]) |
		.mounts += [
		{ destination: \"/ro\", source: \"$T/src\",
		  options: [\"rbind\", \"rro\", \"nosuid\", \"nodev\", \"noexec\"] },
		{ destination: \"/file\", source: \"$T/src/file\", options: [\"bind\", \"ro\"] },
		{ destination: \"/free\", source: \"$T/free\", options: [\"bind\"] }] |
		.root.readonly = false"
	sh_ct 'for o in rw,nosuid,nodev,noexec ro,nodev,noexec ro,nosuid,noexec \
		ro,nosuid,nodev suid,dev,exec,rw; do
		mount -o remount,bind,$o /ro
	done
	grep " /ro " /proc/self/mountinfo | cut -d " " -f 6
	mount -o remount,bind,rw /ro/sub && echo undone sub
	umount /ro/sub && echo uncovered
	mount -o remount,bind,rw /file && echo undone file
	mkdir /copy; mount -o rbind /ro /copy && echo copied && mount -o remount,bind,rw /copy &&
		echo undone copy
	touch /ro/x /ro/sub/x; echo x >>/file
	mount -o remount,bind,ro /free && mount -o remount,bind,rw /free && echo free
	touch /free/new; cat /file; umount /free && echo gone'
	assert_status 0
	assert_eq "$out" 'ro,nosuid,nodev,noexec,relatime
copied
free
data
gone'
	[ -e "$T/free/new" ] || fail "the other bind mount is not writable"
	# The host has nothing of it.
	assert_eq "$(find "$T/src" -name x)" '' "what was written"
	assert_lacks "$(cat /proc/self/mounts)" hull-ct
}

# CVE-2025-31133: what lies over a masked path comes from the host.
test_masked_paths_stay_masked()
{
	make_bundle
	config '.process.capabilities |= map_values(["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]) |
		.mounts |= map(select(.destination != "/dev")) |
		.mounts |= map(select(.destination | startswith("/dev/") | not)) |
		.linux.maskedPaths += ["/secret", "/closed"] | .root.readonly = false'
	mkdir -p "$ROOTFS/dev" "$ROOTFS/closed"
	echo hidden >"$ROOTFS/secret"
	echo hidden >"$ROOTFS/closed/file"
	# An image that brings its own /dev/null, as a link to what it wants.
	ln -s /proc/sysrq-trigger "$ROOTFS/dev/null"
	run_ct true
	refused_ct 'something else at /dev/null'
	rm "$ROOTFS/dev/null"
	sh_ct 'cat /secret /closed/file /proc/keys; ls /closed; umount /secret
		stat -c %F /secret; touch /closed/x'
	assert_lacks "$out" hidden
	assert_has "$out" 'character special file'
	assert_has "$err" '/closed/file'
	assert_match "$err" 'umount'
	assert_match "$err" '/closed/x: Read-only'
}

# An image whose root is ten thousand mounts, and a payload that makes as many:
# both come up and go (what stopped runc 1.0: opencontainers/runc issue 2532).
test_ten_thousand_mounts()
{
	make_bundle --rootless
	ln -sf busybox "$ROOTFS/bin/seq"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\" | del(.linux.seccomp) |
		.process.capabilities |= map_values([\"CAP_SYS_ADMIN\", \"CAP_DAC_OVERRIDE\"]) |
		.mounts += [{ destination: \"/m\", type: \"tmpfs\", options: [\"mode=777\"] }]"
	mkdir "$ROOTFS/m" "$ROOTFS/many"
	# Each line doubles what there is.
	local double='for i in $(seq 13); do mkdir $d/$i; mount -o rbind $d $d/$i; done'
	sh_ct "d=/m; $double; grep -c '' /proc/self/mountinfo"
	assert_status 0
	assert_ge "$out" 8192 "mounts of the payload"
	cat >"$T/many" <<-END
		d=$ROOTFS/many
		mount -t tmpfs many \$d
		${double//-o rbind/--rbind}
		exec "$HULL_CT" --root "$CT_ROOT" run --bundle "$BUNDLE" c
	END
	args sh -c 'grep -c "" /proc/self/mountinfo'
	run unshare --mount --propagation private bash "$T/many"
	assert_status 0
	assert_ge "$out" 8192 "mounts of the image"
	ct list -q
	assert_eq "$out" ''
}

# Files of the image that carry rights: set-user-ID programs (CVE-2016-9962 and
# all that begins with becoming root) and nodes of devices.
test_setuid_and_device_nodes_of_the_image()
{
	make_bundle
	cp "$TOOLS/ids" "$ROOTFS/bin/ids"
	chmod 4755 "$ROOTFS/bin/ids"
	mknod "$ROOTFS/mem" c 1 1
	mknod "$ROOTFS/loop" b 7 0
	mknod "$ROOTFS/kmsg" c 1 11
	chmod 666 "$ROOTFS/mem" "$ROOTFS/loop" "$ROOTFS/kmsg"
	config '.process.capabilities |= map_values(["CAP_MKNOD", "CAP_SYS_RAWIO",
		"CAP_DAC_OVERRIDE"]) | .root.readonly = false'
	sh_ct 'for d in mem loop kmsg; do dd if=/$d of=/dev/null count=1 && echo open; done
		mknod /own c 1 1; dd if=/own of=/dev/null count=1 && echo open'
	assert_eq "$out" ''
	assert_match "$err" "/mem'?: Operation not permitted"
	assert_match "$err" "/loop'?: Operation not permitted"
	config '.process.user = { uid: 5, gid: 5 }'
	run_ct ids
	assert_eq "$out" '5 5 0000000000000000' "with no new privileges"
	# Without, it is the image's to say, up to the bounding set.
	config '.process.noNewPrivileges = false'
	run_ct ids
	assert_eq "$out" '5 0 0000000008020002'
}

# The default filter: namespaces by clone or unshare, and typing into a
# terminal, are refused; what is unknown is not there.
test_default_filter()
{
	make_bundle
	config '.process.capabilities |= map_values(["CAP_SYS_ADMIN"])'
	sh_ct 'mount -t tmpfs t /tmp; echo $?; umount /proc; echo $?'
	assert_match "$err" 'mount'
	assert_lacks "$out" 0
	config 'del(.linux.seccomp)'
	sh_ct 'mount -t tmpfs t /tmp; echo $?'
	assert_eq "$out" 0 "mount without the filter"
	# Kept programs are used only for the profile that they were made of.
	make_bundle_again
	run_ct true
	assert_status 0
	local kept
	kept=$(find "$CT_ROOT/.filters" -type f | head -n 1)
	[ -n "$kept" ] || fail "no filter was kept"
	assert_eq "$(stat -c %a:%u "$kept")" 600:0
	printf garbage >"$kept"
	sh_ct 'grep Seccomp: /proc/self/status'
	assert_eq "$out" 'Seccomp:	2'
}

make_bundle_again()
{
	rm "$BUNDLE/config.json"
	"$HULL_CT" spec --bundle "$BUNDLE" --privileged
	config ".linux.cgroupsPath = \"$CT_GROUP/c\""
}

# Call by call; ENOSYS is for what the filter does not know.
test_default_filter_call_by_call()
{
	make_bundle
	cp "$TOOLS/filter_probe" "$ROOTFS/bin/probe"
	run_ct probe
	assert_status 0
	assert_eq "$out" "tiocsti ENOSYS
tiocsti-high ENOSYS
other-ioctl EBADF
unshare ENOSYS
clone-user ENOSYS
clone3 ENOSYS
unknown ENOSYS
vsock ENOSYS
bpf ENOSYS"
}

# CVE-2022-29162: nothing is inheritable that was not asked for; groups of the
# caller are gone (CVE-2022-2995).
test_nothing_of_the_caller_is_inherited()
{
	make_bundle
	args sh -c 'grep -E "^(CapInh|CapAmb|Groups|Sig[BI])" /proc/self/status; env'
	run setpriv --groups 4,24 --inh-caps +chown env SECRET=1 "$HULL_CT" \
		--root "$CT_ROOT" run --bundle "$BUNDLE" c
	assert_status 0
	assert_match "$out" $'Groups:\t *\nSig|Groups:\t *\nCap'
	assert_has "$out" 'CapInh:	0000000000000000'
	assert_has "$out" 'CapAmb:	0000000000000000'
	assert_lacks "$out" SECRET
}

# CVE-2025-52565 and its like: /dev/console and the terminal of the image.
test_console_links_are_not_followed()
{
	make_bundle
	config '.process.terminal = true |
		.mounts |= map(select(.destination != "/dev")) | .root.readonly = false'
	mkdir -p "$ROOTFS/dev" "$T/outside"
	echo safe >"$T/outside/target"
	ln -s "$T/outside/target" "$ROOTFS/dev/console"
	args true
	"$TOOLS/console_recv" "$T/sock" >"$T/console" 2>&1 &
	local receiver=$!
	wait_for 5 socket test -S "$T/sock"
	ct create --bundle "$BUNDLE" --console-socket "$T/sock" c
	[ "$status" -ne 0 ] || ct delete --force c
	kill "$receiver" 2>/dev/null || true
	wait "$receiver" 2>/dev/null || true
	assert_eq "$(cat "$T/outside/target")" safe
	assert_eq "$(stat -c %F "$T/outside/target")" 'regular file'
}

# A state folder that others may write to is not ours.
test_state_folder_must_be_ours()
{
	mkdir -m 777 "$CT_ROOT"
	ct list
	refused_ct 'others may write'
	chmod 700 "$CT_ROOT"
	ct list
	assert_status 0
	ct create --bundle "$T" .hidden
	refused_ct 'dot'
	ct create --bundle "$T" 'a/b'
	refused_ct 'ID'
}

test_cgroup_paths()
{
	make_bundle
	config '.linux.cgroupsPath = "/a/../../b"'
	run_ct true
	refused_ct 'linux.cgroupsPath' '\.\.'
	config '.linux.cgroupsPath = "/"'
	run_ct true
	refused_ct 'linux.cgroupsPath' 'root'
}

# The child of create has one thread, and asks for no memory between its birth
# and the payload (mmap, brk, mremap): it may hold a lock of the allocator.
test_child_never_allocates()
{
	make_bundle --rootless
	mkdir "$T/src"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\" | .hostname = \"h\" |
		.linux.sysctl = { \"net.ipv4.ip_forward\": \"1\" } |
		.mounts += [{ destination: \"/tmp\", source: \"$T/src\", options: [\"bind\", \"ro\"] }]"
	args sleep 1000
	# The numbers are x86-64's; the last but one is accept4.
	run "$TOOLS/kill_at" --child 0 "$HULL_CT" --root "$CT_ROOT" create \
		--bundle "$BUNDLE" c
	assert_eq "$(grep -xE '9|12|25' "$T/out" || true)" '' 'mmap, brk and mremap'
	assert_ge "$(wc -l <"$T/out")" 50 'calls that were seen'
	assert_has "$out" $'\n155\n' 'pivot_root'
	assert_match "$(cat "/proc/$(pid_of c)/status")" 'Threads:	1'$'\n'
	ct start c
	assert_status 0
	ct delete --force c
	# And on to the payload, which execveat or execve begins.
	args true
	run "$TOOLS/kill_at" --child 0 "$HULL_CT" --root "$CT_ROOT" run \
		--bundle "$BUNDLE" c
	sed -E '/^(59|322)$/q' "$T/out" >"$T/calls"
	assert_match "$(tail -n 1 "$T/calls")" '^(59|322)$'
	assert_eq "$(grep -xE '9|12|25' "$T/calls" || true)" '' 'mmap, brk and mremap'
}

# Mounts of a container are not its host's, also where those are shared, and
# nothing of the host's root is left in it.
test_mounts_stay_inside()
{
	make_bundle
	args sh -c 'grep -c . /proc/self/mountinfo; grep -o " / / \|shared:" /proc/self/mountinfo
		ls /proc/1/root/ | tr "\n" " "'
	cat >"$T/shared" <<-END
		mount -t tmpfs host "$T/host"
		grep -c . /proc/self/mountinfo >"$T/before"
		"$HULL_CT" --root "$CT_ROOT" create --bundle "$BUNDLE" c || exit
		grep -c . /proc/self/mountinfo >"$T/after"
		nsenter --mount="/proc/\$(jq .pid "$CT_ROOT/c/state.json")/ns/mnt" true
		"$HULL_CT" --root "$CT_ROOT" delete --force c
		exec "$HULL_CT" --root "$CT_ROOT" run --bundle "$BUNDLE" c
	END
	mkdir "$T/host"
	run unshare --mount --propagation shared sh "$T/shared"
	assert_status 0
	assert_eq "$(cat "$T/after")" "$(cat "$T/before")" "mounts of the host"
	assert_lacks "$out" shared:
	assert_lacks "$out" "$T"
	assert_match "$(tail -n 1 "$T/out")" '^bin dev .*sys '
	assert_le "$(head -n 1 "$T/out")" 40 'mounts inside'
}

# Root in a user namespace with each capability, no filter of system calls and
# nothing masked: what led out of containers with less.
test_escape_attempts()
{
	# shellcheck source=tests/integration/lib-people.sh
	. "$HERE/lib-people.sh"
	make_rootfs
	local disk pattern
	disk=$(findmnt -no MAJ:MIN / | tr : ' ')
	pattern=$(cat /proc/sys/kernel/core_pattern)
	cat >"$T/rootfs/escape" <<-END
		#!/bin/sh
		# got WHAT: an attempt that came through
		got() { echo "escaped by \$1"; }
		mkdir -p /mnt /tmp
		# CVE-2022-0811: what the kernel runs for a core
		echo '|/escape' >/proc/sys/kernel/core_pattern && got core_pattern
		echo /escape >/proc/sys/kernel/modprobe && got modprobe
		echo /escape >/sys/kernel/uevent_helper && got uevent_helper
		# CVE-2022-0492: and for an empty cgroup
		mount -t cgroup -o none,name=escape c /mnt && got cgroup
		# one of version 1 that the host has may show, as the host's root's
		mount -t cgroup -o memory c /mnt
		mkdir /mnt/own && got cgroup
		echo \$\$ >/mnt/cgroup.procs && got cgroup.procs
		echo /escape >/mnt/release_agent && got release_agent
		# the host's disk and memory
		mknod /disk b $disk && dd if=/disk of=/dev/null count=1 && got disk
		mknod /mem c 1 1 && got mem
		head -c 1 /proc/kcore && got kcore
		mount -t debugfs d /mnt && got debugfs
		mount -t securityfs s /mnt && got securityfs
		mount -t tracefs t /mnt && got tracefs
		mount -t ext4 /disk /mnt && got ext4
		# the host's kernel
		echo h >/proc/sysrq-trigger && got sysrq
		insmod /bin/busybox && got insmod
		date -s 2001-01-01
		[ "\$(date +%Y)" = 2001 ] && got time
		echo 1 >/proc/sys/vm/drop_caches && got sysctl
		# other processes, by number and by namespace
		kill -0 $$ && got kill
		ls /proc/$$ && got pid
		nsenter -t 1 -m -p cat /host-mark && got nsenter
		cat /proc/1/root/$T/mark && got root
		chroot /proc/1/root cat "$T/mark" && got chroot
		cat /proc/1/cwd/../../../..$T/mark && got cwd
		# out of its cgroup
		echo 1 >/sys/fs/cgroup/../cgroup.procs && got cgroup.procs
		echo max >/sys/fs/cgroup/memory.max && got memory.max
		# files that keep rights on the host
		cp /bin/busybox /su && chmod 6755 /su
		echo tried
	END
	echo secret >"$T/mark"
	chmod 755 "$T/rootfs/escape"
	launch --attach --nesting --cap-add ALL -- sh -c true
	assert_status 0
	jq 'del(.linux.seccomp)' "$(home_of)/config.json" >"$T/config"
	jq '.process.args = ["/escape"]' "$T/config" >"$(home_of)/config.json"
	ct start "$C"
	wait_for 20 'its end' status_now stopped
	out=$(cat "$(home_of)/log")
	assert_eq "$(grep 'escaped by' "$(home_of)/log" || true)" ''
	assert_has "$out" tried
	assert_lacks "$out" secret
	assert_eq "$(cat /proc/sys/kernel/core_pattern)" "$pattern"
	# Root's on disk, and out of everybody's reach.
	assert_eq "$(stat -c %u:%a "$(home_of)/data/upper/su")" 0:6755
	assert_eq "$(stat -c %u:%a "$STORE")" 0:700
	ct destroy "$C"
	assert_status 0
}

# Our programs carry no rights of their own, and none is asked for.
test_no_program_with_rights_of_its_own()
{
	local program
	for program in "$HULL_CT" "${HULL_CT%/*}/hull-unpack"; do
		assert_match "$(stat -c %a "$program")" '^[0-7]{3}$'
		assert_eq "$(getfattr --absolute-names -n security.capability \
			"$program" 2>/dev/null || true)" ''
	done
}
