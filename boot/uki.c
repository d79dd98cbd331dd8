#include "boot/uki.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"

/* PE Format, "MS-DOS Stub", "COFF File Header", "Section Table". */
#define PE_OFFSET_AT	   0x3c
#define COFF_MACHINE	   4 /* behind the signature */
#define COFF_SECTIONS	   6
#define COFF_OPTIONAL_SIZE 20
#define COFF_BYTES	   24 /* with the signature */
#define SECTION_BYTES	   40
#define SECTION_NAME_BYTES 8
#define SECTION_VIRTUAL	   8 /* bytes in memory */
#define SECTION_RAW	   16 /* bytes in the file, rounded up */
#define SECTION_OFFSET	   20

#define MACHINE_AMD64 0x8664

/* The format allows 65535; a loader of Windows takes 96. */
#define SECTIONS_MAX 96

/* Longer than any kernel takes. */
#define CMDLINE_MAX_BYTES (64 * KIB)

bool uki_is_pe(const uint8_t *head, size_t len)
{
	uint32_t at;

	if (len < PE_OFFSET_AT + 4 || memcmp(head, "MZ", 2) != 0)
		return false;
	at = load_le32(head + PE_OFFSET_AT);
	return at <= len - 4 && !memcmp(head + at, "PE\0\0", 4);
}

/* Names of eight bytes are not terminated. */
static struct uki_section *section_of(struct uki *uki, const uint8_t *name)
{
	if (!memcmp(name, ".linux\0\0", SECTION_NAME_BYTES))
		return &uki->kernel;
	if (!memcmp(name, ".initrd\0", SECTION_NAME_BYTES))
		return &uki->initrd;
	if (!memcmp(name, ".cmdline", SECTION_NAME_BYTES))
		return &uki->cmdline;
	return NULL;
}

static int take_section(const struct boot_file *file, const uint8_t *header,
			struct uki *uki, struct err *err)
{
	struct uki_section *section = section_of(uki, header);
	uint64_t offset = load_le32(header + SECTION_OFFSET);
	uint64_t size = load_le32(header + SECTION_RAW);
	uint32_t plain = load_le32(header + SECTION_VIRTUAL);

	if (!section)
		return 0;
	if (section->size_bytes)
		return err_set(err, ENOEXEC, "%s %s has two sections %.8s",
			       file->what, file->path, (const char *)header);
	/* What the file has more is padding; where a tool left the size in
	 * memory out, all of it counts. */
	if (plain)
		size = min_u64(size, plain);
	if (offset > file->size_bytes || size > file->size_bytes - offset)
		return err_set(err, EINVAL,
			       "%s %s is truncated: its section %.8s reaches "
			       "beyond its end",
			       file->what, file->path, (const char *)header);
	*section = (struct uki_section){ offset, size };
	return 0;
}

static int read_sections(const struct boot_file *file, uint64_t at,
			 unsigned int count, struct uki *uki, struct err *err)
{
	for (unsigned int i = 0; i < count; i++) {
		uint8_t header[SECTION_BYTES];
		int rc = boot_file_read(file, at + i * (uint64_t)SECTION_BYTES,
					header, sizeof(header), err);

		if (!rc)
			rc = take_section(file, header, uki, err);
		if (rc)
			return rc;
	}
	if (!uki->kernel.size_bytes)
		return err_set(err, ENOEXEC,
			       "%s %s is an EFI program and no unified kernel "
			       "image: it has no section .linux",
			       file->what, file->path);
	return 0;
}

int uki_open(const struct boot_file *file, struct uki *ret_uki, struct err *err)
{
	struct uki uki = { 0 };
	uint8_t coff[COFF_BYTES];
	uint8_t offset[4];
	unsigned int count;
	uint64_t at;
	int rc;

	rc = boot_file_read(file, PE_OFFSET_AT, offset, sizeof(offset), err);
	if (rc)
		return rc;
	at = load_le32(offset);
	rc = boot_file_read(file, at, coff, sizeof(coff), err);
	if (rc)
		return rc;
	if (load_le16(coff + COFF_MACHINE) != MACHINE_AMD64)
		return err_set(err, ENOEXEC,
			       "%s %s is an EFI file for another processor "
			       "than x86-64",
			       file->what, file->path);
	count = load_le16(coff + COFF_SECTIONS);
	if (count > SECTIONS_MAX)
		return err_set(err, ENOEXEC,
			       "%s %s has %u sections, more than %d",
			       file->what, file->path, count, SECTIONS_MAX);
	at += COFF_BYTES + load_le16(coff + COFF_OPTIONAL_SIZE);
	rc = read_sections(file, at, count, &uki, err);
	if (!rc)
		*ret_uki = uki;
	return rc;
}

int uki_read_cmdline(const struct boot_file *file, const struct uki *uki,
		     char **ret_cmdline, struct err *err)
{
	size_t len = (size_t)uki->cmdline.size_bytes;
	autofree char *text = NULL;
	int rc;

	if (len > CMDLINE_MAX_BYTES)
		return err_set(err, E2BIG,
			       "%s %s has a command line of %zu bytes, more "
			       "than any kernel takes",
			       file->what, file->path, len);
	text = calloc(1, len + 1);
	if (!text)
		return err_set(err, ENOMEM, "no memory for the command line");
	rc = boot_file_read(file, uki->cmdline.offset, text, len, err);
	if (rc)
		return rc;
	/* Made from a text file: its last line's end is not meant. */
	len = strlen(text);
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
	*ret_cmdline = move_ptr(&text);
	return 0;
}
