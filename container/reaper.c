#include "container/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/parse.h"
#include "sandbox/sys.h"

#define EXIT_UNFIT 126

/* Reaps all that have ended; ends with the program's status. */
static void reap(pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != program)
			continue;
		_exit(sys_shell_status(status));
	}
}

void reaper_hide_arguments(char *argv[])
{
	static const char name[] = "init";

	for (size_t i = 0; argv[i]; i++) {
		size_t len = strlen(argv[i]);

		memset(argv[i], 0, len);
		if (!i && len >= sizeof(name))
			memcpy(argv[i], name, sizeof(name));
	}
}

_Noreturn void reaper_main(const char *program)
{
	uint64_t pid = 0;
	sigset_t signals;
	int signal;

	if (parse_u64(program, &pid) || !pid || pid > INT_MAX)
		_exit(EXIT_UNFIT);
	/* They are blocked since before there was a program. */
	sigfillset(&signals);
	prctl(PR_SET_NAME, REAPER_NAME, 0, 0, 0);
	for (;;) {
		reap((pid_t)pid);
		signal = sigwaitinfo(&signals, NULL);
		if (signal > 0 && signal != SIGCHLD)
			kill((pid_t)pid, signal);
	}
}

pid_t reaper_fork(sigset_t *ret_signals, struct err *err)
{
	sigset_t before;
	pid_t pid;

	sigfillset(ret_signals);
	sigprocmask(SIG_BLOCK, ret_signals, &before);
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "no process for the program");
	if (pid == 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int become_reaper(int exe, pid_t program, struct err *err)
{
	char name[] = REAPER_NAME;
	char pid[12];
	char *argv[] = { name, pid, NULL };
	char *env[] = { NULL };

	snprintf(pid, sizeof(pid), "%d", (int)program);
	/* The parent outside hears by its end of the socket that the program
	 * runs. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC))
		return err_sys(err, errno, "cannot close descriptors");
	execveat(exe, "", argv, env, AT_EMPTY_PATH);
	if (errno == EACCES)
		return err_set(
			err, EPERM,
			"cannot start the init: the file of hull-ct must be executable by all users (chmod 755), or say --no-init");
	return err_sys(err, errno, "cannot start the init");
}

int reaper_start(int exe, struct err *err)
{
	sigset_t signals;
	pid_t program = reaper_fork(&signals, err);

	return program > 0 ? become_reaper(exe, program, err) : program;
}
