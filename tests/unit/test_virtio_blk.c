/*
 * What the block device does with requests, good and bad.
 */
#include "tests/unit/blk_guest.h"

#define UNTOUCHED_TYPE 0x12345678

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

static uint64_t config(unsigned int offset, unsigned int len)
{
	return virtio_read_config(&guest.blk.device, offset, len);
}

#define CONFIG(field)                                     \
	config(offsetof(struct virtio_blk_config, field), \
	       sizeof(((struct virtio_blk_config *)0)->field))

static bool offers(unsigned int bit)
{
	return guest.blk.device.offered >> bit & 1;
}

/* --- Description --------------------------------------------------------- */

START_TEST(test_description)
{
	guest.options.queue_count = 3;
	guest.info.optimal_io_bytes = 65536;
	blk_guest_create();
	ck_assert(offers(VIRTIO_BLK_F_SEG_MAX));
	ck_assert(offers(VIRTIO_BLK_F_BLK_SIZE));
	ck_assert(offers(VIRTIO_BLK_F_TOPOLOGY));
	ck_assert(offers(VIRTIO_BLK_F_FLUSH));
	ck_assert(offers(VIRTIO_BLK_F_CONFIG_WCE));
	ck_assert(offers(VIRTIO_BLK_F_DISCARD));
	ck_assert(offers(VIRTIO_BLK_F_WRITE_ZEROES));
	ck_assert(offers(VIRTIO_BLK_F_MQ));
	ck_assert(!offers(VIRTIO_BLK_F_RO));
	ck_assert(!offers(VIRTIO_BLK_F_SCSI));
	ck_assert_uint_eq(CONFIG(capacity), BLK_SECTORS);
	ck_assert_uint_eq(CONFIG(seg_max), 254);
	ck_assert_uint_eq(CONFIG(blk_size), 512);
	ck_assert_uint_eq(CONFIG(physical_block_exp), 3);
	ck_assert_uint_eq(CONFIG(alignment_offset), 0);
	ck_assert_uint_eq(CONFIG(min_io_size), 8);
	ck_assert_uint_eq(CONFIG(opt_io_size), 128);
	ck_assert_uint_eq(CONFIG(wce), 1);
	ck_assert_uint_eq(CONFIG(unused), 0);
	ck_assert_uint_eq(CONFIG(num_queues), 3);
	ck_assert_uint_gt(CONFIG(max_discard_sectors), 0);
	ck_assert_uint_gt(CONFIG(max_discard_seg), 0);
	ck_assert_uint_eq(CONFIG(discard_sector_alignment), 8);
	ck_assert_uint_gt(CONFIG(max_write_zeroes_sectors), 0);
	ck_assert_uint_gt(CONFIG(max_write_zeroes_seg), 0);
	ck_assert_uint_eq(CONFIG(write_zeroes_may_unmap), 1);
	ck_assert_uint_eq(config(57, 1) | config(58, 1) | config(59, 1), 0);
}
END_TEST

START_TEST(test_description_of_less)
{
	guest.info.read_only = true;
	guest.info.discard = false;
	guest.options.queue_size = 16;
	blk_guest_create();
	ck_assert(offers(VIRTIO_BLK_F_RO));
	ck_assert(offers(VIRTIO_BLK_F_FLUSH));
	ck_assert(!offers(VIRTIO_BLK_F_CONFIG_WCE));
	ck_assert(!offers(VIRTIO_BLK_F_DISCARD));
	ck_assert(!offers(VIRTIO_BLK_F_WRITE_ZEROES));
	ck_assert(!offers(VIRTIO_BLK_F_MQ));
	ck_assert_uint_eq(CONFIG(seg_max), 14);
	ck_assert_uint_eq(CONFIG(num_queues), 1);
	ck_assert_uint_eq(CONFIG(write_zeroes_may_unmap), 0);
}
END_TEST

/* --- Data ---------------------------------------------------------------- */

static const uint64_t rings[] = {
	BLK_FEATURES,
	BLK_FEATURES | BLK_EVENT_IDX,
	BLK_FEATURES | BLK_PACKED,
	BLK_FEATURES | BLK_PACKED | BLK_EVENT_IDX,
};

