/*
 * The ACPI tables of the machine, hardware-reduced: RSDP, XSDT, RSDT, FADT,
 * MADT, MCFG when there is a PCI host, and DSDT, made from struct platform.
 *
 * They lie one behind the other in the BIOS area, the RSDP first, at the
 * address where guests that are handed no pointer start to search.
 *
 * Source: ACPI 6.4, 5.2 (tables) and 4.1 (hardware-reduced); PCI Firmware 3.2,
 * 4.1.2 (MCFG).
 */
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "boot/aml.h"
#include "boot/platform.h"
#include "core/err.h"
#include "core/gmem.h"

enum acpi_table {
	ACPI_RSDP,
	ACPI_XSDT,
	ACPI_RSDT, /* for kernels that know no other: many test kernels */
	ACPI_FACP,
	ACPI_APIC,
	ACPI_DSDT,
	ACPI_MCFG,
	ACPI_TABLE_COUNT,
};

/* Where each table lies in the buffer; size 0: there is none. */
struct acpi_layout {
	struct {
		size_t offset;
		size_t size;
	} tables[ACPI_TABLE_COUNT];
};

/*
 * Builds the tables in @buffer, which the guest sees at @base (a multiple of
 * 16, below 4 GiB with all of the buffer). -ENOSPC when @size is too small,
 * -EINVAL for a platform that cannot be described.
 */
int acpi_build(const struct platform *platform, uint8_t *buffer, size_t size,
	       gpa_t base, struct acpi_layout *ret_layout, struct err *err);

/*
 * Builds them in guest memory from PLATFORM_BIOS_START on, where the RSDP is;
 * all of them together have *ret_bytes.
 */
int acpi_write(const struct platform *platform, const struct gmem *gmem,
	       gpa_t *ret_rsdp, uint64_t *ret_bytes, struct err *err);

/* The first device of @kind, or NULL. */
const struct platform_device *acpi_find(const struct platform *platform,
					enum platform_device_kind kind);

/* The definition block behind the DSDT's header (boot/acpi_dsdt.c). */
void acpi_put_namespace(struct aml *aml, const struct platform *platform);

#endif
