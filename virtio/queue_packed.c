/* The packed ring. Source: virtio 1.2, 2.8. */
#include <errno.h>

#include "virtio/queue_internal.h"

/* Fields of a descriptor (virtio 1.2, 2.8.13). */
#define DESC_LEN   8
#define DESC_ID	   12
#define DESC_FLAGS 14

#define FLAG_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED  (1u << VRING_PACKED_DESC_F_USED)

/* An event area is two 16-bit fields that are read and written as one: offset
 * and wrap counter, then flags (2.8.14). */
#define EVENT_WRAP_SHIFT  15
#define EVENT_OFFSET_MASK 0x7fffu
#define EVENT_FLAGS_SHIFT 16
#define EVENT_FLAGS_MASK  0x3u

static uint8_t *slot_of(const struct virtq *vq, uint16_t index)
{
	return vq->desc + (size_t)VIRTQ_DESC_BYTES * index;
}

/* Moves @index and its wrap counter on by @slots, at most a ring. */
static void advance(const struct virtq *vq, uint16_t *index, bool *wrap,
		    uint16_t slots)
{
	uint16_t next = (uint16_t)(*index + slots);

	if (next >= vq->layout.size) {
		next = (uint16_t)(next - vq->layout.size);
		*wrap = !*wrap;
	}
	*index = next;
}

/* --- Taking chains ------------------------------------------------------- */

/* virtio 1.2, 2.8.1: available is AVAIL as the wrap counter and USED not. */
static bool is_available(const struct virtq *vq, uint16_t flags)
{
	bool avail = flags & FLAG_AVAIL;
	bool used = flags & FLAG_USED;

	return avail == vq->avail_wrap && used != vq->avail_wrap;
}

/* Pairs with the driver's barrier before it sets the flags of a chain's first
 * descriptor (2.8.21.1.1): the rest of the chain is there. */
static bool first_is_available(const struct virtq *vq)
{
	return is_available(
		vq,
		virtq_load16_acquire(slot_of(vq, vq->next_avail) + DESC_FLAGS));
}

bool virtq_packed_has_chains(const struct virtq *vq)
{
	return first_is_available(vq);
}

/* Entries of a packed indirect table follow each other; of their flags only
 * the write flag counts (2.8.7). */
static const char *walk_table(struct virtq_walk *walk, const uint8_t *table,
			      unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct virtq_desc desc = virtq_fetch_packed(table, i);
		const char *wrong = virtq_walk_add(walk, &desc);

		if (wrong)
			return wrong;
	}
	return NULL;
}

/* The chain at next_avail: its buffer id is in its last descriptor (2.8.6). */
static const char *walk_chain(struct virtq_walk *walk, uint16_t *ret_id,
			      uint16_t *ret_slots)
{
	const struct virtq *vq = walk->vq;
	uint16_t free_slots = (uint16_t)(vq->layout.size - vq->slots_in_flight);
	uint16_t index = vq->next_avail;
	bool wrap = vq->avail_wrap;

	for (uint16_t slots = 1; slots <= free_slots; slots++) {
		struct virtq_desc desc = virtq_fetch_packed(vq->desc, index);
		const uint8_t *table;
		unsigned int count;
		const char *wrong;

		*ret_slots = slots;
		*ret_id = desc.next;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			/* 2.8.19: never in a list of descriptors. */
			if (slots > 1)
				return "an indirect descriptor is in a list";
			wrong = virtq_walk_indirect(walk, &desc, &table,
						    &count);
			return wrong ? wrong : walk_table(walk, table, count);
		}
		wrong = virtq_walk_add(walk, &desc);
		if (wrong || !(desc.flags & VRING_DESC_F_NEXT))
			return wrong;
		advance(vq, &index, &wrap, 1);
	}
	return "a chain holds more descriptors than are free";
}

int virtq_packed_pop(struct virtq *vq, struct virtq_chain *chain)
{
	struct virtq_walk walk;
	const char *wrong;
	uint16_t slots = 0;
	uint16_t id = 0;

	if (!first_is_available(vq))
		return 0;
	virtq_walk_begin(&walk, vq, chain);
	wrong = walk_chain(&walk, &id, &slots);
	if (wrong)
		return virtq_break(vq, wrong);
	if (id >= vq->layout.size)
		return virtq_break(vq, "a buffer id is outside the ring");
	if (vq->slots[id])
		return virtq_break(vq, "a buffer id is in flight already");
	advance(vq, &vq->next_avail, &vq->avail_wrap, slots);
	return virtq_walk_end(&walk, id, slots);
}

void virtq_packed_unpop(struct virtq *vq, uint16_t slots)
{
	if (slots > vq->next_avail) {
		vq->next_avail = (uint16_t)(vq->next_avail + vq->layout.size);
		vq->avail_wrap = !vq->avail_wrap;
	}
	vq->next_avail = (uint16_t)(vq->next_avail - slots);
}

/* --- Giving them back ---------------------------------------------------- */

void virtq_packed_push(struct virtq *vq, const struct virtq_used *used,
		       unsigned int count)
{
	uint8_t *first = slot_of(vq, vq->next_used);
	uint16_t first_flags = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint8_t *desc = slot_of(vq, vq->next_used);
		uint16_t flags = used[i].len_bytes ? VRING_DESC_F_WRITE : 0;

		if (vq->used_wrap)
			flags |= FLAG_AVAIL | FLAG_USED;
		virtq_store16(desc + DESC_ID, used[i].head);
		virtq_store32(desc + DESC_LEN, used[i].len_bytes);
		if (i == 0)
			first_flags = flags;
		else
			virtq_store16(desc + DESC_FLAGS, flags);
		advance(vq, &vq->next_used, &vq->used_wrap,
			vq->slots[used[i].head]);
	}
	/* Pairs with the driver's barrier after reading the flags: ids,
	 * lengths and data are there. It does not look behind a descriptor
	 * that is not used, so the first one uncovers all. */
	virtq_store16_release(first + DESC_FLAGS, first_flags);
}

bool virtq_packed_should_notify(const struct virtq *vq)
{
	uint32_t area = virtq_load32(vq->driver);
	uint32_t flags = area >> EVENT_FLAGS_SHIFT & EVENT_FLAGS_MASK;
	uint16_t event = area & EVENT_OFFSET_MASK;
	bool wrap = area >> EVENT_WRAP_SHIFT & 1;

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->features.event_idx)
		return true;
	/* On one line with next_used: a slot of the round before is behind. */
	if (wrap != vq->used_wrap)
		event = (uint16_t)(event - vq->layout.size);
	return virtq_need_event(event, vq->next_used,
				(uint16_t)(vq->next_used - vq->unnotified));
}

void virtq_packed_set_kicks(struct virtq *vq, bool enabled)
{
	uint32_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	uint32_t event = 0;

	if (enabled && vq->features.event_idx) {
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		event = vq->next_avail | (uint32_t)vq->avail_wrap
						 << EVENT_WRAP_SHIFT;
	} else if (enabled) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	virtq_store32(vq->device, event | flags << EVENT_FLAGS_SHIFT);
}
