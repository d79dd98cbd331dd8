/*
 * ELF files with changed bytes, loaded as the monitor does. Input: kind of the
 * image, protocol and flags, then changes.
 */
#include "tests/fuzz/boot_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	uint8_t kind = patch_choice(&input);
	uint8_t choice = patch_choice(&input);
	static struct image image;

	image_elf(&image, (struct image_kind){ .linux_note = kind & 1,
					       .linux_layout = kind & 2,
					       .pvh = kind & 4,
					       .virtual_entry = kind & 8 });
	patch_apply(&input, &image);
	boot_run(&image, choice);
	return 0;
}
