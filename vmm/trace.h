/*
 * --trace: a line for each exit of a vCPU, and for each interrupt that hull
 * raises, that are asked for, into a file. Costs a test of a pointer when it is
 * off. Any thread but for the life of it; the stream has a lock of its own, and
 * lines do not mix.
 */
#ifndef VMM_TRACE_H
#define VMM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "vmm/symbols.h"
#include "vmm/vcpu.h"

enum trace_kind {
	TRACE_IO = 1 << 0, /* ports */
	TRACE_MMIO = 1 << 1,
	TRACE_EOI = 1 << 2, /* ends of interrupts of our I/O APIC */
	TRACE_OTHER = 1 << 3,
	TRACE_EXITS = 0xf, /* all of them */
	TRACE_RAISED = 1 << 4, /* interrupts on their way to the guest */
	TRACE_IRQ = TRACE_EOI | TRACE_RAISED,
};

struct trace {
	FILE *to; /* owned */
	unsigned int kinds; /* enum trace_kind */
	int64_t start_ns; /* loop_now_ns */
	const struct symbols *symbols; /* borrowed: the guest's */
};

/* "exits", "io", "mmio", "irq", with commas. -EINVAL with a sentence. */
int trace_parse(const char *text, unsigned int *ret_kinds, struct err *err);

/* @symbols, which may be none, outlives the trace. */
int trace_init(struct trace *trace, const char *kinds, const char *path,
	       const struct symbols *symbols, struct err *err);
/* Returns the first error that cost a line (positive errno), or 0. Takes one
 * of zeroes. */
int trace_release(struct trace *trace);

/* One that goes to the local APICs now. */
struct trace_interrupt {
	const char *name; /* the device's */
	const char *pin; /* what of it: "gsi" or "msi-x" ... */
	unsigned int number; /* ... and which one */
	/* What it sends (SDM vol. 3A, 11.11); false: KVM alone knows. */
	bool is_known;
	uint64_t address;
	uint32_t data;
};

/* TRACE_RAISED is among the kinds. Any thread; only takes the stream's lock. */
void trace_interrupt(struct trace *trace,
		     const struct trace_interrupt *interrupt);

/* The vCPU has just left KVM_RUN, with what is in vcpu->run. */
void trace_exit(struct trace *trace, const struct vcpu *vcpu);

#endif
