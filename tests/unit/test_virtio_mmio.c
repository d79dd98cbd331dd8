/*
 * The register page as a driver sees it, with the entropy device behind it.
 * Offsets as in virtio 1.2, 4.2.2.
 */
#include <stdlib.h>

#include "tests/unit/irq_double.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/mmio.h"
#include "virtio/rng.h"

#define RAM	  (4 * MIB)
#define RING_BASE 0x1000
#define DATA	  0x100000
#define SIZE	  8

enum {
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	VENDOR_ID = 0x00c,
	DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	QUEUE_DESC = 0x080,
	QUEUE_DRIVER = 0x090,
	QUEUE_DEVICE = 0x0a0,
	SHM_SEL = 0x0ac,
	SHM_LEN = 0x0b0,
	SHM_BASE = 0x0b8,
	QUEUE_RESET = 0x0c0,
	CONFIG_GENERATION = 0x0fc,
	CONFIG = 0x100,
};

static struct gmem gmem;
static struct virtio_rng rng;
static struct virtio_mmio mmio;
static struct irq_double irq;
static struct ring_driver ring;
static uint8_t config[4] = { 1, 2, 3, 4 };

static uint32_t in(uint64_t offset)
{
	return (uint32_t)virtio_mmio_bus_ops.read(&mmio, offset, 4);
}

static void out(uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(&mmio, offset, value, 4);
}

static void set_up_level(bool level)
{
	const struct virtio_env env = { .gmem = &gmem };

	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	ck_assert_int_eq(virtio_rng_init(&rng, &env, NULL), 0);
	irq_double_init(&irq);
	virtio_mmio_init(&mmio, &rng.device, &irq.line, level);
	/* The entropy device has none of its own. */
	rng.device.config = config;
	rng.device.config_size = sizeof(config);
}

static void set_up(void)
{
	set_up_level(true);
}

static void tear_down(void)
{
	virtio_device_stop(&rng.device);
	virtio_mmio_release(&mmio);
	virtio_rng_release(&rng);
	gmem_release(&gmem);
}

