/*
 * A handle on a procfs that nothing can have been mounted over: files are
 * reached from it by a walk that leaves neither the handle's tree nor its
 * filesystem (openat2 with RESOLVE_BENEATH and RESOLVE_NO_XDEV), so a bind
 * mount on one of its files or folders is an error and not a redirection
 * (CVE-2019-16884, CVE-2025-52881). Nothing allocates; any thread.
 */
#ifndef SANDBOX_PROCFS_H
#define SANDBOX_PROCFS_H

#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

/* The caller's /proc, checked to be the root of a procfs. The caller closes. */
int procfs_open(struct err *err);

/*
 * A procfs of the caller's pid namespace that is mounted nowhere, so that
 * nobody else has ever seen it; or, where that is not allowed, procfs_open's.
 * *@ret_private tells which. The last one to close it waits for all
 * processors, as selfexe.h says of its mount; procfs_drop has it go with the
 * root that the caller's own mount namespace is about to unmount.
 */
int procfs_open_private(bool *ret_private, struct err *err);
void procfs_drop(int proc);

/* @path is relative ("self/uid_map"). A descriptor or -errno. */
int procfs_open_file(int proc, const char *path, int flags);

/* Writes @text in one call, as most files there ask for. 0 or -errno. */
int procfs_write(int proc, const char *path, const char *text);

/* Up to @size - 1 bytes and a zero; the count or -errno. */
ssize_t procfs_read(int proc, const char *path, char *buf, size_t size);

#endif
