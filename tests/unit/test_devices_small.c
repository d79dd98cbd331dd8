/*
 * The devices of a few ports: each write that must act and each that must not.
 */
#include <stdlib.h>

#include "devices/acpi_power.h"
#include "devices/debug_exit.h"
#include "devices/debugcon.h"
#include "devices/i8042.h"
#include "devices/pm_timer.h"
#include "devices/pvpanic.h"
#include "tests/unit/chardev_fake.h"
#include "tests/unit/irq_double.h"
#include "tests/unit/quick_check.h"

/* What the devices told the machine. */
struct calls {
	unsigned int poweroffs;
	unsigned int resets;
	unsigned int panics;
	unsigned int ends;
	uint32_t value; /* of the last of the two above */
};

static struct calls calls;

static void on_poweroff(void *opaque)
{
	((struct calls *)opaque)->poweroffs++;
}

static void on_reset(void *opaque)
{
	((struct calls *)opaque)->resets++;
}

static void on_panic(void *opaque, uint8_t events)
{
	struct calls *told = opaque;

	told->panics++;
	told->value = events;
}

static void on_end(void *opaque, uint32_t value)
{
	struct calls *told = opaque;

	told->ends++;
	told->value = value;
}

static void set_up(void)
{
	calls = (struct calls){ 0 };
}

/* --- ACPI power --- */

#define SLP_EN	      0x20
#define SLEEP(type)   (SLP_EN | (type) << 2)
#define SLEEP_S5      SLEEP(ACPI_POWER_SLP_TYP_S5)
#define STATUS_AWAKEN 0x80

static struct irq_double power_irq;
static struct acpi_power power;

static void set_up_power(void)
{
	set_up();
	irq_double_init(&power_irq);
	power = (struct acpi_power){
		.irq = &power_irq.line,
		.poweroff = on_poweroff,
		.reset = on_reset,
		.opaque = &calls,
	};
}

static void power_write(uint64_t offset, uint64_t value, unsigned int len)
{
	acpi_power_bus_ops.write(&power, offset, value, len);
}

static uint64_t power_read(uint64_t offset, unsigned int len)
{
	return acpi_power_bus_ops.read(&power, offset, len);
}

START_TEST(test_poweroff)
{
	power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP_S5, 1);
	ck_assert_uint_eq(calls.poweroffs, 1);
	ck_assert_uint_eq(calls.resets, 0);
	/* The reserved bits of the register do not matter. */
	power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP_S5 | 0xc3, 1);
	ck_assert_uint_eq(calls.poweroffs, 2);
}
END_TEST

START_TEST(test_other_sleeps_do_nothing)
{
	for (unsigned int type = 0; type < 8; type++) {
		if (type != ACPI_POWER_SLP_TYP_S5)
			power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP(type), 1);
	}
	/* The type alone only prepares. */
	power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP_S5 & ~SLP_EN, 1);
	power_write(ACPI_POWER_SLEEP_STATUS, SLEEP_S5, 1);
	power_write(ACPI_POWER_EVENT, SLEEP_S5, 1);
	power_write(ACPI_POWER_RESET, SLEEP_S5, 1);
	ck_assert_uint_eq(calls.poweroffs, 0);
	ck_assert_uint_eq(calls.resets, 0);
}
END_TEST

START_TEST(test_reset_register)
{
	for (unsigned int value = 0; value <= 0xff; value++) {
		if (value != ACPI_POWER_RESET_VALUE)
			power_write(ACPI_POWER_RESET, value, 1);
	}
	power_write(ACPI_POWER_SLEEP_CONTROL, ACPI_POWER_RESET_VALUE, 1);
	power_write(ACPI_POWER_SLEEP_STATUS, ACPI_POWER_RESET_VALUE, 1);
	power_write(ACPI_POWER_EVENT, ACPI_POWER_RESET_VALUE, 1);
	ck_assert_uint_eq(calls.resets, 0);
	power_write(ACPI_POWER_RESET, ACPI_POWER_RESET_VALUE, 1);
	ck_assert_uint_eq(calls.resets, 1);
	ck_assert_uint_eq(calls.poweroffs, 0);
}
END_TEST

