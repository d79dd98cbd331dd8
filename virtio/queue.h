/*
 * A virtqueue from the device's side: the split and the packed ring behind one
 * interface.
 *
 * Everything the guest wrote is copied once, then checked, then used. What
 * cannot be right (an index beyond the ring, a chain that does not end, a
 * buffer outside RAM, a head that is still in flight) makes the queue broken:
 * virtq_pop returns an error from then on and virtq_broken says why; the
 * device then fails itself (virtio_device_fail), and a reset is the only way
 * out. Nothing here allocates.
 *
 * Threads: setting up, saving and restoring belong to whoever holds the
 * transport's registers while the queue does not run; popping, pushing and
 * notification control to the one thread that serves the queue.
 *
 * Source: virtio 1.2, 2.6 to 2.8.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"
#include "core/gmem.h"

#define VIRTQ_MAX_SIZE 1024

/*
 * Room for the segments of one request that suits every device: 256 of data,
 * a header and a status byte.
 */
#define VIRTQ_CHAIN_SEGMENTS 258

/*
 * One request of the driver. The caller owns it and provides the array of
 * segments; virtq_pop fills in the rest. The segments point into guest memory
 * and stay valid until the queue is released; their bytes may change at any
 * time, so whoever decides on them copies them first (virtq_chain_read).
 *
 * iov[0 .. readable) are the driver's data, iov[readable .. readable+writable)
 * are for the device to fill. Buffers that touch are merged and empty ones are
 * left out, so that one segment may be several descriptors.
 */
struct virtq_chain {
	struct iovec *iov; /* borrowed from the caller */
	uint16_t iov_max; /* set by the caller */
	uint16_t readable; /* segments */
	uint16_t writable; /* segments */
	uint16_t head; /* names the chain to virtq_push */
	uint64_t readable_bytes;
	uint64_t writable_bytes;
};

/* A chain that is done with: see virtq_push. */
struct virtq_used {
	uint16_t head;
	uint32_t len_bytes;
};

/* Where the driver put the queue; what a snapshot saves. */
struct virtq_layout {
	uint16_t size; /* descriptors */
	gpa_t desc; /* descriptor table, or the packed ring */
	gpa_t driver; /* available ring, or the driver's event area */
	gpa_t device; /* used ring, or the device's event area */
};

/* The negotiated features that change the ring. */
struct virtq_features {
	bool packed; /* VIRTIO_F_RING_PACKED */
	bool event_idx; /* VIRTIO_F_EVENT_IDX */
	bool indirect; /* VIRTIO_F_INDIRECT_DESC */
};

/*
 * A queue at rest. Indices are free running for the split ring and slots of
 * the ring for the packed one, which alone has the wrap counters.
 */
struct virtq_state {
	struct virtq_layout layout;
	bool enabled;
	uint16_t next_avail;
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
};

struct virtq {
	const struct gmem *gmem; /* borrowed */
	struct virtq_layout layout; /* latched by virtq_enable */
	struct virtq_features features;
	bool enabled;
	/* Host addresses of the three areas while enabled. */
	uint8_t *desc;
	uint8_t *driver;
	uint8_t *device;

	uint16_t next_avail; /* the next chain to take */
	uint16_t avail_seen; /* split: avail.idx when it was last fetched */
	uint16_t next_used; /* the next used element to write */
	bool avail_wrap;
	bool used_wrap;
	/* Ring slots used since the last virtq_should_notify. */
	uint32_t unnotified;
	bool notify_once; /* restored: what was last notified is unknown */
	bool kicks_enabled;

	/* Ring slots that the chain with this head holds; 0: not in flight. */
	uint16_t slots[VIRTQ_MAX_SIZE];
	uint16_t in_flight; /* chains */
	uint16_t slots_in_flight;
	const char *broken; /* a constant sentence, or NULL */
};

/* Ring slots taken since next_avail was @before: less than the ring has. */
static inline uint16_t virtq_taken_since(const struct virtq *vq,
					 uint16_t before)
{
	/* Only the split ring's counts on. */
	if (vq->features.packed && vq->next_avail < before)
		return (uint16_t)(vq->next_avail + vq->layout.size - before);
	return (uint16_t)(vq->next_avail - before);
}

/* An empty queue over @gmem, not enabled. */
void virtq_init(struct virtq *vq, const struct gmem *gmem);