static void choose_features(uint64_t features)
{
	out(DRIVER_FEATURES_SEL, 0);
	out(DRIVER_FEATURES, (uint32_t)features);
	out(DRIVER_FEATURES_SEL, 1);
	out(DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static void out64(uint64_t offset, uint64_t value)
{
	out(offset, (uint32_t)value);
	out(offset + 4, (uint32_t)(value >> 32));
}

static void start(void)
{
	const struct virtq_features features = { .packed = false };

	ring_init(&ring, &gmem, RING_BASE, SIZE, &features);
	out(STATUS, 0);
	out(STATUS, 1);
	out(STATUS, 3);
	choose_features(1ULL << 32 | 1U << 28);
	out(STATUS, 11);
	ck_assert_uint_eq(in(STATUS), 11);
	out(QUEUE_SEL, 0);
	ck_assert_uint_eq(in(QUEUE_READY), 0);
	out(QUEUE_NUM, SIZE);
	out64(QUEUE_DESC, ring.layout.desc);
	out64(QUEUE_DRIVER, ring.layout.driver);
	out64(QUEUE_DEVICE, ring.layout.device);
	out(QUEUE_READY, 1);
	ck_assert_uint_eq(in(QUEUE_READY), 1);
	out(STATUS, 15);
	ck_assert_uint_eq(in(STATUS), 15);
}

/* How many bytes a request for @len got. */
static uint32_t request(uint32_t len)
{
	const struct ring_buffer buffer = { DATA, len, true };
	uint32_t id;
	uint32_t got = UINT32_MAX;

	ring_add(&ring, &buffer, 1);
	out(QUEUE_NOTIFY, 0);
	ck_assert(ring_take(&ring, &id, &got));
	return got;
}

START_TEST(test_identity)
{
	ck_assert_uint_eq(in(MAGIC), 0x74726976);
	ck_assert_uint_eq(in(VERSION), 2);
	ck_assert_uint_eq(in(DEVICE_ID), 4);
	ck_assert_uint_ne(in(VENDOR_ID), 0);
	ck_assert_uint_eq(in(STATUS), 0);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 0);
}
END_TEST

START_TEST(test_features)
{
	out(DEVICE_FEATURES_SEL, 1);
	/* VERSION_1 and RING_PACKED. */
	ck_assert_uint_eq(in(DEVICE_FEATURES), 5);
	out(DEVICE_FEATURES_SEL, 0);
	/* INDIRECT_DESC and EVENT_IDX. */
	ck_assert_uint_eq(in(DEVICE_FEATURES), 3U << 28);
	out(DEVICE_FEATURES_SEL, 2);
	ck_assert_uint_eq(in(DEVICE_FEATURES), 0);
	out(DRIVER_FEATURES_SEL, 7);
	out(DRIVER_FEATURES, UINT32_MAX);
	choose_features(1ULL << 32 | 1);
	out(STATUS, 3);
	out(STATUS, 11);
	ck_assert_uint_eq(in(STATUS), 3);
}
END_TEST

START_TEST(test_queue_registers)
{
	ck_assert_uint_eq(in(QUEUE_NUM_MAX), 64);
	out(QUEUE_SEL, 1);
	ck_assert_uint_eq(in(QUEUE_NUM_MAX), 0);
	out(QUEUE_READY, 1);
	out(QUEUE_NUM, 4);
	ck_assert_uint_eq(in(QUEUE_READY), 0);
	start();
	/* Latched: nothing moves while it is enabled (invariant 1). */
	out(QUEUE_NUM, 2);
	out64(QUEUE_DESC, 0);
	out(QUEUE_READY, 0);
	ck_assert_uint_eq(in(QUEUE_READY), 1);
	ck_assert_uint_eq(rng.device.queues[0].layout.size, SIZE);
	ck_assert_uint_eq(rng.device.queues[0].layout.desc, RING_BASE);
	ck_assert_uint_eq(request(16), 16);
}
END_TEST

START_TEST(test_queue_given_up)
{
	start();
	out(STATUS, 0);
	choose_features(1ULL << 32);
	out(STATUS, 11);
	out64(QUEUE_DESC, ring.layout.desc);
	out64(QUEUE_DRIVER, ring.layout.driver);
	out64(QUEUE_DEVICE, ring.layout.device);
	out(QUEUE_NUM, SIZE | 0x10000);
	out(QUEUE_READY, 1);
	ck_assert_uint_eq(in(QUEUE_READY), 0);
	out(QUEUE_NUM, SIZE);
	out(QUEUE_READY, 2);
	ck_assert_uint_eq(in(QUEUE_READY), 0);
	out(QUEUE_READY, 1);
	ck_assert_uint_eq(in(QUEUE_READY), 1);
	out(QUEUE_READY, 0);
	ck_assert_uint_eq(in(QUEUE_READY), 0);
}
END_TEST

START_TEST(test_addresses_above_4_gib)
{
	out(STATUS, 3);
	choose_features(1ULL << 32);
	out(STATUS, 11);
	out(QUEUE_DESC, 0x1000);
	out(QUEUE_DESC + 4, 0x12);
	out(QUEUE_DRIVER + 4, 0x34);
	out(QUEUE_DRIVER, 0x2000);
	out64(QUEUE_DEVICE, 0x5600003000);
	ck_assert_uint_eq(rng.device.queues[0].layout.desc, 0x1200001000);
	ck_assert_uint_eq(rng.device.queues[0].layout.driver, 0x3400002000);
	ck_assert_uint_eq(rng.device.queues[0].layout.device, 0x5600003000);
	/* Write-only (4.2.2). */
	ck_assert_uint_eq(in(QUEUE_DESC), 0);
	ck_assert_uint_eq(in(QUEUE_NUM), 0);
}
END_TEST

/* 4.2.2.2: what a driver may only read stays as it is. */
START_TEST(test_read_only_registers)
{
	static const uint64_t registers[] = {
		MAGIC,
		VERSION,
		DEVICE_ID,
		VENDOR_ID,
		DEVICE_FEATURES,
		QUEUE_NUM_MAX,
		INTERRUPT_STATUS,
		SHM_LEN,
		CONFIG_GENERATION,
	};

	start();
	request(16);
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		uint32_t before = in(registers[i]);

		out(registers[i], ~before);
		ck_assert_uint_eq(in(registers[i]), before);
	}
	ck_assert_uint_eq(request(16), 16);
}
END_TEST

