/*
 * Who gets what is typed while the guest goes from the serial port to the
 * virtio console and back.
 */
#include "devices/serial.h"
#include "tests/unit/console_driver.h"
#include "tests/unit/irq_double.h"
#include "vmm/console_input.h"

static struct chardev *const terminal = &driver.chardevs[0];
static struct irq_double irq;
static struct serial serial;
static struct console_input input;

static void set_up(void)
{
	struct chardev_receiver receiver;

	console_set_up(0);
	irq_double_init(&irq);
	serial_init(&serial, &irq.line, terminal);
	input = (struct console_input){ .serial = &serial,
					.console = &driver.console };
	receiver = console_input_receiver(&input);
	chardev_set_receiver(terminal, &receiver);
}

static void tear_down(void)
{
	serial_release(&serial);
	console_tear_down();
}

static void expect_serial(const char *text)
{
	for (; *text; text++)
		ck_assert_uint_eq(serial_bus_ops.read(&serial, 0, 1),
				  (unsigned char)*text);
	/* LSR: no data ready. */
	ck_assert_uint_eq(serial_bus_ops.read(&serial, 5, 1) & 1, 0);
}

START_TEST(test_without_a_console)
{
	input.console = NULL;
	ck_assert_uint_eq(chardev_fake_type(terminal, "a", 1), 1);
	expect_serial("a");
}
END_TEST

START_TEST(test_to_and_fro)
{
	ck_assert_uint_eq(chardev_fake_type(terminal, "boot", 4), 4);
	expect_serial("boot");
	start(0, 0);
	post(RECEIVE(0), 8);
	/* The driver is there, the shell is still on the serial port. */
	ck_assert_uint_eq(chardev_fake_type(terminal, "a", 1), 1);
	expect_serial("a");
	send_text(TRANSMIT(0), "login: ");
	ck_assert_uint_eq(chardev_fake_type(terminal, "root", 4), 4);
	expect_text(RECEIVE(0), "root");
	/* It has no room: nothing is read, nor given to the other. */
	ck_assert_uint_eq(chardev_fake_type(terminal, "b", 1), 0);
	expect_serial("");
	reset();
	ck_assert_uint_eq(chardev_fake_type(terminal, "c", 1), 1);
	expect_serial("c");
}
END_TEST

/* The guest chooses while a byte is on its way. */
START_TEST(test_change_between_room_and_receive)
{
	const struct chardev_receiver *receiver = &terminal->receiver;

	ck_assert_uint_gt(receiver->room(receiver->opaque), 0);
	start(0, 0);
	send_text(TRANSMIT(0), "login: ");
	receiver->receive(receiver->opaque, (const uint8_t *)"a", 1);
	expect_serial("a");
	post(RECEIVE(0), 8);
	ck_assert_uint_gt(receiver->room(receiver->opaque), 0);
	reset();
	receiver->receive(receiver->opaque, (const uint8_t *)"b", 1);
	expect_serial("");
	start(0, 0);
	post(RECEIVE(0), 8);
	expect_text(RECEIVE(0), "b");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/console_input");
	TCase *tcase = tcase_create("input");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_without_a_console);
	tcase_add_test(tcase, test_to_and_fro);
	tcase_add_test(tcase, test_change_between_room_and_receive);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
