/*
 * A folder of the host that a guest uses, as the device sees it: a question of
 * the guest's goes in, what is to be answered comes back in the same call. What
 * the messages say is the server's own matter (FUSE, linux/fuse.h); the device
 * knows that each begins with a head of fixed size.
 *
 * Threads: what one share serves it serves on one thread, which is the share's
 * own, as its calls wait for the host's file systems. `forget` is for any.
 *
 * Source: virtio 1.2, 5.11.6 (struct virtio_fs_req).
 */
#ifndef IO_SHARE_H
#define IO_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct share;

/* fuse_in_header and fuse_out_header. */
#define SHARE_QUESTION_HEAD 40
#define SHARE_ANSWER_HEAD   16
/* With how much of a question, or all there is, `copied` is asked. */
#define SHARE_QUESTION_PEEK 80
/* The longest question that is copied: a value of an extended attribute of
 * 64 KiB (XATTR_SIZE_MAX) with its names. */
#define SHARE_QUESTION_MAX  (72UL * 1024)
/* The longest answer that is not moved by the server itself, its head aside. */
#define SHARE_ANSWER_MAX    (64UL * 1024)

/* One question and its answer. Everything is the caller's. */
struct share_message {
	/* The question's beginning, copied: nobody changes it any more. */
	const uint8_t *bytes;
	size_t len;
	/*
	 * What follows it, in guest memory, in_bytes in all, and the room for
	 * the answer behind its head. Both arrays may be changed, `out` only
	 * where nothing is in `answer`; the guest may change the bytes at any
	 * time.
	 */
	struct iovec *in;
	struct iovec *out;
	uint16_t in_count;
	uint16_t out_count;
	uint64_t in_bytes;
	uint64_t out_bytes;
	bool can_answer; /* there is room for the head */

	/* The answer: its head, then either what the server wrote to `answer`
	 * (room for SHARE_ANSWER_MAX), or what it moved into `out` itself. */
	uint8_t head[SHARE_ANSWER_HEAD];
	uint8_t *answer;
	size_t answer_len; /* at most out_bytes */
	uint64_t moved; /* at most out_bytes */
};

struct share_ops {
	/*
	 * How many bytes of a question of @total are to be copied, which begins
	 * with the @len bytes at @peek: the smaller of @total and
	 * SHARE_QUESTION_PEEK. At least @len, at most @total and
	 * SHARE_QUESTION_MAX.
	 */
	size_t (*copied)(struct share *share, const uint8_t *peek, size_t len,
			 uint64_t total);
	/* Does what is asked. False: there is nothing to answer. */
	bool (*serve)(struct share *share, struct share_message *message);
	/*
	 * The guest needs something no longer: the @len bytes at @bytes are a
	 * question that has no answer (FORGET, BATCH_FORGET); any other is not
	 * served. Any thread, at any time. It waits for no file system.
	 */
	void (*forget)(struct share *share, const uint8_t *bytes, size_t len);
	/* The guest has forgotten everything: so does the share. No other call
	 * is under way. */
	void (*reset)(struct share *share);
};

struct share {
	const struct share_ops *ops;
};

#endif
