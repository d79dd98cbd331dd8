/*
 * Unified kernel images with changed bytes, loaded as the monitor does. Input:
 * kind of the kernel inside, protocol and flags, then changes.
 */
#include "tests/fuzz/boot_run.h"
#include "tests/unit/boot_kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	uint8_t kind = patch_choice(&input);
	uint8_t choice = patch_choice(&input);
	static struct image kernel;
	static struct image image;

	if (kind & 1)
		image_multiboot1(&kernel);
	else
		image_elf(&kernel, (struct image_kind){ .linux_note = true });
	image_uki(&image, &kernel, kind);
	patch_apply(&input, &image);
	boot_run(&image, choice);
	return 0;
}
