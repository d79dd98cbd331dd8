/*
 * Character devices on what a process is started with, and on files.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/chardev.h"
#include "tests/unit/chardev_double.h"
#include "tests/unit/quick_check.h"

static struct loop loop;
static struct chardev *chardev;
static struct chardev_sink sink;
static struct err err;
static char directory[32]; /* of this test alone */
static char path[sizeof(directory) + 16]; /* in it, for one file */
static int saved_stdin;
static int saved_stdout;

static void update_chardev(void *opaque)
{
	(void)opaque;
	if (chardev)
		chardev_update(chardev);
}

static void set_up(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	memcpy(directory, "/tmp/hull-chardev-XXXXXX", 25);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_gt(snprintf(path, sizeof(path), "%s/file", directory), 0);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	loop.woken = update_chardev;
	saved_stdin = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	chardev = NULL;
}

static void tear_down(void)
{
	chardev_free(chardev);
	loop_release(&loop);
	dup2(saved_stdin, STDIN_FILENO);
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdin);
	close(saved_stdout);
	unlink(path);
	rmdir(directory);
}

/* Puts @fd, which is taken over, where the process has @target. */
static void replace(int target, int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, target), target);
	close(fd);
}

static void new_stdio(size_t room)
{
	ck_assert_int_eq(chardev_new_stdio(&loop, &chardev, &err), 0);
	chardev_sink_attach(&sink, chardev, room);
}

/* A pipe in place of standard input or output; returns the other end. */
static int pipe_for(int target)
{
	bool is_input = target == STDIN_FILENO;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	replace(target, fds[is_input ? 0 : 1]);
	return fds[is_input ? 1 : 0];
}

static bool no_source(void *opaque)
{
	(void)opaque;
	return loop.source_count == 0;
}

/* The end of input takes the source off the loop: it does not spin. */
static void expect_end_of_input(void)
{
	ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, no_source, NULL));
	/* Output goes on, and so does whoever waits for room. */
	chardev_put(chardev, "");
	chardev_resume_input(chardev);
	loop_run_idle(&loop);
	ck_assert_uint_eq(loop.source_count, 0);
}

START_TEST(test_input_from_a_pipe)
{
	autoclose int writer = pipe_for(STDIN_FILENO);

	new_stdio(100);
	ck_assert_str_eq(chardev_name(chardev), "stdio");
	ck_assert_int_eq(write(writer, "hello", 5), 5);
	chardev_sink_expect(&loop, &sink, "hello");
	ck_assert_uint_eq(loop.source_count, 1);
	ck_assert_int_eq(write(writer, "again", 5), 5);
	close(move_fd(&writer));
	chardev_sink_expect(&loop, &sink, "again");
	expect_end_of_input();
}
END_TEST

START_TEST(test_input_from_a_file)
{
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, "one\ntwo\n", 8), 8);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	replace(STDIN_FILENO, move_fd(&fd));
	new_stdio(100);
	chardev_sink_expect(&loop, &sink, "one\ntwo\n");
	expect_end_of_input();
}
END_TEST

START_TEST(test_input_from_dev_null)
{
	replace(STDIN_FILENO, open("/dev/null", O_RDONLY | O_CLOEXEC));
	new_stdio(100);
	expect_end_of_input();
	ck_assert_uint_eq(sink.len, 0);
}
END_TEST

START_TEST(test_input_that_cannot_be_read)
{
	replace(STDIN_FILENO, open("/", O_RDONLY | O_CLOEXEC));
	new_stdio(100);
	expect_end_of_input();
	chardev_free(chardev);
	replace(STDIN_FILENO, open("/dev/null", O_WRONLY | O_CLOEXEC));
	new_stdio(100);
	expect_end_of_input();
}
END_TEST

START_TEST(test_input_closed)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);

	close(STDIN_FILENO);
	new_stdio(100);
	ck_assert_uint_eq(loop.source_count, 0);
	chardev_put(chardev, "output works");
	fd_expect(&loop, reader, "output works");
	/* The number was not taken: nobody else's file is closed. */
	chardev_free(chardev);
	chardev = NULL;
	ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), -1);
}
END_TEST

