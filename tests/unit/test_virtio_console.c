/*
 * The console device's data: output with readers fast, slow and gone, input
 * with buffers and without, and what a reset leaves. Most with each kind of
 * ring. See test_virtio_console_ports.c for the control queues.
 */
#include "tests/unit/console_driver.h"

#define KINDS 4

#define OUT TRANSMIT(0)
#define IN  RECEIVE(0)

static struct chardev *const terminal = &driver.chardevs[0];

static void set_up(void)
{
	console_set_up(0);
}

static void set_up_ports(void)
{
	console_set_up(CONSOLE_NAMED);
}

static void tear_down(void)
{
	ck_assert_uint_eq(driver.reports, 0);
	console_tear_down();
}

/* --- Output -------------------------------------------------------------- */

START_TEST(test_hello)
{
	start(_i, 0);
	send_text(OUT, "hello\r\n");
	expect_output(0, "hello\r\n");
	ck_assert_uint_eq(terminal->writes, 1);
	ck_assert_uint_eq(take_all(OUT), 1);
	ck_assert_uint_eq(driver.interrupts[OUT], 1);
	ck_assert(!atomic_load(&terminal->awaited));
	send_text(OUT, "again");
	expect_output(0, "again");
	ck_assert_uint_eq(take_all(OUT), 1);
}
END_TEST

/* Many chains, one write and one interrupt. */
START_TEST(test_batch)
{
	start(_i, 0);
	for (int i = 0; i < CONSOLE_SIZE; i++)
		add_bytes(OUT, "abc", 3);
	kick(OUT);
	ck_assert_uint_eq(terminal->writes, 1);
	ck_assert_uint_eq(terminal->out_total, 3UL * CONSOLE_SIZE);
	ck_assert_uint_eq(take_all(OUT), CONSOLE_SIZE);
	ck_assert_uint_eq(driver.interrupts[OUT], 1);
}
END_TEST

/* Every segment of a chain, none of the bytes that are not for reading. */
START_TEST(test_segments)
{
	struct ring_buffer buffers[8];
	char expected[64] = "";

	start(_i, 0);
	for (unsigned int i = 0; i < 8; i++) {
		char text[8] = "segment";
		uint32_t len = i == 3 ? 0 : 7;

		text[6] = (char)('0' + i);
		buffers[i] = (struct ring_buffer){ guest_alloc(OUT, 8), len,
						   i >= 6 };
		memcpy(guest_ptr(buffers[i].gpa), text, 7);
		if (i < 6 && len)
			memcpy(expected + strlen(expected), text, 8);
	}
	ring_add(&driver.rings[OUT], buffers, 8);
	kick(OUT);
	expect_output(0, expected);
	ck_assert_uint_eq(take_all(OUT), 1);
	/* Nothing at all, and nothing to read. */
	ring_add(&driver.rings[OUT], &buffers[3], 1);
	ring_add(&driver.rings[OUT], &buffers[7], 1);
	kick(OUT);
	ck_assert_uint_eq(take_all(OUT), 2);
	expect_output(0, "");
}
END_TEST

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void fill_pattern(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(i);
}

/*
 * A reader that takes @step bytes at a time. All arrives, in order and once,
 * and what it has not taken is in the queue, not with us.
 */
static void write_slowly(size_t step)
{
	uint8_t bytes[10 * 1500];
	size_t back = 0;

	fill_pattern(bytes, sizeof(bytes));
	atomic_store(&terminal->room, step);
	for (size_t i = 0; i < 10; i++)
		add_bytes(OUT, bytes + 1500 * i, 1500);
	kick(OUT);
	ck_assert(atomic_load(&terminal->awaited));
	for (size_t rounds = 1; atomic_load(&terminal->awaited); rounds++) {
		ck_assert_uint_eq(atomic_load(&terminal->out_len),
				  rounds * step);
		back += take_all(OUT);
		ck_assert_uint_eq(back, rounds * step / 1500);
		ring_want_interrupt(&driver.rings[OUT]);
		/* Kicks do not disturb it. */
		virtio_notify(console_device(), OUT);
		ck_assert_uint_eq(atomic_load(&terminal->out_len),
				  rounds * step);
		chardev_fake_drain(terminal, step);
	}
	back += take_all(OUT);
	ck_assert_uint_eq(back, 10);
	ck_assert_uint_eq(atomic_load(&terminal->out_len), sizeof(bytes));
	ck_assert_mem_eq(terminal->out, bytes, sizeof(bytes));
}

