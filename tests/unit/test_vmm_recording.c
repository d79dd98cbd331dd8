/*
 * The recording of the console: what a file has of bytes that come in pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "tests/unit/quick_check.h"
#include "vmm/recording.h"

static char path[] = "/tmp/recording-XXXXXX";
static struct recording recording;
static struct chardev_tap tap;
static char seen[64]; /* by the next tap */

static void next_wrote(void *opaque, bool batched, const uint8_t *data,
		       size_t len)
{
	size_t used = strlen(seen);

	(void)batched;
	ck_assert_ptr_eq(opaque, seen);
	snprintf(seen + used, sizeof(seen) - used, "%.*s", (int)len, data);
}

static void begin(const char *title)
{
	const struct recording_head head = {
		.path = path,
		.title = title,
		.start_s = 1500000000,
		.start_ns = loop_now_ns(),
		.size = { 100, 30 },
	};

	ck_assert_int_eq(recording_init(&recording, &head, NULL), 0);
	tap = recording_tap(&recording, NULL);
}

static void set_up(void)
{
	int fd;

	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	seen[0] = '\0';
	begin("title");
}

static void tear_down(void)
{
	recording_release(&recording);
	unlink(path);
}

static void feed(bool batched, const char *text)
{
	tap.wrote(tap.opaque, batched, (const uint8_t *)text, strlen(text));
}

/* The file's lines, parsed. */
static json_t *read_lines(void)
{
	json_t *lines = json_array();
	FILE *from = fopen(path, "re");
	char line[65536];

	ck_assert_ptr_nonnull(from);
	while (fgets(line, sizeof(line), from)) {
		json_error_t error;
		json_t *value = json_loads(line, 0, &error);

		ck_assert_msg(value != NULL, "%s: %s", error.text, line);
		json_array_append_new(lines, value);
	}
	ck_assert_int_eq(fclose(from), 0);
	return lines;
}

/* All output joined; how many events in *ret_count. The caller's. */
static char *output(size_t *ret_count)
{
	json_t *lines = read_lines();
	size_t len;
	char *all;
	FILE *to = open_memstream(&all, &len);
	double last = 0;

	ck_assert_ptr_nonnull(to);
	*ret_count = json_array_size(lines) - 1;
	for (size_t i = 1; i < json_array_size(lines); i++) {
		json_t *event = json_array_get(lines, i);
		const char *kind = json_string_value(json_array_get(event, 1));
		double at = json_real_value(json_array_get(event, 0));

		ck_assert(at >= last && at < 60);
		last = at;
		if (!strcmp(kind, "o"))
			(void)fputs(json_string_value(json_array_get(event, 2)),
				    to);
	}
	ck_assert_int_eq(fclose(to), 0);
	json_decref(lines);
	return all;
}

static void assert_output(const char *expected, size_t events)
{
	size_t count;
	char *all;

	ck_assert_int_eq(recording_finish(&recording), 0);
	all = output(&count);
	ck_assert_str_eq(all, expected);
	if (events)
		ck_assert_uint_eq(count, events);
	free(all);
}

START_TEST(test_head)
{
	json_t *lines, *head;

	recording_release(&recording);
	begin("a \"kernel\" \x01 \xc3\xa9 \xff");
	lines = read_lines();
	head = json_array_get(lines, 0);
	ck_assert_int_eq(json_integer_value(json_object_get(head, "version")),
			 2);
	ck_assert_int_eq(json_integer_value(json_object_get(head, "width")),
			 100);
	ck_assert_int_eq(json_integer_value(json_object_get(head, "height")),
			 30);
	ck_assert_int_eq(json_integer_value(json_object_get(head, "timestamp")),
			 1500000000);
	ck_assert_str_eq(json_string_value(json_object_get(head, "title")),
			 "a \"kernel\" \x01 \xc3\xa9 \xef\xbf\xbd");
	json_decref(lines);
}
END_TEST

START_TEST(test_long_title)
{
	char title[4000];
	json_t *lines;

	recording_release(&recording);
	memset(title, 1, sizeof(title) - 1);
	title[sizeof(title) - 1] = '\0';
	begin(title);
	lines = read_lines();
	ck_assert_uint_eq(json_array_size(lines), 1);
	json_decref(lines);
}
END_TEST

