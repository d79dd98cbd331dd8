/* Pulses the reset line through the keyboard controller's command port. */
#include "guest.h"

#define I8042_COMMAND 0x64
#define I8042_STATUS  0x64
#define STATUS_IBF    0x02
#define PULSE_RESET   0xfe
#define TRIES	      100

void guest_main(void)
{
	unsigned int tries = 0;

	/* All ones, where there is no controller, also say busy. */
	while (inb(I8042_STATUS) & STATUS_IBF)
		check(++tries < TRIES, "the keyboard controller stays busy");
	outb(I8042_COMMAND, PULSE_RESET);
	survived();
}
