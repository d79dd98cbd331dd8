/*
 * Symbol tables of 64 and 32 bits with changed bytes, read as for a trace.
 * Input: which of the two, then changes.
 */
#include <elf.h>

#include "tests/fuzz/boot_patch.h"
#include "vmm/symbols.h"

#define BASE	 0xffffffff81000000ULL
#define SECTIONS 4
#define SYMBOLS	 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char names[] = "\0first\0second\0third";

static void make64(struct image *image)
{
	const Elf64_Sym symbols[SYMBOLS] = {
		[1] = { .st_name = 1,
			.st_info = STT_FUNC,
			.st_shndx = 1,
			.st_value = BASE,
			.st_size = 0x100 },
		[2] = { .st_name = 7,
			.st_info = STT_NOTYPE,
			.st_shndx = 1,
			.st_value = BASE + 0x200 },
		[3] = { .st_name = 14,
			.st_info = STT_FUNC,
			.st_shndx = 1,
			.st_value = BASE + 0x180,
			.st_size = 8 },
	};
	Elf64_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_shoff = sizeof(head),
		.e_shnum = SECTIONS,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	const uint64_t at = sizeof(head) + SECTIONS * sizeof(Elf64_Shdr);
	const Elf64_Shdr sections[SECTIONS] = {
		[1] = { .sh_type = SHT_PROGBITS, .sh_flags = SHF_EXECINSTR },
		[2] = { .sh_type = SHT_SYMTAB,
			.sh_link = 3,
			.sh_offset = at,
			.sh_size = sizeof(symbols) },
		[3] = { .sh_type = SHT_STRTAB,
			.sh_offset = at + sizeof(symbols),
			.sh_size = sizeof(names) },
	};

	image_add(image, &head, sizeof(head));
	image_add(image, sections, sizeof(sections));
	image_add(image, symbols, sizeof(symbols));
	image_add(image, names, sizeof(names));
}

static void make32(struct image *image)
{
	const Elf32_Sym symbols[SYMBOLS] = {
		[1] = { .st_name = 1,
			.st_info = STT_FUNC,
			.st_shndx = 1,
			.st_value = 0x100000,
			.st_size = 0x100 },
		[2] = { .st_name = 7,
			.st_info = STT_NOTYPE,
			.st_shndx = 1,
			.st_value = 0x100200 },
	};
	Elf32_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1 },
		.e_shoff = sizeof(head),
		.e_shnum = SECTIONS,
		.e_shentsize = sizeof(Elf32_Shdr),
	};
	const uint32_t at = sizeof(head) + SECTIONS * sizeof(Elf32_Shdr);
	const Elf32_Shdr sections[SECTIONS] = {
		[1] = { .sh_type = SHT_PROGBITS, .sh_flags = SHF_EXECINSTR },
		[2] = { .sh_type = SHT_SYMTAB,
			.sh_link = 3,
			.sh_offset = at,
			.sh_size = sizeof(symbols) },
		[3] = { .sh_type = SHT_STRTAB,
			.sh_offset = at + (uint32_t)sizeof(symbols),
			.sh_size = sizeof(names) },
	};

	image_add(image, &head, sizeof(head));
	image_add(image, sections, sizeof(sections));
	image_add(image, symbols, sizeof(symbols));
	image_add(image, names, sizeof(names));
}

static void check(const struct symbols *symbols)
{
	char text[SYMBOLS_TEXT_BYTES];

	for (size_t i = 0; i < symbols->count; i++) {
		const struct symbol *symbol = &symbols->list[i];

		image_require(symbol->name < symbols->names_len);
		image_require(!i || symbol->start >= symbol[-1].start);
		(void)symbols_text(symbols, symbol->start, text);
		image_require(text[0] == ' ' && text[strlen(text) - 1] == '>');
		(void)symbols_text(symbols, symbol->start + 1, text);
		(void)symbols_text(symbols, symbol->start - 1, text);
	}
	(void)symbols_text(symbols, 0, text);
	(void)symbols_text(symbols, UINT64_MAX, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	struct symbols symbols = { 0 };
	struct err err = { 0 };
	static struct image image;
	char path[32];
	int fd, rc;

	memset(&image, 0, sizeof(image));
	if (patch_choice(&input) & 1)
		make32(&image);
	else
		make64(&image);
	patch_apply(&input, &image);
	fd = image_file(image.bytes, image.len, path);
	rc = symbols_read(path, "kernel", &symbols, &err);
	if (rc)
		patch_check_sentence(rc, &err);
	else
		check(&symbols);
	symbols_release(&symbols);
	close(fd);
	return 0;
}
