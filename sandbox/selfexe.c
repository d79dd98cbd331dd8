#include "sandbox/selfexe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/parse.h"
#include "sandbox/mount.h"

#define SELF  "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum selfexe_state selfexe_state(void)
{
	autoclose int fd = open(SELF, O_RDONLY | O_CLOEXEC);
	struct statvfs fs;
	int seals;

	if (fd < 0)
		return SELFEXE_EXPOSED;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS)
		return SELFEXE_SEALED_MEMORY;
	/* The flags of the mount, which is what a writer would come through. */
	if (!fstatvfs(fd, &fs) && fs.f_flag & ST_RDONLY)
		return SELFEXE_READ_ONLY_MOUNT;
	return SELFEXE_EXPOSED;
}

static int read_only_copy(void)
{
	static const struct mount_change change = {
		.set = MOUNT_ATTR_RDONLY,
		.propagation = MS_PRIVATE,
	};
	autoclose int tree =
		open_tree(AT_FDCWD, SELF, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int rc;

	if (tree < 0)
		return -errno;
	rc = mount_set(tree, &change, 0, NULL);
	return rc ? rc : move_fd(&tree);
}

static int sealed_copy(void)
{
	autoclose int from = open(SELF, O_RDONLY | O_CLOEXEC);
	autoclose int to =
		memfd_create("hull-ct", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	if (from < 0 || to < 0)
		return -errno;
	do {
		n = sendfile(to, from, NULL, 1 << 24);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || fchmod(to, 0755) || fcntl(to, F_ADD_SEALS, SEALS))
		return -errno;
	return move_fd(&to);
}

bool selfexe_has_mount(void)
{
	autoclose int fd = read_only_copy();

	return fd >= 0;
}

static bool is_own_file(const struct stat *file)
{
	struct stat self;

	return !stat(SELF, &self) && file->st_dev == self.st_dev &&
	       file->st_ino == self.st_ino;
}

/*
 * The copy that the start before this one left open, or -1. The kernel names a
 * program that was started by a descriptor after that (execveat(2)).
 */
static int kept_copy(void)
{
	static const char folder[] = "/dev/fd/";
	const union {
		unsigned long value;
		const char *text;
	} name = { .value = getauxval(AT_EXECFN) };
	struct stat there;
	uint64_t fd;

	if (!name.text || strncmp(name.text, folder, sizeof(folder) - 1) != 0 ||
	    parse_u64(name.text + sizeof(folder) - 1, &fd) || fd > INT_MAX)
		return -1;
	return !fstat((int)fd, &there) && is_own_file(&there) ? (int)fd : -1;
}

static int close_from(unsigned int first)
{
	return close_range(first, ~0U, 0) ? -errno : 0;
}

/* @path with what is behind its last slash taken off. False without one. */
static bool cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
	return slash != NULL;
}

int selfexe_folder(char folder[PATH_MAX], struct err *err)
{
	ssize_t n = readlink(SELF, folder, PATH_MAX - 1);
	struct stat there;
	const char *told;
	bool has_name;

	folder[n > 0 ? n : 0] = '\0';
	has_name = !stat(folder, &there) && is_own_file(&there);
	/* A copy's is "/" or "/memfd:..."; one that was replaced meanwhile has
	 * " (deleted)" behind its old name. */
	if (cut_name(folder) && (has_name || *folder))
		return 0;
	/* One thread, and only the start before this one sets it. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	told = getenv(SELFEXE_FOLDER);
	if (!told)
		return err_set(err, ENOENT,
			       "cannot find the folder of this program");
	snprintf(folder, PATH_MAX, "%s", told);
	return 0;
}

/* A program whose folder is not known works without its companions. */
static int tell_folder(void)
{
	char folder[PATH_MAX];

	if (selfexe_folder(folder, NULL))
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	return setenv(SELFEXE_FOLDER, folder, 1) ? -errno : 0;
}

int selfexe_protect(char *argv[], unsigned int first_fd, int *ret_mount,
		    struct err *err)
{
	enum selfexe_state state = selfexe_state();
	int kept = state == SELFEXE_READ_ONLY_MOUNT ? kept_copy() : -1;
	int fd;
	int rc;

	*ret_mount = -1;
	/* Among those to keep it would be the payload's. */
	if (kept >= 0 && kept != (int)first_fd) {
		fd = dup2(kept, (int)first_fd);
		if (kept < (int)first_fd)
			close(kept);
		kept = fd;
	}
	rc = close_from(first_fd + (kept >= 0));
	if (rc)
		return err_sys(err, -rc, "cannot close descriptors");
	if (kept >= 0 && fcntl(kept, F_SETFD, FD_CLOEXEC) == 0)
		*ret_mount = kept;
	if (state != SELFEXE_EXPOSED)
		return 0;
	fd = read_only_copy();
	/* The next start finds it by its number and moves it. */
	if (fd < 0)
		fd = sealed_copy();
	else if (fcntl(fd, F_SETFD, 0))
		fd = -errno;
	if (fd >= 0) {
		rc = tell_folder();
		if (rc)
			fd = rc;
	}
	if (fd < 0)
		return err_sys(err, -fd,
			       "cannot protect this program's own file");
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return err_sys(err, errno, "cannot start from a protected copy");
}

void selfexe_drop(int mount)
{
	autoclose int target = -1;

	if (mount < 0)
		return;
	target = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target >= 0)
		(void)mount_move(mount, target);
}
