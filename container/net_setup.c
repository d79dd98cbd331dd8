#include "container/net_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fnv.h"

/* Addresses that a moved device brings along. */
#define KEPT_MAX 64

struct setup {
	const struct net_place *place;
	struct netlink host;
	struct netlink inside;
	struct {
		char device[LINK_NAME_MAX + 1];
		char name[LINK_NAME_MAX + 1];
	} moved[NET_INTERFACES_MAX + NET_DEVICES_MAX];
	size_t moved_count;
	struct link_address kept[KEPT_MAX];
	size_t kept_count;
};

/* Of what no other container's folder has at the same time. */
static uint32_t token(const struct state *state)
{
	struct stat st = { 0 };
	uint64_t hash = FNV1A_START;

	fstat(state->dir, &st);
	hash = fnv1a_add(hash, &st.st_ino, sizeof(st.st_ino));
	hash = fnv1a_add(hash, &st.st_dev, sizeof(st.st_dev));
	hash = fnv1a_add(hash, state->id, strlen(state->id));
	return (uint32_t)(hash ^ hash >> 32);
}

void net_host_name(const struct state *state, size_t index,
		   char name[NET_HOST_NAME])
{
	snprintf(name, NET_HOST_NAME, "ct%08x-%zu", token(state), index);
}

static int find_device(struct setup *setup, const char *name,
		       struct link_info *ret_info, struct err *err)
{
	int rc = link_find(&setup->host, name, ret_info, err);

	if (rc == -ENODEV)
		return err_set(err, ENODEV, "there is no interface %s", name);
	return rc;
}

/* In a namespace that others made, names may be taken. */
static int check_free(struct setup *setup, const char *name, struct err *err)
{
	struct link_info info;
	int rc = link_find(&setup->inside, name, &info, err);

	if (rc == -ENODEV)
		return 0;
	return rc ? rc :
		    err_set(err, EEXIST,
			    "the container has an interface %s already", name);
}

/* ---- one kind each ---- */

static int add_bridge_port(struct setup *setup, const struct net_interface *it,
			   size_t index, struct err *err)
{
	char host_name[NET_HOST_NAME];
	struct link_info bridge;
	struct link_info port;
	struct link_plan plan = {
		.kind = "veth",
		.name = it->name,
		.netns = setup->place->netns,
		.host_name = host_name,
		.has_mac = it->has_mac,
		.mtu = it->mtu,
	};
	int rc = link_find(&setup->host, it->device, &bridge, err);

	if (rc == -ENODEV)
		return err_set(
			err, ENODEV,
			"there is no bridge %s: make it (ip link add %s type bridge)",
			it->device, it->device);
	if (rc)
		return rc;
	if (!bridge.is_bridge)
		return err_set(err, EINVAL, "%s is no bridge", it->device);
	if (it->vlan && !bridge.filters_vlans)
		return err_set(
			err, EINVAL,
			"the bridge %s does not tell VLANs apart: switch it on (ip link set %s type bridge vlan_filtering 1)",
			it->device, it->device);
	net_host_name(setup->place->state, index, host_name);
	plan.bridge = bridge.index;
	memcpy(plan.mac, it->mac, sizeof(plan.mac));
	rc = link_add(&setup->host, &plan, err);
	if (rc || !it->vlan)
		return rc;
	rc = find_device(setup, host_name, &port, err);
	if (!rc)
		rc = link_set_vlan(&setup->host, port.index, it->vlan,
				   bridge.default_vlan, err);
	return rc ? err_prefix(err, "VLAN %u", it->vlan) : 0;
}

/* Made with a name that nobody has: the one it is to have, eth0 say, may be
 * taken on the host. */
static int add_on_device(struct setup *setup, const struct net_interface *it,
			 size_t index, struct err *err)
{
	char first_name[NET_HOST_NAME];
	struct link_info device;
	struct link_info made;
	struct link_plan plan = {
		.kind = it->kind == NET_MACVLAN ? "macvlan" : "ipvlan",
		.name = first_name,
		.netns = setup->place->netns,
		.mode = it->mode,
		.has_mac = it->has_mac,
		.mtu = it->mtu,
	};
	int rc = find_device(setup, it->device, &device, err);

	if (rc)
		return rc;
	net_host_name(setup->place->state, index, first_name);
	plan.lower = device.index;
	memcpy(plan.mac, it->mac, sizeof(plan.mac));
	rc = link_add(&setup->host, &plan, err);
	if (!rc)
		rc = link_find(&setup->inside, first_name, &made, err);
	return rc ? rc :
		    link_set_name(&setup->inside, made.index, it->name, err);
}

