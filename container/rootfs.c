/*
 * Theory of operation. overlayfs itself takes no ID map, but its layers do
 * (Linux Documentation/filesystems/overlayfs.rst; since 5.19): each layer is
 * cloned as a mount of its own, mapped, and only then stacked. Overlay looks
 * layers up by path, in mounts of the caller's namespace, so they are attached
 * in a mount namespace that exists for that moment only. Names there are
 * short: fsconfig(2) takes 255 bytes for all of the layers.
 */
#include "container/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "sandbox/mount.h"
#include "sandbox/procfs.h"
#include "sandbox/userns.h"

static int open_id_map(const struct home *home, struct err *err)
{
	/* overlayfs makes its work folder and whiteouts as who mounted it, the
	 * host's root, who has to be someone on disk for that. */
	struct userns_map map[] = {
		{ .outside = home->id_base, .count = HOME_ID_COUNT },
		{ .inside = HOME_ID_COUNT, .outside = 0, .count = 1 },
	};
	const struct userns_maps maps = { .maps = map,
					  .count = home->root ? 1 : 2 };
	autoclose int proc = procfs_open(err);

	return proc < 0 ? proc : userns_make(proc, &maps, &maps, err);
}

/* A detached copy of the folder, mapped where @userns is one. */
static int open_layer(const char *path, int userns, bool read_only,
		      struct err *err)
{
	autoclose int tree =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = {
		.attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
		.propagation = MS_PRIVATE,
	};

	if (tree < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (userns >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)userns;
	}
	if (!mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		return move_fd(&tree);
	if (errno != EINVAL || userns < 0)
		return err_sys(err, errno, "cannot mount %s", path);
	return err_set(
		err, EOPNOTSUPP,
		"the filesystem of %s cannot map IDs: keep it on ext4, xfs or btrfs, or use --privileged",
		path);
}

static int attach(const char *path, const char *name, int userns,
		  bool read_only, struct err *err)
{
	autoclose int tree = open_layer(path, userns, read_only, err);

	if (tree < 0)
		return tree;
	if (mkdir(name, 0700) ||
	    move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH))
		return err_sys(err, errno, "cannot attach %s", path);
	return 0;
}

/* "0:1:2" in the present folder. */
static int attach_layers(const struct home *home, int userns, char *list,
			 size_t size, struct err *err)
{
	size_t used = 0;
	int rc;

	for (size_t i = 0; i < home->layer_count; i++) {
		char name[32];
		int n;

		snprintf(name, sizeof(name), "%zu", i);
		rc = attach(home->layers[i], name, userns, true, err);
		if (rc)
			return rc;
		n = snprintf(list + used, size - used, "%s%s", i ? ":" : "",
			     name);
		used += (size_t)n;
		if (used >= size)
			return err_set(err, E2BIG, "too many layers");
	}
	return 0;
}

/* Linux says no more than EINVAL to an upper layer that it does not take
 * (Documentation/filesystems/overlayfs.rst, "Upper and Lower"). */
static int no_overlay(const struct home *home, int error, struct err *err)
{
	if (error != EINVAL)
		return err_sys(err, error,
			       "cannot lay the container's files over %s",
			       home->layers[0]);
	return err_set(
		err, EINVAL,
		"cannot lay the container's files over %s: the filesystem of %s may be unable to carry them, as another overlay and NFS are; choose another one with --store",
		home->layers[0], home->path);
}

/* The container's own files as a layer that is written to. */
static int add_upper(const struct home *home, int userns, int context,
		     struct err *err)
{
	autofree char *data = NULL;
	int rc;

