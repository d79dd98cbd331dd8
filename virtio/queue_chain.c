/*
 * Chains: collecting a driver's descriptors into segments, and copying bytes
 * from and to them.
 */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"
#include "virtio/queue_internal.h"

/*
 * The driver may change a descriptor while we look at it. The fence keeps the
 * compiler from reading it a second time where the copy would do.
 */
static void copy_desc(const uint8_t *table, unsigned int index,
		      uint8_t bytes[VIRTQ_DESC_BYTES])
{
	memcpy(bytes, table + (size_t)index * VIRTQ_DESC_BYTES,
	       VIRTQ_DESC_BYTES);
	atomic_signal_fence(memory_order_seq_cst);
}

struct virtq_desc virtq_fetch_split(const uint8_t *table, unsigned int index)
{
	uint8_t bytes[VIRTQ_DESC_BYTES];

	copy_desc(table, index, bytes);
	return (struct virtq_desc){
		.gpa = load_le64(bytes),
		.len = load_le32(bytes + 8),
		.flags = load_le16(bytes + 12),
		.next = load_le16(bytes + 14),
	};
}

struct virtq_desc virtq_fetch_packed(const uint8_t *table, unsigned int index)
{
	uint8_t bytes[VIRTQ_DESC_BYTES];

	copy_desc(table, index, bytes);
	return (struct virtq_desc){
		.gpa = load_le64(bytes),
		.len = load_le32(bytes + 8),
		.flags = load_le16(bytes + 14),
		.next = load_le16(bytes + 12),
	};
}

void virtq_walk_begin(struct virtq_walk *walk, struct virtq *vq,
		      struct virtq_chain *chain)
{
	*walk = (struct virtq_walk){ .vq = vq, .chain = chain };
	chain->readable = 0;
	chain->writable = 0;
	chain->readable_bytes = 0;
	chain->writable_bytes = 0;
}

static bool extends(const struct iovec *segment, const uint8_t *host)
{
	return (const uint8_t *)segment->iov_base + segment->iov_len == host;
}

static void add_segment(struct virtq_walk *walk, const struct iovec *added,
			bool writable)
{
	struct virtq_chain *chain = walk->chain;
	unsigned int count = (unsigned int)chain->readable + chain->writable;
	bool same_direction = count && (chain->writable != 0) == writable;

	if (same_direction &&
	    extends(&chain->iov[count - 1], added->iov_base)) {
		chain->iov[count - 1].iov_len += added->iov_len;
		return;
	}
	if (count == chain->iov_max) {
		walk->too_long = true;
		return;
	}
	chain->iov[count] = *added;
	if (writable)
		chain->writable++;
	else
		chain->readable++;
}

const char *virtq_walk_add(struct virtq_walk *walk,
			   const struct virtq_desc *desc)
{
	struct virtq_chain *chain = walk->chain;
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	uint64_t *bytes = writable ? &chain->writable_bytes :
				     &chain->readable_bytes;
	struct iovec added;

	if (++walk->seen > VIRTQ_MAX_SIZE)
		return "a chain has too many descriptors";
	/* virtio 1.2, 2.7.4.2: writable ones come after readable ones. */
	if (!writable && chain->writable_bytes)
		return "a readable descriptor follows a writable one";
	if (!desc->len)
		return NULL;
	added.iov_base = gmem_ptr(walk->vq->gmem, desc->gpa, desc->len);
	added.iov_len = desc->len;
	if (!added.iov_base)
		return "a buffer is not in guest RAM";
	*bytes += desc->len;
	/* virtio 1.2, 2.7.5.2: no chain is longer than 2^32 bytes; used.len
	 * could not say more. */
	if (*bytes > UINT32_MAX)
		return "a chain is longer than 4 GiB";
	if (!walk->too_long)
		add_segment(walk, &added, writable);
	return NULL;
}

const char *virtq_walk_indirect(const struct virtq_walk *walk,
				const struct virtq_desc *desc,
				const uint8_t **ret_table,
				unsigned int *ret_count)
{
	const uint8_t *table;

	if (!walk->vq->features.indirect)
		return "an indirect table was not negotiated";
	/* virtio 1.2, 2.7.5.3.1 and 2.8.19: an indirect descriptor ends its
	 * chain. Its write flag means nothing (2.7.5.3.2). */
	if (desc->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor has a successor";
	if (!desc->len || desc->len % VIRTQ_DESC_BYTES)
		return "an indirect table is not a multiple of 16 bytes";
	table = gmem_ptr(walk->vq->gmem, desc->gpa, desc->len);
	if (!table)
		return "an indirect table is not in guest RAM";
	*ret_table = table;
	*ret_count = desc->len / VIRTQ_DESC_BYTES;
	return NULL;
}

int virtq_walk_end(struct virtq_walk *walk, uint16_t head, uint16_t slots)
{
	struct virtq_chain *chain = walk->chain;
	struct virtq *vq = walk->vq;

	chain->head = head;
	vq->slots[head] = slots;
	vq->in_flight++;
	vq->slots_in_flight = (uint16_t)(vq->slots_in_flight + slots);
	if (walk->too_long) {
		chain->readable = 0;
		chain->writable = 0;
		return -E2BIG;
	}
	return 1;
}

/* --- Access to the bytes ------------------------------------------------- */

/*
 * The part of segment @seg that begins *offset bytes after its start, at most
 * @len; what lies before the segment's end is taken off *offset.
 */
static size_t span(const struct iovec *seg, uint64_t *offset, size_t len,
		   uint8_t **ret_start)
{
	uint64_t skip = min_u64(*offset, seg->iov_len);

	*offset -= skip;
	*ret_start = (uint8_t *)seg->iov_base + skip;
	return (size_t)min_u64(len, seg->iov_len - skip);
}

size_t virtq_chain_read(const struct virtq_chain *chain, uint64_t offset,
			void *to, size_t len)
{
	uint8_t *out = to;
	size_t done = 0;

	for (unsigned int i = 0; i < chain->readable && done < len; i++) {
		uint8_t *start;
		size_t n = span(&chain->iov[i], &offset, len - done, &start);

		memcpy(out + done, start, n);
		done += n;
	}
	/* The copy is what the caller looks at from here (see copy_desc). */
	atomic_signal_fence(memory_order_seq_cst);
	return done;
}

size_t virtq_chain_write(const struct virtq_chain *chain, uint64_t offset,
			 const void *from, size_t len)
{
	const struct iovec *iov = chain->iov + chain->readable;
	const uint8_t *in = from;
	size_t done = 0;

	for (unsigned int i = 0; i < chain->writable && done < len; i++) {
		uint8_t *start;
		size_t n = span(&iov[i], &offset, len - done, &start);

		memcpy(start, in + done, n);
		done += n;
	}
	return done;
}

bool virtq_iov_cut(struct iovec **iov, uint16_t *count, uint64_t front,
		   uint64_t back)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < *count; i++)
		total += (*iov)[i].iov_len;
	if (front > total || back > total - front)
		return false;
	while (*count && front >= (*iov)[0].iov_len) {
		front -= (*iov)[0].iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count && front) {
		(*iov)[0].iov_base = (uint8_t *)(*iov)[0].iov_base + front;
		(*iov)[0].iov_len -= front;
	}
	while (*count && back >= (*iov)[*count - 1].iov_len) {
		back -= (*iov)[*count - 1].iov_len;
		(*count)--;
	}
	if (*count)
		(*iov)[*count - 1].iov_len -= back;
	return true;
}
