#include "core/ram_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "core/util.h"

/*
 * Huge pages spare a guest 511 of 512 first touches, each of them an exit, and
 * a disk's direct I/O most of its pieces. The kernel's own shared memory, in
 * which a memfd lives, has them only where the administrator said so
 * (transparent_hugepage/shmem_enabled, "never" by default); a tmpfs has its own
 * say (huge=, tmpfs(5)). So RAM becomes a file on a tmpfs that is mounted
 * nowhere and goes away with its last descriptor. To mount takes CAP_SYS_ADMIN,
 * if only in a user namespace, and a tenth of a millisecond or there a whole
 * one: not for guests that are too small to make up for it.
 */
#define TMPFS_MIN_BYTES (256 * MIB)

#define STACK_BYTES (32 * KIB)

static int create_on_tmpfs(void)
{
	autoclose int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	autoclose int mount = -1;
	int fd;

	/* size=0: no limit but the host's memory, as for a memfd. */
	if (fs < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "huge", "advise", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "0", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return -errno;
	fd = openat(mount, RAM_FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	return fd < 0 ? -errno : fd;
}

/* ---- without CAP_SYS_ADMIN ---- */

struct namespace_request {
	uid_t uid; /* of the caller, outside */
	gid_t gid;
	int fd; /* what came of it */
};

static bool write_file(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

static bool map_id(const char *path, unsigned int outside)
{
	char text[32];

	snprintf(text, sizeof(text), "0 %u 1", outside);
	return write_file(path, text);
}

/* Shares memory and descriptors with the caller, who waits (vfork(2)). */
static int namespace_main(void *opaque)
{
	struct namespace_request *request = opaque;

	if (map_id("/proc/self/uid_map", request->uid) &&
	    write_file("/proc/self/setgroups", "deny") &&
	    map_id("/proc/self/gid_map", request->gid))
		request->fd = create_on_tmpfs();
	return 0;
}

/*
 * In a user namespace of its own a process may mount a tmpfs; the file outlives
 * the namespace. Refused on hosts that allow no such namespaces.
 */
static int create_in_namespace(void)
{
	autofree uint8_t *stack = malloc(STACK_BYTES);
	struct namespace_request request = {
		.uid = geteuid(),
		.gid = getegid(),
		.fd = -EPERM,
	};
	pid_t pid;

	if (!stack)
		return -ENOMEM;
	pid = clone(namespace_main, stack + STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWUSER |
			    CLONE_NEWNS,
		    &request);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return request.fd;
}

/* ---- either way ---- */

static int create_with_huge_pages(void)
{
	int fd = create_on_tmpfs();

	return fd == -EPERM ? create_in_namespace() : fd;
}

bool ram_file_has_tmpfs(void)
{
	autoclose int fd = create_with_huge_pages();

	return fd >= 0;
}

int ram_file_create(uint64_t size_bytes, uint64_t page_bytes)
{
	unsigned int flags = MFD_CLOEXEC;
	int fd = -1;

	if (page_bytes == 2 * MIB)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	else if (page_bytes == GIB)
		flags |= MFD_HUGETLB | MFD_HUGE_1GB;
	else if (size_bytes >= TMPFS_MIN_BYTES)
		fd = create_with_huge_pages();
	if (fd < 0)
		fd = memfd_create(RAM_FILE_NAME, flags);
	return fd < 0 ? -errno : fd;
}
