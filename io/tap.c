#include "io/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TUN_DEVICE "/dev/net/tun"
/* The kernel puts the first free number in. */
#define NEW_NAME   "hull%d"

/* linux/if_tun.h from Linux 6.2 on. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define BASE_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

#define OFFLOADS_BASE                                             \
	(NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | \
	 NET_OFFLOAD_ECN)
#define OFFLOADS_USO (NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6)

struct tap {
	struct net net;
	char name[IFNAMSIZ];
	int control; /* a socket for questions about interfaces */
	unsigned int opened; /* queues that have an fd */
	unsigned int attached; /* of them, at which frames arrive */
};

/* --- Asking about interfaces --------------------------------------------- */

/* @name fits, since there is such an interface. */
static int ask(const struct tap *tap, const char *name, unsigned long request,
	       struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(tap->control, request, ifr) ? -errno : 0;
}

static bool exists(const struct tap *tap, const char *name)
{
	struct ifreq ifr = { 0 };

	return strlen(name) < IFNAMSIZ &&
	       ask(tap, name, SIOCGIFINDEX, &ifr) == 0;
}

/* What kind of interface @name is: its driver and, for tun, which of two. */
static bool is_kind(const struct tap *tap, const char *name, const char *driver,
		    const char *bus)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { 0 };

	ifr.ifr_data = (char *)&info;
	return ask(tap, name, SIOCETHTOOL, &ifr) == 0 &&
	       strncmp(info.driver, driver, sizeof(info.driver)) == 0 &&
	       (!bus ||
		strncmp(info.bus_info, bus, sizeof(info.bus_info)) == 0);
}

/* Whether anybody has a queue of this tap open: it has carrier then. It must
 * be up. */
static bool is_open(const struct tap *tap, const char *name)
{
	struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = { 0 };

	ifr.ifr_data = (char *)&link;
	return ask(tap, name, SIOCETHTOOL, &ifr) == 0 && link.data;
}

/* 0 when it cannot be known: an interface of another namespace. */
static unsigned int read_mtu(const struct tap *tap, const char *name)
{
	struct ifreq ifr = { 0 };

	return ask(tap, name, SIOCGIFMTU, &ifr) ? 0 : (unsigned int)ifr.ifr_mtu;
}

static int set_mtu(const struct tap *tap, unsigned int mtu, struct err *err)
{
	struct ifreq ifr = { 0 };
	int rc;

	if (read_mtu(tap, tap->name) == mtu)
		return 0;
	ifr.ifr_mtu = (int)mtu;
	rc = ask(tap, tap->name, SIOCSIFMTU, &ifr);
	if (rc == -EPERM)
		return err_set(err, EPERM,
			       "may not set the MTU of tap %s without "
			       "CAP_NET_ADMIN: ip link set %s mtu %u",
			       tap->name, tap->name, mtu);
	if (rc)
		return err_sys(err, -rc, "cannot set the MTU of tap %s to %u",
			       tap->name, mtu);
	return 0;
}

static int bring_up(const struct tap *tap, const char *name)
{
	struct ifreq ifr = { 0 };
	int rc = ask(tap, name, SIOCGIFFLAGS, &ifr);

	if (rc || (ifr.ifr_flags & IFF_UP))
		return rc;
	ifr.ifr_flags |= IFF_UP;
	return ask(tap, name, SIOCSIFFLAGS, &ifr);
}

/* --- The queues ---------------------------------------------------------- */

static int open_tun(struct err *err)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_set(err, errno,
			       "this host has no " TUN_DEVICE
			       ", so no taps: modprobe tun");
	case EACCES:
	case EPERM:
		return err_set(err, errno,
			       "may not open " TUN_DEVICE
			       ": its mode should be 0666");
	default:
		return err_sys(err, errno, "cannot open " TUN_DEVICE);
	}
}

