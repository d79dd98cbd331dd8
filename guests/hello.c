/* Says so on the serial port. */
#include "guest.h"

void guest_main(void)
{
	print("hello from the guest\n");
}
