/*
 * A driver of one disk over lib_virtio.h, and the pattern that tells on the
 * host who wrote a sector: every 8 bytes are a letter, the sector's number in
 * six digits and a line feed.
 *
 * What may fail returns a sentence, or NULL when all is well.
 */
#ifndef GUESTS_LIB_BLK_H
#define GUESTS_LIB_BLK_H

#include "lib_virtio.h"

#define SECTOR 512u

/* Features and request types of virtio 1.2, 5.2.3 and 5.2.6. */
#define BLK_RO		 FEATURE(5)
#define BLK_FLUSH	 FEATURE(9)
#define BLK_CONFIG_WCE	 FEATURE(11)
#define BLK_DISCARD	 FEATURE(13)
#define BLK_WRITE_ZEROES FEATURE(14)

#define BLK_T_IN	   0
#define BLK_T_OUT	   1
#define BLK_T_SCSI	   2
#define BLK_T_FLUSH	   4
#define BLK_T_GET_ID	   8
#define BLK_T_DISCARD	   11
#define BLK_T_WRITE_ZEROES 13

#define BLK_S_OK     0
#define BLK_S_IOERR  1
#define BLK_S_UNSUPP 2
#define BLK_S_NONE   0xee /* what stands there before the device writes */

#define BLK_CONFIG_SEG_MAX 12

/* Beside what a case asks for, taken wherever it is offered. */
#define BLK_BASIC                                                         \
	(FEATURE_VERSION_1 | BLK_FLUSH | BLK_DISCARD | BLK_WRITE_ZEROES | \
	 BLK_RO | BLK_CONFIG_WCE)
#define BLK_RINGS (FEATURE_PACKED | FEATURE_INDIRECT | FEATURE_EVENT_IDX)

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

struct blk_request {
	struct blk_header header;
	uint8_t status;
	uint32_t used_len;
	uint32_t expected_len; /* blk_exercise's */
	uint8_t table[3 * 16] __attribute__((aligned(16)));
};

struct blk {
	struct vdev dev;
	struct vring ring;
	uint64_t sectors;
	struct blk_request *by_id[VRING_MAX];
	unsigned int out; /* chains that are with the device */
};

/*
 * Resets the disk and takes those of BLK_RINGS in @features, of which each
 * must be offered, and a queue of @size (0: the largest).
 */
const char *blk_open(struct blk *blk, uint64_t features, uint16_t size);

/*
 * Adds a request in two or three descriptors, or in a table of its own with
 * INDIRECT; the caller kicks. False without room.
 */
bool blk_add(struct blk *blk, struct blk_request *request, void *data,
	     uint32_t len);
/* Adds these segments as they are; status and length go to @request. */
bool blk_add_segs(struct blk *blk, struct blk_request *request,
		  const struct vseg *segs, unsigned int count);
void blk_set(struct blk_request *request, uint32_t type, uint64_t sector);

/* Waits until all that is out is back; or until one is, which is returned. */
const char *blk_wait_all(struct blk *blk);
struct blk_request *blk_wait_one(struct blk *blk);

/* One request from beginning to end; the status in @ret_status. */
const char *blk_do(struct blk *blk, uint32_t type, uint64_t sector, void *data,
		   uint32_t len, uint8_t *ret_status);
/* As blk_do, and it succeeds. */
const char *blk_well(struct blk *blk, uint32_t type, uint64_t sector,
		     void *data, uint32_t len);

void blk_pattern(uint8_t *data, char letter, uint64_t sector, uint32_t sectors);
bool blk_is_pattern(const uint8_t *data, char letter, uint64_t sector,
		    uint32_t sectors);

/*
 * Writes the pattern to @sectors from @sector on, in requests of many sizes
 * with as many in flight as there is room for, and reads it back.
 */
const char *blk_exercise(struct blk *blk, char letter, uint64_t sector,
			 uint32_t sectors);

/* 1 MiB that guests may use as they like; blk_exercise uses all of it. */
#define BLK_SPACE (1u << 20)
extern uint8_t blk_space[BLK_SPACE];

#endif
