/*
 * The clock at a fixed time, through its two ports; register layout as in the
 * MC146818A data sheet.
 */
#include <stdlib.h>
#include <time.h>

#include "core/util.h"
#include "devices/rtc.h"
#include "tests/unit/quick_check.h"

enum {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = RTC_CENTURY_REGISTER
};

#define UIP	 0x80
#define SET	 0x80
#define BINARY	 0x04
#define HOURS_24 0x02
#define PM	 0x80

/* 2024-02-29 23:58:57 UTC, a Thursday. */
#define LEAP_DAY INT64_C(1709251137)

static struct rtc rtc;
static int64_t host_s;

static int64_t fixed_now(void *opaque)
{
	return *(int64_t *)opaque;
}

static void set_up(void)
{
	host_s = LEAP_DAY;
	rtc_init(&rtc);
	rtc.now_s = fixed_now;
	rtc.opaque = &host_s;
}

static void tear_down(void)
{
	rtc_release(&rtc);
}

static uint8_t in(uint8_t reg)
{
	rtc_bus_ops.write(&rtc, 0, reg, 1);
	return (uint8_t)rtc_bus_ops.read(&rtc, 1, 1);
}

static void out(uint8_t reg, uint8_t value)
{
	rtc_bus_ops.write(&rtc, 0, reg, 1);
	rtc_bus_ops.write(&rtc, 1, value, 1);
}

/* The registers as they stand: 0xYYMMDDhhmmss behind the century. */
static uint64_t now(void)
{
	static const uint8_t order[] = { CENTURY, YEAR,	   MONTH,  DAY,
					 HOURS,	  MINUTES, SECONDS };
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(order); i++)
		value = value << 8 | in(order[i]);
	return value;
}

/* What Linux and others do: stop, write, go on. */
static void set_time(uint8_t format, uint64_t value)
{
	static const uint8_t order[] = { SECONDS, MINUTES, HOURS,  DAY,
					 MONTH,	  YEAR,	   CENTURY };

	out(REG_B, SET | format);
	for (size_t i = 0; i < sizeof(order); i++)
		out(order[i], (uint8_t)(value >> 8 * i));
	out(REG_B, format);
}

START_TEST(test_bcd)
{
	ck_assert_uint_eq(in(REG_B), HOURS_24);
	ck_assert_uint_eq(now(), 0x20240229235857);
	ck_assert_uint_eq(in(WEEKDAY), 5);
	host_s += 63; /* over midnight */
	ck_assert_uint_eq(now(), 0x20240301000000);
	ck_assert_uint_eq(in(WEEKDAY), 6);
}
END_TEST

START_TEST(test_binary)
{
	out(REG_B, HOURS_24 | BINARY);
	ck_assert_uint_eq(now(), 0x1418021d173a39);
	out(REG_B, HOURS_24);
	ck_assert_uint_eq(now(), 0x20240229235857);
}
END_TEST

