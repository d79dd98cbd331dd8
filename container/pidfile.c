#include "container/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int pidfile_write(const char *path, pid_t pid, struct err *err)
{
	autoclose int fd = -1;
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path + 1) : 0;
	char temporary[PATH_MAX];
	char text[16];
	int n = snprintf(temporary, sizeof(temporary), "%.*s.%s.%d", folder,
			 path, path + folder, (int)getpid());

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return err_set(err, ENAMETOOLONG, "--pid-file: too long");
	n = snprintf(text, sizeof(text), "%d", (int)pid);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, (size_t)n) != n ||
	    rename(temporary, path))
		return err_sys(err, errno, "cannot write the pid file %s",
			       path);
	return 0;
}
