/*
 * From the driver to the far end.
 *
 * While a pass runs, kicks are unwanted; it ends when the queue is empty and
 * still is after kicks are enabled. When the far end has no room or a limit is
 * reached, the queue waits for a timer with kicks disabled.
 */
#include <errno.h>

#include "core/util.h"
#include "virtio/net_internal.h"

/* A tap takes everything, so this is rare: no fd tells of room. */
#define RETRY_NS 100000

static struct virtq *vq_of(const struct virtio_net_pair *pair)
{
	return virtio_vq(&pair->nic->device, 2 * pair->index + 1);
}

/* Lets the driver see what was sent, in batches: each costs it a cache line. */
static void push_done(struct virtio_net_pair *pair)
{
	struct net_sender *sender = &pair->sender;

	if (sender->done_count)
		virtq_push_batch(vq_of(pair), sender->done, sender->done_count);
	sender->done_count = 0;
}

static void done(struct virtio_net_pair *pair, uint16_t head)
{
	struct net_sender *sender = &pair->sender;

	sender->done[sender->done_count++] = (struct virtq_used){ head, 0 };
	if (sender->done_count == NET_SENDER_BATCH)
		push_done(pair);
}

/* Whether the chain holds a frame that may be sent; its header is then in
 * sender->header. */
static bool check_frame(struct virtio_net_pair *pair,
			const struct virtq_chain *chain)
{
	uint8_t *bytes = pair->sender.header;
	struct net_header header;

	if (chain->readable_bytes < NET_HEADER_BYTES + NET_ETHERNET_BYTES ||
	    chain->readable_bytes > NET_HEADER_BYTES + NET_FRAME_MAX_BYTES)
		return false;
	virtq_chain_read(chain, 0, bytes, NET_HEADER_BYTES);
	net_header_load(bytes, &header);
	if (!net_header_check_sent(&header, pair->nic->send_offloads,
				   chain->readable_bytes - NET_HEADER_BYTES))
		return false;
	net_header_store(&header, 0, bytes);
	return true;
}

/* Sends from the chain's buffers. What net_send returns. */
static ssize_t send_chain(struct virtio_net_pair *pair,
			  const struct virtq_chain *chain)
{
	struct iovec *iov = chain->iov;
	uint16_t count = chain->readable;

	virtq_iov_cut(&iov, &count, NET_HEADER_BYTES, 0);
	/* Slot 0 of the array, or what the driver's header took. */
	iov--;
	*iov = (struct iovec){ pair->sender.header, NET_HEADER_BYTES };
	return net_send(pair->nic->net, pair->index, iov, count + 1U);
}

/*
 * Deals with one chain. Returns 0 when it is done with, else how many ns it
 * has to wait.
 */
static int64_t send_frame(struct virtio_net_pair *pair,
			  const struct virtq_chain *chain,
			  struct net_pass *pass)
{
	struct virtio_net *nic = pair->nic;
	uint64_t bytes = chain->readable_bytes - NET_HEADER_BYTES;
	int64_t wait_ns;
	ssize_t rc;

	if (!check_frame(pair, chain)) {
		pass->errors++;
		return 0;
	}
	if (!atomic_load_explicit(&nic->link_up, memory_order_relaxed)) {
		pass->drops++;
		return 0;
	}
	wait_ns = net_bucket_wait_ns(&nic->send_limit, bytes);
	if (wait_ns)
		return wait_ns;
	rc = send_chain(pair, chain);
	if (rc == -EAGAIN || rc == -ENOBUFS)
		return RETRY_NS;
	if (rc < 0) {
		pass->drops++;
		return 0;
	}
	net_bucket_charge(&nic->send_limit, bytes);
	pass->packets++;
	pass->bytes += bytes;
	return 0;
}

/* Sends what there is. False when the queue has to wait, or is broken. */
static bool drain(struct virtio_net_pair *pair, struct net_pass *pass)
{
	struct net_sender *sender = &pair->sender;
	struct virtq *vq = vq_of(pair);
	struct virtq_chain chain = { .iov = sender->iov + 1,
				     .iov_max = NET_SEGMENTS };
	int rc = 0;

	while (!net_pass_is_over(pass) && (rc = virtq_pop(vq, &chain)) != 0) {
		int64_t wait_ns = 0;

		if (rc == 1)
			wait_ns = send_frame(pair, &chain, pass);
		else if (rc == -E2BIG)
			pass->errors++;
		else
			break;
		if (wait_ns) {
			virtq_unpop(vq, &chain);
			pass->retries++;
			sender->waiting = true;
			io_context_arm(pair->context, &sender->timer, wait_ns);
			break;
		}
		done(pair, chain.head);
	}
	push_done(pair);
	return !sender->waiting && !virtq_broken(vq);
}

static void send_all(struct virtio_net_pair *pair)
{
	struct virtio_device *device = &pair->nic->device;
	struct virtq *vq = vq_of(pair);
	struct net_pass pass = { 0 };

	do {
		virtq_disable_kicks(vq);
		if (!drain(pair, &pass))
			break;
		if (net_pass_is_over(&pass)) {
			virtio_kick_again(device, 2 * pair->index + 1);
			break;
		}
	} while (virtq_enable_kicks(vq));
	virtio_interrupt(device, 2 * pair->index + 1);
	net_counters_add(&pair->sender.counters, &pass);
}

static void on_timer(struct io_timer *timer)
{
	struct virtio_net_pair *pair = timer->opaque;
	struct virtio_device *device = &pair->nic->device;

	pair->sender.waiting = false;
	if (virtio_device_failed(device))
		return;
	send_all(pair);
	net_check_queue(device, 2 * pair->index + 1);
}

void net_send_kick(struct virtio_net_pair *pair)
{
	struct net_sender *sender = &pair->sender;

	if (sender->waiting)
		return;
	sender->timer.expired = on_timer;
	sender->timer.opaque = pair;
	send_all(pair);
}

void net_send_stop(struct virtio_net_pair *pair)
{
	io_context_disarm(pair->context, &pair->sender.timer);
	pair->sender.waiting = false;
}
