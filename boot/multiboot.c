/*
 * Finding, checking and loading. What the kernel is told is in
 * multiboot_info.c.
 */
#include "boot/multiboot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "boot/place.h"
#include "core/bytes.h"

/* Multiboot 0.6.96, 3.1: within the first 8192 bytes, 32-bit aligned. */
#define V1_MAGIC	 0x1badb002U
#define V1_SEARCH	 8192
#define V1_ALIGN	 4
#define V1_HEADER	 12 /* magic, flags, checksum */
#define V1_ADDRESSES	 32 /* with the five addresses behind them */
#define V1_PAGE_ALIGN	 (1U << 0)
#define V1_MEMORY	 (1U << 1)
#define V1_VIDEO	 (1U << 2)
#define V1_MANDATORY	 0xffffU
#define V1_HAS_ADDRESSES (1U << 16)

/* Multiboot2 2.0, 3.1: within the first 32768 bytes, 64-bit aligned. */
#define V2_MAGIC	0xe85250d6U
#define V2_SEARCH	32768
#define V2_ALIGN	8
#define V2_HEADER	16 /* magic, architecture, length, checksum */
#define V2_I386		0
#define V2_OPTIONAL	1 /* in a tag's flags */
#define V2_LOAD_AT_FILE UINT32_MAX /* load_addr: from the file's beginning */
#define V2_CONSOLE	1 /* console_flags: one is required */
#define V2_LOWEST	1 /* the load address that the image prefers */
#define V2_HIGHEST	2

/* Multiboot2 2.0, 3.1.3 to 3.1.13. */
enum v2_tag {
	V2_END = 0,
	V2_REQUEST = 1,
	V2_ADDRESS = 2,
	V2_ENTRY = 3,
	V2_CONSOLE_FLAGS = 4,
	V2_FRAMEBUFFER = 5,
	V2_MODULE_ALIGN = 6,
	V2_EFI_BOOT_SERVICES = 7,
	V2_EFI_ENTRY_I386 = 8,
	V2_EFI_ENTRY_AMD64 = 9,
	V2_RELOCATABLE = 10,
};

/* The last type of information that 2.0 knows: the load base address. */
#define V2_LAST_INFO 21

/* A header being read. */
struct reader {
	const struct boot_file *file;
	const uint8_t *bytes; /* of the file's beginning */
	size_t len;
	size_t at; /* of the header */
	struct multiboot_image *image;
};

static int PRINTF_LIKE(3, 4) refuse(const struct reader *reader,
				    struct err *err, const char *fmt, ...)
{
	char why[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return err_set(err, ENOEXEC, "%s %s: its multiboot%s header %s",
		       reader->file->what, reader->file->path,
		       reader->image->version == 2 ? "2" : "", why);
}

/*
 * The addresses that both versions give, as they stand in the header: @fields
 * is header_addr, load_addr, load_end_addr, bss_end_addr.
 */
static int take_addresses(struct reader *reader, const uint8_t *fields,
			  struct err *err)
{
	struct multiboot_image *image = reader->image;
	uint64_t header = load_le32(fields);
	uint64_t load = load_le32(fields + 4);
	uint64_t load_end = load_le32(fields + 8);
	uint64_t bss_end = load_le32(fields + 12);
	uint64_t file_size = reader->file->size_bytes;

	if (image->version == 2 && load == V2_LOAD_AT_FILE)
		load = header - reader->at;
	if (load > header)
		return refuse(reader, err,
			      "is at 0x%" PRIx64
			      ", below the load address 0x%" PRIx64,
			      header, load);
	if (header - load > reader->at)
		return refuse(reader, err,
			      "says that the image begins %" PRIu64
			      " bytes before the file",
			      header - load - reader->at);
	image->file_offset = reader->at - (header - load);
	if (!load_end)
		load_end = load + (file_size - image->file_offset);
	if (load_end < load || (bss_end && bss_end < load_end))
		return refuse(reader, err,
			      "has a segment that ends before it begins");
	image->file_bytes = load_end - load;
	if (image->file_bytes > file_size - image->file_offset)
		return err_set(err, EINVAL,
			       "%s %s is truncated: it has %" PRIu64
			       " bytes of %" PRIu64,
			       reader->file->what, reader->file->path,
			       file_size,
			       image->file_offset + image->file_bytes);
	image->has_addresses = true;
	image->load = load;
	image->end = max_u64(load_end, bss_end);
	return 0;
}

static int check_entry(const struct reader *reader, struct err *err)
{
	const struct multiboot_image *image = reader->image;

	if (!image->has_addresses)
		return 0;
	if (!image->has_entry)
		return refuse(reader, err,
			      "has addresses and no entry address");
	if (image->entry < image->load || image->entry >= image->end)
		return refuse(reader, err,
			      "has its entry 0x%" PRIx32
			      " outside of what it loads",
			      image->entry);
	return 0;
}

/* --- Version 1 ------------------------------------------------------------ */

static int parse_v1(struct reader *reader, struct err *err)
{
	const uint8_t *header = reader->bytes + reader->at;
	/* Without a display there is no video mode to tell of: the kernel sees
	 * that in the information's flags. */
	const uint32_t known = V1_PAGE_ALIGN | V1_MEMORY | V1_VIDEO;
	uint32_t flags = load_le32(header + 4);
	int rc;

	if (flags & V1_MANDATORY & ~known)
		return refuse(reader, err,
			      "has mandatory flags that hull does not know: "
			      "0x%x",
			      flags & V1_MANDATORY & ~known);
	if (!(flags & V1_HAS_ADDRESSES))
		return 0;
	if (reader->at + V1_ADDRESSES > reader->len)
		return refuse(reader, err, "is cut off");
	rc = take_addresses(reader, header + V1_HEADER, err);
	if (rc)
		return rc;
	reader->image->entry = load_le32(header + 28);
	reader->image->has_entry = true;
	return check_entry(reader, err);
}

/* --- Version 2 ------------------------------------------------------------ */

static int take_requests(const struct reader *reader, const uint8_t *tag,
			 uint32_t size, struct err *err)
{
	for (uint32_t at = 8; at + 4 <= size; at += 4) {
		uint32_t type = load_le32(tag + at);

		if (type > V2_LAST_INFO)
			return refuse(reader, err,
				      "requests information of type %u, which "
				      "hull does not know",
				      type);
	}
	return 0;
}

static int take_relocatable(const struct reader *reader, const uint8_t *tag,
			    struct err *err)
{
	struct multiboot_image *image = reader->image;
	uint32_t align = load_le32(tag + 16);