START_TEST(test_slow_reader)
{
	const size_t steps[] = { 1, 7, 1499, 1500, 1501, 4096, 14999 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		start(_i, 0);
		atomic_store(&terminal->out_len, 0);
		write_slowly(steps[i]);
		/* And when it caught up, kicks count again. */
		atomic_store(&terminal->room, SIZE_MAX);
		atomic_store(&terminal->out_len, 0);
		send_text(OUT, "done");
		expect_output(0, "done");
		take_all(OUT);
		reset();
	}
}
END_TEST

START_TEST(test_no_room_at_all)
{
	unsigned int writes;

	start(_i, 0);
	atomic_store(&terminal->room, 0);
	send_text(OUT, "stuck");
	expect_none(OUT);
	ck_assert(atomic_load(&terminal->awaited));
	/* A guest that goes on kicking costs nothing. */
	writes = terminal->writes;
	for (int i = 0; i < 1000; i++)
		virtio_notify(console_device(), OUT);
	ck_assert_uint_eq(terminal->writes, writes);
	ck_assert(chardev_fake_drain(terminal, 0));
	ck_assert(!chardev_fake_drain(terminal, 100));
	expect_output(0, "stuck");
	ck_assert_uint_eq(take_all(OUT), 1);
}
END_TEST

/* A driver may not, but can shorten a chain of which a part was taken. */
START_TEST(test_chain_changes_while_it_waits)
{
	start(0, 0);
	atomic_store(&terminal->room, 4);
	send_text(OUT, "abcdefgh");
	ring_desc(&driver.rings[OUT], 0, CONSOLE_DATA, 2, 0, 0);
	chardev_fake_drain(terminal, 100);
	ck_assert_uint_eq(take_all(OUT), 1);
	expect_output(0, "abcd");
	send_text(OUT, "next");
	expect_output(0, "next");
}
END_TEST

/* More than fits into a pass, by the loop's thread and by a vCPU. */
START_TEST(test_large_writes)
{
	static uint8_t bytes[CONSOLE_DATA_SIZE - 1];
	unsigned int back = 0;

	fill_pattern(bytes, sizeof(bytes));
	start(_i, 0);
	for (int i = 0; i < 100; i++) {
		atomic_store(&terminal->out_len, 0);
		send_bytes(OUT, bytes, sizeof(bytes));
		ck_assert_uint_eq(atomic_load(&terminal->out_len),
				  sizeof(bytes));
		ck_assert_mem_eq(terminal->out, bytes, sizeof(bytes));
		back += take_all(OUT);
	}
	ck_assert_uint_eq(back, 100);
	ck_assert_uint_eq(terminal->out_total, 100 * sizeof(bytes));
}
END_TEST

START_TEST(test_emergency_write)
{
	/* Before anything was negotiated, and whatever the width. */
	virtio_write_config(console_device(), 8, 0x41414141, 4);
	virtio_write_config(console_device(), 8, 'B', 1);
	virtio_write_config(console_device(), 8, 0x5543, 2);
	expect_output(0, "ABC");
	/* Not there: rows, the middle of it, beyond it. */
	virtio_write_config(console_device(), 0, 'x', 4);
	virtio_write_config(console_device(), 2, 'x', 2);
	virtio_write_config(console_device(), 9, 'x', 1);
	virtio_write_config(console_device(), 8, 'x', 8);
	virtio_write_config(console_device(), 12, 'x', 4);
	expect_output(0, "");
	start(0, 0);
	virtio_write_config(console_device(), 8, 'D', 4);
	expect_output(0, "D");
}
END_TEST

START_TEST(test_reset_with_output_waiting)
{
	start(_i, 0);
	atomic_store(&terminal->room, 3);
	send_text(OUT, "abcdef");
	ck_assert(atomic_load(&terminal->awaited));
	reset();
	/* The loop comes to an idle device. */
	ck_assert(!chardev_fake_drain(terminal, SIZE_MAX));
	expect_output(0, "abc");
	/* Nothing of the old chain is skipped in the new one. */
	start(_i, 0);
	send_text(OUT, "uvwxyz");
	expect_output(0, "uvwxyz");
	ck_assert_uint_eq(take_all(OUT), 1);
}
END_TEST

