/*
 * The keys that are ours on a terminal: Ctrl-A and a letter. Sits between the
 * chardev of a terminal and the device that receives, and reads ahead of it:
 * Ctrl-A x must work when the guest does not read at all. Up to
 * ESCAPE_QUEUE_BYTES of typing wait for the guest; what is typed beyond that
 * is dropped. The loop's thread.
 */
#ifndef VMM_ESCAPE_H
#define VMM_ESCAPE_H

#include "io/chardev.h"

#define ESCAPE_QUEUE_BYTES 4096

enum escape_command {
	ESCAPE_QUIT, /* x */
	ESCAPE_HELP, /* ? or h */
	ESCAPE_BREAK, /* b */
	ESCAPE_POWER_BUTTON, /* p */
};

struct escape {
	struct chardev *chardev; /* borrowed */
	struct chardev_receiver sink;
	void (*command)(void *opaque, enum escape_command command);
	void *opaque;
	bool armed; /* the last key was Ctrl-A */
	uint8_t queue[ESCAPE_QUEUE_BYTES];
	size_t start;
	size_t len;
};

/* Becomes the receiver of @chardev in place of @sink. */
void escape_init(struct escape *escape, struct chardev *chardev,
		 const struct chardev_receiver *sink,
		 void (*command)(void *opaque, enum escape_command command),
		 void *opaque);

/* What Ctrl-A ? shows; lines end in CR LF. */
const char *escape_help(void);

#endif
