/* Echoes the command line, between brackets so that blanks show. */
#include "guest.h"

void guest_main(void)
{
	print("cmdline: [");
	print(guest.cmdline);
	print("]\n");
}
