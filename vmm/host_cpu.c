#include "vmm/host_cpu.h"

#include <cpuid.h>
#include <sched.h>

#define LEAF_FEATURES  1
#define ECX_HYPERVISOR (1U << 31)

unsigned int host_cpu_count(void)
{
	cpu_set_t set;

	/* Fails on a host with more than 1024. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return CPU_SETSIZE;
	return (unsigned int)CPU_COUNT(&set);
}

bool host_cpu_is_virtual(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(LEAF_FEATURES, &eax, &ebx, &ecx, &edx) &&
	       (ecx & ECX_HYPERVISOR);
}
