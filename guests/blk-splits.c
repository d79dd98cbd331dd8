/*
 * Requests cut into descriptors where no driver cuts them: virtio 1.2, 2.7.4.1
 * lets a device assume nothing about it. Each way with a write, then a read of
 * what was written, in both rings, directly and through an indirect table.
 */
#include "lib_blk.h"

#define SECTORS	 8
#define BYTES	 (SECTORS * SECTOR)
#define SEGS_MAX 300

static struct blk blk;
static struct blk_request request;
static struct vseg segs[SEGS_MAX];
static unsigned int seg_count;
static uint8_t table[16 * SEGS_MAX] __attribute__((aligned(16)));

/* Pieces of the header and of data lie apart, so that none can be merged. */
static uint8_t header[16 * 3];
static uint8_t data[BYTES * 3] __attribute__((aligned(16)));
static uint8_t status[4];

static void seg(const void *at, uint32_t len, uint16_t flags)
{
	segs[seg_count++] = (struct vseg){ at, len, flags };
}

/* How the bytes of a request are cut. */
struct cut {
	uint32_t header[17]; /* lengths up to a 0; 0 first: 16 */
	uint32_t data[8]; /* the last one repeats */
	bool empty; /* a descriptor of no bytes between all others */
	bool status_with_data;
};

/* Places @len bytes of @from, or for them, cut by @cuts, at @to. */
static uint32_t cut_bytes(const uint32_t *cuts, uint8_t *to,
			  const uint8_t *from, uint32_t len, uint16_t flags,
			  bool empty)
{
	uint32_t at = 0, out = 0;

	while (at < len) {
		uint32_t piece = *cuts;

		if (piece > len - at)
			piece = len - at;
		if (from != NULL)
			copy(to + out, from + at, piece);
		seg(to + out, piece, flags);
		if (empty)
			seg(to + out, 0, flags);
		at += piece;
		out += piece + 1;
		if (cuts[1] != 0)
			cuts++;
	}
	return out;
}

static void make(const struct cut *cut, uint32_t type, const uint8_t *from)
{
	static const uint32_t whole[] = { 16, 0 };
	bool in = type == BLK_T_IN;
	uint32_t out;

	seg_count = 0;
	fill(data, 0, sizeof(data));
	status[0] = BLK_S_NONE;
	blk_set(&request, type, 16);
	cut_bytes(cut->header[0] == 0 ? whole : cut->header, header,
		  (const uint8_t *)&request.header, 16, 0, cut->empty);
	out = cut_bytes(cut->data, data, from, BYTES, in ? VSEG_WRITE : 0,
			cut->empty);
	if (cut->status_with_data && in) {
		/* The last piece is one byte longer. */
		segs[seg_count - 1].len++;
		data[out - 1] = BLK_S_NONE;
		return;
	}
	seg(status, 1, VSEG_WRITE);
	if (cut->empty)
		seg(status, 0, VSEG_WRITE);
}

static const char *send(uint32_t expected_len)
{
	const char *wrong;
	bool added;

	if (blk.dev.features & FEATURE_INDIRECT) {
		const struct vseg one = { table, 16 * seg_count,
					  VSEG_INDIRECT };

		vring_write_table(&blk.ring, table, segs, seg_count);
		added = blk_add_segs(&blk, &request, &one, 1);
	} else {
		added = blk_add_segs(&blk, &request, segs, seg_count);
	}
	if (!added)
		return "the request does not fit the queue";
	wrong = blk_wait_all(&blk);
	if (wrong == NULL && request.used_len != expected_len)
		wrong = "the used length is wrong";
	return wrong;
}

/* The pieces that were read, put together again. */
static void gather(uint8_t *to, bool empty, bool status_with_data)
{
	uint32_t at = 0;

	for (unsigned int i = 0; i < seg_count && at < BYTES; i++) {
		uint32_t len = segs[i].len;

		if (!(segs[i].flags & VSEG_WRITE) || (empty && len == 0))
			continue;
		if (len > BYTES - at) {
			check(status_with_data, "more data than asked for");
			len = BYTES - at;
		}
		copy(to + at, segs[i].at, len);
		at += len;
	}
}

static const struct cut cuts[] = {
	/* Every byte of the header by itself. */
	{ .header = { 1 }, .data = { BYTES } },
	{ .header = { 7, 1, 8 }, .data = { 511, 1, 512, 1, 1023, BYTES } },
	{ .header = { 15, 1 }, .data = { 1, 510, 1, 513, 3, BYTES } },
	/* 4096 bytes in pieces of 17: 241 of them. */
	{ .data = { 17 } },
	{ .header = { 8 }, .data = { BYTES - 1, 1 } },
	{ .header = { 4, 12 }, .data = { 1000 }, .empty = true },
	{ .data = { 4000, 96 }, .status_with_data = true },
	{ .header = { 1 }, .data = { 63 }, .status_with_data = true },
};