/* The call for room comes after a start that followed the reset. */
START_TEST(test_restarted_with_output_waiting)
{
	start(_i, 0);
	atomic_store(&terminal->room, 3);
	send_text(OUT, "abcdef");
	reset();
	atomic_store(&terminal->room, SIZE_MAX);
	start(_i, 0);
	send_text(OUT, "gh");
	ck_assert(!chardev_fake_drain(terminal, SIZE_MAX));
	expect_output(0, "abcgh");
}
END_TEST

/* --- Input --------------------------------------------------------------- */

START_TEST(test_input)
{
	start(_i, 0);
	post(IN, 16);
	post(IN, 16);
	ck_assert_uint_eq(chardev_fake_type(terminal, "ls\r", 3), 3);
	expect_text(IN, "ls\r");
	ck_assert_uint_eq(driver.interrupts[IN], 1);
	ck_assert_uint_eq(chardev_fake_type(terminal, "0123456789abcdef", 16),
			  16);
	expect_text(IN, "0123456789abcdef");
	expect_none(IN);
	ck_assert_uint_eq(driver.interrupts[IN], 2);
	ck_assert_uint_eq(driver.interrupts[OUT], 0);
}
END_TEST

/* Nothing is read for a driver that has no buffer, or is none. */
START_TEST(test_no_buffers)
{
	unsigned int resumes;

	ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
	agree(_i, 0);
	ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
	set_status(CONSOLE_RUNNING);
	ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
	/* A buffer, and the chardev hears of it. */
	for (int i = 0; i < 5; i++) {
		resumes = atomic_load(&terminal->resumes);
		post(IN, 4);
		ck_assert_uint_gt(atomic_load(&terminal->resumes), resumes);
		ck_assert_uint_eq(chardev_fake_type(terminal, "y", 1), 1);
		expect_text(IN, "y");
		ck_assert_uint_eq(chardev_fake_type(terminal, "z", 1), 0);
	}
}
END_TEST

/* While there are buffers, a new one is not worth a kick. */
START_TEST(test_kicks_are_rare)
{
	start(_i, 0);
	post(IN, 4);
	post(IN, 4);
	ck_assert_uint_eq(chardev_fake_type(terminal, "a", 1), 1);
	ck_assert(!ring_should_kick(&driver.rings[IN]));
	ring_add(&driver.rings[IN],
		 &(struct ring_buffer){ guest_alloc(IN, 4), 4, true }, 1);
	ck_assert(!ring_should_kick(&driver.rings[IN]));
}
END_TEST

/* Small buffers: what was read is held, no more is, and it comes in order. */
START_TEST(test_small_buffers)
{
	uint8_t bytes[2 * VIRTIO_CONSOLE_HELD_BYTES];
	size_t at = 0;

	fill_pattern(bytes, sizeof(bytes));
	start(_i, 0);
	post(IN, 10);
	ck_assert_uint_eq(chardev_fake_type(terminal, bytes, sizeof(bytes)),
			  VIRTIO_CONSOLE_HELD_BYTES);
	while (at < VIRTIO_CONSOLE_HELD_BYTES) {
		size_t len = min_u64(10, VIRTIO_CONSOLE_HELD_BYTES - at);

		ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
		expect_bytes(IN, bytes + at, len);
		expect_none(IN);
		at += len;
		post(IN, 10);
	}
	ck_assert_uint_eq(chardev_fake_type(terminal, "next", 4), 4);
	expect_text(IN, "next");
}
END_TEST

START_TEST(test_one_byte_buffers)
{
	start(_i, 0);
	for (int i = 0; i < CONSOLE_SIZE; i++)
		post(IN, 1);
	ck_assert_uint_eq(chardev_fake_type(terminal, "abcdefgh", 8), 8);
	for (int i = 0; i < 8; i++)
		expect_bytes(IN, &"abcdefgh"[i], 1);
	expect_none(IN);
	ck_assert_uint_eq(driver.interrupts[IN], 1);
}
END_TEST

START_TEST(test_buffers_that_hold_nothing)
{
	const struct ring_buffer readable = { guest_alloc(IN, 4), 4, false };
	const struct ring_buffer mixed[2] = { { guest_alloc(IN, 4), 4, false },
					      { guest_alloc(IN, 4), 4, true } };

	start(_i, 0);
	ring_add(&driver.rings[IN], &readable, 1);
	post(IN, 0);
	driver.buffers[IN][ring_add(&driver.rings[IN], mixed, 2)] =
		mixed[1].gpa;
	kick(IN);
	ck_assert_uint_eq(chardev_fake_type(terminal, "ok", 2), 2);
	ck_assert_mem_eq(guest_ptr(mixed[0].gpa), "\0\0\0\0", 4);
	expect_text(IN, "");
	expect_text(IN, "");
	expect_text(IN, "ok");
}
END_TEST

