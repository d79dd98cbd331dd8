/*
 * The driver's side of a virtqueue, written from the driver's rules in
 * virtio 1.2, 2.7 and 2.8, so that a mistake of ours is not made twice. It can
 * also write what no driver may.
 */
#ifndef TESTS_UNIT_RING_DRIVER_H
#define TESTS_UNIT_RING_DRIVER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "core/gmem.h"
#include "virtio/queue.h"

#define RING_NEXT     1
#define RING_WRITE    2
#define RING_INDIRECT 4
#define RING_AVAIL    0x80
#define RING_USED     0x8000

#define RING_EVENT_ENABLE  0
#define RING_EVENT_DISABLE 1
#define RING_EVENT_DESC	   2

struct ring_driver {
	const struct gmem *gmem;
	struct virtq_layout layout;
	struct virtq_features features;
	uint16_t next_avail; /* split: free running */
	uint16_t next_used;
	uint16_t notified; /* next_avail when kicks were last considered */
	bool avail_wrap;
	bool used_wrap;
	uint16_t unnotified; /* packed: slots since then */
	uint16_t next_free; /* the next descriptor or id to hand out */
	uint16_t chain_slots[VIRTQ_MAX_SIZE]; /* packed: by id */
};

struct ring_buffer {
	gpa_t gpa;
	uint32_t len;
	bool writable;
};

static inline uint8_t *ring_host(const struct ring_driver *ring, gpa_t gpa,
				 uint64_t len)
{
	uint8_t *host = gmem_ptr(ring->gmem, gpa, len);

	assert(host);
	return host;
}

/* The areas lie one after the other from @base on, as tight as they may. */
static inline void ring_init(struct ring_driver *ring, const struct gmem *gmem,
			     gpa_t base, uint16_t size,
			     const struct virtq_features *features)
{
	gpa_t driver = base + 16ULL * size;
	gpa_t device = (driver + 6 + 2ULL * size + 3) & ~3ULL;

	*ring = (struct ring_driver){
		.gmem = gmem,
		.layout = { .size = size,
			    .desc = base,
			    .driver = driver,
			    .device = device },
		.features = *features,
		.avail_wrap = true,
		.used_wrap = true,
	};
	memset(ring_host(ring, base, 1), 0, device + 6 + 8ULL * size - base);
}

/* --- Raw fields ---------------------------------------------------------- */

static inline void ring_write_desc(uint8_t *at, bool packed, gpa_t gpa,
				   uint32_t len, uint16_t flags, uint16_t next)
{
	store_le64(at, gpa);
	store_le32(at + 8, len);
	store_le16(at + (packed ? 14 : 12), flags);
	store_le16(at + (packed ? 12 : 14), next);
}

/* Descriptor @index of the table; next is the id in a packed ring. */
static inline void ring_desc(const struct ring_driver *ring, unsigned int index,
			     gpa_t gpa, uint32_t len, uint16_t flags,
			     uint16_t next)
{
	ring_write_desc(ring_host(ring, ring->layout.desc + 16ULL * index, 16),
			ring->features.packed, gpa, len, flags, next);
}

static inline uint16_t *ring_field(const struct ring_driver *ring, gpa_t gpa)
{
	return (uint16_t *)(void *)ring_host(ring, gpa, 2);
}

static inline uint16_t *ring_avail_idx(const struct ring_driver *ring)
{
	return ring_field(ring, ring->layout.driver + 2);
}

static inline void ring_set_avail_flags(const struct ring_driver *ring,
					uint16_t flags)
{
	__atomic_store_n(ring_field(ring, ring->layout.driver), htole16(flags),
			 __ATOMIC_RELAXED);
}

static inline void ring_set_used_event(const struct ring_driver *ring,
				       uint16_t event)
{
	__atomic_store_n(ring_field(ring, ring->layout.driver + 4 +
						  2ULL * ring->layout.size),
			 htole16(event), __ATOMIC_RELAXED);
}

static inline uint16_t ring_avail_event(const struct ring_driver *ring)
{
	return le16toh(__atomic_load_n(
		ring_field(ring,
			   ring->layout.device + 4 + 8ULL * ring->layout.size),
		__ATOMIC_RELAXED));
}

static inline uint16_t ring_used_flags(const struct ring_driver *ring)
{
	return le16toh(__atomic_load_n(ring_field(ring, ring->layout.device),
				       __ATOMIC_RELAXED));
}

