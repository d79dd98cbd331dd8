# Debian's kernel to userspace: from each kind of file, with 1, 2, 4 and 8
# processors, with little and with much memory, and each way it can end. One
# boot takes half a minute in the lab, so each checks much: inside the guest by
# a script, outside by what it printed.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are the
# guest's.
# where: linux-kvm
# seconds: 30
# timeout: 120

# shellcheck source=lib-linux.sh
. "$HERE/lib-linux.sh"

# What every guest tells of itself, one KEY=VALUE a line.
common_script='
echo "nproc=$(nproc)"
echo "memory_kib=$(sed -n "s/^MemTotal: *\([0-9]*\).*/\1/p" /proc/meminfo)"
echo "clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "clocks=$(cat /sys/devices/system/clocksource/clocksource0/available_clocksource)"
echo "uname=$(uname -sr)"
dmesg | grep -E "Hypervisor detected|kvm-clock: Using" | head -n 3
dmesg | grep -E "ACPI (BIOS )?(Error|Warning)|Firmware Bug|WARNING:|BUG:|Oops|soft lockup|Call Trace|Unknown symbol|cannot be obtained" | sed "s/^/complaint: /"
'

# check_guest CPUS MIB: the script ran and saw this machine.
check_guest()
{
	local kib=$(($2 * 1024))
	assert_has "$out" 'hull-init: script exited 0'
	assert_eq "$(value nproc)" "$1" "processors in the guest"
	assert_le "$(value memory_kib)" "$kib" "KiB of memory in the guest"
	# What the kernel itself takes: about 60 MiB, and 1/64 for its map.
	assert_ge "$(value memory_kib)" $((kib - kib / 32 - 90000)) \
		"KiB of memory in the guest"
	assert_has "$(value clocks)" kvm-clock
	assert_has "$out" 'Hypervisor detected: KVM'
	assert_lacks "$out" 'complaint: '
}

# --- bzImage -------------------------------------------------------------------

test_bzimage_1_cpu_poweroff()
{
	local now
	boot_linux bzImage "$common_script"'
echo "date=$(date -u +%s)"
echo "rtc=$(cat /sys/class/rtc/rtc0/since_epoch)"
echo "serial=$(grep -c 16550A /proc/tty/driver/serial)"
echo "cmdline=$(cat /proc/cmdline)"
echo "flags=$(grep -m 1 ^flags /proc/cpuinfo)"
grep -E "System RAM|Reserved|PCI|IOAPIC|Local APIC|ACPI" /proc/iomem
' --memory 256
	assert_status 0
	assert_match "$err" 'powered off'
	check_guest 1 256
	now=$(date -u +%s)
	assert_le "$(($(value date) > now ? $(value date) - now : now -
		$(value date)))" 120 "seconds between the clocks"
	assert_le "$(($(value rtc) > now ? $(value rtc) - now : now -
		$(value rtc)))" 120 "seconds between the RTC and the host"
	assert_ge "$(value serial)" 1 "16550A ports"
	assert_match "$(value cmdline)" 'console=ttyS0 .*hull.file=/test.sh'
	assert_match "$(value flags)" ' hypervisor( |$)'
	assert_match "$out" '00100000-0fffffff : System RAM'
}

test_bzimage_2_cpus_reboot()
{
	boot_linux bzImage "$common_script"'
for i in 0 1; do
	echo "package$i=$(cat /sys/devices/system/cpu/cpu$i/topology/physical_package_id)"
	echo "core$i=$(cat /sys/devices/system/cpu/cpu$i/topology/core_id)"
done
echo "siblings=$(cat /sys/devices/system/cpu/cpu0/topology/core_siblings_list)"
echo "threads=$(cat /sys/devices/system/cpu/cpu0/topology/thread_siblings_list)"
echo "hull-init: script exited 0"
reboot
sleep 60' --cpus 2 --memory 128
	assert_status 4
	assert_match "$err" 'reset'
	check_guest 2 128
	# One package of two cores with a thread each.
	assert_eq "$(value package0)" "$(value package1)" "packages"
	[ "$(value core0)" != "$(value core1)" ] || fail "two cores, one id"
	assert_eq "$(value siblings)" 0-1 "processors of the package"
	assert_eq "$(value threads)" 0 "threads of a core"
}

test_bzimage_4_cpus_panic()
{
	boot_linux bzImage "$common_script"'
echo "hull-init: script exited 0"
sleep 1
echo c >/proc/sysrq-trigger
sleep 60' --cpus 4 --memory 512
	assert_status 6
	assert_match "$err" 'panic'
	check_guest 4 512
}

