/*
 * --record-console: what the guest's terminal showed, and when, as an asciicast
 * of version 2 (docs.asciinema.org/manual/asciicast/v2), which players take as
 * it is.
 *
 * An event is written whole and by one write, a line of the guest's as soon as
 * it is there and the rest within RECORDING_POLL_MS: what a killed hull leaves
 * can be played. What is no UTF-8 becomes U+FFFD; a character whose bytes come
 * one by one stays whole, of each device by itself.
 *
 * The tap is called on the threads of whoever writes, the rest on the main
 * thread; a lock of its own guards what both see.
 */
#ifndef VMM_RECORDING_H
#define VMM_RECORDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "io/chardev.h"

#define RECORDING_POLL_MS    50
/* Of one event, escaped for JSON. */
#define RECORDING_TEXT_BYTES 4096

/* Without a terminal of our own that could tell. */
#define RECORDING_COLUMNS 80
#define RECORDING_ROWS	  24

struct recording_size {
	unsigned int columns;
	unsigned int rows;
};

/* The bytes of a character that is not whole yet. */
struct recording_character {
	uint8_t bytes[4];
	size_t len;
};

struct recording {
	int fd; /* owned */
	int64_t start_ns; /* loop_now_ns: time 0 of the events */
	/* Sees everything afterwards; all zeroes: nobody. */
	struct chardev_tap next;

	pthread_mutex_t lock; /* guards all below */
	struct recording_character characters[2]; /* by how the device writes */
	char text[RECORDING_TEXT_BYTES];
	size_t len;
	int64_t text_ns; /* when the first of it came */
	int error; /* the first that cost an event; positive errno */
};

/* What the first line of the file says. */
struct recording_head {
	const char *path;
	const char *title;
	int64_t start_s; /* CLOCK_REALTIME */
	int64_t start_ns; /* the same moment, loop_now_ns */
	struct recording_size size;
};

/* Creates the file, or appends to a stream (vmm/replace_file.h). -errno with a
 * sentence; then there is nothing to release. */
int recording_init(struct recording *recording,
		   const struct recording_head *head, struct err *err);
void recording_release(struct recording *recording);

/* @next, or NULL, is called with all that the tap is. */
struct chardev_tap recording_tap(struct recording *recording,
				 const struct chardev_tap *next);

/* The terminal has another size now. */
void recording_resize(struct recording *recording,
		      const struct recording_size *size);

/* Every RECORDING_POLL_MS: writes what waits for the end of a line. */
void recording_poll(struct recording *recording);

/* No more comes. Returns the first error that cost an event (positive errno),
 * or 0. */
int recording_finish(struct recording *recording);

#endif
