#include "container/net_show.h"

#include <stdio.h>
#include <string.h>

#include "container/net_plan.h"

static const char *const kinds[] = {
	[NET_NONE] = "none",	   [NET_HOST] = "host",
	[NET_USER] = "user",	   [NET_BRIDGE] = "bridge",
	[NET_MACVLAN] = "macvlan", [NET_IPVLAN] = "ipvlan",
	[NET_MOVE] = "move",
};

static json_t *addresses(const struct net_interface *it)
{
	json_t *array = json_array();

	for (size_t i = 0; i < it->address_count; i++) {
		char address[NET_ADDRESS_TEXT];
		char text[NET_ADDRESS_TEXT + 8];

		snprintf(text, sizeof(text), "%s/%u",
			 net_address_text(&it->addresses[i], address),
			 it->addresses[i].prefix);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *interface(const struct net_interface *it)
{
	json_t *tree = json_pack("{s:s, s:s, s:s}", "kind", kinds[it->kind],
				 "device", it->device, "name", it->name);
	const uint8_t *m = it->mac;
	char mac[3 * MAC_BYTES];

	if (!tree)
		return NULL;
	if (it->vlan)
		json_object_set_new(tree, "vlan", json_integer(it->vlan));
	if (it->mtu)
		json_object_set_new(tree, "mtu", json_integer(it->mtu));
	if (it->has_mac) {
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
			 m[0], m[1], m[2], m[3], m[4], m[5]);
		json_object_set_new(tree, "mac", json_string(mac));
	}
	json_object_set_new(tree, "addresses", addresses(it));
	return tree;
}

json_t *net_show(const json_t *annotations)
{
	json_t *array = json_array();
	struct net_plan *plan = NULL;

	/* What cannot be read was refused when it was to start. */
	if (net_plan_read(annotations, &plan, NULL) || !plan)
		return array;
	if (plan->host || plan->user)
		json_array_append_new(
			array,
			json_pack("{s:s}", "kind",
				  kinds[plan->host ? NET_HOST : NET_USER]));
	for (size_t i = 0; i < plan->interface_count; i++)
		json_array_append_new(array, interface(&plan->interfaces[i]));
	free(plan);
	return array;
}

static void add(char *text, size_t size, const char *separator,
		const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", separator, word);
}

void net_show_text(const json_t *networks, char *text, size_t size)
{
	size_t count = json_array_size(networks);

	snprintf(text, size, "%s", count ? "" : "-");
	for (size_t i = 0; i < count; i++) {
		const json_t *it = json_array_get(networks, i);
		const char *device =
			json_string_value(json_object_get(it, "device"));
		const char *kind =
			json_string_value(json_object_get(it, "kind"));
		json_int_t vlan =
			json_integer_value(json_object_get(it, "vlan"));
		const json_t *list = json_object_get(it, "addresses");
		char number[16];

		add(text, size, i ? " " : "", device ? device : kind);
		snprintf(number, sizeof(number), "%d", (int)vlan);
		if (vlan)
			add(text, size, ".", number);
		for (size_t j = 0; j < json_array_size(list); j++)
			add(text, size, j ? "," : ":",
			    json_string_value(json_array_get(list, j)));
	}
}
