/*
 * A thread that moves data for devices, seen from the device: it runs
 * functions, watches file descriptors and keeps timers. The thread's own loop
 * (io/iothread, or a double in a test) implements the operations, so that no
 * device needs to know which loop it lives on.
 *
 * A context outlives every device that was given it.
 */
#ifndef CORE_IO_CONTEXT_H
#define CORE_IO_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

struct io_context;

/*
 * A file descriptor that is looked at for input. Owned by the caller, who
 * unwatches it before its storage or its fd goes away.
 */
struct io_watch {
	int fd; /* borrowed */
	/*
	 * eventfd: a kick that carries no data. It was written at least once
	 * since the last call; the implementation may leave its counter
	 * unread, or read it, and `ready` itself never touches the fd.
	 *
	 * Else (a tap, a socket): there is input. `ready` reads until EAGAIN:
	 * input that was there before and was left is not told again.
	 *
	 * Called once after io_context_watch too when the fd was ready before.
	 */
	void (*ready)(struct io_watch *watch);
	/*
	 * Optional, and both or none: for a thread that rather looks than
	 * sleeps for a moment. `pending` says whether `ready` would find
	 * something now. It is asked between spin(true), after which the other
	 * side need not write @fd, and spin(false), after which it has to;
	 * that one returns whether there is something that @fd will not tell.
	 */
	bool (*pending)(struct io_watch *watch);
	bool (*spin)(struct io_watch *watch, bool spinning);
	void *opaque;
	bool eventfd;
	void *implementation; /* the context's own while watched */
};

/*
 * Work to be done once for all that one pass of the thread brought: interrupt
 * a driver, say. Owned by the caller, who cancels it before its storage goes
 * away. Zeroed but for `end` and `opaque` before first use.
 */
struct io_batch {
	void (*end)(struct io_batch *batch);
	void *opaque;
	struct io_batch *next; /* the context's own */
	bool queued; /* the context's own */
};

/*
 * One shot, on CLOCK_MONOTONIC. Owned by the caller, who disarms it before its
 * storage goes away. Zeroed but for `expired` and `opaque` before first use.
 */
struct io_timer {
	void (*expired)(struct io_timer *timer);
	void *opaque;
	int64_t due_ns; /* the context's own */
	struct io_timer *next; /* the context's own */
	bool armed;
};

struct io_context_ops {
	/*
	 * Runs @run(@opaque) on the context's thread and returns when it has
	 * returned. Any thread but a callback of another context, which could
	 * wait for this one; on the context's own thread it is a plain call.
	 * Also before the thread was started and after it ended: then it runs
	 * on the caller's.
	 */
	void (*call)(struct io_context *context, void (*run)(void *opaque),
		     void *opaque);
	/* Context's thread (see call). */
	int (*watch)(struct io_context *context, struct io_watch *watch,
		     struct err *err);
	/*
	 * Context's thread. Once it returned, `ready` is not called again.
	 * Safe inside `ready`.
	 */
	void (*unwatch)(struct io_context *context, struct io_watch *watch);
	/*
	 * Context's thread. `expired` is called once, not before @delay_ns
	 * (0 or more) have passed; arming a timer that is armed moves it.
	 */
	void (*arm)(struct io_context *context, struct io_timer *timer,
		    int64_t delay_ns);
	/* Context's thread. Once it returned, `expired` is not called. */
	void (*disarm)(struct io_context *context, struct io_timer *timer);
	/*
	 * Context's thread. `end` is called once, when the thread has called
	 * back whatever it knew of and before it sleeps; asking again until
	 * then changes nothing. What `end` itself asks for comes in the next
	 * pass, before the thread sleeps.
	 */
	void (*batch)(struct io_context *context, struct io_batch *batch);
	/* Context's thread. Once it returned, `end` is not called. */
	void (*cancel_batch)(struct io_context *context,
			     struct io_batch *batch);
	/*
	 * Optional. Context's thread, from `ready`: @count things (1 or more)
	 * were found. For a context that learns what being woken brings.
	 */
	void (*found)(struct io_context *context, unsigned int count);
};

struct io_context {
	const struct io_context_ops *ops;
};

static inline void io_context_call(struct io_context *context,
				   void (*run)(void *opaque), void *opaque)
{
	context->ops->call(context, run, opaque);
}

static inline int io_context_watch(struct io_context *context,
				   struct io_watch *watch, struct err *err)
{
	return context->ops->watch(context, watch, err);
}

static inline void io_context_unwatch(struct io_context *context,
				      struct io_watch *watch)
{
	context->ops->unwatch(context, watch);
}

static inline void io_context_arm(struct io_context *context,
				  struct io_timer *timer, int64_t delay_ns)
{
	context->ops->arm(context, timer, delay_ns);
}

static inline void io_context_disarm(struct io_context *context,
				     struct io_timer *timer)
{
	context->ops->disarm(context, timer);
}

static inline void io_context_batch(struct io_context *context,
				    struct io_batch *batch)
{
	context->ops->batch(context, batch);
}

static inline void io_context_found(struct io_context *context,
				    unsigned int count)
{
	if (context->ops->found)
		context->ops->found(context, count);
}

static inline void io_context_cancel_batch(struct io_context *context,
					   struct io_batch *batch)
{
	context->ops->cancel_batch(context, batch);
}

#endif
