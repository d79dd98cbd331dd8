/*
 * A tap of the host as the far end of a NIC. Frames cross in one system call
 * each, with their offload header (IFF_VNET_HDR).
 *
 * Source: tun(4) as in Linux Documentation/networking/tuntap.rst, and
 * linux/if_tun.h.
 */
#ifndef IO_TAP_H
#define IO_TAP_H

#include "core/mac.h"
#include "io/net.h"

struct tap_config {
	/* Exactly one of the three says where the tap is from. */
	const char *name; /* one that is there */
	const int *fds; /* open already, `queues` of them; taken over */
	const char *bridge; /* a new one, a port of this bridge while open */

	unsigned int queues; /* 1 to NET_MAX_QUEUES */
	uint16_t mtu; /* 0: as it is; a new one takes its bridge's */
	/* Of the guest; a new tap takes one that differs from it. */
	uint8_t mac[MAC_BYTES];
};

/*
 * The caller owns *ret_net. -EINVAL: no tap, or not one of this kind; -ENODEV:
 * there is no such interface or bridge; -EBUSY: somebody else has it open;
 * -EPERM: the user may not; other -errno from the system. The fds of a config
 * are closed in any case.
 */
int tap_new(const struct tap_config *config, struct net **ret_net,
	    struct err *err);

#endif
