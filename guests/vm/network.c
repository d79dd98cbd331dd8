/* The one network card, with the addresses and routes that we are told. */
#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guests/vm/vm.h"

#define CARD "eth0"

/* As linux/ipv6.h has them, which goes ill with netinet/in.h. */
struct request6 {
	struct in6_addr address;
	uint32_t prefix;
	int index;
};

static int set_flags(int sock, const char *name, short flags)
{
	struct ifreq request = { .ifr_flags = flags };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(sock, SIOCSIFFLAGS, &request);
}

static int card_index(int sock)
{
	struct ifreq request = { .ifr_name = CARD };

	return ioctl(sock, SIOCGIFINDEX, &request) ? 0 : request.ifr_ifindex;
}

static struct sockaddr_in in4(struct in_addr address)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr = address };
}

static struct in_addr mask(unsigned int prefix)
{
	return (struct in_addr){ prefix ? htonl(~0U << (32 - prefix)) : 0 };
}

static int add_address4(int sock, struct in_addr address, unsigned int prefix,
			unsigned int number)
{
	struct sockaddr_in value = in4(address);
	struct ifreq request = { .ifr_name = CARD };

	/* One more needs a name of its own. */
	if (number)
		snprintf(request.ifr_name, sizeof(request.ifr_name), CARD ":%u",
			 number);
	memcpy(&request.ifr_addr, &value, sizeof(value));
	if (ioctl(sock, SIOCSIFADDR, &request))
		return -1;
	value = in4(mask(prefix));
	memcpy(&request.ifr_netmask, &value, sizeof(value));
	return ioctl(sock, SIOCSIFNETMASK, &request);
}

/* "192.0.2.2/24" */
static int add_address(int sock4, int sock6, char *text, unsigned int number)
{
	char *slash = strchr(text, '/');
	struct request6 request = { .index = card_index(sock4) };
	struct in_addr address;

	if (!slash || sscanf(slash + 1, "%u", &request.prefix) != 1)
		return -1;
	*slash = '\0';
	if (inet_pton(AF_INET, text, &address) == 1)
		return add_address4(sock4, address, request.prefix, number);
	if (inet_pton(AF_INET6, text, &request.address) != 1)
		return -1;
	return ioctl(sock6, SIOCSIFADDR, &request);
}

static int add_route4(int sock, struct in_addr to, unsigned int prefix,
		      struct in_addr gateway)
{
	struct sockaddr_in value = in4(to);
	struct rtentry route = { .rt_flags = RTF_UP };
	char card[] = CARD;

	memcpy(&route.rt_dst, &value, sizeof(value));
	value = in4(mask(prefix));
	memcpy(&route.rt_genmask, &value, sizeof(value));
	if (gateway.s_addr) {
		value = in4(gateway);
		memcpy(&route.rt_gateway, &value, sizeof(value));
		route.rt_flags |= RTF_GATEWAY;
	}
	route.rt_dev = card;
	return ioctl(sock, SIOCADDRT, &route);
}

/* "0.0.0.0/0 192.0.2.1" */
static int add_route(int sock4, int sock6, const char *text)
{
	char to[64], by[64];
	struct in6_rtmsg route = { .rtmsg_flags = RTF_UP,
				   .rtmsg_metric = 1,
				   .rtmsg_ifindex = card_index(sock4) };
	struct in_addr address, gateway;
	unsigned int prefix;

	if (sscanf(text, "%63[^/]/%u %63s", to, &prefix, by) != 3)
		return -1;
	if (inet_pton(AF_INET, to, &address) == 1 &&
	    inet_pton(AF_INET, by, &gateway) == 1)
		return add_route4(sock4, address, prefix, gateway);
	if (inet_pton(AF_INET6, to, &route.rtmsg_dst) != 1 ||
	    inet_pton(AF_INET6, by, &route.rtmsg_gateway) != 1)
		return -1;
	route.rtmsg_dst_len = (uint16_t)prefix;
	if (!IN6_IS_ADDR_UNSPECIFIED(&route.rtmsg_gateway))
		route.rtmsg_flags |= RTF_GATEWAY;
	return ioctl(sock6, SIOCADDRT, &route);
}

static int set_mtu(int sock, unsigned int mtu)
{
	struct ifreq request = { .ifr_name = CARD, .ifr_mtu = (int)mtu };

	return ioctl(sock, SIOCSIFMTU, &request);
}

int network_up(const struct settings *settings)
{
	int sock4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int sock6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = set_flags(sock4, "lo", IFF_UP);

	if (settings->mtu)
		rc |= set_mtu(sock4, settings->mtu);
	if (settings->network)
		rc |= set_flags(sock4, CARD, IFF_UP);
	for (size_t i = 0; i < settings->addresses.count; i++)
		rc |= add_address(sock4, sock6, settings->addresses.items[i],
				  (unsigned int)i);
	for (size_t i = 0; i < settings->routes.count; i++)
		rc |= add_route(sock4, sock6, settings->routes.items[i]);
	close(sock4);
	close(sock6);
	return rc;
}
