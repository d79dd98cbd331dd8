/*
 * What the parts of the network device share: the state of a queue pair, the
 * header before each frame, limits and counters.
 */
#ifndef VIRTIO_NET_INTERNAL_H
#define VIRTIO_NET_INTERNAL_H

#include <limits.h>
#include <linux/virtio_net.h>

#include "virtio/net.h"

/* virtio 1.3, 5.1.3 and 5.1.6; linux/virtio_net.h from Linux 6.2 on. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	  54
#define VIRTIO_NET_F_GUEST_USO6	  55
#define VIRTIO_NET_F_HOST_USO	  56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/*
 * Segments of the driver's in one system call: IOV_MAX but for our header in
 * front and our spill behind.
 */
#define NET_SEGMENTS (IOV_MAX - 2)

/* Frames and bytes of one pass, so that no queue starves the others of its
 * thread: about a millisecond. */
#define NET_BUDGET_PACKETS 128
#define NET_BUDGET_BYTES   (2 * MIB)

/* --- The header ---------------------------------------------------------- */

/* struct virtio_net_hdr without num_buffers, in host byte order (5.1.6). */
struct net_header {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

void net_header_load(const uint8_t bytes[NET_HEADER_BYTES],
		     struct net_header *ret_header);
/* num_buffers becomes @buffers. */
void net_header_store(const struct net_header *header, uint16_t buffers,
		      uint8_t bytes[NET_HEADER_BYTES]);

/*
 * Whether the header of a frame of @frame_bytes asks only for what is in
 * @offloads and is sound; then also clears what means nothing.
 */
bool net_header_check_sent(struct net_header *header, unsigned int offloads,
			   uint64_t frame_bytes);
/* The same for a frame from the host, which is sound but may be from before
 * the offloads changed. */
bool net_header_check_received(struct net_header *header,
			       unsigned int offloads);

/* --- Counters ------------------------------------------------------------ */

/* Written by the pair's thread alone, read by any. */
struct net_counters {
	atomic_uint_fast64_t packets;
	atomic_uint_fast64_t bytes;
	atomic_uint_fast64_t drops;
	atomic_uint_fast64_t errors;
	atomic_uint_fast64_t retries;
	atomic_uint_fast64_t batches[VIRTIO_NET_BATCHES];
};

/* What one pass adds. */
struct net_pass {
	uint32_t packets;
	uint64_t bytes;
	uint32_t drops;
	uint32_t errors;
	uint32_t retries;
};

static inline bool net_pass_is_over(const struct net_pass *pass)
{
	return pass->packets + pass->drops + pass->errors >=
		       NET_BUDGET_PACKETS ||
	       pass->bytes >= NET_BUDGET_BYTES;
}

void net_counters_add(struct net_counters *counters,
		      const struct net_pass *pass);

/* --- Limits -------------------------------------------------------------- */

/* How long a frame of @bytes has to wait, 0 when it need not. */
int64_t net_bucket_wait_ns(struct virtio_net_bucket *bucket, uint64_t bytes);
/* A frame of @bytes went. */
void net_bucket_charge(struct virtio_net_bucket *bucket, uint64_t bytes);

/* --- A queue pair -------------------------------------------------------- */

/* A receive buffer that was taken from the queue. */
struct net_buffer {
	uint16_t head;
	uint16_t begin; /* its segments in the pool */
	uint16_t segments;
	uint32_t bytes; /* with the header, if it is the first one */
};

/*
 * Receive buffers wait in line in `buffers`, their segments one behind the
 * other in `pool`, so that one readv spans as many as a frame may need; those
 * a frame did not need stay for the next one.
 *
 * How much room a frame gets follows the sizes of those before (`want`): a
 * long vector costs, also where a small frame would do with one buffer. What
 * does not fit goes into `spill`, and from there into further buffers.
 */
struct net_receiver {
	struct io_watch watch; /* of the far end's fd */
	struct io_timer timer; /* a limit, or a frame waits for buffers */
	bool watched;
	bool input; /* frames may wait at the far end */
	bool mergeable; /* VIRTIO_NET_F_MRG_RXBUF */
	uint32_t want; /* bytes of buffers to have in line */

