/*
 * Frames from the far end to the driver: where their bytes go, what becomes of
 * those that do not fit, and that none waits for ever.
 */
#include "tests/unit/virtio_net_driver.h"

#define MERGE (NIC_BASIC | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define GSO                                                                    \
	(MERGE | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO6))

static struct nic nic;

static const struct virtio_net_hdr_v1 tso = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	.hdr_len = 54,
	.gso_size = 1448,
	.csum_start = 34,
	.csum_offset = 16,
	.num_buffers = 0x7777,
};

static void set_up(void)
{
	nic_init(&nic, 1);
}

static void tear_down(void)
{
	nic_release(&nic);
}

/* --- Where bytes go ------------------------------------------------------ */

START_TEST(test_one_buffer)
{
	gpa_t at;

	nic_start(&nic, _i & 4 ? MERGE : NIC_BASIC, _i & 3);
	at = nic_post(&nic, 0, 1526);
	nic_arrive(&nic, 0, 1000, 5);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 1012);
	ck_assert_uint_eq(nic_header_at(&nic, at).num_buffers, 1);
	ck_assert_uint_eq(nic_header_at(&nic, at).flags, 0);
	nic_check_bytes(&nic, at + 12, 1000, 0, 5);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, 1);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).bytes, 1000);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).batches[0], 1);
}
END_TEST

/* Exactly full, and one byte too many; the buffer then serves the next. */
START_TEST(test_exact_fit)
{
	gpa_t at;

	nic_start(&nic, NIC_BASIC, _i);
	at = nic_post(&nic, 0, 512);
	nic_arrive(&nic, 0, 501, 1);
	nic_arrive(&nic, 0, 500, 2);
	nic_arrive(&nic, 0, 60, 3);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 512);
	nic_check_bytes(&nic, at + 12, 500, 0, 2);
	ck_assert(!nic_has_used(&nic, 0));
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 1);
	at = nic_post(&nic, 0, 512);
	ck_assert(nic_kick(&nic, 0));
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 72);
	nic_check_bytes(&nic, at + 12, 60, 0, 3);
}
END_TEST

/* The header lies across pieces of the buffer, and so does the frame. */
START_TEST(test_split_header)
{
	static const uint32_t lens[] = { 5, 4, 1, 2, 30, 500 };
	uint8_t bytes[12];
	gpa_t at;

	nic_start(&nic, _i & 4 ? MERGE : NIC_BASIC, _i & 3);
	for (unsigned int round = 0; round < 20; round++) {
		at = nic_post_pieces(&nic, 0, lens, 6);
		nic_kick(&nic, 0);
		nic_arrive(&nic, 0, 100, round);
		nic_settle(&nic);
		ck_assert_uint_eq(nic_take(&nic, 0), 112);
		gmem_read(&nic.gmem, at, bytes, 5);
		gmem_read(&nic.gmem, at + 6, bytes + 5, 4);
		gmem_read(&nic.gmem, at + 11, bytes + 9, 1);
		gmem_read(&nic.gmem, at + 13, bytes + 10, 2);
		ck_assert_mem_eq(bytes, "\0\0\0\0\0\0\0\0\0\0\1\0", 12);
		nic_check_bytes(&nic, at + 16, 30, 0, round);
		nic_check_bytes(&nic, at + 47, 70, 30, round);
	}
}
END_TEST

/* All buffers but the last are full, and all are used at once. */
static void check_merged(gpa_t at, uint32_t each, size_t bytes,
			 unsigned int seed)
{
	size_t left = bytes + NET_HEADER_BYTES;
	size_t offset = 0;
	uint16_t count = nic_header_at(&nic, at).num_buffers;

	ck_assert_uint_eq(count, (left + each - 1) / each);
	for (unsigned int i = 0; i < count; i++) {
		uint32_t skip = i == 0 ? NET_HEADER_BYTES : 0;
		uint32_t n = (uint32_t)min_u64(each, left);

		ck_assert_uint_eq(nic_take(&nic, 0), n);
		nic_check_bytes(&nic, at + skip, n - skip, offset, seed);
		offset += n - skip;
		left -= n;
		at += each + 1;
	}
	ck_assert_uint_eq(left, 0);
}