/* Makes @fd a queue of the tap @name, a pattern for a new one. */
static int attach(int fd, const char *name, unsigned int flags,
		  char ret_name[IFNAMSIZ])
{
	struct ifreq ifr = { .ifr_flags = (short)flags };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		return -errno;
	memcpy(ret_name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

static int explain_attach(const struct tap_config *config, int rc,
			  struct err *err)
{
	const char *name = config->name ? config->name : config->bridge;

	if (rc == -EPERM && config->bridge)
		return err_set(err, EPERM,
			       "may not create a tap for bridge %s without "
			       "CAP_NET_ADMIN",
			       name);
	if (rc == -EPERM)
		return err_set(err, EPERM,
			       "may not use tap %s without CAP_NET_ADMIN: give "
			       "it to this user with ip tuntap add %s mode tap "
			       "user NAME",
			       name, name);
	if (rc == -EBUSY)
		return err_set(err, EBUSY,
			       "tap %s is busy: another program has it open",
			       name);
	if (rc == -E2BIG)
		return err_set(err, E2BIG, "tap %s has no more queues", name);
	if (rc == -EINVAL && config->queues > 1)
		return err_set(err, EINVAL,
			       "tap %s has one queue only: ip tuntap add %s "
			       "mode tap multi_queue",
			       name, name);
	return err_sys(err, -rc, "cannot open a tap for %s", name);
}

/* Opens all queues of a tap that is there, or of a new one. */
static int open_queues(struct tap *tap, const struct tap_config *config,
		       struct err *err)
{
	const char *name = config->name ? config->name : NEW_NAME;
	unsigned int flags = BASE_FLAGS;

	if (config->queues > 1)
		flags |= IFF_MULTI_QUEUE;
	while (tap->opened < config->queues) {
		int fd = open_tun(err);
		int rc;

		if (fd < 0)
			return fd;
		tap->net.fds[tap->opened++] = fd;
		rc = attach(fd, name, flags, tap->name);
		/* A tap made for several queues wants to hear of it even
		 * when there is only one. */
		if (rc == -EINVAL && config->queues == 1 && config->name) {
			if (is_open(tap, name))
				rc = -EBUSY;
			else
				rc = attach(fd, name, flags | IFF_MULTI_QUEUE,
					    tap->name);
		}
		if (rc)
			return explain_attach(config, rc, err);
		name = tap->name;
	}
	return 0;
}

static int open_by_name(struct tap *tap, const struct tap_config *config,
			struct err *err)
{
	int rc;

	if (!exists(tap, config->name))
		return err_set(err, ENODEV,
			       "there is no tap %s: ip tuntap add %s mode tap "
			       "user NAME%s",
			       config->name, config->name,
			       config->queues > 1 ? " multi_queue" : "");
	if (!is_kind(tap, config->name, "tun", "tap"))
		return err_set(err, EINVAL, "the interface %s is no tap",
			       config->name);
	/* Who may not do this may still wait for somebody who does. */
	bring_up(tap, config->name);
	/* A second program would get a share of the frames, unnoticed. */
	if (config->queues > 1 && is_open(tap, config->name))
		return explain_attach(config, -EBUSY, err);
	rc = open_queues(tap, config, err);
	if (rc)
		return rc;
	return config->mtu ? set_mtu(tap, config->mtu, err) : 0;
}

/* --- Taps that were handed to us ----------------------------------------- */

static int adopt_fd(struct tap *tap, int fd, struct err *err)
{
	struct ifreq ifr = { 0 };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_sys(err, errno, "fd %d for a tap", fd);
	if (ioctl(fd, TUNGETIFF, &ifr) || !(ifr.ifr_flags & IFF_TAP))
		return err_set(err, EINVAL, "fd %d is no tap", fd);
	/* macvtap lets this be set at any time, tun does not. */
	ifr.ifr_flags |= IFF_NO_PI;
	if (!(ifr.ifr_flags & IFF_VNET_HDR)) {
		ifr.ifr_flags |= IFF_VNET_HDR;
		if (ioctl(fd, TUNSETIFF, &ifr))
			return err_set(err, EINVAL,
				       "fd %d is a tap that was opened without "
				       "IFF_VNET_HDR",
				       fd);
	}
	if (!tap->name[0])
		memcpy(tap->name, ifr.ifr_name, IFNAMSIZ);
	else if (strncmp(tap->name, ifr.ifr_name, IFNAMSIZ) != 0)
		return err_set(err, EINVAL,
			       "fd %d is the tap %s, but the first one is %s",
			       fd, ifr.ifr_name, tap->name);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC))
		return err_sys(err, errno, "fd %d for a tap", fd);
	return 0;
}

