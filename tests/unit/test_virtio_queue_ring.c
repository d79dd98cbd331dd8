/*
 * The ring around the chains: where a queue may lie, who tells whom when, rest
 * and restart, and a driver that runs on another thread.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"

#define RAM	  (4 * MIB)
#define RING_BASE 0x1000
#define DATA	  0x100000
#define SIZE	  8

#define PACKED	  1
#define EVENT_IDX 2
#define VARIANTS  4

static struct gmem gmem;
static struct virtq vq;
static struct ring_driver ring;
static struct iovec iov[4];
static struct virtq_chain chain;
static struct virtq_features features;
static const struct ring_buffer buffer = { DATA, 64, true };

static void set_up_size(uint16_t size, int variant)
{
	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	features = (struct virtq_features){
		.packed = variant & PACKED,
		.event_idx = variant & EVENT_IDX,
		.indirect = true,
	};
	ring_init(&ring, &gmem, RING_BASE, size, &features);
	virtq_init(&vq, &gmem);
	ck_assert_int_eq(virtq_enable(&vq, &ring.layout, &features,
				      VIRTQ_MAX_SIZE, NULL),
			 0);
	chain = (struct virtq_chain){ .iov = iov, .iov_max = 4 };
}

static void tear_down(void)
{
	gmem_release(&gmem);
}

static uint16_t pop(void)
{
	ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
	return chain.head;
}

/* One chain there and back; the driver takes it. */
static void one_round(void)
{
	uint32_t id;
	uint32_t len;

	ring_add(&ring, &buffer, 1);
	virtq_push(&vq, pop(), 1);
	ck_assert(ring_take(&ring, &id, &len));
}

/* --- Where a queue may lie ----------------------------------------------- */

static int enable(struct virtq_layout layout, uint16_t max_size)
{
	struct err err = { 0 };
	int rc;

	virtq_disable(&vq);
	rc = virtq_enable(&vq, &layout, &features, max_size, &err);
	ck_assert_int_eq(rc, -err.code);
	ck_assert_int_eq(!rc, err.msg[0] == '\0');
	ck_assert_int_eq(vq.enabled, rc == 0);
	return rc;
}

START_TEST(test_sizes)
{
	struct virtq_layout layout;

	set_up_size(SIZE, _i);
	layout = ring.layout;
	layout.size = 0;
	ck_assert_int_eq(enable(layout, SIZE), -EINVAL);
	layout.size = SIZE;
	ck_assert_int_eq(enable(layout, SIZE), 0);
	ck_assert_int_eq(enable(layout, SIZE / 2), -EINVAL);
	ck_assert_int_eq(enable(layout, SIZE - 1), -EINVAL);
	layout.size = 2 * SIZE;
	ck_assert_int_eq(enable(layout, SIZE), -EINVAL);
	layout.size = UINT16_MAX;
	ck_assert_int_eq(enable(layout, VIRTQ_MAX_SIZE), -EINVAL);
	layout.size = SIZE - 1;
	ck_assert_int_eq(enable(layout, SIZE), _i & PACKED ? 0 : -EINVAL);
}
END_TEST

START_TEST(test_alignment)
{
	const uint64_t driver_align = _i & PACKED ? 4 : 2;
	struct virtq_layout layout;

	set_up_size(SIZE, _i);
	for (uint64_t off = 1; off <= 16; off++) {
		layout = ring.layout;
		layout.desc += off;
		ck_assert_int_eq(enable(layout, SIZE), off % 16 ? -EINVAL : 0);
		layout = ring.layout;
		layout.driver = align_up(layout.driver, 16) + off;
		ck_assert_int_eq(enable(layout, SIZE),
				 off % driver_align ? -EINVAL : 0);
		layout = ring.layout;
		layout.device = align_up(layout.device, 16) + off;
		ck_assert_int_eq(enable(layout, SIZE), off % 4 ? -EINVAL : 0);
	}
}
END_TEST

