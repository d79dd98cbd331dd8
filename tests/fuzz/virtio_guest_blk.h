/*
 * The block device for tests/fuzz/virtio_guest.h, over a backend that is told
 * what to do (tests/unit/block_double.h) and a context without a thread. The
 * first byte of the input chooses the disk: 1 read-only, 2 four queues, 4 host
 * errors stop the machine, 8 writethrough. Operations of its own:
 *
 *	Z t s n k	post a request of type t at sector s with n bytes of
 *			data; k: 1 indirect
 *	F v		the thread makes a pass; v: 1 timers expire, 2 resume
 *	Y i r		the backend completes its request i with result r
 *	J v		from now on the backend has room for v requests
 *	L		all of it until nothing is left: everything that was
 *			posted has come back, with an answer
 *
 * The backend asserts that no request leaves the disk.
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_BLK_H
#define TESTS_FUZZ_VIRTIO_GUEST_BLK_H

#include <linux/virtio_blk.h>

#include "tests/fuzz/virtio_guest.h"
#include "tests/unit/block_double.h"
#include "tests/unit/io_context_manual.h"
#include "virtio/blk.h"

#define GUEST_DISK_BYTES (64 * KIB)
#define GUEST_SECTORS	 (GUEST_DISK_BYTES / 512)

/* In low memory, between the tables and what may only be read. */
#define GUEST_HEADERS	 0x18000ULL /* 64 bytes each */
#define GUEST_ANSWERS	 0x1c000ULL
#define GUEST_UNANSWERED 0xee

struct guest_blk {
	struct virtio_blk blk;
	struct io_manual io;
	struct io_context_ops io_ops; /* io's, but for `call` */
	struct block_double disk;
	struct virtio_blk_backend backends[GUEST_QUEUES];
	struct guest *guest;
	struct guest_transport transport; /* the real one's, but for status */
	const struct guest_transport *real;
	bool asked[GUEST_QUEUES][GUEST_SIZE]; /* posted by Z */
};

/* One at a time: the callbacks of the transport have no room for it. */
static struct guest_blk guest_blk;

/* --- The backend --------------------------------------------------------- */

static inline int guest_blk_result(struct guest *guest)
{
	static const int results[] = { -EIO, -ENOSPC, -EOPNOTSUPP, -EROFS };
	unsigned int digit = guest_digit(guest);

	return digit < 12 ? 0 : results[digit - 12];
}

static inline void guest_blk_complete(int result)
{
	/* Those that lead to more at most as often as they can. */
	for (int i = 0; i < 4096 && guest_blk.disk.count; i++)
		block_double_complete(&guest_blk.disk, 0, result);
}

/* A transport that waits for a reset waits on the only thread there is: what
 * is in flight comes back right after it was asked for. */
static inline void guest_blk_call(struct io_context *context,
				  void (*run)(void *opaque), void *opaque)
{
	(void)context;
	run(opaque);
	if (guest_blk.blk.device.resetting)
		guest_blk_complete(-EIO);
}

/* A driver that waits for a reset reads the status until it is 0. */
static inline uint8_t guest_blk_status(struct guest *guest)
{
	uint8_t status = guest_blk.real->status(guest);

	if (guest_blk.blk.device.resetting) {
		guest_blk_complete(0);
		status = guest_blk.real->status(guest);
	}
	if (!status)
		memset(guest_blk.asked, 0, sizeof(guest_blk.asked));
	return status;
}

/* --- Operations ---------------------------------------------------------- */

static inline uint64_t guest_blk_sector(struct guest *guest)
{
	static const uint64_t sectors[] = {
		0,
		1,
		2,
		7,
		8,
		64,
		GUEST_SECTORS - 8,
		GUEST_SECTORS - 1,
		GUEST_SECTORS,
		GUEST_SECTORS + 1,
		UINT32_MAX,
		1ULL << 55,
		UINT64_MAX / 512,
		UINT64_MAX / 512 + 1,
		UINT64_MAX - 1,
		UINT64_MAX,
	};

	return sectors[guest_digit(guest)];
}

static inline uint32_t guest_blk_type(struct guest *guest)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN,	   VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_FLUSH,	   VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD,	   VIRTIO_BLK_T_WRITE_ZEROES,
		VIRTIO_BLK_T_SECURE_ERASE, VIRTIO_BLK_T_SCSI_CMD,
		VIRTIO_BLK_T_BARRIER,	   UINT32_MAX,
	};

	return types[guest_digit(guest) % ARRAY_SIZE(types)];
}

