/*
 * vhost-net of the real kernel between a driver's rings and a tap, in a network
 * namespace of each test's own. Without /dev/vhost-net, what hull says of that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tap.h"
#include "io/vhost.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"

#define RAM	 (4 * MIB)
#define RINGS	 0x10000ULL
#define BUFFERS	 0x100000ULL
#define SIZE	 16ULL
#define HEADER	 NET_HEADER_BYTES
#define BYTES	 200
#define TYPE	 0x88b5 /* for experiments, IEEE 802 */
#define BIT(n)	 (1ULL << (n))
/* VERSION_1, EVENT_IDX, INDIRECT_DESC, MRG_RXBUF (virtio 1.2, 5.1.3, 6). */
#define FEATURES (BIT(32) | BIT(29) | BIT(28) | BIT(15))

enum {
	RECEIVE,
	SEND,
};

static struct gmem gmem;
static struct net *net;
static struct net_engine *engine;
static struct err err;
static struct ring_driver rings[2];
static struct net_handover handover;
static int peer;

static bool has_vhost(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void add_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	/* The tap is of the namespace that its file was opened in. */
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	snprintf(ifr.ifr_name, IFNAMSIZ, "vm0");
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static void open_peer(void)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htobe16(TYPE),
		.sll_ifindex = (int)if_nametoindex("vm0"),
	};

	peer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, addr.sll_protocol);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(bind(peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static struct net_ring make_ring(int side)
{
	const struct virtq_features features = { .event_idx = true,
						 .indirect = true };
	const struct virtq_layout *layout = &rings[side].layout;

	ring_init(&rings[side], &gmem, RINGS + 0x2000 * (gpa_t)side, SIZE,
		  &features);
	ring_want_interrupt(&rings[side]);
	return (struct net_ring){
		.size = SIZE,
		.desc = gmem_ptr(&gmem, layout->desc, 1),
		.driver = gmem_ptr(&gmem, layout->driver, 1),
		.device = gmem_ptr(&gmem, layout->device, 1),
		.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
}

static void set_up(void)
{
	const struct tap_config config = { .name = "vm0", .queues = 1 };

	add_tap();
	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, &err), 0);
	ck_assert_int_eq(tap_new(&config, &net, &err), 0);
	open_peer();
	ck_assert_msg(vhost_new(&gmem, 1, &engine, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(engine->features & FEATURES, FEATURES);
	handover = (struct net_handover){
		.fd = net->fds[0],
		.features = FEATURES,
		.receive = make_ring(RECEIVE),
		.send = make_ring(SEND),
		.error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
}

static void tear_down(void)
{
	const int fds[] = { handover.receive.kick_fd, handover.receive.call_fd,
			    handover.send.kick_fd,    handover.send.call_fd,
			    handover.error_fd,	      peer };

	net_engine_free(engine);
	net_free(net);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	gmem_release(&gmem);
}

static void start(void)
{
	ck_assert_msg(net_engine_start(engine, 0, &handover, &err) == 0, "%s",
		      err.msg);
}

static void stop(void)
{
	net_engine_stop(engine, 0, &handover.receive.next, &handover.send.next);
}

static void kick(const struct net_ring *ring)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(ring->kick_fd, &one, sizeof(one)), sizeof(one));
}

/* Whether @fd becomes readable in time; then takes its count. */
static bool heard(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { fd, POLLIN, 0 };
	uint64_t count;

	return poll(&poll_fd, 1, timeout_ms) == 1 &&
	       read(fd, &count, sizeof(count)) == sizeof(count);
}

static void fill(uint8_t *frame, uint8_t seed)
{
	memset(frame, 0xff, 6);
	memset(frame + 6, 2, 6);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
	for (size_t i = NET_ETHERNET_BYTES; i < BYTES; i++)
		frame[i] = (uint8_t)(i * 7 + seed);
}

static void send_one(uint8_t seed)
{
	const struct ring_buffer buffer = { BUFFERS, HEADER + BYTES, false };
	uint8_t *bytes = gmem_ptr(&gmem, BUFFERS, HEADER + BYTES);
	uint8_t got[BYTES + 1];
	uint32_t id;
	uint32_t len;

	memset(bytes, 0, HEADER);
	fill(bytes + HEADER, seed);
	ring_add(&rings[SEND], &buffer, 1);
	kick(&handover.send);
	ck_assert(heard(handover.send.call_fd, 10000));
	ck_assert(ring_take(&rings[SEND], &id, &len));
	ring_want_interrupt(&rings[SEND]);
	ck_assert_int_eq(recv(peer, got, sizeof(got), 0), BYTES);
	ck_assert_mem_eq(got, bytes + HEADER, BYTES);
}

static void receive_one(uint8_t seed)
{
	const struct ring_buffer buffer = { BUFFERS + 4096, 2048, true };
	const uint8_t *bytes = gmem_ptr(&gmem, buffer.gpa, buffer.len);
	uint8_t frame[BYTES];
	uint32_t id;
	uint32_t len;

	fill(frame, seed);
	ck_assert_int_eq(send(peer, frame, BYTES, 0), BYTES);
	/* The host's own frames (IPv6) also come. */
	do {
		ring_add(&rings[RECEIVE], &buffer, 1);
		kick(&handover.receive);
		ck_assert(heard(handover.receive.call_fd, 10000));
		ck_assert(ring_take(&rings[RECEIVE], &id, &len));
		ring_want_interrupt(&rings[RECEIVE]);
	} while (bytes[HEADER + 12] != TYPE >> 8);
	ck_assert_uint_eq(len, HEADER + BYTES);
	/* num_buffers (5.1.6.4.1). */
	ck_assert_uint_eq(load_le16(bytes + 10), 1);
	ck_assert_mem_eq(bytes + HEADER, frame, BYTES);
}

START_TEST(test_frames)
{
	start();
	for (uint8_t i = 0; i < 2 * SIZE; i++) {
		send_one(i);
		receive_one(i);
	}
	stop();
	ck_assert_uint_eq(handover.send.next, 2 * SIZE);
	ck_assert_uint_eq(handover.receive.next, rings[RECEIVE].next_used);
	ck_assert(!heard(handover.error_fd, 0));
}
END_TEST

/* A ring that rests is left alone, and is taken up where it was left. */
START_TEST(test_rest)
{
	const struct ring_buffer buffer = { BUFFERS, HEADER + BYTES, false };
	uint8_t *bytes = gmem_ptr(&gmem, BUFFERS, HEADER + BYTES);
	uint8_t got[BYTES];

	start();
	send_one(1);
	stop();
	ck_assert_uint_eq(handover.send.next, 1);
	memset(bytes, 0, HEADER);
	fill(bytes + HEADER, 2);
	ring_add(&rings[SEND], &buffer, 1);
	kick(&handover.send);
	ck_assert(!heard(handover.send.call_fd, 300));
	/* The kick is ours to hear. */
	ck_assert(heard(handover.send.kick_fd, 0));
	kick(&handover.send);
	start();
	ck_assert(heard(handover.send.call_fd, 10000));
	ck_assert_int_eq(recv(peer, got, sizeof(got), 0), BYTES);
	stop();
	ck_assert_uint_eq(handover.send.next, 2);
	ck_assert_uint_eq(handover.receive.next, 0);
}
END_TEST

/* A head beyond the ring. */
START_TEST(test_bad_ring)
{
	start();
	ring_expose(&rings[SEND], SIZE);
	kick(&handover.send);
	ck_assert(heard(handover.error_fd, 10000));
	stop();
}
END_TEST

START_TEST(test_no_tap)
{
	handover.fd = handover.error_fd;
	ck_assert_int_lt(net_engine_start(engine, 0, &handover, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "vhost=off"));
	handover.fd = net->fds[0];
	start();
	send_one(1);
	stop();
}
END_TEST

START_TEST(test_pairs)
{
	struct net_engine *many = NULL;

	ck_assert_int_eq(vhost_new(&gmem, NET_MAX_QUEUES, &many, &err), 0);
	ck_assert_int_eq(
		net_engine_start(many, NET_MAX_QUEUES - 1, &handover, &err), 0);
	send_one(1);
	net_engine_stop(many, NET_MAX_QUEUES - 1, &handover.receive.next,
			&handover.send.next);
	net_engine_free(many);
}
END_TEST

START_TEST(test_missing)
{
	struct gmem none = { .region_count = 0 };

	engine = NULL;
	ck_assert_int_lt(vhost_new(&none, 1, &engine, &err), 0);
	ck_assert_ptr_null(engine);
	ck_assert_ptr_nonnull(strstr(err.msg, "/dev/vhost-net"));
	if (err.code == ENOENT)
		ck_assert_str_eq(
			err.msg,
			"this host has no /dev/vhost-net: modprobe vhost_net");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io/vhost");
	TCase *real = tcase_create("vhost-net");
	TCase *missing = tcase_create("missing");
	SRunner *runner = srunner_create(suite);
	bool usable = has_vhost() && geteuid() == 0;
	int failed;

	suite_add_tcase(suite, real);
	suite_add_tcase(suite, missing);
	tcase_add_checked_fixture(real, set_up, tear_down);
	tcase_set_timeout(real, 60);
	if (usable) {
		tcase_add_test(real, test_frames);
		tcase_add_test(real, test_rest);
		tcase_add_test(real, test_bad_ring);
		tcase_add_test(real, test_no_tap);
		tcase_add_test(real, test_pairs);
	} else {
		printf("skip unit/test_io_vhost # no /dev/vhost-net for us\n");
	}
	if (!has_vhost())
		tcase_add_test(missing, test_missing);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
