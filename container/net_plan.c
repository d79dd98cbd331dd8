#include "container/net_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/parse.h"

/* IEEE 802.1Q: 0 is no VLAN, 4095 is reserved. */
#define VLAN_MAX 4094

/* Linux include/uapi/linux/if_ether.h: the smallest that IPv4 may have
 * (RFC 791), and the largest of any interface. */
#define MTU_MIN 68
#define MTU_MAX 65535

/* ---- addresses ---- */

int net_address_parse(const char *text, struct link_address *ret_address)
{
	struct link_address address = { 0 };

	address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	address.prefix = address.family == AF_INET6 ? 128 : 32;
	if (inet_pton(address.family, text, address.bytes) != 1)
		return -EINVAL;
	*ret_address = address;
	return 0;
}

int net_network_parse(const char *text, struct link_address *ret_address)
{
	struct link_address address;
	char copy[NET_ADDRESS_TEXT];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;
	uint64_t prefix;

	if (!slash || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (net_address_parse(copy, &address) ||
	    parse_u64(slash + 1, &prefix) || prefix > address.prefix)
		return -EINVAL;
	address.prefix = (uint8_t)prefix;
	*ret_address = address;
	return 0;
}

const char *net_address_text(const struct link_address *address, char *text)
{
	if (!inet_ntop(address->family, address->bytes, text, NET_ADDRESS_TEXT))
		*text = '\0';
	return text;
}

bool net_in_network(const struct link_address *address,
		    const struct link_address *network)
{
	unsigned int bits = network->prefix;

	if (address->family != network->family)
		return false;
	for (size_t i = 0; bits; i++) {
		unsigned int part = bits < 8 ? bits : 8;
		uint8_t mask = (uint8_t)(0xff00U >> part);

		if ((address->bytes[i] ^ network->bytes[i]) & mask)
			return false;
		bits -= part;
	}
	return true;
}

/* ---- one network ---- */

enum {
	FOR_BRIDGE = 1 << NET_BRIDGE,
	FOR_MACVLAN = 1 << NET_MACVLAN,
	FOR_IPVLAN = 1 << NET_IPVLAN,
	FOR_MOVE = 1 << NET_MOVE,
	FOR_ALL = FOR_BRIDGE | FOR_MACVLAN | FOR_IPVLAN | FOR_MOVE,
};

static const struct kind_name {
	const char *name;
	enum net_kind kind;
	bool has_device;
} kinds[] = {
	{ "none", NET_NONE, false },	  { "host", NET_HOST, false },
	{ "user", NET_USER, false },	  { "bridge", NET_BRIDGE, true },
	{ "macvlan", NET_MACVLAN, true }, { "ipvlan", NET_IPVLAN, true },
	{ "move", NET_MOVE, true },
};

static const struct mode_name {
	const char *name;
	enum net_kind kind;
	uint32_t mode;
} modes[] = {
	{ "bridge", NET_MACVLAN, MACVLAN_MODE_BRIDGE },
	{ "private", NET_MACVLAN, MACVLAN_MODE_PRIVATE },
	{ "vepa", NET_MACVLAN, MACVLAN_MODE_VEPA },
	{ "passthru", NET_MACVLAN, MACVLAN_MODE_PASSTHRU },
	{ "l2", NET_IPVLAN, IPVLAN_MODE_L2 },
	{ "l3", NET_IPVLAN, IPVLAN_MODE_L3 },
	{ "l3s", NET_IPVLAN, IPVLAN_MODE_L3S },
};

static int set_name(char name[LINK_NAME_MAX + 1], const char *value,
		    struct err *err)
{
	if (!link_name_valid(value))
		return err_set(
			err, EINVAL,
			"\"%s\" is no name of an interface: up to 15 characters without / and :",
			value);
	memcpy(name, value, strlen(value) + 1);
	return 0;
}

static int set_vlan(struct net_interface *it, const char *value,
		    struct err *err)
{
	uint64_t number;

	if (parse_u64(value, &number) || !number || number > VLAN_MAX)
		return err_set(err, EINVAL,
			       "vlan is a number from 1 to 4094, not \"%s\"",
			       value);
	it->vlan = (uint16_t)number;
	return 0;
}

static int set_mtu(struct net_interface *it, const char *value, struct err *err)
{
	uint64_t number;

	if (parse_u64(value, &number) || number < MTU_MIN || number > MTU_MAX)
		return err_set(err, EINVAL,
			       "mtu is a number from 68 to 65535, not \"%s\"",
			       value);
	it->mtu = (uint32_t)number;
	return 0;
}

static int set_mac(struct net_interface *it, const char *value, struct err *err)
{
	it->has_mac = true;
	return mac_parse(value, it->mac, err);
}

static int set_device_name(struct net_interface *it, const char *value,
			   struct err *err)
{
	return set_name(it->name, value, err);
}

static int set_mode(struct net_interface *it, const char *value,
		    struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (modes[i].kind == it->kind &&
		    !strcmp(modes[i].name, value)) {
			it->mode = modes[i].mode;
			return 0;
		}
	}
	return err_set(err, EINVAL, "mode is %s, not \"%s\"",
		       it->kind == NET_IPVLAN ?
			       "l2, l3 or l3s" :
			       "bridge, private, vepa or passthru",
		       value);
}

