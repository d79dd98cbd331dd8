#include "core/rate.h"

#include "core/util.h"

#define SECOND_NS   1000000000ULL
/* No bucket is so deep in debt that times overflow: 146 years. */
#define DEBT_MAX_NS (INT64_MAX / 2)

/*
 * The bucket is kept as time: what is missing in it is what the time from now
 * to full_at_ns brings in. So nothing has to be refilled, and an idle bucket
 * costs nothing.
 *
 * RATE_AMOUNT_MAX * SECOND_NS + RATE_MAX < 2^64.
 */
static int64_t cost_ns(const struct rate *rate, uint64_t amount)
{
	return (int64_t)min_u64(min_u64(amount, RATE_AMOUNT_MAX) * SECOND_NS /
					rate->per_second,
				DEBT_MAX_NS);
}

void rate_init(struct rate *rate, uint64_t per_second, uint64_t burst)
{
	per_second = min_u64(per_second, RATE_MAX);
	*rate = (struct rate){
		.per_second = per_second,
		.full_at_ns = INT64_MIN,
	};
	if (!per_second)
		return;
	rate->burst_ns = burst ? cost_ns(rate, burst) :
				 (int64_t)max_u64(SECOND_NS / 10,
						  SECOND_NS / per_second);
}

int64_t rate_wait_ns(const struct rate *rate, uint64_t amount, int64_t now_ns)
{
	int64_t cost;

	if (!rate->per_second || rate->full_at_ns <= now_ns)
		return 0;
	cost = cost_ns(rate, amount);
	if (cost > rate->burst_ns)
		cost = rate->burst_ns;
	cost += rate->full_at_ns - now_ns - rate->burst_ns;
	return cost > 0 ? cost : 0;
}

void rate_charge(struct rate *rate, uint64_t amount, int64_t now_ns)
{
	uint64_t owed;
	uint64_t cost;

	if (!rate->per_second)
		return;
	if (rate->full_at_ns < now_ns) {
		rate->full_at_ns = now_ns;
		rate->rest = 0;
	}
	owed = min_u64(amount, RATE_AMOUNT_MAX) * SECOND_NS + rate->rest;
	cost = owed / rate->per_second;
	rate->rest = owed % rate->per_second;
	if (cost > DEBT_MAX_NS - (uint64_t)(rate->full_at_ns - now_ns))
		rate->full_at_ns = now_ns + DEBT_MAX_NS;
	else
		rate->full_at_ns += (int64_t)cost;
}

int64_t rate_take(struct rate *rate, uint64_t amount, int64_t now_ns)
{
	int64_t wait = rate_wait_ns(rate, amount, now_ns);

	if (!wait)
		rate_charge(rate, amount, now_ns);
	return wait;
}
