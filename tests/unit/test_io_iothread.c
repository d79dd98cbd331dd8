/*
 * The I/O thread: calls, kicks that nobody reads, timers, ends of batches, and
 * what goes wrong between a ring and the kernel.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "io/iothread.h"
#include "io/uring.h"
#include "tests/unit/quick_check.h"

#define MS	1000000LL
#define KICKERS 48

static struct iothread *io;
static struct io_context *context;
static struct uring *ring;
static struct err err;

static void make(unsigned int entries, int64_t spin_max_ns)
{
	const struct iothread_config config = {
		.name = "io-test",
		.entries = entries,
		.spin_max_ns = spin_max_ns,
	};

	ck_assert_msg(iothread_new(&config, &io, &err) == 0, "%s", err.msg);
	context = iothread_context(io);
	ring = iothread_uring(io);
}

static void start(unsigned int entries, int64_t spin_max_ns)
{
	make(entries, spin_max_ns);
	ck_assert_msg(iothread_start(io, &err) == 0, "%s", err.msg);
}

static void tear_down(void)
{
	iothread_free(io);
	io = NULL;
}

static struct iothread_stats stats(void)
{
	struct iothread_stats now;

	iothread_stats(io, &now);
	return now;
}

static void kick(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static void await_at_least(atomic_uint *value, unsigned int at_least)
{
	for (int i = 0; i < 5000 && atomic_load(value) < at_least; i++)
		usleep(1000);
	ck_assert_uint_ge(atomic_load(value), at_least);
}

/* --- Calls --------------------------------------------------------------- */

static pthread_t ran_on;

static void note_thread(void *opaque)
{
	*(int *)opaque += 1;
	ran_on = pthread_self();
}

static void call_inside(void *opaque)
{
	io_context_call(context, note_thread, opaque);
}

START_TEST(test_call)
{
	int calls = 0;

	make(0, 0);
	io_context_call(context, note_thread, &calls);
	ck_assert(pthread_equal(ran_on, pthread_self()));
	ck_assert_int_eq(iothread_start(io, &err), 0);
	io_context_call(context, note_thread, &calls);
	ck_assert(!pthread_equal(ran_on, pthread_self()));
	io_context_call(context, call_inside, &calls);
	ck_assert(!pthread_equal(ran_on, pthread_self()));
	iothread_stop(io);
	io_context_call(context, note_thread, &calls);
	ck_assert(pthread_equal(ran_on, pthread_self()));
	ck_assert_int_eq(calls, 4);
}
END_TEST

static void add_one(void *opaque)
{
	/* Not atomic: the context's thread serialises. */
	*(unsigned int *)opaque += 1;
}

static void *call_often(void *opaque)
{
	for (int i = 0; i < 500; i++)
		io_context_call(context, add_one, opaque);
	return NULL;
}

START_TEST(test_calls_from_many)
{
	pthread_t threads[4];
	unsigned int calls = 0;

	start(0, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often,
						&calls),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(calls, 2000);
}
END_TEST

/* --- Watching ------------------------------------------------------------ */

struct kicker {
	struct io_watch watch;
	struct io_batch batch;
	atomic_uint ready;
	atomic_uint ends;
	atomic_uint shared_ends;
	bool unwatch;
	bool pending;
	atomic_uint spinning;
};

static struct kicker kickers[KICKERS];

static void on_ready(struct io_watch *watch)
{
	struct kicker *kicker = container_of(watch, struct kicker, watch);

	atomic_fetch_add(&kicker->ready, 1);
	io_context_batch(context, &kicker->batch);
	io_context_batch(context, &kickers[0].batch);
	if (kicker->unwatch)
		io_context_unwatch(context, watch);
}

static void on_end(struct io_batch *batch)
{
	struct kicker *kicker = container_of(batch, struct kicker, batch);

	atomic_fetch_add(&kicker->ends, 1);
}

static void watch_kicker(void *opaque)
{
	struct kicker *kicker = opaque;

	kicker->watch.ready = on_ready;
	kicker->watch.eventfd = true;
	kicker->batch.end = on_end;
	ck_assert_int_eq(io_context_watch(context, &kicker->watch, &err), 0);
}

static void unwatch_kicker(void *opaque)
{
	struct kicker *kicker = opaque;

	io_context_unwatch(context, &kicker->watch);
	io_context_cancel_batch(context, &kicker->batch);
}

static void add_kicker(struct kicker *kicker)
{
	kicker->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(kicker->watch.fd, 0);
	io_context_call(context, watch_kicker, kicker);
}

