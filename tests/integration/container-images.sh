# Images: folders, tar archives and OCI layouts as root filesystems, hostile
# ones among them; clones and snapshots.
# shellcheck shell=bash disable=SC2154,SC2016,SC2119 # $out and its like: see
# run in harness.sh; scripts for the shell inside; home_of without an argument
# where: none
# root: yes
# seconds: 6

# shellcheck source=tests/integration/lib-container.sh
. "$HERE/lib-container.sh"
# shellcheck source=tests/integration/lib-people.sh
. "$HERE/lib-people.sh"

# blob FILE: puts it into the layout, prints its descriptor.
blob()
{
	local digest
	digest=$(sha256sum <"$1" | cut -d ' ' -f 1)
	cp "$1" "$T/oci/blobs/sha256/$digest"
	printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' \
		"$2" "$digest" "$(stat -c %s "$1")"
}

# make_layout REF LAYER-TAR...: an OCI layout of one image.
make_layout()
{
	local ref=$1 layers=() layer list
	shift
	mkdir -p "$T/oci/blobs/sha256"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$T/oci/oci-layout"
	cat >"$T/config" <<-X
	{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},
	 "config":{"Env":["FROM=image","PATH=/bin"],"Entrypoint":["sh","-c"],
	 "Cmd":["echo \$FROM; pwd; id -u"],"WorkingDir":"/work","User":"7:8",
	 "StopSignal":"SIGINT"}}
	X
	for layer in "$@"; do
		layers+=("$(blob "$layer" application/vnd.oci.image.layer.v1.tar)")
	done
	list=$(IFS=,; echo "${layers[*]}")
	printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' \
		"$(blob "$T/config" application/vnd.oci.image.config.v1+json)" \
		"$list" >"$T/manifest"
	blob "$T/manifest" application/vnd.oci.image.manifest.v1+json |
		jq --arg ref "$ref" '.annotations["org.opencontainers.image.ref.name"] = $ref |
			{ schemaVersion: 2, manifests: [.] }' >"$T/oci/index.json"
}

base_tar() { tar -C "$T/rootfs" -cf "$T/base.tar" .; }

# in_image WORD...: runs $T/image.tar to its end.
in_image() { ct launch "$T/image.tar" "$C" --attach --rm -- "$@"; }

test_tar_of_any_compression()
{
	make_rootfs
	mkdir "$T/rootfs/s"
	echo x >"$T/rootfs/s/file"
	chown 5:6 "$T/rootfs/s/file"
	chmod 4751 "$T/rootfs/s/file"
	ln "$T/rootfs/s/file" "$T/rootfs/s/hard"
	ln -s ../s/file "$T/rootfs/s/link"
	mkfifo "$T/rootfs/s/fifo"
	mknod "$T/rootfs/s/null" c 1 3
	base_tar
	local tool
	for tool in cat gzip xz zstd bzip2; do
		need_program "$tool" "$tool"
		"$tool" <"$T/base.tar" >"$T/image.tar"
		in_image sh -c 'cd /s; stat -c "%n %a %u:%g %h" file hard
			readlink link; cat link; test -p fifo; ls'
		assert_status 0
		assert_eq "$out" 'file 4751 5:6 2
hard 4751 5:6 2
../s/file
x
fifo
file
hard
link' "$tool"
	done
	# It is unpacked once, and goes when it is told to.
	assert_eq "$(find "$STORE/layers" -mindepth 1 -maxdepth 1 | wc -l)" 5
	in_image true
	assert_eq "$(find "$STORE/layers" -mindepth 1 -maxdepth 1 | wc -l)" 5
	ct prune
	assert_status 0
	assert_eq "$(find "$STORE/layers" -mindepth 1 -maxdepth 1 | wc -l)" 0
}

test_layout_with_whiteouts()
{
	make_rootfs
	mkdir -p "$T/rootfs/a" "$T/rootfs/o/deep" "$T/two/a" "$T/two/o" "$T/rootfs/d"
	touch "$T/rootfs/a/gone" "$T/rootfs/a/kept" "$T/rootfs/o/deep/old" \
		"$T/rootfs/o/old" "$T/rootfs/d/x" "$T/rootfs/file"
	base_tar
	touch "$T/two/a/.wh.gone" "$T/two/o/new" "$T/two/.wh.d" "$T/two/a/added"
	mkdir "$T/two/file"
	touch "$T/two/file/in"
	# What makes the folder opaque stands behind what the layer has in it.
	touch "$T/two/o/.wh..wh..opq"
	(cd "$T/two" && tar -czf "$T/two.tar" a .wh.d file o/new o/.wh..wh..opq)
	make_layout first "$T/base.tar" "$T/two.tar"
	ct launch "$T/oci" "$C" --attach
	assert_status 0
	assert_eq "$out" $'image\n/work\n7'
	ct info --json "$C"
	assert_eq "$(jq .stopSignal "$T/out")" 2
	ct destroy "$C"
	ct launch "$T/oci:first" "$C" --attach --rm -u 0 -e FROM=me -- \
		'echo $FROM; ls -A /a /o /file; test -e /d || echo none'
	assert_status 0
	assert_eq "$out" 'me
/a:
added
kept

/file:
in

/o:
new
none'
	ct launch "$T/oci:second" "$C" --attach
	refused_ct "image $T/oci:second: no image second for Linux"
}

