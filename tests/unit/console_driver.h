/*
 * A guest's console driver and a machine around it, for the tests of
 * virtio/console.c: one device with two named ports, over fake chardevs.
 */
#ifndef TESTS_UNIT_CONSOLE_DRIVER_H
#define TESTS_UNIT_CONSOLE_DRIVER_H

#include <errno.h>
#include <linux/virtio_config.h>

#include "tests/unit/chardev_fake.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/console.h"

#define CONSOLE_RAM	  (16 * MIB)
#define CONSOLE_RINGS	  0x1000ULL /* a page a queue */
#define CONSOLE_DATA	  0x100000ULL
#define CONSOLE_DATA_SIZE 0x10000ULL /* a queue */
#define CONSOLE_NAMED	  2
#define CONSOLE_QUEUES	  (2 * (CONSOLE_NAMED + 2))
#define CONSOLE_SIZE	  16

#define CONSOLE_READY                                           \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define CONSOLE_RUNNING (CONSOLE_READY | VIRTIO_CONFIG_S_DRIVER_OK)

#define FEATURE(n)     (1ULL << (n))
#define ALL_FEATURES   (FEATURE(VIRTIO_CONSOLE_F_SIZE) | MULTIPORT)
#define MULTIPORT      FEATURE(VIRTIO_CONSOLE_F_MULTIPORT)
#define RECEIVE(port)  ((port) ? 2 * (port) + 2U : 0U)
#define TRANSMIT(port) (RECEIVE(port) + 1U)
#define CONTROL_IN     2U
#define CONTROL_OUT    3U
#define BAD_ID	       UINT32_MAX
#define NAME_OF_PORT_1 "org.qemu.guest_agent.0"
#define NAME_OF_PORT_2 "log"

struct console_driver {
	struct gmem gmem;
	struct virtio_console console;
	struct chardev chardevs[1 + CONSOLE_NAMED];
	struct ring_driver rings[CONSOLE_QUEUES];
	gpa_t buffers[CONSOLE_QUEUES][CONSOLE_SIZE]; /* by head */
	gpa_t next[CONSOLE_QUEUES]; /* in the queue's data */
	atomic_uint interrupts[CONSOLE_QUEUES];
	atomic_uint config_interrupts;
	unsigned int reports;
};

/* The tests' one machine. */
static struct console_driver driver;

static void on_interrupt(struct virtio_device *device, unsigned int index)
{
	(void)device;
	atomic_fetch_add(&driver.interrupts[index], 1);
}

static void on_config_interrupt(struct virtio_device *device)
{
	(void)device;
	atomic_fetch_add(&driver.config_interrupts, 1);
}

static void on_was_reset(struct virtio_device *device)
{
	(void)device;
}

static const struct virtio_transport_ops console_transport = {
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
	.was_reset = on_was_reset,
};

static void on_report(void *opaque, const struct virtio_device *device,
		      const char *what)
{
	(void)opaque;
	(void)device;
	ck_assert_str_ne(what, "");
	driver.reports++;
}

static inline struct virtio_device *console_device(void)
{
	return &driver.console.device;
}

static inline void console_set_up(unsigned int named)
{
	const struct virtio_env env = { .gmem = &driver.gmem,
					.report = on_report };
	const struct virtio_console_named_port ports[CONSOLE_NAMED] = {
		{ NAME_OF_PORT_1, &driver.chardevs[1] },
		{ NAME_OF_PORT_2, &driver.chardevs[2] },
	};
	const struct virtio_console_init init = {
		.env = &env,
		.chardev = &driver.chardevs[0],
		.named = ports,
		.named_count = named,
	};
	struct chardev_receiver receiver;

	memset(&driver, 0, sizeof(driver));
	for (unsigned int i = 0; i <= CONSOLE_NAMED; i++)
		chardev_fake_init(&driver.chardevs[i]);
	/* As a Unix socket that nobody has connected to. */
	driver.chardevs[1].connected = false;
	ck_assert_int_eq(gmem_init(&driver.gmem, CONSOLE_RAM, 0, NULL), 0);
	ck_assert_int_eq(virtio_console_init(&driver.console, &init, NULL), 0);
	receiver = virtio_console_receiver(&driver.console);
	chardev_set_receiver(&driver.chardevs[0], &receiver);
	console_device()->transport = &console_transport;
}

