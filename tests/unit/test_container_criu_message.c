/* Messages of criu's service, against what the Protocol Buffers encoding says
 * they are. */
#include <stdlib.h>
#include <string.h>

#include "container/criu_message.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"

static void expect(struct criu_message *message, const char *bytes, size_t len)
{
	ck_assert_int_eq(message->error, 0);
	ck_assert_uint_eq(message->len, len);
	ck_assert_mem_eq(message->bytes, bytes, len);
	criu_message_release(message);
	ck_assert_uint_eq(message->len, 0);
}

#define EXPECT(message, text) expect(message, text, sizeof(text) - 1)

START_TEST(test_put)
{
	struct criu_message message = { .error = 0 };
	struct criu_message inner = { .error = 0 };

	criu_put_number(&message, 1, 0);
	criu_put_number(&message, 2, 127);
	criu_put_number(&message, 15, 150);
	criu_put_number(&message, 16, UINT64_MAX);
	EXPECT(&message, "\x08\x00"
			 "\x10\x7f"
			 "\x78\x96\x01"
			 "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	criu_put_text(&message, 2, "testing");
	criu_put_text(&message, 37, "");
	EXPECT(&message, "\x12\x07testing\xaa\x02\x00");
	criu_put_message(&message, 3, &inner);
	criu_put_number(&inner, 1, 150);
	criu_put_message(&message, 3, &inner);
	criu_message_release(&inner);
	EXPECT(&message, "\x1a\x00\x1a\x03\x08\x96\x01");
}
END_TEST

START_TEST(test_long_text)
{
	struct criu_message message = { .error = 0 };
	char text[5001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	criu_put_text(&message, 1, text);
	criu_put_text(&message, 1, text);
	ck_assert_uint_eq(message.len, 2 * (3 + sizeof(text) - 1));
	ck_assert_mem_eq(message.bytes, "\x0a\x88\x27xx", 5);
	ck_assert_mem_eq(message.bytes + 5003, "\x0a\x88\x27xx", 5);
	criu_message_release(&message);
}
END_TEST

/* What is not known, of every kind, is passed over. */
static const char answer[] = "\x08\x02" /* type */
			     "\x99\x06"
			     "12345678" /* 99: eight bytes */
			     "\x10\x01" /* success */
			     "\x9d\x06"
			     "1234" /* 99: four */
			     /* restore { 2: 7, pid: 300 } */
			     "\x22\x05\x10\x07\x08\xac\x02"
			     "\x2a\x05\x0a\x03now" /* notify { script } */
			     "\x38\x05" /* cr_errno */
			     "\x4a\x02no"; /* cr_errmsg */

START_TEST(test_read)
{
	struct criu_answer got;

	ck_assert(criu_read_answer(answer, sizeof(answer) - 1, &got));
	ck_assert_uint_eq(got.request, CRIU_RESTORE);
	ck_assert(got.success);
	ck_assert_int_eq(got.pid, 300);
	ck_assert_str_eq(got.script, "now");
}
END_TEST

static bool reads(const char *bytes, size_t len)
{
	struct criu_answer got;
	/* Of its own size, for sanitizers. */
	char *copy = malloc(len ? len : 1);
	bool is_read;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	is_read = criu_read_answer(copy, len, &got);
	free(copy);
	return is_read;
}

#define READS(text) reads(text, sizeof(text) - 1)

START_TEST(test_refused)
{
	/* Only at the end of a field it is a message. */
	static const size_t ends[] = { 2, 12, 14, 20, 27, 34, 36, 40 };
	size_t found = 0;

	for (size_t len = 0; len < sizeof(answer); len++) {
		bool is_end = found < ARRAY_SIZE(ends) && ends[found] == len;

		ck_assert_msg(reads(answer, len) == is_end, "%zu bytes", len);
		found += is_end;
	}
	ck_assert_uint_eq(found, ARRAY_SIZE(ends));
	ck_assert(!READS("\x10\x01")); /* no type */
	ck_assert(!READS("\x08\x01\x0b")); /* a group */
	ck_assert(!READS("\x08\x01\x0f")); /* no wire type */
	/* A number that does not end, and lengths beyond the end. */
	ck_assert(!READS("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
	ck_assert(!READS("\x08\x01\x22\x7f"));
	ck_assert(
		!READS("\x08\x01\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}
END_TEST

/* A text where a number belongs, and the other way round, is nothing. */
START_TEST(test_of_another_kind)
{
	static const char odd[] = "\x08\x02\x20\x07\x28\x01"
				  "\x22\x04\x0a\x02xy";
	static const char big[] = "\x08\x02\x22\x06\x08\xff\xff\xff\xff\x0f"
				  "\x2a\x22\x0a\x20"
				  "a name that is too long, by one.";
	struct criu_answer got;

	ck_assert(criu_read_answer(odd, sizeof(odd) - 1, &got));
	ck_assert_int_eq(got.pid, 0);
	ck_assert_str_eq(got.script, "");
	ck_assert(criu_read_answer(big, sizeof(big) - 1, &got));
	ck_assert_int_eq(got.pid, 0);
	ck_assert_str_eq(got.script, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/criu_message");
	TCase *tests = tcase_create("criu_message");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_put);
	tcase_add_test(tests, test_long_text);
	tcase_add_test(tests, test_read);
	tcase_add_test(tests, test_refused);
	tcase_add_test(tests, test_of_another_kind);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
