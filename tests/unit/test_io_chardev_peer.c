/*
 * Character devices whose peer comes and goes: pseudo-terminals and sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/chardev_peer.h"
#include "tests/unit/quick_check.h"

/* More than the backlog keeps: the caller frees. */
static char *long_text(size_t len)
{
	char *text = calloc(1, len + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('!' + i % 89);
	return text;
}

/* Output that waits for a reader. */
struct writer {
	pthread_t thread;
	const char *text;
};

static void *write_text(void *opaque)
{
	chardev_put(chardev, ((const struct writer *)opaque)->text);
	return NULL;
}

static void start_writer(struct writer *writer)
{
	ck_assert_int_eq(
		pthread_create(&writer->thread, NULL, write_text, writer), 0);
}

/* Waits until the writer has filled what is between it and @fd. */
static void let_writer_fill(int fd)
{
	ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, fd_is_readable,
				 &fd));
	loop_run_until(&loop, 50, NULL, NULL);
}

/* --- Pseudo-terminal --- */

static int attach(void)
{
	int fd = open(chardev_name(chardev),
		      O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(test_pty)
{
	struct termios termios;
	autoclose int fd = attach();

	ck_assert_int_eq(tcgetattr(fd, &termios), 0);
	ck_assert_uint_eq(termios.c_lflag & (ICANON | ECHO | ISIG), 0);
	ck_assert_int_eq(write(fd, "in\r\003", 4), 4);
	chardev_sink_expect(&loop, &sink, "in\r\003");
	chardev_put(chardev, "out\r\n");
	fd_expect(&loop, fd, "out\r\n");
}
END_TEST

START_TEST(test_pty_reattached)
{
	autoclose int fd = attach();

	ck_assert_int_eq(write(fd, "1", 1), 1);
	chardev_sink_expect(&loop, &sink, "1");
	close(move_fd(&fd));
	chardev_put(chardev, "while away, ");
	loop_run_idle(&loop);
	chardev_put(chardev, "and more");
	fd = attach();
	fd_expect(&loop, fd, "while away, and more");
	chardev_put(chardev, "live");
	fd_expect(&loop, fd, "live");
	ck_assert_int_eq(write(fd, "2", 1), 1);
	chardev_sink_expect(&loop, &sink, "2");
	ck_assert_int_eq(chardev_error(chardev), 0);
}
END_TEST

START_TEST(test_pty_written_before_anyone_attached)
{
	autofree char *text = long_text(3000);
	autoclose int fd = -1;

	chardev_put(chardev, text);
	fd = attach();
	fd_expect(&loop, fd, text);
}
END_TEST

/* What is typed ahead of a guest that does not read must not keep the next one
 * who attaches from seeing its output. */
START_TEST(test_pty_reattached_while_input_is_paused)
{
	autoclose int fd = -1;

	atomic_store(&sink.room, 1);
	fd = attach();
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	chardev_sink_expect(&loop, &sink, "a");
	loop_run_idle(&loop);
	close(move_fd(&fd));
	chardev_put(chardev, "news");
	fd = attach();
	fd_expect(&loop, fd, "news");
	chardev_put(chardev, "live");
	fd_expect(&loop, fd, "live");
}
END_TEST

START_TEST(test_pty_whose_reader_leaves_a_writer_waiting)
{
	autofree char *text = long_text(200000);
	autofree char *got = calloc(1, 200001);
	struct writer writer = { .text = text };
	autoclose int fd = attach();
	size_t len = 0;

	start_writer(&writer);
	let_writer_fill(fd);
	close(move_fd(&fd));
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
	/* The next one hears the end of it, up to the last byte. */
	fd = attach();
	while (loop_run_until(&loop, 500, fd_is_readable, &fd)) {
		ssize_t n = read(fd, got + len, 200000 - len);

		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	ck_assert_uint_ge(len, CHARDEV_BACKLOG_BYTES);
	ck_assert_str_eq(got + len - CHARDEV_BACKLOG_BYTES,
			 text + 200000 - CHARDEV_BACKLOG_BYTES);
}
END_TEST

START_TEST(test_pty_cancel)
{
	autofree char *text = long_text(200000);
	struct writer writer = { .text = text };
	autoclose int fd = attach();

	start_writer(&writer);
	let_writer_fill(fd);
	chardev_cancel(chardev);
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
}
END_TEST

/* --- Unix socket --- */

static int connect_to(const char *to)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_lt(strlen(to), sizeof(addr.sun_path));
	memcpy(addr.sun_path, to, strlen(to) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

static bool peer_closed(void *opaque)
{
	char byte;

	return recv(*(int *)opaque, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

START_TEST(test_socket)
{
	struct stat st;
	autoclose int fd = connect_to(path);

	ck_assert_str_eq(chardev_name(chardev), path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(write(fd, "in", 2), 2);
	chardev_sink_expect(&loop, &sink, "in");
	chardev_put(chardev, "out");
	fd_expect(&loop, fd, "out");
	chardev_free(chardev);
	chardev = NULL;
	ck_assert(peer_closed(&fd));
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_uint_eq(loop.source_count, 0);
}
END_TEST

START_TEST(test_socket_mode_leaves_the_umask)
{
	mode_t mask = umask(0);

	umask(mask);
	ck_assert_uint_ne(mask, 0177);
}
END_TEST

START_TEST(test_socket_one_client_after_the_other)
{
	autoclose int first = -1;
	autoclose int second = -1;

	chardev_put(chardev, "boot;");
	first = connect_to(path);
	fd_expect(&loop, first, "boot;");
	/* The second waits for its turn. */
	second = connect_to(path);
	ck_assert_int_eq(write(second, "two", 3), 3);
	chardev_put(chardev, "for the first;");
	fd_expect(&loop, first, "for the first;");
	ck_assert(!fd_is_readable(&second));
	ck_assert_int_eq(write(first, "one", 3), 3);
	chardev_sink_expect(&loop, &sink, "one");
	close(move_fd(&first));
	chardev_sink_expect(&loop, &sink, "two");
	chardev_put(chardev, "for the second");
	fd_expect(&loop, second, "for the second");
	ck_assert_int_eq(chardev_error(chardev), 0);
}
END_TEST

/* The last of what was written while nobody listened is kept, no more. */
START_TEST(test_socket_backlog)
{
	autofree char *text = long_text(3 * CHARDEV_BACKLOG_BYTES + 5);
	autoclose int fd = connect_to(path);

	chardev_put(chardev, "heard"); /* not yet accepted */
	fd_expect(&loop, fd, "heard");
	close(move_fd(&fd));
	chardev_put(chardev, text);
	fd = connect_to(path);
	fd_expect(&loop, fd, text + 5 + 2L * CHARDEV_BACKLOG_BYTES);
	/* Once told it is old: the next client does not hear it again. */
	close(move_fd(&fd));
	loop_run_idle(&loop);
	fd = connect_to(path);
	chardev_put(chardev, "new");
	fd_expect(&loop, fd, "new");
}
END_TEST

START_TEST(test_socket_input_is_complete)
{
	autoclose int fd = connect_to(path);

	/* A client that only sends and leaves, and a slow guest whose answer
	 * finds nobody. */
	atomic_store(&sink.room, 1);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	close(move_fd(&fd));
	chardev_sink_expect(&loop, &sink, "a");
	loop_run_idle(&loop);
	chardev_put(chardev, "echo of a");
	loop_run_idle(&loop);
	atomic_store(&sink.room, 10);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "bc");
}
END_TEST

/* What a client that left had typed ahead of a guest that does not read must
 * not keep the next one from seeing the guest's output. */
START_TEST(test_socket_taken_over_while_input_is_paused)
{
	autoclose int fd = connect_to(path);

	atomic_store(&sink.room, 1);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	chardev_sink_expect(&loop, &sink, "a");
	loop_run_idle(&loop);
	close(move_fd(&fd));
	chardev_put(chardev, "news;");
	fd = connect_to(path);
	fd_expect(&loop, fd, "news;");
	chardev_put(chardev, "live");
	fd_expect(&loop, fd, "live");
	/* And what it types is what the guest reads, once it does. */
	ck_assert_int_eq(write(fd, "xyz", 3), 3);
	atomic_store(&sink.room, 10);
	chardev_resume_input(chardev);
	chardev_sink_expect(&loop, &sink, "xyz");
}
END_TEST

START_TEST(test_socket_whose_client_leaves_a_writer_waiting)
{
	autofree char *text = long_text(2000000);
	struct writer writer = { .text = text };
	autoclose int fd = connect_to(path);

	chardev_put(chardev, "x");
	fd_expect(&loop, fd, "x");
	start_writer(&writer);
	let_writer_fill(fd);
	close(move_fd(&fd));
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
	ck_assert_int_eq(chardev_error(chardev), 0);
}
END_TEST

START_TEST(test_socket_cancel)
{
	autofree char *text = long_text(2000000);
	struct writer writer = { .text = text };
	autoclose int fd = connect_to(path);

	chardev_put(chardev, "x");
	fd_expect(&loop, fd, "x");
	start_writer(&writer);
	let_writer_fill(fd);
	chardev_cancel(chardev);
	ck_assert_int_eq(pthread_join(writer.thread, NULL), 0);
}
END_TEST

static int64_t cpu_time_us(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* The loop has nothing to do, and sleeps. */
static void expect_sleep(void)
{
	int64_t before = cpu_time_us();

	loop_run_until(&loop, 500, NULL, NULL);
	ck_assert_int_lt(cpu_time_us() - before, 250000);
}

/* A client that sends no more still gets what there is to say. */
START_TEST(test_socket_half_closed)
{
	autoclose int fd = connect_to(path);
	autoclose int next = -1;

	ck_assert_int_eq(write(fd, "ask", 3), 3);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	chardev_sink_expect(&loop, &sink, "ask");
	loop_run_idle(&loop);
	/* Resumed input must not wake the loop for ever. */
	atomic_store(&sink.room, 0);
	chardev_expect_room(chardev);
	chardev_resume_input(chardev);
	expect_sleep();
	chardev_put(chardev, "answer");
	fd_expect(&loop, fd, "answer");
	next = connect_to(path);
	chardev_put(chardev, ", all of it");
	fd_expect(&loop, fd, ", all of it");
	close(move_fd(&fd));
	atomic_store(&sink.room, 10);
	ck_assert_int_eq(write(next, "next", 4), 4);
	chardev_sink_expect(&loop, &sink, "next");
	chardev_put(chardev, "for the next");
	fd_expect(&loop, next, "for the next");
}
END_TEST

/* No descriptor for a client: it waits, and so do we, asleep. */
START_TEST(test_socket_without_descriptors)
{
	struct rlimit limit;
	struct rlimit none;
	autoclose int fd = connect_to(path);
	/* All below are taken. */
	int lowest = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	ck_assert_int_gt(lowest, 3);
	close(lowest);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_sleep();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	chardev_put(chardev, "at last");
	fd_expect(&loop, fd, "at last");
}
END_TEST

/* --- The path of the socket --- */

static int listen_at_path(int type, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void expect_refused(int code)
{
	char expected[sizeof(err.msg)];

	ck_assert_int_eq(chardev_new_unix(&loop, path, &chardev, &err), -code);
	ck_assert_ptr_null(chardev);
	ck_assert_int_gt(snprintf(expected, sizeof(expected),
				  "cannot listen on %s: %s", path,
				  err_describe(code)),
			 0);
	ck_assert_str_eq(err.msg, expected);
	/* Whose it is keeps it. */
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_uint_eq(loop.source_count, 0);
}

START_TEST(test_stale_socket_is_replaced)
{
	autoclose int fd = listen_at_path(SOCK_STREAM, 1);

	close(move_fd(&fd)); /* as after a kill -9 */
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(chardev_new_unix(&loop, path, &chardev, &err), 0);
	fd = connect_to(path);
	chardev_put(chardev, "mine");
	fd_expect(&loop, fd, "mine");
}
END_TEST

START_TEST(test_live_socket_is_refused)
{
	autoclose int fd = listen_at_path(SOCK_STREAM, 1);

	expect_refused(EADDRINUSE);
	/* And its owner was not disturbed: nobody connected to look. */
	ck_assert_int_eq(accept4(fd, NULL, NULL, SOCK_CLOEXEC), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(connect_to(path));
}
END_TEST

/* A full queue of clients, or none yet: looking must neither hang nor take the
 * path away. */
START_TEST(test_busy_socket_is_refused)
{
	autoclose int fd = listen_at_path(SOCK_STREAM, 0);
	autoclose int client = connect_to(path);

	expect_refused(EADDRINUSE);
	close(move_fd(&client));
	close(move_fd(&fd));
	unlink(path);
	fd = listen_at_path(SOCK_STREAM, -1); /* bound, not yet listening */
	expect_refused(EADDRINUSE);
	close(move_fd(&fd));
	unlink(path);
	fd = listen_at_path(SOCK_DGRAM, -1);
	expect_refused(EADDRINUSE);
}
END_TEST

START_TEST(test_other_files_are_refused)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	expect_refused(EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_refused(EADDRINUSE);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/nowhere/at/all", path), 0);
	ck_assert_int_eq(chardev_new_unix(&loop, path, &chardev, &err),
			 -EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(chardev_new_unix(&loop, "/nowhere/sock", &chardev,
					  &err),
			 -ENOENT);
}
END_TEST

START_TEST(test_path_too_long)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char expected[sizeof(err.msg)];

	memset(name, 'a', sizeof(name));
	memcpy(name, "/tmp/", 5);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(chardev_new_unix(&loop, name, &chardev, &err),
			 -ENAMETOOLONG);
	ck_assert_int_gt(snprintf(expected, sizeof(expected),
				  "socket path %s is longer than 107 bytes",
				  name),
			 0);
	ck_assert_str_eq(err.msg, expected);
	ck_assert_ptr_null(chardev);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/chardev: pty, unix");
	TCase *pty = case_of(suite, "pty", set_up_pty);
	TCase *clients = case_of(suite, "clients", set_up_socket);
	TCase *paths = case_of(suite, "path", set_up);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(pty, test_pty);
	tcase_add_test(pty, test_pty_reattached);
	tcase_add_test(pty, test_pty_written_before_anyone_attached);
	tcase_add_test(pty, test_pty_reattached_while_input_is_paused);
	tcase_add_test(pty, test_pty_whose_reader_leaves_a_writer_waiting);
	tcase_add_test(pty, test_pty_cancel);
	tcase_add_test(clients, test_socket);
	tcase_add_test(clients, test_socket_mode_leaves_the_umask);
	tcase_add_test(clients, test_socket_one_client_after_the_other);
	tcase_add_test(clients, test_socket_backlog);
	tcase_add_test(clients, test_socket_input_is_complete);
	tcase_add_test(clients, test_socket_taken_over_while_input_is_paused);
	tcase_add_test(clients,
		       test_socket_whose_client_leaves_a_writer_waiting);
	tcase_add_test(clients, test_socket_cancel);
	tcase_add_test(clients, test_socket_half_closed);
	tcase_add_test(clients, test_socket_without_descriptors);
	tcase_add_test(paths, test_stale_socket_is_replaced);
	tcase_add_test(paths, test_live_socket_is_refused);
	tcase_add_test(paths, test_busy_socket_is_refused);
	tcase_add_test(paths, test_other_files_are_refused);
	tcase_add_test(paths, test_path_too_long);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
