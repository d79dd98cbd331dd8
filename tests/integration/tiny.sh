# What a guest may do and how `hull run` ends: the tiny guests of guests/, each
# in the ways it can be entered. The result is the exit status.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: host-kvm
# seconds: 4

test_exit_port()
{
	tiny exit
	assert_passed
	tiny exit --debug-exit value
	assert_status 1
	tiny exit --debug-exit off --timeout 500ms
	assert_status 12
}

# timed out, or gone on for much longer than told
test_time_out()
{
	local start=$SECONDS
	tiny spin --timeout 1
	assert_status 12
	assert_match "$err" '^hull: .*time'
	assert_le $((SECONDS - start)) 15 "seconds for --timeout 1"
}

test_hello_by_each_entry()
{
	local way
	for way in auto elf pvh; do
		tiny hello --boot $way
		assert_passed
		assert_has "$out" 'hello from the guest'
	done
}

test_without_acpi()
{
	tiny hello --acpi off
	assert_passed
	tiny acpi --acpi off
	assert_check_failed
}

test_command_line()
{
	local text='a=1  "two words" --x'
	tiny cmdline --cmdline "$text"
	assert_passed
	assert_has "$out" "cmdline: [$text]"
	tiny cmdline --cmdline ''
	assert_has "$out" 'cmdline: []'
	tiny cmdline --boot pvh --cmdline "$text"
	assert_has "$out" "cmdline: [$text]"
}

test_memory_map()
{
	local size
	for size in 32 128 3071 3072 3073 5120; do
		tiny memory --memory $size --cmdline \
			"total=$((size * 1024 * 1024))"
		assert_passed
	done
	tiny memory --boot pvh --memory 4G --cmdline "total=$((4 << 30))"
	assert_passed
}

# The guest's view differs from what it is told to expect: it must say so.
test_memory_map_that_is_not_so()
{
	tiny memory --memory 128 --cmdline "total=$((256 << 20))"
	assert_check_failed
}

# timeout: 120
test_processors()
{
	local n
	for n in 1 2 4 8; do
		tiny smp --cpus $n --cmdline "cpus=$n"
		assert_passed
		assert_has "$out" "smp: $n processors"
	done
	tiny smp --cpus 2 --cmdline 'cpus=3'
	assert_check_failed
	tiny smp --cpus 3 --acpi off --cmdline 'cpus=3'
	assert_passed
}

test_acpi_tables()
{
	tiny acpi
	assert_passed
	assert_match "$out" 'FACP'
	tiny acpi --boot pvh --cpus 2 --memory 5G
	assert_passed
}

test_device_tree()
{
	tiny fdt --fdt on --cpus 2 --cmdline 'tree here'
	assert_passed
	tiny fdt
	assert_check_failed
}

test_timers()
{
	tiny timer
	assert_passed
	tiny timer --irqchip full --cmdline 'pit'
	assert_passed
}

test_clock()
{
	local date host
	tiny rtc
	assert_passed
	[[ $out =~ ([0-9]{4}-[0-9]{2}-[0-9]{2}).([0-9]{2}:[0-9]{2}:[0-9]{2}) ]] ||
		fail "no date in: $out"
	date=$(date -u -d "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}" +%s)
	host=$(date -u +%s)
	assert_le $((date > host ? date - host : host - date)) 10 \
		"seconds between the guest's clock and the host's"
}

test_power_off()
{
	tiny poweroff-acpi
	assert_status 0
	assert_match "$err" '^hull: .*powered off'
}

test_reboot()
{
	local way
	for way in reset-i8042 reset-acpi; do
		tiny $way
		assert_status 4
		assert_match "$err" '^hull: .*reset'
	done
}

test_panic()
{
	tiny panic
	assert_status 6
	assert_match "$err" '^hull: .*panic'
}

test_triple_fault()
{
	tiny triple
	assert_status 8
	assert_match "$err" 'vCPU 0.*triple fault'
	assert_match "$err" 'rip [0-9a-f]{16}'
	assert_match "$err" 'instruction bytes.*( [0-9a-f]{2}){4}'
	assert_match "$err" 'likely: .{20}'
}

test_internal_error()
{
	tiny internal-error
	assert_status 10
	assert_match "$err" 'vCPU 0.*(internal error|KVM_RUN failed)'
	assert_match "$err" 'rip [0-9a-f]{16}'
	assert_match "$err" 'likely: .{20}'
}

test_what_nobody_claims()
{
	tiny badport
	assert_passed
}

test_cpu_features()
{
	local avx=7:0:ebx:5
	tiny cpuid --cpu host,-avx2 --cmdline "$avx=0"
	assert_passed
	tiny cpuid --cmdline '1:0:edx:0=1 1:0:ecx:31=1'
	assert_passed
}

test_config_file_runs_a_guest()
{
	printf '{ "kernel": "%s", "debug-exit": "value" }\n' \
		"$GUESTS/exit.elf" >"$T/vm.json"
	run "$HULL" run --config "$T/vm.json"
	assert_status 1
	run "$HULL" run --config "$T/vm.json" --debug-exit qemu
	assert_status 3
}

test_signals_end_a_guest()
{
	local pid signal
	for signal in INT HUP; do
		"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 60 \
			>"$T/o" 2>"$T/e" &
		pid=$!
		wait_for 10 "vCPU thread" has_threads "$pid" 2
		kill -$signal "$pid"
		wait_status "$pid"
		assert_status 14
	done
}

test_sigterm_presses_and_then_ends()
{
	local pid
	"$HULL" run --kernel "$GUESTS/spin.elf" --timeout 60 \
		>"$T/o" 2>"$T/e" &
	pid=$!
	wait_for 10 "vCPU thread" has_threads "$pid" 2
	kill -TERM "$pid"
	sleep 1
	gone "$pid" && fail "the first SIGTERM ended it"
	kill -TERM "$pid"
	wait_status "$pid"
	assert_status 14
}
