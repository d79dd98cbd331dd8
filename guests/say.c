/*
 * Says on the serial port what its command line tells it to, then ends. The
 * first word is the end: "pass", "spin", "panic", or the value for the
 * debug-exit port. In the text behind it "|" is the end of a line, "~" a pause
 * of about a tenth of a second, "^" an escape character, and "@" goes on at the
 * debug console, or back at the serial port.
 */
#include "guest.h"

#define PVPANIC_PANICKED 0x01
#define PORT_DEBUGCON	 0xe9

/* The time-stamp counter's frequency is not known; nor does it matter. */
#define PAUSE_CYCLES 200000000

static void pause_a_while(void)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < PAUSE_CYCLES)
		;
}

static void put(char c, bool to_debugcon)
{
	if (to_debugcon)
		outb(PORT_DEBUGCON, (uint8_t)c);
	else
		serial_write(&c, 1);
}

static void say(const char *text)
{
	bool to_debugcon = false;

	for (; *text; text++) {
		switch (*text) {
		case '@':
			to_debugcon = !to_debugcon;
			break;
		case '|':
			put('\n', to_debugcon);
			break;
		case '~':
			pause_a_while();
			break;
		case '^':
			put('\x1b', to_debugcon);
			break;
		default:
			put(*text, to_debugcon);
			break;
		}
	}
}

static _Noreturn void spin(void)
{
	for (;;)
		__asm__ volatile("cli; pause");
}

void guest_main(void)
{
	const char *text = guest.cmdline;
	const char *end = text;

	while (*text && *text != ' ')
		text++;
	say(*text ? text + 1 : text);
	if (cmdline_has("spin"))
		spin();
	if (cmdline_has("panic")) {
		outb(PORT_PVPANIC, PVPANIC_PANICKED);
		survived();
	}
	if (*end >= '0' && *end <= '9')
		guest_exit((uint8_t)parse_u64(&end));
}
