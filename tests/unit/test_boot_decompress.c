/* Each format: whole, in wrong sizes, cut at every byte, every byte changed. */
#include <errno.h>

#include "tests/unit/boot_image.h"
#include "tests/unit/quick_check.h"

static const enum compression formats[] = {
	COMPRESSION_NONE, COMPRESSION_GZIP,  COMPRESSION_XZ,  COMPRESSION_ZSTD,
	COMPRESSION_LZ4,  COMPRESSION_BZIP2, COMPRESSION_LZO, COMPRESSION_LZMA,
};

struct collector {
	struct byte_sink sink;
	struct image got;
	int fail; /* negative errno to give back */
};

static int collect(struct byte_sink *sink, const uint8_t *data, size_t len,
		   struct err *err)
{
	struct collector *collector =
		container_of(sink, struct collector, sink);

	if (collector->fail)
		return err_set(err, -collector->fail, "the sink is full");
	ck_assert_uint_gt(len, 0);
	image_add(&collector->got, data, len);
	return 0;
}

static struct image plain;
static struct image packed;
static struct collector collector;
static struct err err;

static void prepare(enum compression format)
{
	image_elf(&plain, (struct image_kind){ .pvh = true });
	image_compress(format, &plain, &packed);
}

/* Decodes the first @len bytes of @packed, which must give @plain_bytes. */
static int decode(enum compression format, size_t len, uint64_t plain_bytes)
{
	char path[32];
	int fd = image_file(packed.bytes, len, path);
	struct boot_file file = {
		.path = "image", .what = "kernel", .fd = fd, .size_bytes = len
	};
	struct byte_range range = { .file = &file, .size_bytes = len };
	int rc;

	memset(&err, 0, sizeof(err));
	collector.got.len = 0;
	collector.sink.write = collect;
	rc = decompress(format, &range, plain_bytes, &collector.sink, &err);
	close(fd);
	return rc;
}

START_TEST(test_whole)
{
	enum compression format = formats[_i];

	prepare(format);
	ck_assert_int_eq(compression_of(packed.bytes, packed.len), format);
	ck_assert_msg(decode(format, packed.len, plain.len) == 0, "%s",
		      err.msg);
	ck_assert_uint_eq(collector.got.len, plain.len);
	ck_assert_mem_eq(collector.got.bytes, plain.bytes, plain.len);
}
END_TEST

START_TEST(test_wrong_sizes)
{
	enum compression format = formats[_i];

	prepare(format);
	ck_assert_int_eq(decode(format, packed.len, plain.len - 1), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "corrupt"));
	ck_assert_uint_lt(collector.got.len, plain.len);
	ck_assert_int_eq(decode(format, packed.len, plain.len + 1), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "kernel image"));
}
END_TEST

START_TEST(test_truncated)
{
	enum compression format = formats[_i];
	/* Every cut near both ends, each 97th in between. */
	size_t last;

	prepare(format);
	/* An lzma stream ends in a marker that may be missing. */
	last = packed.len - (format == COMPRESSION_LZMA ? 8 : 1);
	for (size_t len = 0; len <= last; len++) {
		if (len > 64 && len < last - 64 && len % 97)
			continue;
		ck_assert_msg(decode(format, len, plain.len) < 0,
			      "%zu of %zu bytes", len, packed.len);
		ck_assert_int_ne(err.msg[0], 0);
	}
}
END_TEST

/* Nothing to find but by the sanitizers: some changes are harmless. */
START_TEST(test_changed)
{
	enum compression format = formats[_i];

	prepare(format);
	for (size_t at = 0; at < packed.len; at++) {
		if (at > 128 && at % 61)
			continue;
		packed.bytes[at] ^= 0xff;
		if (decode(format, packed.len, plain.len))
			ck_assert_int_ne(err.msg[0], 0);
		packed.bytes[at] ^= 0xff;
	}
}
END_TEST

/* What carries a checksum must notice a change of its data. */
START_TEST(test_checksums)
{
	static const enum compression summed[] = { COMPRESSION_GZIP,
						   COMPRESSION_XZ,
						   COMPRESSION_BZIP2,
						   COMPRESSION_LZO };

	prepare(summed[_i]);
	/* In lzop's stored block, which nothing but its checksum guards. */
	packed.bytes[summed[_i] == COMPRESSION_LZO ? packed.len - 8 :
						     packed.len / 2] ^= 1;
	ck_assert_int_eq(decode(summed[_i], packed.len, plain.len), -EINVAL);
}
END_TEST

START_TEST(test_sink_fails)
{
	prepare(formats[_i]);
	collector.fail = -ENOSPC;
	ck_assert_int_eq(decode(formats[_i], packed.len, plain.len), -ENOSPC);
	ck_assert_str_eq(err.msg, "the sink is full");
	collector.fail = 0;
}
END_TEST

/* LZ4's legacy frame: a second magic in the middle, as `cat a b` makes. */
START_TEST(test_lz4_two_frames)
{
	prepare(COMPRESSION_LZ4);
	memmove(packed.bytes + packed.len, packed.bytes, packed.len);
	packed.len *= 2;
	ck_assert_msg(decode(COMPRESSION_LZ4, packed.len, 2 * plain.len) == 0,
		      "%s", err.msg);
	ck_assert_uint_eq(collector.got.len, 2 * plain.len);
}
END_TEST

START_TEST(test_unknown)
{
	ck_assert_int_eq(compression_of((const uint8_t *)"abcdefghi", 9),
			 COMPRESSION_UNKNOWN);
	/* A magic that is cut short is none. */
	ck_assert_int_eq(compression_of((const uint8_t *)"\x1f\x8b\x08", 2),
			 COMPRESSION_UNKNOWN);
	ck_assert_str_eq(compression_name(COMPRESSION_UNKNOWN), "unknown");
	prepare(COMPRESSION_NONE);
	ck_assert_int_eq(decode(COMPRESSION_UNKNOWN, packed.len, 1), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot/decompress");
	TCase *tcase = tcase_create("formats");
	SRunner *runner = srunner_create(suite);
	int count = ARRAY_SIZE(formats);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, test_whole, 0, count);
	tcase_add_loop_test(tcase, test_wrong_sizes, 0, count);
	tcase_add_loop_test(tcase, test_truncated, 0, count);
	tcase_add_loop_test(tcase, test_changed, 0, count);
	tcase_add_loop_test(tcase, test_checksums, 0, 4);
	tcase_add_loop_test(tcase, test_sink_fails, 0, count);
	tcase_add_test(tcase, test_lz4_two_frames);
	tcase_add_test(tcase, test_unknown);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
