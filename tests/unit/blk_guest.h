/*
 * A driver of the block device for the unit tests: it negotiates, posts
 * requests and takes what came back. One disk, in memory unless a test says
 * otherwise, one or more queues, a context without a thread.
 */
#ifndef TESTS_UNIT_BLK_GUEST_H
#define TESTS_UNIT_BLK_GUEST_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <stdlib.h>

#include "tests/unit/block_double.h"
#include "tests/unit/io_context_manual.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/blk.h"

#define BLK_RAM		(32 * MIB)
#define BLK_RINGS	0x10000ULL
#define BLK_RING_BYTES	0x10000ULL
#define BLK_TABLES	0x100000ULL
#define BLK_TABLE_BYTES 0x2000ULL
#define BLK_HEADERS	0x800000ULL
#define BLK_STATUS	0x900000ULL
#define BLK_DATA	0x1000000ULL
#define BLK_DATA_BYTES	0x8000ULL
#define BLK_MAX_QUEUES	4
#define BLK_DISK_BYTES	(1 * MIB)
#define BLK_SECTORS	(BLK_DISK_BYTES / 512)
#define BLK_UNTOUCHED	0xee

#define BLK_BIT(n)    (1ULL << (n))
#define BLK_VERSION_1 BLK_BIT(VIRTIO_F_VERSION_1)
#define BLK_PACKED    BLK_BIT(VIRTIO_F_RING_PACKED)
#define BLK_EVENT_IDX BLK_BIT(29)
#define BLK_INDIRECT  BLK_BIT(28)
/* What a modern driver takes of what the disk of these tests offers. */
#define BLK_FEATURES                                                       \
	(BLK_VERSION_1 | BLK_INDIRECT | BLK_BIT(VIRTIO_BLK_F_SEG_MAX) |    \
	 BLK_BIT(VIRTIO_BLK_F_BLK_SIZE) | BLK_BIT(VIRTIO_BLK_F_TOPOLOGY) | \
	 BLK_BIT(VIRTIO_BLK_F_FLUSH) | BLK_BIT(VIRTIO_BLK_F_DISCARD) |     \
	 BLK_BIT(VIRTIO_BLK_F_WRITE_ZEROES))
#define BLK_READY                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define BLK_RUNNING (BLK_READY | VIRTIO_CONFIG_S_DRIVER_OK)

struct blk_guest {
	struct gmem gmem;
	struct io_manual io;
	struct block_double disk;
	struct block_info info;
	struct virtio_blk_backend backends[BLK_MAX_QUEUES];
	struct virtio_blk_options options;
	struct virtio_blk blk;
	struct ring_driver rings[BLK_MAX_QUEUES];
	unsigned int size; /* of each ring */
	unsigned int queue; /* the current one */
	/* By head of the current queue. */
	uint32_t used_len[VIRTQ_MAX_SIZE];
	unsigned int used[VIRTQ_MAX_SIZE]; /* how often it came back */
	unsigned int used_count;
	atomic_uint interrupts[BLK_MAX_QUEUES];
	unsigned int config_interrupts;
	unsigned int stops;
	int stop_error;
	unsigned int reports;
};

static struct blk_guest guest;

/* --- The machine's side -------------------------------------------------- */

static inline void blk_on_interrupt(struct virtio_device *device,
				    unsigned int index)
{
	(void)device;
	atomic_fetch_add(&guest.interrupts[index], 1);
}

static inline void blk_on_config_interrupt(struct virtio_device *device)
{
	(void)device;
	guest.config_interrupts++;
}

static inline void blk_on_was_reset(struct virtio_device *device)
{
	(void)device;
}

static inline void blk_on_report(void *opaque,
				 const struct virtio_device *device,
				 const char *what)
{
	(void)opaque;
	(void)device;
	ck_assert_int_ne(what[0], '\0');
	guest.reports++;
}

static inline void blk_on_stop(void *opaque, struct virtio_blk *blk, int error)
{
	(void)opaque;
	ck_assert_ptr_eq(blk, &guest.blk);
	guest.stops++;
	guest.stop_error = error;
}

/* Before blk_guest_start; tests change guest.options and guest.info first. */
static inline void blk_guest_prepare(void)
{
	memset(&guest, 0, sizeof(guest));
	ck_assert_int_eq(gmem_init(&guest.gmem, BLK_RAM, 0, NULL), 0);
	io_manual_init(&guest.io);
	block_double_init(&guest.disk, BLK_DISK_BYTES);
	guest.info = (struct block_info){
		.size_bytes = BLK_DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.discard_bytes = 4096,
		.discard = true,
	};
	for (int i = 0; i < BLK_MAX_QUEUES; i++)
		guest.backends[i] = (struct virtio_blk_backend){
			.block = &guest.disk.block,
			.context = &guest.io.context,
		};
	guest.options = (struct virtio_blk_options){
		.queue_count = 1,
		.backends = guest.backends,
		.info = &guest.info,
		.serial = "disk-0",
		.stop = blk_on_stop,
	};
	guest.size = 64;
}

static inline void blk_guest_create(void)
{
	static const struct virtio_transport_ops transport = {
		.interrupt = blk_on_interrupt,
		.config_interrupt = blk_on_config_interrupt,
		.was_reset = blk_on_was_reset,
	};
	const struct virtio_env env = { .gmem = &guest.gmem,
					.report = blk_on_report };

	ck_assert_int_eq(
		virtio_blk_init(&guest.blk, &env, &guest.options, NULL), 0);
	guest.blk.device.transport = &transport;
}

