/*
 * Every type of request, and those that must fail: with which status, and that
 * nothing else happens. "ro" on the command line says that the disk is
 * read-only.
 */
#include "lib_blk.h"

#define ID_BYTES	 20
#define UNMAP		 1
#define CONFIG_WRITEBACK 32
#define MAX_ZERO_SEG	 52

static struct blk blk;

struct range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

static const char *expect(uint32_t type, uint64_t sector, void *data,
			  uint32_t len, uint8_t expected)
{
	uint8_t status;
	const char *wrong = blk_do(&blk, type, sector, data, len, &status);

	if (wrong == NULL && status != expected) {
		print("# status ");
		print_dec(status);
		print("\n");
		wrong = "another status than expected";
	}
	return wrong;
}

static const char *flush(uint64_t arg)
{
	(void)arg;
	return expect(BLK_T_FLUSH, 0, NULL, 0, BLK_S_OK);
}

/* serial=drivers, padded with zeroes; less of it for less room. */
static const char *get_id(uint64_t arg)
{
	static const char id[ID_BYTES] = "drivers";
	char *answer = (char *)blk_space;
	const char *wrong;

	(void)arg;
	fill(answer, 'x', 2 * ID_BYTES);
	wrong = expect(BLK_T_GET_ID, 0, answer, ID_BYTES, BLK_S_OK);
	if (wrong == NULL &&
	    (!str_equal_n(answer, id, ID_BYTES) || answer[ID_BYTES] != 'x'))
		return "another serial number, or more than 20 bytes";
	fill(answer, 'x', 2 * ID_BYTES);
	if (wrong == NULL)
		wrong = expect(BLK_T_GET_ID, 0, answer, 4, BLK_S_OK);
	if (wrong == NULL && (!str_equal_n(answer, id, 4) || answer[4] != 'x'))
		return "four bytes of it are others";
	return wrong;
}

static bool all_zero(const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* Sectors 64 to 80 of 0 to 128 become zeroes, and nothing beside them. */
static const char *write_zeroes(uint64_t flags)
{
	struct range range = { 64, 16, (uint32_t)flags };
	const char *wrong = blk_exercise(&blk, 'w', 0, 128);

	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, &range, sizeof(range),
			       BLK_S_OK);
	if (wrong == NULL)
		wrong = blk_well(&blk, BLK_T_IN, 0, blk_space, 128 * SECTOR);
	if (wrong == NULL &&
	    (!blk_is_pattern(blk_space, 'w', 0, 64) ||
	     !all_zero(blk_space + 64 * SECTOR, 16 * SECTOR) ||
	     !blk_is_pattern(blk_space + 80 * SECTOR, 'w', 80, 48)))
		return "other sectors than those are zero";
	return wrong;
}

/* What is discarded may read as anything; what is beside it may not. */
static const char *discard(uint64_t arg)
{
	struct range range = { 256, 2048, 0 };
	const char *wrong = blk_exercise(&blk, 'd', 0, 256);

	(void)arg;
	if (wrong == NULL)
		wrong = expect(BLK_T_DISCARD, 0, &range, sizeof(range),
			       BLK_S_OK);
	if (wrong == NULL)
		wrong = blk_well(&blk, BLK_T_IN, 0, blk_space, 256 * SECTOR);
	if (wrong == NULL && !blk_is_pattern(blk_space, 'd', 0, 256))
		return "sectors beside the discarded ones have changed";
	return wrong;
}

static const char *bad_ranges(uint64_t arg)
{
	static struct range many[512];
	uint32_t max = vdev_config32(&blk.dev, MAX_ZERO_SEG);
	struct range beyond = { blk.sectors - 1, 2, 0 };
	struct range wraps = { UINT64_MAX - 1, 4, 0 };
	struct range unmap = { 0, 8, UNMAP };
	struct range unknown = { 0, 8, 4 };
	const char *wrong;

	(void)arg;
	check(max + 1 <= 512, "too many ranges");
	wrong = blk_exercise(&blk, 'r', 0, 16);
	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, &beyond, 16, BLK_S_IOERR);
	if (wrong == NULL)
		wrong = expect(BLK_T_DISCARD, 0, &wraps, 16, BLK_S_IOERR);
	if (wrong == NULL)
		wrong = expect(BLK_T_DISCARD, 0, &unmap, 16, BLK_S_UNSUPP);
	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, &unknown, 16,
			       BLK_S_UNSUPP);
	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, &unmap, 15, BLK_S_IOERR);
	for (uint32_t i = 0; i <= max; i++)
		many[i] = (struct range){ 0, 1, 0 };
	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, many, 16 * (max + 1),
			       BLK_S_IOERR);
	if (wrong == NULL)
		wrong = blk_well(&blk, BLK_T_IN, 0, blk_space, 16 * SECTOR);
	if (wrong == NULL && !blk_is_pattern(blk_space, 'r', 0, 16))
		wrong = "a refused range was acted on";
	return wrong;
}

