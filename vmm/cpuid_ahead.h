/*
 * What CPUID offers KVM supports, found out while the machine is being built.
 *
 * For KVM_GET_SUPPORTED_CPUID the kernel executes CPUID about a hundred times.
 * That is nothing on a real processor; on one that is virtual itself, each is
 * an exit of several microseconds, together more than to make a VM and a vCPU.
 * There, a thread of its own asks, if there is a second processor to run it.
 *
 * One thread's, start to end.
 */
#ifndef VMM_CPUID_AHEAD_H
#define VMM_CPUID_AHEAD_H

#include <pthread.h>
#include <stdbool.h>

#include "core/err.h"
#include "vmm/cpuid.h"
#include "vmm/kvm.h"

struct cpuid_ahead {
	pthread_t thread;
	bool is_running;
	bool has_table; /* written by the thread */
	struct cpuid_table table;
};

/* Begins to ask, where that is of use. All zeros before; cannot fail. */
void cpuid_ahead_start(struct cpuid_ahead *ahead);

/*
 * Waits for the answer and leaves it in @ahead's table, as cpuid_supported
 * does. Where none is under way, asks @kvm.
 */
int cpuid_ahead_finish(struct cpuid_ahead *ahead, const struct kvm *kvm,
		       struct err *err);

/* Idempotent. */
void cpuid_ahead_release(struct cpuid_ahead *ahead);

#endif