/* Each area up to the last byte of RAM, one step beyond it, and wrapping. */
START_TEST(test_areas_in_ram)
{
	const uint64_t sizes[] = {
		16ULL * SIZE,
		_i & PACKED ? 4 : 6 + 2ULL * SIZE,
		_i & PACKED ? 4 : 6 + 8ULL * SIZE,
	};
	const uint64_t steps[] = { 16, _i & PACKED ? 4 : 2, 4 };

	set_up_size(SIZE, _i);
	for (int area = 0; area < 3; area++) {
		struct virtq_layout layout = ring.layout;
		gpa_t *gpa = area == 0 ? &layout.desc :
			     area == 1 ? &layout.driver :
					 &layout.device;

		*gpa = align_down(RAM - sizes[area], steps[area]);
		ck_assert_int_eq(enable(layout, SIZE), 0);
		*gpa += steps[area];
		ck_assert_int_eq(enable(layout, SIZE), -EFAULT);
		*gpa = RAM;
		ck_assert_int_eq(enable(layout, SIZE), -EFAULT);
		*gpa = align_down(UINT64_MAX, 16);
		ck_assert_int_eq(enable(layout, SIZE), -EFAULT);
	}
}
END_TEST

/* Once enabled, a queue stays where it is. */
START_TEST(test_latched)
{
	struct virtq_layout layout;

	set_up_size(SIZE, _i);
	layout = ring.layout;
	layout.size = 2 * SIZE;
	layout.desc += 0x1000;
	ck_assert_int_eq(virtq_enable(&vq, &layout, &features, VIRTQ_MAX_SIZE,
				      NULL),
			 -EBUSY);
	ck_assert_uint_eq(vq.layout.size, SIZE);
	for (int i = 0; i < 3 * SIZE; i++)
		one_round();
}
END_TEST

START_TEST(test_disabled)
{
	set_up_size(SIZE, _i);
	ring_add(&ring, &buffer, 1);
	virtq_disable(&vq);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
	ck_assert(!virtq_has_chains(&vq));
	ck_assert(!virtq_enable_kicks(&vq));
	virtq_disable_kicks(&vq);
	ck_assert(!virtq_should_notify(&vq));
	ck_assert_uint_eq(ring_used_flags(&ring), 0);
}
END_TEST

/* --- Interrupts ---------------------------------------------------------- */

START_TEST(test_nothing_to_tell)
{
	set_up_size(SIZE, _i);
	ring_want_interrupt(&ring);
	ck_assert(!virtq_should_notify(&vq));
	one_round();
	ring_want_interrupt(&ring);
	/* What was pushed lies behind what the driver asks for now. */
	ck_assert_int_eq(virtq_should_notify(&vq), !(_i & EVENT_IDX));
	ck_assert(!virtq_should_notify(&vq));
}
END_TEST

/* 2.7.7.2: flags count without EVENT_IDX and only then. */
START_TEST(test_split_flags)
{
	set_up_size(SIZE, _i & ~PACKED);
	ring_set_used_event(&ring, 0);
	ring_set_avail_flags(&ring, 1);
	one_round();
	ck_assert_int_eq(virtq_should_notify(&vq), features.event_idx);
	ring_set_used_event(&ring, 4711);
	ring_set_avail_flags(&ring, 0);
	one_round();
	ck_assert_int_eq(virtq_should_notify(&vq), !features.event_idx);
}
END_TEST

/* Every distance between event and batch, across 65535 -> 0. */
START_TEST(test_split_event_index)
{
	uint16_t used = 0;

	set_up_size(SIZE, EVENT_IDX);
	while (used != (uint16_t)-20) {
		one_round();
		used++;
		virtq_should_notify(&vq);
	}
	for (int start = -20; start < 20; start++) {
		for (int event = -3; event <= 3; event++) {
			uint16_t at = (uint16_t)(used + event);
			bool inside = event >= 0 && event < 2;

			ring_set_used_event(&ring, at);
			one_round();
			one_round();
			ck_assert_int_eq(virtq_should_notify(&vq), inside);
			used = (uint16_t)(used + 2);
		}
	}
}
END_TEST

