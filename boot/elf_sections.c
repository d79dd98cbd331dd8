#include "boot/elf_sections.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/bytes.h"

#define PAGE_BYTES 4096

/* Where the fields are in a header of either class. */
struct fields {
	size_t flags, address, offset, size;
	size_t width; /* of these four */
};

static const struct fields fields64 = {
	.flags = offsetof(Elf64_Shdr, sh_flags),
	.address = offsetof(Elf64_Shdr, sh_addr),
	.offset = offsetof(Elf64_Shdr, sh_offset),
	.size = offsetof(Elf64_Shdr, sh_size),
	.width = 8,
};

static const struct fields fields32 = {
	.flags = offsetof(Elf32_Shdr, sh_flags),
	.address = offsetof(Elf32_Shdr, sh_addr),
	.offset = offsetof(Elf32_Shdr, sh_offset),
	.size = offsetof(Elf32_Shdr, sh_size),
	.width = 4,
};

static uint64_t get(const uint8_t *at, const struct fields *fields)
{
	return fields->width == 8 ? load_le64(at) : load_le32(at);
}

static void put(uint8_t *at, uint64_t value, const struct fields *fields)
{
	if (fields->width == 8)
		store_le64(at, value);
	else
		store_le32(at, (uint32_t)value);
}

/* One section, if it is to be loaded and there is room. */
static int load_one(const struct elf_image *image, uint8_t *header,
		    struct place_room *room, struct err *err)
{
	const struct fields *fields = image->is_32bit ? &fields32 : &fields64;
	/* The type is where it is in both. */
	uint32_t type = load_le32(header + offsetof(Elf64_Shdr, sh_type));
	uint64_t flags = get(header + fields->flags, fields);
	uint64_t offset = get(header + fields->offset, fields);
	uint64_t size = get(header + fields->size, fields);
	gpa_t at = align_up(room->start, PAGE_BYTES);
	uint8_t *to;
	int rc;

	if (type == SHT_NULL || type == SHT_NOBITS || (flags & SHF_ALLOC) ||
	    !size || get(header + fields->address, fields) ||
	    offset > image->size_bytes || size > image->size_bytes - offset)
		return 0;
	if (at >= room->end || size > room->end - at)
		return 0;
	to = gmem_ptr(image->gmem, at, size);
	if (!to)
		return 0;
	rc = boot_file_read(image->file, offset, to, (size_t)size, err);
	if (rc)
		return rc;
	put(header + fields->address, at, fields);
	room->start = at + size;
	return 0;
}

int elf_sections_load(const struct elf_image *image, struct place_room *room,
		      struct elf_sections *ret_sections, struct err *err)
{
	struct elf_sections sections = {
		.count = image->section_count,
		.entry_bytes = image->is_32bit ? sizeof(Elf32_Shdr) :
						 sizeof(Elf64_Shdr),
		.names = image->section_names,
	};
	size_t bytes = sections.count * (size_t)sections.entry_bytes;
	autofree uint8_t *table = NULL;
	int rc;

	*ret_sections = (struct elf_sections){ .table = NULL };
	if (!bytes || bytes > ELF_SECTIONS_MAX_BYTES ||
	    sections.names >= sections.count ||
	    image->section_offset > image->size_bytes ||
	    bytes > image->size_bytes - image->section_offset)
		return 0;
	table = malloc(bytes);
	if (!table)
		return err_sys(err, ENOMEM, "sections");
	rc = boot_file_read(image->file, image->section_offset, table, bytes,
			    err);
	for (uint32_t i = 0; i < sections.count && !rc; i++)
		rc = load_one(image, table + i * (size_t)sections.entry_bytes,
			      room, err);
	if (rc)
		return rc;
	sections.table = move_ptr(&table);
	*ret_sections = sections;
	return 0;
}

void elf_sections_release(struct elf_sections *sections)
{
	free(sections->table);
	*sections = (struct elf_sections){ .table = NULL };
}
