/*
 * Small kernels that are not Linux, made from nothing: multiboot headers, a
 * 32-bit ELF file around one, a unified kernel image. Shared by the unit tests
 * of their loaders and the fuzz harnesses.
 */
#ifndef TESTS_UNIT_BOOT_KERNELS_H
#define TESTS_UNIT_BOOT_KERNELS_H

#include "tests/unit/boot_image.h"

#define MB_MAGIC1 0x1badb002U
#define MB_MAGIC2 0xe85250d6U
#define MB_LOAD	  0x150000U
#define MB_ENTRY  (MB_LOAD + 0x123)
#define MB_BSS	  0x1000U /* bytes of it */
#define MB_SIZE	  0x2345 /* of an image that gives addresses */
#define MB_AT	  0x40 /* of the header in it */

static inline void image_put32(struct image *image, size_t at, uint32_t value)
{
	image_require(at + 4 <= sizeof(image->bytes));
	store_le32(image->bytes + at, value);
	if (image->len < at + 4)
		image->len = at + 4;
}

/* A header of version 1 at @at, its checksum right. */
static inline void image_header1(struct image *image, size_t at, uint32_t flags)
{
	image_put32(image, at, MB_MAGIC1);
	image_put32(image, at + 4, flags);
	image_put32(image, at + 8, -(MB_MAGIC1 + flags));
}

/* Begins a header of version 2; tags follow, then image_header2_end. */
static inline size_t image_header2(struct image *image, size_t at)
{
	image_put32(image, at, MB_MAGIC2);
	image_put32(image, at + 4, 0);
	return at + 16;
}

/* A tag of @count words behind type, flags and size; gives its end. */
static inline size_t image_tag(struct image *image, size_t at, uint16_t type,
			       uint16_t flags, const uint32_t *words,
			       size_t count)
{
	image_put32(image, at, (uint32_t)type | (uint32_t)flags << 16);
	image_put32(image, at + 4, (uint32_t)(8 + count * 4));
	for (size_t i = 0; i < count; i++)
		image_put32(image, at + 8 + i * 4, words[i]);
	if (count % 2)
		image_put32(image, at + 8 + count * 4, 0);
	return align_up(at + 8 + count * 4, 8);
}

static inline void image_header2_end(struct image *image, size_t at, size_t end)
{
	uint32_t len;

	end = image_tag(image, end, 0, 0, NULL, 0);
	len = (uint32_t)(end - at);
	image_put32(image, at + 8, len);
	image_put32(image, at + 12, -(MB_MAGIC2 + len));
}

/* Bytes that differ, for a flat image. */
static inline uint8_t image_filler(size_t at)
{
	return (uint8_t)(at * 13 + at / 256);
}

static inline void image_fill(struct image *image, size_t len)
{
	memset(image, 0, sizeof(*image));
	for (size_t i = 0; i < len; i++)
		image->bytes[i] = image_filler(i);
	image->len = len;
}

/* A flat file of MB_SIZE bytes with addresses in its header at MB_AT. */
static inline void image_multiboot1(struct image *image)
{
	image_fill(image, MB_SIZE);
	image_header1(image, MB_AT, 0x10003);
	image_put32(image, MB_AT + 12, MB_LOAD + MB_AT);
	image_put32(image, MB_AT + 16, MB_LOAD);
	image_put32(image, MB_AT + 20, MB_LOAD + MB_SIZE);
	image_put32(image, MB_AT + 24, MB_LOAD + MB_SIZE + MB_BSS);
	image_put32(image, MB_AT + 28, MB_ENTRY);
}

/* The same of version 2, with every tag that there is. */
static inline void image_multiboot2(struct image *image)
{
	const uint32_t requests[] = { 1, 4, 6, 8, 21 };
	const uint32_t addresses[] = { MB_LOAD + MB_AT, MB_LOAD,
				       MB_LOAD + MB_SIZE,
				       MB_LOAD + MB_SIZE + MB_BSS };
	const uint32_t entry[] = { MB_ENTRY };
	const uint32_t console[] = { 2 };
	const uint32_t wish[] = { 1024, 768, 32 };
	const uint32_t range[] = { 0x100000, 0xffffffff, 4096, 0 };
	size_t at;

	image_fill(image, MB_SIZE);
	at = image_header2(image, MB_AT);
	at = image_tag(image, at, 1, 0, requests, 5);
	at = image_tag(image, at, 2, 0, addresses, 4);
	at = image_tag(image, at, 3, 0, entry, 1);
	at = image_tag(image, at, 4, 0, console, 1);
	at = image_tag(image, at, 5, 0, wish, 3);
	at = image_tag(image, at, 6, 0, NULL, 0);
	at = image_tag(image, at, 7, 1, NULL, 0);
	at = image_tag(image, at, 10, 0, range, 4);
	at = image_tag(image, at, 77, 1, NULL, 0);
	image_header2_end(image, MB_AT, at);
}

