/*
 * The network device but for its frames: what it offers, the control queue,
 * several queue pairs, and the link.
 */
#include "tests/unit/virtio_net_driver.h"

#define CTRL (NIC_BASIC | BIT(VIRTIO_NET_F_CTRL_VQ))
#define MQ   (CTRL | BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_MRG_RXBUF))

static struct nic nic;

static void set_up(void)
{
	nic_init(&nic, NIC_PAIRS);
}

static void tear_down(void)
{
	nic_release(&nic);
}

static uint64_t config(unsigned int offset, unsigned int len)
{
	return virtio_read_config(&nic.device.device, offset, len);
}

static uint64_t offered(void)
{
	return nic.device.device.offered;
}

/* Starts over with another far end. */
static void restart(unsigned int pairs, unsigned int offloads, uint16_t mtu)
{
	const struct virtio_env env = { .gmem = &nic.gmem };
	struct virtio_net_params values = { .net = &nic.net };

	nic_release(&nic);
	nic_init(&nic, pairs);
	virtio_net_release(&nic.device);
	nic.net.offloads = offloads;
	nic.net.mtu = mtu;
	ck_assert_int_eq(virtio_net_init(&nic.device, &values, &env, NULL), 0);
}

/* --- Features and configuration ------------------------------------------ */

START_TEST(test_offers)
{
	const uint64_t always =
		BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
		BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) |
		BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	const uint64_t ring = BIT(28) | BIT(29) | BIT(32) | BIT(34);
	const uint64_t csum = BIT(0) | BIT(1) | BIT(2);
	const uint64_t tso = BIT(7) | BIT(8) | BIT(9) | BIT(11) | BIT(12) |
			     BIT(13);

	ck_assert_uint_eq(offered(), always | ring | csum | tso | BIT(22) |
					     BIT(3) | BIT(54) | BIT(55) |
					     BIT(56));
	ck_assert_uint_eq(nic.device.device.queue_count, NIC_QUEUES);
	restart(1, 0, 0);
	ck_assert_uint_eq(offered(), always | ring);
	ck_assert_uint_eq(nic.device.device.queue_count, 3);
	restart(1, NET_OFFLOAD_CSUM, 67);
	ck_assert_uint_eq(offered(), always | ring | csum);
	restart(1, 0xf, 68);
	ck_assert_uint_eq(offered(), always | ring | csum | tso | BIT(3));
	/* One of the two is not what the driver's one bit means. */
	restart(1, 0x1f, 65535);
	ck_assert_uint_eq(offered(), always | ring | csum | tso | BIT(3));
	ck_assert_uint_eq(config(10, 2), 65535);
}
END_TEST

