#include "virtio/blk.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "virtio/blk_internal.h"

#define BIT(n) ((uint64_t)1 << (n))

/* A chain's segments less the header and the status (5.2.4). */
#define SEG_MAX		 (VIRTQ_CHAIN_SEGMENTS - 2)
/* A bound on how long one of them keeps a disk busy: 2 GiB, 128 MiB. */
#define DISCARD_SECTORS	 (1U << 22)
#define ZEROES_SECTORS	 (1U << 18)
/* How long a queue waits when no completion of its own will wake it. */
#define FULL_RETRY_NS	 1000000
#define CONFIG_AT(field) ((uint32_t)offsetof(struct virtio_blk_config, field))

_Static_assert(offsetof(struct virtio_blk_config, max_secure_erase_sectors) ==
		       VIRTIO_BLK_CONFIG_BYTES,
	       "the configuration ends with write_zeroes_may_unmap");
_Static_assert(VIRTIO_BLK_ID_LEN == VIRTIO_BLK_ID_BYTES, "5.2.6");

static struct virtio_blk *from_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_blk, device);
}

static struct virtq *vq_of(const struct virtio_blk_queue *queue)
{
	return virtio_vq(&queue->blk->device, queue->index);
}

/* --- Requests of a queue ------------------------------------------------- */

static uint16_t in_flight(const struct virtio_blk_queue *queue)
{
	return (uint16_t)(queue->depth - queue->free_count);
}

/* The last request is back: nothing of the queue is touched any more. */
static void drained(struct virtio_blk_queue *queue)
{
	struct virtio_blk *blk = queue->blk;

	io_context_cancel_batch(queue->context, &queue->batch);
	if (atomic_fetch_sub(&blk->draining, 1) == 1)
		virtio_reset_done(&blk->device);
}

void blk_queue_put(struct virtio_blk_request *request)
{
	struct virtio_blk_queue *queue = request->queue;

	queue->free[queue->free_count++] =
		(uint16_t)(request - queue->requests);
	if (queue->draining && !in_flight(queue))
		drained(queue);
}

static void push_list(struct virtio_blk_request **list,
		      struct virtio_blk_request *request)
{
	request->next = *list;
	*list = request;
}

static struct virtio_blk_request *take_list(struct virtio_blk_request **list)
{
	struct virtio_blk_request *first = *list;

	*list = NULL;
	return first;
}

static void wait_for_room(struct virtio_blk_queue *queue, int64_t wait_ns)
{
	if (!queue->timer.armed)
		io_context_arm(queue->context, &queue->timer, wait_ns);
}

void blk_queue_wait(struct virtio_blk_request *request)
{
	push_list(&request->queue->again, request);
	wait_for_room(request->queue, FULL_RETRY_NS);
}

void blk_queue_hold(struct virtio_blk_request *request, int error)
{
	struct virtio_blk_queue *queue = request->queue;
	struct virtio_blk *blk = queue->blk;

	BLK_COUNT(queue, held, 1);
	push_list(&queue->held, request);
	if (!atomic_exchange(&blk->stopped, true) && blk->stop)
		blk->stop(blk->opaque, blk, error);
}

static void submit_again(struct virtio_blk_queue *queue)
{
	struct virtio_blk_request *request = take_list(&queue->again);

	while (request) {
		struct virtio_blk_request *next = request->next;

		if (!blk_request_again(request))
			blk_queue_wait(request);
		request = next;
	}
}

static void give_up(struct virtio_blk_request *request)
{
	while (request) {
		struct virtio_blk_request *next = request->next;

		blk_request_complete(request, VIRTIO_BLK_S_IOERR);
		request = next;
	}
}

/* --- Serving ------------------------------------------------------------- */

enum take {
	TOOK_ONE,
	TOOK_NONE, /* the queue is empty */
	TOOK_BLOCKED, /* there is a chain, but no room for it */
	TOOK_BROKEN, /* the device failed */
};

static enum take give_back(struct virtio_blk_queue *queue,
			   const struct virtq_chain *chain,
			   enum blk_start start, int64_t wait_ns)
{
	virtq_unpop(vq_of(queue), chain);
	queue->free_count++;
	if (start == BLK_LIMITED) {
		BLK_COUNT(queue, throttled, 1);
		wait_for_room(queue, wait_ns);
		return TOOK_BLOCKED;
	}
	BLK_COUNT(queue, full, 1);
	/* A completion of ours looks again; without one, the timer. */
	if (!in_flight(queue))
		wait_for_room(queue, FULL_RETRY_NS);
	return TOOK_BLOCKED;
}

