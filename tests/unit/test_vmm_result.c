/*
 * The watcher of the console and what it leaves: the verdict, the log, JSON and
 * JUnit.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/quick_check.h"
#include "vmm/clean_text.h"
#include "vmm/exit_status.h"
#include "vmm/replace_file.h"
#include "vmm/result.h"

static char directory[40];
static char report_path[64];
static char log_path[64];
static struct vm_config config;
static struct loop loop;
static struct verdict verdict;
static struct console_watch watch;
static struct err err;

static void set_up(void)
{
	memcpy(directory, "/tmp/hull-result-XXXXXX", 24);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(report_path, sizeof(report_path), "%s/r.json", directory);
	snprintf(log_path, sizeof(log_path), "%s/r.console.log", directory);
	config_init(&config);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	verdict = (struct verdict){ .loop = &loop };
	watch = (struct console_watch){ .log_fd = -1 };
	err = (struct err){ 0 };
}

static void tear_down(void)
{
	console_watch_release(&watch);
	config_release(&config);
	loop_release(&loop);
	unlink(report_path);
	unlink(log_path);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void start(void)
{
	ck_assert_msg(console_watch_init(&watch, &config, &verdict,
					 loop_now_ns(), &err) == 0,
		      "%s", err.msg);
}

static void fail_on(const char *text)
{
	config.fail_on[config.fail_on_count++] = strdup(text);
}

static void say_at(enum console_source source, bool batched, const char *text)
{
	const struct chardev_tap tap = console_watch_tap(&watch, source);

	tap.wrote(tap.opaque, batched, (const uint8_t *)text, strlen(text));
}

static void say_on(bool batched, const char *text)
{
	say_at(CONSOLE_SOURCE_CONSOLE, batched, text);
}

static void say(const char *text)
{
	say_on(false, text);
}

static bool is_stopped(void)
{
	return atomic_load(&loop.stop);
}

/* The guest ends by itself, with 0. */
static void guest_ends(void)
{
	if (verdict_take(&verdict))
		verdict_done(&verdict, EXIT_POWEROFF, "the guest powered off");
	console_watch_finish(&watch);
	console_watch_conclude(&watch, &config);
}

static char *read_file(const char *path)
{
	static char text[8192];
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	return text;
}

/* --- The verdict --- */

START_TEST(test_expected)
{
	config.expect = strdup("^done$");
	start();
	say("not done\nhello\n");
	ck_assert(!is_stopped());
	say("\x1b[32mdo");
	say("ne\x1b[0m\r\n");
	ck_assert(is_stopped());
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
	ck_assert_str_eq(verdict_reason(&verdict), "expect");
}
END_TEST

START_TEST(test_expected_prompt)
{
	config.expect = strdup("login: $");
	start();
	say("login: ");
	console_watch_poll(&watch);
	ck_assert(!is_stopped());
	console_watch_poll(&watch);
	ck_assert(is_stopped());
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
}
END_TEST

START_TEST(test_expected_in_last_words)
{
	config.expect = strdup("all is well");
	start();
	say("all is well");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
}
END_TEST

