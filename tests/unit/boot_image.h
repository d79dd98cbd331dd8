/*
 * Small kernel images made from nothing: an ELF file of two segments and notes,
 * its compression in each format, and a bzImage around that. Shared by the unit
 * tests of the loaders and their fuzz harnesses.
 */
#ifndef TESTS_UNIT_BOOT_IMAGE_H
#define TESTS_UNIT_BOOT_IMAGE_H

#include <asm/bootparam.h>
#include <bzlib.h>
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "boot/decompress.h"
#include "core/bytes.h"
#include "core/util.h"

#define IMAGE_ENTRY	0x200040ULL /* physical, in the first segment */
#define IMAGE_PVH_ENTRY 0x200080U
#define IMAGE_TEXT	0x200000ULL
#define IMAGE_TEXT_SIZE 0x3000 /* the middle page is all zeros */
#define IMAGE_DATA	0x400800ULL
#define IMAGE_DATA_SIZE 0x123
#define IMAGE_END	0x500000ULL /* of the second segment's .bss */
#define IMAGE_LINUX_MAP 0xffffffff80000000ULL

#define IMAGE_NOTES_AT 0x200
#define IMAGE_TEXT_AT  0x1000
#define IMAGE_DATA_AT  (IMAGE_TEXT_AT + IMAGE_TEXT_SIZE)

struct image {
	uint8_t bytes[0xc000];
	size_t len;
};

static inline void image_require(bool holds)
{
	if (!holds)
		abort();
}

struct image_kind {
	bool linux_note;
	bool linux_layout; /* linked where Linux is */
	bool pvh;
	bool virtual_entry; /* e_entry is a virtual address */
};

/* The byte at @at of the first segment. */
static inline uint8_t image_text(size_t at)
{
	return at / 4096 == 1 ? 0 : (uint8_t)(at * 7 + at / 251 + 1);
}

static inline size_t image_note(uint8_t *to, const char *owner, uint32_t type,
				const void *desc, uint32_t desc_size)
{
	Elf64_Nhdr header = {
		.n_namesz = (uint32_t)strlen(owner) + 1,
		.n_descsz = desc_size,
		.n_type = type,
	};
	size_t desc_at = align_up(sizeof(header) + header.n_namesz, 4);

	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), owner, header.n_namesz);
	memcpy(to + desc_at, desc, desc_size);
	return align_up(desc_at + desc_size, 4);
}

static inline void image_elf(struct image *image, struct image_kind kind)
{
	const uint64_t map =
		kind.linux_layout || kind.virtual_entry ? IMAGE_LINUX_MAP : 0;
	const uint64_t pvh = IMAGE_PVH_ENTRY;
	Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_entry = IMAGE_ENTRY + (kind.virtual_entry ? map : 0),
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	Elf64_Phdr phdrs[3] = {
		{ .p_type = PT_LOAD,
		  .p_offset = IMAGE_TEXT_AT,
		  .p_vaddr = map + IMAGE_TEXT,
		  .p_paddr = IMAGE_TEXT,
		  .p_filesz = IMAGE_TEXT_SIZE,
		  .p_memsz = IMAGE_TEXT_SIZE },
		{ .p_type = PT_LOAD,
		  .p_offset = IMAGE_DATA_AT,
		  .p_vaddr = map + IMAGE_DATA,
		  .p_paddr = IMAGE_DATA,
		  .p_filesz = IMAGE_DATA_SIZE,
		  .p_memsz = IMAGE_END - IMAGE_DATA },
		{ .p_type = PT_NOTE, .p_offset = IMAGE_DATA_AT },
	};
	uint8_t *notes = image->bytes + IMAGE_DATA_AT;
	size_t size = 0;

	memset(image, 0, sizeof(*image));
	image->len = IMAGE_DATA_AT + IMAGE_DATA_SIZE;
	for (size_t i = 0; i < IMAGE_TEXT_SIZE; i++)
		image->bytes[IMAGE_TEXT_AT + i] = image_text(i);
	memset(image->bytes + IMAGE_DATA_AT, 0xda, IMAGE_DATA_SIZE);
	size += image_note(notes, "GNU", 3, "build", 5);
	if (kind.linux_note)
		size += image_note(notes + size, "Linux", 0x101, "\1\0\0\0", 4);
	if (kind.pvh)
		size += image_note(notes + size, "Xen", 18, &pvh, 8);
	phdrs[2].p_filesz = size;
	memcpy(image->bytes, &ehdr, sizeof(ehdr));
	memcpy(image->bytes + sizeof(ehdr), phdrs, sizeof(phdrs));
}

