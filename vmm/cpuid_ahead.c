#include "vmm/cpuid_ahead.h"

#include <sched.h>
#include <signal.h>

#include "core/util.h"
#include "vmm/host_cpu.h"

#define STACK_BYTES (32 * KIB)

/* What goes wrong here goes wrong for cpuid_ahead_finish, too, which tells. */
static void *ask(void *opaque)
{
	struct cpuid_ahead *ahead = opaque;
	autoclose int fd = kvm_open_device();
	const struct kvm kvm = { .fd = fd };

	ahead->has_table = fd >= 0 &&
			   cpuid_supported(&kvm, &ahead->table, NULL) == 0;
	return NULL;
}

/*
 * Linux starts a thread that it expects to be short on the processor of the one
 * that makes it, where it would wait until we sleep.
 */
static void run_elsewhere(pthread_attr_t *attributes)
{
	cpu_set_t set;
	int here = sched_getcpu();

	if (here < 0 || sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	CPU_CLR((size_t)here, &set);
	pthread_attr_setaffinity_np(attributes, sizeof(set), &set);
}

void cpuid_ahead_start(struct cpuid_ahead *ahead)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;

	if (host_cpu_count() < 2 || !host_cpu_is_virtual() ||
	    pthread_attr_init(&attributes))
		return;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	run_elsewhere(&attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ahead->is_running =
		!pthread_create(&ahead->thread, &attributes, ask, ahead);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

int cpuid_ahead_finish(struct cpuid_ahead *ahead, const struct kvm *kvm,
		       struct err *err)
{
	cpuid_ahead_release(ahead);
	return ahead->has_table ? 0 : cpuid_supported(kvm, &ahead->table, err);
}

void cpuid_ahead_release(struct cpuid_ahead *ahead)
{
	if (ahead->is_running)
		pthread_join(ahead->thread, NULL);
	ahead->is_running = false;
}
