#include "boot/fdt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"

/* Phandle of the I/O APIC, to which every interrupt goes. */
#define IOAPIC_PHANDLE 1

/*
 * Second cell of an interrupt: not the flags of other controllers but an index
 * into the table of Linux arch/x86/kernel/devicetree.c, of_ioapic_type.
 */
#define IRQ_LEVEL_HIGH	1
#define IRQ_LEVEL_LOW	2
#define IRQ_EDGE_RISING 3

/* First cell of an ISA address: port I/O. */
#define ISA_IO	   1
#define ISA_IO_END 0x10000

/* First cell of a PCI address, IEEE 1275 PCI binding, 2.2.1.1. */
#define PCI_MEMORY32 0x02000000
#define PCI_MEMORY64 0x03000000
#define PCI_SLOT(n)  ((uint32_t)(n) << 11)

#define LAPIC_SIZE  0x1000
#define IOAPIC_SIZE 0x1000
#define UART_HZ	    1843200

/* --- Sequential writing; after a first error nothing happens ------------- */

struct writer {
	void *fdt;
	int rc; /* FDT_ERR_ of the first failure */
};

static void keep(struct writer *to, int rc)
{
	if (!to->rc)
		to->rc = rc;
}

static void node_end(struct writer *to)
{
	if (!to->rc)
		keep(to, fdt_end_node(to->fdt));
}

static void PRINTF_LIKE(2, 3)
	node_begin(struct writer *to, const char *fmt, ...)
{
	char name[48];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (!to->rc)
		keep(to, fdt_begin_node(to->fdt, name));
}

static void put_flag(struct writer *to, const char *name)
{
	if (!to->rc)
		keep(to, fdt_property(to->fdt, name, NULL, 0));
}

static void put_string(struct writer *to, const char *name, const char *text)
{
	if (!to->rc)
		keep(to, fdt_property_string(to->fdt, name, text));
}

static void put_u32(struct writer *to, const char *name, uint32_t value)
{
	if (!to->rc)
		keep(to, fdt_property_u32(to->fdt, name, value));
}

static void put_u64(struct writer *to, const char *name, uint64_t value)
{
	if (!to->rc)
		keep(to, fdt_property_u64(to->fdt, name, value));
}

static void put_cells(struct writer *to, const char *name,
		      const uint32_t *cells, size_t count)
{
	void *at;
	int rc;

	if (to->rc)
		return;
	rc = fdt_property_placeholder(to->fdt, name, (int)(count * 4), &at);
	keep(to, rc);
	for (size_t i = 0; !rc && i < count; i++)
		fdt32_st((fdt32_t *)at + i, cells[i]);
}

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static void put_reg(struct writer *to, uint64_t base, uint64_t size)
{
	const uint32_t cells[] = { high(base), low(base), high(size),
				   low(size) };

	put_cells(to, "reg", cells, ARRAY_SIZE(cells));
}

/* --- Processors, memory, interrupt controllers --------------------------- */

static void put_chosen(struct writer *to, const struct platform *platform,
		       const struct fdt_chosen *chosen)
{
	char path[32];

	node_begin(to, "chosen");
	if (chosen->bootargs)
		put_string(to, "bootargs", chosen->bootargs);
	for (unsigned int i = 0; i < platform->device_count; i++) {
		const struct platform_device *device = &platform->devices[i];

		if (device->kind != PLATFORM_SERIAL || !device->is_port)
			continue;
		snprintf(path, sizeof(path), "/isa@i0/serial@i%llx",
			 (unsigned long long)device->base);
		put_string(to, "stdout-path", path);
		break;
	}
	if (chosen->initrd_end) {
		put_u64(to, "linux,initrd-start", chosen->initrd_start);
		put_u64(to, "linux,initrd-end", chosen->initrd_end);
	}
	node_end(to);
}

static void put_cpus(struct writer *to, const struct platform *platform)
{
	node_begin(to, "cpus");
	put_u32(to, "#address-cells", 1);
	put_u32(to, "#size-cells", 0);
	if (platform->tsc_khz)
		put_u64(to, "timebase-frequency", platform->tsc_khz * 1000);
	for (unsigned int i = 0; i < platform->cpu_count; i++) {
		node_begin(to, "cpu@%x", i);
		put_string(to, "device_type", "cpu");
		put_string(to, "compatible", "hull,vcpu");
		put_u32(to, "reg", i); /* the APIC id */
		node_end(to);
	}
	node_end(to);
}

static void put_memory(struct writer *to, const struct gmem *gmem)
{
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];

		node_begin(to, "memory@%llx",
			   (unsigned long long)region->start);
		put_string(to, "device_type", "memory");
		put_reg(to, region->start, region->size_bytes);
		node_end(to);
	}
}

