#include "io/chardev.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "io/chardev_internal.h"

int chardev_alloc(struct loop *loop, enum chardev_kind kind, const char *name,
		  struct chardev **ret_chardev, struct err *err)
{
	struct chardev *chardev = calloc(1, sizeof(*chardev));

	if (!chardev)
		return err_sys(err, ENOMEM, "console");
	chardev->kind = kind;
	chardev->loop = loop;
	chardev->out_fd = -1;
	chardev->input.fd = -1;
	chardev->listener.fd = -1;
	chardev->attach_timer.due_ms = -1;
	pthread_mutex_init(&chardev->out_lock, NULL);
	chardev->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	chardev->name = strdup(name);
	if (chardev->cancel_fd < 0 || !chardev->name) {
		chardev_free(chardev);
		return err_sys(err, ENOMEM, "console");
	}
	*ret_chardev = chardev;
	return 0;
}

void chardev_free(struct chardev *chardev)
{
	if (!chardev)
		return;
	loop_remove(chardev->loop, &chardev->input);
	loop_remove(chardev->loop, &chardev->listener);
	loop_remove_timer(chardev->loop, &chardev->attach_timer);
	if (chardev->kind == CHARDEV_UNIX && chardev->listener.fd >= 0)
		unlink(chardev->name);
	if (chardev->listener.fd >= 0)
		close(chardev->listener.fd);
	if (chardev->out_fd_owned && chardev->out_fd >= 0)
		close(chardev->out_fd);
	if (chardev->kind != CHARDEV_STDIO && chardev->input.fd >= 0)
		close(chardev->input.fd);
	if (chardev->cancel_fd >= 0)
		close(chardev->cancel_fd);
	pthread_mutex_destroy(&chardev->out_lock);
	free(chardev->backlog);
	free(chardev->name);
	free(chardev);
}

const char *chardev_name(const struct chardev *chardev)
{
	return chardev->name;
}

int chardev_error(const struct chardev *chardev)
{
	return atomic_load(&chardev->error);
}

void chardev_cancel(struct chardev *chardev)
{
	uint64_t one = 1;

	atomic_store(&chardev->cancelled, true);
	/* Cannot fail: the counter is written once per call, far from full. */
	while (write(chardev->cancel_fd, &one, sizeof(one)) < 0 &&
	       errno == EINTR)
		;
}

/* Keeps the newest bytes. */
static void backlog_put(struct chardev *chardev, const uint8_t *data,
			size_t len)
{
	if (!chardev->backlog)
		chardev->backlog = malloc(CHARDEV_BACKLOG_BYTES);
	if (!chardev->backlog)
		return;
	for (size_t i = 0; i < len; i++) {
		size_t at = (chardev->backlog_start + chardev->backlog_len) %
			    CHARDEV_BACKLOG_BYTES;

		chardev->backlog[at] = data[i];
		if (chardev->backlog_len < CHARDEV_BACKLOG_BYTES)
			chardev->backlog_len++;
		else
			chardev->backlog_start = (chardev->backlog_start + 1) %
						 CHARDEV_BACKLOG_BYTES;
	}
}

/* Those whose reader may leave, and another one come. */
static bool has_peers(const struct chardev *chardev)
{
	return chardev->kind == CHARDEV_PTY || chardev->kind == CHARDEV_UNIX;
}

/* A pty whose other end is closed reports a hang-up. */
static bool pty_is_detached(const struct chardev *chardev)
{
	struct pollfd fd = { .fd = chardev->out_fd, .events = POLLOUT };

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP);
}

