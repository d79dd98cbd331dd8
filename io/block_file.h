/*
 * Opening a raw disk image or a block device: checks, the lock that keeps two
 * writers apart, sizes and alignments. The format is what the caller says it
 * is, raw: the content, which a guest writes, is never looked at.
 *
 * Main thread, but for what says otherwise. The object outlives the backends
 * that use it.
 */
#ifndef IO_BLOCK_FILE_H
#define IO_BLOCK_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "io/block.h"

enum block_cache {
	BLOCK_CACHE_NONE, /* O_DIRECT */
	BLOCK_CACHE_WRITEBACK, /* the host's page cache; FLUSH writes it out */
	BLOCK_CACHE_WRITETHROUGH, /* as before, and each write is durable */
	BLOCK_CACHE_UNSAFE, /* FLUSH does nothing */
};

struct block_file_config {
	const char *path;
	enum block_cache cache;
	bool read_only;
	bool discard; /* pass DISCARD on, and let zeroes be unmapped */
};

struct block_file {
	char *path; /* owned */
	int fd; /* owned; O_DIRECT with BLOCK_CACHE_NONE */
	/* Owned: through the page cache, for what direct I/O cannot address;
	 * -1 where that cannot happen. */
	int cached_fd;
	enum block_cache cache;
	bool block_device;
	/* What direct I/O demands of addresses, and of offsets and lengths;
	 * powers of two, 1 without it. */
	uint32_t memory_align;
	uint32_t offset_align;
	struct block_info info;
	void *zeroes; /* BLOCK_ZEROES_BYTES, owned mapping of the zero page */

	/* Learnt by whichever backend met it first. Any thread. */
	atomic_int flush_error; /* -errno of the first FLUSH that failed */
	atomic_bool no_punch_hole;
	atomic_bool no_zero_range;
};

#define BLOCK_ZEROES_BYTES ((uint64_t)1 << 20)

/*
 * The caller owns *ret_file. The sentence of an error names the path and the
 * remedy; a lock that somebody holds names the process (-EBUSY).
 */
int block_file_open(const struct block_file_config *config,
		    struct block_file **ret_file, struct err *err);
/* Takes NULL. */
void block_file_free(struct block_file *file);

/*
 * Looks at the size again. Returns 1 when it changed, with info.size_bytes
 * updated, 0 when not, or -errno with nothing changed (what is there now could
 * not be opened either).
 */
int block_file_refresh(struct block_file *file, struct err *err);

/* Makes @error sticky, if it is the first. Any thread. */
void block_file_fail_flushes(struct block_file *file, int error);

#endif
