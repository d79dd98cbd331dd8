#include "sandbox/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define OUT_BYTES 1024

/* A message that is built on the stack. */
struct request {
	struct netlink_out out;
	_Alignas(NLMSG_ALIGNTO) char buf[OUT_BYTES];
};

static void begin(struct request *request, uint16_t type, uint16_t flags,
		  const void *header, size_t size)
{
	netlink_out_init(&request->out, request->buf, sizeof(request->buf));
	netlink_begin(&request->out, type, flags, header, size);
}

static int finish(struct netlink *route, struct request *request,
		  struct err *err)
{
	return netlink_request(route, &request->out, NULL, NULL, err);
}

bool link_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > LINK_NAME_MAX || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || strchr("/:", *name))
			return false;
	}
	return true;
}

/* ---- what is there ---- */

static uint32_t read_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (attr && netlink_size(attr) >= sizeof(value))
		memcpy(&value, netlink_data(attr), sizeof(value));
	return value;
}

static bool is_text(const struct nlattr *attr, const char *text)
{
	size_t size = strlen(text) + 1;

	return attr && netlink_size(attr) == size &&
	       !memcmp(netlink_data(attr), text, size);
}

static void read_info(void *context, const struct nlmsghdr *message)
{
	struct link_info *info = context;
	const struct ifinfomsg *header = NLMSG_DATA(message);
	const struct nlattr *link;
	const struct nlattr *data;
	const struct nlattr *filtering = NULL;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
		return;
	info->index = header->ifi_index;
	info->is_up = header->ifi_flags & IFF_UP;
	info->mtu = read_u32(netlink_find(message, sizeof(*header), IFLA_MTU));
	info->is_wireless =
		netlink_find(message, sizeof(*header), IFLA_WIRELESS);
	link = netlink_find(message, sizeof(*header), IFLA_LINKINFO);
	if (!link)
		return;
	info->is_bridge =
		is_text(netlink_find_in(link, IFLA_INFO_KIND), "bridge");
	data = netlink_find_in(link, IFLA_INFO_DATA);
	if (info->is_bridge && data)
		filtering = netlink_find_in(data, IFLA_BR_VLAN_FILTERING);
	if (filtering && netlink_size(filtering))
		info->filters_vlans = *(const uint8_t *)netlink_data(filtering);
	if (info->is_bridge && data)
		filtering = netlink_find_in(data, IFLA_BR_VLAN_DEFAULT_PVID);
	if (filtering && netlink_size(filtering) == sizeof(info->default_vlan))
		memcpy(&info->default_vlan, netlink_data(filtering),
		       sizeof(info->default_vlan));
}

int link_find(struct netlink *route, const char *name,
	      struct link_info *ret_info, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct link_info info = { 0 };
	struct request request;
	int rc;

	begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_put_string(&request.out, IFLA_IFNAME, name);
	rc = netlink_request(route, &request.out, read_info, &info, err);
	if (rc == -ENODEV)
		return rc;
	if (rc)
		return err_prefix(err, "interface %s", name);
	if (!info.index)
		return err_sys(err, EPROTO, "interface %s", name);
	*ret_info = info;
	return 0;
}

/* ---- new interfaces ---- */

static void put_veth(struct request *request, const struct link_plan *plan)
{
	const struct ifinfomsg peer = { 0 };
	struct netlink_out *out = &request->out;
	size_t data = netlink_nest(out, IFLA_INFO_DATA);
	size_t nest = netlink_nest(out, VETH_INFO_PEER);

	netlink_put_raw(out, &peer, sizeof(peer));
	netlink_put_string(out, IFLA_IFNAME, plan->name);
	netlink_put_u32(out, IFLA_NET_NS_FD, (uint32_t)plan->netns);
	if (plan->has_mac)
		netlink_put(out, IFLA_ADDRESS, plan->mac, sizeof(plan->mac));
	if (plan->mtu)
		netlink_put_u32(out, IFLA_MTU, plan->mtu);
	netlink_nest_end(out, nest);
	netlink_nest_end(out, data);
}

