/*
 * The block device among others: backends that are full, late, out of order
 * or failing, resets with requests in flight, limits, several queues, and at
 * last a real file behind a real ring.
 */
#include <fcntl.h>
#include <unistd.h>

#include "io/block_uring.h"
#include "tests/unit/blk_guest.h"

static void set_up(void)
{
	blk_guest_prepare();
}

static void tear_down(void)
{
	guest.disk.room = BLOCK_DOUBLE_MAX;
	/* A stop waits for everything, on the only thread there is. */
	while (guest.disk.count) {
		block_double_complete_all(&guest.disk, 0);
		io_manual_end_batches(&guest.io);
	}
	blk_guest_release();
}

static const uint64_t rings[] = {
	BLK_FEATURES,
	BLK_FEATURES | BLK_EVENT_IDX,
	BLK_FEATURES | BLK_PACKED,
	BLK_FEATURES | BLK_PACKED | BLK_EVENT_IDX,
};

/* --- Batches and interrupts ---------------------------------------------- */

START_TEST(test_one_interrupt_per_pass)
{
	blk_guest_start(rings[_i]);
	ring_want_interrupt(&guest.rings[0]);
	for (unsigned int i = 0; i < 16; i++)
		blk_post(i, VIRTIO_BLK_T_IN, i, 512);
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 16);
	ck_assert_uint_eq(guest.interrupts[0], 0);
	block_double_complete_all(&guest.disk, 0);
	ck_assert_uint_eq(guest.interrupts[0], 0);
	io_manual_end_batches(&guest.io);
	ck_assert_uint_eq(guest.interrupts[0], 1);
	blk_take();
	ck_assert_uint_eq(guest.used_count, 16);
	ck_assert_uint_eq(blk_stats().batches[4], 1);
	/* What is answered at once comes with one, too. */
	ring_want_interrupt(&guest.rings[0]);
	for (unsigned int i = 0; i < 3; i++)
		blk_post(i, VIRTIO_BLK_T_GET_ID, 0, 20);
	blk_kick();
	ck_assert_uint_eq(guest.used_count, 19);
	ck_assert_uint_eq(guest.interrupts[0], 2);
}
END_TEST

/* Invariant 10: others get their turn, and nothing is left behind. */
START_TEST(test_budget)
{
	guest.size = 256;
	blk_guest_start(rings[_i]);
	for (unsigned int i = 0; i < 85; i++)
		blk_post(i, VIRTIO_BLK_T_IN, i, 512);
	for (unsigned int i = 0; i < 85; i++)
		blk_complete(0);
	blk_kick();
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, 85);
	/* Indirect: one slot each. */
	for (unsigned int i = 0; i < 200; i++) {
		const struct ring_buffer buffers[] = {
			{ BLK_HEADERS + 16ULL * i, 16, false },
			{ BLK_STATUS + i, 1, true },
		};

		blk_set_header(i, VIRTIO_BLK_T_FLUSH, 0);
		ring_add_indirect(&guest.rings[0],
				  BLK_TABLES + BLK_TABLE_BYTES * i, buffers, 2);
	}
	virtio_notify(&guest.blk.device, 0);
	for (int i = 0; i < IO_MANUAL_WATCHES && guest.io.watches[i]; i++) {
		uint64_t count;

		ck_assert_int_eq(read(guest.io.watches[i]->fd, &count, 8), 8);
		guest.io.watches[i]->ready(guest.io.watches[i]);
	}
	ck_assert_uint_eq(guest.disk.count, VIRTIO_BLK_BUDGET);
	io_manual_run(&guest.io);
	ck_assert_uint_eq(guest.disk.count, 200);
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, 285);
}
END_TEST

