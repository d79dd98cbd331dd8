/*
 * The console device's control queues: the handshake, names, opening and
 * closing from both ends, drivers that do not listen, and those that talk
 * nonsense. See test_virtio_console.c for the data.
 */
#include <stdio.h>

#include "tests/unit/console_driver.h"

#define KINDS 4

static struct chardev *const terminal = &driver.chardevs[0];
static struct chardev *const agent = &driver.chardevs[1];
static struct chardev *const log_file = &driver.chardevs[2];

static void set_up(void)
{
	console_set_up(CONSOLE_NAMED);
}

static void tear_down(void)
{
	ck_assert_uint_eq(driver.reports, 0);
	console_tear_down();
}

/* --- Handshake ----------------------------------------------------------- */

START_TEST(test_features)
{
	ck_assert_uint_eq(virtio_read_features(console_device(), 0) & 0xffffff,
			  7); /* SIZE, MULTIPORT, EMERG_WRITE */
	ck_assert_uint_eq(console_device()->queue_count, 8);
	ck_assert_uint_eq(virtio_read_config(console_device(), 4, 4), 3);
}
END_TEST

START_TEST(test_handshake)
{
	start_ports(_i);
	/* Said again, nothing is answered: a port exists once. */
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		send_control(i, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_none(CONTROL_IN);
	/* From the beginning after a reset. */
	reset();
	start_ports(_i);
}
END_TEST

/* One interrupt for all that there is to say at a time. */
START_TEST(test_handshake_is_batched)
{
	start(_i, ALL_FEATURES);
	post_control(CONSOLE_SIZE);
	ck_assert_uint_eq(driver.interrupts[CONTROL_IN], 0);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert_uint_eq(driver.interrupts[CONTROL_IN], 1);
}
END_TEST

/* Buffers come one by one, and late. */
START_TEST(test_few_buffers)
{
	start(_i, ALL_FEATURES);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	expect_none(CONTROL_IN);
	/* Not before the driver knows of it. */
	send_control(2, VIRTIO_CONSOLE_PORT_READY, 1);
	send_control(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert(!atomic_load(&driver.console.ports[2].guest_open));
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++) {
		post_control(1);
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
		expect_none(CONTROL_IN);
	}
	post_control(1);
	expect_none(CONTROL_IN);
	send_control(2, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_control_with(2, VIRTIO_CONSOLE_PORT_NAME, 1, "log", 3);
	post_control(1);
	expect_control(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	take_all(CONTROL_OUT);
}
END_TEST

START_TEST(test_driver_that_is_never_ready)
{
	start(_i, ALL_FEATURES);
	post_control(4);
	chardev_fake_connect(agent, true);
	chardev_fake_connect(agent, false);
	virtio_console_resize(&driver.console, 80, 24);
	send_control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	send_control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	expect_none(CONTROL_IN);
	ck_assert(!virtio_console_is_used(&driver.console));
	/* What it writes is not refused. */
	send_text(TRANSMIT(0), "hello");
	expect_output(0, "hello");
	ck_assert(!virtio_console_is_used(&driver.console));
	ck_assert_uint_eq(chardev_fake_type(terminal, "x", 1), 0);
}
END_TEST

START_TEST(test_driver_that_fails)
{
	start(_i, ALL_FEATURES);
	post_control(CONSOLE_SIZE);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 0);
	expect_none(CONTROL_IN);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
	send_control(1, VIRTIO_CONSOLE_PORT_READY, 0);
	send_control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	chardev_fake_connect(agent, true);
	expect_none(CONTROL_IN);
	ck_assert(!atomic_load(&driver.console.ports[1].guest_open));
}
END_TEST

/* A port's name does not fit: the driver goes without, and the rest comes. */
START_TEST(test_small_control_buffers)
{
	start(_i, ALL_FEATURES);
	for (int i = 0; i < CONSOLE_SIZE; i++)
		post(CONTROL_IN, 8);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
	send_control(2, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_text(CONTROL_IN, "");
	expect_control(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	expect_none(CONTROL_IN);
}
END_TEST

/* --- The host's end ------------------------------------------------------ */

START_TEST(test_peer_comes_and_goes)
{
	start_ports(_i);
	for (int i = 0; i < 3; i++) {
		chardev_fake_connect(agent, true);
		expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
		chardev_fake_connect(agent, false);
		expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
		post_control(2);
	}
	expect_none(CONTROL_IN);
}
END_TEST

START_TEST(test_peer_that_was_there_before)
{
	chardev_fake_connect(agent, true);
	start(_i, ALL_FEATURES);
	post_control(CONSOLE_SIZE);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
	send_control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_control_with(1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME_OF_PORT_1,
			    strlen(NAME_OF_PORT_1));
	expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}
END_TEST

/* Takes all the buffers that start_ports left, and one: an odd number, so that
 * an opening was told last. */
static void use_up_control_buffers(void)
{
	uint32_t len;

	post_control(1);
	for (int i = 0; i < CONSOLE_SIZE; i++) {
		chardev_fake_connect(agent, true);
		chardev_fake_connect(agent, false);
	}
	while (take(CONTROL_IN, &len))
		;
}

/* Peers come and go a million times, and the driver does not look. */
START_TEST(test_events_are_coalesced)
{
	start_ports(_i);
	use_up_control_buffers();
	for (int i = 0; i < 1000; i++) {
		chardev_fake_connect(agent, true);
		virtio_console_resize(&driver.console, (uint16_t)i, 50);
		chardev_fake_connect(agent, false);
	}
	post_control(CONSOLE_SIZE);
	expect_control_with(0, VIRTIO_CONSOLE_RESIZE, 0, "\xe7\x03\x32\x00", 4);
	expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	expect_none(CONTROL_IN);
}
END_TEST

/* One peer for another is something else than none at all. */
START_TEST(test_another_peer)
{
	start_ports(_i);
	use_up_control_buffers();
	chardev_fake_connect(agent, true);
	chardev_fake_connect(agent, false);
	chardev_fake_connect(agent, true);
	post_control(4);
	expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	expect_control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	expect_none(CONTROL_IN);
}
END_TEST

START_TEST(test_resize)
{
	virtio_console_resize(&driver.console, 80, 24);
	start(_i, ALL_FEATURES);
	post_control(CONSOLE_SIZE);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
	send_control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_control(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	expect_control_with(0, VIRTIO_CONSOLE_RESIZE, 0, "\x50\0\x18\0", 4);
	expect_control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	virtio_console_resize(&driver.console, 132, 43);
	expect_control_with(0, VIRTIO_CONSOLE_RESIZE, 0, "\x84\0\x2b\0", 4);
	ck_assert_uint_eq(virtio_read_config(console_device(), 0, 4),
			  43 << 16 | 132);
	virtio_console_resize(&driver.console, 132, 43);
	expect_none(CONTROL_IN);
}
END_TEST

/* --- The guest's end ----------------------------------------------------- */

START_TEST(test_data_of_a_port)
{
	unsigned int resumes;

	start_ports(_i);
	chardev_fake_connect(agent, true);
	post(RECEIVE(1), 16);
	ck_assert_uint_eq(chardev_fake_type(agent, "early", 5), 0);
	resumes = atomic_load(&agent->resumes);
	open_port(1, true);
	ck_assert_uint_gt(atomic_load(&agent->resumes), resumes);
	ck_assert_uint_eq(chardev_fake_type(agent, "request", 7), 7);
	expect_text(RECEIVE(1), "request");
	send_text(TRANSMIT(1), "answer");
	expect_output(1, "answer");
	send_text(TRANSMIT(2), "line");
	expect_output(2, "line");
	expect_output(0, "");
	ck_assert_uint_eq(log_file->writes, 1);
	/* Closed: nothing more is read, until it is opened again. */
	post(RECEIVE(1), 16);
	open_port(1, false);
	ck_assert_uint_eq(chardev_fake_type(agent, "late", 4), 0);
	expect_none(RECEIVE(1));
	open_port(1, true);
	ck_assert_uint_eq(chardev_fake_type(agent, "late", 4), 4);
	expect_text(RECEIVE(1), "late");
}
END_TEST

/* What was read when the guest closed the port is there when it comes back. */
START_TEST(test_closed_with_input_held)
{
	start_ports(_i);
	open_port(2, true);
	post(RECEIVE(2), 2);
	ck_assert_uint_eq(chardev_fake_type(log_file, "abcd", 4), 4);
	expect_text(RECEIVE(2), "ab");
	open_port(2, false);
	post(RECEIVE(2), 8);
	expect_none(RECEIVE(2));
	open_port(2, true);
	expect_text(RECEIVE(2), "cd");
}
END_TEST

START_TEST(test_console_port)
{
	start_ports(_i);
	send_text(TRANSMIT(0), "boot");
	ck_assert(!virtio_console_is_used(&driver.console));
	open_port(0, true);
	ck_assert(virtio_console_is_used(&driver.console));
	post(RECEIVE(0), 8);
	ck_assert_uint_eq(chardev_fake_type(terminal, "ls", 2), 2);
	expect_text(RECEIVE(0), "ls");
	open_port(0, false);
	ck_assert(!virtio_console_is_used(&driver.console));
}
END_TEST

/* Each port waits for its own reader. */
START_TEST(test_one_slow_port)
{
	start_ports(_i);
	atomic_store(&agent->room, 0);
	send_text(TRANSMIT(1), "slow");
	expect_none(TRANSMIT(1));
	send_text(TRANSMIT(2), "fast");
	expect_output(2, "fast");
	ck_assert_uint_eq(take_all(TRANSMIT(2)), 1);
	ck_assert(!chardev_fake_drain(agent, 10));
	expect_output(1, "slow");
	ck_assert_uint_eq(take_all(TRANSMIT(1)), 1);
}
END_TEST

/* --- Nonsense ------------------------------------------------------------ */

START_TEST(test_garbage)
{
	const uint32_t ids[] = { 0, 1, 2, 3, 31, 0x7fffffff, UINT32_MAX };
	const uint16_t values[] = { 0, 1, 2, UINT16_MAX };
	uint32_t len;

	start_ports(_i);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		for (uint16_t event = 0; event < 20; event++) {
			for (size_t v = 0; v < ARRAY_SIZE(values); v++)
				send_control(ids[i], event, values[v]);
			ck_assert_uint_eq(take_all(CONTROL_OUT), 4);
		}
		send_control(ids[i], UINT16_MAX, 1);
		ck_assert_uint_eq(take_all(CONTROL_OUT), 1);
	}
	while (take(CONTROL_IN, &len))
		ck_assert_uint_le(len, 64);
	/* All lengths, and what is more than a message. */
	for (uint32_t size = 0; size <= 64; size++) {
		send_bytes(CONTROL_OUT,
			   "\0\0\0\0\6\0\1\0................................"
			   "........................",
			   size);
		ck_assert_uint_eq(take_all(CONTROL_OUT), 1);
	}
	ck_assert(atomic_load(&driver.console.ports[0].guest_open));
	post(CONTROL_OUT, 64);
	ck_assert_uint_eq(take_all(CONTROL_OUT), 1);
	ck_assert_uint_eq(get_status(), CONSOLE_RUNNING);
	reset();
	start_ports(_i);
}
END_TEST

/* A message cut into bytes. */
START_TEST(test_message_in_pieces)
{
	struct ring_buffer pieces[8];

	start(_i, ALL_FEATURES);
	post_control(4);
	for (unsigned int i = 0; i < 8; i++) {
		pieces[i] = (struct ring_buffer){ guest_alloc(CONTROL_OUT, 1),
						  1, false };
		*guest_ptr(pieces[i].gpa) = i == 6;
	}
	ring_add(&driver.rings[CONTROL_OUT], pieces, 8);
	kick(CONTROL_OUT);
	expect_control(0, VIRTIO_CONSOLE_PORT_ADD, 0);
}
END_TEST

/* The other queues do not exist without the feature. */
START_TEST(test_without_multiport)
{
	start(_i, 0);
	post_control(4);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	send_text(TRANSMIT(1), "nobody");
	post(RECEIVE(1), 8);
	chardev_fake_connect(agent, true);
	ck_assert_uint_eq(chardev_fake_type(agent, "x", 1), 0);
	for (unsigned int i = 2; i < CONSOLE_QUEUES; i++)
		expect_none(i);
	expect_output(1, "");
	virtio_console_resize(&driver.console, 80, 24);
	ck_assert_uint_eq(driver.config_interrupts, 1);
	expect_none(CONTROL_IN);
}
END_TEST

/* --- Construction -------------------------------------------------------- */

static void expect_refused(const char *const *names, unsigned int count,
			   const char *sentence)
{
	static struct virtio_console_named_port named[64];
	const struct virtio_env env = { .gmem = &driver.gmem };
	const struct virtio_console_init init = {
		.env = &env,
		.chardev = terminal,
		.named = named,
		.named_count = count,
	};
	struct virtio_console console;
	struct err err = { 0 };

	for (unsigned int i = 0; i < count; i++)
		named[i] =
			(struct virtio_console_named_port){ names[i], agent };
	ck_assert_int_eq(virtio_console_init(&console, &init, &err), -EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

START_TEST(test_bad_names)
{
	char long_name[VIRTIO_CONSOLE_NAME_BYTES + 2] = "";
	const char *const lengths = "a console port's name has 1 to 127 bytes";
	const char *many[VIRTIO_CONSOLE_MAX_PORTS];

	expect_refused((const char *[]){ "" }, 1, lengths);
	memset(long_name, 'a', sizeof(long_name) - 1);
	expect_refused((const char *[]){ long_name }, 1, lengths);
	expect_refused((const char *[]){ "a", "b/c" }, 2,
		       "the name of console port 2 may have letters, digits "
		       "and punctuation but no slash");
	expect_refused((const char *[]){ "a b" }, 1,
		       "the name of console port 1 may have letters, digits "
		       "and punctuation but no slash");
	expect_refused((const char *[]){ "a", "b", "a" }, 3,
		       "two console ports are named a");
	for (unsigned int i = 0; i < VIRTIO_CONSOLE_MAX_PORTS; i++)
		many[i] = "x";
	expect_refused(many, VIRTIO_CONSOLE_MAX_PORTS,
		       "there can be at most 30 named console ports");
}
END_TEST

START_TEST(test_all_ports)
{
	static struct virtio_console_named_port
		named[VIRTIO_CONSOLE_MAX_PORTS - 1];
	static char names[VIRTIO_CONSOLE_MAX_PORTS - 1][8];
	const struct virtio_env env = { .gmem = &driver.gmem };
	const struct virtio_console_init init = {
		.env = &env,
		.chardev = terminal,
		.named = named,
		.named_count = VIRTIO_CONSOLE_MAX_PORTS - 1,
	};
	struct virtio_console console;

	for (unsigned int i = 0; i < init.named_count; i++) {
		ck_assert_int_gt(snprintf(names[i], sizeof(names[i]), "p%u", i),
				 0);
		named[i] =
			(struct virtio_console_named_port){ names[i], agent };
	}
	ck_assert_int_eq(virtio_console_init(&console, &init, NULL), 0);
	ck_assert_uint_eq(console.device.queue_count, VIRTIO_MAX_QUEUES);
	virtio_console_release(&console);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/console: ports");
	TCase *tcase = tcase_create("ports");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_features);
	tcase_add_loop_test(tcase, test_handshake, 0, KINDS);
	tcase_add_loop_test(tcase, test_handshake_is_batched, 0, KINDS);
	tcase_add_loop_test(tcase, test_few_buffers, 0, KINDS);
	tcase_add_loop_test(tcase, test_driver_that_is_never_ready, 0, KINDS);
	tcase_add_loop_test(tcase, test_driver_that_fails, 0, KINDS);
	tcase_add_loop_test(tcase, test_small_control_buffers, 0, KINDS);
	tcase_add_loop_test(tcase, test_peer_comes_and_goes, 0, KINDS);
	tcase_add_loop_test(tcase, test_peer_that_was_there_before, 0, KINDS);
	tcase_add_loop_test(tcase, test_events_are_coalesced, 0, KINDS);
	tcase_add_loop_test(tcase, test_another_peer, 0, KINDS);
	tcase_add_loop_test(tcase, test_resize, 0, KINDS);
	tcase_add_loop_test(tcase, test_data_of_a_port, 0, KINDS);
	tcase_add_loop_test(tcase, test_closed_with_input_held, 0, KINDS);
	tcase_add_loop_test(tcase, test_console_port, 0, KINDS);
	tcase_add_loop_test(tcase, test_one_slow_port, 0, KINDS);
	tcase_add_loop_test(tcase, test_garbage, 0, KINDS);
	tcase_add_loop_test(tcase, test_message_in_pieces, 0, KINDS);
	tcase_add_loop_test(tcase, test_without_multiport, 0, KINDS);
	tcase_add_test(tcase, test_bad_names);
	tcase_add_test(tcase, test_all_ports);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
