/*
 * The lock that keeps two writers of one image apart: an open file description
 * lock over the whole file (fcntl(2), F_OFD_SETLK), which ends with the last
 * descriptor of it, however its process ends. Main thread.
 */
#ifndef IO_BLOCK_LOCK_H
#define IO_BLOCK_LOCK_H

#include <stdbool.h>

#include "core/err.h"

/*
 * Locks @fd for writing, or against writers. -EBUSY: another process holds a
 * lock that excludes it, and the sentence says which, where it can be found.
 * Where it cannot, the lock is waited for, up to five seconds: it may be what a
 * process that has just ended leaves behind.
 */
int block_lock(int fd, const char *path, bool write, struct err *err);

#endif