START_TEST(test_widths)
{
	const struct bus_ops *ops = &virtio_mmio_bus_ops;

	ck_assert_uint_eq(ops->read(&mmio, MAGIC, 1), UINT64_MAX);
	ck_assert_uint_eq(ops->read(&mmio, MAGIC, 2), UINT64_MAX);
	ck_assert_uint_eq(ops->read(&mmio, MAGIC, 8), UINT64_MAX);
	ck_assert_uint_eq(ops->read(&mmio, MAGIC + 1, 4), UINT64_MAX);
	ops->write(&mmio, STATUS, 1, 1);
	ops->write(&mmio, STATUS, 1, 2);
	ops->write(&mmio, STATUS, 1, 8);
	ops->write(&mmio, STATUS + 2, 1, 4);
	ck_assert_uint_eq(in(STATUS), 0);
	/* The configuration has its fields' widths (4.2.2.2). */
	ck_assert_uint_eq(ops->read(&mmio, CONFIG, 1), 1);
	ck_assert_uint_eq(ops->read(&mmio, CONFIG + 2, 2), 0x0403);
	ck_assert_uint_eq(ops->read(&mmio, CONFIG, 8), 0x04030201);
	ck_assert_uint_eq(ops->read(&mmio, CONFIG + 4, 1), 0);
	ops->write(&mmio, CONFIG, 9, 1);
	ck_assert_uint_eq(ops->read(&mmio, CONFIG, 1), 1);
}
END_TEST

START_TEST(test_not_offered)
{
	for (uint32_t id = 0; id < 3; id++) {
		out(SHM_SEL, id);
		ck_assert_uint_eq(in(SHM_LEN), UINT32_MAX);
		ck_assert_uint_eq(in(SHM_LEN + 4), UINT32_MAX);
		ck_assert_uint_eq(in(SHM_BASE), UINT32_MAX);
		ck_assert_uint_eq(in(SHM_BASE + 4), UINT32_MAX);
	}
	start();
	out(QUEUE_RESET, 1);
	ck_assert_uint_eq(in(QUEUE_RESET), 0);
	ck_assert_uint_eq(in(QUEUE_READY), 1);
}
END_TEST

START_TEST(test_level_interrupt)
{
	start();
	request(16);
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 1);
	virtio_config_changed(&rng.device, 0, "\x09", 1);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 3);
	out(INTERRUPT_ACK, 1);
	ck_assert(irq.asserted);
	out(INTERRUPT_ACK, 2);
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 0);
	/* Each bit for its own event only. */
	virtio_config_changed(&rng.device, 0, "\x09", 1);
	ck_assert(irq.asserted);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 2);
	out(INTERRUPT_ACK, 2);
	request(16);
	ck_assert(irq.asserted);
	/* A reset takes it back. */
	out(STATUS, 0);
	ck_assert(!irq.asserted);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 0);
	ck_assert_uint_eq(irq.pulses, 0);
}
END_TEST

START_TEST(test_edge_interrupt)
{
	tear_down();
	set_up_level(false);
	start();
	request(16);
	ck_assert_uint_eq(irq.pulses, 1);
	/* Also while the last one was not acknowledged. */
	request(16);
	ck_assert_uint_eq(irq.pulses, 2);
	out(INTERRUPT_ACK, 1);
	ck_assert_uint_eq(in(INTERRUPT_STATUS), 0);
	ck_assert_uint_eq(irq.changes, 0);
}
END_TEST

START_TEST(test_config_generation)
{
	uint32_t before = in(CONFIG_GENERATION);

	virtio_config_changed(&rng.device, 1, "\x07", 1);
	ck_assert_uint_ne(in(CONFIG_GENERATION), before);
	ck_assert_uint_eq(in(CONFIG), 0x04030701);
}
END_TEST

/* --- The entropy device -------------------------------------------------- */

