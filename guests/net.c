/*
 * A network card without a cable (--net none), by drivers that are not Linux:
 * frames are sent in odd pieces with every choice of ring features and come
 * back, buffers to receive into stay where they are, also through resets.
 */
#include "lib_virtio.h"

#define RECEIVE	     0
#define TRANSMIT     1
#define FEATURE_MAC  FEATURE(5)
#define HEADER_BYTES 12 /* virtio 1.2, 5.1.6: with num_buffers */
#define FRAME_BYTES  60
#define FRAMES	     200
#define BUFFERS	     8
#define BUFFER_BYTES 1600
#define POISON	     0x5a

static struct vdev dev;
static struct vring rings[2];
static struct vring_memory memory[2];
static uint8_t buffers[BUFFERS][BUFFER_BYTES];
static uint8_t frame[HEADER_BYTES + FRAME_BYTES];
static uint8_t table[16 * 8] __attribute__((aligned(16)));

static const char *open(uint64_t features, uint16_t size)
{
	vdev_reset(&dev);
	features |= FEATURE_VERSION_1 | FEATURE_MAC;
	if ((features & ~vdev_offered(&dev)) != 0)
		return "a feature is not offered";
	if (!vdev_accepts(&dev, features))
		return "the device does not accept its own features";
	for (uint16_t i = 0; i < 2; i++)
		if (!vring_open(&rings[i], &dev, i, &memory[i], size))
			return "a queue was not enabled";
	vdev_go(&dev);
	fill(buffers, POISON, sizeof(buffers));
	for (unsigned int i = 0; i < BUFFERS; i++) {
		const struct vseg seg = { buffers[i], BUFFER_BYTES,
					  VSEG_WRITE };

		vring_add(&rings[RECEIVE], &seg, 1);
	}
	vring_kick(&rings[RECEIVE]);
	return NULL;
}

/* The header in two pieces, the frame in three, one of them empty. */
static uint16_t send(void)
{
	const struct vseg segs[] = {
		{ frame, 5, 0 },
		{ frame + 5, HEADER_BYTES - 5, 0 },
		{ frame + HEADER_BYTES, 1, 0 },
		{ frame, 0, 0 },
		{ frame + HEADER_BYTES + 1, FRAME_BYTES - 1, 0 },
	};
	struct vring *ring = &rings[TRANSMIT];

	if (dev.features & FEATURE_INDIRECT)
		return vring_add_table(ring, table, segs, 5);
	if (ring->size < 5) {
		const struct vseg whole = { frame, sizeof(frame), 0 };

		return vring_add(ring, &whole, 1);
	}
	return vring_add(ring, segs, 5);
}

static const char *frames_go_out(void)
{
	for (unsigned int i = 0; i < FRAMES; i++) {
		uint16_t sent = send();
		uint32_t len;
		uint16_t id;

		if (sent == VRING_NONE)
			return "no room in the queue";
		vring_kick(&rings[TRANSMIT]);
		if (!vring_wait(&rings[TRANSMIT], &id, &len))
			return "a frame does not come back";
		if (id != sent || len != 0)
			return "a frame came back as another, or with a length";
	}
	return NULL;
}

static const char *nothing_received(void)
{
	uint32_t len;
	uint16_t id;

	if (vring_take(&rings[RECEIVE], &id, &len))
		return "a buffer came back";
	for (unsigned int i = 0; i < sizeof(buffers); i++)
		if (((const uint8_t *)buffers)[i] != POISON)
			return "a buffer was written";
	return NULL;
}

static const char *choice(uint64_t arg)
{
	const char *wrong = open(arg & ~0xffffULL, (uint16_t)arg);

	if (wrong == NULL)
		wrong = frames_go_out();
	return wrong == NULL ? nothing_received() : wrong;
}

static const char *resets(uint64_t features)
{
	const char *wrong = NULL;

	for (unsigned int round = 0; round < 20 && wrong == NULL; round++) {
		wrong = open(features, 0);
		if (wrong != NULL)
			return wrong;
		for (unsigned int i = 0; i < 20; i++)
			send();
		vring_kick(&rings[TRANSMIT]);
		wait_cycles(round * 10000ULL);
		vdev_reset(&dev);
		wrong = nothing_received();
	}
	return wrong == NULL ? choice(features) : wrong;
}

/* A frame without a whole header is dropped, and its buffer comes back. */
static const char *no_header(uint64_t features)
{
	const struct vseg seg = { frame, HEADER_BYTES - 1, 0 };
	const char *wrong = open(features, 0);
	uint32_t len;
	uint16_t id;

	if (wrong != NULL)
		return wrong;
	vring_add(&rings[TRANSMIT], &seg, 1);
	vring_kick(&rings[TRANSMIT]);
	if (!vring_wait(&rings[TRANSMIT], &id, &len))
		return "the buffer does not come back";
	return frames_go_out();
}

/* "mac=" on the command line, as one number. */
static const char *mac(uint64_t arg)
{
	uint64_t address = 0;

	(void)arg;
	for (unsigned int i = 0; i < 6; i++)
		address = address << 8 | vdev_config8(&dev, i);
	if (address != cmdline_u64("mac", address) || address == 0)
		return "another address";
	return NULL;
}

static const struct guest_case cases[] = {
	{ "split", choice, 0 },
	{ "split-2", choice, 2 },
	{ "split-event", choice, FEATURE_EVENT_IDX },
	{ "split-indirect", choice, FEATURE_INDIRECT },
	{ "packed", choice, FEATURE_PACKED },
	{ "packed-3", choice, FEATURE_PACKED | 3 },
	{ "packed-event", choice, FEATURE_PACKED | FEATURE_EVENT_IDX },
	{ "packed-indirect", choice, FEATURE_PACKED | FEATURE_INDIRECT },
	{ "split-reset", resets, 0 },
	{ "packed-reset", resets, FEATURE_PACKED },
	{ "split-no-header", no_header, 0 },
	{ "mac", mac, 0 },
};

void guest_main(void)
{
	user_mode();
	check(vdev_find(&dev, VIRTIO_NET), "there is no network card");
	run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