/*
 * Checks the layout and starts the queue at index 0. -EINVAL: the size is 0,
 * above @max_size or, for the split ring, no power of two, or an address is
 * misaligned. -EFAULT: an area is not wholly inside guest RAM. The queue then
 * stays disabled. A queue that is enabled is not touched (-EBUSY).
 */
int virtq_enable(struct virtq *vq, const struct virtq_layout *layout,
		 const struct virtq_features *features, uint16_t max_size,
		 struct err *err);

/*
 * Forgets the queue. Every chain has been pushed, or nobody will ever touch
 * its memory again.
 */
void virtq_disable(struct virtq *vq);

/*
 * Takes the next chain and marks its head in flight: the caller owes exactly
 * one virtq_push or virtq_unpop.
 *
 * Returns 1 with the chain, 0 when there is none, or
 * -E2BIG: the chain is sound but has more than iov_max segments. Its head is
 *	in flight and owed a virtq_push like any other, its segments are not
 *	to be used (readable and writable are 0).
 * -EPROTO: the queue is broken now (see virtq_broken) and nothing is owed.
 *
 * A device takes a bounded number of chains per pass, so that one queue cannot
 * starve others.
 */
int virtq_pop(struct virtq *vq, struct virtq_chain *chain);

/*
 * Gives back the chain that the latest virtq_pop returned, as though it had
 * not been taken. Several may be given back, latest first, as long as no
 * later pop happened.
 */
void virtq_unpop(struct virtq *vq, const struct virtq_chain *chain);

/*
 * Completes the chain @head. @len_bytes is how many bytes were written to the
 * beginning of its writable part. A head that is not in flight is a bug of
 * ours. The driver may see it at once, whether notified or not.
 */
void virtq_push(struct virtq *vq, uint16_t head, uint32_t len_bytes);

/*
 * Completes @count chains (1 or more), each as virtq_push does, so that the
 * driver sees all of them or none: a packet in several buffers, or a batch
 * that costs it one look.
 */
void virtq_push_batch(struct virtq *vq, const struct virtq_used *used,
		      unsigned int count);

/*
 * Whether the driver wants to hear of what was pushed since the last call.
 * Called once after a batch of pushes.
 */
bool virtq_should_notify(struct virtq *vq);

/*
 * Kicks are a hint of the driver's: while disabled, it may leave them out.
 *
 * virtq_enable_kicks returns true when chains came meanwhile, for which no
 * kick may ever come: the device must look again.
 *
 *	virtq_disable_kicks(vq);
 *	do {
 *		while (budget && virtq_pop(...) > 0)
 *			...
 *	} while (budget && virtq_enable_kicks(vq));
 */
void virtq_disable_kicks(struct virtq *vq);
bool virtq_enable_kicks(struct virtq *vq);

/*
 * As virtq_disable_kicks, for a device that looks at the ring instead: with
 * EVENT_IDX it also takes back the wish for the next kick, which costs a write
 * that a device which was just kicked need not make. Ended by
 * virtq_enable_kicks.
 */
void virtq_silence_kicks(struct virtq *vq);

/* Whether virtq_pop would find something now; no promise of its soundness. */
bool virtq_has_chains(struct virtq *vq);

/*
 * Somebody else has served the (split) queue as far as the chain that is made
 * available at @index, and completed all before it.
 */
void virtq_continue_at(struct virtq *vq, uint16_t index);

/* Why the queue is broken: a constant sentence, or NULL when it is not. */
const char *virtq_broken(const struct virtq *vq);

/* No chain may be in flight. */
void virtq_save(const struct virtq *vq, struct virtq_state *ret_state);
/* The queue is not enabled. Errors as virtq_enable, or -EINVAL. */
int virtq_restore(struct virtq *vq, const struct virtq_state *state,
		  const struct virtq_features *features, uint16_t max_size,
		  struct err *err);

/* --- Access to a chain's bytes ------------------------------------------- */

/*
 * Copies from the readable part at @offset / to the writable part at @offset.
 * Returns how many bytes there were, at most @len.
 */
size_t virtq_chain_read(const struct virtq_chain *chain, uint64_t offset,
			void *to, size_t len);
size_t virtq_chain_write(const struct virtq_chain *chain, uint64_t offset,
			 const void *from, size_t len);

/*
 * Cuts @front bytes off the beginning of the *@count segments at *@iov and
 * @back bytes off their end, in place: *@iov and *@count then describe what
 * is left. False, and nothing is cut, when there are fewer bytes than that.
 */
bool virtq_iov_cut(struct iovec **iov, uint16_t *count, uint64_t front,
		   uint64_t back);

#endif
