/*
 * The guest's memory and registers as an ELF core file, for gdb, crash and
 * makedumpfile: a note for each vCPU, the kernel's VMCOREINFO where memory has
 * one, and RAM with holes where it is zero. Main thread, no vCPU runs.
 *
 * Source: System V ABI, chapter 5 "Program Header"; Linux
 * Documentation/admin-guide/kdump/vmcoreinfo.rst.
 */
#ifndef VMM_DUMP_H
#define VMM_DUMP_H

#include "core/err.h"
#include "core/gmem.h"
#include "vmm/dump_linux.h"
#include "vmm/vcpu.h"

/* All borrowed. */
struct dump {
	const struct gmem *gmem;
	const struct vcpu *vcpus;
	unsigned int vcpu_count;
	struct vmcoreinfo_place vmcoreinfo; /* as the guest told it */
	/* Optional: told now and then how much of RAM was looked at. */
	void (*progress)(uint64_t done_bytes, uint64_t all_bytes);
};

/*
 * Writes a new file beside @path and renames it: @path is whole or as it was.
 * -errno with a sentence.
 */
int dump_write(const struct dump *dump, const char *path, struct err *err);

/* -EINVAL unless @names is a list of names of exit statuses, with commas. */
int dump_check_reasons(const char *names, struct err *err);
/* Whether @reason is one of @names. */
bool dump_is_wanted(const char *names, const char *reason);

#endif
