/* The event loop: sources, timers, wake-ups, removal from inside a callback. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "core/loop.h"
#include "tests/unit/quick_check.h"

static struct loop loop;
static struct err err;
static int pipes[2][2];
static struct loop_source sources[2];
static unsigned int calls[2];

static void set_up(void)
{
	ck_assert_int_eq(loop_init(&loop, &err), 0);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
		calls[i] = 0;
	}
}

static void tear_down(void)
{
	loop_release(&loop);
	for (unsigned int i = 0; i < 2; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static void count_and_stop(struct loop_source *source, short revents)
{
	ck_assert_int_ne(revents, 0);
	calls[source - sources]++;
	loop_stop(&loop);
}

static void watch(unsigned int which, short events,
		  void (*ready)(struct loop_source *, short))
{
	sources[which] = (struct loop_source){ .fd = pipes[which][0],
					       .events = events,
					       .ready = ready };
	ck_assert_int_eq(loop_add(&loop, &sources[which], &err), 0);
}

static void feed(unsigned int which)
{
	ck_assert_int_eq(write(pipes[which][1], "x", 1), 1);
}

static void stop_on_time(struct loop_timer *timer)
{
	ck_assert_int_eq(timer->due_ms, -1); /* off before it is called */
	loop_stop(&loop);
}

static struct loop_timer timer = { .expired = stop_on_time };

static void run_for(int64_t ms)
{
	timer.due_ms = loop_now_ms() + ms;
	ck_assert_int_eq(loop_add_timer(&loop, &timer, &err), 0);
	atomic_store(&loop.stop, false);
	loop_run(&loop);
	loop_remove_timer(&loop, &timer);
}

START_TEST(test_source)
{
	watch(0, POLLIN, count_and_stop);
	watch(1, POLLIN, count_and_stop);
	feed(0);
	loop_run(&loop);
	ck_assert_uint_eq(calls[0], 1);
	ck_assert_uint_eq(calls[1], 0);
}
END_TEST

START_TEST(test_timer)
{
	int64_t start = loop_now_ms();

	run_for(30);
	ck_assert_int_ge(loop_now_ms() - start, 30);
	ck_assert_int_eq(timer.due_ms, -1);
}
END_TEST

/* Neither its data nor its closed other end wake a paused source. */
START_TEST(test_paused)
{
	watch(0, 0, count_and_stop);
	feed(0);
	run_for(20);
	ck_assert_uint_eq(calls[0], 0);
	close(pipes[0][1]);
	run_for(20);
	pipes[0][1] = -1;
	ck_assert_uint_eq(calls[0], 0);
}
END_TEST

static void remove_both(struct loop_source *source, short revents)
{
	(void)revents;
	calls[source - sources]++;
	loop_remove(&loop, &sources[0]);
	loop_remove(&loop, &sources[1]);
	loop_stop(&loop);
}

START_TEST(test_remove_while_called)
{
	watch(0, POLLIN, remove_both);
	watch(1, POLLIN, remove_both);
	feed(0);
	feed(1);
	loop_run(&loop);
	ck_assert_uint_eq(calls[0] + calls[1], 1);
	ck_assert_uint_eq(loop.source_count, 0);
	run_for(20);
	ck_assert_uint_eq(calls[0] + calls[1], 1);
}
END_TEST

static void on_woken(void *opaque)
{
	(*(unsigned int *)opaque)++;
	loop_stop(&loop);
}

static void *wake_twice(void *opaque)
{
	loop_wake(opaque);
	loop_wake(opaque);
	return NULL;
}

START_TEST(test_wake)
{
	unsigned int woken = 0;
	pthread_t thread;

	loop.woken = on_woken;
	loop.woken_opaque = &woken;
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_twice, &loop), 0);
	loop_run(&loop);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_ge(woken, 1);
	ck_assert_uint_le(woken, 2);
}
END_TEST

/* Stopped before it runs: it does not run. */
START_TEST(test_stop_first)
{
	loop_stop(&loop);
	loop_run(&loop);
}
END_TEST

START_TEST(test_full)
{
	static struct loop_source many[LOOP_MAX_SOURCES + 1];
	static struct loop_timer timers[LOOP_MAX_TIMERS + 1];

	for (unsigned int i = 0; i < LOOP_MAX_SOURCES; i++)
		ck_assert_int_eq(loop_add(&loop, &many[i], &err), 0);
	ck_assert_int_eq(loop_add(&loop, &many[LOOP_MAX_SOURCES], &err),
			 -ENOSPC);
	for (unsigned int i = 0; i < LOOP_MAX_TIMERS; i++)
		ck_assert_int_eq(loop_add_timer(&loop, &timers[i], &err), 0);
	ck_assert_int_eq(loop_add_timer(&loop, &timers[LOOP_MAX_TIMERS], &err),
			 -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/loop");
	TCase *tcase = tcase_create("loop");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_source);
	tcase_add_test(tcase, test_timer);
	tcase_add_test(tcase, test_paused);
	tcase_add_test(tcase, test_remove_while_called);
	tcase_add_test(tcase, test_wake);
	tcase_add_test(tcase, test_stop_first);
	tcase_add_test(tcase, test_full);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
