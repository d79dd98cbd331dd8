#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "core/util.h"

#define QUEUE_SIZE 64
/* Requests of one pass. */
#define BUDGET	   64
/* What can hold VIRTIO_RNG_MAX_BYTES in any sensible way. */
#define SEGMENTS   16

/*
 * At most 256 bytes at a time: such a getrandom is neither cut short nor
 * interrupted once the host's pool is initialised, getrandom(2).
 */
static size_t fill(const struct virtq_chain *chain)
{
	uint64_t want = min_u64(chain->writable_bytes, VIRTIO_RNG_MAX_BYTES);
	uint8_t bytes[256];
	uint64_t done = 0;

	while (done < want) {
		ssize_t got = getrandom(
			bytes, (size_t)min_u64(sizeof(bytes), want - done), 0);

		if (got <= 0)
			break;
		virtq_chain_write(chain, done, bytes, (size_t)got);
		done += (uint64_t)got;
	}
	return (size_t)done;
}

static void rng_kick(struct virtio_device *device, unsigned int index)
{
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
				   rc == 1 ? (uint32_t)fill(&chain) : 0);
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

	return virtio_device_init(&rng->device, &init, err);
}

void virtio_rng_release(struct virtio_rng *rng)
{
	virtio_device_release(&rng->device);
}