START_TEST(test_no_more_than_there_is_room_for)
{
	autoclose int writer = pipe_for(STDIN_FILENO);

	new_stdio(3);
	ck_assert_int_eq(write(writer, "abcdefgh", 8), 8);
	chardev_sink_expect(&loop, &sink, "abc");
	loop_run_idle(&loop);
	ck_assert_uint_eq(sink.len, 0);
	ck_assert_uint_eq(sink.resumed, 0);
	/* Room alone is not noticed; telling of it is. */
	atomic_store(&sink.room, 2);
	loop_run_idle(&loop);
	ck_assert_uint_eq(sink.len, 0);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "de");
	ck_assert_uint_eq(sink.resumed, 1);
	atomic_store(&sink.room, 100);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "fgh");
}
END_TEST

/* The end of input is seen though the pause came between. */
START_TEST(test_end_of_input_behind_a_pause)
{
	autoclose int writer = pipe_for(STDIN_FILENO);

	new_stdio(1);
	ck_assert_int_eq(write(writer, "ab", 2), 2);
	close(move_fd(&writer));
	chardev_sink_expect(&loop, &sink, "a");
	loop_run_idle(&loop);
	ck_assert_uint_eq(loop.source_count, 1);
	atomic_store(&sink.room, 1);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "b");
	loop_run_idle(&loop);
	atomic_store(&sink.room, 1);
	chardev_resume_input(chardev);
	expect_end_of_input();
}
END_TEST

START_TEST(test_expect_room)
{
	autoclose int writer = pipe_for(STDIN_FILENO);

	new_stdio(100);
	/* Nobody waits: telling of room is for nothing. */
	chardev_resume_input(chardev);
	loop_run_idle(&loop);
	ck_assert_uint_eq(sink.resumed, 0);
	chardev_expect_room(chardev);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	/* Input goes on meanwhile. */
	chardev_sink_expect(&loop, &sink, "x");
	chardev_resume_input(chardev);
	chardev_resume_input(chardev);
	loop_run_idle(&loop);
	ck_assert_uint_eq(sink.resumed, 1);
}
END_TEST

START_TEST(test_input_without_a_receiver)
{
	autoclose int writer = pipe_for(STDIN_FILENO);

	ck_assert_int_eq(chardev_new_stdio(&loop, &chardev, &err), 0);
	ck_assert_int_eq(write(writer, "nobody listens", 14), 14);
	close(move_fd(&writer));
	expect_end_of_input();
}
END_TEST

/* --- Output --- */

/* Nothing but the flags that whoever started us gave is on the description
 * that others share with us. */
static void check_flags_stay(int target)
{
	autoclose int shared = fcntl(target, F_DUPFD_CLOEXEC, 3);
	int before = fcntl(shared, F_GETFL);

	new_stdio(100);
	ck_assert_int_eq(fcntl(shared, F_GETFL), before);
	chardev_put(chardev, "x");
	loop_run_idle(&loop);
	ck_assert_int_eq(fcntl(shared, F_GETFL), before);
	chardev_free(chardev);
	chardev = NULL;
	ck_assert_int_eq(fcntl(shared, F_GETFL), before);
	ck_assert_int_eq(before & O_NONBLOCK, 0);
}

START_TEST(test_flags_of_others_stay)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);
	autoclose int writer = pipe_for(STDIN_FILENO);
	autoclose int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int pair[2];
	char name[64];

	check_flags_stay(STDOUT_FILENO);
	check_flags_stay(STDIN_FILENO);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	replace(STDOUT_FILENO, pair[1]);
	check_flags_stay(STDOUT_FILENO);
	close(pair[0]);
	ck_assert_int_eq(grantpt(pty) | unlockpt(pty), 0);
	ck_assert_int_eq(ptsname_r(pty, name, sizeof(name)), 0);
	replace(STDOUT_FILENO, open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
	ck_assert_int_eq(dup2(STDOUT_FILENO, STDIN_FILENO), STDIN_FILENO);
	check_flags_stay(STDOUT_FILENO);
	check_flags_stay(STDIN_FILENO);
}
END_TEST

