/*
 * A guest for the virtio harnesses: it reads its doings from text, so that the
 * kept corpus can be read and written by hand. An operation is a letter, its
 * arguments are hexadecimal digits; whatever else is a byte of the input counts
 * as the digit of its low four bits, so that every input means something.
 *
 *	R		reset
 *	S f q		start the device; f: 1 packed, 2 EVENT_IDX,
 *			4 INDIRECT, 8 queues of one; q: 1 none at all
 *	Q q		from now on, queue q
 *	A n w k		add a chain of n + 1 buffers, the last w writable,
 *			k says how long they are
 *	I n w k		the same through an indirect table
 *	N		kick the queue
 *	T		take what came back
 *	E v		say when to be interrupted
 *	D i f v		spoil field f of descriptor i with value v
 *	X v		move the available index by v - 8
 *	H v		make descriptor v available
 *	W aaa w v	write value v, 1 << w bytes wide, to register aaa
 *	G aaa w		read it
 *	the rest	the transport's and the device's own, see there
 *
 * As long as the guest does nothing that a driver may not, it also checks: the
 * device does not fail, each chain comes back once, with a length that fits,
 * and what the device may only read stays as it was.
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_H
#define TESTS_FUZZ_VIRTIO_GUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/unit/ring_driver.h"
#include "virtio/device.h"

#define GUEST_LOW  (256 * KIB)
#define GUEST_HIGH (64 * KIB)
#define GUEST_PAGE 4096

/* Where things are in low memory. */
#define GUEST_RINGS    0x1000ULL /* a page each */
#define GUEST_TABLES   0x10000ULL
#define GUEST_READABLE 0x20000ULL
#define GUEST_WRITABLE 0x30000ULL
#define GUEST_AREA     0x4000ULL

#define GUEST_QUEUES 6
#define GUEST_SIZE   8
#define GUEST_FILL   0x5a

struct guest;

struct guest_transport {
	uint8_t (*status)(struct guest *guest);
	void (*set_status)(struct guest *guest, uint8_t status);
	void (*set_features)(struct guest *guest, uint64_t features);
	/* Tells the device the layout and enables the queue. */
	bool (*set_queue)(struct guest *guest, unsigned int queue);
	void (*kick)(struct guest *guest, unsigned int queue);
	uint64_t (*read)(struct guest *guest, uint64_t offset,
			 unsigned int len);
	void (*write)(struct guest *guest, uint64_t offset, uint64_t value,
		      unsigned int len);
	/* False when @op is not one of its own. */
	bool (*op)(struct guest *guest, uint8_t op);
};

/* What a chain must be answered with. */
struct guest_chain {
	bool posted;
	uint32_t writable;
};

struct guest {
	const uint8_t *data; /* what is left of the input */
	size_t size;
	struct gmem gmem;
	struct virtio_device *device;
	const struct guest_transport *transport;
	void *transport_state;
	unsigned int queue_count; /* at most GUEST_QUEUES */
	uint64_t device_features; /* what to accept besides the ring's */

	/* The device's own operations; false when it is not one. */
	bool (*op)(struct guest *guest, uint8_t op);
	/* Whether a kick answers all that is there, as for the entropy one. */
	bool answers_at_once;

	bool spoiled; /* the guest misbehaved: nothing is promised */
	bool running;
	struct ring_driver rings[GUEST_QUEUES];
	struct guest_chain chains[GUEST_QUEUES][GUEST_SIZE];
	unsigned int outstanding[GUEST_QUEUES];
	unsigned int slots_used[GUEST_QUEUES];
	unsigned int queue;
	unsigned int reports;
};

static inline void guest_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "virtio guest: %s\n", what);
	abort();
}

/* --- Input --------------------------------------------------------------- */

static inline uint8_t guest_byte(struct guest *guest)
{
	if (!guest->size)
		return 0;
	guest->size--;
	return *guest->data++;
}

static inline unsigned int guest_digit(struct guest *guest)
{
	uint8_t byte = guest_byte(guest);

	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10U;
	return byte & 15U;
}

