/*
 * Interrupts and buses use the bindings that Linux reads on x86
 * (arch/x86/kernel/devicetree.c): an "intel,ce4100-ioapic" with two cells, pin
 * and kind, on an "intel,ce4100-cp" bus; port I/O lies behind an "isa" bus
 * whose addresses are <1 port>.
 *
 * libfdt's sequential writer remembers nothing: each call's result is folded
 * into `rc`, and after a failure the others change nothing that matters.
 */
#include "boot/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <limits.h>
#include <stdio.h>

#include "boot/e820.h"
#include "core/util.h"

#define PHANDLE_IOAPIC 1

/* The second interrupt cell: devicetree.c's of_ioapic_type. */
#define IRQ_EDGE_RISING 0
#define IRQ_LEVEL_HIGH	2

/* Address space codes of a PCI address (IEEE 1275 PCI binding, 2.2.1.1). */
#define PCI_SPACE_MEMORY32 0x02000000
#define PCI_SPACE_MEMORY64 0x03000000

#define MAX_CELLS 160

struct tree {
	void *fdt; /* borrowed */
	int rc; /* the first failure of libfdt */
	const struct platform *platform; /* borrowed */
};

static void note(struct tree *tree, int rc)
{
	if (!tree->rc)
		tree->rc = rc;
}

static void begin(struct tree *tree, const char *name)
{
	note(tree, fdt_begin_node(tree->fdt, name));
}

static void begin_at(struct tree *tree, const char *name, uint64_t address)
{
	char full[48];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
	begin(tree, full);
}

static void end(struct tree *tree)
{
	note(tree, fdt_end_node(tree->fdt));
}

static void put_u32(struct tree *tree, const char *name, uint32_t value)
{
	note(tree, fdt_property_u32(tree->fdt, name, value));
}

static void put_u64(struct tree *tree, const char *name, uint64_t value)
{
	note(tree, fdt_property_u64(tree->fdt, name, value));
}

static void put_string(struct tree *tree, const char *name, const char *value)
{
	note(tree, fdt_property_string(tree->fdt, name, value));
}

static void put_flag(struct tree *tree, const char *name)
{
	note(tree, fdt_property(tree->fdt, name, NULL, 0));
}

static void put_cells(struct tree *tree, const char *name,
		      const uint32_t *cells, size_t count)
{
	fdt32_t big[MAX_CELLS];

	if (count > MAX_CELLS) {
		note(tree, -FDT_ERR_NOSPACE);
		return;
	}
	for (size_t i = 0; i < count; i++)
		big[i] = cpu_to_fdt32(cells[i]);
	note(tree,
	     fdt_property(tree->fdt, name, big, (int)(count * sizeof(big[0]))));
}

/* Address and length of two cells each, the root's format. */
static void put_reg(struct tree *tree, uint64_t base, uint64_t size)
{
	const uint32_t cells[] = { (uint32_t)(base >> 32), (uint32_t)base,
				   (uint32_t)(size >> 32), (uint32_t)size };

	put_cells(tree, "reg", cells, ARRAY_SIZE(cells));
}

static void put_bus_cells(struct tree *tree, uint32_t address, uint32_t size)
{
	put_u32(tree, "#address-cells", address);
	put_u32(tree, "#size-cells", size);
}

static void put_interrupt(struct tree *tree,
			  const struct platform_device *device)
{
	const uint32_t cells[] = {
		(uint32_t)device->gsi,
		device->level_triggered ? IRQ_LEVEL_HIGH : IRQ_EDGE_RISING,
	};

	if (device->gsi >= 0)
		put_cells(tree, "interrupts", cells, ARRAY_SIZE(cells));
}

static const struct platform_device *first_serial(const struct platform *p)
{
	for (unsigned int i = 0; i < p->device_count; i++) {
		if (p->devices[i].kind == PLATFORM_SERIAL &&
		    p->devices[i].is_port)
			return &p->devices[i];
	}
	return NULL;
}

static void add_chosen(struct tree *tree, const struct fdt_chosen *chosen)
{
	const struct platform_device *serial = first_serial(tree->platform);
	char path[64];

	begin(tree, "chosen");
	put_string(tree, "bootargs", chosen->cmdline);
	if (serial) {
		snprintf(path, sizeof(path), "/soc/isa@0/serial@1,%" PRIx64,
			 serial->base);
		put_string(tree, "stdout-path", path);
	}
	if (chosen->initrd_bytes) {
		put_u64(tree, "linux,initrd-start", chosen->initrd);
		put_u64(tree, "linux,initrd-end",
			chosen->initrd + chosen->initrd_bytes);
	}
	end(tree);
}

