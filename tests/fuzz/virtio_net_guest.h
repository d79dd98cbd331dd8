/*
 * The network device for tests/fuzz/virtio_guest.h: queue 0 receives, 1 sends,
 * 2 controls. Its own operations:
 *
 *	F s h	a frame of size s with header h arrives
 *	Y	time passes: timers expire
 *	L	the link goes down or comes up
 *	J f	the next start takes features f
 *	Z c d	a command c with data d, to the control queue
 *	^ f g v s	a frame to send of size s; in its header flags f, type g
 *		and values v
 *	!	the far end has no room for the next frame
 *
 * The far end checks what it is given to send: a header that asks for nothing
 * that was not negotiated and nothing beyond its frame.
 */
#ifndef TESTS_FUZZ_VIRTIO_NET_GUEST_H
#define TESTS_FUZZ_VIRTIO_NET_GUEST_H

#include <errno.h>
#include <linux/virtio_net.h>

#include "core/util.h"
#include "tests/fuzz/virtio_guest.h"
#include "virtio/net.h"

#define NET_GUEST_WATCHES 4
#define NET_GUEST_FRAMES  8
#define NET_GUEST_COMMAND 0x2f000ULL
#define NET_GUEST_SEND	  0x2e000ULL

struct net_guest {
	struct guest guest;
	struct virtio_net nic;
	struct net net;
	struct io_context context;
	struct io_watch *watches[NET_GUEST_WATCHES];
	struct io_timer *timers;
	struct guest_transport transport; /* of the guest, but for kicks */
	const struct guest_transport *inner;
	/* Frames that wait at the far end. */
	struct {
		uint8_t header[NET_HEADER_BYTES];
		uint32_t bytes;
	} frames[NET_GUEST_FRAMES];
	unsigned int frame_count;
	bool input; /* not yet told of */
	bool no_room;
	bool link_down;
};

static inline struct net_guest *net_guest_of(struct guest *guest)
{
	return container_of(guest, struct net_guest, guest);
}

/* --- A context that runs when it is told --------------------------------- */

static inline void net_guest_call(struct io_context *context,
				  void (*run)(void *opaque), void *opaque)
{
	(void)context;
	run(opaque);
}

static inline int net_guest_watch(struct io_context *context,
				  struct io_watch *watch, struct err *err)
{
	struct net_guest *self =
		container_of(context, struct net_guest, context);

	(void)err;
	for (unsigned int i = 0; i < NET_GUEST_WATCHES; i++) {
		if (self->watches[i])
			continue;
		self->watches[i] = watch;
		if (!watch->eventfd)
			self->input = true;
		return 0;
	}
	guest_require(false, "too many watches");
	return -ENOSPC;
}

static inline void net_guest_unwatch(struct io_context *context,
				     struct io_watch *watch)
{
	struct net_guest *self =
		container_of(context, struct net_guest, context);

	for (unsigned int i = 0; i < NET_GUEST_WATCHES; i++) {
		if (self->watches[i] == watch)
			self->watches[i] = NULL;
	}
}

static inline void net_guest_disarm(struct io_context *context,
				    struct io_timer *timer)
{
	struct net_guest *self =
		container_of(context, struct net_guest, context);

	for (struct io_timer **at = &self->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		timer->armed = false;
		return;
	}
}

static inline void net_guest_arm(struct io_context *context,
				 struct io_timer *timer, int64_t delay_ns)
{
	struct net_guest *self =
		container_of(context, struct net_guest, context);

	guest_require(delay_ns >= 0, "a time that has passed");
	net_guest_disarm(context, timer);
	timer->armed = true;
	timer->next = self->timers;
	self->timers = timer;
}

static inline bool net_guest_turn(struct net_guest *self)
{
	bool any = false;

	for (unsigned int i = 0; i < NET_GUEST_WATCHES; i++) {
		struct io_watch *watch = self->watches[i];
		uint64_t count;

		if (!watch)
			continue;
		if (watch->eventfd ?
			    read(watch->fd, &count, sizeof(count)) < 0 :
			    !self->input)
			continue;
		if (!watch->eventfd)
			self->input = false;
		any = true;
		watch->ready(watch);
	}
	return any;
}

