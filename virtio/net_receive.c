/*
 * From the far end to the driver.
 *
 * A pass reads frames until there are none, the budget is used up, a limit is
 * reached, or buffers run out. Only in the last case the driver's kicks are
 * wanted, and only then they are enabled. The far end tells of input once
 * (core/io_context.h), so `input` remembers it until a read finds nothing.
 */
#include <errno.h>
#include <string.h>

#include "core/util.h"
#include "virtio/net_internal.h"

/* A frame that waits for more buffers than a driver intends to offer would
 * wait for ever. */
#define BUFFERS_TIMEOUT_NS 250000000

#define WANT_MIN 2048
#define WANT_MAX (NET_HEADER_BYTES + NET_FRAME_MAX_BYTES)

static struct virtq *vq_of(const struct virtio_net_pair *pair)
{
	return virtio_vq(&pair->nic->device, 2 * pair->index);
}

/* --- Buffers in line ----------------------------------------------------- */

/* Moves the line to the beginning of its arrays. */
static void compact(struct net_receiver *receiver)
{
	uint16_t count = (uint16_t)(receiver->last - receiver->first);
	uint16_t begin = 1;

	if (count)
		begin = receiver->buffers[receiver->first].begin;
	memmove(receiver->pool + 1, receiver->pool + begin,
		(receiver->pool_end - begin) * sizeof(struct iovec));
	memmove(receiver->buffers, receiver->buffers + receiver->first,
		count * sizeof(struct net_buffer));
	receiver->first = 0;
	receiver->last = count;
	receiver->pool_end = (uint16_t)(receiver->pool_end - (begin - 1));
	for (unsigned int i = 0; i < count; i++)
		receiver->buffers[i].begin =
			(uint16_t)(receiver->buffers[i].begin - (begin - 1));
}

static void forget_line(struct net_receiver *receiver)
{
	receiver->first = 0;
	receiver->last = 0;
	receiver->pool_end = 1;
	receiver->room = 0;
	receiver->carved = false;
	receiver->pending = 0;
}

/* Whether the arrays have room for one more chain of any sensible length. */
static bool line_has_room(struct net_receiver *receiver, const struct virtq *vq)
{
	unsigned int needed =
		(unsigned int)min_u64(vq->layout.size, NET_SEGMENTS);

	if (receiver->first == receiver->last)
		forget_line(receiver);
	if (receiver->pool_end + needed <= NET_SEGMENTS + 1 &&
	    receiver->last < VIRTQ_MAX_SIZE)
		return true;
	compact(receiver);
	return receiver->pool_end + needed <= NET_SEGMENTS + 1;
}

/*
 * Takes one more buffer from the queue. 1: it is the last in line; 0: there is
 * none; -ENOSPC: no room for it; -EPROTO: the queue is broken.
 */
static int take_buffer(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;
	struct virtq *vq = vq_of(pair);
	struct virtq_chain chain;
	int rc;

	for (unsigned int tries = 0; tries < VIRTQ_MAX_SIZE; tries++) {
		if (!line_has_room(receiver, vq))
			return -ENOSPC;
		chain.iov = receiver->pool + receiver->pool_end;
		chain.iov_max =
			(uint16_t)(NET_SEGMENTS + 1 - receiver->pool_end);
		rc = virtq_pop(vq, &chain);
		if (rc != 1 && rc != -E2BIG)
			return rc;
		/* 5.1.6.3.1: for the device to write, with room for a header
		 * in each. */
		if (rc == 1 && !chain.readable &&
		    chain.writable_bytes >= NET_HEADER_BYTES) {
			receiver->buffers[receiver->last++] =
				(struct net_buffer){
					.head = chain.head,
					.begin = receiver->pool_end,
					.segments = chain.writable,
					.bytes = (uint32_t)chain.writable_bytes,
				};
			receiver->pool_end =
				(uint16_t)(receiver->pool_end + chain.writable);
			receiver->room += (uint32_t)min_u64(
				chain.writable_bytes, WANT_MAX);
			return 1;
		}
		pass->errors++;
		virtq_push(vq, chain.head, 0);
	}
	return 0;
}

/* Cuts the header's place off the first buffer: the frame goes behind it. */
static void carve_header(struct net_receiver *receiver)
{
	struct net_buffer *first = &receiver->buffers[receiver->first];
	size_t left = NET_HEADER_BYTES;

	if (receiver->carved)
		return;
	receiver->carved = true;
	receiver->header_pieces = 0;
	while (left) {
		struct iovec *segment = &receiver->pool[first->begin];
		size_t n = (size_t)min_u64(left, segment->iov_len);

		receiver->header_at[receiver->header_pieces++] =
			(struct iovec){ segment->iov_base, n };
		segment->iov_base = (uint8_t *)segment->iov_base + n;
		segment->iov_len -= n;
		left -= n;
		if (!segment->iov_len) {
			first->begin++;
			first->segments--;
		}
	}
}

