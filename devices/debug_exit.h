/*
 * The debug-exit port: a test guest writes a value and the machine ends with
 * it. Compatible with QEMU's isa-debug-exit at its usual place.
 */
#ifndef DEVICES_DEBUG_EXIT_H
#define DEVICES_DEBUG_EXIT_H

#include "core/bus.h"

#define DEBUG_EXIT_PORT	 0xf4
#define DEBUG_EXIT_PORTS 4

struct debug_exit {
	/* vCPU thread; the value as wide as it was written. */
	void (*ended)(void *opaque, uint32_t value);
	void *opaque;
};

/* The device is a struct debug_exit. */
extern const struct bus_ops debug_exit_bus_ops;

#endif
