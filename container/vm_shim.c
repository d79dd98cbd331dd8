#include "container/vm_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/reaper.h"
#include "container/sync.h"
#include "container/vm_relay.h"
#include "sandbox/caps.h"
#include "sandbox/sys.h"

#define STATUS_LOST  (128 + SIGKILL)
#define WAIT_US	     20000
#define SOCKET_TRIES 1500 /* half a minute */
#define END_TRIES    50 /* a second */

/* What the kernel of the guest and the monitor have to say goes where errors
 * go. */
_Noreturn static void run_monitor(const char *monitor, char *const *args,
				  char *const *env)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	if (dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		execve(monitor, args, env);
	_exit(1);
}

/* It listens a moment after it was started. */
static int open_session(struct vm_agent *agent, pid_t monitor, struct err *err)
{
	char path[32];
	int status;
	int rc = 0;

	snprintf(path, sizeof(path), "/" VM_SHIM_RUN "/%u",
		 (unsigned int)AGENT_PROGRAM);
	for (int i = 0; i < SOCKET_TRIES; i++) {
		rc = vm_agent_open_at(agent, path, err);
		if (rc != -ENOENT && rc != -ECONNREFUSED)
			return rc;
		vm_agent_close(agent);
		if (waitpid(monitor, &status, WNOHANG) == monitor)
			return err_set(err, EIO,
				       "hull has ended with status %d",
				       sys_shell_status(status));
		usleep(WAIT_US);
	}
	return rc;
}

static void tell_started(void *opaque)
{
	const struct vm_shim *shim = opaque;

	close(*shim->report);
}

/* The guest unmounts its disks when we hang up, and ends. */
static void wait_end(struct vm_relay *relay, pid_t monitor)
{
	vm_agent_close(&relay->agent);
	(void)sys_wait(monitor);
}

/* With its own words for why, when it went by itself. */
static int lost_status(pid_t monitor)
{
	int status;

	for (int i = 0; i < END_TRIES; i++) {
		if (waitpid(monitor, &status, WNOHANG) == monitor)
			return sys_shell_status(status);
		usleep(WAIT_US);
	}
	return STATUS_LOST;
}

_Noreturn static void shim_main(const struct vm_shim *shim, pid_t monitor)
{
	struct vm_relay relay = {
		.program = shim->program,
		.terminal = shim->terminal,
		.started = tell_started,
		.opaque = (void *)shim,
	};
	struct err err = { 0 };
	int rc;

	/* What the monitor may do with folders of the host is not for it. */
	(void)caps_apply(&(struct caps){ .bounding = 0 }, NULL);
	reaper_hide_arguments(shim->argv);
	prctl(PR_SET_NAME, "hull-vm", 0, 0, 0);
	rc = open_session(&relay.agent, monitor, &err);
	if (!rc)
		rc = vm_relay_run(&relay, &err);
	if (!rc && shim->keeps)
		wait_end(&relay, monitor);
	if (!rc)
		_exit(relay.status);
	if (relay.runs)
		_exit(lost_status(monitor));
	if (rc == -ECONNRESET)
		err_set(&err, EIO,
			"the VM has ended with status %d before its program began; see its standard error",
			lost_status(monitor));
	sync_send_error(*shim->report, &err, relay.failed);
	_exit(STATUS_LOST);
}

int vm_shim_start(const struct vm_shim *shim, const char *monitor,
		  char *const *args, char *const *env, unsigned int keep_fds,
		  struct err *err)
{
	sigset_t signals; /* until the relay takes them */
	pid_t pid = reaper_fork(&signals, err);

	if (pid < 0)
		return pid;
	if (pid == 0)
		run_monitor(monitor, args, env);
	if (keep_fds)
		close_range(STDERR_FILENO + 1, STDERR_FILENO + keep_fds, 0);
	shim_main(shim, pid);
}
