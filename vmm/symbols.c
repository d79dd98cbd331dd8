#include "vmm/symbols.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/file.h"
#include "core/util.h"

/* Far more than any kernel has. */
#define TABLE_MAX (512 * MIB)

/* A file being read. */
struct reader {
	struct boot_file file;
	bool is_32bit;
	uint64_t sections_at;
	uint32_t section_count;
	bool *is_code; /* owned: whether a section has instructions */
};

static int none(const struct reader *reader, const char *why, struct err *err)
{
	return err_set(err, ENOEXEC, "%s %s %s", reader->file.what,
		       reader->file.path, why);
}

static int read_header(struct reader *reader, struct err *err)
{
	Elf64_Ehdr head = { 0 };
	Elf32_Ehdr head32;
	int rc = 0;

	if (reader->file.size_bytes < sizeof(head))
		return none(reader, "is not an ELF file", err);
	rc = boot_file_read(&reader->file, 0, &head, sizeof(head), err);
	if (rc)
		return rc;
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB)
		return none(reader, "is not an ELF file", err);
	reader->is_32bit = head.e_ident[EI_CLASS] == ELFCLASS32;
	reader->sections_at = head.e_shoff;
	reader->section_count = head.e_shnum;
	if (reader->is_32bit) {
		memcpy(&head32, &head, sizeof(head32));
		reader->sections_at = head32.e_shoff;
		reader->section_count = head32.e_shnum;
	}
	return 0;
}

/* Whether the section's bytes are in the file, and not too many. */
static bool is_inside(const struct reader *reader, uint64_t offset,
		      uint64_t size)
{
	return offset <= reader->file.size_bytes &&
	       size <= reader->file.size_bytes - offset && size <= TABLE_MAX;
}

static int read_section(const struct reader *reader, uint32_t index,
			Elf64_Shdr *ret_section, struct err *err)
{
	const size_t size = reader->is_32bit ? sizeof(Elf32_Shdr) :
					       sizeof(Elf64_Shdr);
	Elf64_Shdr section = { 0 };
	Elf32_Shdr section32 = { 0 };
	int rc;

	if (index >= reader->section_count ||
	    !is_inside(reader, reader->sections_at,
		       (uint64_t)reader->section_count * size))
		return err_set(err, EINVAL,
			       "%s %s: its section headers lie outside of it",
			       reader->file.what, reader->file.path);
	rc = boot_file_read(&reader->file, reader->sections_at + index * size,
			    reader->is_32bit ? (void *)&section32 : &section,
			    size, err);
	if (rc)
		return rc;
	if (reader->is_32bit)
		section = (Elf64_Shdr){
			.sh_type = section32.sh_type,
			.sh_flags = section32.sh_flags,
			.sh_offset = section32.sh_offset,
			.sh_size = section32.sh_size,
			.sh_link = section32.sh_link,
		};
	*ret_section = section;
	return 0;
}

static int read_table(const struct reader *reader, const Elf64_Shdr *section,
		      void **ret_bytes, struct err *err)
{
	autofree char *bytes = NULL;
	int rc;

	if (!is_inside(reader, section->sh_offset, section->sh_size))
		return err_set(err, EINVAL,
			       "%s %s: its symbols lie outside of it",
			       reader->file.what, reader->file.path);
	bytes = malloc(section->sh_size + 1);
	if (!bytes)
		return err_sys(err, ENOMEM, "symbols");
	bytes[section->sh_size] = '\0';
	rc = boot_file_read(&reader->file, section->sh_offset, bytes,
			    section->sh_size, err);
	if (rc)
		return rc;
	*ret_bytes = move_ptr(&bytes);
	assert(*ret_bytes);
	return 0;
}

/* The section of the symbols, and which ones they may be in. */
static int find_symbols(struct reader *reader, Elf64_Shdr *ret_symbols,
			struct err *err)
{
	bool found = false;

	reader->is_code = calloc(reader->section_count + 1, sizeof(bool));
	if (!reader->is_code)
		return err_sys(err, ENOMEM, "symbols");
	for (uint32_t i = 1; i < reader->section_count; i++) {
		Elf64_Shdr section = { 0 };
		int rc = read_section(reader, i, &section, err);

		if (rc)
			return rc;
		reader->is_code[i] = section.sh_flags & SHF_EXECINSTR;
		if (found || section.sh_type != SHT_SYMTAB)
			continue;
		*ret_symbols = section;
		found = true;
	}
	return found ? 0 : none(reader, "has no symbols", err);
}

