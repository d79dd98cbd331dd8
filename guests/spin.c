/* Never ends: for time-outs, signals and the quit key. */
#include "guest.h"

void guest_main(void)
{
	print("spin: for ever\n");
	for (;;)
		__asm__ volatile("cli; pause");
}