/* A guest that never lets go keeps us busy, but not for ever. */
static inline void net_guest_settle(struct net_guest *self)
{
	for (unsigned int i = 0; i < 16 && net_guest_turn(self); i++)
		;
}

static inline void net_guest_expire(struct net_guest *self)
{
	struct io_timer *timer = self->timers;

	if (!timer)
		return;
	net_guest_disarm(&self->context, timer);
	timer->expired(timer);
	net_guest_settle(self);
}

/* --- The far end --------------------------------------------------------- */

static inline ssize_t net_guest_receive(struct net *net, unsigned int queue,
					const struct iovec *iov,
					unsigned int count)
{
	struct net_guest *self = container_of(net, struct net_guest, net);
	uint32_t left;
	uint32_t total;

	guest_require(queue == 0 && count >= 1 && count <= 1024,
		      "a system call that fails");
	if (!self->frame_count)
		return -EAGAIN;
	guest_require(iov[0].iov_len >= NET_HEADER_BYTES, "no header");
	memcpy(iov[0].iov_base, self->frames[0].header, NET_HEADER_BYTES);
	total = left = self->frames[0].bytes;
	for (unsigned int i = 1; i < count && left; i++) {
		uint32_t n = (uint32_t)min_u64(left, iov[i].iov_len);

		memset(iov[i].iov_base, 0x77, n);
		left -= n;
	}
	self->frame_count--;
	memmove(self->frames, self->frames + 1,
		self->frame_count * sizeof(self->frames[0]));
	return (ssize_t)(NET_HEADER_BYTES + total - left);
}

/* Written from virtio 1.2, 5.1.6.2, apart from the device's own check. */
static inline void net_guest_check_header(const struct virtio_net *nic,
					  const uint8_t *bytes, uint64_t frame)
{
	const struct virtio_device *device = &nic->device;
	struct virtio_net_hdr_v1 header;
	uint8_t type;

	memcpy(&header, bytes, sizeof(header));
	type = header.gso_type & 0x7f;
	guest_require((header.flags & ~1) == 0, "a flag that is ours");
	guest_require(header.hdr_len <= frame, "headers longer than the frame");
	guest_require(header.num_buffers == 0, "buffers of a frame sent");
	if (header.flags & 1) {
		guest_require(virtio_has_feature(device, VIRTIO_NET_F_CSUM),
			      "a checksum that was not negotiated");
		guest_require((uint64_t)header.csum_start + header.csum_offset +
					      2 <=
				      frame,
			      "a checksum beyond the frame");
	}
	if (header.gso_type == 0)
		return;
	guest_require(header.gso_size && (header.flags & 1),
		      "segments without a size or checksum");
	guest_require(
		(type == 1 &&
		 virtio_has_feature(device, VIRTIO_NET_F_HOST_TSO4)) ||
			(type == 4 &&
			 virtio_has_feature(device, VIRTIO_NET_F_HOST_TSO6)) ||
			(type == 5 && virtio_has_feature(device, 56)),
		"segments that were not negotiated");
	guest_require(!(header.gso_type & 0x80) ||
			      virtio_has_feature(device, VIRTIO_NET_F_HOST_ECN),
		      "ECN that was not negotiated");
}

static inline ssize_t net_guest_send(struct net *net, unsigned int queue,
				     const struct iovec *iov,
				     unsigned int count)
{
	struct net_guest *self = container_of(net, struct net_guest, net);
	uint64_t bytes = 0;
	volatile uint8_t sum = 0;

	guest_require(queue == 0 && count >= 2 && count <= 1024,
		      "a system call that fails");
	guest_require(iov[0].iov_len == NET_HEADER_BYTES, "no header");
	if (self->no_room) {
		self->no_room = false;
		return -EAGAIN;
	}
	for (unsigned int i = 1; i < count; i++) {
		const uint8_t *at = iov[i].iov_base;

		guest_require(iov[i].iov_len > 0, "an empty piece");
		sum = (uint8_t)(sum + at[0] + at[iov[i].iov_len - 1]);
		bytes += iov[i].iov_len;
	}
	guest_require(bytes >= NET_ETHERNET_BYTES &&
			      bytes <= NET_FRAME_MAX_BYTES,
		      "no frame");
	net_guest_check_header(&self->nic, iov[0].iov_base, bytes);
	return (ssize_t)(NET_HEADER_BYTES + bytes);
}

