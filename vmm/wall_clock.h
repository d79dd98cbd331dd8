/*
 * The time of day by kvmclock for a guest whose clocks are to say a fixed time
 * (--rtc fixed=...): KVM would answer with the host's. Its answer is a
 * structure that it writes when the guest writes the address to an MSR; such a
 * write comes to us instead (Linux 5.10), and we write what time it was when
 * the guest began. The guest adds the time that it runs.
 *
 * Source: Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_WALL_CLOCK_NEW;
 * KVM api.rst 4.97, 5 (KVM_EXIT_X86_WRMSR), 7.21.
 */
#ifndef VMM_WALL_CLOCK_H
#define VMM_WALL_CLOCK_H

#include <stdint.h>

#include "core/err.h"
#include "core/gmem.h"
#include "vmm/kvm.h"

struct kvm_run;

struct wall_clock {
	const struct gmem *gmem; /* borrowed; NULL: KVM answers itself */
	int64_t start_s; /* since the epoch */
};

/*
 * Has the guest's question come to us. Before the first vCPU runs. -ENOTSUP
 * with a sentence where this host's KVM cannot; *clock is then as without.
 */
int wall_clock_init(struct wall_clock *clock, const struct kvm *kvm,
		    const struct gmem *gmem, int64_t start_s, struct err *err);

/*
 * Serves KVM_EXIT_X86_WRMSR, on the vCPU's thread. An address outside of guest
 * memory is the guest's mistake and changes nothing, as with KVM.
 */
void wall_clock_serve(const struct wall_clock *clock, struct kvm_run *run);

#endif
