/*
 * What all devices share, with a device type and a transport that only watch:
 * negotiation, the life of a queue, resets that take their time, and failures.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/io_context_double.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/device.h"

#define RAM	  (4 * MIB)
#define RING_BASE 0x1000
#define DATA	  0x100000
#define SIZE	  8
#define QUEUES	  2

#define READY                                                   \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define RUNNING (READY | VIRTIO_CONFIG_S_DRIVER_OK)

#define FEATURE_A     0
#define FEATURE_B     5
#define VERSION_1     (1ULL << VIRTIO_F_VERSION_1)
#define RING_FEATURES (VERSION_1 | 1ULL << 34 | 3ULL << 28)

/* A device that gives every chain back, or keeps them until it is told. */
struct probe {
	struct virtio_device device;
	uint8_t config[12];
	atomic_uint served[QUEUES];
	unsigned int activations;
	unsigned int resets;
	int activate_result;
	bool refuse_features;
	bool keep; /* chains stay in flight until a reset */
	bool reset_takes_time;
	unsigned int again; /* how often a kick asks for another */
	atomic_uint kept;
	uint16_t kept_heads[SIZE];
	uint64_t written;
	uint32_t written_at;
	unsigned int written_len;
	/* The transport's side. */
	atomic_uint interrupts[QUEUES];
	atomic_uint config_interrupts;
	unsigned int was_reset;
	unsigned int reports;
	char report[128];
};

static struct gmem gmem;
static struct probe probe;
static struct virtio_device *device = &probe.device;
static struct ring_driver rings[QUEUES];
static const struct ring_buffer buffer = { DATA, 64, true };

static bool probe_accept(struct virtio_device *dev, uint64_t features)
{
	(void)dev;
	/* A needs B. */
	if ((features & 1ULL << FEATURE_A) && !(features & 1ULL << FEATURE_B))
		return false;
	return !probe.refuse_features;
}

static int probe_activate(struct virtio_device *dev, struct err *err)
{
	(void)dev;
	probe.activations++;
	if (probe.activate_result)
		return err_set(err, -probe.activate_result, "no can do");
	return 0;
}

static void probe_kick(struct virtio_device *dev, unsigned int index)
{
	struct virtq *vq = virtio_vq(dev, index);
	struct iovec iov[4];
	struct virtq_chain chain = { .iov = iov, .iov_max = 4 };

	atomic_fetch_add(&probe.served[index], 1);
	/* Other queues may have other threads. */
	if (index == 0 && probe.again) {
		probe.again--;
		virtio_kick_again(dev, index);
	}
	while (virtq_pop(vq, &chain) == 1) {
		if (probe.keep)
			probe.kept_heads[atomic_fetch_add(&probe.kept, 1)] =
				chain.head;
		else
			virtq_push(vq, chain.head, 64);
	}
	virtio_interrupt(dev, index);
}

static void probe_finish(void *opaque)
{
	(void)opaque;
	while (atomic_load(&probe.kept))
		virtq_push(
			virtio_vq(device, 0),
			probe.kept_heads[atomic_fetch_sub(&probe.kept, 1) - 1],
			0);
	virtio_interrupt(device, 0);
}

static int probe_reset(struct virtio_device *dev)
{
	(void)dev;
	probe.resets++;
	if (probe.reset_takes_time)
		return -EINPROGRESS;
	probe_finish(NULL);
	return 0;
}

static void probe_config_write(struct virtio_device *dev, uint32_t offset,
			       uint64_t value, unsigned int len)
{
	(void)dev;
	probe.written_at = offset;
	probe.written = value;
	probe.written_len = len;
}

static const struct virtio_device_type probe_type = {
	.name = "probe",
	.id = 42,
	.accept_features = probe_accept,
	.activate = probe_activate,
	.kick = probe_kick,
	.reset = probe_reset,
	.config_write = probe_config_write,
};

static void on_interrupt(struct virtio_device *dev, unsigned int index)
{
	(void)dev;
	atomic_fetch_add(&probe.interrupts[index], 1);
}

static void on_config_interrupt(struct virtio_device *dev)
{
	(void)dev;
	atomic_fetch_add(&probe.config_interrupts, 1);
}

static void on_was_reset(struct virtio_device *dev)
{
	(void)dev;
	probe.was_reset++;
}

