#include "sandbox/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"

/* A rename storm cannot keep us for ever. */
#define OPENAT2_TRIES 128

int sys_openat2(int dir, const char *path, int flags, mode_t mode,
		uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = resolve,
	};
	long fd = -1;

	for (int i = 0; i < OPENAT2_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return syscall(SYS_pivot_root, new_root, put_old) ? -errno : 0;
}

pid_t sys_clone(uint64_t flags, int cgroup, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid > 0)
		*ret_pidfd = pidfd;
	return (pid_t)pid;
}

int sys_seccomp_load(unsigned int flags, unsigned short len,
		     const void *instructions)
{
	/* struct sock_fprog, whose header is not for programs like this. */
	struct {
		unsigned short len;
		const void *filter;
	} program = { .len = len, .filter = instructions };
	long rc =
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);

	return rc < 0 ? -errno : (int)rc;
}

int sys_bpf(int command, const void *attr, uint32_t size)
{
	long rc = syscall(SYS_bpf, command, attr, size);

	return rc < 0 ? -errno : (int)rc;
}

int sys_wait(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

bool sys_wait_within(pid_t child, int pidfd, int limit_ms, int *ret_status)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	int ready;

	do {
		ready = poll(&wait, 1, limit_ms);
	} while (ready < 0 && errno == EINTR);
	if (!ready)
		sys_pidfd_signal(pidfd, SIGKILL);
	*ret_status = sys_wait(child);
	return ready != 0;
}

int sys_shell_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) :
					  WEXITSTATUS(wait_status);
}

int sys_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int sys_pidfd_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno :
									0;
}
