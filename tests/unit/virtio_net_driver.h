/*
 * Both ends of a NIC in a test: a far end whose cable is a pair of sockets for
 * each queue, and a driver over tests/unit/ring_driver.h. The device's context
 * has no thread unless a test starts one: `settle` takes its turns.
 */
#ifndef TESTS_UNIT_VIRTIO_NET_DRIVER_H
#define TESTS_UNIT_VIRTIO_NET_DRIVER_H

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "tests/unit/io_context_double.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/net.h"

#define NIC_RAM	    (32 * MIB)
#define NIC_SIZE    64 /* of a queue */
#define NIC_PAIRS   3
#define NIC_QUEUES  (2 * NIC_PAIRS + 1)
/* A page for each ring, tables, then buffers. */
#define NIC_RINGS   0x10000ULL
#define NIC_BUFFERS 0x100000ULL

#define NIC_PACKED    1
#define NIC_EVENT_IDX 2
#define NIC_VARIANTS  4

#define BIT(n)	  (1ULL << (n))
#define NIC_BASIC (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MAC))

#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	  54
#define VIRTIO_NET_F_GUEST_USO6	  55
#define VIRTIO_NET_F_HOST_USO	  56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct nic {
	struct net net; /* the far end */
	int peers[NET_MAX_QUEUES]; /* the cable's other end */
	atomic_int send_error; /* for the next `send_errors` frames */
	atomic_int send_errors;
	unsigned int offloads; /* as set */
	unsigned int queues;
	int set_error; /* what setting fails with */

	struct gmem gmem;
	struct io_double io;
	struct virtio_net device;
	struct ring_driver rings[NIC_QUEUES];
	struct virtq_features ring_features;
	gpa_t free; /* where the next buffer goes */
	atomic_uint interrupts[NIC_QUEUES];
	atomic_uint config_interrupts;
	atomic_uint reports;
};

static inline struct nic *nic_of_net(struct net *net)
{
	return container_of(net, struct nic, net);
}

/* --- The far end --------------------------------------------------------- */

static inline ssize_t nic_receive(struct net *net, unsigned int queue,
				  const struct iovec *iov, unsigned int count)
{
	ssize_t got = readv(net->fds[queue], iov, (int)count);

	return got < 0 ? -errno : got;
}

static inline ssize_t nic_send(struct net *net, unsigned int queue,
			       const struct iovec *iov, unsigned int count)
{
	struct nic *nic = nic_of_net(net);
	ssize_t put;

	if (atomic_load(&nic->send_errors)) {
		atomic_fetch_sub(&nic->send_errors, 1);
		return -atomic_load(&nic->send_error);
	}
	put = writev(net->fds[queue], iov, (int)count);
	return put < 0 ? -errno : put;
}

static inline int nic_set_offloads(struct net *net, unsigned int offloads)
{
	ck_assert_uint_eq(offloads & ~net->offloads, 0);
	if (nic_of_net(net)->set_error)
		return -nic_of_net(net)->set_error;
	nic_of_net(net)->offloads = offloads;
	return 0;
}

static inline int nic_set_queues(struct net *net, unsigned int count)
{
	ck_assert(count >= 1 && count <= net->queue_count);
	if (nic_of_net(net)->set_error)
		return -nic_of_net(net)->set_error;
	nic_of_net(net)->queues = count;
	return 0;
}

static const struct net_ops nic_net_ops = {
	.receive = nic_receive,
	.send = nic_send,
	.set_offloads = nic_set_offloads,
	.set_queues = nic_set_queues,
};

static inline void nic_init_net(struct nic *nic, unsigned int pairs)
{
	nic->net = (struct net){
		.ops = &nic_net_ops,
		.name = "cable",
		.queue_count = pairs,
		.offloads = 0x3f,
		.mtu = 1500,
	};
	for (unsigned int i = 0; i < pairs; i++) {
		int fds[2];

		ck_assert_int_eq(socketpair(AF_UNIX,
					    SOCK_SEQPACKET | SOCK_NONBLOCK |
						    SOCK_CLOEXEC,
					    0, fds),
				 0);
		nic->net.fds[i] = fds[0];
		nic->peers[i] = fds[1];
	}
}

