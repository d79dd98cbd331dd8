/*
 * Each request is a small machine: `issue` turns its state into a submission,
 * `on_done` moves the state on and either issues again or finishes. Most
 * requests are issued once and finish with the first completion.
 *
 * Three ways lead to the data. DIRECT: the request's own segments to the file.
 * CACHED: the same through the page cache, for offsets that direct I/O cannot
 * address; the kernel keeps both views of a file coherent. BOUNCE: a piece at a
 * time through an aligned buffer, for memory that direct I/O cannot address.
 */
#include "io/block_uring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "io/uring.h"

/* Requests that are worth a call of the kernel. */
#define BATCH_PART   8
#define BOUNCE_BYTES (256 * KIB)
#define BOUNCE_ALIGN 4096
/* For what the kernel has no room for now. */
#define RETRY_NS     100000
#define RETRIES_MAX  10000

enum way {
	DIRECT,
	CACHED,
	BOUNCE,
};

enum zero_way {
	PUNCH_HOLE,
	ZERO_RANGE,
	WRITE_ZEROES,
};

struct work {
	struct uring_op op;
	struct block_uring *block;
	struct work *next; /* waiting */
	uint64_t done_bytes;
	struct iovec saved; /* iov[iov_at] as it was */
	uint16_t iov_at; /* the first segment with something left */
	uint16_t retries;
	uint8_t way;
	uint8_t zero_way;
	bool sync; /* the data is there, now make it durable */
} __attribute__((may_alias)); /* lives in struct block_request's words */

struct block_uring {
	struct block block;
	struct block_file *file; /* borrowed */
	struct iothread *io; /* borrowed */
	struct uring *uring; /* the thread's */
	int slot; /* of file->fd, or -1 */
	int cached_slot;
	struct work *waiting; /* could not be issued again, in no order */
	struct io_timer retry;
	void *bounce; /* owned, made when it is first needed */
	bool bounce_used;
	unsigned int in_flight;
};

_Static_assert(sizeof(struct work) <=
		       sizeof(((struct block_request *)0)->backend),
	       "struct block_request has too little room for us");

static struct work *work_of(struct block_request *request)
{
	return (void *)request->backend;
}

static struct block_request *request_of(struct work *work)
{
	return container_of((void *)work, struct block_request, backend);
}

/* --- Segments ------------------------------------------------------------ */

/* Leaves the first @bytes of what is left out. */
static void iov_advance(struct work *work, uint64_t bytes)
{
	struct block_request *request = request_of(work);

	while (bytes) {
		struct iovec *at = &request->iov[work->iov_at];

		if (bytes < at->iov_len) {
			at->iov_base = (char *)at->iov_base + bytes;
			at->iov_len -= bytes;
			return;
		}
		bytes -= at->iov_len;
		*at = work->saved;
		if (++work->iov_at < request->iov_count)
			work->saved = request->iov[work->iov_at];
	}
}

static void iov_restore(struct work *work)
{
	struct block_request *request = request_of(work);

	if (work->iov_at < request->iov_count)
		request->iov[work->iov_at] = work->saved;
}

/* Copies between the bounce buffer and the first @bytes of what is left. */
static void iov_copy(struct work *work, uint64_t bytes, bool to_iov)
{
	const struct block_request *request = request_of(work);
	const struct iovec *at = &request->iov[work->iov_at];
	char *bounce = work->block->bounce;

	for (; bytes; at++) {
		size_t n = (size_t)min_u64(bytes, at->iov_len);

		if (to_iov)
			memcpy(at->iov_base, bounce, n);
		else
			memcpy(bounce, at->iov_base, n);
		bounce += n;
		bytes -= n;
	}
}

static bool iov_aligned(const struct block_file *file,
			const struct block_request *request)
{
	uintptr_t addresses = 0;
	size_t lengths = 0;

	for (unsigned int i = 0; i < request->iov_count; i++) {
		addresses |= (uintptr_t)request->iov[i].iov_base;
		lengths |= request->iov[i].iov_len;
	}
	return !(addresses & (file->memory_align - 1)) &&
	       !(lengths & (file->offset_align - 1));
}

/* --- Issuing ------------------------------------------------------------- */

static uint64_t left(struct work *work)
{
	return request_of(work)->length_bytes - work->done_bytes;
}

