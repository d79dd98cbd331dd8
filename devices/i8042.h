/*
 * The one thing of a keyboard controller that a machine without a keyboard
 * needs: the line that resets the processor. Its status reads "nothing there".
 */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include "core/bus.h"

#define I8042_DATA_PORT	   0x60
#define I8042_COMMAND_PORT 0x64

struct i8042 {
	/* vCPU thread. */
	void (*reset)(void *opaque);
	void *opaque;
};

/* For a range of one port at each of the two; the device is a struct i8042. */
extern const struct bus_ops i8042_data_bus_ops;
extern const struct bus_ops i8042_command_bus_ops;

#endif