	uint16_t first; /* of the line */
	uint16_t last; /* behind the line */
	uint16_t pool_end;
	uint32_t room; /* bytes of the line */
	bool carved; /* the header's place was cut off the first buffer */
	uint16_t header_pieces;
	struct iovec header_at[NET_HEADER_BYTES]; /* that place */
	uint8_t header[NET_HEADER_BYTES]; /* of the frame at hand */

	uint8_t *spill; /* owned, NET_FRAME_MAX_BYTES + 1 */
	uint32_t pending; /* bytes of a frame that waits for buffers, or 0 */
	uint32_t spilled; /* of them in spill, from its beginning */
	uint32_t unspilled; /* of those in buffers by now */

	struct net_buffer buffers[VIRTQ_MAX_SIZE];
	/* [0] is free for our header, so is the one behind for our spill. */
	struct iovec pool[NET_SEGMENTS + 2];
	struct virtq_used used[VIRTQ_MAX_SIZE];
	struct net_counters counters;
};

#define NET_SENDER_BATCH 32

struct net_sender {
	struct io_timer timer;
	bool waiting; /* for the timer, kicked or not */
	uint8_t header[NET_HEADER_BYTES];
	unsigned int done_count;
	struct virtq_used done[NET_SENDER_BATCH]; /* not yet pushed */
	struct iovec iov[NET_SEGMENTS + 1];
	struct net_counters counters;
};

/* A pair that somebody else moves the frames of, see virtio/net_lend.c. */
struct net_lending {
	int call_fds[2]; /* owned eventfds, receive and send; -1: none */
	int error_fd; /* owned, or -1 */
	struct io_watch error_watch;
	bool watched; /* of the pair's thread */
	bool lent; /* guarded by the pair's lock */
	bool moving; /* guarded by the pair's lock */
	atomic_bool shown; /* for statistics */
};

/* Of the pair's thread, but for `active`. */
struct virtio_net_pair {
	struct virtio_net *nic;
	unsigned int index;
	struct io_context *context; /* borrowed; NULL until it is set */
	/*
	 * Held while a pass receives, so that who takes it (the control
	 * queue, on any thread) knows that none is under way.
	 */
	pthread_mutex_t lock;
	bool active; /* guarded by lock: may receive */
	struct net_receiver receiver;
	struct net_sender sender;
	struct net_lending lending;
};

/* --- Lending a pair to an engine ----------------------------------------- */

/* Creates what it takes, when there is an engine. */
int net_lend_init(struct virtio_net_pair *pair, struct err *err);
void net_lend_release(struct virtio_net_pair *pair);

/* DRIVER_OK: lends the pair if it can be. device->lock held. */
void net_lend(struct virtio_net_pair *pair);
/* Has the engine move frames, or not, as the pair's state is now. pair->lock
 * held; 0 for a pair that is not lent. */
int net_lend_update(struct virtio_net_pair *pair, struct err *err);
/* Reset, when kicks have stopped. Drained once it returned. device->lock
 * held. */
void net_lend_end(struct virtio_net_pair *pair);
/* Part of that, on the pair's thread. */
void net_lend_stop_watch(struct virtio_net_pair *pair);

/* All of these on the pair's thread. */

/* The driver kicked, or kick has to be called again. */
void net_receive_kick(struct virtio_net_pair *pair);
/* Nothing happens any more; buffers in line are forgotten. */
void net_receive_stop(struct virtio_net_pair *pair);
void net_send_kick(struct virtio_net_pair *pair);
void net_send_stop(struct virtio_net_pair *pair);

/* A queue was served outside of `kick`: fails the device if it is broken. */
static inline void net_check_queue(struct virtio_device *device,
				   unsigned int index)
{
	const char *broken = virtq_broken(virtio_vq(device, index));

	if (broken)
		virtio_device_fail(device, broken);
}

/* --- The control queue --------------------------------------------------- */

void net_control_kick(struct virtio_net *nic, unsigned int index);

/* Received frames use what of the features (bits VIRTIO_NET_F_GUEST_...) is
 * negotiated; 0 or -errno. */
int net_set_guest_offloads(struct virtio_net *nic, uint64_t features);
/* Only the first @pairs pairs receive. */
int net_set_pairs(struct virtio_net *nic, unsigned int pairs, struct err *err);
/* Bits of the status field. */
void net_change_status(struct virtio_net *nic, uint16_t clear, uint16_t set);

#endif
