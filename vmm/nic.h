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
#include "vmm/virtio_bus.h"

struct nic {
	char name[32]; /* the id, or net0 and so on */
	struct net *net; /* owned */
	struct net_engine *engine; /* owned; NULL: the device moves frames */
	uint8_t mac[MAC_BYTES];
	struct virtio_net device;
	bool built; /* the device is there */
};

/* Where the card is. */
struct nic_place {
	unsigned int index; /* of the cards */
	enum virtio_transport transport;
	const struct gmem *gmem; /* borrowed, outlives the card */
	bool is_seeded; /* --seed was given */
	uint64_t seed;
};

/* Opens the far end and, as the configuration says, vhost-net. */
int nic_open(struct nic *nic, const struct net_config *config,
	     const struct nic_place *place, struct err *err);

/* Without shared threads each queue pair gets one of its own. */
int nic_build(struct nic *nic, const struct net_config *config,
	      const struct virtio_env *env, struct iothreads *threads,
	      struct err *err);

/* The device was stopped, and its threads too. Takes one that is half-built. */
void nic_release(struct nic *nic);

#endif