static void remove_kicker(struct kicker *kicker)
{
	io_context_call(context, unwatch_kicker, kicker);
	close(kicker->watch.fd);
}

START_TEST(test_kicks_are_not_read)
{
	struct kicker *kicker = &kickers[0];
	uint64_t counter;

	start(0, 0);
	add_kicker(kicker);
	for (unsigned int i = 1; i <= 100; i++) {
		kick(kicker->watch.fd);
		await_at_least(&kicker->ready, i);
	}
	await_at_least(&kicker->ends, 100);
	ck_assert_uint_eq(kicker->ends, 100);
	ck_assert_uint_eq(kicker->ready, 100);
	/* One enter each: the counter was never read, the poll never armed
	 * again. */
	ck_assert_uint_eq(stats().rearmed, 0);
	ck_assert_uint_le(stats().enters, 110);
	ck_assert_int_eq(read(kicker->watch.fd, &counter, 8), 8);
	ck_assert_uint_eq(counter, 100);
	remove_kicker(kicker);
}
END_TEST

START_TEST(test_ready_before_it_was_watched)
{
	struct kicker *kicker = &kickers[0];

	start(0, 0);
	kicker->watch.fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK);
	io_context_call(context, watch_kicker, kicker);
	await_at_least(&kicker->ready, 1);
	usleep(5000);
	ck_assert_uint_eq(kicker->ready, 1);
	remove_kicker(kicker);
}
END_TEST

START_TEST(test_no_call_after_unwatch)
{
	struct kicker *kicker = &kickers[0];

	start(0, 0);
	for (int i = 0; i < 200; i++) {
		unsigned int before;

		add_kicker(kicker);
		kick(kicker->watch.fd);
		io_context_call(context, unwatch_kicker, kicker);
		before = atomic_load(&kicker->ready);
		kick(kicker->watch.fd);
		usleep(100);
		ck_assert_uint_eq(atomic_load(&kicker->ready), before);
		close(kicker->watch.fd);
	}
	/* No slot stays behind: their polls have ended. */
	for (int i = 0; i < 1000 && ring->in_flight > 1; i++)
		usleep(1000);
	ck_assert_uint_eq(ring->in_flight, 1);
}
END_TEST

START_TEST(test_unwatch_inside_ready)
{
	struct kicker *kicker = &kickers[0];

	start(0, 0);
	kicker->unwatch = true;
	add_kicker(kicker);
	kick(kicker->watch.fd);
	await_at_least(&kicker->ready, 1);
	kick(kicker->watch.fd);
	usleep(5000);
	ck_assert_uint_eq(kicker->ready, 1);
	close(kicker->watch.fd);
}
END_TEST

static void hold(void *opaque)
{
	(void)opaque;
	/* Meanwhile everybody kicks. */
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < KICKERS; i++)
			kick(kickers[i].watch.fd);
		uring_enter(ring, URING_PEEK, NULL);
	}
}

/* Eight entries, sixty-four completions: more kicks than the queue holds. */
START_TEST(test_completion_queue_overflow)
{
	start(8, 0);
	for (int i = 0; i < KICKERS; i++)
		add_kicker(&kickers[i]);
	for (unsigned int round = 1; round <= 5; round++) {
		io_context_call(context, hold, NULL);
		for (int i = 0; i < KICKERS; i++)
			await_at_least(&kickers[i].ready, round);
	}
	ck_assert_uint_gt(stats().rearmed, 0);
	ck_assert_uint_eq(stats().stale, 0);
	for (int i = 0; i < KICKERS; i++) {
		unsigned int before = atomic_load(&kickers[i].ready);

		kick(kickers[i].watch.fd);
		await_at_least(&kickers[i].ready, before + 1);
	}
	for (int i = 0; i < KICKERS; i++)
		remove_kicker(&kickers[i]);
}
END_TEST

START_TEST(test_a_file_that_cannot_be_polled)
{
	struct kicker *kicker = &kickers[0];
	struct iothread_stats before;

	start(0, 0);
	kicker->watch.fd = -1;
	io_context_call(context, watch_kicker, kicker);
	before = stats();
	usleep(20000);
	/* Tried again now and then, not all the time. */
	ck_assert_uint_gt(stats().rearmed, 1);
	ck_assert_uint_lt(stats().enters - before.enters, 100);
	ck_assert_uint_eq(kicker->ready, 0);
	io_context_call(context, unwatch_kicker, kicker);
}
END_TEST

