#include "virtio/queue.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/util.h"
#include "virtio/queue_internal.h"

/* --- Setting up ---------------------------------------------------------- */

void virtq_init(struct virtq *vq, const struct gmem *gmem)
{
	*vq = (struct virtq){ .gmem = gmem };
}

struct area {
	const char *name;
	gpa_t gpa;
	uint64_t size_bytes;
	uint64_t align;
	uint8_t **host;
};

static int map_area(const struct virtq *vq, const struct area *area,
		    struct err *err)
{
	if (area->gpa & (area->align - 1))
		return err_set(err, EINVAL,
			       "the %s at 0x%" PRIx64
			       " is not aligned to %" PRIu64 " bytes",
			       area->name, area->gpa, area->align);
	*area->host = gmem_ptr(vq->gmem, area->gpa, area->size_bytes);
	if (!*area->host)
		return err_set(err, EFAULT,
			       "the %s at 0x%" PRIx64 " is not in guest RAM",
			       area->name, area->gpa);
	return 0;
}

/* Sizes and alignment: virtio 1.2, 2.7 and 2.8.10.1. */
static int map_areas(struct virtq *vq, const struct virtq_layout *layout,
		     bool packed, struct err *err)
{
	uint64_t size = layout->size;
	const struct area areas[] = {
		{ "descriptor area", layout->desc, VIRTQ_DESC_BYTES * size, 16,
		  &vq->desc },
		{ "driver area", layout->driver, packed ? 4 : 6 + 2 * size,
		  packed ? 4 : 2, &vq->driver },
		{ "device area", layout->device, packed ? 4 : 6 + 8 * size, 4,
		  &vq->device },
	};

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		int rc = map_area(vq, &areas[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

int virtq_enable(struct virtq *vq, const struct virtq_layout *layout,
		 const struct virtq_features *features, uint16_t max_size,
		 struct err *err)
{
	uint16_t size = layout->size;
	int rc;

	assert(max_size <= VIRTQ_MAX_SIZE);
	if (vq->enabled)
		return err_set(err, EBUSY, "the queue is enabled already");
	if (!size || size > max_size)
		return err_set(err, EINVAL,
			       "the queue size %u is not in 1 to %u", size,
			       max_size);
	if (!features->packed && !is_power_of_two(size))
		return err_set(err, EINVAL,
			       "the queue size %u is not a power of two", size);
	virtq_init(vq, vq->gmem);
	rc = map_areas(vq, layout, features->packed, err);
	if (rc) {
		virtq_init(vq, vq->gmem);
		return rc;
	}
	vq->layout = *layout;
	vq->features = *features;
	/* The wrap counters start at 1 (virtio 1.2, 2.8.1); a new ring asks
	 * for kicks as long as nothing else was written. */
	vq->avail_wrap = true;
	vq->used_wrap = true;
	vq->kicks_enabled = true;
	vq->enabled = true;
	return 0;
}

void virtq_disable(struct virtq *vq)
{
	virtq_init(vq, vq->gmem);
}

/* --- Chains -------------------------------------------------------------- */

int virtq_break(struct virtq *vq, const char *what)
{
	if (!vq->broken)
		vq->broken = what;
	return -EPROTO;
}

const char *virtq_broken(const struct virtq *vq)
{
	return vq->broken;
}

int virtq_pop(struct virtq *vq, struct virtq_chain *chain)
{
	if (vq->broken)
		return -EPROTO;
	if (!vq->enabled)
		return 0;
	return vq->features.packed ? virtq_packed_pop(vq, chain) :
				     virtq_split_pop(vq, chain);
}

/* Ends the flight of @head. Returns the slots it held. */
static uint16_t land(struct virtq *vq, uint16_t head)
{
	uint16_t slots;

	assert(head < vq->layout.size && vq->slots[head]);
	slots = vq->slots[head];
	vq->slots[head] = 0;
	vq->in_flight--;
	vq->slots_in_flight = (uint16_t)(vq->slots_in_flight - slots);
	return slots;
}

void virtq_unpop(struct virtq *vq, const struct virtq_chain *chain)
{
	uint16_t slots = land(vq, chain->head);

	if (vq->features.packed)
		virtq_packed_unpop(vq, slots);
	else
		vq->next_avail--;
}

void virtq_push(struct virtq *vq, uint16_t head, uint32_t len_bytes)
{
	const struct virtq_used used = { .head = head, .len_bytes = len_bytes };

	virtq_push_batch(vq, &used, 1);
}

void virtq_push_batch(struct virtq *vq, const struct virtq_used *used,
		      unsigned int count)
{
	uint32_t slots = 0;

	assert(count && count <= vq->in_flight);
	if (vq->features.packed)
		virtq_packed_push(vq, used, count);
	else
		virtq_split_push(vq, used, count);
	for (unsigned int i = 0; i < count; i++)
		slots += land(vq, used[i].head);
	vq->unnotified += vq->features.packed ? slots : count;
}

/* --- Notifications ------------------------------------------------------- */

bool virtq_should_notify(struct virtq *vq)
{
	bool notify;

	if (!vq->unnotified)
		return false;
	/* Pairs with the driver's fence between writing its event index or
	 * flags and looking at the used ring again: either we see its wish
	 * or it sees our elements (virtio 1.2, 2.7.13.3.1 turned round). */
	atomic_thread_fence(memory_order_seq_cst);
	/* Once round the ring, every event index was passed. */
	if (vq->notify_once || vq->unnotified >= vq->layout.size)
		notify = true;
	else
		notify = vq->features.packed ? virtq_packed_should_notify(vq) :
					       virtq_split_should_notify(vq);
	vq->notify_once = false;
	vq->unnotified = 0;
	return notify;
}

static void set_kicks(struct virtq *vq, bool enabled)
{
	if (vq->features.packed)
		virtq_packed_set_kicks(vq, enabled);
	else
		virtq_split_set_kicks(vq, enabled);
	vq->kicks_enabled = enabled;
}

void virtq_disable_kicks(struct virtq *vq)
{
	if (vq->enabled && vq->kicks_enabled)
		set_kicks(vq, false);
}

void virtq_silence_kicks(struct virtq *vq)
{
	virtq_disable_kicks(vq);
	if (vq->enabled && !vq->features.packed && vq->features.event_idx)
		virtq_split_silence_kicks(vq);
}

bool virtq_enable_kicks(struct virtq *vq)
{
	if (!vq->enabled || vq->broken)
		return false;
	set_kicks(vq, true);
	/* Pairs with the driver's fence between exposing a chain and reading
	 * what we just wrote (virtio 1.2, 2.7.13.4.1): either it kicks or we
	 * see the chain now. */
	atomic_thread_fence(memory_order_seq_cst);
	return virtq_has_chains(vq);
}

bool virtq_has_chains(struct virtq *vq)
{
	if (!vq->enabled || vq->broken)
		return false;
	return vq->features.packed ? virtq_packed_has_chains(vq) :
				     virtq_split_has_chains(vq);
}

void virtq_continue_at(struct virtq *vq, uint16_t index)
{
	assert(vq->enabled && !vq->features.packed && !vq->in_flight);
	vq->next_avail = index;
	vq->avail_seen = index;
	vq->next_used = index;
	/* What he notified of last is unknown. */
	vq->notify_once = true;
}

/* --- Saving and restoring ------------------------------------------------ */

void virtq_save(const struct virtq *vq, struct virtq_state *ret_state)
{
	assert(!vq->in_flight);
	*ret_state = (struct virtq_state){
		.layout = vq->layout,
		.enabled = vq->enabled,
		.next_avail = vq->next_avail,
		.next_used = vq->next_used,
		.avail_wrap = vq->avail_wrap,
		.used_wrap = vq->used_wrap,
	};
}

int virtq_restore(struct virtq *vq, const struct virtq_state *state,
		  const struct virtq_features *features, uint16_t max_size,
		  struct err *err)
{
	int rc;

	if (!state->enabled)
		return 0;
	/* With nothing in flight both ends of the ring are at one place. */
	if (state->next_avail != state->next_used ||
	    (features->packed && (state->next_avail >= state->layout.size ||
				  state->avail_wrap != state->used_wrap)))
		return err_set(err, EINVAL,
			       "the indices %u and %u of a queue at rest do "
			       "not agree",
			       state->next_avail, state->next_used);
	rc = virtq_enable(vq, &state->layout, features, max_size, err);
	if (rc)
		return rc;
	vq->next_avail = state->next_avail;
	vq->avail_seen = state->next_avail;
	vq->next_used = state->next_used;
	vq->avail_wrap = state->avail_wrap;
	vq->used_wrap = state->used_wrap;
	vq->notify_once = true;
	return 0;
}
