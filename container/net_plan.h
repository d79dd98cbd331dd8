/*
 * The network that a container is given, as plain data: `launch --net`,
 * `--publish` and `--dns` make annotations of config.json, so that the
 * configuration says all of it, and annotations make this plan:
 *
 *	hull-ct.net		one or more networks, spaces between them
 *	hull-ct.publish		[HOSTIP:]HOSTPORT:PORT[/tcp|udp]...
 *	hull-ct.dns		addresses of name servers
 *	hull-ct.dns-search	domains
 *	hull-ct.host		NAME:ADDRESS... for /etc/hosts
 *
 * One thread. Nothing here looks at the host.
 */
#ifndef CONTAINER_NET_PLAN_H
#define CONTAINER_NET_PLAN_H

#include <jansson.h>

#include "sandbox/nft.h"

#define NET_INTERFACES_MAX 8
#define NET_DEVICES_MAX	   32
#define NET_ADDRESSES_MAX  8
#define NET_ROUTES_MAX	   16
#define NET_PORTS_MAX	   64
#define NET_SERVERS_MAX	   3 /* resolv.conf(5) */
#define NET_HOSTS_MAX	   32
#define NET_DOMAINS_MAX	   6 /* resolv.conf(5) */
#define NET_DOMAIN_MAX	   255 /* RFC 1035, 2.3.4 */
#define NET_ADDRESS_TEXT   46 /* INET6_ADDRSTRLEN */

enum net_kind {
	NET_NONE, /* loopback alone */
	NET_HOST, /* the host's own */
	NET_USER, /* pasta */
	NET_BRIDGE,
	NET_MACVLAN,
	NET_IPVLAN,
	NET_MOVE,
};

struct net_interface {
	enum net_kind kind;
	char device[LINK_NAME_MAX + 1]; /* on the host */
	char name[LINK_NAME_MAX + 1]; /* in the container */
	uint32_t mode; /* of macvlan and ipvlan */
	uint16_t vlan; /* 0: none */
	bool has_mac;
	uint8_t mac[MAC_BYTES];
	uint32_t mtu; /* 0: the kernel's choice */
	struct link_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;
	struct link_route routes[NET_ROUTES_MAX];
	size_t route_count;
};

struct net_port {
	struct link_address host; /* family 0: all */
	uint16_t host_port;
	uint16_t port;
	uint8_t protocol; /* IPPROTO_* */
};

struct net_plan {
	bool asked; /* for a network at all */
	bool none;
	bool host;
	bool user;
	struct net_interface interfaces[NET_INTERFACES_MAX];
	size_t interface_count;
	struct net_port ports[NET_PORTS_MAX];
	size_t port_count;
	struct link_address servers[NET_SERVERS_MAX];
	size_t server_count;
	char domains[NET_DOMAINS_MAX][NET_DOMAIN_MAX + 1];
	size_t domain_count;
	struct {
		struct link_address address;
		char name[NET_DOMAIN_MAX + 1];
	} hosts[NET_HOSTS_MAX];
	size_t host_count;
};

/* A device of the host's that config.json moves (linux.netDevices). */
struct net_device {
	const char *device; /* on the host */
	const char *name; /* in the container; "eth%d": the first free one */
};

/* One value each; -EINVAL with a sentence that begins with the value. */
int net_plan_add(struct net_plan *plan, const char *text, struct err *err);
int net_plan_publish(struct net_plan *plan, const char *text, struct err *err);
int net_plan_dns(struct net_plan *plan, const char *text, struct err *err);
int net_plan_search(struct net_plan *plan, const char *text, struct err *err);
int net_plan_host(struct net_plan *plan, const char *text, struct err *err);

/* What only all of it together tells, and names for interfaces without one. */
int net_plan_check(struct net_plan *plan, struct err *err);

/* All from the annotations of a configuration, NULL for none, and checked. The
 * caller frees *@ret_plan, which is NULL when they ask for nothing. */
int net_plan_read(const json_t *annotations, struct net_plan **ret_plan,
		  struct err *err);

/* Whether there is anything to make. NULL: no. */
bool net_plan_makes(const struct net_plan *plan);

/* Whether both want the same port of the host's. */
bool net_port_clash(const struct net_port *a, const struct net_port *b);

/* An address and nothing else, or ADDRESS/PREFIX. 0 or -EINVAL. */
int net_address_parse(const char *text, struct link_address *ret_address);
int net_network_parse(const char *text, struct link_address *ret_address);

/* Into @text of NET_ADDRESS_TEXT bytes. */
const char *net_address_text(const struct link_address *address, char *text);

/* Whether @address lies in the network of @network. */
bool net_in_network(const struct link_address *address,
		    const struct link_address *network);

/* The interface's address that published ports lead to, or NULL. */
const struct link_address *net_plan_target(const struct net_plan *plan,
					   int family);

#endif
