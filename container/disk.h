/*
 * The limit of what a launched container may write: the folder "data" of its
 * home is a project of its own (sandbox/quota.h). What it had at a snapshot
 * still counts, also when that is the layer of a clone. One thread.
 */
#ifndef CONTAINER_DISK_H
#define CONTAINER_DISK_H

#include "container/home.h"

/* A new home, whose "data" is empty and whose @tree has "diskQuota": finds a
 * project that nobody has and adds it to @tree. The store is locked. */
int disk_begin(const struct home *home, json_t *tree, struct err *err);

/* What the kernel makes when it mounts an overlay, whose limit may be reached:
 * it would be read-only then. */
#define DISK_SPARE 65536

/* Before each start with that much more, and again once the root is mounted;
 * fails where the limit would not be kept. */
int disk_enforce(const struct home *home, uint64_t spare_bytes,
		 struct err *err);

/* {"used", "limit"}; NULL without a limit, or when nobody can say. */
json_t *disk_use(const struct home *home);

/* Gives the project back. */
void disk_end(const struct home *home);

#endif
