/* The split ring. Source: virtio 1.2, 2.7. */
#include <errno.h>

#include "virtio/queue_internal.h"

/* Fields of the available and of the used ring (virtio 1.2, 2.7.6, 2.7.8). */
#define RING_FLAGS 0
#define RING_IDX   2
#define RING_ARRAY 4
#define USED_BYTES 8 /* of one used element: id, length */

static uint8_t *used_event(const struct virtq *vq)
{
	return vq->driver + RING_ARRAY + (size_t)2 * vq->layout.size;
}

static uint8_t *avail_event(const struct virtq *vq)
{
	return vq->device + RING_ARRAY + (size_t)USED_BYTES * vq->layout.size;
}

/* Pairs with the driver's barrier before it moves idx (2.7.13.3.1): the
 * entries and descriptors behind it are there. */
static uint16_t load_avail_idx(const struct virtq *vq)
{
	return virtq_load16_acquire(vq->driver + RING_IDX);
}

/* --- Taking chains ------------------------------------------------------- */

static const char *walk_table(struct virtq_walk *walk, const uint8_t *table,
			      unsigned int count)
{
	unsigned int index = 0;

	for (unsigned int seen = 0; seen < count; seen++) {
		struct virtq_desc desc = virtq_fetch_split(table, index);
		const char *wrong;

		if (desc.flags & VRING_DESC_F_INDIRECT)
			return "an indirect table holds an indirect descriptor";
		wrong = virtq_walk_add(walk, &desc);
		if (wrong || !(desc.flags & VRING_DESC_F_NEXT))
			return wrong;
		if (desc.next >= count)
			return "an indirect descriptor points past its table";
		index = desc.next;
	}
	return "an indirect chain does not end";
}

/* The chain that starts at @head; *ret_slots counts its ring descriptors. */
static const char *walk_chain(struct virtq_walk *walk, uint16_t head,
			      uint16_t *ret_slots)
{
	const struct virtq *vq = walk->vq;
	uint16_t size = vq->layout.size;
	uint16_t index = head;

	for (uint16_t slots = 1; slots <= size; slots++) {
		struct virtq_desc desc = virtq_fetch_split(vq->desc, index);
		const uint8_t *table;
		unsigned int count;
		const char *wrong;

		*ret_slots = slots;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			wrong = virtq_walk_indirect(walk, &desc, &table,
						    &count);
			return wrong ? wrong : walk_table(walk, table, count);
		}
		wrong = virtq_walk_add(walk, &desc);
		if (wrong || !(desc.flags & VRING_DESC_F_NEXT))
			return wrong;
		if (desc.next >= size)
			return "a descriptor points past the table";
		index = desc.next;
	}
	return "a chain does not end";
}

int virtq_split_pop(struct virtq *vq, struct virtq_chain *chain)
{
	uint16_t size = vq->layout.size;
	struct virtq_walk walk;
	const char *wrong;
	uint16_t slots = 0;
	uint16_t head;

	if (vq->next_avail == vq->avail_seen) {
		uint16_t idx = load_avail_idx(vq);

		if (idx == vq->next_avail)
			return 0;
		if ((uint16_t)(idx - vq->next_avail) > size)
			return virtq_break(vq, "the available index is more "
					       "than a ring ahead");
		vq->avail_seen = idx;
	}
	head = virtq_load16(vq->driver + RING_ARRAY +
			    (size_t)2 * (vq->next_avail & (size - 1)));
	if (head >= size)
		return virtq_break(vq, "a head is outside the table");
	if (vq->slots[head])
		return virtq_break(vq, "a head is in flight already");
	virtq_walk_begin(&walk, vq, chain);
	wrong = walk_chain(&walk, head, &slots);
	if (wrong)
		return virtq_break(vq, wrong);
	vq->next_avail++;
	return virtq_walk_end(&walk, head, slots);
}

bool virtq_split_has_chains(const struct virtq *vq)
{
	return vq->next_avail != vq->avail_seen ||
	       load_avail_idx(vq) != vq->next_avail;
}

/* --- Giving them back ---------------------------------------------------- */

void virtq_split_push(struct virtq *vq, const struct virtq_used *used,
		      unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint16_t slot = vq->next_used & (vq->layout.size - 1);
		uint8_t *element =
			vq->device + RING_ARRAY + (size_t)USED_BYTES * slot;

		virtq_store32(element, used[i].head);
		virtq_store32(element + 4, used[i].len_bytes);
		vq->next_used++;
	}
	/* Pairs with the driver's barrier after reading idx: the elements and
	 * the data are there (virtio 1.2, 2.7.8.2). */
	virtq_store16_release(vq->device + RING_IDX, vq->next_used);
}

bool virtq_split_should_notify(const struct virtq *vq)
{
	uint16_t old = (uint16_t)(vq->next_used - vq->unnotified);

	if (vq->features.event_idx)
		return virtq_need_event(virtq_load16(used_event(vq)),
					vq->next_used, old);
	return !(virtq_load16(vq->driver + RING_FLAGS) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

void virtq_split_set_kicks(struct virtq *vq, bool enabled)
{
	/* With EVENT_IDX flags stay 0 (virtio 1.2, 2.7.10.2), and an event
	 * index that the driver has passed is silence enough. */
	if (!vq->features.event_idx)
		virtq_store16(vq->device + RING_FLAGS,
			      enabled ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (enabled)
		virtq_store16(avail_event(vq), vq->next_avail);
}

void virtq_split_silence_kicks(struct virtq *vq)
{
	/* An index that was passed: far away for the next 65535 chains. */
	virtq_store16(avail_event(vq), (uint16_t)(vq->next_avail - 1));
}
