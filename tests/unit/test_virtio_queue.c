/*
 * Chains through both ring layouts: what is taken, what is refused and what
 * comes back. Every test runs over each combination of features.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"

#define RAM	  (4 * MIB)
#define RING_BASE 0x1000
#define DATA	  0x100000
#define TABLE	  0x80000
#define SIZE	  8

#define PACKED	  1
#define EVENT_IDX 2
#define VARIANTS  4

static struct gmem gmem;
static struct virtq vq;
static struct ring_driver ring;
static struct iovec iov[VIRTQ_MAX_SIZE];
static struct virtq_chain chain;
static struct virtq_features features;

static void set_up_size(uint16_t size, int variant)
{
	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	features = (struct virtq_features){
		.packed = variant & PACKED,
		.event_idx = variant & EVENT_IDX,
		.indirect = true,
	};
	ring_init(&ring, &gmem, RING_BASE, size, &features);
	virtq_init(&vq, &gmem);
	ck_assert_int_eq(virtq_enable(&vq, &ring.layout, &features,
				      VIRTQ_MAX_SIZE, NULL),
			 0);
	chain = (struct virtq_chain){ .iov = iov, .iov_max = VIRTQ_MAX_SIZE };
}

static void tear_down(void)
{
	gmem_release(&gmem);
}

static void *at(gpa_t gpa)
{
	return gmem_ptr(&gmem, gpa, 1);
}

static void expect_broken(const char *what)
{
	ck_assert_int_eq(virtq_pop(&vq, &chain), -EPROTO);
	ck_assert_ptr_nonnull(virtq_broken(&vq));
	ck_assert_str_eq(virtq_broken(&vq), what);
	/* It stays so, and asks for nothing any more. */
	ck_assert_int_eq(virtq_pop(&vq, &chain), -EPROTO);
	ck_assert(!virtq_enable_kicks(&vq));
	ck_assert(!virtq_has_chains(&vq));
}

/* For the rounds of a long loop: ck_assert sends a message to the parent
 * process each time, which takes most of a minute for a few 100,000. */
#define expect(condition)                               \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

static void expect_used(uint32_t id, uint32_t len)
{
	uint32_t got_id;
	uint32_t got_len;

	expect(ring_take(&ring, &got_id, &got_len));
	expect(got_id == id);
	expect(got_len == len);
}

/* --- Taking and giving back ---------------------------------------------- */

START_TEST(test_chain)
{
	const struct ring_buffer buffers[] = {
		{ DATA, 16, false },
		{ DATA + 0x1000, 512, false },
		{ DATA + 0x3000, 4096, true },
		{ DATA + 0x5000, 1, true },
	};
	uint16_t head;

	set_up_size(SIZE, _i);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
	head = ring_add(&ring, buffers, 4);
	ck_assert(virtq_has_chains(&vq));
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.head, head);
	ck_assert_uint_eq(chain.readable, 2);
	ck_assert_uint_eq(chain.writable, 2);
	ck_assert_uint_eq(chain.readable_bytes, 528);
	ck_assert_uint_eq(chain.writable_bytes, 4097);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_eq(iov[i].iov_base, at(buffers[i].gpa));
		ck_assert_uint_eq(iov[i].iov_len, buffers[i].len);
	}
	ck_assert(!virtq_has_chains(&vq));
	ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
	virtq_push(&vq, head, 4097);
	expect_used(head, 4097);
}
END_TEST

START_TEST(test_touching_buffers_are_merged)
{
	const struct ring_buffer buffers[] = {
		{ DATA, 16, false },	 { DATA + 16, 16, false },
		{ DATA + 32, 16, true }, { DATA + 48, 0, true },
		{ DATA + 48, 16, true }, { DATA + 128, 16, true },
	};

	set_up_size(SIZE, _i);
	ring_add(&ring, buffers, 6);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	/* Never across the change of direction. */
	ck_assert_uint_eq(chain.readable, 1);
	ck_assert_uint_eq(chain.writable, 2);
	ck_assert_uint_eq(iov[0].iov_len, 32);
	ck_assert_uint_eq(iov[1].iov_len, 32);
	ck_assert_uint_eq(iov[2].iov_len, 16);
}
END_TEST

