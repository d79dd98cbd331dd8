# What is wrong on the outside: each is refused with one clear sentence on
# standard error and the status for it, nothing is started and nothing crashes.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: none

EXIT=$GUESTS/exit.elf

hull_run() { run "$HULL" run "$@"; }

test_no_command()
{
	run "$HULL"
	assert_refused 2
	run "$HULL" fly
	assert_refused 2 fly
}

test_no_kernel()
{
	hull_run
	assert_refused 2 kernel
	hull_run --kernel ''
	assert_refused 2 kernel
	hull_run --kernel "$T/nowhere"
	assert_refused 2 "$T/nowhere" 'no such file'
}

test_kernel_that_is_no_file()
{
	hull_run --kernel "$T"
	assert_refused 2 "$T" 'directory'
	mkfifo "$T/pipe"
	hull_run --kernel "$T/pipe"
	assert_refused 2 "$T/pipe"
	hull_run --kernel /dev/null
	assert_refused 2 /dev/null
	: >"$T/empty"
	hull_run --kernel "$T/empty"
	assert_refused 2 "$T/empty"
}

# root: no
test_kernel_that_may_not_be_read()
{
	cp "$EXIT" "$T/secret"
	chmod 000 "$T/secret"
	if [ "$(id -u)" -eq 0 ]; then
		chmod 755 "$T"
		run setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$(hull_for_all)" run --kernel "$T/secret"
	else
		hull_run --kernel "$T/secret"
	fi
	assert_refused 2 "$T/secret" 'permission'
}

# A copy that anybody can run, wherever the tree is.
hull_for_all()
{
	install -m 755 "$HULL" "$T/hull"
	echo "$T/hull"
}

test_random_bytes()
{
	local i size
	for i in {1..20}; do
		size=$((1 << (i % 20)))
		noise "$i" $size >"$T/noise"
		hull_run --kernel "$T/noise"
		assert_refused 2 "$T/noise"
	done
}

# Bytes that look random, and the same for the same seed.
noise()
{
	awk -v seed="$1" -v size="$2" 'BEGIN {
		srand(seed)
		for (i = 0; i < size; i++)
			printf "%c", int(rand() * 255) + 1
	}'
}

# Wherever the file is cut, in the headers above all, it is an error. The last
# bytes are section headers and symbols that no loader needs.
test_truncated_elf()
{
	local size cut end
	size=$(stat -c %s "$EXIT")
	end=$(readelf -lW "$EXIT" | awk '$1 == "LOAD" {
		e = strtonum_hex($2) + strtonum_hex($5); if (e > m) m = e
	}
	function strtonum_hex(h,   i, v) {
		h = tolower(substr(h, 3)); v = 0
		for (i = 1; i <= length(h); i++)
			v = v * 16 + index("0123456789abcdef",
				substr(h, i, 1)) - 1
		return v
	}
	END { print m }')
	for cut in {0..80} 100 119 120 200 500 1000 2000 $((end - 1)); do
		if [ "$cut" -ge "$end" ] || [ "$cut" -ge "$size" ]; then
			continue
		fi
		head -c "$cut" "$EXIT" >"$T/cut"
		hull_run --kernel "$T/cut"
		assert_refused 2 "$T/cut"
	done
}

# where: host-kvm
test_every_bit_of_the_elf_header()
{
	local byte flipped
	for byte in {0..119}; do
		cp "$EXIT" "$T/bent"
		flipped=$(od -An -tu1 -j "$byte" -N 1 "$EXIT")
		# shellcheck disable=SC2059 # the format is the byte
		printf "\\$(printf %o $((flipped ^ 0x55)))" |
			dd of="$T/bent" bs=1 seek="$byte" conv=notrunc \
				status=none
		# It may well start: then it must end by itself or in time.
		run "$HULL" run --kernel "$T/bent" --timeout 1
		case $status in
		2) assert_refused 2 "$T/bent" ;;
		3 | 8 | 10 | 12) ;;
		*) fail "byte $byte: status $status" ;;
		esac
	done
}