test_damaged_and_foreign_layouts()
{
	make_rootfs
	base_tar
	local blob
	make_layout first "$T/base.tar"
	blob=$T/oci/blobs/sha256/$(sha256sum <"$T/base.tar" | cut -d ' ' -f 1)
	printf x | dd of="$blob" bs=1 seek=1000 conv=notrunc 2>/dev/null
	ct launch "$T/oci" "$C" --attach
	refused_ct "layer 1: blobs/sha256/.* is damaged"
	rm "$blob"
	ln -s "$T/base.tar" "$blob"
	ct launch "$T/oci" "$C" --attach
	refused_ct "layer 1: cannot open blobs/sha256/"
	jq '.manifests[0].digest = "sha256:../../../etc/passwd"' \
		"$T/oci/index.json" >"$T/i" && mv "$T/i" "$T/oci/index.json"
	ct launch "$T/oci" "$C" --attach
	refused_ct 'is no digest of SHA-256'
	jq '.manifests[0].platform = { architecture: "arm64", os: "linux" }' \
		"$T/oci/index.json" >"$T/i" && mv "$T/i" "$T/oci/index.json"
	ct launch "$T/oci" "$C" --attach
	refused_ct 'no image for Linux on amd64'
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
}

# A file outside that none of the archives may change.
test_hostile_archives()
{
	make_rootfs
	echo safe >"$T/victim"
	local depth
	depth=$(printf '../%.0s' {1..12})
	hostile()
	{
		ct launch "$T/image.tar" "$C" --attach --rm -- true
		refused_ct "$1"
		assert_eq "$(cat "$T/victim")" safe
	}
	mkdir "$T/x"
	echo evil >"$T/x/file"
	tar -C "$T/x" -P -cf "$T/image.tar" --transform "s|^|$depth|" file
	hostile '"\.\." in a name'
	# A link that leads out, and a file that goes through it.
	ln -s "$T" "$T/x/out"
	tar -C "$T/x" -cf "$T/image.tar" out
	tar -C "$T/x" -P -rf "$T/image.tar" --transform 's|^file|out/victim|' file
	tar -C "$T/rootfs" -rf "$T/image.tar" .
	# Inside it leads nowhere, and a folder takes its place.
	ct launch "$T/image.tar" "$C" --attach --rm -- cat /out/victim
	assert_status 0
	assert_eq "$out" evil
	assert_eq "$(cat "$T/victim")" safe
	# The same by an absolute name.
	tar -C "$T/x" -P -cf "$T/image.tar" --transform "s|^file|$T/victim|" file
	tar -C "$T/rootfs" -rf "$T/image.tar" .
	ct launch "$T/image.tar" "$C" --attach --rm -- cat "$T/victim"
	assert_eq "$out" evil
	assert_eq "$(cat "$T/victim")" safe
	# A hard link to what is outside has no target.
	ln "$T/x/file" "$T/x/hard"
	tar -C "$T/x" -P -cf "$T/image.tar" \
		--transform "flags=h;s|^file|$T/victim|" file hard
	hostile 'it does not exist|No such file'
	# An owner that no container has.
	tar -C "$T/x" --owner=70000 --group=0 -cf "$T/image.tar" file
	hostile 'owner is beyond'
	# Not an archive, and half of one.
	echo text >"$T/image.tar"
	hostile 'no tar archive'
	tar -C "$T/rootfs" -cf "$T/x.tar" .
	head -c 100000 "$T/x.tar" >"$T/image.tar"
	hostile 'damaged'
	tar -C "$T/rootfs" -czf "$T/x.tar" .
	head -c 100000 "$T/x.tar" >"$T/image.tar"
	hostile 'damaged'
	assert_eq "$(find "$STORE/layers" -mindepth 1 -maxdepth 1 | wc -l)" 2 'layers'
}

