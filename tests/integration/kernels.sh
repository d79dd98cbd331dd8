# Kernels that are not Linux, each entered as its format says: what it is handed
# it prints, and its status comes back through the debug-exit port.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: host-kvm
# seconds: 3

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"
BARE=$GUESTS/bare

# Two modules, the first given as an initrd.
set_up_modules()
{
	echo 'first module' >"$T/one"
	echo 'second module' >"$T/two"
}

# The memory map of 256 MiB, as each of these kernels prints it.
assert_memory_map()
{
	assert_has "$out" 'memory 0x0 0x9fc00 ram'
	assert_has "$out" 'memory 0x9fc00 0x60400 reserved'
	assert_has "$out" 'memory 0x100000 0xff00000 ram'
	assert_has "$out" 'memory 0xfec00000 0x1000 reserved'
}

# assert_multiboot KERNEL: what the guests of both versions print.
assert_multiboot()
{
	assert_status 11
	assert_has "$out" "$1 two  \"words\" exit=5"
	assert_has "$out" 'by hull'
	assert_has "$out" 'KiB 0x27f 0x3fc00'
	assert_has "$out" "module 0xd [$T/one]: first module"
	assert_has "$out" "module 0xe [$T/two a=b,c d]: second module"
	assert_memory_map
}

test_multiboot()
{
	local kernel
	set_up_modules
	for kernel in multiboot.elf multiboot-addresses.bin multiboot2.elf; do
		run "$HULL" run --kernel "$BARE/$kernel" \
			--cmdline 'two  "words" exit=5' --initrd "$T/one" \
			--module "$T/two a=b,c d"
		assert_multiboot "$BARE/$kernel"
	done
	assert_has "$out" 'old rsdp: RSD PTR '
	assert_has "$out" $'\nrsdp: RSD PTR '
}

# The highest multiple of 2 MiB, with the modules below; the guest looks where
# it is. What it may not be is a reason to refuse it.
test_multiboot2_anywhere()
{
	local memory
	set_up_modules
	for memory in 64:0x3e00000 300:0x12a00000 4096:0xbfe00000; do
		run "$HULL" run --kernel "$BARE/multiboot2-anywhere.elf" \
			--cmdline 'x exit=5' --memory "${memory%:*}" \
			--module "$T/one" --module "$T/two"
		assert_status 11
		assert_has "$out" "base ${memory#*:}"
		assert_has "$out" "module 0xe [$T/two]: second module"
		assert_has "$out" .shstrtab
		assert_lacks "$out" nowhere
	done
	# The least address that it takes, in its header: 0xf400000.
	cp "$BARE/multiboot2-anywhere.elf" "$T/high"
	printf '\x0f' | dd of="$T/high" bs=1 seek=$((0x103b)) conv=notrunc
	run "$HULL" run --kernel "$T/high" --memory 32
	assert_refused 2 'has no place' '0xf400000' '32 MiB; use --memory'
	run "$HULL" run --kernel "$T/high" --memory 300
	assert_passed
	run "$HULL" run --kernel "$BARE/multiboot2.elf"
	assert_passed
	assert_lacks "$out" base
}

# The sections that the kernel is told of: where each is, and what is in them.
test_multiboot_sections()
{
	local kernel size name
	need_program readelf binutils
	for kernel in multiboot multiboot2; do
		run "$HULL" run --kernel "$BARE/$kernel.elf" --module README.md \
			--memory 64
		assert_passed
		assert_has "$out" 'symbol kernel_main'
		assert_lacks "$out" nowhere
		while read -r size name; do
			assert_has "$out" "section $(printf '0x%x' "0x$size") $name"
		done < <(readelf -SW "$BARE/$kernel.elf" |
			sed -nE 's/^ *\[ *[1-9]+\] (\S+) +\S+ +\S+ \S+ (\S+).*/\2 \1/p')
		assert_has "$out" .shstrtab
		strip -o "$T/stripped" "$BARE/$kernel.elf"
		run "$HULL" run --kernel "$T/stripped"
		assert_passed
		assert_lacks "$out" 'symbol kernel_main'
		assert_has "$out" .shstrtab
	done
	run "$HULL" run --kernel "$BARE/multiboot-addresses.bin"
	assert_passed
	assert_lacks "$out" section
}