static void add_cpus(struct tree *tree)
{
	const struct platform *platform = tree->platform;

	begin(tree, "cpus");
	put_bus_cells(tree, 1, 0);
	for (unsigned int i = 0; i < platform->cpu_count; i++) {
		begin_at(tree, "cpu", i);
		put_string(tree, "device_type", "cpu");
		put_string(tree, "compatible", "intel,x86");
		put_u32(tree, "reg", i); /* the local APIC's id */
		if (platform->tsc_khz)
			put_u64(tree, "clock-frequency",
				platform->tsc_khz * 1000);
		end(tree);
	}
	end(tree);
}

static void add_memory(struct tree *tree, const struct e820_map *map)
{
	uint32_t cells[4 * E820_MAX];
	size_t used = 0;

	for (unsigned int i = 0; i < map->count; i++) {
		const struct e820_entry *entry = &map->entries[i];

		if (entry->type != E820_RAM)
			continue;
		cells[used++] = (uint32_t)(entry->start >> 32);
		cells[used++] = (uint32_t)entry->start;
		cells[used++] = (uint32_t)(entry->size_bytes >> 32);
		cells[used++] = (uint32_t)entry->size_bytes;
	}
	begin_at(tree, "memory", 0);
	put_string(tree, "device_type", "memory");
	put_cells(tree, "reg", cells, used);
	end(tree);
}

static void add_apics(struct tree *tree)
{
	begin_at(tree, "interrupt-controller", PLATFORM_IOAPIC_BASE);
	put_string(tree, "compatible", "intel,ce4100-ioapic");
	put_flag(tree, "interrupt-controller");
	put_u32(tree, "#interrupt-cells", 2);
	put_u32(tree, "#address-cells", 0);
	put_reg(tree, PLATFORM_IOAPIC_BASE, 0x1000);
	put_u32(tree, "phandle", PHANDLE_IOAPIC);
	end(tree);
	begin_at(tree, "lapic", PLATFORM_LAPIC_BASE);
	put_string(tree, "compatible", "intel,ce4100-lapic");
	put_reg(tree, PLATFORM_LAPIC_BASE, 0x1000);
	end(tree);
}

/* One window: PCI address of three cells, the CPU's of two, size of two. */
static size_t pci_window(uint32_t *cells, uint32_t space, uint64_t base,
			 uint64_t size)
{
	const uint32_t window[] = {
		space,		(uint32_t)(base >> 32),
		(uint32_t)base, (uint32_t)(base >> 32),
		(uint32_t)base, (uint32_t)(size >> 32),
		(uint32_t)size,
	};

	if (!size)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(window); i++)
		cells[i] = window[i];
	return ARRAY_SIZE(window);
}

/* Slots 0 to 3 stand for all: the mask looks at two bits of the slot. */
static void put_pci_interrupts(struct tree *tree,
			       const struct platform_pci *pci)
{
	const uint32_t mask[] = { 3 << 11, 0, 0, 7 };
	uint32_t cells[MAX_CELLS];
	size_t used = 0;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int slot = i / 4;
		unsigned int pin = i % 4;

		cells[used++] = slot << 11;
		cells[used++] = 0;
		cells[used++] = 0;
		cells[used++] = pin + 1;
		cells[used++] = PHANDLE_IOAPIC;
		cells[used++] = (uint32_t)pci->intx_gsi[(slot + pin) % 4];
		cells[used++] = IRQ_LEVEL_HIGH;
	}
	put_u32(tree, "#interrupt-cells", 1);
	put_cells(tree, "interrupt-map-mask", mask, ARRAY_SIZE(mask));
	put_cells(tree, "interrupt-map", cells, used);
}

static void add_pci(struct tree *tree, const struct platform_device *device)
{
	const struct platform_pci *pci = &tree->platform->pci;
	const uint32_t buses[] = { 0, (uint32_t)(device->size / MIB) - 1 };
	uint32_t ranges[14];
	size_t used;

	begin_at(tree, "pcie", device->base);
	put_string(tree, "compatible", "pci-host-ecam-generic");
	put_string(tree, "device_type", "pci");
	put_bus_cells(tree, 3, 2);
	put_cells(tree, "bus-range", buses, ARRAY_SIZE(buses));
	put_reg(tree, device->base, device->size);
	used = pci_window(ranges, PCI_SPACE_MEMORY32, pci->mmio32_base,
			  pci->mmio32_size);
	used += pci_window(ranges + used, PCI_SPACE_MEMORY64, pci->mmio64_base,
			   pci->mmio64_size);
	put_cells(tree, "ranges", ranges, used);
	put_pci_interrupts(tree, pci);
	end(tree);
}

