/*
 * A byte stream between a guest's character device and the outside: the
 * terminal, a file, a pseudo-terminal, a Unix socket.
 *
 * Output. chardev_write, _writev and _write_all may be called from any thread;
 * writers are served one after the other. Nothing is buffered beyond one
 * bounded backlog, kept only while nobody is connected (pty, unix): a writer
 * that is faster than the reader waits, so that no byte is lost.
 *
 * Input. The receiver is called on the loop's thread, and never with more than
 * it has room for: while it has none, nothing is read from the outside.
 */
#ifndef IO_CHARDEV_H
#define IO_CHARDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/err.h"
#include "core/loop.h"

struct chardev;

struct chardev_receiver {
	/* Bytes that `receive` would take now. Any thread's state: it locks. */
	size_t (*room)(void *opaque);
	void (*receive)(void *opaque, const uint8_t *data, size_t len);
	/* Optional: room came back after chardev_expect_room. */
	void (*resumed)(void *opaque);
	void *opaque;
};

/*
 * For whoever writes without waiting, and wants to know of the peer: the other
 * end of a pty or a Unix socket, which comes and goes. The rest always has one.
 * Loop's thread.
 */
struct chardev_sender {
	/* There is room since chardev_await_room, or nobody to wait for. True:
	 * it was not enough, call again. */
	bool (*writable)(void *opaque);
	/* Optional. A peer came, or left and all of its input was delivered or
	 * given up. Each change once. */
	void (*peer_changed)(void *opaque, bool connected);
	void *opaque;
	/* Output that nobody is there to hear is dropped, not kept: an answer
	 * is not for the next one who asks. */
	bool drop_unheard;
};

/*
 * Someone who sees all output besides where it goes: each byte once, when it is
 * taken, also what is dropped because nobody hears it. Called on the writers'
 * threads, one at a time; must not write to the chardev.
 *
 * Two devices may share a chardev, one that writes byte by byte and waits, and
 * one that writes in batches. Their bytes mix, and @batched tells them apart.
 */
struct chardev_tap {
	void (*wrote)(void *opaque, bool batched, const uint8_t *data,
		      size_t len);
	void *opaque;
};

/* What is kept while nobody is connected; older bytes are dropped. The next who
 * connects gets it before anything newer. */
#define CHARDEV_BACKLOG_BYTES 16384

/*
 * Constructors; the caller owns *ret_chardev. @loop is borrowed and outlives
 * the object.
 *
 * stdio: input from standard input, output to standard output. The file
 * status flags of both, which other processes share, stay as they are.
 */
int chardev_new_stdio(struct loop *loop, struct chardev **ret_chardev,
		      struct err *err);
/* file: output only; @path is created or truncated. */
int chardev_new_file(struct loop *loop, const char *path,
		     struct chardev **ret_chardev, struct err *err);
/* pty: chardev_name gives the path of the terminal to attach to. */
int chardev_new_pty(struct loop *loop, struct chardev **ret_chardev,
		    struct err *err);
/*
 * unix: a listening socket at @path, mode 0600, one client at a time; the path
 * is unlinked by chardev_free. A stale socket nobody listens on is replaced.
 */
int chardev_new_unix(struct loop *loop, const char *path,
		     struct chardev **ret_chardev, struct err *err);
/* null: no input, output vanishes. */
int chardev_new_null(struct loop *loop, struct chardev **ret_chardev,
		     struct err *err);
void chardev_free(struct chardev *chardev);

/* "stdio" or the path. */
const char *chardev_name(const struct chardev *chardev);

/* Takes 0 to @len bytes without waiting; returns how many. */
size_t chardev_write(struct chardev *chardev, const uint8_t *data, size_t len);
size_t chardev_writev(struct chardev *chardev, const struct iovec *iov,
		      unsigned int count);

/* The sender's `writable` is to be called. Any thread. */
void chardev_await_room(struct chardev *chardev);

/* Returns once all bytes are taken, or chardev_cancel was called. */
void chardev_write_all(struct chardev *chardev, const uint8_t *data,
		       size_t len);

/* From now on output is dropped and nobody waits. Any thread. */
void chardev_cancel(struct chardev *chardev);

/* Loop's thread, before the loop runs. The receiver is copied. */
void chardev_set_receiver(struct chardev *chardev,
			  const struct chardev_receiver *receiver);

/* As chardev_set_receiver. Nobody was told yet of the peer there is now. */
int chardev_set_sender(struct chardev *chardev,
		       const struct chardev_sender *sender, struct err *err);

/* Before the guest runs. The tap is copied; until chardev_cancel it sees all
 * output. */
void chardev_set_tap(struct chardev *chardev, const struct chardev_tap *tap);

/* Whether the sender was told of a peer, or need not be. Loop's thread. */
bool chardev_has_peer(const struct chardev *chardev);

/*
 * Reads nothing, whoever has room, until it is no longer withheld. Loop's
 * thread.
 */
void chardev_withhold_input(struct chardev *chardev, bool withhold);

/* The receiver has room again. Any thread; cheap when input is not paused. */
void chardev_resume_input(struct chardev *chardev);

/*
 * For a receiver that reads ahead of its own sink: the next
 * chardev_resume_input is to reach `resumed`. Loop's thread.
 */
void chardev_expect_room(struct chardev *chardev);

/* Loop's thread, whenever it was woken: takes up input that was resumed, looks
 * for room for output, and for the next peer when a writer found the last one
 * gone. */
void chardev_update(struct chardev *chardev);

/* The first error that cost output (positive errno), or 0. Any thread. */
int chardev_error(const struct chardev *chardev);

#endif