START_TEST(test_not_expected)
{
	config.expect = strdup("^done$");
	start();
	say("undone\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_NOT_EXPECTED);
	ck_assert_str_eq(verdict_reason(&verdict), "not-expected");
}
END_TEST

START_TEST(test_own_status_stays)
{
	config.expect = strdup("^done$");
	config.tests = TESTS_ON;
	start();
	say("1..1\nnot ok 1 a\n");
	ck_assert(verdict_take(&verdict));
	verdict_done(&verdict, 43, "the guest ended with value 21");
	guest_ends();
	ck_assert_int_eq(verdict.status, 43);
}
END_TEST

START_TEST(test_failed)
{
	fail_on("^it (broke|burst)$");
	start();
	say("it broke\n");
	ck_assert_int_eq(verdict.status, EXIT_FAIL_ON);
	ck_assert_ptr_nonnull(strstr(verdict.sentence, "it broke"));
	/* Its report is waited for, and nothing after it counts. */
	ck_assert(!is_stopped());
	console_watch_poll(&watch);
	ck_assert(!is_stopped());
	ck_assert(!verdict_take(&verdict));
	watch.start_ns -= 400000000;
	say("a report\n");
	watch.start_ns -= 400000000;
	console_watch_poll(&watch);
	ck_assert(!is_stopped());
	watch.start_ns -= 200000000;
	console_watch_poll(&watch);
	ck_assert(is_stopped());
	ck_assert_str_eq(watch.failed.line, "it broke");
}
END_TEST

START_TEST(test_failed_and_never_silent)
{
	fail_on("linux");
	start();
	say("Kernel panic - not syncing: x\n");
	for (int i = 0; i < 16; i++) {
		ck_assert(!is_stopped());
		watch.start_ns -= 330000000;
		say("more\n");
		console_watch_poll(&watch);
	}
	ck_assert(is_stopped());
	ck_assert_ptr_nonnull(strstr(verdict.sentence, "(panic)"));
}
END_TEST

START_TEST(test_first_of_both)
{
	config.expect = strdup("second");
	fail_on("first");
	start();
	say("first\nsecond\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_FAIL_ON);
}
END_TEST

START_TEST(test_failure_that_came_too_late)
{
	fail_on("broken");
	start();
	say("broken"); /* no end of the line */
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_FAIL_ON);
}
END_TEST

/* Which sets are looked for. */
static const struct {
	const char *fail_on[2];
	bool expects;
	bool tests;
	const char *line;
	bool fails;
} set_cases[] = {
	{ { NULL }, true, false, "BUG: x", true },
	{ { NULL }, false, true, "BUG: x", true },
	{ { "linux" }, false, false, "BUG: x", true },
	{ { "own" }, false, false, "BUG: x", true },
	{ { "own", "none" }, false, false, "BUG: x", false },
	{ { "own", "none" }, false, false, "my own", true },
	{ { "none" }, true, false, "BUG: x", false },
	{ { NULL }, true, false, "BUGS: x", false },
};

START_TEST(test_sets)
{
	for (int i = 0; i < 2; i++) {
		if (set_cases[_i].fail_on[i])
			fail_on(set_cases[_i].fail_on[i]);
	}
	if (set_cases[_i].expects)
		config.expect = strdup("never");
	if (set_cases[_i].tests)
		config.tests = TESTS_ON;
	ck_assert(console_watch_is_wanted(&config));
	start();
	say(set_cases[_i].line);
	say("\n");
	ck_assert_int_eq(watch.failed.pattern != NULL, set_cases[_i].fails);
}
END_TEST

START_TEST(test_log_alone_judges_nothing)
{
	ck_assert(!console_watch_is_wanted(&config));
	config.console_log = strdup(log_path);
	ck_assert(console_watch_is_wanted(&config));
	start();
	say("Kernel panic - not syncing\n1..1\nnot ok 1\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
}
END_TEST

START_TEST(test_tests)
{
	static const struct {
		enum tests_mode mode;
		const char *text;
		int status;
	} runs[] = {
		{ TESTS_ON, "1..1\nok 1\n", EXIT_POWEROFF },
		{ TESTS_ON, "1..1\nnot ok 1\n", EXIT_TESTS },
		{ TESTS_ON, "1..2\nok 1\n", EXIT_TESTS },
		{ TESTS_ON, "nothing\n", EXIT_TESTS },
		{ TESTS_ON, "1..1\nok 1 # SKIP\n", EXIT_TESTS },
		{ TESTS_OFF, "1..1\nnot ok 1\n", EXIT_POWEROFF },
	};

	config.tests = runs[_i].mode;
	config.expect = strdup("k");
	start();
	say(runs[_i].text);
	say("k\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, runs[_i].status);
}
END_TEST

START_TEST(test_tests_for_a_report)
{
	config.result = strdup(report_path);
	start();
	say("1..2\nok 1\nnot ok 2\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_TESTS);
	ck_assert_str_eq(verdict.sentence, "1 of the guest's 2 tests failed");
}
END_TEST

START_TEST(test_reports_without_tests)
{
	config.result = strdup(report_path);
	start();
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
}
END_TEST

START_TEST(test_devices_do_not_mix)
{
	config.expect = strdup("^hello$");
	start();
	say_on(false, "hel");
	say_on(true, "wor");
	say_at(CONSOLE_SOURCE_DEBUGCON, false, "there");
	say_on(false, "lo\n");
	say_on(true, "ld\n");
	guest_ends();
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
	ck_assert_uint_eq(watch.tail_len, 18);
	ck_assert_int_eq(memcmp(watch.tail, "hello\nworld\nthere\n", 18), 0);
}
END_TEST

START_TEST(test_bad_expression)
{
	fail_on("(");
	ck_assert_int_eq(console_watch_init(&watch, &config, &verdict, 0, &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "--fail-on: \"(\""));
}
END_TEST

START_TEST(test_log)
{
	unsigned int lines = 0;
	char *text;

	config.junit = strdup(report_path); /* r.json, whatever it is for */
	start();
	say("one\r\n");
	/* At once, not in the end. */
	ck_assert_ptr_nonnull(strstr(read_file(log_path), "] one\n"));
	say("\x1b[1mtwo\x1b[0m\nunfinished");
	text = read_file(log_path);
	ck_assert_ptr_null(strstr(text, "unfinished"));
	console_watch_finish(&watch);
	text = read_file(log_path);
	ck_assert_ptr_nonnull(strstr(text, "] two\n"));
	ck_assert_ptr_nonnull(strstr(text, "] unfinished\n"));
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		ck_assert_int_eq(line[0], '[');
		ck_assert_int_eq(line[6], '.');
		ck_assert_int_eq(line[13], ']');
		ck_assert_int_eq(line[14], ' ');
		lines++;
	}
	ck_assert_uint_eq(lines, 3);
	ck_assert_int_eq(watch.log_error, 0);
}
END_TEST

START_TEST(test_log_that_is_full)
{
	config.console_log = strdup("/dev/full");
	start();
	say("lost\n");
	ck_assert_int_eq(watch.log_error, ENOSPC);
}
END_TEST

START_TEST(test_init_time)
{
	static const struct {
		const char *before;
		const char *line;
	} boots[] = {
		{ "[    0.000000] Linux version\n",
		  "[    1.234567] Run /init as init process\n" },
		{ "early\n[    0.000000] Linux version\n", "hello\n" },
		{ "[    0.000000] Linux version\n\n", "hello\n" },
	};

	config.expect = strdup("never");
	start();
	ck_assert_int_eq(watch.times.first_byte_ns, -1);
	say(boots[_i].before);
	ck_assert_int_ge(watch.times.first_byte_ns, 0);
	ck_assert_int_eq(watch.times.init_ns, -1);
	watch.start_ns -= 1000000000;
	say(boots[_i].line);
	ck_assert_int_ge(watch.times.init_ns, 1000000000);
}
END_TEST

/* --- What is left --- */

static struct result result_of_run(void)
{
	return (struct result){
		.config = &config,
		.verdict = &verdict,
		.watch = &watch,
		.is_over = true,
		.start = { 1700000000, 123000000 },
		.first_instruction_ns = 1500000,
		.end_ns = 2000000000,
	};
}

START_TEST(test_json)
{
	struct result result;
	autofree char *text = NULL;
	json_error_t error;
	json_t *tree;
	const char *reason;
	const char *start_time;
	const char *name;
	int version;
	int status;
	int passed;
	int failed;
	double first;
	double end;

	config.result = strdup(report_path);
	config.kernel = strdup("dir/bzIm\xff\"age");
	start();
	say("1..2\nok 1 good\nnot ok 2 b\xff\"d\n");
	guest_ends();
	result = result_of_run();
	text = result_json(&result);
	tree = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(tree, "%s: %s", error.text, text);
	ck_assert_int_eq(json_unpack_ex(tree, &error, 0,
					"{s:i,s:s,s:i,s:n,s:{s:i,s:i},"
					"s:{s:s,s:F,s:F,s:n}}",
					"version", &version, "reason", &reason,
					"exit_status", &status, "guest_status",
					"tests", "passed", &passed, "failed",
					&failed, "times", "start", &start_time,
					"first_instruction_ms", &first,
					"end_ms", &end, "init_ms"),
			 0);
	ck_assert_int_eq(version, RESULT_VERSION);
	ck_assert_str_eq(reason, "tests");
	ck_assert_int_eq(status, EXIT_TESTS);
	ck_assert_int_eq(passed, 1);
	ck_assert_int_eq(failed, 1);
	ck_assert_str_eq(start_time, "2023-11-14T22:13:20.123Z");
	ck_assert(first == 1.5);
	ck_assert(end == 2000);
	name = json_string_value(json_object_get(
		json_array_get(json_object_get(json_object_get(tree, "tests"),
					       "list"),
			       1),
		"name"));
	ck_assert_str_eq(name, "b\xef\xbf\xbd\"d");
	json_decref(tree);
}
END_TEST

START_TEST(test_json_of_a_beginning)
{
	struct result result;
	autofree char *text = NULL;

	config.result = strdup(report_path);
	start();
	result = result_of_run();
	result.is_over = false;
	text = result_json(&result);
	ck_assert_ptr_nonnull(strstr(text, "\"reason\": \"running\""));
	ck_assert_ptr_nonnull(strstr(text, "\"exit_status\": null"));
	ck_assert_ptr_nonnull(strstr(text, "\"passed\": false"));
}
END_TEST

START_TEST(test_json_of_a_match)
{
	struct result result;
	autofree char *text = NULL;

	fail_on("linux");
	config.result = strdup(report_path);
	start();
	say("BUG: \x1b[1mx\n");
	verdict.has_guest_value = true;
	verdict.guest_value = 7;
	guest_ends();
	result = result_of_run();
	text = result_json(&result);
	ck_assert_ptr_nonnull(strstr(text, "\"option\": \"fail-on\""));
	ck_assert_ptr_nonnull(strstr(text, "\"name\": \"bug\""));
	ck_assert_ptr_nonnull(strstr(text, "\"line\": \"BUG: x\""));
	ck_assert_ptr_nonnull(strstr(text, "\"guest_status\": 7"));
	ck_assert_ptr_nonnull(strstr(text, "\"reason\": \"fail-on\""));
}
END_TEST

START_TEST(test_junit)
{
	static const char *const parts[] = {
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ",
		" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\" "
		"time=\"2.000\"",
		"<testsuite name=\"a&lt;b&gt;&amp;&quot;c\"",
		"timestamp=\"2023-11-14T22:13:20\"",
		"<testcase classname=\"tests\" name=\"x &amp; y\" time=\"0.",
		"<skipped message=\"&lt;none&gt;\"></skipped>",
		"<failure message=\"exit=3\" type=\"failed\">1 &lt; 2\n"
		"not ok 3 z # exit=3\n</failure>",
		"<system-out>1..3\n",
	};
	struct result result;
	autofree char *text = NULL;

	config.junit = strdup(report_path);
	config.kernel = strdup("/k/a<b>&\"c");
	start();
	say("1..3\nok 1 x & y\nok 2 # SKIP <none>\n1 < 2\x02\n"
	    "not ok 3 z # exit=3\n");
	guest_ends();
	result = result_of_run();
	text = result_junit(&result);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		ck_assert_msg(strstr(text, parts[i]), "no %s in %s", parts[i],
			      text);
	ck_assert_ptr_null(strchr(text, '\x02'));
	/* The boot itself was well. */
	ck_assert_ptr_null(strstr(text, "type=\"tests\""));
}
END_TEST

static const struct {
	int status;
	bool is_over;
	const char *part;
} boot_cases[] = {
	{ EXIT_POWEROFF, true, "failures=\"0\" errors=\"0\"" },
	{ EXIT_TIMEOUT, true, "<failure message=\"why\" type=\"timeout\">" },
	{ EXIT_PANIC, true, "<failure message=\"why\" type=\"panic\">" },
	{ 43, true, "<failure message=\"why\" type=\"guest\">" },
	{ EXIT_KVM, true, "<error message=\"why\" type=\"kvm\">" },
	{ EXIT_ENDED, true, "<error message=\"why\" type=\"ended\">" },
	{ EXIT_POWEROFF, false, "type=\"running\">" },
};

START_TEST(test_junit_of_a_boot)
{
	struct result result;
	autofree char *text = NULL;

	config.junit = strdup(report_path);
	start();
	verdict_decide(&verdict, boot_cases[_i].status, "why");
	result = result_of_run();
	result.is_over = boot_cases[_i].is_over;
	text = result_junit(&result);
	ck_assert_msg(strstr(text, boot_cases[_i].part), "%s", text);
}
END_TEST

START_TEST(test_files)
{
	struct result result;

	config.result = strdup(report_path);
	start();
	result = result_of_run();
	ck_assert_int_eq(result_write(&result, &err), 0);
	ck_assert_ptr_nonnull(strstr(read_file(report_path), "hull-result"));
}
END_TEST

/* --- Text and files --- */

START_TEST(test_clean_text)
{
	static const struct {
		const char *text;
		const char *clean;
	} texts[] = {
		{ "plain\ttext\n", "plain\ttext\n" },
		{ "\x01\x1b[m\x7f\r", "[m" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		/* Lone, cut, overlong, surrogates, beyond, no character. */
		{ "\x80", "\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf5\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80",
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xef\xbf\xbd", "\xef\xbf\xbd" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autofree char *clean = clean_text(texts[i].text);

		ck_assert_str_eq(clean, texts[i].clean);
	}
}
END_TEST

static unsigned int files_in_directory(void)
{
	DIR *dir = opendir(directory);
	unsigned int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

START_TEST(test_replace_file)
{
	struct stat stat_now;
	char text[8] = "";
	mode_t mask = umask(022);
	int reader;

	ck_assert_int_eq(replace_file(report_path, "first", 5, &err), 0);
	reader = open(report_path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(replace_file(report_path, "2nd", 3, &err), 0);
	ck_assert_str_eq(read_file(report_path), "2nd");
	/* Who had it open has the old one as it was. */
	ck_assert_int_eq(read(reader, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "first");
	close(reader);
	ck_assert_int_eq(stat(report_path, &stat_now), 0);
	ck_assert_uint_eq(stat_now.st_mode & 0777, 0644);
	umask(mask);
	ck_assert_uint_eq(files_in_directory(), 1);
	/* What is no file stays what it is, and so does what it leads to. */
	ck_assert_int_eq(symlink(report_path, log_path), 0);
	ck_assert(replace_file_is_stream(log_path));
	ck_assert(!replace_file_is_stream(report_path));
	ck_assert_int_eq(replace_file(log_path, "3", 1, &err), 0);
	ck_assert_str_eq(read_file(report_path), "2nd3");
	ck_assert_int_eq(lstat(log_path, &stat_now), 0);
	ck_assert(S_ISLNK(stat_now.st_mode));
	ck_assert(replace_file_is_stream("/dev/stdout"));
	ck_assert(replace_file_is_stream("/proc/self/fd/1"));
	ck_assert_int_eq(replace_file("/dev/null", "x", 1, &err), 0);
	ck_assert_int_eq(stat("/dev/null", &stat_now), 0);
	ck_assert(S_ISCHR(stat_now.st_mode));
	ck_assert_int_eq(replace_file("/dev/full", "x", 1, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "/dev/full"));
	ck_assert_int_eq(replace_file("/nowhere/x", "x", 1, &err), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/result");
	TCase *tcase = tcase_create("watch");
	TCase *texts = tcase_create("texts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_checked_fixture(texts, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, texts);
	tcase_add_test(tcase, test_expected);
	tcase_add_test(tcase, test_expected_prompt);
	tcase_add_test(tcase, test_expected_in_last_words);
	tcase_add_test(tcase, test_not_expected);
	tcase_add_test(tcase, test_own_status_stays);
	tcase_add_test(tcase, test_failed);
	tcase_add_test(tcase, test_failed_and_never_silent);
	tcase_add_test(tcase, test_first_of_both);
	tcase_add_test(tcase, test_failure_that_came_too_late);
	tcase_add_loop_test(tcase, test_sets, 0, ARRAY_SIZE(set_cases));
	tcase_add_test(tcase, test_log_alone_judges_nothing);
	tcase_add_loop_test(tcase, test_tests, 0, 6);
	tcase_add_test(tcase, test_tests_for_a_report);
	tcase_add_test(tcase, test_reports_without_tests);
	tcase_add_test(tcase, test_devices_do_not_mix);
	tcase_add_test(tcase, test_bad_expression);
	tcase_add_test(tcase, test_log);
	tcase_add_test(tcase, test_log_that_is_full);
	tcase_add_loop_test(tcase, test_init_time, 0, 3);
	tcase_add_test(texts, test_json);
	tcase_add_test(texts, test_json_of_a_beginning);
	tcase_add_test(texts, test_json_of_a_match);
	tcase_add_test(texts, test_junit);
	tcase_add_loop_test(texts, test_junit_of_a_boot, 0,
			    ARRAY_SIZE(boot_cases));
	tcase_add_test(texts, test_files);
	tcase_add_test(texts, test_clean_text);
	tcase_add_test(texts, test_replace_file);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
