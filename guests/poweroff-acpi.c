/*
 * Enters S5 through the sleep control register of hardware-reduced ACPI (ACPI
 * 6.4, 4.8.3.7), with the sleep type that the DSDT's _S5 object gives.
 */
#include "guest.h"

#define FADT_FLAGS	   112
#define FADT_SLEEP_CONTROL 244
#define FLAG_HW_REDUCED	   (1u << 20)
#define SLEEP_TYPE_SHIFT   2
#define SLEEP_ENABLE	   0x20

#define AML_ZERO    0x00
#define AML_ONE	    0x01
#define AML_BYTE    0x0a
#define AML_PACKAGE 0x12

/* The first element of Name (_S5, Package () {...}) (ACPI 6.4, 7.4.2, 20.2). */
static uint8_t sleep_type(const uint8_t *dsdt)
{
	uint32_t len;

	copy(&len, dsdt + 4, sizeof(len));
	for (uint32_t i = 36; i + 9 <= len; i++) {
		const uint8_t *p = dsdt + i + 4;

		if (dsdt[i] != '_' ||
		    !str_equal_n((const char *)dsdt + i, "_S5_", 4) ||
		    p[0] != AML_PACKAGE)
			continue;
		p += 2 + (p[1] >> 6); /* PkgLength: 1 to 4 bytes */
		check(*p++ >= 1, "the _S5 package is empty");
		if (*p == AML_BYTE)
			return p[1];
		check(*p == AML_ZERO || *p == AML_ONE,
		      "_S5 holds something else than a small number");
		return *p;
	}
	fail("the DSDT has no _S5");
}

void guest_main(void)
{
	const uint8_t *fadt = acpi_table("FACP");
	const uint8_t *dsdt = acpi_dsdt();
	struct acpi_gas control;
	uint32_t flags;

	check(fadt != NULL && dsdt != NULL, "no FADT or no DSDT");
	copy(&flags, fadt + FADT_FLAGS, sizeof(flags));
	check(flags & FLAG_HW_REDUCED, "the FADT is not hardware-reduced");
	copy(&control, fadt + FADT_SLEEP_CONTROL, sizeof(control));
	check(control.address != 0, "the FADT has no sleep control register");
	acpi_gas_write8(&control,
			(uint8_t)(sleep_type(dsdt) << SLEEP_TYPE_SHIFT |
				  SLEEP_ENABLE));
	survived();
}
