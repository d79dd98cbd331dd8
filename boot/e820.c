#include "boot/e820.h"

#include <assert.h>

/* Keeps the order; ranges come from the platform and never overlap. */
static void add(struct e820_map *map, gpa_t start, uint64_t size_bytes,
		uint32_t type)
{
	unsigned int at = map->count;

	if (size_bytes == 0)
		return;
	assert(map->count < E820_MAX);
	while (at > 0 && map->entries[at - 1].start > start) {
		map->entries[at] = map->entries[at - 1];
		at--;
	}
	map->entries[at] = (struct e820_entry){ start, size_bytes, type };
	map->count++;
}

void e820_build(const struct platform *platform, struct e820_map *ret_map)
{
	const struct gmem *gmem = platform->gmem;
	struct e820_map map = { 0 };

	/* The extended BIOS data area, the legacy video and BIOS ranges. Our
	 * ACPI tables are there; none of it may be used as plain memory. */
	add(&map, 0, PLATFORM_EBDA_START, E820_RAM);
	add(&map, PLATFORM_EBDA_START, PLATFORM_BIOS_END - PLATFORM_EBDA_START,
	    E820_RESERVED);
	add(&map, PLATFORM_BIOS_END, gmem_low_end(gmem) - PLATFORM_BIOS_END,
	    E820_RAM);
	add(&map, PLATFORM_IOAPIC_BASE, 0x1000, E820_RESERVED);
	add(&map, PLATFORM_LAPIC_BASE, 0x1000, E820_RESERVED);
	/* PCI Firmware Specification 3.3, 4.1.2: the ECAM has to be reserved,
	 * else Linux does not use it. */
	for (unsigned int i = 0; i < platform->device_count; i++) {
		const struct platform_device *device = &platform->devices[i];

		if (device->kind == PLATFORM_PCI_HOST)
			add(&map, device->base, device->size, E820_RESERVED);
	}
	for (unsigned int i = 1; i < gmem->region_count; i++)
		add(&map, gmem->regions[i].start, gmem->regions[i].size_bytes,
		    E820_RAM);
	*ret_map = map;
}
