/*
 * ACPI's power management timer: 32 bits that count up 3579545 times a second
 * from the machine's start. It raises no interrupt when it wraps.
 *
 * Source: ACPI 6.4, 4.8.2.1 and 4.8.3.3.
 */
#ifndef DEVICES_PM_TIMER_H
#define DEVICES_PM_TIMER_H

#include "core/bus.h"

#define PM_TIMER_PORT  0x608 /* where QEMU's PCs have it */
#define PM_TIMER_PORTS 4
#define PM_TIMER_HZ    3579545

struct pm_timer {
	uint64_t start_ns;
	/* Monotonic; replaceable for a clock of a test. Any thread. */
	uint64_t (*now_ns)(void *opaque);
	void *opaque;
};

/* The device is a struct pm_timer. */
extern const struct bus_ops pm_timer_bus_ops;

void pm_timer_init(struct pm_timer *timer);

#endif
