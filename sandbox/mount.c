/*
 * Theory of operation. fsopen(2) or open_tree(2) give a mount that is attached
 * nowhere; mount_setattr(2) changes it while no one else sees it; move_mount(2)
 * attaches it to a target that openat2(2) found inside the root. What a hostile
 * root filesystem can do in between is rename things, and then the mount is
 * where the opened folder went, still inside the root.
 */
#include "sandbox/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sandbox/copyup.h"
#include "sandbox/rootpath.h"

int mount_copy(int fd, int flags)
{
	int tree = open_tree(fd, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				     AT_EMPTY_PATH | (unsigned int)flags);

	return tree < 0 ? -errno : tree;
}

int mount_move(int tree, int target)
{
	return move_mount(tree, "", target, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ?
		       -errno :
		       0;
}

int mount_set(int mount, const struct mount_change *change, int flags,
	      struct err *err)
{
	struct mount_attr attr = {
		.attr_set = change->set,
		.attr_clr = change->clear,
		.propagation = change->propagation,
	};

	if (!change->set && !change->clear && !change->propagation)
		return 0;
	if (mount_setattr(mount, "", AT_EMPTY_PATH | (unsigned int)flags, &attr,
			  sizeof(attr)))
		return err_sys(err, errno, "cannot set mount attributes");
	return 0;
}

bool mount_is_cgroup(const struct mount_plan *plan)
{
	return plan->type && (!strcmp(plan->type, "cgroup") ||
			      !strcmp(plan->type, "cgroup2"));
}

int mount_open_source(struct mount_plan *plan, int dir, struct err *err)
{
	struct stat st;
	int tree = open_tree(dir, plan->source,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				     (plan->recursive ? AT_RECURSIVE : 0U));

	if (tree < 0)
		return err_sys(err, errno,
			       "mount %s: cannot open the source %s",
			       plan->target, plan->source);
	plan->tree = tree;
	if (fstat(tree, &st))
		return err_sys(err, errno, "mount %s: %s", plan->target,
			       plan->source);
	plan->tree_is_dir = S_ISDIR(st.st_mode);
	return 0;
}

/* The kernel's own words about what it did not like, "e message\n". */
static int context_error(int context, int code, const char *what,
			 struct err *err)
{
	char text[256];
	ssize_t n = read(context, text, sizeof(text) - 1);

	if (n <= 2 || text[1] != ' ')
		return err_sys(err, code, "%s", what);
	text[n] = '\0';
	if (text[n - 1] == '\n')
		text[n - 1] = '\0';
	return err_sys(err, code, "%s: %s", what, text + 2);
}

static int set_params(int context, const struct mount_plan *plan,
		      struct err *err)
{
	for (size_t i = 0; i < plan->param_count; i++) {
		const char *param = plan->params[i];
		const char *equals = strchr(param, '=');
		char key[64];
		int rc;

		if (!equals) {
			rc = fsconfig(context, FSCONFIG_SET_FLAG, param, NULL,
				      0);
		} else if ((size_t)(equals - param) < sizeof(key)) {
			snprintf(key, sizeof(key), "%.*s",
				 (int)(equals - param), param);
			rc = fsconfig(context, FSCONFIG_SET_STRING, key,
				      equals + 1, 0);
		} else {
			rc = -1;
			errno = EINVAL;
		}
		if (rc)
			return context_error(context, errno, param, err);
	}
	return 0;
}

/* A detached mount of a new filesystem. */
static int make_filesystem(const struct mount_plan *plan, struct err *err)
{
	autoclose int context = fsopen(plan->type, FSOPEN_CLOEXEC);
	const struct mount_change *change = &plan->one;
	int rc;

	if (context < 0)
		return err_sys(err, errno, "no filesystem \"%s\"", plan->type);
	if (plan->source && *plan->source &&
	    fsconfig(context, FSCONFIG_SET_STRING, "source", plan->source, 0))
		return context_error(context, errno, "source", err);
	rc = set_params(context, plan, err);
	if (rc)
		return rc;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return context_error(context, errno, "cannot create it", err);
	rc = fsmount(context, FSMOUNT_CLOEXEC, (unsigned int)change->set);
	if (rc < 0)
		return context_error(context, errno, "cannot mount it", err);
	return rc;
}

static int set_idmap(const struct mount_plan *plan, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)plan->idmap_fd,
	};

	if (mount_setattr(plan->tree, "",
			  AT_EMPTY_PATH |
				  (plan->idmap_recursive ? AT_RECURSIVE : 0U),
			  &attr, sizeof(attr)))
		return err_sys(err, errno,
			       "the source's filesystem cannot map IDs");
	return 0;
}

/*
 * A copy made in the host's namespace is still a peer of its source: unless
 * asked for otherwise nothing may pass between the two.
 */
int mount_prepare(struct mount_plan *plan, struct err *err)
{
	static const struct mount_change apart = { .propagation = MS_PRIVATE };
	int rc = 0;

	if (!plan->one.propagation && !plan->below.propagation)
		rc = mount_set(plan->tree, &apart, AT_RECURSIVE, err);
	if (!rc)
		rc = mount_set(plan->tree, &plan->below, AT_RECURSIVE, err);
	if (!rc)
		rc = mount_set(plan->tree, &plan->one, 0, err);
	if (!rc && plan->idmap)
		rc = set_idmap(plan, err);
	return rc ? err_prefix(err, "mount %s", plan->target) : 0;
}

/* Links inside the root are followed, but for what the kernel itself answers
 * in: a link there would let the image choose where /proc is (CVE-2019-19921).
 */
