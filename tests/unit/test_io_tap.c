/*
 * Taps of the real kernel, in a network namespace of each test's own: found,
 * handed over, made on a bridge and gone again, frames both ways, and one
 * sentence for everything that cannot be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "io/tap.h"
#include "tests/unit/quick_check.h"

static struct net *net;
static struct err err;

/* Whether this host lets us have taps of our own; else says why not. */
static bool enter_namespace(bool quiet)
{
	int flags = CLONE_NEWNET | (geteuid() ? CLONE_NEWUSER : 0);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || unshare(flags)) {
		if (!quiet)
			printf("skip unit/test_io_tap # no taps of our own "
			       "here: %s: %s\n",
			       fd < 0 ? "/dev/net/tun" : "unshare",
			       err_describe(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	return true;
}

static void set_up(void)
{
	ck_assert(enter_namespace(true));
	err = (struct err){ 0 };
}

/* --- What an administrator does ------------------------------------------ */

/* A queue of the interface @name, which is made if need be. */
static int tun_open(const char *name, unsigned int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(flags | IFF_NO_PI) };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

/* As ip tuntap add. */
static void tun_add(const char *name, unsigned int flags)
{
	int fd = tun_open(name, flags);

	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static int interface(const char *name, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	ck_assert_int_ge(fd, 0);
	snprintf(ifr->ifr_name, IFNAMSIZ, "%s", name);
	rc = ioctl(fd, request, ifr) ? -errno : 0;
	close(fd);
	return rc;
}

static void add_bridge(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ioctl(fd, SIOCBRADDBR, name), 0);
	close(fd);
}

static bool is_up(const char *name)
{
	struct ifreq ifr = { 0 };

	ck_assert_int_eq(interface(name, SIOCGIFFLAGS, &ifr), 0);
	return ifr.ifr_flags & IFF_UP;
}

static int mtu_of(const char *name)
{
	struct ifreq ifr = { 0 };

	ck_assert_int_eq(interface(name, SIOCGIFMTU, &ifr), 0);
	return ifr.ifr_mtu;
}

/* The other end: a socket that sees all frames of the interface. */
static int peer_open(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htobe16(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, addr.sll_protocol);

	ck_assert_int_ge(fd, 0);
	addr.sll_ifindex = (int)if_nametoindex(name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* --- Ours ---------------------------------------------------------------- */

static int new_by_name(const char *name, unsigned int queues)
{
	const struct tap_config config = { .name = name, .queues = queues };

	return tap_new(&config, &net, &err);
}

/* The sentence names @what, and nothing was made. */
static void assert_refused(int rc, int code, const char *what)
{
	ck_assert_int_eq(rc, -code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, what) != NULL, "\"%s\" lacks \"%s\"",
		      err.msg, what);
	ck_assert_ptr_null(net);
	ck_assert_uint_eq(if_nametoindex("hull0"), 0);
}

#define ETHERTYPE_TEST 0x88b5 /* for experiments, IEEE 802 */

static size_t make_frame(uint8_t *frame, size_t size, uint8_t seed)
{
	memset(frame, 0xff, 6);
	memset(frame + 6, 2, 6);
	frame[12] = ETHERTYPE_TEST >> 8;
	frame[13] = ETHERTYPE_TEST & 0xff;
	for (size_t i = NET_ETHERNET_BYTES; i < size; i++)
		frame[i] = (uint8_t)(i * 7 + seed);
	return size;
}

/* The next frame that is one of ours, in two parts; other programs of the
 * namespace (IPv6) also send. */
static size_t receive(unsigned int queue, uint8_t *header, uint8_t *frame,
		      size_t size)
{
	const struct iovec iov[] = { { header, NET_HEADER_BYTES },
				     { frame, 20 },
				     { frame + 20, size - 20 } };
	ssize_t got;

	do {
		struct pollfd fds = { net->fds[queue], POLLIN, 0 };

		ck_assert_int_eq(poll(&fds, 1, 5000), 1);
		got = net_receive(net, queue, iov, 3);
		ck_assert_int_ge(got, NET_HEADER_BYTES);
	} while (frame[12] != ETHERTYPE_TEST >> 8);
	return (size_t)got - NET_HEADER_BYTES;
}

static void check_frames(const char *name)
{
	uint8_t header[NET_HEADER_BYTES] = { 0 };
	uint8_t sent[1000];
	uint8_t got[1600] = { 0 };
	size_t size = make_frame(sent, sizeof(sent), 1);
	const struct iovec iov[] = { { header, sizeof(header) },
				     { sent, 100 },
				     { sent + 100, size - 100 } };
	int peer = peer_open(name);

	ck_assert_int_eq(net_send(net, 0, iov, 3),
			 (int)size + NET_HEADER_BYTES);
	do
		ck_assert_int_ge(recv(peer, got, sizeof(got), 0), 60);
	while (got[12] != ETHERTYPE_TEST >> 8);
	ck_assert_mem_eq(got, sent, size);
	make_frame(sent, sizeof(sent), 2);
	ck_assert_int_eq(send(peer, sent, size, 0), (int)size);
	ck_assert_uint_eq(receive(0, header, got, sizeof(got)), size);
	ck_assert_mem_eq(got, sent, size);
	close(peer);
}

/* --- By name ------------------------------------------------------------- */

START_TEST(test_by_name)
{
	uint8_t frame[1600];
	const struct iovec iov = { frame, sizeof(frame) };
	struct ifreq ifr = { .ifr_mtu = 1400 };
	ssize_t got;

	tun_add("vm0", IFF_TAP);
	ck_assert_int_eq(interface("vm0", SIOCSIFMTU, &ifr), 0);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	ck_assert_str_eq(net->name, "vm0");
	ck_assert_uint_eq(net->queue_count, 1);
	ck_assert_uint_eq(net->mtu, 1400);
	ck_assert_uint_eq(net->offloads & NET_OFFLOAD_CSUM, NET_OFFLOAD_CSUM);
	ck_assert(is_up("vm0"));
	ck_assert_int_ne(fcntl(net->fds[0], F_GETFD) & FD_CLOEXEC, 0);
	check_frames("vm0");
	do
		got = net_receive(net, 0, &iov, 1);
	while (got > 0);
	ck_assert_int_eq(got, -EAGAIN);
	net_free(net);
	/* It is the administrator's and stays. */
	ck_assert_uint_ne(if_nametoindex("vm0"), 0);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	net_free(net);
}
END_TEST

START_TEST(test_cut_frames_show)
{
	uint8_t header[NET_HEADER_BYTES];
	uint8_t sent[200];
	uint8_t got[100];
	int peer;

	tun_add("vm0", IFF_TAP);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	peer = peer_open("vm0");
	make_frame(sent, sizeof(sent), 1);
	/* One byte too long for what is there, which is what is told. */
	ck_assert_int_eq(send(peer, sent, sizeof(got) + 1, 0),
			 (int)sizeof(got) + 1);
	ck_assert_uint_ge(receive(0, header, got, sizeof(got)), sizeof(got));
	close(peer);
	net_free(net);
}
END_TEST

START_TEST(test_mtu)
{
	struct tap_config config = { .name = "vm0", .queues = 1, .mtu = 9000 };

	tun_add("vm0", IFF_TAP);
	ck_assert_int_eq(tap_new(&config, &net, &err), 0);
	ck_assert_uint_eq(net->mtu, 9000);
	ck_assert_int_eq(mtu_of("vm0"), 9000);
	net_free(net);
	net = NULL;
	config.mtu = 67;
	assert_refused(tap_new(&config, &net, &err), EINVAL, "67");
}
END_TEST

START_TEST(test_busy)
{
	int other;

	tun_add("vm0", IFF_TAP);
	other = tun_open("vm0", IFF_TAP);
	assert_refused(new_by_name("vm0", 1), EBUSY, "vm0");
	assert_refused(new_by_name("vm0", 2), EBUSY, "vm0");
	close(other);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	net_free(net);
}
END_TEST

/* Then the kernel would let us in, and frames would go here and there. */
START_TEST(test_busy_with_several_queues)
{
	int other;

	tun_add("vm0", IFF_TAP | IFF_MULTI_QUEUE);
	other = tun_open("vm0", IFF_TAP | IFF_MULTI_QUEUE);
	assert_refused(new_by_name("vm0", 2), EBUSY, "vm0");
	assert_refused(new_by_name("vm0", 1), EBUSY, "vm0");
	close(other);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	check_frames("vm0");
	net_free(net);
}
END_TEST

START_TEST(test_not_there)
{
	assert_refused(new_by_name("vm0", 1), ENODEV, "ip tuntap add vm0");
	ck_assert_ptr_null(strstr(err.msg, "multi_queue"));
	assert_refused(new_by_name("vm0", 2), ENODEV, "multi_queue");
	/* No pattern, and nothing that does not fit. */
	assert_refused(new_by_name("vm%d", 1), ENODEV, "vm%d");
	assert_refused(new_by_name("", 1), ENODEV, "no tap");
	assert_refused(new_by_name("a-name-of-sixtee", 1), ENODEV, "sixtee");
	ck_assert_uint_eq(if_nametoindex("vm0"), 0);
}
END_TEST

START_TEST(test_not_a_tap)
{
	assert_refused(new_by_name("lo", 1), EINVAL, "lo is no tap");
	tun_add("tun0", IFF_TUN);
	assert_refused(new_by_name("tun0", 1), EINVAL, "tun0");
	tun_add("vm0", IFF_TAP);
	assert_refused(new_by_name("vm0", 2), EINVAL, "multi_queue");
}
END_TEST

START_TEST(test_not_permitted)
{
	int fd = tun_open("vm0", IFF_TAP);

	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	ck_assert_int_eq(ioctl(fd, TUNSETOWNER, 12345), 0);
	close(fd);
	/* Another namespace of users has no say over this one's networks. */
	if (unshare(CLONE_NEWUSER) == 0)
		assert_refused(new_by_name("vm0", 1), EPERM, "CAP_NET_ADMIN");
	else
		ck_assert_int_ne(errno, EINVAL);
}
END_TEST

/* --- Several queues ------------------------------------------------------ */

START_TEST(test_queues)
{
	uint8_t header[NET_HEADER_BYTES];
	uint8_t frame[1600];
	unsigned int seen[3] = { 0 };
	int peer;

	tun_add("vm0", IFF_TAP | IFF_MULTI_QUEUE);
	ck_assert_int_eq(new_by_name("vm0", 3), 0);
	ck_assert_uint_eq(net->queue_count, 3);
	peer = peer_open("vm0");
	ck_assert_int_eq(net_set_queues(net, 3), 0);
	ck_assert_int_eq(net_set_queues(net, 1), 0);
	for (uint8_t i = 0; i < 20; i++) {
		make_frame(frame, 100, i);
		ck_assert_int_eq(send(peer, frame, 100, 0), 100);
		ck_assert_uint_eq(receive(0, header, frame, sizeof(frame)),
				  100);
	}
	/* With two, a queue that sends a flow gets its answers; what the
	 * kernel does not know goes anywhere but to the third. */
	ck_assert_int_eq(net_set_queues(net, 2), 0);
	for (uint8_t i = 0; i < 50; i++) {
		struct pollfd fds[] = { { net->fds[0], POLLIN, 0 },
					{ net->fds[1], POLLIN, 0 },
					{ net->fds[2], POLLIN, 0 } };

		make_frame(frame, 100, i);
		frame[5] = i;
		ck_assert_int_eq(send(peer, frame, 100, 0), 100);
		poll(fds, 2, 5000);
		for (unsigned int q = 0; q < 2; q++)
			seen[q] += fds[q].revents & POLLIN;
		for (unsigned int q = 0; q < 2; q++) {
			const struct iovec iov = { frame, sizeof(frame) };

			while (net_receive(net, q, &iov, 1) > 0)
				;
		}
		ck_assert(!(fds[2].revents & POLLIN));
	}
	ck_assert_uint_ge(seen[0] + seen[1], 50);
	close(peer);
	net_free(net);
}
END_TEST

/* --- Offloads ------------------------------------------------------------ */

/* Every subset that drivers can ask for is taken. */
START_TEST(test_offloads)
{
	tun_add("vm0", IFF_TAP);
	ck_assert_int_eq(new_by_name("vm0", 1), 0);
	ck_assert_uint_eq(net->offloads & 0xf, 0xf);
	for (unsigned int offloads = 0; offloads < 64; offloads++) {
		if (!(offloads & ~net->offloads))
			ck_assert_int_eq(net_set_offloads(net, offloads), 0);
	}
	net_free(net);
}
END_TEST

/* --- By fd --------------------------------------------------------------- */

static int new_by_fds(const int *fds, unsigned int queues)
{
	const struct tap_config config = { .fds = fds, .queues = queues };

	return tap_new(&config, &net, &err);
}

START_TEST(test_by_fd)
{
	int fds[2] = { tun_open("vm0", IFF_TAP | IFF_VNET_HDR), -1 };
	struct ifreq ifr = { .ifr_flags = IFF_UP };

	ck_assert_int_eq(interface("vm0", SIOCSIFFLAGS, &ifr), 0);
	ck_assert_int_eq(new_by_fds(fds, 1), 0);
	ck_assert_str_eq(net->name, "vm0");
	ck_assert_int_ne(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	check_frames("vm0");
	net_free(net);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	for (int i = 0; i < 2; i++)
		fds[i] = tun_open("vm1",
				  IFF_TAP | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	ck_assert_int_eq(new_by_fds(fds, 2), 0);
	ck_assert_uint_eq(net->queue_count, 2);
	ck_assert_int_eq(net_set_queues(net, 2), 0);
	net_free(net);
}
END_TEST

START_TEST(test_bad_fds)
{
	int fds[2] = { 900, -1 };
	char name[16];

	assert_refused(new_by_fds(fds, 1), EBADF, "fd 900");
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_refused(new_by_fds(fds, 1), EINVAL, "is no tap");
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	/* A tun without an interface, with an IP one, without headers. */
	fds[0] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_refused(new_by_fds(fds, 1), EINVAL, "is no tap");
	fds[0] = tun_open("tun0", IFF_TUN | IFF_VNET_HDR);
	assert_refused(new_by_fds(fds, 1), EINVAL, "is no tap");
	fds[0] = tun_open("vm0", IFF_TAP);
	assert_refused(new_by_fds(fds, 1), EINVAL, "IFF_VNET_HDR");
	/* Two taps for one NIC. */
	fds[0] = tun_open("vm1", IFF_TAP | IFF_VNET_HDR);
	fds[1] = tun_open("vm2", IFF_TAP | IFF_VNET_HDR);
	snprintf(name, sizeof(name), "fd %d is", fds[1]);
	assert_refused(new_by_fds(fds, 2), EINVAL, name);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(fcntl(fds[i], F_GETFD), -1);
}
END_TEST

/* --- On a bridge --------------------------------------------------------- */

START_TEST(test_on_bridge)
{
	struct tap_config config = { .bridge = "br0",
				     .queues = 1,
				     .mac = { 2, 1, 2, 3, 4, 5 } };
	struct ifreq ifr = { .ifr_mtu = 1300 };
	struct net *second;

	add_bridge("br0");
	ck_assert_int_eq(interface("br0", SIOCSIFMTU, &ifr), 0);
	ck_assert_int_eq(tap_new(&config, &net, &err), 0);
	ck_assert_str_eq(net->name, "hull0");
	ck_assert_uint_eq(net->mtu, 1300);
	ck_assert(is_up("hull0"));
	ck_assert_int_eq(interface("hull0", SIOCGIFHWADDR, &ifr), 0);
	ck_assert_mem_eq(ifr.ifr_hwaddr.sa_data, "\xfe\1\2\3\4\5", 6);
	config.mtu = 1200;
	config.queues = 4;
	config.mac[0] = 0xfe;
	ck_assert_int_eq(tap_new(&config, &second, &err), 0);
	ck_assert_str_eq(second->name, "hull1");
	ck_assert_uint_eq(second->mtu, 1200);
	ck_assert_int_eq(interface("hull1", SIOCGIFHWADDR, &ifr), 0);
	ck_assert_mem_eq(ifr.ifr_hwaddr.sa_data, "\xfa\1\2\3\4\5", 6);
	/* Ports of one bridge: what one sends the other gets. */
	ifr.ifr_flags = IFF_UP;
	ck_assert_int_eq(interface("br0", SIOCSIFFLAGS, &ifr), 0);
	{
		uint8_t header[NET_HEADER_BYTES] = { 0 };
		uint8_t frame[64];
		uint8_t got[1600];
		const struct iovec iov[] = { { header, sizeof(header) },
					     { frame, sizeof(frame) } };

		make_frame(frame, sizeof(frame), 9);
		ck_assert_int_gt(net_send(second, 3, iov, 2), 0);
		ck_assert_uint_eq(receive(0, header, got, sizeof(got)), 64);
		ck_assert_mem_eq(got, frame, sizeof(frame));
	}
	net_free(net);
	net_free(second);
	ck_assert_uint_eq(if_nametoindex("hull0"), 0);
	ck_assert_uint_eq(if_nametoindex("hull1"), 0);
}
END_TEST

START_TEST(test_bad_bridges)
{
	struct tap_config config = { .bridge = "br0", .queues = 1 };

	assert_refused(tap_new(&config, &net, &err), ENODEV,
		       "there is no bridge br0");
	config.bridge = "lo";
	assert_refused(tap_new(&config, &net, &err), EINVAL, "lo is no bridge");
	add_bridge("br0");
	config.bridge = "br0";
	config.mtu = 10;
	assert_refused(tap_new(&config, &net, &err), EINVAL, "MTU");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("io/tap");
	TCase *tcase = tcase_create("tap");

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_by_name);
	tcase_add_test(tcase, test_cut_frames_show);
	tcase_add_test(tcase, test_mtu);
	tcase_add_test(tcase, test_busy);
	tcase_add_test(tcase, test_busy_with_several_queues);
	tcase_add_test(tcase, test_not_there);
	tcase_add_test(tcase, test_not_a_tap);
	tcase_add_test(tcase, test_not_permitted);
	tcase_add_test(tcase, test_queues);
	tcase_add_test(tcase, test_offloads);
	tcase_add_test(tcase, test_by_fd);
	tcase_add_test(tcase, test_bad_fds);
	tcase_add_test(tcase, test_on_bridge);
	tcase_add_test(tcase, test_bad_bridges);
	return suite;
}

/* Tests enter namespaces of their own; this one only looks whether they can. */
static bool can_run(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(enter_namespace(false) ? 0 : 1);
	waitpid(pid, &status, 0);
	return status == 0;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (!can_run())
		return EXIT_SUCCESS;
	runner = srunner_create(make_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