/* One attempt: bytes taken, 0 when it would wait, or -errno. */
static ssize_t write_once(struct chardev *chardev, const uint8_t *data,
			  size_t len)
{
	struct pollfd fd = { .fd = chardev->out_fd, .events = POLLOUT };
	ssize_t done;

	switch (chardev->write_mode) {
	case WRITE_SEND:
		done = send(chardev->out_fd, data, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case WRITE_POLLED:
		if (poll(&fd, 1, 0) <= 0)
			return 0;
		len = len < PIPE_BUF ? len : PIPE_BUF;
		done = write(chardev->out_fd, data, len);
		break;
	default:
		done = write(chardev->out_fd, data, len);
		break;
	}
	if (done >= 0)
		return done;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	return -errno;
}

/* What writing to the peer gave: a peer that is gone is no longer written to.
 * out_lock is held. */
static ssize_t write_to_peer(struct chardev *chardev, const uint8_t *data,
			     size_t len)
{
	ssize_t done = -EPIPE;

	if (chardev->kind != CHARDEV_PTY || !pty_is_detached(chardev))
		done = write_once(chardev, data, len);
	if (done < 0 && has_peers(chardev)) {
		chardev_disconnect(chardev);
		atomic_store(&chardev->peer_lost, true);
		loop_wake(chardev->loop);
	}
	return done;
}

/* Gives the peer as much of the backlog as it takes now. out_lock is held. */
static void replay_backlog(struct chardev *chardev)
{
	while (chardev->backlog_len && chardev->out_fd >= 0) {
		size_t run = CHARDEV_BACKLOG_BYTES - chardev->backlog_start;
		ssize_t done;

		if (run > chardev->backlog_len)
			run = chardev->backlog_len;
		done = write_to_peer(chardev,
				     chardev->backlog + chardev->backlog_start,
				     run);
		if (done <= 0)
			return;
		chardev->backlog_start =
			(chardev->backlog_start + (size_t)done) %
			CHARDEV_BACKLOG_BYTES;
		chardev->backlog_len -= (size_t)done;
	}
}

/* Called with out_lock held. Takes 0..len bytes. */
static size_t write_locked(struct chardev *chardev, const uint8_t *data,
			   size_t len)
{
	ssize_t done = 0;

	if (atomic_load(&chardev->cancelled) || chardev->kind == CHARDEV_NULL)
		return len;
	replay_backlog(chardev);
	if (chardev->out_fd >= 0) {
		if (chardev->backlog_len)
			return 0; /* first what is older */
		done = write_to_peer(chardev, data, len);
	}
	if (chardev->out_fd < 0) {
		backlog_put(chardev, data, len);
		return len;
	}
	if (done >= 0)
		return (size_t)done;
	/* The reader of a pipe is gone, the disk is full: the guest goes on,
	 * and whoever ends the run tells. */
	if (!atomic_load(&chardev->error))
		atomic_store(&chardev->error, (int)-done);
	return len;
}

size_t chardev_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
	size_t done;

	pthread_mutex_lock(&chardev->out_lock);
	done = write_locked(chardev, data, len);
	pthread_mutex_unlock(&chardev->out_lock);
	return done;
}

void chardev_write_all(struct chardev *chardev, const uint8_t *data, size_t len)
{
	while (len) {
		struct pollfd fds[2] = {
			{ .fd = chardev->cancel_fd, .events = POLLIN },
			{ .events = POLLOUT },
		};
		size_t done;

		pthread_mutex_lock(&chardev->out_lock);
		done = write_locked(chardev, data, len);
		/* May change hands as soon as the lock is gone: then poll
		 * returns at once, or late but not never. */
		fds[1].fd = chardev->out_fd;
		pthread_mutex_unlock(&chardev->out_lock);
		data += done;
		len -= done;
		if (len)
			poll(fds, 2, 1000);
	}
}

void chardev_disconnect(struct chardev *chardev)
{
	chardev->out_fd = -1;
}

/* Loop's thread. While a backlog is being replayed the loop also polls for
 * room, since the guest may never write again. */
static void go_on_replaying(struct chardev *chardev)
{
	pthread_mutex_lock(&chardev->out_lock);
	replay_backlog(chardev);
	if (chardev->backlog_len && chardev->out_fd >= 0)
		chardev->input.events |= POLLOUT;
	else
		chardev->input.events &= (short)~POLLOUT;
	pthread_mutex_unlock(&chardev->out_lock);
}