	if (asprintf(&data, "%s/data", home->path) < 0) {
		data = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	rc = attach(data, "d", userns, false, err);
	if (rc)
		return rc;
	if (fsconfig(context, FSCONFIG_SET_STRING, "upperdir", "d/upper", 0) ||
	    fsconfig(context, FSCONFIG_SET_STRING, "workdir", "d/work", 0))
		return no_overlay(home, errno, err);
	return 0;
}

/* The same as the topmost of layers that are only read. An index, which would
 * be refused while the container runs, is of no use to a reader. */
static int add_upper_to_read(const struct home *home, int context, char *lower,
			     size_t size, struct err *err)
{
	autofree char *upper = NULL;
	size_t len = strlen(lower);
	int rc;

	if (asprintf(&upper, "%s/data/upper", home->path) < 0) {
		upper = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	rc = attach(upper, "u", -1, true, err);
	if (rc)
		return rc;
	if (len + 3 > size)
		return err_set(err, E2BIG, "too many layers");
	memmove(lower + 2, lower, len + 1);
	lower[0] = 'u';
	lower[1] = ':';
	return fsconfig(context, FSCONFIG_SET_STRING, "index", "off", 0) ?
		       no_overlay(home, errno, err) :
		       0;
}

static int stack(const struct home *home, int userns, bool read_only,
		 struct err *err)
{
	char lower[256];
	autoclose int context = -1;
	int tree;
	int rc = attach_layers(home, userns, lower, sizeof(lower), err);

	if (rc)
		return rc;
	context = fsopen("overlay", FSOPEN_CLOEXEC);
	if (context < 0)
		return err_sys(err, errno, "no overlay filesystem");
	rc = read_only ? add_upper_to_read(home, context, lower, sizeof(lower),
					   err) :
			 add_upper(home, userns, context, err);
	if (rc)
		return rc;
	/* See rootless.h. */
	if (home->shares_ids &&
	    fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0))
		return no_overlay(home, errno, err);
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", "hull-ct", 0) ||
	    fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", lower, 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return no_overlay(home, errno, err);
	tree = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return tree < 0 ? err_sys(err, errno, "cannot mount the overlay") :
			  tree;
}

/* The caller is in a mount namespace of its own. */
static int stack_aside(const struct home *home, int userns, bool read_only,
		       struct err *err)
{
	autofree char *mount_point = NULL;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_sys(err, errno, "cannot make the mounts private");
	if (asprintf(&mount_point, "%s/root", home->path) < 0) {
		mount_point = NULL;
		return err_sys(err, ENOMEM, "no memory");
	}
	if (mount("hull-ct", mount_point, "tmpfs", MS_NOSUID | MS_NODEV,
		  "mode=700,size=64k") ||
	    chdir(mount_point))
		return err_sys(err, errno, "cannot mount on %s", mount_point);
	return stack(home, userns, read_only, err);
}

static int open_overlay(const struct home *home, int userns, bool read_only,
			struct err *err)
{
	autoclose int host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	autoclose int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int tree = -1;
	int rc;

	if (host < 0 || cwd < 0)
		return err_sys(err, errno, "cannot open the mount namespace");
	if (unshare(CLONE_NEWNS))
		return err_sys(err, errno, "no new mount namespace");
	tree = stack_aside(home, userns, read_only, err);
	rc = tree < 0 ? tree : 0;
	if ((setns(host, CLONE_NEWNS) || fchdir(cwd)) && !rc)
		rc = err_sys(err, errno, "cannot leave the mount namespace");
	return rc ? rc : move_fd(&tree);
}

static int open_root(const struct home *home, int userns, bool read_only,
		     struct err *err)
{
	if (home->root)
		return open_layer(home->root, userns, read_only, err);
	if (!home->layer_count)
		return err_set(err, EINVAL,
			       "container %s has no layers: destroy it",
			       home->name);
	return open_overlay(home, userns, read_only, err);
}

int rootfs_open(const struct home *home, struct err *err)
{
	autoclose int userns = -1;

	if (!home->privileged && !home->shares_ids) {
		userns = open_id_map(home, err);
		if (userns < 0)
			return userns;
	}
	return open_root(home, userns, false, err);
}

int rootfs_open_to_read(const struct home *home, struct err *err)
{
	return open_root(home, -1, true, err);
}
