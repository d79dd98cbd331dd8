/*
 * The network of a VM: a tap on a bridge of the host's, whose descriptor the
 * monitor is born with, so that it needs neither rights nor the host's network
 * namespace; the tap goes with it. Addresses are the guest's business, which is
 * told them on its first disk. One thread.
 */
#ifndef CONTAINER_VM_NET_H
#define CONTAINER_VM_NET_H

#include "container/net_plan.h"
#include "container/network.h"
#include "container/state.h"

/* What `launch --net` of the VM said, among the annotations of the monitor's
 * container. */
#define VM_NET_ANNOTATION "hull-ct.vm-net"

/* The number that the monitor finds the tap at. */
#define VM_NET_FD 3

/* Refuses what a VM cannot have. */
int vm_net_check(const struct network *network, struct err *err);

/* A new tap in the caller's network namespace: a descriptor. */
int vm_net_new_tap(const char *name, struct err *err);

/* The tap of the container @state, which the caller closes; -1 when it has
 * none to have. In the host's network namespace. */
int vm_net_open(const struct state *state, int *ret_tap, struct err *err);

#endif