static const char *cut_up(uint64_t features)
{
	const char *wrong = blk_open(&blk, features, 0);
	uint8_t *whole = blk_space;

	for (unsigned int i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const struct cut *cut = &cuts[i];
		bool with = cut->status_with_data;

		blk_pattern(whole, (char)('a' + i), 16, SECTORS);
		make(cut, BLK_T_OUT, whole);
		if (wrong == NULL)
			wrong = send(1);
		if (wrong == NULL && status[0] != BLK_S_OK)
			wrong = "a write failed";
		make(cut, BLK_T_IN, NULL);
		if (wrong == NULL)
			wrong = send(BYTES + 1);
		fill(whole, 0, BYTES);
		gather(whole, cut->empty, with);
		if (with)
			status[0] = *((const uint8_t *)segs[seg_count - 1].at +
				      segs[seg_count - 1].len - 1);
		if (wrong == NULL && status[0] != BLK_S_OK)
			wrong = "a read failed";
		if (wrong == NULL &&
		    !blk_is_pattern(whole, (char)('a' + i), 16, SECTORS))
			wrong = "what was read is not what was written";
		if (wrong != NULL) {
			print("# cut ");
			print_dec(i);
			print("\n");
			return wrong;
		}
	}
	return NULL;
}

/* The header and the data of a write in one descriptor, the shortest chain. */
static const char *header_and_data(uint64_t features)
{
	const char *wrong = blk_open(&blk, features, 0);

	if (wrong != NULL)
		return wrong;
	seg_count = 0;
	blk_set(&request, BLK_T_OUT, 32);
	copy(blk_space, &request.header, 16);
	blk_pattern(blk_space + 16, 'z', 32, 2);
	status[0] = BLK_S_NONE;
	seg(blk_space, 16 + 2 * SECTOR, 0);
	seg(status, 1, VSEG_WRITE);
	wrong = send(1);
	if (wrong == NULL && status[0] != BLK_S_OK)
		wrong = "the write failed";
	if (wrong == NULL)
		wrong = blk_well(&blk, BLK_T_IN, 32, blk_space, 2 * SECTOR);
	if (wrong == NULL && !blk_is_pattern(blk_space, 'z', 32, 2))
		wrong = "what was read is not what was written";
	return wrong;
}

/* As many segments as the device says it takes, none beside another. */
static const char *seg_max(uint64_t features)
{
	const char *wrong = blk_open(&blk, features, 0);
	uint32_t max = vdev_config32(&blk.dev, BLK_CONFIG_SEG_MAX);

	if (wrong != NULL)
		return wrong;
	if (max < 2 || max + 2 > SEGS_MAX)
		return "seg_max is beyond what this guest expects";
	blk_pattern(blk_space, 'z', 32, 2);
	wrong = blk_well(&blk, BLK_T_OUT, 32, blk_space, 2 * SECTOR);
	if (wrong != NULL)
		return wrong;
	seg_count = 0;
	fill(data, 0, sizeof(data));
	blk_set(&request, BLK_T_IN, 32);
	status[0] = BLK_S_NONE;
	seg(&request.header, 16, 0);
	for (uint32_t i = 0; i + 1 < max; i++)
		seg(data + 3 * i, 2, VSEG_WRITE);
	seg(data + 4096, 1024 - 2 * (max - 1), VSEG_WRITE);
	seg(status, 1, VSEG_WRITE);
	wrong = send(1024 + 1);
	if (wrong == NULL && status[0] != BLK_S_OK)
		wrong = "the read failed";
	for (uint32_t i = 0; i + 1 < max; i++)
		copy(blk_space + 2 * i, data + 3 * i, 2);
	copy(blk_space + 2 * (max - 1), data + 4096, 1024 - 2 * (max - 1));
	if (wrong == NULL && !blk_is_pattern(blk_space, 'z', 32, 2))
		wrong = "what was read is not what was written";
	return wrong;
}

static const struct guest_case cases[] = {
	{ "split", cut_up, 0 },
	{ "split-indirect", cut_up, FEATURE_INDIRECT },
	{ "packed", cut_up, FEATURE_PACKED },
	{ "packed-indirect", cut_up, FEATURE_PACKED | FEATURE_INDIRECT },
	{ "split-header-and-data", header_and_data, 0 },
	{ "packed-header-and-data", header_and_data, FEATURE_PACKED },
	{ "split-seg-max", seg_max, 0 },
	{ "split-seg-max-indirect", seg_max, FEATURE_INDIRECT },
	{ "packed-seg-max", seg_max, FEATURE_PACKED },
	{ "packed-seg-max-indirect", seg_max,
	  FEATURE_PACKED | FEATURE_INDIRECT },
};

void guest_main(void)
{
	user_mode();
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
