#include "vmm/dump_linux.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"

#define PAGE_BYTES 4096ULL

/* Linux Documentation/arch/x86/x86_64/mm.rst. */
#define KERNEL_MAP	 0xffffffff80000000ULL
#define KERNEL_MAP_BYTES (512 * MIB)
#define KERNEL_MAP_MAX	 (2 * GIB)
#define DIRECT_MAP	 0xffff888000000000ULL
#define DIRECT_SLOT	 273 /* of the top table, with 4 and with 5 levels */

/* SDM vol. 3A, 4.5. */
#define ENTRIES	      512
#define ENTRY_PRESENT (1ULL << 0)
#define ENTRY_LARGE   (1ULL << 7)
#define ENTRY_ADDRESS 0x000ffffffffff000ULL

/* --- VMCOREINFO ----------------------------------------------------------- */

/* The kernel keeps the note ready on a page of its own (kernel/crash_core.c,
 * vmcoreinfo_note). */
static bool take_note(const uint8_t *page, struct vmcoreinfo *info)
{
	const size_t text_at =
		sizeof(Elf64_Nhdr) + align_up(sizeof(VMCOREINFO_NAME), 4);
	Elf64_Nhdr note;

	memcpy(&note, page, sizeof(note));
	if (note.n_namesz != sizeof(VMCOREINFO_NAME) || note.n_type != 0 ||
	    note.n_descsz < 16 || note.n_descsz > PAGE_BYTES - text_at ||
	    memcmp(page + sizeof(note), VMCOREINFO_NAME,
		   sizeof(VMCOREINFO_NAME)) != 0 ||
	    memcmp(page + text_at, "OSRELEASE=", 10) != 0)
		return false;
	info->len = note.n_descsz;
	memcpy(info->text, page + text_at, info->len);
	info->text[info->len] = '\0';
	return true;
}

static bool take_told(const struct gmem *gmem,
		      const struct vmcoreinfo_place *told,
		      struct vmcoreinfo *info)
{
	uint8_t page[PAGE_BYTES] = { 0 };

	return told->size_bytes &&
	       !gmem_read(gmem, told->gpa, page,
			  min_u64(told->size_bytes, sizeof(page))) &&
	       take_note(page, info);
}

void vmcoreinfo_find(const struct gmem *gmem,
		     const struct vmcoreinfo_place *told,
		     struct vmcoreinfo *ret_info)
{
	ret_info->len = 0;
	if (take_told(gmem, told, ret_info))
		return;
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];
		uint64_t from = 0, end;

		while (gmem_next_data(gmem, region, &from, &end)) {
			for (; from < end; from += PAGE_BYTES) {
				if (take_note(region->host + from, ret_info))
					return;
			}
		}
	}
}

/* The value behind @key, which ends in '=', at a line's beginning. */
static bool number(const struct vmcoreinfo *info, const char *key, int base,
		   uint64_t *ret_value)
{
	const char *at = info->len ? info->text : NULL;
	char *end;

	while (at && strncmp(at, key, strlen(key)) != 0) {
		at = strchr(at, '\n');
		at += at ? 1 : 0;
	}
	if (!at)
		return false;
	at += strlen(key);
	errno = 0;
	/* phys_base may be negative. */
	*ret_value = base == 16 ? strtoull(at, &end, 16) :
				  (uint64_t)strtoll(at, &end, 10);
	return end != at && !errno;
}

/* --- Where things are mapped ---------------------------------------------- */

/* A table's first entry from @from on that is there. */
static bool first_entry(const struct gmem *gmem, gpa_t table, unsigned int from,
			unsigned int *ret_index, uint64_t *ret_entry)
{
	const uint8_t *bytes = gmem_ptr(gmem, table, PAGE_BYTES);

	for (unsigned int i = from; bytes && i < ENTRIES; i++) {
		uint64_t entry = load_le64(bytes + i * sizeof(entry));

		if (!(entry & ENTRY_PRESENT))
			continue;
		*ret_index = i;
		*ret_entry = entry;
		return true;
	}
	return false;
}

