/* Numbers and sizes as users write them, and the sentences of errors. */
#include <errno.h>
#include <string.h>

#include "core/err.h"
#include "core/parse.h"
#include "tests/unit/quick_check.h"

struct text_case {
	const char *text;
	int rc;
	uint64_t value;
};

START_TEST(test_u64)
{
	static const struct text_case cases[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "0XaB", 0, 0xab },
		{ "010", 0, 10 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1f", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_int_eq(parse_u64(cases[i].text, &value), cases[i].rc);
		ck_assert_uint_eq(value, cases[i].rc ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(test_size)
{
	static const struct text_case cases[] = {
		{ "3", 0, 3 * MIB },
		{ "3B", 0, 3 },
		{ "3k", 0, 3 * KIB },
		{ "3KiB", 0, 3 * KIB },
		{ "3M", 0, 3 * MIB },
		{ "3gib", 0, 3 * GIB },
		{ "3T", 0, 3 * GIB * 1024 },
		{ "16777215T", 0, 16777215 * GIB * 1024 },
		{ "16777216T", -ERANGE, 0 },
		{ "17592186044416", -ERANGE, 0 },
		{ "3P", -EINVAL, 0 },
		{ "3 M", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "0x10M", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_msg(parse_size(cases[i].text, MIB, &value) ==
				      cases[i].rc,
			      "%s", cases[i].text);
		ck_assert_uint_eq(value, cases[i].rc ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(test_duration)
{
	static const struct text_case cases[] = {
		{ "5", 0, 5000 },      { "5ms", 0, 5 },
		{ "5s", 0, 5000 },     { "5m", 0, 300000 },
		{ "5h", 0, 18000000 }, { "5d", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },   { "18446744073709551615s", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		ck_assert_int_eq(parse_duration_ms(cases[i].text, &value),
				 cases[i].rc);
		ck_assert_uint_eq(value, cases[i].rc ? 77 : cases[i].value);
	}
}
END_TEST

START_TEST(test_bool)
{
	static const char *const words[] = { "on",   "off",   "yes", "no",
					     "true", "false", "1",   "0" };
	int value = 7;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		ck_assert_int_eq(parse_bool(words[i], &value), 0);
		ck_assert_int_eq(value, i % 2 == 0);
	}
	value = 7;
	ck_assert_int_eq(parse_bool("On", &value), -EINVAL);
	ck_assert_int_eq(parse_bool("", &value), -EINVAL);
	ck_assert_int_eq(value, 7);
}
END_TEST

START_TEST(test_err)
{
	struct err err = { 0 };

	ck_assert_int_eq(err_set(&err, EINVAL, "a %s", "b"), -EINVAL);
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_str_eq(err.msg, "a b");
	ck_assert_int_eq(err_sys(&err, ENOENT, "x"), -ENOENT);
	ck_assert_str_eq(err.msg, "x: No such file or directory");
	ck_assert_int_eq(err_prefix(&err, "%d", 3), -ENOENT);
	ck_assert_str_eq(err.msg, "3: x: No such file or directory");
	ck_assert_int_eq(err_set(NULL, EINVAL, "dropped"), -EINVAL);
	ck_assert_int_eq(err_sys(NULL, EIO, "dropped"), -EIO);
	ck_assert_str_eq(err_describe(99999), "unknown error");
}
END_TEST

/* A sentence that is too long is cut, whatever part makes it so. */
START_TEST(test_err_too_long)
{
	char text[2 * sizeof(((struct err *)0)->msg)];
	struct err err = { 0 };

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_set(&err, EINVAL, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
	err_sys(&err, EINVAL, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
	err_prefix(&err, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/text");
	TCase *tcase = tcase_create("parse and err");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_u64);
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_duration);
	tcase_add_test(tcase, test_bool);
	tcase_add_test(tcase, test_err);
	tcase_add_test(tcase, test_err_too_long);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
