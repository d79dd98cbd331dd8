/*
 * Frames from the driver to the far end: what leaves, what the host never gets
 * to see, and what happens when there is no room.
 */
#include "tests/unit/virtio_net_driver.h"

#define OFFLOADS                                                    \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |     \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | \
	 BIT(VIRTIO_NET_F_HOST_USO))

static struct nic nic;
static struct virtio_net_hdr_v1 left;

static void set_up(void)
{
	nic_init(&nic, 1);
}

static void tear_down(void)
{
	nic_release(&nic);
}

static void kick(void)
{
	nic_kick(&nic, 1);
	nic_settle(&nic);
}

/* --- What leaves --------------------------------------------------------- */

START_TEST(test_one_frame)
{
	nic_start(&nic, NIC_BASIC, _i);
	nic_send_frame(&nic, 0, 1000, 7);
	ck_assert(nic_kick(&nic, 1));
	nic_settle(&nic);
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 7), 1000);
	ck_assert_mem_eq(&left, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
	ck_assert_uint_eq(nic_take(&nic, 1), 0);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[1]), 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).packets, 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).bytes, 1000);
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 0), -1);
}
END_TEST

/* However the driver cuts header and frame, the same leaves. */
START_TEST(test_pieces)
{
	static const uint32_t cuts[][6] = {
		{ 112, 0 },
		{ 12, 100 },
		{ 5, 7, 100 },
		{ 5, 20, 87 },
		{ 1, 1, 1, 50, 58, 1 },
		{ 11, 101 },
		{ 13, 99 },
	};

	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < ARRAY_SIZE(cuts); i++) {
		const struct virtio_net_hdr_v1 header = { 0 };
		unsigned int count = 0;

		while (count < 6 && cuts[i][count])
			count++;
		nic_send_pieces(&nic, 0, &header, cuts[i], count, i);
		kick();
		ck_assert_int_eq(nic_leave(&nic, 0, &left, i), 100);
		ck_assert_uint_eq(nic_take(&nic, 1), 0);
	}
}
END_TEST

START_TEST(test_long_frames)
{
	static const uint32_t sizes[] = { 14, 1514, 65549,
					  NET_FRAME_MAX_BYTES };

	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		nic_send_frame(&nic, 0, sizes[i], i);
		kick();
		ck_assert_int_eq(nic_leave(&nic, 0, &left, i), sizes[i]);
		nic_take(&nic, 1);
	}
}
END_TEST

/* --- Headers ------------------------------------------------------------- */

struct header_case {
	uint64_t features;
	struct {
		uint8_t flags;
		uint8_t gso_type;
		uint16_t hdr_len;
		uint16_t gso_size;
		uint16_t csum_start;
		uint16_t csum_offset;
	} given;
	bool sent;
};

#define CSUM 1 /* NEEDS_CSUM */
#define TSO4 VIRTIO_NET_HDR_GSO_TCPV4
#define TSO6 VIRTIO_NET_HDR_GSO_TCPV6
#define UFO  VIRTIO_NET_HDR_GSO_UDP
#define USO  VIRTIO_NET_HDR_GSO_UDP_L4
#define ECN  VIRTIO_NET_HDR_GSO_ECN