/* The same for the packed ring: offset and wrap counter. */
START_TEST(test_packed_event_index)
{
	uint16_t used = 0;
	bool wrap = true;

	set_up_size(SIZE, PACKED | EVENT_IDX);
	for (int start = 0; start < 5 * SIZE; start++) {
		for (int event = -4; event <= 3; event++) {
			int at = used + event;
			bool at_wrap = wrap;

			if (at < 0 || at >= SIZE)
				at_wrap = !wrap;
			ring_set_driver_event(&ring,
					      (uint16_t)((at + SIZE) % SIZE),
					      at_wrap, RING_EVENT_DESC);
			one_round();
			one_round();
			ck_assert_int_eq(virtq_should_notify(&vq),
					 event >= 0 && event < 2);
			used = (uint16_t)(used + 2);
			if (used >= SIZE) {
				used = (uint16_t)(used - SIZE);
				wrap = !wrap;
			}
		}
		one_round();
		ring_set_driver_event(&ring, 0, 0, RING_EVENT_DISABLE);
		ck_assert(!virtq_should_notify(&vq));
		if (++used == SIZE) {
			used = 0;
			wrap = !wrap;
		}
	}
}
END_TEST

START_TEST(test_packed_flags)
{
	static const bool expected[] = { true, false, true, true };

	/* DESC without EVENT_IDX and the reserved value: rather too often. */
	set_up_size(SIZE, (_i | PACKED) & ~EVENT_IDX);
	for (uint16_t flags = 0; flags < 4; flags++) {
		ring_set_driver_event(&ring, 5, true, flags);
		one_round();
		ck_assert_int_eq(virtq_should_notify(&vq), expected[flags]);
	}
}
END_TEST

/* A batch as long as the ring has passed every event there can be. */
START_TEST(test_batch_of_a_whole_ring)
{
	set_up_size(SIZE, _i | EVENT_IDX);
	for (int i = 0; i < SIZE; i++)
		one_round();
	if (_i & PACKED)
		ring_set_driver_event(&ring, 3, false, RING_EVENT_DESC);
	else
		ring_set_used_event(&ring, 3);
	ck_assert(virtq_should_notify(&vq));
}
END_TEST

/* --- Kicks --------------------------------------------------------------- */

START_TEST(test_kicks)
{
	set_up_size(SIZE, _i);
	for (int round = 0; round < 3 * SIZE; round++) {
		virtq_disable_kicks(&vq);
		one_round();
		/* A split ring keeps the event index; the driver has passed it
		 * once it was there. */
		ck_assert_int_eq(ring_should_kick(&ring),
				 round == 0 && _i == EVENT_IDX);
		ck_assert(!virtq_enable_kicks(&vq));
		one_round();
		ck_assert(ring_should_kick(&ring));
		/* Only the first chain needs one. */
		one_round();
		if (_i & EVENT_IDX)
			ck_assert(!ring_should_kick(&ring));
	}
	if (!(_i & PACKED) && (_i & EVENT_IDX))
		ck_assert_uint_eq(ring_used_flags(&ring), 0);
}
END_TEST

/* What came while kicks were off is not forgotten. */
START_TEST(test_enable_kicks_looks_again)
{
	set_up_size(SIZE, _i);
	virtq_disable_kicks(&vq);
	ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
	ring_add(&ring, &buffer, 1);
	ck_assert(virtq_enable_kicks(&vq));
	ring_add(&ring, &buffer, 1);
	pop();
	ck_assert(virtq_enable_kicks(&vq));
	pop();
	ck_assert(!virtq_enable_kicks(&vq));
	/* A chain that was given back counts too. */
	virtq_unpop(&vq, &chain);
	ck_assert(virtq_enable_kicks(&vq));
}
END_TEST

/* --- Rest ---------------------------------------------------------------- */

