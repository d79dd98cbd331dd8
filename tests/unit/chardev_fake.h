/*
 * A chardev that takes as much as a test says, and keeps what it took: stands
 * in for io/chardev.c where a device is tested, whose calls to its sender and
 * receiver the test makes itself. Any thread may write.
 */
#ifndef TESTS_UNIT_CHARDEV_FAKE_H
#define TESTS_UNIT_CHARDEV_FAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/util.h"
#include "io/chardev.h"

#define CHARDEV_FAKE_BYTES 65536

struct chardev {
	struct chardev_receiver receiver;
	struct chardev_sender sender;
	bool connected;
	atomic_size_t room; /* what it takes before somebody reads */
	uint8_t out[CHARDEV_FAKE_BYTES];
	atomic_size_t out_len;
	size_t out_total; /* also what no longer fits into `out` */
	unsigned int writes;
	atomic_uint resumes;
	atomic_bool awaited;
};

static inline void chardev_fake_init(struct chardev *chardev)
{
	*chardev = (struct chardev){ .connected = true, .room = SIZE_MAX };
}

static inline size_t fake_take(struct chardev *chardev, const uint8_t *data,
			       size_t len)
{
	size_t kept = atomic_load(&chardev->out_len);
	size_t room = atomic_load(&chardev->room);
	size_t keep;

	len = len < room ? len : room;
	atomic_fetch_sub(&chardev->room, len);
	keep = min_u64(len, CHARDEV_FAKE_BYTES - kept);
	if (keep)
		memcpy(chardev->out + kept, data, keep);
	atomic_store(&chardev->out_len, kept + keep);
	chardev->out_total += len;
	return len;
}

size_t chardev_writev(struct chardev *chardev, const struct iovec *iov,
		      unsigned int count)
{
	size_t total = 0;

	chardev->writes++;
	for (unsigned int i = 0; i < count; i++) {
		size_t done =
			fake_take(chardev, iov[i].iov_base, iov[i].iov_len);

		total += done;
		if (done < iov[i].iov_len)
			break;
	}
	return total;
}

void chardev_write_all(struct chardev *chardev, const uint8_t *data, size_t len)
{
	atomic_store(&chardev->room, SIZE_MAX);
	fake_take(chardev, data, len);
}

void chardev_await_room(struct chardev *chardev)
{
	atomic_store(&chardev->awaited, true);
}

void chardev_resume_input(struct chardev *chardev)
{
	atomic_fetch_add(&chardev->resumes, 1);
}

void chardev_set_receiver(struct chardev *chardev,
			  const struct chardev_receiver *receiver)
{
	chardev->receiver = *receiver;
}

int chardev_set_sender(struct chardev *chardev,
		       const struct chardev_sender *sender, struct err *err)
{
	(void)err;
	chardev->sender = *sender;
	return 0;
}

bool chardev_has_peer(const struct chardev *chardev)
{
	return chardev->connected;
}

/* --- What a test does --- */

/* The reader took all there was: room for @room bytes. True: more waits. */
static inline bool chardev_fake_drain(struct chardev *chardev, size_t room)
{
	atomic_store(&chardev->room, room);
	if (!atomic_exchange(&chardev->awaited, false))
		return false;
	if (chardev->sender.writable(chardev->sender.opaque))
		atomic_store(&chardev->awaited, true);
	return atomic_load(&chardev->awaited);
}

/* Types as much of @text as there is room for; returns how much. */
static inline size_t chardev_fake_type(struct chardev *chardev,
				       const void *text, size_t len)
{
	const struct chardev_receiver *receiver = &chardev->receiver;

	len = min_u64(len, receiver->room(receiver->opaque));
	if (len)
		receiver->receive(receiver->opaque, text, len);
	return len;
}

static inline void chardev_fake_connect(struct chardev *chardev, bool connected)
{
	chardev->connected = connected;
	chardev->sender.peer_changed(chardev->sender.opaque, connected);
}

#endif
