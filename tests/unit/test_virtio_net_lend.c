/*
 * The network device whose frames somebody else moves: an engine that the test
 * plays, as the kernel's is one. What is handed over, when it starts and stops,
 * and whose the kicks and interrupts are.
 */
#include "tests/unit/virtio_net_driver.h"

#define LENT (NIC_BASIC | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define MQ   (LENT | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ))

struct pair {
	bool running;
	unsigned int starts;
	struct net_handover handover;
	uint16_t next[2]; /* where it is when it is stopped */
	uint8_t status_at_stop;
};

static struct nic nic;
static struct net_engine engine;
static struct pair pairs[NIC_PAIRS];
static int start_error;
static int followed[NIC_QUEUES];
static struct virtio_transport_ops transport;

/* --- The engine ---------------------------------------------------------- */

static int engine_start(struct net_engine *self, unsigned int index,
			const struct net_handover *handover, struct err *err)
{
	struct pair *pair = &pairs[index];

	ck_assert_ptr_eq(self, &engine);
	ck_assert(!pair->running);
	if (start_error)
		return err_set(err, start_error, "the engine is broken");
	pair->running = true;
	pair->starts++;
	pair->handover = *handover;
	return 0;
}

static void engine_stop(struct net_engine *self, unsigned int index,
			uint16_t *ret_receive_next, uint16_t *ret_send_next)
{
	struct pair *pair = &pairs[index];

	ck_assert_ptr_eq(self, &engine);
	ck_assert(pair->running);
	pair->running = false;
	pair->status_at_stop = atomic_load(&nic.device.device.status);
	*ret_receive_next = pair->next[0];
	*ret_send_next = pair->next[1];
}

static const struct net_engine_ops engine_ops = {
	.start = engine_start,
	.stop = engine_stop,
};

static void on_follow(struct virtio_device *device, unsigned int index, int fd)
{
	ck_assert_ptr_eq(device, &nic.device.device);
	followed[index] = fd;
}

static void set_up(void)
{
	const struct virtio_net_params values = { .engine = &engine };

	engine = (struct net_engine){ .ops = &engine_ops,
				      .features = BIT(28) | BIT(29) | BIT(32) |
						  BIT(15) };
	memset(pairs, 0, sizeof(pairs));
	start_error = 0;
	nic_init_with(&nic, NIC_PAIRS, &values);
	transport = nic_transport;
	transport.follow = on_follow;
	nic.device.device.transport = &transport;
	for (unsigned int i = 0; i < NIC_QUEUES; i++)
		followed[i] = -1;
}

static void tear_down(void)
{
	nic_release(&nic);
	for (unsigned int i = 0; i < NIC_PAIRS; i++)
		ck_assert(!pairs[i].running);
	for (unsigned int i = 0; i < NIC_QUEUES; i++)
		ck_assert_int_eq(followed[i], -1);
}

