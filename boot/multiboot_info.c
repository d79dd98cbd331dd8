/*
 * What a multiboot kernel is told: version 1 a structure with pointers, version
 * 2 a list of tags. Both are put one behind the other at LAYOUT_MULTIBOOT.
 */
#include <errno.h>
#include <string.h>

#include "boot/layout.h"
#include "boot/multiboot.h"
#include "core/bytes.h"

/* What the kernel finds in eax. */
#define V1_BOOT_MAGIC 0x2badb002U
#define V2_BOOT_MAGIC 0x36d76289U

/* Multiboot 0.6.96, 3.3: offsets of the structure's fields, and its flags. */
#define V1_FLAGS       0
#define V1_MEM_LOWER   4
#define V1_MEM_UPPER   8
#define V1_CMDLINE     16
#define V1_MODS_COUNT  20
#define V1_MODS_ADDR   24
#define V1_ELF_COUNT   28
#define V1_ELF_SIZE    32
#define V1_ELF_ADDR    36
#define V1_ELF_NAMES   40
#define V1_MMAP_LENGTH 44
#define V1_MMAP_ADDR   48
#define V1_LOADER_NAME 64
#define V1_SIZE	       120
#define V1_HAS_MEM     (1U << 0)
#define V1_HAS_CMDLINE (1U << 2)
#define V1_HAS_MODS    (1U << 3)
#define V1_HAS_ELF     (1U << 5)
#define V1_HAS_MMAP    (1U << 6)
#define V1_HAS_LOADER  (1U << 9)
#define V1_MMAP_ENTRY  24 /* with its own size field of 4 bytes */

/* Multiboot2 2.0, 3.6. */
enum v2_info {
	V2_INFO_END = 0,
	V2_INFO_CMDLINE = 1,
	V2_INFO_LOADER = 2,
	V2_INFO_MODULE = 3,
	V2_INFO_BASIC_MEMORY = 4,
	V2_INFO_MMAP = 6,
	V2_INFO_ELF = 9,
	V2_INFO_OLD_RSDP = 14,
	V2_INFO_NEW_RSDP = 15,
	V2_INFO_LOAD_BASE = 21,
};

#define V2_MMAP_ENTRY 24
#define RSDP_BYTES    36 /* of ACPI 2.0 and later */
#define RSDP1_BYTES   20 /* of ACPI 1.0, which is its beginning */

/* Memory being written from its beginning. */
struct writer {
	uint8_t *bytes;
	size_t len;
	bool overflow; /* something did not fit; nothing is put any more */
};

/* Adds @len zero bytes; where they are, or NULL. */
static uint8_t *put(struct writer *to, size_t len)
{
	uint8_t *at = to->bytes + to->len;

	if (to->overflow || len > LAYOUT_MULTIBOOT_SIZE - to->len) {
		to->overflow = true;
		return NULL;
	}
	memset(at, 0, len);
	to->len += len;
	return at;
}

static void put_bytes(struct writer *to, const void *from, size_t len)
{
	uint8_t *at = put(to, len);

	if (at)
		memcpy(at, from, len);
}

static void put32(struct writer *to, uint32_t value)
{
	uint8_t bytes[4];

	store_le32(bytes, value);
	put_bytes(to, bytes, sizeof(bytes));
}

static void put64(struct writer *to, uint64_t value)
{
	uint8_t bytes[8];

	store_le64(bytes, value);
	put_bytes(to, bytes, sizeof(bytes));
}

static void put_text(struct writer *to, const char *text)
{
	put_bytes(to, text, strlen(text) + 1);
}

/* As other loaders have it: the kernel's name comes first. */
static void put_cmdline(struct writer *to, const struct multiboot_info *info)
{
	put_bytes(to, info->path, strlen(info->path));
	if (*info->cmdline)
		put_bytes(to, " ", 1);
	put_text(to, info->cmdline);
}

static void align(struct writer *to, size_t align)
{
	(void)put(to, align_up(to->len, align) - to->len);
}