START_TEST(test_merged)
{
	static const size_t sizes[] = { 1487,  1488, 1489,  2988, 5000,
					60000, 14,   65000, 1200, 65589 };

	nic_start(&nic, GSO, _i);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int count =
			(unsigned int)(sizes[i] + NET_HEADER_BYTES + 1499) /
			1500;
		gpa_t at = nic_post(&nic, 0, 1500);

		for (unsigned int n = 1; n < count; n++)
			nic_post(&nic, 0, 1500);
		nic_kick(&nic, 0);
		nic_arrive_with(&nic, 0, &tso, sizes[i], i);
		nic_settle(&nic);
		check_merged(at, 1500, sizes[i], i);
		ck_assert_mem_eq(gmem_ptr(&nic.gmem, at, 10), &tso, 10);
		ck_assert(!nic_has_used(&nic, 0));
	}
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, ARRAY_SIZE(sizes));
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 0);
}
END_TEST

/* With buffers in plenty they stay in line from frame to frame; long and short
 * frames take turns, so that some spill and some do not. */
START_TEST(test_merged_in_line)
{
	gpa_t at[NIC_SIZE];
	unsigned int next = 0;

	nic_start(&nic, GSO, _i);
	for (unsigned int i = 0; i < NIC_SIZE; i++)
		at[i] = nic_post(&nic, 0, 1500);
	nic_kick(&nic, 0);
	for (unsigned int round = 0; round < 400; round++) {
		size_t bytes = round % 7 == 6 ? 60000 : 60 + 900 * (round % 5);
		unsigned int count;

		nic_arrive_with(&nic, 0, &tso, bytes, round);
		nic_settle(&nic);
		count = nic_header_at(&nic, at[next % NIC_SIZE]).num_buffers;
		ck_assert_uint_eq(count, (bytes + 12 + 1499) / 1500);
		for (unsigned int i = 0; i < count; i++, next++) {
			uint32_t skip = i ? 0 : 12;
			uint32_t len = nic_take(&nic, 0);

			ck_assert_uint_eq(
				len,
				min_u64(1500, bytes + 12 - (size_t)1500 * i));
			nic_check_bytes(&nic, at[next % NIC_SIZE] + skip,
					len - skip, i ? 1500 * i - 12 : 0,
					round);
			at[next % NIC_SIZE] = nic_post(&nic, 0, 1500);
			if (nic.free > NIC_RAM / 2)
				nic.free = NIC_BUFFERS;
		}
		nic_kick(&nic, 0);
	}
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, 400);
}
END_TEST

#define PIECES 8
#define PIECE  190UL

/* A buffer of pieces behind an indirect table; returns its first piece. */
static gpa_t post_indirect(void)
{
	struct ring_buffer buffers[PIECES];
	gpa_t table = nic_alloc(&nic, 16 * PIECES + 16) + 15;

	for (unsigned int i = 0; i < PIECES; i++)
		buffers[i] =
			(struct ring_buffer){ nic_alloc(&nic, (uint32_t)PIECE),
					      PIECE, true };
	ring_add_indirect(nic_rx(&nic, 0), table & ~15ULL, buffers, PIECES);
	return buffers[0].gpa;
}

/* The frame @seed lies in the next buffers of @at, as few as can be. */
static void check_pieces(gpa_t *at, unsigned int *next, size_t bytes,
			 unsigned int seed)
{
	size_t left = bytes + NET_HEADER_BYTES;
	size_t offset = 0;

	while (left) {
		gpa_t *buffer = &at[(*next)++ % NIC_SIZE];
		uint32_t len = nic_take(&nic, 0);

		ck_assert_uint_eq(len, min_u64(left, PIECES * PIECE));
		left -= len;
		for (unsigned int i = 0; len; i++) {
			unsigned int skip = offset || i ? 0 : NET_HEADER_BYTES;
			uint32_t n = (uint32_t)min_u64(len, PIECE);

			nic_check_bytes(&nic, *buffer + i * (PIECE + 1) + skip,
					n - skip, offset, seed);
			offset += n - skip;
			len -= n;
		}
		if (nic.free > NIC_RAM / 2)
			nic.free = NIC_BUFFERS;
		*buffer = post_indirect();
	}
}

/* While frames get shorter the line is never empty; its place in the arrays
 * moves on, and back to their beginning. */