/* What was read for a driver that then went away is its successor's. */
START_TEST(test_reset_with_input_held)
{
	start(_i, 0);
	post(IN, 2);
	ck_assert_uint_eq(chardev_fake_type(terminal, "abcd", 4), 4);
	expect_text(IN, "ab");
	reset();
	ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
	agree(_i, 0);
	/* Buffers that are there before the start. */
	post(IN, 8);
	expect_none(IN);
	set_status(CONSOLE_RUNNING);
	expect_text(IN, "cd");
	post(IN, 8);
	ck_assert_uint_eq(chardev_fake_type(terminal, "e", 1), 1);
	expect_text(IN, "e");
}
END_TEST

/* A reset between the question and the answer. */
START_TEST(test_reset_before_input_comes)
{
	const struct chardev_receiver *receiver = &terminal->receiver;

	start(_i, 0);
	post(IN, 8);
	ck_assert_uint_ge(receiver->room(receiver->opaque), 4);
	reset();
	receiver->receive(receiver->opaque, (const uint8_t *)"kept", 4);
	ck_assert_uint_eq(receiver->room(receiver->opaque), 0);
	start(_i, 0);
	post(IN, 8);
	expect_text(IN, "kept");
}
END_TEST

/* --- Whether it is used as a console ------------------------------------- */

START_TEST(test_is_used)
{
	unsigned int resumes;

	ck_assert(!virtio_console_is_used(&driver.console));
	start(_i, 0);
	/* Found by a driver, which does not mean that anyone looks at it. */
	ck_assert(!virtio_console_is_used(&driver.console));
	virtio_notify(console_device(), OUT);
	ck_assert(!virtio_console_is_used(&driver.console));
	resumes = atomic_load(&terminal->resumes);
	send_text(OUT, "login: ");
	ck_assert(virtio_console_is_used(&driver.console));
	ck_assert_uint_eq(atomic_load(&terminal->resumes), resumes + 1);
	send_text(OUT, "more");
	ck_assert_uint_eq(atomic_load(&terminal->resumes), resumes + 1);
	reset();
	ck_assert(!virtio_console_is_used(&driver.console));
	ck_assert_uint_gt(atomic_load(&terminal->resumes), resumes + 1);
}
END_TEST

/* --- Configuration ------------------------------------------------------- */

START_TEST(test_features)
{
	ck_assert_uint_eq(virtio_read_features(console_device(), 0) & 0xffffff,
			  5); /* SIZE, EMERG_WRITE */
	ck_assert_uint_eq(console_device()->queue_count, 2);
	ck_assert_uint_eq(console_device()->type->id, 3);
	ck_assert_uint_eq(virtio_read_config(console_device(), 4, 4), 1);
}
END_TEST

START_TEST(test_size)
{
	start(_i, FEATURE(VIRTIO_CONSOLE_F_SIZE));
	ck_assert_uint_eq(virtio_read_config(console_device(), 0, 4), 0);
	virtio_console_resize(&driver.console, 132, 43);
	ck_assert_uint_eq(virtio_read_config(console_device(), 0, 2), 132);
	ck_assert_uint_eq(virtio_read_config(console_device(), 2, 2), 43);
	ck_assert_uint_eq(driver.config_interrupts, 1);
	virtio_console_resize(&driver.console, 132, 43);
	ck_assert_uint_eq(driver.config_interrupts, 1);
	virtio_console_resize(&driver.console, 80, 43);
	ck_assert_uint_eq(driver.config_interrupts, 2);
	reset();
	virtio_console_resize(&driver.console, 80, 25);
	ck_assert_uint_eq(driver.config_interrupts, 2);
	ck_assert_uint_eq(virtio_read_config(console_device(), 0, 4),
			  25 << 16 | 80);
}
END_TEST

