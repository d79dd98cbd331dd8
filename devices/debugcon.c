#include "devices/debugcon.h"

static uint64_t debugcon_read(void *device, uint64_t offset, unsigned int len)
{
	(void)device;
	(void)offset;
	return len == 1 ? DEBUGCON_PRESENT : UINT64_MAX;
}

static void debugcon_write(void *device, uint64_t offset, uint64_t value,
			   unsigned int len)
{
	const struct debugcon *self = device;
	uint8_t byte = (uint8_t)value;

	(void)offset;
	if (len == 1)
		chardev_write_all(self->chardev, &byte, 1);
}

const struct bus_ops debugcon_bus_ops = {
	.read = debugcon_read,
	.write = debugcon_write,
};