static void put_lower_kind(struct request *request,
			   const struct link_plan *plan)
{
	struct netlink_out *out = &request->out;
	size_t data = netlink_nest(out, IFLA_INFO_DATA);

	if (!strcmp(plan->kind, "macvlan"))
		netlink_put_u32(out, IFLA_MACVLAN_MODE, plan->mode);
	else
		netlink_put_u16(out, IFLA_IPVLAN_MODE, (uint16_t)plan->mode);
	netlink_nest_end(out, data);
}

/*
 * One message makes a pair with both ends where they belong, named, and on this
 * side up and a port of the bridge. The other end is made before it has a peer,
 * and cannot come up yet.
 */
int link_add(struct netlink *route, const struct link_plan *plan,
	     struct err *err)
{
	bool is_veth = !strcmp(plan->kind, "veth");
	const struct ifinfomsg header = { .ifi_flags = is_veth ? IFF_UP : 0,
					  .ifi_change = is_veth ? IFF_UP : 0 };
	struct request request;
	struct netlink_out *out = &request.out;
	size_t nest;

	begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header,
	      sizeof(header));
	netlink_put_string(out, IFLA_IFNAME,
			   is_veth ? plan->host_name : plan->name);
	if (plan->mtu)
		netlink_put_u32(out, IFLA_MTU, plan->mtu);
	if (is_veth && plan->bridge)
		netlink_put_u32(out, IFLA_MASTER, (uint32_t)plan->bridge);
	if (!is_veth) {
		netlink_put_u32(out, IFLA_LINK, (uint32_t)plan->lower);
		netlink_put_u32(out, IFLA_NET_NS_FD, (uint32_t)plan->netns);
		if (plan->has_mac)
			netlink_put(out, IFLA_ADDRESS, plan->mac,
				    sizeof(plan->mac));
	}
	nest = netlink_nest(out, IFLA_LINKINFO);
	netlink_put_string(out, IFLA_INFO_KIND, plan->kind);
	if (is_veth)
		put_veth(&request, plan);
	else
		put_lower_kind(&request, plan);
	netlink_nest_end(out, nest);
	return finish(route, &request, err);
}

/* ---- changes ---- */

int link_move(struct netlink *route, int index, int netns, const char *name,
	      struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index };
	struct request request;

	begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	netlink_put_u32(&request.out, IFLA_NET_NS_FD, (uint32_t)netns);
	netlink_put_string(&request.out, IFLA_IFNAME, name);
	return finish(route, &request, err);
}

int link_set_name(struct netlink *route, int index, const char *name,
		  struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index };
	struct request request;

	begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	netlink_put_string(&request.out, IFLA_IFNAME, name);
	return finish(route, &request, err);
}

int link_set_mac(struct netlink *route, int index, const uint8_t mac[MAC_BYTES],
		 struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index };
	struct request request;

	begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	netlink_put(&request.out, IFLA_ADDRESS, mac, MAC_BYTES);
	return finish(route, &request, err);
}

int link_set_mtu(struct netlink *route, int index, uint32_t mtu,
		 struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index };
	struct request request;

	begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	netlink_put_u32(&request.out, IFLA_MTU, mtu);
	return finish(route, &request, err);
}

int link_set_up(struct netlink *route, int index, struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index,
					  .ifi_flags = IFF_UP,
					  .ifi_change = IFF_UP };
	struct request request;

	begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	return finish(route, &request, err);
}

int link_delete(struct netlink *route, int index, struct err *err)
{
	const struct ifinfomsg header = { .ifi_index = index };
	struct request request;

	begin(&request, RTM_DELLINK, 0, &header, sizeof(header));
	return finish(route, &request, err);
}

static int change_vlan(struct netlink *route, uint16_t type, int index,
		       const struct bridge_vlan_info *vlan, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_BRIDGE,
					  .ifi_index = index };
	struct request request;
	size_t nest;

	begin(&request, type, 0, &header, sizeof(header));
	nest = netlink_nest(&request.out, IFLA_AF_SPEC);
	netlink_put(&request.out, IFLA_BRIDGE_VLAN_INFO, vlan, sizeof(*vlan));
	netlink_nest_end(&request.out, nest);
	return finish(route, &request, err);
}

