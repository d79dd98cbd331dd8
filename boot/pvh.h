/*
 * The PVH start info (Xen public/arch-x86/hvm/start_info.h, version 1): what
 * a kernel entered at XEN_ELFNOTE_PHYS32_ENTRY finds through ebx.
 */
#ifndef BOOT_PVH_H
#define BOOT_PVH_H

#include "boot/e820.h"
#include "core/err.h"
#include "core/gmem.h"

struct pvh_info {
	gpa_t initrd;
	uint64_t initrd_bytes; /* 0: no module */
	gpa_t rsdp; /* 0: none */
};

/* Writes the structures at LAYOUT_PVH; the command line is LAYOUT_CMDLINE. */
int pvh_write(const struct gmem *gmem, const struct pvh_info *info,
	      const struct e820_map *map, struct err *err);

#endif
