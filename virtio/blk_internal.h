/*
 * What virtio/blk.c (the device) and virtio/blk_request.c (one request's way)
 * share. All of it on the queue's thread.
 */
#ifndef VIRTIO_BLK_INTERNAL_H
#define VIRTIO_BLK_INTERNAL_H

#include <stddef.h>

#include "virtio/blk.h"

/* Ranges of one DISCARD or WRITE_ZEROES. */
#define BLK_MAX_RANGES 64

struct blk_range {
	uint64_t sector;
	uint32_t sectors;
	bool unmap;
};

struct virtio_blk_request {
	struct block_request io;
	struct virtio_blk_queue *queue; /* borrowed */
	struct virtio_blk_request *next; /* of a list that it waits in */
	uint8_t *status; /* in guest memory; NULL: there is no room for it */
	int64_t started_ns; /* when latencies are measured */
	uint32_t len_ok; /* used.len when it succeeds */
	uint32_t len_failed;
	uint16_t head;
	uint16_t range; /* which one is under way */
	uint16_t range_count;
	uint8_t kind; /* enum virtio_blk_kind */
	union {
		struct iovec iov[VIRTQ_CHAIN_SEGMENTS];
		struct blk_range ranges[BLK_MAX_RANGES];
	};
};

/* Which counter: BLK_COUNT(queue, errors, 1). One writer, no locked
 * instruction. */
#define BLK_COUNTER(field) \
	(offsetof(struct virtio_blk_stats, field) / sizeof(uint64_t))
#define BLK_COUNT(queue, field, n) blk_count(queue, BLK_COUNTER(field), n)

static inline void blk_count(struct virtio_blk_queue *queue, size_t counter,
			     uint64_t n)
{
	atomic_uint_fast64_t *at = &queue->counters[counter];

	atomic_store_explicit(
		at, atomic_load_explicit(at, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* What came of a chain. */
enum blk_start {
	BLK_STARTED, /* in flight, or completed already */
	BLK_FULL, /* the backend has no room: give the chain back */
	BLK_LIMITED, /* a limit holds it up: the same, *ret_wait_ns long */
};

/*
 * Reads the request out of @chain, whose segments are request->iov, and
 * submits it.
 */
enum blk_start blk_request_start(struct virtio_blk_request *request,
				 const struct virtq_chain *chain,
				 int64_t *ret_wait_ns);
/* Submits what was submitted before. False: the backend has no room. */
bool blk_request_again(struct virtio_blk_request *request);
/* Completes it: the status byte, the used element, the batch's end. */
void blk_request_complete(struct virtio_blk_request *request, uint8_t status);

/* For blk_request.c: the request is back; chains can be taken again. */
void blk_queue_put(struct virtio_blk_request *request);
/* The request waits for room, or for virtio_blk_resume. */
void blk_queue_wait(struct virtio_blk_request *request);
void blk_queue_hold(struct virtio_blk_request *request, int error);

int64_t blk_now_ns(void);

#endif
