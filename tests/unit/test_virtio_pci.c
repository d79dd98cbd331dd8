/*
 * The PCI transport as a driver sees it: what it is, its registers, and the way
 * to them through configuration space. Interrupts: test_virtio_pci_irq.c.
 */
#include <stdlib.h>

#include "tests/unit/virtio_pci_driver.h"

/* --- Another device, with more queues ------------------------------------ */

#define MANY 5

struct many {
	struct virtio_device device;
	unsigned int kicks[MANY];
	uint64_t written;
	unsigned int written_len;
};

static struct many many;

static void many_kick(struct virtio_device *device, unsigned int index)
{
	(void)device;
	many.kicks[index]++;
}

static void many_config_write(struct virtio_device *device, uint32_t offset,
			      uint64_t value, unsigned int len)
{
	(void)device;
	(void)offset;
	many.written = value;
	many.written_len = len;
}

static void become_many(void)
{
	static const struct virtio_device_type type = {
		.name = "many",
		.id = 42,
		.kick = many_kick,
		.config_write = many_config_write,
	};
	const struct virtio_env env = { .gmem = &gmem };
	const struct virtio_device_init init = {
		.type = &type,
		.env = &env,
		.queue_count = MANY,
		.queue_size = SIZE,
		.config = config,
		.config_size = sizeof(config),
	};
	struct irq_line *lines[MANY + 1];
	struct virtio_pci_machine machine = pci.machine;

	for (int i = 0; i <= MANY; i++)
		lines[i] = &vectors[i % VECTORS].irq.line;
	machine.vectors = lines;
	virtio_pci_release(&pci);
	many = (struct many){ .written_len = 0 };
	ck_assert_int_eq(virtio_device_init(&many.device, &init, NULL), 0);
	virtio_pci_init(&pci, &many.device, &machine);
	find_capabilities();
}

static void many_done(void)
{
	virtio_device_stop(&many.device);
	virtio_device_release(&many.device);
}

/* --- Identity and structures --------------------------------------------- */

START_TEST(test_identity)
{
	ck_assert_uint_eq(cfg_in(PCI_VENDOR_ID, 2), 0x1af4);
	ck_assert_uint_eq(cfg_in(PCI_DEVICE_ID, 2), 0x1044);
	ck_assert_uint_ge(cfg_in(PCI_REVISION_ID, 1), 1);
	ck_assert_uint_ge(cfg_in(PCI_SUBSYSTEM_ID, 2), 0x40);
	ck_assert_uint_eq(cfg_in(PCI_INTERRUPT_PIN, 1), 1);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES);
}
END_TEST

START_TEST(test_capabilities)
{
	for (int kind = COMMON; kind <= ACCESS; kind++)
		ck_assert_uint_ne(caps[kind], 0);
	ck_assert_uint_ge(cfg_in(caps[COMMON] + 12, 4), 56);
	ck_assert_uint_eq(cfg_in(caps[NOTIFY] + 2, 1), 20);
	ck_assert_uint_eq(cfg_in(caps[ACCESS] + 2, 1), 20);
	ck_assert_uint_eq(cfg_in(caps[NOTIFY] + 16, 4), 4);
	ck_assert_uint_ge(cfg_in(caps[NOTIFY] + 12, 4), 4);
	ck_assert_uint_eq(cfg_in(caps[DEVICE] + 12, 4), sizeof(config));
	ck_assert_uint_eq(cfg_in(msix_cap + 2, 2), VECTORS - 1);
	/* 4.1.4: offsets are aligned to what they hold. */
	ck_assert_uint_eq(structure[COMMON] % 4, 0);
	ck_assert_uint_eq(structure[NOTIFY] % 4, 0);
	ck_assert_uint_eq(structure[DEVICE] % 4, 0);
}
END_TEST

/* 4.1.4: all but the access window is the device's to say. */
START_TEST(test_capabilities_are_read_only)
{
	for (int kind = COMMON; kind <= ACCESS; kind++) {
		unsigned int len = cfg_in(caps[kind] + 2, 1);

		for (unsigned int i = 0; i < len; i++) {
			unsigned int at = caps[kind] + i;
			uint32_t before = cfg_in(at, 1);
			bool window = kind == ACCESS && (i == 4 || i >= 8);

			cfg_out(at, 1, ~before & 0xff);
			ck_assert_int_eq(cfg_in(at, 1) != before, window);
			cfg_out(at, 1, before);
		}
	}
}
END_TEST