/* A frame of @bytes that can be told from others, from the far end. */
static inline void nic_fill(uint8_t *frame, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		frame[i] = (uint8_t)(i * 31 + seed + (i >> 8));
}

static inline void nic_arrive_with(struct nic *nic, unsigned int queue,
				   const struct virtio_net_hdr_v1 *header,
				   size_t bytes, unsigned int seed)
{
	static uint8_t message[NET_HEADER_BYTES + NET_FRAME_MAX_BYTES + 64];

	memcpy(message, header, NET_HEADER_BYTES);
	nic_fill(message + NET_HEADER_BYTES, bytes, seed);
	ck_assert_int_eq(send(nic->peers[queue], message,
			      NET_HEADER_BYTES + bytes, 0),
			 (ssize_t)(NET_HEADER_BYTES + bytes));
}

static inline void nic_arrive(struct nic *nic, unsigned int queue, size_t bytes,
			      unsigned int seed)
{
	/* As a tap leaves it. */
	const struct virtio_net_hdr_v1 header = { .num_buffers = 0x7777 };

	nic_arrive_with(nic, queue, &header, bytes, seed);
}

/* --- The transport ------------------------------------------------------- */

static inline struct nic *nic_of_device(struct virtio_device *device)
{
	return container_of(device, struct nic, device.device);
}

static inline void nic_on_interrupt(struct virtio_device *device,
				    unsigned int index)
{
	atomic_fetch_add(&nic_of_device(device)->interrupts[index], 1);
}

static inline void nic_on_config(struct virtio_device *device)
{
	atomic_fetch_add(&nic_of_device(device)->config_interrupts, 1);
}

static inline void nic_on_reset(struct virtio_device *device)
{
	(void)device;
}

static const struct virtio_transport_ops nic_transport = {
	.interrupt = nic_on_interrupt,
	.config_interrupt = nic_on_config,
	.was_reset = nic_on_reset,
};

static inline void nic_report(void *opaque, const struct virtio_device *device,
			      const char *what)
{
	struct nic *nic = opaque;

	ck_assert_ptr_eq(device, &nic->device.device);
	ck_assert_int_ne(what[0], '\0');
	atomic_fetch_add(&nic->reports, 1);
}

/* --- The driver ---------------------------------------------------------- */

static inline void nic_set_status(struct nic *nic, uint8_t status)
{
	struct virtio_device *device = &nic->device.device;

	pthread_mutex_lock(&device->lock);
	virtio_write_status(device, status, true);
	pthread_mutex_unlock(&device->lock);
}

static inline uint8_t nic_status(struct nic *nic)
{
	struct virtio_device *device = &nic->device.device;
	uint8_t status;

	pthread_mutex_lock(&device->lock);
	status = virtio_read_status(device);
	pthread_mutex_unlock(&device->lock);
	return status;
}

/* Whether the device agrees to @features. */
static inline bool nic_agree(struct nic *nic, uint64_t features)
{
	struct virtio_device *device = &nic->device.device;

	nic_set_status(nic, 0);
	nic_set_status(nic, 3);
	virtio_write_driver_features(device, 0, (uint32_t)features);
	virtio_write_driver_features(device, 1, (uint32_t)(features >> 32));
	nic_set_status(nic, 11);
	return nic_status(nic) & VIRTIO_CONFIG_S_FEATURES_OK;
}

/* Starts the device; the ring's features follow @variant. */
static inline void nic_start(struct nic *nic, uint64_t features, int variant)
{
	struct virtio_device *device = &nic->device.device;

	nic->ring_features = (struct virtq_features){
		.packed = variant & NIC_PACKED,
		.event_idx = variant & NIC_EVENT_IDX,
		.indirect = true,
	};
	features |= BIT(28);
	if (variant & NIC_PACKED)
		features |= BIT(34);
	if (variant & NIC_EVENT_IDX)
		features |= BIT(29);
	ck_assert(nic_agree(nic, features));
	for (unsigned int i = 0; i < device->queue_count; i++) {
		ring_init(&nic->rings[i], &nic->gmem, NIC_RINGS + 0x2000ULL * i,
			  NIC_SIZE, &nic->ring_features);
		device->queues[i].layout = nic->rings[i].layout;
		virtio_queue_enable(&device->queues[i]);
		ring_want_interrupt(&nic->rings[i]);
	}
	nic->free = NIC_BUFFERS;
	for (unsigned int i = 0; i < NIC_QUEUES; i++)
		atomic_store(&nic->interrupts[i], 0);
	nic_set_status(nic, 15);
	ck_assert_uint_eq(nic_status(nic), 15);
}