START_TEST(test_out_of_order)
{
	uint16_t heads[20];

	blk_guest_start(rings[_i]);
	for (unsigned int i = 0; i < 20; i++) {
		blk_fill(i, 512, (uint8_t)i);
		heads[i] = blk_post(i, VIRTIO_BLK_T_OUT, i, 512);
	}
	blk_kick();
	while (guest.disk.count) {
		block_double_complete(&guest.disk,
				      guest.disk.count * 7 % guest.disk.count,
				      0);
		if (guest.disk.count % 3 == 0)
			io_manual_end_batches(&guest.io);
	}
	io_manual_end_batches(&guest.io);
	blk_take();
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_uint_eq(guest.used[heads[i]], 1);
		ck_assert_uint_eq(blk_answer(i), 0);
		ck_assert_mem_eq(guest.disk.disk + 512UL * i,
				 blk_host(blk_data(i)), 512);
	}
}
END_TEST

/* --- A backend that is full ---------------------------------------------- */

START_TEST(test_full_backend)
{
	blk_guest_start(rings[_i]);
	guest.disk.room = 3;
	for (unsigned int i = 0; i < 20; i++) {
		blk_fill(i, 512, (uint8_t)i);
		blk_post(i, VIRTIO_BLK_T_OUT, i, 512);
	}
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 3);
	/* The others wait for a completion, not for a kick. */
	for (int i = 0; i < 100 && guest.used_count < 20; i++) {
		ck_assert_uint_gt(guest.disk.count, 0);
		block_double_complete(&guest.disk, 0, 0);
		io_manual_end_batches(&guest.io);
		blk_take();
	}
	ck_assert_uint_eq(guest.used_count, 20);
	ck_assert_mem_eq(guest.disk.disk + 512UL * 19, blk_host(blk_data(19)),
			 512);
	ck_assert_uint_gt(blk_stats().full, 0);
	/* Others fill the ring: nothing of ours will wake us. */
	guest.disk.room = 0;
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 0);
	ck_assert_ptr_nonnull(guest.io.timers);
	guest.disk.room = 1;
	io_manual_expire(&guest.io);
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, 21);
	/* Kicks are wanted again. */
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	ck_assert(ring_should_kick(&guest.rings[0]));
}
END_TEST

/* --- A thread that looks ------------------------------------------------- */

START_TEST(test_spinning)
{
	struct io_watch *watch;

	blk_guest_start(rings[_i]);
	watch = guest.io.watches[0];
	/* Up to date with what the device wants. */
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	ck_assert(ring_should_kick(&guest.rings[0]));
	blk_kick();
	blk_complete(0);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert(!watch->spin(watch, true));
		ck_assert(!watch->pending(watch));
		blk_post(0, VIRTIO_BLK_T_IN, i, 512);
		ck_assert(!ring_should_kick(&guest.rings[0]));
		ck_assert(watch->pending(watch));
		/* Nobody will tell: that is what the result is for. */
		ck_assert(watch->spin(watch, false));
		ck_assert(!watch->pending(watch));
		watch->ready(watch);
		blk_complete(0);
		ck_assert_uint_eq(guest.used_count, i + 2);
	}
	ck_assert(!watch->spin(watch, true));
	ck_assert(!watch->spin(watch, false));
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	ck_assert(ring_should_kick(&guest.rings[0]));
	blk_kick();
	/* One that waits for room is not looked at. */
	guest.disk.room = 1;
	blk_post(1, VIRTIO_BLK_T_IN, 0, 512);
	blk_kick();
	ck_assert(!watch->spin(watch, true));
	ck_assert(!watch->pending(watch));
	ck_assert(!watch->spin(watch, false));
}
END_TEST

/* --- Errors -------------------------------------------------------------- */