START_TEST(test_read_and_write)
{
	uint16_t head;

	blk_guest_start(rings[_i]);
	for (unsigned int round = 0; round < 200; round++) {
		uint64_t sector = round * 7UL % (BLK_SECTORS - 16);

		blk_fill(0, 8192, (uint8_t)round);
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, sector, 8192), 0);
		ck_assert_mem_eq(guest.disk.disk + sector * 512,
				 blk_host(blk_data(0)), 8192);
		memset(blk_host(blk_data(0)), 0, 8192);
		head = blk_post(0, VIRTIO_BLK_T_IN, sector, 8192);
		blk_kick();
		blk_complete(0);
		ck_assert_uint_eq(blk_answer(0), 0);
		ck_assert_uint_eq(guest.used_len[head], 8193);
		ck_assert_mem_eq(guest.disk.disk + sector * 512,
				 blk_host(blk_data(0)), 8192);
	}
	ck_assert_uint_eq(blk_stats().bytes_read, 200UL * 8192);
	ck_assert_uint_eq(blk_stats().bytes_written, 200UL * 8192);
	ck_assert_uint_eq(blk_stats().requests[VIRTIO_BLK_KIND_READ], 200);
	ck_assert_uint_eq(blk_stats().errors, 0);
}
END_TEST

/* 2.7.4.1: no assumption on how a message is cut into descriptors. */
START_TEST(test_odd_splits)
{
	/* The header in three, glued to data; the status glued to data. */
	const struct ring_buffer out[] = {
		{ BLK_HEADERS, 5, false },	{ BLK_HEADERS + 5, 3, false },
		{ BLK_HEADERS + 8, 10, false }, { blk_data(1), 1, false },
		{ blk_data(2), 509, false },	{ BLK_STATUS, 1, true },
	};
	const struct ring_buffer in[] = {
		{ BLK_HEADERS, 16, false },
		{ blk_data(3), 511, true },
		{ blk_data(4), 2, true },
	};
	uint8_t expected[512];
	uint16_t head;

	blk_guest_start(rings[_i]);
	blk_set_header(0, VIRTIO_BLK_T_OUT, 9);
	memcpy(blk_host(BLK_HEADERS + 16), "ab", 2);
	*blk_host(blk_data(1)) = 'c';
	blk_fill(2, 509, 1);
	head = blk_post_buffers(out, ARRAY_SIZE(out));
	blk_kick();
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), 0);
	ck_assert_uint_eq(guest.used_len[head], 1);
	memcpy(expected, "abc", 3);
	memcpy(expected + 3, blk_host(blk_data(2)), 509);
	ck_assert_mem_eq(guest.disk.disk + 9UL * 512, expected, 512);

	blk_set_header(0, VIRTIO_BLK_T_IN, 9);
	*blk_host(blk_data(4) + 1) = BLK_UNTOUCHED;
	*blk_host(blk_data(4) + 2) = BLK_UNTOUCHED;
	head = blk_post_buffers(in, ARRAY_SIZE(in));
	blk_kick();
	blk_complete(0);
	ck_assert_uint_eq(guest.used_len[head], 513);
	ck_assert_mem_eq(blk_host(blk_data(3)), expected, 511);
	ck_assert_uint_eq(*blk_host(blk_data(4)), expected[511]);
	/* The last writable byte, and nothing behind it. */
	ck_assert_uint_eq(*blk_host(blk_data(4) + 1), 0);
	ck_assert_uint_eq(*blk_host(blk_data(4) + 2), BLK_UNTOUCHED);
}
END_TEST

START_TEST(test_many_segments)
{
	struct ring_buffer buffers[256 + 2] = { { BLK_HEADERS, 16, false } };

	guest.size = 256;
	blk_guest_start(rings[_i]);
	blk_set_header(0, VIRTIO_BLK_T_IN, 0);
	for (unsigned int i = 0; i < 254; i++)
		buffers[1 + i] = (struct ring_buffer){ BLK_DATA + 1024ULL * i,
						       512, true };
	buffers[255] = (struct ring_buffer){ BLK_STATUS, 1, true };
	ring_add_indirect(&guest.rings[0], BLK_TABLES, buffers, 256);
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 1);
	ck_assert_uint_eq(guest.disk.pending[0]->iov_count, 254);
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), 0);
}
END_TEST

