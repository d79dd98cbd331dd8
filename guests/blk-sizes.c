/*
 * Queues of every size that is allowed: one descriptor (where a request fits by
 * INDIRECT alone), two, the largest, and for the packed ring any number; sizes
 * that are not are refused.
 */
#include "lib_blk.h"

#define SECTORS 200
#define TABLE	FEATURE_INDIRECT

static struct blk blk;
static struct blk_request request;

/* The size is in the low bits of @arg, features above 16 are as they are. */
static const char *exercise(uint64_t arg)
{
	uint16_t size = (uint16_t)arg;
	const char *wrong = blk_open(&blk, arg & BLK_RINGS, size);

	if (wrong != NULL)
		return wrong;
	return blk_exercise(&blk, 's', 0, SECTORS);
}

/* Header, then data and status in one: two descriptors are enough. */
static const char *two_descriptors(uint64_t features)
{
	uint8_t *data = blk_space;
	const char *wrong = exercise(features);

	if (wrong == NULL)
		wrong = blk_open(&blk, features, 2);
	for (uint64_t sector = 0; wrong == NULL && sector < 20; sector++) {
		const struct vseg segs[] = {
			{ &request.header, 16, 0 },
			{ data, SECTOR + 1, VSEG_WRITE },
		};

		fill(data, BLK_S_NONE, SECTOR + 1);
		blk_set(&request, BLK_T_IN, sector);
		if (!blk_add_segs(&blk, &request, segs, 2))
			return "two descriptors have no room in a ring of two";
		wrong = blk_wait_all(&blk);
		if (wrong == NULL && data[SECTOR] != BLK_S_OK)
			wrong = "the read failed";
		if (wrong == NULL && request.used_len != SECTOR + 1)
			wrong = "the used length is wrong";
		if (wrong == NULL && !blk_is_pattern(data, 's', sector, 1))
			wrong = "another sector was read";
	}
	return wrong;
}

/*
 * Without INDIRECT a request does not fit one descriptor. One that only the
 * device writes has a status and no header; one that it only reads has no
 * status, and comes back with nothing written.
 */
static const char *one_descriptor(uint64_t features)
{
	struct vseg seg = { blk_space, 1, VSEG_WRITE };
	const char *wrong = blk_open(&blk, features, 1);

	if (wrong != NULL)
		return wrong;
	blk_set(&request, BLK_T_IN, 0);
	blk_space[0] = BLK_S_NONE;
	blk_add_segs(&blk, &request, &seg, 1);
	wrong = blk_wait_all(&blk);
	if (wrong != NULL)
		return wrong;
	if (blk_space[0] != BLK_S_IOERR || request.used_len != 1)
		return "a request without a header has another status";
	seg = (struct vseg){ &request.header, 16, 0 };
	blk_add_segs(&blk, &request, &seg, 1);
	wrong = blk_wait_all(&blk);
	if (wrong == NULL && request.used_len != 0)
		wrong = "a request without a status has a length";
	return wrong;
}

/* A chain of more descriptors than there are can only be a circle. */
static const char *longer_than_ring(uint64_t arg)
{
	struct vseg seg = { &request.header, 16, VSEG_NEXT };
	const char *wrong = blk_open(&blk, 0, 1);

	if (wrong != NULL)
		return wrong;
	vring_write_desc(&blk.ring, 0, &seg, 0);
	vring_expose(&blk.ring, 0);
	vring_kick_always(&blk.ring);
	if (!vdev_wants_reset(&blk.dev))
		return "no NEEDS_RESET";
	return exercise(arg);
}

static const char *refused(uint64_t arg)
{
	uint64_t features = FEATURE_VERSION_1 | (arg & BLK_RINGS);
	static struct vring_memory memory;
	static struct vring ring;
	uint16_t size = (uint16_t)arg;

	vdev_reset(&blk.dev);
	if (size == 0)
		size = (uint16_t)(2 * vdev_queue_max(&blk.dev, 0));
	if (!vdev_accepts(&blk.dev, features))
		return "the features are refused";
	if (vring_open(&ring, &blk.dev, 0, &memory, size))
		return "the queue was enabled";
	return NULL;
}

static const struct guest_case cases[] = {
	{ "split-1-indirect", exercise, TABLE | 1 },
	{ "packed-1-indirect", exercise, FEATURE_PACKED | TABLE | 1 },
	{ "split-1-direct", one_descriptor, 0 },
	{ "packed-1-direct", one_descriptor, FEATURE_PACKED },
	{ "split-1-too-long", longer_than_ring, TABLE | 1 },
	{ "split-2", two_descriptors, 0 },
	{ "packed-2", two_descriptors, FEATURE_PACKED },
	{ "split-2-event", two_descriptors, FEATURE_EVENT_IDX },
	{ "packed-2-event", two_descriptors,
	  FEATURE_PACKED | FEATURE_EVENT_IDX },
	{ "split-4", exercise, 4 },
	{ "packed-3", exercise, FEATURE_PACKED | 3 },
	{ "packed-7-event", exercise, FEATURE_PACKED | FEATURE_EVENT_IDX | 7 },
	{ "packed-255", exercise, BLK_RINGS | 255 },
	{ "split-max", exercise, 0 },
	{ "packed-max", exercise, FEATURE_PACKED },
	{ "split-3-refused", refused, 3 },
	{ "split-above-max-refused", refused, 0 },
	{ "packed-above-max-refused", refused, FEATURE_PACKED },
};

void guest_main(void)
{
	user_mode();
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
