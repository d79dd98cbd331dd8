#include "sandbox/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/util.h"
#include "sandbox/sys.h"

#define DEPTH_MAX 128
#define LINKS_MAX 40 /* path_resolution(7) */

struct walk {
	int flags;
	uint64_t resolve;
	int folders[DEPTH_MAX]; /* owned; the first is where it began */
	size_t depth;
	unsigned int links;
	uint64_t mount; /* of the first */
	char rest[PATH_MAX]; /* still to be walked */
	char name[NAME_MAX + 1]; /* the present component */
	bool is_last;
	bool wants_folder; /* a slash behind the last one */
};

static int top(const struct walk *walk)
{
	return walk->folders[walk->depth - 1];
}

static int push(struct walk *walk, int fd)
{
	if (walk->depth == DEPTH_MAX) {
		close(fd);
		return -ENAMETOOLONG;
	}
	walk->folders[walk->depth++] = fd;
	return 0;
}

static void pop_to(struct walk *walk, size_t depth)
{
	while (walk->depth > depth)
		close(walk->folders[--walk->depth]);
}

static int mount_of(int fd, uint64_t *ret_mount)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st))
		return -errno;
	*ret_mount = st.stx_mnt_id;
	return 0;
}

static int check_mount(const struct walk *walk, int fd)
{
	uint64_t mount = 0;
	int rc;

	if (!(walk->resolve & RESOLVE_NO_XDEV))
		return 0;
	rc = mount_of(fd, &mount);
	if (rc)
		return rc;
	return mount == walk->mount ? 0 : -EXDEV;
}

/* Where a path begins: the present folder, or with a slash the first. */
static int begin(struct walk *walk)
{
	if (*walk->rest != '/')
		return 0;
	if (walk->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	pop_to(walk, 1);
	return 0;
}

/* The next component into walk->name; false when there is none. */
static int take_name(struct walk *walk, bool *ret_any)
{
	char *at = walk->rest + strspn(walk->rest, "/");
	size_t len = strcspn(at, "/");
	char *next = at + len;

	*ret_any = len > 0;
	if (!len)
		return 0;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(walk->name, at, len);
	walk->name[len] = '\0';
	walk->wants_folder = *next == '/';
	next += strspn(next, "/");
	walk->is_last = !*next;
	memmove(walk->rest, next, strlen(next) + 1);
	return 0;
}

/* Links of procfs that have no path behind them, or jump to one. */
static bool is_magic(int link, const char *text)
{
	struct statfs fs;

	return !fstatfs(link, &fs) && fs.f_type == PROC_SUPER_MAGIC &&
	       (*text == '/' || strchr(text, ':'));
}

/* Puts the link's text before what is left. */
static int follow(struct walk *walk, int link)
{
	char text[PATH_MAX];
	char rest[PATH_MAX];
	ssize_t len = readlinkat(link, "", text, sizeof(text) - 1);
	int n;

	if (len < 0)
		return -errno;
	text[len] = '\0';
	if (walk->resolve & RESOLVE_NO_SYMLINKS || is_magic(link, text) ||
	    ++walk->links > LINKS_MAX)
		return -ELOOP;
	if (!len)
		return -ENOENT;
	n = snprintf(rest, sizeof(rest), "%s%s%s", text,
		     walk->is_last && !walk->wants_folder ? "" : "/",
		     walk->rest);
	if (n < 0 || (size_t)n >= sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(walk->rest, rest, (size_t)n + 1);
	return begin(walk);
}

static int open_last(const struct walk *walk, int fd, mode_t mode)
{
	int opened;
	int rc;

	if ((walk->wants_folder || walk->flags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (walk->flags & O_PATH) {
		opened = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return opened < 0 ? -errno : opened;
	}
	/* What has become a link since is refused. */
	opened = openat(top(walk), walk->name,
			walk->flags | O_NOFOLLOW | O_CLOEXEC);
	if (opened < 0)
		return -errno;
	rc = check_mount(walk, opened);
	if (rc) {
		close(opened);
		return rc;
	}
	return opened;
}

static int go_back(struct walk *walk)
{
	if (walk->depth > 1)
		pop_to(walk, walk->depth - 1);
	else if (walk->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	return 0;
}

/* One component: 0 to go on, or *@ret_fd is the end. */
static int step(struct walk *walk, int *ret_fd)
{
	autoclose int fd = -1;
	struct stat st;
	int rc;

	if (!strcmp(walk->name, "."))
		return 0;
	if (!strcmp(walk->name, ".."))
		return go_back(walk);
	fd = openat(top(walk), walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	rc = check_mount(walk, fd);
	if (rc)
		return rc;
	if (S_ISLNK(st.st_mode) &&
	    !(walk->is_last && !walk->wants_folder && walk->flags & O_NOFOLLOW))
		return follow(walk, fd);
	if (walk->is_last) {
		rc = open_last(walk, fd, st.st_mode);
		if (rc >= 0)
			*ret_fd = rc;
		return rc < 0 ? rc : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return push(walk, move_fd(&fd));
}

/* The path ended at a folder that is open already. */
static int open_top(const struct walk *walk)
{
	int fd = openat(top(walk), ".", walk->flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int go(struct walk *walk)
{
	bool any = true;
	int fd = -1;
	int rc = begin(walk);

	while (!rc && fd < 0) {
		rc = take_name(walk, &any);
		if (!rc && !any)
			return open_top(walk);
		if (!rc)
			rc = step(walk, &fd);
	}
	return rc ? rc : fd;
}

int walk_by_steps(int dir, const char *path, int flags, uint64_t resolve)
{
	struct walk walk = { .flags = flags, .resolve = resolve };
	int fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	walk.folders[walk.depth++] = fd;
	rc = !*path ? -ENOENT : 0;
	if (strlen(path) >= sizeof(walk.rest))
		rc = -ENAMETOOLONG;
	if (!rc && resolve & RESOLVE_NO_XDEV)
		rc = mount_of(fd, &walk.mount);
	if (!rc) {
		memcpy(walk.rest, path, strlen(path) + 1);
		rc = go(&walk);
	}
	pop_to(&walk, 0);
	return rc;
}

int walk_open(int dir, const char *path, int flags, uint64_t resolve)
{
	int fd = sys_openat2(dir, path, flags, 0, resolve);

	return fd == -ENOSYS ? walk_by_steps(dir, path, flags, resolve) : fd;
}

bool walk_has_openat2(void)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = sys_openat2(root, ".", O_PATH, 0, RESOLVE_IN_ROOT);

	return fd >= 0;
}
