# Users and groups by name, as the container's own files have them.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 5

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

make_users()
{
	make_rootfs
	cat >"$T/rootfs/etc/passwd" <<-X
	# no line
	root:x:0:0:root:/root:/bin/sh
	broken
	web:x:no:7::/:
	web:x:33:44:the server:/srv/web:/bin/sh
	far:x:34:45::relative:/bin/sh
	alike:x:4294967295:1::/:
	X
	cat >"$T/rootfs/etc/group" <<-X
	root:x:0:
	www:x:44:other
	log:x:50:root,web
	webs:x:51:webber
	disk:x:52:web
	web:x:60:
	X
}

ids='echo $(id -u) $(id -g) $(grep Groups: /proc/self/status) $HOME'

# as USER [OPTION...]: what a container that is launched as USER says of itself.
as() { ct launch "$T/rootfs" "$C" --attach --rm --user "$@" -- sh -c "$ids"; }

test_names_in_launch_and_exec()
{
	make_users
	local user want
	while read -r user want; do
		as "$user"
		assert_status 0
		assert_eq "$out" "$want" "--user $user"
	done <<-X
	web 33 44 Groups: 50 52 /srv/web
	web:www 33 44 Groups: /srv/web
	web:web 33 60 Groups: /srv/web
	web:9 33 9 Groups: /srv/web
	33 33 44 Groups: 50 52 /srv/web
	33:web 33 60 Groups: /srv/web
	far 34 45 Groups: /
	8 8 0 Groups: /
	0 0 0 Groups: 50 /root
	X
	as web -e HOME=/mine
	assert_eq "$out" '33 44 Groups: 50 52 /mine'
	as :web
	refused_ct 'a user is USER or USER:GROUP, not ":web"'
	as alike
	refused_ct 'the user "alike" is not in'
	ct launch "$T/rootfs" "$C" -u far -- sleep 1000
	while read -r user want; do
		ct exec -u "$user" "$C" sh -c "$ids"
		assert_status 0
		assert_eq "$out" "$want" "exec --user $user"
	done <<-X
	web 33 44 Groups: 50 52 /srv/web
	web:log 33 50 Groups: /srv/web
	8 8 45 Groups: /
	root 0 0 Groups: 50 /root
	X
	ct exec "$C" sh -c "$ids"
	assert_eq "$out" '34 45 Groups: /'
	ct exec -u web -e HOME=/mine "$C" sh -c "$ids; env | grep -c ^HOME="
	assert_eq "$out" $'33 44 Groups: 50 52 /mine\n1'
	# What has changed inside counts; a name in the image is taken from it.
	ct exec -u 0 "$C" sh -c 'echo new:x:70:71::/new: >>/etc/passwd'
	ct exec -u new "$C" sh -c "$ids"
	assert_eq "$out" '70 71 Groups: /new'
	ct exec -u none "$C" true
	refused_ct '\-\-user: the user "none" is not in /etc/passwd of the container'
	ct exec -u web:none "$C" true
	refused_ct '\-\-user: the group "none" is not in /etc/group of the container'
	ct exec -u web: "$C" true
	refused_ct 'a user is USER or USER:GROUP, not "web:"'
}

test_hostile_files()
{
	make_users
	local passwd=$T/rootfs/etc/passwd kept=$T/kept
	mv "$passwd" "$kept"
	as 5:6
	assert_eq "$out" '5 6 Groups: /' 'without a file'
	# A link to the host's own file leads to one of the container.
	echo 'stolen:x:1:2::/:' >"$T/host"
	ln -s "$T/host" "$passwd"
	as stolen
	refused_ct 'the user "stolen" is not in'
	ln -sf ../../../../../../../etc/real "$passwd"
	cp "$kept" "$T/rootfs/etc/real"
	as web
	assert_eq "$out" '33 44 Groups: 50 52 /srv/web' 'a link within'
	ln -sf passwd "$passwd"
	as web
	refused_ct 'cannot open /etc/passwd of the container'
	rm "$passwd"
	mkfifo "$passwd"
	run timeout 5 "$HULL_CT" --root "$CT_ROOT" launch "$T/rootfs" "$C" -u web -- true
	refused_ct '/etc/passwd of the container is no file'
	rm "$passwd"
	mknod "$passwd" c 1 5
	as web
	refused_ct '/etc/passwd of the container is no file'
	rm "$passwd"
	cp "$kept" "$passwd"
	truncate -s 1T "$passwd"
	as none
	refused_ct '/etc/passwd of the container is larger than 4 MiB'
	cp "$kept" "$passwd"
	seq 1000 1300 | sed 's/.*/g&:x:&:web/' >"$T/rootfs/etc/group"
	as web
	refused_ct '"web" is in more than 256 groups'
	seq 1001 1256 | sed 's/.*/g&:x:&:web/' >"$T/rootfs/etc/group"
	ct launch "$T/rootfs" "$C" --attach --rm --user web -- sh -c \
		'grep Groups: /proc/self/status | wc -w'
	assert_eq "$out" 257
	# In a container that runs, too.
	rm -f "$T/rootfs/etc/group"
	ct launch "$T/rootfs" "$C" -- sleep 1000
	ct exec "$C" sh -c 'rm /etc/passwd; mkfifo /etc/passwd'
	run timeout 5 "$HULL_CT" --root "$CT_ROOT" exec -u web "$C" true
	refused_ct '/etc/passwd of the container is no file'
	ct exec "$C" sh -c 'rm /etc/passwd; ln -s /proc/1/root/etc/shadow /etc/passwd'
	ct exec -u web "$C" true
	refused_ct 'cannot open /etc/passwd of the container'
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
}

