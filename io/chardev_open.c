/*
 * The kinds of chardev: how each gets its descriptors, and how the two kinds
 * whose peer comes and goes (pty, unix) notice it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "io/chardev_internal.h"
#include "io/listen.h"

/* When a client is looked at again for which there was no descriptor. */
#define ACCEPT_AGAIN_MS 200

/* How often a pty that nobody has open is looked at: Linux has no event for
 * the other end being opened. */
#define PTY_ATTACH_POLL_MS 200

int chardev_new_null(struct loop *loop, struct chardev **ret_chardev,
		     struct err *err)
{
	return chardev_alloc(loop, CHARDEV_NULL, "none", ret_chardev, err);
}

/*
 * A terminal of another user's, as after su(1), cannot be opened by its name;
 * as our controlling terminal, which tcgetsid asks, it has another one that
 * anybody may use, tty(4).
 */
static int reopen_stdout(void)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open("/proc/self/fd/1", flags);

	if (fd < 0 && tcgetsid(STDOUT_FILENO) >= 0)
		fd = open("/dev/tty", flags);
	return fd;
}

/*
 * A description of standard output of our own, on which O_NONBLOCK does not
 * leak to the shell and the programs that share the terminal or pipe with us.
 */
static void open_stdout(struct chardev *chardev)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	struct stat st;
	int fd;

	chardev->out_fd = STDOUT_FILENO;
	chardev->write_mode = WRITE_POLLED;
	/* One that is not for writing must not become so. */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
	    fstat(STDOUT_FILENO, &st) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		chardev->write_mode = WRITE_PLAIN;
		return;
	}
	if (S_ISSOCK(st.st_mode)) {
		chardev->write_mode = WRITE_SEND;
		return;
	}
	fd = reopen_stdout();
	if (fd < 0)
		return;
	chardev->out_fd = fd;
	chardev->out_fd_owned = true;
	chardev->write_mode = WRITE_NONBLOCK;
}

int chardev_new_stdio(struct loop *loop, struct chardev **ret_chardev,
		      struct err *err)
{
	/* Asked first: our own descriptors take the lowest numbers free. */
	bool has_input = fcntl(STDIN_FILENO, F_GETFD) >= 0;
	struct chardev *chardev;
	int rc;

	rc = chardev_alloc(loop, CHARDEV_STDIO, "stdio", &chardev, err);
	if (rc)
		return rc;
	open_stdout(chardev);
	if (has_input) {
		rc = chardev_start_input(chardev, STDIN_FILENO, err);
		if (rc) {
			chardev_free(chardev);
			return rc;
		}
	}
	*ret_chardev = chardev;
	return 0;
}

/* How to write to a file of any type that was opened by name, which makes a
 * description of our own: a pipe's reader may stall, a terminal may be
 * stopped, and neither may keep the run from ending. */
static enum chardev_write_mode write_mode_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) &&
	    fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK) == 0)
		return WRITE_NONBLOCK;
	return WRITE_PLAIN;
}

int chardev_new_file(struct loop *loop, const char *path,
		     struct chardev **ret_chardev, struct err *err)
{
	struct chardev *chardev;
	int rc;

	rc = chardev_alloc(loop, CHARDEV_FILE, path, &chardev, err);
	if (rc)
		return rc;
	chardev->out_fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC,
		     0666);
	if (chardev->out_fd < 0) {
		rc = err_sys(err, errno, "cannot open the console file %s",
			     path);
		chardev_free(chardev);
		return rc;
	}
	chardev->out_fd_owned = true;
	chardev->write_mode = write_mode_of(chardev->out_fd);
	*ret_chardev = chardev;
	return 0;
}

static void pty_look_for_peer(struct loop_timer *timer)
{
	struct chardev *chardev = timer->opaque;
	struct pollfd fd = { .fd = chardev->input.fd, .events = POLLIN };

	if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP)) {
		timer->due_ms = loop_now_ms() + PTY_ATTACH_POLL_MS;
		return;
	}
	chardev->input.events = chardev->input_withheld ? 0 : POLLIN;
	chardev_connect(chardev, chardev->input.fd);
}

