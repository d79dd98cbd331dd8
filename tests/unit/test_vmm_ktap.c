/*
 * Test results as TAP, KUnit and kselftest print them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "tests/unit/quick_check.h"
#include "vmm/ktap.h"

static struct ktap ktap;

static void tear_down(void)
{
	ktap_release(&ktap);
}

/* The lines of @text, a millisecond apart. */
static void read_text(const char *text)
{
	char line[512];
	int64_t at = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		ck_assert_uint_lt(len, sizeof(line));
		memcpy(line, text, len);
		line[len] = '\0';
		at += 1000000;
		ktap_line(&ktap, line, at);
		text += len + (text[len] == '\n');
	}
	ktap_finish(&ktap, at);
	ktap_finish(&ktap, at);
}

/* "passed failed skipped expected missing" and then the names that count with
 * the first letter of their result. */
static void expect(const char *expected)
{
	struct ktap_counts counts;
	char text[2000];
	size_t used;

	ktap_count(&ktap, &counts);
	used = (size_t)snprintf(text, sizeof(text), "%d %d %d %d %d",
				(int)counts.passed, (int)counts.failed,
				(int)counts.skipped,
				(int)counts.expected_failures,
				(int)counts.missing);
	for (uint32_t i = 0; i < ktap.count; i++) {
		char name[300];

		if (!ktap_is_counted(&ktap.tests[i]))
			continue;
		ktap_full_name(&ktap, i, name, sizeof(name));
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "|%c %s",
			*ktap_result_name(ktap.tests[i].result), name);
	}
	ck_assert_str_eq(text, expected);
}

