/*
 * An MC146818 real-time clock that shows the host's UTC time, and 114 bytes of
 * CMOS memory that live as long as the machine. Setting the clock keeps the
 * difference to the host's. It raises no interrupts: what needs a timer has
 * better ones here.
 *
 * Source: Motorola MC146818A data sheet; the century byte is where ACPI's FADT
 * points (CENTURY, ACPI 6.4, 5.2.9).
 */
#ifndef DEVICES_RTC_H
#define DEVICES_RTC_H

#include <pthread.h>
#include <time.h>

#include "core/bus.h"

#define RTC_PORT	     0x70
#define RTC_PORTS	     2
#define RTC_CENTURY_REGISTER 0x32

struct rtc {
	pthread_mutex_t lock; /* guards all below */
	uint8_t index;
	uint8_t ram[128]; /* registers and memory */
	int64_t offset_s; /* guest's time less the host's */
	/* Seconds since the epoch; replaceable for a fixed clock. */
	int64_t (*now_s)(void *opaque);
	void *opaque;
};

/* The device is a struct rtc. */
extern const struct bus_ops rtc_bus_ops;

void rtc_init(struct rtc *rtc);
void rtc_release(struct rtc *rtc);

#endif