START_TEST(test_errors_are_reported)
{
	static const struct {
		int result;
		uint8_t answer;
	} cases[] = {
		{ -EIO, VIRTIO_BLK_S_IOERR },
		{ -ENOSPC, VIRTIO_BLK_S_IOERR },
		{ -EROFS, VIRTIO_BLK_S_IOERR },
		{ -EOPNOTSUPP, VIRTIO_BLK_S_UNSUPP },
	};

	blk_guest_start(BLK_FEATURES);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
		blk_kick();
		blk_complete(cases[i].result);
		ck_assert_uint_eq(blk_answer(0), cases[i].answer);
		guest.disk.submit_error = cases[i].result;
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, 512),
				  cases[i].answer);
	}
	ck_assert_uint_eq(guest.stops, 0);
	ck_assert_uint_eq(blk_stats().errors, 8);
}
END_TEST

START_TEST(test_errors_stop_the_machine)
{
	guest.options.on_write_error = VIRTIO_BLK_STOP;
	blk_guest_start(rings[_i]);
	for (unsigned int i = 0; i < 3; i++) {
		blk_fill(i, 512, (uint8_t)(i + 1));
		blk_post(i, VIRTIO_BLK_T_OUT, i, 512);
	}
	blk_post(3, VIRTIO_BLK_T_IN, 0, 512);
	blk_post(4, VIRTIO_BLK_T_FLUSH, 0, 0);
	blk_kick();
	blk_complete(-ENOSPC);
	/* Told once; reads and flushes are not writes. */
	ck_assert_uint_eq(guest.stops, 1);
	ck_assert_int_eq(guest.stop_error, -ENOSPC);
	ck_assert_uint_eq(guest.used_count, 2);
	ck_assert_uint_eq(blk_answer(3), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_answer(4), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_answer(0), BLK_UNTOUCHED);
	/* Still no space. */
	virtio_blk_resume(&guest.blk);
	ck_assert_uint_eq(guest.disk.count, 3);
	block_double_complete(&guest.disk, 0, -EIO);
	ck_assert_uint_eq(guest.stops, 2);
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, 4);
	guest.disk.room = 0;
	virtio_blk_resume(&guest.blk);
	guest.disk.room = 8;
	io_manual_expire(&guest.io);
	blk_complete(0);
	ck_assert_uint_eq(guest.used_count, 5);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(blk_answer(i), 0);
		ck_assert_mem_eq(guest.disk.disk + 512UL * i,
				 blk_host(blk_data(i)), 512);
	}
	ck_assert_uint_eq(blk_stats().held, 4);
	/* What cannot be helped by waiting is reported. */
	blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
	blk_kick();
	blk_complete(-EROFS);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(guest.stops, 2);
}
END_TEST

START_TEST(test_read_errors_stop_the_machine)
{
	guest.options.on_read_error = VIRTIO_BLK_STOP;
	blk_guest_start(BLK_FEATURES);
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	blk_post(1, VIRTIO_BLK_T_OUT, 0, 512);
	blk_kick();
	blk_complete(-EIO);
	ck_assert_uint_eq(guest.stops, 1);
	ck_assert_uint_eq(blk_answer(1), VIRTIO_BLK_S_IOERR);
	virtio_blk_resume(&guest.blk);
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), 0);
}
END_TEST

/* --- Resets -------------------------------------------------------------- */

START_TEST(test_reset_in_flight)
{
	uint16_t heads[10];
	unsigned int interrupts;

	blk_guest_start(rings[_i]);
	for (unsigned int i = 0; i < 10; i++)
		heads[i] = blk_post(i, VIRTIO_BLK_T_OUT, i, 512);
	blk_kick();
	interrupts = guest.interrupts[0];
	blk_set_status(0);
	/* Every one of them has to come back first. */
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_uint_eq(blk_status(), BLK_RUNNING);
		block_double_complete(&guest.disk, 0, i % 2 ? 0 : -EIO);
	}
	blk_take();
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_uint_eq(guest.used[heads[i]], 1);
	ck_assert_uint_eq(blk_status(), 0);
	ck_assert_ptr_null(guest.io.batches);
	ck_assert_uint_eq(guest.interrupts[0], interrupts);
	blk_run_driver(rings[_i]);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, 512), 0);
}
END_TEST

