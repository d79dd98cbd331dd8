/*
 * Walks that do not leave a folder: openat2(2), or, where it is missing (Linux
 * before 5.6, or a filter of system calls around us that does not know it), the
 * same by our own steps: one component at a time, links read and walked by us,
 * ".." going back on the folders we came through and never to what the
 * filesystem calls the parent, which others may change meanwhile. Nothing
 * allocates; any thread.
 */
#ifndef SANDBOX_WALK_H
#define SANDBOX_WALK_H

#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * @flags as open(2), without O_CREAT; @resolve is RESOLVE_IN_ROOT or
 * RESOLVE_BENEATH, with RESOLVE_NO_SYMLINKS, _NO_XDEV and _NO_MAGICLINKS. A
 * descriptor or -errno, the same as openat2's.
 */
int walk_open(int dir, const char *path, int flags, uint64_t resolve);

/* Whether the kernel walks. */
bool walk_has_openat2(void);

/* By our own steps, whatever the kernel can. */
int walk_by_steps(int dir, const char *path, int flags, uint64_t resolve);

#endif