START_TEST(test_config)
{
	ck_assert_uint_eq(config(0, 1), 2);
	ck_assert_uint_eq(config(5, 1), 1);
	ck_assert_uint_eq(config(6, 2), VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(config(8, 2), NIC_PAIRS);
	ck_assert_uint_eq(config(10, 2), 1500);
	ck_assert_uint_eq(config(12, 4), 0);
	/* 5.1.4: read-only. */
	for (unsigned int i = 0; i < 16; i++)
		virtio_write_config(&nic.device.device, i, 0xff, 1);
	ck_assert_uint_eq(config(0, 1), 2);
	ck_assert_uint_eq(config(6, 2), VIRTIO_NET_S_LINK_UP);
}
END_TEST

/* 5.1.3.1, one missing at a time. */
START_TEST(test_feature_requirements)
{
	static const struct {
		uint64_t features;
		bool good;
	} cases[] = {
		{ BIT(7), false },
		{ BIT(7) | BIT(1), true },
		{ BIT(8), false },
		{ BIT(8) | BIT(1), true },
		{ BIT(9) | BIT(1), false },
		{ BIT(9) | BIT(1) | BIT(7), true },
		{ BIT(9) | BIT(1) | BIT(8), true },
		{ BIT(54), false },
		{ BIT(55), false },
		{ BIT(54) | BIT(55) | BIT(1), true },
		{ BIT(11), false },
		{ BIT(11) | BIT(1), false },
		{ BIT(11) | BIT(0), true },
		{ BIT(12), false },
		{ BIT(13) | BIT(0), false },
		{ BIT(13) | BIT(0) | BIT(12), true },
		{ BIT(56), false },
		{ BIT(56) | BIT(0), true },
		{ BIT(18), false },
		{ BIT(21), false },
		{ BIT(22), false },
		{ BIT(23), false },
		{ BIT(17) | BIT(18) | BIT(21) | BIT(22) | BIT(23), true },
		/* Never offered: UFO, VLAN filters, the old GSO bit. */
		{ BIT(1) | BIT(10), false },
		{ BIT(0) | BIT(14), false },
		{ BIT(17) | BIT(19), false },
		{ BIT(6), false },
		{ 0, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(nic_agree(&nic, BIT(32) | cases[i].features) ==
				      cases[i].good,
			      "case %zu", i);
	ck_assert(nic_agree(&nic, offered()));
}
END_TEST

START_TEST(test_offloads_of_far_end)
{
	nic_start(&nic, NIC_BASIC, 0);
	ck_assert_uint_eq(nic.offloads, 0);
	nic_start(&nic, offered() & ~BIT(34), 0);
	ck_assert_uint_eq(nic.offloads, 0x3f);
	nic_start(&nic, NIC_BASIC | BIT(1) | BIT(8) | BIT(9), 0);
	ck_assert_uint_eq(nic.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6 |
						NET_OFFLOAD_ECN);
	ck_assert_uint_eq(nic.queues, 1);
}
END_TEST

START_TEST(test_cannot_start)
{
	nic.set_error = EIO;
	ck_assert(nic_agree(&nic, NIC_BASIC));
	nic_set_status(&nic, 15);
	ck_assert(virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(atomic_load(&nic.reports), 1);
	nic.set_error = 0;
	nic_start(&nic, NIC_BASIC, 0);
}
END_TEST

START_TEST(test_needs_contexts)
{
	restart(2, 0, 0);
	ck_assert_int_eq(virtio_net_set_context(&nic.device, 0, &nic.io.context,
						NULL),
			 0);
	ck_assert(nic_agree(&nic, NIC_BASIC));
	nic_set_status(&nic, 15);
	ck_assert(virtio_device_failed(&nic.device.device));
}
END_TEST

/* --- Commands ------------------------------------------------------------ */

#define NO_ANSWER 0xee

/* Sends a command in pieces of @cut bytes; returns what came back. */
static uint8_t command_cut(unsigned int queue, const void *bytes, uint32_t len,
			   uint32_t cut)
{
	struct ring_buffer buffers[16];
	unsigned int count = 0;
	uint8_t ack = NO_ANSWER;
	uint32_t used;

	for (uint32_t at = 0; at < len; at += cut) {
		uint32_t n = (uint32_t)min_u64(cut, len - at);

		buffers[count++] =
			(struct ring_buffer){ nic_alloc(&nic, n), n, false };
		gmem_write(&nic.gmem, buffers[count - 1].gpa,
			   (const uint8_t *)bytes + at, n);
	}
	buffers[count] = (struct ring_buffer){ nic_alloc(&nic, 1), 1, true };
	gmem_write(&nic.gmem, buffers[count].gpa, &ack, 1);
	ring_add(&nic.rings[queue], buffers, count + 1);
	nic_kick(&nic, queue);
	nic_settle(&nic);
	used = nic_take(&nic, queue);
	ck_assert_uint_eq(used, 1);
	gmem_read(&nic.gmem, buffers[count].gpa, &ack, 1);
	return ack;
}

static unsigned int control = 2 * NIC_PAIRS;

static uint8_t command(const void *bytes, uint32_t len)
{
	return command_cut(control, bytes, len, 1000);
}

#define COMMAND(...)                              \
	command((const uint8_t[]){ __VA_ARGS__ }, \
		sizeof((const uint8_t[]){ __VA_ARGS__ }))

#define OK  VIRTIO_NET_OK
#define ERR VIRTIO_NET_ERR

/* Without MQ it is the third queue, whatever there is behind (5.1.2). */
START_TEST(test_place_of_control_queue)
{
	nic_start(&nic, CTRL | BIT(VIRTIO_NET_F_CTRL_RX), _i);
	control = 2;
	ck_assert_uint_eq(COMMAND(0, 0, 1), OK);
	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_CTRL_RX), _i);
	control = 2 * NIC_PAIRS;
	ck_assert_uint_eq(COMMAND(0, 0, 1), OK);
	/* Without CTRL_VQ there is none. */
	nic_start(&nic, NIC_BASIC, _i);
	for (unsigned int queue = 2; queue < NIC_QUEUES; queue++) {
		nic_post(&nic, queue / 2, 100);
		virtio_notify(&nic.device.device, queue);
		nic_settle(&nic);
		ck_assert(!nic_has_used(&nic, queue));
	}
}
END_TEST

START_TEST(test_rx_modes)
{
	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_CTRL_RX), _i);
	ck_assert_uint_eq(COMMAND(0, 0, 0), OK);
	ck_assert_uint_eq(COMMAND(0, 1, 1), OK);
	ck_assert_uint_eq(COMMAND(0, 0), ERR);
	ck_assert_uint_eq(COMMAND(0, 0, 0, 0), ERR);
	/* RX_EXTRA is not offered. */
	ck_assert_uint_eq(COMMAND(0, 2, 1), ERR);
	ck_assert_uint_eq(COMMAND(0, 5, 1), ERR);
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(COMMAND(0, 0, 0), ERR);
}
END_TEST