START_TEST(test_reset_of_what_waits)
{
	guest.options.on_write_error = VIRTIO_BLK_STOP;
	blk_guest_start(rings[_i]);
	blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
	blk_post(1, VIRTIO_BLK_T_OUT, 1, 512);
	blk_kick();
	blk_complete(-ENOSPC);
	virtio_blk_resume(&guest.blk);
	guest.disk.room = 0;
	blk_complete(-ENOSPC);
	virtio_blk_resume(&guest.blk);
	ck_assert_ptr_nonnull(guest.io.timers);
	blk_post(2, VIRTIO_BLK_T_IN, 1, 512);
	blk_kick();
	blk_set_status(0);
	blk_take();
	/* What was begun comes back; what was not, never was ours. */
	ck_assert_uint_eq(guest.used_count, 2);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_answer(1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_answer(2), BLK_UNTOUCHED);
	ck_assert_uint_eq(blk_status(), 0);
	ck_assert_ptr_null(guest.io.timers);
	virtio_blk_resume(&guest.blk);
}
END_TEST

START_TEST(test_reset_amid_ranges)
{
	uint8_t *at;

	blk_guest_start(BLK_FEATURES);
	at = blk_host(blk_data(0));
	memset(at, 0, 48);
	for (unsigned int i = 0; i < 3; i++)
		store_le32(at + 16UL * i + 8, 8);
	blk_post(0, VIRTIO_BLK_T_DISCARD, 0, 48);
	blk_kick();
	blk_set_status(0);
	block_double_complete(&guest.disk, 0, 0);
	ck_assert_uint_eq(guest.disk.count, 0);
	ck_assert_uint_eq(guest.disk.submits, 1);
	ck_assert_uint_eq(blk_status(), 0);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
}
END_TEST

START_TEST(test_other_ring_sizes)
{
	blk_guest_create();
	for (guest.size = 4; guest.size <= 256; guest.size *= 4) {
		blk_run_driver(BLK_FEATURES);
		for (unsigned int i = 0; i < guest.size; i++) {
			const struct ring_buffer buffers[] = {
				{ BLK_HEADERS + 16ULL * i, 16, false },
				{ BLK_STATUS + i, 1, true },
			};

			blk_set_header(i, VIRTIO_BLK_T_FLUSH, 0);
			ring_add_indirect(&guest.rings[0],
					  BLK_TABLES + BLK_TABLE_BYTES * i,
					  buffers, 2);
		}
		blk_kick();
		ck_assert_uint_eq(guest.disk.count, guest.size);
		blk_complete(0);
		ck_assert_uint_eq(guest.used_count, guest.size);
		blk_set_status(0);
		ck_assert_uint_eq(blk_status(), 0);
	}
}
END_TEST

START_TEST(test_a_failed_device_serves_nothing)
{
	blk_guest_start(BLK_FEATURES);
	guest.disk.room = 1;
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	blk_post(1, VIRTIO_BLK_T_IN, 0, 512);
	blk_kick();
	ring_expose(&guest.rings[0], (uint16_t)guest.size);
	/* Found by who serves it after a completion, not by a kick. */
	guest.disk.room = 8;
	block_double_complete(&guest.disk, 0, 0);
	io_manual_end_batches(&guest.io);
	ck_assert_uint_eq(guest.reports, 1);
	ck_assert_uint_eq(blk_status(),
			  BLK_RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	blk_post(2, VIRTIO_BLK_T_IN, 0, 512);
	virtio_notify(&guest.blk.device, 0);
	io_manual_run(&guest.io);
	ck_assert_uint_eq(blk_answer(2), BLK_UNTOUCHED);
	blk_complete(0);
	blk_set_status(0);
	ck_assert_uint_eq(blk_status(), 0);
}
END_TEST

/* --- Limits -------------------------------------------------------------- */

START_TEST(test_requests_per_second)
{
	int64_t start = io_manual_now();

	guest.options.limits[VIRTIO_BLK_IOPS] =
		(struct virtio_blk_limit){ .per_second = 100, .burst = 4 };
	blk_guest_start(rings[_i]);
	for (unsigned int i = 0; i < 10; i++)
		blk_post(i, VIRTIO_BLK_T_IN, i, 512);
	blk_kick();
	blk_complete(0);
	ck_assert_uint_ge(guest.used_count, 4);
	while (guest.used_count < 10) {
		/* Due or not: nothing passes before its time. */
		ck_assert_ptr_nonnull(guest.io.timers);
		usleep(1000);
		io_manual_expire(&guest.io);
		blk_complete(0);
	}
	ck_assert_int_ge(io_manual_now() - start, 60000000);
	ck_assert_uint_gt(blk_stats().throttled, 0);
	/* Flushes and the like are free. */
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0), 0);
}
END_TEST

