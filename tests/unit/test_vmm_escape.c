/*
 * The keys that are ours, typed into a pipe that stands in for the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/chardev_double.h"
#include "tests/unit/quick_check.h"
#include "vmm/escape.h"

#define CTRL_A "\x01"

static struct loop loop;
static struct chardev *chardev;
static struct chardev_sink sink;
static struct escape escape;
static char commands[64]; /* a letter each */
static int keyboard;
static int saved_stdin;

static void on_command(void *opaque, enum escape_command command)
{
	static const char letters[] = {
		[ESCAPE_QUIT] = 'q',
		[ESCAPE_HELP] = 'h',
		[ESCAPE_BREAK] = 'b',
		[ESCAPE_POWER_BUTTON] = 'p',
	};
	char *told = opaque;
	size_t len = strlen(told);

	ck_assert_uint_lt(len, sizeof(commands) - 1);
	told[len] = letters[command];
}

static void update_chardev(void *opaque)
{
	chardev_update(opaque);
}

static void set_up(void)
{
	const struct chardev_receiver receiver = {
		.room = chardev_sink_room,
		.receive = chardev_sink_receive,
		.opaque = &sink,
	};
	int fds[2];

	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	saved_stdin = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
	keyboard = fds[1];
	ck_assert_int_eq(chardev_new_stdio(&loop, &chardev, NULL), 0);
	loop.woken = update_chardev;
	loop.woken_opaque = chardev;
	sink = (struct chardev_sink){ .room = 6000 };
	memset(commands, 0, sizeof(commands));
	escape_init(&escape, chardev, &receiver, on_command, commands);
}

static void tear_down(void)
{
	chardev_free(chardev);
	loop_release(&loop);
	dup2(saved_stdin, STDIN_FILENO);
	close(saved_stdin);
	if (keyboard >= 0)
		close(keyboard);
}

static bool nothing_waits(void *opaque)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	(void)opaque;
	return poll(&fd, 1, 0) == 0;
}

/* Types @len bytes, and waits until they were taken. */
static void type_bytes(const char *keys, size_t len)
{
	ck_assert_int_eq(write(keyboard, keys, len), (ssize_t)len);
	ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, nothing_waits,
				 NULL));
	loop_run_until(&loop, 2, NULL, NULL);
}

static void type(const char *keys)
{
	type_bytes(keys, strlen(keys));
}

static void expect(const char *told, const char *passed)
{
	ck_assert_str_eq(commands, told);
	ck_assert_str_eq(sink.data, passed);
}

START_TEST(test_text_passes)
{
	type("ls -l\r\t\x1b[A\x02\x03\x7f\xff");
	expect("", "ls -l\r\t\x1b[A\x02\x03\x7f\xff");
}
END_TEST

START_TEST(test_commands)
{
	type("a" CTRL_A "xb");
	expect("q", "ab");
	type(CTRL_A "X" CTRL_A "?" CTRL_A "h");
	expect("qqhh", "ab");
	type(CTRL_A "b" CTRL_A "p");
	expect("qqhhbp", "ab");
	/* Without the prefix they are letters. */
	type("x?hbp");
	expect("qqhhbp", "abx?hbp");
}
END_TEST

START_TEST(test_ctrl_a_itself)
{
	type(CTRL_A CTRL_A "x");
	expect("", CTRL_A "x");
	type(CTRL_A "a");
	expect("", CTRL_A "x" CTRL_A);
	/* An even number of them is none left over. */
	type(CTRL_A CTRL_A CTRL_A CTRL_A CTRL_A "x");
	expect("q", CTRL_A "x" CTRL_A CTRL_A CTRL_A);
}
END_TEST

START_TEST(test_unknown_key_passes_both)
{
	type(CTRL_A "z" CTRL_A "\r" CTRL_A "A");
	expect("", CTRL_A "z" CTRL_A "\r" CTRL_A "A");
}
END_TEST

START_TEST(test_key_long_after_the_prefix)
{
	type(CTRL_A);
	expect("", "");
	loop_run_idle(&loop);
	type("x");
	expect("q", "");
	/* Each prefix counts once. */
	type("x");
	expect("q", "x");
}
END_TEST

START_TEST(test_guest_that_does_not_read)
{
	atomic_store(&sink.room, 0);
	type("typed ahead");
	type(CTRL_A "x");
	expect("q", "");
	type(" and more" CTRL_A "?");
	expect("qh", "");
	/* It gets all of it, in order, as it takes it. */
	atomic_store(&sink.room, 5);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "typed");
	loop_run_idle(&loop);
	ck_assert_str_eq(sink.data, "");
	atomic_store(&sink.room, 100);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, " ahead and more");
	type("!");
	expect("qh", "!");
}
END_TEST

START_TEST(test_full_queue)
{
	static char text[ESCAPE_QUEUE_BYTES + 100];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('!' + i % 89);
	atomic_store(&sink.room, 0);
	type(text);
	type(CTRL_A "x");
	expect("q", "");
	/* The newest is what was dropped. */
	text[ESCAPE_QUEUE_BYTES] = '\0';
	atomic_store(&sink.room, 6000);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, text);
	type("on it goes");
	expect("q", "on it goes");
}
END_TEST

START_TEST(test_queue_wraps)
{
	static char text[3 * ESCAPE_QUEUE_BYTES + 1];
	size_t typed = 0;
	size_t got = 0;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('!' + i % 89);
	/* Three thousand wait while one thousand at a time move on. */
	while (got < sizeof(text) - 1) {
		size_t len = min_u64(1000, sizeof(text) - 1 - typed);

		atomic_store(&sink.room, typed < 3000 ? 0 : 1000);
		type_bytes(text + typed, len);
		typed += len;
		chardev_resume_input(chardev);
		loop_run_until(&loop, 2, NULL, NULL);
		ck_assert_int_eq(memcmp(sink.data, text + got, sink.len), 0);
		got += sink.len;
		sink.len = 0;
	}
	ck_assert_uint_eq(got, sizeof(text) - 1);
}
END_TEST

START_TEST(test_end_of_input_leaves_what_waits)
{
	atomic_store(&sink.room, 0);
	type("last words");
	close(move_fd(&keyboard));
	loop_run_idle(&loop);
	ck_assert_uint_eq(loop.source_count, 0);
	atomic_store(&sink.room, 100);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "last words");
}
END_TEST

START_TEST(test_help)
{
	static const char *const keys[] = { "Ctrl-A x", "Ctrl-A p", "Ctrl-A b",
					    "Ctrl-A a", "Ctrl-A ?" };
	const char *help = escape_help();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		ck_assert_msg(strstr(help, keys[i]), "no %s", keys[i]);
	/* The terminal is raw. */
	for (size_t i = 0; help[i]; i++) {
		if (help[i] == '\n')
			ck_assert(i > 0 && help[i - 1] == '\r');
	}
	ck_assert_str_eq(help + strlen(help) - 2, "\r\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/escape");
	TCase *tcase = tcase_create("escape");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_text_passes);
	tcase_add_test(tcase, test_commands);
	tcase_add_test(tcase, test_ctrl_a_itself);
	tcase_add_test(tcase, test_unknown_key_passes_both);
	tcase_add_test(tcase, test_key_long_after_the_prefix);
	tcase_add_test(tcase, test_guest_that_does_not_read);
	tcase_add_test(tcase, test_full_queue);
	tcase_add_test(tcase, test_queue_wraps);
	tcase_add_test(tcase, test_end_of_input_leaves_what_waits);
	tcase_add_test(tcase, test_help);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
