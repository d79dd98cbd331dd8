/*
 * An I/O context on a thread of its own over poll(2), as small as it can be.
 * The eventfds are read, which the contract allows; of other input it tells
 * once, as the contract threatens to.
 */
#ifndef TESTS_UNIT_IO_CONTEXT_DOUBLE_H
#define TESTS_UNIT_IO_CONTEXT_DOUBLE_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/io_context.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"

#define IO_DOUBLE_WATCHES 16

struct io_double {
	struct io_context context;
	pthread_t thread;
	bool running;
	int wake_fd;
	int epoll_fd; /* of watches that are no eventfds */
	struct io_watch *watches[IO_DOUBLE_WATCHES]; /* of the thread */
	struct io_timer *timers; /* of the thread, in no order */
	struct io_batch *batches; /* of the thread */
	atomic_uint found; /* what its `found` was told, in sum */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	void (*run)(void *opaque);
	void *opaque;
	bool stop;
};

static inline void io_double_wake(const struct io_double *io)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(io->wake_fd, &one, sizeof(one)), sizeof(one));
}

static inline void io_double_call(struct io_context *context,
				  void (*run)(void *opaque), void *opaque)
{
	struct io_double *io = container_of(context, struct io_double, context);

	if (!io->running || pthread_equal(pthread_self(), io->thread)) {
		run(opaque);
		return;
	}
	pthread_mutex_lock(&io->lock);
	while (io->run)
		pthread_cond_wait(&io->changed, &io->lock);
	io->run = run;
	io->opaque = opaque;
	io_double_wake(io);
	while (io->run == run && io->opaque == opaque)
		pthread_cond_wait(&io->changed, &io->lock);
	pthread_mutex_unlock(&io->lock);
}

static inline int io_double_watch(struct io_context *context,
				  struct io_watch *watch, struct err *err)
{
	struct io_double *io = container_of(context, struct io_double, context);

	for (int i = 0; i < IO_DOUBLE_WATCHES; i++) {
		if (io->watches[i])
			continue;
		io->watches[i] = watch;
		if (!watch->eventfd) {
			struct epoll_event event = {
				.events = EPOLLIN | EPOLLET,
				.data.ptr = watch,
			};

			ck_assert_int_eq(epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD,
						   watch->fd, &event),
					 0);
		}
		return 0;
	}
	return err_set(err, 28, "no room for another eventfd");
}

static inline void io_double_unwatch(struct io_context *context,
				     struct io_watch *watch)
{
	struct io_double *io = container_of(context, struct io_double, context);

	for (int i = 0; i < IO_DOUBLE_WATCHES; i++) {
		if (io->watches[i] != watch)
			continue;
		io->watches[i] = NULL;
		if (!watch->eventfd)
			epoll_ctl(io->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	}
}

static inline int64_t io_double_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline void io_double_disarm(struct io_context *context,
				    struct io_timer *timer)
{
	struct io_double *io = container_of(context, struct io_double, context);

	for (struct io_timer **at = &io->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		timer->armed = false;
		return;
	}
}

static inline void io_double_arm(struct io_context *context,
				 struct io_timer *timer, int64_t delay_ns)
{
	struct io_double *io = container_of(context, struct io_double, context);

	io_double_disarm(context, timer);
	timer->due_ns = io_double_now() + delay_ns;
	timer->armed = true;
	timer->next = io->timers;
	io->timers = timer;
}

static inline void io_double_batch(struct io_context *context,
				   struct io_batch *batch)
{
	struct io_double *io = container_of(context, struct io_double, context);

	if (batch->queued)
		return;
	batch->queued = true;
	batch->next = io->batches;
	io->batches = batch;
}

static inline void io_double_cancel_batch(struct io_context *context,
					  struct io_batch *batch)
{
	struct io_double *io = container_of(context, struct io_double, context);

