# Looking inside a guest: gdb itself on the stub, on the tiny guest that counts.
# shellcheck shell=bash disable=SC2154,SC2016
# SC2154: $out and its like, see run in harness.sh. SC2016: the dollars are
# gdb's.
# where: host-kvm
# seconds: 5

# debug_guest OPTION...: the counting guest in the background, stopped at its
# first instruction until gdb comes.
debug_guest()
{
	"$HULL" run --kernel "$GUESTS/debug.elf" --gdb "unix:$T/gdb,wait" \
		"$@" </dev/null >"$T/guest.out" 2>"$T/guest.err" &
	guest_pid=$!
	wait_for 10 'socket for gdb' test -S "$T/gdb"
}

# gdb_does COMMAND...: a session; the socket is the target.
gdb_does()
{
	need_program gdb gdb
	printf '%s\n' 'set pagination off' 'set confirm off' \
		"target remote ${gdb_target:-$T/gdb}" "$@" >"$T/commands"
	run timeout 50 gdb -nx -batch -x "$T/commands" "$GUESTS/debug.elf"
	out+=$err
}

# The guest's end: its status, and the rest of what it said.
guest_ends_with()
{
	wait_status "$guest_pid"
	cat "$T/guest.out" "$T/guest.err"
	assert_status "$1"
}

counter='*(unsigned long *)&debug_counter'

test_gdb_breakpoint_and_step()
{
	debug_guest --cmdline times=6
	gdb_does 'info registers rip cr0 efer' 'info threads' \
		'break count_one' 'continue' 'backtrace' 'print $rdi' \
		'stepi' 'stepi' 'backtrace 1' 'continue' 'print $rdi' \
		"print $counter" 'delete' 'continue'
	assert_match "$out" 'rip +0x[0-9a-f]+ +0x[0-9a-f]+ <pvh_start>'
	assert_has "$out" 'Thread 1 (vCPU 0)'
	assert_match "$out" '#1 .* in guest_main'
	assert_has "$out" '$1 = 1'
	assert_match "$out" '#0 .* in guest_main'
	assert_has "$out" '$2 = 2'
	assert_has "$out" '$3 = 1'
	assert_has "$out" 'exited with code 03'
	guest_ends_with 3
	assert_has "$(cat "$T/guest.out")" 'counted to 21'
}

# The guest counts from what gdb wrote on.
test_gdb_changes_memory_and_registers()
{
	debug_guest --cmdline times=2
	gdb_does 'hbreak count_one' 'continue' "set var $counter = 1000" \
		'set var $rdi = 50' 'print $rdi' 'delete' 'continue'
	assert_has "$out" '$1 = 50'
	assert_has "$out" 'exited with code 03'
	guest_ends_with 3
	assert_has "$(cat "$T/guest.out")" 'counted to 1052'
}

test_gdb_watchpoint()
{
	debug_guest --cmdline times=3
	gdb_does 'break count_one' 'continue' 'delete' "watch $counter" \
		'continue' "print $counter" 'delete' 'continue'
	if grep -q 'software KVM has no watchpoints' "$T/guest.err"; then
		guest_ends_with 3
		skip "this host's KVM has no watchpoints"
	fi
	assert_match "$out" 'Old value = 0'
	assert_match "$out" 'New value = 1'
	guest_ends_with 3
}

# Steps instead, where there are none.
test_gdb_software_watchpoint()
{
	debug_guest --cmdline times=3
	gdb_does 'set can-use-hw-watchpoints 0' 'break count_one' 'continue' \
		"watch $counter" 'continue' 'delete' 'continue'
	assert_has "$out" 'Old value = 0'
	assert_has "$out" 'New value = 1'
	guest_ends_with 3
}

# Ctrl-C stops all virtual CPUs; gone is gone, and the guest runs on.
test_gdb_interrupts()
{
	debug_guest --cmdline 'times=1 forever' --cpus 3
	gdb_does 'python import os, signal, threading, time' \
		'python threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()' \
		'continue' 'info threads' 'thread 3' 'print $cs' \
		'set var *(int *)&debug_go_on = 1' 'detach'
	assert_has "$out" 'received signal SIGINT'
	assert_has "$out" 'Thread 3 (vCPU 2)'
	guest_ends_with 3
	[ ! -e "$T/gdb" ] || fail "the socket is left behind"
}

# Breakpoints of a gdb that died are no longer in the guest.
test_gdb_dies()
{
	# shellcheck disable=SC2034 # run looks at it
	local run_may_die=yes
	debug_guest --cmdline times=5
	gdb_does 'break count_one' 'continue' \
		'python import os; os.kill(os.getpid(), 9)'
	guest_ends_with 3
	assert_has "$(cat "$T/guest.out")" 'counted to 15'
}

