/*
 * Where the tables for the guest's first instructions lie: all below 1 MiB, so
 * that a kernel, which starts at 1 MiB or above, never meets them. Linux copies
 * what it needs before it hands this memory out; e820.c calls it RAM.
 */
#ifndef BOOT_LAYOUT_H
#define BOOT_LAYOUT_H

#define LAYOUT_GDT	      0x1000
#define LAYOUT_PAGE_TABLES    0x2000 /* six, see paging.c */
#define LAYOUT_BOOT_PARAMS    0x8000 /* the "zero page" of Linux, one page */
#define LAYOUT_PVH	      0x9000 /* hvm_start_info with its lists, a page */
#define LAYOUT_CMDLINE	      0x10000
#define LAYOUT_CMDLINE_SIZE   0x10000
#define LAYOUT_RNG_SEED	      0x20000 /* a setup_data node */
#define LAYOUT_FDT	      0x30000 /* a setup_data node that holds it */
#define LAYOUT_FDT_SIZE	      0x50000
/* A multiboot kernel is given no device tree: its information is there. */
#define LAYOUT_MULTIBOOT      0x30000
#define LAYOUT_MULTIBOOT_SIZE 0x50000
#define LAYOUT_STACK_TOP      0x9f000 /* rsp at entry; 64 KiB below are free */

/* F000:FFF0, see reset_vector.c; the ACPI tables below it end there. */
#define LAYOUT_RESET_VECTOR 0xffff0

/* Kernels go here and above. */
#define LAYOUT_KERNEL_MIN 0x100000

#endif
