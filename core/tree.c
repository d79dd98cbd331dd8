#include "core/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Theory of operation. A tree can be deeper than there are descriptors, so it
 * is walked with one: what has folders is entered, what is empty is removed
 * from above, found again by "..". Each folder must be on the mount of the
 * first, so that what someone mounted below is not emptied.
 */
struct place {
	uint64_t inode;
	uint64_t mount;
};

static int place_of(int dir, struct place *ret_place)
{
	struct statx st;

	if (statx(dir, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st))
		return -errno;
	ret_place->inode = st.stx_ino;
	ret_place->mount = st.stx_mnt_id;
	return 0;
}

static int enter(int *dir, const char *name, const struct place *top)
{
	autoclose int next = openat(
		*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct place place = { 0 };
	int rc = next < 0 ? -errno : place_of(next, &place);

	if (rc)
		return rc;
	if (place.mount != top->mount)
		return -EXDEV;
	close(*dir);
	*dir = move_fd(&next);
	return 0;
}

int tree_each(int dir, int (*each)(void *opaque, const char *name),
	      void *opaque, struct err *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int rc = 0;

	if (!stream) {
		rc = errno;
		if (copy >= 0)
			close(copy);
		return err_sys(err, rc, "cannot list a folder");
	}
	/* One thread, and a stream of its own. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!rc && (entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			rc = each(opaque, entry->d_name);
	}
	closedir(stream);
	return rc;
}

struct clearing {
	int dir;
	char folder[NAME_MAX + 1]; /* one that is not empty, or "" */
};

/* Removes what is no folder. */
static int clear_one(void *opaque, const char *name)
{
	struct clearing *clearing = opaque;
	int dir = clearing->dir;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR || (unlinkat(dir, name, AT_REMOVEDIR) &&
				errno != ENOTEMPTY && errno != EEXIST))
		return -errno;
	if (!faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW))
		memcpy(clearing->folder, name, strlen(name) + 1);
	return 0;
}

static int empty(int *dir, const struct place *top)
{
	struct place here = { 0 };
	int rc;

	for (;;) {
		struct clearing clearing = { .dir = *dir };

		rc = tree_each(*dir, clear_one, &clearing, NULL);
		if (!rc && *clearing.folder) {
			rc = enter(dir, clearing.folder, top);
		} else if (!rc) {
			rc = place_of(*dir, &here);
			if (rc || here.inode == top->inode)
				return rc;
			rc = enter(dir, "..", top);
		}
		if (rc)
			return rc;
	}
}

int tree_remove(int dir, const char *name, struct err *err)
{
	autoclose int at = -1;
	struct place top = { 0 };
	int rc;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return err_sys(err, errno, "cannot remove %s", name);
	at = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return err_sys(err, errno, "cannot open %s", name);
	rc = place_of(at, &top);
	if (!rc)
		rc = empty(&at, &top);
	if (rc)
		return err_sys(err, -rc, "cannot empty %s", name);
	if (unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", name);
	return 0;
}

int tree_clear(int dir, struct err *err)
{
	autoclose int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct place top = { 0 };
	int rc = at < 0 ? -errno : place_of(at, &top);

	if (!rc)
		rc = empty(&at, &top);
	return rc ? err_sys(err, -rc, "cannot empty a folder") : 0;
}