static void put_interrupt_controllers(struct writer *to)
{
	node_begin(to, "interrupt-controller@%llx", PLATFORM_LAPIC_BASE);
	put_string(to, "compatible", "intel,ce4100-lapic");
	put_reg(to, PLATFORM_LAPIC_BASE, LAPIC_SIZE);
	/* There is no IMCR that a guest would have to switch. */
	put_flag(to, "intel,virtual-wire-mode");
	node_end(to);

	node_begin(to, "interrupt-controller@%llx", PLATFORM_IOAPIC_BASE);
	put_string(to, "compatible", "intel,ce4100-ioapic");
	put_reg(to, PLATFORM_IOAPIC_BASE, IOAPIC_SIZE);
	put_flag(to, "interrupt-controller");
	put_u32(to, "#interrupt-cells", 2);
	put_u32(to, "#address-cells", 0);
	put_u32(to, "phandle", IOAPIC_PHANDLE);
	node_end(to);
}

/* --- Devices ------------------------------------------------------------- */

struct kind {
	const char *node; /* NULL: not in the tree */
	const char *compatible;
	/* Properties of its own; or NULL. */
	void (*put_more)(struct writer *to);
};

static void put_more_serial(struct writer *to)
{
	put_u32(to, "clock-frequency", UART_HZ);
}

static void put_more_virtio(struct writer *to)
{
	put_flag(to, "dma-coherent");
}

static const struct kind *kind_of(const struct platform_device *device)
{
	static const struct kind kinds[] = {
		[PLATFORM_SERIAL] = { "serial", "ns16550a", put_more_serial },
		[PLATFORM_RTC] = { "rtc", "motorola,mc146818", NULL },
		/* Only a reset line; the power device has a better. */
		[PLATFORM_I8042] = { NULL, NULL, NULL },
		/* Registers as in boot/platform.h. */
		[PLATFORM_POWER] = { "power", "hull,power", NULL },
		[PLATFORM_PVPANIC] = { "pvpanic", "hull,pvpanic-port", NULL },
		[PLATFORM_FW_CFG] = { NULL, NULL, NULL }, /* no ports there */
		[PLATFORM_DEBUG_EXIT] = { "debug-exit", "hull,debug-exit",
					  NULL },
		[PLATFORM_VIRTIO_MMIO] = { "virtio_mmio", "virtio,mmio",
					   put_more_virtio },
		[PLATFORM_PCI_HOST] = { NULL, NULL, NULL }, /* put_pci_host */
	};

	return &kinds[device->kind];
}

static void put_device(struct writer *to, const struct platform_device *device)
{
	const struct kind *kind = kind_of(device);
	unsigned long long base = device->base;

	if (!kind->node)
		return;
	if (device->is_port) {
		const uint32_t reg[] = { ISA_IO, low(base), low(device->size) };

		node_begin(to, "%s@i%llx", kind->node, base);
		put_string(to, "compatible", kind->compatible);
		put_cells(to, "reg", reg, ARRAY_SIZE(reg));
	} else {
		node_begin(to, "%s@%llx", kind->node, base);
		put_string(to, "compatible", kind->compatible);
		put_reg(to, base, device->size);
	}
	if (device->gsi >= 0) {
		const uint32_t irq[] = { (uint32_t)device->gsi,
					 device->level_triggered ?
						 IRQ_LEVEL_HIGH :
						 IRQ_EDGE_RISING };

		put_cells(to, "interrupts", irq, ARRAY_SIZE(irq));
	}
	if (kind->put_more)
		kind->put_more(to);
	node_end(to);
}

/*
 * All that is behind ports. Linux only translates a port to itself when the
 * bus has ranges; that they name memory means nothing.
 */
static void put_isa(struct writer *to, const struct platform *platform)
{
	static const uint32_t ranges[] = { ISA_IO, 0, 0, 0, ISA_IO_END };

	node_begin(to, "isa@i0");
	put_string(to, "compatible", "isa");
	put_u32(to, "#address-cells", 2);
	put_u32(to, "#size-cells", 1);
	put_cells(to, "ranges", ranges, ARRAY_SIZE(ranges));
	for (unsigned int i = 0; i < platform->device_count; i++) {
		if (platform->devices[i].is_port)
			put_device(to, &platform->devices[i]);
	}
	node_end(to);
}

