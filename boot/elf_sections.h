/*
 * The section headers of an ELF kernel, as multiboot hands them over: the table
 * as it stands in the file, and what no segment has loaded (symbols, debug
 * information) beside the kernel, with its place put into the table. Main
 * thread.
 *
 * Sources: Multiboot 0.6.96, 3.3 (bit 5); Multiboot2 2.0, 3.6.7.
 */
#ifndef BOOT_ELF_SECTIONS_H
#define BOOT_ELF_SECTIONS_H

#include <stdint.h>

#include "boot/elf.h"
#include "boot/place.h"

/* A longer table is left out: it has to fit beside the rest. */
#define ELF_SECTIONS_MAX_BYTES 0x10000

struct elf_sections {
	uint8_t *table; /* owned; NULL: there is none to hand over */
	uint32_t count;
	uint32_t entry_bytes;
	uint32_t names; /* index of the section that has the names */
};

/*
 * Loads the sections of the file @image to the beginning of *room, which is
 * below the PCI hole and shrinks, page by page. Sections are a courtesy: a
 * damaged table counts as none, and a section that is damaged or does not fit
 * keeps the address 0. Sections in segments keep the address that they were
 * linked for, also where the image was moved.
 */
int elf_sections_load(const struct elf_image *image, struct place_room *room,
		      struct elf_sections *ret_sections, struct err *err);
void elf_sections_release(struct elf_sections *sections);

#endif
