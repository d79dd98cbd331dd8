/*
 * The block device: requests of the driver become requests of a block backend
 * (io/block.h), whose completions become used elements.
 *
 * Threads: each queue has an I/O context and a backend instance on it, and
 * nothing of a queue is touched elsewhere while it runs; queues may share a
 * context. What queues share is constant, atomic, or the rate limits, which
 * have a lock. Functions for the machine say which thread they want.
 *
 * A queue takes up to VIRTIO_BLK_BUDGET requests at a time, submits them, and
 * interrupts once for all that a pass of its thread completed. Nothing is
 * allocated after the driver set DRIVER_OK.
 *
 * used.len is what was surely written from the beginning of the writable part
 * on: all of it when the request succeeded, else the status byte if that is
 * all there is, or 0.
 *
 * Source: virtio 1.2, 5.2.
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/rate.h"
#include "io/block.h"
#include "virtio/device.h"

#define VIRTIO_BLK_ID_LEN	20
#define VIRTIO_BLK_QUEUE_SIZE	256
#define VIRTIO_BLK_BUDGET	128
#define VIRTIO_BLK_CONFIG_BYTES 60
/* Buckets are powers of two: [0] 1, [1] 2 to 3, [2] 4 to 7, and so on; of
 * requests, and of microseconds with 0 in the first one too. */
#define VIRTIO_BLK_BATCHES	8
#define VIRTIO_BLK_LATENCIES	24

/* --- What the machine asks for ------------------------------------------- */

/* One queue's; both borrowed, and outlive the device. */
struct virtio_blk_backend {
	struct block *block;
	struct io_context *context; /* of @block */
};

enum virtio_blk_limited {
	VIRTIO_BLK_IOPS,
	VIRTIO_BLK_IOPS_READ,
	VIRTIO_BLK_IOPS_WRITE,
	VIRTIO_BLK_BPS,
	VIRTIO_BLK_BPS_READ,
	VIRTIO_BLK_BPS_WRITE,
	VIRTIO_BLK_LIMITS,
};

/* per_second 0: no limit; burst 0: see core/rate.h. */
struct virtio_blk_limit {
	uint64_t per_second;
	uint64_t burst;
};

enum virtio_blk_on_error {
	VIRTIO_BLK_REPORT, /* the driver gets an I/O error */
	/* For EIO and ENOSPC: the request is kept, and the machine is told to
	 * stop the guest. */
	VIRTIO_BLK_STOP,
};

struct virtio_blk;

struct virtio_blk_options {
	unsigned int queue_count; /* 1 or more */
	uint16_t queue_size; /* a power of two, at least 4; 0: 256 */
	const struct virtio_blk_backend *backends; /* of each queue; copied */
	const struct block_info *info; /* of the backends; copied */
	const char *serial; /* what GET_ID answers; 20 bytes count; or NULL */
	struct virtio_blk_limit limits[VIRTIO_BLK_LIMITS];
	enum virtio_blk_on_error on_write_error;
	enum virtio_blk_on_error on_read_error;
	bool measure_latency; /* costs two clock readings per request */
	/*
	 * With VIRTIO_BLK_STOP: a request failed with @error (-errno) and is
	 * kept. Once until virtio_blk_resume. On the queue's thread, so it
	 * only passes the word on.
	 */
	void (*stop)(void *opaque, struct virtio_blk *blk, int error);
	void *opaque;
};

/* --- Counters ------------------------------------------------------------ */

enum virtio_blk_kind {
	VIRTIO_BLK_KIND_READ,
	VIRTIO_BLK_KIND_WRITE,
	VIRTIO_BLK_KIND_FLUSH,
	VIRTIO_BLK_KIND_DISCARD,
	VIRTIO_BLK_KIND_ZEROES,
	VIRTIO_BLK_KIND_ID,
	VIRTIO_BLK_KIND_OTHER, /* malformed, or of no known type */
	VIRTIO_BLK_KINDS,
};

/* Kicks and interrupts are counted by struct virtio_queue. */
struct virtio_blk_stats {
	uint64_t requests[VIRTIO_BLK_KINDS]; /* completed */
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t errors; /* completed with another status than OK */
	uint64_t full; /* times the backend had no room */
	uint64_t throttled; /* times a limit made the queue wait */
	uint64_t held; /* requests kept after an error */
	uint64_t batches[VIRTIO_BLK_BATCHES]; /* requests taken at a time */
	uint64_t latency[VIRTIO_BLK_LATENCIES]; /* when it is measured */
};

/* --- The device ---------------------------------------------------------- */

struct virtio_blk_request;

struct virtio_blk_queue {
	struct virtio_blk *blk;
	unsigned int index;
	struct block *block; /* borrowed */
	struct io_context *context; /* borrowed */

	/* Set by activate; of the queue's thread from then on. */
	struct virtio_blk_request *requests; /* owned array */
	uint16_t *free; /* owned stack of indices */
	uint16_t depth; /* requests there are */
	uint16_t free_count;

	struct io_batch batch; /* the interrupt, and what was blocked */
	struct io_timer timer; /* a limit, or a backend without room */
	bool blocked; /* chains may be left although kicks are off */
	bool draining;
	struct virtio_blk_request *again; /* to be submitted again */
	struct virtio_blk_request *held; /* until virtio_blk_resume */

	/* struct virtio_blk_stats as one writer's atomics. */
	atomic_uint_fast64_t
		counters[sizeof(struct virtio_blk_stats) / sizeof(uint64_t)];
};

struct virtio_blk {
	struct virtio_device device;
	struct virtio_blk_queue *queues; /* owned array */
	struct block_info info;
	char serial[VIRTIO_BLK_ID_LEN]; /* padded with NULs */
	uint8_t config[VIRTIO_BLK_CONFIG_BYTES];
	atomic_uint_fast64_t capacity; /* sectors */
	atomic_bool durable; /* writes are, now */
	atomic_uint draining; /* queues with requests in flight, and one */

	bool limited; /* constant: there are limits */
	pthread_mutex_t rate_lock;
	struct rate rates[VIRTIO_BLK_LIMITS]; /* guarded by it */

	enum virtio_blk_on_error on_write_error;
	enum virtio_blk_on_error on_read_error;
	bool measure_latency;
	void (*stop)(void *opaque, struct virtio_blk *blk, int error);
	void *opaque;
	atomic_bool stopped; /* the machine was told */
};

/* Main thread. The contexts may run already, or not yet. */
int virtio_blk_init(struct virtio_blk *blk, const struct virtio_env *env,
		    const struct virtio_blk_options *options, struct err *err);
/* The device was stopped (virtio_device_stop). Main thread. */
void virtio_blk_release(struct virtio_blk *blk);

/*
 * The backend has another size now: tells the driver. Requests in flight are
 * not looked at again. Any thread.
 */
void virtio_blk_resize(struct virtio_blk *blk, uint64_t size_bytes);

/*
 * Submits what was kept after errors; those that fail again stop the machine
 * again. Main thread, or any but an I/O thread.
 */
void virtio_blk_resume(struct virtio_blk *blk);

/* Any thread; each number is of its own, not all of one moment. */
void virtio_blk_stats(const struct virtio_blk *blk, unsigned int queue,
		      struct virtio_blk_stats *ret_stats);

#endif