static enum take take_one(struct virtio_blk_queue *queue)
{
	struct virtio_device *device = &queue->blk->device;
	struct virtq *vq = vq_of(queue);
	struct virtio_blk_request *request;
	struct virtq_chain chain = { .iov_max = VIRTQ_CHAIN_SEGMENTS };
	enum blk_start start;
	int64_t wait_ns = 0;
	int rc;

	if (!queue->free_count)
		return TOOK_BLOCKED;
	request = &queue->requests[queue->free[queue->free_count - 1]];
	chain.iov = request->iov;
	rc = virtq_pop(vq, &chain);
	if (!rc)
		return TOOK_NONE;
	if (rc == -E2BIG) {
		/* There is no way to tell in a status byte. */
		virtq_push(vq, chain.head, 0);
		virtio_device_fail(device, "a request has more segments than "
					   "seg_max");
		return TOOK_BROKEN;
	}
	if (rc < 0) {
		virtio_device_fail(device, virtq_broken(vq));
		return TOOK_BROKEN;
	}
	queue->free_count--;
	request->queue = queue;
	start = blk_request_start(request, &chain, &wait_ns);
	if (start == BLK_STARTED)
		return TOOK_ONE;
	return give_back(queue, &chain, start, wait_ns);
}

static void count_batch(struct virtio_blk_queue *queue, unsigned int taken)
{
	unsigned int bucket = 31U - (unsigned int)__builtin_clz(taken);

	if (bucket >= VIRTIO_BLK_BATCHES)
		bucket = VIRTIO_BLK_BATCHES - 1;
	blk_count(queue, BLK_COUNTER(batches) + bucket, 1);
}

static void serve(struct virtio_blk_queue *queue)
{
	struct virtio_device *device = &queue->blk->device;
	struct virtq *vq = vq_of(queue);
	unsigned int taken = 0;
	enum take took = TOOK_NONE;

	if (queue->draining || virtio_device_failed(device))
		return;
	virtq_disable_kicks(vq);
	do {
		while (taken < VIRTIO_BLK_BUDGET &&
		       (took = take_one(queue)) == TOOK_ONE)
			taken++;
	} while (took == TOOK_NONE && virtq_enable_kicks(vq));
	/* Kicks stay off while chains that are known of wait. */
	queue->blocked = took == TOOK_BLOCKED;
	if (took == TOOK_ONE)
		virtio_kick_again(device, queue->index);
	if (taken)
		count_batch(queue, taken);
}

static void blk_kick(struct virtio_device *device, unsigned int index)
{
	serve(&from_device(device)->queues[index]);
}

/* All completions of a pass are there. */
static void on_batch_end(struct io_batch *batch)
{
	struct virtio_blk_queue *queue =
		container_of(batch, struct virtio_blk_queue, batch);

	if (queue->again)
		submit_again(queue);
	/* First what waits: its chains may complete at once. */
	if (queue->blocked && !queue->timer.armed)
		serve(queue);
	virtio_interrupt(&queue->blk->device, queue->index);
}

static void on_timer(struct io_timer *timer)
{
	struct virtio_blk_queue *queue =
		container_of(timer, struct virtio_blk_queue, timer);

	submit_again(queue);
	serve(queue);
}

/* --- Life of a driver ---------------------------------------------------- */

/* 5.2.6.2: when a write is stable as soon as it is completed. */
static bool writes_durable(const struct virtio_blk *blk)
{
	if (virtio_has_feature(&blk->device, VIRTIO_BLK_F_CONFIG_WCE))
		return !blk->config[CONFIG_AT(wce)];
	if (virtio_has_feature(&blk->device, VIRTIO_BLK_F_FLUSH))
		return blk->info.writethrough;
	return true;
}

static void set_wce(struct virtio_blk *blk, uint8_t wce)
{
	virtio_config_set(&blk->device, CONFIG_AT(wce), &wce, 1);
}

static bool blk_accept_features(struct virtio_device *device, uint64_t features)
{
	struct virtio_blk *blk = from_device(device);
	bool flush = features & BIT(VIRTIO_BLK_F_FLUSH);

	/* 5.2.5.2: without FLUSH, writeback would be a trap. */
	set_wce(blk, !blk->info.writethrough && flush);
	return true;
}

static int make_requests(struct virtio_blk_queue *queue, uint16_t depth,
			 struct err *err)
{
	/* Pages that no request needs are never touched. */
	struct virtio_blk_request *requests = calloc(depth, sizeof(*requests));
	uint16_t *indices = calloc(depth, sizeof(*indices));

