/*
 * The flattened device tree of the machine (Devicetree Specification 0.4),
 * for guests that prefer it to ACPI.
 */
#ifndef BOOT_FDT_H
#define BOOT_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "boot/platform.h"
#include "core/err.h"

struct fdt_chosen {
	const char *cmdline; /* borrowed */
	gpa_t initrd;
	uint64_t initrd_bytes; /* 0: none */
};

/*
 * Writes the tree into @buffer; fdt_bytes tells how much of it is used.
 * The memory nodes are the RAM of the e820 map. -ENOSPC when @size is too
 * small.
 */
int fdt_build(void *buffer, size_t size, const struct platform *platform,
	      const struct fdt_chosen *chosen, struct err *err);

/* The size of the tree in @buffer. */
size_t fdt_bytes(const void *buffer);

#endif