test_name_in_an_image()
{
	make_users
	tar -C "$T/rootfs" -cf "$T/layer.tar" .
	local digest size
	mkdir -p "$T/oci/blobs/sha256"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$T/oci/oci-layout"
	add() {
		digest=sha256:$(sha256sum <"$1" | cut -d ' ' -f 1)
		size=$(stat -c %s "$1")
		cp "$1" "$T/oci/blobs/sha256/${digest#*:}"
	}
	add "$T/layer.tar"
	jq -n '{ architecture: "amd64", os: "linux", config: { User: "web",
		Entrypoint: ["sh", "-c"], Cmd: ["'"${ids//\"/}"'"] } }' >"$T/config"
	jq -n --arg d "$digest" --argjson s "$size" '[{ digest: $d, size: $s,
		mediaType: "application/vnd.oci.image.layer.v1.tar" }]' >"$T/layers"
	add "$T/config"
	jq --arg d "$digest" --argjson s "$size" '{ schemaVersion: 2, layers: .,
		config: { digest: $d, size: $s,
		mediaType: "application/vnd.oci.image.config.v1+json" } }' \
		"$T/layers" >"$T/manifest"
	add "$T/manifest"
	jq -n --arg d "$digest" --argjson s "$size" '{ schemaVersion: 2,
		manifests: [{ digest: $d, size: $s,
		mediaType: "application/vnd.oci.image.manifest.v1+json" }] }' \
		>"$T/oci/index.json"
	ct launch "$T/oci" "$C" --attach --rm
	assert_status 0
	assert_eq "$out" '33 44 Groups: 50 52 /srv/web'
	as 0
	ct launch "$T/oci" "$C" --attach --rm -u root
	assert_eq "$out" '0 0 Groups: 50 /root'
}

# with_ids SUBUID SUBGID: hull-ct sees these lines, with blanks between.
with_ids()
{
	tr ' ' '\n' <<<"$1" >"$T/subuid"
	tr ' ' '\n' <<<"$2" >"$T/subgid"
	printf '#!/bin/sh\nexec unshare --mount sh -c '\''%s && %s && exec %s "$@"'\'' sh "$@"\n' \
		"mount --bind $T/subuid /etc/subuid" \
		"mount --bind $T/subgid /etc/subgid" "$REAL" >"$T/hull-ct"
	chmod +x "$T/hull-ct"
	HULL_CT=$T/hull-ct
}

# next NAME: the IDs that a new container of that name sees itself with.
next() { ct launch "$T/rootfs" "$1" --attach -- awk '{ print $2, $3 }' /proc/self/uid_map /proc/self/gid_map; }

test_ranges_of_the_host()
{
	make_rootfs
	REAL=$HULL_CT
	need_program newuidmap uidmap
	# Nothing is root's: a range of ours, beside those of others.
	with_ids 'al:100000:65536 be:1879048192:10' 'al:100000:65536 x y:z 1:1879113728:70000'
	next "$C-a"
	assert_eq "$out" $'1879244800 65536\n1879244800 65536'
	# What root has in both files, whole and each container for itself.
	with_ids 'al:100000:65536 root:300000:65535 root:400000:200000 0:800000:65536' \
		'root:300000:65536 root:465536:65536 root:800000:70000'
	next "$C-b"
	assert_eq "$out" $'465536 65536\n465536 65536'
	next "$C-c"
	assert_eq "$out" $'800000 65536\n800000 65536'
	next "$C-d"
	refused_ct '/etc/subuid and /etc/subgid both give to root, no 65536 IDs are left'
	ct destroy "$C-b"
	ct clone "$C-c" "$C-e"
	assert_status 0
	assert_eq "$(jq .linux.uidMappings[0].hostID "$(home_of "$C-e")/config.json")" 465536
	# One that is there keeps its own, whatever the files say now.
	with_ids 'root:600000:65536' 'root:600000:65536'
	ct start "$C-c"
	assert_status 0
	wait_for 5 end grep -q exitStatus "$(home_of "$C-c")/last.json"
	assert_eq "$(tail -n 1 "$(home_of "$C-c")/log")" '800000 65536'
	next "$C-f"
	assert_eq "$out" $'600000 65536\n600000 65536'
	with_ids 'root:600000:65536' 'al:600000:65536'
	next "$C-g"
	refused_ct 'both give to root'
}
