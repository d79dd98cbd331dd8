/*
 * One request: from a chain to the backend, and back to the driver.
 *
 * What the driver wrote is copied once (the header, the ranges), then checked,
 * then used. Its data is never looked at.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"
#include "core/util.h"
#include "virtio/blk_internal.h"

#define SECTOR	     BLOCK_SECTOR_BYTES
#define HEADER_BYTES sizeof(struct virtio_blk_outhdr)
#define RANGE_BYTES  sizeof(struct virtio_blk_discard_write_zeroes)
/* Submitted: no status yet. */
#define PENDING	     (-1)

int64_t blk_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* --- Back to the driver -------------------------------------------------- */

static unsigned int log2_bucket(uint64_t value, unsigned int buckets)
{
	unsigned int bucket =
		value ? 63U - (unsigned int)__builtin_clzll(value) : 0;

	return bucket < buckets ? bucket : buckets - 1;
}

static void count_completion(const struct virtio_blk_request *request,
			     uint8_t status)
{
	struct virtio_blk_queue *queue = request->queue;

	blk_count(queue, BLK_COUNTER(requests) + request->kind, 1);
	if (status != VIRTIO_BLK_S_OK)
		BLK_COUNT(queue, errors, 1);
	else if (request->kind == VIRTIO_BLK_KIND_READ)
		BLK_COUNT(queue, bytes_read, request->io.length_bytes);
	else if (request->kind == VIRTIO_BLK_KIND_WRITE)
		BLK_COUNT(queue, bytes_written, request->io.length_bytes);
	if (queue->blk->measure_latency)
		blk_count(queue,
			  BLK_COUNTER(latency) +
				  log2_bucket((uint64_t)(blk_now_ns() -
							 request->started_ns) /
						      1000,
					      VIRTIO_BLK_LATENCIES),
			  1);
}

void blk_request_complete(struct virtio_blk_request *request, uint8_t status)
{
	struct virtio_blk_queue *queue = request->queue;

	if (request->status)
		*request->status = status;
	count_completion(request, status);
	/* The push's release store comes after the status and the data. */
	virtq_push(virtio_vq(&queue->blk->device, queue->index), request->head,
		   status == VIRTIO_BLK_S_OK ? request->len_ok :
					       request->len_failed);
	io_context_batch(queue->context, &queue->batch);
	blk_queue_put(request);
}

static uint8_t status_of(int result)
{
	if (!result)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* --- Ranges -------------------------------------------------------------- */

static void set_range(struct virtio_blk_request *request)
{
	const struct blk_range *range = &request->ranges[request->range];

	request->io.offset_bytes = range->sector * SECTOR;
	request->io.length_bytes = (uint64_t)range->sectors * SECTOR;
	request->io.unmap = range->unmap;
}

/* Moves on to the next range that is not empty. */
static bool next_range(struct virtio_blk_request *request)
{
	while (++request->range < request->range_count) {
		if (!request->ranges[request->range].sectors)
			continue;
		set_range(request);
		return true;
	}
	return false;
}

/* --- From the backend ---------------------------------------------------- */

static bool hold(const struct virtio_blk_request *request, int result)
{
	const struct virtio_blk *blk = request->queue->blk;

	if ((result != -EIO && result != -ENOSPC) || request->queue->draining)
		return false;
	switch (request->io.op) {
	case BLOCK_READ:
		return blk->on_read_error == VIRTIO_BLK_STOP;
	case BLOCK_WRITE:
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		return blk->on_write_error == VIRTIO_BLK_STOP;
	default:
		/* A flush that failed fails for ever (io/block_uring.h). */
		return false;
	}
}

/* Returns whether it is with the backend or waits for that. */
static bool keep(struct virtio_blk_request *request, int result)
{
	if (result == -EAGAIN)
		blk_queue_wait(request);
	else if (hold(request, result))
		blk_queue_hold(request, result);
	else
		return false;
	return true;
}

static void on_done(struct block_request *io, int result)
{
	struct virtio_blk_request *request =
		container_of(io, struct virtio_blk_request, io);

	while (!result && request->range_count && next_range(request)) {
		result = request->queue->draining ?
				 -ECANCELED :
				 block_submit(request->queue->block, io);
		if (!result)
			return;
	}
	if (!result || !keep(request, result))
		blk_request_complete(request, status_of(result));
}

bool blk_request_again(struct virtio_blk_request *request)
{
	int rc = block_submit(request->queue->block, &request->io);

	if (rc == -EAGAIN)
		return false;
	if (rc && !keep(request, rc))
		blk_request_complete(request, status_of(rc));
	return true;
}

/* --- Limits -------------------------------------------------------------- */

static const bool limits_of[][VIRTIO_BLK_LIMITS] = {
	[VIRTIO_BLK_KIND_READ] = {
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_READ] = true,
		[VIRTIO_BLK_BPS] = true,
		[VIRTIO_BLK_BPS_READ] = true,
	},
	[VIRTIO_BLK_KIND_WRITE] = {
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_WRITE] = true,
		[VIRTIO_BLK_BPS] = true,
		[VIRTIO_BLK_BPS_WRITE] = true,
	},
	/* They move no data, but keep a disk busy all the same. */
	[VIRTIO_BLK_KIND_DISCARD] = {
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_WRITE] = true,
	},
	[VIRTIO_BLK_KIND_ZEROES] = {
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_WRITE] = true,
	},
	[VIRTIO_BLK_KINDS - 1] = { false },
};

