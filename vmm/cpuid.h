/*
 * The CPUID that a guest sees: what KVM supports on this host, less what the
 * user took away, plus the topology of our machine.
 *
 * Features go by their names in /proc/cpuinfo. Sources: SDM vol. 2A CPUID;
 * AMD APM vol. 3 appendix E; KVM Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "core/err.h"
#include "vmm/kvm.h"

#define CPUID_MAX_ENTRIES	   128
#define CPUID_EMULATED_CMDLINE_MAX 40

/* The layout of struct kvm_cpuid2 with room for its entries. */
struct cpuid_table {
	uint32_t count;
	uint32_t padding;
	struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
};

/* What "host,+feature,-feature" asks for, checked against the names we know. */
struct cpuid_request {
	const char *model; /* the user's string, borrowed */
	bool hide_unemulated; /* drop what a software KVM cannot run */
};

/* -EINVAL names the first unknown feature or model. Needs no KVM. */
int cpuid_check_model(const char *model, struct err *err);

/* Fills @ret_table with what @kvm supports. Any thread. */
int cpuid_supported(const struct kvm *kvm, struct cpuid_table *ret_table,
		    struct err *err);

/*
 * Turns @table, what a KVM supports, into what the guest sees, on whichever
 * vCPU. Needs no KVM. Adding a feature that KVM lacks is an error.
 */
int cpuid_shape(struct cpuid_table *table, const struct cpuid_request *request,
		unsigned int cpu_count, struct err *err);

/* Puts the APIC id of vCPU @index into the table, in place. */
void cpuid_set_apic_id(struct cpuid_table *table, unsigned int index);

/*
 * What a Linux guest must be told on its command line where CPUID masks do not
 * reach it, since a software KVM lets guest user mode read the real CPUID; but
 * nothing of what @model, which was checked, adds with a "+".
 */
void cpuid_emulated_cmdline(const char *model,
			    char cmdline[CPUID_EMULATED_CMDLINE_MAX]);

/* "xsave cx16 ...": what is hidden on a software KVM, for `hull doctor`. */
const char *cpuid_emulated_hidden(void);

#endif
