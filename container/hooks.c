#include "container/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/fd.h"
#include "sandbox/sys.h"

#define NOT_RUN 127

/* In the hook's process: the state on stdin, no other descriptor of ours. */
static void exec_hook(const struct config_hook *hook, int input)
{
	const char *alone[] = { hook->path, NULL };
	const char *empty[] = { NULL };
	const char **args = hook->args && hook->args[0] ? hook->args : alone;
	const char **env = hook->env ? hook->env : empty;
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGPIPE, &standard, NULL);
	if (dup2(input, STDIN_FILENO) < 0 || close_range(3, ~0U, 0))
		_exit(NOT_RUN);
	execve(hook->path, (char **)args, (char **)env);
	_exit(NOT_RUN);
}

static int wait_hook(const struct config_hook *hook, pid_t pid, int pidfd,
		     struct err *err)
{
	int limit = hook->timeout_s ? (int)hook->timeout_s * 1000 : -1;
	int status;

	if (!sys_wait_within(pid, pidfd, limit, &status))
		return err_set(err, ETIMEDOUT, "it took longer than %u s",
			       hook->timeout_s);
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "it was ended by signal %d",
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(err, EIO, "it ended with status %d",
			       WEXITSTATUS(status));
	return 0;
}

static int run_hook(const struct config_hook *hook, const char *state,
		    struct err *err)
{
	int ends[2];
	int pidfd = -1;
	pid_t pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC))
		return err_sys(err, errno, "no pipe");
	pid = sys_clone(0, -1, &pidfd);
	if (pid == 0)
		exec_hook(hook, ends[0]);
	close(ends[0]);
	/* A hook need not read its state; a broken pipe is no error. */
	if (pid > 0)
		(void)fd_write_all(ends[1], state, strlen(state));
	close(ends[1]);
	if (pid < 0)
		return err_sys(err, (int)-pid, "no process");
	rc = wait_hook(hook, pid, pidfd, err);
	close(pidfd);
	return rc;
}

int hooks_run(const struct config *config, enum hook_kind kind,
	      const char *state, struct err *err)
{
	const struct config_hooks *list = &config->hooks[kind];
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction old;
	int rc = 0;

	if (!list->count)
		return 0;
	sigaction(SIGPIPE, &ignore, &old);
	for (size_t i = 0; !rc && i < list->count; i++) {
		rc = run_hook(&list->hooks[i], state, err);
		if (rc)
			err_prefix(err, "the %s hook %s",
				   config_hook_name(kind), list->hooks[i].path);
	}
	sigaction(SIGPIPE, &old, NULL);
	return rc;
}
