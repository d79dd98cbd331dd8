/*
 * Multiboot kernels: finding and checking the header in a file, loading an
 * image that gives its addresses there, and writing the information that the
 * kernel finds through ebx. An image without addresses is an ELF file, whose
 * loading is boot/elf.h's. Main thread.
 *
 * Sources: Multiboot Specification 0.6.96 ("multiboot 1"); Multiboot2
 * Specification 2.0.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/e820.h"
#include "boot/elf.h"
#include "boot/elf_sections.h"
#include "boot/entry.h"
#include "boot/file.h"
#include "boot/modules.h"
#include "core/gmem.h"

/* What the kernel is told of who loaded it. */
#define MULTIBOOT_LOADER "hull"

struct multiboot_image {
	unsigned int version; /* 1 or 2; 0: the file has no header */
	/* The "a.out kludge" of version 1, the address tag of version 2. */
	bool has_addresses;
	uint64_t file_offset;
	uint64_t file_bytes;
	gpa_t load;
	gpa_t end; /* of .bss */
	bool has_entry; /* always with addresses */
	uint32_t entry;
	/* Version 2; what follows is then known. */
	bool is_relocatable;
	gpa_t relocate_min;
	gpa_t relocate_max; /* of the first byte behind the image */
	uint32_t relocate_align; /* a power of two */
	uint32_t relocate_preference; /* Multiboot2 2.0, 3.1.13 */
	uint64_t moved_by; /* by multiboot_relocate; wraps where it went down */
};

/*
 * Looks for a header of @version, or of either when that is 0: version 1 first.
 * A file without one is no error, ret_image->version is then 0. -EINVAL,
 * -ENOEXEC: the header asks for what it cannot have, or is wrong.
 */
int multiboot_find(const struct boot_file *file, unsigned int version,
		   struct multiboot_image *ret_image, struct err *err);

/*
 * Chooses the place of a relocatable image and moves it there, with its entry:
 * @image itself when it has addresses, else @elf. As the header prefers;
 * without a preference where it was linked, if it may lie there, else as low
 * as it may.
 * -ENOMEM: there is no place.
 */
int multiboot_relocate(struct multiboot_image *image, struct elf_image *elf,
		       const struct boot_file *file, const struct gmem *gmem,
		       struct err *err);

/* Loads an image that has addresses. */
int multiboot_load(const struct multiboot_image *image,
		   const struct boot_file *file, const struct gmem *gmem,
		   struct err *err);

/* What the information is made from; all borrowed. */
struct multiboot_info {
	const struct multiboot_image *image;
	const char *path; /* the kernel's: the first word of its command line */
	const char *cmdline;
	const struct module_list *modules;
	const struct elf_sections *sections;
	const struct e820_map *map;
	gpa_t low_end; /* of the memory from 1 MiB on */
	gpa_t load; /* the lowest address that was loaded */
	gpa_t rsdp; /* 0: none */
};

/*
 * Writes the information at LAYOUT_MULTIBOOT and the registers' contents to
 * @entry, all but rip. -ENOSPC when the texts are too long.
 */
int multiboot_enter(const struct multiboot_info *info, const struct gmem *gmem,
		    struct boot_entry *entry, struct err *err);

#endif