START_TEST(test_power_registers_are_bytes)
{
	power.events = ACPI_POWER_EVENT_BUTTON;
	power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP_S5, 2);
	power_write(ACPI_POWER_SLEEP_CONTROL, SLEEP_S5, 4);
	power_write(ACPI_POWER_RESET, ACPI_POWER_RESET_VALUE, 2);
	ck_assert_uint_eq(calls.poweroffs, 0);
	ck_assert_uint_eq(calls.resets, 0);
	ck_assert_uint_eq(power_read(ACPI_POWER_SLEEP_CONTROL, 4), UINT64_MAX);
	ck_assert_uint_eq(power_read(ACPI_POWER_RESET, 2), UINT64_MAX);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1),
			  ACPI_POWER_EVENT_BUTTON);
}
END_TEST

START_TEST(test_power_reads)
{
	ck_assert_uint_eq(power_read(ACPI_POWER_SLEEP_CONTROL, 1), 0);
	ck_assert_uint_eq(power_read(ACPI_POWER_SLEEP_STATUS, 1),
			  STATUS_AWAKEN);
	ck_assert_uint_eq(power_read(ACPI_POWER_RESET, 1), 0);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1), 0);
}
END_TEST

START_TEST(test_power_button)
{
	acpi_power_press_button(&power);
	ck_assert_uint_eq(power_irq.pulses, 1);
	ck_assert_uint_eq(power_irq.changes, 0);
	/* Other registers leave the event alone; reading it takes it. */
	power_read(ACPI_POWER_SLEEP_STATUS, 1);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1),
			  ACPI_POWER_EVENT_BUTTON);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1), 0);
	acpi_power_press_button(&power);
	acpi_power_press_button(&power);
	ck_assert_uint_eq(power_irq.pulses, 3);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1),
			  ACPI_POWER_EVENT_BUTTON);
	ck_assert_uint_eq(power_read(ACPI_POWER_EVENT, 1), 0);
	/* Asking is all that a button does. */
	ck_assert_uint_eq(calls.poweroffs, 0);
}
END_TEST

/* --- i8042 --- */

START_TEST(test_i8042)
{
	struct i8042 i8042 = { .reset = on_reset, .opaque = &calls };

	for (unsigned int value = 0; value <= 0xff; value++) {
		i8042_data_bus_ops.write(&i8042, 0, value, 1);
		if (value != 0xfe)
			i8042_command_bus_ops.write(&i8042, 0, value, 1);
	}
	ck_assert_uint_eq(calls.resets, 0);
	i8042_command_bus_ops.write(&i8042, 0, 0xfe, 1);
	ck_assert_uint_eq(calls.resets, 1);
	/* Ready for a command and nothing to read, or guests wait here. */
	ck_assert_uint_eq(i8042_command_bus_ops.read(&i8042, 0, 1) & 3, 0);
	ck_assert_uint_eq(i8042_data_bus_ops.read(&i8042, 0, 1), 0);
}
END_TEST

/* --- pvpanic --- */