static void use_file(struct io_uring_sqe *sqe, const struct work *work)
{
	const struct block_uring *block = work->block;
	int slot = work->way == CACHED ? block->cached_slot : block->slot;

	if (slot >= 0) {
		sqe->fd = slot;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
}

static int fd_of(const struct work *work)
{
	const struct block_file *file = work->block->file;

	return work->way == CACHED ? file->cached_fd : file->fd;
}

static void prepare_transfer(struct io_uring_sqe *sqe, struct work *work)
{
	const struct block_request *request = request_of(work);
	uint64_t offset = request->offset_bytes + work->done_bytes;
	const struct iovec *iov = &request->iov[work->iov_at];
	unsigned int count = (unsigned int)request->iov_count - work->iov_at;
	bool write = request->op == BLOCK_WRITE;
	struct iovec bounce;

	if (work->way == BOUNCE) {
		bounce = (struct iovec){
			work->block->bounce,
			(size_t)min_u64(left(work), BOUNCE_BYTES),
		};
		iov = &bounce;
		count = 1;
		if (write)
			iov_copy(work, bounce.iov_len, false);
	}
	/* A single segment needs no copy of the array in the kernel. */
	if (count == 1)
		io_uring_prep_rw(write ? IORING_OP_WRITE : IORING_OP_READ, sqe,
				 fd_of(work), iov->iov_base,
				 (unsigned int)iov->iov_len, offset);
	else
		io_uring_prep_rw(write ? IORING_OP_WRITEV : IORING_OP_READV,
				 sqe, fd_of(work), iov, count, offset);
	if (write && request->durable)
		sqe->rw_flags = RWF_DSYNC;
}

static void prepare_zeroes(struct io_uring_sqe *sqe, struct work *work)
{
	const struct block_request *request = request_of(work);
	uint64_t offset = request->offset_bytes + work->done_bytes;
	int mode = FALLOC_FL_KEEP_SIZE;

	if (work->zero_way == WRITE_ZEROES) {
		io_uring_prep_write(sqe, fd_of(work), work->block->file->zeroes,
				    (unsigned int)min_u64(left(work),
							  BLOCK_ZEROES_BYTES),
				    offset);
		return;
	}
	mode |= work->zero_way == PUNCH_HOLE ? FALLOC_FL_PUNCH_HOLE :
					       FALLOC_FL_ZERO_RANGE;
	io_uring_prep_fallocate(sqe, fd_of(work), mode, (off_t)offset,
				(off_t)left(work));
}

/* Done already, but `done` has to come from the loop. */
static bool nothing_to_do(struct work *work)
{
	const struct block_file *file = work->block->file;

	switch (request_of(work)->op) {
	case BLOCK_FLUSH:
		return file->cache == BLOCK_CACHE_UNSAFE;
	case BLOCK_DISCARD:
		return atomic_load(&file->no_punch_hole);
	default:
		return false;
	}
}

/*
 * A disk has nothing to do while a whole batch is made, and would get it in one
 * group, answer in one, and wait again. The kernel takes it in parts.
 */
static void submit_part(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) >= BATCH_PART)
		uring_enter(uring, URING_SUBMIT, NULL);
}

static bool issue(struct work *work)
{
	const struct block_request *request = request_of(work);
	struct io_uring_sqe *sqe;

	submit_part(work->block->uring);
	sqe = uring_sqe(work->block->uring, &work->op);
	if (!sqe)
		return false;
	if (nothing_to_do(work)) {
		io_uring_prep_nop(sqe);
		return true;
	}
	if (request->op == BLOCK_FLUSH || work->sync) {
		io_uring_prep_fsync(sqe, fd_of(work), IORING_FSYNC_DATASYNC);
	} else if (request->op == BLOCK_READ || request->op == BLOCK_WRITE) {
		prepare_transfer(sqe, work);
	} else {
		prepare_zeroes(sqe, work);
	}
	use_file(sqe, work);
	return true;
}

/* --- Going on ------------------------------------------------------------ */

static void wait_to_issue(struct work *work)
{
	struct block_uring *block = work->block;

	work->next = block->waiting;
	block->waiting = work;
	if (!block->retry.armed)
		io_context_arm(iothread_context(block->io), &block->retry,
			       RETRY_NS);
}

static void issue_again(struct work *work)
{
	if (!issue(work))
		wait_to_issue(work);
}

static void on_retry(struct io_timer *timer)
{
	struct block_uring *block = timer->opaque;
	struct work *work = block->waiting;

	block->waiting = NULL;
	while (work) {
		struct work *next = work->next;

		issue_again(work);
		work = next;
	}
}