static const struct {
	const char *text;
	const char *expected;
} cases[] = {
	/* --- TAP --- */
	{ "TAP version 13\n1..2\nok 1 - first\nok 2 second\n",
	  "2 0 0 0 0|p first|p second" },
	{ "1..2\nok 1\nnot ok 2\n", "1 1 0 0 0|p test 1|f test 2" },
	/* The plan last, no numbers, no names. */
	{ "TAP version 13\nok\nok - b\n1..2\n", "2 0 0 0 0|p test 1|p b" },
	{ "1..3\nok 1 a # SKIP no device\nok 2 b # skipped: x\n"
	  "not ok 3 c # TODO later\n",
	  "0 0 2 1 0|s a|s b|e c" },
	{ "1..2\nok 1 a # TODO done\nnot ok 2 b # SKIP\n",
	  "1 0 1 0 0|p a|s b" },
	{ "1..1\nok 1 issue \\#7 and #8 # SKIP it\n",
	  "0 0 1 0 0|s issue \\#7 and #8" },
	{ "1..1\nok 1 bug #8 # of # SKIP it\n", "0 0 1 0 0|s bug #8 # of" },
	{ "1..1\nnot ok 1 a # exit=1\n", "0 1 0 0 0|f a" },
	/* Plans and what comes. */
	{ "1..3\nok 1 a\n", "1 2 0 0 2|p a|m 2 of 3 without a result" },
	{ "1..1\nok 1 a\nok 2 b\n",
	  "2 1 0 0 0|p a|p b|f 2 results for a plan of 1" },
	{ "1..0 # SKIP no hardware\n", "0 0 1 0 0|s all" },
	{ "1..0\n", "0 0 0 0 0" },
	{ "TAP version 13\n", "0 0 0 0 0" },
	{ "1..99999999999999999999\nok 1 a\n", "0 0 0 0 0" },
	{ "1..2\nok 1 a\nBail out! no memory\n",
	  "1 2 0 0 1|p a|f Bail out!|m 1 of 2 without a result" },
	/* Two documents one after the other. */
	{ "TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\n",
	  "2 1 0 0 1|p a|p b|m 1 of 2 without a result" },
	{ "1..1\nok 1 a\n1..1\nnot ok 1 b\n", "1 1 0 0 0|p a|f b" },
	/* What is none of it. */
	{ "ok 1 before\nTAP version 13\nokay\nok1 x\nok 1x\nnot okay 1\n"
	  "1..1x\nok 1 a\nhello\n",
	  "1 0 0 0 0|p a" },
	{ "1..1\nok 1 a\nok\nok done\n", "1 0 0 0 0|p a" },
	{ "", "0 0 0 0 0" },
	{ "no tests here\n", "0 0 0 0 0" },
	/* YAML is nobody's result. */
	{ "1..2\nnot ok 1 a\n  ---\n  ok 7 x\n  ...\nok 2 b\n",
	  "1 1 0 0 0|f a|p b" },
	{ "1..2\nnot ok 1 a\n  ---\n  x\nok 2 b\n", "1 1 0 0 0|f a|p b" },
	/* TAP 14 and KTAP subtests. */
	{ "KTAP version 1\n1..2\n"
	  "  KTAP version 1\n  # Subtest: suite\n  1..2\n"
	  "  ok 1 x\n  not ok 2 y\n"
	  "not ok 1 suite\nok 2 single\n",
	  "2 1 0 0 0|p suite: x|f suite: y|p single" },
	/* Three deep, with the kernel's stamps, as KUnit in dmesg. */
	{ "[    1.000001] KTAP version 1\n[    1.000002] 1..1\n"
	  "[    1.000003]     KTAP version 1\n"
	  "[    1.000004]     # Subtest: s\n"
	  "[    1.000005]     1..2\n"
	  "[    1.000006]         KTAP version 1\n"
	  "[    1.000007]         # Subtest: p\n"
	  "[    1.000008]         ok 1 one\n"
	  "[    1.000009]         ok 2 two # SKIP\n"
	  "[    1.000010]     # p: pass:1 fail:0 skip:1 total:2\n"
	  "[    1.000011]     ok 1 p\n"
	  "[    1.000012]     ok 2 q\n"
	  "[    1.000013] # s: pass:2 fail:0 skip:0 total:2\n"
	  "[    1.000014] ok 1 s\n",
	  "2 0 1 0 0|p s: p: one|s s: p: two|p s: q" },
	/* KUnit of Linux 6.1: no version line in front of a subtest. */
	{ "TAP version 14\n1..2\n    # Subtest: a\n    1..1\n    ok 1 x\n"
	  "ok 1 a\n    # Subtest: b\n    1..1\n    ok 1 y\nok 2 b\n",
	  "2 0 0 0 0|p a: x|p b: y" },
	/* The parent fails by itself. */
	{ "1..1\n  1..1\n  ok 1 x\nnot ok 1 suite\n",
	  "1 1 0 0 0|p suite: x|f suite" },
	/* A plan in the inside is not met. */
	{ "1..1\n  1..2\n  ok 1 x\nok 1 suite\n",
	  "1 1 0 0 1|p suite: x|m suite: 1 of 2 without a result" },
	/* It stopped in the middle of a subtest. */
	{ "KTAP version 1\n1..3\n    KTAP version 1\n    # Subtest: s\n"
	  "    1..2\n    ok 1 x\n[    9.9] Kernel panic - not syncing: no\n",
	  "1 3 0 0 3|p s: x|m s: 1 of 2 without a result|"
	  "m 2 of 3 without a result" },
	{ "1..1\n  # Subtest: s\n  1..1\n  ok 1 x\n", "1 1 0 0 1|p s: x|m s" },
	/* --- kselftest --- */
	{ "TAP version 13\n1..2\n# timeout set to 45\n# selftests: net: a\n"
	  "# TAP version 13\n# 1..2\n# # Starting 2 tests\n# ok 1 x\n"
	  "# ok 2 # SKIP no root\n# # Totals: pass:1 fail:0 xfail:0 xpass:0 "
	  "skip:1 error:0\nok 1 selftests: net: a\n"
	  "# selftests: net: b\n# something\n"
	  "not ok 2 selftests: net: b # TIMEOUT 45 seconds\n",
	  "1 1 1 0 0|p selftests: net: a: x|s selftests: net: a: no root|"
	  "f selftests: net: b" },
	{ "TAP version 13\n1..1\nok 1 x # XFAIL known\n", "0 0 0 1 0|e x" },
	/* A comment is not a result. */
	{ "1..1\n# ok so far\n# ok\nok 1 a\n", "1 0 0 0 0|p a" },
};