static inline void image_add(struct image *image, const void *from, size_t len)
{
	image_require(len <= sizeof(image->bytes) - image->len);
	memcpy(image->bytes + image->len, from, len);
	image->len += len;
}

static inline void image_add_be32(struct image *image, uint32_t value)
{
	value = htobe32(value);
	image_add(image, &value, sizeof(value));
}

static inline void image_gzip(const struct image *plain, struct image *out)
{
	z_stream z = { .next_in = (uint8_t *)plain->bytes,
		       .avail_in = (uInt)plain->len,
		       .next_out = out->bytes,
		       .avail_out = sizeof(out->bytes) };

	image_require(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8,
				   Z_DEFAULT_STRATEGY) == Z_OK);
	image_require(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out->len = sizeof(out->bytes) - z.avail_out;
	deflateEnd(&z);
}

/* As Linux' scripts/xz_wrap.sh: the x86 filter, a CRC32. */
static inline void image_xz(const struct image *plain, struct image *out)
{
	lzma_options_lzma options;
	lzma_filter filters[] = {
		{ .id = LZMA_FILTER_X86 },
		{ .id = LZMA_FILTER_LZMA2, .options = &options },
		{ .id = LZMA_VLI_UNKNOWN },
	};

	image_require(!lzma_lzma_preset(&options, 6));
	image_require(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL,
						plain->bytes, plain->len,
						out->bytes, &out->len,
						sizeof(out->bytes)) == LZMA_OK);
}

static inline void image_lzma(const struct image *plain, struct image *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	image_require(!lzma_lzma_preset(&options, 6));
	image_require(lzma_alone_encoder(&stream, &options) == LZMA_OK);
	stream.next_in = plain->bytes;
	stream.avail_in = plain->len;
	stream.next_out = out->bytes;
	stream.avail_out = sizeof(out->bytes);
	image_require(lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END);
	out->len = sizeof(out->bytes) - stream.avail_out;
	lzma_end(&stream);
}

static inline void image_lz4(const struct image *plain, struct image *out)
{
	uint8_t head[8] = { 0x02, 0x21, 0x4c, 0x18 };
	int size = LZ4_compress_default((const char *)plain->bytes,
					(char *)out->bytes + sizeof(head),
					(int)plain->len,
					sizeof(out->bytes) - sizeof(head));

	image_require(size > 0);
	store_le32(head + 4, (uint32_t)size);
	memcpy(out->bytes, head, sizeof(head));
	out->len = sizeof(head) + (size_t)size;
}

/* lzop's container with one compressed and one stored block. */
static inline void image_lzo(const struct image *plain, struct image *out)
{
	static const uint8_t head[] = {
		0x89, 'L',  'Z',  'O',	0x00, 0x0d, 0x0a, 0x1a, 0x0a,
		0x10, 0x30, 0x20, 0xa0, 0x09, 0x40, 0x03, 0x09, 0,
		0,    0,    1, /* flags: a checksum of the plain data */
		0,    0,    0,	  0,	0,    0,    0,	  0,	0,
		0,    0,    0,	  0,	0,    0,    0,	  0,
	};
	size_t stored = 64;
	uint32_t first = (uint32_t)(plain->len - stored);
	static uint8_t packed[sizeof(((struct image *)0)->bytes) + 4096];
	static uint8_t work[LZO1X_1_MEM_COMPRESS];
	lzo_uint size = sizeof(packed);

	image_require(lzo_init() == LZO_E_OK);
	image_require(lzo1x_1_compress(plain->bytes, first, packed, &size,
				       work) == LZO_E_OK);
	image_add(out, head, sizeof(head));
	image_add_be32(out, first);
	image_add_be32(out, (uint32_t)size);
	image_add_be32(out, (uint32_t)adler32(1, plain->bytes, first));
	image_add(out, packed, size);
	image_add_be32(out, (uint32_t)stored);
	image_add_be32(out, (uint32_t)stored);
	image_add_be32(out, (uint32_t)adler32(1, plain->bytes + first,
					      (uInt)stored));
	image_add(out, plain->bytes + first, stored);
	image_add_be32(out, 0);
}

