/*
 * What a dump takes a Linux guest's word for: notes and page tables in memory,
 * right, moved and wrong.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"
#include "vmm/dump_linux.h"

#define MEMORY (64 * MIB)
#define NOTE   0x5000
#define TABLE  0x1400000 /* the top one; the others behind it */
#define KERNEL 0xffffffff80000000ULL

static struct gmem gmem;
static struct vmcoreinfo info;
static struct linux_maps maps;
static const struct vmcoreinfo_place nowhere;

static void set_up(void)
{
	ck_assert_int_eq(gmem_init(&gmem, MEMORY, 0, NULL), 0);
}

static void tear_down(void)
{
	gmem_release(&gmem);
}

static void put_note(gpa_t gpa, const char *text)
{
	const Elf64_Nhdr head = { .n_namesz = sizeof(VMCOREINFO_NAME),
				  .n_descsz = (Elf64_Word)strlen(text) };
	uint8_t *at = gmem_ptr(&gmem, gpa, 4096);

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), VMCOREINFO_NAME, sizeof(VMCOREINFO_NAME));
	memcpy(at + sizeof(head) + 12, text, strlen(text));
}

static void put_entry(unsigned int table, unsigned int index, uint64_t value)
{
	uint8_t *at = gmem_ptr(&gmem, TABLE + table * 4096ULL, 4096);

	store_le64(at + index * 8UL, value);
}

/* Tables with the direct map at top entry @slot and @gib in the next: 4 KiB
 * pages from physical 0x1000 on. */
static void put_tables(unsigned int levels, unsigned int slot, unsigned int gib)
{
	unsigned int table = 0;

	put_entry(table, 272, 0x1001); /* of a process: not looked at */
	put_entry(table, slot, (TABLE + 0x1000) | 0x63);
	for (table = 1; table < levels - 1; table++)
		put_entry(table, levels - table == 3 ? gib : 0,
			  (TABLE + (table + 1) * 0x1000) | 0x63);
	put_entry(table, 1, 0x1000 | 0x8000000000000163ULL);
	put_entry(table, 2, 0x2000 | 0x163);
}

static void find(const char *text)
{
	put_note(NOTE, text);
	vmcoreinfo_find(&gmem, &nowhere, &info);
	linux_maps_find(&gmem, &info, &maps);
}

#define FIXED                                                     \
	"OSRELEASE=6.1\nNUMBER(phys_base)=0\n"                    \
	"SYMBOL(init_top_pgt)=ffffffff81400000\nKERNELOFFSET=0\n" \
	"SYMBOL(_stext)=ffffffff81000000\n"

START_TEST(test_note)
{
	find(FIXED);
	ck_assert_str_eq(info.text, FIXED);
	ck_assert(maps.is_linux);
}
END_TEST

/* Where the guest said, also when another one lies before it. */
START_TEST(test_told)
{
	struct vmcoreinfo_place told = { .gpa = 0x9000, .size_bytes = 300 };

	put_note(NOTE, "OSRELEASE=another\n");
	put_note(0x9000, FIXED);
	vmcoreinfo_find(&gmem, &told, &info);
	ck_assert_str_eq(info.text, FIXED);
	/* What it said is wrong: memory is looked through. */
	told.gpa = MEMORY - 8;
	vmcoreinfo_find(&gmem, &told, &info);
	ck_assert_str_eq(info.text, "OSRELEASE=another\n");
	told = (struct vmcoreinfo_place){ 0x3000, UINT32_MAX };
	vmcoreinfo_find(&gmem, &told, &info);
	ck_assert_str_eq(info.text, "OSRELEASE=another\n");
}
END_TEST

START_TEST(test_no_note)
{
	vmcoreinfo_find(&gmem, &nowhere, &info);
	ck_assert_uint_eq(info.len, 0);
	linux_maps_find(&gmem, &info, &maps);
	ck_assert(!maps.is_linux);
	/* A length beyond the page. */
	put_note(NOTE, FIXED);
	store_le32((uint8_t *)gmem_ptr(&gmem, NOTE, 8) + 4, 4096);
	vmcoreinfo_find(&gmem, &nowhere, &info);
	ck_assert_uint_eq(info.len, 0);
}
END_TEST