static const char *beyond_the_end(uint64_t type)
{
	const uint64_t places[] = { blk.sectors, blk.sectors - 1, 1ULL << 55,
				    UINT64_MAX / SECTOR, UINT64_MAX };
	const char *wrong = NULL;

	for (unsigned int i = 0; i < 5 && wrong == NULL; i++)
		wrong = expect((uint32_t)type, places[i], blk_space, 2 * SECTOR,
			       BLK_S_IOERR);
	if (wrong == NULL && type == BLK_T_IN)
		wrong = expect((uint32_t)type, blk.sectors - 1, blk_space,
			       SECTOR, BLK_S_OK);
	return wrong;
}

static const char *odd_length(uint64_t type)
{
	const char *wrong =
		expect((uint32_t)type, 0, blk_space, SECTOR - 1, BLK_S_IOERR);

	if (wrong == NULL)
		wrong = expect((uint32_t)type, 0, blk_space, 3 * SECTOR + 1,
			       BLK_S_IOERR);
	return wrong;
}

static const char *unknown_types(uint64_t arg)
{
	static const uint32_t types[] = {
		BLK_T_SCSI, BLK_T_SCSI + 1, 5, 14, 55, 0x80000000u, UINT32_MAX
	};
	const char *wrong = NULL;

	(void)arg;
	for (unsigned int i = 0; i < 7 && wrong == NULL; i++)
		wrong = expect(types[i], 0, blk_space, SECTOR, BLK_S_UNSUPP);
	return wrong;
}

/* The one field that a driver may write, and only 0 or 1 (5.2.4). */
static const char *config_wce(uint64_t arg)
{
	static const uint8_t values[] = { 0, 1, 0, 2, 255 };
	const char *wrong = blk_open(&blk, blk.dev.features & BLK_RINGS, 0);

	(void)arg;
	for (unsigned int i = 0; i < 5 && wrong == NULL; i++) {
		vdev_set_config8(&blk.dev, CONFIG_WRITEBACK, values[i]);
		if (i < 3 &&
		    vdev_config8(&blk.dev, CONFIG_WRITEBACK) != values[i])
			return "writeback does not keep what was written";
		wrong = blk_exercise(&blk, 'c', 512 + i * 16, 16);
	}
	if (wrong == NULL && vdev_config8(&blk.dev, CONFIG_WRITEBACK) != 0)
		wrong = "writeback took a value that it has not";
	return wrong;
}

static const char *read_only(uint64_t arg)
{
	struct range range = { 0, 8, 0 };
	const char *wrong;

	(void)arg;
	if (!(vdev_offered(&blk.dev) & BLK_RO))
		return "RO is not offered";
	blk_pattern(blk_space, 'X', 0, 1);
	wrong = expect(BLK_T_OUT, 0, blk_space, SECTOR, BLK_S_IOERR);
	if (wrong == NULL)
		wrong = expect(BLK_T_DISCARD, 0, &range, 16, BLK_S_UNSUPP);
	if (wrong == NULL)
		wrong = expect(BLK_T_WRITE_ZEROES, 0, &range, 16, BLK_S_UNSUPP);
	if (wrong == NULL)
		wrong = expect(BLK_T_FLUSH, 0, NULL, 0, BLK_S_OK);
	if (wrong == NULL)
		wrong = blk_well(&blk, BLK_T_IN, 0, blk_space, 64 * SECTOR);
	if (wrong == NULL && !blk_is_pattern(blk_space, 'o', 0, 64))
		wrong = "other bytes than those of the file";
	return wrong;
}

static const struct guest_case read_only_cases[] = {
	{ "read-only", read_only, 0 },
	{ "read-beyond", beyond_the_end, BLK_T_IN },
};

static const struct guest_case cases[] = {
	{ "flush", flush, 0 },
	{ "get-id", get_id, 0 },
	{ "write-zeroes", write_zeroes, 0 },
	{ "write-zeroes-unmap", write_zeroes, UNMAP },
	{ "discard", discard, 0 },
	{ "config-wce", config_wce, 0 },
	{ "bad-ranges", bad_ranges, 0 },
	{ "read-beyond", beyond_the_end, BLK_T_IN },
	{ "write-beyond", beyond_the_end, BLK_T_OUT },
	{ "read-odd", odd_length, BLK_T_IN },
	{ "write-odd", odd_length, BLK_T_OUT },
	{ "unknown-types", unknown_types, 0 },
};

void guest_main(void)
{
	uint64_t features = cmdline_has("packed") ? BLK_RINGS : 0;
	const char *wrong;

	user_mode();
	wrong = blk_open(&blk, features, 0);
	check(wrong == NULL, wrong);
	if (cmdline_has("ro"))
		run_cases(read_only_cases, 2);
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