static const struct virtio_transport_ops transport = {
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
	.was_reset = on_was_reset,
};

static void on_report(void *opaque, const struct virtio_device *dev,
		      const char *what)
{
	(void)opaque;
	ck_assert_ptr_eq(dev, device);
	probe.reports++;
	snprintf(probe.report, sizeof(probe.report), "%s", what);
}

static void set_up(void)
{
	const struct virtio_env env = { .gmem = &gmem, .report = on_report };
	const struct virtio_device_init init = {
		.type = &probe_type,
		.env = &env,
		.features = 1ULL << FEATURE_A | 1ULL << FEATURE_B,
		.queue_count = QUEUES,
		.queue_size = SIZE,
		.config = probe.config,
		.config_size = sizeof(probe.config),
	};

	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	ck_assert_int_eq(virtio_device_init(device, &init, NULL), 0);
	device->transport = &transport;
}

static void tear_down(void)
{
	virtio_device_stop(device);
	virtio_device_release(device);
	gmem_release(&gmem);
}

static void set_status(uint8_t status)
{
	pthread_mutex_lock(&device->lock);
	virtio_write_status(device, status, false);
	pthread_mutex_unlock(&device->lock);
}

static uint8_t status(void)
{
	uint8_t value;

	pthread_mutex_lock(&device->lock);
	value = virtio_read_status(device);
	pthread_mutex_unlock(&device->lock);
	return value;
}

static void choose(uint64_t features)
{
	virtio_write_driver_features(device, 0, (uint32_t)features);
	virtio_write_driver_features(device, 1, (uint32_t)(features >> 32));
}

static void agree(uint64_t features)
{
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	choose(features);
	set_status(READY);
	ck_assert_uint_eq(status(), READY);
}

static void add_queue(unsigned int index)
{
	const struct virtq_features features = { .packed = false };
	struct virtio_queue *queue = virtio_queue_get(device, index);

	ring_init(&rings[index], &gmem, RING_BASE + 0x1000 * index, SIZE,
		  &features);
	ck_assert(virtio_queue_writable(queue));
	queue->layout = rings[index].layout;
	virtio_queue_enable(queue);
	ck_assert(queue->vq.enabled);
	ck_assert(!virtio_queue_writable(queue));
}

static void start(void)
{
	agree(VERSION_1);
	for (unsigned int i = 0; i < QUEUES; i++)
		add_queue(i);
	set_status(RUNNING);
	ck_assert_uint_eq(status(), RUNNING);
}

static bool used(unsigned int index)
{
	uint32_t id;
	uint32_t len;

	return ring_take(&rings[index], &id, &len);
}

/* --- Features ------------------------------------------------------------ */

START_TEST(test_offered_features)
{
	uint64_t offered = 1ULL << FEATURE_A | 1ULL << FEATURE_B |
			   RING_FEATURES;

	ck_assert_uint_eq(virtio_read_features(device, 0), (uint32_t)offered);
	ck_assert_uint_eq(virtio_read_features(device, 1), offered >> 32);
	ck_assert_uint_eq(virtio_read_features(device, 2), 0);
	ck_assert_uint_eq(virtio_read_features(device, UINT32_MAX), 0);
	virtio_write_driver_features(device, 0, 0x1234);
	virtio_write_driver_features(device, 1, 0x5678);
	virtio_write_driver_features(device, 2, 0xffff);
	ck_assert_uint_eq(virtio_read_driver_features(device, 0), 0x1234);
	ck_assert_uint_eq(virtio_read_driver_features(device, 1), 0x5678);
	ck_assert_uint_eq(virtio_read_driver_features(device, 2), 0);
}
END_TEST

