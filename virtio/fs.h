/*
 * The file system device: questions of the driver go to a share (io/share.h),
 * whose answers become used elements. What the questions say the device does
 * not know.
 *
 * Threads: requests are served by the share's own thread, which waits for the
 * host's file system inside `kick`. So nothing is in flight when a reset looks:
 * it waits for the call that is under way. The queue of high priority is
 * served by the vCPU that kicks it, whatever the other one waits for
 * (5.11.6.2): it carries only what the share forgets.
 *
 * used.len is 0 for a question without an answer, for one that is too short, or
 * whose answer has no room, to say anything, and on the queue of high priority.
 *
 * No DAX window and no notification queue are offered.
 *
 * Source: virtio 1.2, 5.11.
 */
#ifndef VIRTIO_FS_H
#define VIRTIO_FS_H

#include <stdatomic.h>
#include <stdint.h>

#include "io/share.h"
#include "virtio/device.h"

#define VIRTIO_FS_TAG_BYTES    36
#define VIRTIO_FS_QUEUE_SIZE   1024
#define VIRTIO_FS_CONFIG_BYTES 40
/* Queues: FORGET and the like, and everything else (5.11.2). */
#define VIRTIO_FS_HIPRIO       0
#define VIRTIO_FS_REQUEST      1
#define VIRTIO_FS_QUEUES       2

struct virtio_fs_options {
	const char *tag; /* 1 to VIRTIO_FS_TAG_BYTES bytes */
	/* Both borrowed, and outlive the device. */
	struct share *share;
	struct io_context *context;
};

/* Of the queue of requests. */
struct virtio_fs_stats {
	uint64_t requests;
	uint64_t errors; /* answered with an error */
	uint64_t bytes_in; /* of questions */
	uint64_t bytes_out; /* of answers */
};

/* What a queue takes a chain apart with; owned, of its thread. */
struct virtio_fs_buffers {
	uint8_t *question; /* SHARE_QUESTION_MAX bytes */
	struct iovec *iov; /* VIRTIO_FS_QUEUE_SIZE segments */
};

struct virtio_fs {
	struct virtio_device device;
	struct share *share; /* borrowed */
	struct io_context *context; /* borrowed */
	uint8_t config[VIRTIO_FS_CONFIG_BYTES];
	struct virtio_fs_buffers buffers[VIRTIO_FS_QUEUES];
	uint8_t *answer; /* owned; SHARE_ANSWER_MAX bytes */
	/* struct virtio_fs_stats as one writer's atomics. */
	atomic_uint_fast64_t
		counters[sizeof(struct virtio_fs_stats) / sizeof(uint64_t)];
};

/* Main thread. The context may run already, or not yet. */
int virtio_fs_init(struct virtio_fs *fs, const struct virtio_env *env,
		   const struct virtio_fs_options *options, struct err *err);
/* The device was stopped. Main thread. */
void virtio_fs_release(struct virtio_fs *fs);

/* Any thread; each number is of its own, not all of one moment. */
void virtio_fs_stats(const struct virtio_fs *fs,
		     struct virtio_fs_stats *ret_stats);

#endif