START_TEST(test_mac_table)
{
	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_CTRL_RX), _i);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0, 0, 0, 0, 0), OK);
	ck_assert_uint_eq(COMMAND(1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0,
				  0, 1, 0, 0x5e, 0, 0, 1),
			  OK);
	ck_assert_uint_eq(COMMAND(1, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 1, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
			  ERR);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
			  ERR);
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(COMMAND(1, 0, 0, 0, 0, 0, 0, 0, 0, 0), ERR);
}
END_TEST

START_TEST(test_mac_address)
{
	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR), _i);
	ck_assert_uint_eq(COMMAND(1, 1, 2, 9, 8, 7, 6, 5), OK);
	ck_assert_uint_eq(config(0, 4), 0x07080902);
	ck_assert_uint_eq(config(4, 2), 0x0506);
	ck_assert_uint_eq(COMMAND(1, 1, 3, 9, 8, 7, 6, 5), ERR);
	ck_assert_uint_eq(COMMAND(1, 1, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 1, 2, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 1, 2, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(1, 2, 2, 9, 8, 7, 6, 4), ERR);
	ck_assert_uint_eq(config(0, 4), 0x07080902);
	/* The next driver finds the one we gave it. */
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(config(0, 4), 2);
	ck_assert_uint_eq(COMMAND(1, 1, 2, 9, 8, 7, 6, 5), ERR);
	ck_assert_uint_eq(config(0, 4), 2);
}
END_TEST