START_TEST(test_out_of_order_across_the_end_of_the_ring)
{
	static const uint16_t order[] = { 2, 0, 1 };
	const struct ring_buffer buffer = { DATA, 64, true };
	uint16_t heads[3];

	set_up_size(4, _i);
	for (uint32_t round = 0; round < 22000; round++) {
		for (int i = 0; i < 3; i++) {
			heads[i] = ring_add(&ring, &buffer, 1);
			expect(virtq_pop(&vq, &chain) == 1);
			expect(chain.head == heads[i]);
		}
		for (int i = 0; i < 3; i++)
			virtq_push(&vq, heads[order[i]], round & 63);
		for (int i = 0; i < 3; i++)
			expect_used(heads[order[i]], round & 63);
	}
}
END_TEST

START_TEST(test_chain_of_queue_size)
{
	struct ring_buffer buffers[SIZE];

	set_up_size(SIZE, _i);
	for (unsigned int i = 0; i < SIZE; i++)
		buffers[i] = (struct ring_buffer){ DATA + 0x1000ULL * i, 512,
						   i >= 3 };
	for (int round = 0; round < 3; round++) {
		uint16_t head = ring_add(&ring, buffers, SIZE);

		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		ck_assert_uint_eq(chain.readable, 3);
		ck_assert_uint_eq(chain.writable, SIZE - 3);
		virtq_push(&vq, head, 5);
		expect_used(head, 5);
	}
}
END_TEST

START_TEST(test_queue_of_one)
{
	const struct ring_buffer buffer = { DATA, 64, true };

	set_up_size(1, _i);
	for (int round = 0; round < 5; round++) {
		ring_add(&ring, &buffer, 1);
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		virtq_push(&vq, chain.head, 7);
		expect_used(0, 7);
	}
}
END_TEST

/* A chain that is too long for the caller is sound all the same. */
START_TEST(test_more_segments_than_room)
{
	struct ring_buffer buffers[SIZE];
	uint16_t head;

	set_up_size(SIZE, _i);
	for (unsigned int i = 0; i < SIZE; i++)
		buffers[i] =
			(struct ring_buffer){ DATA + 0x1000ULL * i, 512, true };
	chain.iov_max = SIZE - 1;
	head = ring_add(&ring, buffers, SIZE);
	ck_assert_int_eq(virtq_pop(&vq, &chain), -E2BIG);
	ck_assert_uint_eq(chain.readable, 0);
	ck_assert_uint_eq(chain.writable, 0);
	ck_assert_ptr_null(virtq_broken(&vq));
	virtq_push(&vq, chain.head, 0);
	expect_used(head, 0);
	chain.iov_max = SIZE;
	ring_add(&ring, buffers, SIZE);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.writable, SIZE);
}
END_TEST

START_TEST(test_unpop)
{
	const struct ring_buffer buffers[] = { { DATA, 64, false },
					       { DATA + 0x1000, 64, true },
					       { DATA + 0x3000, 64, true } };
	struct virtq_chain first;
	uint16_t a;
	uint16_t b;

	set_up_size(4, _i);
	/* Also when the chains lie across the end of a ring. */
	for (int round = 0; round < 9; round++) {
		a = ring_add(&ring, buffers, 1);
		b = ring_add(&ring, buffers, 3);
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		first = chain;
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		virtq_unpop(&vq, &chain);
		virtq_unpop(&vq, &first);
		ck_assert(virtq_has_chains(&vq));
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		ck_assert_uint_eq(chain.head, a);
		virtq_push(&vq, a, 0);
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		ck_assert_uint_eq(chain.head, b);
		ck_assert_uint_eq(chain.writable, 2);
		virtq_push(&vq, b, 9);
		expect_used(a, 0);
		expect_used(b, 9);
	}
}
END_TEST

/* A completion too many is a bug of ours, and loud. */
START_TEST(test_push_twice)
{
	const struct ring_buffer buffer = { DATA, 64, true };

	set_up_size(SIZE, _i);
	ring_add(&ring, &buffer, 1);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	virtq_push(&vq, chain.head, 0);
	virtq_push(&vq, chain.head, 0);
}
END_TEST

/* What the driver does to a descriptor after it was taken changes nothing. */
START_TEST(test_taken_once)
{
	const struct ring_buffer buffer = { DATA, 64, true };

	set_up_size(SIZE, _i);
	ring_add(&ring, &buffer, 1);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	memset(at(RING_BASE), 0xff, 16ULL * SIZE);
	ck_assert_ptr_eq(iov[0].iov_base, at(DATA));
	ck_assert_uint_eq(iov[0].iov_len, 64);
}
END_TEST

