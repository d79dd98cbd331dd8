# Shared folders as a stock Linux guest and its host see them: what one writes
# the other reads, links that lead out, a share that is read-only, drivers that
# come and go; and what the command line refuses. Boots are dear, so that one
# checks much.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# root: yes
# seconds: 60
# timeout: 240

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# /w is read and written, /g is read-only.
share_script='
mount_both() { mount -t virtiofs work /w && mount -t virtiofs given.1 /g; }
refused() {
	local what=$1
	shift
	"$@" 2>/tmp/why && echo "$what=done" || echo "$what=$(sed "s/.*: //" /tmp/why)"
}
mkdir -p /w /g
mount -t virtiofs nobody /w 2>/dev/null && echo "unknown_tag=mounted"
mount_both || exit 1
grep -c " virtiofs " /proc/mounts | sed "s/^/mounts=/"
echo "u:x:1000:1001::/:/bin/sh" >>/etc/passwd

# What the host wrote.
echo "from_host=$(cat /w/from-host)"
echo "read=$(sha256sum </g/noise)"
echo "names=$(ls /g/many | wc -l)"
echo "lines=$(ls -l /g/many | grep -c " 5 .* file-")"
echo "link=$(readlink /g/link)"
cmp /g/link /etc/passwd && echo "link_leads=within the guest"
ls /g/up >/dev/null 2>&1 && ls /g/up/.. | grep -q hull && echo "up=outside"
[ -p /g/pipe ] && echo "pipe=$(cat /g/pipe & echo through >/g/pipe; wait)"
echo "ids=$(stat -c "%u %g %a" /g/owned)"

# What the guest writes.
cd /w
head -c 4194304 /dev/urandom >noise
echo "written=$(sha256sum <noise)"
cp /g/noise copy
cmp copy /g/noise && echo "copy=right"
mkdir -p a/b
echo one >a/one
echo two >>a/one
mv a/one a/b/two
mkdir gone && rmdir gone
echo x >unlinked
exec 7<unlinked
rm unlinked
read x <&7 && echo "unlinked=$x"
exec 7<&-
ln -s /etc/passwd a/link
ln -s ../../.. a/up
ln a/b/two a/hard
echo "links=$(stat -c %h a/hard)"
chmod 4751 a/hard
chown 1000:1001 a/hard
echo "mode=$(stat -c "%u:%g %a" a/hard)"
touch -d "2001-02-03 04:05:06" a/hard
mkdir -m 777 open
umask 027
su u -c "echo mine >/w/open/mine; mkdir /w/open/folder"
umask 022
truncate -s 1000000 a/sparse
fallocate -l 100000 a/full
mkfifo a/pipe
refused device mknod a/null c 1 3
cp /bin/busybox busybox
./busybox echo "ran=from the share"
setfattr -n user.color -v red a/hard
echo "color=$(getfattr --only-values -n user.color a/hard)"
refused trusted setfattr -n trusted.color -v red a/hard
i=0
while [ $i -lt 200 ]; do : >many-$i; i=$((i + 1)); done
echo "many=$(ls | grep -c many-)"
rm many-*
df -k /w | awk "END { print \"space=\" (\$2 > 1000) }"
sync

# Read-only.
refused ro_create touch /g/new
refused ro_write dd if=/dev/zero of=/g/noise bs=1 count=1 conv=notrunc
refused ro_remove rm -f /g/noise
refused ro_mode chmod 777 /g/noise
refused ro_folder mkdir /g/folder
refused ro_rename mv /g/noise /g/other

# What the host changes while it is looked at.
cat from-host >/dev/null
echo "ready for the host"
until [ "$(cat from-host)" = "second text" ]; do usleep 200000; done
echo "seen=second text"