START_TEST(test_output_to_a_file_appends)
{
	char got[32] = "";
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autoclose int again = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	/* `{ echo before; hull run; } >file`: the position is shared. */
	ck_assert_int_eq(write(fd, "before,", 7), 7);
	replace(STDOUT_FILENO, fd);
	new_stdio(100);
	chardev_put(chardev, "during,");
	ck_assert_int_eq(write(again, "after", 5), 5);
	ck_assert_int_eq(pread(again, got, sizeof(got), 0), 19);
	ck_assert_str_eq(got, "before,during,after");
}
END_TEST

START_TEST(test_output_to_a_socket)
{
	static const uint8_t data[4096];
	autoclose int peer = -1;
	int pair[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer = pair[0];
	replace(STDOUT_FILENO, pair[1]);
	new_stdio(100);
	chardev_put(chardev, "through a socket");
	fd_expect(&loop, peer, "through a socket");
	/* Full at last, and it does not wait. */
	while (chardev_write(chardev, data, sizeof(data)))
		;
	ck_assert_int_eq(chardev_error(chardev), 0);
	close(move_fd(&peer));
	chardev_put(chardev, "x");
	ck_assert_int_eq(chardev_error(chardev), EPIPE);
}
END_TEST

START_TEST(test_write_takes_what_fits)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);
	static uint8_t data[10000];
	size_t taken;

	new_stdio(100);
	taken = chardev_write(chardev, data, sizeof(data));
	ck_assert_uint_eq(taken, 4096);
	ck_assert_uint_eq(chardev_write(chardev, data, 1), 0);
	ck_assert_int_eq(chardev_error(chardev), 0);
}
END_TEST

/* A reader that goes away or a full disk: the guest goes on, and who ends the
 * run can tell what was lost. */
START_TEST(test_lost_output_is_remembered)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);

	new_stdio(100);
	chardev_put(chardev, "x");
	ck_assert_int_eq(chardev_error(chardev), 0);
	close(move_fd(&reader));
	chardev_put(chardev, "lost");
	chardev_put(chardev, "lost too");
	ck_assert_int_eq(chardev_error(chardev), EPIPE);
	chardev_free(chardev);
	/* Gone before we even began. */
	new_stdio(100);
	ck_assert_int_eq(chardev_error(chardev), 0);
	chardev_put(chardev, "lost");
	ck_assert_int_eq(chardev_error(chardev), EPIPE);
	chardev_free(chardev);
	replace(STDOUT_FILENO, open("/dev/full", O_WRONLY | O_CLOEXEC));
	new_stdio(100);
	chardev_put(chardev, "lost");
	ck_assert_int_eq(chardev_error(chardev), ENOSPC);
	chardev_free(chardev);
	/* A file that was opened for reading only stays so. */
	replace(STDOUT_FILENO, open("/dev/null", O_RDONLY | O_CLOEXEC));
	new_stdio(100);
	chardev_put(chardev, "lost");
	ck_assert_int_eq(chardev_error(chardev), EBADF);
}
END_TEST

/* --- Writers that wait --- */

#define WRITERS	       4
#define WRITER_RECORDS 400

struct writer {
	pthread_t thread;
	char letter;
};

/* Each writes records of its own letter, of different lengths. */
static void *write_records(void *opaque)
{
	const struct writer *writer = opaque;
	uint8_t record[32];

	memset(record, writer->letter, sizeof(record));
	for (size_t i = 0; i < WRITER_RECORDS; i++)
		chardev_write_all(chardev, record, 1 + i % sizeof(record));
	return NULL;
}

static size_t record_bytes(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < WRITER_RECORDS; i++)
		bytes += 1 + i % 32;
	return bytes;
}