test_elf_of_other_machines()
{
	local i
	# 32 bit: EI_CLASS 1, EM_386
	cp "$EXIT" "$T/i386"
	printf '\001' | dd of="$T/i386" bs=1 seek=4 conv=notrunc status=none
	hull_run --kernel "$T/i386"
	assert_refused 2 "$T/i386" '32.bit'
	# big-endian
	cp "$EXIT" "$T/big"
	printf '\002' | dd of="$T/big" bs=1 seek=5 conv=notrunc status=none
	hull_run --kernel "$T/big"
	assert_refused 2 "$T/big"
	# AArch64: e_machine 183
	cp "$EXIT" "$T/arm"
	printf '\267' | dd of="$T/arm" bs=1 seek=18 conv=notrunc status=none
	hull_run --kernel "$T/arm"
	assert_refused 2 "$T/arm"
}

# --- kernels that are not Linux ------------------------------------------------

# bend FILE OFFSET BYTES: a copy of it, $T/bent, with these bytes.
bend()
{
	cp "$1" "$T/bent"
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$3" | dd of="$T/bent" bs=1 seek="$2" conv=notrunc status=none
}

test_truncated_multiboot()
{
	local cut size kernel
	for kernel in multiboot-addresses.bin multiboot.elf multiboot2.elf; do
		# Behind the code of the ELF files are symbols and sections.
		size=$(objdump -h "$GUESTS/bare/${kernel%.*}.elf" |
			awk '$2 == ".rodata" { print $6, $3 }')
		size=$((0x${size% *} + 0x${size#* }))
		[ "$kernel" = multiboot-addresses.bin ] &&
			size=$(stat -c %s "$GUESTS/bare/$kernel")
		for cut in 1 4 11 12 20 31 32 40 52 84 100 500 $((size - 1)); do
			head -c "$cut" "$GUESTS/bare/$kernel" >"$T/cut"
			hull_run --kernel "$T/cut"
			assert_refused 2 "$T/cut"
		done
	done
}

test_multiboot_headers()
{
	local kernel=$GUESTS/bare/multiboot-addresses.bin
	# header_addr, load_end_addr, entry_addr
	bend "$kernel" 12 '\xff\xff\xff\xff'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" multiboot 'before the file'
	bend "$kernel" 20 '\xff\xff\xff\xff'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" 'truncated|ends before'
	bend "$kernel" 28 '\0\0\0\0'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" 'entry 0x0'
	# flags 0x10083 and their checksum
	bend "$kernel" 4 '\x83\x00\x01\x00\x7b\x4f\x51\xe4'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" 'does not know: 0x80'
	hull_run --kernel "$kernel" --fdt on
	assert_refused 2 fdt multiboot
	hull_run --kernel "$kernel" --fdt on --boot multiboot
	assert_refused 2 fdt multiboot
	hull_run --kernel "$EXIT" --boot multiboot2
	assert_refused 2 "$EXIT" 'multiboot 2'
	hull_run --kernel "$LINUX/bzImage" --boot multiboot
	assert_refused 2 bzImage multiboot
}

test_modules()
{
	local kernel=$GUESTS/bare/multiboot.elf options=() i
	hull_run --kernel "$kernel" --module "$T/nowhere words"
	assert_refused 2 "$T/nowhere" 'no such file'
	hull_run --kernel "$kernel" --module "$T"
	assert_refused 2 "$T" directory
	hull_run --kernel "$kernel" --module ''
	assert_refused 2 module empty
	hull_run --kernel "$kernel" --module ' x'
	assert_refused 2 module
	truncate -s 200M "$T/big"
	hull_run --kernel "$kernel" --module "$T/big" --memory 128
	assert_refused 2 "$T/big" 'fit' memory
	hull_run --kernel "$LINUX/bzImage" --module "$kernel"
	assert_refused 2 module initrd
	for i in {1..40}; do
		options+=(--module "$kernel")
	done
	hull_run --kernel "$kernel" "${options[@]}"
	assert_refused 2 'module.*more than 31'
	hull_run --kernel "$kernel" --module "$kernel $(head -c 100000 \
		/dev/zero | tr '\0' x)" --module "$kernel $(head -c 100000 \
		/dev/zero | tr '\0' x)" --module "$kernel $(head -c 120000 \
		/dev/zero | tr '\0' x)" --module "$kernel $(head -c 120000 \
		/dev/zero | tr '\0' x)"
	assert_refused 2 'texts.*more than 320 KiB'
}

test_flat()
{
	local binary=$GUESTS/bare/flat.bin
	hull_run --flat "$T/nowhere"
	assert_refused 2 "$T/nowhere" 'no such file'
	hull_run --flat "$binary@here"
	assert_refused 2 here address
	hull_run --flat "$binary@0x100000"
	assert_refused 2 'real mode'
	hull_run --flat "$binary@0xe0000,mode=64"
	assert_refused 2 '0xe0000' 'below 1 MiB'
	hull_run --flat "$binary@0x10000000,mode=32"
	assert_refused 2 memory
	hull_run --flat "$binary,mode=8"
	assert_refused 2 mode '16\|32\|64'
	hull_run --flat "$binary" --kernel "$EXIT"
	assert_refused 2 kernel flat
	hull_run --flat "$binary" --boot elf
	assert_refused 2 boot
	hull_run --flat "$binary" --module "$binary"
	assert_refused 2 module
	hull_run --flat ''
	assert_refused 2 flat empty
	hull_run --flat mode=16
	assert_refused 2 flat image
}

test_devices_of_test_kernels()
{
	hull_run --kernel "$EXIT" --debugcon "file=$T/no/where"
	assert_refused 2 "$T/no/where"
	hull_run --kernel "$EXIT" --debugcon file=
	assert_refused 2 debugcon
	hull_run --kernel "$EXIT" --debugcon loud
	assert_refused 2 loud
	hull_run --kernel "$EXIT" --fw-cfg perhaps
	assert_refused 2 perhaps
	hull_run --kernel "$EXIT" --pm-timer perhaps
	assert_refused 2 perhaps
}

# EFI programs that are no unified kernel image, and cut ones.
test_efi_programs()
{
	local cut
	{
		printf 'MZ'
		head -c 58 /dev/zero
		printf '\x40\0\0\0PE\0\0\x64\x86'
		head -c 2000 /dev/zero
	} >"$T/program.efi"
	hull_run --kernel "$T/program.efi"
	assert_refused 2 "$T/program.efi" 'EFI program' linux
	bend "$T/program.efi" 68 '\x64\xaa'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" 'another processor'
	bend "$T/program.efi" 70 '\x60\x00\xff\xff'
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent" truncated
	for cut in 1 2 60 64 68 90 700; do
		head -c $cut "$T/program.efi" >"$T/cut"
		hull_run --kernel "$T/cut"
		assert_refused 2 "$T/cut"
	done
}

test_truncated_bzimage()
{
	local image=$LINUX/bzImage size cut
	size=$(stat -c %s "$image")
	for cut in 1 100 497 510 511 512 514 518 600 623 700 1000 1024 2048 \
		8192 15000 16384 20000 $((size / 4)) $((size / 2)) \
		$((size - 100000)) $((size - 5000)); do
		head -c "$cut" "$image" >"$T/cut"
		hull_run --kernel "$T/cut"
		assert_refused 2 "$T/cut"
	done
}

test_damaged_payload()
{
	local image=$LINUX/bzImage size
	size=$(stat -c %s "$image")
	cp "$image" "$T/bent"
	head -c 4096 /dev/zero | tr '\0' '\377' |
		dd of="$T/bent" bs=4096 seek=$((size / 8192)) conv=notrunc \
			status=none
	hull_run --kernel "$T/bent"
	assert_refused 2 "$T/bent"
}

test_truncated_vmlinux()
{
	local image=$LINUX/vmlinux size cut
	size=$(stat -c %s "$image")
	for cut in 63 64 100 400 4096 1000000 $((size / 4)); do
		head -c "$cut" "$image" >"$T/cut"
		hull_run --kernel "$T/cut"
		assert_refused 2 "$T/cut"
	done
}

test_initrd()
{
	local kernel=$LINUX/bzImage
	hull_run --kernel "$kernel" --initrd "$T/nowhere"
	assert_refused 2 "$T/nowhere" 'no such file'
	hull_run --kernel "$kernel" --initrd "$T"
	assert_refused 2 "$T" directory
	truncate -s 200M "$T/big"
	hull_run --kernel "$kernel" --initrd "$T/big" --memory 128
	assert_refused 2 "$T/big" 'fit|large'
	# One that no memory could hold.
	truncate -s 100G "$T/big"
	hull_run --kernel "$kernel" --initrd "$T/big" --memory 8G
	assert_refused 2 "$T/big" 'fit|large'
}

test_kernel_that_does_not_fit()
{
	hull_run --kernel "$LINUX/vmlinux" --memory 32
	assert_refused 2 'fit|memory'
}

test_memory()
{
	local size
	for size in 0 0M 1 31 16K 1000000000T 99999999999999999999 -1 1.5G \
		12Q M '' ' 64' '64 '; do
		hull_run --kernel "$EXIT" --memory "$size"
		assert_refused 2 memory
	done
	hull_run --kernel "$EXIT" --memory 64M,hugepages=3M
	assert_refused 2 hugepages
	hull_run --kernel "$EXIT" --memory 65M,hugepages=2M
	assert_refused 2 memory multiple
	hull_run --kernel "$EXIT" --memory 64M,hugepages=2M,hugepages=2M
	assert_refused 2 hugepages
	hull_run --kernel "$EXIT" --memory 64M,color=red
	assert_refused 2 color
	hull_run --kernel "$EXIT" --memory hugepages=2M
	assert_refused 2 memory
}

# More than an address space of 47 bits, or than this process may have.
test_memory_that_cannot_be_mapped()
{
	hull_run --kernel "$EXIT" --memory 64T
	case $status in
	2) assert_refused 2 memory ;;
	*) assert_refused 16 memory ;;
	esac
	run bash -c 'ulimit -v 4000000; exec "$@"' - \
		"$HULL" run --kernel "$EXIT" --memory 16G
	assert_refused 16 'memory'
}

test_huge_pages_that_are_not_there()
{
	local free
	free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
	[ "${free:-0}" -lt 100 ] || skip "this host has $free free huge pages"
	hull_run --kernel "$EXIT" --memory 2G,hugepages=2M
	assert_refused 16 'huge'
}

test_cpus()
{
	local n
	for n in 0 65 1000 4294967297 99999999999999999999 -1 two 1.5 ''; do
		hull_run --kernel "$EXIT" --cpus "$n"
		assert_refused 2 cpus
	done
}

test_cpu_model()
{
	hull_run --kernel "$EXIT" --cpu host,+warpdrive
	assert_refused 2 warpdrive
	hull_run --kernel "$EXIT" --cpu host,-warpdrive
	assert_refused 2 warpdrive
	hull_run --kernel "$EXIT" --cpu pentium
	assert_refused 2 pentium
	hull_run --kernel "$EXIT" --cpu host,avx
	assert_refused 2 avx
}

test_unknown_option()
{
	hull_run --kernel "$EXIT" --kernal x
	assert_refused 2 kernal
	hull_run --kernel "$EXIT" -z
	assert_refused 2 -- -z
	hull_run --kernel "$EXIT" stray
	assert_refused 2 stray
	hull_run --kernel
	assert_refused 2 kernel
	hull_run --kernel "$EXIT" --print-config=maybe
	assert_refused 2 print-config
}

test_values_of_options()
{
	hull_run --kernel "$EXIT" --boot floppy
	assert_refused 2 floppy
	hull_run --kernel "$EXIT" --console radio
	assert_refused 2 radio
	hull_run --kernel "$EXIT" --console file=
	assert_refused 2 console
	hull_run --kernel "$EXIT" --console "unix=/$(printf 'x%.0s' {1..200})"
	assert_refused 2 console
	hull_run --kernel "$EXIT" --timeout soon
	assert_refused 2 timeout
	hull_run --kernel "$EXIT" --debug-exit sometimes
	assert_refused 2 debug-exit
	hull_run --kernel "$EXIT" --acpi perhaps
	assert_refused 2 acpi
}

# What terminals act on does not reach them from a file's name.
test_control_characters_are_escaped()
{
	hull_run --kernel $'/no/\e[31mred\nline'
	assert_refused 2
	! grep -q $'\e' "$T/err" || fail "an escape sequence came through"
}

test_command_line_too_long()
{
	local long
	long=$(printf 'x%.0s' {1..5000})
	hull_run --kernel "$LINUX/bzImage" --cmdline "$long"
	assert_refused 2 'command line|cmdline' '[0-9]{4}'
	hull_run --kernel "$EXIT" --cmdline "$(head -c 100000 /dev/zero |
		tr '\0' x)"
	assert_refused 2 'command line|cmdline'
}

