/*
 * kvmclock: the host tells in a page of ours how the TSC becomes nanoseconds
 * (KVM Documentation/virt/kvm/x86/cpuid.rst, msr.rst).
 */
#include "guest.h"

#define KVM_CPUID	   0x40000000u
#define KVM_CLOCKSOURCE2   (1u << 3)
#define MSR_KVM_SYSTEM_NEW 0x4b564d01u
#define MSR_ENABLE	   1

struct pvclock {
	uint32_t version;
	uint32_t pad;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad2[2];
};

static struct pvclock pvclock __attribute__((aligned(64)));

bool kvmclock_offered(void)
{
	struct cpuid_regs r = cpuid(KVM_CPUID, 0);

	if (r.ebx != 0x4b4d564b || r.ecx != 0x564b4d56 || r.edx != 0x4d)
		return false;
	return cpuid(KVM_CPUID + 1, 0).eax & KVM_CLOCKSOURCE2;
}

void kvmclock_start(void)
{
	wrmsr(MSR_KVM_SYSTEM_NEW, (uint64_t)&pvclock | MSR_ENABLE);
}

void kvmclock_stop(void)
{
	wrmsr(MSR_KVM_SYSTEM_NEW, 0);
}

/* By the formula of msr.rst, MSR_KVM_SYSTEM_TIME_NEW. */
uint64_t kvmclock_ns(void)
{
	const volatile struct pvclock *clock = &pvclock;
	uint64_t delta, ns;
	uint32_t version;

	do {
		version = clock->version;
		delta = rdtsc() - clock->tsc_timestamp;
		if (clock->shift < 0)
			delta >>= -clock->shift;
		else
			delta <<= clock->shift;
		ns = (uint64_t)(((unsigned __int128)delta * clock->mul) >> 32) +
		     clock->system_time;
	} while ((version & 1) || version != clock->version);
	check(version != 0, "kvmclock was never filled in");
	return ns;
}
