/*
 * The entropy device, by drivers that are not Linux: in every choice of ring
 * features, one descriptor at a time, in odd pieces, with nothing to write to,
 * and reset with buffers out.
 */
#include "lib_virtio.h"

#define BYTES 64

static struct vdev dev;
static struct vring ring;
static struct vring_memory memory;
static uint8_t bytes[4096];
static uint8_t table[16 * 8] __attribute__((aligned(16)));

static const char *open(uint64_t features, uint16_t size)
{
	vdev_reset(&dev);
	if ((features & ~vdev_offered(&dev)) != 0)
		return "a feature of the ring is not offered";
	if (!vdev_accepts(&dev, features | FEATURE_VERSION_1))
		return "the device does not accept its own features";
	if (!vring_open(&ring, &dev, 0, &memory, size))
		return "the queue was not enabled";
	vdev_go(&dev);
	return NULL;
}

static const char *ask(const struct vseg *segs, unsigned int count,
		       uint32_t *ret_len)
{
	bool indirect = dev.features & FEATURE_INDIRECT;
	uint16_t sent = indirect ? vring_add_table(&ring, table, segs, count) :
				   vring_add(&ring, segs, count);
	uint16_t id;

	if (sent == VRING_NONE)
		return "no room in the queue";
	vring_kick(&ring);
	if (!vring_wait(&ring, &id, ret_len))
		return "a buffer does not come back";
	return id == sent ? NULL : "another buffer came back";
}

static bool all_zero(const uint8_t *at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (at[i] != 0)
			return false;
	return true;
}

/* Pieces of 1, 0, 13 and 50 bytes, each beside bytes that must stay. */
static const char *pieces(void)
{
	const struct vseg segs[] = {
		{ bytes, 1, VSEG_WRITE },
		{ bytes + 2, 0, VSEG_WRITE },
		{ bytes + 100, 13, VSEG_WRITE },
		{ bytes + 200, 50, VSEG_WRITE },
	};
	unsigned int skip =
		ring.size < 4 && !(dev.features & FEATURE_INDIRECT) ? 3 : 0;
	const char *wrong;
	uint32_t len;

	fill(bytes, 0, sizeof(bytes));
	wrong = ask(segs + skip, 4 - skip, &len);
	if (wrong != NULL)
		return wrong;
	if (len == 0 || len > BYTES)
		return "a used length is wrong";
	if (len >= (skip ? 50 : BYTES) && all_zero(bytes + 200, 50))
		return "50 bytes of zeroes";
	if (!all_zero(bytes + 1, 99) || !all_zero(bytes + 113, 87) ||
	    !all_zero(bytes + 250, 1000))
		return "bytes beside the buffers were written";
	return NULL;
}

static const char *choice(uint64_t arg)
{
	const char *wrong = open(arg & ~0xffffULL, (uint16_t)arg);

	for (unsigned int i = 0; i < 300 && wrong == NULL; i++)
		wrong = pieces();
	return wrong;
}

/* A buffer that the device may not write comes back empty. */
static const char *readable(uint64_t features)
{
	const struct vseg seg = { bytes, BYTES, 0 };
	const char *wrong = open(features, 0);
	uint32_t len;

	fill(bytes, 0x5a, BYTES);
	if (wrong == NULL)
		wrong = ask(&seg, 1, &len);
	if (wrong == NULL && len != 0)
		wrong = "a used length where nothing could be written";
	for (unsigned int i = 0; i < BYTES && wrong == NULL; i++)
		if (bytes[i] != 0x5a)
			wrong = "a readable buffer was written";
	return wrong == NULL ? pieces() : wrong;
}

static const char *resets(uint64_t features)
{
	const char *wrong = NULL;

	for (unsigned int round = 0; round < 20 && wrong == NULL; round++) {
		const struct vseg seg = { bytes, sizeof(bytes), VSEG_WRITE };

		wrong = open(features, 0);
		if (wrong != NULL)
			return wrong;
		while (vring_add(&ring, &seg, 1) != VRING_NONE)
			;
		vring_kick(&ring);
		wait_cycles(round * 10000ULL);
		vdev_reset(&dev);
		fill(bytes, 0, sizeof(bytes));
		wait_cycles(1000000);
		if (!all_zero(bytes, sizeof(bytes)))
			wrong = "a buffer was written after the reset";
	}
	return wrong == NULL ? choice(features) : wrong;
}

static const struct guest_case cases[] = {
	{ "split", choice, 0 },
	{ "split-1", choice, 1 },
	{ "split-event", choice, FEATURE_EVENT_IDX },
	{ "split-indirect-1", choice, FEATURE_INDIRECT | 1 },
	{ "packed", choice, FEATURE_PACKED },
	{ "packed-1", choice, FEATURE_PACKED | 1 },
	{ "packed-5-event", choice, FEATURE_PACKED | FEATURE_EVENT_IDX | 5 },
	{ "packed-indirect", choice, FEATURE_PACKED | FEATURE_INDIRECT },
	{ "split-readable", readable, 0 },
	{ "packed-readable", readable, FEATURE_PACKED },
	{ "split-reset", resets, 0 },
	{ "packed-reset", resets, FEATURE_PACKED },
};

/* For --seed: what the device gives first, in two requests. */
static void show(void)
{
	const struct vseg segs[] = { { bytes, 24, VSEG_WRITE },
				     { bytes + 24, 40, VSEG_WRITE } };
	uint32_t len;

	check(open(0, 0) == NULL, "the device cannot be opened");
	for (unsigned int i = 0; i < 2; i++)
		check(ask(&segs[i], 1, &len) == NULL && len == segs[i].len,
		      "a request is not filled");
	for (unsigned int i = 0; i < BYTES; i += 8) {
		print_hex(*(uint64_t *)(bytes + i));
		print(i % 16 ? "\n" : " ");
	}
}

void guest_main(void)
{
	user_mode();
	check(vdev_find(&dev, VIRTIO_RNG), "there is no entropy device");
	if (cmdline_has("show")) {
		show();
		return;
	}
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