START_TEST(test_one_batch_for_many_kicks)
{
	start(0, 0);
	for (int i = 0; i < KICKERS; i++)
		add_kicker(&kickers[i]);
	io_context_call(context, hold, NULL);
	for (int i = 0; i < KICKERS; i++)
		await_at_least(&kickers[i].ready, 1);
	await_at_least(&kickers[0].ends, 1);
	/* Asked for by each of them, in one pass or two. */
	ck_assert_uint_le(kickers[0].ends, 8);
	for (int i = 0; i < KICKERS; i++)
		remove_kicker(&kickers[i]);
}
END_TEST

/* --- The ring's troubles ------------------------------------------------- */

static int (*real_enter)(struct uring *uring, enum uring_enter how,
			 struct __kernel_timespec *timeout);
static int enter_results[] = { -EAGAIN, -EBUSY, -EINTR };
static atomic_uint refused;

static int refuse_at_times(struct uring *uring, enum uring_enter how,
			   struct __kernel_timespec *timeout)
{
	unsigned int n = atomic_fetch_add(&refused, 1);

	if (n % 4)
		return enter_results[n % 4 - 1];
	return real_enter(uring, how, timeout);
}

START_TEST(test_enter_is_refused)
{
	struct kicker *kicker = &kickers[0];

	make(0, 0);
	real_enter = ring->enter;
	ring->enter = refuse_at_times;
	ck_assert_int_eq(iothread_start(io, &err), 0);
	add_kicker(kicker);
	for (unsigned int i = 1; i <= 50; i++) {
		kick(kicker->watch.fd);
		await_at_least(&kicker->ready, i);
	}
	ck_assert_uint_gt(stats().troubles, 0);
	remove_kicker(kicker);
}
END_TEST

struct nop {
	struct uring_op op;
	unsigned int done;
};

static struct nop nops[1024];

static void nop_done(struct uring_op *op, int res, uint32_t flags)
{
	struct nop *nop = container_of(op, struct nop, op);

	ck_assert_int_eq(res, 0);
	ck_assert(!(flags & IORING_CQE_F_MORE));
	nop->done++;
}

static bool submit_nop(struct nop *nop)
{
	struct io_uring_sqe *sqe;

	nop->op.done = nop_done;
	sqe = uring_sqe(ring, &nop->op);
	if (!sqe)
		return false;
	io_uring_prep_nop(sqe);
	return true;
}

static void submit_too_many(void *opaque)
{
	unsigned int *taken = opaque;

	while (*taken < ARRAY_SIZE(nops) && submit_nop(&nops[*taken]))
		*taken += 1;
}

static void resubmit(void *opaque)
{
	ck_assert(submit_nop(opaque));
}

START_TEST(test_submission_queue_full)
{
	unsigned int taken = 0;

	start(8, 0);
	io_context_call(context, submit_too_many, &taken);
	/* As many as the completion queue holds, less the wake-up's poll. */
	ck_assert_uint_eq(taken, 63);
	for (int i = 0; i < 1000 && ring->in_flight > 1; i++)
		usleep(1000);
	for (unsigned int i = 0; i < taken; i++)
		ck_assert_uint_eq(nops[i].done, 1);
	io_context_call(context, resubmit, &nops[0]);
}
END_TEST

static struct io_uring_sqe *last_sqe;

static void submit_stale(void *opaque)
{
	struct nop *nop = opaque;

	nop->op.done = nop_done;
	last_sqe = uring_sqe(ring, &nop->op);
	io_uring_prep_nop(last_sqe);
	/* As though it came from an earlier submission. */
	last_sqe->user_data -= 1ULL << 48;
}

START_TEST(test_stale_completion)
{
	start(0, 0);
	io_context_call(context, submit_stale, &nops[0]);
	for (int i = 0; i < 1000 && !stats().stale; i++)
		usleep(1000);
	ck_assert_uint_eq(stats().stale, 1);
	ck_assert_uint_eq(nops[0].done, 0);
}
END_TEST

/* --- Timers -------------------------------------------------------------- */

struct alarm {
	struct io_timer timer;
	int64_t asked_ns;
	int64_t delay_ns;
	int64_t fired_ns;
	atomic_uint fired;
	unsigned int order;
	struct alarm *disarms;
};

static struct alarm alarms[3];
static atomic_uint alarms_fired;

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void on_alarm(struct io_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	alarm->fired_ns = clock_ns();
	alarm->order = atomic_fetch_add(&alarms_fired, 1);
	if (alarm->disarms)
		io_context_disarm(context, &alarm->disarms->timer);
	atomic_fetch_add(&alarm->fired, 1);
}

static void set_alarm(void *opaque)
{
	struct alarm *alarm = opaque;

	alarm->timer.expired = on_alarm;
	alarm->asked_ns = clock_ns();
	io_context_arm(context, &alarm->timer, alarm->delay_ns);
}

