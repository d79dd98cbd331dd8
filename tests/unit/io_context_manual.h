/*
 * An I/O context without a thread: what is ready is called when the test says
 * so, on the test's own thread, so that a test knows what happens when.
 */
#ifndef TESTS_UNIT_IO_CONTEXT_MANUAL_H
#define TESTS_UNIT_IO_CONTEXT_MANUAL_H

#include <assert.h>
#include <time.h>
#include <unistd.h>

#include "core/io_context.h"
#include "core/util.h"

#define IO_MANUAL_WATCHES 16

struct io_manual {
	struct io_context context;
	struct io_watch *watches[IO_MANUAL_WATCHES];
	struct io_timer *timers; /* in no order */
	struct io_batch *batches;
};

static inline void io_manual_call(struct io_context *context,
				  void (*run)(void *opaque), void *opaque)
{
	(void)context;
	run(opaque);
}

static inline int io_manual_watch(struct io_context *context,
				  struct io_watch *watch, struct err *err)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	for (int i = 0; i < IO_MANUAL_WATCHES; i++) {
		if (io->watches[i])
			continue;
		io->watches[i] = watch;
		return 0;
	}
	return err_set(err, 28, "no room for another eventfd");
}

static inline void io_manual_unwatch(struct io_context *context,
				     struct io_watch *watch)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	for (int i = 0; i < IO_MANUAL_WATCHES; i++) {
		if (io->watches[i] == watch)
			io->watches[i] = NULL;
	}
}

static inline int64_t io_manual_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline void io_manual_disarm(struct io_context *context,
				    struct io_timer *timer)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	for (struct io_timer **at = &io->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		timer->armed = false;
		return;
	}
}

static inline void io_manual_arm(struct io_context *context,
				 struct io_timer *timer, int64_t delay_ns)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	io_manual_disarm(context, timer);
	timer->due_ns = io_manual_now() + delay_ns;
	timer->armed = true;
	timer->next = io->timers;
	io->timers = timer;
}

static inline void io_manual_batch(struct io_context *context,
				   struct io_batch *batch)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	if (batch->queued)
		return;
	batch->queued = true;
	batch->next = io->batches;
	io->batches = batch;
}

static inline void io_manual_cancel_batch(struct io_context *context,
					  struct io_batch *batch)
{
	struct io_manual *io = container_of(context, struct io_manual, context);

	for (struct io_batch **at = &io->batches; *at; at = &(*at)->next) {
		if (*at != batch)
			continue;
		*at = batch->next;
		batch->queued = false;
		return;
	}
}

static inline void io_manual_init(struct io_manual *io)
{
	static const struct io_context_ops ops = {
		.call = io_manual_call,
		.watch = io_manual_watch,
		.unwatch = io_manual_unwatch,
		.arm = io_manual_arm,
		.disarm = io_manual_disarm,
		.batch = io_manual_batch,
		.cancel_batch = io_manual_cancel_batch,
	};

	*io = (struct io_manual){ .context = { .ops = &ops } };
}

/* The ends of batches, those they ask for too. */
static inline void io_manual_end_batches(struct io_manual *io)
{
	while (io->batches) {
		struct io_batch *batch = io->batches;

		io_manual_cancel_batch(&io->context, batch);
		batch->end(batch);
	}
}

/* Every timer that is armed now, due or not. */
static inline void io_manual_expire(struct io_manual *io)
{
	struct io_timer *timers = io->timers;

	io->timers = NULL;
	while (timers) {
		struct io_timer *timer = timers;

		timers = timer->next;
		timer->armed = false;
		timer->expired(timer);
	}
	io_manual_end_batches(io);
}

/* Kicks, as long as there are some, and then the ends of batches. */
static inline void io_manual_run(struct io_manual *io)
{
	bool again = true;

	while (again) {
		again = false;
		for (int i = 0; i < IO_MANUAL_WATCHES; i++) {
			struct io_watch *watch = io->watches[i];
			uint64_t count;

			if (!watch || read(watch->fd, &count, 8) != 8)
				continue;
			again = true;
			watch->ready(watch);
		}
		io_manual_end_batches(io);
	}
}

static inline void io_manual_release(const struct io_manual *io)
{
	for (int i = 0; i < IO_MANUAL_WATCHES; i++)
		assert(!io->watches[i]);
	assert(!io->timers && !io->batches);
	(void)io;
}

#endif