START_TEST(test_no_byte_of_any_thread_is_lost)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);
	struct writer writers[WRITERS];
	size_t got[WRITERS] = { 0 };
	size_t total = 0;

	new_stdio(100);
	for (int i = 0; i < WRITERS; i++) {
		writers[i].letter = (char)('a' + i);
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
						write_records, &writers[i]),
				 0);
	}
	while (total < WRITERS * record_bytes()) {
		char data[1000];
		ssize_t n = read(reader, data, sizeof(data));

		ck_assert_int_gt(n, 0);
		for (ssize_t i = 0; i < n; i++)
			got[data[i] - 'a']++;
		total += (size_t)n;
	}
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
		ck_assert_uint_eq(got[i], record_bytes());
	}
	ck_assert(!fd_is_readable(&reader));
}
END_TEST

static int bytes_in(int pipe_end)
{
	int bytes = 0;

	ck_assert_int_eq(ioctl(pipe_end, FIONREAD, &bytes), 0);
	return bytes;
}

/* A small write goes into a pipe as a whole or not at all. */
static bool pipe_is_full(void *opaque)
{
	return bytes_in(*(int *)opaque) > 4096 - 32;
}

/* Fills the pipe that ends in @reader from a thread that then waits, and lets
 * chardev_cancel free it. */
static void check_cancel(int reader)
{
	struct writer writer = { .letter = 'a' };
	int bytes;

	ck_assert_int_eq(pthread_create(&writer.thread, NULL, write_records,
					&writer),
			 0);
	ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, pipe_is_full,
				 &reader));
	loop_run_idle(&loop);
	bytes = bytes_in(reader);
	chardev_cancel(chardev);
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
	/* From now on nobody waits, and nothing was written beyond. */
	write_records(&writer);
	ck_assert_int_eq(bytes_in(reader), bytes);
	ck_assert_int_eq(chardev_error(chardev), 0);
}

START_TEST(test_cancel)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);

	new_stdio(100);
	check_cancel(reader);
}
END_TEST

/* --- File and null --- */

static void check_file(const char *content)
{
	char got[64] = "";
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(read(fd, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, content);
}

START_TEST(test_file)
{
	ck_assert_int_eq(chardev_new_file(&loop, path, &chardev, &err), 0);
	ck_assert_str_eq(chardev_name(chardev), path);
	chardev_sink_attach(&sink, chardev, 100);
	ck_assert_uint_eq(loop.source_count, 0);
	chardev_put(chardev, "first line\n");
	check_file("first line\n");
	chardev_put(chardev, "second");
	chardev_free(chardev);
	chardev = NULL;
	check_file("first line\nsecond");
	/* The next run starts over. */
	ck_assert_int_eq(chardev_new_file(&loop, path, &chardev, &err), 0);
	check_file("");
}
END_TEST

START_TEST(test_file_refused)
{
	char expected[128];

	ck_assert_int_eq(chardev_new_file(&loop, directory, &chardev, &err),
			 -EISDIR);
	ck_assert_int_gt(snprintf(expected, sizeof(expected),
				  "cannot open the console file %s: %s",
				  directory, err_describe(EISDIR)),
			 0);
	ck_assert_str_eq(err.msg, expected);
	ck_assert_ptr_null(chardev);
	ck_assert_int_eq(chardev_new_file(&loop, "/nowhere/file", &chardev,
					  &err),
			 -ENOENT);
	ck_assert_ptr_null(chardev);
}
END_TEST

START_TEST(test_file_on_a_full_disk)
{
	ck_assert_int_eq(chardev_new_file(&loop, "/dev/full", &chardev, &err),
			 0);
	chardev_put(chardev, "lost");
	ck_assert_int_eq(chardev_error(chardev), ENOSPC);
}
END_TEST

/* A named pipe whose reader stalls must not keep the run from ending. */
START_TEST(test_file_that_is_a_pipe)
{
	autoclose int reader = -1;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fcntl(reader, F_SETPIPE_SZ, 4096), 4096);
	ck_assert_int_eq(chardev_new_file(&loop, path, &chardev, &err), 0);
	chardev_put(chardev, "hello");
	fd_expect(&loop, reader, "hello");
	check_cancel(reader);
}
END_TEST

