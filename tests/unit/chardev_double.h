/*
 * The receiving end of a chardev, with as much room as a test gives it, and
 * small helpers for what stands on the outside. Loop's thread but for `room`.
 */
#ifndef TESTS_UNIT_CHARDEV_DOUBLE_H
#define TESTS_UNIT_CHARDEV_DOUBLE_H

#include <stdatomic.h>
#include <string.h>

#include "core/util.h"
#include "io/chardev.h"
#include "tests/unit/loop_until.h"
#include "tests/unit/quick_check.h"

struct chardev_sink {
	atomic_size_t room;
	char data[8192]; /* always ends in a NUL */
	size_t len;
	unsigned int resumed;
	size_t awaited; /* for chardev_sink_holds */
};

static inline size_t chardev_sink_room(void *opaque)
{
	return atomic_load(&((struct chardev_sink *)opaque)->room);
}

static inline void chardev_sink_receive(void *opaque, const uint8_t *data,
					size_t len)
{
	struct chardev_sink *sink = opaque;

	ck_assert_uint_gt(len, 0);
	ck_assert_uint_le(len, atomic_load(&sink->room));
	ck_assert_uint_lt(sink->len + len, sizeof(sink->data));
	memcpy(sink->data + sink->len, data, len);
	sink->len += len;
	sink->data[sink->len] = '\0';
	atomic_fetch_sub(&sink->room, len);
}

static inline void chardev_sink_resumed(void *opaque)
{
	((struct chardev_sink *)opaque)->resumed++;
}

static inline void chardev_sink_attach(struct chardev_sink *sink,
				       struct chardev *chardev, size_t room)
{
	const struct chardev_receiver receiver = {
		.room = chardev_sink_room,
		.receive = chardev_sink_receive,
		.resumed = chardev_sink_resumed,
		.opaque = sink,
	};

	*sink = (struct chardev_sink){ .room = room };
	chardev_set_receiver(chardev, &receiver);
}

static inline bool chardev_sink_holds(void *opaque)
{
	const struct chardev_sink *sink = opaque;

	return sink->len >= sink->awaited;
}

/* Runs the loop until the sink got @text and nothing else. */
static inline void chardev_sink_expect(struct loop *loop,
				       struct chardev_sink *sink,
				       const char *text)
{
	sink->awaited = strlen(text);
	ck_assert(loop_run_until(loop, LOOP_UNTIL_LIMIT_MS, chardev_sink_holds,
				 sink));
	ck_assert_str_eq(sink->data, text);
	sink->len = 0;
	sink->data[0] = '\0';
}

static inline void chardev_put(struct chardev *chardev, const char *text)
{
	chardev_write_all(chardev, (const uint8_t *)text, strlen(text));
}

static inline bool fd_is_readable(void *opaque)
{
	struct pollfd fd = { .fd = *(int *)opaque, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Runs the loop until @fd gave @text, and asserts that no more follows. */
static inline void fd_expect(struct loop *loop, int fd, const char *text)
{
	size_t want = strlen(text);
	autofree char *got = calloc(1, want + 2);
	size_t len = 0;

	ck_assert_ptr_nonnull(got);
	while (len < want) {
		ssize_t n;

		ck_assert(loop_run_until(loop, LOOP_UNTIL_LIMIT_MS,
					 fd_is_readable, &fd));
		n = read(fd, got + len, want + 1 - len);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	ck_assert_str_eq(got, text);
	ck_assert(!fd_is_readable(&fd));
}

#endif
