/*
 * Control groups, version 2 only (Linux Documentation/admin-guide/
 * cgroup-v2.rst). Where a host keeps controllers in version 1 its version 2
 * tree still serves to hold, freeze and kill a container; a limit whose
 * controller is not there is an error that says so.
 *
 * A group is a folder, and is held as a descriptor of it. Paths are absolute
 * within the mounted tree and never contain "..". All of it for the parent:
 * some functions allocate. Errors are -errno and a sentence.
 */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <sys/types.h>

#include "core/err.h"

struct cgroup_mount {
	int fd; /* owned; the root of the tree */
	const char *path; /* constant */
	bool hybrid; /* version 1 is there, too */
};

/* One line for one file of a group. */
struct cgroup_setting {
	const char *controller; /* "memory"; NULL: the core's own */
	const char *file; /* "memory.max" */
	const char *value;
	const char *name; /* who asks: "linux.resources.memory.limit" */
};

int cgroup_mount_open(struct cgroup_mount *ret_mount, struct err *err);
void cgroup_mount_close(struct cgroup_mount *mount);

/* Absolute, without "." or "..", not the root, shorter than PATH_MAX. */
int cgroup_check_path(const char *path, struct err *err);

/*
 * Makes the group and what is missing above it, switches on the controllers
 * that @settings need in every group above, and applies them. The group must
 * be new or empty. Returns a descriptor that the caller closes.
 */
int cgroup_create(const struct cgroup_mount *mount, const char *path,
		  const struct cgroup_setting *settings, size_t count,
		  struct err *err);

/* A descriptor, or -errno. */
int cgroup_open(const struct cgroup_mount *mount, const char *path);

/* Writes the settings; the group's controllers must be on. */
int cgroup_apply(int cgroup, const struct cgroup_setting *settings,
		 size_t count, struct err *err);

/* As for cgroup_create, for a group that is there. */
int cgroup_enable(const struct cgroup_mount *mount, const char *path,
		  const struct cgroup_setting *settings, size_t count,
		  struct err *err);

/*
 * Gives the group to @uid, to make groups in it and to move processes among
 * them (cgroup-v2.rst, "Delegation"): the folder and the files that the kernel
 * lists. Its limits stay ours.
 */
int cgroup_delegate(int cgroup, uid_t uid, struct err *err);

/*
 * The path of the highest group, from the caller's own upwards, that the caller
 * may make groups in and move processes through: what was delegated to it
 * (cgroup-v2.rst, "Delegation Containment"); "" is the root of the tree. Needs
 * @size of PATH_MAX. -ENOENT: none was. @proc is a handle on /proc.
 */
int cgroup_own_top(const struct cgroup_mount *mount, int proc, char *path,
		   size_t size);

/* Switches on above @path what the groups in it may use, as far as that goes:
 * a controller that is not there or not free is left out. */
void cgroup_offer(const struct cgroup_mount *mount, const char *path);

/* Opens the group @name in @cgroup, made when it is missing. A descriptor or
 * -errno. */
int cgroup_open_below(int cgroup, const char *name);

/* Reads up to @size - 1 bytes of a file and ends them; the count or -errno. */
ssize_t cgroup_read(int cgroup, const char *file, char *buf, size_t size);

/* The number behind @key in a file of "key number" lines; 0 or -errno. */
int cgroup_read_key(int cgroup, const char *file, const char *key,
		    uint64_t *ret_value);

/* Ends every process of the group and below (cgroup.kill). */
int cgroup_kill(int cgroup, struct err *err);

/* Waits until no process is left. -ETIMEDOUT. */
int cgroup_wait_empty(int cgroup, int timeout_ms);

/* Freezes, and does not wait. Linux attaches a thread of its own to the group
 * of who made a VM, which never freezes, so that the kernel does not call such
 * a group frozen (before 6.14). */
int cgroup_begin_freeze(int cgroup, struct err *err);

/* Freezes or thaws, and waits until it is so. */
int cgroup_freeze(int cgroup, bool frozen, struct err *err);

bool cgroup_is_frozen(int cgroup);

/* Removes the group with what is below; a missing one is fine. */
int cgroup_remove(const struct cgroup_mount *mount, const char *path,
		  struct err *err);

/*
 * The processes of the group and of the groups below, in *@ret_pids, which the
 * caller frees.
 */
int cgroup_processes(int cgroup, pid_t **ret_pids, size_t *ret_count,
		     struct err *err);

#endif