/* Those that name code: functions, and the labels of assembler. */
static void take_symbol(struct symbols *symbols, const struct reader *reader,
			const Elf64_Sym *from)
{
	const unsigned int type = ELF64_ST_TYPE(from->st_info);

	if ((type != STT_FUNC && type != STT_NOTYPE) || !from->st_name ||
	    from->st_name >= symbols->names_len ||
	    !symbols->names[from->st_name] ||
	    from->st_shndx >= reader->section_count ||
	    !reader->is_code[from->st_shndx])
		return;
	if (!strcmp(symbols->names + from->st_name, "entry_SYSCALL_64"))
		symbols->syscall_entry = from->st_value;
	symbols->list[symbols->count++] = (struct symbol){
		.start = from->st_value,
		.size_bytes = from->st_size,
		.name = from->st_name,
	};
}

static void take_all(struct symbols *symbols, const struct reader *reader,
		     const uint8_t *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		Elf64_Sym symbol;
		Elf32_Sym symbol32;

		if (!reader->is_32bit) {
			memcpy(&symbol, table + i * sizeof(symbol),
			       sizeof(symbol));
		} else {
			memcpy(&symbol32, table + i * sizeof(symbol32),
			       sizeof(symbol32));
			symbol = (Elf64_Sym){
				.st_name = symbol32.st_name,
				.st_info = symbol32.st_info,
				.st_shndx = symbol32.st_shndx,
				.st_value = symbol32.st_value,
				.st_size = symbol32.st_size,
			};
		}
		take_symbol(symbols, reader, &symbol);
	}
}

/* Of several at one address, that with a size comes last and is found. */
static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->size_bytes != y->size_bytes)
		return x->size_bytes < y->size_bytes ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int take_table(const struct reader *reader, const Elf64_Shdr *section,
		      struct symbols *symbols, struct err *err)
{
	const size_t size = reader->is_32bit ? sizeof(Elf32_Sym) :
					       sizeof(Elf64_Sym);
	const size_t count = section->sh_size / size;
	autofree void *table = NULL;
	void *names = NULL;
	Elf64_Shdr strings = { 0 };
	int rc;

	rc = read_section(reader, section->sh_link, &strings, err);
	if (!rc)
		rc = read_table(reader, section, &table, err);
	if (!rc)
		rc = read_table(reader, &strings, &names, err);
	if (rc)
		return rc;
	assert(table && names);
	symbols->names = names;
	symbols->names_len = strings.sh_size;
	symbols->list = calloc(count + 1, sizeof(*symbols->list));
	if (!symbols->list)
		return err_sys(err, ENOMEM, "symbols");
	take_all(symbols, reader, table, count);
	qsort(symbols->list, symbols->count, sizeof(*symbols->list), compare);
	return symbols->count ? 0 : none(reader, "has no symbols", err);
}

static int read_all(struct reader *reader, struct symbols *symbols,
		    struct err *err)
{
	Elf64_Shdr section = { 0 };
	int rc;

	rc = read_header(reader, err);
	if (!rc)
		rc = find_symbols(reader, &section, err);
	return rc ? rc : take_table(reader, &section, symbols, err);
}

int symbols_read(const char *path, const char *what,
		 struct symbols *ret_symbols, struct err *err)
{
	struct symbols symbols = { 0 };
	struct reader reader = { 0 };
	int rc;

	rc = boot_file_open(path, what, &reader.file, err);
	if (rc)
		return rc;
	rc = read_all(&reader, &symbols, err);
	boot_file_close(&reader.file);
	free(reader.is_code);
	if (rc)
		symbols_release(&symbols);
	else
		*ret_symbols = symbols;
	return rc;
}

void symbols_release(struct symbols *symbols)
{
	free(symbols->list);
	free(symbols->names);
	*symbols = (struct symbols){ 0 };
}

/* The last one at or below the address. */
static const struct symbol *find(const struct symbols *symbols,
				 uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols->list[low - 1] : NULL;
}

const char *symbols_text(const struct symbols *symbols, uint64_t address,
			 char to[SYMBOLS_TEXT_BYTES])
{
	const struct symbol *symbol = find(symbols, address);
	uint64_t offset = symbol ? address - symbol->start : 0;

	to[0] = '\0';
	if (!symbol || (symbol->size_bytes && offset >= symbol->size_bytes) ||
	    (!symbol->size_bytes &&
	     symbol + 1 == symbols->list + symbols->count && offset))
		return to;
	if (offset)
		snprintf(to, SYMBOLS_TEXT_BYTES, " <%.120s+0x%" PRIx64 ">",
			 symbols->names + symbol->name, offset);
	else
		snprintf(to, SYMBOLS_TEXT_BYTES, " <%.120s>",
			 symbols->names + symbol->name);
	return to;
}
