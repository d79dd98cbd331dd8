/*
 * Bind mounts whose settings nobody inside can take back. Root of a user
 * namespace may remount what is mounted there; but what comes into a mount
 * namespace together with all else, when that is copied for another user
 * namespace, has its flags locked (mount_namespaces(7); MNT_LOCK_READONLY and
 * its like in Linux fs/namespace.c), and copies keep that.
 *
 * So the parent enters a mount namespace of its own, lays the prepared mounts
 * into a tmpfs, makes that its working directory, makes the child, which gets
 * them locked, and goes back. The child copies them from its own working
 * directory; the copies can be unmounted, but not be made writable.
 */
#ifndef SANDBOX_MOUNT_LOCK_H
#define SANDBOX_MOUNT_LOCK_H

#include "sandbox/mount.h"

/* The parent's way back; all owned, -1 when it is at home. */
struct mount_lock {
	int home;
	int root;
	int cwd;
	int stage; /* the tmpfs */
};

/* Whether there is something to be locked. For an opened bind mount. */
bool mount_lock_wanted(const struct mount_plan *plan);

/* While single-threaded. The tmpfs covers the folder @place, for us and the
 * child. Behind a failure mount_lock_leave is due as well. */
int mount_lock_enter(struct mount_lock *lock, const char *place,
		     struct err *err);

/* Takes plan->tree; @name is a file name of the caller's. */
int mount_lock_add(const struct mount_lock *lock, const char *name,
		   struct mount_plan *plan, struct err *err);

int mount_lock_leave(struct mount_lock *lock, struct err *err);

/* In the child, in its user namespace, before it goes anywhere: plan->tree is
 * the locked copy. */
int mount_lock_take(const char *name, struct mount_plan *plan, struct err *err);

#endif
