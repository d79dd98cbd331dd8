/*
 * Compressed data with changed bytes. Input: format, difference of the
 * expected size, then changes. Never more comes out than was expected, and
 * exactly as much when decoding succeeds.
 */
#include "tests/fuzz/boot_patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counter {
	struct byte_sink sink;
	uint64_t limit;
	uint64_t got;
};

static int count(struct byte_sink *sink, const uint8_t *data, size_t len,
		 struct err *err)
{
	struct counter *counter = container_of(sink, struct counter, sink);
	uint8_t last = data[len - 1];

	(void)err;
	(void)last;
	counter->got += len;
	image_require(len > 0 && counter->got <= counter->limit);
	return 0;
}

static void make_packed(enum compression format, struct image *out)
{
	static struct image plain;

	image_elf(&plain, (struct image_kind){ .pvh = true });
	image_compress(format, &plain, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	enum compression format = patch_format(&input);
	uint64_t delta = patch_choice(&input);
	static struct image packed;
	struct counter counter = { .sink.write = count };
	struct err err = { 0 };
	char path[32];
	int rc;

	patch_base(format, make_packed, &packed);
	patch_apply(&input, &packed);
	counter.limit = IMAGE_DATA_AT + IMAGE_DATA_SIZE +
			(delta < 128 ? delta : delta - 256);
	{
		struct boot_file file = {
			.path = "input",
			.what = "kernel",
			.fd = image_file(packed.bytes, packed.len, path),
			.size_bytes = packed.len,
		};
		struct byte_range range = { .file = &file,
					    .size_bytes = packed.len };

		rc = decompress(format, &range, counter.limit, &counter.sink,
				&err);
		close(file.fd);
	}
	if (rc)
		patch_check_sentence(rc, &err);
	else
		image_require(counter.got == counter.limit);
	return 0;
}
