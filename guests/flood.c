/*
 * Writes to the serial port as fast as it takes it: "kib=N" on the command line,
 * 1024 without. Every 16 bytes are a line with its number in 15 decimal digits,
 * so `seq -f %015.0f 0 COUNT-1` is what must arrive, byte for byte. Nothing
 * else is printed.
 */
#include "guest.h"

#define LINE_SIZE   16
#define LINES_A_KIB (1024 / LINE_SIZE)

static void increment(char *line)
{
	char *digit = line + LINE_SIZE - 2;

	while (*digit == '9')
		*digit-- = '0';
	++*digit;
}

void guest_main(void)
{
	char line[LINE_SIZE + 1] = "000000000000000\n";
	uint64_t lines = cmdline_u64("kib", 1024) * LINES_A_KIB;

	for (uint64_t i = 0; i < lines; i++) {
		serial_write(line, LINE_SIZE);
		increment(line);
	}
}