START_TEST(test_bytes_per_second)
{
	guest.options.limits[VIRTIO_BLK_BPS_WRITE] =
		(struct virtio_blk_limit){ .per_second = 1000, .burst = 4096 };
	blk_guest_start(BLK_FEATURES);
	/* Reads are not limited. */
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, 4096), 0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 0, 4096), 0);
	blk_post(0, VIRTIO_BLK_T_OUT, 0, 4096);
	blk_post(1, VIRTIO_BLK_T_IN, 0, 4096);
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 0);
	ck_assert_uint_eq(blk_stats().throttled, 1);
	/* A reset does not wait for the limit. */
	blk_set_status(0);
	ck_assert_uint_eq(blk_status(), 0);
	ck_assert_ptr_null(guest.io.timers);
}
END_TEST

START_TEST(test_latency)
{
	struct virtio_blk_stats stats;
	uint64_t sum = 0;

	guest.options.measure_latency = true;
	blk_guest_start(BLK_FEATURES);
	blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	blk_kick();
	usleep(3000);
	blk_complete(0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, 512), 0);
	stats = blk_stats();
	/* 2048 us or more, once. */
	for (int i = 11; i < VIRTIO_BLK_LATENCIES; i++)
		sum += stats.latency[i];
	ck_assert_uint_eq(sum, 1);
	for (int i = 0; i < 11; i++)
		sum += stats.latency[i];
	ck_assert_uint_eq(sum, 2);
}
END_TEST

/* --- Sizes --------------------------------------------------------------- */

START_TEST(test_resize)
{
	blk_guest_start(BLK_FEATURES);
	virtio_blk_resize(&guest.blk, BLK_DISK_BYTES / 2);
	ck_assert_uint_eq(guest.config_interrupts, 1);
	ck_assert_uint_eq(virtio_read_config(&guest.blk.device, 0, 8),
			  BLK_SECTORS / 2);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, BLK_SECTORS / 2, 512), 1);
	virtio_blk_resize(&guest.blk, BLK_DISK_BYTES);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, BLK_SECTORS / 2, 512), 0);
}
END_TEST

/* --- Several queues ------------------------------------------------------ */

START_TEST(test_queues_of_their_own)
{
	guest.options.queue_count = 3;
	blk_guest_start(BLK_FEATURES | BLK_BIT(VIRTIO_BLK_F_MQ));
	for (guest.queue = 0; guest.queue < 3; guest.queue++) {
		blk_post(guest.queue, VIRTIO_BLK_T_IN, 0, 512);
		virtio_notify(&guest.blk.device, guest.queue);
	}
	io_manual_run(&guest.io);
	ck_assert_uint_eq(guest.disk.count, 3);
	block_double_complete_all(&guest.disk, 0);
	io_manual_end_batches(&guest.io);
	for (guest.queue = 0; guest.queue < 3; guest.queue++) {
		ck_assert_uint_eq(guest.interrupts[guest.queue], 1);
		ck_assert_uint_eq(blk_stats().requests[VIRTIO_BLK_KIND_READ],
				  1);
		blk_post(guest.queue, VIRTIO_BLK_T_IN, 0, 512);
		virtio_notify(&guest.blk.device, guest.queue);
	}
	io_manual_run(&guest.io);
	/* A reset waits for each of them. */
	blk_set_status(0);
	while (guest.disk.count) {
		ck_assert_uint_eq(blk_status(), BLK_RUNNING);
		block_double_complete(&guest.disk, 0, 0);
	}
	ck_assert_uint_eq(blk_status(), 0);
	guest.queue = 0;
}
END_TEST