START_TEST(test_line_moves)
{
	gpa_t at[NIC_SIZE];
	unsigned int next = 0;

	nic_start(&nic, GSO, _i);
	for (unsigned int i = 0; i < NIC_SIZE; i++)
		at[i] = post_indirect();
	for (unsigned int round = 0; round < 60; round++) {
		size_t bytes = round % 20 ? 22000 : 60000;

		nic_kick(&nic, 0);
		nic_arrive_with(&nic, 0, &tso, bytes, round);
		nic_settle(&nic);
		check_pieces(at, &next, bytes, round);
	}
}
END_TEST

/* --- Buffers run out ----------------------------------------------------- */

/* INVARIANTS 13. Each time the driver is to kick, and each time that is
 * enough. */
START_TEST(test_no_buffers)
{
	nic_start(&nic, _i & 4 ? MERGE : NIC_BASIC, _i & 3);
	for (unsigned int round = 0; round < 200; round++) {
		gpa_t at;

		nic_arrive(&nic, 0, 100, round);
		nic_settle(&nic);
		ck_assert(!nic_has_used(&nic, 0));
		at = nic_post(&nic, 0, 1526);
		ck_assert(nic_kick(&nic, 0));
		nic_settle(&nic);
		ck_assert_uint_eq(nic_take(&nic, 0), 112);
		nic_check_bytes(&nic, at + 12, 100, 0, round);
	}
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 0);
}
END_TEST

/* While there are buffers the driver need not kick. */
START_TEST(test_no_needless_kicks)
{
	nic_start(&nic, MERGE, _i);
	for (unsigned int i = 0; i < NIC_SIZE / 2; i++)
		nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_settle(&nic);
	for (unsigned int i = 0; i < 100; i++) {
		nic_arrive(&nic, 0, 100, i);
		nic_settle(&nic);
		nic_take(&nic, 0);
		nic_post(&nic, 0, 1526);
		ck_assert(!nic_kick(&nic, 0));
	}
}
END_TEST

/* A long frame waits for the rest of its buffers. */
START_TEST(test_waits_for_buffers)
{
	gpa_t at;

	nic_start(&nic, GSO, _i);
	at = nic_post(&nic, 0, 1500);
	nic_arrive_with(&nic, 0, &tso, 6000, 1);
	nic_settle(&nic);
	for (unsigned int i = 1; i < 5; i++) {
		ck_assert(!nic_has_used(&nic, 0));
		nic_post(&nic, 0, 1500);
		ck_assert(nic_kick(&nic, 0));
		nic_settle(&nic);
	}
	check_merged(at, 1500, 6000, 1);
	ck_assert_ptr_null(nic.io.timers);
}
END_TEST

/* But not for ever: its buffers then serve the next one. */
START_TEST(test_gives_up_waiting)
{
	gpa_t at;

	nic_start(&nic, GSO, _i);
	at = nic_post(&nic, 0, 1500);
	nic_arrive_with(&nic, 0, &tso, 6000, 1);
	nic_arrive(&nic, 0, 100, 2);
	nic_settle(&nic);
	ck_assert(!nic_has_used(&nic, 0));
	while (!nic_has_used(&nic, 0))
		io_double_turn(&nic.io, 1000);
	check_merged(at, 1500, 100, 2);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 1);
}
END_TEST

/* Nor at all when the driver has no more buffers to offer. */
START_TEST(test_ring_too_small_for_frame)
{
	gpa_t at;

	nic_start(&nic, GSO, _i);
	at = nic_post(&nic, 0, 100);
	for (unsigned int i = 1; i < NIC_SIZE; i++)
		nic_post(&nic, 0, 100);
	nic_kick(&nic, 0);
	nic_arrive_with(&nic, 0, &tso, 100UL * NIC_SIZE, 1);
	nic_arrive_with(&nic, 0, &tso, 100UL * NIC_SIZE - 12, 2);
	nic_settle(&nic);
	check_merged(at, 100, 100 * NIC_SIZE - 12, 2);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 1);
}
END_TEST

/* --- Frames that are not for this driver --------------------------------- */

struct frame_case {
	uint64_t features;
	uint8_t arrives; /* flags, as the far end has them */
	uint8_t gso_type;
	size_t bytes;
	bool taken;
	uint8_t flags; /* as the driver sees them */
};

#define CSUM	   BIT(VIRTIO_NET_F_GUEST_CSUM)
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define VALID	   VIRTIO_NET_HDR_F_DATA_VALID