/* INTA..INTD of slots 0..3; the mask makes all further slots one of these. */
static void put_interrupt_map(struct writer *to, const struct platform_pci *pci)
{
	static const uint32_t mask[] = { PCI_SLOT(3), 0, 0, 7 };
	uint32_t map[4 * 4 * 7];
	size_t count = 0;

	for (unsigned int slot = 0; slot < 4; slot++) {
		for (unsigned int pin = 0; pin < 4; pin++) {
			unsigned int line = (slot + pin) % 4;

			map[count++] = PCI_SLOT(slot);
			map[count++] = 0;
			map[count++] = 0;
			map[count++] = pin + 1;
			map[count++] = IOAPIC_PHANDLE;
			map[count++] = (uint32_t)pci->intx_gsi[line];
			/* PCI's pins are active low. */
			map[count++] = IRQ_LEVEL_LOW;
		}
	}
	put_u32(to, "#interrupt-cells", 1);
	put_cells(to, "interrupt-map-mask", mask, ARRAY_SIZE(mask));
	put_cells(to, "interrupt-map", map, count);
}

static size_t add_window(uint32_t *cells, uint32_t space, uint64_t base,
			 uint64_t size)
{
	const uint32_t window[] = { space,	high(base), low(base),
				    high(base), low(base),  high(size),
				    low(size) };

	if (!size)
		return 0;
	memcpy(cells, window, sizeof(window));
	return ARRAY_SIZE(window);
}

static void put_pci_host(struct writer *to, const struct platform *platform,
			 const struct platform_device *ecam)
{
	const struct platform_pci *pci = &platform->pci;
	const uint32_t buses[] = { 0, (uint32_t)(ecam->size / MIB - 1) };
	uint32_t ranges[2 * 7];
	size_t count;

	node_begin(to, "pcie@%llx", (unsigned long long)ecam->base);
	put_string(to, "compatible", "pci-host-ecam-generic");
	put_string(to, "device_type", "pci");
	put_u32(to, "#address-cells", 3);
	put_u32(to, "#size-cells", 2);
	put_reg(to, ecam->base, ecam->size);
	put_cells(to, "bus-range", buses, ARRAY_SIZE(buses));
	count = add_window(ranges, PCI_MEMORY32, pci->mmio32_base,
			   pci->mmio32_size);
	count += add_window(ranges + count, PCI_MEMORY64, pci->mmio64_base,
			    pci->mmio64_size);
	put_cells(to, "ranges", ranges, count);
	put_flag(to, "dma-coherent");
	put_interrupt_map(to, pci);
	node_end(to);
}

static void put_root(struct writer *to, const struct platform *platform,
		     const struct fdt_chosen *chosen)
{
	static const char compatible[] = "hull,pc";

	node_begin(to, "%s", "");
	put_u32(to, "#address-cells", 2);
	put_u32(to, "#size-cells", 2);
	put_string(to, "model", "hull");
	put_string(to, "compatible", compatible);
	put_u32(to, "interrupt-parent", IOAPIC_PHANDLE);
	put_chosen(to, platform, chosen);
	put_cpus(to, platform);
	put_memory(to, platform->gmem);
	put_interrupt_controllers(to);
	put_isa(to, platform);
	for (unsigned int i = 0; i < platform->device_count; i++) {
		const struct platform_device *device = &platform->devices[i];

		if (device->kind == PLATFORM_PCI_HOST)
			put_pci_host(to, platform, device);
		else if (!device->is_port)
			put_device(to, device);
	}
	node_end(to);
}

int fdt_build(void *buffer, size_t size, const struct platform *platform,
	      const struct fdt_chosen *chosen, struct err *err)
{
	struct writer to = { .fdt = buffer };

	keep(&to, fdt_create(buffer, (int)min_u64(size, INT32_MAX)));
	/* What e820 keeps from being used as RAM, boot/platform.h. */
	if (!to.rc)
		keep(&to, fdt_add_reservemap_entry(
				  buffer, PLATFORM_EBDA_START,
				  PLATFORM_BIOS_END - PLATFORM_EBDA_START));
	if (!to.rc)
		keep(&to, fdt_finish_reservemap(buffer));
	put_root(&to, platform, chosen);
	if (!to.rc)
		keep(&to, fdt_finish(buffer));
	if (to.rc == -FDT_ERR_NOSPACE)
		return err_set(err, ENOSPC,
			       "the device tree of %u CPUs and %u devices "
			       "does not fit into %zu bytes: use fewer of "
			       "them, or a shorter command line",
			       platform->cpu_count, platform->device_count,
			       size);
	if (to.rc)
		return err_set(err, EINVAL, "device tree: %s",
			       fdt_strerror(to.rc));
	return 0;
}

size_t fdt_bytes(const void *buffer)
{
	return fdt_totalsize(buffer);
}