static inline int net_guest_set(struct net *net, unsigned int value)
{
	(void)net;
	(void)value;
	return 0;
}

/* --- The guest's own operations ------------------------------------------ */

static inline void net_guest_arrive(struct net_guest *self)
{
	static const uint32_t sizes[] = { 0,	 13,	14,    60,
					  333,	 1514,	1518,  1519,
					  4084,	 16000, 30000, 65549,
					  65593, 65594, 500,   4096 };
	static const uint8_t headers[][2] = { { 0, 0 }, { 1, 0 },   { 2, 0 },
					      { 1, 1 }, { 1, 4 },   { 1, 0x81 },
					      { 1, 5 }, { 0xff, 3 } };
	unsigned int size = guest_digit(&self->guest);
	unsigned int header = guest_digit(&self->guest) & 7;
	unsigned int at = self->frame_count;

	if (at == NET_GUEST_FRAMES)
		return;
	self->frames[at].bytes = sizes[size];
	memset(self->frames[at].header, 0, NET_HEADER_BYTES);
	memcpy(self->frames[at].header, headers[header], 2);
	self->frame_count++;
	self->input = true;
}

static inline void net_guest_send_frame(struct net_guest *self)
{
	static const uint8_t types[] = { 0, 1, 4, 5, 0x81, 0x84, 3, 0x80 };
	static const uint16_t values[][4] = {
		{ 54, 1448, 34, 16 },	 { 0, 0, 0, 0 },
		{ 54, 0, 34, 16 },	 { 0xffff, 1448, 34, 16 },
		{ 54, 1448, 0xffff, 2 }, { 54, 1448, 0xffff, 0xffff },
		{ 54, 1448, 58, 0 },	 { 54, 1448, 59, 0 },
	};
	static const uint32_t sizes[] = { 60, 13, 14, 1514, 0, 333, 2000, 61 };
	struct guest *guest = &self->guest;
	struct virtio_net_hdr_v1 header = {
		.flags = (uint8_t)guest_digit(guest),
		.gso_type = types[guest_digit(guest) & 7],
		.num_buffers = 7,
	};
	const uint16_t *value = values[guest_digit(guest) & 7];
	unsigned int size = guest_digit(guest);
	uint32_t cut = size & 8 ? 5 : NET_HEADER_BYTES;
	const struct ring_buffer buffers[] = {
		{ NET_GUEST_SEND, cut, false },
		{ NET_GUEST_SEND + cut,
		  NET_HEADER_BYTES - cut + sizes[size & 7], false },
	};
	unsigned int old = guest->queue;

	memcpy(&header.hdr_len, value, sizeof(values[0]));
	guest->queue = 1;
	if (guest_find_head(guest, 2)) {
		gmem_write(&guest->gmem, NET_GUEST_SEND, &header,
			   sizeof(header));
		guest_posted(guest, ring_add(&guest->rings[1], buffers, 2), 0,
			     2);
		guest_kick(guest);
	}
	guest->queue = old;
}

/* A command of one of these with as many bytes of data as may do. */
static inline void net_guest_command(struct net_guest *self)
{
	static const uint8_t commands[][2] = {
		{ 0, 0 }, { 0, 1 }, { 0, 2 }, { 1, 0 }, { 1, 1 }, { 2, 0 },
		{ 3, 0 }, { 4, 0 }, { 4, 1 }, { 5, 0 }, { 5, 1 }, { 6, 0 },
	};
	static const uint8_t lengths[] = { 0, 1, 2, 6, 8, 14, 20, 9 };
	struct guest *guest = &self->guest;
	unsigned int which = guest_digit(guest) % ARRAY_SIZE(commands);
	unsigned int data = guest_digit(guest);
	unsigned int old = guest->queue;
	uint8_t bytes[32] = { commands[which][0], commands[which][1] };
	uint32_t len = 2U + lengths[data & 7];
	const struct ring_buffer buffers[] = {
		{ NET_GUEST_COMMAND, len, false },
		{ NET_GUEST_COMMAND + 64, 1, true },
	};

	guest->queue = 2;
	if (guest_find_head(guest, 2)) {
		bytes[2] = (uint8_t)(data & 8 ? 2 : 0);
		gmem_write(&guest->gmem, NET_GUEST_COMMAND, bytes, len);
		guest_posted(guest, ring_add(&guest->rings[2], buffers, 2), 1,
			     2);
		guest_kick(guest);
		guest_take(guest);
	}
	guest->queue = old;
}