static void finish(struct work *work, int result)
{
	struct block_request *request = request_of(work);
	struct block_uring *block = work->block;

	if (request->op == BLOCK_READ || request->op == BLOCK_WRITE) {
		iov_restore(work);
		if (work->way == BOUNCE)
			block->bounce_used = false;
	}
	block->in_flight--;
	request->done(request, result);
}

/* All data is where it belongs. */
static void data_done(struct work *work)
{
	const struct block_request *request = request_of(work);

	if (request->op != BLOCK_WRITE_ZEROES || !request->durable) {
		finish(work, 0);
		return;
	}
	work->sync = true;
	issue_again(work);
}

/* @moved bytes more were read or written. */
static void advance(struct work *work, uint64_t moved)
{
	const struct block_request *request = request_of(work);

	if (work->way == BOUNCE && request->op == BLOCK_READ)
		iov_copy(work, moved, true);
	if (request->op != BLOCK_WRITE_ZEROES)
		iov_advance(work, moved);
	work->done_bytes += moved;
	issue_again(work);
}

static void transfer_done(struct work *work, uint64_t moved)
{
	const struct block_file *file = work->block->file;

	/* The common case: all of it at once, nothing to copy. */
	if (moved == left(work) && work->way != BOUNCE) {
		data_done(work);
		return;
	}
	if (moved >= left(work)) {
		if (request_of(work)->op == BLOCK_READ)
			iov_copy(work, left(work), true);
		data_done(work);
		return;
	}
	/* Direct I/O goes on only where a block begins. */
	if (work->way != CACHED)
		moved = align_down(moved, file->offset_align);
	if (moved)
		advance(work, moved);
	else
		finish(work, -EIO);
}

/* A file system without the operation, or a device that cannot do it there. */
static bool not_supported(int error)
{
	return error == -EOPNOTSUPP || error == -ENOSYS || error == -ENODEV;
}

static void zeroes_failed(struct work *work, int error)
{
	const struct block_request *request = request_of(work);
	struct block_file *file = work->block->file;

	if (!not_supported(error) || work->zero_way == WRITE_ZEROES) {
		finish(work, error);
		return;
	}
	atomic_store(work->zero_way == PUNCH_HOLE ? &file->no_punch_hole :
						    &file->no_zero_range,
		     true);
	/* virtio 1.2, 5.2.6: to discard is allowed, not owed. */
	if (request->op == BLOCK_DISCARD) {
		finish(work, 0);
		return;
	}
	work->zero_way++;
	issue_again(work);
}

static void failed(struct work *work, int error)
{
	const struct block_request *request = request_of(work);

	if (error == -EINTR && work->retries < RETRIES_MAX) {
		work->retries++;
		issue_again(work);
		return;
	}
	if (error == -EAGAIN && work->retries < RETRIES_MAX) {
		work->retries++;
		wait_to_issue(work);
		return;
	}
	/*
	 * fsync(2): the kernel tells of a failed write-back once. That may be
	 * to a durable write too, when it was not the write itself that found
	 * no room.
	 */
	if (request->op == BLOCK_FLUSH || work->sync ||
	    (request->op == BLOCK_WRITE && request->durable &&
	     error != -ENOSPC && error != -EDQUOT))
		block_file_fail_flushes(work->block->file, error);
	if ((request->op == BLOCK_DISCARD ||
	     request->op == BLOCK_WRITE_ZEROES) &&
	    !work->sync)
		zeroes_failed(work, error);
	else
		finish(work, error == -EAGAIN ? -EIO : error);
}

static void on_done(struct uring_op *op, int res, uint32_t flags)
{
	struct work *work = container_of(op, struct work, op);
	const struct block_request *request = request_of(work);

	(void)flags;
	if (res < 0)
		failed(work, res);
	else if (request->op == BLOCK_FLUSH || work->sync)
		finish(work, 0);
	else if (request->op == BLOCK_READ || request->op == BLOCK_WRITE ||
		 work->zero_way == WRITE_ZEROES)
		transfer_done(work, (uint64_t)res);
	else
		data_done(work);
}

/* --- Taking requests ----------------------------------------------------- */

static int take_bounce(struct block_uring *block)
{
	if (block->bounce_used)
		return -EAGAIN;
	if (!block->bounce &&
	    posix_memalign(&block->bounce,
			   max_u64(BOUNCE_ALIGN, block->file->memory_align),
			   BOUNCE_BYTES)) {
		block->bounce = NULL;
		return -ENOMEM;
	}
	block->bounce_used = true;
	return 0;
}

