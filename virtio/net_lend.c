/*
 * Queue pairs whose frames an engine moves (struct net_engine, io/net.h).
 *
 * From DRIVER_OK to the reset such a pair is lent: its kicks are not ours to
 * see, and its interrupts come from eventfds that the engine writes. While it
 * is lent the engine moves frames whenever our own code would: the pair is
 * active (5.1.6.5.5) and the link up. In between the rings rest.
 *
 * A driver without MRG_RXBUF is served by our own code: the kernel's engine
 * leaves its num_buffers as it is before Linux 6.14, where it has to be 1
 * (5.1.6.4.1).
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/util.h"
#include "virtio/net_internal.h"

enum {
	RECEIVE,
	SEND,
};

int net_lend_init(struct virtio_net_pair *pair, struct err *err)
{
	struct net_lending *lending = &pair->lending;
	int *const fds[] = { &lending->call_fds[RECEIVE],
			     &lending->call_fds[SEND], &lending->error_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		*fds[i] = -1;
	for (size_t i = 0; pair->nic->engine && i < ARRAY_SIZE(fds); i++) {
		*fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*fds[i] < 0)
			return err_sys(err, errno,
				       "cannot create an eventfd for a NIC");
	}
	return 0;
}

void net_lend_release(struct virtio_net_pair *pair)
{
	const struct net_lending *lending = &pair->lending;
	const int fds[] = { lending->call_fds[RECEIVE], lending->call_fds[SEND],
			    lending->error_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

bool virtio_net_is_lent(const struct virtio_net *nic, unsigned int pair)
{
	return atomic_load(&nic->pairs[pair].lending.shown);
}

/* --- Moving -------------------------------------------------------------- */

static struct virtq *vq_of(const struct virtio_net_pair *pair, int side)
{
	return virtio_vq(&pair->nic->device,
			 2 * pair->index + (unsigned int)side);
}

static struct net_ring ring_of(const struct virtio_net_pair *pair, int side)
{
	const struct virtq *vq = vq_of(pair, side);
	const struct virtio_queue *queue =
		container_of(vq, const struct virtio_queue, vq);

	return (struct net_ring){
		.size = vq->layout.size,
		.next = vq->next_avail,
		.desc = vq->desc,
		.driver = vq->driver,
		.device = vq->device,
		.kick_fd = queue->kick_fd,
		.call_fd = pair->lending.call_fds[side],
	};
}

static int start(struct virtio_net_pair *pair, struct err *err)
{
	struct virtio_net *nic = pair->nic;
	const struct net_handover handover = {
		.fd = nic->net->fds[pair->index],
		.features = nic->device.features,
		.receive = ring_of(pair, RECEIVE),
		.send = ring_of(pair, SEND),
		.error_fd = pair->lending.error_fd,
	};
	int rc = net_engine_start(nic->engine, pair->index, &handover, err);

	if (rc)
		return err_prefix(err, "%s", nic->net->name);
	pair->lending.moving = true;
	/* There may be frames to send that nobody will kick for. */
	virtio_kick_again(&nic->device, 2 * pair->index + SEND);
	return 0;
}

static void stop(struct virtio_net_pair *pair)
{
	uint16_t next[2];

	net_engine_stop(pair->nic->engine, pair->index, &next[RECEIVE],
			&next[SEND]);
	pair->lending.moving = false;
	virtq_continue_at(vq_of(pair, RECEIVE), next[RECEIVE]);
	virtq_continue_at(vq_of(pair, SEND), next[SEND]);
}

int net_lend_update(struct virtio_net_pair *pair, struct err *err)
{
	bool wanted = pair->lending.lent && pair->active &&
		      atomic_load(&pair->nic->link_up);

	if (wanted == pair->lending.moving)
		return 0;
	if (wanted)
		return start(pair, err);
	stop(pair);
	return 0;
}

/* --- Lending ------------------------------------------------------------- */

static void on_error(struct io_watch *watch)
{
	const struct virtio_net_pair *pair = watch->opaque;

	virtio_device_fail(&pair->nic->device,
			   "the host's engine cannot make sense of a queue");
}

static void start_watch(void *opaque)
{
	struct virtio_net_pair *pair = opaque;
	struct net_lending *lending = &pair->lending;
	struct err err = { 0 };

	lending->error_watch = (struct io_watch){
		.fd = lending->error_fd,
		.eventfd = true,
		.ready = on_error,
		.opaque = pair,
	};
	if (io_context_watch(pair->context, &lending->error_watch, &err))
		virtio_device_fail(&pair->nic->device, err.msg);
	else
		lending->watched = true;
}

void net_lend_stop_watch(struct virtio_net_pair *pair)
{
	if (pair->lending.watched)
		io_context_unwatch(pair->context, &pair->lending.error_watch);
	pair->lending.watched = false;
}

/* What was written in another driver's time is not for this one. */
static void forget(int fd)
{
	uint64_t count;
	ssize_t rc = read(fd, &count, sizeof(count));

	(void)rc; /* EAGAIN: there was nothing */
}

void net_lend(struct virtio_net_pair *pair)
{
	struct virtio_device *device = &pair->nic->device;
	struct net_lending *lending = &pair->lending;
	bool can = pair->nic->engine &&
		   virtio_has_feature(device, VIRTIO_NET_F_MRG_RXBUF) &&
		   vq_of(pair, RECEIVE)->enabled && vq_of(pair, SEND)->enabled;

	atomic_store(&lending->shown, can);
	if (!can)
		return;
	forget(lending->error_fd);
	for (int side = RECEIVE; side <= SEND; side++) {
		forget(lending->call_fds[side]);
		virtio_queue_lend(device, 2 * pair->index + (unsigned int)side,
				  lending->call_fds[side]);
	}
	io_context_call(pair->context, start_watch, pair);
	pthread_mutex_lock(&pair->lock);
	/* From a driver before; who is active is yet to be said. */
	pair->active = false;
	lending->lent = true;
	pthread_mutex_unlock(&pair->lock);
}

void net_lend_end(struct virtio_net_pair *pair)
{
	bool lent = pair->lending.lent;

	pthread_mutex_lock(&pair->lock);
	pair->lending.lent = false;
	net_lend_update(pair, NULL);
	pthread_mutex_unlock(&pair->lock);
	for (unsigned int side = RECEIVE; lent && side <= SEND; side++)
		virtio_queue_take_back(&pair->nic->device,
				       2 * pair->index + side);
}
