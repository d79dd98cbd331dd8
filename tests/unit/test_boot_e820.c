/* The memory map for several sizes, and its agreement with guest memory. */

#include "boot/e820.h"
#include "tests/unit/boot_sample.h"
#include "tests/unit/quick_check.h"

static struct sample sample;
static struct e820_map map;

static void build(uint64_t memory, bool pci)
{
	sample_init(&sample, 1, memory);
	if (pci)
		sample_add_pci(&sample);
	e820_build(&sample.platform, &map);
}

static uint64_t ram(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < map.count; i++)
		sum += map.entries[i].type == E820_RAM ?
			       map.entries[i].size_bytes :
			       0;
	return sum;
}

static void is(unsigned int at, uint64_t start, uint64_t end, uint32_t type)
{
	ck_assert_uint_lt(at, map.count);
	ck_assert_uint_eq(map.entries[at].start, start);
	ck_assert_uint_eq(map.entries[at].start + map.entries[at].size_bytes,
			  end);
	ck_assert_uint_eq(map.entries[at].type, type);
}

START_TEST(test_sizes)
{
	static const uint64_t sizes[] = { 32 * MIB, 3 * GIB, 3 * GIB + 4096,
					  5 * GIB, 64 * GIB };
	uint64_t memory = sizes[_i];

	build(memory, false);
	is(0, 0, PLATFORM_EBDA_START, E820_RAM);
	is(1, PLATFORM_EBDA_START, MIB, E820_RESERVED);
	is(2, MIB, min_u64(memory, 3 * GIB), E820_RAM);
	is(3, PLATFORM_IOAPIC_BASE, PLATFORM_IOAPIC_BASE + 4096, E820_RESERVED);
	is(4, PLATFORM_LAPIC_BASE, PLATFORM_LAPIC_BASE + 4096, E820_RESERVED);
	if (memory > 3 * GIB)
		is(5, 4 * GIB, memory + GIB, E820_RAM);
	ck_assert_uint_eq(map.count, memory > 3 * GIB ? 6 : 5);
	ck_assert_uint_eq(ram(), memory - (MIB - PLATFORM_EBDA_START));
}
END_TEST

START_TEST(test_ecam_is_reserved)
{
	build(5 * GIB, true);
	ck_assert_uint_eq(map.count, 7);
	is(3, SAMPLE_ECAM_BASE, SAMPLE_ECAM_BASE + 256 * MIB, E820_RESERVED);
	for (unsigned int i = 1; i < map.count; i++)
		ck_assert_uint_ge(map.entries[i].start,
				  map.entries[i - 1].start +
					  map.entries[i - 1].size_bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot/e820");
	TCase *tcase = tcase_create("map");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, test_sizes, 0, 5);
	tcase_add_test(tcase, test_ecam_is_reserved);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
