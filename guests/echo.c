/*
 * Sends back what arrives on the serial port, a carriage return as CR LF, until
 * a "q", which it answers with "bye".
 */
#include "guest.h"

void guest_main(void)
{
	print("echo: ready\r\n");
	for (;;) {
		char c = (char)serial_getc();

		if (c == 'q')
			break;
		serial_write(&c, 1);
		if (c == '\r')
			serial_write("\n", 1);
	}
	print("bye\r\n");
}
