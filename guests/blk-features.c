/*
 * Every choice of the features that change a ring, on one disk, each on sectors
 * of its own: split or packed, with and without INDIRECT and EVENT_IDX. What
 * must be refused is.
 */
#include "lib_blk.h"

#define SECTORS 400

static struct blk blk;

/* The letter and the place on the disk follow from the choice. */
static const char *choice(uint64_t features)
{
	unsigned int n = (unsigned int)(features >> 28 & 3) |
			 (features & FEATURE_PACKED ? 4 : 0);
	const char *wrong = blk_open(&blk, features, 0);

	if (wrong != NULL)
		return wrong;
	return blk_exercise(&blk, (char)('a' + n), n * SECTORS, SECTORS);
}

/* virtio 1.2, 6.1: a driver that is not of this standard. */
static const char *without_version_1(uint64_t arg)
{
	(void)arg;
	vdev_reset(&blk.dev);
	return vdev_accepts(&blk.dev, 0) ? "FEATURES_OK without VERSION_1" :
					   NULL;
}

/* 2.2.1: a driver takes nothing that is not offered. */
static const char *not_offered(uint64_t arg)
{
	uint64_t bit = FEATURE(60);

	(void)arg;
	vdev_reset(&blk.dev);
	if (vdev_offered(&blk.dev) & bit)
		return "bit 60 is offered";
	if (vdev_accepts(&blk.dev, FEATURE_VERSION_1 | bit))
		return "FEATURES_OK with a feature that is not offered";
	return choice(0);
}

static const struct guest_case cases[] = {
	{ "split", choice, 0 },
	{ "split-indirect", choice, FEATURE_INDIRECT },
	{ "split-event", choice, FEATURE_EVENT_IDX },
	{ "split-indirect-event", choice,
	  FEATURE_INDIRECT | FEATURE_EVENT_IDX },
	{ "packed", choice, FEATURE_PACKED },
	{ "packed-indirect", choice, FEATURE_PACKED | FEATURE_INDIRECT },
	{ "packed-event", choice, FEATURE_PACKED | FEATURE_EVENT_IDX },
	{ "packed-indirect-event", choice, BLK_RINGS },
	{ "without-version-1", without_version_1, 0 },
	{ "not-offered", not_offered, 0 },
};

void guest_main(void)
{
	user_mode();
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