/* One that a station can have: not the network's own, not a loopback, multicast
 * or reserved one (RFC 6890; RFC 4291, 2.4). */
static bool is_station(const struct link_address *address)
{
	struct link_address network = *address;
	uint8_t first = address->bytes[0];
	size_t bytes = address->family == AF_INET6 ? 16 : 4;

	if (!address->prefix)
		return false;
	if (address->family == AF_INET6)
		return first != 0xff;
	if (!first || first == 127 || first >= 224)
		return false;
	/* RFC 3021: two addresses are both stations'. */
	if (address->prefix >= 31)
		return true;
	memset(network.bytes, 0, bytes);
	network.prefix = 32;
	for (unsigned int i = 0; i < address->prefix; i++)
		network.bytes[i / 8] |=
			(uint8_t)(address->bytes[i / 8] & 0x80 >> i % 8);
	return !net_in_network(address, &network);
}

static int add_address(struct net_interface *it, const char *value,
		       struct err *err)
{
	struct link_address address;

	if (!strcmp(value, "dhcp"))
		return err_set(
			err, EOPNOTSUPP,
			"ip=dhcp: a lease is asked for from inside: leave ip out and have the container run a client, such as udhcpc -i eth0");
	if (net_network_parse(value, &address) || !is_station(&address))
		return err_set(
			err, EINVAL,
			"ip is a station's address and its prefix, such as 192.0.2.2/24, not \"%s\"",
			value);
	if (it->address_count == NET_ADDRESSES_MAX)
		return err_set(err, EINVAL, "more than %d addresses",
			       NET_ADDRESSES_MAX);
	it->addresses[it->address_count++] = address;
	return 0;
}

static int add_hop(struct net_interface *it, const struct link_route *route,
		   struct err *err)
{
	if (it->route_count == NET_ROUTES_MAX)
		return err_set(err, EINVAL, "more than %d routes",
			       NET_ROUTES_MAX);
	it->routes[it->route_count++] = *route;
	return 0;
}

static int add_gateway(struct net_interface *it, const char *value,
		       struct err *err)
{
	struct link_route route = { 0 };

	if (net_address_parse(value, &route.gateway))
		return err_set(
			err, EINVAL,
			"gateway is an address such as 192.0.2.1, not \"%s\"",
			value);
	route.to.family = route.gateway.family;
	return add_hop(it, &route, err);
}

/* NETWORK/PREFIX@GATEWAY, or without a gateway what is on the link itself. */
static int add_route(struct net_interface *it, const char *value,
		     struct err *err)
{
	struct link_route route = { 0 };
	char copy[2 * NET_ADDRESS_TEXT];
	size_t len = strlen(value);
	char *at;

	if (len >= sizeof(copy))
		len = 0;
	memcpy(copy, value, len);
	copy[len] = '\0';
	at = strchr(copy, '@');
	if (at)
		*at++ = '\0';
	if (net_network_parse(copy, &route.to) ||
	    (at && (net_address_parse(at, &route.gateway) ||
		    route.gateway.family != route.to.family)))
		return err_set(
			err, EINVAL,
			"route is NETWORK/PREFIX@GATEWAY, such as 198.51.100.0/24@192.0.2.1, not \"%s\"",
			value);
	return add_hop(it, &route, err);
}