	if (!requests || !indices) {
		free(requests);
		free(indices);
		return err_sys(err, ENOMEM, "requests of virtio-blk");
	}
	free(queue->requests);
	free(queue->free);
	queue->requests = requests;
	queue->free = indices;
	queue->depth = depth;
	return 0;
}

static int blk_activate(struct virtio_device *device, struct err *err)
{
	struct virtio_blk *blk = from_device(device);

	for (unsigned int i = 0; i < device->queue_count; i++) {
		struct virtio_blk_queue *queue = &blk->queues[i];
		uint16_t size = vq_of(queue)->layout.size;

		if (!vq_of(queue)->enabled)
			continue;
		if (size != queue->depth && make_requests(queue, size, err))
			return -ENOMEM;
		for (uint16_t n = 0; n < queue->depth; n++)
			queue->free[n] = (uint16_t)(queue->depth - 1 - n);
		queue->free_count = queue->depth;
		queue->blocked = false;
		queue->draining = false;
	}
	atomic_store(&blk->stopped, false);
	atomic_store(&blk->durable, writes_durable(blk));
	return 0;
}

static void drain(void *opaque)
{
	struct virtio_blk_queue *queue = opaque;

	queue->draining = true;
	queue->blocked = false;
	io_context_disarm(queue->context, &queue->timer);
	/* Held back from being the last: the batch ends with the queue. */
	atomic_fetch_add(&queue->blk->draining, 1);
	if (!in_flight(queue)) {
		drained(queue);
		return;
	}
	give_up(take_list(&queue->again));
	give_up(take_list(&queue->held));
}

static int blk_reset(struct virtio_device *device)
{
	struct virtio_blk *blk = from_device(device);

	atomic_store(&blk->draining, 1);
	for (unsigned int i = 0; i < device->queue_count; i++)
		io_context_call(blk->queues[i].context, drain, &blk->queues[i]);
	set_wce(blk, !blk->info.writethrough);
	return atomic_fetch_sub(&blk->draining, 1) == 1 ? 0 : -EINPROGRESS;
}

static void blk_config_write(struct virtio_device *device, uint32_t offset,
			     uint64_t value, unsigned int len)
{
	struct virtio_blk *blk = from_device(device);

	/* 5.2.4: the one field that a driver may write. */
	if (offset != CONFIG_AT(wce) || len != 1 || value > 1 ||
	    !virtio_has_feature(device, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	set_wce(blk, (uint8_t)value);
	atomic_store(&blk->durable, !value);
}

static const struct virtio_device_type blk_type = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.accept_features = blk_accept_features,
	.activate = blk_activate,
	.kick = blk_kick,
	.reset = blk_reset,
	.config_write = blk_config_write,
};

/* --- Description --------------------------------------------------------- */

static uint64_t features_of(const struct virtio_blk_options *options)
{
	const struct block_info *info = options->info;
	uint64_t features =
		BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
		BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_FLUSH);

	if (options->queue_count > 1)
		features |= BIT(VIRTIO_BLK_F_MQ);
	if (info->read_only)
		return features | BIT(VIRTIO_BLK_F_RO);
	features |= BIT(VIRTIO_BLK_F_CONFIG_WCE) |
		    BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	if (info->discard)
		features |= BIT(VIRTIO_BLK_F_DISCARD);
	return features;
}

static void describe(struct virtio_blk *blk,
		     const struct virtio_blk_options *options,
		     uint16_t queue_size)
{
	const struct block_info *info = &blk->info;
	uint32_t logical = info->logical_block_bytes;
	uint32_t physical = info->physical_block_bytes / logical;
	const struct virtio_blk_config config = {
		.capacity = htole64(info->size_bytes / BLOCK_SECTOR_BYTES),
		/* A chain must fit the ring of a driver without INDIRECT. */
		.seg_max = htole32((uint32_t)min_u64(SEG_MAX, queue_size - 2U)),
		.blk_size = htole32(logical),
		.physical_block_exp = (uint8_t)__builtin_ctz(physical),
		.min_io_size = htole16((uint16_t)min_u64(physical, UINT16_MAX)),
		.opt_io_size = htole32(info->optimal_io_bytes / logical),
		.wce = !info->writethrough,
		.num_queues = htole16((uint16_t)options->queue_count),
		.max_discard_sectors = htole32(DISCARD_SECTORS),
		.max_discard_seg = htole32(BLK_MAX_RANGES),
		.discard_sector_alignment =
			htole32(info->discard_bytes / BLOCK_SECTOR_BYTES),
		.max_write_zeroes_sectors = htole32(ZEROES_SECTORS),
		.max_write_zeroes_seg = htole32(BLK_MAX_RANGES),
		.write_zeroes_may_unmap = info->discard,
	};

	memcpy(blk->config, &config, sizeof(blk->config));
	atomic_init(&blk->capacity, info->size_bytes / BLOCK_SECTOR_BYTES);
}

