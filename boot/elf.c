#include "boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/elf32.h"
#include "core/bytes.h"

/* Where Linux maps its image: arch/x86/include/asm/page_64_types.h. */
#define LINUX_KERNEL_MAP 0xffffffff80000000ULL

/* Notes that matter fit in far less; the rest of a longer list is ignored. */
#define NOTES_MAX_BYTES ((size_t)16 << 10)

#define SECTIONS_MAX 4096

/* Xen's include/public/elfnote.h */
#define XEN_ELFNOTE_GUEST_OS	 6
#define XEN_ELFNOTE_PHYS32_ENTRY 18

bool elf_is(const uint8_t *head, size_t len)
{
	return len >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

struct machine_name {
	uint16_t machine;
	const char *name;
};

static const char *machine_name(uint16_t machine)
{
	static const struct machine_name names[] = {
		{ EM_386, "i386" },	    { EM_ARM, "ARM" },
		{ EM_AARCH64, "AArch64" },  { EM_RISCV, "RISC-V" },
		{ EM_PPC64, "PowerPC 64" }, { EM_S390, "S/390" },
		{ EM_MIPS, "MIPS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	return "another machine";
}

static bool is_class32(const uint8_t *head, size_t len)
{
	return len > EI_CLASS && head[EI_CLASS] == ELFCLASS32;
}

static int check_header(const struct elf_image *image, const Elf64_Ehdr *ehdr,
			struct err *err)
{
	const struct boot_file *file = image->file;
	const char *bits = image->is_32bit ? "32-bit " : "";
	size_t size = image->is_32bit ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);

	if ((!image->is_32bit && ehdr->e_ident[EI_CLASS] != ELFCLASS64) ||
	    ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, ENOEXEC,
			       "%s %s is not a little-endian 64-bit ELF file",
			       file->what, file->path);
	/* A 64-bit kernel in a 32-bit file may say either. */
	if (ehdr->e_machine != EM_X86_64 &&
	    (!image->is_32bit || ehdr->e_machine != EM_386))
		return err_set(err, ENOEXEC,
			       "%s %s is a %sELF file for %s, not for x86-64",
			       file->what, file->path, bits,
			       machine_name(ehdr->e_machine));
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return err_set(err, ENOEXEC,
			       "%s %s is a %sELF file that is not executable",
			       file->what, file->path, bits);
	if (ehdr->e_phnum == 0 || ehdr->e_phentsize != size)
		return err_set(err, ENOEXEC,
			       "%s %s is a %sELF file without program headers",
			       file->what, file->path, bits);
	if (ehdr->e_phnum > ELF_MAX_SEGMENTS)
		return err_set(err, ENOEXEC,
			       "%s %s has %u program headers, more than %d",
			       file->what, file->path, ehdr->e_phnum,
			       ELF_MAX_SEGMENTS);
	return 0;
}

static int truncated(const struct elf_image *image, struct err *err)
{
	return err_set(err, EINVAL,
		       "%s %s is truncated: its ELF image has %" PRIu64
		       " bytes, its headers speak of more",
		       image->file->what, image->file->path, image->size_bytes);
}

static int beyond(const struct elf_image *image,
		  const struct elf_segment *segment, struct err *err)
{
	return err_set(err, EINVAL,
		       "%s %s has a segment of 0x%" PRIx64
		       " bytes at 0x%" PRIx64
		       ", beyond the guest memory below 3 GiB",
		       image->file->what, image->file->path,
		       segment->memory_bytes, segment->gpa);
}

static int check_placement(const struct elf_image *image,
			   const struct elf_segment *segment, struct err *err)
{
	const struct boot_file *file = image->file;

	if (segment->gpa >= GMEM_HOLE_START ||
	    segment->memory_bytes > GMEM_HOLE_START - segment->gpa)
		return beyond(image, segment, err);
	if (gmem_ptr(image->gmem, segment->gpa, segment->memory_bytes))
		return 0;
	return err_set(
		err, ENOMEM,
		"%s %s needs %" PRIu64
		" MiB of guest memory and there are %" PRIu64 "; use --memory",
		file->what, file->path,
		align_up(segment->gpa + segment->memory_bytes, MIB) / MIB,
		image->gmem->size_bytes / MIB);
}

static int check_overlap(const struct elf_image *image,
			 const struct elf_segment *segment, struct err *err)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *other = &image->segments[i];

		/* add_segment saw that no sum wraps. */
		if (segment->gpa < other->gpa + other->memory_bytes &&
		    other->gpa < segment->gpa + segment->memory_bytes)
			return err_set(err, EINVAL,
				       "%s %s has overlapping segments at "
				       "0x%" PRIx64 " and 0x%" PRIx64,
				       image->file->what, image->file->path,
				       other->gpa, segment->gpa);
	}
	return 0;
}

