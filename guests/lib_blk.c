/*
 * One disk; see lib_blk.h.
 */
#include "lib_blk.h"

#define REQUESTS 256

uint8_t blk_space[BLK_SPACE] __attribute__((aligned(4096)));

static struct vring_memory memory;
static struct blk_request requests[REQUESTS];

const char *blk_open(struct blk *blk, uint64_t features, uint16_t size)
{
	uint64_t offered;

	if (blk->dev.common == 0)
		check(vdev_find(&blk->dev, VIRTIO_BLK), "there is no disk");
	vdev_reset(&blk->dev);
	offered = vdev_offered(&blk->dev);
	if ((features & ~offered) != 0)
		return "a feature of the ring is not offered";
	features |= offered & BLK_BASIC;
	if (!vdev_accepts(&blk->dev, features))
		return "the device does not accept its own features";
	if (!vring_open(&blk->ring, &blk->dev, 0, &memory, size))
		return "the queue was not enabled";
	blk->out = 0;
	blk->sectors = vdev_config64(&blk->dev, 0);
	vdev_go(&blk->dev);
	return NULL;
}

void blk_set(struct blk_request *request, uint32_t type, uint64_t sector)
{
	request->header = (struct blk_header){ type, 0, sector };
	request->status = BLK_S_NONE;
	request->used_len = 0;
}

static bool track(struct blk *blk, struct blk_request *request, uint16_t id)
{
	if (id == VRING_NONE)
		return false;
	blk->by_id[id] = request;
	blk->out++;
	return true;
}

bool blk_add_segs(struct blk *blk, struct blk_request *request,
		  const struct vseg *segs, unsigned int count)
{
	return track(blk, request, vring_add(&blk->ring, segs, count));
}

bool blk_add(struct blk *blk, struct blk_request *request, void *data,
	     uint32_t len)
{
	uint32_t type = request->header.type;
	bool in = type == BLK_T_IN || type == BLK_T_GET_ID;
	struct vseg segs[3];
	unsigned int count = 0;

	segs[count++] = (struct vseg){ &request->header, 16, 0 };
	if (len != 0)
		segs[count++] = (struct vseg){ data, len, in ? VSEG_WRITE : 0 };
	segs[count++] = (struct vseg){ &request->status, 1, VSEG_WRITE };
	if (blk->dev.features & FEATURE_INDIRECT)
		return track(blk, request,
			     vring_add_table(&blk->ring, request->table, segs,
					     count));
	return blk_add_segs(blk, request, segs, count);
}

struct blk_request *blk_wait_one(struct blk *blk)
{
	struct blk_request *request;
	uint32_t len;
	uint16_t id;

	vring_kick(&blk->ring);
	if (!vring_wait(&blk->ring, &id, &len))
		return NULL;
	request = blk->by_id[id];
	request->used_len = len;
	blk->out--;
	return request;
}

const char *blk_wait_all(struct blk *blk)
{
	vring_kick(&blk->ring);
	while (blk->out > 0)
		if (blk_wait_one(blk) == NULL)
			return "a request does not come back";
	return NULL;
}

const char *blk_do(struct blk *blk, uint32_t type, uint64_t sector, void *data,
		   uint32_t len, uint8_t *ret_status)
{
	struct blk_request *request = &requests[0];
	const char *wrong;

	blk_set(request, type, sector);
	if (!blk_add(blk, request, data, len))
		return "the request does not fit the queue";
	wrong = blk_wait_all(blk);
	*ret_status = request->status;
	return wrong;
}

const char *blk_well(struct blk *blk, uint32_t type, uint64_t sector,
		     void *data, uint32_t len)
{
	uint8_t status;
	const char *wrong = blk_do(blk, type, sector, data, len, &status);

	if (wrong == NULL && status != BLK_S_OK)
		wrong = "a request failed";
	return wrong;
}

/* --- The pattern ------------------------------------------------------ */

static uint64_t pattern_word(char letter, uint64_t sector)
{
	uint64_t word = (uint64_t)'\n' << 56 | (uint8_t)letter;

	for (unsigned int shift = 48; shift >= 8; shift -= 8) {
		word |= ('0' + sector % 10) << shift;
		sector /= 10;
	}
	return word;
}

void blk_pattern(uint8_t *data, char letter, uint64_t sector, uint32_t sectors)
{
	uint64_t *word = (uint64_t *)data;

	for (; sectors > 0; sectors--, sector++) {
		uint64_t value = pattern_word(letter, sector);

		for (unsigned int i = 0; i < SECTOR / 8; i++)
			*word++ = value;
	}
}

bool blk_is_pattern(const uint8_t *data, char letter, uint64_t sector,
		    uint32_t sectors)
{
	const uint64_t *word = (const uint64_t *)data;

	for (; sectors > 0; sectors--, sector++) {
		uint64_t value = pattern_word(letter, sector);

		for (unsigned int i = 0; i < SECTOR / 8; i++)
			if (*word++ != value)
				return false;
	}
	return true;
}

/* --- Exercise --------------------------------------------------------- */

/* Takes one, and it is what a request of its kind has to be. */
static const char *take_one(struct blk *blk)
{
	struct blk_request *request = blk_wait_one(blk);

	if (request == NULL)
		return "a request does not come back";
	if (request->status != BLK_S_OK)
		return "a request failed";
	if (request->used_len != request->expected_len)
		return "a used length is wrong";
	return NULL;
}

/* One pass over the range; the request for piece i has 1 to 9 sectors. */
static const char *pass_over(struct blk *blk, uint32_t type, uint64_t sector,
			     uint32_t sectors)
{
	const char *wrong = NULL;
	uint32_t at = 0;

	for (unsigned int n = 0; at < sectors && wrong == NULL; n++) {
		uint32_t piece = 1 + n * 7 % 9;
		struct blk_request *request = &requests[n % REQUESTS];

		if (piece > sectors - at)
			piece = sectors - at;
		/* Request n % REQUESTS is back once all are. */
		while (n % REQUESTS == 0 && blk->out > 0 && wrong == NULL)
			wrong = take_one(blk);
		blk_set(request, type, sector + at);
		request->expected_len = 1;
		if (type == BLK_T_IN)
			request->expected_len += piece * SECTOR;
		while (wrong == NULL &&
		       !blk_add(blk, request, blk_space + at * SECTOR,
				piece * SECTOR))
			wrong = blk->out == 0 ? "a request has no room" :
						take_one(blk);
		at += piece;
	}
	while (blk->out > 0 && wrong == NULL)
		wrong = take_one(blk);
	return wrong;
}

const char *blk_exercise(struct blk *blk, char letter, uint64_t sector,
			 uint32_t sectors)
{
	const char *wrong;

	check(sectors <= BLK_SPACE / SECTOR, "too much to exercise with");
	blk_pattern(blk_space, letter, sector, sectors);
	wrong = pass_over(blk, BLK_T_OUT, sector, sectors);
	if (wrong != NULL)
		return wrong;
	fill(blk_space, 0, sectors * SECTOR);
	wrong = pass_over(blk, BLK_T_IN, sector, sectors);
	if (wrong != NULL)
		return wrong;
	if (!blk_is_pattern(blk_space, letter, sector, sectors))
		return "what was read is not what was written";
	return NULL;
}
