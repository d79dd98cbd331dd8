#include "sandbox/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sandbox/mount.h"
#include "sandbox/walk.h"

/* Linux fs/proc: PROC_ROOT_INO, what tells /proc from a folder inside. */
#define PROC_ROOT_INODE 1

int procfs_open_private(bool *ret_private, struct err *err)
{
	autoclose int context = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	*ret_private = false;
	if (context < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return procfs_open(err);
	fd = fsmount(context, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return procfs_open(err);
	*ret_private = true;
	return fd;
}

void procfs_drop(int proc)
{
	autoclose int target = open("/proc", O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (target >= 0)
		(void)mount_move(proc, target);
}

int procfs_open(struct err *err)
{
	autoclose int fd =
		open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) || fstat(fd, &st))
		return err_sys(err, errno, "cannot open /proc");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE)
		return err_set(err, ENODEV,
			       "/proc of this host is not a procfs");
	return move_fd(&fd);
}

int procfs_open_file(int proc, const char *path, int flags)
{
	return walk_open(proc, path, flags,
			 RESOLVE_BENEATH | RESOLVE_NO_XDEV |
				 RESOLVE_NO_MAGICLINKS);
}

int procfs_write(int proc, const char *path, const char *text)
{
	autoclose int fd = procfs_open_file(proc, path, O_WRONLY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

ssize_t procfs_read(int proc, const char *path, char *buf, size_t size)
{
	autoclose int fd = procfs_open_file(proc, path, O_RDONLY);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (used + 1 < size) {
		n = read(fd, buf + used, size - 1 - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	buf[used] = '\0';
	return (ssize_t)used;
}