static void write_fd(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static bool take_kick(const struct net_ring *ring)
{
	uint64_t count;

	return read(ring->kick_fd, &count, sizeof(count)) == sizeof(count);
}

/* --- Tests --------------------------------------------------------------- */

START_TEST(test_offer)
{
	const uint64_t features = nic.device.device.offered;

	ck_assert(!(features & BIT(34)));
	ck_assert_uint_eq(features & engine.features, engine.features);
	ck_assert(features & BIT(VIRTIO_NET_F_CTRL_VQ));
	/* An engine that knows less. */
	tear_down();
	set_up();
	virtio_net_release(&nic.device);
	engine.features = BIT(32);
	ck_assert_int_eq(
		virtio_net_init(&nic.device,
				&(struct virtio_net_params){
					.net = &nic.net, .engine = &engine },
				&(struct virtio_env){ .gmem = &nic.gmem },
				NULL),
		0);
	ck_assert_uint_eq(nic.device.device.offered &
				  (BIT(28) | BIT(29) | BIT(34) | BIT(15)),
			  0);
	ck_assert(nic.device.device.offered & BIT(32));
}
END_TEST

static void check_ring(const struct net_ring *ring, unsigned int index)
{
	const struct virtq_layout *layout = &nic.rings[index].layout;

	ck_assert_uint_eq(ring->size, NIC_SIZE);
	ck_assert_uint_eq(ring->next, 0);
	ck_assert_ptr_eq(ring->desc, gmem_ptr(&nic.gmem, layout->desc, 1));
	ck_assert_ptr_eq(ring->driver, gmem_ptr(&nic.gmem, layout->driver, 1));
	ck_assert_ptr_eq(ring->device, gmem_ptr(&nic.gmem, layout->device, 1));
	ck_assert_int_eq(ring->kick_fd,
			 nic.device.device.queues[index].kick_fd);
	ck_assert_int_eq(ring->call_fd, followed[index]);
}

START_TEST(test_handover)
{
	const struct net_handover *handover = &pairs[0].handover;

	ck_assert(!virtio_net_is_lent(&nic.device, 0));
	nic_start(&nic, LENT, NIC_EVENT_IDX);
	ck_assert(pairs[0].running);
	ck_assert(!pairs[1].running);
	ck_assert_int_eq(handover->fd, nic.net.fds[0]);
	ck_assert_uint_eq(handover->features, LENT | BIT(28) | BIT(29));
	check_ring(&handover->receive, 0);
	check_ring(&handover->send, 1);
	ck_assert_int_ne(handover->receive.call_fd, handover->send.call_fd);
	ck_assert(virtio_net_is_lent(&nic.device, 0));
	ck_assert(!virtio_net_is_lent(&nic.device, 1));
	/* What was there before DRIVER_OK is to be looked for. */
	ck_assert(take_kick(&handover->send));
	nic_set_status(&nic, 0);
	ck_assert(!pairs[0].running);
	/* Stopped before the reset was acknowledged. */
	ck_assert_uint_eq(pairs[0].status_at_stop, 15);
	ck_assert_int_eq(followed[0], -1);
	ck_assert_int_eq(followed[1], -1);
	/* The last driver's, as statistics have it. */
	ck_assert(virtio_net_is_lent(&nic.device, 0));
}
END_TEST

/* Kicks and frames are the engine's alone. */
START_TEST(test_hands_off)
{
	nic_start(&nic, LENT, NIC_EVENT_IDX);
	take_kick(&pairs[0].handover.send);
	nic_post(&nic, 0, 1526);
	nic_arrive(&nic, 0, 100, 1);
	nic_send_frame(&nic, 0, 100, 1);
	ck_assert(nic_kick(&nic, 0));
	ck_assert(nic_kick(&nic, 1));
	nic_settle(&nic);
	ck_assert(!nic_has_used(&nic, 0));
	ck_assert(!nic_has_used(&nic, 1));
	ck_assert(take_kick(&pairs[0].handover.receive));
	ck_assert(take_kick(&pairs[0].handover.send));
	ck_assert_uint_eq(
		atomic_load(&nic.device.device.queues[1].counters.kicks), 0);
	ck_assert_uint_eq(nic_rx_stats(&nic, 0).packets, 0);
	ck_assert_uint_eq(nic_tx_stats(&nic, 0).packets, 0);
}
END_TEST

START_TEST(test_interrupts)
{
	int fd;

	nic_start(&nic, LENT, 0);
	fd = pairs[0].handover.receive.call_fd;
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 0);
	write_fd(fd);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[1]), 0);
	write_fd(pairs[0].handover.send.call_fd);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[1]), 1);
	/* None after a reset, and none for the next driver. */
	nic_set_status(&nic, 0);
	write_fd(fd);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
	nic_start(&nic, LENT, 0);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 0);
	/* What the engine writes while it starts is not lost. */
	write_fd(pairs[0].handover.receive.call_fd);
	nic_settle(&nic);
	ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
}
END_TEST