START_TEST(test_too_many_segments)
{
	struct ring_buffer buffers[300] = { { BLK_HEADERS, 16, false } };

	guest.size = 256;
	blk_guest_start(BLK_FEATURES);
	blk_set_header(0, VIRTIO_BLK_T_IN, 0);
	for (unsigned int i = 0; i < 298; i++)
		buffers[1 + i] = (struct ring_buffer){ BLK_DATA + 1024ULL * i,
						       512, true };
	buffers[299] = (struct ring_buffer){ BLK_STATUS, 1, true };
	ring_add_indirect(&guest.rings[0], BLK_TABLES, buffers, 300);
	blk_kick();
	/* Not silently as though it had worked. */
	ck_assert_uint_eq(guest.disk.submits, 0);
	ck_assert_uint_eq(guest.reports, 1);
	ck_assert_uint_eq(blk_status(),
			  BLK_RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert_uint_eq(guest.used_count, 1);
}
END_TEST

/* --- Bounds -------------------------------------------------------------- */

START_TEST(test_bounds)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
		uint8_t answer;
	} cases[] = {
		{ BLK_SECTORS - 1, 512, 0 },
		{ BLK_SECTORS - 8, 4096, 0 },
		{ BLK_SECTORS, 0, 0 },
		{ 0, 0, 0 },
		{ BLK_SECTORS, 512, 1 },
		{ BLK_SECTORS - 1, 1024, 1 },
		{ BLK_SECTORS + 1, 0, 1 },
		{ UINT64_MAX, 512, 1 },
		{ UINT64_MAX / 512, 512, 1 },
		{ UINT64_MAX / 512 + 1, 512, 1 },
		{ 1ULL << 55, 512, 1 },
		{ UINT64_MAX - 7, 4096, 1 },
		{ 0, 511, 1 },
		{ 0, 513, 1 },
		{ 0, 1, 1 },
	};

	blk_guest_start(BLK_FEATURES);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int submits = guest.disk.submits;
		bool done = !cases[i].answer && cases[i].bytes;

		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, cases[i].sector,
					 cases[i].bytes),
				  cases[i].answer);
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, cases[i].sector,
					 cases[i].bytes),
				  cases[i].answer);
		ck_assert_uint_eq(guest.disk.submits - submits, done ? 2 : 0);
	}
	ck_assert_uint_eq(blk_status(), BLK_RUNNING);
}
END_TEST

START_TEST(test_used_len)
{
	uint16_t head;

	blk_guest_start(BLK_FEATURES);
	/* Failed: nothing is sure but a status byte that comes first. */
	head = blk_post(0, VIRTIO_BLK_T_IN, 0, 512);
	blk_kick();
	blk_complete(-EIO);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(guest.used_len[head], 0);
	head = blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
	blk_kick();
	blk_complete(-EIO);
	ck_assert_uint_eq(guest.used_len[head], 1);
	head = blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
	blk_kick();
	blk_complete(0);
	ck_assert_uint_eq(guest.used_len[head], 1);
	ck_assert_uint_eq(blk_stats().errors, 2);
}
END_TEST

/* --- Requests that are none ---------------------------------------------- */

START_TEST(test_malformed)
{
	const struct ring_buffer short_header[] = {
		{ BLK_HEADERS, 15, false },
		{ BLK_STATUS, 1, true },
	};
	const struct ring_buffer no_status[] = {
		{ BLK_HEADERS, 16, false },
		{ blk_data(0), 512, false },
	};
	const struct ring_buffer no_header[] = { { BLK_STATUS, 1, true } };
	uint16_t head;

	blk_guest_start(BLK_FEATURES);
	blk_set_header(0, VIRTIO_BLK_T_OUT, 0);
	head = blk_post_buffers(short_header, 2);
	blk_kick();
	ck_assert_uint_eq(guest.used[head], 1);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	/* Nobody could be told of the result: nothing is done. */
	head = blk_post_buffers(no_status, 2);
	blk_kick();
	ck_assert_uint_eq(guest.used[head], 1);
	ck_assert_uint_eq(guest.used_len[head], 0);
	*blk_host(BLK_STATUS) = BLK_UNTOUCHED;
	head = blk_post_buffers(no_header, 1);
	blk_kick();
	ck_assert_uint_eq(guest.used[head], 1);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(guest.disk.submits, 0);
	ck_assert_uint_eq(blk_stats().requests[VIRTIO_BLK_KIND_OTHER], 3);
	ck_assert_uint_eq(blk_status(), BLK_RUNNING);
}
END_TEST