static inline void nic_init_with(struct nic *nic, unsigned int pairs,
				 const struct virtio_net_params *values)
{
	const struct virtio_env env = { .gmem = &nic->gmem,
					.report = nic_report,
					.opaque = nic };
	struct virtio_net_params copy = *values;

	memset(nic, 0, sizeof(*nic));
	nic_init_net(nic, pairs);
	copy.net = &nic->net;
	copy.queue_size = NIC_SIZE;
	memcpy(copy.mac, "\2\0\0\0\0\1", MAC_BYTES);
	ck_assert_int_eq(gmem_init(&nic->gmem, NIC_RAM, 0, NULL), 0);
	io_double_init(&nic->io);
	ck_assert_int_eq(virtio_net_init(&nic->device, &copy, &env, NULL), 0);
	nic->device.device.transport = &nic_transport;
	for (unsigned int i = 0; i < pairs; i++)
		ck_assert_int_eq(virtio_net_set_context(&nic->device, i,
							&nic->io.context, NULL),
				 0);
}

static inline void nic_init(struct nic *nic, unsigned int pairs)
{
	const struct virtio_net_params none = { .queue_size = 0 };

	nic_init_with(nic, pairs, &none);
}

static inline void nic_release(struct nic *nic)
{
	virtio_device_stop(&nic->device.device);
	virtio_net_release(&nic->device);
	io_double_release(&nic->io);
	for (unsigned int i = 0; i < nic->net.queue_count; i++) {
		close(nic->net.fds[i]);
		close(nic->peers[i]);
	}
	gmem_release(&nic->gmem);
}

/* Turns until there is nothing to do but wait for timers. */
static inline void nic_settle(struct nic *nic)
{
	while (io_double_turn(&nic->io, 0))
		;
}

static inline struct ring_driver *nic_rx(struct nic *nic, unsigned int pair)
{
	return &nic->rings[2 * (size_t)pair];
}

static inline struct ring_driver *nic_tx(struct nic *nic, unsigned int pair)
{
	return &nic->rings[2 * pair + 1];
}

/* Kicks queue @index if the device wants to be kicked. */
static inline bool nic_kick(struct nic *nic, unsigned int index)
{
	bool wanted = ring_should_kick(&nic->rings[index]);

	if (wanted)
		virtio_notify(&nic->device.device, index);
	return wanted;
}

/* Memory for a buffer, zeroed, that touches no other. */
static inline gpa_t nic_alloc(struct nic *nic, uint32_t len)
{
	gpa_t gpa = nic->free;

	nic->free += len + 1;
	ck_assert_uint_lt(nic->free, NIC_RAM);
	return gpa;
}

/* Posts a receive buffer of these pieces. Returns where the first one is. */
static inline gpa_t nic_post_pieces(struct nic *nic, unsigned int pair,
				    const uint32_t *lens, unsigned int count)
{
	struct ring_buffer buffers[16];

	for (unsigned int i = 0; i < count; i++)
		buffers[i] = (struct ring_buffer){ nic_alloc(nic, lens[i]),
						   lens[i], true };
	ring_add(nic_rx(nic, pair), buffers, count);
	return buffers[0].gpa;
}

static inline gpa_t nic_post(struct nic *nic, unsigned int pair, uint32_t len)
{
	return nic_post_pieces(nic, pair, &len, 1);
}