static inline void image_compress(enum compression format,
				  const struct image *plain, struct image *out)
{
	unsigned int bz_len = sizeof(out->bytes);

	memset(out, 0, sizeof(*out));
	switch (format) {
	case COMPRESSION_GZIP:
		image_gzip(plain, out);
		break;
	case COMPRESSION_XZ:
		image_xz(plain, out);
		break;
	case COMPRESSION_ZSTD:
		out->len = ZSTD_compress(out->bytes, sizeof(out->bytes),
					 plain->bytes, plain->len, 3);
		image_require(!ZSTD_isError(out->len));
		break;
	case COMPRESSION_LZ4:
		image_lz4(plain, out);
		break;
	case COMPRESSION_BZIP2:
		image_require(BZ2_bzBuffToBuffCompress((char *)out->bytes,
						       &bz_len,
						       (char *)plain->bytes,
						       (unsigned int)plain->len,
						       9, 0, 0) == BZ_OK);
		out->len = bz_len;
		break;
	case COMPRESSION_LZO:
		image_lzo(plain, out);
		break;
	case COMPRESSION_LZMA:
		image_lzma(plain, out);
		break;
	default:
		*out = *plain;
	}
}

/* The protected-mode part begins with this much of the kernel's own code. */
#define IMAGE_BZ_CODE	0x240
#define IMAGE_BZ_SETUP	1024 /* one boot sector, one of setup */
#define IMAGE_BZ_PREFER 0x1000000ULL
#define IMAGE_BZ_INIT	0x800000U

/* A 64-bit bzImage of protocol 2.15 around a payload. */
static inline void image_bzimage(const struct image *payload, bool add_size,
				 uint32_t plain_bytes, struct image *out)
{
	struct setup_header header = {
		.setup_sects = 1,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 255,
		.payload_offset = IMAGE_BZ_CODE,
		.pref_address = IMAGE_BZ_PREFER,
		.init_size = IMAGE_BZ_INIT,
	};
	uint8_t tail[4];

	memset(out, 0, sizeof(*out));
	out->len = IMAGE_BZ_SETUP;
	memset(out->bytes + out->len, 0x90, IMAGE_BZ_CODE);
	out->len += IMAGE_BZ_CODE;
	image_add(out, payload->bytes, payload->len);
	if (add_size) {
		store_le32(tail, plain_bytes);
		image_add(out, tail, sizeof(tail));
	}
	header.payload_length =
		(uint32_t)(out->len - IMAGE_BZ_SETUP - IMAGE_BZ_CODE);
	header.syssize = (uint32_t)((out->len - IMAGE_BZ_SETUP + 15) / 16);
	memcpy(out->bytes, "MZ", 2);
	memcpy(out->bytes + 0x1f1, &header, sizeof(header));
}

/* A bzImage of a Linux ELF compressed as @format. */
static inline void image_linux(enum compression format, struct image *out)
{
	struct image_kind kind = { .linux_note = true,
				   .linux_layout = true,
				   .pvh = true };
	static struct image elf;
	static struct image payload;

	image_elf(&elf, kind);
	image_compress(format, &elf, &payload);
	image_bzimage(&payload,
		      format != COMPRESSION_GZIP && format != COMPRESSION_NONE,
		      (uint32_t)elf.len, out);
}

/* An open memory file of @len bytes; its path stays valid till the next. */
static inline int image_file(const void *bytes, size_t len, char path[32])
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	char number[16];
	size_t at = sizeof(number);
	unsigned int left = (unsigned int)fd;

	image_require(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	number[--at] = '\0';
	do {
		number[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	memcpy(mempcpy(path, "/proc/self/fd/", 14), number + at,
	       sizeof(number) - at);
	return fd;
}

#endif
