/*
 * ELF images for x86, of 64 and of 32 bits: where their segments go, and what
 * their notes say. An image comes either from a file, read straight into guest
 * memory, or as a stream out of a decompressor, and then it is a 64-bit one.
 * Main thread.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/decompress.h"
#include "boot/file.h"
#include "boot/place.h"
#include "core/gmem.h"

#define ELF_MAX_SEGMENTS 64

/* A streamed image has its program headers within this many bytes. */
#define ELF_HEAD_BYTES 4096

struct elf_segment {
	uint64_t file_offset;
	uint64_t file_bytes;
	gpa_t gpa;
	uint64_t memory_bytes;
	uint64_t virtual_address;
};

struct elf_image {
	const struct boot_file *file; /* borrowed: for messages */
	const struct gmem *gmem; /* borrowed */
	uint64_t size_bytes; /* of the whole image */
	bool is_32bit;
	uint64_t entry; /* e_entry as it stands */
	uint64_t section_offset;
	uint16_t section_count; /* 0: of another size than they should be */
	uint16_t section_names; /* the section that has their names */
	struct elf_segment segments[ELF_MAX_SEGMENTS];
	unsigned int segment_count;
	struct elf_segment notes[ELF_MAX_SEGMENTS];
	unsigned int note_count;
	gpa_t start; /* of the lowest segment */
	gpa_t end; /* of the highest segment */
};

struct elf_notes {
	bool has_pvh;
	uint32_t pvh_entry; /* XEN_ELFNOTE_PHYS32_ENTRY */
	bool is_linux; /* a note of owner "Linux", or Xen's GUEST_OS "linux" */
};

/* Whether @head, the beginning of a file, is ELF of any kind. */
bool elf_is(const uint8_t *head, size_t len);

/*
 * Reads the headers of the image that is @file as a whole. No segment may meet
 * another. Whether all lie in guest RAM, and where nothing else does,
 * elf_check_place says once it is known how the image is entered.
 */
int elf_open_file(const struct boot_file *file, const struct gmem *gmem,
		  struct elf_image *ret_image, struct err *err);

int elf_check_place(const struct elf_image *image, enum place_rules rules,
		    struct err *err);

/*
 * Moves what will be loaded, with its entry, so that the lowest segment lies at
 * @start. The addresses that it was linked for stay as they are.
 */
void elf_move(struct elf_image *image, gpa_t start);

/*
 * Reads the segments of a file into guest memory. What a segment has beyond
 * its bytes in the file is left as it is: guest memory is fresh.
 */
int elf_load_file(const struct elf_image *image, struct err *err);

/* All three for a compressed image, of Linux, in a part of the file. */
int elf_load_compressed(const struct byte_range *payload,
			enum compression format, uint64_t plain_bytes,
			const struct gmem *gmem, struct elf_image *ret_image,
			struct err *err);

/*
 * Reads the notes: of an image in a file (@whole_file) in PT_NOTE segments and,
 * where these have no PVH entry, in SHT_NOTE sections; of a streamed one in
 * the PT_NOTE segments that were loaded.
 */
int elf_read_notes(const struct elf_image *image, bool whole_file,
		   struct elf_notes *ret_notes, struct err *err);

/* Whether a segment was loaded around @gpa. */
bool elf_holds(const struct elf_image *image, gpa_t gpa);

/*
 * The physical address of the entry: e_entry itself when a segment was loaded
 * around it, else e_entry translated from the virtual to the physical address
 * of its segment. *ret_linux_layout says whether it is laid out as Linux is: a
 * physical entry, in a segment linked at 0xffffffff80000000 plus its physical
 * address (__START_KERNEL_map).
 */
int elf_entry(const struct elf_image *image, gpa_t *ret_entry,
	      bool *ret_linux_layout, struct err *err);

#endif
