/*
 * Network interfaces, addresses and routes over rtnetlink (Linux
 * rtnetlink(7)). One thread per socket. Failures carry the kernel's sentence.
 */
#ifndef SANDBOX_LINK_H
#define SANDBOX_LINK_H

#include "core/mac.h"
#include "sandbox/netlink.h"

/* With the zero behind it, IFNAMSIZ of net/if.h. */
#define LINK_NAME_MAX 15

/* Neither empty nor too long, no slash, space or colon, not "." or "..". */
bool link_name_valid(const char *name);

struct link_info {
	int index;
	bool is_up;
	bool is_bridge;
	bool filters_vlans;
	uint16_t default_vlan; /* what a bridge makes new ports members of */
	bool is_wireless; /* cannot be moved by rtnetlink */
	uint32_t mtu;
};

/* -ENODEV without a sentence when there is no such interface. */
int link_find(struct netlink *route, const char *name,
	      struct link_info *ret_info, struct err *err);

struct link_address {
	int family; /* AF_INET or AF_INET6; 0: none */
	uint8_t prefix; /* bits */
	uint8_t bytes[16];
};

/* link_list.c: all interfaces; more than there is room for are -E2BIG. */
struct link_entry {
	int index;
	char name[LINK_NAME_MAX + 1];
	bool is_up;
	bool is_loopback;
	bool has_mac;
	uint8_t mac[MAC_BYTES];
	uint32_t mtu;
};

int link_list(struct netlink *route, struct link_entry *links, size_t room,
	      size_t *ret_count, struct err *err);

/*
 * An interface that is made in the namespace @netns, where link_set_up is still
 * to be called. A name has to be free on this side, too (Linux 6.1), unless it
 * is that of veth's other end.
 */
struct link_plan {
	const char *kind; /* "veth", "macvlan", "ipvlan" */
	const char *name; /* there */
	int netns;
	int lower; /* macvlan, ipvlan: index of the interface below */
	uint32_t mode; /* MACVLAN_MODE_*, IPVLAN_MODE_* */
	const char *host_name; /* veth: its end on this side */
	int bridge; /* veth: what that end is a port of, or 0 */
	bool has_mac;
	uint8_t mac[MAC_BYTES];
	uint32_t mtu; /* 0: the kernel's choice */
};

int link_add(struct netlink *route, const struct link_plan *plan,
	     struct err *err);

/* Moves an interface into @netns, where it is then called @name; it is down
 * afterwards and has no address. */
int link_move(struct netlink *route, int index, int netns, const char *name,
	      struct err *err);
/* Of an interface that is down. */
int link_set_name(struct netlink *route, int index, const char *name,
		  struct err *err);
int link_set_mac(struct netlink *route, int index, const uint8_t mac[MAC_BYTES],
		 struct err *err);
int link_set_mtu(struct netlink *route, int index, uint32_t mtu,
		 struct err *err);
int link_set_up(struct netlink *route, int index, struct err *err);
int link_delete(struct netlink *route, int index, struct err *err);

/* The new port of a bridge, which made it a member of its default VLAN @other,
 * carries @vid instead, untagged. */
int link_set_vlan(struct netlink *route, int index, uint16_t vid,
		  uint16_t other, struct err *err);

int link_add_address(struct netlink *route, int index,
		     const struct link_address *address, struct err *err);

/* The permanent addresses that are not of the link alone, as many as there is
 * room for; more are -E2BIG. */
int link_addresses(struct netlink *route, int index,
		   struct link_address *addresses, size_t room,
		   size_t *ret_count, struct err *err);

/* A route to @to, or to everything when its prefix is 0, by @gateway. Its
 * family may be 0 for a network that is on the link itself. */
int link_add_route(struct netlink *route, int index,
		   const struct link_address *to,
		   const struct link_address *gateway, struct err *err);

/* link_list.c: the routes by an interface, but for those that come with its
 * addresses. */
struct link_route {
	struct link_address to;
	struct link_address gateway; /* family 0: on the link itself */
};

int link_routes(struct netlink *route, int index, struct link_route *routes,
		size_t room, size_t *ret_count, struct err *err);

/* redirect.c: what comes in by one goes out by the other, and nowhere else. */
int link_join(struct netlink *route, int one, int other, struct err *err);

/* Brings the caller's loopback interface up. Nothing allocates. 0 or -errno. */
int link_loopback_up(void);

#endif
