/*
 * Writers that do not wait, and what they are told: of room, and of peers that
 * come and go.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/chardev_peer.h"
#include "tests/unit/quick_check.h"

static int attach(void)
{
	int fd = open(chardev_name(chardev),
		      O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

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

static struct {
	unsigned int called;
	size_t left; /* to be written by `writable` */
	char told[16]; /* + came, - left */
	char text[1000];
} sender;

static void write_left(void)
{
	while (sender.left) {
		size_t len = min_u64(sender.left, sizeof(sender.text));
		const struct iovec iov[2] = {
			{ .iov_base = sender.text, .iov_len = len / 2 },
			{ .iov_base = sender.text + len / 2,
			  .iov_len = len - len / 2 },
		};
		size_t done = chardev_writev(chardev, iov, 2);

		sender.left -= done;
		if (done < len)
			return;
	}
}

static bool on_writable(void *opaque)
{
	(void)opaque;
	sender.called++;
	write_left();
	return sender.left != 0;
}

static void on_peer_changed(void *opaque, bool connected)
{
	size_t len = strlen(sender.told);

	(void)opaque;
	ck_assert_uint_lt(len, sizeof(sender.told) - 1);
	sender.told[len] = connected ? '+' : '-';
	ck_assert(chardev_has_peer(chardev) == connected);
}

static bool nothing_left(void *opaque)
{
	(void)opaque;
	return !sender.left;
}

static bool told(void *opaque)
{
	return strcmp(sender.told, opaque) == 0;
}

static void expect_told(char *changes)
{
	loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, told, changes);
	ck_assert_str_eq(sender.told, changes);
}

static void set_sender(bool drop_unheard)
{
	const struct chardev_sender callbacks = {
		.writable = on_writable,
		.peer_changed = on_peer_changed,
		.drop_unheard = drop_unheard,
	};

	memset(sender.text, 'x', sizeof(sender.text));
	ck_assert(!chardev_has_peer(chardev));
	ck_assert_int_eq(chardev_set_sender(chardev, &callbacks, NULL), 0);
}

/* Writes more than fits, and waits. */
static void fill(size_t total)
{
	sender.left = total;
	write_left();
	ck_assert_uint_gt(sender.left, 0);
	chardev_await_room(chardev);
	loop_run_idle(&loop);
	ck_assert_uint_gt(sender.left, 0);
}

static size_t read_some(int fd, size_t most)
{
	char bytes[4096];
	size_t done = 0;
	ssize_t n = 1;

	while (done < most && n > 0) {
		n = read(fd, bytes, min_u64(sizeof(bytes), most - done));
		done += n > 0 ? (size_t)n : 0;
	}
	return done;
}

static void expect_all(int fd, size_t total)
{
	size_t done = 0;

	while (done < total) {
		size_t n;

		ck_assert(loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS,
					 fd_is_readable, &fd));
		n = read_some(fd, total);
		ck_assert_uint_gt(n, 0);
		done += n;
	}
	ck_assert_uint_eq(done, total);
	ck_assert_uint_eq(sender.left, 0);
}

static void wait_for_room(int fd)
{
	unsigned int called;

	expect_told("+");
	fill(2000000);
	called = sender.called;
	/* Nobody reads: it is not asked again and again. */
	loop_run_idle(&loop);
	ck_assert_uint_le(sender.called, called + 1);
	expect_all(fd, 2000000);
	/* And not when nothing is awaited. */
	called = sender.called;
	loop_run_idle(&loop);
	ck_assert_uint_eq(sender.called, called);
}

START_TEST(test_pty_room)
{
	autoclose int fd = attach();

	set_sender(false);
	wait_for_room(fd);
}
END_TEST

START_TEST(test_socket_room)
{
	autoclose int fd = connect_to(path);

	set_sender(false);
	wait_for_room(fd);
}
END_TEST

/* Whoever waited for a reader that left is let go. */
START_TEST(test_socket_room_without_a_reader)
{
	autoclose int fd = connect_to(path);

	set_sender(true);
	expect_told("+");
	fill(2000000);
	close(move_fd(&fd));
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, nothing_left, NULL));
	expect_told("+-");
}
END_TEST

START_TEST(test_socket_room_when_cancelled)
{
	autoclose int fd = connect_to(path);

	set_sender(false);
	expect_told("+");
	fill(2000000);
	chardev_cancel(chardev);
	chardev_await_room(chardev);
	loop_wake(&loop);
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, nothing_left, NULL));
}
END_TEST