static inline void blk_guest_release(void)
{
	if (guest.blk.device.queues) {
		virtio_device_stop(&guest.blk.device);
		virtio_blk_release(&guest.blk);
	}
	io_manual_release(&guest.io);
	block_double_release(&guest.disk);
	gmem_release(&guest.gmem);
}

/* --- The driver's side --------------------------------------------------- */

static inline void blk_set_status(uint8_t status)
{
	struct virtio_device *device = &guest.blk.device;

	pthread_mutex_lock(&device->lock);
	virtio_write_status(device, status, false);
	pthread_mutex_unlock(&device->lock);
}

static inline uint8_t blk_status(void)
{
	struct virtio_device *device = &guest.blk.device;
	uint8_t value;

	pthread_mutex_lock(&device->lock);
	value = virtio_read_status(device);
	pthread_mutex_unlock(&device->lock);
	return value;
}

static inline void blk_negotiate(uint64_t features)
{
	struct virtio_device *device = &guest.blk.device;

	blk_set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	blk_set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_write_driver_features(device, 0, (uint32_t)features);
	virtio_write_driver_features(device, 1, (uint32_t)(features >> 32));
	blk_set_status(BLK_READY);
	ck_assert_uint_eq(blk_status(), BLK_READY);
}

static inline void blk_enable_queues(uint64_t features)
{
	struct virtio_device *device = &guest.blk.device;
	const struct virtq_features ring = {
		.packed = features & BLK_PACKED,
		.event_idx = features & BLK_EVENT_IDX,
		.indirect = features & BLK_INDIRECT,
	};

	for (unsigned int i = 0; i < device->queue_count; i++) {
		ring_init(&guest.rings[i], &guest.gmem,
			  BLK_RINGS + BLK_RING_BYTES * i, (uint16_t)guest.size,
			  &ring);
		device->queues[i].layout = guest.rings[i].layout;
		virtio_queue_enable(&device->queues[i]);
		ck_assert(device->queues[i].vq.enabled);
	}
	memset(guest.used, 0, sizeof(guest.used));
	guest.used_count = 0;
}

static inline void blk_run_driver(uint64_t features)
{
	blk_negotiate(features);
	blk_enable_queues(features);
	blk_set_status(BLK_RUNNING);
	ck_assert_uint_eq(blk_status(), BLK_RUNNING);
}

static inline void blk_guest_start(uint64_t features)
{
	blk_guest_create();
	blk_run_driver(features);
}

static inline uint8_t *blk_host(gpa_t gpa)
{
	return ring_host(&guest.rings[0], gpa, 1);
}

/* Where request @slot has its data and its status byte. */
static inline gpa_t blk_data(unsigned int slot)
{
	return BLK_DATA + BLK_DATA_BYTES * slot;
}

static inline uint8_t blk_answer(unsigned int slot)
{
	return *blk_host(BLK_STATUS + slot);
}

static inline void blk_set_header(unsigned int slot, uint32_t type,
				  uint64_t sector)
{
	uint8_t *header = blk_host(BLK_HEADERS + 16ULL * slot);

	store_le32(header, type);
	store_le32(header + 4, 0);
	store_le64(header + 8, sector);
	*blk_host(BLK_STATUS + slot) = BLK_UNTOUCHED;
}

/* Posts buffers as they are. Returns the head. */
static inline uint16_t blk_post_buffers(const struct ring_buffer *buffers,
					unsigned int count)
{
	return ring_add(&guest.rings[guest.queue], buffers, count);
}

/*
 * Posts request @slot in the layout all drivers use: header, @bytes of data,
 * status. Returns the head.
 */
static inline uint16_t blk_post(unsigned int slot, uint32_t type,
				uint64_t sector, uint32_t bytes)
{
	const struct ring_buffer buffers[] = {
		{ BLK_HEADERS + 16ULL * slot, 16, false },
		{ blk_data(slot), bytes,
		  type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID },
		{ BLK_STATUS + slot, 1, true },
	};
	const struct ring_buffer no_data[] = { buffers[0], buffers[2] };

	blk_set_header(slot, type, sector);
	return bytes ? blk_post_buffers(buffers, 3) :
		       blk_post_buffers(no_data, 2);
}

static inline void blk_take(void)
{
	uint32_t head;
	uint32_t len;

	while (ring_take(&guest.rings[guest.queue], &head, &len)) {
		guest.used[head]++;
		guest.used_len[head] = len;
		guest.used_count++;
	}
}

static inline void blk_kick(void)
{
	virtio_notify(&guest.blk.device, guest.queue);
	io_manual_run(&guest.io);
	blk_take();
}

/* The backend completes whatever it has; the thread's pass ends. */
static inline void blk_complete(int result)
{
	block_double_complete_all(&guest.disk, result);
	io_manual_end_batches(&guest.io);
	blk_take();
}

/* A request from beginning to end: its status. */
static inline uint8_t blk_do(uint32_t type, uint64_t sector, uint32_t bytes)
{
	unsigned int before = guest.used_count;

	blk_post(0, type, sector, bytes);
	blk_kick();
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, before + 1);
	return blk_answer(0);
}

static inline void blk_fill(unsigned int slot, size_t bytes, uint8_t seed)
{
	uint8_t *data = blk_host(blk_data(slot));

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(seed + i * 13 + i / 512);
}

static inline struct virtio_blk_stats blk_stats(void)
{
	struct virtio_blk_stats stats;

	virtio_blk_stats(&guest.blk, guest.queue, &stats);
	return stats;
}

#endif