/* INVARIANTS 21. Frames are 100 bytes long. */
static const struct header_case header_cases[] = {
	{ OFFLOADS, { CSUM, TSO4, 54, 1448, 34, 16 }, true },
	{ OFFLOADS, { CSUM, TSO6, 74, 1428, 54, 16 }, true },
	{ OFFLOADS, { CSUM, TSO4 | ECN, 54, 1448, 34, 16 }, true },
	{ OFFLOADS, { CSUM, USO, 42, 1448, 34, 6 }, true },
	{ OFFLOADS, { CSUM, 0, 0, 0, 34, 16 }, true },
	/* The checksum ends with the frame, or is beyond it. */
	{ OFFLOADS, { CSUM, 0, 0, 0, 34, 64 }, true },
	{ OFFLOADS, { CSUM, 0, 0, 0, 34, 65 }, false },
	{ OFFLOADS, { CSUM, 0, 0, 0, 99, 0 }, false },
	{ OFFLOADS, { CSUM, 0, 0, 0, 0xffff, 0 }, false },
	{ OFFLOADS, { CSUM, 0, 0, 0, 0, 0xffff }, false },
	{ OFFLOADS, { CSUM, 0, 0, 0, 0xffff, 0xffff }, false },
	/* Segments without a size, or without checksums. */
	{ OFFLOADS, { CSUM, TSO4, 54, 0, 34, 16 }, false },
	{ OFFLOADS, { 0, TSO4, 54, 1448, 34, 16 }, false },
	{ OFFLOADS, { CSUM, USO, 42, 0, 34, 6 }, false },
	/* Types that do not exist. */
	{ OFFLOADS, { CSUM, ECN, 54, 1448, 34, 16 }, false },
	{ OFFLOADS, { CSUM, USO | ECN, 42, 1448, 34, 6 }, false },
	{ OFFLOADS, { CSUM, UFO, 42, 1448, 34, 6 }, false },
	{ OFFLOADS, { CSUM, 2, 54, 1448, 34, 16 }, false },
	{ OFFLOADS, { CSUM, 0x7f, 54, 1448, 34, 16 }, false },
	{ OFFLOADS, { CSUM, 0x41, 54, 1448, 34, 16 }, false },
	/* What was not negotiated. */
	{ 0, { CSUM, 0, 0, 0, 34, 16 }, false },
	{ BIT(VIRTIO_NET_F_CSUM), { CSUM, TSO4, 54, 1448, 34, 16 }, false },
	{ BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4),
	  { CSUM, TSO6, 54, 1448, 34, 16 },
	  false },
	{ BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO6),
	  { CSUM, TSO4, 54, 1448, 34, 16 },
	  false },
	{ BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4),
	  { CSUM, TSO4 | ECN, 54, 1448, 34, 16 },
	  false },
	{ BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4),
	  { CSUM, USO, 42, 1448, 34, 6 },
	  false },
	/* What means nothing is cleared; a hint is made to fit. */
	{ 0, { 0xfe, 0, 0xffff, 0xffff, 0xffff, 0xffff }, true },
	{ OFFLOADS, { 0xff, TSO4, 0xffff, 1448, 34, 16 }, true },
};

START_TEST(test_headers)
{
	const struct header_case *c = &header_cases[_i];
	struct virtio_net_hdr_v1 header = { .num_buffers = 0x7777 };
	const uint32_t lens[] = { 12, 100 };
	bool csum = c->given.flags & CSUM;

	memcpy(&header, &c->given, sizeof(c->given));
	nic_start(&nic, NIC_BASIC | c->features, 0);
	nic_send_pieces(&nic, 0, &header, lens, 2, 1);
	nic_send_frame(&nic, 0, 60, 2);
	kick();
	if (c->sent) {
		ck_assert_int_eq(nic_leave(&nic, 0, &left, 1), 100);
		ck_assert_uint_eq(left.flags, c->given.flags & CSUM);
		ck_assert_uint_eq(left.gso_type, c->given.gso_type);
		ck_assert_uint_eq(left.hdr_len, min_u64(c->given.hdr_len, 100));
		ck_assert_uint_eq(left.gso_size,
				  c->given.gso_type ? c->given.gso_size : 0);
		ck_assert_uint_eq(left.csum_start,
				  csum ? c->given.csum_start : 0);
		ck_assert_uint_eq(left.csum_offset,
				  csum ? c->given.csum_offset : 0);
		ck_assert_uint_eq(left.num_buffers, 0);
	}
	/* Either way both come back and the next one leaves. */
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 2), 60);
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 0), -1);
	nic_take(&nic, 1);
	nic_take(&nic, 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).errors, !c->sent);
	ck_assert_uint_eq(atomic_load(&nic.reports), 0);
}
END_TEST

