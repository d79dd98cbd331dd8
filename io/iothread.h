/*
 * An I/O thread: one io_uring, and the io_context that devices live on.
 *
 * A pass of the thread calls back for what has completed and for the fds that
 * are ready, runs what other threads asked for, then timers, then the ends of
 * batches; whatever those queued goes to the kernel with the one system call
 * that also waits for what comes next. A kick is a multishot poll of an
 * eventfd that nobody reads.
 *
 * With spin_max_ns, a thread that expects something soon looks at its rings
 * before it sleeps. How long adapts: longer while what ends a sleep comes
 * within spin_max_ns, quickly to nothing when it does not. For the machine to
 * allow only where the host has a CPU for it.
 *
 * A thread that shares CPUs with the vCPUs it serves, or with who sends to
 * them, may be let in at each kick and for each frame, for a single one, while
 * a sender that is left to go on until it has to wait would fill the queue. So
 * with `shares_cpus` a thread that often finds just one or two things tries
 * what comes of being scheduled as a batch (sched(7), SCHED_BATCH), which runs
 * when others wait or had their time. Where that does not bring several at
 * once, and those sooner, it only makes things late: the try ends after a few
 * kicks, and the longer it was the later the next one comes.
 */
#ifndef IO_IOTHREAD_H
#define IO_IOTHREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/io_context.h"

struct iothread;
struct uring;

struct iothread_config {
	const char *name; /* of the thread; at most 15 bytes count */
	unsigned int entries; /* of the ring, a power of two; 0: 256 */
	int64_t spin_max_ns; /* 0: never spins */
	bool shares_cpus; /* there are fewer CPUs than busy threads */
};

/* Free running; each of its own, not of one moment. */
struct iothread_stats {
	uint64_t enters; /* system calls */
	uint64_t completions;
	uint64_t stale; /* completions that nobody waited for */
	uint64_t troubles; /* system calls that the kernel refused */
	uint64_t rearmed; /* polls that ended by themselves */
	uint64_t spins;
	uint64_t spin_hits; /* spins that found something */
	uint64_t batch_tries; /* times it was scheduled as a batch */
};

/*
 * Creates the ring; the thread does not run yet. Errors say why there is no
 * io_uring. The caller owns *ret_io. Main thread.
 */
int iothread_new(const struct iothread_config *config, struct iothread **ret_io,
		 struct err *err);
/* Nothing watches or is in flight any more. Takes NULL. Stops the thread. */
void iothread_free(struct iothread *io);

/* Starts the thread, with all signals blocked. Once. */
int iothread_start(struct iothread *io, struct err *err);
/* Ends the thread after the pass it is in. Not on the thread itself. */
void iothread_stop(struct iothread *io);

struct io_context *iothread_context(struct iothread *io);
/* For the backends of io/. */
struct uring *iothread_uring(struct iothread *io);

/* Any thread. */
void iothread_stats(const struct iothread *io,
		    struct iothread_stats *ret_stats);

#endif
