/*
 * The last steps of a process on its way into the payload, the same for a
 * container's first process and for `exec`. In the child; nothing allocates.
 */
#ifndef CONTAINER_PAYLOAD_H
#define CONTAINER_PAYLOAD_H

#include <limits.h>

#include "container/config.h"
#include "container/notify.h"
#include "container/vm_shim.h"

struct payload {
	const struct config_process *process;
	const struct filter_program *filter; /* NULL: none */
	const struct notify *notify; /* NULL: no agent for the filter */
	pid_t outer_pid; /* of the process, for the agent */
	bool has_personality;
	unsigned long personality;
	bool sets_rlimits; /* or the parent did, who has the right */
	bool reaper; /* an init of ours runs the program, see reaper.h: */
	int own_file; /* from this */
	const struct vm_shim *shim; /* NULL, or the program is the monitor of
				     * an engine's VM */
	unsigned int keep_fds; /* descriptors from 3 that stay open */
	bool setgroups_denied; /* by the user namespace */
	/* Between the two steps. */
	bool cwd_later; /* only the user may enter it */
	char program[PATH_MAX];
	bool failed; /* the error is about the program itself */
};

/* Inside the root: enters cwd, finds the program, sets what needs rights that
 * the payload may not keep. */
int payload_prepare(struct payload *payload, struct err *err);

/* Gives up rights and runs the program; returns only with an error. */
int payload_exec(struct payload *payload, struct err *err);

/* Tells the host's security modules, through a handle on its /proc, the labels
 * that the next exec takes. */
int payload_set_labels(const struct config_process *process, int proc,
		       struct err *err);

/* Sets the resource limits of @pid, 0 for the caller. Raising hard ones needs
 * rights outside of any user namespace. */
int payload_set_rlimits(const struct config_process *process, pid_t pid,
			struct err *err);

/* Numbers @fds anew, from 3 + @keep_fds on and close-on-exec, and closes all
 * others above. */
int payload_close_fds(unsigned int keep_fds, int *fds, size_t count,
		      struct err *err);

#endif
