#include "io/block_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/parse.h"
#include "core/util.h"

#define ORPHAN_WAIT_US 10000
#define ORPHAN_TRIES   200

/* --- Who holds it -------------------------------------------------------- */

/* fcntl(2): F_OFD_GETLK gives -1 for the process of such a lock. What
 * descriptors hold which locks is in /proc/PID/fdinfo (proc(5)). */

/* Whether @path, a file of fdinfo, tells of an open file description lock. */
static bool has_lock(const char *path)
{
	char line[256];
	bool found = false;
	FILE *info = fopen(path, "re");

	if (!info)
		return false;
	while (!found && fgets(line, sizeof(line), info))
		found = !strncmp(line, "lock:", 5) && strstr(line, "OFDLCK");
	(void)fclose(info);
	return found;
}

static bool process_holds(const char *pid, const struct stat *wanted)
{
	char path[600];
	const struct dirent *entry;
	bool found = false;
	DIR *fds;

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	if (!fds)
		return false;
	/* The directory stream is ours alone. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!found && (entry = readdir(fds))) {
		struct stat st;

		if (fstatat(dirfd(fds), entry->d_name, &st, 0) ||
		    st.st_dev != wanted->st_dev || st.st_ino != wanted->st_ino)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid,
			       entry->d_name);
		found = has_lock(path);
	}
	closedir(fds);
	return found;
}

/* The process that holds a lock on @fd's file, or 0. */
static uint64_t find_holder(int fd)
{
	const struct dirent *entry;
	struct stat wanted;
	uint64_t holder = 0;
	DIR *proc;

	if (fstat(fd, &wanted))
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!holder && (entry = readdir(proc))) {
		uint64_t pid;

		if (!parse_u64(entry->d_name, &pid) &&
		    process_holds(entry->d_name, &wanted))
			holder = pid;
	}
	closedir(proc);
	return holder;
}

/* 0 when nobody can be found that holds it. */
static uint64_t who_holds(int fd, bool write)
{
	/* A lock of the other kind has a process. */
	struct flock lock = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};

	if (!fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK &&
	    lock.l_pid > 0)
		return (uint64_t)lock.l_pid;
	return find_holder(fd);
}

static int explain(uint64_t holder, const char *path, struct err *err)
{
	if (holder == (uint64_t)getpid())
		return err_set(err, EBUSY,
			       "disk image %s is given twice; only ,ro on each "
			       "allows that",
			       path);
	if (holder)
		return err_set(err, EBUSY,
			       "disk image %s is in use by process %llu; end "
			       "it, or add ,ro to both",
			       path, (unsigned long long)holder);
	return err_set(err, EBUSY,
		       "disk image %s is in use by another process; end it, or "
		       "add ,ro to both",
		       path);
}

int block_lock(int fd, const char *path, bool write, struct err *err)
{
	struct flock lock = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};

	uint64_t holder = 0;

	/*
	 * The ring of a process that was killed lets go of its files only a
	 * while after the process is gone: a lock that has no holder is waited
	 * for.
	 */
	for (int i = 0; i <= ORPHAN_TRIES; i++) {
		if (!fcntl(fd, F_OFD_SETLK, &lock))
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(err, errno, "cannot lock disk image %s",
				       path);
		holder = who_holds(fd, write);
		if (holder)
			break;
		usleep(ORPHAN_WAIT_US);
	}
	return explain(holder, path, err);
}
