/*
 * A driver that breaks its promises. Whatever makes a queue unsound has the
 * device ask for a reset (NEEDS_RESET), after which it works again; whatever is
 * only a senseless request comes back as one.
 */
#include "lib_blk.h"

#define OUTSIDE	 0x7ff0000000ULL /* where no RAM is */
#define SEGS_MAX 300

static struct blk blk;
static struct blk_request request;
static struct vseg segs[SEGS_MAX];
static uint8_t table[16 * SEGS_MAX] __attribute__((aligned(16)));

static const void *outside(void)
{
	return (const void *)OUTSIDE;
}

static struct vseg header_seg(uint16_t flags)
{
	return (struct vseg){ &request.header, 16, flags };
}

static struct vseg status_seg(uint16_t flags)
{
	return (struct vseg){ &request.status, 1,
			      (uint16_t)(flags | VSEG_WRITE) };
}

/* --- Each breaks one promise; the queue is fresh, kicked afterwards --- */

static void head_outside(void)
{
	vring_expose(&blk.ring, blk.ring.size);
}

static void next_outside(void)
{
	struct vseg seg = header_seg(VSEG_NEXT);

	vring_write_desc(&blk.ring, 0, &seg, blk.ring.size);
	vring_expose(&blk.ring, 0);
}

static void loop(void)
{
	struct vseg seg = header_seg(VSEG_NEXT);

	vring_write_desc(&blk.ring, 0, &seg, 1);
	vring_write_desc(&blk.ring, 1, &seg, 2);
	vring_write_desc(&blk.ring, 2, &seg, 0);
	vring_expose(&blk.ring, 0);
}

static void index_ahead(void)
{
	vring_skip(&blk.ring, (uint16_t)(blk.ring.size + 1));
}

/* The same head twice: in one batch, so that the first is still out. */
static void head_twice(void)
{
	struct vseg first = header_seg(VSEG_NEXT);
	struct vseg data = { blk_space, BLK_SPACE / 2, VSEG_WRITE | VSEG_NEXT };
	struct vseg last = status_seg(0);

	vring_write_desc(&blk.ring, 0, &first, 1);
	vring_write_desc(&blk.ring, 1, &data, 2);
	vring_write_desc(&blk.ring, 2, &last, 0);
	vring_expose(&blk.ring, 0);
	vring_expose(&blk.ring, 0);
}

static void write_before_read(void)
{
	segs[0] = status_seg(0);
	segs[1] = header_seg(0);
	vring_add(&blk.ring, segs, 2);
}

static void buffer_outside(void)
{
	segs[0] = header_seg(0);
	segs[1] = (struct vseg){ outside(), 512, VSEG_WRITE };
	segs[2] = status_seg(0);
	vring_add(&blk.ring, segs, 3);
}

static void buffer_wraps(void)
{
	segs[0] = header_seg(0);
	segs[1] = (struct vseg){ (const void *)-256, 512, VSEG_WRITE };
	segs[2] = status_seg(0);
	vring_add(&blk.ring, segs, 3);
}

static void too_many_segments(void)
{
	unsigned int count = vdev_config32(&blk.dev, BLK_CONFIG_SEG_MAX) + 6;

	check(count <= SEGS_MAX, "seg_max is beyond what this guest expects");
	segs[0] = header_seg(0);
	for (unsigned int i = 1; i < count; i++)
		segs[i] = (struct vseg){ blk_space + 4 * i, 2, VSEG_WRITE };
	vring_add_table(&blk.ring, table, segs, count);
}

/* --- Indirect tables -------------------------------------------------- */

static void add_table(const void *at, uint32_t bytes, uint16_t flags)
{
	const struct vseg seg = { at, bytes,
				  (uint16_t)(VSEG_INDIRECT | flags) };

	segs[0] = header_seg(0);
	segs[1] = status_seg(0);
	vring_write_table(&blk.ring, table, segs, 2);
	vring_add(&blk.ring, &seg, 1);
}

static void table_whole(void)
{
	add_table(table, 32, 0);
}

static void table_odd(void)
{
	add_table(table, 33, 0);
}

static void table_empty(void)
{
	add_table(table, 0, 0);
}

static void table_outside(void)
{
	add_table(outside(), 32, 0);
}

static void table_and_next(void)
{
	const struct vseg chain[] = { { table, 32, VSEG_INDIRECT },
				      status_seg(0) };

	segs[0] = header_seg(0);
	segs[1] = status_seg(0);
	vring_write_table(&blk.ring, table, segs, 2);
	vring_add(&blk.ring, chain, 2);
}

static void table_in_table(void)
{
	segs[0] = header_seg(0);
	segs[1] = (struct vseg){ table, 32, VSEG_INDIRECT };
	segs[2] = status_seg(0);
	vring_add_table(&blk.ring, table, segs, 3);
}

static void table_loop(void)
{
	struct vseg seg = header_seg(0);

	segs[0] = seg;
	segs[1] = seg;
	segs[2] = seg;
	vring_write_table(&blk.ring, table, segs, 3);
	/* The last entry leads back to the first (next is its last field). */
	mmio_write16((uint64_t)table + 16 * 2 + 12, VSEG_NEXT);
	mmio_write16((uint64_t)table + 16 * 2 + 14, 0);
	seg = (struct vseg){ table, 48, VSEG_INDIRECT };
	vring_add(&blk.ring, &seg, 1);
}

/* --- Packed ----------------------------------------------------------- */

static void id_outside(void)
{
	struct vseg seg = status_seg(vring_available_flags(&blk.ring));

	vring_write_desc(&blk.ring, 0, &seg, blk.ring.size);
}

