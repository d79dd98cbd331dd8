/*
 * A bzImage of each payload format with changed bytes, loaded as the monitor
 * does. Input: format, protocol and flags, then changes.
 */
#include "tests/fuzz/boot_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	enum compression format = patch_format(&input);
	uint8_t choice = patch_choice(&input);
	static struct image image;

	patch_base(format, image_linux, &image);
	patch_apply(&input, &image);
	boot_run(&image, choice);
	return 0;
}
