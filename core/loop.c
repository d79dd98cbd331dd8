#include "core/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <time.h>

int loop_init(struct loop *loop, struct err *err)
{
	*loop = (struct loop){ 0 };
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_sys(err, errno, "cannot create an eventfd");
	return 0;
}

void loop_release(struct loop *loop)
{
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	loop->wake_fd = -1;
}

int loop_add(struct loop *loop, struct loop_source *source, struct err *err)
{
	if (loop->source_count == LOOP_MAX_SOURCES)
		return err_set(err, ENOSPC, "too many event sources");
	loop->sources[loop->source_count++] = source;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	for (unsigned int i = 0; i < loop->source_count; i++) {
		if (loop->sources[i] != source)
			continue;
		loop->sources[i] = loop->sources[--loop->source_count];
		return;
	}
}

int loop_add_timer(struct loop *loop, struct loop_timer *timer, struct err *err)
{
	if (loop->timer_count == LOOP_MAX_TIMERS)
		return err_set(err, ENOSPC, "too many timers");
	loop->timers[loop->timer_count++] = timer;
	return 0;
}

void loop_remove_timer(struct loop *loop, struct loop_timer *timer)
{
	for (unsigned int i = 0; i < loop->timer_count; i++) {
		if (loop->timers[i] != timer)
			continue;
		loop->timers[i] = loop->timers[--loop->timer_count];
		return;
	}
}

int64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t loop_now_ms(void)
{
	return loop_now_ns() / 1000000;
}

static int next_timeout_ms(const struct loop *loop)
{
	int64_t now = loop_now_ms();
	int64_t best = -1;

	for (unsigned int i = 0; i < loop->timer_count; i++) {
		int64_t due = loop->timers[i]->due_ms;

		if (due < 0)
			continue;
		due = due > now ? due - now : 0;
		if (best < 0 || due < best)
			best = due;
	}
	return best > INT_MAX ? INT_MAX : (int)best;
}

static void run_timers(struct loop *loop)
{
	int64_t now = loop_now_ms();

	for (unsigned int i = 0; i < loop->timer_count; i++) {
		struct loop_timer *timer = loop->timers[i];

		if (timer->due_ms < 0 || timer->due_ms > now)
			continue;
		timer->due_ms = -1;
		timer->expired(timer);
	}
}

static void take_wake(struct loop *loop)
{
	uint64_t count;

	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (loop->woken)
		loop->woken(loop->woken_opaque);
}

static bool still_there(const struct loop *loop,
			const struct loop_source *source)
{
	for (unsigned int i = 0; i < loop->source_count; i++) {
		if (loop->sources[i] == source)
			return true;
	}
	return false;
}

static void run_once(struct loop *loop)
{
	struct pollfd fds[LOOP_MAX_SOURCES + 1];
	struct loop_source *polled[LOOP_MAX_SOURCES];
	unsigned int count = loop->source_count;

	for (unsigned int i = 0; i < count; i++) {
		polled[i] = loop->sources[i];
		/* A negative fd is skipped: a paused source must not spin on
		 * the POLLHUP that poll reports unasked. */
		fds[i] = (struct pollfd){
			.fd = polled[i]->events ? polled[i]->fd : -1,
			.events = polled[i]->events,
		};
	}
	fds[count] = (struct pollfd){ .fd = loop->wake_fd, .events = POLLIN };
	if (poll(fds, count + 1, next_timeout_ms(loop)) < 0)
		return;
	run_timers(loop);
	if (fds[count].revents)
		take_wake(loop);
	for (unsigned int i = 0; i < count; i++) {
		if (fds[i].revents && still_there(loop, polled[i]))
			polled[i]->ready(polled[i], fds[i].revents);
	}
}

void loop_run(struct loop *loop)
{
	while (!atomic_load(&loop->stop))
		run_once(loop);
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;

	/* Fails only when the counter is full: then a wake is pending. */
	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	loop_wake(loop);
}