/* In KiB: from 0, and from 1 MiB, up to the first hole. */
static uint32_t mem_lower(void)
{
	return PLATFORM_EBDA_START / KIB;
}

static uint32_t mem_upper(const struct multiboot_info *info)
{
	return (uint32_t)((info->low_end - MIB) / KIB);
}

/* --- Version 1 ------------------------------------------------------------ */

/* The guest's address of what is put next. */
static uint32_t here(const struct writer *to)
{
	return (uint32_t)(LAYOUT_MULTIBOOT + to->len);
}

static void put_v1_map(struct writer *to, const struct e820_map *map)
{
	for (unsigned int i = 0; i < map->count; i++) {
		put32(to, V1_MMAP_ENTRY - 4);
		put64(to, map->entries[i].start);
		put64(to, map->entries[i].size_bytes);
		put32(to, map->entries[i].type);
	}
}

/* The table of the modules, then the texts that it points to. */
static void put_v1_modules(struct writer *to, const struct module_list *list)
{
	uint8_t *table = put(to, list->count * (size_t)16);

	if (!table)
		return;
	for (unsigned int i = 0; i < list->count; i++) {
		const struct module *module = &list->modules[i];
		uint8_t *entry = table + i * (size_t)16;

		store_le32(entry, (uint32_t)module->start);
		store_le32(entry + 4,
			   (uint32_t)(module->start + module->size_bytes));
		store_le32(entry + 8, here(to));
		put_text(to, module->text);
	}
}

static void put_v1_sections(struct writer *to, uint8_t *head,
			    const struct elf_sections *sections)
{
	if (!sections->table)
		return;
	align(to, 8);
	store_le32(head + V1_FLAGS, load_le32(head + V1_FLAGS) | V1_HAS_ELF);
	store_le32(head + V1_ELF_COUNT, sections->count);
	store_le32(head + V1_ELF_SIZE, sections->entry_bytes);
	store_le32(head + V1_ELF_ADDR, here(to));
	store_le32(head + V1_ELF_NAMES, sections->names);
	put_bytes(to, sections->table,
		  sections->count * (size_t)sections->entry_bytes);
}

static void put_v1(struct writer *to, const struct multiboot_info *info)
{
	uint8_t *head = put(to, V1_SIZE);

	if (!head)
		return;
	store_le32(head + V1_FLAGS, V1_HAS_MEM | V1_HAS_CMDLINE | V1_HAS_MODS |
					    V1_HAS_MMAP | V1_HAS_LOADER);
	put_v1_sections(to, head, info->sections);
	store_le32(head + V1_MEM_LOWER, mem_lower());
	store_le32(head + V1_MEM_UPPER, mem_upper(info));
	store_le32(head + V1_MMAP_ADDR, here(to));
	store_le32(head + V1_MMAP_LENGTH, info->map->count * V1_MMAP_ENTRY);
	put_v1_map(to, info->map);
	store_le32(head + V1_MODS_COUNT, info->modules->count);
	store_le32(head + V1_MODS_ADDR, here(to));
	put_v1_modules(to, info->modules);
	store_le32(head + V1_LOADER_NAME, here(to));
	put_text(to, MULTIBOOT_LOADER);
	store_le32(head + V1_CMDLINE, here(to));
	put_cmdline(to, info);
}

/* --- Version 2 ------------------------------------------------------------ */

/* Begins a tag; its size is stored by tag_end. */
static size_t tag_begin(struct writer *to, enum v2_info type)
{
	size_t start;

	align(to, 8);
	start = to->len;
	put32(to, type);
	put32(to, 0);
	return start;
}

static void tag_end(struct writer *to, size_t start)
{
	if (!to->overflow)
		store_le32(to->bytes + start + 4, (uint32_t)(to->len - start));
}

