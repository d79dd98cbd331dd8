#include "virtio/device.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/util.h"

#define BIT(n) ((uint64_t)1 << (n))

#define RING_FEATURES                                                 \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
	 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED))

/* What a driver may set; NEEDS_RESET is ours. */
#define DRIVER_STATUS                                              \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |    \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_FAILED)

/* --- Life ---------------------------------------------------------------- */

static void init_queue(struct virtio_queue *queue, struct virtio_device *device,
		       uint16_t index, uint16_t max_size)
{
	*queue = (struct virtio_queue){
		.device = device,
		.max_size = max_size,
		.index = index,
		.layout = { .size = max_size },
		.kick_fd = -1,
		.call_fd = -1,
	};
	virtq_init(&queue->vq, device->env.gmem);
	pthread_mutex_init(&queue->lock, NULL);
}

int virtio_device_init(struct virtio_device *device,
		       const struct virtio_device_init *init, struct err *err)
{
	assert(init->queue_count && init->queue_count <= VIRTIO_MAX_QUEUES);
	assert(is_power_of_two(init->queue_size) &&
	       init->queue_size <= VIRTQ_MAX_SIZE);
	*device = (struct virtio_device){
		.type = init->type,
		.env = *init->env,
		.offered = init->features | RING_FEATURES,
		.config = init->config,
		.config_size = init->config_size,
	};
	device->queues = calloc(init->queue_count, sizeof(*device->queues));
	if (!device->queues)
		return err_sys(err, ENOMEM, "queues of virtio-%s",
			       init->type->name);
	device->queue_count = init->queue_count;
	for (uint16_t i = 0; i < init->queue_count; i++)
		init_queue(&device->queues[i], device, i, init->queue_size);
	pthread_mutex_init(&device->lock, NULL);
	pthread_mutex_init(&device->drain_lock, NULL);
	pthread_cond_init(&device->drain_cond, NULL);
	pthread_mutex_init(&device->config_lock, NULL);
	return 0;
}

void virtio_device_release(struct virtio_device *device)
{
	if (!device->queues)
		return;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		struct virtio_queue *queue = &device->queues[i];

		assert(!queue->watched);
		if (queue->kick_fd >= 0)
			close(queue->kick_fd);
		pthread_mutex_destroy(&queue->lock);
	}
	free(device->queues);
	device->queues = NULL;
	device->queue_count = 0;
	pthread_mutex_destroy(&device->lock);
	pthread_mutex_destroy(&device->drain_lock);
	pthread_cond_destroy(&device->drain_cond);
	pthread_mutex_destroy(&device->config_lock);
}

int virtio_queue_set_context(struct virtio_device *device, unsigned int index,
			     struct io_context *context, struct err *err)
{
	struct virtio_queue *queue = &device->queues[index];

	assert(index < device->queue_count && !queue->context);
	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0)
		return err_sys(err, errno,
			       "cannot create an eventfd for a "
			       "queue of virtio-%s",
			       device->type->name);
	queue->context = context;
	return 0;
}

/* --- Failing ------------------------------------------------------------- */