static int add_segment(struct elf_image *image, const Elf64_Phdr *phdr,
		       struct err *err)
{
	struct elf_segment segment = {
		.file_offset = phdr->p_offset,
		.file_bytes = phdr->p_filesz,
		.gpa = phdr->p_paddr,
		.memory_bytes = phdr->p_memsz,
		.virtual_address = phdr->p_vaddr,
	};
	bool is_note = phdr->p_type == PT_NOTE;
	int rc;

	if (phdr->p_type != PT_LOAD && !is_note)
		return 0;
	if (segment.file_offset > image->size_bytes ||
	    segment.file_bytes > image->size_bytes - segment.file_offset)
		return truncated(image, err);
	if (is_note) {
		image->notes[image->note_count++] = segment;
		return 0;
	}
	if (segment.memory_bytes == 0)
		return 0;
	if (segment.file_bytes > segment.memory_bytes)
		return err_set(err, EINVAL,
			       "%s %s has a segment larger in the file than in "
			       "memory",
			       image->file->what, image->file->path);
	if (segment.memory_bytes > UINT64_MAX - segment.gpa)
		return beyond(image, &segment, err);
	rc = check_overlap(image, &segment, err);
	if (rc)
		return rc;
	if (!image->segment_count || segment.gpa < image->start)
		image->start = segment.gpa;
	image->end = max_u64(image->end, segment.gpa + segment.memory_bytes);
	image->segments[image->segment_count++] = segment;
	return 0;
}

/* Takes the ELF header; on success the program headers can be fetched. */
static int parse_header(struct elf_image *image, const uint8_t *head,
			size_t len, Elf64_Ehdr *ret_ehdr, struct err *err)
{
	Elf64_Ehdr ehdr;
	Elf32_Ehdr ehdr32;
	size_t size;
	int rc;

	image->is_32bit = is_class32(head, len);
	if (len < (image->is_32bit ? sizeof(ehdr32) : sizeof(ehdr)))
		return truncated(image, err);
	if (image->is_32bit) {
		memcpy(&ehdr32, head, sizeof(ehdr32));
		elf32_widen_header(&ehdr32, &ehdr);
	} else {
		memcpy(&ehdr, head, sizeof(ehdr));
	}
	rc = check_header(image, &ehdr, err);
	if (rc)
		return rc;
	if (ehdr.e_phoff > image->size_bytes ||
	    ehdr.e_phnum * (uint64_t)ehdr.e_phentsize >
		    image->size_bytes - ehdr.e_phoff)
		return truncated(image, err);
	image->entry = ehdr.e_entry;
	image->section_offset = ehdr.e_shoff;
	size = image->is_32bit ? sizeof(Elf32_Shdr) : sizeof(Elf64_Shdr);
	image->section_count = ehdr.e_shentsize == size ? ehdr.e_shnum : 0;
	image->section_names = ehdr.e_shstrndx;
	*ret_ehdr = ehdr;
	return 0;
}

static int read_segments(const struct elf_image *image, const Elf64_Ehdr *ehdr,
			 Elf64_Phdr *phdrs, struct err *err)
{
	Elf32_Phdr phdrs32[ELF_MAX_SEGMENTS];
	int rc;

	if (!image->is_32bit)
		return boot_file_read(image->file, ehdr->e_phoff, phdrs,
				      ehdr->e_phnum * sizeof(phdrs[0]), err);
	rc = boot_file_read(image->file, ehdr->e_phoff, phdrs32,
			    ehdr->e_phnum * sizeof(phdrs32[0]), err);
	for (unsigned int i = 0; i < ehdr->e_phnum && !rc; i++)
		elf32_widen_segment(&phdrs32[i], &phdrs[i]);
	return rc;
}