test_bzimage_8_cpus_5_gib()
{
	boot_linux bzImage "$common_script"'
grep "System RAM" /proc/iomem
mkdir /big && mount -t tmpfs -o size=90% tmpfs /big
# Whole pages below and above 4 GiB: more than lies on either side is not
# needed to have some of both.
head -c 67108864 /dev/zero >/big/zeros
md5sum </big/zeros
taskset -p $$ >/dev/null 2>&1
for i in 0 1 2 3 4 5 6 7; do
	taskset $(printf %x $((1 << i))) sh -c "echo ran-on=\$(cut -d \" \" -f 39 /proc/self/stat)"
done' --cpus 8 --memory 5G
	assert_status 0
	check_guest 8 5120
	assert_match "$out" '100000000-17fffffff : System RAM'
	assert_match "$out" '00100000-bfffffff : System RAM'
	# md5 of 64 MiB of zeros
	assert_has "$out" 7f614da9329cd3aebf59b91aadc30bf0
	local i
	for i in {0..7}; do
		assert_match "$out" "ran-on=$i"$'\n'
	done
}

# make_symbols OFFSET: the ELF file $T/symbols, which says where those functions
# were linked that the guest of boot_linux printed, which has moved by OFFSET.
make_symbols()
{
	local text=0xffffffff81000000 options=() address name
	while read -r address _ name; do
		# There are several of the name io_serial_out.
		[ "$name" = entry_SYSCALL_64 ] || name+=.${#options[@]}
		address=$(printf 0x%x $((0x$address - $1 - text)))
		options+=(--add-symbol "$name=.text:$address,function")
	done < <(grep -E '^[0-9a-f]{16} [tT] ' <<<"$out")
	need_program objcopy binutils
	echo nop | as -o "$T/symbols.o" -
	ld -Ttext "$text" -e "$text" -o "$T/symbols.elf" "$T/symbols.o"
	objcopy "${options[@]}" "$T/symbols.elf" "$T/symbols"
}

# The kernel's own decompressor runs in the guest and moves the kernel (KASLR),
# which a dump and, in the next boot, a trace take account of.
# seconds: 45
test_bzimage_own_entry()
{
	local offset
	boot_linux bzImage "$common_script
$tell_places"'
grep -E " (io_serial_out|entry_SYSCALL_64)$" /proc/kallsyms' \
		--boot bzimage-entry --memory 256 --dump "$T/core" --dump-on all
	assert_status 0
	check_guest 1 256
	offset=$(head -c 65536 "$T/core" | sed -n 's/^KERNELOFFSET=//p')
	assert_match "$offset" '^[1-9a-f][0-9a-f]*$'
	make_symbols "0x$offset"
	dump_is_right "$T/core"
	run "$HULL" run --kernel "$LINUX/bzImage" --boot bzimage-entry \
		--memory 256 --vmlinux "$T/symbols" --trace io \
		--trace-file "$T/trace" --expect 'Linux version' --timeout 100 \
		</dev/null
	assert_status 0
	tail -n 3 "$T/trace"
	assert_match "$(<"$T/trace")" \
		'rip 0xffffffff[0-9a-f]+ <io_serial_out\.[0-9]+\+0x[0-9a-f]{1,2}> io out port 0x3f8'
}

# --- vmlinux -------------------------------------------------------------------

test_vmlinux_1_cpu_script_status()
{
	words=hull.exit=0xf4 boot_linux vmlinux "$common_script"'
sh -c "exit 0" && echo "hull-init: script exited 0"
exit 41' --memory 128 --debug-exit value
	assert_status 41
	assert_has "$out" 'hull-init: script exited 41'
	check_guest 1 128
}

# SIGTERM presses the power button, to which the guest's init answers. The
# interrupts of that and of a disk are traced.
test_vmlinux_2_cpus_power_button()
{
	local pid to='vector 0x[0-9a-f]+ to (apic|logical) [0-9]+ edge address 0xfee'
	truncate -s 1M "$T/disk"
	initrd_with "$common_script"'
cat /dev/vda | wc -c
echo "hull-init: script exited 0"
echo "waiting"
sleep 200'
	"$HULL" run --kernel "$LINUX/vmlinux" --initrd "$T/initrd" --cpus 2 \
		--memory 256 --timeout 200 --disk "$T/disk,cache=writeback" \
		--trace irq --trace-file "$T/trace" \
		--cmdline "console=ttyS0 hull.file=/test.sh" \
		</dev/null >"$T/out" 2>"$T/err" &
	pid=$!
	wait_for 60 'line "waiting"' grep -q '^waiting' "$T/out"
	kill -TERM "$pid"
	wait_status "$pid"
	out=$(tr -d '\0\r' <"$T/out")
	printf '%s\n' "$out" | tail -n 20
	assert_status 0
	assert_has "$out" 'hull-init: power button'
	check_guest 2 256
	head -n 20 "$T/trace"
	assert_match "$(<"$T/trace")" " irq serial gsi 4 $to"
	assert_match "$(<"$T/trace")" " irq virtio-blk 00:01.0 msi-x [0-9] $to"
	assert_match "$(<"$T/trace")" " irq acpi-power gsi 9 $to"
}

test_vmlinux_4_cpus()
{
	boot_linux vmlinux "$common_script" --cpus 4 --memory 256
	assert_status 0
	check_guest 4 256
}

# --- PVH -----------------------------------------------------------------------

# What a user sees: a prompt, typing, and the end by poweroff.
test_pvh_1_cpu_shell()
{
	local report
	run "$TOOLS/pty_run" --timeout 300 --report "$T/report" raw \
		'expect:hull:~# ' 'send:nproc; tty\r' 'expect:/dev/ttyS0' \
		'expect:hull:~# ' 'send:echo $((6 * 7))abc\x08\x08\x08xyz\r' \
		'expect:42' 'expect:hull:~# ' 'send:sleep 100\r' sleep:1000 \
		'send:\x03' 'expect:hull:~# ' 'send:poweroff\r' -- \
		"$HULL" run --kernel "$LINUX/vmlinux" --boot pvh \
		--initrd "$LINUX/initrd.cpio.gz" --timeout 300
	report=$(<"$T/report")
	printf '%s\n' "$report"
	assert_status 0
	assert_has "$report" 'status 0'
	assert_has "$report" 'termios restored'
	assert_has "$report" 'flags restored'
}

# Linux's own view of the tables that it was given.
test_pvh_2_cpus_acpi_tables()
{
	local name
	need_program iasl acpica-tools
	boot_linux vmlinux "$common_script"'
cd /sys/firmware/acpi/tables
for table in [A-Z]*; do
	[ -f $table ] || continue
	echo "table=$table"
	base64 $table
	echo "end=$table"
done
cat /proc/interrupts
echo "power=$(cat /sys/bus/acpi/devices/PNP0C0C*/hid)"' \
		--boot pvh --cpus 2 --memory 256
	assert_status 0
	check_guest 2 256
	assert_has "$(value power)" PNP0C0C
	while read -r name; do
		sed -n "/^table=$name\$/,/^end=$name\$/p" <<<"$out" |
			sed '1d;$d' | base64 -d >"$T/$name.dat"
		[ "$name" != FACS ] || continue
		iasl -d "$T/$name.dat" >"$T/iasl" 2>&1 || fail "iasl: $name"
		cat "$T/iasl"
		if grep -iE 'error|warning' "$T/iasl" |
			grep -vE '0 Errors|0 Warnings|-vi'; then
			fail "iasl complains about $name"
		fi
	done < <(sed -n 's/^table=//p' <<<"$out")
	for name in APIC FACP DSDT; do
		[ -s "$T/$name.dat" ] || fail "Linux has no $name"
	done
}

test_pvh_4_cpus()
{
	boot_linux vmlinux "$common_script" --boot pvh --cpus 4 --memory 512
	assert_status 0
	check_guest 4 512
}

# --- other ---------------------------------------------------------------------

# The script on the command line itself, and the device tree beside ACPI.
test_script_on_the_command_line_and_device_tree()
{
	local script
	script=$(base64 -w 0 <<<'ls /sys/firmware/; exit 7')
	run "$HULL" run --kernel "$LINUX/bzImage" \
		--initrd "$LINUX/initrd.cpio.gz" --fdt on --timeout 300 \
		--debug-exit value --cmdline \
		"console=ttyS0 hull.exit=0xf4 hull.script=$script" </dev/null
	assert_status 7
	assert_has "$out" 'script exited 7'
}

# The default command line puts the console on the terminal.
test_default_command_line_and_nothing_left_of_a_kill()
{
	local pid keeper ticks
	touch "$T/out" "$T/pid"
	in_empty_folders "$HULL" run --kernel "$LINUX/bzImage" --cpus 2 \
		--initrd "$LINUX/initrd.cpio.gz" --timeout 200 </dev/null \
		>"$T/out" 2>"$T/err" 3>"$T/left" 4>"$T/pid" &
	keeper=$!
	wait_for 60 prompt grep -q 'hull:~# ' "$T/out"
	pid=$(<"$T/pid")
	# Idle in the guest is idle here: all threads together.
	ticks=$(all_ticks "$pid")
	sleep 3
	assert_le $(($(all_ticks "$pid") - ticks)) 150 \
		"clock ticks in 3 s at an idle prompt"
	kill -KILL "$pid"
	wait_status "$keeper"
	assert_eq "$(<"$T/left")" 'status 137' "status, and files left"
}

# in_empty_folders COMMAND...: where no other process writes to the folders for
# what is temporary, in which there is at most the project's own. Tells the
# command's pid on 4, its status and then what is new in the folders on 3.
in_empty_folders()
{
	local root=()
	[ "$(id -u)" -eq 0 ] || root=(--map-root-user)
	exec unshare --mount "${root[@]}" bash -c '
		folders=(/tmp /var/tmp /dev/shm /run)
		exec 9<.
		for folder in "${folders[@]}"; do
			mount -t tmpfs none "$folder" || exit
		done
		mkdir -p "$PWD" &&
			mount --no-canonicalize --bind /proc/self/fd/9 "$PWD" ||
			exit
		before=$(find "${folders[@]}" -xdev | sort)
		"$@" &
		echo $! >&4
		wait $!
		echo "status $?" >&3
		find "${folders[@]}" -xdev | sort |
			comm -13 <(echo "$before") - >&3' - "$@"
}

all_ticks()
{
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086 # words
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}