static void write_header(const struct net_receiver *receiver)
{
	const uint8_t *from = receiver->header;

	for (unsigned int i = 0; i < receiver->header_pieces; i++) {
		memcpy(receiver->header_at[i].iov_base, from,
		       receiver->header_at[i].iov_len);
		from += receiver->header_at[i].iov_len;
	}
}

/* --- One frame ----------------------------------------------------------- */

/*
 * The line holds a frame of @bytes, header included: those buffers become used
 * together (5.1.6.4.1), the rest stays.
 */
static void deliver(struct virtio_net_pair *pair, uint32_t bytes,
		    struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;
	struct net_header header;
	uint32_t left = bytes;
	uint16_t count = 0;

	while (left) {
		struct net_buffer *buffer =
			&receiver->buffers[receiver->first++];
		uint32_t n = (uint32_t)min_u64(left, buffer->bytes);

		receiver->used[count++] =
			(struct virtq_used){ buffer->head, n };
		receiver->room -= buffer->bytes;
		left -= n;
	}
	net_header_load(receiver->header, &header);
	net_header_store(&header, count, receiver->header);
	write_header(receiver);
	receiver->carved = false;
	virtq_push_batch(vq_of(pair), receiver->used, count);
	pass->packets++;
	pass->bytes += bytes - NET_HEADER_BYTES;
	net_bucket_charge(&pair->nic->receive_limit, bytes - NET_HEADER_BYTES);
}

static void drop_pending(struct virtio_net_pair *pair, struct net_pass *pass)
{
	pair->receiver.pending = 0;
	pass->drops++;
}

/* Copies what it can of the spill into the buffer that is last in line. */
static void unspill(struct net_receiver *receiver)
{
	const struct net_buffer *last = &receiver->buffers[receiver->last - 1];
	const struct iovec *segment = &receiver->pool[last->begin];

	for (unsigned int i = 0; i < last->segments; i++, segment++) {
		uint32_t n = (uint32_t)min_u64(segment->iov_len,
					       receiver->spilled -
						       receiver->unspilled);

		memcpy(segment->iov_base, receiver->spill + receiver->unspilled,
		       n);
		receiver->unspilled += n;
	}
}

/*
 * A frame was longer than the line: takes buffers for the rest of it. False
 * while they are not there.
 */
static bool finish_pending(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;
	const struct virtq *vq = vq_of(pair);

	while (receiver->unspilled < receiver->spilled) {
		int rc = take_buffer(pair, pass);

		if (rc == 1) {
			unspill(receiver);
			continue;
		}
		/* The driver has nothing left that it could offer. */
		if (rc == -ENOSPC ||
		    (rc == 0 && vq->slots_in_flight == vq->layout.size)) {
			drop_pending(pair, pass);
			return true;
		}
		return false;
	}
	deliver(pair, receiver->pending, pass);
	receiver->pending = 0;
	return true;
}

/* Whether the frame of @bytes, header included, is one for this driver. */
static bool accept_frame(struct virtio_net_pair *pair, uint32_t bytes,
			 struct net_pass *pass)
{
	struct virtio_net *nic = pair->nic;
	struct net_receiver *receiver = &pair->receiver;
	struct net_header header;

	if (bytes < NET_HEADER_BYTES + NET_ETHERNET_BYTES || bytes > WANT_MAX) {
		pass->errors++;
		return false;
	}
	net_header_load(receiver->header, &header);
	/* 5.1.4.1: nothing above the MTU but what is to be segmented. */
	if (!net_header_check_received(
		    &header, atomic_load_explicit(&nic->receive_offloads,
						  memory_order_relaxed)) ||
	    (header.gso_type == VIRTIO_NET_HDR_GSO_NONE &&
	     bytes - NET_HEADER_BYTES > nic->frame_max)) {
		pass->drops++;
		return false;
	}
	net_header_store(&header, 0, receiver->header);
	return true;
}

/* Reads one frame into the line, which is not empty. */
static void receive_frame(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;
	uint16_t begin;
	ssize_t got;

	carve_header(receiver);
	begin = (uint16_t)(receiver->buffers[receiver->first].begin - 1);
	receiver->pool[begin] =
		(struct iovec){ receiver->header, NET_HEADER_BYTES };
	receiver->pool[receiver->pool_end] =
		(struct iovec){ receiver->spill, NET_FRAME_MAX_BYTES + 1 };
	got = net_receive(pair->nic->net, pair->index, receiver->pool + begin,
			  receiver->pool_end - begin + 1U);
	if (got < 0) {
		receiver->input = false;
		if (got != -EAGAIN)
			pass->errors++;
		return;
	}
	if (!accept_frame(pair, (uint32_t)got, pass))
		return;
	receiver->want = (uint32_t)max_u64(
		(uint64_t)got, receiver->want - receiver->want / 16);
	if ((uint32_t)got <= receiver->room) {
		deliver(pair, (uint32_t)got, pass);
		return;
	}
	if (!receiver->mergeable) {
		pass->drops++;
		return;
	}
	receiver->pending = (uint32_t)got;
	receiver->spilled = (uint32_t)got - receiver->room;
	receiver->unspilled = 0;
	if (!finish_pending(pair, pass))
		io_context_arm(pair->context, &receiver->timer,
			       BUFFERS_TIMEOUT_NS);
}

