/*
 * `exec` in a VM. In the foreground we are the relay ourselves. An engine that
 * waits for a process of its own gets one that stands for the program: it has
 * the standard files, or the terminal, that the engine gave, and none of our
 * rights, for what comes from the VM is hostile; and it ends as the program
 * does.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "container/console.h"
#include "container/payload.h"
#include "container/pidfile.h"
#include "container/sync.h"
#include "container/target.h"
#include "container/vm.h"
#include "container/vm_relay.h"
#include "sandbox/sys.h"

/* A program whose VM went has been killed. */
#define STATUS_LOST (128 + SIGKILL)

struct behind {
	const struct vm_exec *exec;
	struct vm_relay *relay;
	uid_t owner; /* an ID that nobody but this VM's processes has */
	int cgroup; /* the VM's, or -1 */
	int console; /* the engine's socket, or -1 */
	int report; /* tells how the start went; -1 once it did */
};

/* ---- the process that stands for the program ---- */

static int close_fds(struct behind *behind, struct err *err)
{
	struct vm_agent *agent = &behind->relay->agent;
	int fds[] = { agent->fd, agent->slot, behind->report };
	int rc = payload_close_fds(0, fds, ARRAY_SIZE(fds), err);

	agent->fd = fds[0];
	agent->slot = fds[1];
	behind->report = fds[2];
	return rc;
}

static int give_up_rights(const struct behind *behind, struct err *err)
{
	uid_t id = behind->owner;

	if (setgroups(0, NULL) || setresgid(id, id, id) ||
	    setresuid(id, id, id) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_sys(err, errno, "cannot give up rights");
	return 0;
}

static void tell_started(void *opaque)
{
	struct behind *behind = opaque;

	close(move_fd(&behind->report));
}

_Noreturn static void child(struct behind *behind)
{
	struct vm_relay *relay = behind->relay;
	struct err err = { 0 };
	int rc = 0;

	relay->started = tell_started;
	relay->opaque = behind;
	if (setsid() < 0)
		rc = err_sys(&err, errno, "no new session");
	if (!rc && behind->console >= 0)
		rc = console_take(behind->exec->process, behind->console, &err);
	if (!rc)
		rc = close_fds(behind, &err);
	if (!rc)
		rc = give_up_rights(behind, &err);
	if (!rc)
		rc = vm_relay_run(relay, &err);
	if (rc && behind->report >= 0)
		sync_send_error(behind->report, &err, relay->failed);
	_exit(rc ? STATUS_LOST : relay->status);
}

/* ---- who makes it ---- */

static int wait_started(struct vm_relay *relay, int ear, struct err *err)
{
	struct sync_message message;
	int rc = sync_receive(ear, &message);

	if (!rc)
		return 0;
	if (rc < 0)
		return err_sys(err, -rc, "the process did not start");
	*err = message.err;
	relay->failed = message.payload_failed;
	return err->code ? -err->code : err_set(err, EIO, "the process failed");
}

static int run_child(struct behind *behind, struct err *err)
{
	const struct vm_exec *exec = behind->exec;
	struct vm_relay *relay = behind->relay;
	autoclose int ear = -1;
	autoclose int pidfd = -1;
	int pair[2];
	int status;
	pid_t pid;
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(err, errno, "no socket");
	ear = pair[0];
	behind->report = pair[1];
	pid = sys_clone(0, behind->cgroup, &pidfd);
	if (pid == 0)
		child(behind);
	close(pair[1]);
	if (pid < 0)
		return err_sys(err, (int)-pid, "no process");
	rc = wait_started(relay, ear, err);
	if (!rc && exec->pid_file)
		rc = pidfile_write(exec->pid_file, pid, err);
	if (rc)
		sys_pidfd_signal(pidfd, SIGKILL);
	if (!rc && exec->detach)
		return 0;
	status = sys_wait(pid);
	relay->status = sys_shell_status(status);
	return rc;
}

static int find_owner(const struct state *state, uid_t *ret_owner,
		      struct err *err)
{
	autoclose int bundle = vm_open_folder(state, err);
	struct stat st;

	if (bundle < 0)
		return bundle;
	if (fstatat(bundle, "run", &st, AT_SYMLINK_NOFOLLOW) || !st.st_uid)
		return err_set(err, ENOENT, "VM %s has no folder of sockets",
			       state->id);
	*ret_owner = st.st_uid;
	return 0;
}

static int run_behind(const struct vm_exec *exec, struct vm_relay *relay,
		      struct err *err)
{
	struct behind behind = {
		.exec = exec, .relay = relay, .cgroup = -1, .console = -1
	};
	struct cgroup_mount mount = { .fd = -1 };
	int rc = find_owner(exec->state, &behind.owner, err);

	if (!rc && exec->console_socket) {
		behind.console = console_connect(exec->console_socket, err);
		rc = behind.console < 0 ? behind.console : 0;
	}
	if (!rc && exec->state->cgroup) {
		rc = cgroup_mount_open(&mount, err);
		if (!rc)
			behind.cgroup =
				cgroup_open(&mount, exec->state->cgroup);
	}
	relay->detach = false;
	if (!rc)
		rc = run_child(&behind, err);
	if (behind.console >= 0)
		close(behind.console);
	if (behind.cgroup >= 0)
		close(behind.cgroup);
	cgroup_mount_close(&mount);
	return rc;
}

/* ---- both ---- */

/* In the foreground we stand for it ourselves. */
static int run_here(const struct vm_exec *exec, struct vm_relay *relay,
		    struct err *err)
{
	int rc = exec->pid_file ? pidfile_write(exec->pid_file, getpid(), err) :
				  0;

	return rc ? rc : vm_relay_run(relay, err);
}

static int check(const struct vm_exec *exec, struct err *err)
{
	bool terminal = exec->process->terminal;

	if (exec->console_socket && !terminal)
		return err_set(
			err, EINVAL,
			"--console-socket: there is no terminal; see --tty");
	if (terminal && exec->detach && !exec->console_socket)
		return err_set(
			err, EINVAL,
			"with --detach, a terminal needs --console-socket");
	return 0;
}

int vm_exec(const struct vm_exec *exec, int *ret_status, bool *ret_failed,
	    struct err *err)
{
	bool stands_for = exec->console_socket ||
			  (exec->detach && exec->pid_file);
	struct vm_relay relay = {
		.program = exec->process->args[0],
		.terminal = exec->process->terminal,
		.detach = exec->detach,
	};
	autofree char *text = NULL;
	int rc = check(exec, err);

	if (rc)
		return rc;
	/* Before anyone has the port, and while words can be said of it. */
	rc = vm_process_settings(exec->process, exec->detach && !stands_for,
				 &text, &relay.settings_size, err);
	relay.settings = text;
	if (!rc) {
		rc = vm_agent_open(&relay.agent, exec->state, err);
		if (!rc)
			rc = stands_for ? run_behind(exec, &relay, err) :
					  run_here(exec, &relay, err);
		vm_agent_close(&relay.agent);
	}
	*ret_status = relay.status;
	*ret_failed = relay.failed;
	return rc;
}
