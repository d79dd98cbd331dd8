/*
 * 64-bit ELF images for x86: where their segments go, and what their notes
 * say. An image comes either from a file, read straight into guest memory, or
 * as a stream out of a decompressor. Main thread.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/decompress.h"
#include "boot/file.h"
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
	uint64_t entry; /* e_entry as it stands */
	uint64_t section_offset;
	uint16_t section_count;
	struct elf_segment segments[ELF_MAX_SEGMENTS];
	unsigned int segment_count;
	struct elf_segment notes[ELF_MAX_SEGMENTS];
	unsigned int note_count;
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
 * Reads the headers of the image that is @file as a whole. Every segment must
 * lie in guest RAM below the PCI hole, at or above LAYOUT_KERNEL_MIN, and meet
 * no other.
 */
int elf_open_file(const struct boot_file *file, const struct gmem *gmem,
		  struct elf_image *ret_image, struct err *err);

/*
 * Reads the segments of a file into guest memory. What a segment has beyond
 * its bytes in the file is left as it is: guest memory is fresh.
 */
int elf_load_file(const struct elf_image *image, struct err *err);

/* Both for a compressed image in a part of the file. */
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