START_TEST(test_guest_offloads)
{
	const uint64_t features = MQ | BIT(1) | BIT(2) | BIT(7) | BIT(8);

	nic_start(&nic, features, _i);
	ck_assert_uint_eq(nic.offloads, 7);
	ck_assert_uint_eq(COMMAND(5, 0, 0, 0, 0, 0, 0, 0, 0, 0), OK);
	ck_assert_uint_eq(nic.offloads, 0);
	ck_assert_uint_eq(COMMAND(5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0), OK);
	ck_assert_uint_eq(nic.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	/* Not negotiated, not an offload, too short, too long, no command. */
	ck_assert_uint_eq(COMMAND(5, 0, 2, 2, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(5, 0, 2, 0, 0, 0, 0, 0, 0x40, 0), ERR);
	ck_assert_uint_eq(COMMAND(5, 0, 4, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(5, 0, 2, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(5, 1, 2, 0, 0, 0, 0, 0, 0, 0), ERR);
	ck_assert_uint_eq(nic.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	nic.set_error = EINVAL;
	ck_assert_uint_eq(COMMAND(5, 0, 2, 0, 0, 0, 0, 0, 0, 0), ERR);
	nic.set_error = 0;
	nic_start(&nic, features & ~BIT(2), _i);
	ck_assert_uint_eq(COMMAND(5, 0, 2, 0, 0, 0, 0, 0, 0, 0), ERR);
}
END_TEST

/* What was on its way when the driver turned offloads off is dropped. */
START_TEST(test_frames_from_before)
{
	const struct virtio_net_hdr_v1 tso = { .flags = 1, .gso_type = 1 };

	nic_start(&nic, MQ | BIT(1) | BIT(2) | BIT(7), 0);
	nic_arrive_with(&nic, 0, &tso, 100, 1);
	ck_assert_uint_eq(COMMAND(5, 0, 0, 0, 0, 0, 0, 0, 0, 0), OK);
	nic_arrive(&nic, 0, 100, 2);
	nic_post(&nic, 0, 1526);
	nic_kick(&nic, 0);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, 1);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).drops, 1);
}
END_TEST

START_TEST(test_bad_commands)
{
	const uint8_t good[] = { 0, 0, 1 };
	struct ring_buffer buffer = { nic_alloc(&nic, 3), 3, false };

	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_CTRL_RX), _i);
	ck_assert_uint_eq(COMMAND(0), ERR);
	ck_assert_uint_eq(COMMAND(6, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(255, 255), ERR);
	ck_assert_uint_eq(COMMAND(2, 0, 1, 0), ERR);
	/* Nothing at all, and a good one byte by byte. */
	ck_assert_uint_eq(command("", 0), ERR);
	ck_assert_uint_eq(command_cut(control, good, 3, 1), OK);
	/* No place for an answer. */
	gmem_write(&nic.gmem, buffer.gpa, good, 3);
	ring_add(&nic.rings[control], &buffer, 1);
	nic_kick(&nic, control);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, control), 0);
	ck_assert_uint_eq(atomic_load(&nic.reports), 0);
}
END_TEST

/* --- Several pairs ------------------------------------------------------- */