START_TEST(test_only_what_was_negotiated)
{
	static const struct frame_case cases[] = {
		/* 5.1.6.4.1: no flags without GUEST_CSUM. */
		{ 0, VALID, 0, 100, true, 0 },
		{ 0, NEEDS_CSUM, 0, 100, false, 0 },
		{ CSUM, VALID, 0, 100, true, VALID },
		{ CSUM, NEEDS_CSUM, 0, 100, true, NEEDS_CSUM },
		{ CSUM, 0xfc | VALID, 0, 100, true, VALID },
		/* Nor a type that the driver does not know. */
		{ CSUM, NEEDS_CSUM, 1, 100, false, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO6), NEEDS_CSUM, 1, 100,
		  false, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4), NEEDS_CSUM, 1, 100, true,
		  NEEDS_CSUM },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4), NEEDS_CSUM, 4, 100,
		  false, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO6), NEEDS_CSUM, 4, 100, true,
		  NEEDS_CSUM },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4), NEEDS_CSUM, 0x81, 100,
		  false, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4) |
			  BIT(VIRTIO_NET_F_GUEST_ECN),
		  NEEDS_CSUM, 0x81, 100, true, NEEDS_CSUM },
		{ CSUM, NEEDS_CSUM, 5, 100, false, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_USO4), NEEDS_CSUM, 5, 100, true,
		  NEEDS_CSUM },
		/* UFO is never offered. */
		{ CSUM, NEEDS_CSUM, 3, 100, false, 0 },
		/* 5.1.4.1: nothing above the MTU, */
		{ BIT(VIRTIO_NET_F_MTU), 0, 0, 1518, true, 0 },
		{ BIT(VIRTIO_NET_F_MTU), 0, 0, 1519, false, 0 },
		{ 0, 0, 0, 1519, true, 0 },
		/* but what is to be cut. */
		{ BIT(VIRTIO_NET_F_MTU) | CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4),
		  NEEDS_CSUM, 1, 20000, true, NEEDS_CSUM },
		/* What is no frame, and what is too much of one. */
		{ 0, 0, 0, 13, false, 0 },
		{ 0, 0, 0, 14, true, 0 },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4), NEEDS_CSUM, 1,
		  NET_FRAME_MAX_BYTES, true, NEEDS_CSUM },
		{ CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4), NEEDS_CSUM, 1,
		  NET_FRAME_MAX_BYTES + 1, false, 0 },
	};
	const struct frame_case *c = &cases[_i];
	const struct virtio_net_hdr_v1 header = { .flags = c->arrives,
						  .gso_type = c->gso_type };
	struct virtio_net_stats stats;
	gpa_t at;

	_Static_assert(ARRAY_SIZE(cases) == 23, "the loop's count below");
	nic_start(&nic, MERGE | c->features, 0);
	at = nic_post(&nic, 0, 0x20000);
	nic_arrive_with(&nic, 0, &header, c->bytes, 1);
	nic_settle(&nic);
	stats = nic_rx_stats(&nic, 0);
	ck_assert_uint_eq(stats.packets, c->taken);
	ck_assert_uint_eq(stats.drops + stats.errors, !c->taken);
	ck_assert_int_eq(nic_has_used(&nic, 0), c->taken);
	if (c->taken) {
		ck_assert_uint_eq(nic_header_at(&nic, at).flags, c->flags);
		nic_check_bytes(&nic, at + 12, c->bytes, 0, 1);
	}
	/* Whatever it was, the next one comes. */
	nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_arrive(&nic, 0, 64, 2);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, 1U + c->taken);
}
END_TEST

/* Buffers that are none come back empty, and the frame goes into a good one. */
START_TEST(test_bad_buffers)
{
	const struct ring_buffer bad[] = {
		{ nic_alloc(&nic, 11), 11, true },
		{ nic_alloc(&nic, 100), 100, false },
		{ nic_alloc(&nic, 0), 0, true },
	};
	const struct ring_buffer mixed[] = { { NIC_BUFFERS, 50, false },
					     { NIC_BUFFERS + 100, 50, true } };
	gpa_t at;

	nic_start(&nic, _i & 4 ? MERGE : NIC_BASIC, _i & 3);
	for (unsigned int i = 0; i < 3; i++)
		ring_add(nic_rx(&nic, 0), &bad[i], 1);
	ring_add(nic_rx(&nic, 0), mixed, 2);
	at = nic_post(&nic, 0, 600);
	nic_kick(&nic, 0);
	nic_arrive(&nic, 0, 500, 3);
	nic_settle(&nic);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(nic_take(&nic, 0), 0);
	ck_assert_uint_eq(nic_take(&nic, 0), 512);
	nic_check_bytes(&nic, at + 12, 500, 0, 3);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).errors, 4);
	ck_assert_uint_eq(atomic_load(&nic.reports), 0);
}
END_TEST

