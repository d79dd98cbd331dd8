/*
 * Accesses what no device claims: writes vanish, reads give all ones at every
 * width. "mmio=skip" on the command line leaves memory out, "mmio=ADDRESS"
 * chooses another address.
 */
#include "guest.h"

#define FREE_PORT 0x1238
#define FREE_MMIO 0xdff00000ULL

static void check_ports(void)
{
	outb(FREE_PORT, 0x12);
	check(inb(FREE_PORT) == 0xff, "a free port reads not 0xff");
	check(inw(FREE_PORT) == 0xffff, "a free port reads not 0xffff");
	check(inl(FREE_PORT) == 0xffffffff, "a free port reads not 0xffffffff");
}

static void check_mmio(uint64_t gpa)
{
	uint8_t byte;

	mmio_write32(gpa, 0x12345678);
	__asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(gpa) : "memory");
	check(byte == 0xff, "free address reads not 0xff");
	check(mmio_read32(gpa) == 0xffffffff,
	      "free address reads not 0xffffffff");
	check(mmio_read64((const void *)gpa) == UINT64_MAX,
	      "free address reads not 64 ones");
}

void guest_main(void)
{
	check_ports();
	if (!cmdline_has("mmio=skip"))
		check_mmio(cmdline_u64("mmio", FREE_MMIO));
}