START_TEST(test_socket_peers)
{
	autoclose int fd = -1;

	set_sender(true);
	loop_run_idle(&loop);
	ck_assert_str_eq(sender.told, "");
	fd = connect_to(path);
	expect_told("+");
	close(move_fd(&fd));
	expect_told("+-");
	/* A writer meets the end first. */
	fd = connect_to(path);
	expect_told("+-+");
	close(move_fd(&fd));
	chardev_put(chardev, "x");
	expect_told("+-+-");
	/* Not until the last of its input was taken. */
	atomic_store(&sink.room, 1);
	fd = connect_to(path);
	ck_assert_int_eq(write(fd, "ab", 2), 2);
	close(move_fd(&fd));
	expect_told("+-+-+");
	loop_run_idle(&loop);
	expect_told("+-+-+");
	atomic_store(&sink.room, 10);
	chardev_resume_input(chardev);
	expect_told("+-+-+-");
}
END_TEST

/* What nobody heard is not for the next one. */
START_TEST(test_socket_drops_unheard)
{
	autoclose int fd = -1;

	set_sender(true);
	chardev_put(chardev, "unheard");
	fd = connect_to(path);
	expect_told("+");
	chardev_put(chardev, "heard");
	fd_expect(&loop, fd, "heard");
}
END_TEST

/* A reader of standard output that is slow, and one that goes. */
START_TEST(test_stdio_room)
{
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	autoclose int reader = -1;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	reader = fds[0];
	ck_assert_int_eq(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
	close(fds[1]);
	ck_assert_int_eq(chardev_new_stdio(&loop, &chardev, &err), 0);
	chardev_sink_attach(&sink, chardev, 0);
	memset(sender.text, 'x', sizeof(sender.text));
	ck_assert(chardev_has_peer(chardev));
	ck_assert_int_eq(chardev_set_sender(chardev,
					    &(struct chardev_sender){
						    .writable = on_writable },
					    NULL),
			 0);
	fill(2000000);
	expect_all(reader, 2000000);
	fill(2000000);
	close(move_fd(&reader));
	ck_assert(
		loop_run_until(&loop, LOOP_UNTIL_LIMIT_MS, nothing_left, NULL));
	ck_assert_int_eq(chardev_error(chardev), EPIPE);
	dup2(saved, STDOUT_FILENO);
	close(saved);
}
END_TEST

/*
 * After su(1): the terminal is another user's, and nobody reads it. It must not
 * stop us: there is room for a byte, but not for all.
 */
static void write_to_a_terminal_of_another_user(void)
{
	const struct sigaction fatal = { .sa_handler = SIG_DFL };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	int fd;

	setsid();
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 || chmod(name, 0600) < 0)
		_exit(2);
	fd = open(name, O_RDWR | O_CLOEXEC); /* becomes controlling */
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		_exit(3);
	if (open("/proc/self/fd/1", O_WRONLY | O_NOCTTY | O_CLOEXEC) >= 0)
		_exit(4);
	if (chardev_new_stdio(&loop, &chardev, NULL) < 0)
		_exit(5);
	/* Each takes the room of two. */
	memset(sender.text, '\n', sizeof(sender.text));
	/* Check has a handler of its own. */
	(void)sigaction(SIGALRM, &fatal, NULL);
	alarm(5);
	while (chardev_write(chardev, (const uint8_t *)sender.text,
			     sizeof(sender.text)))
		;
	_exit(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK ? 6 : 0);
}

START_TEST(test_stdio_of_another_user)
{
	pid_t child;
	int status;

	if (geteuid() != 0)
		return;
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child)
		write_to_a_terminal_of_another_user();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* In the background a terminal is not read, whoever has room. */
START_TEST(test_withheld_input)
{
	autoclose int fd = attach();

	chardev_withhold_input(chardev, true);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	chardev_expect_room(chardev);
	chardev_resume_input(chardev);
	loop_run_idle(&loop);
	ck_assert_uint_eq(sink.len, 0);
	chardev_withhold_input(chardev, false);
	chardev_sink_expect(&loop, &sink, "x");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/chardev: senders");
	TCase *stdio = case_of(suite, "stdio", set_up);
	TCase *pty = case_of(suite, "pty", set_up_pty);
	TCase *clients = case_of(suite, "clients", set_up_socket);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(stdio, test_stdio_room);
	tcase_add_test(stdio, test_stdio_of_another_user);
	tcase_add_test(pty, test_withheld_input);
	tcase_add_test(pty, test_pty_room);
	tcase_add_test(clients, test_socket_room);
	tcase_add_test(clients, test_socket_room_without_a_reader);
	tcase_add_test(clients, test_socket_room_when_cancelled);
	tcase_add_test(clients, test_socket_peers);
	tcase_add_test(clients, test_socket_drops_unheard);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
