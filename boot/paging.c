#include "boot/paging.h"

#include <errno.h>

#include "boot/layout.h"
#include "core/bytes.h"

/* SDM vol. 3, 4.5.4: bits of a paging-structure entry. */
#define PTE_PRESENT  (1ULL << 0)
#define PTE_WRITE    (1ULL << 1)
#define PTE_ACCESSED (1ULL << 5)
#define PTE_DIRTY    (1ULL << 6)
#define PTE_LARGE    (1ULL << 7)

#define PAGE_BYTES    4096ULL
#define TABLE_ENTRIES 512ULL

#define PML4 LAYOUT_PAGE_TABLES
#define PDPT (LAYOUT_PAGE_TABLES + 1 * PAGE_BYTES)
#define PD   (LAYOUT_PAGE_TABLES + 2 * PAGE_BYTES) /* four of them */

/*
 * SDM vol. 3, 3.4.5: base 0, limit 4 GiB, present, accessed. Code is 32-bit
 * (D) or 64-bit (L). The TSS is marked busy, since TR refers to it; in long
 * mode its descriptor takes two entries.
 */
#define GDT_CODE32 0x00cf9b000000ffffULL
#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_DATA   0x00cf93000000ffffULL
#define GDT_TSS	   0x00008b0000000067ULL

static int no_room(struct err *err)
{
	return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
}

static int write_gdt(const struct gmem *gmem, struct boot_entry *entry,
		     struct err *err)
{
	bool is_long = entry->mode == BOOT_MODE_LONG;
	/* 0x10 and 0x18 are __BOOT_CS and __BOOT_DS; 0x20 is the TSS. */
	const uint64_t table[] = {
		0, 0, is_long ? GDT_CODE64 : GDT_CODE32, GDT_DATA, GDT_TSS, 0,
	};
	uint8_t *to = gmem_ptr(gmem, LAYOUT_GDT, sizeof(table));

	if (!to)
		return no_room(err);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		store_le64(to + i * 8, table[i]);
	entry->gdt_gpa = LAYOUT_GDT;
	entry->gdt_limit = sizeof(table) - 1;
	return 0;
}

static int write_page_tables(const struct gmem *gmem, struct boot_entry *entry,
			     struct err *err)
{
	const uint64_t table = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
	const uint64_t page = table | PTE_DIRTY | PTE_LARGE;
	uint8_t *to = gmem_ptr(gmem, PML4, 6 * PAGE_BYTES);

	if (!to)
		return no_room(err);
	store_le64(to, PDPT | table);
	to += PAGE_BYTES;
	for (uint64_t i = 0; i < 4; i++)
		store_le64(to + i * 8, (PD + i * PAGE_BYTES) | table);
	to += PAGE_BYTES;
	/* 2 MiB pages: every CPU with long mode has them. */
	for (uint64_t i = 0; i < 4 * TABLE_ENTRIES; i++)
		store_le64(to + i * 8, i * 2 * MIB | page);
	entry->cr3 = PML4;
	return 0;
}

int paging_write(const struct gmem *gmem, struct boot_entry *entry,
		 struct err *err)
{
	int rc;

	if (entry->mode == BOOT_MODE_REAL)
		return 0;
	rc = write_gdt(gmem, entry, err);
	if (!rc && entry->mode == BOOT_MODE_LONG)
		rc = write_page_tables(gmem, entry, err);
	return rc;
}