/* --- Life ---------------------------------------------------------------- */

static void set_options(struct virtio_blk *blk,
			const struct virtio_blk_options *options)
{
	*blk = (struct virtio_blk){
		.info = *options->info,
		.on_write_error = options->on_write_error,
		.on_read_error = options->on_read_error,
		.measure_latency = options->measure_latency,
		.stop = options->stop,
		.opaque = options->opaque,
	};
	if (options->serial)
		memcpy(blk->serial, options->serial,
		       strnlen(options->serial, sizeof(blk->serial)));
	for (int i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		rate_init(&blk->rates[i], options->limits[i].per_second,
			  options->limits[i].burst);
		blk->limited |= rate_limited(&blk->rates[i]);
	}
	pthread_mutex_init(&blk->rate_lock, NULL);
}

static int init_queues(struct virtio_blk *blk,
		       const struct virtio_blk_options *options,
		       struct err *err)
{
	blk->queues = calloc(options->queue_count, sizeof(*blk->queues));
	if (!blk->queues)
		return err_sys(err, ENOMEM, "queues of virtio-blk");
	for (unsigned int i = 0; i < options->queue_count; i++) {
		struct virtio_blk_queue *queue = &blk->queues[i];
		int rc;

		queue->blk = blk;
		queue->index = i;
		queue->block = options->backends[i].block;
		queue->context = options->backends[i].context;
		queue->batch.end = on_batch_end;
		queue->timer.expired = on_timer;
		rc = virtio_queue_set_context(&blk->device, i, queue->context,
					      err);
		if (rc)
			return rc;
	}
	return 0;
}

int virtio_blk_init(struct virtio_blk *blk, const struct virtio_env *env,
		    const struct virtio_blk_options *options, struct err *err)
{
	uint16_t queue_size = options->queue_size ? options->queue_size :
						    VIRTIO_BLK_QUEUE_SIZE;
	const struct virtio_device_init init = {
		.type = &blk_type,
		.env = env,
		.features = features_of(options),
		.queue_count = options->queue_count,
		.queue_size = queue_size,
		.config = blk->config,
		.config_size = sizeof(blk->config),
	};
	int rc;

	assert(queue_size >= 4);
	set_options(blk, options);
	describe(blk, options, queue_size);
	rc = virtio_device_init(&blk->device, &init, err);
	if (!rc)
		rc = init_queues(blk, options, err);
	if (rc)
		virtio_blk_release(blk);
	return rc;
}

void virtio_blk_release(struct virtio_blk *blk)
{
	for (unsigned int i = 0; blk->queues && i < blk->device.queue_count;
	     i++) {
		free(blk->queues[i].requests);
		free(blk->queues[i].free);
	}
	free(blk->queues);
	blk->queues = NULL;
	virtio_device_release(&blk->device);
	pthread_mutex_destroy(&blk->rate_lock);
}

/* --- For the machine ----------------------------------------------------- */

void virtio_blk_resize(struct virtio_blk *blk, uint64_t size_bytes)
{
	uint64_t sectors = size_bytes / BLOCK_SECTOR_BYTES;
	uint64_t field = htole64(sectors);

	atomic_store(&blk->capacity, sectors);
	virtio_config_changed(&blk->device, CONFIG_AT(capacity), &field,
			      sizeof(field));
}

static void resume(void *opaque)
{
	struct virtio_blk_queue *queue = opaque;
	struct virtio_blk_request *request = take_list(&queue->held);

	while (request) {
		struct virtio_blk_request *next = request->next;

		push_list(&queue->again, request);
		request = next;
	}
	submit_again(queue);
}

void virtio_blk_resume(struct virtio_blk *blk)
{
	atomic_store(&blk->stopped, false);
	for (unsigned int i = 0; i < blk->device.queue_count; i++)
		io_context_call(blk->queues[i].context, resume,
				&blk->queues[i]);
}

void virtio_blk_stats(const struct virtio_blk *blk, unsigned int queue,
		      struct virtio_blk_stats *ret_stats)
{
	const struct virtio_blk_queue *from = &blk->queues[queue];
	uint64_t values[ARRAY_SIZE(from->counters)] = { 0 };

	_Static_assert(sizeof(values) == sizeof(*ret_stats),
		       "only numbers of 64 bits");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = atomic_load_explicit(&from->counters[i],
						 memory_order_relaxed);
	memcpy(ret_stats, values, sizeof(values));
}