/* Chains that are no frames come back, and nothing leaves. */
START_TEST(test_bad_chains)
{
	static const uint32_t lens[] = { 0,  1,	 11,
					 12, 25, NET_FRAME_MAX_BYTES + 13 };
	const struct ring_buffer writable = { NIC_BUFFERS, 100, true };
	const struct virtio_net_hdr_v1 header = { 0 };

	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++)
		nic_send_pieces(&nic, 0, &header, &lens[i], 1, i);
	ring_add(nic_tx(&nic, 0), &writable, 1);
	kick();
	for (unsigned int i = 0; i <= ARRAY_SIZE(lens); i++)
		ck_assert_uint_eq(nic_take(&nic, 1), 0);
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 0), -1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).errors, 7);
}
END_TEST

/* A chain of more pieces than a system call takes. */
START_TEST(test_too_many_pieces)
{
	static struct ring_buffer pieces[VIRTQ_MAX_SIZE];

	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < ARRAY_SIZE(pieces); i++)
		pieces[i] =
			(struct ring_buffer){ nic_alloc(&nic, 20), 20, false };
	ring_add_indirect(nic_tx(&nic, 0), nic_alloc(&nic, 0x4000), pieces,
			  ARRAY_SIZE(pieces));
	ring_add_indirect(nic_tx(&nic, 0), nic_alloc(&nic, 0x4000), pieces,
			  ARRAY_SIZE(pieces) - 2);
	kick();
	nic_take(&nic, 1);
	nic_take(&nic, 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).errors, 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).packets, 1);
}
END_TEST

START_TEST(test_broken_ring)
{
	nic_start(&nic, NIC_BASIC, 0);
	nic_send_frame(&nic, 0, 60, 1);
	ring_expose(nic_tx(&nic, 0), 0xffff);
	kick();
	/* What was good before is done with. */
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 1), 60);
	nic_take(&nic, 1);
	ck_assert(virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(atomic_load(&nic.reports), 1);
}
END_TEST

/* --- Passes -------------------------------------------------------------- */

/* One kick, one interrupt; and many of both in order. */
START_TEST(test_batch)
{
	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < 30; i++)
		nic_send_frame(&nic, 0, 100 + i, i);
	kick();
	for (unsigned int i = 0; i < 30; i++) {
		ck_assert_int_eq(nic_leave(&nic, 0, &left, i), 100 + i);
		nic_take(&nic, 1);
	}
	ck_assert_uint_eq(atomic_load(&nic.interrupts[1]), 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).batches[4], 1);
}
END_TEST

/* The far end of a busy driver's NIC: the driver adds a frame for each that it
 * gets back, so that the queue is never empty. */
static ssize_t endless_send(struct net *net, unsigned int queue,
			    const struct iovec *iov, unsigned int count)
{
	unsigned int *sent = &nic.queues;

	(void)net;
	(void)queue;
	(void)iov;
	(void)count;
	if (++*sent < 100000)
		ring_expose(nic_tx(&nic, 0), (uint16_t)(2 * *sent % NIC_SIZE));
	return 1;
}

/* INVARIANTS 10: no pass is without end. */
START_TEST(test_budget)
{
	struct net_ops ops = nic_net_ops;
	unsigned int turns = 0;

	ops.send = endless_send;
	nic_start(&nic, NIC_BASIC, 0);
	for (unsigned int i = 0; i < NIC_SIZE / 2 - 1; i++)
		nic_send_frame(&nic, 0, 60, i);
	nic.free = NIC_BUFFERS;
	nic.net.ops = &ops;
	nic.queues = NIC_SIZE / 2 - 2;
	nic_kick(&nic, 1);
	while (io_double_turn(&nic.io, 0) && turns < 3) {
		uint64_t packets = nic_tx_stats(&nic, 0).packets;

		turns++;
		ck_assert_uint_ge(packets, 100UL * turns);
		ck_assert_uint_le(packets, 128UL * turns);
	}
	ck_assert_uint_eq(turns, 3);
	nic.net.ops = &nic_net_ops;
	nic_set_status(&nic, 0);
}
END_TEST

/* --- No room ------------------------------------------------------------- */

