/* Reports a panic to the pvpanic port (QEMU docs/specs/pvpanic). */
#include "guest.h"

#define PVPANIC_PANICKED 0x01

void guest_main(void)
{
	check(inb(PORT_PVPANIC) & PVPANIC_PANICKED,
	      "the pvpanic port does not offer the panic event");
	outb(PORT_PVPANIC, PVPANIC_PANICKED);
	survived();
}
