/*
 * One network card of the machine: its far end on the host, the I/O threads of
 * its queue pairs and the virtio device, put together from the configuration.
 * Main thread.
 */
#ifndef VMM_NIC_H
#define VMM_NIC_H

#include "io/net.h"
#include "virtio/net.h"
#include "vmm/config.h"
#include "vmm/iothreads.h"

struct nic {
	char name[32]; /* the id, or net0 and so on */
	struct net *net; /* owned */
	uint8_t mac[MAC_BYTES];
	struct virtio_net device;
	bool built; /* the device is there */
};

/* Opens the far end; @index is that of the card. */
int nic_open(struct nic *nic, const struct net_config *config,
	     unsigned int index, struct err *err);

/* Without shared threads each queue pair gets one of its own. */
int nic_build(struct nic *nic, const struct net_config *config,
	      const struct virtio_env *env, struct iothreads *threads,
	      struct err *err);

/* The device was stopped, and its threads too. Takes one that is half-built. */
void nic_release(struct nic *nic);

#endif