/* --- A pass -------------------------------------------------------------- */

/* Buffers for the next frame: as many as it may need, if there are; without
 * MRG_RXBUF one. False when there are none at all. */
static bool fill_line(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;

	while (receiver->first == receiver->last ||
	       (receiver->mergeable && receiver->room < receiver->want)) {
		if (take_buffer(pair, pass) != 1)
			break;
	}
	return receiver->first != receiver->last;
}

/*
 * Buffers ran out: true when there are some by now. Else the driver kicks once
 * it has added some; one that adds some at this moment may not, but then we
 * see them here.
 */
static bool await_buffers(struct virtq *vq)
{
	if (!virtq_enable_kicks(vq))
		return false;
	virtq_disable_kicks(vq);
	return true;
}

/* True to go on, false when the pass has to end. */
static bool receive_next(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_receiver *receiver = &pair->receiver;
	int64_t wait_ns;

	if (receiver->pending) {
		if (!finish_pending(pair, pass))
			return await_buffers(vq_of(pair));
		io_context_disarm(pair->context, &receiver->timer);
		return true;
	}
	if (!fill_line(pair, pass))
		return await_buffers(vq_of(pair));
	wait_ns = net_bucket_wait_ns(&pair->nic->receive_limit, 1);
	if (wait_ns) {
		pass->retries++;
		io_context_arm(pair->context, &receiver->timer, wait_ns);
		return false;
	}
	receive_frame(pair, pass);
	return true;
}

/* The number of frames that came. */
static unsigned int receive(struct virtio_net_pair *pair)
{
	struct net_receiver *receiver = &pair->receiver;
	struct virtio_device *device = &pair->nic->device;
	struct net_pass pass = { 0 };

	pthread_mutex_lock(&pair->lock);
	if (pair->active && atomic_load(&pair->nic->link_up)) {
		virtq_disable_kicks(vq_of(pair));
		while (receiver->input || receiver->pending) {
			if (net_pass_is_over(&pass)) {
				virtio_kick_again(device, 2 * pair->index);
				break;
			}
			if (!receive_next(pair, &pass))
				break;
		}
		virtio_interrupt(device, 2 * pair->index);
	}
	pthread_mutex_unlock(&pair->lock);
	net_counters_add(&receiver->counters, &pass);
	return (unsigned int)pass.packets;
}

static void on_input(struct io_watch *watch)
{
	struct virtio_net_pair *pair = watch->opaque;
	struct virtio_device *device = &pair->nic->device;
	unsigned int frames;

	pair->receiver.input = true;
	if (virtio_device_failed(device))
		return;
	frames = receive(pair);
	if (frames)
		io_context_found(pair->context, frames);
	net_check_queue(device, 2 * pair->index);
}

/* A limit lets us go on, or buffers did not come in time. */
static void on_timer(struct io_timer *timer)
{
	struct virtio_net_pair *pair = timer->opaque;
	struct virtio_device *device = &pair->nic->device;
	struct net_pass pass = { 0 };

	if (virtio_device_failed(device))
		return;
	if (pair->receiver.pending) {
		drop_pending(pair, &pass);
		net_counters_add(&pair->receiver.counters, &pass);
	}
	(void)receive(pair);
	net_check_queue(device, 2 * pair->index);
}

/* --- Life ---------------------------------------------------------------- */

static void start(struct virtio_net_pair *pair)
{
	struct net_receiver *receiver = &pair->receiver;
	struct virtio_device *device = &pair->nic->device;
	struct err err = { 0 };

	forget_line(receiver);
	receiver->want = WANT_MIN;
	receiver->mergeable =
		virtio_has_feature(device, VIRTIO_NET_F_MRG_RXBUF);
	receiver->timer = (struct io_timer){
		.expired = on_timer,
		.opaque = pair,
	};
	receiver->watch = (struct io_watch){
		.fd = pair->nic->net->fds[pair->index],
		.ready = on_input,
		.opaque = pair,
	};
	if (io_context_watch(pair->context, &receiver->watch, &err)) {
		virtio_device_fail(device, err.msg);
		return;
	}
	receiver->watched = true;
	receiver->input = true;
}

void net_receive_kick(struct virtio_net_pair *pair)
{
	if (!pair->receiver.watched)
		start(pair);
	if (pair->receiver.watched)
		(void)receive(pair);
}

void net_receive_stop(struct virtio_net_pair *pair)
{
	struct net_receiver *receiver = &pair->receiver;

	if (!receiver->watched)
		return;
	io_context_unwatch(pair->context, &receiver->watch);
	io_context_disarm(pair->context, &receiver->timer);
	receiver->watched = false;
	receiver->input = false;
	forget_line(receiver);
}
