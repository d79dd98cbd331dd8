#include "boot/bzimage.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "boot/layout.h"
#include "core/bytes.h"

#define HEADER_OFFSET	   0x1f1
#define BOOT_FLAG_OFFSET   0x1fe
#define JUMP_LEN_OFFSET	   0x201 /* the header ends 0x202 + this */
#define MAGIC_OFFSET	   0x202
#define VERSION_OFFSET	   0x206
#define DEFAULT_SECTORS	   4 /* boot.rst: setup_sects 0 means 4 */
#define PROTOCOL_CMDLINE   0x0206 /* cmdline_size */
#define PROTOCOL_PAYLOAD   0x0208 /* payload_offset, payload_length */
#define PROTOCOL_PREFERRED 0x020a /* pref_address, init_size */
#define PROTOCOL_XLOAD	   0x020c /* xloadflags */
#define DEFAULT_ADDRESS	   0x100000

bool bzimage_is(const uint8_t *head, size_t len)
{
	return len >= VERSION_OFFSET + 2 &&
	       !memcmp(head + MAGIC_OFFSET, "HdrS", 4) &&
	       load_le16(head + BOOT_FLAG_OFFSET) == 0xaa55;
}

static int truncated(const struct bzimage *image, uint64_t needed,
		     struct err *err)
{
	return err_set(err, EINVAL,
		       "%s %s is truncated: it has %" PRIu64
		       " bytes of at least %" PRIu64,
		       image->file->what, image->file->path,
		       image->file->size_bytes, needed);
}

static int take_header(struct bzimage *image, const uint8_t *head, size_t len,
		       struct err *err)
{
	size_t end = MAGIC_OFFSET + head[JUMP_LEN_OFFSET];
	size_t header_len;

	if (end > len)
		return truncated(image, end, err);
	header_len = min_u64(end - HEADER_OFFSET, sizeof(image->header));
	memcpy(&image->header, head + HEADER_OFFSET, header_len);
	if (image->header.version < PROTOCOL_CMDLINE)
		return err_set(err, ENOEXEC,
			       "%s %s speaks boot protocol %u.%02u; hull needs "
			       "2.06 (Linux 2.6.22) or later",
			       image->file->what, image->file->path,
			       image->header.version >> 8,
			       image->header.version & 0xff);
	if (!(image->header.loadflags & LOADED_HIGH))
		return err_set(
			err, ENOEXEC,
			"%s %s is a zImage for low memory, not a bzImage",
			image->file->what, image->file->path);
	return 0;
}

static int find_parts(struct bzimage *image, struct err *err)
{
	const struct setup_header *h = &image->header;
	unsigned int sectors = h->setup_sects ? h->setup_sects :
						DEFAULT_SECTORS;
	uint64_t start = (sectors + 1) * 512ULL;
	uint64_t size = h->syssize * 16ULL;
	uint64_t file_size = image->file->size_bytes;

	/* The last unit of 16 bytes may be a partial one. */
	if (size < 16 || start + size - 15 > file_size)
		return truncated(image, start + size, err);
	image->kernel = (struct byte_range){
		.file = image->file,
		.offset = start,
		.size_bytes = min_u64(size, file_size - start),
	};
	if (h->version < PROTOCOL_PAYLOAD || h->payload_length <= 4)
		return 0;
	start += h->payload_offset;
	if (start + h->payload_length > file_size)
		return truncated(image, start + h->payload_length, err);
	image->payload = (struct byte_range){
		.file = image->file,
		.offset = start,
		.size_bytes = h->payload_length,
	};
	return 0;
}

/*
 * Linux' build puts the plain size behind each payload, except where gzip's
 * own trailer has it already (scripts/Makefile.lib, size_append).
 */
static int probe_payload(struct bzimage *image, struct err *err)
{
	struct byte_range *payload = &image->payload;
	uint8_t head[COMPRESSION_MAGIC_BYTES];
	uint8_t tail[4];
	size_t len = (size_t)min_u64(sizeof(head), payload->size_bytes);
	int rc;

	if (!payload->size_bytes)
		return 0;
	rc = boot_file_read(image->file, payload->offset, head, len, err);
	if (!rc)
		rc = boot_file_read(image->file,
				    payload->offset + payload->size_bytes - 4,
				    tail, sizeof(tail), err);
	if (rc)
		return rc;
	image->format = compression_of(head, len);
	image->plain_bytes = load_le32(tail);
	if (image->format == COMPRESSION_NONE)
		image->plain_bytes = (uint32_t)payload->size_bytes;
	else if (image->format != COMPRESSION_GZIP)
		payload->size_bytes -= 4;
	return 0;
}

int bzimage_open(const struct boot_file *file, const uint8_t *head, size_t len,
		 struct bzimage *ret_image, struct err *err)
{
	struct bzimage image = { .file = file };
	int rc = take_header(&image, head, len, err);

	if (!rc)
		rc = find_parts(&image, err);
	if (!rc)
		rc = probe_payload(&image, err);
	if (!rc)
		*ret_image = image;
	return rc;
}

bool bzimage_is_64bit(const struct bzimage *image)
{
	return image->header.version >= PROTOCOL_XLOAD &&
	       (image->header.xloadflags & XLF_KERNEL_64);
}

int bzimage_load_whole(const struct bzimage *image, const struct gmem *gmem,
		       gpa_t *ret_start, gpa_t *ret_end, struct err *err)
{
	const struct setup_header *h = &image->header;
	gpa_t start = DEFAULT_ADDRESS;
	uint64_t needed = image->kernel.size_bytes;
	int rc;

	if (h->version >= PROTOCOL_PREFERRED) {
		start = h->pref_address;
		needed = max_u64(needed, h->init_size);
	}
	if (start < LAYOUT_KERNEL_MIN)
		return err_set(err, EINVAL,
			       "%s %s wants to be loaded at 0x%" PRIx64
			       ", below 1 MiB",
			       image->file->what, image->file->path, start);
	if (start >= GMEM_HOLE_START || !gmem_ptr(gmem, start, needed))
		return err_set(err, ENOMEM,
			       "%s %s needs %" PRIu64 " MiB at 0x%" PRIx64
			       " and the guest has %" PRIu64
			       " MiB; use --memory",
			       image->file->what, image->file->path,
			       align_up(needed, MIB) / MIB, start,
			       gmem->size_bytes / MIB);
	rc = boot_file_read(image->file, image->kernel.offset,
			    gmem_ptr(gmem, start, image->kernel.size_bytes),
			    (size_t)image->kernel.size_bytes, err);
	if (rc)
		return rc;
	*ret_start = start;
	*ret_end = start + needed;
	return 0;
}