test_gdb_kills()
{
	debug_guest --cmdline forever
	gdb_does 'kill'
	guest_ends_with 14
	assert_has "$(cat "$T/guest.err")" 'ended by gdb'
}

# timeout: 90
test_gdb_by_tcp_and_without_wait()
{
	local port=$((20000 + BASHPID % 20000))
	"$HULL" run --kernel "$GUESTS/debug.elf" --cmdline 'times=1 forever' \
		--gdb "tcp:127.0.0.1:$port" </dev/null >"$T/guest.out" \
		2>"$T/guest.err" &
	guest_pid=$!
	wait_for 10 'guest that counts' grep -q counting "$T/guest.out"
	gdb_target="127.0.0.1:$port" gdb_does "print $counter" 'detach'
	assert_has "$out" '$1 = 1'
	gdb_target="127.0.0.1:$port" gdb_does \
		'set var *(int *)&debug_go_on = 1' 'continue'
	assert_has "$out" 'exited with code 03'
	guest_ends_with 3
}

test_gdb_addresses()
{
	tiny hello --gdb tcp:0.0.0.0:1234
	assert_refused 2 'address of this host alone'
	tiny hello --gdb 1234
	assert_refused 2 'unix:PATH'
	tiny hello --gdb "unix:$T/no/such/place"
	assert_refused 2 'no/such/place'
}

# What gdb reads of a dump is what the guest had.
test_dump_by_reason()
{
	local blocks
	tiny debug --cmdline 'times=4 panic' --cpus 2 --memory 512 \
		--dump "$T/core" --dump-on panic
	assert_status 6
	assert_has "$err" "the guest's memory is in $T/core"
	need_program gdb gdb
	run gdb -nx -batch -ex "print $counter" -ex 'info threads' \
		-ex 'x/s &debug_marker' -ex 'print $rip' \
		"$GUESTS/debug.elf" "$T/core"
	assert_has "$out" '$1 = 10'
	assert_match "$out" 'in hull'
	assert_match "$out" '2 +LWP 2'
	run readelf -lW "$T/core"
	assert_match "$out" 'NOTE .*'
	blocks=$(stat -c %b "$T/core")
	assert_le $((blocks * 512)) 20000000 "bytes of the dump on the disk"
	assert_ge "$(stat -c %s "$T/core")" 536870912 "bytes of the dump"
	assert_eq "$(stat -c %a "$T/core")" 600 "the dump's mode"
}

test_dump_not_asked_for()
{
	tiny debug --dump "$T/core" # the guest's own status is no reason
	assert_passed
	[ ! -e "$T/core" ] || fail "there is a dump"
	tiny debug --dump "$T/core" --dump-on timeout,guest
	assert_passed
	[ -s "$T/core" ] || fail "there is no dump"
	tiny spin --dump "$T/core" --dump-on timeout --timeout 1
	assert_status 12
	assert_has "$err" "the guest's memory is in $T/core"
	need_program gdb gdb
	run gdb -nx -batch -ex 'print $rip' "$GUESTS/spin.elf" "$T/core"
	assert_has "$out" '<guest_main+'
	tiny hello --dump-on panic,typo
	assert_refused 2 typo
}

# root: yes
test_dump_on_a_full_disk()
{
	mkdir "$T/small"
	mount -t tmpfs -o size=64k tmpfs "$T/small"
	echo old >"$T/small/core"
	tiny debug --dump "$T/small/core" --dump-on guest
	assert_passed
	assert_match "$err" 'error: cannot write the dump .*No space left'
	assert_eq "$(ls "$T/small")" core "files left"
	assert_eq "$(cat "$T/small/core")" old "the old dump"
}

# "hello" byte by byte, or in strings, and the way out.
test_trace()
{
	tiny hello --trace io --trace-file "$T/trace"
	assert_passed
	assert_match "$(cat "$T/trace")" \
		'[0-9]+\.[0-9]{6} vcpu 0 rip 0x[0-9a-f]+ <serial_write[^>]*> io out port 0x3f8 size 1 .*value 0x68'
	assert_match "$(tail -n 1 "$T/trace")" 'io out port 0xf4 size . value 0x1$'
	assert_lacks "$(cat "$T/trace")" mmio
	tiny hello --trace mmio --trace-file "$T/trace"
	assert_lacks "$(cat "$T/trace")" 'io out'
	tiny hello --trace exits,all --trace-file "$T/trace"
	assert_refused 2 '"all"'
	tiny hello --trace exits --trace-file "$T/no/trace"
	assert_refused 2 'no/trace'
}

