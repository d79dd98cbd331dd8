#include "io/uring.h"

#include <assert.h>
#include <errno.h>

#include "core/util.h"

/* Completions for each submission: requests that are in flight, and polls. */
#define CQ_FACTOR     8
#define CQ_RESERVE    32
#define GENERATION_AT 48

/* --- Life ---------------------------------------------------------------- */

/*
 * From what the newest kernel has to what 5.13 has; the setup of a ring fails
 * with EINVAL for a flag that it does not know (io_uring_setup(2)).
 * TASKRUN_FLAG is for spinning: completions wait for us to enter the kernel,
 * and it says that there are some.
 */
static const unsigned int setup_flags[] = {
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER |
		IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER,
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SUBMIT_ALL,
	0,
};

static int refuse(int code, struct err *err)
{
	switch (code) {
	case ENOSYS:
		return err_set(err, code,
			       "this kernel has no io_uring, or a seccomp "
			       "filter hides it; allow the io_uring system "
			       "calls");
	case EPERM:
		return err_set(err, code,
			       "io_uring is forbidden here, by "
			       "/proc/sys/kernel/io_uring_disabled or by a "
			       "seccomp filter; allow it");
	case ENOMEM:
		return err_set(err, code,
			       "no memory for an io_uring; raise the limit of "
			       "locked memory (ulimit -l)");
	default:
		return err_sys(err, code, "cannot create an io_uring");
	}
}

/* EXT_ARG: a timeout for the one enter; RSRC_TAGS: came with multishot
 * poll, in 5.13. */
#define NEEDED \
	(IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS)

static int real_enter(struct uring *uring, enum uring_enter how,
		      struct __kernel_timespec *timeout)
{
	struct io_uring_cqe *cqe;

	switch (how) {
	case URING_SUBMIT:
		return io_uring_submit(&uring->ring);
	case URING_PEEK:
		return io_uring_submit_and_get_events(&uring->ring);
	default:
		return timeout ? io_uring_submit_and_wait_timeout(
					 &uring->ring, &cqe, 1, timeout, NULL) :
				 io_uring_submit_and_wait(&uring->ring, 1);
	}
}

int uring_init(struct uring *uring, unsigned int entries, struct err *err)
{
	int rc = -EINVAL;

	*uring = (struct uring){ .enter = real_enter };
	for (size_t i = 0; rc == -EINVAL && i < ARRAY_SIZE(setup_flags); i++) {
		struct io_uring_params params = {
			.flags = setup_flags[i] | IORING_SETUP_R_DISABLED |
				 IORING_SETUP_CQSIZE,
			.cq_entries = entries * CQ_FACTOR,
		};

		uring->setup_flags = params.flags;
		rc = io_uring_queue_init_params(entries, &uring->ring, &params);
	}
	if (rc)
		return refuse(-rc, err);
	if ((uring->ring.features & NEEDED) != NEEDED) {
		io_uring_queue_exit(&uring->ring);
		return err_set(err, ENOSYS,
			       "the io_uring of this kernel is too old; 5.13 "
			       "is the first that will do");
	}
	uring->max_in_flight = entries * CQ_FACTOR;
	if (uring->max_in_flight > 2 * CQ_RESERVE)
		uring->max_in_flight -= CQ_RESERVE;
	uring->has_files =
		!io_uring_register_files_sparse(&uring->ring, URING_FILES);
	return 0;
}

void uring_release(struct uring *uring)
{
	io_uring_queue_exit(&uring->ring);
}

