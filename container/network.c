#include "container/network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/net_plan.h"

void network_options(struct network *network, struct arg_option *table)
{
	const struct arg_option options[NETWORK_OPTIONS] = {
		{ "net", 0, ARG_LIST, &network->nets,
		  "none (unless told), host, user, bridge=BRIDGE, macvlan=DEVICE, ipvlan=DEVICE or move=DEVICE, and behind it ,KEY=VALUE: vlan, ip, gateway, route, mac, mtu, mode, name" },
		{ "publish", 'p', ARG_LIST, &network->ports,
		  "[HOSTIP:]HOSTPORT:PORT[/tcp|udp]: a port of the host leads to it" },
		{ "dns", 0, ARG_LIST, &network->servers,
		  "address of a name server; the host's unless told" },
		{ "dns-search", 0, ARG_LIST, &network->domains,
		  "domain that names are looked up in" },
		{ "add-host", 0, ARG_LIST, &network->hosts,
		  "NAME:ADDRESS for /etc/hosts" },
	};

	memcpy(table, options, sizeof(options));
}

/* Each list of options, and what it is called where. */
static const struct entry {
	const char *option;
	const char *annotation;
	size_t offset; /* in struct network */
	int (*add)(struct net_plan *plan, const char *text, struct err *err);
} entries[] = {
	{ "net", "hull-ct.net", offsetof(struct network, nets), net_plan_add },
	{ "publish", "hull-ct.publish", offsetof(struct network, ports),
	  net_plan_publish },
	{ "dns", "hull-ct.dns", offsetof(struct network, servers),
	  net_plan_dns },
	{ "dns-search", "hull-ct.dns-search", offsetof(struct network, domains),
	  net_plan_search },
	{ "add-host", "hull-ct.host", offsetof(struct network, hosts),
	  net_plan_host },
};

static const struct arg_list *list_of(const struct network *network,
				      const struct entry *entry)
{
	return (const void *)((const char *)network + entry->offset);
}

int network_check(struct network *network, struct err *err)
{
	autofree struct net_plan *plan = calloc(1, sizeof(*plan));
	int rc = 0;

	if (!plan)
		return err_sys(err, ENOMEM, "--net");
	for (size_t i = 0; !rc && i < ARRAY_SIZE(entries); i++) {
		const struct arg_list *list = list_of(network, &entries[i]);

		for (size_t j = 0; !rc && j < list->count; j++) {
			/* Spaces separate them in the annotation. */
			if (strchr(list->items[j], ' '))
				rc = err_set(err, EINVAL,
					     "\"%s\" has a space in it",
					     list->items[j]);
			else
				rc = entries[i].add(plan, list->items[j], err);
		}
		if (rc)
			return err_prefix(err, "--%s", entries[i].option);
	}
	rc = net_plan_check(plan, err);
	network->is_host = plan->host;
	return rc ? err_prefix(err, "--net") : 0;
}

const char *network_for_root(const struct network *network)
{
	static const char *const free[] = { "none", "host", "user" };

	for (size_t i = 0; i < network->nets.count; i++) {
		bool is_free = false;

		for (size_t j = 0; j < ARRAY_SIZE(free); j++)
			is_free |= !strcmp(network->nets.items[i], free[j]);
		if (!is_free)
			return network->nets.items[i];
	}
	return NULL;
}

static char *join(const struct arg_list *list)
{
	size_t size = 1;
	size_t at = 0;
	char *text;

	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i]) + 1;
	text = malloc(size);
	for (size_t i = 0; text && i < list->count; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s",
				       i ? " " : "", list->items[i]);
	return text;
}

static void leave_namespace(json_t *config)
{
	json_t *list =
		json_object_get(json_object_get(config, "linux"), "namespaces");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *type = json_string_value(
			json_object_get(json_array_get(list, i), "type"));

		if (type && !strcmp(type, "network")) {
			json_array_remove(list, i);
			return;
		}
	}
}

/* A new sysfs shows the network namespace of who mounts it, and only its owner
 * may; the host's own is bound in its place. */
static int bind_sysfs(json_t *config)
{
	const json_t *mounts = json_object_get(config, "mounts");
	json_t *bind;

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		json_t *mount = json_array_get(mounts, i);
		const char *type =
			json_string_value(json_object_get(mount, "type"));

		if (!type || strcmp(type, "sysfs") != 0)
			continue;
		bind = json_pack("{s:s, s:s, s:[s,s,s,s,s]}", "type", "none",
				 "source", "/sys", "options", "rbind", "nosuid",
				 "noexec", "nodev", "rro");
		if (json_object_update(mount, bind)) {
			json_decref(bind);
			return -ENOMEM;
		}
		json_decref(bind);
	}
	return 0;
}

int network_configure(const struct network *network, json_t *config,
		      struct err *err)
{
	json_t *annotations = json_object_get(config, "annotations");

	if (!annotations) {
		annotations = json_object();
		if (json_object_set_new(config, "annotations", annotations))
			return err_sys(err, ENOMEM, "--net");
	}
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const struct arg_list *list = list_of(network, &entries[i]);
		autofree char *text = list->count ? join(list) : NULL;

		if (list->count &&
		    (!text ||
		     json_object_set_new(annotations, entries[i].annotation,
					 json_string(text))))
			return err_set(err, EINVAL, "--%s: it is not UTF-8",
				       entries[i].option);
	}
	if (!network->is_host)
		return 0;
	leave_namespace(config);
	return bind_sysfs(config) ? err_sys(err, ENOMEM, "--net") : 0;
}
