/*
 * Why KVM could not go on: the exits that end a run, explained to a person,
 * with registers and instruction bytes.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include "vmm/symbols.h"
#include "vmm/vcpu.h"

/* vCPU thread, for a fatal exit in vcpu->run. Ends the run. */
void report_fatal_exit(struct vcpu *vcpu);

/* vCPU thread: the KVM_RUN ioctl itself failed with @code (positive). */
void report_run_failure(struct vcpu *vcpu, int code);

/*
 * Main thread, once the vCPU has left the guest: one line that says where it
 * was, by @symbols, for a run that was ended from outside.
 */
void report_where(const struct vcpu *vcpu, const struct symbols *symbols,
		  char *to, size_t size);

#endif
