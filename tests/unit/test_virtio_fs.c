/*
 * What the file system device does with chains, good and bad. The share is a
 * double that keeps what it was handed and answers as it is told.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <stdlib.h>

#include "tests/unit/io_context_manual.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/fs.h"

#define RAM	   (32 * MIB)
#define RINGS	   0x10000ULL
#define RING_BYTES 0x10000ULL
#define TABLE	   0x100000ULL
#define QUESTION   0x800000ULL
#define ANSWER	   0xc00000ULL
#define UNTOUCHED  0xee
#define BIT(n)	   (1ULL << (n))
#define FEATURES   (BIT(VIRTIO_F_VERSION_1) | BIT(28))
#define EVENT_IDX  BIT(29)
#define PACKED	   BIT(VIRTIO_F_RING_PACKED)
#define READY                                                   \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define RUNNING (READY | VIRTIO_CONFIG_S_DRIVER_OK)

struct double_share {
	struct share share;
	size_t copied; /* what it asks for; 0: all there is */
	bool answers;
	size_t answer_len;
	size_t moved;
	bool forgets; /* while it serves, the guest forgets something */
	/* What came. */
	unsigned int served;
	unsigned int resets;
	unsigned int forgotten;
	size_t peek_len;
	uint64_t total;
	size_t len;
	uint8_t bytes[SHARE_QUESTION_MAX];
	uint64_t in_bytes;
	uint64_t out_bytes;
	bool can_answer;
	uint8_t in[4096]; /* the beginning of what was not copied */
};

static void forget_meanwhile(void);

static struct gmem gmem;
static struct io_manual io;
static struct double_share share;
static struct virtio_fs fs;
static struct ring_driver rings[VIRTIO_FS_QUEUES];
static unsigned int interrupts[VIRTIO_FS_QUEUES];
static unsigned int reports;

/* --- The share ----------------------------------------------------------- */

static size_t on_copied(struct share *from, const uint8_t *peek, size_t len,
			uint64_t total)
{
	(void)from;
	(void)peek;
	share.peek_len = len;
	share.total = total;
	if (share.copied)
		return max_u64(len, min_u64(share.copied, total));
	return min_u64(total, SHARE_QUESTION_MAX);
}

static size_t gather(uint8_t *to, const struct iovec *iov, unsigned int count,
		     size_t room)
{
	size_t len = 0;

	for (unsigned int i = 0; i < count && len < room; i++) {
		size_t part = min_u64(iov[i].iov_len, room - len);

		memcpy(to + len, iov[i].iov_base, part);
		len += part;
	}
	return len;
}

static uint8_t answer_byte(size_t at)
{
	return (uint8_t)(at * 3 + 1);
}

static void move(const struct share_message *message)
{
	size_t at = 0;

	for (unsigned int i = 0; i < message->out_count; i++) {
		uint8_t *to = message->out[i].iov_base;

		for (size_t n = 0; n < message->out[i].iov_len; n++) {
			if (at < share.moved)
				to[n] = answer_byte(at++);
		}
	}
}

static bool on_serve(struct share *from, struct share_message *message)
{
	uint64_t in_bytes = 0;
	uint64_t out_bytes = 0;

	ck_assert_ptr_eq(from, &share.share);
	share.served++;
	if (share.forgets)
		forget_meanwhile();
	share.len = message->len;
	memcpy(share.bytes, message->bytes, message->len);
	for (unsigned int i = 0; i < message->in_count; i++)
		in_bytes += message->in[i].iov_len;
	for (unsigned int i = 0; i < message->out_count; i++)
		out_bytes += message->out[i].iov_len;
	ck_assert_uint_eq(in_bytes, message->in_bytes);
	ck_assert_uint_eq(out_bytes, message->out_bytes);
	share.in_bytes = in_bytes;
	share.out_bytes = out_bytes;
	share.can_answer = message->can_answer;
	gather(share.in, message->in, message->in_count, sizeof(share.in));
	for (size_t i = 0; i < SHARE_ANSWER_HEAD; i++)
		message->head[i] = (uint8_t)(0xa0 + i);
	for (size_t i = 0; i < share.answer_len; i++)
		message->answer[i] = answer_byte(i);
	message->answer_len = share.answer_len;
	message->moved = share.moved;
	move(message);
	return share.answers && message->can_answer;
}

