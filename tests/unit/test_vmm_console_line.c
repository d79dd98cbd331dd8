/*
 * Lines of a console, and the expressions that look at them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "vmm/console_line.h"
#include "vmm/pattern.h"

static struct console_line line;
static char got[8 * CONSOLE_LINE_BYTES]; /* each line behind a "|" */

static void take(void *opaque, const char *text)
{
	size_t len = strlen(got);

	(void)opaque;
	ck_assert_uint_lt(len + strlen(text) + 1, sizeof(got));
	got[len] = '|';
	memcpy(got + len + 1, text, strlen(text) + 1);
}

static void set_up(void)
{
	console_line_init(&line, take, NULL);
	got[0] = '\0';
}

static void feed(const char *text)
{
	console_line_feed(&line, (const uint8_t *)text, strlen(text));
}

static const struct {
	const char *bytes;
	const char *lines;
} plain_cases[] = {
	{ "a\nb\n", "|a|b" },
	{ "\n\na\n", "|||a" },
	{ "a\r\n\rb\r\n", "|a|b" },
	{ "unfinished", "" },
	{ "\x1b[1;31mred\x1b[0m text\n", "|red text" },
	{ "\x1b]0;title\ashell\n", "|shell" },
	{ "\x1b]0;title\x1b\\shell\n", "|shell" },
	{ "\x1bPq#0\x1b\\x\n", "|x" },
	{ "\x1b(Btext\x1b=\x1b>\n", "|text" },
	{ "\x1b[?2004hprompt$ \n", "|prompt$ " },
	/* Broken off by the line's end, or by another sequence. */
	{ "a\x1b[12\nb\n", "|a|b" },
	{ "a\x1b]0;x\x1b[31mb\n", "|ab" },
	{ "a\x1b\n", "|a" },
	{ "tab\there \a\b\x7f\x01.\n", "|tab\there ." },
	{ "\xc3\xa4\xff\n", "|\xc3\xa4\xff" },
};

START_TEST(test_plain_text)
{
	feed(plain_cases[_i].bytes);
	ck_assert_str_eq(got, plain_cases[_i].lines);
	/* The same however the bytes come. */
	set_up();
	for (const char *c = plain_cases[_i].bytes; *c; c++)
		console_line_feed(&line, (const uint8_t *)c, 1);
	ck_assert_str_eq(got, plain_cases[_i].lines);
}
END_TEST

START_TEST(test_nul)
{
	console_line_feed(&line, (const uint8_t *)"a\0b\n", 4);
	ck_assert_str_eq(got, "|ab");
}
END_TEST

START_TEST(test_long_lines_are_cut)
{
	for (int i = 0; i < CONSOLE_LINE_BYTES + 3; i++)
		feed("x");
	ck_assert_uint_eq(strlen(got), CONSOLE_LINE_BYTES + 1);
	feed("\n");
	ck_assert_str_eq(got + CONSOLE_LINE_BYTES + 1, "|xxx");
}
END_TEST

START_TEST(test_sequence_without_end)
{
	feed("\x1b[");
	for (int i = 0; i < 100; i++)
		feed("1");
	feed("text\n\x1b]");
	ck_assert_ptr_nonnull(strstr(got, "1text"));
	for (int i = 0; i < 5000; i++)
		feed(";");
	feed("more\n");
	ck_assert_ptr_nonnull(strstr(got, ";more"));
}
END_TEST

START_TEST(test_flush)
{
	console_line_flush(&line);
	ck_assert_str_eq(got, "");
	feed("last words\x1b[");
	console_line_flush(&line);
	ck_assert_str_eq(got, "|last words");
	console_line_flush(&line);
	ck_assert_str_eq(got, "|last words");
	feed("m\n");
	ck_assert_str_eq(got, "|last words|m");
}
END_TEST

START_TEST(test_settled)
{
	ck_assert_ptr_null(console_line_settled(&line));
	feed("login");
	ck_assert_ptr_null(console_line_settled(&line));
	feed(": ");
	ck_assert_ptr_null(console_line_settled(&line));
	ck_assert_str_eq(console_line_settled(&line), "login: ");
	/* Once. */
	ck_assert_ptr_null(console_line_settled(&line));
	feed("x");
	ck_assert_ptr_null(console_line_settled(&line));
	ck_assert_str_eq(console_line_settled(&line), "login: x");
	feed("\n");
	ck_assert_ptr_null(console_line_settled(&line));
	ck_assert_ptr_null(console_line_settled(&line));
	ck_assert_str_eq(got, "|login: x");
}
END_TEST

