#include "vmm/cpuid_ahead.h"

#include <cpuid.h>
#include <sched.h>
#include <signal.h>

#include "core/util.h"

#define STACK_BYTES    (32 * KIB)
/* AMD APM vol. 3 appendix E, and KVM's own (x86/cpuid.rst). */
#define LEAF_FEATURES  1
#define ECX_HYPERVISOR (1U << 31)

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

/* This host is itself a guest. */
static bool is_virtual(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(LEAF_FEATURES, &eax, &ebx, &ecx, &edx) &&
	       (ecx & ECX_HYPERVISOR);
}

/*
 * The processors that we may run on but the one we are on, where Linux would
 * start the thread and let it wait until we sleep. False: there is none.
 */
static bool find_others(cpu_set_t *ret_others)
{
	int here = sched_getcpu();

	if (here < 0 || sched_getaffinity(0, sizeof(*ret_others), ret_others))
		return false;
	CPU_CLR((size_t)here, ret_others);
	return CPU_COUNT(ret_others) > 0;
}

void cpuid_ahead_start(struct cpuid_ahead *ahead)
{
	pthread_attr_t attributes;
	cpu_set_t others;
	sigset_t all;
	sigset_t before;

	if (!is_virtual() || !find_others(&others) ||
	    pthread_attr_init(&attributes))
		return;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setaffinity_np(&attributes, sizeof(others), &others);
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