bool virtio_device_failed(const struct virtio_device *device)
{
	return atomic_load(&device->status) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void send_config_interrupt(struct virtio_device *device)
{
	pthread_mutex_lock(&device->config_lock);
	/* virtio 1.2, 2.1.2: nothing before DRIVER_OK; 2.4: nor after a reset
	 * was acknowledged. */
	if (device->config_interrupts && device->transport)
		device->transport->config_interrupt(device);
	pthread_mutex_unlock(&device->config_lock);
}

void virtio_device_fail(struct virtio_device *device, const char *what)
{
	atomic_fetch_or(&device->status, VIRTIO_CONFIG_S_NEEDS_RESET);
	if (atomic_exchange(&device->reported, true))
		return;
	if (device->env.report)
		device->env.report(device->env.opaque, device, what);
	send_config_interrupt(device);
}

/* --- Serving a queue ----------------------------------------------------- */

static void serve(struct virtio_queue *queue)
{
	struct virtio_device *device = queue->device;
	uint16_t before = queue->vq.next_avail;
	uint16_t taken;

	if (virtio_device_failed(device))
		return;
	atomic_fetch_add_explicit(&queue->counters.kicks, 1,
				  memory_order_relaxed);
	do {
		queue->again = false;
		device->type->kick(device, queue->index);
	} while (queue->again && !virtio_device_failed(device) &&
		 !atomic_load(&device->cancelled));
	if (virtq_broken(&queue->vq))
		virtio_device_fail(device, virtq_broken(&queue->vq));
	taken = virtq_taken_since(&queue->vq, before);
	if (queue->context && taken)
		io_context_found(queue->context, taken);
}

static void send_interrupt(struct virtio_device *device, unsigned int index)
{
	atomic_fetch_add_explicit(&device->queues[index].counters.interrupts, 1,
				  memory_order_relaxed);
	if (device->transport)
		device->transport->interrupt(device, index);
}

static void write_kick_fd(const struct virtio_queue *queue)
{
	uint64_t one = 1;
	/* EAGAIN: the counter is full, so a kick is pending anyway. */
	ssize_t rc = write(queue->kick_fd, &one, sizeof(one));

	(void)rc;
}

void virtio_kick_again(struct virtio_device *device, unsigned int index)
{
	struct virtio_queue *queue = &device->queues[index];

	if (queue->context)
		write_kick_fd(queue);
	else
		queue->again = true;
}

/* The queue's I/O thread. */
static void on_kick_fd(struct io_watch *watch)
{
	serve(watch->opaque);
}

/* The thread looks for chains for a moment: the driver need not kick. A queue
 * whose kicks are off waits for something else, and is left alone. */
static bool set_spinning(struct io_watch *watch, bool spinning)
{
	struct virtio_queue *queue = watch->opaque;
	bool was_spinning = queue->spinning;

	queue->spinning = spinning && queue->vq.kicks_enabled &&
			  !virtio_device_failed(queue->device);
	if (queue->spinning)
		virtq_silence_kicks(&queue->vq);
	return was_spinning && virtq_enable_kicks(&queue->vq);
}

static bool is_pending(struct io_watch *watch)
{
	struct virtio_queue *queue = watch->opaque;

	return queue->spinning && virtq_has_chains(&queue->vq);
}

/* A lent queue's interrupt that nobody turned into one on its way here. */
static void on_call_fd(struct io_watch *watch)
{
	const struct virtio_queue *queue = watch->opaque;
	struct virtio_device *device = queue->device;

	send_interrupt(device, queue->index);
}

static void start_on_context(void *opaque)
{
	struct virtio_queue *queue = opaque;
	bool lent = queue->call_fd >= 0;
	struct err err = { 0 };

	queue->watch = (struct io_watch){
		.fd = lent ? queue->call_fd : queue->kick_fd,
		.eventfd = true,
		.ready = lent ? on_call_fd : on_kick_fd,
		.pending = lent ? NULL : is_pending,
		.spin = lent ? NULL : set_spinning,
		.opaque = queue,
	};
	if (io_context_watch(queue->context, &queue->watch, &err)) {
		virtio_device_fail(queue->device, err.msg);
		return;
	}
	queue->watched = true;
	if (!lent)
		serve(queue);
}

static void stop_on_context(void *opaque)
{
	struct virtio_queue *queue = opaque;

	if (queue->watched)
		io_context_unwatch(queue->context, &queue->watch);
	queue->watched = false;
}

/* A driver may have filled the queue before DRIVER_OK: it is served once
 * without a kick. */
static void start_queue(struct virtio_queue *queue)
{
	if (!queue->vq.enabled)
		return;
	if (queue->context) {
		io_context_call(queue->context, start_on_context, queue);
		return;
	}
	pthread_mutex_lock(&queue->lock);
	queue->running = true;
	serve(queue);
	pthread_mutex_unlock(&queue->lock);
}

static void stop_queue(struct virtio_queue *queue)
{
	if (queue->context) {
		io_context_call(queue->context, stop_on_context, queue);
		return;
	}
	pthread_mutex_lock(&queue->lock);
	queue->running = false;
	pthread_mutex_unlock(&queue->lock);
}

bool virtio_queue_begin(struct virtio_device *device, unsigned int index)
{
	struct virtio_queue *queue = &device->queues[index];

	assert(!queue->context);
	pthread_mutex_lock(&queue->lock);
	if (queue->running && !virtio_device_failed(device))
		return true;
	pthread_mutex_unlock(&queue->lock);
	return false;
}

void virtio_queue_end(struct virtio_device *device, unsigned int index)
{
	struct virtio_queue *queue = &device->queues[index];
	const char *broken = virtq_broken(&queue->vq);

	pthread_mutex_unlock(&queue->lock);
	if (broken)
		virtio_device_fail(device, broken);
}

void virtio_notify(struct virtio_device *device, uint32_t index)
{
	if (index >= device->queue_count)
		return;
	if (device->queues[index].context) {
		write_kick_fd(&device->queues[index]);
		return;
	}
	if (!virtio_queue_begin(device, index))
		return;
	serve(&device->queues[index]);
	virtio_queue_end(device, index);
}

void virtio_interrupt(struct virtio_device *device, unsigned int index)
{
	struct virtio_queue *queue = &device->queues[index];

	if (!queue->vq.unnotified)
		return;
	if (!virtq_should_notify(&queue->vq)) {
		atomic_fetch_add_explicit(&queue->counters.suppressed, 1,
					  memory_order_relaxed);
		return;
	}
	send_interrupt(device, index);
}

/* --- Lending a queue ----------------------------------------------------- */

static void follow(struct virtio_device *device, unsigned int index, int fd)
{
	if (device->transport && device->transport->follow)
		device->transport->follow(device, index, fd);
}

void virtio_queue_lend(struct virtio_device *device, unsigned int index,
		       int call_fd)
{
	struct virtio_queue *queue = &device->queues[index];

	assert(queue->context && queue->vq.enabled && !queue->watched);
	queue->call_fd = call_fd;
	follow(device, index, call_fd);
}

void virtio_queue_take_back(struct virtio_device *device, unsigned int index)
{
	assert(!device->queues[index].watched);
	device->queues[index].call_fd = -1;
	follow(device, index, -1);
}

/* --- Reset --------------------------------------------------------------- */

void virtio_reset_done(struct virtio_device *device)
{
	pthread_mutex_lock(&device->drain_lock);
	device->drained = true;
	pthread_cond_broadcast(&device->drain_cond);
	pthread_mutex_unlock(&device->drain_lock);
}

/* Everything has stopped: forget what the driver set up. */
static void finish_reset(struct virtio_device *device)
{
	pthread_mutex_lock(&device->config_lock);
	device->config_interrupts = false;
	pthread_mutex_unlock(&device->config_lock);
	for (unsigned int i = 0; i < device->queue_count; i++) {
		struct virtio_queue *queue = &device->queues[i];

		virtq_disable(&queue->vq);
		queue->layout =
			(struct virtq_layout){ .size = queue->max_size };
	}
	device->driver_features = 0;
	device->features = 0;
	device->activated = false;
	device->resetting = false;
	if (device->transport)
		device->transport->was_reset(device);
	atomic_store(&device->reported, false);
	atomic_store(&device->status, 0);
}

static bool wait_drained(struct virtio_device *device, bool wait)
{
	bool drained;

	pthread_mutex_lock(&device->drain_lock);
	while (wait && !device->drained)
		pthread_cond_wait(&device->drain_cond, &device->drain_lock);
	drained = device->drained;
	pthread_mutex_unlock(&device->drain_lock);
	return drained;
}

static void start_reset(struct virtio_device *device)
{
	device->resetting = true;
	device->drained = false;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		if (device->activated)
			stop_queue(&device->queues[i]);
	}
	if (!device->activated || !device->type->reset ||
	    device->type->reset(device) != -EINPROGRESS)
		virtio_reset_done(device);
}

