#include "sandbox/rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/walk.h"

#define DIR_MODE  0755
#define FILE_MODE 0644

int rootpath_open(int root, const char *path, int flags)
{
	return walk_open(root, path, flags,
			 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int rootpath_open_plain(int root, const char *path, int flags)
{
	return walk_open(root, path, flags,
			 RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

static bool is_special(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') ||
	       (len == 2 && name[0] == '.' && name[1] == '.');
}

/*
 * Makes the component that ends at @end, of which the part before @start is
 * open as @dir. It was missing a moment ago: a link there now dangles, or was
 * put there to mislead, and O_NOFOLLOW refuses both.
 */
static int make_component(int dir, const char *start, const char *end)
{
	char name[NAME_MAX + 1];
	size_t len = (size_t)(end - start);
	int fd;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (is_special(start, len))
		return -EINVAL;
	memcpy(name, start, len);
	name[len] = '\0';
	if (mkdirat(dir, name, DIR_MODE) && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens or makes the first @len bytes of @path: at once when all is there, as
 * mostly, else component after component. */
static int make_prefix(int root, const char *path, size_t len)
{
	char prefix[PATH_MAX];
	size_t at = 0;
	int dir;

	if (len >= sizeof(prefix))
		return -ENAMETOOLONG;
	memcpy(prefix, path, len);
	prefix[len] = '\0';
	dir = rootpath_open(root, len ? prefix : "/", O_PATH | O_DIRECTORY);
	if (dir != -ENOENT)
		return dir;
	dir = rootpath_open(root, "/", O_PATH | O_DIRECTORY);
	while (dir >= 0) {
		const char *start;
		int next;

		while (at < len && path[at] == '/')
			at++;
		if (at == len)
			return dir;
		start = path + at;
		while (at < len && path[at] != '/')
			at++;
		memcpy(prefix, path, at);
		prefix[at] = '\0';
		next = rootpath_open(root, prefix, O_PATH | O_DIRECTORY);
		if (next == -ENOENT)
			next = make_component(dir, start, path + at);
		close(dir);
		dir = next;
	}
	return dir;
}

static int cannot_make(const char *path, int rc, struct err *err)
{
	if (rc == -ELOOP || rc == -ENOTDIR)
		return err_set(
			err, -rc,
			"%s in the root filesystem leads through a link or file that is no folder",
			path);
	return err_sys(err, -rc, "cannot make %s in the root filesystem", path);
}

int rootpath_make_dir(int root, const char *path, struct err *err)
{
	int fd = make_prefix(root, path, strlen(path));

	return fd < 0 ? cannot_make(path, fd, err) : fd;
}

int rootpath_parent(int root, const char *path, const char **ret_name,
		    struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int fd;

	if (!*name || is_special(name, strlen(name)))
		return err_set(err, EINVAL, "\"%s\" does not name a file",
			       path);
	fd = make_prefix(root, path, (size_t)(name - path));
	if (fd < 0)
		return cannot_make(path, fd, err);
	*ret_name = name;
	return fd;
}

int rootpath_make_file(int root, const char *path, struct err *err)
{
	autoclose int dir = -1;
	const char *name = path;
	int fd = rootpath_open(root, path, O_PATH);

	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return cannot_make(path, fd, err);
	dir = rootpath_parent(root, path, &name, err);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	return fd < 0 ? cannot_make(path, -errno, err) : fd;
}