static inline void console_tear_down(void)
{
	virtio_device_stop(console_device());
	virtio_console_release(&driver.console);
	gmem_release(&driver.gmem);
}

/* --- Registers --- */

static inline void set_status(uint8_t status)
{
	pthread_mutex_lock(&console_device()->lock);
	virtio_write_status(console_device(), status, false);
	pthread_mutex_unlock(&console_device()->lock);
}

static inline uint8_t get_status(void)
{
	uint8_t status;

	pthread_mutex_lock(&console_device()->lock);
	status = virtio_read_status(console_device());
	pthread_mutex_unlock(&console_device()->lock);
	return status;
}

static inline void reset(void)
{
	set_status(0);
	ck_assert_uint_eq(get_status(), 0);
}

/* @kind 0: split, 1: split with EVENT_IDX, 2: packed, 3: both. */
static inline void agree(int kind, uint64_t features)
{
	const struct virtq_features ring = { .packed = kind & 2,
					     .event_idx = kind & 1 };

	features |= FEATURE(VIRTIO_F_VERSION_1) |
		    (ring.packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0) |
		    (ring.event_idx ? 1ULL << 29 : 0);
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_write_driver_features(console_device(), 0, (uint32_t)features);
	virtio_write_driver_features(console_device(), 1,
				     (uint32_t)(features >> 32));
	set_status(CONSOLE_READY);
	ck_assert_uint_eq(get_status(), CONSOLE_READY);
	for (unsigned int i = 0; i < console_device()->queue_count; i++) {
		struct virtio_queue *queue =
			virtio_queue_get(console_device(), i);

		ring_init(&driver.rings[i], &driver.gmem,
			  CONSOLE_RINGS + 0x1000ULL * i, CONSOLE_SIZE, &ring);
		driver.next[i] = 0;
		ring_want_interrupt(&driver.rings[i]);
		queue->layout = driver.rings[i].layout;
		virtio_queue_enable(queue);
		ck_assert(queue->vq.enabled);
	}
}

static inline void start(int kind, uint64_t features)
{
	agree(kind, features);
	set_status(CONSOLE_RUNNING);
	ck_assert_uint_eq(get_status(), CONSOLE_RUNNING);
}

/* --- Chains --- */

static inline uint8_t *guest_ptr(gpa_t gpa)
{
	return gmem_ptr(&driver.gmem, gpa, 1);
}

static inline gpa_t guest_alloc(unsigned int queue, uint32_t len)
{
	gpa_t base = CONSOLE_DATA + CONSOLE_DATA_SIZE * queue;

	ck_assert_uint_le(len, CONSOLE_DATA_SIZE);
	if (driver.next[queue] + len > CONSOLE_DATA_SIZE)
		driver.next[queue] = 0;
	driver.next[queue] += len + 1; /* apart, so that none is merged */
	return base + driver.next[queue] - len - 1;
}

static inline void kick(unsigned int queue)
{
	if (ring_should_kick(&driver.rings[queue]))
		virtio_notify(console_device(), queue);
}

/* Adds a chain for the device to read; no kick. */
static inline void add_bytes(unsigned int queue, const void *bytes,
			     uint32_t len)
{
	const struct ring_buffer buffer = { guest_alloc(queue, len), len,
					    false };

	memcpy(guest_ptr(buffer.gpa), bytes, len);
	ring_add(&driver.rings[queue], &buffer, 1);
}

static inline void send_bytes(unsigned int queue, const void *bytes,
			      uint32_t len)
{
	add_bytes(queue, bytes, len);
	kick(queue);
}