json()
{
	printf '%s' "$1" >"$T/vm.json"
	hull_run --config "$T/vm.json"
}

test_json()
{
	local text
	hull_run --config "$T/nowhere.json"
	assert_refused 2 'nowhere.json' 'no such file'
	hull_run --config "$T"
	assert_refused 2 directory
	json '{ "kernel": "/k", "kernal": "/x" }'
	assert_refused 2 kernal
	json '{ "kernel": "/k", "cpus": 1, "kernel": "/x" }'
	assert_refused 2 kernel twice
	json '{ "memory": { "size": "64M", "size": "65M" } }'
	assert_refused 2 size twice
	json '{ "memory": { "size": "64M", "colour": "red" } }'
	assert_refused 2 colour
	json '{ "kernel": "/k", "config": "x.json" }'
	assert_refused 2 config
	for text in '' '{' '[]' 'null' '"x"' '{ "kernel": "/k" } x' \
		'{ "kernel": 1 }' '{ "cpus": "many" }' '{ "cpus": -1 }' \
		'{ "cpus": 1.5 }' '{ "kernel": null }' '{ "kernel": ["a"] }' \
		'{ "kernel": "a\u0000b" }' '{ kernel: "/k" }' \
		$'{ "kernel": "\xff" }'; do
		json "$text"
		assert_refused 2 'vm\.json'
	done
	# deeper than a parser should follow, and longer than one should read
	json "$(head -c 100000 /dev/zero | tr '\0' '[')"
	assert_refused 2
	head -c 20000000 /dev/zero | tr '\0' ' ' >"$T/vm.json"
	hull_run --config "$T/vm.json"
	assert_refused 2
}