	for (struct io_batch **at = &io->batches; *at; at = &(*at)->next) {
		if (*at != batch)
			continue;
		*at = batch->next;
		batch->queued = false;
		return;
	}
}

static inline void io_double_end_batches(struct io_double *io)
{
	while (io->batches) {
		struct io_batch *batch = io->batches;

		io_double_cancel_batch(&io->context, batch);
		batch->end(batch);
	}
}

/* Calls what is due; returns poll's time-out for the rest. */
static inline int io_double_expire(struct io_double *io)
{
	int64_t wait_ms = -1;
	struct io_timer *timer = io->timers;

	while (timer) {
		int64_t left = timer->due_ns - io_double_now();

		if (left > 0) {
			if (wait_ms < 0 || left / 1000000 + 1 < wait_ms)
				wait_ms = left / 1000000 + 1;
			timer = timer->next;
			continue;
		}
		io_double_disarm(&io->context, timer);
		timer->expired(timer);
		/* Anything may have changed. */
		timer = io->timers;
		wait_ms = -1;
	}
	return (int)wait_ms;
}

/* What comes before sleeping; returns poll's time-out. */
static inline int io_double_prepare(struct io_double *io)
{
	int wait_ms = io_double_expire(io);

	if (!io->batches)
		return wait_ms;
	/* They may arm timers. */
	io_double_end_batches(io);
	return 0;
}

/* Runs what was called for. False when the thread shall end. */
static inline bool io_double_work(struct io_double *io)
{
	bool stop;

	pthread_mutex_lock(&io->lock);
	if (io->run) {
		io->run(io->opaque);
		io->run = NULL;
		pthread_cond_broadcast(&io->changed);
	}
	stop = io->stop;
	pthread_mutex_unlock(&io->lock);
	return !stop;
}

/* Tells of input other than kicks: one fd at a time, since `ready` may unwatch
 * the next. */
static inline bool io_double_input(const struct io_double *io)
{
	struct epoll_event event;
	bool any = false;

	while (epoll_wait(io->epoll_fd, &event, 1, 0) == 1) {
		struct io_watch *watch = event.data.ptr;

		any = true;
		watch->ready(watch);
	}
	return any;
}

/*
 * Waits at most @max_ms (-1: for ever) for something to do and does it.
 * Returns whether there was something other than timers.
 */
static inline bool io_double_turn(struct io_double *io, int max_ms)
{
	struct pollfd fds[IO_DOUBLE_WATCHES + 2];
	int wait_ms = io_double_prepare(io);
	bool any;

	for (int i = 0; i < IO_DOUBLE_WATCHES; i++)
		fds[i] = (struct pollfd){
			.fd = io->watches[i] && io->watches[i]->eventfd ?
				      io->watches[i]->fd :
				      -1,
			.events = POLLIN,
		};
	fds[IO_DOUBLE_WATCHES] =
		(struct pollfd){ .fd = io->wake_fd, .events = POLLIN };
	fds[IO_DOUBLE_WATCHES + 1] =
		(struct pollfd){ .fd = io->epoll_fd, .events = POLLIN };
	if (wait_ms < 0 || (max_ms >= 0 && max_ms < wait_ms))
		wait_ms = max_ms;
	poll(fds, IO_DOUBLE_WATCHES + 2, wait_ms);
	any = io_double_input(io);
	for (int i = 0; i <= IO_DOUBLE_WATCHES; i++) {
		uint64_t count;

		if (!(fds[i].revents & POLLIN) ||
		    read(fds[i].fd, &count, sizeof(count)) < 0)
			continue;
		any = true;
		if (i < IO_DOUBLE_WATCHES && io->watches[i])
			io->watches[i]->ready(io->watches[i]);
	}
	return any;
}

static inline void *io_double_thread(void *opaque)
{
	struct io_double *io = opaque;

	do
		io_double_turn(io, -1);
	while (io_double_work(io));
	io_double_end_batches(io);
	return NULL;
}

static inline void io_double_found(struct io_context *context,
				   unsigned int count)
{
	struct io_double *io = container_of(context, struct io_double, context);

	atomic_fetch_add(&io->found, count);
}

/* Without a thread: calls run at once, and the test takes the turns. */
static inline void io_double_init(struct io_double *io)
{
	static const struct io_context_ops ops = {
		.call = io_double_call,
		.watch = io_double_watch,
		.unwatch = io_double_unwatch,
		.arm = io_double_arm,
		.disarm = io_double_disarm,
		.batch = io_double_batch,
		.cancel_batch = io_double_cancel_batch,
		.found = io_double_found,
	};

	*io = (struct io_double){ .context = { .ops = &ops } };
	io->wake_fd = eventfd(0, EFD_CLOEXEC);
	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->changed, NULL);
}

static inline void io_double_release(const struct io_double *io)
{
	for (int i = 0; i < IO_DOUBLE_WATCHES; i++)
		ck_assert_ptr_null(io->watches[i]);
	ck_assert_ptr_null(io->timers);
	close(io->wake_fd);
	close(io->epoll_fd);
}

static inline void io_double_start(struct io_double *io)
{
	io_double_init(io);
	ck_assert_int_eq(
		pthread_create(&io->thread, NULL, io_double_thread, io), 0);
	io->running = true;
}

static inline void io_double_stop(struct io_double *io)
{
	pthread_mutex_lock(&io->lock);
	io->stop = true;
	pthread_mutex_unlock(&io->lock);
	io_double_wake(io);
	ck_assert_int_eq(pthread_join(io->thread, NULL), 0);
	io->running = false;
	io_double_release(io);
}

#endif
