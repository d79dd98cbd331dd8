/*
 * Scopes of systemd (systemd.scope(5)): groups that systemd makes and knows of,
 * for processes that it did not start. The manager is the system's when its
 * socket belongs to the caller, else the user's own. In the parent; one thread.
 */
#ifndef SANDBOX_SCOPE_H
#define SANDBOX_SCOPE_H

#include "sandbox/cgroup.h"

#define SCOPE_NAME_MAX 255

struct scope {
	const char *unit; /* "NAME.scope" */
	const char *slice; /* "NAME.slice"; empty: the manager's usual one */
	const char *description;
	const struct cgroup_setting *settings;
	size_t count;
};

/* A process that does nothing, for as long as the caller lives: what a scope
 * begins with. */
int scope_holder(pid_t *ret_pid, struct err *err);
/* Ends it; 0 is none, and becomes it. */
void scope_release_holder(pid_t *pid);

/*
 * Makes the scope with @holder in it, its limits as properties as far as there
 * are such, and all controllers that there are. *@ret_path is its group, which
 * the caller frees.
 */
int scope_start(const struct scope *scope, int proc, pid_t holder,
		char **ret_path, struct err *err);

/* Tells systemd of limits that have changed. */
int scope_change(const char *unit, const struct cgroup_setting *settings,
		 size_t count, struct err *err);

/* Ends the scope, and waits until systemd has forgotten it; one that is gone is
 * fine. */
int scope_stop(const char *unit, struct err *err);

/*
 * "SLICE:PREFIX:NAME" as engines write it, or NULL for the defaults, taken
 * apart: "PREFIX-NAME.scope". Both have SCOPE_NAME_MAX + 1 bytes.
 */
int scope_name(const char *path, const char *id, char *unit, char *slice,
	       struct err *err);

#endif