/* How the data of @request can be reached; see the top. */
static int choose_way(struct block_uring *block, struct work *work)
{
	const struct block_file *file = block->file;
	const struct block_request *request = request_of(work);
	uint64_t place = request->offset_bytes | request->length_bytes;

	work->way = DIRECT;
	if (file->cache != BLOCK_CACHE_NONE || request->op == BLOCK_FLUSH ||
	    request->op == BLOCK_DISCARD)
		return 0;
	if (place & (file->offset_align - 1)) {
		if (file->cached_fd < 0)
			return -EINVAL;
		work->way = CACHED;
		return 0;
	}
	if (request->op == BLOCK_WRITE_ZEROES || iov_aligned(file, request))
		return 0;
	work->way = BOUNCE;
	return take_bounce(block);
}

static int choose_zeroes(const struct block_uring *block, struct work *work)
{
	struct block_file *file = block->file;
	const struct block_request *request = request_of(work);

	if (request->op == BLOCK_DISCARD && !file->info.discard)
		return -EOPNOTSUPP;
	if (request->op == BLOCK_DISCARD ||
	    (request->unmap && file->info.discard &&
	     !atomic_load(&file->no_punch_hole)))
		work->zero_way = PUNCH_HOLE;
	else if (!atomic_load(&file->no_zero_range))
		work->zero_way = ZERO_RANGE;
	else
		work->zero_way = WRITE_ZEROES;
	return 0;
}

static int prepare(struct block_uring *block, struct work *work)
{
	const struct block_request *request = request_of(work);
	int error;

	switch (request->op) {
	case BLOCK_FLUSH:
		error = atomic_load(&block->file->flush_error);
		if (error)
			return error;
		break;
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		error = choose_zeroes(block, work);
		if (error)
			return error;
		break;
	default:
		work->saved = request->iov[0];
		break;
	}
	if (request->op != BLOCK_READ && request->op != BLOCK_FLUSH &&
	    block->file->info.read_only)
		return -EROFS;
	/* Nothing durable comes after a write that was lost. */
	if (request->durable && request->op != BLOCK_READ &&
	    atomic_load(&block->file->flush_error))
		return atomic_load(&block->file->flush_error);
	return choose_way(block, work);
}

static int submit(struct block *base, struct block_request *request)
{
	struct block_uring *block =
		container_of(base, struct block_uring, block);
	struct work *work = work_of(request);
	uint16_t generation = work->op.generation;
	int rc;

	assert(request->op == BLOCK_FLUSH || request->length_bytes);
	*work = (struct work){
		.op = { .done = on_done, .generation = generation },
		.block = block,
	};
	if (block->file->cache == BLOCK_CACHE_UNSAFE)
		request->durable = false;
	rc = prepare(block, work);
	if (rc)
		return rc;
	if (!issue(work)) {
		if (work->way == BOUNCE)
			block->bounce_used = false;
		return -EAGAIN;
	}
	block->in_flight++;
	return 0;
}

/* --- Life ---------------------------------------------------------------- */

static const struct block_ops block_uring_ops = {
	.submit = submit,
};

static void register_files(void *opaque)
{
	struct block_uring *block = opaque;

	block->slot = uring_register_file(block->uring, block->file->fd);
	if (block->file->cached_fd >= 0)
		block->cached_slot = uring_register_file(
			block->uring, block->file->cached_fd);
}

static void unregister_files(void *opaque)
{
	struct block_uring *block = opaque;

	assert(!block->in_flight);
	io_context_disarm(iothread_context(block->io), &block->retry);
	uring_unregister_file(block->uring, block->slot);
	uring_unregister_file(block->uring, block->cached_slot);
}

int block_uring_new(struct block_file *file, struct iothread *io,
		    struct block **ret_block, struct err *err)
{
	struct block_uring *block = calloc(1, sizeof(*block));

	if (!block)
		return err_sys(err, ENOMEM, "disk image %s", file->path);
	*block = (struct block_uring){
		.block = { .ops = &block_uring_ops },
		.file = file,
		.io = io,
		.uring = iothread_uring(io),
		.slot = -1,
		.cached_slot = -1,
		.retry = { .expired = on_retry, .opaque = block },
	};
	io_context_call(iothread_context(io), register_files, block);
	*ret_block = &block->block;
	return 0;
}

void block_uring_free(struct block *base)
{
	struct block_uring *block;

	if (!base)
		return;
	block = container_of(base, struct block_uring, block);
	io_context_call(iothread_context(block->io), unregister_files, block);
	free(block->bounce);
	free(block);
}