/* Numbers on which things turn. */
static inline uint64_t guest_value(struct guest *guest)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		3,
		GUEST_SIZE - 1,
		GUEST_SIZE,
		0xffff,
		0x8000,
		GUEST_LOW - 1,
		GUEST_LOW,
		GUEST_WRITABLE,
		UINT32_MAX,
		GMEM_HOLE_END,
		GMEM_HOLE_END + GUEST_HIGH - 8,
		UINT64_MAX,
		0xfee01000,
	};

	return values[guest_digit(guest)];
}

/* --- Memory -------------------------------------------------------------- */

/* Memory between two pages that nobody may touch. */
static inline uint8_t *guest_map(uint64_t size)
{
	uint8_t *base = mmap(NULL, size + 2 * (size_t)GUEST_PAGE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	guest_require(base != MAP_FAILED, "no memory");
	guest_require(mprotect(base + GUEST_PAGE, size,
			       PROT_READ | PROT_WRITE) == 0,
		      "no memory");
	return base + GUEST_PAGE;
}

/* The memory of all runs: mapping it anew would take longer than a run. */
static inline void guest_init_memory(struct guest *guest)
{
	static uint8_t *low;
	static uint8_t *high;

	if (!low) {
		low = guest_map(GUEST_LOW);
		high = guest_map(GUEST_HIGH);
	}
	memset(low, 0, GUEST_READABLE);
	memset(low + GUEST_READABLE, GUEST_FILL, GUEST_AREA);
	guest->gmem = (struct gmem){
		.regions = { { .start = 0,
			       .size_bytes = GUEST_LOW,
			       .host = low },
			     { .start = GMEM_HOLE_END,
			       .size_bytes = GUEST_HIGH,
			       .host = high } },
		.region_count = 2,
		.size_bytes = GUEST_LOW + GUEST_HIGH,
		.fd = -1,
	};
}

/* --- A well-behaved driver ----------------------------------------------- */

static inline void guest_forget(struct guest *guest)
{
	guest->running = false;
	memset(guest->chains, 0, sizeof(guest->chains));
	memset(guest->outstanding, 0, sizeof(guest->outstanding));
	memset(guest->slots_used, 0, sizeof(guest->slots_used));
}

static inline void guest_reset(struct guest *guest)
{
	guest->transport->set_status(guest, 0);
	guest_require(guest->transport->status(guest) == 0,
		      "a reset does not end");
	/* A spoiled descriptor may have named any memory. */
	if (guest->spoiled)
		memset(gmem_ptr(&guest->gmem, GUEST_READABLE, GUEST_AREA),
		       GUEST_FILL, GUEST_AREA);
	guest->spoiled = false;
	guest->reports = 0;
	guest_forget(guest);
}

static inline void guest_start(struct guest *guest)
{
	unsigned int flags = guest_digit(guest);
	bool no_queues = guest_digit(guest) & 1;
	const struct virtq_features features = {
		.packed = flags & 1,
		.event_idx = flags & 2,
		.indirect = flags & 4,
	};
	uint64_t bits = 1ULL << 32 | guest->device_features;

	guest_reset(guest);
	if (features.packed)
		bits |= 1ULL << 34;
	if (features.event_idx)
		bits |= 1ULL << 29;
	if (features.indirect)
		bits |= 1ULL << 28;
	guest->transport->set_status(guest, 3);
	guest->transport->set_features(guest, bits);
	guest->transport->set_status(guest, 11);
	guest_require(guest->transport->status(guest) == 11,
		      "good features are refused");
	for (unsigned int i = 0; i < guest->queue_count && !no_queues; i++) {
		ring_init(&guest->rings[i], &guest->gmem,
			  GUEST_RINGS + 0x1000ULL * i,
			  flags & 8 ? 1 : GUEST_SIZE, &features);
		guest_require(guest->transport->set_queue(guest, i),
			      "a good queue is refused");
	}
	guest->transport->set_status(guest, 15);
	guest_require(guest->transport->status(guest) == 15,
		      "a good start is refused");
	guest->running = !no_queues;
}

/* Lengths: a few bytes, a sector, a page, nothing, and an odd one. */
static inline uint32_t guest_length(unsigned int kind, unsigned int i)
{
	static const uint32_t lengths[] = { 1, 16, 512, 4096, 0, 333, 8, 2048 };

	return lengths[(kind + i * (kind >> 3)) % 8];
}

/* Buffers of a chain; they lie apart, so that none is merged with another. */
static inline uint32_t guest_buffers(struct guest *guest,
				     struct ring_buffer *buffers,
				     unsigned int count)
{
	unsigned int writable = guest_digit(guest) % (count + 1);
	unsigned int kind = guest_digit(guest);
	gpa_t used[2] = { 0, 0 };
	uint32_t total = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool is_writable = i >= count - writable;
		uint32_t len = guest_length(kind, i);
		gpa_t at = used[is_writable];

		if (at + len > GUEST_AREA)
			len = (uint32_t)(GUEST_AREA - at);
		buffers[i] = (struct ring_buffer){
			.gpa = at +
			       (is_writable ? GUEST_WRITABLE : GUEST_READABLE),
			.len = len,
			.writable = is_writable,
		};
		used[is_writable] = min_u64(at + len + 1, GUEST_AREA);
		total += is_writable ? len : 0;
	}
	return total;
}

