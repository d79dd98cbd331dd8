/*
 * Process 1 of the container that a VM runs in, in place of the monitor, which
 * is its child: it stands for the guest's program. It has the standard files
 * that the container has, apart or as a terminal, carries their bytes to and
 * from the guest, passes signals on, and ends with the program's status, and
 * the monitor with it. It is a fork of the runtime's last step, with the
 * monitor's rights, since what it reads comes from the guest. Nothing
 * allocates.
 */
#ifndef CONTAINER_VM_SHIM_H
#define CONTAINER_VM_SHIM_H

#include <stdbool.h>

#include "core/err.h"

#define VM_SHIM_RUN "run" /* the folder of sockets, in that container's root */

struct vm_shim {
	const char *program; /* borrowed; of the guest, for errors */
	bool terminal; /* it has one */
	bool keeps; /* the guest unmounts its disks before the end */
	char **argv; /* of the runtime, to be wiped */
	const int *report; /* borrowed; where start waits, close-on-exec */
};

/* The monitor, with its arguments and environment and @keep_fds descriptors
 * from 3 on. Does not return, but for a failure of the host. */
int vm_shim_start(const struct vm_shim *shim, const char *monitor,
		  char *const *args, char *const *env, unsigned int keep_fds,
		  struct err *err);

#endif