START_TEST(test_no_configuration)
{
	tear_down();
	set_up_intx(NULL);
	virtio_pci_release(&pci);
	rng.device.config_size = 0;
	virtio_pci_init(
		&pci, &rng.device,
		&(struct virtio_pci_machine){
			.msix = pci.machine.msix,
			.vectors =
				(struct irq_line *[]){ &vectors[0].irq.line,
						       &vectors[1].irq.line },
		});
	find_capabilities();
	ck_assert_uint_eq(caps[DEVICE], 0);
	ck_assert_uint_eq(cfg_in(PCI_INTERRUPT_PIN, 1), 0);
}
END_TEST

START_TEST(test_features)
{
	set_common(DEVICE_FEATURE_SELECT, 4, 1);
	ck_assert_uint_eq(common(DEVICE_FEATURE_SELECT, 4), 1);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 5);
	set_common(DEVICE_FEATURE_SELECT, 4, 0);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 3U << 28);
	set_common(DEVICE_FEATURE_SELECT, 4, 2);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 0);
	choose_features(1ULL << 32 | 1U << 28);
	ck_assert_uint_eq(common(DRIVER_FEATURE_SELECT, 4), 1);
	ck_assert_uint_eq(common(DRIVER_FEATURE, 4), 1);
	set_common(DRIVER_FEATURE_SELECT, 4, 9);
	set_common(DRIVER_FEATURE, 4, 0xffff);
	ck_assert_uint_eq(common(DRIVER_FEATURE, 4), 0);
	set_common(STATUS, 1, 11);
	ck_assert_uint_eq(common(STATUS, 1), 11);
}
END_TEST

START_TEST(test_queue_fields)
{
	ck_assert_uint_eq(common(NUM_QUEUES, 2), 1);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 64);
	ck_assert_uint_eq(common(QUEUE_NOTIFY_OFF, 2), 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	set_common(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 0);
	set_common(QUEUE_ENABLE, 2, 1);
	set_common(QUEUE_SELECT, 2, 0);
	start();
	ck_assert_uint_eq(common(QUEUE_DESC, 4), RING_BASE);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), RING_BASE);
	/* Latched (invariant 1). */
	set_common(QUEUE_SIZE, 2, 2);
	set_common(QUEUE_DESC, 8, 0);
	set_common(QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), SIZE);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), RING_BASE);
	ck_assert_uint_eq(common(QUEUE_ENABLE, 2), 1);
	ck_assert_uint_eq(request(16), 16);
	set_common(STATUS, 1, 0);
	ck_assert_uint_eq(common(QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 64);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), 0);
}
END_TEST

/* 4.1.4.3.1: a power of two or 0, unless the ring is packed. */
START_TEST(test_odd_queue_sizes)
{
	for (int packed = 0; packed < 2; packed++) {
		set_common(STATUS, 1, 0);
		choose_features(1ULL << 32 | (uint64_t)packed << 34);
		set_common(STATUS, 1, 11);
		ck_assert_uint_eq(common(STATUS, 1), 11);
		set_common(QUEUE_SIZE, 2, 3);
		ck_assert_uint_eq(common(QUEUE_SIZE, 2), packed ? 3 : 0);
		set_address(QUEUE_DESC, RING_BASE);
		set_address(QUEUE_DRIVER, RING_BASE + 0x1000);
		set_address(QUEUE_DEVICE, RING_BASE + 0x2000);
		set_common(QUEUE_ENABLE, 2, 1);
		ck_assert_uint_eq(common(QUEUE_ENABLE, 2), packed);
	}
}
END_TEST

START_TEST(test_addresses)
{
	choose_features(1ULL << 32);
	set_common(STATUS, 1, 11);
	set_common(QUEUE_DESC, 4, 0x1000);
	set_common(QUEUE_DESC + 4, 4, 0x12);
	set_common(QUEUE_DRIVER, 8, 0x3400002000);
	set_common(QUEUE_DEVICE + 4, 4, 0x56);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), 0x1200001000);
	ck_assert_uint_eq(common(QUEUE_DRIVER, 4), 0x2000);
	ck_assert_uint_eq(common(QUEUE_DRIVER + 4, 4), 0x34);
	ck_assert_uint_eq(common(QUEUE_DEVICE, 8), 0x5600000000);
}
END_TEST

