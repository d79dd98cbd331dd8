/*
 * The debug console at port 0xe9 that Bochs began and QEMU has too: a byte
 * written there is printed, and a byte read says that the port is there.
 */
#ifndef DEVICES_DEBUGCON_H
#define DEVICES_DEBUGCON_H

#include "core/bus.h"
#include "io/chardev.h"

#define DEBUGCON_PORT	 0xe9
#define DEBUGCON_PORTS	 1
#define DEBUGCON_PRESENT 0xe9 /* what a read gives */

struct debugcon {
	struct chardev *chardev; /* borrowed */
};

/* The device is a struct debugcon. */
extern const struct bus_ops debugcon_bus_ops;

#endif
