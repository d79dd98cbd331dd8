#!/bin/bash
# run-guest.sh [HULL-OPTION...]: boot the default Linux guest to a shell prompt
# on this terminal: on this host's KVM where that runs Linux, else in the lab.
set -euo pipefail

top=$(readlink -f "$(dirname "$(readlink -f "$0")")/..")
guest=$top/build/guests/linux
hull=("$top/build/hull" run --kernel "$guest/bzImage"
	--initrd "$guest/initrd.cpio.gz" --memory 256M
	--cmdline "console=ttyS0 quiet panic=-1" "$@")

# Hardware virtualization, and the permission to use it.
host_runs_linux()
{
	[ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ] || return 1
	[ -r /dev/kvm ] && [ -w /dev/kvm ]
}

if host_runs_linux; then
	exec "${hull[@]}"
fi
cat >&2 <<'END'
This host's KVM cannot run a stock Linux (`build/hull doctor` says why): the
guest runs in the lab, a Linux in an emulated machine with a real KVM. That
takes 20 seconds and more. In the guest, `poweroff` ends it; Ctrl-A x quits.
END
if [ -t 0 ] && [ -t 1 ]; then
	exec "$top/tests/lab" --tty -- "${hull[@]}"
fi
exec "$top/tests/lab" --timeout 300 -- "${hull[@]}"