/* The driver need not kick again; frames leave in order and once. */
START_TEST(test_no_room)
{
	static const int errors[] = { EAGAIN, ENOBUFS };

	nic_start(&nic, NIC_BASIC, _i & 3);
	for (unsigned int i = 0; i < 6; i++)
		nic_send_frame(&nic, 0, 100 + i, i);
	atomic_store(&nic.send_error, errors[_i >> 2]);
	atomic_store(&nic.send_errors, 3);
	kick();
	ck_assert(!nic_has_used(&nic, 1));
	/* A kick that comes nevertheless changes nothing. */
	virtio_notify(&nic.device.device, 1);
	for (unsigned int i = 6; i < 10; i++)
		nic_send_frame(&nic, 0, 100 + i, i);
	ck_assert(!nic_kick(&nic, 1));
	while (nic_tx_stats(&nic, 0).packets < 10)
		io_double_turn(&nic.io, 1000);
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_int_eq(nic_leave(&nic, 0, &left, i), 100 + i);
		nic_take(&nic, 1);
	}
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 0), -1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).retries, 3);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).drops, 0);
}
END_TEST

/* What the host refuses is lost, as on any wire. */
START_TEST(test_refused)
{
	nic_start(&nic, NIC_BASIC, _i);
	nic_send_frame(&nic, 0, 100, 1);
	nic_send_frame(&nic, 0, 100, 2);
	atomic_store(&nic.send_error, EIO);
	atomic_store(&nic.send_errors, 1);
	kick();
	ck_assert_int_eq(nic_leave(&nic, 0, &left, 2), 100);
	nic_take(&nic, 1);
	nic_take(&nic, 1);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).drops, 1);
}
END_TEST

/* INVARIANTS 17: while the queue waits for room. */
START_TEST(test_reset)
{
	for (unsigned int round = 0; round < 5; round++) {
		nic_start(&nic, NIC_BASIC, _i);
		nic_send_frame(&nic, 0, 100, 1);
		atomic_store(&nic.send_error, EAGAIN);
		atomic_store(&nic.send_errors, 1);
		kick();
		ck_assert_ptr_nonnull(nic.io.timers);
		nic_set_status(&nic, 0);
		ck_assert_ptr_null(nic.io.timers);
		ck_assert_int_eq(nic_leave(&nic, 0, &left, 0), -1);
		nic_start(&nic, NIC_BASIC, _i);
		nic_send_frame(&nic, 0, 100, 2);
		kick();
		ck_assert_int_eq(nic_leave(&nic, 0, &left, 2), 100);
		nic_take(&nic, 1);
	}
}
END_TEST

START_TEST(test_rate)
{
	const struct virtio_net_params values = {
		.send = { .bytes_per_second = 100000, .bytes_burst = 5000 },
	};
	int64_t begin = io_double_now();

	nic_release(&nic);
	nic_init_with(&nic, 1, &values);
	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int i = 0; i < 20; i++)
		nic_send_frame(&nic, 0, 1000, i);
	kick();
	ck_assert_uint_ge(nic_tx_stats(&nic, 0).packets, 5);
	ck_assert_uint_lt(nic_tx_stats(&nic, 0).packets, 20);
	while (nic_tx_stats(&nic, 0).packets < 20)
		io_double_turn(&nic.io, 1000);
	ck_assert_int_ge(io_double_now() - begin, 149000000);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(nic_leave(&nic, 0, &left, i), 1000);
		nic_take(&nic, 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/net send");
	TCase *tcase = tcase_create("send");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_one_frame, 0, 4);
	tcase_add_loop_test(tcase, test_pieces, 0, 4);
	tcase_add_loop_test(tcase, test_long_frames, 0, 4);
	tcase_add_loop_test(tcase, test_headers, 0, ARRAY_SIZE(header_cases));
	tcase_add_loop_test(tcase, test_bad_chains, 0, 4);
	tcase_add_loop_test(tcase, test_too_many_pieces, 0, 4);
	tcase_add_test(tcase, test_broken_ring);
	tcase_add_loop_test(tcase, test_batch, 0, 4);
	tcase_add_test(tcase, test_budget);
	tcase_add_loop_test(tcase, test_no_room, 0, 8);
	tcase_add_loop_test(tcase, test_refused, 0, 4);
	tcase_add_loop_test(tcase, test_reset, 0, 4);
	tcase_add_loop_test(tcase, test_rate, 0, 4);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