static void id_twice(void)
{
	uint16_t flags = vring_available_flags(&blk.ring);
	struct vseg data = { blk_space, BLK_SPACE / 2,
			     (uint16_t)(flags | VSEG_WRITE | VSEG_NEXT) };
	struct vseg first = header_seg((uint16_t)(flags | VSEG_NEXT));
	struct vseg last = status_seg(flags);

	vring_write_desc(&blk.ring, 1, &data, 7);
	vring_write_desc(&blk.ring, 2, &last, 7);
	vring_write_desc(&blk.ring, 3, &last, 7);
	vring_write_desc(&blk.ring, 0, &first, 7);
}

static void packed_endless(void)
{
	struct vseg seg = header_seg(
		(uint16_t)(vring_available_flags(&blk.ring) | VSEG_NEXT));

	for (uint16_t i = blk.ring.size; i > 0; i--)
		vring_write_desc(&blk.ring, (uint16_t)(i - 1), &seg, 0);
}

/* --- Running them ----------------------------------------------------- */

#define SPLIT  0
#define TABLE  FEATURE_INDIRECT
#define PACKED FEATURE_PACKED

static const struct crime {
	const char *name;
	void (*commit)(void);
	uint64_t features;
} crimes[] = {
	{ "head-outside", head_outside, SPLIT },
	{ "next-outside", next_outside, SPLIT },
	{ "loop", loop, SPLIT },
	{ "index-ahead", index_ahead, SPLIT },
	{ "head-twice", head_twice, SPLIT },
	{ "write-before-read", write_before_read, SPLIT },
	{ "packed-write-before-read", write_before_read, PACKED },
	{ "buffer-outside", buffer_outside, SPLIT },
	{ "packed-buffer-outside", buffer_outside, PACKED },
	{ "buffer-wraps", buffer_wraps, SPLIT },
	{ "too-many-segments", too_many_segments, TABLE },
	{ "packed-too-many-segments", too_many_segments, TABLE | PACKED },
	{ "table-not-negotiated", table_whole, SPLIT },
	{ "packed-table-not-negotiated", table_whole, PACKED },
	{ "table-and-next", table_and_next, TABLE },
	{ "packed-table-and-next", table_and_next, TABLE | PACKED },
	{ "table-odd", table_odd, TABLE },
	{ "packed-table-odd", table_odd, TABLE | PACKED },
	{ "table-empty", table_empty, TABLE },
	{ "table-outside", table_outside, TABLE },
	{ "packed-table-outside", table_outside, TABLE | PACKED },
	{ "table-in-table", table_in_table, TABLE },
	{ "table-loop", table_loop, TABLE },
	{ "packed-id-outside", id_outside, PACKED },
	{ "packed-id-twice", id_twice, PACKED },
	{ "packed-endless", packed_endless, PACKED },
};

#define CRIMES (sizeof(crimes) / sizeof(crimes[0]))

static const char *punished(uint64_t index)
{
	const struct crime *crime = &crimes[index];
	const char *wrong = blk_open(&blk, crime->features, 0);

	if (wrong != NULL)
		return wrong;
	blk_set(&request, BLK_T_IN, 0);
	crime->commit();
	vring_kick_always(&blk.ring);
	if (!vdev_wants_reset(&blk.dev))
		return "no NEEDS_RESET";
	wrong = blk_open(&blk, crime->features, 0);
	if (wrong == NULL && vdev_status(&blk.dev) & STATUS_NEEDS_RESET)
		wrong = "NEEDS_RESET after the reset";
	return wrong == NULL ? blk_exercise(&blk, 'b', 0, 64) : wrong;
}

/* --- Only senseless: it comes back, and the device goes on ------------ */

struct nonsense {
	uint32_t readable;
	uint32_t writable;
	uint8_t status;
	uint32_t used_len;
};

static const char *returned(uint64_t features)
{
	static const struct nonsense list[] = {
		{ 16, 0, BLK_S_NONE, 0 }, /* nowhere to answer */
		{ 0, 1, BLK_S_IOERR, 1 }, /* nothing asked */
		{ 15, 1, BLK_S_IOERR, 1 }, /* a short header */
		{ 0, 0, BLK_S_NONE, 0 }, /* nothing at all */
		{ 16, 1, BLK_S_OK, 1 }, /* a read of no bytes */
	};
	const char *wrong = blk_open(&blk, features, 0);

	for (unsigned int i = 0; i < 5 && wrong == NULL; i++) {
		segs[0] = header_seg(0);
		segs[0].len = list[i].readable;
		segs[1] = status_seg(0);
		segs[1].len = list[i].writable;
		blk_set(&request, BLK_T_IN, 0);
		blk_add_segs(&blk, &request, segs, 2);
		wrong = blk_wait_all(&blk);
		if (wrong == NULL && (request.status != list[i].status ||
				      request.used_len != list[i].used_len))
			wrong = "another status or length than expected";
	}
	return wrong == NULL ? blk_exercise(&blk, 'n', 0, 64) : wrong;
}

void guest_main(void)
{
	static struct guest_case cases[CRIMES + 2];

	user_mode();
	for (unsigned int i = 0; i < CRIMES; i++)
		cases[i] = (struct guest_case){ crimes[i].name, punished, i };
	cases[CRIMES] = (struct guest_case){ "nonsense", returned, SPLIT };
	cases[CRIMES + 1] =
		(struct guest_case){ "packed-nonsense", returned, PACKED };
	run_cases(cases, CRIMES + 2);
}