START_TEST(test_twelve_hours)
{
	static const struct {
		int64_t hour;
		uint8_t bcd;
		uint8_t binary;
	} cases[] = {
		{ 0, 0x12, 12 },
		{ 1, 0x01, 1 },
		{ 9, 0x09, 9 },
		{ 11, 0x11, 11 },
		{ 12, PM | 0x12, PM | 12 },
		{ 13, PM | 0x01, PM | 1 },
		{ 22, PM | 0x10, PM | 10 },
		{ 23, PM | 0x11, PM | 11 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		host_s = LEAP_DAY / 86400 * 86400 + cases[i].hour * 3600;
		out(REG_B, 0);
		ck_assert_uint_eq(in(HOURS), cases[i].bcd);
		out(REG_B, BINARY);
		ck_assert_uint_eq(in(HOURS), cases[i].binary);
		/* And the other way, on a clock that shows another hour. */
		tear_down();
		set_up();
		out(REG_B, 0);
		out(REG_B, SET);
		out(HOURS, cases[i].bcd);
		out(REG_B, 0);
		out(REG_B, HOURS_24 | BINARY);
		ck_assert_uint_eq(in(HOURS), cases[i].hour);
		tear_down();
		set_up();
	}
}
END_TEST

START_TEST(test_setting_keeps_a_difference)
{
	set_time(HOURS_24, 0x20300102030405);
	ck_assert_uint_eq(now(), 0x20300102030405);
	ck_assert_uint_eq(in(WEEKDAY), 4);
	host_s += 86400 + 1;
	ck_assert_uint_eq(now(), 0x20300103030406);
	set_time(HOURS_24 | BINARY, 0x1363031f0a141e); /* 1999-03-31 10:20:30 */
	out(REG_B, HOURS_24);
	ck_assert_uint_eq(now(), 0x19990331102030);
	host_s += 86400;
	ck_assert_uint_eq(now(), 0x19990401102030);
}
END_TEST

START_TEST(test_set_stops_the_registers)
{
	out(REG_B, SET | HOURS_24);
	host_s += 3600;
	ck_assert_uint_eq(now(), 0x20240229235857);
	out(MINUTES, 0x30);
	host_s += 3600;
	ck_assert_uint_eq(now(), 0x20240229233057);
	/* They are the time from the moment on that SET goes. */
	out(REG_B, HOURS_24);
	ck_assert_uint_eq(now(), 0x20240229233057);
	host_s++;
	ck_assert_uint_eq(now(), 0x20240229233058);
}
END_TEST

START_TEST(test_setting_one_register_while_it_runs)
{
	in(SECONDS);
	host_s += 2;
	out(HOURS, 0x05);
	ck_assert_uint_eq(now(), 0x20240229055859);
	/* The day of the week follows from the date and cannot be set. */
	out(WEEKDAY, 0x01);
	ck_assert_uint_eq(in(WEEKDAY), 5);
	ck_assert_uint_eq(now(), 0x20240229055859);
}
END_TEST

START_TEST(test_centuries)
{
	static const uint64_t times[] = {
		0x19000101000000, 0x19691231235959, 0x19700101000000,
		0x19991231235959, 0x20000229120000, 0x20991231235959,
		0x21000101000000, 0x99991231235959, 0x18500102030405,
		0x00010101000000,
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		set_time(HOURS_24, times[i]);
		ck_assert_uint_eq(now(), times[i]);
	}
}
END_TEST

/* What a guest may write is anything. */
START_TEST(test_nonsense_is_harmless)
{
	static const uint8_t formats[] = { 0, BINARY, HOURS_24,
					   HOURS_24 | BINARY };

	for (size_t i = 0; i < sizeof(formats); i++) {
		for (unsigned int value = 0; value <= 0xff; value++) {
			set_time(formats[i], 0x01010101010101 * value);
			now();
			out(REG_B, formats[i]);
			for (unsigned int reg = 0; reg <= YEAR; reg++)
				out((uint8_t)reg, (uint8_t)value);
			out(CENTURY, (uint8_t)(0xff - value));
			now();
		}
	}
	set_time(HOURS_24, 0x20240229235857);
	ck_assert_uint_eq(now(), 0x20240229235857);
}
END_TEST

START_TEST(test_memory_keeps_its_bytes)
{
	unsigned int bytes = 0;

	for (unsigned int reg = REG_D + 1; reg < 128; reg++) {
		if (reg != CENTURY)
			out((uint8_t)reg, (uint8_t)(reg ^ 0xa5));
	}
	host_s += 1000000;
	for (unsigned int reg = REG_D + 1; reg < 128; reg++) {
		if (reg == CENTURY)
			continue;
		ck_assert_uint_eq(in((uint8_t)reg), reg ^ 0xa5);
		bytes++;
	}
	ck_assert_uint_eq(bytes, 113);
	/* The alarm is memory too: there is no interrupt behind it. */
	out(SECONDS_ALARM, 0x59);
	ck_assert_uint_eq(in(SECONDS_ALARM), 0x59);
}
END_TEST

START_TEST(test_status_registers)
{
	/* An update is never seen in progress, whatever is written: guests
	 * wait for its end. */
	ck_assert_uint_eq(in(REG_A), 0x26);
	out(REG_A, 0xff);
	ck_assert_uint_eq(in(REG_A), 0x7f);
	for (unsigned int i = 0; i < 1000; i++) {
		host_s++;
		ck_assert_uint_eq(in(REG_A)&UIP, 0);
	}
	/* C: no interrupt is pending. D: the battery is good. */
	out(REG_C, 0xff);
	out(REG_D, 0x00);
	ck_assert_uint_eq(in(REG_C), 0);
	ck_assert_uint_eq(in(REG_D), 0x80);
}
END_TEST

START_TEST(test_ports)
{
	out(0x40, 0x5a);
	/* Bit 7 of the index is the PC's mask for the NMI. */
	ck_assert_uint_eq(in(0x40 | 0x80), 0x5a);
	/* The index cannot be read back, and only bytes are accesses. */
	ck_assert_uint_eq(rtc_bus_ops.read(&rtc, 0, 1), UINT64_MAX);
	ck_assert_uint_eq(rtc_bus_ops.read(&rtc, 0, 2), UINT64_MAX);
	rtc_bus_ops.write(&rtc, 0, 0x2241, 2);
	ck_assert_uint_eq(in(0x40), 0x5a);
	ck_assert_uint_eq(in(0x41), 0);
}
END_TEST

START_TEST(test_host_clock_by_default)
{
	struct rtc real;
	struct timespec before;
	struct timespec after;
	int64_t shown;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &before), 0);
	rtc_init(&real);
	shown = real.now_s(real.opaque);
	rtc_release(&real);
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &after), 0);
	ck_assert_int_ge(shown, before.tv_sec);
	ck_assert_int_le(shown, after.tv_sec);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices/rtc");
	TCase *tcase = tcase_create("rtc");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_bcd);
	tcase_add_test(tcase, test_binary);
	tcase_add_test(tcase, test_twelve_hours);
	tcase_add_test(tcase, test_setting_keeps_a_difference);
	tcase_add_test(tcase, test_set_stops_the_registers);
	tcase_add_test(tcase, test_setting_one_register_while_it_runs);
	tcase_add_test(tcase, test_centuries);
	tcase_add_test(tcase, test_nonsense_is_harmless);
	tcase_add_test(tcase, test_memory_keeps_its_bytes);
	tcase_add_test(tcase, test_status_registers);
	tcase_add_test(tcase, test_ports);
	tcase_add_test(tcase, test_host_clock_by_default);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
