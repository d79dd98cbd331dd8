# The command lines of bench-io's monitors. Sourced by bench-io, whose variables
# they use.
# shellcheck shell=bash disable=SC2154

# The parts say what devices a guest has; those of a peer are the part `peer`.
# nics: lines TAP MAC of its cards, in the array nics.
set_nics()
{
	nics=()
	! has_part net || nics+=("bench0 $mac")
	! has_part guests || nics+=("bench1 $mac2")
	! has_part peer || nics+=("bench2 $peer_mac")
}

hull_knows_vhost()
{
	"$hull" run --help | grep -q 'vhost='
}

hull_command()
{
	local nic vhost='' transport=${1#hull-}
	transport=${transport%-vhost}
	if hull_knows_vhost; then
		vhost=,vhost=off
		[[ $1 != *-vhost ]] || vhost=,vhost=on
	fi
	command=("$hull" run --kernel "$linux/vmlinux" --initrd "$work/initrd"
		--memory "${guest_mib}M" --cmdline "$guest_cmdline"
		--transport "$transport")
	! has_part disk || command+=(--disk "$disk1,cache=none,serial=d1"
		--disk "$disk2,cache=none,serial=d2")
	for nic in "${nics[@]}"; do
		command+=(--net "tap=${nic% *},mac=${nic#* }$vhost")
	done
}

qemu_disk() # NODE PATH SUFFIX
{
	local driver=host_device
	# Both disks are one file then, which the driver would refuse.
	[ -b "$2" ] || driver=file,locking=off
	command+=(-blockdev "driver=$driver,node-name=$1,filename=${2//,/,,},\
aio=io_uring,cache.direct=on,cache.no-flush=off"
		-object "iothread,id=t$1"
		-device "virtio-blk-$3,drive=$1,iothread=t$1,num-queues=1,\
write-cache=on,serial=$1")
}

qemu_nic() # TAP MAC SUFFIX VHOST
{
	command+=(-netdev "tap,id=n$1,ifname=$1,script=no,downscript=no,\
vhost=$4" -device "virtio-net-$3,netdev=n$1,mac=$2")
}

qemu_command()
{
	local machine nic suffix=pci vhost=off
	[[ $1 != *-vhost ]] || vhost=on
	case $1 in
	qemu-microvm)
		suffix=device
		machine="microvm,accel=kvm,isa-serial=on,$qemu_linux" ;;
	qemu-q35*)
		# qboot starts in a tenth of SeaBIOS's time.
		machine=q35,accel=kvm,sata=off,smbus=off,vmport=off ;;
	esac
	command=(qemu-system-x86_64 -M "$machine" "${qemu_minimal[@]}"
		"${qemu_serial[@]}" -m "$guest_mib" -kernel "$linux/vmlinux"
		-initrd "$work/initrd" -append "$guest_cmdline")
	case $1 in
	qemu-microvm) command+=(-global virtio-mmio.force-legacy=off) ;;
	qemu-q35*) command+=(-bios qboot.rom) ;;
	esac
	if has_part disk; then
		qemu_disk d1 "$disk1" "$suffix"
		qemu_disk d2 "$disk2" "$suffix"
	fi
	for nic in "${nics[@]}"; do
		qemu_nic "${nic% *}" "${nic#* }" "$suffix" "$vhost"
	done
	! has_part console || command+=(-device "virtio-serial-$suffix"
		-chardev 'file,id=con,path=/dev/stdout'
		-device 'virtconsole,chardev=con')
}

# kvmtool has one console; with the serial one there is no hvc0.
kvmtool_command()
{
	local nic
	command=(lkvm run --kernel "$linux/bzImage" --initrd "$work/initrd"
		--mem "$guest_mib" --cpus 1 --console serial
		--params "$guest_cmdline")
	! has_part disk || command+=(--disk "$disk1,direct"
		--disk "$disk2,direct")
	for nic in "${nics[@]}"; do
		command+=(--network
			"mode=tap,tapif=${nic% *},guest_mac=${nic#* }")
	done
}

# monitor_command SUBJECT SCRIPT: in the array command.
monitor_command()
{
	local nics guest_cmdline="console=ttyS0 quiet hull.file=/$2"
	set_nics
	"${1%%-*}_command" "$1"
}
