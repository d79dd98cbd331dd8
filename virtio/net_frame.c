/* The header before each frame; limits and counters. Source: virtio 1.2,
 * 5.1.6.2 and 5.1.6.4. */
#include <time.h>

#include "core/bytes.h"
#include "core/util.h"
#include "virtio/net_internal.h"

/* --- The header ---------------------------------------------------------- */

void net_header_load(const uint8_t bytes[NET_HEADER_BYTES],
		     struct net_header *ret_header)
{
	*ret_header = (struct net_header){
		.flags = bytes[0],
		.gso_type = bytes[1],
		.hdr_len = load_le16(bytes + 2),
		.gso_size = load_le16(bytes + 4),
		.csum_start = load_le16(bytes + 6),
		.csum_offset = load_le16(bytes + 8),
	};
}

void net_header_store(const struct net_header *header, uint16_t buffers,
		      uint8_t bytes[NET_HEADER_BYTES])
{
	bytes[0] = header->flags;
	bytes[1] = header->gso_type;
	store_le16(bytes + 2, header->hdr_len);
	store_le16(bytes + 4, header->gso_size);
	store_le16(bytes + 6, header->csum_start);
	store_le16(bytes + 8, header->csum_offset);
	store_le16(bytes + 10, buffers);
}

/* Whether frames of this type may be sent or received at all. */
static bool gso_allowed(uint8_t gso_type, unsigned int offloads)
{
	bool ecn = gso_type & VIRTIO_NET_HDR_GSO_ECN;

	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !ecn;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return (offloads & NET_OFFLOAD_TSO4) &&
		       (!ecn || (offloads & NET_OFFLOAD_ECN));
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return (offloads & NET_OFFLOAD_TSO6) &&
		       (!ecn || (offloads & NET_OFFLOAD_ECN));
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return !ecn &&
		       (offloads & (NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6));
	default:
		return false;
	}
}

bool net_header_check_sent(struct net_header *header, unsigned int offloads,
			   uint64_t frame_bytes)
{
	bool gso = header->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	bool csum = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	/* Bits we do not know, and those that are ours to set. */
	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!gso_allowed(header->gso_type, offloads))
		return false;
	if (gso && (!csum || !header->gso_size))
		return false;
	if (!gso)
		header->gso_size = 0;
	if (!csum) {
		header->csum_start = 0;
		header->csum_offset = 0;
	} else if (!(offloads & NET_OFFLOAD_CSUM) ||
		   header->csum_start + header->csum_offset + 2ULL >
			   frame_bytes) {
		return false;
	}
	/* A hint, not to be relied on, but the host refuses one beyond the
	 * frame. */
	header->hdr_len = (uint16_t)min_u64(header->hdr_len, frame_bytes);
	return true;
}

bool net_header_check_received(struct net_header *header, unsigned int offloads)
{
	if (!gso_allowed(header->gso_type, offloads))
		return false;
	if (offloads & NET_OFFLOAD_CSUM) {
		header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM |
				 VIRTIO_NET_HDR_F_DATA_VALID;
		return true;
	}
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return false;
	header->flags = 0;
	return true;
}

/* --- Counters ------------------------------------------------------------ */

/* One writer, so a load and a store do. */
static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	if (n)
		atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

void net_counters_add(struct net_counters *counters,
		      const struct net_pass *pass)
{
	unsigned int batch = 0;

	count(&counters->packets, pass->packets);
	count(&counters->bytes, pass->bytes);
	count(&counters->drops, pass->drops);
	count(&counters->errors, pass->errors);
	count(&counters->retries, pass->retries);
	if (!pass->packets)
		return;
	while (batch < VIRTIO_NET_BATCHES - 1 && pass->packets >> (batch + 1))
		batch++;
	count(&counters->batches[batch], 1);
}

/* --- Limits -------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t net_bucket_wait_ns(struct virtio_net_bucket *bucket, uint64_t bytes)
{
	int64_t now;
	int64_t wait_ns;

	if (!bucket->limited)
		return 0;
	now = now_ns();
	pthread_mutex_lock(&bucket->lock);
	wait_ns = (int64_t)max_u64(
		(uint64_t)rate_wait_ns(&bucket->bytes, bytes, now),
		(uint64_t)rate_wait_ns(&bucket->packets, 1, now));
	pthread_mutex_unlock(&bucket->lock);
	return wait_ns;
}

void net_bucket_charge(struct virtio_net_bucket *bucket, uint64_t bytes)
{
	int64_t now;

	if (!bucket->limited)
		return;
	now = now_ns();
	pthread_mutex_lock(&bucket->lock);
	rate_charge(&bucket->bytes, bytes, now);
	rate_charge(&bucket->packets, 1, now);
	pthread_mutex_unlock(&bucket->lock);
}
