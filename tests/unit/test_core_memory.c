/* Guest memory and the address buses. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "core/bus.h"
#include "core/gmem.h"
#include "tests/unit/quick_check.h"

static struct gmem gmem;
static struct err err;

START_TEST(test_gmem_bounds)
{
	uint64_t size = 2 * MIB;

	ck_assert_int_eq(gmem_init(&gmem, size, 0, &err), 0);
	ck_assert_uint_eq(gmem_low_end(&gmem), size);
	ck_assert_ptr_nonnull(gmem_ptr(&gmem, 0, size));
	ck_assert_ptr_nonnull(gmem_ptr(&gmem, size - 1, 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, 0, 0));
	ck_assert_ptr_null(gmem_ptr(&gmem, 0, size + 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, size, 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, size - 1, 2));
	ck_assert_ptr_null(gmem_ptr(&gmem, 8, UINT64_MAX - 4));
	ck_assert_ptr_null(gmem_ptr(&gmem, UINT64_MAX, 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, UINT64_MAX, 2));
	gmem_release(&gmem);
	ck_assert_ptr_null(gmem_ptr(&gmem, 0, 1));
	ck_assert_uint_eq(gmem_low_end(&gmem), 0);
}
END_TEST

/* 5 GiB that nobody touches: two regions around the PCI hole. */
START_TEST(test_gmem_hole)
{
	const uint64_t low = GMEM_HOLE_START;
	struct stat st;
	uint8_t *high;

	ck_assert_int_eq(gmem_init(&gmem, 5 * GIB, 0, &err), 0);
	ck_assert_uint_eq(gmem.region_count, 2);
	ck_assert_ptr_nonnull(gmem_ptr(&gmem, low - 1, 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, low - 1, 2));
	ck_assert_ptr_null(gmem_ptr(&gmem, low, 1));
	ck_assert_ptr_null(gmem_ptr(&gmem, 4 * GIB - 1, 1));
	ck_assert_ptr_nonnull(gmem_ptr(&gmem, 4 * GIB, 2 * GIB));
	ck_assert_ptr_null(gmem_ptr(&gmem, 4 * GIB, 2 * GIB + 1));
	/* The same bytes by both ways in. */
	high = gmem_ptr(&gmem, 4 * GIB + 5, 1);
	*high = 0x77;
	ck_assert_int_eq(fstat(gmem.fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 5 * GIB);
	ck_assert_int_eq(pread(gmem.fd, &err, 1, (off_t)(low + 5)), 1);
	ck_assert_uint_eq(*(uint8_t *)&err, 0x77);
	gmem_release(&gmem);
}
END_TEST

START_TEST(test_gmem_copies)
{
	char text[8] = "unread";

	ck_assert_int_eq(gmem_init(&gmem, MIB, 0, &err), 0);
	ck_assert_int_eq(gmem_write(&gmem, MIB - 3, "abc", 3), 0);
	ck_assert_int_eq(gmem_write(&gmem, MIB - 2, "xyz", 3), -EFAULT);
	ck_assert_int_eq(gmem_read(&gmem, MIB - 2, text, 3), -EFAULT);
	ck_assert_str_eq(text, "unread");
	ck_assert_int_eq(gmem_read(&gmem, MIB - 3, text, 3), 0);
	ck_assert_mem_eq(text, "abc", 3);
	gmem_release(&gmem);
}
END_TEST

START_TEST(test_gmem_refused)
{
	ck_assert_int_lt(gmem_init(&gmem, 1ULL << 62, 0, &err), 0);
	ck_assert_int_ne(err.msg[0], 0);
	gmem_release(&gmem); /* half-built is fine */
}
END_TEST

/* --- Buses ---------------------------------------------------------------- */

struct seen {
	uint64_t offset;
	uint64_t value;
	unsigned int len;
	unsigned int count;
};

static uint64_t read_one(void *device, uint64_t offset, unsigned int len)
{
	struct seen *seen = device;

	*seen = (struct seen){ offset, 0, len, seen->count + 1 };
	return 0xc0de0000 + offset;
}

static void write_one(void *device, uint64_t offset, uint64_t value,
		      unsigned int len)
{
	struct seen *seen = device;

	*seen = (struct seen){ offset, value, len, seen->count + 1 };
}

static const struct bus_ops ops = { read_one, write_one };
static struct bus bus;
static struct seen seen[2];

static int add(uint64_t start, uint64_t size, unsigned int which)
{
	static const char *const names[] = { "first", "second" };
	struct bus_range range = { start, size, &ops, &seen[which],
				   names[which] };

	return bus_add(&bus, &range, &err);
}

static void set_up_bus(void)
{
	memset(seen, 0, sizeof(seen));
	bus_init(&bus);
}

static void tear_down_bus(void)
{
	bus_release(&bus);
}

START_TEST(test_bus_dispatch)
{
	uint64_t value;

	ck_assert_int_eq(add(0x100, 8, 0), 0);
	ck_assert_int_eq(add(0x108, 8, 1), 0);
	ck_assert(bus_read(&bus, 0x104, 4, &value));
	ck_assert_uint_eq(value, 0xc0de0004);
	ck_assert(bus_write(&bus, 0x10f, 9, 1));
	ck_assert_uint_eq(seen[1].offset, 7);
	ck_assert_uint_eq(seen[1].value, 9);
	/* Half of it belongs to nobody, or to another. */
	ck_assert(!bus_read(&bus, 0x106, 4, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(!bus_write(&bus, 0x10e, 0, 4));
	ck_assert(!bus_read(&bus, 0xff, 1, &value));
	ck_assert(!bus_read(&bus, 0x110, 1, &value));
	ck_assert(!bus_read(&bus, UINT64_MAX, 8, &value));
	ck_assert_uint_eq(seen[0].count, 1);
	ck_assert_uint_eq(seen[1].count, 1);
	/* The last byte there is. */
	ck_assert_int_eq(add(UINT64_MAX - 7, 8, 0), 0);
	ck_assert(bus_read(&bus, UINT64_MAX - 7, 8, &value));
}
END_TEST

START_TEST(test_bus_overlap)
{
	static const uint64_t taken[][2] = { { 0x100, 8 },
					     { 0xf9, 8 },
					     { 0x107, 1 },
					     { 0x104, 100 },
					     { 0, 0x1000 } };

	ck_assert_int_eq(add(0x100, 8, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		ck_assert_int_eq(add(taken[i][0], taken[i][1], 1), -EEXIST);
		ck_assert_ptr_nonnull(strstr(err.msg, "second at"));
		ck_assert_ptr_nonnull(strstr(err.msg, "first at 0x100"));
	}
	ck_assert_int_eq(add(0xf8, 8, 1), 0);
	ck_assert_int_eq(add(0x108, 8, 1), 0);
	bus_remove(&bus, 0x100, &seen[1]); /* not its own: stays */
	ck_assert_int_eq(add(0x100, 8, 1), -EEXIST);
	bus_remove(&bus, 0x100, &seen[0]);
	ck_assert_int_eq(add(0x100, 8, 1), 0);
}
END_TEST

START_TEST(test_bus_full)
{
	for (uint64_t i = 0; i < BUS_MAX_RANGES; i++)
		ck_assert_int_eq(add((BUS_MAX_RANGES - i) * 16, 16, 0), 0);
	ck_assert_int_eq(add(0x100000, 16, 1), -ENOSPC);
	bus_remove(&bus, 16, &seen[0]);
	ck_assert_int_eq(add(0x100000, 16, 1), 0);
}
END_TEST

/* A range that comes and goes while others read: never anything but its value
 * or all ones, never another's. */
static void *move_range(void *opaque)
{
	(void)opaque;
	for (unsigned int i = 0; i < 2000; i++) {
		if (add(0x200, 16, 1))
			abort();
		bus_remove(&bus, 0x200, &seen[1]);
	}
	return NULL;
}

static uint64_t read_offset(void *device, uint64_t offset, unsigned int len)
{
	(void)device;
	(void)len;
	return offset;
}

START_TEST(test_bus_concurrency)
{
	static const struct bus_ops fixed = { read_offset, write_one };
	struct bus_range range = { 0x300, 16, &fixed, &seen[0], "fixed" };
	pthread_t thread;
	uint64_t value;

	ck_assert_int_eq(bus_add(&bus, &range, &err), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, move_range, NULL), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		ck_assert(bus_read(&bus, 0x305, 1, &value));
		ck_assert_uint_eq(value, 5);
		if (bus_read(&bus, 0x203, 1, &value))
			ck_assert_uint_eq(value, 0xc0de0003);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(bus.count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core/memory");
	TCase *of_gmem = tcase_create("gmem");
	TCase *of_bus = tcase_create("bus");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, of_gmem);
	suite_add_tcase(suite, of_bus);
	tcase_add_checked_fixture(of_bus, set_up_bus, tear_down_bus);
	tcase_add_test(of_gmem, test_gmem_bounds);
	tcase_add_test(of_gmem, test_gmem_hole);
	tcase_add_test(of_gmem, test_gmem_copies);
	tcase_add_test(of_gmem, test_gmem_refused);
	tcase_add_test(of_bus, test_bus_dispatch);
	tcase_add_test(of_bus, test_bus_overlap);
	tcase_add_test(of_bus, test_bus_full);
	tcase_add_test(of_bus, test_bus_concurrency);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
