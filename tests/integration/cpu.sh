# What --cpu takes away is gone in the guest, and what it leaves is there. On a
# KVM that runs guest kernel mode in software the guest reads the real CPUID
# whatever the monitor says, so this needs a complete one.
# shellcheck shell=bash disable=SC2154 # $out and its like: see run in harness.sh
# where: linux-kvm
# seconds: 5

test_features()
{
	local sse42=1:0:ecx:20 fsgsbase=7:0:ebx:0 popcnt=1:0:ecx:23
	tiny cpuid --cmdline "1:0:edx:0=1 1:0:ecx:31=1 $sse42=1 $fsgsbase=1"
	assert_passed
	tiny cpuid --cpu host,-sse4_2,-fsgsbase \
		--cmdline "$sse42=0 $fsgsbase=0 $popcnt=1"
	assert_passed
}

# A feature goes with what it stands on: SSE4.1 takes SSE4.2 along.
test_dependent_features()
{
	tiny cpuid --cpu host,-sse4_1 --cmdline '1:0:ecx:19=0 1:0:ecx:20=0'
	assert_passed
}