static uint64_t amount(const struct virtio_blk_request *request, int limit)
{
	return limit < VIRTIO_BLK_BPS ? 1 : request->io.length_bytes;
}

/* How long the limits make it wait. */
static int64_t wait_for_rates(const struct virtio_blk_request *request)
{
	struct virtio_blk *blk = request->queue->blk;
	const bool *limits = limits_of[request->kind];
	int64_t now = blk_now_ns();
	int64_t longest = 0;

	pthread_mutex_lock(&blk->rate_lock);
	for (int i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		int64_t wait = 0;

		if (limits[i])
			wait = rate_wait_ns(&blk->rates[i], amount(request, i),
					    now);
		if (wait > longest)
			longest = wait;
	}
	pthread_mutex_unlock(&blk->rate_lock);
	return longest;
}

/* Apart from waiting: only what was submitted counts. */
static void charge_rates(const struct virtio_blk_request *request)
{
	struct virtio_blk *blk = request->queue->blk;
	int64_t now = blk_now_ns();

	pthread_mutex_lock(&blk->rate_lock);
	for (int i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		if (limits_of[request->kind][i])
			rate_charge(&blk->rates[i], amount(request, i), now);
	}
	pthread_mutex_unlock(&blk->rate_lock);
}

/* --- What the driver asks for -------------------------------------------- */

/* A request that is being read. */
struct parse {
	struct virtio_blk_request *request;
	const struct virtq_chain *chain;
	/* The driver's data without the header, ours without the status. */
	struct iovec *out;
	struct iovec *in;
	uint16_t out_count;
	uint16_t in_count;
	uint64_t out_bytes;
	uint64_t in_bytes;
	uint64_t sector;
};

/* Whether [sector, sector + bytes) is on the disk (64 bits, no wrap). */
static bool on_disk(struct virtio_blk *blk, uint64_t sector, uint64_t bytes)
{
	uint64_t capacity =
		atomic_load_explicit(&blk->capacity, memory_order_relaxed);

	return bytes % SECTOR == 0 && sector <= capacity &&
	       bytes / SECTOR <= capacity - sector;
}

/* Each parse_ returns PENDING for what is to be submitted, or the status. */

static int parse_transfer(const struct parse *parse, bool write)
{
	struct virtio_blk_request *request = parse->request;
	struct virtio_blk *blk = request->queue->blk;
	uint64_t bytes = write ? parse->out_bytes : parse->in_bytes;

	request->kind = write ? VIRTIO_BLK_KIND_WRITE : VIRTIO_BLK_KIND_READ;
	if (write && blk->info.read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!on_disk(blk, parse->sector, bytes))
		return VIRTIO_BLK_S_IOERR;
	request->io.op = write ? BLOCK_WRITE : BLOCK_READ;
	request->io.durable =
		write &&
		atomic_load_explicit(&blk->durable, memory_order_relaxed);
	request->io.iov = write ? parse->out : parse->in;
	request->io.iov_count = write ? parse->out_count : parse->in_count;
	request->io.offset_bytes = parse->sector * SECTOR;
	request->io.length_bytes = bytes;
	return bytes ? PENDING : VIRTIO_BLK_S_OK;
}

static int parse_id(const struct parse *parse)
{
	struct virtio_blk_request *request = parse->request;
	const struct virtio_blk *blk = request->queue->blk;
	uint8_t id[VIRTIO_BLK_ID_BYTES];
	size_t len = (size_t)min_u64(parse->in_bytes, sizeof(id));
	const struct virtq_chain data = {
		.iov = parse->in,
		.writable = parse->in_count,
	};

	request->kind = VIRTIO_BLK_KIND_ID;
	memcpy(id, blk->serial, sizeof(id));
	virtq_chain_write(&data, 0, id, len);
	if (len < parse->in_bytes)
		request->len_ok = (uint32_t)len;
	return VIRTIO_BLK_S_OK;
}

/* 5.2.6.2: unknown flags, and unmap for DISCARD, are not supported. */
static int parse_range(struct virtio_blk_request *request,
		       const struct virtio_blk_discard_write_zeroes *from,
		       bool zeroes, struct blk_range *range)
{
	uint32_t flags = le32toh(from->flags);

	range->sector = le64toh(from->sector);
	range->sectors = le32toh(from->num_sectors);
	range->unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0U))
		return VIRTIO_BLK_S_UNSUPP;
	if (!on_disk(request->queue->blk, range->sector,
		     (uint64_t)range->sectors * SECTOR))
		return VIRTIO_BLK_S_IOERR;
	return PENDING;
}