/* A line byte by byte is one event; the next begins another. */
START_TEST(test_lines)
{
	const char *text = "one\r\ntwo";

	for (size_t i = 0; text[i]; i++)
		tap.wrote(tap.opaque, false, (const uint8_t *)text + i, 1);
	assert_output("one\r\ntwo", 2);
}
END_TEST

START_TEST(test_unfinished_line)
{
	size_t count;
	char *all;

	feed(false, "login: ");
	all = output(&count);
	ck_assert_uint_eq(count, 0);
	free(all);
	recording_poll(&recording);
	recording_poll(&recording);
	all = output(&count);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(all, "login: ");
	free(all);
}
END_TEST

START_TEST(test_controls_and_quotes)
{
	feed(true, "\x1b[1m\"\\\t\x7f\x08\n");
	assert_output("\x1b[1m\"\\\t\x7f\x08\n", 1);
}
END_TEST

/* Characters of two devices whose bytes mix, also over the end of an event. */
START_TEST(test_characters_in_pieces)
{
	feed(false, "\xe2");
	feed(true, "\xf0\x9f");
	recording_poll(&recording);
	feed(false, "\x82");
	feed(true, "\x98");
	recording_poll(&recording);
	feed(false, "\xac");
	feed(true, "\x80");
	assert_output("\xe2\x82\xac\xf0\x9f\x98\x80", 1);
}
END_TEST

START_TEST(test_what_is_no_character)
{
	/* A first byte alone, a byte that goes on, an overlong form, a
	 * surrogate, one that the end cuts off. */
	feed(false, "a\xc3z\x80\xc0\xaf\xed\xa0\x80\xe2\x82");
	assert_output("a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		      1);
}
END_TEST

/* More than an event holds, of bytes that grow the most. */
START_TEST(test_long_output)
{
	char text[10001];
	size_t count;
	char *all;

	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	feed(true, text);
	ck_assert_int_eq(recording_finish(&recording), 0);
	all = output(&count);
	ck_assert_str_eq(all, text);
	ck_assert_uint_ge(count, 10000 * 6 / RECORDING_TEXT_BYTES);
	free(all);
}
END_TEST

START_TEST(test_resize)
{
	const struct recording_size size = { 132, 43 };
	json_t *lines, *event;

	feed(false, "before");
	recording_resize(&recording, &size);
	feed(false, "behind");
	ck_assert_int_eq(recording_finish(&recording), 0);
	lines = read_lines();
	ck_assert_uint_eq(json_array_size(lines), 4);
	event = json_array_get(lines, 2);
	ck_assert_str_eq(json_string_value(json_array_get(event, 1)), "r");
	ck_assert_str_eq(json_string_value(json_array_get(event, 2)), "132x43");
	json_decref(lines);
}
END_TEST

START_TEST(test_next)
{
	const struct chardev_tap next = { .wrote = next_wrote, .opaque = seen };

	tap = recording_tap(&recording, &next);
	feed(false, "both ");
	feed(true, "see it");
	ck_assert_str_eq(seen, "both see it");
	assert_output("both see it", 1);
}
END_TEST

START_TEST(test_full_disk)
{
	const struct recording_head head = { .path = "/dev/full", .title = "" };
	struct recording full;
	struct err err = { 0 };

	ck_assert_int_eq(recording_init(&full, &head, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "/dev/full"));
	close(recording.fd);
	recording.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	feed(false, "lost\n");
	ck_assert_int_eq(recording_finish(&recording), ENOSPC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/recording");
	TCase *tcase = tcase_create("recording");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_head);
	tcase_add_test(tcase, test_long_title);
	tcase_add_test(tcase, test_lines);
	tcase_add_test(tcase, test_unfinished_line);
	tcase_add_test(tcase, test_controls_and_quotes);
	tcase_add_test(tcase, test_characters_in_pieces);
	tcase_add_test(tcase, test_what_is_no_character);
	tcase_add_test(tcase, test_long_output);
	tcase_add_test(tcase, test_resize);
	tcase_add_test(tcase, test_next);
	tcase_add_test(tcase, test_full_disk);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
