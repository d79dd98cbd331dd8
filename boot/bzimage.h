/*
 * The Linux bzImage: its setup header (Linux Documentation/arch/x86/boot.rst),
 * where the compressed kernel is inside, and loading it either decompressed or
 * as it is. Main thread.
 */
#ifndef BOOT_BZIMAGE_H
#define BOOT_BZIMAGE_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stdint.h>

#include "boot/decompress.h"
#include "boot/elf.h"
#include "boot/file.h"
#include "core/gmem.h"

/* Bytes of a file's beginning within which the setup header ends. */
#define BZIMAGE_HEAD_BYTES 0x290

struct bzimage {
	const struct boot_file *file; /* borrowed */
	struct setup_header header; /* fields beyond its length are 0 */
	struct byte_range kernel; /* the protected-mode part */
	struct byte_range payload; /* size 0 when there is none */
	uint32_t plain_bytes; /* of the payload, decompressed */
	enum compression format;
};

/* Whether @head, the beginning of a file, has the setup header's magic. */
bool bzimage_is(const uint8_t *head, size_t len);

/* Checks the header against the file and finds the parts. */
int bzimage_open(const struct boot_file *file, const uint8_t *head, size_t len,
		 struct bzimage *ret_image, struct err *err);

/* Whether the kernel has the 64-bit entry 0x200 behind its beginning. */
bool bzimage_is_64bit(const struct bzimage *image);

/*
 * Loads the protected-mode part to where the kernel prefers to be; the range
 * that its decompressor needs there is [*ret_start, *ret_end).
 */
int bzimage_load_whole(const struct bzimage *image, const struct gmem *gmem,
		       gpa_t *ret_start, gpa_t *ret_end, struct err *err);

#endif