/*
 * The direct map comes first in the kernel's half of its own page tables, but
 * for what only a process's have: where its lowest page is, less that page's
 * physical address, it begins. 0: not found.
 */
static uint64_t walk_direct_map(const struct gmem *gmem, gpa_t table,
				unsigned int levels)
{
	const unsigned int top = 12 + 9 * (levels - 1);
	unsigned int from = DIRECT_SLOT;
	uint64_t address = 0, entry = 0;

	for (unsigned int shift = top; shift >= 12; shift -= 9) {
		unsigned int index;

		if (!first_entry(gmem, table, from, &index, &entry))
			return 0;
		address |= (uint64_t)index << shift;
		table = entry & ENTRY_ADDRESS;
		from = 0;
		if ((entry & ENTRY_LARGE) && shift < 39)
			table &= ~((1ULL << shift) - 1);
		if ((entry & ENTRY_LARGE) && shift < 39)
			break;
	}
	/* The upper half of what the tables can address. */
	address |= ~((1ULL << (top + 9)) - 1);
	address -= table;
	/* arch/x86/mm/kaslr.c moves it by whole GiB. */
	return address % GIB ? 0 : address;
}

static uint64_t find_direct_map(const struct gmem *gmem,
				const struct vmcoreinfo *info,
				uint64_t phys_base)
{
	uint64_t tables, five = 0, moved = 0, found = 0;

	(void)number(info, "NUMBER(pgtable_l5_enabled)=", 10, &five);
	(void)number(info, "KERNELOFFSET=", 16, &moved);
	if (number(info, "SYMBOL(init_top_pgt)=", 16, &tables))
		found = walk_direct_map(gmem, tables - KERNEL_MAP + phys_base,
					five == 1 ? 5 : 4);
	return found || moved || five ? found : DIRECT_MAP;
}

static const struct gmem_region *region_of(const struct gmem *gmem, gpa_t gpa)
{
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		if (gpa - gmem->regions[i].start < gmem->regions[i].size_bytes)
			return &gmem->regions[i];
	}
	return NULL;
}

/* What of the kernel's mapping, from KERNEL_MAP at phys_base on, is RAM around
 * its text. */
static void find_kernel_map(const struct gmem *gmem,
			    const struct vmcoreinfo *info, uint64_t phys_base,
			    struct linux_maps *maps)
{
	const struct gmem_region *region;
	uint64_t text = KERNEL_MAP, bytes = KERNEL_MAP_BYTES, before;

	(void)number(info, "SYMBOL(_stext)=", 16, &text);
	(void)number(info, "NUMBER(KERNEL_IMAGE_SIZE)=", 10, &bytes);
	region = region_of(gmem, text - KERNEL_MAP + phys_base);
	if (!region || text - KERNEL_MAP >= bytes || bytes > KERNEL_MAP_MAX)
		return;
	/* phys_base may be negative: then RAM begins later in the mapping. */
	before = text - KERNEL_MAP;
	before = min_u64(before, text - KERNEL_MAP + phys_base - region->start);
	maps->kernel_virtual = text - before;
	maps->kernel = text - KERNEL_MAP + phys_base - before;
	maps->kernel_bytes =
		min_u64(KERNEL_MAP + bytes - maps->kernel_virtual,
			region->start + region->size_bytes - maps->kernel);
}

void linux_maps_find(const struct gmem *gmem, const struct vmcoreinfo *info,
		     struct linux_maps *ret_maps)
{
	uint64_t phys_base;

	*ret_maps = (struct linux_maps){ .is_linux = false };
	if (!number(info, "NUMBER(phys_base)=", 10, &phys_base))
		return;
	ret_maps->is_linux = true;
	ret_maps->direct_map = find_direct_map(gmem, info, phys_base);
	find_kernel_map(gmem, info, phys_base, ret_maps);
}
