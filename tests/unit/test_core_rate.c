/* Token buckets: what passes at once, what waits for how long, and that the
 * rate comes out right in the end. */

#include "core/rate.h"
#include "core/util.h"
#include "tests/unit/quick_check.h"

#define SECOND 1000000000LL
#define MS     1000000LL

START_TEST(test_no_limit)
{
	struct rate rate;

	rate_init(&rate, 0, 5);
	ck_assert(!rate_limited(&rate));
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(rate_take(&rate, UINT64_MAX, 0), 0);
	rate_init(&rate, 1, 5);
	ck_assert(rate_limited(&rate));
}
END_TEST

/* The burst passes at once, then one unit each hundredth of a second. */
START_TEST(test_burst_then_rate)
{
	int64_t now = 5 * SECOND;
	struct rate rate;

	rate_init(&rate, 100, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(rate_take(&rate, 1, now), 0);
	ck_assert_int_eq(rate_take(&rate, 1, now), 10 * MS);
	/* Asking has taken nothing. */
	ck_assert_int_eq(rate_take(&rate, 1, now), 10 * MS);
	ck_assert_int_eq(rate_take(&rate, 1, now + 4 * MS), 6 * MS);
	ck_assert_int_eq(rate_take(&rate, 1, now + 10 * MS), 0);
	ck_assert_int_eq(rate_take(&rate, 2, now + 10 * MS), 20 * MS);
	/* However long it was idle, it holds the burst and no more. */
	now += 100 * SECOND;
	ck_assert_int_eq(rate_take(&rate, 3, now), 0);
	ck_assert_int_eq(rate_take(&rate, 1, now), 10 * MS);
}
END_TEST

START_TEST(test_default_burst)
{
	struct rate rate;

	/* A tenth of a second, */
	rate_init(&rate, 1000, 0);
	ck_assert_int_eq(rate_take(&rate, 100, 0), 0);
	ck_assert_int_eq(rate_take(&rate, 1, 0), 1 * MS);
	/* but one unit at least. */
	rate_init(&rate, 2, 0);
	ck_assert_int_eq(rate_take(&rate, 1, 0), 0);
	ck_assert_int_eq(rate_take(&rate, 1, 0), SECOND / 2);
}
END_TEST

/* Larger than the burst: waits for a full bucket, then pays for all of it. */
START_TEST(test_larger_than_burst)
{
	int64_t now = 0;
	struct rate rate;

	rate_init(&rate, 1000, 10);
	ck_assert_int_eq(rate_take(&rate, 5, now), 0);
	ck_assert_int_eq(rate_take(&rate, 1000, now), 5 * MS);
	now += 5 * MS;
	ck_assert_int_eq(rate_take(&rate, 1000, now), 0);
	ck_assert_int_eq(rate_take(&rate, 1, now), 991 * MS);
	ck_assert_int_eq(rate_take(&rate, 1000, now), SECOND);
	ck_assert_int_eq(rate_take(&rate, 1000, now + SECOND), 0);
}
END_TEST

START_TEST(test_debt)
{
	struct rate rate;

	rate_init(&rate, 1000, 10);
	rate_charge(&rate, 30, 0);
	ck_assert_int_eq(rate_wait_ns(&rate, 1, 0), 21 * MS);
	ck_assert_int_eq(rate_wait_ns(&rate, 0, 0), 20 * MS);
	ck_assert_int_eq(rate_wait_ns(&rate, 1, 21 * MS), 0);
}
END_TEST

/* No unit is lost to rounding, whatever the rate: over a second of greed the
 * bucket gives the burst and the rate. */
START_TEST(test_exact)
{
	static const uint64_t rates[] = { 3,	      7,	  999983,
					  1000000000, 1500000007, 12500000000 };
	const uint64_t amounts[] = { 1, 7, 1499 };

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		uint64_t amount = amounts[i % 3];
		uint64_t taken = 0;
		int64_t now = 1;
		struct rate rate;

		rate_init(&rate, rates[i], amount);
		/* Many takes of less than a nanosecond each, if need be. */
		for (int n = 0; n < 2000000; n++) {
			int64_t wait = rate_take(&rate, amount, now);

			taken += wait ? 0 : amount;
			now += wait;
		}
		double want = (double)rates[i] * (double)(now - 1) / 1e9;

		ck_assert_double_le((double)taken,
				    want * 1.000001 + 2 * (double)amount +
					    (double)rates[i] / 5e8);
		ck_assert_double_ge((double)taken, want * 0.999999);
	}
}
END_TEST

START_TEST(test_extremes)
{
	struct rate rate;

	rate_init(&rate, UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(rate_take(&rate, UINT64_MAX, INT64_MAX / 4), 0);
	rate_init(&rate, 1, 1);
	/* Debts saturate; nothing wraps into a bucket that is full. */
	for (int i = 0; i < 5; i++) {
		rate_charge(&rate, UINT64_MAX, SECOND);
		ck_assert_int_gt(rate_wait_ns(&rate, UINT64_MAX, SECOND),
				 1000000 * SECOND);
		ck_assert_int_gt(rate_wait_ns(&rate, 1, SECOND),
				 1000000 * SECOND);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/rate");
	TCase *tcase = tcase_create("rate");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_no_limit);
	tcase_add_test(tcase, test_burst_then_rate);
	tcase_add_test(tcase, test_default_burst);
	tcase_add_test(tcase, test_larger_than_burst);
	tcase_add_test(tcase, test_debt);
	tcase_add_test(tcase, test_exact);
	tcase_add_test(tcase, test_extremes);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
