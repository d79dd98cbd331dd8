/* What there is in a network namespace, as lists. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "sandbox/link.h"

#define OUT_BYTES 64

static uint32_t read_u32(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (attr && netlink_size(attr) >= sizeof(value))
		memcpy(&value, netlink_data(attr), sizeof(value));
	return value;
}

/* Has @read take each message of a dump, of all families. */
static int dump(struct netlink *route, uint16_t type,
		void (*read)(void *context, const struct nlmsghdr *message),
		void *context, struct err *err)
{
	const struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	_Alignas(NLMSG_ALIGNTO) char buf[OUT_BYTES];
	struct netlink_out out;

	netlink_out_init(&out, buf, sizeof(buf));
	netlink_begin(&out, type, NLM_F_DUMP, &header, sizeof(header));
	return netlink_request(route, &out, read, context, err);
}

/* ---- interfaces ---- */

struct link_list {
	struct link_entry *links;
	size_t room;
	size_t count;
};

static void read_link(void *context, const struct nlmsghdr *message)
{
	struct link_list *list = context;
	const struct ifinfomsg *header = NLMSG_DATA(message);
	struct link_entry link = { 0 };
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
		return;
	link.index = header->ifi_index;
	link.is_up = header->ifi_flags & IFF_UP;
	link.is_loopback = header->ifi_flags & IFF_LOOPBACK;
	link.mtu = read_u32(netlink_find(message, sizeof(*header), IFLA_MTU));
	attr = netlink_find(message, sizeof(*header), IFLA_IFNAME);
	if (!attr || !netlink_size(attr) ||
	    netlink_size(attr) > sizeof(link.name))
		return;
	memcpy(link.name, netlink_data(attr), netlink_size(attr) - 1);
	attr = netlink_find(message, sizeof(*header), IFLA_ADDRESS);
	if (attr && netlink_size(attr) == MAC_BYTES) {
		link.has_mac = true;
		memcpy(link.mac, netlink_data(attr), MAC_BYTES);
	}
	if (list->count < list->room)
		list->links[list->count] = link;
	list->count++;
}

int link_list(struct netlink *route, struct link_entry *links, size_t room,
	      size_t *ret_count, struct err *err)
{
	struct link_list list = { .links = links, .room = room };
	int rc = dump(route, RTM_GETLINK, read_link, &list, err);

	if (!rc && list.count > room)
		rc = err_set(err, E2BIG, "there are more than %zu interfaces",
			     room);
	if (!rc)
		*ret_count = list.count;
	return rc;
}

/* ---- routes ---- */

struct route_list {
	struct link_route *routes;
	size_t room;
	size_t count;
	uint32_t index;
};

static bool read_address(const struct nlattr *attr, int family,
			 struct link_address *address)
{
	size_t size = family == AF_INET6 ? 16 : 4;

	address->family = family;
	if (!attr || netlink_size(attr) != size)
		return false;
	memcpy(address->bytes, netlink_data(attr), size);
	return true;
}

/* Those that the kernel makes by itself come with the addresses. */
static void read_route(void *context, const struct nlmsghdr *message)
{
	struct route_list *list = context;
	const struct rtmsg *header = NLMSG_DATA(message);
	struct link_route route = { .to = { .family = 0 } };

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)) ||
	    (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) ||
	    header->rtm_table != RT_TABLE_MAIN ||
	    header->rtm_type != RTN_UNICAST ||
	    header->rtm_protocol == RTPROT_KERNEL ||
	    header->rtm_flags & RTM_F_CLONED ||
	    read_u32(netlink_find(message, sizeof(*header), RTA_OIF)) !=
		    list->index)
		return;
	route.to.prefix = header->rtm_dst_len;
	if (!read_address(netlink_find(message, sizeof(*header), RTA_DST),
			  header->rtm_family, &route.to) &&
	    route.to.prefix)
		return;
	if (!read_address(netlink_find(message, sizeof(*header), RTA_GATEWAY),
			  header->rtm_family, &route.gateway))
		route.gateway.family = 0;
	if (list->count < list->room)
		list->routes[list->count] = route;
	list->count++;
}

int link_routes(struct netlink *route, int index, struct link_route *routes,
		size_t room, size_t *ret_count, struct err *err)
{
	struct route_list list = { .routes = routes,
				   .room = room,
				   .index = (uint32_t)index };
	int rc = dump(route, RTM_GETROUTE, read_route, &list, err);

	if (!rc && list.count > room)
		rc = err_set(err, E2BIG, "it has more than %zu routes", room);
	if (!rc)
		*ret_count = list.count;
	return rc;
}