# The file system, the device and the driver go and come.
cd /
umount /w /g
mount_both || exit 1
echo "remounted=$(sha256sum </w/noise)"
for v in /sys/bus/virtio/drivers/virtiofs/virtio*; do all="$all ${v##*/}"; done
(while dd if=/w/noise of=/w/again bs=65536 2>/dev/null; do echo w >>/tmp/done; done) &
sleep 1
for v in $all; do echo $v >/sys/bus/virtio/drivers/virtiofs/unbind; done
wait
umount /w /g
for v in $all; do echo $v >/sys/bus/virtio/drivers/virtiofs/bind; done
mount_both || exit 1
echo "rebound=$(sha256sum </w/noise)"
umount /w /g
rmmod virtiofs && modprobe virtiofs && mount_both && echo "reloaded=$(sha256sum </w/noise)"
[ -s /tmp/done ] && echo "load=went on"
dmesg | grep -E "WARNING:|BUG:|Oops|Call Trace|soft lockup"
umount /w /g
'

# guest_program NAME: of this host, with its libraries, for initrd_with.
guest_program()
{
	local path file
	need_program "$1" attr
	path=$(command -v "$1")
	install -D "$path" "$T/more/bin/$1"
	while read -r file; do
		[ -e "$T/more$file" ] || install -D "$file" "$T/more$file"
	done < <(ldd "$path" | grep -o '/[^ ]*')
}

make_folders()
{
	local d=$T/disks i
	mount_disks 120
	mkdir -p "$d/work" "$d/given/many"
	echo "first text" >"$d/work/from-host"
	noise_file "$d/given/noise" 8
	for ((i = 0; i < 3000; i++)); do
		echo 4321 >"$d/given/many/file-$i"
	done
	ln -s /etc/passwd "$d/given/link"
	ln -s ../.. "$d/given/up"
	mkfifo "$d/given/pipe"
	install -o 77 -g 88 -m 640 /dev/null "$d/given/owned"
}

check_guests_view()
{
	local d=$T/disks
	assert_lacks "$out" 'unknown_tag=|up=outside'
	assert_eq "$(value mounts)" 2 "mounts"
	assert_eq "$(value from_host)" 'first text'
	assert_eq "$(value read)" "$(sha256sum <"$d/given/noise")" "data read"
	assert_eq "$(value names)" 3000 "names in a folder"
	assert_eq "$(value lines)" 3000 "files of 5 bytes in it"
	assert_eq "$(value link)" /etc/passwd
	assert_eq "$(value link_leads)" 'within the guest'
	assert_eq "$(value pipe)" through
	assert_eq "$(value ids)" '77 88 640'
	assert_eq "$(value copy)" right
	assert_eq "$(value unlinked)" x "a file that is open and unlinked"
	assert_eq "$(value links)" 2
	assert_eq "$(value mode)" '1000:1001 751'
	assert_eq "$(value ran)" 'from the share'
	assert_eq "$(value device)" 'Operation not permitted'
	assert_eq "$(value many)" 200
	assert_eq "$(value space)" 1
}

assert_absent()
{
	local path
	for path in "$@"; do
		[ ! -e "$path" ] || fail "there is $path"
	done
}

check_hosts_view()
{
	local d=$T/disks/work
	assert_eq "$(sha256sum <"$d/noise")" "$(value written)" "data written"
	cmp "$d/copy" "$T/disks/given/noise" || fail "the copy differs"
	assert_eq "$(cat "$d/a/b/two")" $'one\ntwo'
	assert_absent "$d/a/one" "$d/gone" "$d/unlinked" "$d/a/null"
	assert_eq "$(readlink "$d/a/link") $(readlink "$d/a/up")" \
		'/etc/passwd ../../..'
	assert_eq "$(stat -c '%h %u %g %a %Y' "$d/a/hard")" \
		"2 1000 1001 751 $(TZ=UTC date -d '2001-02-03 04:05:06' +%s)"
	assert_eq "$(stat -c '%u %g %a' "$d/open/mine")" '1000 1001 640'
	assert_eq "$(stat -c '%u %g %a' "$d/open/folder")" '1000 1001 750'
	assert_eq "$(stat -c '%u %s' "$d/a/sparse")" '0 1000000'
	assert_eq "$(stat -c '%s' "$d/a/full")" 100000
	[ -p "$d/a/pipe" ] || fail "no pipe"
}

