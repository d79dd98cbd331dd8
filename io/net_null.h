/*
 * The far end of a NIC that is connected to nothing: no frame ever comes, and
 * those sent vanish.
 */
#ifndef IO_NET_NULL_H
#define IO_NET_NULL_H

#include "io/net.h"

/* @queues is 1 to NET_MAX_QUEUES. The caller owns *ret_net. */
int net_null_new(unsigned int queues, struct net **ret_net, struct err *err);

#endif