# Names of the kernel's own symbols, of 64 and 32 bits, and of another file's.
test_trace_names()
{
	local name_of
	need_program nm binutils
	tiny hello --trace io --trace-file "$T/trace"
	assert_passed
	assert_eq "$(grep -vc 'rip 0x[0-9a-f]* <[a-z_]*+0x[0-9a-f]*> io' \
		"$T/trace")" 0 "lines without a name"
	name_of=$(sed -n 's/.*rip \(0x[0-9a-f]*\) <\([a-z_]*\)+\(0x[0-9a-f]*\)>.*/\1 \2 \3/p' \
		"$T/trace" | head -n 1)
	# shellcheck disable=SC2086 # words
	set -- $name_of
	assert_eq "0x$(nm "$GUESTS/hello.elf" | sed -n "s/^0*\([0-9a-f]*\) . $2\$/\1/p")" \
		"$(printf '0x%x' $(($1 - $3)))" "where $2 is"
	run "$HULL" run --kernel "$GUESTS/bare/multiboot.elf" --trace io \
		--trace-file "$T/trace"
	assert_passed
	assert_match "$(cat "$T/trace")" '<print\+0x[0-9a-f]+> io out port 0x3f8'
	strip -o "$T/stripped" "$GUESTS/hello.elf"
	run "$HULL" run --kernel "$T/stripped" --trace io --trace-file "$T/trace"
	assert_passed
	assert_lacks "$(cat "$T/trace")" '<'
	run "$HULL" run --kernel "$T/stripped" --vmlinux "$GUESTS/hello.elf" \
		--trace io --trace-file "$T/trace"
	assert_passed
	assert_match "$(cat "$T/trace")" '<[a-z_]+\+0x[0-9a-f]+> io out port 0x3f8'
	tiny hello --vmlinux "$T/stripped"
	assert_refused 2 "$T/stripped" 'no symbols'
	tiny hello --vmlinux "$T/trace"
	assert_refused 2 "$T/trace" 'not an ELF'
	tiny hello --vmlinux "$T/none"
	assert_refused 2 "$T/none" 'no such file'
	tiny spin --timeout 1 --cpus 2
	assert_status 12
	assert_match "$err" 'vCPU 0: running at rip [0-9a-f]+ <guest_main(\+0x[0-9a-f]+)?>,'
}

# Those that hull raises: at a pin, as edge and as level, and as messages.
test_trace_interrupts()
{
	local where=' irq virtio-rng 00:0[1-9]\.0 msi-x 0'
	tiny irq --trace irq --trace-file "$T/trace"
	assert_passed
	assert_match "$(<"$T/trace")" \
		$'(^|\n)[0-9]+\\.[0-9]{6} irq serial gsi 4 vector 0x40 to apic 0 edge address 0xfee00000 data 0x4040\n'
	assert_match "$(<"$T/trace")" \
		' irq serial gsi 4 vector 0x41 to apic 0 level address 0xfee00000 data 0xc041'$'\n'
	assert_match "$(<"$T/trace")" ' vcpu 0 rip 0x[0-9a-f]+.* eoi vector 0x41'$'\n'
	assert_match "$(<"$T/trace")" \
		"$where vector 0x42 to logical 1 edge address 0xfee01004 data 0x42"
	# Nothing else, and each once. But KVM where it emulates the guest's kernel
	# tells now and then of an end before the handler's first instruction, when
	# the line is still up: it is raised again.
	assert_eq "$(grep -c 'vector 0x40 ' "$T/trace")" 1 edges
	assert_eq "$(grep -c 'vector 0x42 ' "$T/trace")" 1 messages
	local ends
	ends=$(grep -c ' eoi ' "$T/trace")
	assert_le "$(grep -c 'vector 0x41 to' "$T/trace")" "$((ends + 1))" levels
	assert_eq "$(grep -vc 'vector 0x4[012]' "$T/trace" || true)" 0 others
	# The ends of interrupts are exits, what raises them is none.
	tiny irq --trace exits --trace-file "$T/trace"
	assert_passed
	assert_has "$(<"$T/trace")" 'eoi vector 0x41'
	assert_lacks "$(<"$T/trace")" ' irq '
	tiny irq --transport mmio --trace irq --trace-file "$T/trace"
	assert_passed
	assert_match "$(<"$T/trace")" \
		' irq virtio-rng gsi (1[6-9]|2[0-3]) vector 0x42 to apic 0 edge '
	# KVM's own I/O APIC is asked.
	tiny irq --irqchip full --trace irq --trace-file "$T/trace"
	assert_passed
	assert_match "$(<"$T/trace")" ' irq serial gsi 4 vector 0x40 to apic 0 edge '
	assert_match "$(<"$T/trace")" ' irq serial gsi 4 vector 0x41 to apic 0 level '
	assert_match "$(<"$T/trace")" "$where vector 0x42 to logical 1 edge "
	tiny irq
	assert_passed
}