/* --- Chains that cannot be ----------------------------------------------- */

START_TEST(test_readable_behind_writable)
{
	const struct ring_buffer buffers[] = { { DATA, 64, true },
					       { DATA + 0x1000, 64, false } };

	set_up_size(SIZE, _i);
	ring_add(&ring, buffers, 2);
	expect_broken("a readable descriptor follows a writable one");
}
END_TEST

/* The last byte of RAM is fine; one more, and a wrap, are not. */
START_TEST(test_buffer_at_the_end_of_ram)
{
	const struct ring_buffer good = { RAM - 64, 64, true };
	const struct ring_buffer bad = { RAM - 64, 65, true };
	const struct ring_buffer wrap = { UINT64_MAX - 15, 64, true };

	set_up_size(SIZE, _i);
	ring_add(&ring, &good, 1);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ring_add(&ring, &bad, 1);
	expect_broken("a buffer is not in guest RAM");
	gmem_release(&gmem);

	set_up_size(SIZE, _i);
	ring_add(&ring, &wrap, 1);
	expect_broken("a buffer is not in guest RAM");
}
END_TEST

/* RAM on both sides of the PCI hole is two pieces, not one. */
START_TEST(test_buffer_across_the_hole)
{
	const struct ring_buffer cases[] = {
		{ GMEM_HOLE_START - 64, 65, true },
		{ GMEM_HOLE_END - 1, 2, true },
		{ GMEM_HOLE_START - 64, (uint32_t)GIB + 128, true },
	};
	const struct ring_buffer good[] = {
		{ GMEM_HOLE_START - 64, 64, true },
		{ GMEM_HOLE_END, 64, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_up_size(SIZE, _i);
		gmem_release(&gmem);
		ck_assert_int_eq(
			gmem_init(&gmem, GMEM_HOLE_START + MIB, 0, NULL), 0);
		virtq_init(&vq, &gmem);
		ck_assert_int_eq(virtq_enable(&vq, &ring.layout, &features,
					      SIZE, NULL),
				 0);
		ring_add(&ring, good, 2);
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		ck_assert_uint_eq(chain.writable_bytes, 128);
		ring_add(&ring, &cases[i], 1);
		expect_broken("a buffer is not in guest RAM");
		tear_down();
	}
	set_up_size(SIZE, _i);
}
END_TEST

START_TEST(test_head_in_flight)
{
	const struct ring_buffer buffer = { DATA, 64, true };

	set_up_size(SIZE, _i);
	ring_add_at(&ring, 3, &buffer, 1);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ring_add_at(&ring, 3, &buffer, 1);
	expect_broken(_i & PACKED ? "a buffer id is in flight already" :
				    "a head is in flight already");
}
END_TEST

START_TEST(test_head_outside)
{
	const struct ring_buffer buffer = { DATA, 64, true };

	set_up_size(SIZE, _i);
	if (_i & PACKED)
		ring_add_at(&ring, SIZE, &buffer, 1);
	else
		ring_expose(&ring, SIZE);
	expect_broken(_i & PACKED ? "a buffer id is outside the ring" :
				    "a head is outside the table");
}
END_TEST

START_TEST(test_endless_chain)
{
	set_up_size(SIZE, _i);
	if (_i & PACKED) {
		for (uint16_t i = 0; i < SIZE; i++)
			ring_desc(&ring, i, DATA, 16, RING_NEXT | RING_AVAIL,
				  0);
		expect_broken("a chain holds more descriptors than are free");
	} else {
		ring_desc(&ring, 0, DATA, 16, RING_NEXT, 1);
		ring_desc(&ring, 1, DATA, 16, RING_NEXT, 0);
		ring_expose(&ring, 0);
		expect_broken("a chain does not end");
	}
}
END_TEST

/* Split: an index more than a ring ahead; exactly a ring is fine. */
START_TEST(test_available_index)
{
	set_up_size(SIZE, _i & ~PACKED);
	for (uint16_t i = 0; i < SIZE; i++) {
		ring_desc(&ring, i, DATA, 16, RING_WRITE, 0);
		ring_set_entry(&ring, i, i);
	}
	*ring_avail_idx(&ring) = htole16(SIZE);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	/* The index is not looked at again before what it showed is taken. */
	*ring_avail_idx(&ring) = htole16(2 * SIZE + 1);
	for (uint16_t i = 1; i < SIZE; i++)
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	expect_broken("the available index is more than a ring ahead");
}
END_TEST

START_TEST(test_next_outside)
{
	set_up_size(SIZE, _i & ~PACKED);
	ring_desc(&ring, 0, DATA, 16, RING_NEXT, SIZE);
	ring_expose(&ring, 0);
	expect_broken("a descriptor points past the table");
}
END_TEST

/* Packed: slots that we hold are not free, whatever their flags say. */
START_TEST(test_packed_more_than_free)
{
	const struct ring_buffer buffers[SIZE] = {
		{ DATA, 16, false }, { DATA, 16, false }, { DATA, 16, false },
		{ DATA, 16, false }, { DATA, 16, false },
	};

	set_up_size(SIZE, _i | PACKED);
	ring_add_at(&ring, 0, buffers, 5);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ring_add_at(&ring, 1, buffers, 5);
	expect_broken("a chain holds more descriptors than are free");
}
END_TEST

/* 4 GiB less a byte is the longest: used.len has no more bits. */
START_TEST(test_longest_chain)
{
	const struct ring_buffer buffers[] = {
		{ 0, 2U << 30, true },
		{ 0, (2U << 30) - 1, true },
		{ 0, 1, true },
	};

	set_up_size(SIZE, _i);
	gmem_release(&gmem);
	ck_assert_int_eq(gmem_init(&gmem, 2 * GIB, 0, NULL), 0);
	ring_init(&ring, &gmem, RING_BASE, SIZE, &features);
	virtq_init(&vq, &gmem);
	ck_assert_int_eq(virtq_enable(&vq, &ring.layout, &features, SIZE, NULL),
			 0);
	ring_add(&ring, buffers, 2);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.writable_bytes, UINT32_MAX);
	ring_add(&ring, buffers, 3);
	expect_broken("a chain is longer than 4 GiB");
}
END_TEST