static int move_device(struct setup *setup, const char *device,
		       const char *name, struct err *err)
{
	struct link_info info;
	int rc = find_device(setup, device, &info, err);

	setup->kept_count = 0;
	if (!rc)
		rc = link_addresses(&setup->host, info.index, setup->kept,
				    ARRAY_SIZE(setup->kept), &setup->kept_count,
				    err);
	if (!rc)
		rc = link_move(&setup->host, info.index, setup->place->netns,
			       name, err);
	if (rc)
		return err_prefix(err, "cannot move %s", device);
	snprintf(setup->moved[setup->moved_count].device, LINK_NAME_MAX + 1,
		 "%s", device);
	snprintf(setup->moved[setup->moved_count++].name, LINK_NAME_MAX + 1,
		 "%s", name);
	return 0;
}

/* ---- inside ---- */

static int add_addresses(struct setup *setup, int index,
			 const struct link_address *addresses, size_t count,
			 struct err *err)
{
	char text[NET_ADDRESS_TEXT];

	for (size_t i = 0; i < count; i++) {
		int rc = link_add_address(&setup->inside, index, &addresses[i],
					  err);

		if (rc)
			return err_prefix(err, "address %s",
					  net_address_text(&addresses[i],
							   text));
	}
	return 0;
}

static int add_routes(struct setup *setup, int index,
		      const struct net_interface *it, struct err *err)
{
	char text[NET_ADDRESS_TEXT];

	for (size_t i = 0; i < it->route_count; i++) {
		const struct link_route *route = &it->routes[i];
		int rc = link_add_route(&setup->inside, index, &route->to,
					&route->gateway, err);

		if (rc)
			return err_prefix(err, "route to %s/%u",
					  net_address_text(&route->to, text),
					  route->to.prefix);
	}
	return 0;
}

/* What moves is down, and has lost its addresses. */
static int finish_moved(struct setup *setup, const struct net_interface *it,
			int index, struct err *err)
{
	int rc = 0;

	if (it->has_mac)
		rc = link_set_mac(&setup->inside, index, it->mac, err);
	if (!rc && it->mtu)
		rc = link_set_mtu(&setup->inside, index, it->mtu, err);
	if (!rc && !it->address_count)
		rc = add_addresses(setup, index, setup->kept, setup->kept_count,
				   err);
	return rc ? rc : link_set_up(&setup->inside, index, err);
}

static int configure(struct setup *setup, const struct net_interface *it,
		     struct err *err)
{
	struct link_info info;
	int rc = link_find(&setup->inside, it->name, &info, err);

	if (rc == -ENODEV)
		return err_set(err, ENODEV, "%s is gone", it->name);
	if (!rc && it->kind == NET_MOVE)
		rc = finish_moved(setup, it, info.index, err);
	else if (!rc)
		rc = link_set_up(&setup->inside, info.index, err);
	if (!rc)
		rc = add_addresses(setup, info.index, it->addresses,
				   it->address_count, err);
	return rc ? rc : add_routes(setup, info.index, it, err);
}

static int add_interface(struct setup *setup, const struct net_interface *it,
			 size_t index, struct err *err)
{
	static const char *const names[] = {
		[NET_BRIDGE] = "bridge",
		[NET_MACVLAN] = "macvlan",
		[NET_IPVLAN] = "ipvlan",
		[NET_MOVE] = "move",
	};
	int rc = check_free(setup, it->name, err);

	if (!rc && it->kind == NET_BRIDGE)
		rc = add_bridge_port(setup, it, index, err);
	else if (!rc && it->kind == NET_MOVE)
		rc = move_device(setup, it->device, it->name, err);
	else if (!rc)
		rc = add_on_device(setup, it, index, err);
	if (!rc)
		rc = configure(setup, it, err);
	return rc ? err_prefix(err, "network %s=%s", names[it->kind],
			       it->device) :
		    0;
}

/* ---- linux.netDevices ---- */

/* "eth%d" is the first name of the kind that is free; what has no "%d" is a
 * name. */