# Of a kernel that is not where its symbols say: because it told the processor
# another address for system calls, or because hull put it elsewhere.
test_trace_names_of_a_moved_kernel()
{
	local by
	for by in 0 0x2000000 0x5600000; do
		tiny moved --cmdline "by=$by" --trace io --trace-file "$T/trace"
		assert_passed
		assert_match "$(grep 'value 0x6d' "$T/trace")" \
			'rip 0x[0-9a-f]+ <say_moved\+0x[0-9a-f]+> io out port 0x3f8'
	done
	# Nothing that Linux does: another kernel's address, or none.
	for by in 0x2001000 0x40200000; do
		tiny moved --cmdline "by=$by" --memory 2G --trace io \
			--trace-file "$T/trace"
		assert_passed
		assert_match "$(grep 'value 0x6d' "$T/trace")" 'rip 0x[0-9a-f]+ io'
	done
	tiny moved --cmdline 'by=0x2000000 stay' --timeout 1
	assert_status 12
	assert_match "$err" 'vCPU 0: running at rip [0-9a-f]+ <say_moved\+0x[0-9a-f]+>,'
	run "$HULL" run --kernel "$GUESTS/bare/multiboot2-anywhere.elf" \
		--boot multiboot2 --trace io --trace-file "$T/trace"
	assert_passed
	assert_match "$(<"$T/trace")" \
		'rip 0xf[0-9a-f]{6} <print[a-z_]*\+0x[0-9a-f]+> io out port 0x3f8'
}

# The same boot twice says the same, and the time it was told.
test_fixed_clock()
{
	local first date
	tiny rtc --rtc fixed=2024-02-29T23:59:58
	assert_passed
	assert_match "$out" '2024.*23.*59.*58'
	# kvmclock says the same, where there is one.
	assert_match "$out" "wall clock: ($(date -u -d 2024-02-29T23:59:58 +%s)|none)"
	first=$out
	sleep 1.1
	tiny rtc --rtc fixed=2024-02-29T23:59:58
	assert_eq "$out" "$first" "the second boot's console"
	for date in 2023-02-29T00:00:00 2026-01-01 'now' fixed= \
		2026-01-01T00:00:00Z; do
		tiny rtc --rtc "fixed=$date"
		assert_refused 2 'YYYY-MM-DD'
	done
	tiny rtc --rtc tomorrow
	assert_refused 2 'host, or fixed='
}

# What is random follows from the seed, however it is asked for.
test_seed()
{
	local first seed
	tiny rng --cmdline show --seed 42
	assert_passed
	first=$out
	assert_match "$first" '(0x[0-9a-f]+.){8}'
	tiny rng --cmdline show --seed 0x2a --transport mmio --cpus 2
	assert_passed
	assert_eq "$out" "$first" "the second run's random bytes"
	for seed in '--seed=43' '--verbose'; do
		tiny rng --cmdline show "$seed"
		assert_passed
		[ "$out" != "$first" ] || fail "$seed gives the same bytes"
	done
	for seed in -1 '' 18446744073709551616 seven; do
		tiny rng --seed "$seed"
		assert_refused 2 seed
	done
	printf '{ "kernel": "%s", "cmdline": "show", "seed": "42" }' \
		"$GUESTS/rng.elf" >"$T/vm.json"
	run "$HULL" run --config "$T/vm.json"
	assert_eq "$out" "$first" "the random bytes by a file"
}

# All that the tiny guests find of the machine, twice.
test_same_boot_twice()
{
	local guest first
	need_program jq jq
	for guest in acpi rtc rng; do
		for first in yes no; do
			tiny "$guest" --cmdline show --seed 1 --rtc fixed=2026-01-01T00:00:00 \
				--record-console "$T/$first"
			assert_passed
			tail -n +2 "$T/$first" | jq -rj '.[2]' >"$T/text.$first"
		done
		cmp "$T/text.yes" "$T/text.no" ||
			fail "$guest says something else the second time"
	done
}
