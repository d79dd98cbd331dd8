/*
 * Files that are there as a whole or not at all, and others that grow. Any
 * thread.
 */
#ifndef VMM_REPLACE_FILE_H
#define VMM_REPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/*
 * Whether @path is nothing to be replaced: there, and no regular file but a
 * pipe, a device or a symbolic link, or anything in /dev and /proc. To a
 * stream one appends.
 */
bool replace_file_is_stream(const char *path);

/*
 * Writes @text to a new file beside @path and renames it to @path, so that a
 * reader finds the old content or the new. A stream is written to. -errno with
 * a sentence; then @path is as it was.
 */
int replace_file(const char *path, const char *text, size_t len,
		 struct err *err);

/* A file that is created, or emptied, and then appended to, as a stream is.
 * The descriptor is the caller's. -errno. */
int growing_file_open(const char *path, int *ret_fd);

#endif
