#include "devices/i8042.h"

/* Pulses output line 0, which is the reset line of the processor. */
#define COMMAND_RESET 0xfe

static uint64_t i8042_read(void *device, uint64_t offset, unsigned int len)
{
	(void)device;
	(void)offset;
	(void)len;
	/* Both buffers empty, so that a guest which waits to send its reset
	 * command does not wait. */
	return 0;
}

static void i8042_data_write(void *device, uint64_t offset, uint64_t value,
			     unsigned int len)
{
	(void)device;
	(void)offset;
	(void)value;
	(void)len;
}

static void i8042_command_write(void *device, uint64_t offset, uint64_t value,
				unsigned int len)
{
	const struct i8042 *self = device;

	(void)offset;
	(void)len;
	if ((value & 0xff) == COMMAND_RESET)
		self->reset(self->opaque);
}

const struct bus_ops i8042_data_bus_ops = {
	.read = i8042_read,
	.write = i8042_data_write,
};

const struct bus_ops i8042_command_bus_ops = {
	.read = i8042_read,
	.write = i8042_command_write,
};
