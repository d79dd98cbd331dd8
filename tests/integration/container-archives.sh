# export and import: what goes out is what GNU tar reads, what comes in is what
# went out; cut off half-way they leave nothing.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 4

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

LONG=$(printf 'n%.0s' {1..200})

# A container that has changed, added and removed things of all kinds.
make_changed()
{
	need_program setfattr attr
	need_program setfacl acl
	need_program setcap libcap2-bin
	make_rootfs
	mkdir "$T/rootfs/opaque" "$T/rootfs/lower"
	echo old >"$T/rootfs/opaque/old"
	echo old >"$T/rootfs/lower/gone"
	ln "$T/rootfs/lower/gone" "$T/rootfs/lower/kept"
	mkdir -m 777 "$T/rootfs/d"
	launch --privileged -- sleep 1000
	assert_status 0
	ct exec "$C" sh -ec '
		rm /lower/gone
		rm -r /opaque && mkdir /opaque && echo new >/opaque/new
		cd /d; mkdir -p '"$LONG/$LONG; echo deep >$LONG/$LONG/$LONG"'
		echo u >"$(printf "\303\274")"; echo b >"$(printf "b\377d")"
		touch .wh.file; mkdir "a b"; echo x >"a b/new
line"
		echo s >suid; chown 5:6 suid; chmod 6751 suid; ln suid hard
		touch -t 200102030405.06 suid
		ln -s ../nowhere link; chown -h 7:8 link
		mkfifo fifo; mknod null c 1 3; mknod disk b 7 200
		truncate -s 1M empty
		truncate -s 9M tail; printf data | dd of=tail conv=notrunc
		truncate -s 9M middle
		printf data | dd of=middle bs=1 seek=5000000 conv=notrunc
		chmod 1555 .' 2>/dev/null
	assert_status 0
	local d
	d=$(home_of)/data/upper/d
	setfattr -n user.note -v 0x616200ff "$d/suid"
	setcap cap_net_raw+ep "$d/tail"
	setfacl -m u:9:rw "$d/middle"
}

# What a tree is, in lines. Folders' times are left out: what is unpacked into
# them changes those.
describe()
{
	(
		cd "$1/d" || exit
		find . -printf '%P %y %m %U:%G %n %l\n' | sort
		find . -type f -printf '%P %T@ %s\n' | sort
		find . -type f -exec sha256sum {} + | sort
		getfattr -R -h -d -m '^(user|security)' -e hex .
		getfacl -R -n -s .
		find . -type b -o -type c
	)
}

