/*
 * The network of an engine's VM: the engine has made an interface in a network
 * namespace, as for any container. Its address, routes and MAC address become
 * those of the guest's card, and a tap beside it takes its packets; the
 * namespace's own stack sees none. The interface stays as it is, so that the
 * engine finds what it knows. One thread.
 */
#ifndef CONTAINER_VM_NETNS_H
#define CONTAINER_VM_NETNS_H

#include "container/net_plan.h"

/* The namespace's path, among the annotations of the monitor's container. */
#define VM_NETNS_ANNOTATION "hull-ct.vm-netns"

struct vm_netns {
	bool found; /* there is an interface */
	struct link_entry link;
	struct link_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;
	struct link_route routes[NET_ROUTES_MAX];
	size_t route_count;
};

/* What is there. More than one interface that is up and has addresses is
 * refused, and so is the caller's own namespace. */
int vm_netns_read(const char *path, struct vm_netns *ret_net, struct err *err);

/* The tap, which the caller closes. */
int vm_netns_open_tap(const char *path, int *ret_tap, struct err *err);

#endif
