/*
 * The main thread's event loop over poll(2), which unlike epoll takes regular
 * files too (`hull run < script`). It carries control traffic: the terminal,
 * signals, timers, sockets. Block and network data do not pass through it.
 *
 * All functions but loop_wake belong to the loop's thread.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define LOOP_MAX_SOURCES 160
#define LOOP_MAX_TIMERS	 64

/* Owned by the caller, who removes it before its storage goes away. */
struct loop_source {
	int fd; /* borrowed */
	short events; /* POLLIN, POLLOUT; 0 pauses the source */
	void (*ready)(struct loop_source *source, short revents);
	void *opaque;
};

struct loop_timer {
	int64_t due_ms; /* on loop_now_ms' clock; < 0 when off */
	void (*expired)(struct loop_timer *timer);
	void *opaque;
};

struct loop {
	struct loop_source *sources[LOOP_MAX_SOURCES];
	unsigned int source_count;
	struct loop_timer *timers[LOOP_MAX_TIMERS];
	unsigned int timer_count;
	int wake_fd; /* owned eventfd */
	atomic_bool stop;
	/* Called once on the loop's thread after each loop_wake. */
	void (*woken)(void *opaque);
	void *woken_opaque;
};

int loop_init(struct loop *loop, struct err *err);
void loop_release(struct loop *loop);

int loop_add(struct loop *loop, struct loop_source *source, struct err *err);
/* Safe inside a callback, also for the source that is being called. */
void loop_remove(struct loop *loop, struct loop_source *source);

int loop_add_timer(struct loop *loop, struct loop_timer *timer,
		   struct err *err);
void loop_remove_timer(struct loop *loop, struct loop_timer *timer);

/* Milliseconds of CLOCK_MONOTONIC. Any thread. */
int64_t loop_now_ms(void);

/* The same clock in nanoseconds. Any thread. */
int64_t loop_now_ns(void);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);

/* Ends loop_run. Any thread. */
void loop_stop(struct loop *loop);

/* Makes the loop's thread call `woken` soon. Any thread. */
void loop_wake(struct loop *loop);

#endif
