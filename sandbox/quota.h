/*
 * How much of a filesystem a folder may take: project quotas, which count what
 * is made in a folder for a number, the project, whoever makes it (Linux
 * Documentation/admin-guide/quota.rst, xfs.rst "prjquota"; ext4(5), feature
 * "project"). @fd is a descriptor of the folder, not O_PATH. Any thread.
 */
#ifndef SANDBOX_QUOTA_H
#define SANDBOX_QUOTA_H

#include <stdint.h>

#include "core/err.h"

struct quota_use {
	uint64_t used; /* bytes */
	uint64_t limit; /* bytes, 0: none */
};

/* Whether limits are kept on the filesystem of @fd; -EOPNOTSUPP and what to do
 * about it. */
int quota_check(int fd, struct err *err);

/* Counts what is made in the folder from now on, in folders below, too, for
 * @project. */
int quota_set_project(int fd, uint32_t project, struct err *err);

/* The limit of a project, 0 for none; in steps of 1 KiB, rounded up. */
int quota_limit(int fd, uint32_t project, uint64_t bytes, struct err *err);

/* What a project has; nothing at all for one that is not in use. */
int quota_read(int fd, uint32_t project, struct quota_use *ret_use,
	       struct err *err);

#endif