/* Whoever types sees the size that was there before the driver. */
START_TEST(test_first_size)
{
	virtio_console_resize(&driver.console, 100, 30);
	start(_i, FEATURE(VIRTIO_CONSOLE_F_SIZE));
	ck_assert_uint_eq(driver.config_interrupts, 0);
	post(IN, 16);
	post(IN, 16);
	ck_assert_uint_eq(chardev_fake_type(terminal, "a", 1), 1);
	ck_assert_uint_eq(driver.config_interrupts, 1);
	ck_assert_uint_eq(chardev_fake_type(terminal, "b", 1), 1);
	ck_assert_uint_eq(driver.config_interrupts, 1);
	expect_text(IN, "a");
	expect_text(IN, "b");
	ck_assert_uint_eq(virtio_read_config(console_device(), 0, 4),
			  30 << 16 | 100);
}
END_TEST

/* --- Threads ------------------------------------------------------------- */

/* The reader's side of a race: takes a few bytes whenever it is asked. */
static void *read_slowly(void *opaque)
{
	const atomic_bool *stop = opaque;

	while (!atomic_load(stop)) {
		chardev_fake_drain(terminal, 100);
		chardev_fake_type(terminal, "t", 1);
	}
	chardev_fake_drain(terminal, SIZE_MAX);
	return NULL;
}

/* A vCPU that writes, takes input and resets, against the loop's thread. */
START_TEST(test_race)
{
	atomic_bool stop = false;
	pthread_t thread;

	atomic_store(&terminal->room, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_slowly, &stop), 0);
	for (int round = 0; round < 100; round++) {
		start(_i, 0);
		for (int i = 0; i < 50; i++) {
			unsigned int back = 0;
			uint32_t len;

			for (int tries = 0; tries < 8; tries++)
				add_bytes(OUT, "0123456789abcdefghij", 20);
			kick(OUT);
			post(IN, 4);
			while (i < 49 && back < 8) {
				back += take_all(OUT);
				ring_want_interrupt(&driver.rings[OUT]);
			}
			while (take(IN, &len))
				ck_assert_uint_le(len, 4);
		}
		reset();
	}
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/console");
	TCase *alone = tcase_create("console");
	TCase *ports = tcase_create("console with ports");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(alone, set_up, tear_down);
	tcase_add_checked_fixture(ports, set_up_ports, tear_down);
	tcase_set_timeout(alone, 60);
	suite_add_tcase(suite, alone);
	suite_add_tcase(suite, ports);
	tcase_add_loop_test(alone, test_hello, 0, KINDS);
	tcase_add_loop_test(alone, test_batch, 0, KINDS);
	tcase_add_loop_test(alone, test_segments, 0, KINDS);
	tcase_add_loop_test(alone, test_slow_reader, 0, KINDS);
	tcase_add_loop_test(alone, test_no_room_at_all, 0, KINDS);
	tcase_add_test(alone, test_chain_changes_while_it_waits);
	tcase_add_loop_test(alone, test_large_writes, 0, KINDS);
	tcase_add_test(alone, test_emergency_write);
	tcase_add_loop_test(alone, test_reset_with_output_waiting, 0, KINDS);
	tcase_add_loop_test(alone, test_restarted_with_output_waiting, 0,
			    KINDS);
	tcase_add_loop_test(alone, test_input, 0, KINDS);
	tcase_add_loop_test(alone, test_no_buffers, 0, KINDS);
	tcase_add_loop_test(alone, test_kicks_are_rare, 0, KINDS);
	tcase_add_loop_test(alone, test_small_buffers, 0, KINDS);
	tcase_add_loop_test(alone, test_one_byte_buffers, 0, KINDS);
	tcase_add_loop_test(alone, test_buffers_that_hold_nothing, 0, KINDS);
	tcase_add_loop_test(alone, test_reset_with_input_held, 0, KINDS);
	tcase_add_loop_test(alone, test_reset_before_input_comes, 0, KINDS);
	tcase_add_loop_test(alone, test_is_used, 0, KINDS);
	tcase_add_test(alone, test_features);
	tcase_add_loop_test(alone, test_size, 0, KINDS);
	tcase_add_loop_test(alone, test_first_size, 0, KINDS);
	tcase_add_loop_test(alone, test_race, 0, KINDS);
	/* A driver that does not know of ports has its console all the same. */
	tcase_add_loop_test(ports, test_hello, 0, KINDS);
	tcase_add_loop_test(ports, test_input, 0, KINDS);
	tcase_add_loop_test(ports, test_is_used, 0, KINDS);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