static void on_forget(struct share *from, const uint8_t *bytes, size_t len)
{
	ck_assert_ptr_eq(from, &share.share);
	share.forgotten++;
	share.len = len;
	memcpy(share.bytes, bytes, len);
}

static void on_reset(struct share *from)
{
	ck_assert_ptr_eq(from, &share.share);
	share.resets++;
}

static const struct share_ops share_ops = {
	.copied = on_copied,
	.serve = on_serve,
	.forget = on_forget,
	.reset = on_reset,
};

/* --- The machine and its driver ------------------------------------------ */

static void on_interrupt(struct virtio_device *device, unsigned int index)
{
	(void)device;
	interrupts[index]++;
}

static void on_config_interrupt(struct virtio_device *device)
{
	(void)device;
}

static void on_was_reset(struct virtio_device *device)
{
	(void)device;
}

static void on_report(void *opaque, const struct virtio_device *device,
		      const char *what)
{
	(void)opaque;
	(void)device;
	ck_assert_int_ne(what[0], '\0');
	reports++;
}

static void create(const char *tag)
{
	static const struct virtio_transport_ops transport = {
		.interrupt = on_interrupt,
		.config_interrupt = on_config_interrupt,
		.was_reset = on_was_reset,
	};
	const struct virtio_env env = { .gmem = &gmem, .report = on_report };
	const struct virtio_fs_options options = {
		.tag = tag,
		.share = &share.share,
		.context = &io.context,
	};

	ck_assert_int_eq(virtio_fs_init(&fs, &env, &options, NULL), 0);
	fs.device.transport = &transport;
}

static void set_up(void)
{
	memset(&share, 0, sizeof(share));
	memset(interrupts, 0, sizeof(interrupts));
	reports = 0;
	share.share.ops = &share_ops;
	share.answers = true;
	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	io_manual_init(&io);
}

static void tear_down(void)
{
	virtio_device_stop(&fs.device);
	virtio_fs_release(&fs);
	io_manual_release(&io);
	gmem_release(&gmem);
}

static void set_status(uint8_t status)
{
	pthread_mutex_lock(&fs.device.lock);
	virtio_write_status(&fs.device, status, false);
	pthread_mutex_unlock(&fs.device.lock);
}

static uint8_t status(void)
{
	uint8_t value;

	pthread_mutex_lock(&fs.device.lock);
	value = virtio_read_status(&fs.device);
	pthread_mutex_unlock(&fs.device.lock);
	return value;
}

static void start(uint64_t features)
{
	const struct virtq_features ring = {
		.packed = features & PACKED,
		.event_idx = features & EVENT_IDX,
		.indirect = true,
	};

	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_write_driver_features(&fs.device, 0, (uint32_t)features);
	virtio_write_driver_features(&fs.device, 1, (uint32_t)(features >> 32));
	set_status(READY);
	ck_assert_uint_eq(status(), READY);
	for (unsigned int i = 0; i < VIRTIO_FS_QUEUES; i++) {
		ring_init(&rings[i], &gmem, RINGS + RING_BYTES * i, 64, &ring);
		fs.device.queues[i].layout = rings[i].layout;
		virtio_queue_enable(&fs.device.queues[i]);
		ck_assert(fs.device.queues[i].vq.enabled);
	}
	set_status(RUNNING);
	ck_assert_uint_eq(status(), RUNNING);
}

static uint8_t *host(gpa_t gpa)
{
	return ring_host(&rings[0], gpa, 1);
}

static void fill(size_t question_bytes)
{
	for (size_t i = 0; i < question_bytes; i++)
		host(QUESTION)[i] = (uint8_t)(i * 7 + i / 256);
	memset(host(ANSWER), UNTOUCHED, 2 * MIB);
}

/* Kicks, and takes what came back: used.len. */
static uint32_t kick(unsigned int queue)
{
	uint32_t head;
	uint32_t len = UINT32_MAX;

	virtio_notify(&fs.device, queue);
	io_manual_run(&io);
	ck_assert(ring_take(&rings[queue], &head, &len));
	return len;
}