	if (align & (align - 1))
		return refuse(reader, err,
			      "wants an alignment of %" PRIu32
			      ", which is no power of two",
			      align);
	image->is_relocatable = true;
	image->relocate_min = load_le32(tag + 8);
	image->relocate_max = load_le32(tag + 12);
	image->relocate_align = align ? align : 1;
	image->relocate_preference = load_le32(tag + 20);
	return 0;
}

/* The least size of a tag of this type, 0 for one that is not known. */
static uint32_t tag_min_size(uint16_t type)
{
	static const uint8_t sizes[] = {
		[V2_END] = 8,
		[V2_REQUEST] = 8,
		[V2_ADDRESS] = 24,
		[V2_ENTRY] = 12,
		[V2_CONSOLE_FLAGS] = 12,
		[V2_FRAMEBUFFER] = 20,
		[V2_MODULE_ALIGN] = 8,
		[V2_EFI_BOOT_SERVICES] = 8,
		[V2_EFI_ENTRY_I386] = 12,
		[V2_EFI_ENTRY_AMD64] = 12,
		[V2_RELOCATABLE] = 24,
	};

	return type < ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

static int take_tag(struct reader *reader, const uint8_t *tag, uint32_t size,
		    struct err *err)
{
	uint16_t type = load_le16(tag);
	bool optional = load_le16(tag + 2) & V2_OPTIONAL;

	if (!tag_min_size(type))
		return optional ? 0 :
				  refuse(reader, err,
					 "has a mandatory tag of type %u, "
					 "which hull does not know",
					 type);
	if (size < tag_min_size(type))
		return refuse(reader, err,
			      "has a tag of type %u that is cut "
			      "off",
			      type);
	switch (type) {
	case V2_REQUEST:
		return optional ? 0 : take_requests(reader, tag, size, err);
	case V2_ADDRESS:
		return take_addresses(reader, tag + 8, err);
	case V2_ENTRY:
		reader->image->entry = load_le32(tag + 8);
		reader->image->has_entry = true;
		return 0;
	case V2_CONSOLE_FLAGS:
		if (!optional && (load_le32(tag + 8) & V2_CONSOLE))
			return refuse(reader, err,
				      "requires a display, and hull has a "
				      "serial port only");
		return 0;
	case V2_RELOCATABLE:
		return take_relocatable(reader, tag, err);
	default:
		/* Modules are aligned anyway; a framebuffer is a wish; there
		 * is no EFI whose services could be kept. */
		return 0;
	}
}

static int parse_v2(struct reader *reader, struct err *err)
{
	const uint8_t *header = reader->bytes + reader->at;
	uint32_t len = load_le32(header + 8);
	uint32_t at = V2_HEADER;

	if (load_le32(header + 4) != V2_I386)
		return refuse(reader, err, "is for another processor");
	if (len < V2_HEADER || len > reader->len - reader->at)
		return refuse(reader, err, "is cut off");
	while (len - at >= 8) {
		uint32_t size = load_le32(header + at + 4);
		int rc;

		if (size < 8 || size > len - at)
			return refuse(reader, err,
				      "has a tag that reaches beyond it");
		if (load_le16(header + at) == V2_END)
			break;
		rc = take_tag(reader, header + at, size, err);
		if (rc)
			return rc;
		/* The last one may lack its padding. */
		at = (uint32_t)min_u64(align_up((uint64_t)at + size, V2_ALIGN),
				       len);
	}
	return check_entry(reader, err);
}

/* --- Either --------------------------------------------------------------- */

/* Whether the bytes there have the magic number and the checksum. */
static bool is_header(const uint8_t *at, unsigned int version)
{
	uint32_t sum = load_le32(at) + load_le32(at + 4) + load_le32(at + 8);

	if (version == 1)
		return load_le32(at) == V1_MAGIC && sum == 0;
	return load_le32(at) == V2_MAGIC && sum + load_le32(at + 12) == 0;
}

static int find_version(struct reader *reader, unsigned int version,
			struct err *err)
{
	size_t limit = version == 1 ? V1_SEARCH : V2_SEARCH;
	size_t align = version == 1 ? V1_ALIGN : V2_ALIGN;
	size_t header = version == 1 ? V1_HEADER : V2_HEADER;

	limit = (size_t)min_u64(limit, reader->len);
	for (size_t at = 0; at + header <= limit; at += align) {
		if (!is_header(reader->bytes + at, version))
			continue;
		reader->at = at;
		reader->image->version = version;
		return version == 1 ? parse_v1(reader, err) :
				      parse_v2(reader, err);
	}
	return 0;
}

int multiboot_find(const struct boot_file *file, unsigned int version,
		   struct multiboot_image *ret_image, struct err *err)
{
	struct multiboot_image image = { 0 };
	size_t len = (size_t)min_u64(file->size_bytes, V2_SEARCH);
	autofree uint8_t *bytes = malloc(len);
	struct reader reader = {
		.file = file,
		.bytes = bytes,
		.len = len,
		.image = &image,
	};
	int rc;

	if (!bytes)
		return err_set(err, ENOMEM, "no memory to look for a header");
	rc = boot_file_read(file, 0, bytes, len, err);
	if (!rc && version != 2)
		rc = find_version(&reader, 1, err);
	if (!rc && version != 1 && !image.version)
		rc = find_version(&reader, 2, err);
	if (!rc)
		*ret_image = image;
	return rc;
}

/* Where an image goes that is linked for @link. */
static bool choose_place(const struct multiboot_image *image,
			 const struct place_wish *wish, gpa_t link,
			 gpa_t *ret_gpa)
{
	struct place_wish here = *wish;

	here.highest = false;
	here.within.start = link;
	if (image->relocate_preference != V2_LOWEST &&
	    image->relocate_preference != V2_HIGHEST &&
	    link >= wish->within.start &&
	    place_find(PLACE_MULTIBOOT, &here, ret_gpa) && *ret_gpa == link)
		return true;
	return place_find(PLACE_MULTIBOOT, wish, ret_gpa);
}

int multiboot_relocate(struct multiboot_image *image, struct elf_image *elf,
		       const struct boot_file *file, const struct gmem *gmem,
		       struct err *err)
{
	gpa_t link = image->has_addresses ? image->load : elf->start;
	gpa_t end = image->has_addresses ? image->end : elf->end;
	const struct place_wish wish = {
		.within = { .start = image->relocate_min,
			    .end = min_u64(image->relocate_max,
					   gmem_low_end(gmem)) },
		.size_bytes = end - link,
		.align = image->relocate_align,
		.highest = image->relocate_preference == V2_HIGHEST,
	};
	gpa_t at;

	if (!choose_place(image, &wish, link, &at))
		return err_set(
			err, ENOMEM,
			"%s %s has no place: its multiboot2 header wants "
			"%" PRIu64 " MiB between 0x%" PRIx64 " and 0x%" PRIx64
			", and the guest has %" PRIu64 " MiB; use --memory",
			file->what, file->path,
			align_up(wish.size_bytes, MIB) / MIB,
			image->relocate_min, image->relocate_max,
			gmem->size_bytes / MIB);
	image->moved_by = at - link;
	image->entry += (uint32_t)image->moved_by;
	if (image->has_addresses) {
		image->load = at;
		image->end = at + wish.size_bytes;
	} else {
		elf_move(elf, at);
	}
	return 0;
}

int multiboot_load(const struct multiboot_image *image,
		   const struct boot_file *file, const struct gmem *gmem,
		   struct err *err)
{
	uint64_t size = image->end - image->load;
	int rc;

	if (image->load >= GMEM_HOLE_START ||
	    !gmem_ptr(gmem, image->load, size))
		return err_set(err, ENOMEM,
			       "%s %s needs %" PRIu64 " MiB at 0x%" PRIx64
			       " and the guest has %" PRIu64
			       " MiB; use --memory",
			       file->what, file->path,
			       align_up(size, MIB) / MIB, image->load,
			       gmem->size_bytes / MIB);
	rc = place_check(PLACE_MULTIBOOT, image->load, size, file->path,
			 "a segment", err);
	if (rc)
		return rc;
	return boot_file_read(file, image->file_offset,
			      gmem_ptr(gmem, image->load, image->file_bytes),
			      (size_t)image->file_bytes, err);
}