static void stop_alarm(void *opaque)
{
	struct alarm *alarm = opaque;

	io_context_disarm(context, &alarm->timer);
}

START_TEST(test_timers)
{
	static const int64_t delays[] = { 20 * MS, 5 * MS, 10 * MS };

	start(0, 0);
	for (int i = 0; i < 3; i++) {
		alarms[i].delay_ns = delays[i];
		io_context_call(context, set_alarm, &alarms[i]);
	}
	await_at_least(&alarms_fired, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(alarms[i].fired, 1);
		ck_assert_int_ge(alarms[i].fired_ns - alarms[i].asked_ns,
				 delays[i]);
	}
	ck_assert_uint_eq(alarms[1].order, 0);
	ck_assert_uint_eq(alarms[2].order, 1);
	ck_assert_uint_eq(alarms[0].order, 2);
}
END_TEST

START_TEST(test_timers_move_and_end)
{
	start(0, 0);
	alarms[0].delay_ns = 5 * MS;
	io_context_call(context, set_alarm, &alarms[0]);
	/* Armed again: later. */
	alarms[0].delay_ns = 40 * MS;
	io_context_call(context, set_alarm, &alarms[0]);
	alarms[1].delay_ns = 10 * MS;
	io_context_call(context, set_alarm, &alarms[1]);
	io_context_call(context, stop_alarm, &alarms[1]);
	alarms[2].delay_ns = 0;
	alarms[2].disarms = &alarms[1];
	io_context_call(context, set_alarm, &alarms[2]);
	await_at_least(&alarms[0].fired, 1);
	ck_assert_int_ge(alarms[0].fired_ns - alarms[0].asked_ns, 40 * MS);
	ck_assert_uint_eq(alarms[1].fired, 0);
	ck_assert_uint_eq(alarms[2].fired, 1);
}
END_TEST

/* --- Spinning ------------------------------------------------------------ */

static atomic_bool work_is_there;

static bool looks_pending(struct io_watch *watch)
{
	struct kicker *kicker = container_of(watch, struct kicker, watch);

	ck_assert_uint_eq(kicker->spinning, 1);
	return atomic_load(&work_is_there);
}

static bool spins(struct io_watch *watch, bool spinning)
{
	struct kicker *kicker = container_of(watch, struct kicker, watch);

	ck_assert_uint_eq(kicker->spinning, !spinning);
	atomic_store(&kicker->spinning, spinning);
	/* Pairs with give_work: either it sees this or we see the work. */
	return !spinning && atomic_load(&work_is_there);
}

static void on_found(struct io_watch *watch)
{
	struct kicker *kicker = container_of(watch, struct kicker, watch);

	ck_assert_uint_eq(kicker->spinning, 0);
	atomic_store(&work_is_there, false);
	atomic_fetch_add(&kicker->ready, 1);
}

static void watch_spinner(void *opaque)
{
	struct kicker *kicker = opaque;

	kicker->watch.ready = on_found;
	kicker->watch.pending = looks_pending;
	kicker->watch.spin = spins;
	ck_assert_int_eq(io_context_watch(context, &kicker->watch, &err), 0);
}

/* As a guest: a kick only for who does not look. Returns whether it kicked. */
static bool give_work(struct kicker *kicker)
{
	bool asleep;

	atomic_store(&work_is_there, true);
	asleep = !atomic_load(&kicker->spinning);
	if (asleep)
		kick(kicker->watch.fd);
	return asleep;
}

START_TEST(test_spinning_pays)
{
	struct kicker *kicker = &kickers[0];
	unsigned int kicks = 0;
	unsigned int works = 0;
	uint64_t before;

	start(0, 200 * MS);
	kicker->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io_context_call(context, watch_spinner, kicker);
	for (; works < 200; works++) {
		kicks += give_work(kicker);
		while (atomic_load(&work_is_there))
			usleep(100);
		usleep(500);
	}
	ck_assert_uint_gt(stats().spins, 0);
	ck_assert_uint_gt(stats().spin_hits, 0);
	ck_assert_uint_lt(kicks, works);
	/* Quiet: it sleeps in the end. */
	usleep(900000);
	before = stats().spins;
	usleep(50000);
	ck_assert_uint_eq(stats().spins, before);
	remove_kicker(kicker);
}
END_TEST

/* A host that takes longer than one may spin, and a guest that does not. */
#define SLOW_HOST_MS 25

struct slow_host {
	struct kicker kicker;
	struct uring_op op;
	struct __kernel_timespec answer_after;
	atomic_uint answers;
};