/* A head of the current queue with @slots free descriptors behind it. */
static inline bool guest_find_head(struct guest *guest, unsigned int slots)
{
	const struct ring_driver *ring = &guest->rings[guest->queue];

	/* Rings are used up in order: room is what was not taken yet. */
	return guest->running && guest->queue < guest->queue_count &&
	       guest->slots_used[guest->queue] + slots <= ring->layout.size &&
	       !guest->chains[guest->queue][ring->next_free].posted;
}

static inline void guest_posted(struct guest *guest, uint16_t head,
				uint32_t writable, unsigned int slots)
{
	guest->chains[guest->queue][head] =
		(struct guest_chain){ .posted = true, .writable = writable };
	guest->outstanding[guest->queue]++;
	guest->slots_used[guest->queue] += slots;
}

static inline void guest_add(struct guest *guest, bool indirect)
{
	struct ring_driver *ring = &guest->rings[guest->queue];
	struct ring_buffer buffers[16];
	unsigned int count = guest_digit(guest) + 1;
	gpa_t table;
	uint32_t writable;
	uint16_t head;

	if (!indirect)
		count = (count - 1) % GUEST_SIZE + 1;
	writable = guest_buffers(guest, buffers, count);
	if (!guest_find_head(guest, indirect ? 1 : count))
		return;
	if (!indirect) {
		head = ring_add(ring, buffers, count);
		guest_posted(guest, head, writable, count);
		return;
	}
	if (!ring->features.indirect)
		guest->spoiled = true;
	table = GUEST_TABLES + 0x1000ULL * guest->queue +
		0x100ULL * ring->next_free;
	head = ring_add_indirect(ring, table, buffers, count);
	guest_posted(guest, head, writable, 1);
}

static inline void guest_check_readable(struct guest *guest)
{
	const uint8_t *area =
		gmem_ptr(&guest->gmem, GUEST_READABLE, GUEST_AREA);

	/* All bytes are the first when each is the one before it. */
	if (!guest->spoiled)
		guest_require(area[0] == GUEST_FILL &&
				      !memcmp(area, area + 1, GUEST_AREA - 1),
			      "what may only be read was written");
}

static inline void guest_take_one(struct guest *guest, uint32_t id,
				  uint32_t len)
{
	struct guest_chain *chain =
		&guest->chains[guest->queue][id % GUEST_SIZE];

	if (guest->spoiled)
		return;
	guest_require(id < GUEST_SIZE && chain->posted,
		      "a chain came back that was not sent");
	guest_require(len <= chain->writable,
		      "more was written than there was room for");
	chain->posted = false;
	if (--guest->outstanding[guest->queue] == 0)
		guest->slots_used[guest->queue] = 0;
}

static inline void guest_take(struct guest *guest)
{
	struct ring_driver *ring = &guest->rings[guest->queue];
	uint32_t id;
	uint32_t len;

	if (!guest->running || guest->queue >= guest->queue_count)
		return;
	/* A ring that is spoiled may give us anything, also for ever. */
	for (unsigned int i = 0; i < 2 * GUEST_SIZE; i++) {
		if (guest->spoiled || !ring_take(ring, &id, &len))
			break;
		guest_take_one(guest, id, len);
	}
}

