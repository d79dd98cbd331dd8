/*
 * The control queue. Source: virtio 1.2, 5.1.6.5.
 *
 * A command is two bytes and its data, the driver's; its answer one byte.
 */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"
#include "virtio/net_internal.h"

/* Commands of one pass. */
#define BUDGET	 32
/* More than any driver has a reason for; a longer command is refused. */
#define SEGMENTS 32

#define STATUS_OFFSET 6

static const struct {
	unsigned int feature;
	unsigned int offload;
} guest_offloads[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, NET_OFFLOAD_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, NET_OFFLOAD_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, NET_OFFLOAD_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, NET_OFFLOAD_ECN },
	{ VIRTIO_NET_F_GUEST_USO4, NET_OFFLOAD_USO4 },
	{ VIRTIO_NET_F_GUEST_USO6, NET_OFFLOAD_USO6 },
};

/* --- What commands do ---------------------------------------------------- */

int net_set_guest_offloads(struct virtio_net *nic, uint64_t features)
{
	unsigned int offloads = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(guest_offloads); i++) {
		if (features >> guest_offloads[i].feature & 1)
			offloads |= guest_offloads[i].offload;
	}
	rc = net_set_offloads(nic->net, offloads);
	if (!rc)
		atomic_store(&nic->receive_offloads, offloads);
	return rc;
}

/* What a pair that is off had in its hands is delivered before this returns
 * (5.1.6.5.5.1: nothing after that). */
static int set_active(struct virtio_net_pair *pair, bool active,
		      struct err *err)
{
	int rc;

	pthread_mutex_lock(&pair->lock);
	pair->active = active;
	rc = net_lend_update(pair, err);
	pthread_mutex_unlock(&pair->lock);
	return rc;
}

int net_set_pairs(struct virtio_net *nic, unsigned int pairs, struct err *err)
{
	int rc;

	for (unsigned int i = pairs; i < nic->pair_count; i++)
		set_active(&nic->pairs[i], false, NULL);
	rc = net_set_queues(nic->net, pairs);
	if (rc)
		return err_sys(err, -rc, "cannot set the queues of %s",
			       nic->net->name);
	for (unsigned int i = 0; i < pairs; i++) {
		rc = set_active(&nic->pairs[i], true, err);
		if (rc)
			return rc;
		/* Input may have been told of while it was off. */
		if (nic->pairs[i].context)
			virtio_kick_again(&nic->device, 2 * i);
	}
	return 0;
}

void net_change_status(struct virtio_net *nic, uint16_t clear, uint16_t set)
{
	uint8_t bytes[2];
	uint16_t status;

	pthread_mutex_lock(&nic->status_lock);
	status = load_le16(nic->config + STATUS_OFFSET);
	store_le16(bytes, (uint16_t)((status & ~clear) | set));
	/* A driver is told what it cannot know; it clears by itself. */
	if (set || (clear & VIRTIO_NET_S_LINK_UP))
		virtio_config_changed(&nic->device, STATUS_OFFSET, bytes, 2);
	else
		virtio_config_set(&nic->device, STATUS_OFFSET, bytes, 2);
	pthread_mutex_unlock(&nic->status_lock);
}

/* --- Commands ------------------------------------------------------------ */

/* The data of a command: what follows its two bytes. */
struct command {
	const struct virtq_chain *chain;
	uint64_t bytes;
};

static bool read_data(const struct command *command, uint64_t offset, void *to,
		      size_t len)
{
	return offset + len <= command->bytes &&
	       virtq_chain_read(command->chain,
				sizeof(struct virtio_net_ctrl_hdr) + offset, to,
				len) == len;
}

/* Frames are not filtered, which a device may leave out (5.1.6.5.1). */
static bool do_rx(const struct virtio_net *nic, uint8_t cmd,
		  const struct command *command)
{
	return virtio_has_feature(&nic->device, VIRTIO_NET_F_CTRL_RX) &&
	       cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI && command->bytes == 1;
}

/* Two tables, each a number and that many addresses (5.1.6.5.2). */
static bool check_mac_table(const struct command *command)
{
	uint64_t at = 0;

	for (unsigned int table = 0; table < 2; table++) {
		uint8_t entries[4];

		if (!read_data(command, at, entries, sizeof(entries)))
			return false;
		at += sizeof(entries) +
		      (uint64_t)load_le32(entries) * MAC_BYTES;
	}
	return at == command->bytes;
}