START_TEST(test_unknown_types)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_SCSI_CMD, /* and no passthrough of any kind */
		VIRTIO_BLK_T_SCSI_CMD | VIRTIO_BLK_T_OUT,
		5,
		9,
		10,
		VIRTIO_BLK_T_SECURE_ERASE,
		15,
		16,
		UNTOUCHED_TYPE,
		VIRTIO_BLK_T_BARRIER,
		VIRTIO_BLK_T_BARRIER | VIRTIO_BLK_T_OUT,
		UINT32_MAX,
	};

	blk_guest_start(BLK_FEATURES);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ck_assert_uint_eq(blk_do(types[i], 0, 512),
				  VIRTIO_BLK_S_UNSUPP);
		ck_assert_uint_eq(blk_do(types[i], 0, 0), VIRTIO_BLK_S_UNSUPP);
	}
	ck_assert_uint_eq(guest.disk.submits, 0);
}
END_TEST

START_TEST(test_id)
{
	uint16_t head;
	static const char id[20] = "disk-0";

	blk_guest_start(BLK_FEATURES);
	memset(blk_host(blk_data(0)), BLK_UNTOUCHED, 64);
	head = blk_post(0, VIRTIO_BLK_T_GET_ID, 0, 20);
	blk_kick();
	ck_assert_uint_eq(blk_answer(0), 0);
	ck_assert_uint_eq(guest.used_len[head], 21);
	ck_assert_mem_eq(blk_host(blk_data(0)), id, 20);
	head = blk_post(0, VIRTIO_BLK_T_GET_ID, 0, 64);
	blk_kick();
	ck_assert_uint_eq(guest.used_len[head], 20);
	ck_assert_uint_eq(*blk_host(blk_data(0) + 20), BLK_UNTOUCHED);
	memset(blk_host(blk_data(0)), BLK_UNTOUCHED, 64);
	head = blk_post(0, VIRTIO_BLK_T_GET_ID, 0, 4);
	blk_kick();
	ck_assert_uint_eq(guest.used_len[head], 5);
	ck_assert_mem_eq(blk_host(blk_data(0)), "disk", 4);
	ck_assert_uint_eq(*blk_host(blk_data(0) + 4), BLK_UNTOUCHED);
}
END_TEST

START_TEST(test_long_id)
{
	guest.options.serial = "0123456789abcdefghijklm";
	blk_guest_start(BLK_FEATURES);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_GET_ID, 0, 20), 0);
	/* No NUL behind twenty bytes. */
	ck_assert_mem_eq(blk_host(blk_data(0)), "0123456789abcdefghij", 20);
}
END_TEST

START_TEST(test_read_only)
{
	uint64_t features = BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_RO) |
			    BLK_BIT(VIRTIO_BLK_F_FLUSH);

	guest.info.read_only = true;
	blk_guest_start(features);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, 512), 0);
	ck_assert_uint_eq(guest.disk.submits, 1);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 0, 512), 1);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 0, 0), 1);
	store_le64(blk_host(blk_data(0)), 0);
	store_le32(blk_host(blk_data(0) + 8), 8);
	store_le32(blk_host(blk_data(0) + 12), 0);
	ck_assert_uint_ne(blk_do(VIRTIO_BLK_T_DISCARD, 0, 16), 0);
	ck_assert_uint_ne(blk_do(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), 0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0), 0);
	ck_assert_uint_eq(guest.disk.submits, 1);
}
END_TEST

/* --- Ranges -------------------------------------------------------------- */

static void set_range(unsigned int i, uint64_t sector, uint32_t sectors,
		      uint32_t flags)
{
	uint8_t *at = blk_host(blk_data(0) + 16ULL * i);

	store_le64(at, sector);
	store_le32(at + 8, sectors);
	store_le32(at + 12, flags);
}

static const uint32_t range_types[] = { VIRTIO_BLK_T_DISCARD,
					VIRTIO_BLK_T_WRITE_ZEROES };

START_TEST(test_ranges)
{
	uint32_t type = range_types[_i];

	blk_guest_start(BLK_FEATURES);
	memset(guest.disk.disk, 0xff, BLK_DISK_BYTES);
	set_range(0, 8, 8, 0);
	set_range(1, 100, 0, 0);
	set_range(2, BLK_SECTORS - 2, 2, 0);
	ck_assert_uint_eq(blk_do(type, 0, 48), 0);
	ck_assert_uint_eq(guest.disk.submits, 2);
	ck_assert_uint_eq(guest.disk.disk[8UL * 512 - 1], 0xff);
	ck_assert_uint_eq(guest.disk.disk[8UL * 512], 0);
	ck_assert_uint_eq(guest.disk.disk[16UL * 512 - 1], 0);
	ck_assert_uint_eq(guest.disk.disk[16UL * 512], 0xff);
	ck_assert_uint_eq(guest.disk.disk[BLK_DISK_BYTES - 1], 0);
	/* Nothing at all is fine too. */
	set_range(0, 0, 0, 0);
	ck_assert_uint_eq(blk_do(type, 0, 16), 0);
	ck_assert_uint_eq(guest.disk.submits, 2);
}
END_TEST

