/*
 * What the constructors of chardev_open.c share with the data paths of
 * chardev.c. No one else includes it.
 */
#ifndef IO_CHARDEV_INTERNAL_H
#define IO_CHARDEV_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/chardev.h"

enum chardev_kind {
	CHARDEV_STDIO,
	CHARDEV_FILE,
	CHARDEV_PTY,
	CHARDEV_UNIX,
	CHARDEV_NULL,
};

/* How a write to out_fd is kept from blocking. */
enum chardev_write_mode {
	WRITE_NONBLOCK, /* O_NONBLOCK is set on a description of our own */
	WRITE_SEND, /* a socket: MSG_DONTWAIT */
	WRITE_POLLED, /* poll first, then at most PIPE_BUF bytes */
	WRITE_PLAIN, /* a regular file never waits for a reader */
};

struct chardev {
	enum chardev_kind kind;
	char *name; /* owned */
	struct loop *loop; /* borrowed */

	/* Output: guarded by out_lock but for the atomics. */
	pthread_mutex_t out_lock;
	int out_fd; /* -1: nobody is connected; a peer's is input.fd */
	bool out_fd_owned; /* else borrowed from input or the process */
	enum chardev_write_mode write_mode;
	int cancel_fd; /* owned eventfd: readable once cancelled */
	atomic_bool cancelled;
	atomic_int error;
	uint8_t *backlog; /* owned ring of CHARDEV_BACKLOG_BYTES, or NULL */
	size_t backlog_start;
	size_t backlog_len;
	struct chardev_tap tap;
	atomic_bool peer_lost; /* a writer noticed; for the loop's thread */

	/* Writers that do not wait: the loop's thread but for the atomic. */
	struct chardev_sender sender;
	struct loop_source room; /* polls out_fd for `writable`; borrows it */
	atomic_bool room_awaited;
	bool peer_told; /* what the sender was told last */

	/* Input: the loop's thread. */
	struct loop_source input; /* its fd is owned but for stdio */
	bool input_added;
	bool peer_gone; /* and no new one came */
	bool half_closed; /* unix: the client sends no more, but listens */
	bool input_withheld;
	atomic_bool input_paused;
	atomic_bool resume_asked;
	struct chardev_receiver receiver;

	/* unix: the listening socket. */
	struct loop_source listener;
	/* pty: looks for someone who attached; unix: listens again. */
	struct loop_timer attach_timer;
};

/* A new object of @kind that owns a copy of @name. */
int chardev_alloc(struct loop *loop, enum chardev_kind kind, const char *name,
		  struct chardev **ret_chardev, struct err *err);

/* Starts reading from @fd, which becomes the object's on success. */
int chardev_start_input(struct chardev *chardev, int fd, struct err *err);

/* Output goes to the backlog from now on; out_lock is held. The descriptor
 * stays open until the loop's thread, which polls it, is done with it. */
void chardev_disconnect(struct chardev *chardev);
/* The peer is there: @fd becomes the output, and the backlog is replayed
 * before anything newer. Loop's thread; input.fd is @fd already. */
void chardev_connect(struct chardev *chardev, int fd);

#endif