/* The guest's own terminal driver does echo and line editing. Opening and
 * closing it once also leaves the pty hung up, which is how we tell that
 * nobody is attached. */
static int make_pty_raw(const char *path)
{
	autoclose int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios termios;

	if (fd < 0 || tcgetattr(fd, &termios) < 0)
		return -errno;
	cfmakeraw(&termios);
	return tcsetattr(fd, TCSANOW, &termios) < 0 ? -errno : 0;
}

static int open_pty_master(char *path, size_t size, struct err *err)
{
	autoclose int fd =
		open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open /dev/ptmx");
	if (grantpt(fd) < 0 || unlockpt(fd) < 0 ||
	    ptsname_r(fd, path, size) != 0)
		return err_sys(err, errno, "cannot set up a pseudo-terminal");
	rc = make_pty_raw(path);
	if (rc)
		return err_sys(err, -rc, "cannot set up %s", path);
	return move_fd(&fd);
}

int chardev_new_pty(struct loop *loop, struct chardev **ret_chardev,
		    struct err *err)
{
	struct chardev *chardev;
	char path[64];
	int fd;
	int rc;

	fd = open_pty_master(path, sizeof(path), err);
	if (fd < 0)
		return fd;
	rc = chardev_alloc(loop, CHARDEV_PTY, path, &chardev, err);
	if (rc) {
		close(fd);
		return rc;
	}
	chardev->write_mode = WRITE_NONBLOCK;
	chardev->attach_timer.expired = pty_look_for_peer;
	chardev->attach_timer.opaque = chardev;
	rc = chardev_start_input(chardev, fd, err);
	if (!rc)
		rc = loop_add_timer(loop, &chardev->attach_timer, err);
	if (rc) {
		chardev_free(chardev); /* closes fd: start_input stored it */
		return rc;
	}
	chardev->input.events = 0;
	chardev->attach_timer.due_ms = loop_now_ms();
	*ret_chardev = chardev;
	return 0;
}

static void accept_client(struct loop_source *source, short revents)
{
	struct chardev *chardev = source->opaque;
	int old = chardev->input.fd;
	int fd;

	(void)revents;
	/* Not blocking: the loop may still have an event of the old client's
	 * in hand when it reads from this one. */
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* accept(2): the client stays in the queue, and poll would
		 * tell of it for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			source->events = 0;
			chardev->attach_timer.due_ms =
				loop_now_ms() + ACCEPT_AGAIN_MS;
		}
		return;
	}
	chardev->attach_timer.due_ms = -1;
	if (chardev_start_input(chardev, fd, NULL) < 0) {
		chardev->input.fd = old;
		close(fd);
		return;
	}
	if (old >= 0)
		close(old);
	/* The next client waits in the queue until this one leaves. */
	source->events = 0;
	chardev_connect(chardev, fd);
}

static void accept_again(struct loop_timer *timer)
{
	struct chardev *chardev = timer->opaque;

	chardev->listener.events = POLLIN;
}

int chardev_new_unix(struct loop *loop, const char *path,
		     struct chardev **ret_chardev, struct err *err)
{
	struct chardev *chardev;
	int rc;

	rc = chardev_alloc(loop, CHARDEV_UNIX, path, &chardev, err);
	if (rc)
		return rc;
	rc = listen_unix(path, err);
	if (rc < 0)
		goto fail;
	chardev->listener.fd = rc;
	chardev->listener.events = POLLIN;
	chardev->listener.ready = accept_client;
	chardev->listener.opaque = chardev;
	chardev->attach_timer.expired = accept_again;
	chardev->attach_timer.opaque = chardev;
	chardev->write_mode = WRITE_SEND;
	rc = loop_add(loop, &chardev->listener, err);
	if (!rc)
		rc = loop_add_timer(loop, &chardev->attach_timer, err);
	if (rc)
		goto fail;
	*ret_chardev = chardev;
	return 0;
fail:
	chardev_free(chardev);
	return rc;
}
