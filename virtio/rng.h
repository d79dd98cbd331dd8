/*
 * The entropy device: fills what the driver asks for from the host's random
 * number generator, at most VIRTIO_RNG_MAX_BYTES per request. With a seed the
 * bytes are always the same ones in the same order.
 *
 * Source: virtio 1.2, 5.4.
 */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include "core/seeded.h"
#include "virtio/device.h"

/*
 * A longer request is answered in part (5.4.6.2): the driver asks again, and
 * no guest holds a thread of ours for long.
 */
#define VIRTIO_RNG_MAX_BYTES 4096

struct virtio_rng {
	struct virtio_device device;
	bool is_seeded;
	struct seeded seeded; /* the only queue's */
};

int virtio_rng_init(struct virtio_rng *rng, const struct virtio_env *env,
		    struct err *err);
/* Before it runs: what it gives follows from @seed alone. */
void virtio_rng_seed(struct virtio_rng *rng, uint64_t seed);
/* The device was stopped. */
void virtio_rng_release(struct virtio_rng *rng);

#endif
