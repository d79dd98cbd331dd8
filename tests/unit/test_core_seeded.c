/* Bytes that follow from a seed. */
#include <stdlib.h>
#include <string.h>

#include "core/seeded.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"

#define BYTES 100

/* Computed by another program; they must never change. */
START_TEST(test_known)
{
	static const uint8_t want[16] = { 0xfd, 0x87, 0x21, 0x55, 0xdf, 0x0f,
					  0x17, 0x6a, 0x5e, 0x0e, 0xe5, 0x5c,
					  0xd6, 0x4b, 0x87, 0x71 };
	uint8_t got[16];
	struct seeded seeded;

	seeded_init(&seeded, 1234567, "test");
	seeded_fill(&seeded, got, sizeof(got));
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(test_pieces)
{
	uint8_t whole[BYTES], pieces[BYTES];
	struct seeded seeded;

	seeded_init(&seeded, 1, "a");
	seeded_fill(&seeded, whole, BYTES);
	seeded_init(&seeded, 1, "a");
	for (size_t at = 0, len = 0; at < BYTES; at += len++)
		seeded_fill(&seeded, pieces + at,
			    len < BYTES - at ? len : BYTES - at);
	ck_assert_mem_eq(whole, pieces, BYTES);
}
END_TEST

START_TEST(test_others)
{
	static const struct {
		uint64_t seed;
		const char *stream;
	} others[] = {
		{ 0, "a" }, { 1, "a" }, { 1, "b" }, { 1, "" }, { 1, "ab" }
	};
	uint8_t bytes[ARRAY_SIZE(others)][BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct seeded seeded;

		seeded_init(&seeded, others[i].seed, others[i].stream);
		seeded_fill(&seeded, bytes[i], BYTES);
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(bytes[i], bytes[j], 8);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/seeded");
	TCase *tcase = tcase_create("seeded");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, test_known);
	tcase_add_test(tcase, test_pieces);
	tcase_add_test(tcase, test_others);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
