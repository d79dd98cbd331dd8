#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "core/util.h"

#define QUEUE_SIZE 64
/* Requests of one pass. */
#define BUDGET	   64
/* No chain may be longer than the queue (virtio 1.2, 2.7.5.3.1), and each gets
 * one byte at least (5.4.6.2). */
#define SEGMENTS   QUEUE_SIZE

/*
 * At most 256 bytes at a time: such a getrandom is neither cut short nor
 * interrupted once the host's pool is initialised, getrandom(2).
 */
static size_t take(struct virtio_rng *rng, uint8_t *to, size_t len)
{
	ssize_t got;

	if (rng->is_seeded) {
		seeded_fill(&rng->seeded, to, len);
		return len;
	}
	got = getrandom(to, len, 0);
	return got < 0 ? 0 : (size_t)got;
}

static size_t fill(struct virtio_rng *rng, const struct virtq_chain *chain)
{
	uint64_t want = min_u64(chain->writable_bytes, VIRTIO_RNG_MAX_BYTES);
	uint8_t bytes[256];
	uint64_t done = 0;

	while (done < want) {
		size_t got = take(rng, bytes,
				  (size_t)min_u64(sizeof(bytes), want - done));

		if (!got)
			break;
		virtq_chain_write(chain, done, bytes, got);
		done += got;
	}
	return (size_t)done;
}

static void rng_kick(struct virtio_device *device, unsigned int index)
{
	struct virtio_rng *rng =
		container_of(device, struct virtio_rng, device);
	struct virtq *vq = virtio_vq(device, index);
	struct iovec iov[SEGMENTS];
	struct virtq_chain chain = { .iov = iov, .iov_max = SEGMENTS };
	unsigned int budget = BUDGET;
	int rc;

	virtq_disable_kicks(vq);
	do {
		while (budget && (rc = virtq_pop(vq, &chain)) != 0) {
			if (rc != 1 && rc != -E2BIG)
				return;
			budget--;
			virtq_push(vq, chain.head,
				   rc == 1 ? (uint32_t)fill(rng, &chain) : 0);
		}
	} while (virtq_enable_kicks(vq) && budget);
	if (!budget)
		virtio_kick_again(device, index);
	virtio_interrupt(device, index);
}

static const struct virtio_device_type rng_type = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.kick = rng_kick,
};

int virtio_rng_init(struct virtio_rng *rng, const struct virtio_env *env,
		    struct err *err)
{
	const struct virtio_device_init init = {
		.type = &rng_type,
		.env = env,
		.queue_count = 1,
		.queue_size = QUEUE_SIZE,
	};

	rng->is_seeded = false;
	return virtio_device_init(&rng->device, &init, err);
}

void virtio_rng_seed(struct virtio_rng *rng, uint64_t seed)
{
	rng->is_seeded = true;
	seeded_init(&rng->seeded, seed, "virtio-rng");
}

void virtio_rng_release(struct virtio_rng *rng)
{
	virtio_device_release(&rng->device);
}