static void reset(struct virtio_device *device, bool wait)
{
	if (!device->resetting)
		start_reset(device);
	if (wait_drained(device, wait))
		finish_reset(device);
}

void virtio_device_cancel(struct virtio_device *device)
{
	atomic_store(&device->cancelled, true);
}

void virtio_device_stop(struct virtio_device *device)
{
	pthread_mutex_lock(&device->lock);
	reset(device, true);
	pthread_mutex_unlock(&device->lock);
}

/* --- Status -------------------------------------------------------------- */

uint8_t virtio_read_status(struct virtio_device *device)
{
	if (device->resetting)
		reset(device, false);
	return (uint8_t)atomic_load(&device->status);
}

/* virtio 1.2, 2.2.2 and 6.1: a subset of what is offered, and VERSION_1,
 * since there is no legacy interface. */
static bool features_acceptable(struct virtio_device *device)
{
	uint64_t features = device->driver_features;

	if (features & ~device->offered)
		return false;
	if (!(features & BIT(VIRTIO_F_VERSION_1)))
		return false;
	return !device->type->accept_features ||
	       device->type->accept_features(device, features);
}

static void activate(struct virtio_device *device)
{
	struct err err = { 0 };

	device->activated = true;
	pthread_mutex_lock(&device->config_lock);
	device->config_interrupts = true;
	pthread_mutex_unlock(&device->config_lock);
	if (device->type->activate && device->type->activate(device, &err)) {
		virtio_device_fail(device, err.msg);
		return;
	}
	for (unsigned int i = 0; i < device->queue_count; i++)
		start_queue(&device->queues[i]);
}

