#include "container/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

void logfile_name(unsigned int number, char *name, size_t size)
{
	if (number)
		snprintf(name, size, LOGFILE_NAME ".%u", number);
	else
		snprintf(name, size, LOGFILE_NAME);
}

static int open_first(struct logfile *log)
{
	struct stat st;

	log->fd = openat(log->dir, LOGFILE_NAME,
			 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			 0600);
	if (log->fd < 0 || fstat(log->fd, &st))
		return -errno;
	log->size_bytes = (uint64_t)st.st_size;
	return 0;
}

int logfile_open(struct logfile *log, int dir, uint64_t limit_bytes,
		 unsigned int files, struct err *err)
{
	int rc;

	*log = (struct logfile){
		.dir = dir, .fd = -1, .limit_bytes = limit_bytes, .files = files
	};
	rc = limit_bytes ? open_first(log) : 0;
	return rc ? err_sys(err, -rc, "cannot open the log") : 0;
}

void logfile_close(struct logfile *log)
{
	if (log->fd >= 0)
		close(move_fd(&log->fd));
}

static void rotate(struct logfile *log)
{
	char from[32];
	char to[32];

	logfile_close(log);
	for (unsigned int i = log->files - 1; i > 0; i--) {
		logfile_name(i - 1, from, sizeof(from));
		logfile_name(i, to, sizeof(to));
		renameat(log->dir, from, log->dir, to);
	}
	if (log->files == 1)
		unlinkat(log->dir, LOGFILE_NAME, 0);
	open_first(log);
}

void logfile_write(struct logfile *log, const char *text, size_t len)
{
	ssize_t n = 1;

	if (!log->limit_bytes)
		return;
	if (log->size_bytes && log->size_bytes + len > log->limit_bytes)
		rotate(log);
	while (log->fd >= 0 && len && n > 0) {
		n = write(log->fd, text, len);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
			log->size_bytes += (uint64_t)n;
		}
	}
}