static int open_target(const struct mount_plan *plan, int root, struct err *err)
{
	bool plain = plan->type && (!strcmp(plan->type, "proc") ||
				    !strcmp(plan->type, "sysfs"));
	int fd;

	if (plain) {
		fd = rootpath_open_plain(root, plan->target,
					 O_PATH | O_DIRECTORY);
		if (fd >= 0)
			return fd;
		if (fd != -ENOENT)
			return err_set(err, -fd,
				       "the target is not a plain folder");
	}
	if (plan->is_bind && !plan->tree_is_dir)
		return rootpath_make_file(root, plan->target, err);
	return rootpath_make_dir(root, plan->target, err);
}

/* What is named changes, of the mount and, but for binds, the filesystem. */
static int remount(const struct mount_plan *plan, int root, struct err *err)
{
	autoclose int target = rootpath_open(root, plan->target, O_PATH);
	autoclose int context = -1;
	int rc;

	if (target < 0)
		return err_sys(err, -target, "cannot open it");
	rc = mount_set(target, &plan->below, AT_RECURSIVE, err);
	if (!rc)
		rc = mount_set(target, &plan->one, 0, err);
	if (rc || plan->is_bind || !plan->param_count)
		return rc;
	context = fspick(target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (context < 0)
		return err_sys(err, errno, "cannot change its filesystem");
	rc = set_params(context, plan, err);
	if (!rc && fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		rc = context_error(context, errno,
				   "cannot change its filesystem", err);
	return rc;
}

static int attach_by_text(const struct mount_plan *plan, int root,
			  struct err *err)
{
	autoclose int target = rootpath_make_dir(root, plan->target, err);

	return target < 0 ? target : mount_by_text(plan, target, err);
}

/* A shared mount must be in a namespace before it can have peers. */
static int attach(struct mount_plan *plan, int root, struct err *err)
{
	struct mount_change late = { .propagation = plan->one.propagation };
	autoclose int target = -1;
	int rc;

	if (!plan->is_bind) {
		plan->tree = make_filesystem(plan, err);
		if (plan->tree < 0)
			return plan->tree;
		rc = mount_set(plan->tree, &plan->below, AT_RECURSIVE, err);
		if (rc)
			return rc;
	} else {
		late.propagation = 0;
	}
	target = open_target(plan, root, err);
	if (target < 0)
		return target;
	if (plan->copy_up) {
		rc = copyup(target, plan->tree, err);
		if (rc)
			return rc;
	}
	rc = mount_move(plan->tree, target);
	if (rc)
		return err_sys(err, -rc, "cannot attach it");
	return mount_set(plan->tree, &late, 0, err);
}

int mount_attach(struct mount_plan *plan, int root, struct err *err)
{
	int rc;

	if (plan->remount)
		rc = remount(plan, root, err);
	else if (!plan->is_bind && mount_is_long(plan))
		rc = attach_by_text(plan, root, err);
	else
		rc = attach(plan, root, err);
	if (plan->tree >= 0)
		close(move_fd(&plan->tree));
	return rc ? err_prefix(err, "mount %s", plan->target) : 0;
}

void mount_cover_release(struct mount_cover *cover)
{
	if (cover->null >= 0)
		close(move_fd(&cover->null));
	if (cover->empty >= 0)
		close(move_fd(&cover->empty));
}

/* One tmpfs serves for all folders. The mount that it came with is attached
 * first; only then the kernel lets it be copied. */
static int cover_folder(int target, struct mount_cover *cover, struct err *err)
{
	const struct mount_plan plan = {
		.type = "tmpfs",
		.one = { .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
				MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC },
	};
	autoclose int tree = -1;
	int rc;

	if (cover->empty < 0)
		cover->empty = make_filesystem(&plan, err);
	if (cover->empty < 0)
		return cover->empty;
	if (cover->empty_used) {
		tree = mount_copy(cover->empty, 0);
		rc = tree < 0 ? tree : mount_move(tree, target);
	} else {
		rc = mount_move(cover->empty, target);
		cover->empty_used = !rc;
	}
	return rc;
}

static int cover_file(int target, const struct mount_cover *cover)
{
	autoclose int tree = mount_copy(cover->null, 0);

	return tree < 0 ? tree : mount_move(tree, target);
}

int mount_mask(int root, const char *path, struct mount_cover *cover,
	       struct err *err)
{
	autoclose int target = rootpath_open(root, path, O_PATH);
	struct stat st;
	int rc;

	/* Nothing there, or behind something that is no folder. */
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(err, -target, "cannot mask %s", path);
	if (fstat(target, &st))
		return err_sys(err, errno, "cannot mask %s", path);
	if (S_ISDIR(st.st_mode))
		rc = cover_folder(target, cover, err);
	else
		rc = cover_file(target, cover);
	return rc ? err_sys(err, -rc, "cannot mask %s", path) : 0;
}

int mount_read_only(int root, const char *path, struct err *err)
{
	static const struct mount_change read_only = {
		.set = MOUNT_ATTR_RDONLY,
	};
	autoclose int target = rootpath_open(root, path, O_PATH);
	autoclose int tree = -1;
	int rc;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	tree = target < 0 ? target : mount_copy(target, AT_RECURSIVE);
	if (tree < 0)
		return err_sys(err, -tree, "cannot make %s read-only", path);
	rc = mount_set(tree, &read_only, AT_RECURSIVE, err);
	if (rc)
		return err_prefix(err, "cannot make %s read-only", path);
	rc = mount_move(tree, target);
	return rc ? err_sys(err, -rc, "cannot make %s read-only", path) : 0;
}

bool mount_carries_overlay(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || (fs.f_type != OVERLAYFS_SUPER_MAGIC &&
				    fs.f_type != NFS_SUPER_MAGIC);
}
