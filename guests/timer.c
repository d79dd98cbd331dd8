/*
 * Time: the local APIC's timer interrupt arrives, and kvmclock, where it is
 * offered, gives a time that increases. "pit" on the command line wants the
 * interrupts of the PIT too, through the I/O APIC, "pit=PIN" at that pin;
 * "kvmclock" wants kvmclock to be offered.
 */
#include "guest.h"

#define LAPIC_SVR	    0x0f0
#define LAPIC_LVT_TIMER	    0x320
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_DIVIDE  0x3e0

#define SVR_ENABLE  0x1ff
#define LVT_MASKED  0x10000
#define DIVIDE_BY_1 0x0b
#define TIMER_TICKS 100000
#define WANTED	    3
#define WAIT_CYCLES 20000000000ULL

#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_ENTRY  0x10

#define PIT_CHANNEL_0 0x40
#define PIT_COMMAND   0x43
#define PIT_RATE_LOHI 0x34 /* channel 0, low then high byte, mode 2 */
#define PIT_DIVISOR   1193 /* of 1193182 Hz: 1 ms */

#define MADT_FIRST_ENTRY 44
#define MADT_OVERRIDE	 2

static uint32_t irqs(void)
{
	return *(volatile uint32_t *)&irq_count;
}

static void wait_irq(uint32_t wanted, const char *what)
{
	uint64_t start = rdtsc();

	/*
	 * Polling rather than hlt, so that a timer that never fires is a
	 * failure and not a hang.
	 */
	__asm__ volatile("sti" : : : "memory");
	while (irqs() < wanted)
		if (rdtsc() - start > WAIT_CYCLES)
			fail(what);
	__asm__ volatile("cli" : : : "memory");
}

static void check_lapic(void)
{
	for (uint32_t i = 1; i <= WANTED; i++) {
		mmio_write32(LAPIC_BASE + LAPIC_TIMER_INITIAL, TIMER_TICKS);
		wait_irq(i, "no interrupt from the local APIC's timer");
	}
	mmio_write32(LAPIC_BASE + LAPIC_TIMER_INITIAL, 0);
	mmio_write32(LAPIC_BASE + LAPIC_LVT_TIMER, LVT_MASKED);
	print("timer: lapic\n");
}

/* The I/O APIC pin of ISA interrupt 0: as the MADT overrides it, else 0. */
static uint32_t pit_pin(void)
{
	const uint8_t *madt = acpi_table("APIC");
	uint32_t len, pin, at = MADT_FIRST_ENTRY;

	if (cmdline_value("pit") != NULL)
		return (uint32_t)cmdline_u64("pit", 0);
	if (madt == NULL)
		return 0;
	copy(&len, madt + 4, sizeof(len));
	for (; at + 10 <= len && madt[at + 1] >= 2; at += madt[at + 1]) {
		if (madt[at] != MADT_OVERRIDE || madt[at + 3] != 0)
			continue;
		copy(&pin, madt + at + 4, sizeof(pin));
		return pin;
	}
	return 0;
}

static void ioapic_write(uint32_t index, uint32_t value)
{
	mmio_write32(IOAPIC_BASE + IOAPIC_SELECT, index);
	mmio_write32(IOAPIC_BASE + IOAPIC_WINDOW, value);
}

static void check_pit(void)
{
	uint32_t entry = IOAPIC_ENTRY + 2 * pit_pin();
	uint32_t before = irqs();

	ioapic_write(entry + 1, 0);
	ioapic_write(entry, IRQ_VECTOR);
	outb(PIT_COMMAND, PIT_RATE_LOHI);
	outb(PIT_CHANNEL_0, PIT_DIVISOR & 0xff);
	outb(PIT_CHANNEL_0, PIT_DIVISOR >> 8);
	wait_irq(before + WANTED, "no interrupts from the PIT");
	ioapic_write(entry, LVT_MASKED);
	print("timer: pit\n");
}

static void check_kvmclock(void)
{
	uint64_t first, second;

	if (!kvmclock_offered()) {
		check(!cmdline_has("kvmclock"), "kvmclock is not offered");
		print("timer: kvmclock is not offered\n");
		return;
	}
	kvmclock_start();
	first = kvmclock_ns();
	for (unsigned int i = 0; i < 100; i++)
		__asm__ volatile("pause");
	second = kvmclock_ns();
	kvmclock_stop();
	check(second > first, "kvmclock does not increase");
	check(second - first < 10000000000ULL, "kvmclock jumps");
	print("timer: kvmclock\n");
}

void guest_main(void)
{
	idt_set(IRQ_VECTOR, irq_entry);
	/* The PIC's lines stay off: every interrupt comes through the APICs. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	mmio_write32(LAPIC_BASE + LAPIC_SVR, SVR_ENABLE);
	mmio_write32(LAPIC_BASE + LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	mmio_write32(LAPIC_BASE + LAPIC_LVT_TIMER, IRQ_VECTOR);
	check_lapic();
	if (cmdline_has("pit") || cmdline_value("pit") != NULL)
		check_pit();
	check_kvmclock();
}
