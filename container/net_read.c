/* The plan as a whole: what annotations say, and whether it can be. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "container/net_plan.h"

/* ---- names ---- */

static bool is_named(const struct net_plan *plan, size_t except,
		     const char *name)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		if (i != except && !strcmp(plan->interfaces[i].name, name))
			return true;
	}
	return false;
}

/* eth0 and so on, but for what is moved: that keeps its own. */
static int set_names(struct net_plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		struct net_interface *it = &plan->interfaces[i];

		if (!*it->name && it->kind == NET_MOVE)
			memcpy(it->name, it->device, sizeof(it->name));
	}
	for (size_t i = 0; i < plan->interface_count; i++) {
		struct net_interface *it = &plan->interfaces[i];
		char name[sizeof(it->name)] = "lo";

		if (*it->name)
			continue;
		for (unsigned int n = 0; n <= plan->interface_count; n++) {
			snprintf(name, sizeof(name), "eth%u", n);
			if (!is_named(plan, i, name))
				break;
		}
		memcpy(it->name, name, sizeof(it->name));
	}
	for (size_t i = 0; i < plan->interface_count; i++) {
		const char *name = plan->interfaces[i].name;

		if (!strcmp(name, "lo") || is_named(plan, i, name))
			return err_set(
				err, EINVAL,
				"two interfaces of the container would be called %s",
				name);
	}
	return 0;
}

/* ---- addresses and routes ---- */

static bool is_reached(const struct net_interface *it,
		       const struct link_address *gateway)
{
	/* fe80::/10 is on every link (RFC 4291, 2.5.6). */
	if (gateway->family == AF_INET6 && gateway->bytes[0] == 0xfe &&
	    (gateway->bytes[1] & 0xc0) == 0x80)
		return true;
	/* A moved interface may bring its addresses along. */
	if (it->kind == NET_MOVE && !it->address_count)
		return true;
	for (size_t i = 0; i < it->address_count; i++) {
		if (net_in_network(gateway, &it->addresses[i]))
			return true;
	}
	return false;
}

static int check_routes(const struct net_plan *plan, struct err *err)
{
	char text[NET_ADDRESS_TEXT];
	unsigned int v4 = 0;
	unsigned int v6 = 0;

	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct net_interface *it = &plan->interfaces[i];

		for (size_t j = 0; j < it->route_count; j++) {
			const struct link_route *route = &it->routes[j];

			if (route->gateway.family &&
			    !is_reached(it, &route->gateway))
				return err_set(
					err, EINVAL,
					"the gateway %s is in no network of %s: give it an ip= of that network",
					net_address_text(&route->gateway, text),
					it->name);
			v4 += !route->to.prefix && route->to.family == AF_INET;
			v6 += !route->to.prefix && route->to.family == AF_INET6;
		}
	}
	if (v4 > 1 || v6 > 1)
		return err_set(err, EINVAL, "there are two gateways for %s",
			       v4 > 1 ? "IPv4" : "IPv6");
	return 0;
}

/* ---- ports ---- */

const struct link_address *net_plan_target(const struct net_plan *plan,
					   int family)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct net_interface *it = &plan->interfaces[i];

		/* The host cannot speak with what is beside it on its own
		 * device (macvlan, ipvlan). */
		if (it->kind != NET_BRIDGE)
			continue;
		for (size_t j = 0; j < it->address_count; j++) {
			if (it->addresses[j].family == family)
				return &it->addresses[j];
		}
	}
	return NULL;
}

static int check_ports(const struct net_plan *plan, struct err *err)
{
	for (size_t i = 0; !plan->user && i < plan->port_count; i++) {
		int family = plan->ports[i].host.family;
		bool found = family ? net_plan_target(plan, family) != NULL :
				      net_plan_target(plan, AF_INET) ||
					      net_plan_target(plan, AF_INET6);

		if (!found)
			return err_set(
				err, EINVAL,
				"to publish a port, the container needs a bridge with an ip=%s, or the network user",
				family == AF_INET6 ? " of IPv6" : "");
	}
	return 0;
}

int net_plan_check(struct net_plan *plan, struct err *err)
{
	bool alone = plan->none || plan->host || plan->user;
	int rc;

	if (alone &&
	    (plan->none + plan->host + plan->user > 1 || plan->interface_count))
		return err_set(err, EINVAL,
			       "the network %s stands alone, without any other",
			       plan->host ? "host" :
			       plan->user ? "user" :
					    "none");
	rc = set_names(plan, err);
	if (!rc)
		rc = check_routes(plan, err);
	if (!rc)
		rc = check_ports(plan, err);
	return rc;
}

/* ---- annotations ---- */

static const struct annotation {
	const char *key;
	int (*add)(struct net_plan *plan, const char *text, struct err *err);
} annotations_read[] = {
	{ "hull-ct.net", net_plan_add },
	{ "hull-ct.publish", net_plan_publish },
	{ "hull-ct.dns", net_plan_dns },
	{ "hull-ct.dns-search", net_plan_search },
	{ "hull-ct.host", net_plan_host },
};

static int read_words(struct net_plan *plan, const struct annotation *entry,
		      const char *text, struct err *err)
{
	char word[512];
	int rc = 0;

	for (text += strspn(text, " "); !rc && *text;
	     text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");

		if (len >= sizeof(word))
			rc = err_set(err, EINVAL,
				     "it has a value longer than %zu bytes",
				     sizeof(word) - 1);
		else {
			memcpy(word, text, len);
			word[len] = '\0';
			rc = entry->add(plan, word, err);
		}
		text += len;
	}
	return rc ? err_prefix(err, "%s", entry->key) : 0;
}

int net_plan_read(const json_t *annotations, struct net_plan **ret_plan,
		  struct err *err)
{
	autofree struct net_plan *plan = NULL;
	int rc = 0;

	*ret_plan = NULL;
	for (size_t i = 0; !rc && i < ARRAY_SIZE(annotations_read); i++) {
		const struct annotation *entry = &annotations_read[i];
		const char *text = json_string_value(
			json_object_get(annotations, entry->key));

		if (!text || !*text)
			continue;
		if (!plan)
			plan = calloc(1, sizeof(*plan));
		if (!plan)
			return err_sys(err, ENOMEM, "%s", entry->key);
		rc = read_words(plan, entry, text, err);
	}
	if (!rc && plan)
		rc = net_plan_check(plan, err);
	if (!rc)
		*ret_plan = move_ptr(&plan);
	return rc;
}