START_TEST(test_bad_ranges)
{
	uint32_t type = range_types[_i];
	bool zeroes = type == VIRTIO_BLK_T_WRITE_ZEROES;

	blk_guest_start(BLK_FEATURES);
	set_range(0, 0, 8, 0);
	ck_assert_uint_eq(blk_do(type, 0, 0), 1);
	ck_assert_uint_eq(blk_do(type, 0, 15), 1);
	ck_assert_uint_eq(blk_do(type, 0, 17), 1);
	ck_assert_uint_eq(blk_do(type, 0, 16 * 65), 1);
	/* A good range before a bad one is not acted on. */
	set_range(1, BLK_SECTORS, 1, 0);
	ck_assert_uint_eq(blk_do(type, 0, 32), 1);
	set_range(1, UINT64_MAX, UINT32_MAX, 0);
	ck_assert_uint_eq(blk_do(type, 0, 32), 1);
	set_range(1, 1, UINT32_MAX, 0);
	ck_assert_uint_eq(blk_do(type, 0, 32), 1);
	set_range(1, 0, 8, 2);
	ck_assert_uint_eq(blk_do(type, 0, 32), VIRTIO_BLK_S_UNSUPP);
	set_range(1, 0, 8, 1U << 31);
	ck_assert_uint_eq(blk_do(type, 0, 32), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(guest.disk.submits, 0);
	set_range(0, 0, 8, 1);
	ck_assert_uint_eq(blk_do(type, 0, 16),
			  zeroes ? 0 : VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(guest.disk.unmaps, zeroes);
}
END_TEST

START_TEST(test_ranges_not_negotiated)
{
	blk_guest_start(BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_FLUSH));
	set_range(0, 0, 8, 0);
	ck_assert_uint_eq(blk_do(range_types[_i], 0, 16), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(guest.disk.submits, 0);
}
END_TEST

START_TEST(test_range_fails)
{
	blk_guest_start(BLK_FEATURES);
	for (unsigned int i = 0; i < 4; i++)
		set_range(i, 8ULL * i, 8, 0);
	blk_post(0, range_types[_i], 0, 64);
	blk_kick();
	block_double_complete(&guest.disk, 0, 0);
	ck_assert_uint_eq(guest.disk.count, 1);
	blk_complete(-EIO);
	ck_assert_uint_eq(guest.disk.submits, 2);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	/* The backend fails, or is full, in the middle. */
	blk_post(0, range_types[_i], 0, 64);
	blk_kick();
	guest.disk.submit_error = -EIO;
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), VIRTIO_BLK_S_IOERR);
	blk_post(0, range_types[_i], 0, 64);
	blk_kick();
	guest.disk.room = 0;
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), BLK_UNTOUCHED);
	guest.disk.room = 1;
	io_manual_expire(&guest.io);
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), 0);
	ck_assert_uint_eq(guest.used_count, 3);
}
END_TEST

/* --- Durability ---------------------------------------------------------- */

/* 5.2.6.2: what is stable when a write completes. */
START_TEST(test_stable_writes)
{
	static const struct {
		uint64_t features;
		bool writethrough;
		bool durable;
	} cases[] = {
		{ BLK_VERSION_1, false, true },
		{ BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_FLUSH), false, false },
		{ BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE), false,
		  true },
		{ BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE) |
			  BLK_BIT(VIRTIO_BLK_F_FLUSH),
		  false, false },
		{ BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE) |
			  BLK_BIT(VIRTIO_BLK_F_FLUSH),
		  true, true },
		{ BLK_VERSION_1 | BLK_BIT(VIRTIO_BLK_F_FLUSH), true, true },
	};

	guest.info.writethrough = cases[_i].writethrough;
	blk_guest_start(cases[_i].features);
	if (cases[_i].features & BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE))
		ck_assert_uint_eq(CONFIG(wce), !cases[_i].durable);
	blk_fill(0, 512, 77);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 5, 512), 0);
	ck_assert_uint_eq(guest.disk.durables, cases[_i].durable);
	ck_assert_int_eq(memcmp(guest.disk.stable, guest.disk.disk,
				BLK_DISK_BYTES) == 0,
			 cases[_i].durable);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0), 0);
	ck_assert_mem_eq(guest.disk.stable, guest.disk.disk, BLK_DISK_BYTES);
}
END_TEST