START_TEST(test_pairs_set)
{
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(nic.queues, 1);
	ck_assert_uint_eq(COMMAND(4, 0, NIC_PAIRS, 0), OK);
	ck_assert_uint_eq(nic.queues, NIC_PAIRS);
	ck_assert_uint_eq(COMMAND(4, 0, NIC_PAIRS + 1, 0), ERR);
	ck_assert_uint_eq(COMMAND(4, 0, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(4, 0, 1, 1), ERR);
	ck_assert_uint_eq(COMMAND(4, 0, 1), ERR);
	ck_assert_uint_eq(COMMAND(4, 0, 1, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(4, 1, 1, 0), ERR);
	ck_assert_uint_eq(nic.queues, NIC_PAIRS);
	ck_assert_uint_eq(COMMAND(4, 0, 1, 0), OK);
	ck_assert_uint_eq(nic.queues, 1);
	/* A new driver starts with one. */
	COMMAND(4, 0, 2, 0);
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(nic.queues, 1);
	nic_start(&nic, CTRL, _i);
	control = 2;
	ck_assert_uint_eq(COMMAND(4, 0, 1, 0), ERR);
	control = 2 * NIC_PAIRS;
}
END_TEST

/* A pair that is off takes nothing, and forgets nothing when it comes on. */
START_TEST(test_pairs)
{
	nic_start(&nic, MQ, _i);
	for (unsigned int pair = 0; pair < NIC_PAIRS; pair++) {
		nic_post(&nic, pair, 1526);
		nic_post(&nic, pair, 1526);
		nic_arrive(&nic, pair, 100 + pair, pair);
		nic_kick(&nic, 2 * pair);
	}
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 112);
	ck_assert(!nic_has_used(&nic, 2));
	ck_assert_uint_eq(COMMAND(4, 0, 2, 0), OK);
	ck_assert_uint_eq(nic_take(&nic, 2), 113);
	ck_assert(!nic_has_used(&nic, 4));
	ck_assert_uint_eq(COMMAND(4, 0, 1, 0), OK);
	nic_arrive(&nic, 1, 60, 1);
	nic_settle(&nic);
	ck_assert(!nic_has_used(&nic, 2));
	ck_assert_uint_eq(COMMAND(4, 0, 3, 0), OK);
	ck_assert_uint_eq(nic_take(&nic, 2), 72);
	ck_assert_uint_eq(nic_take(&nic, 4), 114);
	for (unsigned int pair = 0; pair < NIC_PAIRS; pair++) {
		struct virtio_net_hdr_v1 header;

		nic_send_frame(&nic, pair, 200, pair);
		nic_kick(&nic, 2 * pair + 1);
		nic_settle(&nic);
		ck_assert_int_eq(nic_leave(&nic, pair, &header, pair), 200);
	}
}
END_TEST

/* --- The link ------------------------------------------------------------ */

START_TEST(test_link)
{
	struct virtio_net_hdr_v1 header;

	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_STATUS), 0);
	nic_post(&nic, 0, 1526);
	nic_settle(&nic);
	virtio_net_set_link(&nic.device, true);
	ck_assert_uint_eq(atomic_load(&nic.config_interrupts), 0);
	virtio_net_set_link(&nic.device, false);
	ck_assert_uint_eq(atomic_load(&nic.config_interrupts), 1);
	ck_assert_uint_eq(config(6, 2), 0);
	/* What is sent is lost, what arrives waits. */
	nic_send_frame(&nic, 0, 100, 1);
	nic_kick(&nic, 1);
	nic_arrive(&nic, 0, 100, 1);
	nic_settle(&nic);
	nic_take(&nic, 1);
	ck_assert_int_eq(nic_leave(&nic, 0, &header, 1), -1);
	ck_assert(!nic_has_used(&nic, 0));
	virtio_net_set_link(&nic.device, true);
	ck_assert_uint_eq(atomic_load(&nic.config_interrupts), 2);
	ck_assert_uint_eq(config(6, 2), VIRTIO_NET_S_LINK_UP);
	nic_settle(&nic);
	ck_assert_uint_eq(nic_take(&nic, 0), 112);
}
END_TEST

START_TEST(test_announce)
{
	nic_start(&nic, MQ | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE), _i);
	virtio_net_announce(&nic.device);
	ck_assert_uint_eq(atomic_load(&nic.config_interrupts), 1);
	ck_assert_uint_eq(config(6, 2),
			  VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	ck_assert_uint_eq(COMMAND(3, 1), ERR);
	ck_assert_uint_eq(COMMAND(3, 0, 0), ERR);
	ck_assert_uint_eq(COMMAND(3, 0), OK);
	ck_assert_uint_eq(config(6, 2), VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(atomic_load(&nic.config_interrupts), 1);
	virtio_net_announce(&nic.device);
	nic_start(&nic, MQ, _i);
	ck_assert_uint_eq(config(6, 2), VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(COMMAND(3, 0), ERR);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/net");
	TCase *tcase = tcase_create("net");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_offers);
	tcase_add_test(tcase, test_config);
	tcase_add_test(tcase, test_feature_requirements);
	tcase_add_test(tcase, test_offloads_of_far_end);
	tcase_add_test(tcase, test_cannot_start);
	tcase_add_test(tcase, test_needs_contexts);
	tcase_add_loop_test(tcase, test_place_of_control_queue, 0, 4);
	tcase_add_loop_test(tcase, test_rx_modes, 0, 4);
	tcase_add_loop_test(tcase, test_mac_table, 0, 4);
	tcase_add_loop_test(tcase, test_mac_address, 0, 4);
	tcase_add_loop_test(tcase, test_guest_offloads, 0, 4);
	tcase_add_test(tcase, test_frames_from_before);
	tcase_add_loop_test(tcase, test_bad_commands, 0, 4);
	tcase_add_loop_test(tcase, test_pairs_set, 0, 4);
	tcase_add_loop_test(tcase, test_pairs, 0, 4);
	tcase_add_test(tcase, test_link);
	tcase_add_loop_test(tcase, test_announce, 0, 4);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