/* One chain of two buffers, as far as they have bytes. */
static uint32_t ask(unsigned int queue, uint32_t question, uint32_t answer)
{
	struct ring_buffer buffers[2];
	unsigned int count = 0;

	fill(question);
	if (question)
		buffers[count++] =
			(struct ring_buffer){ QUESTION, question, false };
	if (answer)
		buffers[count++] = (struct ring_buffer){ ANSWER, answer, true };
	ring_add(&rings[queue], buffers, count);
	return kick(queue);
}

static void check_answer(size_t len)
{
	for (size_t i = 0; i < SHARE_ANSWER_HEAD; i++)
		ck_assert_uint_eq(host(ANSWER)[i], 0xa0 + i);
	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(host(ANSWER)[SHARE_ANSWER_HEAD + i],
				  answer_byte(i));
	ck_assert_uint_eq(host(ANSWER)[SHARE_ANSWER_HEAD + len], UNTOUCHED);
}

/* --- Description --------------------------------------------------------- */

START_TEST(test_description)
{
	static const char tag[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	create(tag);
	ck_assert_uint_eq(fs.device.type->id, 26);
	ck_assert_uint_eq(fs.device.queue_count, 2);
	ck_assert_uint_eq(fs.device.config_size, 40);
	for (unsigned int i = 0; i < 36; i++)
		ck_assert_uint_eq(virtio_read_config(&fs.device, i, 1),
				  (uint8_t)tag[i]);
	ck_assert_uint_eq(virtio_read_config(&fs.device, 36, 4), 1);
	ck_assert_uint_eq(virtio_read_config(&fs.device, 40, 4), 0);
	/* No NOTIFICATION: bit 0. */
	ck_assert_uint_eq(fs.device.offered & 0xffffff, 0);
}
END_TEST

START_TEST(test_short_tag_is_padded)
{
	create("a");
	ck_assert_uint_eq(virtio_read_config(&fs.device, 0, 1), 'a');
	for (unsigned int i = 1; i < 36; i++)
		ck_assert_uint_eq(virtio_read_config(&fs.device, i, 1), 0);
	/* Nothing of it can be written. */
	virtio_write_config(&fs.device, 0, 'b', 1);
	ck_assert_uint_eq(virtio_read_config(&fs.device, 0, 1), 'a');
}
END_TEST

/* --- Requests ------------------------------------------------------------ */

static const uint64_t ring_features[] = {
	FEATURES,
	FEATURES | EVENT_IDX,
	FEATURES | PACKED,
	FEATURES | PACKED | EVENT_IDX,
};

START_TEST(test_question_and_answer)
{
	struct virtio_fs_stats stats;

	create("t");
	start(ring_features[_i]);
	share.answer_len = 100;
	for (unsigned int round = 0; round < 200; round++) {
		ck_assert_uint_eq(ask(VIRTIO_FS_REQUEST, 300, 200), 116);
		ck_assert_uint_eq(share.peek_len, 80);
		ck_assert_uint_eq(share.total, 300);
		ck_assert_uint_eq(share.len, 300);
		ck_assert_mem_eq(share.bytes, host(QUESTION), 300);
		ck_assert_uint_eq(share.in_bytes, 0);
		ck_assert_uint_eq(share.out_bytes, 184);
		check_answer(100);
	}
	ck_assert_uint_eq(share.served, 200);
	ck_assert_uint_gt(interrupts[1], 0);
	virtio_fs_stats(&fs, &stats);
	ck_assert_uint_eq(stats.requests, 200);
	ck_assert_uint_eq(stats.bytes_in, 200UL * 300);
	ck_assert_uint_eq(stats.bytes_out, 200UL * 116);
	ck_assert_uint_eq(stats.errors, 200);
}
END_TEST

/* 2.7.4.1: no assumption on how a message is cut into descriptors. */
START_TEST(test_odd_splits)
{
	struct ring_buffer buffers[48];
	unsigned int count = 0;

	create("t");
	start(FEATURES);
	fill(1000);
	share.copied = 90;
	share.answer_len = 50;
	for (unsigned int i = 0; i < 23; i++)
		buffers[count++] =
			(struct ring_buffer){ QUESTION + 5ULL * i, 5, false };
	/* Not side by side, or they would be one again. */
	for (unsigned int i = 0; i < 20; i++)
		buffers[count++] =
			(struct ring_buffer){ ANSWER + 64ULL * i, 1, true };
	buffers[count++] = (struct ring_buffer){ ANSWER + 4096, 100, true };
	ring_add_indirect(&rings[1], TABLE, buffers, count);
	ck_assert_uint_eq(kick(1), 66);
	ck_assert_uint_eq(share.len, 90);
	ck_assert_uint_eq(share.in_bytes, 25);
	ck_assert_mem_eq(share.bytes, host(QUESTION), 90);
	ck_assert_mem_eq(share.in, host(QUESTION) + 90, 25);
	ck_assert_uint_eq(share.out_bytes, 104);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(*host(ANSWER + 64ULL * i), 0xa0 + i);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(*host(ANSWER + 64ULL * (16 + i)),
				  answer_byte(i));
	for (unsigned int i = 0; i < 46; i++)
		ck_assert_uint_eq(*host(ANSWER + 4096 + i), answer_byte(4 + i));
	ck_assert_uint_eq(*host(ANSWER + 4096 + 46), UNTOUCHED);
}
END_TEST

/* Data stays where it is, both ways. */
START_TEST(test_data_is_not_copied)
{
	create("t");
	start(FEATURES);
	share.copied = 80;
	ck_assert_uint_eq(ask(1, 80 + MIB, 24), 16);
	ck_assert_uint_eq(share.len, 80);
	ck_assert_uint_eq(share.in_bytes, MIB);
	ck_assert_mem_eq(share.in, host(QUESTION) + 80, sizeof(share.in));
	share.copied = 0;
	share.moved = MIB - 5;
	ck_assert_uint_eq(ask(1, 80, 16 + MIB), 16 + MIB - 5);
	ck_assert_uint_eq(share.out_bytes, MIB);
	check_answer(MIB - 5);
}
END_TEST

/* The whole of what is too long is not copied, but told of. */
START_TEST(test_long_question)
{
	create("t");
	start(FEATURES);
	ask(1, SHARE_QUESTION_MAX, 16);
	ck_assert_uint_eq(share.len, SHARE_QUESTION_MAX);
	ck_assert_uint_eq(share.in_bytes, 0);
	ask(1, SHARE_QUESTION_MAX + 7, 16);
	ck_assert_uint_eq(share.len, SHARE_QUESTION_MAX);
	ck_assert_uint_eq(share.in_bytes, 7);
}
END_TEST

START_TEST(test_short_chains)
{
	create("t");
	start(FEATURES);
	/* No question at all, less than a head, no room for an answer. */
	ck_assert_uint_eq(ask(1, 0, 100), 16);
	ck_assert_uint_eq(share.len, 0);
	ck_assert_uint_eq(ask(1, 39, 100), 16);
	ck_assert_uint_eq(share.len, 39);
	ck_assert_uint_eq(ask(1, 80, 15), 0);
	ck_assert(!share.can_answer);
	ck_assert_uint_eq(share.out_bytes, 0);
	ck_assert_uint_eq(*host(ANSWER), UNTOUCHED);
	ck_assert_uint_eq(ask(1, 80, 0), 0);
	ck_assert(!share.can_answer);
	ck_assert_uint_eq(ask(1, 80, 16), 16);
	ck_assert(share.can_answer);
	ck_assert_uint_eq(share.out_bytes, 0);
	check_answer(0);
	ck_assert_uint_eq(reports, 0);
}
END_TEST

START_TEST(test_no_answer)
{
	create("t");
	start(FEATURES);
	share.answers = false;
	ck_assert_uint_eq(ask(1, 48, 0), 0);
	ck_assert_uint_eq(ask(1, 48, 100), 0);
	ck_assert_uint_eq(*host(ANSWER), UNTOUCHED);
	ck_assert_uint_eq(share.served, 2);
}
END_TEST

/* 5.11.6.2: the queue of high priority. */
START_TEST(test_forget)
{
	create("t");
	start(ring_features[_i]);
	ck_assert_uint_eq(ask(VIRTIO_FS_HIPRIO, 48, 0), 0);
	ck_assert_uint_eq(share.len, 48);
	ck_assert_mem_eq(share.bytes, host(QUESTION), 48);
	/* Whatever is not for it, and more than it takes. */
	ck_assert_uint_eq(ask(VIRTIO_FS_HIPRIO, 0, 100), 0);
	ck_assert_uint_eq(share.len, 0);
	ck_assert_uint_eq(ask(VIRTIO_FS_HIPRIO, MIB, 100), 0);
	ck_assert_uint_eq(share.len, SHARE_QUESTION_MAX);
	ck_assert_uint_eq(*host(ANSWER), UNTOUCHED);
	ck_assert_uint_eq(share.forgotten, 3);
	ck_assert_uint_eq(share.served, 0);
	ck_assert_uint_gt(interrupts[0], 0);
}
END_TEST

static void forget_meanwhile(void)
{
	const struct ring_buffer buffer = { QUESTION, 48, false };
	uint32_t head;
	uint32_t len;

	ring_add(&rings[VIRTIO_FS_HIPRIO], &buffer, 1);
	virtio_notify(&fs.device, VIRTIO_FS_HIPRIO);
	ck_assert(ring_take(&rings[VIRTIO_FS_HIPRIO], &head, &len));
	ck_assert_uint_eq(len, 0);
}

/* It does not wait for what the other one waits for. */
START_TEST(test_forget_meanwhile)
{
	create("t");
	start(FEATURES);
	share.forgets = true;
	ck_assert_uint_eq(ask(VIRTIO_FS_REQUEST, 300, 200), 16);
	ck_assert_uint_eq(share.forgotten, 1);
	ck_assert_uint_eq(share.served, 1);
}
END_TEST

/* A chain that cannot be is the end until a reset. */
START_TEST(test_bad_chain)
{
	const struct ring_buffer outside = { RAM, 80, false };

	create("t");
	start(FEATURES);
	ring_add(&rings[1], &outside, 1);
	virtio_notify(&fs.device, 1);
	io_manual_run(&io);
	ck_assert_uint_eq(share.served, 0);
	ck_assert_uint_eq(reports, 1);
	ck_assert(status() & VIRTIO_CONFIG_S_NEEDS_RESET);
	set_status(0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(share.resets, 1);
	start(FEATURES);
	ck_assert_uint_eq(ask(1, 80, 16), 16);
}
END_TEST

/* More than one pass takes, and all of it comes back. */
START_TEST(test_many)
{
	const struct ring_buffer buffers[] = { { QUESTION, 80, false },
					       { ANSWER, 64, true } };
	unsigned int back = 0;
	uint32_t head;
	uint32_t len;

	create("t");
	start(ring_features[_i]);
	fill(80);
	for (unsigned int i = 0; i < 32; i++)
		ring_add_at(&rings[1], (uint16_t)(2 * i), buffers, 2);
	virtio_notify(&fs.device, 1);
	io_manual_run(&io);
	while (ring_take(&rings[1], &head, &len)) {
		ck_assert_uint_eq(len, 16);
		back++;
	}
	ck_assert_uint_eq(back, 32);
	ck_assert_uint_eq(share.served, 32);
}
END_TEST

START_TEST(test_reset_forgets)
{
	create("t");
	start(FEATURES);
	ask(1, 80, 16);
	ck_assert_uint_eq(share.resets, 0);
	set_status(0);
	ck_assert_uint_eq(share.resets, 1);
	start(FEATURES);
	ck_assert_uint_eq(ask(0, 80, 16), 0);
	set_status(0);
	ck_assert_uint_eq(share.resets, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio/fs");
	TCase *tcase = tcase_create("device");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_description);
	tcase_add_test(tcase, test_short_tag_is_padded);
	tcase_add_loop_test(tcase, test_question_and_answer, 0, 4);
	tcase_add_test(tcase, test_odd_splits);
	tcase_add_test(tcase, test_data_is_not_copied);
	tcase_add_test(tcase, test_long_question);
	tcase_add_test(tcase, test_short_chains);
	tcase_add_test(tcase, test_no_answer);
	tcase_add_loop_test(tcase, test_forget, 0, 4);
	tcase_add_test(tcase, test_forget_meanwhile);
	tcase_add_test(tcase, test_bad_chain);
	tcase_add_loop_test(tcase, test_many, 0, 4);
	tcase_add_test(tcase, test_reset_forgets);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
