/*
 * One virtual CPU: its KVM file descriptor, its thread, and the loop that runs
 * the guest and serves its exits from the machine's buses.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "boot/entry.h"
#include "core/bus.h"
#include "core/err.h"
#include "core/gmem.h"
#include "vmm/cpuid.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/verdict.h"
#include "vmm/wall_clock.h"

struct debug;
struct trace;

/* Why a vCPU stopped for a debugger (vmm/debug.h). */
enum debug_hit_kind {
	DEBUG_HIT_NONE,
	DEBUG_HIT_PAUSED, /* because somebody asked */
	DEBUG_HIT_STEP,
	DEBUG_HIT_SOFTWARE,
	DEBUG_HIT_HARDWARE,
	DEBUG_HIT_WRITE, /* a watchpoint; addr is the watched one */
	DEBUG_HIT_ACCESS,
};

struct debug_hit {
	enum debug_hit_kind kind;
	uint64_t addr;
};

/* What every vCPU of a machine shares; outlives them. */
struct vcpu_env {
	const struct kvm *kvm;
	const struct gmem *gmem;
	struct bus *pio;
	struct bus *mmio;
	struct irqchip *irqchip;
	const struct wall_clock *wall_clock;
	struct verdict *verdict;
	atomic_bool stop; /* leave the run loop */
	atomic_bool paused; /* stay out of the guest until told otherwise */
	pthread_mutex_t pause_lock;
	pthread_cond_t pause_ended; /* paused, held or stop changed; with it */
	struct debug *debug; /* borrowed: a debugger's, or NULL */
	struct trace *trace; /* borrowed, or NULL */
};

struct vcpu {
	struct vcpu_env *env; /* borrowed */
	unsigned int index;
	int fd; /* owned */
	struct kvm_run *run; /* owned mapping */
	pthread_t thread;
	bool started;
	/* For a debugger (vmm/debug.h). */
	atomic_bool held; /* stay out of the guest, as when paused */
	bool parked; /* it does; guarded by pause_lock */
	atomic_bool has_hit; /* set by the vCPU behind `hit` */
	struct debug_hit hit;
	bool steps; /* one instruction; changed while parked */
};

/* Creates vCPU @index with CPUID @cpuid (whose APIC id is set here). */
int vcpu_init(struct vcpu *vcpu, struct vcpu_env *env, unsigned int index,
	      struct cpuid_table *cpuid, struct err *err);
void vcpu_release(struct vcpu *vcpu);

/* The state in which vCPU 0 starts (vmm/vcpu_state.c). */
int vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry,
		   struct err *err);

/* Once per process, before the first vcpu_start: the signal that kicks. */
void vcpu_install_kick(void);
int vcpu_start(struct vcpu *vcpu, struct err *err);

/* With env->stop or env->paused set: makes the thread leave the guest. */
void vcpu_kick(struct vcpu *vcpu);
/* Whoever changed env->stop or env->paused calls it. Any thread. */
void vcpu_wake_paused(struct vcpu_env *env);
void vcpu_join(struct vcpu *vcpu);

#endif
