# Root filesystems with an init of a distribution. Behind lib-people.sh.
# shellcheck shell=bash disable=SC2034,SC2154,SC2016 # scripts for the shell inside

# copy_libraries PROGRAM...: the libraries they need, to the same places.
copy_libraries()
{
	# Scripts are among the programs.
	{ ldd "$@" 2>/dev/null || true; } |
		sed -nE 's/.*(=> |^\t)\/([^ ]+) .*/\2/p' | sort -u >"$T/files"
	tar -C / -ch --files-from "$T/files" | tar -C "$T/rootfs" -x
}

# The lab's filesystems cannot map IDs: one in a file that can, for images and
# for the store. Without $mapped the container gets a copy, with IDs of its own.
mapped=yes
map_ids()
{
	[ "$PLACE$mapped" = labyes ] || return 0
	need_program mkfs.ext4 e2fsprogs
	local folder
	truncate -s 200M "$T/disk.img"
	mkfs.ext4 -q -O ^has_journal "$T/disk.img"
	mkdir "$T/disk"
	mount -o loop "$T/disk.img" "$T/disk"
	for folder in "$T/rootfs" "$STORE"; do
		mkdir "$T/disk/${folder##*/}" "$folder"
		mount --bind "$T/disk/${folder##*/}" "$folder"
	done
}

# What all of them have: busybox, and the names of users.
make_distribution()
{
	map_ids
	make_rootfs
	mkdir -p "$T/rootfs"/{dev,proc,sys,run,tmp,var/log,root,sbin,usr/sbin,usr/lib}
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' \
		>"$T/rootfs/etc/passwd"
	printf 'root:x:0:\nadm:x:4:\ntty:x:5:\nnogroup:x:65534:\n' >"$T/rootfs/etc/group"
	# Programs find libraries below /lib, as in a Debian with merged /usr.
	local name
	for name in lib lib64; do
		mkdir -p "$T/rootfs/usr/$name"
		ln -sfn "usr/$name" "$T/rootfs/$name"
	done
}

# The files of Debian's package, as they are installed here.
make_systemd_root()
{
	local file name
	need_program systemctl systemd
	make_distribution
	dpkg -L systemd | grep -E '^/(usr/)?(bin|lib|sbin)/|^/usr/share/dbus-1|^/etc' |
		while read -r file; do
			[ -d "$file" ] && [ ! -L "$file" ] || printf '%s\n' "${file#/}"
		done >"$T/files"
	tar -C / -c --files-from "$T/files" | tar -C "$T/rootfs" -x
	cp /sbin/agetty "$T/rootfs/sbin"
	# What these need the others need, too.
	copy_libraries /lib/systemd/systemd /lib/systemd/systemd-update-utmp \
		/bin/systemctl /bin/journalctl /sbin/agetty
	for name in halt poweroff reboot shutdown; do
		ln -sfn /bin/systemctl "$T/rootfs/sbin/$name"
	done
	ln -sfn /lib/systemd/systemd "$T/rootfs/sbin/init"
	: >"$T/rootfs/etc/machine-id"
}

# No more of the system than what makes it one.
small_boot()
{
	local name folder=$T/rootfs/etc/systemd/system
	mkdir -p "$folder"
	ln -s /lib/systemd/system/basic.target "$folder/default.target"
	for name in systemd-{journal-flush,tmpfiles-setup,sysusers,update-utmp}.service \
		systemd-{tmpfiles-setup-dev,random-seed,sysctl}.service; do
		ln -s /dev/null "$folder/$name"
	done
}

# All programs are the host's, seen through a mount of /usr, for whoever needs
# many of them. To be launched with --mount /usr:/usr:ro.
make_usr_root()
{
	local name root=$T/rootfs
	map_ids
	mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr,var/lib,var/log,var/tmp}
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$root/$name"
	done
	ln -s ../run "$root/var/run"
	printf 'root:x:0:0::/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n' \
		>"$root/etc/passwd"
	printf 'root:x:0:\nmessagebus:x:100:\n' >"$root/etc/group"
	: >"$root/etc/machine-id"
	chmod 755 "$T"
	trap 'destroy_all; end_jobs' EXIT
	small_boot
}

# unit NAME LINE...: a service of systemd.
unit()
{
	local file=$T/rootfs/etc/systemd/system/$1.service
	shift
	mkdir -p "${file%/*}"
	printf '%s\n' "$@" >"$file"
}

# sysvinit as of Debian, with scripts that tell what it does.
make_sysvinit_root()
{
	local foreign=$BUILD/guests/foreign name
	[ -e "$foreign/sysvinit" ] ||
		fail "$foreign/sysvinit is missing; run make foreign-kernels"
	make_distribution
	cp "$foreign/sysvinit" "$T/rootfs/sbin/init"
	cp "$foreign/sysvinit-shutdown" "$T/rootfs/sbin/shutdown"
	ln -s init "$T/rootfs/sbin/telinit"
	copy_libraries "$foreign/sysvinit" "$foreign/sysvinit-shutdown"
	cat >"$T/rootfs/etc/inittab" <<-'X'
	id:2:initdefault:
	si::sysinit:/bin/echo sysinit
	l2:2:wait:/bin/sh -c '/bin/touch /run/started; /bin/echo level 2'
	r1:2:respawn:/etc/again
	l0:0:wait:/etc/down poweroff
	l6:6:wait:/etc/down reboot
	pf::powerwait:/sbin/shutdown -h now
	X
	printf '#!/bin/sh\necho x >>/run/count\necho "again $(wc -l </run/count)"\nsleep 1\n' \
		>"$T/rootfs/etc/again"
	printf '#!/bin/sh\necho going down for $1\n/bin/busybox $1 -f\n' \
		>"$T/rootfs/etc/down"
	chmod 755 "$T/rootfs/etc/again" "$T/rootfs/etc/down"
}

# A system container in which hull-ct makes containers by systemd, of the bundle
# /bundle. Who makes containers needs more of the kernel than who lives in one.
launch_nest()
{
	local bundle=$T/rootfs/bundle applet
	mkdir -p "$bundle/rootfs/bin"
	cp "$HULL_CT" "$T/rootfs/bin/hull-ct"
	cp "$(command -v busybox)" "$bundle/rootfs/bin/busybox"
	for applet in sh cat sleep true; do
		ln -s busybox "$bundle/rootfs/bin/$applet"
	done
	"$HULL_CT" spec --privileged --bundle "$bundle"
	launch_open "$@"
}

# launch_open OPTION...: a system container that may make containers.
launch_open()
{
	launch --system --nesting "$@" -- /lib/systemd/systemd
	assert_status 0
	wait_for 90 'the boot' booted
}

# bundle JQ-FILTER: changes the configuration inside.
bundle()
{
	jq "$1" "$T/rootfs/bundle/config.json" >"$T/config"
	"$HULL_CT" --root "$CT_ROOT" exec "$C" sh -c 'cat >/bundle/config.json' \
		<"$T/config"
}

# nest ARGUMENT...: hull-ct inside, with systemd as its manager.
nest() { ct exec "$C" hull-ct --systemd-cgroup "$@"; }

# property UNIT NAME: as systemd inside knows it.
property() { inside systemctl show -p "$2" --value "$1"; }
