# podman with everything of its own, and an image "box" of busybox.
# shellcheck shell=bash disable=SC2034,SC2154 # used by who sources it

# pod ARGUMENT...: podman, as run.
pod() { run podman_alone "$@"; }

podman_alone()
{
	CONTAINERS_CONF=$T/containers.conf podman "${pod_options[@]}" "$@"
}

# make_image RUNTIME
make_image()
{
	local image=$T/image applet
	need_program podman podman
	need_program conmon conmon
	need_program busybox busybox-static
	pod_options=(--root "$T/pod/root" --runroot "$T/pod/run"
		--storage-driver vfs --events-backend file
		--cgroup-manager cgroupfs --runtime "$1")
	mkdir -p "$T/pod" "$image/bin" "$image/tmp" "$image/etc"
	# Overlays do not lie on overlays; podman's store is copied anyway.
	mount -t tmpfs pod "$T/pod"
	sed '/runtimes/d; s,^hull-.* = .*,,' "$TOP/tools/podman.conf" \
		>"$T/containers.conf"
	cp "$(command -v busybox)" "$image/bin/busybox"
	for applet in sh ls cat df echo sleep id stty test true dd grep hostname \
		kill; do
		ln -s busybox "$image/bin/$applet"
	done
	echo data >"$image/bin/data"
	tar -C "$image" -cf "$T/image.tar" .
	trap 'end_pods; end_jobs' EXIT
	pod import "$T/image.tar" box
	assert_status 0
}

# shellcheck disable=SC2317 # called by the trap
end_pods()
{
	local status=$?
	set +e
	podman_alone rm -f -t 0 --all >/dev/null 2>&1
	umount -l "$T/pod/root/vfs" "$T/pod" 2>/dev/null
	return "$status"
}