check_read_only()
{
	local what
	for what in create write remove mode folder rename; do
		assert_eq "$(value ro_$what)" 'Read-only file system' "ro_$what"
	done
	assert_eq "$(sha256sum <"$T/disks/given/noise")" "$1" \
		"a file that is shared read-only"
	assert_absent "$T/disks/given/new" "$T/disks/given/folder" \
		"$T/disks/given/other"
}

# share_folders TRANSPORT
share_folders()
{
	local d=$T/disks sum what
	make_folders
	sum=$(sha256sum <"$d/given/noise")
	mkdir "$T/more"
	guest_program setfattr
	guest_program getfattr
	start_linux "$share_script" --transport "$1" \
		--share "$d/work,tag=work" --share "$d/given,tag=given.1,ro" \
		--stats "$T/stats"
	heard 300 'ready for the host'
	echo "second text" >"$d/work/from-host"
	end_linux
	assert_status 0
	check_guests_view
	check_hosts_view
	check_read_only "$sum"
	assert_eq "$(value seen)" 'second text'
	for what in remounted rebound reloaded; do
		assert_eq "$(value $what)" "$(value written)" "$what"
	done
	assert_eq "$(value load)" 'went on'
	assert_eq "$(value color)" red
	assert_eq "$(value trusted)" 'Operation not supported'
	assert_match "$(tr -d '\n ' <"$T/stats")" \
		'"name":"given.1","type":"fs",.*"requests":[1-9]'
	assert_calm
	umount "$d"
}

test_share_pci() { share_folders pci; }

test_share_mmio() { share_folders mmio; }

# --- load ----------------------------------------------------------------------

# Six processes with trees of their own in three folders, while the guest is made
# to forget whatever it need not know.
load_script='
work() {
	local i=0 f
	while [ $i -lt 2 ]; do
		mkdir -p $1/$2/a/b/c || echo "failed=mkdir $1"
		cp /bin/busybox $1/$2/a/bb || echo "failed=cp $1"
		cmp /bin/busybox $1/$2/a/bb || echo "failed=cmp $1"
		for f in 1 2 3 4 5 6 7 8 9; do echo $2$f >$1/$2/a/b/$f; ln -s $f $1/$2/a/b/l$f; done
		tar -C $1/$2 -cf $1/$2/t.tar a || echo "failed=tar $1"
		mkdir $1/$2/x
		tar -C $1/$2/x -xf $1/$2/t.tar || echo "failed=untar $1"
		[ "$(cat $1/$2/x/a/b/l5)" = ${2}5 ] || echo "failed=content $1"
		mv $1/$2/x $1/$2-moved || echo "failed=mv $1"
		[ "$(find $1/$2-moved | wc -l)" = 23 ] || echo "failed=find $1"
		rm -r $1/$2 $1/$2-moved || echo "failed=rm $1"
		i=$((i + 1))
	done
	echo "$2 is done" >$1/$2
}
for t in auto never always; do
	mkdir -p /$t
	mount -t virtiofs $t /$t || exit 1
done
(while [ ! -e /tmp/stop ]; do echo 3 >/proc/sys/vm/drop_caches; usleep 100000; done) &
for t in auto never always; do
	for n in p q; do
		(work /$t $n; echo $t$n >>/tmp/done) &
	done
done
until [ "$(wc -l 2>/dev/null </tmp/done)" = 6 ]; do usleep 200000; done
touch /tmp/stop
wait
umount /auto /never /always && echo "ended=all"
'

# seconds: 70
test_share_load()
{
	local t forgets
	mkdir "$T/auto" "$T/never" "$T/always"
	start_linux "$load_script" --cpus 2 --share "$T/auto,tag=auto" \
		--share "$T/never,tag=never,cache=never" \
		--share "$T/always,tag=always,cache=always" --stats "$T/stats"
	end_linux
	assert_status 0
	assert_lacks "$out" 'failed='
	assert_eq "$(value ended)" all
	for t in auto never always; do
		assert_eq "$(cd "$T/$t" && find . -type f | sort | xargs)" './p ./q'
		assert_eq "$(cat "$T/$t/p" "$T/$t/q")" $'p is done\nq is done'
		# The queue of high priority has had work.
		forgets=$(jq ".devices[] | select(.name == \"$t\") | .queues[0].kicks" \
			"$T/stats")
		assert_ge "$forgets" 20 "kicks to forget"
	done
	assert_calm
}