test_multiboot_without_anything()
{
	run "$HULL" run --kernel "$BARE/multiboot.elf" --acpi off
	assert_passed
	assert_has "$out" "cmdline: [$BARE/multiboot.elf]"
	assert_lacks "$out" module
	run "$HULL" run --kernel "$BARE/multiboot2.elf" --acpi off
	assert_passed
	assert_lacks "$out" rsdp
}

test_version_asked_for()
{
	run "$HULL" run --kernel "$BARE/multiboot.elf" --boot multiboot
	assert_passed
	run "$HULL" run --kernel "$BARE/multiboot2.elf" --boot multiboot2
	assert_passed
	run "$HULL" run --kernel "$BARE/multiboot2.elf" --boot multiboot
	assert_refused 2 'no multiboot 1 header'
	run "$HULL" run --kernel "$BARE/multiboot.elf" --boot pvh
	assert_refused 2 'no PVH entry'
}

test_modules_in_a_file()
{
	set_up_modules
	printf '{ "kernel": "%s", "cmdline": "exit=3", "module": ["%s x", "%s"] }' \
		"$BARE/multiboot.elf" "$T/one" "$T/two" >"$T/vm.json"
	run "$HULL" run --config "$T/vm.json"
	assert_status 7
	assert_has "$out" "module 0xd [$T/one x]: first module"
	run "$HULL" run --config "$T/vm.json" --print-config
	assert_status 0
	cp "$T/out" "$T/again.json"
	run "$HULL" run --config "$T/again.json"
	assert_status 7
	assert_has "$out" "module 0xe [$T/two]: second module"
}

test_real_mode()
{
	run "$HULL" run --flat "$BARE/real.bin" --cmdline 'from fw_cfg exit=6'
	assert_status 13
	assert_has "$out" 'real mode'
	assert_has "$out" 'cmdline: [from fw_cfg exit=6]'
	assert_memory_map
	assert_has "$out" 'no bios'
	assert_has "$out" $'cpus 0x1\nram 0x10000000\n'
	assert_has "$out" $'initrd 0x0\n'
	assert_has "$out" $'file etc/acpi/rsdp 0x24\nRSD PTR '
	assert_match "$out" 'file etc/acpi/tables 0x[0-9a-f]{3,}'$'\n''FADT at '
	assert_has "$out" 'file etc/vmcoreinfo 0x10'
	set_up_modules
	run "$HULL" run --flat "$BARE/real.bin" --cpus 3 --memory 5G \
		--initrd "$T/one" --acpi off
	assert_passed
	assert_has "$out" $'cpus 0x3\nram 0x140000000\n'
	assert_has "$out" "kernel $(printf 0x%x "$(stat -c %s "$BARE/real.bin")")"
	assert_has "$out" $'initrd 0xd\nfirst module\n'
	assert_lacks "$out" acpi
	run "$HULL" run --flat "$BARE/real.bin@0x7c00,mode=16"
	assert_passed
	# Nobody answers it then.
	run "$HULL" run --flat "$BARE/real.bin" --fw-cfg off --timeout 1
	assert_lacks "$out" 'memory 0x0'
}

test_flat()
{
	local mode
	for mode in 32 64; do
		run "$HULL" run --flat "$BARE/flat.bin,mode=$mode" \
			--cmdline "in mode $mode"
		assert_passed
		assert_has "$out" "in mode $mode"
		run "$HULL" run --flat "$BARE/flat.bin@0xb000,mode=$mode" \
			--cmdline 'low'
		assert_passed
		run "$HULL" run --flat "$BARE/flat.bin@0x3000000,mode=$mode"
		assert_passed
	done
	printf '{ "flat": { "image": "%s@0x200000", "mode": "32" } }' \
		"$BARE/flat.bin" >"$T/vm.json"
	run "$HULL" run --config "$T/vm.json" --cmdline file
	assert_passed
	assert_has "$out" file
	run "$HULL" run --config "$T/vm.json" --print-config
	assert_has "$out" "$BARE/flat.bin@0x200000"
}

# A section's place in a PE file: objcopy only wants it not to overlap.
make_uki()
{
	local kernel=$1 name address=0x1000000
	shift
	need_program objcopy binutils
	printf 'NAME=test\n' >"$T/osrel"
	set -- .osrel="$T/osrel" "$@" .linux="$kernel"
	local options=()
	for name in "$@"; do
		options+=(--add-section "$name"
			--set-section-flags "${name%%=*}=data,readonly"
			--change-section-vma
			"${name%%=*}=$(printf 0x%x $((address += 0x4000000)))")
	done
	objcopy "${options[@]}" "$T/stub.efi" "$T/uki.efi"
}

