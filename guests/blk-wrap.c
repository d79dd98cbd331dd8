/*
 * Many requests on small rings, so that everything that counts wraps: the
 * indices of the split ring and its event indices beyond 65535, slots and both
 * wrap counters of the packed one. Kicks only when the device asks for them.
 * Some requests overtake others.
 */
#include "lib_blk.h"

/* Beyond 65535, where indices run free, and enough for small rings. */
#define REQUESTS_SPLIT 70000
#define REQUESTS_OTHER 10000
#define DEPTH	       64
#define ID_BYTES       20

static struct blk blk;
static struct blk_request requests[DEPTH];
static uint8_t ids[DEPTH][32];
static struct blk_request *spare[DEPTH];
static unsigned int spares;

static void start(void)
{
	spares = 0;
	for (unsigned int i = 0; i < DEPTH; i++)
		spare[spares++] = &requests[i];
}

static bool add_one(void)
{
	struct blk_request *request;
	uint8_t *id;

	if (spares == 0)
		return false;
	request = spare[spares - 1];
	id = ids[request - requests];
	blk_set(request, BLK_T_GET_ID, 0);
	id[0] = 0;
	if (!blk_add(&blk, request, id, ID_BYTES))
		return false;
	spares--;
	return true;
}

static const char *finish(struct blk_request *request)
{
	const uint8_t *id = ids[request - requests];

	if (request->status != BLK_S_OK || request->used_len != ID_BYTES + 1 ||
	    id[0] != 'd' || id[6] != 's')
		return "an answer is wrong";
	spare[spares++] = request;
	return NULL;
}

/* The ring's size is in the low bits of @arg. */
static const char *many(uint64_t arg)
{
	const char *wrong = blk_open(&blk, arg & BLK_RINGS, (uint16_t)arg);
	bool other = arg & (FEATURE_PACKED | FEATURE_INDIRECT);
	unsigned int total = other ? REQUESTS_OTHER : REQUESTS_SPLIT;
	unsigned int sent = 0, back = 0, kicks = 0;
	uint64_t start_cycles = rdtsc();

	start();
	while (wrong == NULL && back < total) {
		uint16_t id;
		uint32_t len;

		/* Never quite in step with the ring. */
		for (unsigned int n = 0; n < 1 + sent % 37; n++) {
			if (sent == total || !add_one())
				break;
			sent++;
		}
		kicks += vring_kick(&blk.ring);
		while (wrong == NULL && vring_take(&blk.ring, &id, &len)) {
			blk.by_id[id]->used_len = len;
			wrong = finish(blk.by_id[id]);
			back++;
			start_cycles = rdtsc();
		}
		if (rdtsc() - start_cycles > PATIENCE_CYCLES)
			wrong = "no request comes back any more";
	}
	print("# kicks: ");
	print_dec(kicks);
	print("\n");
	return wrong;
}

/*
 * Reads of 64 KiB and behind each a request that no disk is needed for: some
 * must come back before what was sent before them, and each with its own data.
 */
static const char *out_of_order(uint64_t features)
{
	static struct blk_request reads[8], others[8];
	const char *wrong = blk_open(&blk, features, 0);
	unsigned int overtaken = 0;

	if (wrong == NULL)
		wrong = blk_exercise(&blk, 'o', 0, 1024);
	for (unsigned int round = 0; round < 50 && wrong == NULL; round++) {
		unsigned int reads_back = 0;

		fill(blk_space, 0, 1024 * SECTOR);
		for (unsigned int i = 0; i < 8; i++) {
			blk_set(&reads[i], BLK_T_IN, (uint64_t)i * 128);
			blk_set(&others[i], BLK_T_GET_ID, 0);
			blk_add(&blk, &reads[i],
				blk_space + (size_t)i * 128 * SECTOR,
				128 * SECTOR);
			blk_add(&blk, &others[i], ids[i], ID_BYTES);
		}
		vring_kick(&blk.ring);
		while (blk.out > 0 && wrong == NULL) {
			struct blk_request *request = blk_wait_one(&blk);

			if (request == NULL)
				wrong = "a request does not come back";
			else if (request->status != BLK_S_OK)
				wrong = "a request failed";
			else if (request->header.type == BLK_T_IN)
				reads_back++;
			else if (request - others >= (long)reads_back)
				overtaken++;
		}
		if (wrong == NULL && !blk_is_pattern(blk_space, 'o', 0, 1024))
			wrong = "what was read is not what was written";
	}
	print("# overtaken: ");
	print_dec(overtaken);
	print("\n");
	if (wrong == NULL && overtaken == 0)
		wrong = "everything came back in order";
	return wrong;
}

static const struct guest_case cases[] = {
	{ "split", many, 16 },
	{ "split-event", many, FEATURE_EVENT_IDX | 64 },
	{ "split-event-indirect", many, FEATURE_EVENT_IDX | FEATURE_INDIRECT },
	{ "packed", many, FEATURE_PACKED | 13 },
	{ "packed-event", many, FEATURE_PACKED | FEATURE_EVENT_IDX | 50 },
	{ "packed-event-indirect", many, BLK_RINGS | 5 },
	{ "split-out-of-order", out_of_order, 0 },
	{ "packed-out-of-order", out_of_order, FEATURE_PACKED },
	{ "packed-out-of-order-event", out_of_order, BLK_RINGS },
};

void guest_main(void)
{
	user_mode();
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
