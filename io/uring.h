/*
 * One io_uring, as the backends of io/ use it: who submits something owns a
 * struct uring_op that is called back with the result. The thread that enables
 * the ring is the only one that may touch it from then on; before that,
 * whoever holds it.
 *
 * user_data carries the op's address and the generation of its latest
 * submission, so that a completion which is not the op's own any more is
 * counted and dropped. An op's storage lives as long as the ring, or until it
 * is no longer in flight and no cancellation of it is under way.
 *
 * Source: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
 */
#ifndef IO_URING_H
#define IO_URING_H

#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Files that can be registered with one ring. */
#define URING_FILES 64

struct uring_op {
	/*
	 * @res and @flags are the completion's. Without IORING_CQE_F_MORE it
	 * is the last one of this submission and the op may be submitted
	 * again.
	 */
	void (*done)(struct uring_op *op, int res, uint32_t flags);
	uint16_t generation; /* the ring's own */
	bool in_flight; /* the ring's own */
};

enum uring_enter {
	URING_SUBMIT, /* submit, and no more */
	URING_PEEK, /* submit and bring in what has completed */
	URING_WAIT, /* submit and wait for a completion */
};

struct uring {
	struct io_uring ring;
	unsigned int setup_flags; /* what the kernel took */
	unsigned int in_flight; /* ops */
	/* What the completion queue has room for, polls aside. */
	unsigned int max_in_flight;
	uint64_t files; /* bit n: slot n is in use */
	bool has_files; /* the kernel takes registered files */
	/*
	 * io_uring_enter; @timeout may be NULL. Returns -errno or what it
	 * likes. A test may put its own in front.
	 */
	int (*enter)(struct uring *uring, enum uring_enter how,
		     struct __kernel_timespec *timeout);
	/* Written by the ring's thread, read by any. */
	atomic_uint_fast64_t enters;
	atomic_uint_fast64_t completions;
	atomic_uint_fast64_t stale; /* completions nobody waits for */
	atomic_uint_fast64_t troubles; /* enters that failed */
};

/*
 * A ring that does nothing yet, @entries deep (a power of two), with a
 * completion queue eight times that. The sentence of an error says what stands
 * in the way of io_uring on this host. -ENOSYS, -EPERM, -ENOMEM and others.
 */
int uring_init(struct uring *uring, unsigned int entries, struct err *err);
/* Cancels whatever is in flight, without telling. Any thread. */
void uring_release(struct uring *uring);

/* From here on the ring is the calling thread's. */
int uring_enable(struct uring *uring, struct err *err);
/* The calling thread will not enter the ring again. */
void uring_disable(struct uring *uring);

/*
 * A submission for @op, which is not in flight; the caller prepares it (an
 * io_uring_prep_ function, which leaves user_data alone). NULL when as much is
 * in flight as the completion queue holds, or when the kernel takes no more
 * now: try again after a completion.
 */
struct io_uring_sqe *uring_sqe(struct uring *uring, struct uring_op *op);

/*
 * Takes back what @op, a poll, has submitted; its last completion comes all
 * the same, with -ECANCELED or what it had. False: no room, try again later.
 */
bool uring_cancel(struct uring *uring, struct uring_op *op);

/* Enters the kernel; trouble of the moment is counted, not told. */
void uring_enter(struct uring *uring, enum uring_enter how,
		 struct __kernel_timespec *timeout);

/* Calls back for what has completed. Returns how many. */
unsigned int uring_process(struct uring *uring);

/* Whether uring_process, or an enter before it, would find something. */
static inline bool uring_has_work(const struct uring *uring)
{
	return io_uring_cq_ready(&uring->ring) ||
	       (IO_URING_READ_ONCE(*uring->ring.sq.kflags) &
		(IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

/*
 * Registers @fd, so that the kernel need not look it up for each operation.
 * Returns a number for IOSQE_FIXED_FILE, or -1: use @fd itself.
 */
int uring_register_file(struct uring *uring, int fd);
void uring_unregister_file(struct uring *uring, int slot);

#endif