static int choose_name(struct setup *setup, const char *pattern,
		       char name[LINK_NAME_MAX + 1], struct err *err)
{
	const char *number = strstr(pattern, "%d");
	struct link_info info;
	int rc = 0;

	snprintf(name, LINK_NAME_MAX + 1, "%s", pattern);
	if (!number)
		return check_free(setup, name, err);
	for (unsigned int i = 0; !rc && i < 1000; i++) {
		snprintf(name, LINK_NAME_MAX + 1, "%.*s%u%s",
			 (int)(number - pattern), pattern, i, number + 2);
		rc = link_find(&setup->inside, name, &info, err);
	}
	if (rc == -ENODEV)
		return 0;
	return rc ? rc : err_set(err, EEXIST, "no name %s is free", pattern);
}

static int add_device(struct setup *setup, const struct net_device *device,
		      struct err *err)
{
	struct net_interface it = { .kind = NET_MOVE };
	int rc = choose_name(setup, device->name, it.name, err);

	if (!rc)
		rc = move_device(setup, device->device, it.name, err);
	if (!rc)
		rc = configure(setup, &it, err);
	return rc ? err_prefix(err, "config.json: linux.netDevices.%s",
			       device->device) :
		    0;
}

/* ---- in order ---- */

/* What moved comes back, down and bare, under its name: the namespace would
 * take a device of software along when it goes. */
static void give_back(struct setup *setup)
{
	for (size_t i = 0; i < setup->moved_count; i++) {
		struct link_info info;

		if (!link_find(&setup->inside, setup->moved[i].name, &info,
			       NULL))
			link_move(&setup->inside, info.index,
				  setup->place->home, setup->moved[i].device,
				  NULL);
	}
}

static int add_all(struct setup *setup, const struct net_plan *plan,
		   const struct net_device *devices, size_t device_count,
		   struct err *err)
{
	size_t count = plan ? plan->interface_count : 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < device_count; i++)
		rc = add_device(setup, &devices[i], err);
	for (size_t i = 0; !rc && i < count; i++)
		rc = add_interface(setup, &plan->interfaces[i], i, err);
	if (!rc && plan && plan->user)
		rc = net_user_start(setup->place, plan, err);
	else if (!rc && plan && plan->port_count)
		rc = net_ports_add(setup->place, plan, err);
	return rc;
}

int net_setup(const struct net_place *place, const struct net_plan *plan,
	      const struct net_device *devices, size_t device_count,
	      struct err *err)
{
	autofree struct setup *setup = calloc(1, sizeof(*setup));
	int rc;

	if (!setup)
		return err_sys(err, ENOMEM, "no network");
	setup->place = place;
	setup->inside.fd = -1;
	rc = netlink_open(&setup->host, NETLINK_ROUTE, err);
	/* Who is not root here could not come back. */
	if (!rc && (device_count || (plan && plan->interface_count)))
		rc = netlink_open_in(&setup->inside, NETLINK_ROUTE,
				     place->netns, place->home, err);
	if (!rc)
		rc = add_all(setup, plan, devices, device_count, err);
	if (rc)
		give_back(setup);
	netlink_close(&setup->host);
	netlink_close(&setup->inside);
	return rc;
}

/* The ends on the host go with the namespace, but only a while after the last
 * process of it. */
static int remove_ports(const struct state *state, const struct net_plan *plan,
			struct err *err)
{
	autofree struct netlink *host = malloc(sizeof(*host));
	char name[NET_HOST_NAME];
	int rc;

	if (!host)
		return err_sys(err, ENOMEM, "no network");
	rc = netlink_open(host, NETLINK_ROUTE, err);
	for (size_t i = 0; !rc && i < plan->interface_count; i++) {
		struct link_info info;

		if (plan->interfaces[i].kind != NET_BRIDGE)
			continue;
		net_host_name(state, i, name);
		rc = link_find(host, name, &info, err);
		if (!rc)
			rc = link_delete(host, info.index, err);
		if (rc == -ENODEV)
			rc = 0;
		if (rc)
			err_prefix(err, "cannot remove %s", name);
	}
	netlink_close(host);
	return rc;
}

int net_remove(const struct state *state, struct err *err)
{
	autofree struct net_plan *plan = NULL;
	int rc = 0;

	/* Where nothing can be read, nothing was made: that came first. */
	if (net_plan_read(state->annotations, &plan, NULL) || !plan)
		return 0;
	net_files_remove(state);
	if (plan->user)
		return net_user_stop(state, err);
	if (plan->port_count)
		rc = net_ports_remove(state, err);
	if (!rc && plan->interface_count)
		rc = remove_ports(state, plan, err);
	return rc;
}