START_TEST(test_save_and_restore)
{
	struct virtq_state state;
	struct virtq_state bad;
	struct virtq other;

	set_up_size(SIZE, _i);
	for (int round = 0; round < 3 * SIZE; round++) {
		one_round();
		ring_set_used_event(&ring, 4711);
		virtq_should_notify(&vq);
		virtq_save(&vq, &state);
		virtq_init(&other, &gmem);
		ck_assert_int_eq(virtq_restore(&other, &state, &features, SIZE,
					       NULL),
				 0);
		vq = other;
		one_round();
		/* What the driver last heard is not known any more. */
		ck_assert(virtq_should_notify(&vq));
		ring_add(&ring, &buffer, 1);
		ck_assert(virtq_enable_kicks(&vq));
		virtq_push(&vq, pop(), 0);
		ring_take(&ring, &(uint32_t){ 0 }, &(uint32_t){ 0 });
	}
	virtq_disable(&vq);
	bad = state;
	bad.next_used++;
	ck_assert_int_eq(virtq_restore(&vq, &bad, &features, SIZE, NULL),
			 -EINVAL);
	bad = state;
	bad.layout.desc = RAM;
	ck_assert_int_eq(virtq_restore(&vq, &bad, &features, SIZE, NULL),
			 -EFAULT);
	bad = state;
	bad.next_avail = SIZE;
	bad.next_used = SIZE;
	ck_assert_int_eq(virtq_restore(&vq, &bad, &features, SIZE, NULL),
			 _i & PACKED ? -EINVAL : 0);
}
END_TEST

START_TEST(test_disabled_queues_are_restored)
{
	struct virtq_state state;

	set_up_size(SIZE, _i);
	virtq_disable(&vq);
	virtq_save(&vq, &state);
	ck_assert_int_eq(virtq_restore(&vq, &state, &features, SIZE, NULL), 0);
	ck_assert(!vq.enabled);
}
END_TEST

/* --- A driver on another thread ------------------------------------------ */

#define ROUNDS 20000

static sem_t kicked;
static sem_t interrupted;
static atomic_bool driver_done;
static atomic_uint kicks;
static atomic_uint interrupts;

/* A lost kick or interrupt shows as a wait that does not end. */
static void await(sem_t *sem, const char *what)
{
	struct timespec until;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &until), 0);
	until.tv_sec += 20;
	ck_assert_msg(sem_timedwait(sem, &until) == 0, "a lost %s", what);
}

static void *driver(void *opaque)
{
	unsigned int outstanding = 0;
	unsigned int sent = 0;
	unsigned int done = 0;
	unsigned int burst = 1;
	uint32_t id;
	uint32_t len;

	(void)opaque;
	while (done < ROUNDS) {
		for (unsigned int i = 0;
		     i < burst && sent < ROUNDS && outstanding < SIZE; i++) {
			ring_add(&ring, &buffer, 1);
			sent++;
			outstanding++;
		}
		burst = burst % SIZE + 1;
		if (ring_should_kick(&ring)) {
			atomic_fetch_add(&kicks, 1);
			sem_post(&kicked);
		}
		while (!ring_take(&ring, &id, &len)) {
			ring_want_interrupt(&ring);
			if (ring_take(&ring, &id, &len))
				break;
			await(&interrupted, "interrupt");
		}
		do {
			ck_assert_uint_eq(len, 64);
			outstanding--;
			done++;
		} while (ring_take(&ring, &id, &len));
	}
	atomic_store(&driver_done, true);
	sem_post(&kicked);
	return NULL;
}

static void serve(void)
{
	virtq_disable_kicks(&vq);
	do {
		while (virtq_pop(&vq, &chain) == 1) {
			ck_assert_uint_eq(chain.writable_bytes, 64);
			virtq_push(&vq, chain.head, 64);
		}
		if (virtq_should_notify(&vq)) {
			atomic_fetch_add(&interrupts, 1);
			sem_post(&interrupted);
		}
	} while (virtq_enable_kicks(&vq));
}

