/*
 * What the CPU needs in memory before it can run in protected or long mode: a
 * descriptor table, and page tables that map the first 4 GiB onto themselves.
 */
#ifndef BOOT_PAGING_H
#define BOOT_PAGING_H

#include "boot/entry.h"
#include "core/err.h"
#include "core/gmem.h"

/*
 * Writes the tables for @entry->mode (protected or long) and fills in gdt_gpa,
 * gdt_limit and, in long mode, cr3. Real mode has none and nothing is written.
 */
int paging_write(const struct gmem *gmem, struct boot_entry *entry,
		 struct err *err);

#endif