int link_set_vlan(struct netlink *route, int index, uint16_t vid,
		  uint16_t other, struct err *err)
{
	const struct bridge_vlan_info own = {
		.flags = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED,
		.vid = vid,
	};
	const struct bridge_vlan_info first = { .vid = other };
	int rc = change_vlan(route, RTM_SETLINK, index, &own, err);

	if (!rc && other && other != vid)
		rc = change_vlan(route, RTM_DELLINK, index, &first, err);
	return rc;
}

/* ---- addresses and routes ---- */

static size_t address_bytes(const struct link_address *address)
{
	return address->family == AF_INET6 ? 16 : 4;
}

/* Nobody else can have the address yet, so there is no waiting for duplicates
 * to be found (RFC 4862, 5.4). */
int link_add_address(struct netlink *route, int index,
		     const struct link_address *address, struct err *err)
{
	const struct ifaddrmsg header = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = address->prefix,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = (uint32_t)index,
	};
	struct request request;

	begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header,
	      sizeof(header));
	netlink_put(&request.out, IFA_LOCAL, address->bytes,
		    address_bytes(address));
	netlink_put(&request.out, IFA_ADDRESS, address->bytes,
		    address_bytes(address));
	return finish(route, &request, err);
}

struct address_list {
	struct link_address *addresses;
	size_t room;
	size_t count;
	uint32_t index;
};

static void read_address(void *context, const struct nlmsghdr *message)
{
	struct address_list *list = context;
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	struct link_address address = { 0 };
	const struct nlattr *attr;
	uint32_t flags;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)) ||
	    header->ifa_index != list->index ||
	    header->ifa_scope != RT_SCOPE_UNIVERSE ||
	    (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return;
	flags = header->ifa_flags;
	attr = netlink_find(message, sizeof(*header), IFA_FLAGS);
	if (attr)
		flags = read_u32(attr);
	if (!(flags & IFA_F_PERMANENT))
		return;
	attr = netlink_find(message, sizeof(*header), IFA_LOCAL);
	if (!attr)
		attr = netlink_find(message, sizeof(*header), IFA_ADDRESS);
	address.family = header->ifa_family;
	address.prefix = header->ifa_prefixlen;
	if (!attr || netlink_size(attr) != address_bytes(&address))
		return;
	memcpy(address.bytes, netlink_data(attr), netlink_size(attr));
	if (list->count < list->room)
		list->addresses[list->count] = address;
	list->count++;
}

int link_addresses(struct netlink *route, int index,
		   struct link_address *addresses, size_t room,
		   size_t *ret_count, struct err *err)
{
	const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };
	struct address_list list = { .addresses = addresses,
				     .room = room,
				     .index = (uint32_t)index };
	struct request request;
	int rc;

	begin(&request, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
	rc = netlink_request(route, &request.out, read_address, &list, err);
	if (!rc && list.count > room)
		rc = err_set(err, E2BIG, "it has more than %zu addresses",
			     room);
	if (!rc)
		*ret_count = list.count;
	return rc;
}

int link_add_route(struct netlink *route, int index,
		   const struct link_address *to,
		   const struct link_address *gateway, struct err *err)
{
	const struct rtmsg header = {
		.rtm_family = (uint8_t)to->family,
		.rtm_dst_len = to->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = gateway->family ? RT_SCOPE_UNIVERSE :
					       RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct request request;

	begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header,
	      sizeof(header));
	if (to->prefix)
		netlink_put(&request.out, RTA_DST, to->bytes,
			    address_bytes(to));
	if (gateway->family)
		netlink_put(&request.out, RTA_GATEWAY, gateway->bytes,
			    address_bytes(gateway));
	netlink_put_u32(&request.out, RTA_OIF, (uint32_t)index);
	return finish(route, &request, err);
}

/* Its index is always 1, and one call on any socket does it: this is on the way
 * of every start. */
int link_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		return -errno;
	return 0;
}
