/* A container that is there, with its cgroup, for the verbs that change it. */
#ifndef CONTAINER_TARGET_H
#define CONTAINER_TARGET_H

#include "container/context.h"
#include "container/state.h"
#include "sandbox/cgroup.h"

struct target {
	struct state state; /* .dir is -1 when there is no such container */
	struct cgroup_mount mount;
	int cgroup; /* -1 when it is gone, or was never made */
};

/* To be closed also behind a failure. With @lock: as state_open. */
int target_open(struct context *context, const char *id, bool lock,
		struct target *ret_target, struct err *err);

/* The same, for one that has processes. */
int target_open_running(struct context *context, const char *id, bool lock,
			struct target *ret_target, struct err *err);

/* Removes the cgroup of a container without processes, by systemd where that
 * made it. */
int target_remove_group(const struct cgroup_mount *mount,
			const struct state *state, struct err *err);

void target_close(struct target *target);

/* `delete`, verbs_life.c: removes the state and the cgroup of one that has
 * stopped; with @force also of one that runs, and one that is not there is
 * fine. */
int container_remove(struct context *context, const char *id, bool force,
		     struct err *err);

#endif