START_TEST(test_cache_mode_changes)
{
	struct virtio_device *device = &guest.blk.device;
	uint64_t features = BLK_FEATURES | BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE);
	unsigned int at = offsetof(struct virtio_blk_config, wce);

	blk_guest_start(features);
	ck_assert_uint_eq(CONFIG(wce), 1);
	blk_do(VIRTIO_BLK_T_OUT, 0, 512);
	ck_assert_uint_eq(guest.disk.durables, 0);
	virtio_write_config(device, at, 0, 1);
	ck_assert_uint_eq(CONFIG(wce), 0);
	blk_do(VIRTIO_BLK_T_OUT, 0, 512);
	ck_assert_uint_eq(guest.disk.durables, 1);
	set_range(0, 0, 8, 0);
	blk_do(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16);
	ck_assert_uint_eq(guest.disk.durables, 2);
	blk_do(VIRTIO_BLK_T_IN, 0, 512);
	ck_assert_uint_eq(guest.disk.durables, 2);
	virtio_write_config(device, at, 1, 1);
	blk_do(VIRTIO_BLK_T_OUT, 0, 512);
	ck_assert_uint_eq(guest.disk.durables, 2);
	/* No other value, width or field. */
	virtio_write_config(device, at, 2, 1);
	virtio_write_config(device, at, 0, 2);
	virtio_write_config(device, at, 0, 4);
	virtio_write_config(device, 0, 0, 1);
	virtio_write_config(device, 0, 0, 8);
	ck_assert_uint_eq(CONFIG(wce), 1);
	ck_assert_uint_eq(CONFIG(capacity), BLK_SECTORS);
	/* A reset brings the first mode back. */
	virtio_write_config(device, at, 0, 1);
	blk_set_status(0);
	ck_assert_uint_eq(CONFIG(wce), 1);
	blk_run_driver(BLK_FEATURES);
	virtio_write_config(device, at, 0, 1);
	ck_assert_uint_eq(CONFIG(wce), 1);
}
END_TEST

START_TEST(test_flush_results)
{
	blk_guest_start(BLK_FEATURES);
	/* Neither waits for the other. */
	blk_post(0, VIRTIO_BLK_T_OUT, 0, 512);
	blk_post(1, VIRTIO_BLK_T_FLUSH, 0, 0);
	blk_kick();
	ck_assert_uint_eq(guest.disk.count, 2);
	block_double_complete(&guest.disk, 1, -EIO);
	io_manual_end_batches(&guest.io);
	ck_assert_uint_eq(blk_answer(1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_answer(0), BLK_UNTOUCHED);
	blk_complete(0);
	ck_assert_uint_eq(blk_answer(0), 0);
	guest.disk.submit_error = -EIO;
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0), 1);
	guest.disk.submit_error = -EOPNOTSUPP;
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0), 2);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_description);
	tcase_add_test(tcase, test_description_of_less);
	tcase_add_loop_test(tcase, test_read_and_write, 0, 4);
	tcase_add_loop_test(tcase, test_odd_splits, 0, 4);
	tcase_add_loop_test(tcase, test_many_segments, 0, 4);
	tcase_add_test(tcase, test_too_many_segments);
	tcase_add_test(tcase, test_bounds);
	tcase_add_test(tcase, test_used_len);
	tcase_add_test(tcase, test_malformed);
	tcase_add_test(tcase, test_unknown_types);
	tcase_add_test(tcase, test_id);
	tcase_add_test(tcase, test_long_id);
	tcase_add_test(tcase, test_read_only);
	tcase_add_loop_test(tcase, test_ranges, 0, 2);
	tcase_add_loop_test(tcase, test_bad_ranges, 0, 2);
	tcase_add_loop_test(tcase, test_ranges_not_negotiated, 0, 2);
	tcase_add_loop_test(tcase, test_range_fails, 0, 2);
	tcase_add_loop_test(tcase, test_stable_writes, 0, 6);
	tcase_add_test(tcase, test_cache_mode_changes);
	tcase_add_test(tcase, test_flush_results);
}

int main(void)
{
	Suite *suite = suite_create("virtio/blk");
	TCase *tcase = tcase_create("blk");
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
