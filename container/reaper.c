#include "container/reaper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sandbox/sys.h"

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

_Noreturn static void reaper_main(char *argv[], pid_t program,
				  const sigset_t *signals)
{
	int signal;

	reaper_hide_arguments(argv);
	prctl(PR_SET_NAME, "hull-init", 0, 0, 0);
	/* The parent outside hears by its end of the socket that the program
	 * runs. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (;;) {
		reap(program);
		signal = sigwaitinfo(signals, NULL);
		if (signal > 0 && signal != SIGCHLD)
			kill(program, signal);
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

int reaper_start(char *argv[], struct err *err)
{
	sigset_t signals;
	pid_t program = reaper_fork(&signals, err);

	if (program > 0)
		reaper_main(argv, program, &signals);
	return program;
}