void virtio_write_status(struct virtio_device *device, uint8_t value, bool wait)
{
	uint8_t old = (uint8_t)atomic_load(&device->status);
	/* virtio 1.2, 2.1.1: a driver only ever adds bits. */
	uint8_t set = value & DRIVER_STATUS & (uint8_t)~old;

	if (!value || device->resetting) {
		reset(device, wait && !value);
		return;
	}
	if (set & VIRTIO_CONFIG_S_FEATURES_OK) {
		if (features_acceptable(device))
			device->features = device->driver_features;
		else
			set &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	/* 3.1.1: no way to run without an agreement on features. */
	if (!((old | set) & VIRTIO_CONFIG_S_FEATURES_OK))
		set &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	atomic_fetch_or(&device->status, set);
	if (set & VIRTIO_CONFIG_S_DRIVER_OK)
		activate(device);
}

/* --- Features ------------------------------------------------------------ */

static bool features_agreed(const struct virtio_device *device)
{
	return atomic_load(&device->status) & VIRTIO_CONFIG_S_FEATURES_OK;
}

uint32_t virtio_read_features(const struct virtio_device *device,
			      uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(device->offered >> 32 * select);
}

uint32_t virtio_read_driver_features(const struct virtio_device *device,
				     uint32_t select)
{
	return select > 1 ? 0 :
			    (uint32_t)(device->driver_features >> 32 * select);
}

void virtio_write_driver_features(struct virtio_device *device, uint32_t select,
				  uint32_t value)
{
	uint64_t mask;

	if (select > 1 || features_agreed(device) || device->resetting)
		return;
	mask = (uint64_t)UINT32_MAX << 32 * select;
	device->driver_features = (device->driver_features & ~mask) |
				  (uint64_t)value << 32 * select;
}

/* --- Queues -------------------------------------------------------------- */

struct virtio_queue *virtio_queue_get(struct virtio_device *device,
				      uint32_t index)
{
	return index < device->queue_count ? &device->queues[index] : NULL;
}

bool virtio_queue_writable(const struct virtio_queue *queue)
{
	const struct virtio_device *device = queue->device;

	return features_agreed(device) && !device->activated &&
	       !device->resetting && !queue->vq.enabled;
}

void virtio_queue_enable(struct virtio_queue *queue)
{
	struct virtio_device *device = queue->device;
	const struct virtq_features features = {
		.packed = virtio_has_feature(device, VIRTIO_F_RING_PACKED),
		.event_idx =
			virtio_has_feature(device, VIRTIO_RING_F_EVENT_IDX),
		.indirect =
			virtio_has_feature(device, VIRTIO_RING_F_INDIRECT_DESC),
	};
	struct err err = { 0 };

	if (!virtio_queue_writable(queue))
		return;
	if (virtq_enable(&queue->vq, &queue->layout, &features, queue->max_size,
			 &err))
		virtio_device_fail(device, err.msg);
}

void virtio_queue_disable(struct virtio_queue *queue)
{
	if (!queue->device->activated && !queue->device->resetting)
		virtq_disable(&queue->vq);
}

/* --- Device configuration ------------------------------------------------ */

uint64_t virtio_read_config(struct virtio_device *device, uint64_t offset,
			    unsigned int len)
{
	uint64_t value = 0;

	if (offset >= device->config_size)
		return 0;
	pthread_mutex_lock(&device->config_lock);
	memcpy(&value, device->config + offset,
	       min_u64(len, device->config_size - offset));
	device->config_unread = false;
	pthread_mutex_unlock(&device->config_lock);
	return le64toh(value);
}

void virtio_write_config(struct virtio_device *device, uint64_t offset,
			 uint64_t value, unsigned int len)
{
	if (offset >= device->config_size ||
	    len > device->config_size - offset || !device->type->config_write)
		return;
	device->type->config_write(device, (uint32_t)offset, value, len);
}

void virtio_config_set(struct virtio_device *device, uint32_t offset,
		       const void *bytes, uint32_t len)
{
	assert(offset <= device->config_size &&
	       len <= device->config_size - offset);
	pthread_mutex_lock(&device->config_lock);
	memcpy(device->config + offset, bytes, len);
	/* virtio 1.2, 2.5: inside the lock, so that a driver that read the
	 * halves of a field before and after this sees another generation.
	 * Once for all changes between two reads: of PCI's 8 bits, 256 steps
	 * would lead back to where they began (4.1.4.3.1). */
	if (!device->config_unread)
		atomic_fetch_add(&device->config_generation, 1);
	device->config_unread = true;
	pthread_mutex_unlock(&device->config_lock);
}

void virtio_config_changed(struct virtio_device *device, uint32_t offset,
			   const void *bytes, uint32_t len)
{
	virtio_config_set(device, offset, bytes, len);
	send_config_interrupt(device);
}