START_TEST(test_texts)
{
	read_text(cases[_i].text);
	expect(cases[_i].expected);
}
END_TEST

START_TEST(test_reason_and_output)
{
	read_text(
		"1..3\nok 1 a\nwhat went wrong\nand how\nnot ok 2 b # exit=3\n"
		"ok 3 c\n");
	ck_assert_uint_eq(ktap.count, 3);
	ck_assert_str_eq(ktap.tests[1].reason, "exit=3");
	ck_assert_str_eq(ktap.tests[1].output,
			 "what went wrong\nand how\nnot ok 2 b # exit=3\n");
	ck_assert_ptr_null(ktap.tests[0].output);
	ck_assert_ptr_null(ktap.tests[2].output);
	ck_assert_int_eq(ktap.tests[0].took_ns, 1000000);
	ck_assert_int_eq(ktap.tests[1].took_ns, 3000000);
}
END_TEST

START_TEST(test_long_output_keeps_its_end)
{
	char line[200];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	ktap_line(&ktap, "1..1", 0);
	ktap_line(&ktap, "the first", 0);
	for (int i = 0; i < 100; i++)
		ktap_line(&ktap, line, 0);
	ktap_line(&ktap, "not ok 1 a", 0);
	ktap_finish(&ktap, 0);
	ck_assert_uint_le(strlen(ktap.tests[0].output), KTAP_OUTPUT_BYTES);
	ck_assert_ptr_null(strstr(ktap.tests[0].output, "the first"));
	ck_assert_ptr_nonnull(strstr(ktap.tests[0].output, "x\nnot ok 1 a\n"));
}
END_TEST

START_TEST(test_limits)
{
	struct ktap_counts counts;
	char line[KTAP_NAME_BYTES * 2];

	ktap_line(&ktap, "TAP version 13", 0);
	for (int i = 1; i <= KTAP_MAX_TESTS + 10; i++) {
		snprintf(line, sizeof(line), "not ok %d x", i);
		ktap_line(&ktap, line, i);
	}
	ktap_finish(&ktap, 0);
	ktap_count(&ktap, &counts);
	ck_assert_uint_eq(ktap.count, KTAP_MAX_TESTS);
	ck_assert_uint_eq(counts.failed, KTAP_MAX_TESTS + 10);
	ck_assert_uint_le(ktap.output_total, KTAP_OUTPUT_TOTAL);
	ktap_release(&ktap);
	memset(line, 'n', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "ok 1 ", 5);
	ktap_line(&ktap, "1..1", 0);
	ktap_line(&ktap, line, 0);
	ck_assert_uint_eq(strlen(ktap.tests[0].name), KTAP_NAME_BYTES);
}
END_TEST

START_TEST(test_deeper_than_there_is_room)
{
	struct ktap_counts counts;
	char line[100];

	ktap_line(&ktap, "TAP version 14", 0);
	for (int i = 0; i < KTAP_MAX_DEPTH + 10; i++) {
		snprintf(line, sizeof(line), "%*s1..1", i, "");
		ktap_line(&ktap, line, 0);
	}
	for (int i = KTAP_MAX_DEPTH + 9; i >= 0; i--) {
		snprintf(line, sizeof(line), "%*sok 1 level%d", i, "", i);
		ktap_line(&ktap, line, 0);
	}
	ktap_finish(&ktap, 0);
	ck_assert_uint_eq(ktap.depth, 0);
	ktap_count(&ktap, &counts);
	ck_assert_uint_gt(counts.passed, 0);
	for (uint32_t i = 0; i < ktap.count; i++) {
		char name[64];

		ktap_full_name(&ktap, i, name, sizeof(name));
		ck_assert_uint_lt(strlen(name), sizeof(name));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/ktap");
	TCase *tcase = tcase_create("ktap");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, test_texts, 0, ARRAY_SIZE(cases));
	tcase_add_test(tcase, test_reason_and_output);
	tcase_add_test(tcase, test_long_output_keeps_its_end);
	tcase_add_test(tcase, test_limits);
	tcase_add_test(tcase, test_deeper_than_there_is_room);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