/* --- Indirect tables ----------------------------------------------------- */

START_TEST(test_indirect)
{
	struct ring_buffer buffers[40];
	uint16_t head;

	set_up_size(SIZE, _i);
	for (unsigned int i = 0; i < 40; i++)
		buffers[i] = (struct ring_buffer){ DATA + 0x1000ULL * i, 512,
						   i >= 10 };
	for (int round = 0; round < 3 * SIZE; round++) {
		/* A table need not be aligned, and may be longer than the
		 * ring. */
		head = ring_add_indirect(&ring, TABLE + 3, buffers, 40);
		ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
		ck_assert_uint_eq(chain.head, head);
		ck_assert_uint_eq(chain.readable, 10);
		ck_assert_uint_eq(chain.writable, 30);
		virtq_push(&vq, head, 512);
		expect_used(head, 512);
	}
}
END_TEST

/* 2.7.5.3.2: the write flag of the indirect descriptor itself is ignored. */
START_TEST(test_indirect_write_flag)
{
	const struct ring_buffer buffer = { DATA, 64, false };

	set_up_size(SIZE, _i);
	ring_add_indirect(&ring, TABLE, &buffer, 1);
	ring_desc(&ring, 0, TABLE, 16,
		  RING_INDIRECT | RING_WRITE | (_i & PACKED ? RING_AVAIL : 0),
		  0);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.readable, 1);
	ck_assert_uint_eq(chain.writable, 0);
}
END_TEST

/* 2.7.5.3.2: ordinary descriptors, then an indirect one, in a split ring. */
START_TEST(test_indirect_at_the_end_of_a_chain)
{
	set_up_size(SIZE, _i & ~PACKED);
	ring_write_desc(at(TABLE), false, DATA + 0x1000, 512, RING_WRITE, 0);
	ring_desc(&ring, 0, DATA, 16, RING_NEXT, 5);
	ring_desc(&ring, 5, TABLE, 16, RING_INDIRECT, 0);
	ring_expose(&ring, 0);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.readable_bytes, 16);
	ck_assert_uint_eq(chain.writable_bytes, 512);
}
END_TEST

