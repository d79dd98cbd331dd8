/*
 * The flattened device tree of the machine, for guests that want one instead
 * of ACPI: the same struct platform in the terms that Linux's
 * arch/x86/kernel/devicetree.c reads.
 *
 * Source: Devicetree Specification 0.4; the bindings intel,ce4100-lapic and
 * -ioapic, virtio,mmio, pci-host-ecam-generic, ns16550a, motorola,mc146818 of
 * Linux Documentation/devicetree/bindings.
 */
#ifndef BOOT_FDT_H
#define BOOT_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "boot/platform.h"
#include "core/err.h"
#include "core/gmem.h"

/* Holds every platform with a command line of a few KiB. */
#define FDT_SIZE_MAX 0x10000

/* What the loader, and not the platform, decides. */
struct fdt_chosen {
	const char *bootargs; /* or NULL */
	gpa_t initrd_start;
	gpa_t initrd_end; /* behind its last byte; 0: there is none */
};

/*
 * Builds the tree in @buffer; fdt_bytes tells how long it came out. -ENOSPC
 * when @size is too small.
 */
int fdt_build(void *buffer, size_t size, const struct platform *platform,
	      const struct fdt_chosen *chosen, struct err *err);

/* The size of the tree in @buffer. */
size_t fdt_bytes(const void *buffer);

#endif
