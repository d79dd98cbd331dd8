/*
 * Reads the date and time from the CMOS clock the way an operating system does:
 * waits while an update is in progress, minds binary and BCD, 12 and 24 hours
 * (MC146818A data sheet, registers A and B). Prints it, so that a test can
 * compare it with the host's, and when the guest began by kvmclock, where that
 * is offered (KVM Documentation/virt/kvm/x86/msr.rst).
 */
#include "guest.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS   0x04
#define RTC_DAY	    0x07
#define RTC_MONTH   0x08
#define RTC_YEAR    0x09
#define RTC_A	    0x0a
#define RTC_B	    0x0b
#define RTC_D	    0x0d
#define RTC_CENTURY 0x32

#define A_UPDATING 0x80
#define B_BINARY   0x04
#define B_24_HOURS 0x02
#define D_VALID	   0x80
#define HOUR_PM	   0x80

#define TRIES 100000

#define MSR_KVM_WALL_CLOCK_NEW 0x4b564d00u

struct wall_clock {
	uint32_t version, seconds, nanoseconds;
};

static uint8_t cmos(uint8_t index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

static unsigned int number(uint8_t value, bool binary)
{
	if (binary)
		return value;
	check((value & 0xf) < 10 && value >> 4 < 10, "a field is not BCD");
	return (value & 0xfu) + (value >> 4) * 10u;
}

static unsigned int hours(uint8_t value, uint8_t b)
{
	unsigned int hour = number(value & (uint8_t)~HOUR_PM, b & B_BINARY);

	if (b & B_24_HOURS)
		return hour;
	return hour % 12 + (value & HOUR_PM ? 12 : 0);
}

static void print_two(unsigned int value, const char *behind)
{
	if (value < 10)
		print("0");
	print_dec(value);
	print(behind);
}

static void print_wall_clock(void)
{
	static volatile struct wall_clock clock __attribute__((aligned(4))) = {
		.version = 0x7fffffff, /* left over from nobody knows what */
	};

	if (!kvmclock_offered()) {
		print("wall clock: none\n");
		return;
	}
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, (uint64_t)&clock);
	check(!(clock.version & 1), "the wall clock is being written for ever");
	check(clock.nanoseconds < 1000000000, "no such part of a second");
	print("wall clock: ");
	print_dec(clock.seconds);
	print("\n");
	/* Behind the memory: nothing happens. */
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, 0x7ffffffffff0);
}

void guest_main(void)
{
	unsigned int year, month, day, hour, minute, second;
	unsigned int tries = 0;
	uint8_t b;

	while (cmos(RTC_A) & A_UPDATING)
		check(++tries < TRIES, "the clock is updating for ever");
	b = cmos(RTC_B);
	second = number(cmos(RTC_SECONDS), b & B_BINARY);
	minute = number(cmos(RTC_MINUTES), b & B_BINARY);
	hour = hours(cmos(RTC_HOURS), b);
	day = number(cmos(RTC_DAY), b & B_BINARY);
	month = number(cmos(RTC_MONTH), b & B_BINARY);
	year = number(cmos(RTC_YEAR), b & B_BINARY) +
	       100 * number(cmos(RTC_CENTURY), b & B_BINARY);
	check(cmos(RTC_D) & D_VALID, "the clock says its battery is empty");
	print("rtc: ");
	print_dec(year);
	print("-");
	print_two(month, "-");
	print_two(day, " ");
	print_two(hour, ":");
	print_two(minute, ":");
	print_two(second, "\n");
	print_wall_clock();
	check(second < 60 && minute < 60 && hour < 24, "no such time of day");
	check(day >= 1 && day <= 31 && month >= 1 && month <= 12,
	      "no such day");
	check(year >= 2020 && year < 2100, "no such year");
}