static int parse_ranges(const struct parse *parse, bool zeroes)
{
	struct virtio_blk_request *request = parse->request;
	struct virtio_blk *blk = request->queue->blk;
	struct virtio_blk_discard_write_zeroes copy[BLK_MAX_RANGES];
	const struct virtq_chain data = {
		.iov = parse->out,
		.readable = parse->out_count,
	};
	uint64_t count = parse->out_bytes / RANGE_BYTES;

	request->kind = zeroes ? VIRTIO_BLK_KIND_ZEROES :
				 VIRTIO_BLK_KIND_DISCARD;
	if (!virtio_has_feature(&blk->device,
				zeroes ? VIRTIO_BLK_F_WRITE_ZEROES :
					 VIRTIO_BLK_F_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	if (!count || count > BLK_MAX_RANGES ||
	    parse->out_bytes % RANGE_BYTES != 0)
		return VIRTIO_BLK_S_IOERR;
	virtq_chain_read(&data, 0, copy, (size_t)parse->out_bytes);
	/* The segments are not needed any more: the ranges take their place.
	 * All of them are good before the first is acted on. */
	for (uint64_t i = 0; i < count; i++) {
		int status = parse_range(request, &copy[i], zeroes,
					 &request->ranges[i]);

		if (status != PENDING)
			return status;
	}
	request->io.op = zeroes ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD;
	request->io.durable = zeroes && atomic_load(&blk->durable);
	request->range_count = (uint16_t)count;
	request->range = UINT16_MAX;
	return next_range(request) ? PENDING : VIRTIO_BLK_S_OK;
}

static int parse_flush(const struct parse *parse)
{
	struct virtio_blk_request *request = parse->request;

	request->kind = VIRTIO_BLK_KIND_FLUSH;
	request->io.op = BLOCK_FLUSH;
	request->io.offset_bytes = 0;
	request->io.length_bytes = 0;
	return request->queue->blk->info.read_only ? VIRTIO_BLK_S_OK : PENDING;
}

/* Cuts off the header and the status, mostly segments of their own. */
static void parse_layout(struct parse *parse)
{
	const struct virtq_chain *chain = parse->chain;
	struct virtio_blk_request *request = parse->request;

	parse->out = chain->iov;
	parse->out_count = chain->readable;
	parse->in = chain->iov + chain->readable;
	parse->in_count = chain->writable;
	request->len_ok = (uint32_t)chain->writable_bytes;
	request->len_failed = chain->writable_bytes == 1;
	request->status = NULL;
	if (chain->writable_bytes) {
		const struct iovec *last = &parse->in[parse->in_count - 1];

		request->status = (uint8_t *)last->iov_base + last->iov_len - 1;
		parse->in_bytes = chain->writable_bytes - 1;
		virtq_iov_cut(&parse->in, &parse->in_count, 0, 1);
	}
}

static int parse_header(struct parse *parse)
{
	struct virtio_blk_outhdr header;

	if (virtq_chain_read(parse->chain, 0, &header, HEADER_BYTES) !=
	    HEADER_BYTES)
		return VIRTIO_BLK_S_IOERR;
	parse->out_bytes = parse->chain->readable_bytes - HEADER_BYTES;
	virtq_iov_cut(&parse->out, &parse->out_count, HEADER_BYTES, 0);
	parse->sector = le64toh(header.sector);
	switch (le32toh(header.type)) {
	case VIRTIO_BLK_T_IN:
		return parse_transfer(parse, false);
	case VIRTIO_BLK_T_OUT:
		return parse_transfer(parse, true);
	case VIRTIO_BLK_T_FLUSH:
		return parse_flush(parse);
	case VIRTIO_BLK_T_GET_ID:
		return parse_id(parse);
	case VIRTIO_BLK_T_DISCARD:
		return parse_ranges(parse, false);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return parse_ranges(parse, true);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static int parse_chain(struct virtio_blk_request *request,
		       const struct virtq_chain *chain)
{
	struct parse parse = { .request = request, .chain = chain };

	request->head = chain->head;
	request->kind = VIRTIO_BLK_KIND_OTHER;
	request->range_count = 0;
	request->io.unmap = false;
	request->io.length_bytes = 0;
	parse_layout(&parse);
	/* Without room for an answer nothing is done. */
	if (!request->status)
		return VIRTIO_BLK_S_IOERR;
	return parse_header(&parse);
}

enum blk_start blk_request_start(struct virtio_blk_request *request,
				 const struct virtq_chain *chain,
				 int64_t *ret_wait_ns)
{
	struct virtio_blk *blk = request->queue->blk;
	int status = parse_chain(request, chain);
	int rc;

	request->io.done = on_done;
	if (blk->measure_latency)
		request->started_ns = blk_now_ns();
	if (status != PENDING) {
		blk_request_complete(request, (uint8_t)status);
		return BLK_STARTED;
	}
	if (blk->limited) {
		int64_t wait = wait_for_rates(request);

		if (wait) {
			*ret_wait_ns = wait;
			return BLK_LIMITED;
		}
	}
	rc = block_submit(request->queue->block, &request->io);
	if (rc == -EAGAIN)
		return BLK_FULL;
	if (blk->limited)
		charge_rates(request);
	if (rc && !keep(request, rc))
		blk_request_complete(request, status_of(rc));
	return BLK_STARTED;
}