/* image_elf's segments in a 32-bit file, a multiboot header in the text. */
static inline void image_elf32(struct image *image, unsigned int version)
{
	Elf32_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = 1,
		.e_entry = (uint32_t)IMAGE_ENTRY,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 3,
	};
	Elf32_Phdr phdrs[3];
	Elf64_Phdr wide[3];
	struct image_kind kind = { .pvh = version == 0 };

	image_elf(image, kind);
	memcpy(wide, image->bytes + sizeof(Elf64_Ehdr), sizeof(wide));
	for (size_t i = 0; i < 3; i++)
		phdrs[i] = (Elf32_Phdr){
			.p_type = wide[i].p_type,
			.p_offset = (uint32_t)wide[i].p_offset,
			.p_vaddr = (uint32_t)wide[i].p_vaddr,
			.p_paddr = (uint32_t)wide[i].p_paddr,
			.p_filesz = (uint32_t)wide[i].p_filesz,
			.p_memsz = (uint32_t)wide[i].p_memsz,
		};
	memset(image->bytes, 0, IMAGE_NOTES_AT);
	memcpy(image->bytes, &ehdr, sizeof(ehdr));
	memcpy(image->bytes + sizeof(ehdr), phdrs, sizeof(phdrs));
	if (version == 1)
		image_header1(image, IMAGE_TEXT_AT + 0x100, 3);
	else if (version == 2)
		image_header2_end(image, IMAGE_TEXT_AT + 0x100,
				  image_header2(image, IMAGE_TEXT_AT + 0x100));
}

#define IMAGE_SECTIONS 5 /* none, in a segment, two beside it, one nowhere */
#define IMAGE_SYMBOLS  "symbols of the kernel"

/* Gives image_elf32 sections; where the first header is. */
static inline size_t image_sections(struct image *image)
{
	const uint32_t symbols_at = (uint32_t)image->len;
	Elf32_Shdr headers[IMAGE_SECTIONS] = {
		[1] = { .sh_type = SHT_PROGBITS,
			.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			.sh_addr = (uint32_t)IMAGE_TEXT,
			.sh_offset = IMAGE_TEXT_AT,
			.sh_size = IMAGE_TEXT_SIZE },
		[2] = { .sh_type = SHT_SYMTAB,
			.sh_offset = symbols_at,
			.sh_size = sizeof(IMAGE_SYMBOLS) },
		[3] = { .sh_type = SHT_STRTAB,
			.sh_offset = IMAGE_DATA_AT,
			.sh_size = IMAGE_DATA_SIZE },
		[4] = { .sh_type = SHT_PROGBITS,
			.sh_offset = 0xfffffff0,
			.sh_size = 0x20 },
	};
	size_t at;

	image_add(image, IMAGE_SYMBOLS, sizeof(IMAGE_SYMBOLS));
	at = image->len;
	image_add(image, headers, sizeof(headers));
	image_put32(image, offsetof(Elf32_Ehdr, e_shoff), (uint32_t)at);
	store_le16(image->bytes + offsetof(Elf32_Ehdr, e_shentsize),
		   sizeof(headers[0]));
	store_le16(image->bytes + offsetof(Elf32_Ehdr, e_shnum),
		   IMAGE_SECTIONS);
	store_le16(image->bytes + offsetof(Elf32_Ehdr, e_shstrndx), 3);
	return at;
}

#define PE_HEADER_AT   0x80
#define PE_SECTIONS_AT (PE_HEADER_AT + 24 + 240)
#define PE_CONTENTS    0x400
#define PE_CMDLINE     "quiet of=uki\n"

static inline void image_section(struct image *image, unsigned int index,
				 const char *name, const void *bytes,
				 uint32_t len)
{
	uint8_t *header = image->bytes + PE_SECTIONS_AT + index * 40ULL;
	static const uint8_t padding[512];
	uint32_t padded = (uint32_t)align_up(len, 512);

	memcpy(header, name, strnlen(name, 8));
	store_le32(header + 8, len);
	store_le32(header + 16, padded);
	store_le32(header + 20, (uint32_t)image->len);
	image_add(image, bytes, len);
	image_add(image, padding, padded - len);
}

/* A unified kernel image of @kernel, an initrd of @initrd_bytes and words. */
static inline void image_uki(struct image *image, const struct image *kernel,
			     uint32_t initrd_bytes)
{
	static uint8_t initrd[4096];

	image_require(initrd_bytes <= sizeof(initrd));
	memset(initrd, 0x1d, sizeof(initrd));
	memset(image, 0, sizeof(*image));
	image->len = PE_CONTENTS;
	memcpy(image->bytes, "MZ", 2);
	image_put32(image, 0x3c, PE_HEADER_AT);
	memcpy(image->bytes + PE_HEADER_AT, "PE\0\0", 4);
	store_le16(image->bytes + PE_HEADER_AT + 4, 0x8664);
	store_le16(image->bytes + PE_HEADER_AT + 6, 5);
	store_le16(image->bytes + PE_HEADER_AT + 20, 240);
	image_section(image, 0, ".text", "code", 4);
	image_section(image, 1, ".osrel", "NAME=x\n", 7);
	image_section(image, 2, ".cmdline", PE_CMDLINE, strlen(PE_CMDLINE));
	image_section(image, 3, ".initrd", initrd, initrd_bytes);
	image_section(image, 4, ".linux", kernel->bytes, (uint32_t)kernel->len);
}

#endif
