/*
 * One boot_load of an image for the harnesses, and what must hold afterwards.
 */
#ifndef TESTS_FUZZ_BOOT_RUN_H
#define TESTS_FUZZ_BOOT_RUN_H

#include <fcntl.h>
#include <stdio.h>

#include "boot/load.h"
#include "tests/fuzz/boot_patch.h"

#define BOOT_RUN_MEMORY (64 * MIB)

/* Guest memory behind which a stray write hits a page that is not there. */
static inline const struct gmem *boot_run_memory(void)
{
	static struct gmem gmem;

	if (!gmem.size_bytes)
		image_require(!gmem_init(&gmem, BOOT_RUN_MEMORY, 0, NULL));
	/* Fresh, as boot_load wants it. */
	image_require(!fallocate(gmem.fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				 (off_t)BOOT_RUN_MEMORY));
	return &gmem;
}

/* What holds after any boot_load. */
static inline void boot_run_check(const struct boot_request *request)
{
	struct platform platform = { .cpu_count = 1,
				     .gmem = boot_run_memory() };
	struct boot_result result;
	struct err err = { 0 };
	int rc = boot_load(request, &platform, &result, &err);

	if (rc) {
		patch_check_sentence(rc, &err);
		return;
	}
	/* The first instruction and all tables are in guest memory. */
	image_require(gmem_ptr(platform.gmem,
			       result.entry.cs_base + result.entry.rip, 1));
	image_require(gmem_ptr(platform.gmem, result.entry.gdt_gpa,
			       result.entry.gdt_limit + 1ULL));
	image_require(result.entry.mode != BOOT_MODE_LONG ||
		      gmem_ptr(platform.gmem, result.entry.cr3, 4096));
	image_require(result.protocol != BOOT_PROTOCOL_AUTO);
	image_require(
		gmem_ptr(platform.gmem, result.kernel, result.kernel_bytes));
	image_require(
		!result.initrd_bytes ||
		gmem_ptr(platform.gmem, result.initrd, result.initrd_bytes));
}

static inline void boot_run(const struct image *image, uint8_t choice)
{
	char path[32];
	int fd = image_file(image->bytes, image->len, path);
	char *const modules[] = { path };
	const struct boot_request request = {
		.kernel_path = path,
		.initrd_path = choice & 8 ? path : NULL,
		.protocol =
			(enum boot_protocol)((choice & 7) % BOOT_PROTOCOL_FLAT),
		.modules = modules,
		.module_count = choice >> 6 & 1,
		.acpi = choice & 16,
		.fdt = choice & 32,
	};

	boot_run_check(&request);
	close(fd);
}

/* The image as a flat binary at a multiple of 4 KiB. */
static inline void boot_run_flat(const struct image *image, uint8_t choice,
				 uint8_t page)
{
	char path[32];
	char text[64];
	int fd = image_file(image->bytes, image->len, path);
	const struct boot_request request = {
		.flat = text,
		.flat_mode = (enum boot_mode)(choice % 3),
		.acpi = choice & 16,
		.fdt = choice & 32,
	};

	image_require(snprintf(text, sizeof(text), "%s@%u", path,
			       page * 4096U) < (int)sizeof(text));
	boot_run_check(&request);
	close(fd);
}

#endif
