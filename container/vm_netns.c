#include "container/vm_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "container/vm_net.h"

#define LINKS_MAX 32
#define TAP	  "hull-vm" /* one in a namespace */

/* Both namespaces, and a socket in the engine's. */
struct place {
	int home;
	int netns;
	struct netlink route;
};

static int place_open(struct place *place, const char *path, struct err *err)
{
	struct stat own;
	struct stat other;

	place->route.fd = -1;
	place->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	place->netns = open(path, O_RDONLY | O_CLOEXEC);
	if (place->home < 0 || place->netns < 0 || fstat(place->home, &own) ||
	    fstat(place->netns, &other))
		return err_sys(err, errno,
			       "cannot open the network namespace %s", path);
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino)
		return err_set(
			err, EOPNOTSUPP,
			"linux.namespaces: a VM cannot have the host's network; ask for one of its own");
	return netlink_open_in(&place->route, NETLINK_ROUTE, place->netns,
			       place->home, err);
}

static void place_close(struct place *place)
{
	netlink_close(&place->route);
	if (place->netns >= 0)
		close(place->netns);
	if (place->home >= 0)
		close(place->home);
}

/* ---- what is there ---- */

static bool can_be_it(const struct link_entry *link)
{
	return link->is_up && !link->is_loopback && link->has_mac &&
	       strcmp(link->name, TAP) != 0;
}

static int find_interface(struct place *place, struct vm_netns *net,
			  struct err *err)
{
	struct link_entry links[LINKS_MAX];
	struct link_address addresses[NET_ADDRESSES_MAX];
	size_t count = 0;
	int rc = link_list(&place->route, links, LINKS_MAX, &count, err);

	for (size_t i = 0; !rc && i < count; i++) {
		size_t found = 0;

		if (!can_be_it(&links[i]))
			continue;
		rc = link_addresses(&place->route, links[i].index, addresses,
				    NET_ADDRESSES_MAX, &found, err);
		if (rc || !found)
			continue;
		if (net->found)
			return err_set(
				err, EOPNOTSUPP,
				"a VM has one network at most, and there are %s and %s",
				net->link.name, links[i].name);
		net->found = true;
		net->link = links[i];
		net->address_count = found;
		memcpy(net->addresses, addresses, sizeof(addresses));
	}
	return rc;
}

static int examine(struct place *place, struct vm_netns *net, struct err *err)
{
	int rc = find_interface(place, net, err);

	if (!rc && net->found)
		rc = link_routes(&place->route, net->link.index, net->routes,
				 NET_ROUTES_MAX, &net->route_count, err);
	return rc;
}

/* ---- the tap ---- */

static int make_tap(const struct place *place, struct err *err)
{
	int tap;

	if (setns(place->netns, CLONE_NEWNET))
		return err_sys(err, errno,
			       "cannot enter the network namespace");
	tap = vm_net_new_tap(TAP, err);
	if (setns(place->home, CLONE_NEWNET)) {
		if (tap >= 0)
			close(tap);
		return err_sys(err, errno,
			       "cannot return to the network namespace");
	}
	return tap == -EBUSY ?
		       err_set(err, EBUSY,
			       "another VM has the network of this namespace") :
		       tap;
}

static int join(struct place *place, const struct vm_netns *net,
		struct err *err)
{
	struct link_info tap;
	int rc = link_find(&place->route, TAP, &tap, err);

	if (rc)
		return rc == -ENODEV ? err_set(err, ENODEV, "the tap is gone") :
				       rc;
	rc = link_set_mtu(&place->route, tap.index, net->link.mtu, err);
	if (!rc)
		rc = link_set_up(&place->route, tap.index, err);
	if (!rc)
		rc = link_join(&place->route, tap.index, net->link.index, err);
	return rc;
}

static int add_tap(struct place *place, const struct vm_netns *net,
		   int *ret_tap, struct err *err)
{
	autoclose int tap = make_tap(place, err);
	int rc = tap < 0 ? tap : join(place, net, err);

	if (!rc)
		*ret_tap = move_fd(&tap);
	return rc;
}

/* ---- both ---- */

static int visit(const char *path, struct vm_netns *net, int *ret_tap,
		 struct err *err)
{
	autofree struct place *place = calloc(1, sizeof(*place));
	int rc;

	if (!place)
		return err_sys(err, ENOMEM, "no network");
	rc = place_open(place, path, err);
	if (!rc)
		rc = examine(place, net, err);
	if (!rc && net->found && ret_tap)
		rc = add_tap(place, net, ret_tap, err);
	place_close(place);
	return rc;
}

int vm_netns_read(const char *path, struct vm_netns *ret_net, struct err *err)
{
	*ret_net = (struct vm_netns){ .found = false };
	return visit(path, ret_net, NULL, err);
}

int vm_netns_open_tap(const char *path, int *ret_tap, struct err *err)
{
	struct vm_netns net = { .found = false };
	int rc;

	*ret_tap = -1;
	rc = visit(path, &net, ret_tap, err);
	return rc ? err_prefix(err, "network namespace %s", path) : 0;
}