START_TEST(test_engine_gives_up)
{
	nic_start(&nic, LENT, 0);
	nic_settle(&nic);
	ck_assert(!virtio_device_failed(&nic.device.device));
	write_fd(pairs[0].handover.error_fd);
	nic_settle(&nic);
	ck_assert(virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(atomic_load(&nic.reports), 1);
	nic_start(&nic, LENT, 0);
	nic_settle(&nic);
	ck_assert(!virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(pairs[0].starts, 2);
}
END_TEST

START_TEST(test_cannot_start)
{
	start_error = EFAULT;
	ck_assert(nic_agree(&nic, LENT));
	for (unsigned int i = 0; i < 2; i++) {
		ring_init(&nic.rings[i], &nic.gmem, NIC_RINGS + 0x2000ULL * i,
			  NIC_SIZE, &(struct virtq_features){ 0 });
		nic.device.device.queues[i].layout = nic.rings[i].layout;
		virtio_queue_enable(&nic.device.device.queues[i]);
	}
	nic_set_status(&nic, 15);
	ck_assert(virtio_device_failed(&nic.device.device));
	ck_assert_uint_eq(atomic_load(&nic.reports), 1);
	start_error = 0;
	nic_start(&nic, LENT, 0);
	ck_assert(pairs[0].running);
}
END_TEST

/* A driver that does not take MRG_RXBUF, before and after one that does. */
START_TEST(test_own_path)
{
	for (int i = 0; i < 3; i++) {
		struct virtio_net_hdr_v1 header;
		uint64_t features = i == 1 ? LENT : NIC_BASIC;

		nic_start(&nic, features, NIC_EVENT_IDX);
		ck_assert_int_eq(pairs[0].running, i == 1);
		ck_assert_int_eq(virtio_net_is_lent(&nic.device, 0), i == 1);
		if (i == 1)
			continue;
		ck_assert_int_eq(followed[0], -1);
		nic_post(&nic, 0, 1526);
		nic_kick(&nic, 0);
		nic_arrive(&nic, 0, 100, 1);
		nic_send_frame(&nic, 0, 80, 2);
		nic_kick(&nic, 1);
		nic_settle(&nic);
		ck_assert_uint_eq(nic_take(&nic, 0), 112);
		ck_assert_uint_eq(atomic_load(&nic.interrupts[0]), 1);
		ck_assert_int_eq(nic_leave(&nic, 0, &header, 2), 80);
	}
}
END_TEST

/* Only queues that are there are lent. */
START_TEST(test_half_a_pair)
{
	ck_assert(nic_agree(&nic, LENT));
	ring_init(&nic.rings[0], &nic.gmem, NIC_RINGS, NIC_SIZE,
		  &(struct virtq_features){ 0 });
	nic.device.device.queues[0].layout = nic.rings[0].layout;
	virtio_queue_enable(&nic.device.device.queues[0]);
	nic_set_status(&nic, 15);
	ck_assert(!virtio_device_failed(&nic.device.device));
	ck_assert(!pairs[0].running);
	ck_assert_int_eq(followed[0], -1);
}
END_TEST

/* VQ_PAIRS_SET of the control queue, which stays ours. */
static uint8_t set_pairs(uint8_t count)
{
	const uint8_t bytes[] = { 4, 0, count, 0 };
	struct ring_buffer buffers[] = {
		{ nic_alloc(&nic, 4), 4, false },
		{ nic_alloc(&nic, 1), 1, true },
	};
	uint8_t ack;

	gmem_write(&nic.gmem, buffers[0].gpa, bytes, sizeof(bytes));
	ring_add(&nic.rings[NIC_QUEUES - 1], buffers, 2);
	nic_kick(&nic, NIC_QUEUES - 1);
	ck_assert_uint_eq(nic_take(&nic, NIC_QUEUES - 1), 1);
	gmem_read(&nic.gmem, buffers[1].gpa, &ack, 1);
	return ack;
}

START_TEST(test_pairs)
{
	nic_start(&nic, MQ, 0);
	for (unsigned int i = 0; i < NIC_PAIRS; i++) {
		ck_assert_int_eq(pairs[i].running, i == 0);
		ck_assert(virtio_net_is_lent(&nic.device, i));
		ck_assert_int_ge(followed[2 * (size_t)i], 0);
	}
	ck_assert_int_eq(followed[NIC_QUEUES - 1], -1);
	ck_assert_uint_eq(set_pairs(2), 0);
	ck_assert(pairs[1].running && !pairs[2].running);
	ck_assert_uint_eq(nic.queues, 2);
	ck_assert_uint_eq(pairs[0].starts, 1);
	check_ring(&pairs[1].handover.receive, 2);
	check_ring(&pairs[1].handover.send, 3);
	ck_assert_int_eq(pairs[1].handover.fd, nic.net.fds[1]);
	/* Taken up where it was left. */
	pairs[1].next[0] = 7;
	pairs[1].next[1] = 65535;
	ck_assert_uint_eq(set_pairs(1), 0);
	ck_assert(!pairs[1].running);
	ck_assert_uint_eq(set_pairs(3), 0);
	ck_assert(pairs[1].running && pairs[2].running);
	ck_assert_uint_eq(pairs[1].handover.receive.next, 7);
	ck_assert_uint_eq(pairs[1].handover.send.next, 65535);
	ck_assert_uint_eq(pairs[2].handover.send.next, 0);
	/* What cannot be is answered so. */
	ck_assert_uint_eq(set_pairs(2), 0);
	start_error = ENOMEM;
	ck_assert_uint_eq(set_pairs(3), VIRTIO_NET_ERR);
	start_error = 0;
}
END_TEST

/* Without MQ the queues behind the first pair are no pairs. */
START_TEST(test_control_queue_in_their_place)
{
	nic_start(&nic, LENT | BIT(VIRTIO_NET_F_CTRL_VQ), 0);
	ck_assert(pairs[0].running);
	ck_assert_int_eq(followed[2], -1);
	ck_assert(!virtio_net_is_lent(&nic.device, 1));
}
END_TEST

START_TEST(test_link)
{
	nic_start(&nic, LENT | BIT(VIRTIO_NET_F_STATUS), 0);
	pairs[0].next[1] = 3;
	virtio_net_set_link(&nic.device, false);
	ck_assert(!pairs[0].running);
	virtio_net_set_link(&nic.device, true);
	ck_assert(pairs[0].running);
	ck_assert(!pairs[1].running);
	ck_assert_uint_eq(pairs[0].handover.send.next, 3);
	virtio_net_set_link(&nic.device, false);
	nic_start(&nic, LENT | BIT(VIRTIO_NET_F_STATUS), 0);
	ck_assert(!pairs[0].running);
	start_error = EIO;
	virtio_net_set_link(&nic.device, true);
	ck_assert(virtio_device_failed(&nic.device.device));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/net lending");
	TCase *tcase = tcase_create("lend");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_offer);
	tcase_add_test(tcase, test_handover);
	tcase_add_test(tcase, test_hands_off);
	tcase_add_test(tcase, test_interrupts);
	tcase_add_test(tcase, test_engine_gives_up);
	tcase_add_test(tcase, test_cannot_start);
	tcase_add_test(tcase, test_own_path);
	tcase_add_test(tcase, test_half_a_pair);
	tcase_add_test(tcase, test_pairs);
	tcase_add_test(tcase, test_control_queue_in_their_place);
	tcase_add_test(tcase, test_link);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