static const struct key {
	const char *name;
	unsigned int kinds; /* FOR_* */
	bool once;
	int (*set)(struct net_interface *it, const char *value,
		   struct err *err);
} keys[] = {
	{ "vlan", FOR_BRIDGE, true, set_vlan },
	{ "mode", FOR_MACVLAN | FOR_IPVLAN, true, set_mode },
	{ "ip", FOR_ALL, false, add_address },
	{ "gateway", FOR_ALL, false, add_gateway },
	{ "route", FOR_ALL, false, add_route },
	{ "mac", FOR_BRIDGE | FOR_MACVLAN | FOR_MOVE, true, set_mac },
	{ "mtu", FOR_ALL, true, set_mtu },
	{ "name", FOR_ALL, true, set_device_name },
};

/* The piece up to the next comma, cut at its "=": @ret_value is NULL without
 * one. Where the next piece begins, or NULL. */
static const char *cut(const char *text, char *piece, size_t size,
		       char **ret_value)
{
	size_t len = strcspn(text, ",");
	const char *next = text[len] ? text + len + 1 : NULL;

	/* Nothing that is right is as long. */
	if (len >= size)
		len = size - 1;
	memcpy(piece, text, len);
	piece[len] = '\0';
	*ret_value = strchr(piece, '=');
	if (*ret_value)
		*(*ret_value)++ = '\0';
	return next;
}

static const struct kind_name *find_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	return NULL;
}

static int set_key(struct net_interface *it, const char *name,
		   const char *value, unsigned int *seen, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (!(keys[i].kinds & 1U << it->kind))
			break;
		if (!value)
			return err_set(err, EINVAL, "%s needs a value: %s=...",
				       name, name);
		if (keys[i].once && *seen & 1U << i)
			return err_set(err, EINVAL, "%s is given twice", name);
		*seen |= 1U << i;
		return keys[i].set(it, value, err);
	}
	return err_set(err, EINVAL, "it takes no \"%s\"", name);
}

static int parse_network(struct net_plan *plan, struct net_interface *it,
			 const char *text, struct err *err)
{
	char piece[128];
	char *value;
	unsigned int seen = 0;
	const char *at = cut(text, piece, sizeof(piece), &value);
	const struct kind_name *kind = find_kind(piece);
	int rc = 0;

	if (!kind)
		return err_set(
			err, EINVAL,
			"it takes bridge=BRIDGE, macvlan=DEVICE, ipvlan=DEVICE, move=DEVICE, user, host or none");
	if (!value != !kind->has_device)
		return err_set(err, EINVAL,
			       kind->has_device ?
				       "%s needs a device: %s=NAME" :
				       "%s takes no device, %s alone",
			       kind->name, kind->name);
	it->kind = kind->kind;
	if (it->kind == NET_MACVLAN)
		it->mode = MACVLAN_MODE_BRIDGE;
	if (value)
		rc = set_name(it->device, value, err);
	while (!rc && at) {
		at = cut(at, piece, sizeof(piece), &value);
		rc = set_key(it, piece, value, &seen, err);
	}
	plan->none |= it->kind == NET_NONE;
	plan->host |= it->kind == NET_HOST;
	plan->user |= it->kind == NET_USER;
	return rc;
}

int net_plan_add(struct net_plan *plan, const char *text, struct err *err)
{
	struct net_interface it = { 0 };
	int rc = parse_network(plan, &it, text, err);

	if (!rc && it.kind >= NET_BRIDGE) {
		if (plan->interface_count == NET_INTERFACES_MAX)
			rc = err_set(err, EINVAL, "more than %d networks",
				     NET_INTERFACES_MAX);
		else
			plan->interfaces[plan->interface_count++] = it;
	}
	if (rc)
		return err_prefix(err, "%s", text);
	plan->asked = true;
	return 0;
}

/* ---- ports and names ---- */

static int parse_port(const char *text, uint16_t *ret_port)
{
	uint64_t number;

	if (parse_u64(text, &number) || !number || number > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)number;
	return 0;
}