void chardev_connect(struct chardev *chardev, int fd)
{
	pthread_mutex_lock(&chardev->out_lock);
	chardev->out_fd = fd;
	atomic_store(&chardev->peer_lost, false); /* that was the last one */
	pthread_mutex_unlock(&chardev->out_lock);
	chardev->peer_gone = false;
	go_on_replaying(chardev);
}

static bool input_is_polled(const struct chardev *chardev)
{
	return chardev->input.events & POLLIN;
}

/*
 * A writer found the peer gone. The end of input may never tell: a pty can have
 * its next reader by now; and while the receiver has no room nobody looks, so
 * that a guest which does not read could not be watched any more. What the old
 * client had typed is lost only if a new one comes before the guest reads it.
 */
static void look_for_next_peer(struct chardev *chardev)
{
	if (!chardev->peer_gone)
		return;
	if (chardev->kind == CHARDEV_PTY)
		chardev->attach_timer.due_ms = loop_now_ms();
	else if (!input_is_polled(chardev))
		chardev->listener.events = POLLIN;
}

/* End of input: standard input for good, a peer until the next one comes. */
static void stop_input(struct chardev *chardev)
{
	chardev->input.events = 0;
	if (chardev->kind == CHARDEV_STDIO) {
		loop_remove(chardev->loop, &chardev->input);
		chardev->input_added = false;
		return;
	}
	pthread_mutex_lock(&chardev->out_lock);
	chardev_disconnect(chardev);
	pthread_mutex_unlock(&chardev->out_lock);
	if (chardev->kind == CHARDEV_UNIX) {
		close(chardev->input.fd);
		chardev->input.fd = -1;
		chardev->listener.events = POLLIN;
	} else {
		chardev->attach_timer.due_ms = loop_now_ms();
	}
}

static void input_ready(struct loop_source *source, short revents)
{
	struct chardev *chardev = source->opaque;
	const struct chardev_receiver *receiver = &chardev->receiver;
	uint8_t data[512];
	size_t room = receiver->room ? receiver->room(receiver->opaque) :
				       sizeof(data);
	ssize_t got;

	if (source->events & POLLOUT)
		go_on_replaying(chardev);
	if (!(revents & ~POLLOUT) || !input_is_polled(chardev))
		return;
	if (!room) {
		source->events &= (short)~POLLIN;
		look_for_next_peer(chardev);
		atomic_store(&chardev->input_paused, true);
		/* Room may have come between the question and the mark. */
		if (receiver->room(receiver->opaque))
			chardev_resume_input(chardev);
		return;
	}
	if (room > sizeof(data))
		room = sizeof(data);
	got = read(source->fd, data, room);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		stop_input(chardev);
		return;
	}
	if (receiver->receive)
		receiver->receive(receiver->opaque, data, (size_t)got);
}

int chardev_start_input(struct chardev *chardev, int fd, struct err *err)
{
	int rc;

	chardev->input.fd = fd;
	chardev->input.events = POLLIN;
	chardev->input.ready = input_ready;
	chardev->input.opaque = chardev;
	if (chardev->input_added)
		return 0;
	rc = loop_add(chardev->loop, &chardev->input, err);
	if (rc)
		return rc;
	chardev->input_added = true;
	return 0;
}

void chardev_set_receiver(struct chardev *chardev,
			  const struct chardev_receiver *receiver)
{
	chardev->receiver = *receiver;
}

void chardev_resume_input(struct chardev *chardev)
{
	if (!atomic_exchange(&chardev->input_paused, false))
		return;
	atomic_store(&chardev->resume_asked, true);
	loop_wake(chardev->loop);
}

void chardev_expect_room(struct chardev *chardev)
{
	atomic_store(&chardev->input_paused, true);
}

void chardev_update(struct chardev *chardev)
{
	if (atomic_exchange(&chardev->peer_lost, false)) {
		chardev->peer_gone = true;
		look_for_next_peer(chardev);
	}
	if (!atomic_exchange(&chardev->resume_asked, false))
		return;
	if (chardev->input_added && chardev->input.fd >= 0)
		chardev->input.events |= POLLIN;
	if (chardev->receiver.resumed)
		chardev->receiver.resumed(chardev->receiver.opaque);
}
