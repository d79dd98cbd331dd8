/*
 * Multiboot kernels of both versions and flat binaries with changed bytes,
 * loaded as the monitor does. Input: kind of the image, protocol and flags,
 * then changes.
 */
#include "tests/fuzz/boot_run.h"
#include "tests/unit/boot_kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch_input input = { data, size };
	uint8_t kind = patch_choice(&input);
	uint8_t choice = patch_choice(&input);
	static struct image image;

	switch (kind % 5) {
	case 0:
		image_multiboot1(&image);
		break;
	case 1:
		image_multiboot2(&image);
		break;
	default:
		image_elf32(&image, kind % 5 - 2);
		if (kind & 0x20)
			(void)image_sections(&image);
	}
	patch_apply(&input, &image);
	if (kind & 0x40)
		boot_run_flat(&image, choice, patch_choice(&input));
	else
		boot_run(&image, choice);
	return 0;
}