/* --- A real file behind a real ring -------------------------------------- */

#define REAL_QUEUES  2
#define REAL_SLOTS   8
#define REAL_ROUNDS  300
#define REAL_SECTORS 8U

static char path[] = "/var/tmp/hull-blk-XXXXXX";
static struct iothread *threads[REAL_QUEUES];
static struct block_file *file;
static struct block *blocks[REAL_QUEUES];

/* @thread_count threads, and the queues on them in turn. */
static void open_real(unsigned int thread_count, enum block_cache cache)
{
	const struct iothread_config io = { .name = "io" };
	struct block_file_config config = { .path = path,
					    .cache = cache,
					    .discard = true };
	struct err err;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, BLK_DISK_BYTES), 0);
	close(fd);
	ck_assert_int_eq(block_file_open(&config, &file, &err), 0);
	for (unsigned int i = 0; i < thread_count; i++) {
		ck_assert_int_eq(iothread_new(&io, &threads[i], &err), 0);
		ck_assert_int_eq(iothread_start(threads[i], &err), 0);
	}
	for (unsigned int i = 0; i < REAL_QUEUES; i++) {
		struct iothread *thread = threads[thread_count > 1 ? i : 0];

		ck_assert_int_eq(
			block_uring_new(file, thread, &blocks[i], &err), 0);
		guest.backends[i] = (struct virtio_blk_backend){
			.block = blocks[i],
			.context = iothread_context(thread),
		};
	}
	guest.info = file->info;
	guest.options.queue_count = REAL_QUEUES;
}

static void close_real(void)
{
	virtio_device_stop(&guest.blk.device);
	virtio_blk_release(&guest.blk);
	for (int i = 0; i < REAL_QUEUES; i++)
		block_uring_free(blocks[i]);
	for (int i = 0; i < REAL_QUEUES; i++)
		iothread_free(threads[i]);
	block_file_free(file);
	unlink(path);
}

/* A driver that waits for its interrupts. */
static void real_wait(unsigned int wanted)
{
	for (int i = 0; i < 20000; i++) {
		blk_take();
		if (guest.used_count >= wanted)
			return;
		usleep(100);
	}
	ck_abort_msg("%u of %u requests came back", guest.used_count, wanted);
}

/* Each queue writes its own part of the disk, then reads it back. */
static void real_round(unsigned int queue, unsigned int round, bool write)
{
	unsigned int bytes = REAL_SECTORS * 512;

	guest.queue = queue;
	guest.used_count = 0;
	for (unsigned int i = 0; i < REAL_SLOTS; i++) {
		unsigned int slot = queue * REAL_SLOTS + i;

		if (write)
			blk_fill(slot, bytes, (uint8_t)(round + slot));
		else
			memset(blk_host(blk_data(slot)), 0, bytes);
		blk_post(slot, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			 (uint64_t)slot * REAL_SECTORS, bytes);
	}
	if (ring_should_kick(&guest.rings[queue]))
		virtio_notify(&guest.blk.device, queue);
	real_wait(REAL_SLOTS);
	for (unsigned int i = 0; i < REAL_SLOTS; i++)
		ck_assert_uint_eq(blk_answer(queue * REAL_SLOTS + i), 0);
}