test_nowhere_to_write()
{
	hull_run --kernel "$EXIT" --dump-fdt "$T/no/where"
	assert_refused 2 "$T/no/where"
	hull_run --kernel "$EXIT" --console file="$T/no/where"
	case $status in 2 | 16) assert_refused "$status" "$T/no/where" ;;
	*) fail "status $status" ;; esac
	run bash -c '"$1" run --kernel /k --print-config >/dev/full' - "$HULL"
	assert_refused 16 'standard output'
}

# --- the host's KVM ----------------------------------------------------------

# root: yes
test_no_kvm_device()
{
	mkdir -p "$T/root/dev"
	cp "$HULL" "$T/root/hull"
	cp "$EXIT" "$T/root/exit.elf"
	run chroot "$T/root" /hull run --kernel /exit.elf
	assert_refused 16 '/dev/kvm' 'modprobe|firmware|load'
}

# root: yes
test_no_permission_says_which_group()
{
	mkdir -p "$T/root"/{dev,etc}
	chmod 755 "$T" "$T/root"
	cp "$HULL" "$T/root/hull"
	cp "$EXIT" "$T/root/exit.elf"
	echo 'root:x:0:
hypervisors:x:4242:' >"$T/root/etc/group"
	mknod "$T/root/dev/kvm" c 10 232 ||
		skip "this machine lets nobody make device nodes"
	chown 0:4242 "$T/root/dev/kvm"
	chmod 660 "$T/root/dev/kvm"
	run chroot --userspec 65534:65534 --groups '' "$T/root" \
		/hull run --kernel /exit.elf
	assert_refused 16 '/dev/kvm' 'permission' 'group.*hypervisors'
	chmod 600 "$T/root/dev/kvm"
	run chroot --userspec 65534:65534 --groups '' "$T/root" \
		/hull run --kernel /exit.elf
	assert_refused 16 '/dev/kvm' 'permission'
}