/* @text is written to. */
static int split_port(char *text, struct net_port *port)
{
	char *end = strrchr(text, '/');
	char *colon;

	port->protocol = IPPROTO_TCP;
	if (end) {
		*end++ = '\0';
		if (!strcmp(end, "udp"))
			port->protocol = IPPROTO_UDP;
		else if (strcmp(end, "tcp") != 0)
			return -EINVAL;
	}
	colon = strrchr(text, ':');
	if (!colon || parse_port(colon + 1, &port->port))
		return -EINVAL;
	*colon = '\0';
	colon = strrchr(text, ':');
	if (!colon)
		return parse_port(text, &port->host_port);
	*colon = '\0';
	if (parse_port(colon + 1, &port->host_port))
		return -EINVAL;
	end = text + strlen(text);
	if (*text == '[' && end[-1] == ']') {
		end[-1] = '\0';
		text++;
	}
	return net_address_parse(text, &port->host);
}

bool net_plan_makes(const struct net_plan *plan)
{
	return plan && (plan->interface_count || plan->user);
}

bool net_port_clash(const struct net_port *a, const struct net_port *b)
{
	return a->host_port == b->host_port && a->protocol == b->protocol &&
	       (!a->host.family || !b->host.family ||
		(a->host.family == b->host.family &&
		 !memcmp(a->host.bytes, b->host.bytes, sizeof(a->host.bytes))));
}

int net_plan_publish(struct net_plan *plan, const char *text, struct err *err)
{
	struct net_port port = { 0 };
	char copy[96];
	size_t len = strlen(text);

	if (len >= sizeof(copy))
		len = 0;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (split_port(copy, &port))
		return err_set(
			err, EINVAL,
			"%s: it takes [HOSTIP:]HOSTPORT:PORT[/tcp|udp], such as 8080:80",
			text);
	if (port.host.bytes[0] == 127 ||
	    (port.host.family == AF_INET6 &&
	     !memcmp(port.host.bytes, &in6addr_loopback, 16)))
		return err_set(
			err, EINVAL,
			"%s: nothing is forwarded from a loopback address; name another one, or none",
			text);
	for (size_t i = 0; i < plan->port_count; i++) {
		if (net_port_clash(&port, &plan->ports[i]))
			return err_set(err, EINVAL,
				       "%s: the host's port is published twice",
				       text);
	}
	if (plan->port_count == NET_PORTS_MAX)
		return err_set(err, EINVAL, "%s: more than %d ports", text,
			       NET_PORTS_MAX);
	plan->ports[plan->port_count++] = port;
	return 0;
}

int net_plan_dns(struct net_plan *plan, const char *text, struct err *err)
{
	struct link_address address;

	if (net_address_parse(text, &address))
		return err_set(err, EINVAL, "%s: it is no address", text);
	if (plan->server_count == NET_SERVERS_MAX)
		return err_set(err, EINVAL, "%s: more than %d name servers",
			       text, NET_SERVERS_MAX);
	plan->servers[plan->server_count++] = address;
	return 0;
}

/* What stands in a file of words must be one. */
static bool is_domain(const char *text, size_t len)
{
	if (!len || len > NET_DOMAIN_MAX || *text == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && !strchr("-._", c))
			return false;
	}
	return true;
}

int net_plan_search(struct net_plan *plan, const char *text, struct err *err)
{
	if (!is_domain(text, strlen(text)))
		return err_set(err, EINVAL, "%s: it is no domain", text);
	if (plan->domain_count == NET_DOMAINS_MAX)
		return err_set(err, EINVAL, "%s: more than %d domains", text,
			       NET_DOMAINS_MAX);
	memcpy(plan->domains[plan->domain_count++], text, strlen(text) + 1);
	return 0;
}

int net_plan_host(struct net_plan *plan, const char *text, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	struct link_address address;

	if (!is_domain(text, len) || net_address_parse(colon + 1, &address))
		return err_set(err, EINVAL, "%s: it takes NAME:ADDRESS", text);
	if (plan->host_count == NET_HOSTS_MAX)
		return err_set(err, EINVAL, "%s: more than %d hosts", text,
			       NET_HOSTS_MAX);
	plan->hosts[plan->host_count].address = address;
	memcpy(plan->hosts[plan->host_count].name, text, len);
	plan->host_count++;
	return 0;
}
