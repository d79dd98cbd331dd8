/*
 * Mounts of a container through the mount API of Linux 5.2 and later: a mount
 * is made detached, gets its attributes, and only then is attached to a target
 * that was opened inside the root filesystem. No path is looked up twice.
 *
 * A mount is described before the child exists (mount_option, and
 * mount_open_source for binds) and attached by the child (mount_attach), which
 * allocates nothing.
 */
#ifndef SANDBOX_MOUNT_H
#define SANDBOX_MOUNT_H

#include <stdint.h>

#include "core/err.h"

/* One attribute change, of the mount itself or of all mounts below, too. */
struct mount_change {
	uint64_t set; /* MOUNT_ATTR_* */
	uint64_t clear;
	uint64_t propagation; /* MS_PRIVATE and its like, 0 for none */
};

struct mount_plan {
	const char *target; /* in the container, absolute; borrowed */
	const char *type; /* NULL for a bind mount; borrowed */
	const char *source; /* borrowed */
	bool is_bind;
	bool recursive; /* rbind */
	bool read_only_fs; /* told to the filesystem, too */
	bool remount; /* changes the mount that is there already */
	bool copy_up; /* tmpcopyup: what the target had is copied in */
	bool idmap; /* idmap or ridmap: idmap_fd is wanted */
	bool idmap_recursive;
	struct mount_change one;
	struct mount_change below; /* recursively */
	const char **params; /* of the filesystem: "size=1m", "ro"; owned */
	size_t param_count;
	int tree; /* binds: the detached copy of the source; owned, or -1 */
	bool tree_is_dir;
	bool locked; /* see mount_lock.h: the child gets its tree there */
	int idmap_fd; /* a user namespace; owned by the caller, or -1 */
};

/*
 * Takes one option of runtime-spec 1.2, config.md "Linux mount options".
 * Returns true when it was one of ours, false when it is for the filesystem.
 */
bool mount_option(struct mount_plan *plan, const char *option);

/* A cgroup tree of either version; a container gets version 2 for both. */
bool mount_is_cgroup(const struct mount_plan *plan);

/* The names that mount_option knows, for `features`; NULL behind the last. */
const char *mount_option_name(size_t index);

/*
 * Binds: opens the source, relative to @dir, as a detached copy. In the
 * caller's mount namespace, with its rights.
 */
int mount_open_source(struct mount_plan *plan, int dir, struct err *err);

/* Binds, when opened: sets all that can be set before it is attached. With the
 * rights of the source's mount, which mapping IDs takes. */
int mount_prepare(struct mount_plan *plan, struct err *err);

/* Attaches it inside @root, in the caller's namespaces. Closes plan->tree. For
 * a remount changes what is attached there. */
int mount_attach(struct mount_plan *plan, int root, struct err *err);

/* Sets attributes on an open mount; @flags is AT_RECURSIVE or 0. */
int mount_set(int mount, const struct mount_change *change, int flags,
	      struct err *err);

/* A detached copy of what @fd stands for. A descriptor or -errno. */
int mount_copy(int fd, int flags);

/*
 * Options that fsconfig(2) does not take, being longer than 255 bytes (the
 * layers of an overlay), go through mount(2), which takes a page of them.
 */
#define MOUNT_PARAM_MAX 255
#define MOUNT_DATA_SIZE 4096

bool mount_is_long(const struct mount_plan *plan);

/* Mounts a new filesystem over the open @target, with the attributes of the
 * mount alone. */
int mount_by_text(const struct mount_plan *plan, int target, struct err *err);

/* Attaches the detached @tree at the open @target. 0 or -errno. */
int mount_move(int tree, int target);

/* What lies over masked paths. */
struct mount_cover {
	int null; /* the host's /dev/null, see devices_open_null; owned */
	int empty; /* an empty folder, read-only; owned, -1 until needed */
	bool empty_used;
};

void mount_cover_release(struct mount_cover *cover);

/* Hides @path in @root. What is not there needs no hiding. */
int mount_mask(int root, const char *path, struct mount_cover *cover,
	       struct err *err);

/* Makes @path in @root read-only with what is below; nothing when missing. */
int mount_read_only(int root, const char *path, struct err *err);

/* Whether the filesystem of @fd can hold the upper layer of an overlay: another
 * overlay and NFS cannot (Linux Documentation/filesystems/overlayfs.rst, "Upper
 * and Lower"). */
bool mount_carries_overlay(int fd);

#endif