test_clone()
{
	make_rootfs
	ct launch "$T/rootfs" "$C" --attach --hostname "$C" -- sh -c '
		echo one >/file; rm /bin/vi; mkdir /d; chown 5:5 /d
		dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null'
	assert_status 0
	local before start
	before=$(du -sm "$STORE" | cut -f 1)
	start=${EPOCHREALTIME/./}
	ct clone "$C" "$C-b"
	assert_status 0
	# It copies nothing; how long that takes is for the benchmark.
	[ $((${EPOCHREALTIME/./} - start)) -lt 1000000 ] || fail 'it took a second'
	[ "$(du -sm "$STORE" | cut -f 1)" -le $((before + 2)) ] || fail 'it was copied'
	# Nor is anything of 1 GiB, which would not be done in that time.
	fallocate -l 1G "$(home_of)/data/upper/huge" || fail 'no 1 GiB on this disk'
	before=$(du -sk "$STORE" | cut -f 1)
	start=${EPOCHREALTIME/./}
	ct clone "$C" "$C-huge"
	assert_status 0
	[ $((${EPOCHREALTIME/./} - start)) -lt 500000 ] || fail 'it took half a second'
	[ $(($(du -sk "$STORE" | cut -f 1) - before)) -lt 1024 ] || fail '1 GiB was copied'
	assert_eq "$(stat -c '%s %h' "$(jq -r '.layers[0]' "$(home_of "$C-huge")/home.json")/huge")" \
		'1073741824 1'
	assert_eq "$(jq -c .layers "$(home_of "$C-huge")/home.json")" \
		"$(jq -c .layers "$(home_of)/home.json")"
	ct destroy "$C-huge"
	# Each goes its own way, with IDs of its own.
	jq '.process.args = ["sh", "-c", "hostname; cat /file; stat -c %u /d /file
		test -e /bin/vi || echo gone; echo two >/file; cat /proc/self/uid_map"]' \
		"$(home_of "$C-b")/config.json" >"$T/c"
	cp "$T/c" "$(home_of "$C-b")/config.json"
	ct start "$C-b"
	wait_for 5 end grep -q exitStatus "$(home_of "$C-b")/last.json"
	assert_has "$(cat "$(home_of "$C-b")/log")" "$C-b
one
5
0
gone"
	assert_eq "$(cat "$(home_of "$C-b")/data/upper/file")" two
	ct destroy "$C"
	assert_status 0
	# What it shared stays as long as someone has it.
	ct start "$C-b"
	assert_status 0
	wait_for 5 end eval '! "$HULL_CT" --root "$CT_ROOT" stop "$C-b" 2>/dev/null'
	ct destroy "$C-b"
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
	ct clone "$C" "$C-c"
	refused_ct 'was not launched'
}

test_snapshots()
{
	make_rootfs
	in_it() { ct exec "$C" sh -c "$1"; assert_status 0; }
	ct launch "$T/rootfs" "$C" -- sleep 1000
	in_it 'echo 1 >/file; rm /bin/vi'
	ct snapshot create "$C" one
	refused_ct 'is running; stop it first'
	ct stop "$C"
	ct snapshot create "$C" one
	assert_status 0
	ct snapshot create "$C" one
	refused_ct 'has a snapshot one already'
	ct start "$C"
	in_it 'cat /file; echo 2 >/file; rm -r /etc; touch /bin/vi'
	assert_eq "$out" 1
	ct stop "$C"
	ct snapshot create "$C" two
	ct snapshot list "$C" --json
	assert_eq "$(jq -r '.[].name' "$T/out")" $'one\ntwo'
	ct snapshot rollback "$C" one
	assert_status 0
	ct start "$C"
	in_it 'cat /file; ls -d /etc; test -e /bin/vi || echo none'
	assert_eq "$out" $'1\n/etc\nnone'
	ct stop "$C"
	ct snapshot rollback "$C" two
	ct start "$C"
	in_it 'cat /file; ls /bin/vi; test -e /etc || echo none'
	assert_eq "$out" $'2\n/bin/vi\nnone'
	ct stop "$C"
	# A snapshot that was cut off behind its first step.
	local layer
	layer=$STORE/layers/s-x/tree
	ct start "$C"
	in_it 'echo 3 >/file'
	ct stop "$C"
	mkdir "${layer%/*}"
	jq --arg l "$layer" '.layers |= [$l] + .' "$(home_of)/home.json" >"$T/h"
	cp "$T/h" "$(home_of)/home.json"
	ct start "$C"
	in_it 'cat /file'
	assert_eq "$out" 3
	ct stop "$C"
	ct snapshot delete "$C" one
	assert_status 0
	ct snapshot rollback "$C" one
	refused_ct 'has no snapshot one'
	ct snapshot fly "$C" one
	refused_ct 'takes create, list, rollback or delete'
	ct destroy "$C"
	assert_eq "$(find "$STORE/layers" -mindepth 1)" '' 'what is left'
}
