# What tests of launched containers share. Behind lib-container.sh.
# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120

STORE=$CT_ROOT.store
# Names are unique on the host: so are their cgroups.
C=v$BASHPID

# shellcheck disable=SC2317 # called by the trap
destroy_all()
{
	local status=$? id
	set +e
	for id in $("$HULL_CT" --root "$CT_ROOT" list -q 2>/dev/null); do
		"$HULL_CT" --root "$CT_ROOT" destroy --force "$id" ||
			"$HULL_CT" --root "$CT_ROOT" delete --force "$id"
	done
	return "$status"
}

# A root filesystem that a container needs nothing else of.
make_rootfs()
{
	need_program busybox busybox-static
	need_program jq jq
	mkdir -p "$T/rootfs/bin" "$T/rootfs/etc"
	cp "$(command -v busybox)" "$T/rootfs/bin/busybox"
	"$T/rootfs/bin/busybox" --install "$T/rootfs/bin"
	chmod 755 "$T"
	trap 'destroy_all; end_jobs' EXIT
}

# launch [OPTION...] [-- COMMAND...]: a container $C of the root filesystem.
launch() { ct launch "$T/rootfs" "$C" "$@"; }

home_of() { printf '%s/containers/%s' "$STORE" "${1:-$C}"; }

said() { [ "$(cat "$(home_of)/log" 2>/dev/null)" = "$1" ]; }

status_now()
{
	[ "$("$HULL_CT" --root "$CT_ROOT" list -f json |
		jq -r --arg c "$C" '.[] | select(.id == $c).status')" = "$1" ]
}

last() { jq -r ".$1" "$(home_of)/last.json"; }