START_TEST(test_pvpanic)
{
	struct pvpanic pvpanic = { .panicked = on_panic, .opaque = &calls };

	ck_assert_uint_eq(pvpanic_bus_ops.read(&pvpanic, 0, 1),
			  PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	pvpanic_bus_ops.write(&pvpanic, 0, 0, 1);
	pvpanic_bus_ops.write(&pvpanic, 0, 0xfc, 1);
	ck_assert_uint_eq(calls.panics, 0);
	pvpanic_bus_ops.write(&pvpanic, 0, PVPANIC_PANICKED, 1);
	ck_assert_uint_eq(calls.panics, 1);
	ck_assert_uint_eq(calls.value, PVPANIC_PANICKED);
	pvpanic_bus_ops.write(&pvpanic, 0, PVPANIC_CRASH_LOADED | 0x80, 1);
	ck_assert_uint_eq(calls.panics, 2);
	ck_assert_uint_eq(calls.value, PVPANIC_CRASH_LOADED);
}
END_TEST

/* --- debug-exit --- */

START_TEST(test_debug_exit)
{
	struct debug_exit debug_exit = { .ended = on_end, .opaque = &calls };

	ck_assert_uint_eq(debug_exit_bus_ops.read(&debug_exit, 0, 1), 0);
	for (uint64_t offset = 1; offset < DEBUG_EXIT_PORTS; offset++)
		debug_exit_bus_ops.write(&debug_exit, offset, 1, 1);
	ck_assert_uint_eq(calls.ends, 0);
	debug_exit_bus_ops.write(&debug_exit, 0, 0, 1);
	ck_assert_uint_eq(calls.ends, 1);
	ck_assert_uint_eq(calls.value, 0);
	debug_exit_bus_ops.write(&debug_exit, 0, 0xfedcba98, 4);
	ck_assert_uint_eq(calls.ends, 2);
	ck_assert_uint_eq(calls.value, 0xfedcba98);
}
END_TEST

/* --- debugcon --- */

START_TEST(test_debugcon)
{
	static struct chardev chardev;
	struct debugcon debugcon = { .chardev = &chardev };

	chardev_fake_init(&chardev);
	ck_assert_uint_eq(debugcon_bus_ops.read(&debugcon, 0, 1), 0xe9);
	debugcon_bus_ops.write(&debugcon, 0, 'a', 1);
	debugcon_bus_ops.write(&debugcon, 0, 0, 1);
	debugcon_bus_ops.write(&debugcon, 0, 'b', 1);
	ck_assert_uint_eq(chardev.out_total, 3);
	ck_assert_mem_eq(chardev.out, "a\0b", 3);
}
END_TEST

/* --- PM timer --- */

static uint64_t fake_ns(void *opaque)
{
	return *(uint64_t *)opaque;
}

static uint64_t ticks(struct pm_timer *timer, uint64_t offset, unsigned int len)
{
	return pm_timer_bus_ops.read(timer, offset, len);
}

START_TEST(test_pm_timer)
{
	const uint64_t second = 1000000000;
	uint64_t now = 7 * second;
	struct pm_timer timer = { .start_ns = now,
				  .now_ns = fake_ns,
				  .opaque = &now };

	ck_assert_uint_eq(ticks(&timer, 0, 4), 0);
	now += second;
	ck_assert_uint_eq(ticks(&timer, 0, 4), PM_TIMER_HZ);
	ck_assert_uint_eq(ticks(&timer, 0, 1), PM_TIMER_HZ & 0xff);
	ck_assert_uint_eq(ticks(&timer, 2, 2), PM_TIMER_HZ >> 16);
	pm_timer_bus_ops.write(&timer, 0, 0, 4);
	now += second / 2;
	ck_assert_uint_eq(ticks(&timer, 0, 4), PM_TIMER_HZ * 3ULL / 2);
	/* A year on: it has wrapped many times and is still exact. */
	now = timer.start_ns + 365ULL * 86400 * second;
	ck_assert_uint_eq(ticks(&timer, 0, 4),
			  (365ULL * 86400 * PM_TIMER_HZ) & UINT32_MAX);
	pm_timer_init(&timer);
	ck_assert_uint_lt(ticks(&timer, 0, 4), PM_TIMER_HZ * 10ULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices/small");
	TCase *of_power = tcase_create("acpi_power");
	TCase *others = tcase_create("others");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(of_power, set_up_power, NULL);
	tcase_add_checked_fixture(others, set_up, NULL);
	suite_add_tcase(suite, of_power);
	suite_add_tcase(suite, others);
	tcase_add_test(of_power, test_poweroff);
	tcase_add_test(of_power, test_other_sleeps_do_nothing);
	tcase_add_test(of_power, test_reset_register);
	tcase_add_test(of_power, test_power_registers_are_bytes);
	tcase_add_test(of_power, test_power_reads);
	tcase_add_test(of_power, test_power_button);
	tcase_add_test(others, test_i8042);
	tcase_add_test(others, test_pvpanic);
	tcase_add_test(others, test_debug_exit);
	tcase_add_test(others, test_debugcon);
	tcase_add_test(others, test_pm_timer);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
