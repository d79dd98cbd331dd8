/* The I/O thread that shares a CPU: when it is scheduled as a batch. */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/iothread.h"
#include "tests/unit/quick_check.h"

static struct iothread *io;
static struct io_context *context;
static struct err err;

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

#define MANY  64 /* kicks that are looked at together */
#define TRIAL 8 /* of a trial */

static atomic_int policy;

struct kicks {
	unsigned int count;
	unsigned int things; /* that each of them brought */
	unsigned int each_us; /* how long each lets one wait */
};

static void find(void *opaque)
{
	const struct kicks *kicks = opaque;

	for (unsigned int i = 0; i < kicks->count; i++) {
		if (kicks->each_us)
			usleep(kicks->each_us);
		io_context_found(context, kicks->things);
	}
	atomic_store(&policy, sched_getscheduler(0));
}

static int policy_after(unsigned int count, unsigned int things,
			unsigned int each_us)
{
	struct kicks kicks = { count, things, each_us };

	io_context_call(context, find, &kicks);
	return atomic_load(&policy);
}

static void start_sharing(bool shares_cpus)
{
	const struct iothread_config config = {
		.name = "io-test",
		.shares_cpus = shares_cpus,
	};

	ck_assert_msg(iothread_new(&config, &io, &err) == 0, "%s", err.msg);
	context = iothread_context(io);
	ck_assert_msg(iothread_start(io, &err) == 0, "%s", err.msg);
}

START_TEST(test_a_batch_while_that_pays)
{
	start_sharing(true);
	ck_assert_int_eq(policy_after(MANY, 1, 1000), SCHED_BATCH);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(policy_after(MANY, 4, 0), SCHED_BATCH);
	ck_assert_uint_eq(stats().batch_tries, 1);
	/* Of one thread, not of the process. */
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
}
END_TEST

START_TEST(test_no_batch_for_nothing)
{
	start_sharing(true);
	ck_assert_int_eq(policy_after(MANY, 1, 1000), SCHED_BATCH);
	ck_assert_int_eq(policy_after(TRIAL - 1, 3, 0), SCHED_BATCH);
	ck_assert_int_eq(policy_after(1, 3, 0), SCHED_OTHER);
	/* Not again for a quarter of a second. */
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(policy_after(MANY, 1, 0), SCHED_OTHER);
	usleep(300000);
	ck_assert_int_eq(policy_after(MANY, 1, 1000), SCHED_BATCH);
	ck_assert_uint_eq(stats().batch_tries, 2);
}
END_TEST

/* Each kick brings more, but one after the other waits for us. */
START_TEST(test_no_batch_that_costs)
{
	start_sharing(true);
	ck_assert_int_eq(policy_after(MANY, 1, 0), SCHED_BATCH);
	/* 16 ms, and so not again for a second. */
	ck_assert_int_eq(policy_after(TRIAL, 4, 2000), SCHED_OTHER);
	usleep(300000);
	ck_assert_int_eq(policy_after(MANY, 1, 0), SCHED_OTHER);
	for (int i = 0; i < 150 && policy_after(MANY, 1, 0) != SCHED_BATCH; i++)
		usleep(100000);
	ck_assert_int_eq(atomic_load(&policy), SCHED_BATCH);
	ck_assert_uint_eq(stats().batch_tries, 2);
}
END_TEST

START_TEST(test_no_batch_of_its_own_accord)
{
	start_sharing(false);
	ck_assert_int_eq(policy_after(MANY, 1, 0), SCHED_OTHER);
	tear_down();
	/* Each kick brings enough as it is. */
	start_sharing(true);
	ck_assert_int_eq(policy_after(MANY, 3, 0), SCHED_OTHER);
	/* Kicks are rare: 64 of them in more than 256 ms. */
	ck_assert_int_eq(policy_after(1, 1, 0), SCHED_OTHER);
	usleep(300000);
	ck_assert_int_eq(policy_after(MANY - 1, 1, 0), SCHED_OTHER);
	ck_assert_uint_eq(stats().batch_tries, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_a_batch_while_that_pays);
	tcase_add_test(tcase, test_no_batch_for_nothing);
	tcase_add_test(tcase, test_no_batch_that_costs);
	tcase_add_test(tcase, test_no_batch_of_its_own_accord);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
