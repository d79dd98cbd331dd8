/* Published ports: rules that lead the host's port to the container's. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "container/net_setup.h"
#include "container/report.h"
#include "sandbox/procfs.h"

/* Twice: a port may be published for IPv4 and IPv6. */
#define RULES_MAX (2UL * NET_PORTS_MAX)

static void table_name(const struct state *state, char *name, size_t size)
{
	char host_name[NET_HOST_NAME];

	net_host_name(state, 0, host_name);
	host_name[strcspn(host_name, "-")] = '\0';
	snprintf(name, size, "hull-ct-%s-%s", state->id, host_name + 2);
}

/* Without a way out of its network, answers go to whom the container knows. */
static bool has_gateway(const struct net_plan *plan, int family)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct net_interface *it = &plan->interfaces[i];

		for (size_t j = 0; j < it->route_count; j++) {
			if (it->routes[j].to.family == family &&
			    !it->routes[j].to.prefix)
				return true;
		}
	}
	return false;
}

static size_t make_rules(const struct net_plan *plan, struct nft_port *rules)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t count = 0;

	for (size_t i = 0; i < plan->port_count; i++) {
		const struct net_port *port = &plan->ports[i];

		for (size_t j = 0; j < ARRAY_SIZE(families); j++) {
			const struct link_address *to =
				net_plan_target(plan, families[j]);

			if (!to || (port->host.family &&
				    port->host.family != families[j]))
				continue;
			rules[count++] = (struct nft_port){
				.host = port->host,
				.to = *to,
				.host_port = port->host_port,
				.to_port = port->port,
				.protocol = port->protocol,
				.masquerade = !has_gateway(plan, families[j]),
			};
		}
	}
	return count;
}

/* ---- who has the port ---- */

/* A program of the host's would lose its callers without being told. */
static int check_listener(const struct net_port *port, struct err *err)
{
	const int family = port->host.family ? port->host.family : AF_INET6;
	const int type = port->protocol == IPPROTO_UDP ? SOCK_DGRAM :
							 SOCK_STREAM;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	autoclose int fd = socket(family, type | SOCK_CLOEXEC, 0);
	const int on = 1;
	int rc;

	if (fd < 0)
		return 0; /* the host has no IPv6: the rules are for IPv4 */
	/* Connections that ended a moment ago do not count. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	v4.sin_port = htons(port->host_port);
	v6.sin6_port = htons(port->host_port);
	memcpy(&v4.sin_addr, port->host.bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, port->host.bytes, sizeof(v6.sin6_addr));
	if (family == AF_INET)
		rc = bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	else
		rc = bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	if (rc && errno == EADDRNOTAVAIL)
		return err_set(
			err, EADDRNOTAVAIL,
			"port %u cannot be published on an address that the host does not have",
			port->host_port);
	if (rc && errno == EADDRINUSE)
		return err_set(err, EADDRINUSE,
			       "port %u/%s is in use on the host",
			       port->host_port,
			       type == SOCK_DGRAM ? "udp" : "tcp");
	return 0;
}

/* Of a search for those whose ports are in the way of ours. */
struct search {
	const struct state *state;
	const struct net_plan *plan;
	struct err *err;
};

static int check_against(const struct net_plan *plan, const struct state *other,
			 struct err *err)
{
	autofree struct net_plan *theirs = NULL;

	if (net_plan_read(other->annotations, &theirs, NULL) || !theirs)
		return 0;
	for (size_t i = 0; i < plan->port_count; i++) {
		for (size_t j = 0; j < theirs->port_count; j++) {
			if (net_port_clash(&plan->ports[i], &theirs->ports[j]))
				return err_set(
					err, EADDRINUSE,
					"port %u is published by the container %s",
					plan->ports[i].host_port, other->id);
		}
	}
	return 0;
}

static int check_other(void *opaque, const char *id)
{
	const struct search *search = opaque;
	struct state other = { .dir = -1 };
	int rc = 0;

	if (!strcmp(id, search->state->id))
		return 0;
	if (!state_open(&other, search->state->root, id, false, NULL))
		rc = check_against(search->plan, &other, search->err);
	state_release(&other);
	return rc;
}

/* All containers of the same root folder. */
static int check_others(const struct state *state, const struct net_plan *plan,
			struct err *err)
{
	struct search search = { state, plan, err };

	return state_each(state->root, check_other, &search, err);
}

/* Without it only this host itself comes through. It is not ours to change what
 * the host does with everybody's packets. */
static void warn_forwarding(const struct net_place *place,
			    const struct nft_port *rules, size_t count)
{
	static const struct {
		int family;
		const char *name;
	} switches[] = {
		{ AF_INET, "net/ipv4/ip_forward" },
		{ AF_INET6, "net/ipv6/conf/all/forwarding" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		char path[64];
		char text[8];
		struct err err;
		bool used = false;

		for (size_t j = 0; j < count; j++)
			used |= rules[j].to.family == switches[i].family;
		snprintf(path, sizeof(path), "sys/%s", switches[i].name);
		if (!used ||
		    procfs_read(place->proc, path, text, sizeof(text)) <= 0 ||
		    *text != '0')
			continue;
		err_set(&err, ENETUNREACH,
			"published ports are reached from this host alone while /proc/%s is 0",
			path);
		report_warning(place->context, &err);
	}
}

int net_ports_add(const struct net_place *place, const struct net_plan *plan,
		  struct err *err)
{
	const struct state *state = place->state;
	autofree struct nft_port *rules = calloc(RULES_MAX, sizeof(*rules));
	char name[STATE_ID_MAX + 32];
	size_t count;
	int rc;

	if (!rules)
		return err_sys(err, ENOMEM, "no network");
	rc = check_others(state, plan, err);
	for (size_t i = 0; !rc && i < plan->port_count; i++)
		rc = check_listener(&plan->ports[i], err);
	if (rc)
		return rc;
	table_name(state, name, sizeof(name));
	count = make_rules(plan, rules);
	rc = nft_add_ports(name, rules, count, err);
	if (!rc)
		warn_forwarding(place, rules, count);
	return rc;
}

int net_ports_remove(const struct state *state, struct err *err)
{
	char name[STATE_ID_MAX + 32];

	table_name(state, name, sizeof(name));
	return nft_remove(name, err);
}