/* Fields have one width each (4.1.3.1). */
START_TEST(test_widths)
{
	static const uint8_t widths[] = {
		4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 2, 0, 2,
		0, 1, 1, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 4, 0, 0, 0, 4, 0,
		0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0,
	};

	for (unsigned int offset = 0; offset < 60; offset++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			bool fits = offset < sizeof(widths) &&
				    len == widths[offset];

			if (len == 8)
				fits = offset >= 32 && offset < 56 &&
				       offset % 8 == 0;
			ck_assert_int_eq(common(offset, len) != UINT64_MAX,
					 fits);
			if (!fits)
				set_common(offset, len, UINT64_MAX);
		}
	}
	ck_assert_uint_eq(common(STATUS, 1), 0);
	ck_assert_uint_eq(common(DEVICE_FEATURE_SELECT, 4), 0);
	ck_assert_uint_eq(in(structure[ISR], 4), UINT64_MAX);
	ck_assert_uint_eq(in(structure[ISR] + 1, 1), UINT64_MAX);
	ck_assert_uint_eq(in(0x7ff8, 8), UINT64_MAX);
	out(0x7ff8, 8, 1);
}
END_TEST

START_TEST(test_device_configuration)
{
	uint64_t before = common(GENERATION, 1);

	ck_assert_uint_eq(in(structure[DEVICE], 4), 0x04030201);
	ck_assert_uint_eq(in(structure[DEVICE] + 4, 2), 0x0605);
	ck_assert_uint_eq(in(structure[DEVICE] + 6, 1), 0);
	out(structure[DEVICE], 1, 9);
	ck_assert_uint_eq(in(structure[DEVICE], 1), 1);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_ne(common(GENERATION, 1), before);
}
END_TEST

/* 4.1.4.3.1: however often it changes between two reads. */
START_TEST(test_generation_does_not_come_round)
{
	for (int round = 0; round < 3; round++) {
		uint64_t before = common(GENERATION, 1);

		in(structure[DEVICE], 4);
		for (int i = 0; i <= UINT8_MAX; i++)
			virtio_config_changed(&rng.device, 0, "\x01", 1);
		ck_assert_uint_ne(common(GENERATION, 1), before);
	}
}
END_TEST

START_TEST(test_notify)
{
	start();
	ck_assert_uint_eq(request(16), 16);
	/* Only queue 0 is there. */
	out(structure[NOTIFY] + 4, 2, 0);
	out(structure[NOTIFY] + 0xffc, 4, 0);
	out(structure[NOTIFY] + 2, 2, 0);
	ck_assert_uint_eq(in(structure[NOTIFY], 2), 0);
	pci.function.ops->bar_moved(&pci.function, 0, 0xd0000000);
	ck_assert_uint_eq(notify_base, 0xd0000000 + structure[NOTIFY]);
	ck_assert_uint_eq(notify_base, 0xd0000000 + VIRTIO_PCI_NOTIFY_OFFSET);
	pci.function.ops->bar_moved(&pci.function, 0, 0);
	ck_assert_uint_eq(notify_base, 0);
}
END_TEST

/* 4.1.4.4: each queue has an address of its own, within the structure. */
START_TEST(test_notify_addresses)
{
	const struct virtq_features features = { .packed = false };
	uint64_t multiplier;
	uint64_t length;

	become_many();
	multiplier = cfg_in(caps[NOTIFY] + 16, 4);
	length = cfg_in(caps[NOTIFY] + 12, 4);
	ck_assert_uint_eq(common(NUM_QUEUES, 2), MANY);
	ck_assert_uint_eq(cfg_in(msix_cap + 2, 2), MANY);
	choose_features(1ULL << 32);
	set_common(STATUS, 1, 11);
	for (unsigned int i = 0; i < MANY; i++) {
		ring_init(&ring, &gmem, RING_BASE + 0x1000ULL * i, SIZE,
			  &features);
		set_common(QUEUE_SELECT, 2, i);
		set_address(QUEUE_DESC, ring.layout.desc);
		set_address(QUEUE_DRIVER, ring.layout.driver);
		set_address(QUEUE_DEVICE, ring.layout.device);
		set_common(QUEUE_ENABLE, 2, 1);
	}
	set_common(STATUS, 1, 15);
	memset(many.kicks, 0, sizeof(many.kicks));
	for (unsigned int i = 0; i < MANY; i++) {
		uint64_t offset;

		set_common(QUEUE_SELECT, 2, i);
		offset = common(QUEUE_NOTIFY_OFF, 2) * multiplier;
		ck_assert_uint_ge(length, offset + 2);
		out(structure[NOTIFY] + offset, 2, i);
		for (unsigned int j = 0; j < MANY; j++)
			ck_assert_uint_eq(many.kicks[j], j <= i);
	}
	many_done();
}
END_TEST

