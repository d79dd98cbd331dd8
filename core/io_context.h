/*
 * A thread that moves data for devices, seen from the device: it runs
 * functions and watches eventfds. The thread's own loop (io/uring, or a double
 * in a test) implements the operations, so that no device needs to know which
 * loop it lives on.
 *
 * A context outlives every device that was given it.
 */
#ifndef CORE_IO_CONTEXT_H
#define CORE_IO_CONTEXT_H

#include "core/err.h"

struct io_context;

/*
 * An eventfd that is looked at. Owned by the caller, who unwatches it before
 * its storage or its fd goes away.
 */
struct io_watch {
	int fd; /* borrowed eventfd */
	/*
	 * The eventfd was written at least once since the last call. The
	 * implementation may leave its counter unread, or read it; `ready`
	 * itself never touches the fd. Called once after io_context_watch
	 * too when the eventfd had been written before.
	 */
	void (*ready)(struct io_watch *watch);
	void *opaque;
	void *implementation; /* the context's own while watched */
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

#endif