static inline void net_guest_features(struct net_guest *self)
{
	static const uint64_t sets[] = {
		0,
		1ULL << VIRTIO_NET_F_MRG_RXBUF,
		1ULL << VIRTIO_NET_F_MRG_RXBUF | 3 | 1ULL << 7 | 1ULL << 11,
		UINT64_MAX,
	};

	/* The ring's own are in the start. */
	self->guest.device_features =
		sets[guest_digit(&self->guest) & 3] & self->nic.device.offered &
		~(1ULL << 28 | 1ULL << 29 | 1ULL << 32 | 1ULL << 34);
}

static inline bool net_guest_op(struct guest *guest, uint8_t op)
{
	struct net_guest *self = net_guest_of(guest);

	switch (op) {
	case 'F':
		net_guest_arrive(self);
		break;
	case 'Y':
		net_guest_expire(self);
		break;
	case 'L':
		self->link_down = !self->link_down;
		virtio_net_set_link(&self->nic, !self->link_down);
		break;
	case 'J':
		net_guest_features(self);
		break;
	case 'Z':
		net_guest_command(self);
		break;
	case '^':
		net_guest_send_frame(self);
		break;
	case '!':
		self->no_room = true;
		break;
	default:
		return false;
	}
	net_guest_settle(self);
	return true;
}

/* The kick of the transport, and what it sets off. */
static inline void net_guest_kick(struct guest *guest, unsigned int queue)
{
	struct net_guest *self = net_guest_of(guest);

	self->inner->kick(guest, queue);
	net_guest_settle(self);
}

/* The transport has been attached: kicks go through us from here on. */
static inline void net_guest_attached(struct net_guest *self)
{
	self->inner = self->guest.transport;
	self->transport = *self->inner;
	self->transport.kick = net_guest_kick;
	self->guest.transport = &self->transport;
}

static inline void net_guest_init(struct net_guest *self)
{
	static const struct io_context_ops context_ops = {
		.call = net_guest_call,
		.watch = net_guest_watch,
		.unwatch = net_guest_unwatch,
		.arm = net_guest_arm,
		.disarm = net_guest_disarm,
	};
	static const struct net_ops net_ops = {
		.receive = net_guest_receive,
		.send = net_guest_send,
		.set_offloads = net_guest_set,
		.set_queues = net_guest_set,
	};
	const struct virtio_env env = {
		.gmem = &self->guest.gmem,
		.report = guest_report,
		.opaque = &self->guest,
	};
	const struct virtio_net_params values = {
		.net = &self->net,
		.queue_size = GUEST_SIZE,
	};

	memset(self, 0, sizeof(*self));
	guest_init_memory(&self->guest);
	self->context.ops = &context_ops;
	self->net = (struct net){
		.ops = &net_ops,
		.name = "fuzz",
		.queue_count = 1,
		.offloads = 0x3f,
		.mtu = 1500,
	};
	guest_require(virtio_net_init(&self->nic, &values, &env, NULL) == 0,
		      "no device");
	guest_require(virtio_net_set_context(&self->nic, 0, &self->context,
					     NULL) == 0,
		      "no context");
	self->guest.queue_count = 3;
	self->guest.device = &self->nic.device;
	self->guest.op = net_guest_op;
}

static inline void net_guest_release(struct net_guest *self)
{
	for (unsigned int i = 0; i < NET_GUEST_WATCHES; i++)
		guest_require(!self->watches[i], "a watch is left");
	guest_require(!self->timers, "a timer is left");
	virtio_net_release(&self->nic);
}

#endif