static int add_segments(struct elf_image *image, const Elf64_Phdr *phdrs,
			unsigned int count, struct err *err)
{
	for (unsigned int i = 0; i < count; i++) {
		int rc = add_segment(image, &phdrs[i], err);

		if (rc)
			return rc;
	}
	if (image->segment_count == 0)
		return err_set(err, ENOEXEC,
			       "%s %s is an ELF file with nothing to load",
			       image->file->what, image->file->path);
	return 0;
}

int elf_open_file(const struct boot_file *file, const struct gmem *gmem,
		  struct elf_image *ret_image, struct err *err)
{
	struct elf_image image = {
		.file = file,
		.gmem = gmem,
		.size_bytes = file->size_bytes,
	};
	Elf64_Phdr phdrs[ELF_MAX_SEGMENTS];
	uint8_t head[sizeof(Elf64_Ehdr)];
	size_t len = (size_t)min_u64(sizeof(head), file->size_bytes);
	Elf64_Ehdr ehdr = { 0 };
	int rc = boot_file_read(file, 0, head, len, err);

	if (!rc)
		rc = parse_header(&image, head, len, &ehdr, err);
	if (!rc)
		rc = read_segments(&image, &ehdr, phdrs, err);
	if (!rc)
		rc = add_segments(&image, phdrs, ehdr.e_phnum, err);
	if (!rc)
		*ret_image = image;
	return rc;
}

int elf_check_place(const struct elf_image *image, enum place_rules rules,
		    struct err *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < image->segment_count && !rc; i++) {
		const struct elf_segment *s = &image->segments[i];

		rc = check_placement(image, s, err);
		if (!rc)
			rc = place_check(rules, s->gpa, s->memory_bytes,
					 image->file->path, "a segment", err);
	}
	return rc;
}

void elf_move(struct elf_image *image, gpa_t start)
{
	uint64_t by = start - image->start; /* wraps where it goes down */
	bool linux_layout;
	gpa_t entry = 0;

	/* While the segments are where e_entry may speak of. */
	if (!elf_entry(image, &entry, &linux_layout, NULL))
		image->entry = entry + by;
	for (unsigned int i = 0; i < image->segment_count; i++)
		image->segments[i].gpa += by;
	image->start += by;
	image->end += by;
}

int elf_load_file(const struct elf_image *image, struct err *err)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint8_t *to = gmem_ptr(image->gmem, s->gpa, s->file_bytes);
		int rc;

		if (!to)
			continue; /* all .bss */
		rc = boot_file_read(image->file, s->file_offset, to,
				    (size_t)s->file_bytes, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The receiving end of a decompressor. */
struct elf_stream {
	struct byte_sink sink;
	struct elf_image *image;
	uint8_t head[ELF_HEAD_BYTES];
	size_t head_len;
	bool placing; /* the headers are parsed, segments are known */
	uint64_t offset; /* of the next byte in the image */
};

/*
 * Copies page by page and leaves out pages of zeros, which fresh guest memory
 * has already: Linux' image carries its .bss as zeros, a third of its size,
 * and a page that nobody touches costs neither time nor host memory.
 */
static void copy_sparse(uint8_t *to, const uint8_t *from, size_t len)
{
	while (len) {
		size_t rest = 4096 - ((uintptr_t)to & 4095);
		size_t piece = rest < len ? rest : len;

		/* All zero: the first byte is, and each equals the next. */
		if (from[0] || memcmp(from, from + 1, piece - 1) != 0)
			memcpy(to, from, piece);
		to += piece;
		from += piece;
		len -= piece;
	}
}

static void place(const struct elf_image *image, uint64_t offset,
		  const uint8_t *data, size_t len)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t start = max_u64(offset, s->file_offset);
		uint64_t end =
			min_u64(offset + len, s->file_offset + s->file_bytes);
		uint8_t *to;

		if (start >= end)
			continue;
		to = gmem_ptr(image->gmem, s->gpa + (start - s->file_offset),
			      end - start);
		if (to)
			copy_sparse(to, data + (start - offset),
				    (size_t)(end - start));
	}
}