static inline void send_text(unsigned int queue, const char *text)
{
	send_bytes(queue, text, (uint32_t)strlen(text));
}

/* Offers a buffer to fill. */
static inline void post(unsigned int queue, uint32_t len)
{
	const struct ring_buffer buffer = { guest_alloc(queue, len), len,
					    true };
	uint16_t head = ring_add(&driver.rings[queue], &buffer, 1);

	driver.buffers[queue][head] = buffer.gpa;
	kick(queue);
}

/* Whether a chain came back; with its length. */
static inline bool take(unsigned int queue, uint32_t *ret_len)
{
	uint32_t id;

	return ring_take(&driver.rings[queue], &id, ret_len);
}

static inline unsigned int take_all(unsigned int queue)
{
	unsigned int count = 0;
	uint32_t len;

	while (take(queue, &len)) {
		ck_assert_uint_eq(len, 0);
		count++;
	}
	return count;
}

/* The next buffer that was filled holds exactly this. */
static inline void expect_bytes(unsigned int queue, const void *bytes,
				size_t want)
{
	uint32_t id;
	uint32_t len;

	ck_assert(ring_take(&driver.rings[queue], &id, &len));
	ck_assert_uint_eq(len, want);
	ck_assert_mem_eq(guest_ptr(driver.buffers[queue][id]), bytes, want);
	ring_want_interrupt(&driver.rings[queue]);
}

static inline void expect_text(unsigned int queue, const char *text)
{
	expect_bytes(queue, text, strlen(text));
}

static inline void expect_none(unsigned int queue)
{
	uint32_t len;

	ck_assert(!take(queue, &len));
}

static inline void expect_output(unsigned int port, const char *text)
{
	struct chardev *chardev = &driver.chardevs[port];

	ck_assert_uint_eq(atomic_load(&chardev->out_len), strlen(text));
	ck_assert_mem_eq(chardev->out, text, strlen(text));
	atomic_store(&chardev->out_len, 0);
}

/* --- Control --- */

static inline void send_control(uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t bytes[8];

	store_le32(bytes, id);
	store_le16(bytes + 4, event);
	store_le16(bytes + 6, value);
	send_bytes(CONTROL_OUT, bytes, sizeof(bytes));
}

static inline void expect_control_with(uint32_t id, uint16_t event,
				       uint16_t value, const void *more,
				       size_t len)
{
	uint8_t bytes[64];

	store_le32(bytes, id);
	store_le16(bytes + 4, event);
	store_le16(bytes + 6, value);
	memcpy(bytes + 8, more, len);
	expect_bytes(CONTROL_IN, bytes, 8 + len);
}

static inline void expect_control(uint32_t id, uint16_t event, uint16_t value)
{
	expect_control_with(id, event, value, "", 0);
}

static inline void post_control(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		post(CONTROL_IN, 64);
}

/* A driver's start up to where it has all ports. */
static inline void start_ports(int kind)
{
	start(kind, ALL_FEATURES);
	post_control(CONSOLE_SIZE);
	send_control(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		expect_control(i, VIRTIO_CONSOLE_PORT_ADD, 0);
	for (uint32_t i = 0; i <= CONSOLE_NAMED; i++)
		send_control(i, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_control(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	expect_control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	expect_control_with(1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME_OF_PORT_1,
			    strlen(NAME_OF_PORT_1));
	expect_control_with(2, VIRTIO_CONSOLE_PORT_NAME, 1, NAME_OF_PORT_2,
			    strlen(NAME_OF_PORT_2));
	expect_control(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	expect_none(CONTROL_IN);
	ck_assert_uint_eq(take_all(CONTROL_OUT), 2 + CONSOLE_NAMED);
}

static inline void open_port(uint32_t id, bool open)
{
	send_control(id, VIRTIO_CONSOLE_PORT_OPEN, open);
}

#endif
