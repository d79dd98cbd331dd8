/*
 * Counts by a function, for whoever looks inside: gdb breaks at count_one and
 * watches the counter, and a dump holds the words that are in memory.
 */
#include "guest.h"

uint64_t debug_counter;
uint64_t debug_marker = 0x6c6c7568206e6920;
uint32_t debug_go_on; /* set by gdb, with --cmdline forever */

__attribute__((noinline)) static void count_one(uint64_t step)
{
	debug_counter += step;
	__asm__ volatile("" : : : "memory");
}

void guest_main(void)
{
	uint64_t times = cmdline_u64("times", 3);

	print("debug: counting\n");
	for (uint64_t i = 0; i < times; i++)
		count_one(i + 1);
	while (cmdline_has("forever") && !*(volatile uint32_t *)&debug_go_on)
		count_one(0);
	print("debug: counted to ");
	print_dec(debug_counter);
	print("\n");
	if (cmdline_has("panic"))
		outb(PORT_PVPANIC, 1);
}
