#include "vmm/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util.h"
#include "io/net_null.h"
#include "io/tap.h"

/*
 * The address that nobody gave: always the same for a tap, whose name nobody
 * else has; for a new tap on a bridge one that no other process makes.
 */
static void make_mac(const struct net_config *config, unsigned int index,
		     uint8_t mac[MAC_BYTES])
{
	char name[64];

	if (config->kind == NET_BRIDGE)
		snprintf(name, sizeof(name), "%s %d", config->name,
			 (int)getpid());
	else
		snprintf(name, sizeof(name), "%s",
			 config->name ? config->name : "");
	mac_default(name, index, mac);
}

static int open_tap(struct nic *nic, const struct net_config *config,
		    struct err *err)
{
	const int fd = (int)config->fd;
	struct tap_config tap = {
		.name = config->kind == NET_TAP ? config->name : NULL,
		.fds = config->kind == NET_FD ? &fd : NULL,
		.bridge = config->kind == NET_BRIDGE ? config->name : NULL,
		.queues = config->queues,
		.mtu = (uint16_t)config->mtu,
	};

	memcpy(tap.mac, nic->mac, MAC_BYTES);
	return tap_new(&tap, &nic->net, err);
}

int nic_open(struct nic *nic, const struct net_config *config,
	     unsigned int index, struct err *err)
{
	int rc;

	*nic = (struct nic){ .net = NULL };
	if (config->id)
		snprintf(nic->name, sizeof(nic->name), "%s", config->id);
	else
		snprintf(nic->name, sizeof(nic->name), "net%u", index);
	if (config->mac) {
		rc = mac_parse(config->mac, nic->mac, err);
		if (rc)
			return rc;
	} else {
		make_mac(config, index, nic->mac);
	}
	if (config->kind == NET_NONE)
		return net_null_new(config->queues, &nic->net, err);
	return open_tap(nic, config, err);
}

static int give_threads(struct nic *nic, const struct net_config *config,
			struct iothreads *threads, struct err *err)
{
	for (unsigned int i = 0; i < nic->net->queue_count; i++) {
		struct iothread *io;
		int rc = iothreads_take(threads, config->iothread, nic->name,
					&io, err);

		if (!rc)
			rc = virtio_net_set_context(&nic->device, i,
						    iothread_context(io), err);
		if (rc)
			return rc;
	}
	return 0;
}

int nic_build(struct nic *nic, const struct net_config *config,
	      const struct virtio_env *env, struct iothreads *threads,
	      struct err *err)
{
	const struct virtio_net_limit limit = {
		.bytes_per_second = config->rate.rate,
		.bytes_burst = config->rate.burst,
	};
	struct virtio_net_params values = {
		.net = nic->net,
		.receive = limit,
		.send = limit,
	};
	int rc;

	memcpy(values.mac, nic->mac, MAC_BYTES);
	rc = virtio_net_init(&nic->device, &values, env, err);
	if (rc)
		return rc;
	nic->built = true;
	if (config->kind == NET_NONE)
		virtio_net_set_link(&nic->device, false);
	return give_threads(nic, config, threads, err);
}

void nic_release(struct nic *nic)
{
	if (nic->built)
		virtio_net_release(&nic->device);
	net_free(nic->net);
	nic->net = NULL;
	nic->built = false;
}
