#include "devices/pm_timer.h"

#include <time.h>

#define NS_PER_S 1000000000ULL

static uint64_t monotonic_ns(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t pm_timer_read(void *device, uint64_t offset, unsigned int len)
{
	const struct pm_timer *self = device;
	uint64_t ns = self->now_ns(self->opaque) - self->start_ns;
	/* In two steps: one product would wrap after an hour and a half. */
	uint64_t ticks = ns / NS_PER_S * PM_TIMER_HZ +
			 ns % NS_PER_S * PM_TIMER_HZ / NS_PER_S;

	if (len == 4)
		return ticks & UINT32_MAX;
	return ((ticks & UINT32_MAX) >> (offset * 8)) &
	       ((1ULL << (len * 8)) - 1);
}

static void pm_timer_write(void *device, uint64_t offset, uint64_t value,
			   unsigned int len)
{
	/* Read-only (ACPI 6.4, 4.8.3.3). */
	(void)device;
	(void)offset;
	(void)value;
	(void)len;
}

const struct bus_ops pm_timer_bus_ops = {
	.read = pm_timer_read,
	.write = pm_timer_write,
};

void pm_timer_init(struct pm_timer *timer)
{
	*timer = (struct pm_timer){ .now_ns = monotonic_ns };
	timer->start_ns = timer->now_ns(NULL);
}
