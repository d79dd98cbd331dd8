/*
 * Starts hull-unpack, confined: it sees the target as its root filesystem and
 * nothing else, has no network, few capabilities and no way to get more. It
 * ends with us.
 */
#ifndef CONTAINER_UNPACK_H
#define CONTAINER_UNPACK_H

#include "core/err.h"

/* The most that the files of one layer may have. */
#define UNPACK_MAX_BYTES ((uint64_t)1 << 40)

enum unpack_kind {
	UNPACK_LAYER, /* of an image; a regular file */
	UNPACK_PLAIN, /* all there is; a pipe, too */
};

/*
 * Unpacks @archive to the folder @target. @program is hull-unpack, see
 * unpack_open_program. Waits.
 */
int unpack_layer(int program, int archive, int target, enum unpack_kind kind,
		 struct err *err);

/* Hears a few times a second how much is done. */
struct unpack_progress {
	void (*tell)(void *opaque, uint64_t bytes, uint64_t files);
	void *opaque;
};

/*
 * Writes the detached mount @tree, which is made read-only, to @archive;
 * @filter is "none", "gzip" or "zstd". @progress may be NULL. Waits.
 */
int unpack_pack(int program, int tree, const char *filter, int archive,
		const struct unpack_progress *progress, struct err *err);

/* hull-unpack beside our own program. A descriptor that the caller closes. */
int unpack_open_program(struct err *err);

#endif