struct isa_kind {
	enum platform_device_kind kind;
	const char *name;
	const char *compatible;
};

static const struct isa_kind isa_kinds[] = {
	{ PLATFORM_SERIAL, "serial", "ns16550a" },
	{ PLATFORM_RTC, "rtc", "motorola,mc146818" },
	{ PLATFORM_I8042, "i8042", "intel,i8042" },
	{ PLATFORM_POWER, "power", "hull,power" },
	{ PLATFORM_PVPANIC, "pvpanic", "hull,pvpanic" },
	{ PLATFORM_DEBUG_EXIT, "debug-exit", "hull,debug-exit" },
};

static void add_isa_device(struct tree *tree,
			   const struct platform_device *device)
{
	const uint32_t reg[] = { 1, (uint32_t)device->base,
				 (uint32_t)device->size };
	const struct isa_kind *kind = NULL;
	char name[48];

	for (size_t i = 0; i < ARRAY_SIZE(isa_kinds); i++) {
		if (isa_kinds[i].kind == device->kind)
			kind = &isa_kinds[i];
	}
	if (!kind || !device->is_port)
		return;
	snprintf(name, sizeof(name), "%s@1,%" PRIx64, kind->name, device->base);
	begin(tree, name);
	put_string(tree, "compatible", kind->compatible);
	put_cells(tree, "reg", reg, ARRAY_SIZE(reg));
	put_interrupt(tree, device);
	if (device->kind == PLATFORM_SERIAL)
		put_u32(tree, "clock-frequency", 1843200);
	end(tree);
}

static void add_isa(struct tree *tree)
{
	/* <1 port> becomes the port's number itself, 64 KiB of them. */
	const uint32_t ranges[] = { 1, 0, 0, 0, 0x10000 };

	begin_at(tree, "isa", 0);
	put_string(tree, "compatible", "isa");
	put_bus_cells(tree, 2, 1);
	put_cells(tree, "ranges", ranges, ARRAY_SIZE(ranges));
	for (unsigned int i = 0; i < tree->platform->device_count; i++)
		add_isa_device(tree, &tree->platform->devices[i]);
	end(tree);
}

static void add_soc(struct tree *tree)
{
	static const char compatible[] = "intel,ce4100-cp\0simple-bus";

	begin(tree, "soc");
	note(tree, fdt_property(tree->fdt, "compatible", compatible,
				sizeof(compatible)));
	put_bus_cells(tree, 2, 2);
	put_flag(tree, "ranges");
	add_apics(tree);
	for (unsigned int i = 0; i < tree->platform->device_count; i++) {
		const struct platform_device *device =
			&tree->platform->devices[i];

		if (device->kind == PLATFORM_PCI_HOST)
			add_pci(tree, device);
		if (device->kind != PLATFORM_VIRTIO_MMIO)
			continue;
		begin_at(tree, "virtio_mmio", device->base);
		put_string(tree, "compatible", "virtio,mmio");
		put_reg(tree, device->base, device->size);
		put_interrupt(tree, device);
		end(tree);
	}
	add_isa(tree);
	end(tree);
}

static void add_root(struct tree *tree, const struct e820_map *map,
		     const struct fdt_chosen *chosen)
{
	begin(tree, "");
	put_string(tree, "model", "hull virtual machine");
	put_string(tree, "compatible", "hull,vm");
	put_bus_cells(tree, 2, 2);
	put_u32(tree, "interrupt-parent", PHANDLE_IOAPIC);
	add_chosen(tree, chosen);
	add_cpus(tree);
	add_memory(tree, map);
	add_soc(tree);
	end(tree);
}

int fdt_build(void *buffer, size_t size, const struct platform *platform,
	      const struct fdt_chosen *chosen, struct err *err)
{
	struct tree tree = { .fdt = buffer, .platform = platform };
	struct e820_map map;

	e820_build(platform, &map);
	note(&tree, fdt_create(buffer, (int)min_u64(size, INT_MAX)));
	note(&tree, fdt_finish_reservemap(buffer));
	add_root(&tree, &map, chosen);
	note(&tree, fdt_finish(buffer));
	if (tree.rc)
		return err_set(err, ENOSPC, "cannot write the device tree: %s",
			       fdt_strerror(tree.rc));
	return 0;
}

size_t fdt_bytes(const void *buffer)
{
	return fdt_totalsize(buffer);
}
