#include "virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"
#include "virtio/net_internal.h"

#define BIT(n) ((uint64_t)1 << (n))

/* virtio 1.2, 5.1.4. */
#define CONFIG_STATUS	 6
#define CONFIG_MAX_PAIRS 8
#define CONFIG_MTU	 10
#define MTU_MIN		 68

/* --- Features ------------------------------------------------------------ */

#define FEATURES_ALWAYS                                                \
	(BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |            \
	 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) |     \
	 BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
	 BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))

/* What each offload of the far end is good for, in both directions. USO is one
 * bit to send with and two to receive with. */
static const struct {
	unsigned int offload; /* all of these */
	uint64_t features;
} offload_features[] = {
	{ NET_OFFLOAD_CSUM, BIT(VIRTIO_NET_F_CSUM) |
				    BIT(VIRTIO_NET_F_GUEST_CSUM) |
				    BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) },
	{ NET_OFFLOAD_TSO4,
	  BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4) },
	{ NET_OFFLOAD_TSO6,
	  BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ NET_OFFLOAD_ECN,
	  BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_ECN) },
	{ NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6,
	  BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO4) |
		  BIT(VIRTIO_NET_F_GUEST_USO6) },
};

/* What is said in rings and headers, which an engine has to know. VERSION_1 is
 * not among them: each does. */
#define ENGINE_FEATURES                                                    \
	(BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_NET_F_MRG_RXBUF))

/* 5.1.3.1: a feature needs one of those behind it. */
static const struct {
	unsigned int feature;
	uint64_t any_of;
} requirements[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_ECN,
	  BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ VIRTIO_NET_F_GUEST_USO4, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_USO6, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_NET_F_HOST_ECN,
	  BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) },
	{ VIRTIO_NET_F_HOST_USO, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_NET_F_CTRL_RX, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_NET_F_GUEST_ANNOUNCE, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_NET_F_MQ, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_NET_F_CTRL_MAC_ADDR, BIT(VIRTIO_NET_F_CTRL_VQ) },
};

static struct virtio_net *from_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_net, device);
}

static uint64_t offered_features(const struct net *net)
{
	uint64_t features = FEATURES_ALWAYS;

	for (size_t i = 0; i < ARRAY_SIZE(offload_features); i++) {
		unsigned int needed = offload_features[i].offload;

		if ((net->offloads & needed) == needed)
			features |= offload_features[i].features;
	}
	if (net->mtu >= MTU_MIN)
		features |= BIT(VIRTIO_NET_F_MTU);
	if (net->queue_count > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	return features;
}

static bool net_accept_features(struct virtio_device *device, uint64_t features)
{
	(void)device;
	for (size_t i = 0; i < ARRAY_SIZE(requirements); i++) {
		if ((features >> requirements[i].feature & 1) &&
		    !(features & requirements[i].any_of))
			return false;
	}
	return true;
}

/* What the driver may leave to the far end. */
static unsigned int send_offloads(const struct virtio_device *device)
{
	static const struct {
		unsigned int feature;
		unsigned int offloads;
	} map[] = {
		{ VIRTIO_NET_F_CSUM, NET_OFFLOAD_CSUM },
		{ VIRTIO_NET_F_HOST_TSO4, NET_OFFLOAD_TSO4 },
		{ VIRTIO_NET_F_HOST_TSO6, NET_OFFLOAD_TSO6 },
		{ VIRTIO_NET_F_HOST_ECN, NET_OFFLOAD_ECN },
		{ VIRTIO_NET_F_HOST_USO, NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6 },
	};
	unsigned int offloads = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (virtio_has_feature(device, map[i].feature))
			offloads |= map[i].offloads;
	}
	return offloads;
}

/* --- The device's life --------------------------------------------------- */

/* 5.1.2: behind the pairs that there are for a driver without MQ, too. */
static unsigned int control_index(const struct virtio_net *nic)
{
	return virtio_has_feature(&nic->device, VIRTIO_NET_F_MQ) ?
		       2 * nic->pair_count :
		       2;
}