static inline void guest_kick(struct guest *guest)
{
	guest->transport->kick(guest, guest->queue);
	if (!guest->running || guest->spoiled)
		return;
	guest_require(!virtio_device_failed(guest->device),
		      "a good guest made the device fail");
	if (!guest->answers_at_once)
		return;
	guest_take(guest);
	guest_require(guest->queue >= guest->queue_count ||
			      !guest->outstanding[guest->queue],
		      "a chain did not come back");
	guest_check_readable(guest);
}

/* Any wish is a good one. */
static inline void guest_events(struct guest *guest)
{
	struct ring_driver *ring = &guest->rings[guest->queue];
	unsigned int wish = guest_digit(guest);

	if (!guest->running || guest->queue >= guest->queue_count)
		return;
	if (ring->features.packed)
		ring_set_driver_event(ring, wish & 7, wish & 8, wish & 3);
	else if (ring->features.event_idx)
		ring_set_used_event(ring, (uint16_t)(ring->next_used + wish));
	else
		ring_set_avail_flags(ring, wish & 1);
}

/* --- A bad one ----------------------------------------------------------- */

static inline void guest_spoil_desc(struct guest *guest)
{
	/* Address, length, and the last two in either order. */
	static const unsigned int offsets[] = { 0, 8, 12, 14 };
	static const unsigned int lengths[] = { 8, 4, 2, 2 };
	unsigned int index = guest_digit(guest) % GUEST_SIZE;
	unsigned int field = guest_digit(guest) % 4;
	uint64_t value = htole64(guest_value(guest));

	guest->spoiled = true;
	gmem_write(&guest->gmem,
		   GUEST_RINGS + 0x1000ULL * (guest->queue % GUEST_QUEUES) +
			   16ULL * index + offsets[field],
		   &value, lengths[field]);
}

static inline void guest_spoil_ring(struct guest *guest, bool head)
{
	struct ring_driver *ring = &guest->rings[guest->queue];
	unsigned int value = guest_digit(guest);

	if (!guest->running || guest->queue >= guest->queue_count ||
	    ring->features.packed)
		return;
	guest->spoiled = true;
	if (head)
		ring_expose(ring, (uint16_t)value);
	else
		*ring_avail_idx(ring) =
			htole16((uint16_t)(ring->next_avail + value - 8));
}

static inline void guest_raw(struct guest *guest, bool write)
{
	uint64_t offset = guest_digit(guest) << 8;
	unsigned int len;

	offset |= guest_digit(guest) << 4;
	offset |= guest_digit(guest);
	len = 1U << (guest_digit(guest) & 3);
	if (!write) {
		guest->transport->read(guest, offset, len);
		return;
	}
	guest->spoiled = true;
	guest->transport->write(guest, offset, guest_value(guest), len);
}

static inline bool guest_common_op(struct guest *guest, uint8_t op)
{
	switch (op) {
	case 'R':
		guest_reset(guest);
		return true;
	case 'S':
		guest_start(guest);
		return true;
	case 'Q':
		guest->queue = guest_digit(guest) % GUEST_QUEUES;
		return true;
	case 'A':
	case 'I':
		guest_add(guest, op == 'I');
		return true;
	case 'N':
		guest_kick(guest);
		return true;
	case 'T':
		guest_take(guest);
		return true;
	case 'E':
		guest_events(guest);
		return true;
	case 'D':
		guest_spoil_desc(guest);
		return true;
	case 'X':
	case 'H':
		guest_spoil_ring(guest, op == 'H');
		return true;
	case 'W':
	case 'G':
		guest_raw(guest, op == 'W');
		return true;
	default:
		return false;
	}
}

static inline void guest_run(struct guest *guest, const uint8_t *data,
			     size_t size)
{
	guest->data = data;
	guest->size = min_u64(size, 4096);
	while (guest->size) {
		uint8_t op = guest_byte(guest);

		if (guest_common_op(guest, op) ||
		    guest->transport->op(guest, op))
			continue;
		if (guest->op)
			guest->op(guest, op);
	}
	guest_check_readable(guest);
	/* Whatever happened, a reset makes it all good again. */
	guest_reset(guest);
}

static inline void
guest_report(void *opaque, const struct virtio_device *device, const char *what)
{
	struct guest *guest = opaque;

	(void)device;
	guest_require(what[0] != '\0', "a failure without a sentence");
	guest_require(guest->reports++ == 0, "a failure is reported twice");
}

#endif