int uring_enable(struct uring *uring, struct err *err)
{
	/* Not io_uring_enable_rings: the shared liburing 2.3 lacks it. */
	int rc = io_uring_register((unsigned int)uring->ring.ring_fd,
				   IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	if (rc)
		return err_sys(err, -rc, "cannot enable an io_uring");
	/* Without it each enter looks the ring's fd up. */
	io_uring_register_ring_fd(&uring->ring);
	return 0;
}

void uring_disable(struct uring *uring)
{
	io_uring_unregister_ring_fd(&uring->ring);
}

/* --- Submitting ---------------------------------------------------------- */

static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
	/* One writer: no locked instruction. */
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

void uring_enter(struct uring *uring, enum uring_enter how,
		 struct __kernel_timespec *timeout)
{
	int rc = uring->enter(uring, how, timeout);

	count(&uring->enters, 1);
	/*
	 * EINTR, ETIME: nothing happened. EAGAIN, EBUSY: the kernel wants
	 * completions to be taken first (io_uring_enter(2)), which is what
	 * the caller does next. What was not submitted stays queued.
	 */
	if (rc < 0 && rc != -EINTR && rc != -ETIME)
		count(&uring->troubles, 1);
}

union user_data {
	uint64_t value;
	struct uring_op *op;
};

/* Addresses of user space have 47 bits; the rest is the generation. */
static uint64_t encode(struct uring_op *op)
{
	union user_data data = { .op = op };

	return data.value | (uint64_t)op->generation << GENERATION_AT;
}

static struct io_uring_sqe *get_sqe(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (sqe)
		return sqe;
	uring_enter(uring, URING_SUBMIT, NULL);
	return io_uring_get_sqe(&uring->ring);
}

struct io_uring_sqe *uring_sqe(struct uring *uring, struct uring_op *op)
{
	struct io_uring_sqe *sqe;

	assert(!op->in_flight);
	if (uring->in_flight >= uring->max_in_flight)
		return NULL;
	sqe = get_sqe(uring);
	if (!sqe)
		return NULL;
	op->generation++;
	op->in_flight = true;
	uring->in_flight++;
	sqe->user_data = encode(op);
	return sqe;
}

bool uring_cancel(struct uring *uring, struct uring_op *op)
{
	struct io_uring_sqe *sqe = get_sqe(uring);

	if (!sqe)
		return false;
	/* POLL_REMOVE would leave a poll alone that is just being told of. */
	io_uring_prep_cancel64(sqe, encode(op), 0);
	sqe->user_data = 0;
	return true;
}

/* --- Completions --------------------------------------------------------- */

static void dispatch(struct uring *uring, const struct io_uring_cqe *cqe)
{
	uint16_t generation = (uint16_t)(cqe->user_data >> GENERATION_AT);
	union user_data data = {
		.value = cqe->user_data & (((uint64_t)1 << GENERATION_AT) - 1),
	};

	/* A cancellation's own. */
	if (!data.op)
		return;
	if (!data.op->in_flight || data.op->generation != generation) {
		count(&uring->stale, 1);
		return;
	}
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		data.op->in_flight = false;
		uring->in_flight--;
	}
	data.op->done(data.op, cqe->res, cqe->flags);
}

unsigned int uring_process(struct uring *uring)
{
	struct io_uring_cq *cq = &uring->ring.cq;
	unsigned int ready = io_uring_cq_ready(&uring->ring);

	for (unsigned int i = 0; i < ready; i++) {
		struct io_uring_cqe cqe = cq->cqes[*cq->khead & cq->ring_mask];

		/* Its place is free before anything new is submitted. */
		io_uring_cq_advance(&uring->ring, 1);
		dispatch(uring, &cqe);
	}
	if (ready)
		count(&uring->completions, ready);
	return ready;
}

/* --- Files --------------------------------------------------------------- */

int uring_register_file(struct uring *uring, int fd)
{
	int slot;

	if (!uring->has_files || uring->files == UINT64_MAX)
		return -1;
	slot = __builtin_ctzll(~uring->files);
	if (io_uring_register_files_update(&uring->ring, (unsigned int)slot,
					   &fd, 1) != 1)
		return -1;
	uring->files |= (uint64_t)1 << slot;
	return slot;
}

void uring_unregister_file(struct uring *uring, int slot)
{
	int none = -1;

	if (slot < 0)
		return;
	uring->files &= ~((uint64_t)1 << slot);
	io_uring_register_files_update(&uring->ring, (unsigned int)slot, &none,
				       1);
}
