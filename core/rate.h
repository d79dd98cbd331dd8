/*
 * A limit of so many units (bytes, requests, packets) per second with a burst:
 * a token bucket that starts full and holds the burst.
 *
 * Who must take from several buckets at once asks each with rate_wait_ns and
 * charges all of them once none makes it wait. What is known only after it
 * happened (a packet that came in) is charged then: a bucket goes into debt
 * and makes the next one wait.
 *
 * The caller owns the storage and serialises the calls. Times are nanoseconds
 * of CLOCK_MONOTONIC and never go back. No state outside of the bucket.
 */
#ifndef CORE_RATE_H
#define CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* The largest rate and burst; larger ones are taken for this. */
#define RATE_MAX	((uint64_t)1 << 62)
/* The largest amount and burst that count in full. */
#define RATE_AMOUNT_MAX ((uint64_t)1 << 33)

struct rate {
	uint64_t per_second; /* 0: no limit */
	int64_t burst_ns; /* how long the burst takes to refill */
	int64_t full_at_ns; /* when the bucket is full, if nothing is taken */
	uint64_t rest; /* of the last division, so that no unit is lost */
};

/*
 * @per_second 0 limits nothing. @burst is in the same units, 0 for what a
 * tenth of a second brings. The bucket starts full.
 */
void rate_init(struct rate *rate, uint64_t per_second, uint64_t burst);

static inline bool rate_limited(const struct rate *rate)
{
	return rate->per_second != 0;
}

/*
 * How long until @amount may be taken: 0 is now. An amount above the burst
 * waits for a full bucket and goes into debt for the rest, so that it passes
 * in the end, and at the rate. Takes nothing.
 */
int64_t rate_wait_ns(const struct rate *rate, uint64_t amount, int64_t now_ns);

/* Takes @amount, into debt if need be. */
void rate_charge(struct rate *rate, uint64_t amount, int64_t now_ns);

/*
 * Both: returns 0 when @amount was taken, else takes nothing and returns how
 * long to wait before asking again, at least 1.
 */
int64_t rate_take(struct rate *rate, uint64_t amount, int64_t now_ns);

#endif