START_TEST(test_null)
{
	static uint8_t data[100000];

	ck_assert_int_eq(chardev_new_null(&loop, &chardev, &err), 0);
	ck_assert_str_eq(chardev_name(chardev), "none");
	ck_assert_uint_eq(loop.source_count, 0);
	ck_assert_uint_eq(chardev_write(chardev, data, sizeof(data)),
			  sizeof(data));
	chardev_write_all(chardev, data, sizeof(data));
	ck_assert_int_eq(chardev_error(chardev), 0);
	chardev_free(NULL);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* --- The tap --- */

static struct {
	char text[100];
	size_t len; /* counted on when it is full */
} seen[2];

static void on_wrote(void *opaque, bool batched, const uint8_t *data,
		     size_t len)
{
	ck_assert_ptr_eq(opaque, seen);
	ck_assert_uint_gt(len, 0);
	for (size_t i = 0; i < len; i++, seen[batched].len++) {
		if (seen[batched].len < sizeof(seen->text) - 1)
			seen[batched].text[seen[batched].len] = (char)data[i];
	}
}

static void attach_tap(void)
{
	const struct chardev_tap tap = { .wrote = on_wrote, .opaque = seen };

	memset(seen, 0, sizeof(seen));
	chardev_set_tap(chardev, &tap);
}

START_TEST(test_tap_sees_what_nobody_hears)
{
	char one[] = "one";
	char two[] = "two";
	const struct iovec iov[] = { { .iov_base = one, .iov_len = 3 },
				     { .iov_base = one, .iov_len = 0 },
				     { .iov_base = two, .iov_len = 3 } };

	ck_assert_int_eq(chardev_new_null(&loop, &chardev, &err), 0);
	attach_tap();
	chardev_put(chardev, "by");
	ck_assert_uint_eq(chardev_writev(chardev, iov, 3), 6);
	chardev_put(chardev, "te");
	ck_assert_str_eq(seen[0].text, "byte");
	ck_assert_str_eq(seen[1].text, "onetwo");
	chardev_cancel(chardev);
	chardev_put(chardev, "late");
	ck_assert_str_eq(seen[0].text, "byte");
}
END_TEST

START_TEST(test_tap_sees_each_byte_once)
{
	autoclose int reader = pipe_for(STDOUT_FILENO);
	static const uint8_t data[10000];
	size_t taken = 0;
	size_t done;

	new_stdio(0);
	attach_tap();
	/* What was not taken comes again. */
	do {
		done = chardev_write(chardev, data, sizeof(data));
		taken += done;
	} while (done);
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_ne(taken % sizeof(data), 0);
	ck_assert_uint_eq(seen[1].len, taken);
	ck_assert_uint_eq(seen[0].len, 0);
	ck_assert_int_ge(reader, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/chardev: stdio, file, null");
	TCase *input = case_of(suite, "input");
	TCase *output = case_of(suite, "output");
	TCase *files = case_of(suite, "files");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(input, test_input_from_a_pipe);
	tcase_add_test(input, test_input_from_a_file);
	tcase_add_test(input, test_input_from_dev_null);
	tcase_add_test(input, test_input_that_cannot_be_read);
	tcase_add_test(input, test_input_closed);
	tcase_add_test(input, test_no_more_than_there_is_room_for);
	tcase_add_test(input, test_end_of_input_behind_a_pause);
	tcase_add_test(input, test_expect_room);
	tcase_add_test(input, test_input_without_a_receiver);
	tcase_add_test(output, test_flags_of_others_stay);
	tcase_add_test(output, test_output_to_a_file_appends);
	tcase_add_test(output, test_output_to_a_socket);
	tcase_add_test(output, test_write_takes_what_fits);
	tcase_add_test(output, test_lost_output_is_remembered);
	tcase_add_test(output, test_no_byte_of_any_thread_is_lost);
	tcase_add_test(output, test_cancel);
	tcase_add_test(files, test_file);
	tcase_add_test(files, test_file_refused);
	tcase_add_test(files, test_file_on_a_full_disk);
	tcase_add_test(files, test_file_that_is_a_pipe);
	tcase_add_test(files, test_null);
	tcase_add_test(files, test_tap_sees_what_nobody_hears);
	tcase_add_test(output, test_tap_sees_each_byte_once);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