# --- without rights ------------------------------------------------------------

plain_script='
mkdir -p /w /g
mount -t virtiofs work /w && mount -t virtiofs given /g || exit 1
echo "u:x:1000:1001::/:/bin/sh" >>/etc/passwd
mkdir -m 777 /w/open
su u -c "echo mine >/w/open/mine" && echo "mine=$(cat /w/open/mine)"
chown 1000 /w/open/mine 2>&1 | sed "s/.*: /chown=/"
touch /g/new 2>&1 | sed "s/.*: /ro_create=/"
sh -c "echo more >>/g/text" 2>&1 | sed "s/.*: /ro_write=/"
echo "text=$(cat /g/text)"
umount /w /g
'

# Without any capability, as for an ordinary user: no mount that is read-only,
# and no file for somebody else.
# seconds: 40
test_share_without_capabilities()
{
	printf '#!/bin/sh\nexec setpriv --bounding-set -all --inh-caps -all "%s" "$@"\n' \
		"$HULL" >"$T/hull"
	chmod +x "$T/hull"
	mkdir "$T/work" "$T/given"
	echo given >"$T/given/text"
	HULL=$T/hull start_linux "$plain_script" --share "$T/work,tag=work" \
		--share "$T/given,tag=given,ro" --verbose
	end_linux
	assert_status 0
	assert_has "$err" 'read-only is held by hull alone'
	assert_eq "$(value mine)" mine
	assert_eq "$(stat -c '%u %a' "$T/work/open/mine")" "$(id -u) 644"
	assert_eq "$(value chown)" 'Operation not permitted'
	assert_eq "$(value ro_create)" 'Read-only file system'
	assert_eq "$(value ro_write)" 'Read-only file system'
	assert_eq "$(value text)" given
	assert_absent "$T/given/new"
	assert_calm
}

# --- what is refused -----------------------------------------------------------

# refused_share OPTION REGEX...
refused_share()
{
	local option=$1
	shift
	run "$HULL" run --kernel "$GUESTS/exit.elf" --share "$option"
	assert_refused 2 "$@"
}

# where: host-kvm
# timeout: 60
test_share_command_lines()
{
	local long=0123456789012345678901234567890123456
	mkdir "$T/d" "$T/e"
	echo text >"$T/file"
	refused_share '' share
	refused_share "$T/d" share tag
	refused_share "$T/d,tag=" tag empty
	refused_share "$T/d,tag=$long" tag 36
	refused_share "$T/nowhere,tag=t" share "$T/nowhere" 'no such file'
	refused_share "$T/file,tag=t" share "$T/file" 'not a folder'
	refused_share "$T/d,tag=t,tag=u" tag
	refused_share "$T/d,tag=t,color=red" color
	refused_share "$T/d,tag=t,ro=perhaps" perhaps
	refused_share "$T/d,tag=t,cache=sometimes" sometimes
	run "$HULL" run --kernel "$GUESTS/exit.elf" --share "$T/d,tag=t" \
		--share "$T/e,tag=t"
	assert_refused 2 "$T/e" "$T/d" 'tag t already'
	# As it is told, it is taken back.
	run "$HULL" run --kernel k --share "$T/d,tag=t,ro" \
		--share "$T/e,tag=u,cache=never" --print-config
	assert_status 0
	assert_eq "$(jq -c .share <<<"$out")" "[{\"path\":\"$T/d\",\"tag\":\"t\",\"ro\":true,\"cache\":\"auto\"},{\"path\":\"$T/e\",\"tag\":\"u\",\"ro\":false,\"cache\":\"never\"}]"
	printf '%s\n' "$out" >"$T/config"
	run "$HULL" run --config "$T/config" --print-config
	assert_eq "$out" "$(cat "$T/config")"
	# Many, and each with a thread of its own beside shared ones.
	run "$HULL" run --kernel "$GUESTS/exit.elf" --iothreads 1 \
		--share "$T/d,tag=${long:1}" --share "$T/d,tag=u,ro" \
		--share "$T/e,tag=v,cache=always"
	assert_passed
}