/* A ring that is no ring ends the device, not us; also from input alone. */
START_TEST(test_broken_ring)
{
	nic_start(&nic, MERGE, 0);
	nic_settle(&nic);
	ring_expose(nic_rx(&nic, 0), 0xffff);
	nic_arrive(&nic, 0, 100, 1);
	nic_settle(&nic);
	ck_assert(virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(atomic_load(&nic.reports), 1);
	nic_arrive(&nic, 0, 100, 1);
	nic_settle(&nic);
	nic_start(&nic, MERGE, 0);
	nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 112);
}
END_TEST

/* --- Passes -------------------------------------------------------------- */

/* One interrupt for all that a pass brings. */
START_TEST(test_one_interrupt)
{
	nic_start(&nic, MERGE, _i);
	for (unsigned int i = 0; i < 20; i++)
		nic_arrive(&nic, 0, 100, i);
	for (unsigned int i = 0; i < 20; i++)
		nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
	for (unsigned int i = 0; i < 20; i++)
		nic_take(&nic, 0);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).batches[4], 1);
}
END_TEST

/* The thread learns what being woken by input brings. */
START_TEST(test_tells_what_it_found)
{
	nic_start(&nic, MERGE, _i);
	for (unsigned int i = 0; i < 20; i++)
		nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_settle(&nic);
	atomic_store(&nic.io.found, 0);
	for (unsigned int i = 0; i < 20; i++)
		nic_arrive(&nic, 0, 100, i);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.io.found), 20);
	/* Nothing is nothing found. */
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.io.found), 20);
}
END_TEST

/* INVARIANTS 17: with buffers in line, and a frame that waits for more. */
START_TEST(test_reset)
{
	for (unsigned int round = 0; round < 10; round++) {
		unsigned int interrupts;

		nic_start(&nic, GSO, _i);
		for (unsigned int i = 0; i < 3; i++)
			nic_post(&nic, 0, 1500);
		nic_kick(&nic, 0);
		nic_arrive(&nic, 0, 100, 1);
		nic_settle(&nic);
		nic_take(&nic, 0);
		if (round % 2)
			nic_arrive_with(&nic, 0, &tso, 9000, 2);
		nic_settle(&nic);
		nic_set_status(&nic, 0);
		interrupts = atomic_load(&nic.interrupts[0]);
		ck_assert_ptr_null(nic.io.timers);
		nic_arrive(&nic, 0, 100, 3);
		nic_settle(&nic);
		ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), interrupts);
		/* What came meanwhile is the next driver's. */
		nic_start(&nic, GSO, _i);
		nic_post(&nic, 0, 1500);
		nic_kick(&nic, 0);
		nic_settle(&nic);
		ck_assert_uint_eq(nic_take(&nic, 0), 112);
		ck_assert(!nic_has_used(&nic, 0));
	}
}
END_TEST

START_TEST(test_rate)
{
	const struct virtio_net_params values = {
		.receive = { .packets_per_second = 100, .packets_burst = 5 },
	};
	int64_t begin;

	nic_release(&nic);
	nic_init_with(&nic, 1, &values);
	nic_start(&nic, MERGE, _i);
	for (unsigned int i = 0; i < 20; i++)
		nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	for (unsigned int i = 0; i < 20; i++)
		nic_arrive(&nic, 0, 100, i);
	begin = io_double_now();
	nic_settle(&nic);
	ck_assert_uint_ge(nic_rx_stats(&nic, 0).packets, 5);
	ck_assert_uint_lt(nic_rx_stats(&nic, 0).packets, 20);
	while (nic_rx_stats(&nic, 0).packets < 20)
		io_double_turn(&nic.io, 1000);
	/* 15 that were not in the burst, 10 ms each. */
	ck_assert_int_ge(io_double_now() - begin, 149000000);
	ck_assert_uint_gt(nic_rx_stats(&nic, 0).retries, 0);
}
END_TEST

/* --- A driver on another thread ------------------------------------------ */

#define ROUNDS 2000