static void host_answers(struct uring_op *op, int res, uint32_t flags)
{
	struct slow_host *host = container_of(op, struct slow_host, op);

	(void)flags;
	ck_assert_int_eq(res, -ETIME);
	atomic_fetch_add(&host->answers, 1);
}

static void ask_host(struct io_watch *watch)
{
	struct kicker *kicker = container_of(watch, struct kicker, watch);
	struct slow_host *host = container_of(kicker, struct slow_host, kicker);
	struct io_uring_sqe *sqe;

	/* A kick may come late, for what spinning found. */
	if (!atomic_exchange(&work_is_there, false))
		return;
	sqe = uring_sqe(ring, &host->op);
	ck_assert_ptr_nonnull(sqe);
	io_uring_prep_timeout(sqe, &host->answer_after, 0, 0);
}

static void watch_slow_host(void *opaque)
{
	struct slow_host *host = opaque;

	watch_spinner(&host->kicker);
	host->kicker.watch.ready = ask_host;
}

START_TEST(test_spinning_for_the_guest_beside_a_slow_host)
{
	static struct slow_host host = {
		.op = { .done = host_answers },
		.answer_after = { .tv_nsec = SLOW_HOST_MS * MS },
	};
	unsigned int works = 0;

	start(0, 20 * MS);
	host.kicker.watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io_context_call(context, watch_slow_host, &host);
	for (; works < 60; works++) {
		give_work(&host.kicker);
		while (atomic_load(&host.answers) <= works)
			sched_yield();
	}
	ck_assert_uint_gt(2 * stats().spin_hits, works);
	remove_kicker(&host.kicker);
}
END_TEST

START_TEST(test_no_spinning_unless_allowed)
{
	struct kicker *kicker = &kickers[0];

	start(0, 0);
	kicker->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io_context_call(context, watch_spinner, kicker);
	for (unsigned int i = 1; i <= 20; i++) {
		kick(kicker->watch.fd);
		await_at_least(&kicker->ready, i);
	}
	ck_assert_uint_eq(stats().spins, 0);
	remove_kicker(kicker);
}
END_TEST

/* --- No io_uring --------------------------------------------------------- */

static void filter_io_uring(unsigned int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program),
			 0);
}

START_TEST(test_io_uring_is_refused)
{
	static const struct {
		int error;
		const char *says;
	} cases[] = {
		{ EPERM, "io_uring_disabled" },
		{ ENOSYS, "seccomp" },
		{ ENOMEM, "ulimit -l" },
	};
	const struct iothread_config config = { .name = "x" };

	filter_io_uring((unsigned int)cases[_i].error);
	ck_assert_int_eq(iothread_new(&config, &io, &err), -cases[_i].error);
	ck_assert_msg(strstr(err.msg, cases[_i].says) != NULL, "%s", err.msg);
	ck_assert_ptr_null(io);
}
END_TEST

/* A kernel that does not know the newer flags answers EINVAL; here whatever
 * the caller's thread asks for goes through, step by step. */
START_TEST(test_all_setup_flags)
{
	start(0, 0);
	/* What 6.1 has; the tests run nowhere older. */
	ck_assert(ring->setup_flags & IORING_SETUP_DEFER_TASKRUN);
	ck_assert(ring->has_files);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_call);
	tcase_add_test(tcase, test_calls_from_many);
	tcase_add_test(tcase, test_kicks_are_not_read);
	tcase_add_test(tcase, test_ready_before_it_was_watched);
	tcase_add_test(tcase, test_no_call_after_unwatch);
	tcase_add_test(tcase, test_unwatch_inside_ready);
	tcase_add_test(tcase, test_completion_queue_overflow);
	tcase_add_test(tcase, test_a_file_that_cannot_be_polled);
	tcase_add_test(tcase, test_one_batch_for_many_kicks);
	tcase_add_test(tcase, test_enter_is_refused);
	tcase_add_test(tcase, test_submission_queue_full);
	tcase_add_test(tcase, test_stale_completion);
	tcase_add_test(tcase, test_timers);
	tcase_add_test(tcase, test_timers_move_and_end);
	tcase_add_test(tcase, test_spinning_pays);
	tcase_add_test(tcase, test_spinning_for_the_guest_beside_a_slow_host);
	tcase_add_test(tcase, test_no_spinning_unless_allowed);
	tcase_add_loop_test(tcase, test_io_uring_is_refused, 0, 3);
	tcase_add_test(tcase, test_all_setup_flags);
}

int main(void)
{
	Suite *suite = suite_create("io/iothread");
	TCase *tcase = tcase_create("iothread");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
