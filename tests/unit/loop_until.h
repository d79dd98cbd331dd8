/*
 * Runs an event loop from a test until something holds, or gives up. Looks
 * every millisecond, so that a test waits no longer than it must.
 */
#ifndef TESTS_UNIT_LOOP_UNTIL_H
#define TESTS_UNIT_LOOP_UNTIL_H

#include "core/loop.h"

#define LOOP_UNTIL_LIMIT_MS 5000

struct loop_until {
	struct loop *loop;
	struct loop_timer timer;
	bool (*holds)(void *opaque); /* NULL: never, time alone ends it */
	void *opaque;
	int64_t limit_ms;
	bool held;
};

static inline void loop_until_look(struct loop_timer *timer)
{
	struct loop_until *self = timer->opaque;

	self->held = self->holds && self->holds(self->opaque);
	if (self->held || loop_now_ms() >= self->limit_ms)
		loop_stop(self->loop);
	else
		timer->due_ms = loop_now_ms() + 1;
}

/* True when @holds became true within @limit_ms. */
static inline bool loop_run_until(struct loop *loop, int64_t limit_ms,
				  bool (*holds)(void *opaque), void *opaque)
{
	struct loop_until self = {
		.loop = loop,
		.timer = { .due_ms = loop_now_ms(),
			   .expired = loop_until_look },
		.holds = holds,
		.opaque = opaque,
		.limit_ms = loop_now_ms() + limit_ms,
	};

	self.timer.opaque = &self;
	atomic_store(&loop->stop, false);
	if (loop_add_timer(loop, &self.timer, NULL) < 0)
		return false;
	loop_run(loop);
	loop_remove_timer(loop, &self.timer);
	return self.held;
}

/* For what must not happen: lets the loop do all it wants to. */
static inline void loop_run_idle(struct loop *loop)
{
	loop_run_until(loop, 20, NULL, NULL);
}

#endif