static void *arrive_many(void *opaque)
{
	uint8_t message[NET_HEADER_BYTES + 3000];

	(void)opaque;
	memset(message, 0, sizeof(message));
	for (unsigned int i = 0; i < ROUNDS;) {
		size_t bytes = i % 3 ? 3000 : 60;

		nic_fill(message + NET_HEADER_BYTES, bytes, i);
		if (send(nic.peers[0], message, NET_HEADER_BYTES + bytes, 0) >=
		    0)
			i++;
	}
	return NULL;
}

/* Frames begin with their number, as far as it goes. */
static uint8_t first_byte(gpa_t buffer)
{
	uint8_t byte;

	gmem_read(&nic.gmem, buffer + NET_HEADER_BYTES, &byte, 1);
	return byte;
}

/* Buffers run out all the time; a lost wake-up shows as an end of time. */
START_TEST(test_nobody_waits_for_ever)
{
	gpa_t at[4];
	unsigned int next = 0;
	unsigned int lost = 0;
	pthread_t thread;

	virtio_net_release(&nic.device);
	io_double_release(&nic.io);
	io_double_start(&nic.io);
	{
		const struct virtio_net_params values = {
			.net = &nic.net, .queue_size = NIC_SIZE
		};
		const struct virtio_env env = { .gmem = &nic.gmem };

		ck_assert_int_eq(
			virtio_net_init(&nic.device, &values, &env, NULL), 0);
		ck_assert_int_eq(virtio_net_set_context(&nic.device, 0,
							&nic.io.context, NULL),
				 0);
	}
	nic_start(&nic, MERGE, _i);
	for (unsigned int i = 0; i < 4; i++)
		at[i] = nic_post(&nic, 0, 1500);
	nic_kick(&nic, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, arrive_many, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int skip = 12;
		unsigned int offset = 0;
		unsigned int count = 1;

		for (unsigned int n = 0; n < count; n++, next++, skip = 0) {
			gpa_t buffer = at[next % 4];
			uint32_t id;
			uint32_t len;

			while (!ring_take(nic_rx(&nic, 0), &id, &len))
				/* The others' turn. */;
			if (n == 0) {
				count = nic_header_at(&nic, buffer).num_buffers;
				/* On a busy host buffers may come so late that
				 * the device gave a frame up. */
				while (first_byte(buffer) != (uint8_t)i) {
					lost++;
					i++;
				}
				ck_assert_uint_eq(count, i % 3 ? 3 : 1);
			}
			nic_check_bytes(&nic, buffer + skip, len - skip, offset,
					i);
			offset += len - skip;
			if (nic.free > NIC_RAM / 2)
				nic.free = NIC_BUFFERS;
			at[next % 4] = nic_post(&nic, 0, 1500);
			nic_kick(&nic, 0);
		}
		ck_assert_uint_eq(offset, i % 3 ? 3000 : 60);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	virtio_device_stop(&nic.device.device);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, lost);
	virtio_net_release(&nic.device);
	io_double_stop(&nic.io);
	set_up();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/net receive");
	TCase *tcase = tcase_create("receive");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_one_buffer, 0, 8);
	tcase_add_loop_test(tcase, test_exact_fit, 0, 4);
	tcase_add_loop_test(tcase, test_split_header, 0, 8);
	tcase_add_loop_test(tcase, test_merged, 0, 4);
	tcase_add_loop_test(tcase, test_merged_in_line, 0, 4);
	tcase_add_loop_test(tcase, test_line_moves, 0, 4);
	tcase_add_loop_test(tcase, test_no_buffers, 0, 8);
	tcase_add_loop_test(tcase, test_no_needless_kicks, 0, 4);
	tcase_add_loop_test(tcase, test_waits_for_buffers, 0, 4);
	tcase_add_loop_test(tcase, test_gives_up_waiting, 0, 4);
	tcase_add_loop_test(tcase, test_ring_too_small_for_frame, 0, 4);
	tcase_add_loop_test(tcase, test_only_what_was_negotiated, 0, 23);
	tcase_add_loop_test(tcase, test_bad_buffers, 0, 8);
	tcase_add_test(tcase, test_broken_ring);
	tcase_add_loop_test(tcase, test_one_interrupt, 0, 4);
	tcase_add_loop_test(tcase, test_tells_what_it_found, 0, 4);
	tcase_add_loop_test(tcase, test_reset, 0, 4);
	tcase_add_loop_test(tcase, test_rate, 0, 4);
	tcase_add_loop_test(tcase, test_nobody_waits_for_ever, 0, 4);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
