/*
 * What a dump tells of a Linux guest: the VMCOREINFO that the kernel keeps for
 * dump tools, and from it where the kernel has mapped itself and all RAM, also
 * when it was moved (KASLR). Everything the guest says is checked and may be
 * wrong. Main thread, no vCPU runs.
 *
 * Sources: Linux Documentation/admin-guide/kdump/vmcoreinfo.rst,
 * arch/x86/x86_64/mm.rst; QEMU docs/specs/vmcoreinfo.rst.
 */
#ifndef VMM_DUMP_LINUX_H
#define VMM_DUMP_LINUX_H

#include <stdbool.h>

#include "core/gmem.h"

#define VMCOREINFO_MAX	4096 /* the kernel's own limit: a page */
#define VMCOREINFO_NAME "VMCOREINFO"

/* What the kernel says of itself: lines KEY=VALUE. */
struct vmcoreinfo {
	size_t len; /* 0: none was found */
	char text[VMCOREINFO_MAX + 1];
};

/* Where a guest said that the note is (fw_cfg's etc/vmcoreinfo). */
struct vmcoreinfo_place {
	gpa_t gpa;
	uint32_t size_bytes; /* 0: it said nothing */
};

/* At @told, or else in all of RAM. */
void vmcoreinfo_find(const struct gmem *gmem,
		     const struct vmcoreinfo_place *told,
		     struct vmcoreinfo *ret_info);

struct linux_maps {
	bool is_linux; /* else the rest is 0 */
	uint64_t direct_map; /* virtual address of all RAM; 0: not known */
	/* The kernel's own mapping; 0 bytes: not known. */
	uint64_t kernel_virtual;
	gpa_t kernel;
	uint64_t kernel_bytes;
};

void linux_maps_find(const struct gmem *gmem, const struct vmcoreinfo *info,
		     struct linux_maps *ret_maps);

#endif
