#include "container/vm_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "container/net_setup.h"
#include "container/vm_netns.h"

/* linux/sockios.h, which goes with rtnetlink elsewhere. */
#define ADD_TO_BRIDGE 0x89a2 /* SIOCBRADDIF */

int vm_net_check(const struct network *network, struct err *err)
{
	if (network->ports.count)
		return err_set(
			err, EOPNOTSUPP,
			"--publish: ports of a VM cannot be published; its own address on the bridge can be reached");
	if (network->nets.count > 1)
		return err_set(err, EOPNOTSUPP,
			       "--net: a VM has one network at most");
	if (network->nets.count &&
	    strcmp(network->nets.items[0], "none") != 0 &&
	    strncmp(network->nets.items[0], "bridge=", 7) != 0)
		return err_set(err, EOPNOTSUPP,
			       "--net: a VM takes none or bridge=, not \"%s\"",
			       network->nets.items[0]);
	return 0;
}

int vm_net_new_tap(const char *name, struct err *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI |
					      IFF_VNET_HDR };
	autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		return err_sys(err, errno, "cannot make the tap %s", name);
	return move_fd(&fd);
}

static int join(struct netlink *route, const struct net_interface *it,
		const char *name, struct err *err)
{
	autoclose int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = 0 };
	struct link_info bridge;
	struct link_info tap;
	int rc = link_find(route, it->device, &bridge, err);

	if (rc == -ENODEV)
		return err_set(
			err, ENODEV,
			"there is no bridge %s: make it (ip link add %s type bridge)",
			it->device, it->device);
	if (!rc && !bridge.is_bridge)
		rc = err_set(err, EINVAL, "%s is no bridge", it->device);
	if (!rc && it->vlan && !bridge.filters_vlans)
		rc = err_set(
			err, EINVAL,
			"the bridge %s does not tell VLANs apart: switch it on (ip link set %s type bridge vlan_filtering 1)",
			it->device, it->device);
	if (!rc)
		rc = link_find(route, name, &tap, err);
	if (rc)
		return rc == -ENODEV ?
			       err_set(err, ENODEV, "%s is gone", name) :
			       rc;
	if (it->mtu)
		rc = link_set_mtu(route, tap.index, it->mtu, err);
	if (rc)
		return rc;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", it->device);
	request.ifr_ifindex = tap.index;
	if (sock < 0 || ioctl(sock, ADD_TO_BRIDGE, &request))
		return err_sys(err, errno, "cannot add %s to the bridge", name);
	if (it->vlan)
		rc = link_set_vlan(route, tap.index, it->vlan,
				   bridge.default_vlan, err);
	return rc ? rc : link_set_up(route, tap.index, err);
}

int vm_net_open(const struct state *state, int *ret_tap, struct err *err)
{
	const char *text = json_string_value(
		json_object_get(state->annotations, VM_NET_ANNOTATION));
	autofree struct net_plan *plan = NULL;
	autofree struct netlink *route = NULL;
	char name[NET_HOST_NAME];
	autoclose int tap = -1;
	const char *netns = json_string_value(
		json_object_get(state->annotations, VM_NETNS_ANNOTATION));
	int rc;

	if (netns)
		return vm_netns_open_tap(netns, ret_tap, err);
	if (!text)
		return 0;
	plan = calloc(1, sizeof(*plan));
	route = calloc(1, sizeof(*route));
	if (!plan || !route)
		return err_sys(err, ENOMEM, "no network");
	rc = net_plan_add(plan, text, err);
	if (!rc && plan->interface_count != 1)
		rc = err_set(err, EINVAL, VM_NET_ANNOTATION ": not \"%s\"",
			     text);
	if (rc)
		return rc;
	net_host_name(state, 0, name);
	tap = vm_net_new_tap(name, err);
	if (tap < 0)
		return tap;
	rc = netlink_open(route, NETLINK_ROUTE, err);
	if (!rc)
		rc = join(route, &plan->interfaces[0], name, err);
	netlink_close(route);
	if (rc)
		return err_prefix(err, "network bridge=%s",
				  plan->interfaces[0].device);
	*ret_tap = move_fd(&tap);
	return 0;
}