START_TEST(test_entropy)
{
	const uint8_t *data = gmem_ptr(&gmem, DATA, 8192);
	unsigned int zeros = 0;

	start();
	ck_assert_uint_eq(request(1), 1);
	ck_assert_uint_eq(data[1], 0);
	ck_assert_uint_eq(request(1000), 1000);
	for (int i = 0; i < 1000; i++)
		zeros += data[i] == 0;
	ck_assert_uint_lt(zeros, 50);
	ck_assert_uint_eq(data[1000], 0);
	/* In part, when it is more than a request's share. */
	ck_assert_uint_eq(request(8192), VIRTIO_RNG_MAX_BYTES);
	ck_assert_uint_eq(data[VIRTIO_RNG_MAX_BYTES], 0);
	ck_assert_uint_eq(request(0), 0);
}
END_TEST

/* Only the writable part, wherever it is cut. */
START_TEST(test_entropy_in_pieces)
{
	const struct ring_buffer buffers[] = {
		{ DATA, 16, false },
		{ DATA + 0x1000, 300, true },
		{ DATA + 0x2000, 5, true },
	};
	uint32_t id;
	uint32_t len;

	start();
	ring_add(&ring, buffers, 3);
	out(QUEUE_NOTIFY, 0);
	ck_assert(ring_take(&ring, &id, &len));
	ck_assert_uint_eq(len, 305);
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(*(uint8_t *)gmem_ptr(&gmem, DATA + i, 1), 0);
	ring_add(&ring, buffers, 1);
	out(QUEUE_NOTIFY, 0);
	ck_assert(ring_take(&ring, &id, &len));
	ck_assert_uint_eq(len, 0);
}
END_TEST

/* More than a pass takes: all come back, from one kick. */
START_TEST(test_entropy_budget)
{
	struct ring_buffer buffers[SIZE];
	uint32_t id;
	uint32_t len;

	start();
	for (int i = 0; i < SIZE; i++)
		buffers[i] =
			(struct ring_buffer){ DATA + 0x10ULL * i, 8, true };
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < SIZE; i++)
			ring_add(&ring, &buffers[i], 1);
		out(QUEUE_NOTIFY, 0);
		for (int i = 0; i < SIZE; i++)
			ck_assert(ring_take(&ring, &id, &len));
		ck_assert(!ring_take(&ring, &id, &len));
	}
}
END_TEST

/* As many pieces as the largest queue has descriptors are filled. One more is
 * longer than any chain may be: nothing, but it comes back. */
START_TEST(test_entropy_in_many_pieces)
{
	struct ring_buffer buffers[65];
	uint32_t id;
	uint32_t len;

	start();
	for (unsigned int i = 0; i < 65; i++)
		buffers[i] = (struct ring_buffer){ DATA + 0x10 * i, 8, true };
	ring_add_indirect(&ring, 0x80000, buffers, in(QUEUE_NUM_MAX));
	out(QUEUE_NOTIFY, 0);
	ck_assert(ring_take(&ring, &id, &len));
	ck_assert_uint_eq(len, 8UL * in(QUEUE_NUM_MAX));
	ring_add_indirect(&ring, 0x80000, buffers, in(QUEUE_NUM_MAX) + 1);
	out(QUEUE_NOTIFY, 0);
	ck_assert(ring_take(&ring, &id, &len));
	ck_assert_uint_eq(len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/mmio");
	TCase *tcase = tcase_create("mmio");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_identity);
	tcase_add_test(tcase, test_features);
	tcase_add_test(tcase, test_queue_registers);
	tcase_add_test(tcase, test_queue_given_up);
	tcase_add_test(tcase, test_addresses_above_4_gib);
	tcase_add_test(tcase, test_read_only_registers);
	tcase_add_test(tcase, test_widths);
	tcase_add_test(tcase, test_not_offered);
	tcase_add_test(tcase, test_level_interrupt);
	tcase_add_test(tcase, test_edge_interrupt);
	tcase_add_test(tcase, test_config_generation);
	tcase_add_test(tcase, test_entropy);
	tcase_add_test(tcase, test_entropy_in_pieces);
	tcase_add_test(tcase, test_entropy_budget);
	tcase_add_test(tcase, test_entropy_in_many_pieces);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