static void real_check(unsigned int queue, unsigned int round)
{
	uint8_t expected[REAL_SECTORS * 512];

	for (unsigned int i = 0; i < REAL_SLOTS; i++) {
		unsigned int slot = queue * REAL_SLOTS + i;

		for (size_t at = 0; at < sizeof(expected); at++)
			expected[at] =
				(uint8_t)(round + slot + at * 13 + at / 512);
		ck_assert_mem_eq(blk_host(blk_data(slot)), expected,
				 sizeof(expected));
	}
}

START_TEST(test_real_file)
{
	open_real(_i % 2 + 1,
		  _i < 2 ? BLOCK_CACHE_NONE : BLOCK_CACHE_WRITEBACK);
	blk_guest_start(rings[_i] | BLK_BIT(VIRTIO_BLK_F_MQ));
	for (unsigned int round = 0; round < REAL_ROUNDS; round++) {
		unsigned int queue = round % REAL_QUEUES;

		real_round(queue, round, true);
		real_round(queue, round, false);
		real_check(queue, round);
	}
	guest.queue = 0;
	guest.used_count = 0;
	blk_post(0, VIRTIO_BLK_T_FLUSH, 0, 0);
	virtio_notify(&guest.blk.device, 0);
	real_wait(1);
	ck_assert_uint_eq(blk_answer(0), 0);
	close_real();
}
END_TEST

/* Resets while the kernel holds the driver's memory. */
START_TEST(test_real_resets)
{
	open_real(2, BLOCK_CACHE_NONE);
	blk_guest_create();
	for (unsigned int round = 0; round < 100; round++) {
		blk_run_driver(rings[round % 4] | BLK_BIT(VIRTIO_BLK_F_MQ));
		for (guest.queue = 0; guest.queue < REAL_QUEUES;
		     guest.queue++) {
			for (unsigned int i = 0; i < REAL_SLOTS; i++)
				blk_post(guest.queue * REAL_SLOTS + i,
					 i % 2 ? VIRTIO_BLK_T_IN :
						 VIRTIO_BLK_T_OUT,
					 0, 16384);
			virtio_notify(&guest.blk.device, guest.queue);
		}
		if (round % 3)
			usleep(round * 5);
		pthread_mutex_lock(&guest.blk.device.lock);
		virtio_write_status(&guest.blk.device, 0, true);
		pthread_mutex_unlock(&guest.blk.device.lock);
		ck_assert_uint_eq(blk_status(), 0);
	}
	close_real();
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_loop_test(tcase, test_one_interrupt_per_pass, 0, 4);
	tcase_add_loop_test(tcase, test_budget, 0, 4);
	tcase_add_loop_test(tcase, test_out_of_order, 0, 4);
	tcase_add_loop_test(tcase, test_full_backend, 0, 4);
	tcase_add_loop_test(tcase, test_spinning, 0, 4);
	tcase_add_test(tcase, test_errors_are_reported);
	tcase_add_loop_test(tcase, test_errors_stop_the_machine, 0, 4);
	tcase_add_test(tcase, test_read_errors_stop_the_machine);
	tcase_add_loop_test(tcase, test_reset_in_flight, 0, 4);
	tcase_add_loop_test(tcase, test_reset_of_what_waits, 0, 4);
	tcase_add_test(tcase, test_reset_amid_ranges);
	tcase_add_test(tcase, test_other_ring_sizes);
	tcase_add_test(tcase, test_a_failed_device_serves_nothing);
	tcase_add_loop_test(tcase, test_requests_per_second, 0, 2);
	tcase_add_test(tcase, test_bytes_per_second);
	tcase_add_test(tcase, test_latency);
	tcase_add_test(tcase, test_resize);
	tcase_add_test(tcase, test_queues_of_their_own);
	tcase_add_loop_test(tcase, test_real_file, 0, 4);
	tcase_add_test(tcase, test_real_resets);
}

int main(void)
{
	Suite *suite = suite_create("virtio/blk life");
	TCase *tcase = tcase_create("life");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
