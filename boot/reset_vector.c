#include "boot/reset_vector.h"

#include <errno.h>

#include "boot/acpi.h"
#include "boot/layout.h"

int reset_vector_write(const struct platform *platform, struct err *err)
{
	const struct platform_device *power =
		acpi_find(platform, PLATFORM_POWER);
	uint16_t port;

	if (!power)
		return 0;
	port = (uint16_t)(power->base + PLATFORM_POWER_RESET);
	/* Real mode, 16 bytes at most to the end of the segment. */
	const uint8_t code[] = {
		0xba,
		(uint8_t)port,
		(uint8_t)(port >> 8), /* mov dx, port */
		0xb0,
		PLATFORM_RESET_VALUE, /* mov al, value */
		0xee, /* out dx, al */
		0xfa, /* cli */
		0xf4, /* hlt */
		0xeb,
		0xfd, /* jmp back to the hlt */
	};

	if (gmem_write(platform->gmem, LAYOUT_RESET_VECTOR, code, sizeof(code)))
		return err_set(err, ENOMEM, "no room for the reset vector");
	return 0;
}
