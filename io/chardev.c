#include "io/chardev.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "io/chardev_internal.h"

/* Read from the outside at once. */
#define CHARDEV_INPUT_BYTES 4096

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
	chardev->room.fd = -1;
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
	loop_remove(chardev->loop, &chardev->room);
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

/* The first bytes of a write that must not be a long one. */
static ssize_t write_some(int fd, const struct iovec *iov, unsigned int count)
{
	while (count && !iov->iov_len) {
		iov++;
		count--;
	}
	if (!count)
		return 0;
	return write(fd, iov->iov_base,
		     iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
}

/* One attempt: bytes taken, 0 when it would wait, or -errno. */
static ssize_t write_once(const struct chardev *chardev,
			  const struct iovec *iov, unsigned int count)
{
	struct pollfd fd = { .fd = chardev->out_fd, .events = POLLOUT };
	/* Not written to: struct msghdr serves recvmsg too. */
	union {
		const struct iovec *constant;
		struct iovec *iov;
	} segments = { .constant = iov };
	struct msghdr msg = { .msg_iov = segments.iov, .msg_iovlen = count };
	ssize_t done;

	switch (chardev->write_mode) {
	case WRITE_SEND:
		done = sendmsg(chardev->out_fd, &msg,
			       MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case WRITE_POLLED:
		if (poll(&fd, 1, 0) <= 0)
			return 0;
		done = write_some(chardev->out_fd, iov, count);
		break;
	default:
		done = writev(chardev->out_fd, iov, (int)count);
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
static ssize_t write_to_peer(struct chardev *chardev, const struct iovec *iov,
			     unsigned int count)
{
	ssize_t done = -EPIPE;

	if (chardev->kind != CHARDEV_PTY || !pty_is_detached(chardev))
		done = write_once(chardev, iov, count);
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
		struct iovec iov = {
			.iov_base = chardev->backlog + chardev->backlog_start,
		};
		ssize_t done;

		if (run > chardev->backlog_len)
			run = chardev->backlog_len;
		iov.iov_len = run;
		done = write_to_peer(chardev, &iov, 1);
		if (done <= 0)
			return;
		chardev->backlog_start =
			(chardev->backlog_start + (size_t)done) %
			CHARDEV_BACKLOG_BYTES;
		chardev->backlog_len -= (size_t)done;
	}
}

/* Nobody is there: all of it is taken. */
static void keep_unheard(struct chardev *chardev, const struct iovec *iov,
			 unsigned int count)
{
	if (chardev->sender.drop_unheard)
		return;
	for (unsigned int i = 0; i < count; i++)
		backlog_put(chardev, iov[i].iov_base, iov[i].iov_len);
}

static size_t total_of(const struct iovec *iov, unsigned int count)
{
	size_t total = 0;

	for (unsigned int i = 0; i < count; i++)
		total += iov[i].iov_len;
	return total;
}

/* Called with out_lock held. Takes none to all of the bytes. */
static size_t write_locked(struct chardev *chardev, const struct iovec *iov,
			   unsigned int count)
{
	size_t len = total_of(iov, count);
	ssize_t done = 0;

	if (atomic_load(&chardev->cancelled) || chardev->kind == CHARDEV_NULL)
		return len;
	replay_backlog(chardev);
	if (chardev->out_fd >= 0) {
		if (chardev->backlog_len)
			return 0; /* first what is older */
		done = write_to_peer(chardev, iov, count);
	}
	if (chardev->out_fd < 0) {
		keep_unheard(chardev, iov, count);
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

/* The first @len of the bytes were taken. out_lock is held. */
static void show_tap(const struct chardev *chardev, bool batched,
		     const struct iovec *iov, unsigned int count, size_t len)
{
	const struct chardev_tap *tap = &chardev->tap;

	if (!tap->wrote || atomic_load(&chardev->cancelled))
		return;
	for (unsigned int i = 0; i < count && len; i++, iov++) {
		size_t part = len < iov->iov_len ? len : iov->iov_len;

		if (part)
			tap->wrote(tap->opaque, batched, iov->iov_base, part);
		len -= part;
	}
}

void chardev_set_tap(struct chardev *chardev, const struct chardev_tap *tap)
{
	chardev->tap = *tap;
}

size_t chardev_writev(struct chardev *chardev, const struct iovec *iov,
		      unsigned int count)
{
	size_t done;

	pthread_mutex_lock(&chardev->out_lock);
	done = write_locked(chardev, iov, count);
	show_tap(chardev, true, iov, count, done);
	pthread_mutex_unlock(&chardev->out_lock);
	return done;
}

/* To be written from only: iovec serves both ways. */
static struct iovec iovec_of(const uint8_t *data, size_t len)
{
	union {
		const uint8_t *constant;
		void *base;
	} bytes = { .constant = data };

	return (struct iovec){ .iov_base = bytes.base, .iov_len = len };
}

size_t chardev_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
	const struct iovec iov = iovec_of(data, len);

	return chardev_writev(chardev, &iov, 1);
}

void chardev_write_all(struct chardev *chardev, const uint8_t *data, size_t len)
{
	while (len) {
		struct pollfd fds[2] = {
			{ .fd = chardev->cancel_fd, .events = POLLIN },
			{ .events = POLLOUT },
		};
		const struct iovec iov = iovec_of(data, len);
		size_t done;

		pthread_mutex_lock(&chardev->out_lock);
		done = write_locked(chardev, &iov, 1);
		show_tap(chardev, false, &iov, 1, done);
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

/* --- Room for output, and the peer (loop's thread) ------------------------ */

bool chardev_has_peer(const struct chardev *chardev)
{
	return !has_peers(chardev) || chardev->peer_told;
}

static void tell_peer(struct chardev *chardev, bool connected)
{
	if (chardev->peer_told == connected)
		return;
	chardev->peer_told = connected;
	if (chardev->sender.peer_changed)
		chardev->sender.peer_changed(chardev->sender.opaque, connected);
}

/* False when a writer need not wait: what it writes is taken, or dropped. */
static bool poll_for_room(struct chardev *chardev)
{
	if (atomic_load(&chardev->cancelled))
		return false;
	pthread_mutex_lock(&chardev->out_lock);
	chardev->room.fd = chardev->out_fd;
	pthread_mutex_unlock(&chardev->out_lock);
	if (chardev->room.fd < 0)
		return false;
	chardev->room.events = POLLOUT;
	return true;
}

static void call_writable(struct chardev *chardev)
{
	atomic_store(&chardev->room_awaited, false);
	if (chardev->sender.writable(chardev->sender.opaque))
		atomic_store(&chardev->room_awaited, true);
}

/* After anything that may have changed who is waited for. */
static void follow_room(struct chardev *chardev)
{
	chardev->room.events = 0;
	if (!chardev->sender.writable)
		return;
	if (atomic_load(&chardev->room_awaited) && !poll_for_room(chardev)) {
		call_writable(chardev);
		/* Not at once, since there is nobody to be waited for; as
		 * long as a writer has more, it is asked for more. */
		if (atomic_load(&chardev->room_awaited))
			loop_wake(chardev->loop);
	}
}

static void room_ready(struct loop_source *source, short revents)
{
	struct chardev *chardev = source->opaque;

	(void)revents;
	if (!source->events)
		return;
	call_writable(chardev);
	follow_room(chardev);
}

int chardev_set_sender(struct chardev *chardev,
		       const struct chardev_sender *sender, struct err *err)
{
	chardev->sender = *sender;
	chardev->room = (struct loop_source){
		.fd = -1,
		.ready = room_ready,
		.opaque = chardev,
	};
	return loop_add(chardev->loop, &chardev->room, err);
}

void chardev_await_room(struct chardev *chardev)
{
	if (!atomic_exchange(&chardev->room_awaited, true))
		loop_wake(chardev->loop);
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
	tell_peer(chardev, true);
	follow_room(chardev);
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
	chardev->half_closed = false;
	if (chardev->kind == CHARDEV_STDIO) {
		loop_remove(chardev->loop, &chardev->input);
		chardev->input_added = false;
		return;
	}
	pthread_mutex_lock(&chardev->out_lock);
	chardev_disconnect(chardev);
	pthread_mutex_unlock(&chardev->out_lock);
	chardev->room.events = 0; /* it borrows the descriptor */
	if (chardev->kind == CHARDEV_UNIX) {
		close(chardev->input.fd);
		chardev->input.fd = -1;
		chardev->listener.events = POLLIN;
	} else {
		chardev->attach_timer.due_ms = loop_now_ms();
	}
	tell_peer(chardev, false);
	follow_room(chardev);
}

/*
 * The end of a client's input need not be its end: it may wait for the answer.
 * unix(7) reports a hang-up once both directions are shut down, unasked; what
 * is asked for instead of input is what no socket has.
 */
static bool keep_listener(struct chardev *chardev)
{
	struct pollfd fd = { .fd = chardev->input.fd };

	if (chardev->kind != CHARDEV_UNIX || poll(&fd, 1, 0) != 0)
		return false;
	chardev->half_closed = true;
	chardev->input.events =
		(short)((chardev->input.events & POLLOUT) | POLLRDBAND);
	return true;
}

static void input_ready(struct loop_source *source, short revents)
{
	struct chardev *chardev = source->opaque;
	const struct chardev_receiver *receiver = &chardev->receiver;
	uint8_t data[CHARDEV_INPUT_BYTES];
	size_t room = receiver->room ? receiver->room(receiver->opaque) :
				       sizeof(data);
	ssize_t got;

	if (source->events & POLLOUT)
		go_on_replaying(chardev);
	if (chardev->half_closed && (revents & (POLLHUP | POLLERR))) {
		stop_input(chardev);
		return;
	}
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
		if (got < 0 || !keep_listener(chardev))
			stop_input(chardev);
		return;
	}
	if (receiver->receive)
		receiver->receive(receiver->opaque, data, (size_t)got);
}

int chardev_start_input(struct chardev *chardev, int fd, struct err *err)
{
	int rc;

	chardev->half_closed = false;
	chardev->input.fd = fd;
	chardev->input.events = chardev->input_withheld ? 0 : POLLIN;
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

void chardev_withhold_input(struct chardev *chardev, bool withhold)
{
	chardev->input_withheld = withhold;
	if (withhold) {
		chardev->input.events &= (short)~POLLIN;
		return;
	}
	/* Whatever it waited for may have come meanwhile. */
	atomic_store(&chardev->input_paused, true);
	chardev_resume_input(chardev);
}

void chardev_expect_room(struct chardev *chardev)
{
	atomic_store(&chardev->input_paused, true);
}

void chardev_update(struct chardev *chardev)
{
	if (atomic_exchange(&chardev->peer_lost, false)) {
		chardev->peer_gone = true;
		tell_peer(chardev, false);
		look_for_next_peer(chardev);
	}
	follow_room(chardev);
	if (!atomic_exchange(&chardev->resume_asked, false))
		return;
	if (chardev->input_added && chardev->input.fd >= 0 &&
	    !chardev->input_withheld)
		chardev->input.events |= POLLIN;
	if (chardev->receiver.resumed)
		chardev->receiver.resumed(chardev->receiver.opaque);
}