START_TEST(test_refused_features)
{
	const uint64_t cases[] = {
		0, /* without VERSION_1 */
		1ULL << FEATURE_B,
		VERSION_1 | 1ULL << FEATURE_A, /* without B */
		VERSION_1 | 1ULL << 1, /* not offered */
		VERSION_1 | 1ULL << 63,
		VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_status(0);
		set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE |
			   VIRTIO_CONFIG_S_DRIVER);
		choose(cases[i]);
		set_status(READY);
		ck_assert_uint_eq(status(),
				  READY & ~VIRTIO_CONFIG_S_FEATURES_OK);
		/* Then there is no way to go on either. */
		set_status(RUNNING);
		ck_assert_uint_eq(status() & VIRTIO_CONFIG_S_DRIVER_OK, 0);
		ck_assert_uint_eq(probe.activations, 0);
		ck_assert_uint_eq(device->features, 0);
	}
	/* Another try is free. */
	choose(VERSION_1 | 1ULL << FEATURE_B);
	set_status(READY);
	ck_assert_uint_eq(status(), READY);
	ck_assert(virtio_has_feature(device, FEATURE_B));
	ck_assert(!virtio_has_feature(device, FEATURE_A));
}
END_TEST

START_TEST(test_features_are_latched)
{
	agree(VERSION_1);
	choose(VERSION_1 | 1ULL << FEATURE_B);
	ck_assert_uint_eq(virtio_read_driver_features(device, 0), 0);
	ck_assert(!virtio_has_feature(device, FEATURE_B));
}
END_TEST

/* --- Status -------------------------------------------------------------- */

START_TEST(test_status_bits_only_grow)
{
	start();
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	ck_assert_uint_eq(status(), RUNNING);
	/* Not the driver's to set. */
	set_status(RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET | 0x30);
	ck_assert_uint_eq(status(), RUNNING);
	set_status(RUNNING | VIRTIO_CONFIG_S_FAILED);
	ck_assert_uint_eq(status(), RUNNING | VIRTIO_CONFIG_S_FAILED);
	ck_assert_uint_eq(probe.activations, 1);
}
END_TEST

START_TEST(test_no_shortcut)
{
	/* DRIVER_OK without an agreement, and all bits at once with one. */
	set_status(VIRTIO_CONFIG_S_DRIVER_OK);
	ck_assert_uint_eq(status(), 0);
	choose(VERSION_1);
	set_status(RUNNING);
	ck_assert_uint_eq(status(), RUNNING);
	ck_assert_uint_eq(probe.activations, 1);
}
END_TEST

