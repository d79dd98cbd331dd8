/*
 * Kernel and initrd files: opening them with the checks that turn every
 * unsuitable path into one sentence, and reading at an offset. Main thread.
 */
#ifndef BOOT_FILE_H
#define BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct boot_file {
	const char *path; /* borrowed */
	const char *what; /* "kernel", "initrd": for messages */
	int fd; /* owned, but by a part borrowed */
	uint64_t base; /* where offset 0 is: a part of a file begins later */
	uint64_t size_bytes; /* never 0 */
};

/* A regular, readable, non-empty file. */
int boot_file_open(const char *path, const char *what,
		   struct boot_file *ret_file, struct err *err);
void boot_file_close(struct boot_file *file);

/*
 * The range [@offset, @offset + @size_bytes) of @whole as a file of its own,
 * which must lie inside and not be empty. It lives as long as @whole and is
 * not closed.
 */
struct boot_file boot_file_part(const struct boot_file *whole, uint64_t offset,
				uint64_t size_bytes);

/* Fills @to whole; a file that ends earlier is an error. */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to,
		   size_t len, struct err *err);

/* Writes @len bytes to a new or truncated file. */
int boot_file_dump(const char *path, const void *from, size_t len,
		   struct err *err);

#endif
