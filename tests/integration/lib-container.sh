# What tests of containers share: a bundle with busybox, changes to its
# configuration, and running hull-ct on it with a state folder of the test's.
# shellcheck shell=bash disable=SC2034,SC2154

HULL_CT=${HULL_CT:-$BUILD/hull-ct}
BUNDLE=$T/bundle
ROOTFS=$BUNDLE/rootfs
CT_ROOT=$T/root

# Everything of a test lives in one cgroup folder, which goes with it.
CT_GROUP=/hull-test-$$

# ct VERB...: hull-ct on the test's own state folder; as run.
ct() { run "$HULL_CT" --root "$CT_ROOT" "$@"; }

# make_bundle [SPEC-OPTION...]: busybox as the root filesystem, and a
# config.json of `spec`. Without a user namespace unless asked for.
make_bundle()
{
	need_program busybox busybox-static
	need_program jq jq
	mkdir -p "$ROOTFS/bin" "$ROOTFS/tmp" "$ROOTFS/etc"
	cp "$(command -v busybox)" "$ROOTFS/bin/busybox"
	local applet
	for applet in sh ls cat echo sleep ps mount umount id hostname stat \
		readlink dd mkdir ln touch grep true false kill tty stty env \
		head wc test mknod sysctl nproc chmod cp sed; do
		ln -sf busybox "$ROOTFS/bin/$applet"
	done
	chmod -R go+rX "$T" "$BUNDLE"
	chmod 755 "$T"
	"$HULL_CT" spec --bundle "$BUNDLE" "${@:---privileged}"
	# In a user namespace the root filesystem is its root's.
	[ "${1:-}" != --rootless ] || chown -R 100000:100000 "$ROOTFS"
	config ".linux.cgroupsPath = \"$CT_GROUP/c\""
	trap 'end_containers; end_jobs' EXIT
}

# config JQ-FILTER: changes config.json.
config()
{
	jq "$1" "$BUNDLE/config.json" >"$BUNDLE/config.new"
	mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# args WORD...: what the container runs.
args()
{
	local word list='' options=() i=0
	for word in "$@"; do
		options+=(--arg "w$i" "$word")
		list+="\$w$i,"
		i=$((i + 1))
	done
	jq "${options[@]}" ".process.args = [${list%,}]" \
		"$BUNDLE/config.json" >"$BUNDLE/config.new"
	mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# run_ct [WORD...]: runs the container to its end, with this program.
run_ct()
{
	[ $# -eq 0 ] || args "$@"
	ct run --bundle "$BUNDLE" c
}

# sh_ct SCRIPT: runs it with the container's shell.
sh_ct() { run_ct sh -c "$1"; }

# refused_ct REGEX...: status 1, one line "hull-ct: error: ..." on stderr.
refused_ct()
{
	local regex
	assert_status 1
	assert_eq "$(grep -c '' <"$T/err")" 1 "lines on standard error"
	assert_match "$err" '^hull-ct: error: .{10,}'
	for regex in "$@"; do
		grep -qiE -- "$regex" <<<"$err" ||
			fail "the message does not say /$regex/: $err"
	done
}

status_is()
{
	[ "$("$HULL_CT" --root "$CT_ROOT" state "$1" | jq -r .status)" = "$2" ]
}

pid_of() { "$HULL_CT" --root "$CT_ROOT" state "$1" | jq -r .pid; }

# shellcheck disable=SC2317 # called by the trap
end_containers()
{
	local status=$? id group
	set +e
	for id in $("$HULL_CT" --root "$CT_ROOT" list -q 2>/dev/null); do
		"$HULL_CT" --root "$CT_ROOT" delete --force "$id"
	done
	for group in /sys/fs/cgroup/unified/$CT_GROUP /sys/fs/cgroup/$CT_GROUP; do
		[ -d "$group" ] || continue
		find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
	return "$status"
}
