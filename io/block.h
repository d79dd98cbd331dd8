/*
 * A block device of the host as those who use it see it: requests go in,
 * `done` comes back. How a backend is opened is its own header's matter; a
 * test has one that fails when it is told to.
 *
 * Threads: a backend instance belongs to one io_context; submit and done are
 * on its thread. Instances of one file are independent of each other but for
 * what they do to the file.
 *
 * Order: none. A FLUSH covers the writes that were done before it was
 * submitted, as in virtio 1.2, 5.2.6.2; nothing waits for anything else.
 */
#ifndef IO_BLOCK_H
#define IO_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct block;

#define BLOCK_SECTOR_BYTES 512

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH, /* what was written is on stable storage */
	BLOCK_DISCARD, /* the range's content does not matter any more */
	BLOCK_WRITE_ZEROES,
};

/*
 * Owned by the caller; the backend borrows it and everything it points to
 * until it calls `done`.
 */
struct block_request {
	enum block_op op;
	/* WRITE, WRITE_ZEROES: done only once it is on stable storage. */
	bool durable;
	bool unmap; /* WRITE_ZEROES: the range may be deallocated */
	/* READ, WRITE: length_bytes in all. The array may be changed while it
	 * is borrowed and is as it was in `done`. */
	uint16_t iov_count;
	struct iovec *iov;
	/* Multiples of BLOCK_SECTOR_BYTES; nothing for FLUSH. */
	uint64_t offset_bytes;
	uint64_t length_bytes;
	/*
	 * Called exactly once for each submit that returned 0, and never
	 * inside of it. @result is 0, when all of it was done, or -errno, when
	 * any part of it may have been. -ENOSPC: the request can succeed once
	 * there is room. The request is the caller's again and may be
	 * submitted anew at once.
	 */
	void (*done)(struct block_request *request, int result);
	uint64_t backend[12]; /* the backend's own while borrowed */
};

struct block_ops {
	/*
	 * 0: `done` will come. -EAGAIN: there is no room, but at least one
	 * request, maybe another user's of the thread, is in flight: try
	 * again after a completion. Another -errno: it failed at once.
	 */
	int (*submit)(struct block *block, struct block_request *request);
};

struct block {
	const struct block_ops *ops;
};

static inline int block_submit(struct block *block,
			       struct block_request *request)
{
	return block->ops->submit(block, request);
}

/* What users of a block device have to know of it. */
struct block_info {
	uint64_t size_bytes; /* a multiple of BLOCK_SECTOR_BYTES */
	/* What addresses and lengths should be multiples of; powers of two. */
	uint32_t logical_block_bytes;
	uint32_t physical_block_bytes;
	uint32_t optimal_io_bytes; /* 0: nothing special */
	uint32_t discard_bytes; /* what DISCARD does well */
	bool read_only;
	bool discard; /* DISCARD and unmap are allowed */
	bool writethrough; /* every write is to be durable at first */
};

#endif
