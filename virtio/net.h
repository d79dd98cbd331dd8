/*
 * The network device: queue pairs between a driver and the far end of a NIC
 * (io/net.h), and the control queue.
 *
 * Frames cross without a copy of ours: a frame is read straight into the
 * driver's buffers and sent straight from them. What a driver asks for in the
 * header of a frame is checked before the host sees it; what it may not ask
 * for, and what does not fit, is dropped and counted.
 *
 * Or an engine of the host's (struct net_engine) moves the frames, and the
 * device keeps the control queue and the configuration (virtio/net_lend.c).
 *
 * Threads: both queues of a pair are served by the pair's context, the control
 * queue by a vCPU thread or, where the driver finds it at the place of another
 * pair's queue (5.1.2), by that pair's context.
 *
 * Source: virtio 1.2, 5.1; USO: virtio 1.3, 5.1.
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include "core/mac.h"
#include "core/rate.h"
#include "io/net.h"
#include "virtio/device.h"

#define VIRTIO_NET_QUEUE_SIZE	256
/* The configuration as far as max_virtqueue_pairs and mtu (5.1.4). */
#define VIRTIO_NET_CONFIG_BYTES 12
#define VIRTIO_NET_BATCHES	8

/* 0: no limit. A burst of 0 is what a tenth of a second brings. */
struct virtio_net_limit {
	uint64_t bytes_per_second; /* of frames, without their headers */
	uint64_t bytes_burst;
	uint64_t packets_per_second;
	uint64_t packets_burst;
};

struct virtio_net_params {
	/* Borrowed, outlives the device. As many queue pairs as it has. */
	struct net *net;
	/*
	 * Optional, borrowed, outlives the device: moves the frames of each
	 * driver that takes MRG_RXBUF. Then there are no limits, no counters,
	 * and features it does not know are not offered.
	 */
	struct net_engine *engine;
	uint8_t mac[MAC_BYTES];
	uint16_t queue_size; /* a power of two; 0: VIRTIO_NET_QUEUE_SIZE */
	/* Of all pairs together, in each direction. */
	struct virtio_net_limit receive;
	struct virtio_net_limit send;
};

/* What one direction of a pair has done since the start. */
struct virtio_net_stats {
	uint64_t packets;
	uint64_t bytes; /* of frames, without their headers */
	uint64_t drops; /* sound, but did not fit or was not taken */
	uint64_t errors; /* what was wrong with a frame, header or buffer */
	uint64_t retries; /* the host had no room, or a limit was reached */
	/* Passes that moved 1, 2 to 3, 4 to 7, ... packets. */
	uint64_t batches[VIRTIO_NET_BATCHES];
};

struct virtio_net_pair;

/* A bucket of each kind that several threads take from. */
struct virtio_net_bucket {
	pthread_mutex_t lock; /* guards the rest, if it is limited */
	bool limited; /* constant */
	struct rate bytes;
	struct rate packets;
};

struct virtio_net {
	struct virtio_device device;
	struct net *net; /* borrowed */
	struct net_engine *engine; /* borrowed, or NULL */
	uint8_t mac[MAC_BYTES]; /* after a reset; constant */
	unsigned int pair_count; /* constant */
	struct virtio_net_pair *pairs; /* owned array */
	struct virtio_net_bucket receive_limit;
	struct virtio_net_bucket send_limit;
	/* What received frames may use now, of enum net_offload. */
	atomic_uint receive_offloads;
	unsigned int send_offloads; /* constant while active */
	uint32_t frame_max; /* received without GSO; constant while active */
	atomic_bool link_up;
	pthread_mutex_t status_lock; /* orders changes of the status field */
	uint8_t config[VIRTIO_NET_CONFIG_BYTES];
};

int virtio_net_init(struct virtio_net *nic,
		    const struct virtio_net_params *values,
		    const struct virtio_env *env, struct err *err);
/* The device was stopped. Leaves the far end alone. */
void virtio_net_release(struct virtio_net *nic);

/*
 * Pair @pair is served by @context; before the driver can run, for each pair:
 * a device without does not start.
 */
int virtio_net_set_context(struct virtio_net *nic, unsigned int pair,
			   struct io_context *context, struct err *err);

/* The cable is plugged in, as it is at first, or pulled. Any thread. */
void virtio_net_set_link(struct virtio_net *nic, bool up);

/*
 * The guest is somewhere else now: it shall tell its neighbours, if its driver
 * can (VIRTIO_NET_F_GUEST_ANNOUNCE). Any thread.
 */
void virtio_net_announce(struct virtio_net *nic);

/* Whether the engine moves, or last moved, the frames of @pair. Any thread. */
bool virtio_net_is_lent(const struct virtio_net *nic, unsigned int pair);

/* Counters of a pair, each as it was at some moment. Any thread. */
void virtio_net_read_stats(const struct virtio_net *nic, unsigned int pair,
			   struct virtio_net_stats *ret_receive,
			   struct virtio_net_stats *ret_send);

#endif
