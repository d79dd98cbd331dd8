/*
 * The host's end of a NIC: queue pairs that take and give whole Ethernet
 * frames. A tap is one implementation, a double in a test another.
 *
 * Each frame has a header of NET_HEADER_BYTES before it, in both directions:
 * struct virtio_net_hdr with num_buffers, little-endian (virtio 1.2, 5.1.6).
 * What it may ask for depends on the direction: a frame sent may use whatever
 * `offloads` has; a frame received uses what net_set_offloads allowed last,
 * but for those that were waiting already. num_buffers means nothing here.
 *
 * Threads: receive, send and fd of one queue belong to one thread; different
 * queues may be used by different threads at once. The rest may be called by
 * any thread, but not two at once.
 */
#ifndef IO_NET_H
#define IO_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"

#define NET_HEADER_BYTES    12
#define NET_MAX_QUEUES	    16
#define NET_ETHERNET_BYTES  14
#define NET_VLAN_BYTES	    4
/*
 * No frame is longer: an Ethernet header with a VLAN tag, an IPv6 header and
 * the most it can announce (virtio 1.2, 5.1.6.3).
 */
#define NET_FRAME_MAX_BYTES (NET_ETHERNET_BYTES + NET_VLAN_BYTES + 40 + 65535)

/* What the far side of a frame may leave to the near one. */
enum net_offload {
	NET_OFFLOAD_CSUM = 1 << 0, /* checksums; all others need it */
	NET_OFFLOAD_TSO4 = 1 << 1,
	NET_OFFLOAD_TSO6 = 1 << 2,
	NET_OFFLOAD_ECN = 1 << 3, /* TSO of segments with ECN */
	NET_OFFLOAD_USO4 = 1 << 4,
	NET_OFFLOAD_USO6 = 1 << 5,
};

struct net;

struct net_ops {
	ssize_t (*receive)(struct net *net, unsigned int queue,
			   const struct iovec *iov, unsigned int count);
	ssize_t (*send)(struct net *net, unsigned int queue,
			const struct iovec *iov, unsigned int count);
	int (*set_offloads)(struct net *net, unsigned int offloads);
	int (*set_queues)(struct net *net, unsigned int count);
	void (*free)(struct net *net);
};

/* Embedded in an implementation's state; constant once it was made. */
struct net {
	const struct net_ops *ops;
	const char *name; /* for messages: the interface */
	unsigned int queue_count; /* 1 to NET_MAX_QUEUES */
	unsigned int offloads; /* of enum net_offload: all it can do */
	uint16_t mtu; /* of the interface; 0 when unknown */
	/*
	 * Non-blocking; readable while a frame waits for the queue. For a
	 * watch, whoever else reads it breaks things.
	 */
	int fds[NET_MAX_QUEUES];
};

/*
 * Reads one frame with its header. Returns their bytes together, more than
 * fits into @iov or just as many when the frame was cut: who must know adds a
 * byte behind. -EAGAIN: none waits. Else -errno: nothing was read, and nothing
 * comes until something is done about it.
 */
static inline ssize_t net_receive(struct net *net, unsigned int queue,
				  const struct iovec *iov, unsigned int count)
{
	return net->ops->receive(net, queue, iov, count);
}

/*
 * Sends one frame with its header, which the caller has checked. Returns a
 * number above 0 when it was taken. -EAGAIN, -ENOBUFS: there is no room; it
 * may be tried again after a while. Else -errno: the frame is lost.
 */
static inline ssize_t net_send(struct net *net, unsigned int queue,
			       const struct iovec *iov, unsigned int count)
{
	return net->ops->send(net, queue, iov, count);
}

/*
 * From now on received frames use only @offloads, a subset of what there is.
 * Returns 0 or -errno.
 */
static inline int net_set_offloads(struct net *net, unsigned int offloads)
{
	return net->ops->set_offloads(net, offloads);
}

/*
 * From now on frames arrive at the first @count queues only, 1 to queue_count.
 * Those that waited elsewhere may be lost. Returns 0 or -errno.
 */
static inline int net_set_queues(struct net *net, unsigned int count)
{
	return net->ops->set_queues(net, count);
}

/* Nobody watches its fds any more. NULL is fine. */
static inline void net_free(struct net *net)
{
	if (net)
		net->ops->free(net);
}

/* --- Somebody else who moves the frames ---------------------------------- */

/*
 * A split ring (virtio 1.2, 2.7) of the driver's; the host addresses are of its
 * parts, which were checked to lie wholly in guest memory.
 */
struct net_ring {
	uint16_t size; /* a power of two */
	uint16_t next; /* index of the first chain to take */
	void *desc;
	void *driver;
	void *device;
	/* Eventfds, borrowed until `stop`. */
	int kick_fd; /* the driver's kicks; to be read */
	int call_fd; /* to be written for an interrupt */
};

/* What a queue pair is handed over with. */
struct net_handover {
	int fd; /* of the pair's far end (struct net), borrowed */
	uint64_t features; /* negotiated; bits as in virtio 1.2, 5.1.3 and 6 */
	struct net_ring receive;
	struct net_ring send;
	int error_fd; /* an eventfd to be written when it cannot go on */
};

struct net_engine;

struct net_engine_ops {
	int (*start)(struct net_engine *engine, unsigned int pair,
		     const struct net_handover *handover, struct err *err);
	void (*stop)(struct net_engine *engine, unsigned int pair,
		     uint16_t *ret_receive_next, uint16_t *ret_send_next);
	void (*free)(struct net_engine *engine);
};

/*
 * Moves the frames of queue pairs in the device's place, straight between the
 * driver's rings and the far end: the kernel (io/vhost.h), or a double in a
 * test. Any thread, but not two at once for one pair.
 */
struct net_engine {
	const struct net_engine_ops *ops;
	uint64_t features; /* that it knows of, of ring and header */
};

/*
 * From now on frames of @pair are moved, until net_engine_stop. On failure
 * nothing is.
 */
static inline int net_engine_start(struct net_engine *engine, unsigned int pair,
				   const struct net_handover *handover,
				   struct err *err)
{
	return engine->ops->start(engine, pair, handover, err);
}

/*
 * Once it returned, the rings and eventfds are no longer touched, and each
 * chain before these indices is completed, none behind.
 */
static inline void net_engine_stop(struct net_engine *engine, unsigned int pair,
				   uint16_t *ret_receive_next,
				   uint16_t *ret_send_next)
{
	engine->ops->stop(engine, pair, ret_receive_next, ret_send_next);
}

/* All pairs were stopped. NULL is fine. */
static inline void net_engine_free(struct net_engine *engine)
{
	if (engine)
		engine->ops->free(engine);
}

#endif