# root: yes
test_kvm_that_is_something_else()
{
	mkdir -p "$T/root/dev"
	cp "$HULL" "$T/root/hull"
	cp "$EXIT" "$T/root/exit.elf"
	: >"$T/root/dev/kvm"
	run chroot "$T/root" /hull run --kernel /exit.elf
	assert_refused 16 '/dev/kvm'
}

# where: host-kvm
test_kvm_too_old()
{
	local cap name
	run "$TOOLS/kvm_less" --api 11 -- "$HULL" run --kernel "$EXIT"
	assert_refused 16 'version' 11
	# linux/kvm.h: KVM_CAP_IRQFD, KVM_CAP_IOEVENTFD, KVM_CAP_SIGNAL_MSI,
	# KVM_CAP_IMMEDIATE_EXIT
	for cap in 32:IRQFD 36:IOEVENTFD 77:SIGNAL_MSI 136:IMMEDIATE_EXIT; do
		name=KVM_CAP_${cap#*:}
		run "$TOOLS/kvm_less" --cap "${cap%:*}" -- \
			"$HULL" run --kernel "$EXIT"
		assert_refused 16 "$name" 'kernel'
	done
}

# where: host-kvm
test_kvm_that_fails()
{
	local request
	# KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_SET_USER_MEMORY_REGION
	for request in 0xae01 0xae41 0x4020ae46; do
		run "$TOOLS/kvm_less" --errno 12 $request -- \
			"$HULL" run --kernel "$EXIT"
		assert_refused 16
	done
}

# --- disks and other virtio devices --------------------------------------------

# refused_disk OPTION REGEX...: exit status 2 and one sentence; the image and
# what is beside it stay as they were.
refused_disk()
{
	local option=$1 before
	shift
	before=$(folder_state)
	hull_run --kernel "$EXIT" --disk "$option"
	assert_refused 2 "$@"
	assert_eq "$(folder_state)" "$before" "what was there before"
}

# Names, sizes, times and contents of all that is in $T/d.
folder_state()
{
	find "$T/d" -printf '%p %s %m %T@ %C@\n' | sort
	find "$T/d" -type f -readable -exec md5sum '{}' + | sort
}

test_disk_images()
{
	mkdir "$T/d"
	refused_disk '' disk
	refused_disk "$T/d/nowhere" "$T/d/nowhere" 'does not exist'
	refused_disk "$T/d/no/where,cache=writeback" "$T/d/no/where"
	refused_disk "$T/d" "$T/d" directory
	refused_disk "$T/d,ro" "$T/d" directory
	: >"$T/d/empty"
	refused_disk "$T/d/empty,cache=writeback" "$T/d/empty" empty
	head -c 1000 /dev/zero >"$T/d/odd"
	refused_disk "$T/d/odd,cache=writeback" "$T/d/odd" 1000 512
	refused_disk "$T/d/odd,cache=writeback,ro" "$T/d/odd" 1000 512
	mkfifo "$T/d/pipe"
	refused_disk "$T/d/pipe,cache=writeback" "$T/d/pipe"
	refused_disk "$T/d/pipe,ro" "$T/d/pipe"
	refused_disk /dev/null /dev/null
	ln -s loop "$T/d/loop"
	refused_disk "$T/d/loop" "$T/d/loop"
}

# root: no
test_disk_that_may_not_be_used()
{
	local as=()
	mkdir "$T/d"
	head -c 4096 /dev/zero >"$T/d/secret"
	head -c 4096 /dev/zero >"$T/d/mine"
	chmod 000 "$T/d/secret"
	chmod 444 "$T/d/mine"
	if [ "$(id -u)" -eq 0 ]; then
		# Root without its powers, since the KVM is often root's alone.
		chown 65534 "$T/d/secret" "$T/d/mine"
		as=(setpriv --bounding-set=-all --inh-caps=-all)
	fi
	as+=("$HULL" run --kernel "$EXIT")
	run "${as[@]}" --disk "$T/d/secret,cache=writeback"
	assert_refused 2 "$T/d/secret" permission
	run "${as[@]}" --disk "$T/d/secret,cache=writeback,ro"
	assert_refused 2 "$T/d/secret" permission
	# What may be read only says how to.
	run "${as[@]}" --disk "$T/d/mine,cache=writeback"
	assert_refused 2 "$T/d/mine" permission ',ro'
}

test_disk_keys()
{
	local key
	mkdir "$T/d"
	head -c 4096 /dev/zero >"$T/d/i"
	refused_disk "$T/d/i,color=red" color
	refused_disk "$T/d/i,serial=a,serial=b" serial
	refused_disk "$T/d/i,ro,ro" '\bro\b'
	refused_disk "$T/d/i,cache=none,cache=writeback" cache
	refused_disk "$T/d/i,cache=sometimes" sometimes
	refused_disk "$T/d/i,ro=perhaps" perhaps
	refused_disk "$T/d/i,discard=maybe" maybe
	refused_disk "$T/d/i,werror=ignore" ignore
	refused_disk "$T/d/i,serial=123456789012345678901" serial 20
	for key in iops iops-read iops-write bps bps-read bps-write iops-burst; do
		refused_disk "$T/d/i,$key=0" "$key"
		refused_disk "$T/d/i,$key=-1" "$key"
		refused_disk "$T/d/i,$key=" "$key"
		refused_disk "$T/d/i,$key=many" "$key"
		refused_disk "$T/d/i,$key=99999999999999999999999" "$key"
	done
	for key in queues iothread; do
		refused_disk "$T/d/i,$key=0" "$key"
		refused_disk "$T/d/i,$key=1000" "$key"
		refused_disk "$T/d/i,$key=4294967297" "$key"
		refused_disk "$T/d/i,$key=one" "$key"
	done
	refused_disk "$T/d/i,iothread=1" iothread
	hull_run --kernel "$EXIT" --iothreads 2 --disk "$T/d/i,iothread=3"
	assert_refused 2 iothread 2
	hull_run --kernel "$EXIT" --iothreads 1000
	assert_refused 2 iothreads
	hull_run --kernel "$EXIT" --iothreads two
	assert_refused 2 iothreads
	# Twenty bytes are not too long: that sentence is about what is not there.
	refused_disk "$T/d/j,serial=12345678901234567890" "$T/d/j"
}

# devices COUNT: options for so many disks.
devices()
{
	local i
	for ((i = 0; i < $1; i++)); do
		printf -- '--disk\n%s\n' "$T/d/i,ro,cache=writeback"
	done
}

# where: host-kvm
test_more_devices_than_slots()
{
	local options
	mkdir "$T/d"
	head -c 4096 /dev/zero >"$T/d/i"
	# PCI has 31 places and virtio-mmio 15; console and entropy take two.
	mapfile -t options < <(devices 29)
	hull_run --kernel "$EXIT" "${options[@]}"
	assert_passed
	mapfile -t options < <(devices 30)
	hull_run --kernel "$EXIT" "${options[@]}"
	assert_refused 2 '32 devices' 31 rng
	mapfile -t options < <(devices 13)
	hull_run --kernel "$EXIT" --transport mmio "${options[@]}"
	assert_passed
	mapfile -t options < <(devices 14)
	hull_run --kernel "$EXIT" --transport mmio "${options[@]}"
	assert_refused 2 '16 devices' 15 'transport pci'
	mapfile -t options < <(devices 100)
	hull_run --kernel "$EXIT" "${options[@]}"
	assert_refused 2 disk
	hull_run --kernel "$EXIT" --transport isa
	assert_refused 2 isa
}

test_ports()
{
	local options=() i
	for i in {1..100}; do
		options+=(--port "p$i,file=/dev/null")
	done
	hull_run --kernel "$EXIT" "${options[@]}"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port "a,file=$T/a" --port "a,file=$T/b"
	assert_refused 2 'named a'
	hull_run --kernel "$EXIT" --port "file=$T/a"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port a
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port ",file=$T/a"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port "a,file=$T/a,unix=$T/b"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port "a,file=$T/no/where"
	assert_refused 2 "$T/no/where"
	hull_run --kernel "$EXIT" --port "a,unix=/$(printf 'x%.0s' {1..200})"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --port "$(printf 'x%.0s' {1..5000}),file=$T/a"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --virtio-console off --port "a,file=$T/a"
	assert_refused 2 port
	hull_run --kernel "$EXIT" --virtio-console perhaps
	assert_refused 2 perhaps
	if [ -e "$T/a" ] || [ -e "$T/b" ]; then
		fail "a file was made"
	fi
}