static int net_activate(struct virtio_device *device, struct err *err)
{
	struct virtio_net *nic = from_device(device);
	uint8_t mtu[2];
	int rc;

	for (unsigned int i = 0; i < nic->pair_count; i++) {
		if (!nic->pairs[i].context)
			return err_set(err, EINVAL,
				       "queue pair %u of the NIC on %s has no "
				       "I/O thread",
				       i, nic->net->name);
	}
	memcpy(mtu, nic->config + CONFIG_MTU, sizeof(mtu));
	nic->frame_max = NET_FRAME_MAX_BYTES;
	if (virtio_has_feature(device, VIRTIO_NET_F_MTU))
		nic->frame_max =
			load_le16(mtu) + NET_ETHERNET_BYTES + NET_VLAN_BYTES;
	nic->send_offloads = send_offloads(device);
	rc = net_set_guest_offloads(nic, device->features);
	if (rc)
		return err_sys(err, -rc, "cannot set the offloads of %s",
			       nic->net->name);
	/* Queues from there on are not a pair's to this driver. */
	for (unsigned int i = 0; 2 * i < control_index(nic); i++)
		net_lend(&nic->pairs[i]);
	/* 5.1.5: one pair until the driver asks for more. */
	return net_set_pairs(nic, 1, err);
}

static void net_kick(struct virtio_device *device, unsigned int index)
{
	struct virtio_net *nic = from_device(device);
	unsigned int control = control_index(nic);

	if (index == control &&
	    virtio_has_feature(device, VIRTIO_NET_F_CTRL_VQ))
		net_control_kick(nic, index);
	/* Queues behind the control queue mean nothing to this driver. */
	if (index >= control)
		return;
	if (index % 2)
		net_send_kick(&nic->pairs[index / 2]);
	else
		net_receive_kick(&nic->pairs[index / 2]);
}

static void stop_pair(void *opaque)
{
	struct virtio_net_pair *pair = opaque;

	net_receive_stop(pair);
	net_send_stop(pair);
	net_lend_stop_watch(pair);
}

static int net_reset(struct virtio_device *device)
{
	struct virtio_net *nic = from_device(device);

	for (unsigned int i = 0; i < nic->pair_count; i++) {
		if (nic->pairs[i].context)
			io_context_call(nic->pairs[i].context, stop_pair,
					&nic->pairs[i]);
		net_lend_end(&nic->pairs[i]);
	}
	/* What one driver told us is not for the next one. */
	virtio_config_set(device, 0, nic->mac, MAC_BYTES);
	net_change_status(nic, VIRTIO_NET_S_ANNOUNCE, 0);
	return 0;
}

static const struct virtio_device_type net_type = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.accept_features = net_accept_features,
	.activate = net_activate,
	.kick = net_kick,
	.reset = net_reset,
};

/* --- For the machine ----------------------------------------------------- */

static void init_bucket(struct virtio_net_bucket *bucket,
			const struct virtio_net_limit *limit)
{
	pthread_mutex_init(&bucket->lock, NULL);
	rate_init(&bucket->bytes, limit->bytes_per_second, limit->bytes_burst);
	rate_init(&bucket->packets, limit->packets_per_second,
		  limit->packets_burst);
	bucket->limited = rate_limited(&bucket->bytes) ||
			  rate_limited(&bucket->packets);
}

static int init_pairs(struct virtio_net *nic, struct err *err)
{
	nic->pair_count = nic->net->queue_count;
	nic->pairs = calloc(nic->pair_count, sizeof(*nic->pairs));
	if (!nic->pairs)
		return err_sys(err, ENOMEM, "queues of a NIC");
	for (unsigned int i = 0; i < nic->pair_count; i++) {
		struct virtio_net_pair *pair = &nic->pairs[i];
		int rc;

		pair->nic = nic;
		pair->index = i;
		pthread_mutex_init(&pair->lock, NULL);
		rc = net_lend_init(pair, err);
		if (rc)
			return rc;
		/* Not touched, so no memory, until a frame needs it. */
		pair->receiver.spill = malloc(NET_FRAME_MAX_BYTES + 1);
		if (!pair->receiver.spill)
			return err_sys(err, ENOMEM, "queues of a NIC");
	}
	return 0;
}

