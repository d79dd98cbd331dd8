#include "vmm/replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fd.h"

static int write_file(const char *path, int flags, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, 0666);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fd_write_all(fd, text, len);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	return rc;
}

static int write_beside(const char *path, const char *text, size_t len)
{
	char temporary[PATH_MAX];
	int rc;

	if (snprintf(temporary, sizeof(temporary), "%s.%d.new", path,
		     (int)getpid()) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	rc = write_file(temporary, O_CREAT | O_EXCL, text, len);
	if (!rc && rename(temporary, path) < 0)
		rc = -errno;
	if (rc && rc != -EEXIST)
		unlink(temporary);
	return rc;
}

bool replace_file_is_stream(const char *path)
{
	struct stat stat_now;

	/* /dev/stdout leads to a regular file, but is not one. */
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6) ||
	       (!lstat(path, &stat_now) && !S_ISREG(stat_now.st_mode));
}

int replace_file(const char *path, const char *text, size_t len,
		 struct err *err)
{
	int rc;

	if (replace_file_is_stream(path))
		rc = write_file(path, O_APPEND, text, len);
	else
		rc = write_beside(path, text, len);
	return rc ? err_sys(err, -rc, "cannot write %s", path) : 0;
}

int growing_file_open(const char *path, int *ret_fd)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
	int fd;

	if (!replace_file_is_stream(path))
		flags |= O_CREAT | O_TRUNC;
	fd = open(path, flags, 0666);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
