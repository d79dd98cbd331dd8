/*
 * The device is reset with requests in flight. Once the reset is done, nothing
 * may be written to memory any more; the disk has each sector wholly old or
 * wholly new; and the device works as after power-on. Packed or split follows
 * from the case, how long a request is in flight from the limits of the disk.
 */
#include "lib_blk.h"

#define ROUNDS	12
#define PIECE	8 /* sectors */
#define PIECES	120
#define SECTORS (PIECE * PIECES)
#define QUIET	10000000ULL /* cycles without a write to memory */
#define POISON	0x5a

static struct blk blk;
static struct blk_request requests[PIECES];
static unsigned int in_flight; /* when it was reset, in all rounds */
static uint8_t before[sizeof(struct vring_memory)];

static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
	const uint64_t *left = (const uint64_t *)a;
	const uint64_t *right = (const uint64_t *)b;

	for (size_t i = 0; i < len / 8; i++)
		if (left[i] != right[i])
			return false;
	return true;
}

static bool is_poison(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != POISON)
			return false;
	return true;
}

/*
 * Fills the queue with requests of @type, lets the device begin, and resets it.
 * What a late completion would touch is poisoned then and watched.
 */
static const char *reset_amid(uint32_t type, uint64_t wait)
{
	struct vring_memory *memory = blk.ring.memory;
	unsigned int added = 0;

	for (; added < PIECES; added++) {
		blk_set(&requests[added], type, (uint64_t)added * PIECE);
		if (!blk_add(&blk, &requests[added],
			     blk_space + (size_t)added * PIECE * SECTOR,
			     PIECE * SECTOR))
			break;
	}
	vring_kick(&blk.ring);
	wait_cycles(wait);
	for (unsigned int i = 0; i < added; i++)
		in_flight += requests[i].status == BLK_S_NONE;
	vdev_reset(&blk.dev);
	copy(before, memory, sizeof(before));
	for (unsigned int i = 0; i < added; i++)
		requests[i].status = POISON;
	fill(blk_space, POISON, SECTORS * SECTOR);
	wait_cycles(QUIET);
	if (!same(before, (const uint8_t *)memory, sizeof(before)))
		return "the ring changed after the reset";
	for (unsigned int i = 0; i < added; i++)
		if (requests[i].status != POISON)
			return "a status was written after the reset";
	if (!is_poison(blk_space, SECTORS * SECTOR))
		return "data was written after the reset";
	return NULL;
}

static const char *read_all(void)
{
	fill(blk_space, 0, SECTORS * SECTOR);
	return blk_well(&blk, BLK_T_IN, 0, blk_space, SECTORS * SECTOR);
}

/* Each sector as a write left it: wholly @old or wholly @new. */
static const char *old_or_new(char old, char new)
{
	const char *wrong = read_all();

	for (uint32_t i = 0; i < SECTORS && wrong == NULL; i++)
		if (!blk_is_pattern(blk_space + i * SECTOR, old, i, 1) &&
		    !blk_is_pattern(blk_space + i * SECTOR, new, i, 1))
			wrong = "a sector is neither old nor new";
	return wrong;
}

static const char *write_all(char letter)
{
	blk_pattern(blk_space, letter, 0, SECTORS);
	return blk_well(&blk, BLK_T_OUT, 0, blk_space, SECTORS * SECTOR);
}

static const char *resets(uint64_t features)
{
	const char *wrong = blk_open(&blk, features, 0);
	char last = 'a';

	in_flight = 0;
	if (wrong == NULL)
		wrong = write_all(last);
	for (unsigned int i = 0; i < ROUNDS && wrong == NULL; i++) {
		bool write = i % 2 == 0;

		if (write)
			blk_pattern(blk_space, (char)(last + 1), 0, SECTORS);
		wrong = reset_amid(write ? BLK_T_OUT : BLK_T_IN,
				   (uint64_t)i * 20000);
		if (wrong == NULL)
			wrong = blk_open(&blk, features, 0);
		if (wrong == NULL)
			wrong = old_or_new(last, (char)(last + write));
		if (wrong == NULL && write)
			wrong = write_all(++last);
	}
	print("# in flight at the resets: ");
	print_dec(in_flight);
	print("\n");
	return wrong == NULL ? old_or_new(last, last) : wrong;
}

static const struct guest_case cases[] = {
	{ "split", resets, 0 },
	{ "split-indirect-event", resets,
	  FEATURE_INDIRECT | FEATURE_EVENT_IDX },
	{ "packed", resets, FEATURE_PACKED },
	{ "packed-indirect-event", resets, BLK_RINGS },
};

void guest_main(void)
{
	user_mode();
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
