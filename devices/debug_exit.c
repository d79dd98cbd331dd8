#include "devices/debug_exit.h"

static uint64_t debug_exit_read(void *device, uint64_t offset, unsigned int len)
{
	(void)device;
	(void)offset;
	(void)len;
	return 0;
}

static void debug_exit_write(void *device, uint64_t offset, uint64_t value,
			     unsigned int len)
{
	const struct debug_exit *self = device;

	(void)len;
	if (offset == 0)
		self->ended(self->opaque, (uint32_t)value);
}

const struct bus_ops debug_exit_bus_ops = {
	.read = debug_exit_read,
	.write = debug_exit_write,
};
