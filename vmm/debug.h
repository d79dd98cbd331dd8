/*
 * Holding and running vCPUs for a debugger: all of them together, or one for a
 * step; breakpoints, watchpoints, and memory by guest virtual address.
 *
 * The vCPUs are held, running, or on their way to being held: a hold is asked
 * for, each vCPU finishes what it owes the guest and parks, and the last one
 * wakes the loop. Nobody waits for another, so that a vCPU which waits for the
 * console's reader cannot stop the loop that serves that reader.
 *
 * Main thread, but for debug_on_exit. What vCPU threads read here (the
 * breakpoints) changes only while all of them are parked.
 *
 * Source: KVM api.rst 4.87 (KVM_SET_GUEST_DEBUG) and 5 (KVM_EXIT_DEBUG).
 */
#ifndef VMM_DEBUG_H
#define VMM_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/loop.h"
#include "vmm/vcpu.h"

#define DEBUG_MAX_BREAKPOINTS 256
#define DEBUG_HW_SLOTS	      4 /* DR0 to DR3 */

/* How the debug registers want it: R/W bits of DR7 (SDM vol. 3B, 18.2.4). */
enum debug_hw_kind {
	DEBUG_HW_EXECUTE = 0,
	DEBUG_HW_WRITE = 1,
	DEBUG_HW_ACCESS = 3,
};

enum debug_action {
	DEBUG_STAY,
	DEBUG_CONTINUE,
	DEBUG_STEP,
};

struct debug_breakpoint {
	uint64_t addr; /* guest virtual */
	gpa_t gpa;
	uint8_t original; /* the byte under our int3 */
};

struct debug_hw_slot {
	bool used;
	enum debug_hw_kind kind;
	uint64_t addr;
	unsigned int len;
};

enum debug_state {
	DEBUG_RUNNING,
	DEBUG_STOPPING,
	DEBUG_STOPPED
};

struct debug {
	struct vcpu *vcpus; /* borrowed */
	unsigned int vcpu_count;
	struct loop *loop; /* borrowed: woken when a vCPU hit or parked */
	const struct gmem *gmem; /* borrowed */
	enum debug_state state;
	uint32_t controls; /* of KVM_SET_GUEST_DEBUG that this KVM knows */
	/* Software KVM looks at the breakpoints among the debug registers, and
	 * lets the guest write what is watched. */
	bool has_watchpoints;
	struct debug_breakpoint breakpoints[DEBUG_MAX_BREAKPOINTS];
	unsigned int breakpoint_count;
	struct debug_hw_slot hw[DEBUG_HW_SLOTS];
};

/*
 * Before the vCPUs are started. @held: they do not enter the guest until
 * debug_resume. -ENOTSUP when KVM cannot debug a guest.
 */
int debug_init(struct debug *debug, struct vcpu *vcpus, unsigned int count,
	       struct loop *loop, bool held, struct err *err);

/* Asks all vCPUs to park; debug_update says when they have. */
void debug_stop(struct debug *debug);

/*
 * The loop was woken. True once for each stop, when all vCPUs are parked:
 * *ret_vcpu and *ret_hit then tell why.
 */
bool debug_update(struct debug *debug, unsigned int *ret_vcpu,
		  struct debug_hit *ret_hit);

/* All are parked. @actions has one for each vCPU. -errno from KVM. */
int debug_resume(struct debug *debug, const enum debug_action *actions);

/* Takes every breakpoint back and lets all vCPUs run. */
void debug_detach(struct debug *debug);

/*
 * The rest while all are parked, in the address space of vCPU @vcpu. Errors:
 * -EFAULT where no guest RAM is mapped, -ENOSPC when there are too many,
 * -ENOENT for what is not set, -ENOTSUP for a watchpoint on software KVM.
 */
int debug_read(const struct debug *debug, unsigned int vcpu, uint64_t addr,
	       void *to, size_t len);
int debug_write(const struct debug *debug, unsigned int vcpu, uint64_t addr,
		const void *from, size_t len);
int debug_add_breakpoint(struct debug *debug, unsigned int vcpu, uint64_t addr);
int debug_remove_breakpoint(struct debug *debug, uint64_t addr);
/* -EINVAL for a length that is not 1, 2, 4 or 8, or does not divide @addr. */
int debug_add_hw(struct debug *debug, enum debug_hw_kind kind, uint64_t addr,
		 unsigned int len);
int debug_remove_hw(struct debug *debug, enum debug_hw_kind kind, uint64_t addr,
		    unsigned int len);

/*
 * vCPU thread: KVM_EXIT_DEBUG, or an instruction that KVM's emulator does not
 * know. True when a debugger asked for it, or the guest got its own exception;
 * false when it is nothing of ours.
 */
bool debug_on_exit(struct debug *debug, struct vcpu *vcpu);

#endif