static void put_v2_texts(struct writer *to, const struct multiboot_info *info)
{
	size_t tag = tag_begin(to, V2_INFO_CMDLINE);

	put_cmdline(to, info);
	tag_end(to, tag);
	tag = tag_begin(to, V2_INFO_LOADER);
	put_text(to, MULTIBOOT_LOADER);
	tag_end(to, tag);
}

static void put_v2_modules(struct writer *to, const struct module_list *list)
{
	for (unsigned int i = 0; i < list->count; i++) {
		const struct module *module = &list->modules[i];
		size_t tag = tag_begin(to, V2_INFO_MODULE);

		put32(to, (uint32_t)module->start);
		put32(to, (uint32_t)(module->start + module->size_bytes));
		put_text(to, module->text);
		tag_end(to, tag);
	}
}

static void put_v2_memory(struct writer *to, const struct multiboot_info *info)
{
	size_t tag = tag_begin(to, V2_INFO_BASIC_MEMORY);

	put32(to, mem_lower());
	put32(to, mem_upper(info));
	tag_end(to, tag);
	tag = tag_begin(to, V2_INFO_MMAP);
	put32(to, V2_MMAP_ENTRY);
	put32(to, 0); /* entry_version */
	for (unsigned int i = 0; i < info->map->count; i++) {
		put64(to, info->map->entries[i].start);
		put64(to, info->map->entries[i].size_bytes);
		put32(to, info->map->entries[i].type);
		put32(to, 0);
	}
	tag_end(to, tag);
}

static void put_v2_sections(struct writer *to,
			    const struct elf_sections *sections)
{
	size_t tag;

	if (!sections->table)
		return;
	tag = tag_begin(to, V2_INFO_ELF);
	put32(to, sections->count);
	put32(to, sections->entry_bytes);
	put32(to, sections->names);
	put_bytes(to, sections->table,
		  sections->count * (size_t)sections->entry_bytes);
	tag_end(to, tag);
}

static void put_v2(struct writer *to, const struct multiboot_info *info,
		   const struct gmem *gmem)
{
	uint8_t *head = put(to, 8);
	uint8_t rsdp[RSDP_BYTES];
	size_t tag;

	put_v2_texts(to, info);
	put_v2_modules(to, info->modules);
	put_v2_memory(to, info);
	put_v2_sections(to, info->sections);
	if (info->rsdp && !gmem_read(gmem, info->rsdp, rsdp, sizeof(rsdp))) {
		tag = tag_begin(to, V2_INFO_OLD_RSDP);
		put_bytes(to, rsdp, RSDP1_BYTES);
		tag_end(to, tag);
		tag = tag_begin(to, V2_INFO_NEW_RSDP);
		put_bytes(to, rsdp, sizeof(rsdp));
		tag_end(to, tag);
	}
	if (info->image->is_relocatable) {
		tag = tag_begin(to, V2_INFO_LOAD_BASE);
		put32(to, (uint32_t)info->load);
		tag_end(to, tag);
	}
	tag = tag_begin(to, V2_INFO_END);
	tag_end(to, tag);
	if (head)
		store_le32(head, (uint32_t)to->len);
}

int multiboot_enter(const struct multiboot_info *info, const struct gmem *gmem,
		    struct boot_entry *entry, struct err *err)
{
	struct writer to = {
		.bytes =
			gmem_ptr(gmem, LAYOUT_MULTIBOOT, LAYOUT_MULTIBOOT_SIZE),
	};

	if (!to.bytes)
		return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
	if (info->image->version == 1)
		put_v1(&to, info);
	else
		put_v2(&to, info, gmem);
	if (to.overflow)
		return err_set(err, ENOSPC,
			       "the texts for a multiboot kernel have more "
			       "than %u KiB: the command line, and those of "
			       "the modules",
			       (unsigned int)(LAYOUT_MULTIBOOT_SIZE / KIB));
	entry->mode = BOOT_MODE_PROTECTED;
	entry->rax = info->image->version == 1 ? V1_BOOT_MAGIC : V2_BOOT_MAGIC;
	entry->rbx = LAYOUT_MULTIBOOT;
	return 0;
}
