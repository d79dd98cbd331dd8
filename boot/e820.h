/*
 * The memory map that the guest is told, in ascending order and without
 * overlaps. Linux' zero page, PVH's start info and the device tree all use it.
 */
#ifndef BOOT_E820_H
#define BOOT_E820_H

#include <stdint.h>

#include "boot/platform.h"

/* The types of ACPI 6.4, table 15.6, which PVH shares. */
#define E820_RAM      1
#define E820_RESERVED 2

struct e820_entry {
	gpa_t start;
	uint64_t size_bytes;
	uint32_t type;
};

#define E820_MAX 16

struct e820_map {
	struct e820_entry entries[E820_MAX];
	unsigned int count;
};

/* Low memory must reach beyond 1 MiB. */
void e820_build(const struct platform *platform, struct e820_map *ret_map);

#endif