/* --- The access window --------------------------------------------------- */

static void aim(unsigned int bar, uint32_t offset, uint32_t len)
{
	cfg_out(caps[ACCESS] + 4, 1, bar);
	cfg_out(caps[ACCESS] + 8, 4, offset);
	cfg_out(caps[ACCESS] + 12, 4, len);
}

START_TEST(test_access_window)
{
	const unsigned int data = caps[ACCESS] + 16;

	aim(0, (uint32_t)structure[COMMON] + STATUS, 1);
	cfg_out(data, 1, 3);
	ck_assert_uint_eq(common(STATUS, 1), 3);
	ck_assert_uint_eq(cfg_in(data, 1), 3);
	aim(0, (uint32_t)structure[COMMON] + NUM_QUEUES, 2);
	ck_assert_uint_eq(cfg_in(data, 2), 1);
	aim(0, (uint32_t)structure[DEVICE], 4);
	ck_assert_uint_eq(cfg_in(data, 4), 0x04030201);
	start();
	aim(0, (uint32_t)structure[NOTIFY], 2);
	ring_add(&ring, &(struct ring_buffer){ DATA, 16, true }, 1);
	cfg_out(data, 2, 0);
	ck_assert(ring_take(&ring, &(uint32_t){ 0 }, &(uint32_t){ 0 }));
}
END_TEST

/* 4.1.4.9.1: only as many bytes as were asked for are written. */
START_TEST(test_access_window_length)
{
	static const uint64_t expected[] = {
		[1] = 0x78, [2] = 0x5678, [4] = 0x12345678
	};

	become_many();
	for (uint32_t len = 1; len <= 4; len *= 2) {
		aim(0, (uint32_t)structure[DEVICE], len);
		cfg_out(caps[ACCESS] + 16, 4, 0x12345678);
		ck_assert_uint_eq(many.written_len, len);
		ck_assert_uint_eq(many.written, expected[len]);
	}
	many_done();
}
END_TEST

/* 4.1.4.9.2: anything else is ignored. */
START_TEST(test_bad_access_window)
{
	const unsigned int data = caps[ACCESS] + 16;
	const uint32_t at = (uint32_t)structure[COMMON] + STATUS;
	const struct {
		unsigned int bar;
		uint32_t offset;
		uint32_t len;
	} cases[] = {
		{ 1, at, 1 },	      { 0, at, 0 },
		{ 0, at, 3 },	      { 0, at, 8 },
		{ 0, at + 1, 4 },     { 0, 0x8000, 1 },
		{ 0, UINT32_MAX, 1 }, { 0, UINT32_MAX - 3, 4 },
		{ 255, at, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		aim(cases[i].bar, cases[i].offset, cases[i].len);
		cfg_out(data, 4, 3);
		cfg_in(data, 4);
		ck_assert_uint_eq(common(STATUS, 1), 0);
	}
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_identity);
	tcase_add_test(tcase, test_capabilities);
	tcase_add_test(tcase, test_capabilities_are_read_only);
	tcase_add_test(tcase, test_no_configuration);
	tcase_add_test(tcase, test_features);
	tcase_add_test(tcase, test_queue_fields);
	tcase_add_test(tcase, test_odd_queue_sizes);
	tcase_add_test(tcase, test_addresses);
	tcase_add_test(tcase, test_widths);
	tcase_add_test(tcase, test_device_configuration);
	tcase_add_test(tcase, test_generation_does_not_come_round);
	tcase_add_test(tcase, test_notify);
	tcase_add_test(tcase, test_notify_addresses);
	tcase_add_test(tcase, test_access_window);
	tcase_add_test(tcase, test_access_window_length);
	tcase_add_test(tcase, test_bad_access_window);
}

int main(void)
{
	Suite *suite = suite_create("virtio/pci");
	TCase *tcase = tcase_create("pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