START_TEST(test_nobody_waits_for_ever)
{
	pthread_t thread;

	set_up_size(SIZE, _i);
	sem_init(&kicked, 0, 0);
	sem_init(&interrupted, 0, 0);
	ring_want_interrupt(&ring);
	ck_assert_int_eq(pthread_create(&thread, NULL, driver, NULL), 0);
	while (!atomic_load(&driver_done)) {
		await(&kicked, "kick");
		serve();
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_ptr_null(virtq_broken(&vq));
	/* Both sides were asleep at times, or nothing was tested. */
	ck_assert_uint_gt(atomic_load(&kicks), 10);
	ck_assert_uint_gt(atomic_load(&interrupts), 10);
}
END_TEST

#define BATCH 32

/* What is pushed as one batch is seen as one, by a driver that never sleeps;
 * one chain of two slots is among them, so that the ring wraps everywhere. The
 * lengths count on: one of the round before, still in its place, is wrong. */
static void *take_batches(void *opaque)
{
	unsigned int *torn = opaque;
	uint32_t expected = 0;
	uint32_t id;
	uint32_t len;

	while (!atomic_load(&driver_done)) {
		if (!ring_take(&ring, &id, &len))
			continue;
		*torn += len != expected++;
		for (uint32_t i = 1; i < BATCH; i++)
			*torn += !ring_take(&ring, &id, &len) ||
				 len != expected++;
		sem_post(&interrupted);
	}
	return NULL;
}

START_TEST(test_push_batch)
{
	const struct ring_buffer two[] = { { DATA, 8, true },
					   { DATA + 64, 8, true } };
	struct virtq_used used[BATCH];
	unsigned int torn = 0;
	uint32_t len = 0;
	pthread_t thread;

	set_up_size(2 * BATCH, _i);
	sem_init(&interrupted, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, take_batches, &torn), 0);
	for (unsigned int round = 0; round < 10000; round++) {
		for (uint32_t i = 0; i < BATCH; i++) {
			ring_add(&ring, two, i == 1 ? 2 : 1);
			used[i] = (struct virtq_used){ pop(), len++ };
		}
		ck_assert_uint_eq(vq.in_flight, BATCH);
		virtq_push_batch(&vq, used, BATCH);
		ck_assert_uint_eq(vq.in_flight, 0);
		ck_assert_uint_eq(vq.unnotified, BATCH + features.packed);
		virtq_should_notify(&vq);
		await(&interrupted, "batch");
	}
	atomic_store(&driver_done, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(torn, 0);
}
END_TEST

/* A driver that changes a descriptor while it is being looked at gets the old
 * one or the new one, checked in either case. */
static void *flip(void *opaque)
{
	uint64_t *gpa = opaque;

	while (!atomic_load(&driver_done)) {
		__atomic_store_n(gpa, htole64(RAM - 32), __ATOMIC_RELAXED);
		__atomic_store_n(gpa, htole64(DATA), __ATOMIC_RELAXED);
	}
	return NULL;
}

START_TEST(test_changing_descriptor)
{
	unsigned int good = 0;
	unsigned int refused = 0;
	pthread_t thread;

	set_up_size(SIZE, _i);
	/* Looked up here: the ring is made anew again and again. */
	ck_assert_int_eq(pthread_create(&thread, NULL, flip,
					ring_host(&ring, RING_BASE, 16)),
			 0);
	for (int i = 0; i < 5000 || !good || !refused; i++) {
		virtq_disable(&vq);
		ring_init(&ring, &gmem, RING_BASE, SIZE, &features);
		ck_assert_int_eq(virtq_enable(&vq, &ring.layout, &features,
					      SIZE, NULL),
				 0);
		ring_add(&ring, &buffer, 1);
		if (virtq_pop(&vq, &chain) != 1) {
			refused++;
			continue;
		}
		good++;
		ck_assert_uint_eq(chain.writable, 1);
		ck_assert_uint_eq(iov[0].iov_len, 64);
		ck_assert(iov[0].iov_base == gmem_ptr(&gmem, DATA, 64) ||
			  iov[0].iov_base == gmem_ptr(&gmem, 0, 64));
	}
	atomic_store(&driver_done, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
	const TTest *tests[] = {
		test_sizes,
		test_alignment,
		test_areas_in_ram,
		test_latched,
		test_disabled,
		test_nothing_to_tell,
		test_split_flags,
		test_packed_flags,
		test_batch_of_a_whole_ring,
		test_kicks,
		test_enable_kicks_looks_again,
		test_save_and_restore,
		test_disabled_queues_are_restored,
		test_nobody_waits_for_ever,
		test_push_batch,
		test_changing_descriptor,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_loop_test(tcase, tests[i], 0, VARIANTS);
	tcase_add_test(tcase, test_split_event_index);
	tcase_add_test(tcase, test_packed_event_index);
}

int main(void)
{
	Suite *suite = suite_create("virtio/queue ring");
	TCase *tcase = tcase_create("ring");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
