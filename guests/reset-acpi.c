/* Resets through the FADT's reset register (ACPI 6.4, 4.8.3.6). */
#include "guest.h"

#define FADT_FLAGS	   112
#define FADT_RESET_REG	   116
#define FADT_RESET_VALUE   128
#define FLAG_RESET_REG_SUP (1u << 10)

void guest_main(void)
{
	const uint8_t *fadt = acpi_table("FACP");
	struct acpi_gas reset;
	uint32_t flags;

	check(fadt != NULL, "no FADT");
	copy(&flags, fadt + FADT_FLAGS, sizeof(flags));
	check(flags & FLAG_RESET_REG_SUP, "the FADT has no reset register");
	copy(&reset, fadt + FADT_RESET_REG, sizeof(reset));
	acpi_gas_write8(&reset, fadt[FADT_RESET_VALUE]);
	survived();
}