static int adopt_fds(struct tap *tap, const struct tap_config *config,
		     struct err *err)
{
	/* All are ours from here on, whatever comes. */
	memcpy(tap->net.fds, config->fds, config->queues * sizeof(int));
	tap->opened = config->queues;
	for (unsigned int i = 0; i < config->queues; i++) {
		int rc = adopt_fd(tap, config->fds[i], err);

		if (rc)
			return rc;
	}
	return config->mtu ? set_mtu(tap, config->mtu, err) : 0;
}

/* --- New ones ------------------------------------------------------------ */

/*
 * A bridge takes the lowest address of its ports for its own; one with this
 * first octet is never the lowest, so that the bridge's does not change
 * whenever a guest comes.
 */
static int set_mac(const struct tap *tap, const uint8_t mac[MAC_BYTES])
{
	struct ifreq ifr = { 0 };
	int rc = ask(tap, tap->name, SIOCGIFHWADDR, &ifr);

	if (rc)
		return rc;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, MAC_BYTES);
	ifr.ifr_hwaddr.sa_data[0] = (char)(mac[0] == 0xfe ? 0xfa : 0xfe);
	return ask(tap, tap->name, SIOCSIFHWADDR, &ifr);
}

static int join_bridge(const struct tap *tap, const char *bridge,
		       struct err *err)
{
	struct ifreq ifr = { .ifr_ifindex = (int)if_nametoindex(tap->name) };
	int rc = ask(tap, bridge, SIOCBRADDIF, &ifr);

	if (rc)
		return err_sys(err, -rc, "cannot add tap %s to bridge %s",
			       tap->name, bridge);
	return 0;
}

static int open_on_bridge(struct tap *tap, const struct tap_config *config,
			  struct err *err)
{
	unsigned int mtu = config->mtu;
	int rc;

	if (!exists(tap, config->bridge))
		return err_set(err, ENODEV,
			       "there is no bridge %s: ip link add %s type "
			       "bridge",
			       config->bridge, config->bridge);
	if (!is_kind(tap, config->bridge, "bridge", NULL))
		return err_set(err, EINVAL, "the interface %s is no bridge",
			       config->bridge);
	rc = open_queues(tap, config, err);
	if (rc)
		return rc;
	if (!mtu)
		mtu = read_mtu(tap, config->bridge);
	rc = set_mtu(tap, mtu, err);
	if (rc)
		return rc;
	rc = set_mac(tap, config->mac);
	if (rc)
		return err_sys(err, -rc, "cannot set the address of tap %s",
			       tap->name);
	rc = join_bridge(tap, config->bridge, err);
	if (rc)
		return rc;
	rc = bring_up(tap, tap->name);
	if (rc)
		return err_sys(err, -rc, "cannot bring tap %s up", tap->name);
	return 0;
}

/* --- Operations ---------------------------------------------------------- */

static struct tap *from_net(struct net *net)
{
	return container_of(net, struct tap, net);
}

static ssize_t tap_receive(struct net *net, unsigned int queue,
			   const struct iovec *iov, unsigned int count)
{
	ssize_t got = readv(net->fds[queue], iov, (int)count);

	return got < 0 ? -errno : got;
}

static ssize_t tap_send(struct net *net, unsigned int queue,
			const struct iovec *iov, unsigned int count)
{
	ssize_t put = writev(net->fds[queue], iov, (int)count);

	return put < 0 ? -errno : put;
}

