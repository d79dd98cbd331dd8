/*
 * Filesystems in files, by mke2fs of e2fsprogs, which every Debian has: away
 * from the path of a start, but for the first one behind a snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "container/vm.h"
#include "sandbox/sys.h"

static const char *find_program(void)
{
	static const char *const places[] = { "/usr/sbin/mke2fs",
					      "/sbin/mke2fs" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!access(places[i], X_OK))
			return places[i];
	}
	return NULL;
}

static _Noreturn void run(const char *const *words, int report)
{
	char *envp[] = { NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(report, STDERR_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	/* execve writes to no string, whatever its prototype says. */
	execve(words[0], (char *const *)words, envp);
	_exit(127);
}

/* The last line that it said, without what a terminal would take for an
 * order: names of an image are in it. */
static void read_report(int fd, char *text, size_t size)
{
	size_t used = 0;
	char *last;
	ssize_t n;

	while (used + 1 < size &&
	       ((n = read(fd, text + used, size - 1 - used)) > 0 ||
		(n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	while (used && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	last = strrchr(text, '\n');
	if (last)
		memmove(text, last + 1, strlen(last + 1) + 1);
	for (char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

static int call(const char *const *words, struct err *err)
{
	autoclose int pidfd = -1;
	autoclose int ear = -1;
	char report[1000];
	int pipes[2];
	int status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	ear = pipes[0];
	pid = sys_clone(0, -1, &pidfd);
	if (pid == 0)
		run(words, pipes[1]);
	close(pipes[1]);
	if (pid < 0)
		return err_sys(err, (int)-pid, "no process for mke2fs");
	read_report(ear, report, sizeof(report));
	status = sys_wait(pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(err, EIO, "%s", *report ? report : "mke2fs has failed");
}

static int make_file(const char *path, uint64_t bytes)
{
	autoclose int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);

	return fd < 0 || ftruncate(fd, (off_t)bytes) ? -errno : 0;
}

bool vm_disk_can_make(void)
{
	return find_program();
}

int vm_disk_make(const char *path, const char *tree, uint64_t bytes,
		 struct err *err)
{
	/* What is read-only needs no journal; growing needs room that we never
	 * use. Tables are filled in when they are needed. */
	const char *const words[] = {
		find_program(),
		"-q",
		"-F",
		"-t",
		"ext4",
		"-m",
		"0",
		"-O",
		tree ? "^has_journal,^resize_inode" : "^resize_inode",
		"-E",
		"lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
		tree ? "-d" : "-J",
		tree ? tree : "size=16",
		path,
		NULL,
	};
	int rc;

	if (!words[0])
		return err_set(
			err, ENOENT,
			"VMs need mke2fs to make disks: install the package e2fsprogs");
	rc = make_file(path, bytes);
	if (rc)
		return err_sys(err, -rc, "cannot make the disk %s", path);
	rc = call(words, err);
	if (rc)
		unlink(path);
	return rc ? err_prefix(err, "cannot make the disk %s", path) : 0;
}
