/* The file that tells an engine a process's ID. */
#ifndef CONTAINER_PIDFILE_H
#define CONTAINER_PIDFILE_H

#include <sys/types.h>

#include "core/err.h"

/* Whole or not at all: readers wait for it to appear. */
int pidfile_write(const char *path, pid_t pid, struct err *err);

#endif
