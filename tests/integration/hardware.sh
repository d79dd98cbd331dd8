# The tiny guests again, on a KVM with the processor's help: what an emulated
# KVM does in software (interrupts, segments, page faults, exits) is another
# path of the kernel's there.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: linux-kvm
# seconds: 15
# timeout: 90

# shellcheck source=tests/integration/tiny.sh
. "$HERE/tiny.sh"

test_entries_and_ends()
{
	test_exit_port
	test_hello_by_each_entry
	test_power_off
	test_reboot
	test_panic
	test_triple_fault
	test_internal_error
}

test_machine()
{
	test_memory_map
	test_processors
	test_timers
	test_clock
	test_what_nobody_claims
}

test_signals()
{
	test_signals_end_a_guest
	test_sigterm_presses_and_then_ends
}
