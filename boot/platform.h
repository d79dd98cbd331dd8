/*
 * The description of the machine that the guest is told: one plain struct from
 * which the e820 map, the ACPI tables and the device tree are all made, so that
 * the three cannot disagree. The composition root (vmm/machine.c) fills it in;
 * everything in boot/ only reads it.
 */
#ifndef BOOT_PLATFORM_H
#define BOOT_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/gmem.h"

/* Fixed addresses of this machine, where a PC has them. */
#define PLATFORM_LAPIC_BASE  0xfee00000ULL
#define PLATFORM_IOAPIC_BASE 0xfec00000ULL
#define PLATFORM_IOAPIC_PINS 24

/* Low memory that is ours to place tables in; e820 tells the guest. */
#define PLATFORM_EBDA_START 0x9fc00ULL /* e820 RAM ends here below 1 MiB */
#define PLATFORM_BIOS_START 0xe0000ULL /* ACPI tables; RSDP is searched here */
#define PLATFORM_BIOS_END   0x100000ULL

enum platform_device_kind {
	PLATFORM_SERIAL, /* 16550A: PNP0501, ns16550a */
	PLATFORM_RTC, /* MC146818: PNP0B00, motorola,mc146818 */
	PLATFORM_I8042, /* PNP0303: reset line only, no keyboard */
	PLATFORM_POWER, /* sleep, reset and button registers, see below */
	PLATFORM_PVPANIC, /* QEMU0001, one port */
	PLATFORM_FW_CFG, /* QEMU0002, ports */
	PLATFORM_DEBUG_EXIT, /* one port, not described to ACPI */
	PLATFORM_PM_TIMER, /* in the FADT; 32 bits wide */
	PLATFORM_VIRTIO_MMIO, /* LNRO0005, virtio,mmio */
	PLATFORM_PCI_HOST, /* PNP0A08; base/size are the ECAM */
};

/*
 * One device with at most one register range and one interrupt. Ranges of port
 * I/O have is_port set. gsi is a pin of the I/O APIC, or -1.
 */
struct platform_device {
	enum platform_device_kind kind;
	bool is_port;
	uint64_t base;
	uint64_t size;
	int gsi;
	bool level_triggered; /* else edge, active high */
};

/* Register offsets of PLATFORM_POWER (ACPI 6.4, 4.8.3.7 and 4.8.3.6). */
#define PLATFORM_POWER_SLEEP_CONTROL 0
#define PLATFORM_POWER_SLEEP_STATUS  1
#define PLATFORM_POWER_RESET	     2
#define PLATFORM_POWER_EVENT	     3 /* bit 0: button; reading clears */
#define PLATFORM_POWER_SIZE	     4
#define PLATFORM_SLP_TYP_S5	     5
#define PLATFORM_RESET_VALUE	     0x01

#define PLATFORM_MAX_DEVICES 64
#define PLATFORM_MAX_CPUS    255

/* Windows that the PCI host bridge decodes for BARs; size 0 without PCI. */
struct platform_pci {
	uint64_t mmio32_base;
	uint64_t mmio32_size;
	uint64_t mmio64_base;
	uint64_t mmio64_size;
	/* GSI of INTA..INTD of slot 0; slots swizzle. */
	int intx_gsi[4];
};

struct platform {
	unsigned int cpu_count; /* APIC id i is vCPU i */
	const struct gmem *gmem; /* borrowed: RAM regions */
	struct platform_device devices[PLATFORM_MAX_DEVICES];
	unsigned int device_count;
	struct platform_pci pci;
	uint64_t tsc_khz; /* 0 when unknown */
};

#endif