/* The header that was received at @gpa. */
static inline struct virtio_net_hdr_v1 nic_header_at(struct nic *nic, gpa_t gpa)
{
	struct virtio_net_hdr_v1 header;

	memcpy(&header, gmem_ptr(&nic->gmem, gpa, NET_HEADER_BYTES),
	       NET_HEADER_BYTES);
	return header;
}

/* The bytes at @gpa are those of frame @seed from @offset on. */
static inline void nic_check_bytes(struct nic *nic, gpa_t gpa, size_t bytes,
				   size_t offset, unsigned int seed)
{
	static uint8_t frame[NET_FRAME_MAX_BYTES + 64];

	nic_fill(frame, offset + bytes, seed);
	ck_assert_mem_eq(gmem_ptr(&nic->gmem, gpa, bytes), frame + offset,
			 bytes);
}

/* The next used element of queue @index must be there. */
static inline uint32_t nic_take(struct nic *nic, unsigned int index)
{
	uint32_t id;
	uint32_t len;

	ck_assert_msg(ring_take(&nic->rings[index], &id, &len),
		      "nothing came back to queue %u", index);
	return len;
}

static inline bool nic_has_used(struct nic *nic, unsigned int index)
{
	struct ring_driver copy = nic->rings[index];
	uint32_t id;
	uint32_t len;

	return ring_take(&copy, &id, &len);
}

/* Posts a frame for sending: header and frame in pieces of @lens. */
static inline void nic_send_pieces(struct nic *nic, unsigned int pair,
				   const struct virtio_net_hdr_v1 *header,
				   const uint32_t *lens, unsigned int count,
				   unsigned int seed)
{
	static uint8_t message[NET_HEADER_BYTES + NET_FRAME_MAX_BYTES + 64];
	struct ring_buffer buffers[32];
	size_t offset = 0;

	memcpy(message, header, NET_HEADER_BYTES);
	nic_fill(message + NET_HEADER_BYTES, sizeof(message) - NET_HEADER_BYTES,
		 seed);
	for (unsigned int i = 0; i < count; i++) {
		buffers[i] = (struct ring_buffer){ nic_alloc(nic, lens[i]),
						   lens[i], false };
		if (lens[i])
			ck_assert_int_eq(gmem_write(&nic->gmem, buffers[i].gpa,
						    message + offset, lens[i]),
					 0);
		offset += lens[i];
	}
	ring_add(nic_tx(nic, pair), buffers, count);
}

static inline void nic_send_frame(struct nic *nic, unsigned int pair,
				  uint32_t bytes, unsigned int seed)
{
	const struct virtio_net_hdr_v1 header = { 0 };
	const uint32_t lens[] = { NET_HEADER_BYTES, bytes };

	nic_send_pieces(nic, pair, &header, lens, 2, seed);
}

/* What left through the cable: its frame's length, or -1 when nothing did. */
static inline ssize_t nic_leave(struct nic *nic, unsigned int queue,
				struct virtio_net_hdr_v1 *ret_header,
				unsigned int seed)
{
	static uint8_t message[NET_HEADER_BYTES + NET_FRAME_MAX_BYTES + 64];
	static uint8_t frame[NET_FRAME_MAX_BYTES + 64];
	ssize_t got = recv(nic->peers[queue], message, sizeof(message), 0);

	if (got < 0)
		return -1;
	ck_assert_int_ge(got, NET_HEADER_BYTES);
	memcpy(ret_header, message, NET_HEADER_BYTES);
	got -= NET_HEADER_BYTES;
	nic_fill(frame, (size_t)got, seed);
	ck_assert_mem_eq(message + NET_HEADER_BYTES, frame, (size_t)got);
	return got;
}

static inline struct virtio_net_stats nic_rx_stats(struct nic *nic,
						   unsigned int pair)
{
	struct virtio_net_stats rx;
	struct virtio_net_stats tx;

	virtio_net_read_stats(&nic->device, pair, &rx, &tx);
	return rx;
}

static inline struct virtio_net_stats nic_tx_stats(struct nic *nic,
						   unsigned int pair)
{
	struct virtio_net_stats rx;
	struct virtio_net_stats tx;

	virtio_net_read_stats(&nic->device, pair, &rx, &tx);
	return tx;
}

#endif
