/*
 * The floor of bench-ct: the fewest system calls that run a program in the
 * namespaces and the cgroup that a container has. No root filesystem, no mount,
 * no filter, no state: a launcher cannot be faster.
 *
 *   ct_floor CGROUP PROGRAM
 *
 * CGROUP is a folder in cgroup v2 that is made and removed. Exit status: the
 * program's, or 125.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED 125

static int give_up(const char *what)
{
	fprintf(stderr, "ct_floor: %s: %s\n", what, strerrordesc_np(errno));
	return FAILED;
}

static void child(char *program)
{
	char *const args[] = { program, NULL };
	char *const env[] = { NULL };

	if (unshare(CLONE_NEWCGROUP) == 0)
		execve(program, args, env);
	_exit(FAILED);
}

int main(int argc, char *argv[])
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
	};
	int cgroup, status;
	long pid;

	if (argc != 3) {
		fputs("usage: ct_floor CGROUP PROGRAM\n", stderr);
		return FAILED;
	}
	if (mkdir(argv[1], 0755) != 0)
		return give_up(argv[1]);
	cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return give_up(argv[1]);
	args.cgroup = (uint64_t)cgroup;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child(argv[2]);
	if (pid < 0)
		return give_up("clone3");
	if (waitpid((pid_t)pid, &status, 0) < 0)
		return give_up("waitpid");
	if (rmdir(argv[1]) != 0)
		return give_up(argv[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}
