/*
 * Port forwarding by nftables (Linux include/uapi/linux/netfilter/nf_tables.h,
 * nft(8)): one table of the family inet for each container, made and removed in
 * one transaction each, so that there is all of it or nothing. One thread.
 */
#ifndef SANDBOX_NFT_H
#define SANDBOX_NFT_H

#include "sandbox/link.h"

struct nft_port {
	struct link_address host; /* family 0: every address of the host's */
	struct link_address to; /* its prefix: the container's network */
	uint16_t host_port;
	uint16_t to_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	bool masquerade; /* the container has no way back but its network */
};

/*
 * Makes the table @name, of at most 200 bytes. New connections to the host's
 * address and port go to the container, from this host, too, but not those to
 * the loopback addresses. Their source stays, unless it is in the container's
 * network or masquerade says so. -EEXIST.
 */
int nft_add_ports(const char *name, const struct nft_port *ports, size_t count,
		  struct err *err);

/* Removes the table with all that is in it. No error when there is none. */
int nft_remove(const char *name, struct err *err);

/* The same in the namespace @netns, called from @home; see netlink_open_in. */
int nft_remove_in(int netns, int home, const char *name, struct err *err);

#endif