START_TEST(test_activation_fails)
{
	probe.activate_result = -EIO;
	agree(VERSION_1);
	add_queue(0);
	set_status(RUNNING);
	ck_assert_uint_eq(status(), RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert_uint_eq(probe.config_interrupts, 1);
	ck_assert_str_eq(probe.report, "no can do");
	virtio_notify(device, 0);
	ck_assert_uint_eq(probe.served[0], 0);
	probe.activate_result = 0;
	set_status(0);
	ck_assert_uint_eq(probe.resets, 1);
	start();
}
END_TEST

/* --- Queues -------------------------------------------------------------- */

START_TEST(test_queue_needs_an_agreement)
{
	struct virtio_queue *queue = virtio_queue_get(device, 0);
	const struct virtq_features none = { .packed = false };

	ck_assert_ptr_null(virtio_queue_get(device, QUEUES));
	ck_assert_ptr_null(virtio_queue_get(device, UINT32_MAX));
	ck_assert_uint_eq(queue->layout.size, SIZE);
	ring_init(&rings[0], &gmem, RING_BASE, SIZE, &none);
	queue->layout = rings[0].layout;
	ck_assert(!virtio_queue_writable(queue));
	virtio_queue_enable(queue);
	ck_assert(!queue->vq.enabled);
	agree(VERSION_1);
	virtio_queue_enable(queue);
	ck_assert(queue->vq.enabled);
	virtio_queue_disable(queue);
	ck_assert(!queue->vq.enabled);
}
END_TEST

START_TEST(test_bad_layout)
{
	struct virtio_queue *queue = virtio_queue_get(device, 0);

	agree(VERSION_1);
	queue->layout.desc = RAM;
	virtio_queue_enable(queue);
	ck_assert(!queue->vq.enabled);
	ck_assert_uint_eq(status(), READY | VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert_uint_eq(probe.reports, 1);
	/* Before DRIVER_OK nobody is interrupted. */
	ck_assert_uint_eq(probe.config_interrupts, 0);
}
END_TEST

START_TEST(test_kicks)
{
	start();
	/* Once without a kick, for what was added before DRIVER_OK. */
	ck_assert_uint_eq(probe.served[0], 1);
	ck_assert_uint_eq(probe.served[1], 1);
	ring_add(&rings[1], &buffer, 1);
	virtio_notify(device, 1);
	ck_assert(used(1));
	ck_assert(!used(1));
	ck_assert_uint_eq(probe.interrupts[1], 1);
	ck_assert_uint_eq(probe.interrupts[0], 0);
	ring_set_avail_flags(&rings[1], 1);
	ring_add(&rings[1], &buffer, 1);
	virtio_notify(device, 1);
	ck_assert_uint_eq(probe.interrupts[1], 1);
	ck_assert_uint_eq(device->queues[1].counters.kicks, 3);
	ck_assert_uint_eq(device->queues[1].counters.interrupts, 1);
	ck_assert_uint_eq(device->queues[1].counters.suppressed, 1);
	virtio_notify(device, QUEUES);
	virtio_notify(device, UINT32_MAX);
}
END_TEST

START_TEST(test_added_before_driver_ok)
{
	agree(VERSION_1);
	add_queue(0);
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	ck_assert(!used(0));
	set_status(RUNNING);
	ck_assert(used(0));
	ck_assert_uint_eq(probe.interrupts[0], 1);
}
END_TEST

START_TEST(test_disabled_queue)
{
	agree(VERSION_1);
	add_queue(0);
	set_status(RUNNING);
	virtio_notify(device, 1);
	ck_assert_uint_eq(probe.served[1], 0);
	ck_assert(!virtio_queue_begin(device, 1));
	/* Too late to enable it, or to take the other one away. */
	virtio_queue_enable(virtio_queue_get(device, 1));
	ck_assert(!device->queues[1].vq.enabled);
	virtio_queue_disable(virtio_queue_get(device, 0));
	ck_assert(device->queues[0].vq.enabled);
}
END_TEST

START_TEST(test_kick_again)
{
	start();
	probe.again = 5;
	virtio_notify(device, 0);
	ck_assert_uint_eq(probe.served[0], 1 + 6);
	/* Until the machine wants its thread back. */
	probe.again = UINT32_MAX;
	virtio_device_cancel(device);
	virtio_notify(device, 0);
	ck_assert_uint_eq(probe.served[0], 1 + 6 + 1);
}
END_TEST

/* --- Failures ------------------------------------------------------------ */

START_TEST(test_broken_queue)
{
	start();
	ring_expose(&rings[0], SIZE);
	virtio_notify(device, 0);
	ck_assert_uint_eq(status(), RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert(virtio_device_failed(device));
	ck_assert_uint_eq(probe.config_interrupts, 1);
	ck_assert_str_eq(probe.report, "a head is outside the table");
	/* No other queue goes on, and nobody is told twice. */
	ring_add(&rings[1], &buffer, 1);
	virtio_notify(device, 1);
	ck_assert(!used(1));
	virtio_device_fail(device, "again");
	ck_assert_uint_eq(probe.reports, 1);
	ck_assert_uint_eq(probe.config_interrupts, 1);
	set_status(0);
	ck_assert_uint_eq(status(), 0);
	start();
	ring_add(&rings[1], &buffer, 1);
	virtio_notify(device, 1);
	ck_assert(used(1));
	virtio_device_fail(device, "later");
	ck_assert_str_eq(probe.report, "later");
}
END_TEST

START_TEST(test_broken_outside_a_kick)
{
	struct iovec iov[1];
	struct virtq_chain chain = { .iov = iov, .iov_max = 1 };

	start();
	ring_expose(&rings[0], SIZE);
	ck_assert(virtio_queue_begin(device, 0));
	ck_assert_int_eq(virtq_pop(virtio_vq(device, 0), &chain), -EPROTO);
	virtio_queue_end(device, 0);
	ck_assert(virtio_device_failed(device));
	ck_assert(!virtio_queue_begin(device, 1));
}
END_TEST

/* --- Reset --------------------------------------------------------------- */

START_TEST(test_reset_forgets)
{
	start();
	probe.keep = true;
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	ck_assert(!used(0));
	set_status(0);
	/* Drained before it was forgotten. */
	ck_assert(used(0));
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(probe.was_reset, 1);
	ck_assert_uint_eq(device->features, 0);
	ck_assert_uint_eq(virtio_read_driver_features(device, 1), 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		ck_assert(!device->queues[i].vq.enabled);
		ck_assert_uint_eq(device->queues[i].layout.size, SIZE);
		ck_assert_uint_eq(device->queues[i].layout.desc, 0);
	}
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	ck_assert(!used(0));
	start();
	ck_assert_uint_eq(probe.activations, 2);
}
END_TEST

START_TEST(test_reset_of_an_idle_device)
{
	set_status(0);
	set_status(0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(probe.resets, 0);
	agree(VERSION_1);
	add_queue(0);
	set_status(0);
	ck_assert_uint_eq(probe.resets, 0);
	ck_assert(!device->queues[0].vq.enabled);
}
END_TEST

/* Until the device has drained, the driver sees the status it had. */
START_TEST(test_reset_that_takes_time)
{
	start();
	probe.keep = true;
	probe.reset_takes_time = true;
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	set_status(0);
	ck_assert_uint_eq(status(), RUNNING);
	/* Whatever the driver does meanwhile. */
	set_status(0);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	choose(VERSION_1 | 1ULL << FEATURE_B);
	virtio_notify(device, 0);
	virtio_queue_disable(virtio_queue_get(device, 0));
	ck_assert(!virtio_queue_writable(virtio_queue_get(device, 0)));
	ck_assert_uint_eq(status(), RUNNING);
	ck_assert_uint_eq(probe.resets, 1);
	ck_assert_uint_eq(probe.was_reset, 0);
	ck_assert(device->queues[0].vq.enabled);
	probe_finish(NULL);
	virtio_reset_done(device);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(probe.was_reset, 1);
	ck_assert(used(0));
	probe.reset_takes_time = false;
	start();
}
END_TEST

static void *finish_later(void *opaque)
{
	(void)opaque;
	usleep(20000);
	probe_finish(NULL);
	virtio_reset_done(device);
	return NULL;
}

START_TEST(test_wait_for_a_reset)
{
	pthread_t thread;

	start();
	probe.keep = true;
	probe.reset_takes_time = true;
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, finish_later, NULL), 0);
	pthread_mutex_lock(&device->lock);
	virtio_write_status(device, 0, true);
	ck_assert_uint_eq(atomic_load(&device->status), 0);
	pthread_mutex_unlock(&device->lock);
	ck_assert(used(0));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	probe.reset_takes_time = false;
}
END_TEST

START_TEST(test_no_interrupt_after_a_reset)
{
	start();
	set_status(0);
	ck_assert_uint_eq(status(), 0);
	virtio_config_changed(device, 0, "x", 1);
	virtio_device_fail(device, "late");
	ck_assert_uint_eq(probe.config_interrupts, 0);
}
END_TEST

/* --- Configuration ------------------------------------------------------- */

START_TEST(test_config_bounds)
{
	for (size_t i = 0; i < sizeof(probe.config); i++)
		probe.config[i] = (uint8_t)(i + 1);
	ck_assert_uint_eq(virtio_read_config(device, 0, 4), 0x04030201);
	ck_assert_uint_eq(virtio_read_config(device, 1, 2), 0x0302);
	ck_assert_uint_eq(virtio_read_config(device, 11, 1), 12);
	ck_assert_uint_eq(virtio_read_config(device, 11, 8), 12);
	ck_assert_uint_eq(virtio_read_config(device, 12, 1), 0);
	ck_assert_uint_eq(virtio_read_config(device, UINT64_MAX, 8), 0);
	virtio_write_config(device, 8, 0x55, 4);
	ck_assert_uint_eq(probe.written_len, 4);
	ck_assert_uint_eq(probe.written_at, 8);
	ck_assert_uint_eq(probe.written, 0x55);
	probe.written_len = 0;
	virtio_write_config(device, 9, 0x55, 4);
	virtio_write_config(device, 12, 0x55, 1);
	virtio_write_config(device, UINT64_MAX, 0x55, 1);
	ck_assert_uint_eq(probe.written_len, 0);
}
END_TEST

START_TEST(test_config_change)
{
	uint_fast32_t before = device->config_generation;

	virtio_config_changed(device, 4, "\x01\x02", 2);
	ck_assert_uint_eq(virtio_read_config(device, 4, 4), 0x0201);
	ck_assert_uint_ne(device->config_generation, before);
	ck_assert_uint_eq(probe.config_interrupts, 0);
	start();
	virtio_config_changed(device, 4, "\x03", 1);
	ck_assert_uint_eq(probe.config_interrupts, 1);
	virtio_config_set(device, 4, "\x04", 1);
	ck_assert_uint_eq(probe.config_interrupts, 1);
	ck_assert_uint_eq(virtio_read_config(device, 4, 1), 4);
}
END_TEST

/* --- A thread for a queue ------------------------------------------------ */

static void await_used(unsigned int index)
{
	for (int i = 0; i < 5000 && !used(index); i++)
		usleep(1000);
}

START_TEST(test_context)
{
	struct io_double io;

	io_double_start(&io);
	ck_assert_int_eq(virtio_queue_set_context(device, 0, &io.context, NULL),
			 0);
	for (int round = 0; round < 3; round++) {
		unsigned int before;

		start();
		before = probe.served[0];
		ring_add(&rings[0], &buffer, 1);
		virtio_notify(device, 0);
		await_used(0);
		ck_assert_uint_gt(probe.served[0], before);
		/* The queue without a context is served where it was. */
		ring_add(&rings[1], &buffer, 1);
		virtio_notify(device, 1);
		ck_assert(used(1));
		set_status(0);
		before = probe.served[0];
		virtio_notify(device, 0);
		usleep(2000);
		ck_assert_uint_eq(probe.served[0], before);
	}
	virtio_device_stop(device);
	io_double_stop(&io);
	io.running = false;
}
END_TEST

START_TEST(test_context_reset_in_flight)
{
	struct io_double io;

	io_double_start(&io);
	ck_assert_int_eq(virtio_queue_set_context(device, 0, &io.context, NULL),
			 0);
	probe.keep = true;
	probe.reset_takes_time = true;
	start();
	ring_add(&rings[0], &buffer, 1);
	virtio_notify(device, 0);
	while (!atomic_load(&probe.kept))
		usleep(1000);
	set_status(0);
	ck_assert_uint_eq(status(), RUNNING);
	io_context_call(&io.context, probe_finish, NULL);
	virtio_reset_done(device);
	ck_assert_uint_eq(status(), 0);
	ck_assert(used(0));
	probe.reset_takes_time = false;
	virtio_device_stop(device);
	io_double_stop(&io);
	io.running = false;
}
END_TEST

START_TEST(test_context_kick_again)
{
	struct io_double io;

	io_double_start(&io);
	ck_assert_int_eq(virtio_queue_set_context(device, 0, &io.context, NULL),
			 0);
	probe.again = 5;
	start();
	for (int i = 0; i < 5000 && probe.served[0] < 6; i++)
		usleep(1000);
	ck_assert_uint_eq(probe.served[0], 6);
	virtio_device_stop(device);
	io_double_stop(&io);
	io.running = false;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/device");
	TCase *tcase = tcase_create("device");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_offered_features);
	tcase_add_test(tcase, test_refused_features);
	tcase_add_test(tcase, test_features_are_latched);
	tcase_add_test(tcase, test_status_bits_only_grow);
	tcase_add_test(tcase, test_no_shortcut);
	tcase_add_test(tcase, test_activation_fails);
	tcase_add_test(tcase, test_queue_needs_an_agreement);
	tcase_add_test(tcase, test_bad_layout);
	tcase_add_test(tcase, test_kicks);
	tcase_add_test(tcase, test_added_before_driver_ok);
	tcase_add_test(tcase, test_disabled_queue);
	tcase_add_test(tcase, test_kick_again);
	tcase_add_test(tcase, test_broken_queue);
	tcase_add_test(tcase, test_broken_outside_a_kick);
	tcase_add_test(tcase, test_reset_forgets);
	tcase_add_test(tcase, test_reset_of_an_idle_device);
	tcase_add_test(tcase, test_reset_that_takes_time);
	tcase_add_test(tcase, test_wait_for_a_reset);
	tcase_add_test(tcase, test_no_interrupt_after_a_reset);
	tcase_add_test(tcase, test_config_bounds);
	tcase_add_test(tcase, test_config_change);
	tcase_add_test(tcase, test_context);
	tcase_add_test(tcase, test_context_reset_in_flight);
	tcase_add_test(tcase, test_context_kick_again);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
