/*
 * The file system device for tests/fuzz/virtio_guest.h, over a share that looks
 * at every byte it is handed, fills all the room it is given, and a context
 * without a thread. A kick is a pass of that thread too. Operations of its own:
 *
 *	C v		of a question, v * 16 bytes are copied; 0: all of it
 *	M v		answers: v & 1 from the buffer, else moved; v & 2 none
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_FS_H
#define TESTS_FUZZ_VIRTIO_GUEST_FS_H

#include "tests/fuzz/virtio_guest.h"
#include "tests/unit/io_context_manual.h"
#include "virtio/fs.h"

struct guest_fs {
	struct virtio_fs fs;
	struct io_manual io;
	struct share share;
	struct guest_transport transport; /* the real one's, but for kicks */
	const struct guest_transport *real;
	size_t copied;
	bool buffered;
	bool silent;
	uint64_t seen; /* so that each byte is read */
};

/* One at a time: the callbacks of the transport have no room for it. */
static struct guest_fs guest_fs;

/* --- The share ----------------------------------------------------------- */

static inline size_t guest_fs_copied(struct share *share, const uint8_t *peek,
				     size_t len, uint64_t total)
{
	(void)share;
	(void)peek;
	guest_require(len == min_u64(total, SHARE_QUESTION_PEEK), "a peek");
	if (!guest_fs.copied)
		return min_u64(total, SHARE_QUESTION_MAX);
	return max_u64(len, min_u64(total, guest_fs.copied));
}

static inline void guest_fs_look(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		guest_fs.seen += bytes[i];
}

static inline bool guest_fs_serve(struct share *share,
				  struct share_message *message)
{
	uint64_t in_bytes = 0;
	uint64_t out_bytes = 0;

	(void)share;
	guest_fs_look(message->bytes, message->len);
	for (unsigned int i = 0; i < message->in_count; i++) {
		guest_fs_look(message->in[i].iov_base, message->in[i].iov_len);
		in_bytes += message->in[i].iov_len;
	}
	for (unsigned int i = 0; i < message->out_count; i++) {
		if (!guest_fs.buffered)
			memset(message->out[i].iov_base, 0xa5,
			       message->out[i].iov_len);
		out_bytes += message->out[i].iov_len;
	}
	guest_require(in_bytes == message->in_bytes, "bytes of a question");
	guest_require(out_bytes == message->out_bytes, "room for an answer");
	guest_require(message->can_answer || !out_bytes, "room without a head");
	memset(message->head, 0x5a, sizeof(message->head));
	if (guest_fs.buffered) {
		message->answer_len = min_u64(out_bytes, SHARE_ANSWER_MAX);
		memset(message->answer, 0xa5, message->answer_len);
	} else {
		message->moved = out_bytes;
	}
	return message->can_answer && !guest_fs.silent;
}

static inline void guest_fs_forget(struct share *share, const uint8_t *bytes,
				   size_t len)
{
	(void)share;
	guest_require(len <= SHARE_QUESTION_MAX, "a long question");
	guest_fs_look(bytes, len);
}

static inline void guest_fs_reset(struct share *share)
{
	(void)share;
}

/* --- The device ---------------------------------------------------------- */

static inline void guest_fs_kick(struct guest *guest, unsigned int queue)
{
	guest_fs.real->kick(guest, queue);
	io_manual_run(&guest_fs.io);
}

static inline bool guest_fs_op(struct guest *guest, uint8_t op)
{
	unsigned int digit;

	if (op != 'C' && op != 'M')
		return false;
	digit = guest_digit(guest);
	if (op == 'C') {
		guest_fs.copied = 16UL * digit;
		return true;
	}
	guest_fs.buffered = digit & 1;
	guest_fs.silent = digit & 2;
	return true;
}

static inline void guest_fs_init(struct guest *guest)
{
	static const struct share_ops ops = {
		.copied = guest_fs_copied,
		.serve = guest_fs_serve,
		.forget = guest_fs_forget,
		.reset = guest_fs_reset,
	};
	const struct virtio_env env = {
		.gmem = &guest->gmem,
		.report = guest_report,
		.opaque = guest,
	};
	const struct virtio_fs_options options = {
		.tag = "fuzz",
		.share = &guest_fs.share,
		.context = &guest_fs.io.context,
	};

	memset(&guest_fs, 0, sizeof(guest_fs));
	guest_init_memory(guest);
	io_manual_init(&guest_fs.io);
	guest_fs.share.ops = &ops;
	guest_require(virtio_fs_init(&guest_fs.fs, &env, &options, NULL) == 0,
		      "no device");
	guest->device = &guest_fs.fs.device;
	guest->queue_count = VIRTIO_FS_QUEUES;
	guest->answers_at_once = true;
	guest->op = guest_fs_op;
}

/* Behind the transport's. */
static inline void guest_fs_attach(struct guest *guest)
{
	guest_fs.real = guest->transport;
	guest_fs.transport = *guest->transport;
	guest_fs.transport.kick = guest_fs_kick;
	guest->transport = &guest_fs.transport;
}

static inline void guest_fs_release(void)
{
	virtio_device_stop(&guest_fs.fs.device);
	virtio_fs_release(&guest_fs.fs);
	io_manual_release(&guest_fs.io);
}

#endif