static inline uint32_t guest_blk_length(struct guest *guest)
{
	static const uint32_t lengths[] = { 0,	1,    15,   16,	 20,   32,
					    48, 511,  512,  513, 1024, 1536,
					    33, 2048, 4096, 8192 };

	return lengths[guest_digit(guest)];
}

static inline bool guest_blk_is_range(uint32_t type)
{
	return type == VIRTIO_BLK_T_DISCARD ||
	       type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* The header, and behind it up to three ranges. */
static inline gpa_t guest_blk_header(struct guest *guest, uint16_t head,
				     uint32_t type)
{
	gpa_t at = GUEST_HEADERS + 0x400ULL * guest->queue + 0x40ULL * head;
	uint8_t bytes[64] = { 0 };

	store_le32(bytes, type);
	store_le64(bytes + 8, guest_blk_sector(guest));
	for (unsigned int i = 16; guest_blk_is_range(type) && i < 64; i += 16) {
		store_le64(bytes + i, guest_blk_sector(guest));
		store_le32(bytes + i + 8, guest_digit(guest));
		store_le32(bytes + i + 12, guest_digit(guest) >> 2);
	}
	gmem_write(&guest->gmem, at, bytes, sizeof(bytes));
	return at;
}

static inline void guest_blk_post(struct guest *guest)
{
	struct ring_driver *ring = &guest->rings[guest->queue];
	struct ring_buffer buffers[3];
	uint8_t unanswered = GUEST_UNANSWERED;
	uint32_t type = guest_blk_type(guest);
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	bool indirect = guest_digit(guest) & ring->features.indirect;
	uint32_t length = guest_blk_length(guest);
	unsigned int count = 0;
	uint16_t head = ring->next_free;
	gpa_t answer;
	gpa_t header;

	if (!guest_find_head(guest, indirect ? 1 : 3))
		return;
	header = guest_blk_header(guest, head, type);
	answer = GUEST_ANSWERS + 0x20ULL * guest->queue + 2ULL * head;
	gmem_write(&guest->gmem, answer, &unanswered, 1);
	buffers[count++] = (struct ring_buffer){ header, 16, false };
	if (guest_blk_is_range(type))
		buffers[count++] = (struct ring_buffer){
			header + 16, (uint32_t)min_u64(length, 48), false
		};
	else if (length)
		buffers[count++] = (struct ring_buffer){ in ? GUEST_WRITABLE :
							      GUEST_READABLE,
							 length, in };
	buffers[count++] = (struct ring_buffer){ answer, 1, true };
	if (indirect)
		head = ring_add_indirect(ring,
					 GUEST_TABLES +
						 0x1000ULL * guest->queue +
						 0x100ULL * head,
					 buffers, count);
	else
		head = ring_add(ring, buffers, count);
	guest_posted(guest, head, 1 + (in ? length : 0), indirect ? 1 : count);
	guest_blk.asked[guest->queue][head] = true;
}

static inline void guest_blk_check_answers(struct guest *guest)
{
	for (unsigned int q = 0; q < guest->queue_count; q++) {
		for (unsigned int head = 0; head < GUEST_SIZE; head++) {
			uint8_t answer = 0;

			if (!guest_blk.asked[q][head] ||
			    guest->chains[q][head].posted)
				continue;
			guest_blk.asked[q][head] = false;
			gmem_read(&guest->gmem,
				  GUEST_ANSWERS + 0x20ULL * q + 2ULL * head,
				  &answer, 1);
			guest_require(answer <= VIRTIO_BLK_S_UNSUPP,
				      "a request came back without an answer");
		}
	}
}

static inline void guest_blk_take(struct guest *guest)
{
	unsigned int queue = guest->queue;

	for (guest->queue = 0; guest->queue < guest->queue_count;
	     guest->queue++)
		guest_take(guest);
	guest->queue = queue;
	if (!guest->spoiled && guest->running)
		guest_blk_check_answers(guest);
	else
		memset(guest_blk.asked, 0, sizeof(guest_blk.asked));
}

static inline void guest_blk_pass(struct guest *guest)
{
	unsigned int what = guest_digit(guest);

	io_manual_run(&guest_blk.io);
	if (what & 1)
		io_manual_expire(&guest_blk.io);
	if (what & 2)
		virtio_blk_resume(&guest_blk.blk);
}

static inline void guest_blk_finish(struct guest *guest)
{
	guest_blk.disk.room = BLOCK_DOUBLE_MAX;
	for (unsigned int q = 0; q < guest->queue_count; q++)
		virtio_notify(guest->device, q);
	for (int i = 0; i < 16; i++) {
		io_manual_run(&guest_blk.io);
		io_manual_expire(&guest_blk.io);
		virtio_blk_resume(&guest_blk.blk);
		guest_blk_complete(0);
		io_manual_end_batches(&guest_blk.io);
		guest_blk_take(guest);
	}
	for (unsigned int q = 0; q < guest->queue_count; q++)
		guest_require(guest->spoiled || !guest->running ||
				      !guest->outstanding[q],
			      "a chain did not come back");
	guest_check_readable(guest);
}

static inline bool guest_blk_op(struct guest *guest, uint8_t op)
{
	unsigned int index;
	int result;

	switch (op) {
	case 'Z':
		if (guest->running && guest->queue < guest->queue_count)
			guest_blk_post(guest);
		return true;
	case 'F':
		guest_blk_pass(guest);
		return true;
	case 'Y':
		index = guest_digit(guest);
		result = guest_blk_result(guest);
		if (guest_blk.disk.count)
			block_double_complete(&guest_blk.disk,
					      index % guest_blk.disk.count,
					      result);
		return true;
	case 'J':
		guest_blk.disk.room = guest_digit(guest);
		return true;
	case 'L':
		guest_blk_finish(guest);
		return true;
	default:
		return false;
	}
}

/* --- Life ---------------------------------------------------------------- */

static inline void guest_blk_stop(void *opaque, struct virtio_blk *blk,
				  int error)
{
	(void)opaque;
	guest_require(blk == &guest_blk.blk && error < 0, "a stop for nothing");
}

static inline void guest_blk_init(struct guest *guest)
{
	unsigned int kind = guest_digit(guest);
	const struct block_info info = {
		.size_bytes = GUEST_DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.discard_bytes = 4096,
		.read_only = kind & 1,
		.discard = !(kind & 1),
		.writethrough = kind & 8,
	};
	const struct virtio_blk_options options = {
		.queue_count = kind & 2 ? GUEST_QUEUES : 1,
		.queue_size = GUEST_SIZE,
		.backends = guest_blk.backends,
		.info = &info,
		.serial = "fuzz",
		.on_write_error = kind & 4 ? VIRTIO_BLK_STOP :
					     VIRTIO_BLK_REPORT,
		.stop = guest_blk_stop,
	};
	const struct virtio_env env = {
		.gmem = &guest->gmem,
		.report = guest_report,
		.opaque = guest,
	};

	memset(&guest_blk, 0, sizeof(guest_blk));
	guest_init_memory(guest);
	guest_blk.guest = guest;
	io_manual_init(&guest_blk.io);
	guest_blk.io_ops = *guest_blk.io.context.ops;
	guest_blk.io_ops.call = guest_blk_call;
	guest_blk.io.context.ops = &guest_blk.io_ops;
	block_double_init(&guest_blk.disk, GUEST_DISK_BYTES);
	for (unsigned int i = 0; i < GUEST_QUEUES; i++)
		guest_blk.backends[i] = (struct virtio_blk_backend){
			.block = &guest_blk.disk.block,
			.context = &guest_blk.io.context,
		};
	guest_require(virtio_blk_init(&guest_blk.blk, &env, &options, NULL) ==
			      0,
		      "no device");
	guest->device = &guest_blk.blk.device;
	guest->queue_count = options.queue_count;
	guest->op = guest_blk_op;
	/* All but the bits of the ring. */
	guest->device_features = guest->device->offered & 0xffffff;
}

/* After the transport was attached. */
static inline void guest_blk_attach(struct guest *guest)
{
	guest_blk.real = guest->transport;
	guest_blk.transport = *guest->transport;
	guest_blk.transport.status = guest_blk_status;
	guest->transport = &guest_blk.transport;
}

static inline void guest_blk_release(void)
{
	virtio_device_stop(&guest_blk.blk.device);
	guest_require(!guest_blk.disk.count, "a reset left requests behind");
	virtio_blk_release(&guest_blk.blk);
	io_manual_release(&guest_blk.io);
	block_double_release(&guest_blk.disk);
}

#endif
