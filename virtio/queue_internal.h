/*
 * What the two ring layouts share: descriptors, chains that are being walked,
 * and the memory accesses that the driver can race with.
 */
#ifndef VIRTIO_QUEUE_INTERNAL_H
#define VIRTIO_QUEUE_INTERNAL_H

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/queue.h"

/* A descriptor of either layout in host byte order, in private memory. */
struct virtq_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* the buffer id in a packed ring */
};

#define VIRTQ_DESC_BYTES 16

/* A chain that is being collected. */
struct virtq_walk {
	struct virtq *vq;
	struct virtq_chain *chain;
	unsigned int seen; /* descriptors that hold buffers */
	bool too_long; /* more segments than the caller has room for */
};

/*
 * Copies descriptor @index of the table at @table once. Split and packed
 * descriptors differ in the order of their last two fields.
 */
struct virtq_desc virtq_fetch_split(const uint8_t *table, unsigned int index);
struct virtq_desc virtq_fetch_packed(const uint8_t *table, unsigned int index);

/* Each returns NULL, or a constant sentence that says what is wrong. */
const char *virtq_walk_add(struct virtq_walk *walk,
			   const struct virtq_desc *desc);
/* *ret_count is the number of entries of the indirect table at *ret_table. */
const char *virtq_walk_indirect(const struct virtq_walk *walk,
				const struct virtq_desc *desc,
				const uint8_t **ret_table,
				unsigned int *ret_count);

void virtq_walk_begin(struct virtq_walk *walk, struct virtq *vq,
		      struct virtq_chain *chain);
/* Marks @head in flight with @slots. What virtq_pop returns. */
int virtq_walk_end(struct virtq_walk *walk, uint16_t head, uint16_t slots);

/* Makes the queue broken. Returns -EPROTO. */
int virtq_break(struct virtq *vq, const char *what);

int virtq_split_pop(struct virtq *vq, struct virtq_chain *chain);
void virtq_split_push(struct virtq *vq, const struct virtq_used *used,
		      unsigned int count);
bool virtq_split_should_notify(const struct virtq *vq);
void virtq_split_set_kicks(struct virtq *vq, bool enabled);
void virtq_split_silence_kicks(struct virtq *vq);
bool virtq_split_has_chains(const struct virtq *vq);

int virtq_packed_pop(struct virtq *vq, struct virtq_chain *chain);
void virtq_packed_unpop(struct virtq *vq, uint16_t slots);
void virtq_packed_push(struct virtq *vq, const struct virtq_used *used,
		       unsigned int count);
bool virtq_packed_should_notify(const struct virtq *vq);
void virtq_packed_set_kicks(struct virtq *vq, bool enabled);
bool virtq_packed_has_chains(const struct virtq *vq);

/*
 * Whether an event at index @event lies in [@old, @new), all modulo 2^16
 * (virtio 1.2, 2.7.7.2 and 2.7.10: "until idx reaches event + 1").
 */
static inline bool virtq_need_event(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/*
 * Fields of the rings that the driver reads or writes meanwhile. virtq_enable
 * checked their alignment.
 */
static inline uint16_t virtq_load16(const uint8_t *from)
{
	const uint16_t *field = (const uint16_t *)(const void *)from;

	return le16toh(__atomic_load_n(field, __ATOMIC_RELAXED));
}

static inline uint16_t virtq_load16_acquire(const uint8_t *from)
{
	const uint16_t *field = (const uint16_t *)(const void *)from;

	return le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
}

static inline uint32_t virtq_load32(const uint8_t *from)
{
	const uint32_t *field = (const uint32_t *)(const void *)from;

	return le32toh(__atomic_load_n(field, __ATOMIC_RELAXED));
}

static inline void virtq_store16(uint8_t *to, uint16_t value)
{
	uint16_t *field = (uint16_t *)(void *)to;

	__atomic_store_n(field, htole16(value), __ATOMIC_RELAXED);
}

static inline void virtq_store16_release(uint8_t *to, uint16_t value)
{
	uint16_t *field = (uint16_t *)(void *)to;

	__atomic_store_n(field, htole16(value), __ATOMIC_RELEASE);
}

static inline void virtq_store32(uint8_t *to, uint32_t value)
{
	uint32_t *field = (uint32_t *)(void *)to;

	__atomic_store_n(field, htole32(value), __ATOMIC_RELAXED);
}

#endif