static int parse_head(struct elf_stream *stream, struct err *err)
{
	struct elf_image *image = stream->image;
	Elf64_Phdr phdrs[ELF_MAX_SEGMENTS];
	Elf64_Ehdr ehdr = { 0 };
	size_t bytes;
	int rc;

	if (!elf_is(stream->head, stream->head_len))
		return err_set(err, ENOEXEC,
			       "%s %s: its payload is not an ELF image",
			       image->file->what, image->file->path);
	if (is_class32(stream->head, stream->head_len))
		return err_set(err, ENOEXEC,
			       "%s %s: its payload is a 32-bit kernel; use "
			       "--boot bzimage-entry",
			       image->file->what, image->file->path);
	rc = parse_header(image, stream->head, stream->head_len, &ehdr, err);
	if (rc)
		return rc;
	bytes = ehdr.e_phnum * sizeof(phdrs[0]);
	if (ehdr.e_phoff > stream->head_len ||
	    bytes > stream->head_len - ehdr.e_phoff)
		return err_set(err, ENOEXEC,
			       "%s %s: its payload has its program headers "
			       "beyond the first %d bytes",
			       image->file->what, image->file->path,
			       ELF_HEAD_BYTES);
	memcpy(phdrs, stream->head + ehdr.e_phoff, bytes);
	rc = add_segments(image, phdrs, ehdr.e_phnum, err);
	if (!rc)
		rc = elf_check_place(image, PLACE_HIGH, err);
	if (rc)
		return rc;
	stream->placing = true;
	place(image, 0, stream->head, stream->head_len);
	return 0;
}

static int stream_write(struct byte_sink *sink, const uint8_t *data, size_t len,
			struct err *err)
{
	struct elf_stream *stream = container_of(sink, struct elf_stream, sink);

	if (!stream->placing) {
		size_t room = sizeof(stream->head) - stream->head_len;
		size_t piece = room < len ? room : len;
		int rc;

		memcpy(stream->head + stream->head_len, data, piece);
		stream->head_len += piece;
		stream->offset += piece;
		data += piece;
		len -= piece;
		if (stream->head_len < sizeof(stream->head) &&
		    stream->offset < stream->image->size_bytes)
			return 0;
		rc = parse_head(stream, err);
		if (rc)
			return rc;
	}
	place(stream->image, stream->offset, data, len);
	stream->offset += len;
	return 0;
}

int elf_load_compressed(const struct byte_range *payload,
			enum compression format, uint64_t plain_bytes,
			const struct gmem *gmem, struct elf_image *ret_image,
			struct err *err)
{
	struct elf_image image = {
		.file = payload->file,
		.gmem = gmem,
		.size_bytes = plain_bytes,
	};
	struct elf_stream stream = {
		.sink.write = stream_write,
		.image = &image,
	};
	int rc = decompress(format, payload, plain_bytes, &stream.sink, err);

	if (!rc && !stream.placing)
		rc = truncated(&image, err);
	if (!rc)
		*ret_image = image;
	return rc;
}

static void take_note(const Elf64_Nhdr *nhdr, const char *owner,
		      const uint8_t *desc, struct elf_notes *notes)
{
	bool is_xen = nhdr->n_namesz == 4 && !memcmp(owner, "Xen", 4);

	if (nhdr->n_namesz == 6 && !memcmp(owner, "Linux", 6))
		notes->is_linux = true;
	if (is_xen && nhdr->n_type == XEN_ELFNOTE_GUEST_OS &&
	    nhdr->n_descsz >= 5 && !memcmp(desc, "linux", 5))
		notes->is_linux = true;
	/* The entry is 32 bits wide also where the note has 64. */
	if (is_xen && nhdr->n_type == XEN_ELFNOTE_PHYS32_ENTRY &&
	    (nhdr->n_descsz == 4 || nhdr->n_descsz == 8)) {
		notes->has_pvh = true;
		notes->pvh_entry = load_le32(desc);
	}
}

static void parse_notes(const uint8_t *bytes, size_t len,
			struct elf_notes *notes)
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nhdr;
		uint64_t name_at = at + sizeof(nhdr);
		uint64_t desc_at;
		uint64_t next;

		memcpy(&nhdr, bytes + at, sizeof(nhdr));
		desc_at = align_up(name_at + nhdr.n_namesz, 4);
		next = align_up(desc_at + nhdr.n_descsz, 4);
		/* The last one may lack its padding. */
		if (desc_at + nhdr.n_descsz > len)
			break;
		take_note(&nhdr, (const char *)bytes + name_at, bytes + desc_at,
			  notes);
		if (next >= len)
			break;
		at = (size_t)next;
	}
}