# An x86-64 PE file: what this binutils makes of an empty program.
make_stub()
{
	printf '.globl _start\n_start: ret\n' | as -o "$T/stub.o" -
	ld -m i386pep --subsystem 10 -e _start -o "$T/stub.efi" "$T/stub.o"
}

test_unified_kernel_image()
{
	make_stub
	printf 'words of the image\n' >"$T/words"
	# Not Linux, so that it runs here; multiboot and PVH kernels may be in
	# one as well.
	make_uki "$GUESTS/cmdline.elf" .cmdline="$T/words"
	run "$HULL" run --kernel "$T/uki.efi"
	assert_passed
	assert_has "$out" 'cmdline: [words of the image]'
	run "$HULL" run --kernel "$T/uki.efi" --cmdline mine
	assert_has "$out" 'cmdline: [mine]'
	run "$HULL" run --kernel "$T/stub.efi"
	assert_refused 2 "$T/stub.efi" 'no section .linux'
}

# Debian's kernel and an initrd, with nothing given but the image.
# where: linux-kvm
# seconds: 25
# timeout: 120
test_unified_kernel_image_of_linux()
{
	initrd_with 'echo "in a uki: $(cat /proc/cmdline)"'
	make_stub
	printf 'console=ttyS0 panic=-1 hull.file=/test.sh of=uki\n' >"$T/words"
	make_uki "$LINUX/bzImage" .cmdline="$T/words" .initrd="$T/initrd"
	run "$HULL" run --kernel "$T/uki.efi" --timeout 300 </dev/null
	assert_status 0
	assert_has "${out//$'\r'/}" 'in a uki: console=ttyS0'
	assert_has "$out" 'of=uki'
}

test_debugcon()
{
	local bytes='\x66\xba\xe9\x00\xec\xe6\xe9\xb0\x01\xe6\xf4\xf4'
	# mov $0xe9, %dx; in %dx, %al; out %al, $0xe9; mov $1, %al; out 0xf4
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$bytes" >"$T/code"
	run "$HULL" run --flat "$T/code,mode=32"
	assert_passed
	assert_eq "$(od -An -tx1 "$T/out" | tr -d ' \n')" e9
	run "$HULL" run --flat "$T/code,mode=32" --debugcon "file=$T/log"
	assert_passed
	assert_eq "$out" ''
	assert_eq "$(od -An -tx1 "$T/log" | tr -d ' \n')" e9
	run "$HULL" run --flat "$T/code,mode=32" --debugcon file=/dev/full
	assert_passed
	assert_match "$err" 'debug console output to /dev/full was lost'
	# Nobody there: all ones are read, and what is written goes nowhere.
	run "$HULL" run --flat "$T/code,mode=32" --debugcon off
	assert_passed
	assert_eq "$out" ''
}

# Such kernels measure with PIT and PM timer and want the PIC without asking.
test_bare_kernels_get_a_pc()
{
	local bytes='\x66\xba\x08\x06\xed\xe4\x21\x04\x01\xe6\xf4\xf4'
	# mov $0x608, %dx; in %dx, %eax; in $0x21, %al; add $1, %al: the PIC's
	# mask after reset is 0, and all ones without a PIC
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$bytes" >"$T/code"
	run "$HULL" run --flat "$T/code,mode=32"
	assert_passed
	run "$HULL" run --flat "$T/code,mode=32" --irqchip split
	assert_status 1
	mkdir "$T/tables"
	run "$HULL" run --kernel "$BARE/multiboot.elf" --dump-acpi "$T/tables"
	assert_passed
	# FADT: the timer's port and length
	assert_eq "$(od -An -tu4 -j 76 -N 4 "$T/tables/facp.dat" | tr -d ' ')" \
		$((0x608))
	assert_eq "$(od -An -tu1 -j 91 -N 1 "$T/tables/facp.dat" | tr -d ' ')" 4
	run "$HULL" run --kernel "$GUESTS/hello.elf" --dump-acpi "$T/tables"
	assert_eq "$(od -An -tu4 -j 76 -N 4 "$T/tables/facp.dat" | tr -d ' ')" 0
}

# --- kernels that others wrote -----------------------------------------------

FOREIGN=$GUESTS/foreign

