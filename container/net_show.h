/*
 * What a container's network is, for people and for scripts: as it was
 * configured (net_plan.h), so that one that is stopped has it, too. One thread.
 */
#ifndef CONTAINER_NET_SHOW_H
#define CONTAINER_NET_SHOW_H

#include "container/json.h"

/*
 * An array of {"kind", "device", "name", "vlan", "mac", "mtu", "addresses"}, of
 * which there is what applies; empty for none. @annotations may be NULL. The
 * caller decrefs.
 */
json_t *net_show(const json_t *annotations);

/* "br0.10:192.0.2.2/24,2001:db8::2/64 dev1" in one line; "-" for none. What
 * does not fit is cut off. */
void net_show_text(const json_t *networks, char *text, size_t size);

#endif