START_TEST(test_kernel_that_stayed)
{
	put_tables(4, 273, 0);
	find(FIXED);
	ck_assert_uint_eq(maps.direct_map, 0xffff888000000000);
	ck_assert_uint_eq(maps.kernel_virtual, KERNEL);
	ck_assert_uint_eq(maps.kernel, 0);
	ck_assert_uint_eq(maps.kernel_bytes, MEMORY);
}
END_TEST

START_TEST(test_kernel_that_moved)
{
	put_tables(4, 300, 77);
	find("OSRELEASE=6.1\nNUMBER(phys_base)=-1048576\nKERNELOFFSET=1f000000\n"
	     "SYMBOL(init_top_pgt)=ffffffff81500000\n"
	     "SYMBOL(_stext)=ffffffff81200000\n"
	     "NUMBER(KERNEL_IMAGE_SIZE)=1073741824\n");
	ck_assert_uint_eq(maps.direct_map,
			  0xffff000000000000 | 300ULL << 39 | 77ULL << 30);
	/* The mapping begins below RAM. */
	ck_assert_uint_eq(maps.kernel_virtual, KERNEL + MIB);
	ck_assert_uint_eq(maps.kernel, 0);
	ck_assert_uint_eq(maps.kernel_bytes, MEMORY);
}
END_TEST

START_TEST(test_five_levels)
{
	put_tables(5, 273, 9);
	find(FIXED "NUMBER(pgtable_l5_enabled)=1\n");
	ck_assert_uint_eq(maps.direct_map, 0xff11000000000000 | 9ULL << 30);
}
END_TEST

/* Tables that lead nowhere, numbers that are none. */
START_TEST(test_wrong)
{
	static const char *const texts[] = {
		"OSRELEASE=6.1\nNUMBER(phys_base)=\nKERNELOFFSET=0\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=9223372036854775807\n"
		"SYMBOL(init_top_pgt)=0\nKERNELOFFSET=1\nSYMBOL(_stext)=0\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=0\nKERNELOFFSET=1\n"
		"SYMBOL(init_top_pgt)=ffffffffffffffff\n"
		"SYMBOL(_stext)=ffffffffffffffff\n"
		"NUMBER(KERNEL_IMAGE_SIZE)=-1\n",
		"OSRELEASE=6.1\nxNUMBER(phys_base)=0\nKERNELOFFSET=zz\n",
	};

	put_tables(4, 273, 0);
	find(texts[_i]);
	ck_assert_uint_eq(maps.direct_map, 0);
	ck_assert_uint_eq(maps.kernel_bytes, 0);
}
END_TEST

START_TEST(test_broken_tables)
{
	put_tables(4, 273, 0);
	put_entry(1, 0, (MEMORY + 0x1000) | 0x63);
	find(FIXED);
	ck_assert_uint_eq(maps.direct_map, 0xffff888000000000);
	put_note(NOTE, "OSRELEASE=6.1\nNUMBER(phys_base)=0\nKERNELOFFSET=1\n"
		       "SYMBOL(init_top_pgt)=ffffffff81400000\n");
	vmcoreinfo_find(&gmem, &nowhere, &info);
	linux_maps_find(&gmem, &info, &maps);
	ck_assert_uint_eq(maps.direct_map, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/dump_linux");
	TCase *tcase = tcase_create("dump_linux");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_note);
	tcase_add_test(tcase, test_told);
	tcase_add_test(tcase, test_no_note);
	tcase_add_test(tcase, test_kernel_that_stayed);
	tcase_add_test(tcase, test_kernel_that_moved);
	tcase_add_test(tcase, test_five_levels);
	tcase_add_loop_test(tcase, test_wrong, 0, 4);
	tcase_add_test(tcase, test_broken_tables);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