START_TEST(test_stamps)
{
	static const struct {
		const char *line;
		const char *text;
	} cases[] = {
		{ "[    1.234567] text", "text" },
		{ "[12345.678901]   indented", "  indented" },
		{ "[    1.234567][    T1] text", "text" },
		{ "[    1.234567][  C12] text", "text" },
		{ "<6>[    1.234567] text", "text" },
		{ "[    1.234567] [drm] text", "[drm] text" },
		{ "[1]+ Done", "[1]+ Done" },
		{ "[ 1.2.3 ] text", "[ 1.2.3 ] text" },
		{ "[ OK ] text", "[ OK ] text" },
		{ "<html>", "<html>" },
		{ "<6>plain", "<6>plain" },
		{ "[", "[" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(console_line_skip_stamp(cases[i].line),
				 cases[i].text);
}
END_TEST

/* --- Expressions --- */

/* As Linux prints them; NULL: no trouble. */
static const struct {
	const char *line;
	const char *name;
} linux_cases[] = {
	{ "[    2.1] Kernel panic - not syncing: sysrq triggered crash",
	  "panic" },
	{ "BUG: kernel NULL pointer dereference, address: 0000000000000000",
	  "bug" },
	{ "[   10.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI", "oops" },
	{ "general protection fault, probably for non-canonical address "
	  "0xdead000000000100: 0000 [#1] SMP",
	  "oops" },
	{ "invalid opcode: 0000 [#1] PREEMPT SMP", "oops" },
	{ "kernel BUG at mm/slub.c:433!", "bug" },
	{ "BUG: sleeping function called from invalid context at x.c:1",
	  "bug" },
	{ "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:1]",
	  "soft-lockup" },
	{ "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
	  "hard-lockup" },
	{ "rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu-stall" },
	{ "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "rcu-stall" },
	{ "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: {",
	  "rcu-stall" },
	{ "BUG: KASAN: slab-out-of-bounds in kmalloc_oob_right+0x1/0x2",
	  "kasan" },
	{ "BUG: KCSAN: data-race in a / b", "kcsan" },
	{ "BUG: KMSAN: uninit-value in x", "kmsan" },
	{ "BUG: KFENCE: use-after-free read in x", "kfence" },
	{ "UBSAN: array-index-out-of-bounds in x.c:3:4", "ubsan" },
	{ "INFO: task sh:71 blocked for more than 120 seconds.", "hung-task" },
	{ "WARNING: possible circular locking dependency detected", "lockdep" },
	{ "WARNING: possible recursive locking detected", "lockdep" },
	{ "WARNING: inconsistent lock state", "lockdep" },
	{ "WARNING: suspicious RCU usage", "lockdep" },
	{ "[ BUG: Invalid wait context ]", "lockdep" },
	{ "Run /init as init process", NULL },
	{ "kasan: KernelAddressSanitizer initialized", NULL },
	{ "rcu: RCU calculated value of scheduler-enlistment delay", NULL },
	{ "NMI watchdog: Enabled. Permanently consumes one PMU counter.",
	  NULL },
	{ "DEBUG: nothing", NULL },
	{ "x86/fpu: Supporting XSAVE feature 0x001", NULL },
	{ "systemd[1]: Started Oopsd.", NULL },
	{ "job: 1234 [#1", NULL },
};

START_TEST(test_linux_set)
{
	struct pattern_set set = { 0 };
	const struct pattern *found;
	struct err err = { 0 };

	ck_assert_int_eq(pattern_set_add_linux(&set, &err), 0);
	found = pattern_set_match(&set, linux_cases[_i].line);
	if (linux_cases[_i].name) {
		ck_assert_msg(found, "%s", linux_cases[_i].line);
		ck_assert_str_eq(found->name, linux_cases[_i].name);
	} else {
		ck_assert_msg(!found, "%s is %s", linux_cases[_i].line,
			      found ? found->name : "");
	}
	pattern_set_release(&set);
}
END_TEST

START_TEST(test_patterns)
{
	struct pattern_set set = { 0 };

	ck_assert_int_eq(pattern_set_add(&set, "^(done|fertig)$", NULL), 0);
	ck_assert_int_eq(pattern_set_add(&set, "b[0-9]{2}", NULL), 0);
	ck_assert_ptr_null(pattern_set_match(&set, "not done"));
	ck_assert_ptr_null(pattern_set_match(&set, ""));
	ck_assert_ptr_eq(pattern_set_match(&set, "done"), &set.items[0]);
	/* As if the kernel's stamp were not there, and as if it were. */
	ck_assert_ptr_eq(pattern_set_match(&set, "[    0.000001] fertig"),
			 &set.items[0]);
	ck_assert_ptr_eq(pattern_set_match(&set, "ab12"), &set.items[1]);
	ck_assert_int_eq(pattern_set_add(&set, "^\\[ +[0-9.]+] x", NULL), 0);
	ck_assert_ptr_eq(pattern_set_match(&set, "[    0.000001] x"),
			 &set.items[2]);
	pattern_set_release(&set);
	ck_assert_uint_eq(set.count, 0);
}
END_TEST

START_TEST(test_bad_expressions)
{
	static const char *const bad[] = { "(", "a{2,1}", "[a", "*(", "\\" };
	struct pattern_set set = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };

		ck_assert_int_eq(pattern_set_add(&set, bad[i], &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, bad[i]));
		ck_assert_ptr_nonnull(strstr(err.msg, "regular expression: "));
	}
	ck_assert_uint_eq(set.count, 0);
	pattern_set_release(&set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/console_line");
	TCase *tcase = tcase_create("lines");
	TCase *patterns = tcase_create("patterns");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, patterns);
	tcase_add_loop_test(tcase, test_plain_text, 0,
			    sizeof(plain_cases) / sizeof(plain_cases[0]));
	tcase_add_test(tcase, test_nul);
	tcase_add_test(tcase, test_long_lines_are_cut);
	tcase_add_test(tcase, test_sequence_without_end);
	tcase_add_test(tcase, test_flush);
	tcase_add_test(tcase, test_settled);
	tcase_add_test(tcase, test_stamps);
	tcase_add_loop_test(patterns, test_linux_set, 0,
			    sizeof(linux_cases) / sizeof(linux_cases[0]));
	tcase_add_test(patterns, test_patterns);
	tcase_add_test(patterns, test_bad_expressions);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
