/*
 * What matters of the processors that hull itself runs on. Any thread.
 *
 * Source: sched_getaffinity(2); Linux Documentation/virt/kvm/x86/cpuid.rst and
 * AMD APM vol. 3 appendix E for the hypervisor bit.
 */
#ifndef VMM_HOST_CPU_H
#define VMM_HOST_CPU_H

#include <stdbool.h>

/* How many this process may run on. */
unsigned int host_cpu_count(void);

/* This host is itself a guest: CPUID, for one, is an exit to what runs it. */
bool host_cpu_is_virtual(void);

#endif
