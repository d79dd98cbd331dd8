#include "io/block_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/parse.h"
#include "core/util.h"

/*
 * A process that ended may have left requests in its ring, which the kernel
 * takes down a little later; until then the ring keeps the file open and, as
 * it should with writes on their way, locked. Nobody has that descriptor, so
 * nobody is found.
 */
#define RETRY_MS   20
#define GIVE_UP_MS 5000

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

/* The process in the way, or 0 when none can be found. */
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

static int refuse(const char *path, uint64_t holder, struct err *err)
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

/* The same answers as fcntl(2). */
static int try_lock(int fd, bool write)
{
	struct flock lock = {
		.l_type = write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

int block_lock(int fd, const char *path, bool write, struct err *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	uint64_t holder;

	for (int waited_ms = 0;; waited_ms += RETRY_MS) {
		if (!try_lock(fd, write))
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(err, errno, "cannot lock disk image %s",
				       path);
		holder = who_holds(fd, write);
		if (holder || waited_ms >= GIVE_UP_MS)
			return refuse(path, holder, err);
		(void)nanosleep(&pause, NULL);
	}
}
