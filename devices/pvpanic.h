/*
 * The pvpanic port: a guest kernel tells that it panicked. The guest finds it
 * through ACPI as QEMU0001.
 *
 * Source: QEMU docs/specs/pvpanic.txt; Linux drivers/misc/pvpanic.
 */
#ifndef DEVICES_PVPANIC_H
#define DEVICES_PVPANIC_H

#include "core/bus.h"

#define PVPANIC_PORT  0x505
#define PVPANIC_PORTS 1

#define PVPANIC_PANICKED     0x01
#define PVPANIC_CRASH_LOADED 0x02 /* a crash kernel takes over: not the end */

struct pvpanic {
	/* vCPU thread; @events are PVPANIC_ bits. */
	void (*panicked)(void *opaque, uint8_t events);
	void *opaque;
};

/* The device is a struct pvpanic. */
extern const struct bus_ops pvpanic_bus_ops;

#endif