test_round_trip()
{
	make_changed
	"$HULL_CT" --root "$CT_ROOT" export "$C" >"$T/out.tar" || fail 'export'
	mkdir "$T/there"
	tar --xattrs --xattrs-include='*' -xpf "$T/out.tar" -C "$T/there" 2>"$T/warn"
	# It knows no name that is not ASCII by another way, and says so.
	assert_eq "$(grep -v hdrcharset "$T/warn")" ''
	# What it is in the container itself.
	local pid
	pid=$(pid_of "$C")
	diff -r --no-dereference "$T/there/d" "/proc/$pid/root/d" >"$T/diff" || :
	assert_eq "$(grep -vE 'is a (fifo|block special file|character special file) ' \
		"$T/diff")" ''
	assert_eq "$(cd "$T/there" && ls opaque lower)" $'lower:\nkept\n\nopaque:\nnew'
	[ "$(du -k "$T/there/d/empty" | cut -f 1)" -eq 0 ] || fail 'empty is not'
	[ "$(du -k "$T/there/d/tail" | cut -f 1)" -le 8 ] || fail 'a hole was filled'
	assert_eq "$(cd "$T/there" && getfattr -n user.note -e hex --only-values d/suid | od -An -tx1)" \
		' 61 62 00 ff'
	assert_has "$(getcap "$T/there/d/tail")" 'cap_net_raw=ep'
	assert_has "$(getfacl -nc "$T/there/d/middle")" 'user:9:rw-'
	assert_eq "$(stat -c '%a %u:%g %h %Y' "$T/there/d/suid")" \
		"6751 5:6 2 $(date -ud '2001-02-03 04:05:06' +%s)"
	assert_eq "$(stat -c '%F %t:%T' "$T/there/d/null")" \
		'character special file 1:3'
	# The same file in all forms, and back.
	local form tool
	for form in tar:cat tar.gz:zcat tgz:zcat tar.zst:zstdcat; do
		tool=${form#*:} form=${form%:*}
		ct export "$C" -o "$T/x.$form"
		assert_status 0
		assert_eq "$(stat -c %a "$T/x.$form")" 600
		"$tool" "$T/x.$form" | cmp - "$T/out.tar" || fail "$form"
	done
	# Device nodes are for those who may make them.
	rm "$T/there/d/null" "$T/there/d/disk"
	describe "$T/there" >"$T/want"
	ct import "$T/x.tar.zst" "$C-i" -- sh -c 'ls -A /d; id -u'
	assert_status 0
	describe "$(jq -r '.layers[0]' "$(home_of "$C-i")/home.json")" >"$T/got"
	diff "$T/want" "$T/got" || fail 'it came back changed'
	assert_has "$(cat "$T/got")" '.wh.file'
	ct destroy -f "$C"
	ct destroy -f "$C-i"
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
}

test_container_of_an_import()
{
	make_rootfs
	ct launch "$T/rootfs" "$C" --attach -- sh -c 'echo mine >/file; chown 3:4 /file'
	ct export "$C" -o "$T/x.tar"
	assert_status 0
	# From a pipe, with the options of launch; it is not started.
	run sh -c 'cat "$2" | "$0" --root "$1" import - "$3" --pids 50 -e A=b -- \
		sh -c "cat /file; stat -c %u:%g /file; echo \$A"' \
		"$HULL_CT" "$CT_ROOT" "$T/x.tar" "$C-i"
	assert_status 0
	ct info --json "$C-i"
	assert_eq "$(jq -r '.status, .limits.pids.limit' "$T/out")" $'stopped\n50'
	jq 'del(.linux.resources)' "$(home_of "$C-i")/config.json" >"$T/c"
	cp "$T/c" "$(home_of "$C-i")/config.json"
	ct start "$C-i"
	assert_status 0
	wait_for 5 end grep -q exitStatus "$(home_of "$C-i")/last.json"
	assert_eq "$(cat "$(home_of "$C-i")/log")" $'mine\n3:4\nb'
	# What nobody said is the system's own, or a shell.
	ct import "$T/x.tar" "$C-s"
	assert_eq "$(jq -c .process.args "$(home_of "$C-s")/config.json")" '["/bin/sh"]'
	mkdir -p "$T/i/usr/sbin"
	ln -s usr/sbin "$T/i/sbin"
	touch "$T/i/usr/sbin/init"
	tar -C "$T/i" -cf "$T/i.tar" .
	ct import "$T/i.tar" "$C-t"
	assert_eq "$(jq -c .process.args "$(home_of "$C-t")/config.json")" '["/sbin/init"]'
}

test_refusals()
{
	make_rootfs
	launch --attach -- true
	ct export "$C" -o "$T/x.zip"
	refused_ct 'ends with \.tar, \.tar\.gz, \.tgz or \.tar\.zst.*x\.zip'
	ct export "$C" -o "$T/none/x.tar"
	refused_ct "--output: $T/none/x.tar: .*does not exist|no such"
	ct export none -o "$T/x.tar"
	refused_ct '"none" was not launched'
	ct export "$C" -o /dev/full
	refused_ct "container $C: cannot write the archive"
	run "$TOOLS/pty_run" --timeout 10 'expect:say --output' end -- \
		"$HULL_CT" --root "$CT_ROOT" export "$C"
	assert_status 0
	# On a terminal it tells how far it is.
	run "$TOOLS/pty_run" --timeout 10 "expect:$C: 1 MiB, " end -- \
		"$HULL_CT" --root "$CT_ROOT" export "$C" -o "$T/x.tar"
	assert_status 0
	tar -tf "$T/x.tar" bin/busybox >/dev/null || fail 'no archive'
	ct import "$T/x.tar" "$C"
	refused_ct "container $C exists"
	ct import "$T/rootfs" "$C-i"
	refused_ct 'is a folder: launch makes'
	ct import "$T/x.tar"
	refused_ct 'name of the container is missing'
	ct import "$T/x.tar" "$C-i" --attach
	refused_ct 'does not run anything'
	head -c 500000 "$T/x.tar" >"$T/half.tar"
	ct import "$T/half.tar" "$C-i"
	refused_ct "archive $T/half.tar: .*damaged"
	ct import "$T/none" "$C-i"
	refused_ct 'cannot open the archive'
	run setpriv --reuid 64321 --clear-groups "$HULL_CT" --root "$T/u" export "$C" -o /dev/null
	refused_ct '/etc/subuid gives the user 64321 less than'
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
}

test_hostile_tree()
{
	make_rootfs
	# One name that is a link, a FIFO, a folder and a file in turn.
	launch -- sh -c 'mkdir /d; cd /d; while :; do
		echo x >n; ln -sf /etc/passwd n; rm n; mkfifo n; rm n; mkdir n
		rmdir n; done'
	assert_status 0
	local i
	for i in {1..10}; do
		run timeout 10 "$HULL_CT" --root "$CT_ROOT" export "$C" -o "$T/x.tar"
		assert_status 0
		assert_eq "$(tar -xOf "$T/x.tar" d/n 2>/dev/null | grep -v '^x$')" ''
	done
	ct stop "$C" -t 0
	# Deeper than any path can say.
	ct launch "$T/rootfs" "$C-d" --attach -- sh -ec 'n=$(printf "%0200d" 0)
		for t in /a /b; do
			mkdir $t; cd $t
			for i in $(seq 14); do mkdir $n; cd $n; done
		done; mv /a .'
	assert_status 0
	ct export "$C-d" -o "$T/x.tar"
	refused_ct "container $C-d: b/0{100,}.*: a path in it is longer than archives take"
}

# Held by nobody: a FIFO has no reader when writing to it does not wait.
no_reader() { ! timeout 1 dd if=/dev/zero of="$1" oflag=nonblock count=1 2>/dev/null; }

test_killed_half_way()
{
	make_rootfs
	dd if=/dev/urandom of="$T/rootfs/big" bs=1M count=32 2>/dev/null
	launch --attach -- true
	mkdir "$T/place"
	echo old >"$T/place/x.tar.gz"
	"$HULL_CT" --root "$CT_ROOT" export "$C" -o "$T/place/x.tar.gz" &
	local job=$!
	sleep 0.2
	kill -9 "$job"
	wait "$job" 2>/dev/null || :
	assert_eq "$(ls -A "$T/place"; cat "$T/place/x.tar.gz")" $'x.tar.gz\nold'
	# An import waits for more of its archive; the store is free meanwhile.
	ct export "$C" -o "$T/x.tar"
	mkfifo "$T/in"
	"$HULL_CT" --root "$CT_ROOT" import "$T/in" "$C-i" &
	job=$!
	exec 7>"$T/in"
	head -c 5000000 "$T/x.tar" >&7
	unfinished() { [ "$(find "$STORE/layers" -name '.import-*' | wc -l)" = "$1" ]; }
	wait_for 5 begin unfinished 1
	timeout 5 "$HULL_CT" --root "$CT_ROOT" clone "$C" "$C-c" || fail 'the store is held'
	# One that is going on is not swept away by another.
	ct import "$T/x.tar" "$C-j"
	assert_status 0
	unfinished 1 || fail 'it was swept away'
	kill -9 "$job"
	wait "$job" 2>/dev/null || :
	exec 7>&-
	wait_for 5 "the end of what unpacks" no_reader "$T/in"
	ct list -q
	assert_eq "$(grep -c "^$C-i$" <<<"$out")" 0
	# The next one clears away what is left, and takes the name.
	ct import "$T/x.tar" "$C-i"
	assert_status 0
	unfinished 0 || fail 'something is left'
}
