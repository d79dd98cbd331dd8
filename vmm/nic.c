#include "vmm/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/util.h"
#include "io/net_null.h"
#include "io/tap.h"
#include "io/vhost.h"

/*
 * The address that nobody gave: always the same for a tap, whose name nobody
 * else has; for a new tap on a bridge one that no other process makes, or that
 * follows from the seed.
 */
static void make_mac(const struct net_config *config,
		     const struct nic_place *place, uint8_t mac[MAC_BYTES])
{
	char name[64];

	if (config->kind == NET_BRIDGE && place->is_seeded)
		snprintf(name, sizeof(name), "%s seed %" PRIu64, config->name,
			 place->seed);
	else if (config->kind == NET_BRIDGE)
		snprintf(name, sizeof(name), "%s %d", config->name,
			 (int)getpid());
	else
		snprintf(name, sizeof(name), "%s",
			 config->name ? config->name : "");
	mac_default(name, place->index, mac);
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

/*
 * By itself only where the kernel's interrupts may go straight to the guest,
 * and nothing is asked for that it does not do.
 */
static int open_vhost(struct nic *nic, const struct net_config *config,
		      const struct nic_place *place, struct err *err)
{
	struct err why = { 0 };
	int rc;

	if (config->vhost == NET_VHOST_OFF || config->kind == NET_NONE)
		return 0;
	if (config->vhost == NET_VHOST_AUTO &&
	    (place->transport != TRANSPORT_PCI || config->rate.rate))
		return 0;
	rc = vhost_new(place->gmem, config->queues, &nic->engine, &why);
	if (!rc)
		return 0;
	if (config->vhost == NET_VHOST_ON)
		return err_set(err, -rc, "--net vhost=on: %s", why.msg);
	log_debug("%s: %s", nic->name, why.msg);
	return 0;
}

int nic_open(struct nic *nic, const struct net_config *config,
	     const struct nic_place *place, struct err *err)
{
	unsigned int index = place->index;
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
		make_mac(config, place, nic->mac);
	}
	if (config->kind == NET_NONE)
		return net_null_new(config->queues, &nic->net, err);
	rc = open_vhost(nic, config, place, err);
	if (rc)
		return rc;
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
		.engine = nic->engine,
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
	net_engine_free(move_ptr(&nic->engine));
	net_free(nic->net);
	nic->net = NULL;
	nic->built = false;
}