static inline uint16_t ring_used_idx(const struct ring_driver *ring)
{
	return le16toh(__atomic_load_n(
		ring_field(ring, ring->layout.device + 2), __ATOMIC_ACQUIRE));
}

/* Split: entry @index of the available ring, index not yet moved. */
static inline void ring_set_entry(const struct ring_driver *ring,
				  uint16_t index, uint16_t head)
{
	uint16_t slot = index % ring->layout.size;

	__atomic_store_n(ring_field(ring,
				    ring->layout.driver + 4 + 2ULL * slot),
			 htole16(head), __ATOMIC_RELAXED);
}

/* Split: makes the chain at @head available. */
static inline void ring_expose(struct ring_driver *ring, uint16_t head)
{
	ring_set_entry(ring, ring->next_avail, head);
	ring->next_avail++;
	__atomic_store_n(ring_avail_idx(ring), htole16(ring->next_avail),
			 __ATOMIC_RELEASE);
}

/* Packed: the event area the driver writes. */
static inline void ring_set_driver_event(const struct ring_driver *ring,
					 uint16_t offset, bool wrap,
					 uint16_t flags)
{
	uint32_t area = offset | (uint32_t)wrap << 15 | (uint32_t)flags << 16;

	__atomic_store_n((uint32_t *)(void *)ring_host(ring,
						       ring->layout.driver, 4),
			 htole32(area), __ATOMIC_RELAXED);
}

static inline uint32_t ring_device_event(const struct ring_driver *ring)
{
	return le32toh(__atomic_load_n(
		(uint32_t *)(void *)ring_host(ring, ring->layout.device, 4),
		__ATOMIC_RELAXED));
}

/* --- What a good driver does --------------------------------------------- */

static inline uint16_t ring_packed_flags(bool wrap)
{
	return wrap ? RING_AVAIL : RING_USED;
}

static inline void ring_store_flags(const struct ring_driver *ring,
				    uint16_t slot, uint16_t flags)
{
	__atomic_store_n(ring_field(ring,
				    ring->layout.desc + 16ULL * slot + 14),
			 htole16(flags), __ATOMIC_RELEASE);
}

static inline void ring_add_packed(struct ring_driver *ring,
				   const struct ring_buffer *buffers,
				   unsigned int count, uint16_t id)
{
	uint16_t first = ring->next_avail;
	uint16_t first_flags = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t slot = ring->next_avail;
		uint16_t flags = ring_packed_flags(ring->avail_wrap) |
				 (buffers[i].writable ? RING_WRITE : 0) |
				 (i + 1 < count ? RING_NEXT : 0);
		uint8_t *at =
			ring_host(ring, ring->layout.desc + 16ULL * slot, 16);

		store_le64(at, buffers[i].gpa);
		store_le32(at + 8, buffers[i].len);
		/* 2.8.6: the last descriptor alone has it. */
		store_le16(at + 12, i + 1 < count ? UINT16_MAX : id);
		if (slot == first)
			first_flags = flags;
		else
			ring_store_flags(ring, slot, flags);
		if (++ring->next_avail == ring->layout.size) {
			ring->next_avail = 0;
			ring->avail_wrap = !ring->avail_wrap;
		}
	}
	ring->chain_slots[id] = (uint16_t)count;
	ring->unnotified = (uint16_t)(ring->unnotified + count);
	ring_store_flags(ring, first, first_flags);
}

/*
 * Adds a chain. A split ring uses descriptors head, head + 1 and so on round
 * the table, a packed one @head as its id. The caller knows they are free.
 */
static inline void ring_add_at(struct ring_driver *ring, uint16_t head,
			       const struct ring_buffer *buffers,
			       unsigned int count)
{
	uint16_t size = ring->layout.size;

	if (ring->features.packed) {
		ring_add_packed(ring, buffers, count, head);
		return;
	}
	for (unsigned int i = 0; i < count; i++)
		ring_desc(ring, (head + i) % size, buffers[i].gpa,
			  buffers[i].len,
			  (buffers[i].writable ? RING_WRITE : 0) |
				  (i + 1 < count ? RING_NEXT : 0),
			  (uint16_t)((head + i + 1) % size));
	ring_expose(ring, head);
}

/* As ring_add_at with descriptors in rotation. Returns the head or id. */
static inline uint16_t ring_add(struct ring_driver *ring,
				const struct ring_buffer *buffers,
				unsigned int count)
{
	uint16_t head = ring->next_free;

	ring->next_free = (uint16_t)((head + count) % ring->layout.size);
	ring_add_at(ring, head, buffers, count);
	return head;
}

