#include "sandbox/mount_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FLAGS                                                       \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | \
	 MOUNT_ATTR_NOEXEC)
#define HOST_FLAGS (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)

bool mount_lock_wanted(const struct mount_plan *plan)
{
	struct statvfs fs;

	/* What is shared would come over as a slave. */
	if (!plan->is_bind || plan->tree < 0 ||
	    (plan->one.propagation | plan->below.propagation) & MS_SHARED)
		return false;
	if ((plan->one.set | plan->below.set) & FLAGS)
		return true;
	/* The source's own mount may have them, too. */
	return !fstatvfs(plan->tree, &fs) && fs.f_flag & HOST_FLAGS;
}

static int lay_stage(struct mount_lock *lock, const char *place,
		     struct err *err)
{
	autoclose int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return err_sys(err, errno, "no tmpfs for bind mounts");
	lock->stage = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (lock->stage < 0 ||
	    move_mount(lock->stage, "", AT_FDCWD, place,
		       MOVE_MOUNT_F_EMPTY_PATH) ||
	    fchdir(lock->stage))
		return err_sys(err, errno, "no place for bind mounts");
	return 0;
}

int mount_lock_enter(struct mount_lock *lock, const char *place,
		     struct err *err)
{
	/* The host's mounts still come in, ours do not go out. */
	struct mount_attr slave = { .propagation = MS_SLAVE };

	lock->home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	lock->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	lock->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (lock->home < 0 || lock->root < 0)
		return err_sys(err, errno, "cannot open the mount namespace");
	if (unshare(CLONE_NEWNS) ||
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &slave, sizeof(slave)))
		return err_sys(err, errno, "no new mount namespace");
	return lay_stage(lock, place, err);
}

int mount_lock_add(const struct mount_lock *lock, const char *name,
		   struct mount_plan *plan, struct err *err)
{
	autoclose int target = -1;
	int rc = 0;

	if (plan->tree_is_dir)
		rc = mkdirat(lock->stage, name, 0700);
	target = openat(lock->stage, name,
			plan->tree_is_dir ?
				O_RDONLY | O_DIRECTORY | O_CLOEXEC :
				O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0600);
	if (rc || target < 0)
		return err_sys(err, errno, "mount %s", plan->target);
	rc = mount_move(plan->tree, target);
	close(move_fd(&plan->tree));
	return rc ? err_sys(err, -rc, "mount %s: cannot lock it",
			    plan->target) :
		    0;
}

static void close_slot(int *fd)
{
	if (*fd >= 0)
		close(move_fd(fd));
}

int mount_lock_leave(struct mount_lock *lock, struct err *err)
{
	int rc = 0;

	/* The root that we had may not be the namespace's. */
	if (lock->home >= 0 &&
	    (setns(lock->home, CLONE_NEWNS) || fchdir(lock->root) ||
	     chroot(".") || (lock->cwd >= 0 && fchdir(lock->cwd))))
		rc = err_sys(err, errno, "cannot leave the mount namespace");
	close_slot(&lock->stage);
	close_slot(&lock->home);
	close_slot(&lock->root);
	close_slot(&lock->cwd);
	return rc;
}

int mount_lock_take(const char *name, struct mount_plan *plan, struct err *err)
{
	int tree =
		open_tree(AT_FDCWD, name,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0)
		return err_sys(err, errno, "mount %s: cannot copy it",
			       plan->target);
	plan->tree = tree;
	return 0;
}
