/*
 * The kernel's vhost-net as an engine of network cards (struct net_engine):
 * a kernel thread for each queue pair moves frames between the driver's rings
 * and a tap.
 *
 * The kernel checks rings, buffers and headers for itself; what it cannot make
 * sense of it leaves alone and tells on the error eventfd. It knows the split
 * ring only.
 *
 * Source: linux/vhost.h; Linux drivers/vhost/vhost.c and net.c.
 */
#ifndef IO_VHOST_H
#define IO_VHOST_H

#include "core/gmem.h"
#include "io/net.h"

/*
 * For @pairs queue pairs (1 to NET_MAX_QUEUES), whose rings and buffers are in
 * @gmem, which outlives it. The caller owns *ret_engine. -ENOENT, -ENODEV or
 * -ENXIO: the host does not have it; -EACCES, -EPERM: the user may not use it;
 * other -errno from the system.
 */
int vhost_new(const struct gmem *gmem, unsigned int pairs,
	      struct net_engine **ret_engine, struct err *err);

#endif
