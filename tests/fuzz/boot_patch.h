/*
 * How the loaders' harnesses read an input: not as the file itself, of which
 * nearly all would be refused at once, but as changes to a good one. A few
 * choices come first, one byte each; then three bytes for each change: where
 * (16 bits, modulo the size) and what. A corpus of such inputs is short text.
 */
#ifndef TESTS_FUZZ_BOOT_PATCH_H
#define TESTS_FUZZ_BOOT_PATCH_H

#include "core/err.h"
#include "tests/unit/boot_image.h"

struct patch_input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t patch_choice(struct patch_input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

/*
 * Applies the changes. One of a value that is its own address's low byte cuts
 * the image off there instead.
 */
static inline void patch_apply(struct patch_input *input, struct image *image)
{
	while (input->size >= 3 && image->len > 1) {
		size_t at = load_le16(input->data) % image->len;

		if (input->data[2] == input->data[0])
			image->len = at ? at : 1;
		else
			image->bytes[at] = input->data[2];
		input->data += 3;
		input->size -= 3;
	}
}

#define PATCH_FORMATS 8

/* One of the formats' numbers, which start behind COMPRESSION_UNKNOWN. */
static inline enum compression patch_format(struct patch_input *input)
{
	return (enum compression)(COMPRESSION_NONE +
				  patch_choice(input) % PATCH_FORMATS);
}

/*
 * The good image of a format: made at its first use, since compressing takes
 * longer than everything else.
 */
static inline void patch_base(enum compression format,
			      void (*make)(enum compression, struct image *),
			      struct image *out)
{
	static struct image made[PATCH_FORMATS];
	struct image *base = &made[format - COMPRESSION_NONE];

	if (!base->len)
		make(format, base);
	*out = *base;
}

/* What failed must say so in one line. */
static inline void patch_check_sentence(int rc, const struct err *err)
{
	image_require(rc < 0 && err->code == -rc && err->msg[0]);
	image_require(!strchr(err->msg, '\n'));
}

#endif