# start_foreign NAME OPTION...: in the background, with its output in $T/out.
start_foreign()
{
	[ -e "$FOREIGN/$1" ] ||
		fail "$FOREIGN/$1 is missing; run make foreign-kernels"
	local name=$1
	shift
	"$HULL" run --kernel "$FOREIGN/$name" "$@" --timeout 400 \
		<"${foreign_input:-/dev/null}" >"$T/out" 2>"$T/err" &
	foreign_pid=$!
}

printed() { grep -qaF -- "$1" "$T/out"; }

printed_or_gone() { printed "$1" || gone "$foreign_pid"; }

# prints SECONDS TEXT...: each of them, the first within that time.
prints()
{
	local seconds=$1 text
	shift
	(wait_for "$seconds" "'$1' of the guest" printed_or_gone "$1") || {
		tail -c 2000 "$T/out" "$T/err" | cat -v
		exit 1
	}
	for text in "$@"; do
		printed "$text" || {
			tail -n 30 "$T/out" "$T/err"
			fail "it did not print '$text'"
		}
	done
}

end_foreign()
{
	kill -INT "$foreign_pid"
	wait_status "$foreign_pid"
	assert_status 14
}

# Through its entry for Linux boot loaders: it has no payload to decompress.
# where: linux-kvm
# seconds: 25
# timeout: 120
test_memtest86()
{
	start_foreign memtest86+ --memory 64 --irqchip full \
		--cmdline 'console=ttyS0,115200'
	# Which of its tests it tells of on the way depends on the time they take.
	prints 60 'Status: Testing' 'Memtest86+ v6' '64MB'
	end_foreign
}

# where: linux-kvm
# seconds: 60
# timeout: 120
test_xen_by_multiboot()
{
	start_foreign xen --boot multiboot --memory 512 --initrd README.md \
		--cmdline 'com1=115200,8n1 console=com1 loglvl=all noreboot'
	prints 90 'ACPI: PM-Timer IO Port: 0x608 (32 bits)' \
		'Bootloader: hull' 'Command line: com1=115200,8n1 console=com1' \
		'[0000000000000000, 000000000009fbff] (usable)' \
		'[0000000000100000, 000000001fffffff] (usable)' \
		'System RAM: 511MB' 'ACPI: RSDP 000E0000'
	end_foreign
}

# It is told of ACPI and of where it was loaded by tags.
# where: linux-kvm
# seconds: 60
# timeout: 120
test_xen_by_multiboot2()
{
	start_foreign xen --boot multiboot2 --memory 512 --initrd README.md \
		--cmdline 'com1=115200,8n1 console=com1 loglvl=all noreboot'
	# It wants the highest multiple of 2 MiB.
	prints 90 'ACPI: PM-Timer IO Port: 0x608 (32 bits)' \
		'Bootloader: hull' 'Xen image load base address: 0x1fa' \
		'Command line: com1=115200,8n1 console=com1' \
		'[0000000000100000, 000000001fffffff] (usable)' \
		'ACPI: RSDP 000E0000'
	end_foreign
}

# The kernel and the initrd of Debian's installer, as they are, with the shell
# that is in there instead of the installer: its first question is a minute off.
# where: linux-kvm
# seconds: 25
# timeout: 120
test_debian_installer()
{
	local words='console=ttyS0 panic=-1 quiet cryptomgr.notests'
	[ -e "$GUESTS/installer/linux" ] ||
		skip "133 MB have to be downloaded first: make debian-installer"
	run "$HULL" run --kernel "$GUESTS/installer/linux" \
		--initrd "$GUESTS/installer/initrd.cpio" --memory 512 --timeout 100 \
		--expect '^X_INSTALLATION_MEDIUM=netboot' --cmdline \
		"$words rdinit=/bin/sh -- -c \"uname -r; cat /etc/lsb-release\"" \
		</dev/null
	assert_status 0
	assert_match "$out" '(^|'$'\n'')6\.1\.0-[0-9]+-amd64'
	assert_has "$out" 'DISTRIB_DESCRIPTION="Debian GNU/Linux installer"'
}

# It is multiboot 1, finds its modules where the second segment lies, and is
# typed to.
# where: linux-kvm
# seconds: 15
# timeout: 120
test_grub_by_multiboot()
{
	mkfifo "$T/keys"
	foreign_input=$T/keys start_foreign grub --memory 64
	exec {keys}>"$T/keys"
	prints 60 'grub> ' 'GNU GRUB  version 2.'
	printf 'lsmmap\r' >&"$keys"
	prints 20 'base_addr = 0x100000, length = 0x3f00000, available RAM'
	exec {keys}>&-
	end_foreign
}
