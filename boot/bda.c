#include "boot/bda.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "boot/acpi.h"
#include "core/bytes.h"

/* Offsets as every BIOS since the IBM PC's has them. */
#define BDA_COM1	    0x400 /* its port */
#define BDA_EBDA	    0x40e /* the segment of the extended area */
#define BDA_EQUIPMENT	    0x410
#define BDA_LOW_KIB	    0x413
#define EQUIPMENT_COM_SHIFT 9 /* how many serial ports */

/* Where programs may talk to each other: nobody does before there are any. */
#define BDA_NOTHING	0x4f0 /* what an interrupt or an exception runs */
#define BDA_UNSUPPORTED 0x4f1 /* and a call of the BIOS */

#define VECTORS	   256
#define CALL_FIRST 0x10
#define CALL_LAST  0x1f

static const uint8_t handlers[] = {
	0xcf, /* iret */
	0x55, /* push %bp */
	0x89, 0xe5, /* mov %sp, %bp */
	0x80, 0x4e, 0x06, 0x01, /* orb $1, 6(%bp): carry, for the caller */
	0x5d, /* pop %bp */
	0xb4, 0x86, /* mov $0x86, %ah: there is no such function */
	0xcf, /* iret */
};

static void write_vectors(uint8_t *bda)
{
	for (size_t i = 0; i < VECTORS; i++) {
		bool is_call = i >= CALL_FIRST && i <= CALL_LAST;

		/* Segment 0. */
		store_le32(bda + 4 * i,
			   is_call ? BDA_UNSUPPORTED : BDA_NOTHING);
	}
	memcpy(bda + BDA_NOTHING, handlers, sizeof(handlers));
}

int bda_write(const struct platform *platform, struct err *err)
{
	const struct platform_device *serial =
		acpi_find(platform, PLATFORM_SERIAL);
	uint8_t *bda = gmem_ptr(platform->gmem, BDA_START, BDA_END - BDA_START);

	if (!bda)
		return err_set(err, ENOMEM, "guest memory ends below 1 MiB");
	write_vectors(bda);
	if (serial) {
		store_le16(bda + BDA_COM1, (uint16_t)serial->base);
		store_le16(bda + BDA_EQUIPMENT, 1 << EQUIPMENT_COM_SHIFT);
	}
	store_le16(bda + BDA_EBDA, (uint16_t)(PLATFORM_EBDA_START >> 4));
	store_le16(bda + BDA_LOW_KIB, (uint16_t)(PLATFORM_EBDA_START / KIB));
	return 0;
}