static bool do_mac(struct virtio_net *nic, uint8_t cmd,
		   const struct command *command)
{
	static const uint8_t zero[MAC_BYTES];
	uint8_t mac[MAC_BYTES];

	if (cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return virtio_has_feature(&nic->device, VIRTIO_NET_F_CTRL_RX) &&
		       check_mac_table(command);
	if (cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET ||
	    !virtio_has_feature(&nic->device, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    command->bytes != MAC_BYTES ||
	    !read_data(command, 0, mac, MAC_BYTES) || (mac[0] & 1) ||
	    !memcmp(mac, zero, MAC_BYTES))
		return false;
	virtio_config_set(&nic->device, 0, mac, MAC_BYTES);
	return true;
}

static bool do_announce(struct virtio_net *nic, uint8_t cmd,
			const struct command *command)
{
	if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK || command->bytes ||
	    !virtio_has_feature(&nic->device, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	net_change_status(nic, VIRTIO_NET_S_ANNOUNCE, 0);
	return true;
}

static bool do_mq(struct virtio_net *nic, uint8_t cmd,
		  const struct command *command)
{
	uint8_t bytes[2];
	uint16_t pairs;

	if (cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    !virtio_has_feature(&nic->device, VIRTIO_NET_F_MQ) ||
	    command->bytes != sizeof(bytes) ||
	    !read_data(command, 0, bytes, sizeof(bytes)))
		return false;
	pairs = load_le16(bytes);
	return pairs >= 1 && pairs <= nic->pair_count &&
	       net_set_pairs(nic, pairs, NULL) == 0;
}

static bool do_guest_offloads(struct virtio_net *nic, uint8_t cmd,
			      const struct command *command)
{
	uint64_t allowed = 0;
	uint64_t wanted;
	uint8_t bytes[8];

	for (size_t i = 0; i < ARRAY_SIZE(guest_offloads); i++)
		allowed |= UINT64_C(1) << guest_offloads[i].feature;
	allowed &= nic->device.features;
	if (cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    !virtio_has_feature(&nic->device,
				VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    command->bytes != sizeof(bytes) ||
	    !read_data(command, 0, bytes, sizeof(bytes)))
		return false;
	wanted = load_le64(bytes);
	return !(wanted & ~allowed) && net_set_guest_offloads(nic, wanted) == 0;
}

static bool execute(struct virtio_net *nic, const struct virtq_chain *chain)
{
	struct virtio_net_ctrl_hdr header;
	struct command command = { .chain = chain };

	if (virtq_chain_read(chain, 0, &header, sizeof(header)) !=
	    sizeof(header))
		return false;
	command.bytes = chain->readable_bytes - sizeof(header);
	switch (header.class) {
	case VIRTIO_NET_CTRL_RX:
		return do_rx(nic, header.cmd, &command);
	case VIRTIO_NET_CTRL_MAC:
		return do_mac(nic, header.cmd, &command);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return do_announce(nic, header.cmd, &command);
	case VIRTIO_NET_CTRL_MQ:
		return do_mq(nic, header.cmd, &command);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return do_guest_offloads(nic, header.cmd, &command);
	default:
		return false;
	}
}

void net_control_kick(struct virtio_net *nic, unsigned int index)
{
	struct virtq *vq = virtio_vq(&nic->device, index);
	struct iovec iov[SEGMENTS];
	struct virtq_chain chain = { .iov = iov, .iov_max = SEGMENTS };
	unsigned int budget = BUDGET;
	int rc;

	virtq_disable_kicks(vq);
	do {
		while (budget && (rc = virtq_pop(vq, &chain)) != 0) {
			uint8_t ack = VIRTIO_NET_ERR;

			if (rc != 1 && rc != -E2BIG)
				return;
			budget--;
			/* Nothing is done that could not be answered. */
			if (rc == 1 && chain.writable && execute(nic, &chain))
				ack = VIRTIO_NET_OK;
			virtq_push(vq, chain.head,
				   (uint32_t)virtq_chain_write(&chain, 0, &ack,
							       sizeof(ack)));
		}
	} while (virtq_enable_kicks(vq) && budget);
	if (!budget)
		virtio_kick_again(&nic->device, index);
	virtio_interrupt(&nic->device, index);
}