START_TEST(test_bad_indirect)
{
	static const struct {
		gpa_t table;
		uint32_t len;
		uint16_t flags;
		const char *what;
	} cases[] = {
		{ TABLE, 0, 0,
		  "an indirect table is not a multiple of 16 bytes" },
		{ TABLE, 24, 0,
		  "an indirect table is not a multiple of 16 bytes" },
		{ RAM - 16, 32, 0, "an indirect table is not in guest RAM" },
		{ TABLE, 32, RING_NEXT,
		  "an indirect descriptor has a successor" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint16_t flags = cases[i].flags | RING_INDIRECT |
				 (_i & PACKED ? RING_AVAIL : 0);

		set_up_size(SIZE, _i);
		ring_desc(&ring, 0, cases[i].table, cases[i].len, flags, 0);
		if (!(_i & PACKED))
			ring_expose(&ring, 0);
		expect_broken(cases[i].what);
		tear_down();
	}
	set_up_size(SIZE, _i);
}
END_TEST

START_TEST(test_indirect_not_negotiated)
{
	const struct ring_buffer buffer = { DATA, 64, false };

	set_up_size(SIZE, _i);
	vq.features.indirect = false;
	ring_add_indirect(&ring, TABLE, &buffer, 1);
	expect_broken("an indirect table was not negotiated");
}
END_TEST

START_TEST(test_bad_indirect_entries)
{
	static const struct {
		uint16_t flags;
		uint16_t next;
		const char *what;
	} cases[] = {
		{ RING_INDIRECT, 0,
		  "an indirect table holds an indirect descriptor" },
		{ RING_NEXT, 2,
		  "an indirect descriptor points past its table" },
		{ RING_NEXT, 0, "an indirect chain does not end" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_up_size(SIZE, _i & ~PACKED);
		ring_write_desc(at(TABLE), false, DATA, 64, RING_NEXT, 1);
		ring_write_desc(at(TABLE + 16), false, DATA, 64, cases[i].flags,
				cases[i].next);
		ring_desc(&ring, 0, TABLE, 32, RING_INDIRECT, 0);
		ring_expose(&ring, 0);
		expect_broken(cases[i].what);
		tear_down();
	}
	set_up_size(SIZE, _i);
}
END_TEST

START_TEST(test_packed_indirect_in_a_list)
{
	set_up_size(SIZE, _i | PACKED);
	ring_desc(&ring, 0, DATA, 64, RING_NEXT | RING_AVAIL, 0);
	ring_desc(&ring, 1, TABLE, 16, RING_INDIRECT | RING_AVAIL, 0);
	expect_broken("an indirect descriptor is in a list");
}
END_TEST

/* 2.8.7: of a table's entries only the write flag counts, and no id. */
START_TEST(test_packed_indirect_reserved)
{
	const struct ring_buffer buffers[] = { { DATA, 64, false },
					       { DATA + 0x1000, 64, true } };
	uint16_t head;

	set_up_size(SIZE, _i | PACKED);
	head = ring_add_indirect(&ring, TABLE, buffers, 2);
	for (unsigned int i = 0; i < 2; i++)
		ring_write_desc(at(TABLE + 16ULL * i), true, buffers[i].gpa,
				buffers[i].len,
				(uint16_t)(i ? UINT16_MAX : ~RING_WRITE),
				UINT16_MAX);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.head, head);
	ck_assert_uint_eq(chain.readable, 1);
	ck_assert_uint_eq(chain.writable, 1);
}
END_TEST

/* A table of any length costs us no more than a chain of the largest queue. */
START_TEST(test_indirect_is_bounded)
{
	struct ring_buffer *buffers =
		calloc(VIRTQ_MAX_SIZE + 1, sizeof(*buffers));

	ck_assert_ptr_nonnull(buffers);
	set_up_size(SIZE, _i);
	for (unsigned int i = 0; i <= VIRTQ_MAX_SIZE; i++)
		buffers[i] = (struct ring_buffer){ DATA + 2ULL * i, 1, true };
	ring_add_indirect(&ring, TABLE, buffers, VIRTQ_MAX_SIZE);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(chain.writable, VIRTQ_MAX_SIZE);
	ring_add_indirect(&ring, TABLE, buffers, VIRTQ_MAX_SIZE + 1);
	expect_broken("a chain has too many descriptors");
	free(buffers);
}
END_TEST

/* --- Access to the bytes ------------------------------------------------- */

START_TEST(test_chain_bytes)
{
	const struct ring_buffer buffers[] = {
		{ DATA, 4, false },
		{ DATA + 0x10, 4, false },
		{ DATA + 0x100, 3, true },
		{ DATA + 0x110, 3, true },
	};
	char text[9] = { 0 };

	set_up_size(SIZE, _i);
	memcpy(at(DATA), "abcd", 4);
	memcpy(at(DATA + 0x10), "efgh", 4);
	ring_add(&ring, buffers, 4);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	ck_assert_uint_eq(virtq_chain_read(&chain, 0, text, 8), 8);
	ck_assert_str_eq(text, "abcdefgh");
	memset(text, 0, sizeof(text));
	ck_assert_uint_eq(virtq_chain_read(&chain, 3, text, 3), 3);
	ck_assert_str_eq(text, "def");
	ck_assert_uint_eq(virtq_chain_read(&chain, 6, text, 8), 2);
	ck_assert_uint_eq(virtq_chain_read(&chain, 8, text, 1), 0);
	ck_assert_uint_eq(virtq_chain_read(&chain, UINT64_MAX, text, 1), 0);
	ck_assert_uint_eq(virtq_chain_write(&chain, 2, "12345", 5), 4);
	ck_assert_int_eq(memcmp(at(DATA + 0x100), "\0\0001\0", 4), 0);
	ck_assert_int_eq(memcmp(at(DATA + 0x110), "234\0", 4), 0);
}
END_TEST

START_TEST(test_iov_cut)
{
	char bytes[64];
	struct iovec segments[3] = { { bytes, 16 },
				     { bytes + 16, 16 },
				     { bytes + 32, 16 } };
	struct iovec *cut = segments;
	uint16_t count = 3;

	(void)_i;
	set_up_size(SIZE, 0);
	ck_assert(!virtq_iov_cut(&cut, &count, 49, 0));
	ck_assert(!virtq_iov_cut(&cut, &count, 0, 49));
	ck_assert(!virtq_iov_cut(&cut, &count, 24, 25));
	ck_assert(!virtq_iov_cut(&cut, &count, UINT64_MAX, 2));
	ck_assert_uint_eq(count, 3);
	ck_assert(virtq_iov_cut(&cut, &count, 16, 1));
	ck_assert_uint_eq(count, 2);
	ck_assert_ptr_eq(cut[0].iov_base, bytes + 16);
	ck_assert_uint_eq(cut[1].iov_len, 15);
	ck_assert(virtq_iov_cut(&cut, &count, 5, 20));
	ck_assert_uint_eq(count, 1);
	ck_assert_ptr_eq(cut[0].iov_base, bytes + 21);
	ck_assert_uint_eq(cut[0].iov_len, 6);
	ck_assert(virtq_iov_cut(&cut, &count, 2, 4));
	ck_assert_uint_eq(count, 0);
	ck_assert(virtq_iov_cut(&cut, &count, 0, 0));
}
END_TEST

static void add_tests(TCase *tcase)
{
	const TTest *tests[] = {
		test_chain,
		test_touching_buffers_are_merged,
		test_out_of_order_across_the_end_of_the_ring,
		test_chain_of_queue_size,
		test_queue_of_one,
		test_more_segments_than_room,
		test_unpop,
		test_taken_once,
		test_readable_behind_writable,
		test_buffer_at_the_end_of_ram,
		test_buffer_across_the_hole,
		test_head_in_flight,
		test_head_outside,
		test_endless_chain,
		test_available_index,
		test_next_outside,
		test_packed_more_than_free,
		test_longest_chain,
		test_indirect,
		test_indirect_write_flag,
		test_indirect_at_the_end_of_a_chain,
		test_bad_indirect,
		test_indirect_not_negotiated,
		test_bad_indirect_entries,
		test_packed_indirect_in_a_list,
		test_packed_indirect_reserved,
		test_indirect_is_bounded,
		test_chain_bytes,
		test_iov_cut,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_loop_test(tcase, tests[i], 0, VARIANTS);
}

int main(void)
{
	Suite *suite = suite_create("virtio/queue");
	TCase *tcase = tcase_create("chains");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	tcase_add_loop_test_raise_signal(tcase, test_push_twice, SIGABRT, 0,
					 VARIANTS);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