int virtio_net_init(struct virtio_net *nic,
		    const struct virtio_net_params *values,
		    const struct virtio_env *env, struct err *err)
{
	const struct virtio_device_init init = {
		.type = &net_type,
		.env = env,
		.features = offered_features(values->net),
		.queue_count = 2 * values->net->queue_count + 1,
		.queue_size = values->queue_size ? values->queue_size :
						   VIRTIO_NET_QUEUE_SIZE,
		.config = nic->config,
		.config_size = sizeof(nic->config),
	};
	int rc;

	assert(!values->engine || (!values->receive.bytes_per_second &&
				   !values->receive.packets_per_second &&
				   !values->send.bytes_per_second &&
				   !values->send.packets_per_second));
	*nic = (struct virtio_net){
		.net = values->net,
		.engine = values->engine,
	};
	atomic_store(&nic->link_up, true);
	pthread_mutex_init(&nic->status_lock, NULL);
	init_bucket(&nic->receive_limit, &values->receive);
	init_bucket(&nic->send_limit, &values->send);
	memcpy(nic->mac, values->mac, MAC_BYTES);
	memcpy(nic->config, values->mac, MAC_BYTES);
	store_le16(nic->config + CONFIG_STATUS, VIRTIO_NET_S_LINK_UP);
	store_le16(nic->config + CONFIG_MAX_PAIRS,
		   (uint16_t)values->net->queue_count);
	store_le16(nic->config + CONFIG_MTU, values->net->mtu);
	rc = init_pairs(nic, err);
	if (!rc)
		rc = virtio_device_init(&nic->device, &init, err);
	if (rc)
		virtio_net_release(nic);
	else if (nic->engine)
		nic->device.offered &= nic->engine->features | ~ENGINE_FEATURES;
	return rc;
}

void virtio_net_release(struct virtio_net *nic)
{
	virtio_device_release(&nic->device);
	for (unsigned int i = 0; nic->pairs && i < nic->pair_count; i++) {
		free(nic->pairs[i].receiver.spill);
		if (!nic->pairs[i].nic)
			continue;
		net_lend_release(&nic->pairs[i]);
		pthread_mutex_destroy(&nic->pairs[i].lock);
	}
	free(nic->pairs);
	nic->pairs = NULL;
	pthread_mutex_destroy(&nic->receive_limit.lock);
	pthread_mutex_destroy(&nic->send_limit.lock);
	pthread_mutex_destroy(&nic->status_lock);
}

int virtio_net_set_context(struct virtio_net *nic, unsigned int pair,
			   struct io_context *context, struct err *err)
{
	int rc;

	assert(pair < nic->pair_count && !nic->pairs[pair].context);
	rc = virtio_queue_set_context(&nic->device, 2 * pair, context, err);
	if (!rc)
		rc = virtio_queue_set_context(&nic->device, 2 * pair + 1,
					      context, err);
	if (!rc)
		nic->pairs[pair].context = context;
	return rc;
}

void virtio_net_set_link(struct virtio_net *nic, bool up)
{
	if (atomic_exchange(&nic->link_up, up) == up)
		return;
	net_change_status(nic, VIRTIO_NET_S_LINK_UP,
			  up ? VIRTIO_NET_S_LINK_UP : 0);
	for (unsigned int i = 0; i < nic->pair_count; i++) {
		struct virtio_net_pair *pair = &nic->pairs[i];
		struct err err = { 0 };
		int rc;

		pthread_mutex_lock(&pair->lock);
		rc = net_lend_update(pair, &err);
		pthread_mutex_unlock(&pair->lock);
		if (rc)
			virtio_device_fail(&nic->device, err.msg);
		/* Frames may have come that nobody looked for. */
		if (up && pair->context)
			virtio_kick_again(&nic->device, 2 * i);
	}
}

void virtio_net_announce(struct virtio_net *nic)
{
	net_change_status(nic, 0, VIRTIO_NET_S_ANNOUNCE);
}

static void read_counters(const struct net_counters *counters,
			  struct virtio_net_stats *ret_stats)
{
	*ret_stats = (struct virtio_net_stats){
		.packets = atomic_load(&counters->packets),
		.bytes = atomic_load(&counters->bytes),
		.drops = atomic_load(&counters->drops),
		.errors = atomic_load(&counters->errors),
		.retries = atomic_load(&counters->retries),
	};
	for (unsigned int i = 0; i < VIRTIO_NET_BATCHES; i++)
		ret_stats->batches[i] = atomic_load(&counters->batches[i]);
}

void virtio_net_read_stats(const struct virtio_net *nic, unsigned int pair,
			   struct virtio_net_stats *ret_receive,
			   struct virtio_net_stats *ret_send)
{
	read_counters(&nic->pairs[pair].receiver.counters, ret_receive);
	read_counters(&nic->pairs[pair].sender.counters, ret_send);
}
