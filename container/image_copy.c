/*
 * A copy of an image for one container, where the filesystem of the store
 * cannot carry what the container writes as the upper layer of an overlay. It
 * is a layer of the store that the container writes to itself, and goes with
 * the last home that names it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "container/image.h"
#include "container/state.h"
#include "container/unpack.h"
#include "core/tree.h"
#include "sandbox/mount.h"

#define UNFINISHED ".copy"
#define ARCHIVE	   ".copy.tar"

static int open_archive(int layers, struct err *err)
{
	autoclose int fd = openat(
		layers, ARCHIVE,
		O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || unlinkat(layers, ARCHIVE, 0))
		return err_sys(err, errno, "cannot make a file in the store");
	return move_fd(&fd);
}

static int make_target(int layers, struct err *err)
{
	int rc = tree_remove(layers, UNFINISHED, err);
	int fd;

	if (rc)
		return rc;
	if (mkdirat(layers, UNFINISHED, 0711) ||
	    mkdirat(layers, UNFINISHED "/tree", 0755))
		return err_sys(err, errno, "cannot make a folder in the store");
	fd = openat(layers, UNFINISHED "/tree",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "cannot open the store") : fd;
}

/* By way of an archive, which has all of a file that matters. */
static int copy(int program, const char *from, int layers, const char *name,
		struct err *err)
{
	autoclose int tree = -1;
	autoclose int archive = -1;
	autoclose int target = -1;
	int rc;

	tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_sys(err, errno, "cannot open %s", from);
	archive = open_archive(layers, err);
	target = archive < 0 ? -1 : make_target(layers, err);
	if (target < 0)
		return -err->code;
	rc = unpack_pack(program, tree, "none", archive, NULL, err);
	if (!rc && lseek(archive, 0, SEEK_SET))
		rc = err_sys(err, errno, "cannot read the copy");
	if (!rc)
		rc = unpack_layer(program, archive, target, UNPACK_PLAIN, err);
	if (!rc)
		rc = tree_remove(layers, name, err);
	if (!rc && renameat(layers, UNFINISHED, layers, name))
		rc = err_sys(err, errno, "cannot name the copy");
	if (rc)
		tree_remove(layers, UNFINISHED, NULL);
	return rc;
}

int image_copy(struct context *context, const char *container,
	       struct image *image, struct err *err)
{
	autofree char *store = realpath(context->store, NULL);
	autoclose int fd =
		store ? open(store, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	autoclose int layers =
		openat(fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int program = -1;
	char name[STATE_ID_MAX + 16];
	struct err missing;
	char *path;
	int rc = 0;

	if (layers < 0)
		return err_sys(err, errno, "cannot open the store");
	if (mount_carries_overlay(fd))
		return 0;
	snprintf(name, sizeof(name), "s-%s-copy", container);
	/* Once our program is protected, it cannot find the other one. */
	program = unpack_open_program(&missing);
	if (program >= 0) {
		rc = copy(program, image->tree, layers, name, err);
	} else if (faccessat(layers, name, F_OK, AT_SYMLINK_NOFOLLOW)) {
		*err = missing;
		rc = program;
	}
	if (rc)
		return err_prefix(err, "copy of %s", image->tree);
	if (asprintf(&path, "%s/layers/%s/tree", store, name) < 0)
		return err_sys(err, ENOMEM, "no memory");
	free(image->tree);
	image->tree = path;
	image->is_copy = true;
	return 0;
}