/* An indirect table at @table that holds @buffers. Returns the head or id. */
static inline uint16_t ring_add_indirect(struct ring_driver *ring, gpa_t table,
					 const struct ring_buffer *buffers,
					 unsigned int count)
{
	bool packed = ring->features.packed;
	uint16_t head = ring->next_free;
	uint16_t slot = packed ? ring->next_avail : head;
	uint16_t flags = RING_INDIRECT;

	for (unsigned int i = 0; i < count; i++) {
		bool next = !packed && i + 1 < count;

		ring_write_desc(ring_host(ring, table + 16ULL * i, 16), packed,
				buffers[i].gpa, buffers[i].len,
				(buffers[i].writable ? RING_WRITE : 0) |
					(next ? RING_NEXT : 0),
				(uint16_t)(i + 1));
	}
	ring->next_free = (uint16_t)((head + 1) % ring->layout.size);
	if (!packed) {
		ring_desc(ring, slot, table, 16 * count, flags, 0);
		ring_expose(ring, head);
		return head;
	}
	flags |= ring_packed_flags(ring->avail_wrap);
	ring_desc(ring, slot, table, 16 * count, flags, head);
	ring->chain_slots[head] = 1;
	ring->unnotified++;
	if (++ring->next_avail == ring->layout.size) {
		ring->next_avail = 0;
		ring->avail_wrap = !ring->avail_wrap;
	}
	return head;
}

/* Whether the device wants to be kicked for what was added since last time. */
static inline bool ring_should_kick(struct ring_driver *ring)
{
	uint16_t old = ring->notified;
	uint16_t new = ring->next_avail;
	uint32_t area;
	uint16_t event;

	/* 2.7.13.4.1: pairs with virtq_enable_kicks. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->notified = new;
	if (!ring->features.packed) {
		if (!ring->features.event_idx)
			return !(ring_used_flags(ring) & 1);
		event = ring_avail_event(ring);
		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	old = (uint16_t)(new - ring->unnotified);
	ring->unnotified = 0;
	area = ring_device_event(ring);
	if ((area >> 16) != RING_EVENT_DESC)
		return (area >> 16) == RING_EVENT_ENABLE;
	event = area & 0x7fff;
	if ((area >> 15 & 1) != ring->avail_wrap)
		event = (uint16_t)(event - ring->layout.size);
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* The next used element, if there is one. */
static inline bool ring_take(struct ring_driver *ring, uint32_t *ret_id,
			     uint32_t *ret_len)
{
	const uint8_t *at;
	uint16_t flags;

	if (!ring->features.packed) {
		if (ring_used_idx(ring) == ring->next_used)
			return false;
		at = ring_host(
			ring,
			ring->layout.device + 4 +
				8ULL * (ring->next_used % ring->layout.size),
			8);
		*ret_id = load_le32(at);
		*ret_len = load_le32(at + 4);
		ring->next_used++;
		return true;
	}
	at = ring_host(ring, ring->layout.desc + 16ULL * ring->next_used, 16);
	flags = le16toh(__atomic_load_n(
		(const uint16_t *)(const void *)(at + 14), __ATOMIC_ACQUIRE));
	if (!!(flags & RING_USED) != ring->used_wrap ||
	    !!(flags & RING_AVAIL) != ring->used_wrap)
		return false;
	*ret_id = load_le16(at + 12);
	*ret_len = flags & RING_WRITE ? load_le32(at + 8) : 0;
	ring->next_used =
		(uint16_t)(ring->next_used + ring->chain_slots[*ret_id]);
	if (ring->next_used >= ring->layout.size) {
		ring->next_used =
			(uint16_t)(ring->next_used - ring->layout.size);
		ring->used_wrap = !ring->used_wrap;
	}
	return true;
}

/* Asks to be interrupted for the next used element. */
static inline void ring_want_interrupt(struct ring_driver *ring)
{
	if (!ring->features.packed && ring->features.event_idx)
		ring_set_used_event(ring, ring->next_used);
	else if (!ring->features.packed)
		ring_set_avail_flags(ring, 0);
	else if (ring->features.event_idx)
		ring_set_driver_event(ring, ring->next_used, ring->used_wrap,
				      RING_EVENT_DESC);
	else
		ring_set_driver_event(ring, 0, false, RING_EVENT_ENABLE);
	/* 2.7.14: pairs with virtq_should_notify; the caller looks again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
