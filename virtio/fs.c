#include "virtio/fs.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"

/* Requests of one pass: each may wait for a disk. */
#define BUDGET	     16
/* Where an answer's head says how it went (fuse_out_header). */
#define ANSWER_ERROR 4

#define COUNT(fs, field, n) \
	count(fs, offsetof(struct virtio_fs_stats, field) / sizeof(uint64_t), n)

_Static_assert(sizeof(struct virtio_fs_config) == VIRTIO_FS_CONFIG_BYTES,
	       "no notify_buf_size without F_NOTIFICATION");
_Static_assert(SHARE_QUESTION_PEEK <= SHARE_QUESTION_MAX, "read at once");

static struct virtio_fs *from_device(struct virtio_device *device)
{
	return container_of(device, struct virtio_fs, device);
}

static void count(struct virtio_fs *fs, size_t counter, uint64_t n)
{
	atomic_uint_fast64_t *at = &fs->counters[counter];

	atomic_store_explicit(
		at, atomic_load_explicit(at, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* --- One request --------------------------------------------------------- */

/*
 * Copies as much of the question as the share wants to have to itself, each
 * byte once, and leaves the rest where it is.
 */
static void read_question(struct virtio_fs *fs, const struct virtq_chain *chain,
			  struct share_message *message)
{
	uint64_t total = chain->readable_bytes;
	size_t peek = (size_t)min_u64(total, SHARE_QUESTION_PEEK);
	uint8_t *question = fs->buffers[VIRTIO_FS_REQUEST].question;
	size_t len;

	virtq_chain_read(chain, 0, question, peek);
	len = fs->share->ops->copied(fs->share, question, peek, total);
	assert(len >= peek && len <= total && len <= SHARE_QUESTION_MAX);
	virtq_chain_read(chain, peek, question + peek, len - peek);
	message->bytes = question;
	message->len = len;
	message->in = chain->iov;
	message->in_count = chain->readable;
	message->in_bytes = total - len;
	virtq_iov_cut(&message->in, &message->in_count, len, 0);
}

/* Where the answer's head goes; a segment has a byte or more. */
struct head_room {
	struct iovec iov[SHARE_ANSWER_HEAD];
	uint16_t count;
};

static void find_room(const struct virtq_chain *chain,
		      struct share_message *message, struct head_room *head)
{
	message->out = chain->iov + chain->readable;
	message->out_count = chain->writable;
	head->count = (uint16_t)min_u64(chain->writable, SHARE_ANSWER_HEAD);
	memcpy(head->iov, message->out, head->count * sizeof(struct iovec));
	message->can_answer = virtq_iov_cut(&message->out, &message->out_count,
					    SHARE_ANSWER_HEAD, 0);
	if (message->can_answer)
		message->out_bytes = chain->writable_bytes - SHARE_ANSWER_HEAD;
	else
		message->out_count = 0;
}

/* Returns how many bytes the answer has. */
static uint32_t write_answer(struct virtio_fs *fs, struct head_room *head,
			     const struct share_message *message)
{
	const struct virtq_chain front = {
		.iov = head->iov,
		.writable = head->count,
	};
	const struct virtq_chain behind = {
		.iov = message->out,
		.writable = message->out_count,
	};
	uint64_t len = message->answer_len + message->moved;

	assert(len <= message->out_bytes);
	virtq_chain_write(&front, 0, message->head, SHARE_ANSWER_HEAD);
	virtq_chain_write(&behind, 0, message->answer, message->answer_len);
	if (load_le32(message->head + ANSWER_ERROR))
		COUNT(fs, errors, 1);
	COUNT(fs, bytes_out, SHARE_ANSWER_HEAD + len);
	return (uint32_t)(SHARE_ANSWER_HEAD + len);
}

/* Returns used.len. */
static uint32_t serve(struct virtio_fs *fs, const struct virtq_chain *chain)
{
	struct share_message message = { .answer = fs->answer };
	struct head_room head;

	COUNT(fs, requests, 1);
	COUNT(fs, bytes_in, chain->readable_bytes);
	read_question(fs, chain, &message);
	find_room(chain, &message, &head);
	if (fs->share->ops->serve(fs->share, &message))
		return write_answer(fs, &head, &message);
	return 0;
}

/* What comes on the queue of high priority: nothing that is answered. */
static void forget(struct virtio_fs *fs, const struct virtq_chain *chain)
{
	uint8_t *question = fs->buffers[VIRTIO_FS_HIPRIO].question;
	size_t len = virtq_chain_read(chain, 0, question, SHARE_QUESTION_MAX);

	fs->share->ops->forget(fs->share, question, len);
}

/* --- Queues -------------------------------------------------------------- */

/* False: the device failed. */
static bool take(struct virtio_fs *fs, unsigned int index, int rc,
		 const struct virtq_chain *chain)
{
	struct virtq *vq = virtio_vq(&fs->device, index);
	uint32_t len = 0;

	if (rc == -E2BIG) {
		/* No chain is longer than the queue (2.7.5.3.1). */
		virtq_push(vq, chain->head, 0);
		virtio_device_fail(
			&fs->device,
			"a request has more segments than the queue");
		return false;
	}
	if (rc < 0)
		return false;
	if (index == VIRTIO_FS_HIPRIO)
		forget(fs, chain);
	else
		len = serve(fs, chain);
	virtq_push(vq, chain->head, len);
	/* Each may take long: who waits for it hears of it at once. */
	virtio_interrupt(&fs->device, index);
	return true;
}

static void fs_kick(struct virtio_device *device, unsigned int index)
{
	struct virtio_fs *fs = from_device(device);
	struct virtq *vq = virtio_vq(device, index);
	struct virtq_chain chain = {
		.iov = fs->buffers[index].iov,
		.iov_max = VIRTIO_FS_QUEUE_SIZE,
	};
	unsigned int budget = BUDGET;
	int rc;

	virtq_disable_kicks(vq);
	do {
		while (budget && (rc = virtq_pop(vq, &chain)) != 0) {
			if (!take(fs, index, rc, &chain))
				return;
			budget--;
		}
	} while (budget && virtq_enable_kicks(vq));
	if (!budget)
		virtio_kick_again(device, index);
}

static void forget_all(void *opaque)
{
	struct virtio_fs *fs = opaque;

	fs->share->ops->reset(fs->share);
}

static int fs_reset(struct virtio_device *device)
{
	struct virtio_fs *fs = from_device(device);

	/* When its thread comes to this, it serves nothing. */
	io_context_call(fs->context, forget_all, fs);
	return 0;
}

static const struct virtio_device_type fs_type = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.kick = fs_kick,
	.reset = fs_reset,
};

/* --- Life ---------------------------------------------------------------- */

static int prepare(struct virtio_fs *fs, struct err *err)
{
	bool failed;

	/* Pages that no request needs are never touched. */
	fs->answer = malloc(SHARE_ANSWER_MAX);
	failed = !fs->answer;
	for (unsigned int i = 0; i < VIRTIO_FS_QUEUES; i++) {
		struct virtio_fs_buffers *buffers = &fs->buffers[i];

		buffers->question = malloc(SHARE_QUESTION_MAX);
		buffers->iov =
			calloc(VIRTIO_FS_QUEUE_SIZE, sizeof(*buffers->iov));
		failed |= !buffers->question || !buffers->iov;
	}
	if (failed)
		return err_sys(err, ENOMEM, "buffers of virtio-fs");
	return virtio_queue_set_context(&fs->device, VIRTIO_FS_REQUEST,
					fs->context, err);
}

int virtio_fs_init(struct virtio_fs *fs, const struct virtio_env *env,
		   const struct virtio_fs_options *options, struct err *err)
{
	const struct virtio_device_init init = {
		.type = &fs_type,
		.env = env,
		.queue_count = VIRTIO_FS_QUEUES,
		.queue_size = VIRTIO_FS_QUEUE_SIZE,
		.config = fs->config,
		.config_size = sizeof(fs->config),
	};
	struct virtio_fs_config config = { .num_request_queues = htole32(1) };
	size_t tag_len = strlen(options->tag);
	int rc;

	assert(tag_len && tag_len <= VIRTIO_FS_TAG_BYTES);
	*fs = (struct virtio_fs){
		.share = options->share,
		.context = options->context,
	};
	memcpy(config.tag, options->tag, tag_len);
	memcpy(fs->config, &config, sizeof(fs->config));
	rc = virtio_device_init(&fs->device, &init, err);
	if (!rc)
		rc = prepare(fs, err);
	if (rc)
		virtio_fs_release(fs);
	return rc;
}

void virtio_fs_release(struct virtio_fs *fs)
{
	virtio_device_release(&fs->device);
	for (unsigned int i = 0; i < VIRTIO_FS_QUEUES; i++) {
		free(move_ptr(&fs->buffers[i].question));
		free(move_ptr(&fs->buffers[i].iov));
	}
	free(move_ptr(&fs->answer));
}

void virtio_fs_stats(const struct virtio_fs *fs,
		     struct virtio_fs_stats *ret_stats)
{
	uint64_t values[ARRAY_SIZE(fs->counters)] = { 0 };

	_Static_assert(sizeof(values) == sizeof(*ret_stats),
		       "only numbers of 64 bits");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		values[i] = atomic_load_explicit(&fs->counters[i],
						 memory_order_relaxed);
	memcpy(ret_stats, values, sizeof(values));
}