static unsigned int tun_offloads(unsigned int offloads)
{
	static const unsigned int map[][2] = {
		{ NET_OFFLOAD_CSUM, TUN_F_CSUM },
		{ NET_OFFLOAD_TSO4, TUN_F_TSO4 },
		{ NET_OFFLOAD_TSO6, TUN_F_TSO6 },
		{ NET_OFFLOAD_ECN, TUN_F_TSO_ECN },
		{ NET_OFFLOAD_USO4, TUN_F_USO4 },
		{ NET_OFFLOAD_USO6, TUN_F_USO6 },
	};
	unsigned int bits = 0;

	if (!(offloads & NET_OFFLOAD_CSUM))
		return 0;
	/* Linux 6.2 knows the two only together (drivers/net/tun.c,
	 * set_offload), and ECN with TSO. */
	if ((offloads & OFFLOADS_USO) != OFFLOADS_USO)
		offloads &= ~(unsigned int)OFFLOADS_USO;
	if (!(offloads & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6)))
		offloads &= ~(unsigned int)NET_OFFLOAD_ECN;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		bits |= offloads & map[i][0] ? map[i][1] : 0;
	return bits;
}

static int tap_set_offloads(struct net *net, unsigned int offloads)
{
	unsigned long bits = tun_offloads(offloads);

	return ioctl(net->fds[0], TUNSETOFFLOAD, bits) ? -errno : 0;
}

static int tap_set_queues(struct net *net, unsigned int count)
{
	struct tap *tap = from_net(net);

	while (tap->attached != count) {
		bool more = tap->attached < count;
		unsigned int queue = more ? tap->attached : tap->attached - 1;
		struct ifreq ifr = { .ifr_flags = more ? IFF_ATTACH_QUEUE :
							 IFF_DETACH_QUEUE };

		if (ioctl(net->fds[queue], TUNSETQUEUE, &ifr))
			return -errno;
		tap->attached += more ? 1U : -1U;
	}
	return 0;
}

static void tap_free(struct net *net)
{
	struct tap *tap = from_net(net);

	for (unsigned int i = 0; i < tap->opened; i++) {
		if (net->fds[i] >= 0)
			close(net->fds[i]);
	}
	if (tap->control >= 0)
		close(tap->control);
	free(tap);
}

static const struct net_ops tap_ops = {
	.receive = tap_receive,
	.send = tap_send,
	.set_offloads = tap_set_offloads,
	.set_queues = tap_set_queues,
	.free = tap_free,
};

/* --- Life ---------------------------------------------------------------- */

/* What is common to all taps once their queues are there. */
static int set_up(struct tap *tap, struct err *err)
{
	static const unsigned int wishes[] = { OFFLOADS_BASE | OFFLOADS_USO,
					       OFFLOADS_BASE, NET_OFFLOAD_CSUM,
					       0 };
	int header_bytes = NET_HEADER_BYTES;
	int little_endian = 1;
	struct net *net = &tap->net;
	unsigned int mtu;

	if (ioctl(net->fds[0], TUNSETVNETHDRSZ, &header_bytes) ||
	    ioctl(net->fds[0], TUNSETVNETLE, &little_endian))
		return err_sys(err, errno,
			       "tap %s does not take virtio headers",
			       tap->name);
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		net->offloads = wishes[i];
		if (tap_set_offloads(net, wishes[i]) == 0)
			break;
	}
	tap_set_offloads(net, 0);
	mtu = read_mtu(tap, tap->name);
	net->mtu = (uint16_t)min_u64(mtu, UINT16_MAX);
	net->name = tap->name;
	net->ops = &tap_ops;
	net->queue_count = tap->opened;
	tap->attached = tap->opened;
	if (tap_set_queues(net, 1))
		return err_sys(err, errno, "tap %s does not let its queues go",
			       tap->name);
	return 0;
}

int tap_new(const struct tap_config *config, struct net **ret_net,
	    struct err *err)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int rc;

	if (!tap) {
		for (unsigned int i = 0; config->fds && i < config->queues; i++)
			close(config->fds[i]);
		return err_sys(err, ENOMEM, "a tap");
	}
	tap->control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (config->fds)
		rc = adopt_fds(tap, config, err);
	else if (config->name)
		rc = open_by_name(tap, config, err);
	else
		rc = open_on_bridge(tap, config, err);
	if (!rc)
		rc = set_up(tap, err);
	if (rc) {
		tap_free(&tap->net);
		return rc;
	}
	*ret_net = &tap->net;
	return 0;
}
