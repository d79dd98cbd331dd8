/*
 * Rings: the driver's side of virtio 1.2, 2.7 (split) and 2.8 (packed).
 */
#include "lib_virtio.h"

#define DESC_BYTES 16
#define FLAG_AVAIL 0x80
#define FLAG_USED  0x8000

/* Offsets in a packed descriptor (2.8.13); a split one has its flags at 12. */
#define PACKED_ID    12
#define PACKED_FLAGS 14

/* Offsets in the available and used ring (2.7.6, 2.7.8). */
#define RING_IDX   2
#define RING_ARRAY 4
#define USED_BYTES 8

#define USED_NO_NOTIFY 1
#define EVENT_DISABLE  1
#define EVENT_DESC     2

static uint16_t load16(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static void store16(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

static void write_desc(uint8_t *at, bool packed, const struct vseg *seg,
		       uint16_t flags, uint16_t next)
{
	mmio_write64(at, (uint64_t)seg->at);
	mmio_write32((uint64_t)at + 8, seg->len);
	if (packed) {
		store16(at + PACKED_ID, next);
		store16(at + PACKED_FLAGS, flags);
	} else {
		store16(at + 12, flags);
		store16(at + 14, next);
	}
}

static uint8_t *desc_at(const struct vring *ring, uint16_t slot)
{
	return ring->memory->desc + (size_t)DESC_BYTES * slot;
}

void vring_write_desc(const struct vring *ring, uint16_t slot,
		      const struct vseg *seg, uint16_t next)
{
	write_desc(desc_at(ring, slot), ring->packed, seg, seg->flags, next);
}

uint16_t vring_available_flags(const struct vring *ring)
{
	return ring->avail_wrap ? FLAG_AVAIL : FLAG_USED;
}

/* --- Adding ----------------------------------------------------------- */

void vring_skip(struct vring *ring, uint16_t entries)
{
	ring->next_avail = (uint16_t)(ring->next_avail + entries);
	ring->unkicked = (uint16_t)(ring->unkicked + entries);
	store16(ring->memory->driver + RING_IDX, ring->next_avail);
}

void vring_expose(struct vring *ring, uint16_t head)
{
	uint16_t slot = ring->next_avail & (ring->size - 1);

	store16(ring->memory->driver + RING_ARRAY + 2 * slot, head);
	vring_skip(ring, 1);
}

static uint16_t add_split(struct vring *ring, const struct vseg *segs,
			  unsigned int count)
{
	uint16_t head = ring->ids[ring->free_ids - 1];

	for (unsigned int i = 0; i < count; i++) {
		uint16_t slot = ring->ids[--ring->free_ids];
		bool last = i + 1 == count;
		uint16_t next = last ? 0 : ring->ids[ring->free_ids - 1];

		write_desc(desc_at(ring, slot), false, &segs[i],
			   segs[i].flags | (last ? 0 : VSEG_NEXT), next);
	}
	ring->slots[head] = (uint16_t)count;
	vring_expose(ring, head);
	return head;
}

static void advance(const struct vring *ring, uint16_t *slot, bool *wrap,
		    uint16_t slots)
{
	*slot = (uint16_t)(*slot + slots);
	if (*slot >= ring->size) {
		*slot = (uint16_t)(*slot - ring->size);
		*wrap = !*wrap;
	}
}

static uint16_t add_packed(struct vring *ring, const struct vseg *segs,
			   unsigned int count)
{
	uint16_t id = ring->ids[--ring->free_ids];
	uint8_t *first = desc_at(ring, ring->next_avail);
	uint16_t first_flags = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint8_t *desc = desc_at(ring, ring->next_avail);
		uint16_t flags = vring_available_flags(ring) | segs[i].flags |
				 (i + 1 == count ? 0 : VSEG_NEXT);

		/* 2.8.6: the first one last, it uncovers the others. */
		if (i == 0) {
			first_flags = flags;
			flags = load16(desc + PACKED_FLAGS);
		}
		write_desc(desc, true, &segs[i], flags, id);
		advance(ring, &ring->next_avail, &ring->avail_wrap, 1);
	}
	ring->slots[id] = (uint16_t)count;
	ring->unkicked = (uint16_t)(ring->unkicked + count);
	store16(first + PACKED_FLAGS, first_flags);
	return id;
}

uint16_t vring_add(struct vring *ring, const struct vseg *segs,
		   unsigned int count)
{
	if (count > ring->free_slots || ring->free_ids == 0)
		return VRING_NONE;
	ring->free_slots = (uint16_t)(ring->free_slots - count);
	return ring->packed ? add_packed(ring, segs, count) :
			      add_split(ring, segs, count);
}

void vring_write_table(const struct vring *ring, void *table,
		       const struct vseg *segs, unsigned int count)
{
	uint8_t *desc = table;

	for (unsigned int i = 0; i < count; i++, desc += DESC_BYTES) {
		/* 2.8.7: entries of a packed table just follow each other. */
		bool next = !ring->packed && i + 1 < count;

		write_desc(desc, ring->packed, &segs[i],
			   segs[i].flags | (next ? VSEG_NEXT : 0),
			   next ? (uint16_t)(i + 1) : 0);
	}
}

uint16_t vring_add_table(struct vring *ring, void *table,
			 const struct vseg *segs, unsigned int count)
{
	const struct vseg one = { table, DESC_BYTES * count, VSEG_INDIRECT };

	vring_write_table(ring, table, segs, count);
	return vring_add(ring, &one, 1);
}

/* --- Kicking ---------------------------------------------------------- */

void vring_kick_always(struct vring *ring)
{
	ring->unkicked = 0;
	if (ring->dev->pci)
		mmio_write16(ring->doorbell, ring->index);
	else
		mmio_write32(ring->doorbell, ring->index);
}

/* 2.7.10.1: whether @event lies in the entries behind @old up to @new. */
static bool passed(uint16_t event, uint16_t new, uint16_t entries)
{
	return (uint16_t)(new - event - 1) < entries;
}

static bool wants_kick(const struct vring *ring)
{
	const uint8_t *device = ring->memory->device;
	uint32_t area;
	uint16_t event;

	if (!ring->packed && !ring->event_idx)
		return !(load16(device) & USED_NO_NOTIFY);
	if (!ring->packed)
		return passed(
			load16(device + RING_ARRAY + USED_BYTES * ring->size),
			ring->next_avail, ring->unkicked);
	/* 2.8.14: both halves in one load. */
	area = mmio_read32((uint64_t)device);
	if (area >> 16 != EVENT_DESC)
		return area >> 16 != EVENT_DISABLE;
	event = area & 0x7fff;
	if ((area >> 15 & 1) != ring->avail_wrap)
		event = (uint16_t)(event - ring->size);
	return passed(event, ring->next_avail, ring->unkicked);
}

bool vring_kick(struct vring *ring)
{
	/* The entries are seen before the wish is read (2.7.13.4.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->unkicked == 0)
		return false;
	if (!wants_kick(ring)) {
		ring->unkicked = 0;
		return false;
	}
	vring_kick_always(ring);
	return true;
}

/* --- Taking ----------------------------------------------------------- */

static bool take_split(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len)
{
	const uint8_t *device = ring->memory->device;
	uint16_t slot = ring->next_used & (ring->size - 1);
	uint64_t element;
	uint16_t id;

	if (load16(device + RING_IDX) == ring->next_used)
		return false;
	element = mmio_read64(device + RING_ARRAY + USED_BYTES * slot);
	id = (uint16_t)element;
	check((uint32_t)element < ring->size && ring->slots[id] != 0,
	      "a chain came back that is not out");
	ring->next_used++;
	*ret_id = id;
	*ret_len = (uint32_t)(element >> 32);
	/* The chain's own links lead back through its descriptors. */
	for (uint16_t i = 0; i < ring->slots[*ret_id]; i++) {
		ring->ids[ring->free_ids++] = id;
		id = load16(desc_at(ring, id) + 14);
	}
	return true;
}

static bool take_packed(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len)
{
	const uint8_t *desc = desc_at(ring, ring->next_used);
	uint16_t flags = load16(desc + PACKED_FLAGS);

	if (!!(flags & FLAG_AVAIL) != ring->used_wrap ||
	    !!(flags & FLAG_USED) != ring->used_wrap)
		return false;
	*ret_id = load16(desc + PACKED_ID);
	check(*ret_id < ring->size && ring->slots[*ret_id] != 0,
	      "a buffer came back that is not out");
	/* 2.8.5: the length counts only where something was written. */
	*ret_len = flags & VSEG_WRITE ? mmio_read32((uint64_t)desc + 8) : 0;
	ring->ids[ring->free_ids++] = *ret_id;
	advance(ring, &ring->next_used, &ring->used_wrap, ring->slots[*ret_id]);
	return true;
}

bool vring_take(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len)
{
	if (ring->packed ? !take_packed(ring, ret_id, ret_len) :
			   !take_split(ring, ret_id, ret_len))
		return false;
	ring->free_slots = (uint16_t)(ring->free_slots + ring->slots[*ret_id]);
	ring->slots[*ret_id] = 0;
	return true;
}

bool vring_wait(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len)
{
	uint64_t start = rdtsc();

	while (!vring_take(ring, ret_id, ret_len)) {
		if (rdtsc() - start > PATIENCE_CYCLES)
			return false;
		__asm__ volatile("pause");
	}
	return true;
}