/* Reads a note segment back from the guest memory it was loaded to. */
static size_t read_loaded(const struct elf_image *image,
			  const struct elf_segment *note, uint8_t *to,
			  size_t len)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t delta = note->file_offset - s->file_offset;

		if (delta < s->file_bytes && len <= s->file_bytes - delta &&
		    !gmem_read(image->gmem, s->gpa + delta, to, len))
			return len;
	}
	return 0;
}

static int read_segment_notes(const struct elf_image *image, bool whole_file,
			      uint8_t *buffer, struct elf_notes *notes,
			      struct err *err)
{
	for (unsigned int i = 0; i < image->note_count; i++) {
		const struct elf_segment *note = &image->notes[i];
		size_t len = (size_t)min_u64(note->file_bytes, NOTES_MAX_BYTES);
		int rc;

		if (whole_file) {
			rc = boot_file_read(image->file, note->file_offset,
					    buffer, len, err);
			if (rc)
				return rc;
		} else {
			len = read_loaded(image, note, buffer, len);
		}
		parse_notes(buffer, len, notes);
	}
	return 0;
}

static int read_section_notes(const struct elf_image *image, uint8_t *buffer,
			      struct elf_notes *notes, struct err *err)
{
	uint64_t left = image->size_bytes;

	/* Kernels of 32 bits have them in segments. */
	if (image->is_32bit || image->section_count == 0 ||
	    image->section_count > SECTIONS_MAX)
		return 0;
	/* Sections are no business of a loader: what is not there is not
	 * missed. */
	if (image->section_offset > left ||
	    image->section_count * sizeof(Elf64_Shdr) >
		    left - image->section_offset)
		return 0;
	for (unsigned int i = 0; i < image->section_count; i++) {
		Elf64_Shdr shdr;
		size_t len;
		int rc = boot_file_read(
			image->file, image->section_offset + i * sizeof(shdr),
			&shdr, sizeof(shdr), err);

		if (rc)
			return rc;
		if (shdr.sh_type != SHT_NOTE || shdr.sh_offset > left ||
		    shdr.sh_size > left - shdr.sh_offset)
			continue;
		len = (size_t)min_u64(shdr.sh_size, NOTES_MAX_BYTES);
		rc = boot_file_read(image->file, shdr.sh_offset, buffer, len,
				    err);
		if (rc)
			return rc;
		parse_notes(buffer, len, notes);
	}
	return 0;
}

int elf_read_notes(const struct elf_image *image, bool whole_file,
		   struct elf_notes *ret_notes, struct err *err)
{
	autofree uint8_t *buffer = malloc(NOTES_MAX_BYTES);
	struct elf_notes notes = { 0 };
	int rc;

	if (!buffer)
		return err_set(err, ENOMEM, "no memory to read ELF notes");
	rc = read_segment_notes(image, whole_file, buffer, &notes, err);
	if (!rc && whole_file && !notes.has_pvh)
		rc = read_section_notes(image, buffer, &notes, err);
	if (!rc)
		*ret_notes = notes;
	return rc;
}

bool elf_holds(const struct elf_image *image, gpa_t gpa)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (gpa - s->gpa < s->memory_bytes)
			return true;
	}
	return false;
}

int elf_entry(const struct elf_image *image, gpa_t *ret_entry,
	      bool *ret_linux_layout, struct err *err)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (image->entry - s->gpa >= s->memory_bytes)
			continue;
		*ret_entry = image->entry;
		*ret_linux_layout = s->virtual_address ==
				    LINUX_KERNEL_MAP + s->gpa;
		return 0;
	}
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		uint64_t delta = image->entry - s->virtual_address;

		if (delta >= s->memory_bytes)
			continue;
		*ret_entry = s->gpa + delta;
		*ret_linux_layout = false;
		return 0;
	}
	return err_set(err, ENOEXEC,
		       "%s %s has its entry 0x%" PRIx64
		       " outside of what it loads",
		       image->file->what, image->file->path, image->entry);
}
