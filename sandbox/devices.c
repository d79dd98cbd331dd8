#include "sandbox/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sandbox/mount.h"
#include "sandbox/rootpath.h"

#define NULL_MAJOR 1
#define NULL_MINOR 3

static const struct device_node defaults[] = {
	{ "/dev/null", 'c', NULL_MAJOR, NULL_MINOR, 0666, 0, 0, -1 },
	{ "/dev/zero", 'c', 1, 5, 0666, 0, 0, -1 },
	{ "/dev/full", 'c', 1, 7, 0666, 0, 0, -1 },
	{ "/dev/random", 'c', 1, 8, 0666, 0, 0, -1 },
	{ "/dev/urandom", 'c', 1, 9, 0666, 0, 0, -1 },
	{ "/dev/tty", 'c', 5, 0, 0666, 0, 0, -1 },
};

const struct device_node *devices_default(size_t index)
{
	return index < ARRAY_SIZE(defaults) ? &defaults[index] : NULL;
}

static mode_t file_type(char type)
{
	if (type == 'p')
		return S_IFIFO;
	return type == 'b' ? S_IFBLK : S_IFCHR;
}

static bool is_node(const struct stat *st, const struct device_node *node)
{
	if ((st->st_mode & S_IFMT) != file_type(node->type))
		return false;
	return node->type == 'p' ||
	       st->st_rdev == makedev(node->major, node->minor);
}

/* What was opened is checked, not what a path says. */
static int open_checked(const struct device_node *node, struct err *err)
{
	autoclose int tree = open_tree(AT_FDCWD, node->path,
				       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct stat st;

	if (tree < 0 || fstat(tree, &st))
		return err_sys(err, errno, "cannot open the host's %s",
			       node->path);
	if (!is_node(&st, node))
		return err_set(err, ENODEV,
			       "the host's %s is not the device %c %u:%u",
			       node->path, node->type, node->major,
			       node->minor);
	return move_fd(&tree);
}

int devices_open_null(struct err *err)
{
	autoclose int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "cannot open the host's /dev/null");
	if (!is_node(&st, &defaults[0]))
		return err_set(err, ENODEV,
			       "the host's /dev/null is not that device");
	return move_fd(&fd);
}

int devices_open_host(struct device_node *node, struct err *err)
{
	int tree = open_checked(node, err);

	if (tree < 0)
		return tree;
	node->tree = tree;
	return 0;
}

static int bind_node(int root, struct device_node *node, struct err *err)
{
	static const struct mount_change apart = { .propagation = MS_PRIVATE };
	autoclose int target = rootpath_make_file(root, node->path, err);
	int rc;

	if (target < 0)
		return target;
	rc = mount_set(node->tree, &apart, 0, err);
	if (!rc)
		rc = mount_move(node->tree, target);
	close(move_fd(&node->tree));
	return rc ? err_sys(err, -rc, "cannot place the device %s",
			    node->path) :
		    0;
}

static int bind_host(int root, struct device_node *node, struct err *err)
{
	int rc = devices_open_host(node, err);

	return rc ? rc : bind_node(root, node, err);
}

int devices_make(int root, struct device_node *node, struct err *err)
{
	autoclose int dir = -1;
	const char *name;
	struct stat st;

	if (node->tree >= 0)
		return bind_node(root, node, err);
	dir = rootpath_parent(root, node->path, &name, err);
	if (dir < 0)
		return dir;
	if (mknodat(dir, name, file_type(node->type) | node->mode,
		    makedev(node->major, node->minor))) {
		/* A filter of a group above ours, as that of podman's pods. */
		if (errno == EPERM && node->type != 'p')
			return bind_host(root, node, err);
		if (errno != EEXIST)
			return err_sys(err, errno, "cannot make the device %s",
				       node->path);
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !is_node(&st, node))
			return err_set(
				err, EEXIST,
				"the root filesystem has something else at %s",
				node->path);
	}
	if ((node->uid || node->gid) &&
	    fchownat(dir, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW))
		return err_sys(err, errno, "cannot give %s its owner",
			       node->path);
	return 0;
}

static int make_link(int root, const char *path, const char *text,
		     struct err *err)
{
	const char *name;
	autoclose int dir = rootpath_parent(root, path, &name, err);

	if (dir < 0)
		return dir;
	if (symlinkat(text, dir, name) && errno != EEXIST)
		return err_sys(err, errno, "cannot make the link %s", path);
	return 0;
}

int devices_make_links(int root, struct err *err)
{
	static const struct {
		const char *path;
		const char *text;
	} links[] = {
		{ "/dev/fd", "/proc/self/fd" },
		{ "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" },
		{ "/dev/stderr", "/proc/self/fd/2" },
		{ "/dev/ptmx", "pts/ptmx" },
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(links); i++)
		rc = make_link(root, links[i].path, links[i].text, err);
	return rc;
}
