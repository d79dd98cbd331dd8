#include "devices/pvpanic.h"

#define SUPPORTED (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

static uint64_t pvpanic_read(void *device, uint64_t offset, unsigned int len)
{
	(void)device;
	(void)offset;
	(void)len;
	return SUPPORTED;
}

static void pvpanic_write(void *device, uint64_t offset, uint64_t value,
			  unsigned int len)
{
	const struct pvpanic *self = device;

	(void)offset;
	(void)len;
	if (value & SUPPORTED)
		self->panicked(self->opaque, value & SUPPORTED);
}

const struct bus_ops pvpanic_bus_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};
