/*
 * exec: one more process in a container that runs. It joins by descriptors of
 * the first process, gets the same filter, and is in the same group from its
 * first moment. See launch.h for the steps that are the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "container/config.h"
#include "container/console.h"
#include "container/payload.h"
#include "container/pidfile.h"
#include "container/relay.h"
#include "container/state.h"
#include "container/sync.h"
#include "container/users.h"
#include "container/verbs.h"
#include "container/vm_agent.h"
#include "core/parse.h"
#include "sandbox/names.h"
#include "sandbox/procfs.h"
#include "sandbox/rootpath.h"
#include "sandbox/selfexe.h"
#include "sandbox/sys.h"

#define FILTER_CACHE ".filters"

/* Where those go that may not, or must not, be in the container's own group:
 * one with groups in it that have controllers holds no process itself
 * (cgroup-v2.rst, "No Internal Process Constraint"). */
#define EXEC_GROUP "hull-ct-exec"

struct exec_options {
	const char *id;
	const char *process_file;
	const char *pid_file;
	const char *console_socket;
	const char *cwd;
	const char *user;
	const char *apparmor;
	struct arg_list env;
	struct arg_list caps;
	unsigned int preserve_fds;
	bool tty;
	bool detach;
	bool no_new_privileges;
	bool ignored;
};

struct exec {
	struct context *context;
	const struct exec_options *options;
	struct state state;
	struct config config; /* of the container */
	struct config_process own; /* of --process */
	json_t *own_tree;
	const char **env; /* owned; of the command line */
	struct users_entry user; /* of the command line */
	char home[sizeof("HOME=") + USERS_HOME_MAX]; /* its; "" for none */
	struct payload payload;
	struct config_process process; /* a view of one of both */
	struct filter_program filter;
	struct notify notify;
	int proc;
	bool unprivileged; /* and the container has a user namespace */
	int target; /* pidfd of the container's first process */
	/* Its namespaces, in the order of config; only with unprivileged. */
	int spaces[8];
	int cgroup;
	int console; /* the child sends its terminal there */
	int console_own; /* and we get it here when no engine does */
	int sync[2];
	pid_t pid;
	int pidfd;
	sigset_t mask; /* of signals, before relay_hold() */
};

/* ---- what to run ---- */

static int read_container(struct exec *exec, struct err *err)
{
	json_t *tree =
		vm_is_state(&exec->state) ?
			vm_guest_config(&exec->state, err) :
			json_load_path(exec->state.dir, STATE_CONFIG, err);
	int rc;

	if (!tree)
		return -err->code;
	rc = config_read(&exec->config, tree, err);
	if (!rc && !exec->config.has_process)
		rc = err_set(err, EINVAL,
			     "config.json: process: it is missing");
	return rc;
}

static int read_own_process(struct exec *exec, struct err *err)
{
	struct jnode root = { .value = NULL };
	int rc;

	exec->own_tree =
		json_load_path(AT_FDCWD, exec->options->process_file, err);
	if (!exec->own_tree)
		return -err->code;
	root.value = exec->own_tree;
	rc = config_read_process(&exec->own, &root, err);
	exec->process = exec->own;
	return rc ? err_prefix(err, "%s", exec->options->process_file) : 0;
}

/* By the container's own files, as it sees them. */
static int find_user(struct exec *exec, struct err *err)
{
	struct config_process *process = &exec->process;
	char path[32];
	autoclose int root = -1;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)exec->state.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* It was the container's as long as that lives. */
	if (root < 0 || sys_pidfd_signal(exec->target, 0))
		return err_sys(err, root < 0 ? errno : ESRCH,
			       "--user: cannot open the root of the container");
	rc = users_find(root, exec->options->user, process->gid, &exec->user,
			err);
	if (rc)
		return err_prefix(err, "--user");
	process->uid = exec->user.uid;
	process->gid = exec->user.gid;
	process->groups = exec->user.groups;
	process->group_count = exec->user.group_count;
	snprintf(exec->home, sizeof(exec->home), "HOME=%s", exec->user.home);
	return 0;
}

static bool is_set(const char *const *env, size_t count, const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < count; i++) {
		if (!strncmp(env[i], text, len) && env[i][len] == '=')
			return true;
	}
	return false;
}

/* What the command line says, what follows from the user, and what the
 * container has besides. */
static int add_env(struct exec *exec, struct err *err)
{
	const struct arg_list *more = &exec->options->env;
	const char **old = exec->process.env;
	size_t count = 0;
	size_t used = 0;
	size_t said;

	while (old[count])
		count++;
	exec->env = calloc(count + more->count + 2, sizeof(*exec->env));
	if (!exec->env)
		return err_sys(err, ENOMEM, "--env");
	for (size_t i = 0; i < more->count; i++) {
		if (!strchr(more->items[i], '='))
			return err_set(err, EINVAL,
				       "--env takes NAME=VALUE, not \"%s\"",
				       more->items[i]);
		exec->env[used++] = more->items[i];
	}
	if (*exec->home && !is_set(exec->env, used, exec->home))
		exec->env[used++] = exec->home;
	said = used;
	for (size_t i = 0; i < count; i++) {
		if (!is_set(exec->env, said, old[i]))
			exec->env[used++] = old[i];
	}
	exec->process.env = exec->env;
	return 0;
}

static int add_caps(struct exec *exec, struct err *err)
{
	const struct arg_list *more = &exec->options->caps;
	struct caps *caps = &exec->process.caps;

	for (size_t i = 0; i < more->count; i++) {
		int number = caps_number(more->items[i]);

		if (number < 0)
			return err_set(err, EINVAL, "\"%s\" is no capability",
				       more->items[i]);
		caps->bounding |= 1ULL << number;
		caps->permitted |= 1ULL << number;
		caps->effective |= 1ULL << number;
	}
	return 0;
}

/* The container's own process, with what the command line changes. */
static int change_process(struct exec *exec, struct args *args, struct err *err)
{
	const struct exec_options *options = exec->options;
	struct config_process *process = &exec->process;
	int rc = 0;

	*process = exec->config.process;
	if (!args->count)
		return err_set(err, EINVAL,
			       "the program to run is missing; see --help");
	process->args = (const char **)args->at;
	process->terminal = options->tty;
	process->has_oom_score_adj = false;
	process->no_new_privileges |= options->no_new_privileges;
	if (options->cwd)
		process->cwd = options->cwd;
	if (options->apparmor)
		process->apparmor_profile = options->apparmor;
	if (*process->cwd != '/')
		return err_set(err, EINVAL, "--cwd: \"%s\" is not absolute",
			       process->cwd);
	if (options->user)
		rc = find_user(exec, err);
	if (!rc)
		rc = add_env(exec, err);
	if (!rc)
		rc = add_caps(exec, err);
	return rc;
}

/* ---- the child ---- */

/* All at once but those that the parent has joined: a child is in the pid
 * namespace by birth. */
static int join(const struct exec *exec, struct err *err)
{
	int flags = 0;
	int rc = 0;

	for (size_t i = 0; i < exec->config.namespace_count; i++)
		flags |= (int)exec->config.namespaces[i].flag;
	flags &= ~CLONE_NEWPID;
	if (!exec->unprivileged)
		rc = setns(exec->target, flags);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(exec->spaces); i++) {
		if (exec->spaces[i] >= 0)
			rc = setns(exec->spaces[i], 0);
	}
	return rc ? err_sys(err, errno, "cannot join the container") : 0;
}

static int become_root(const struct exec *exec, struct err *err)
{
	if (!config_namespace(&exec->config, CLONE_NEWUSER))
		return 0;
	if (setgroups(0, NULL) && errno != EPERM)
		return err_sys(err, errno, "cannot drop the groups");
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return err_sys(err, errno,
			       "cannot become root in the container");
	return 0;
}

static int close_fds(struct exec *exec, struct err *err)
{
	int fds[] = { exec->sync[1], exec->notify.socket };
	size_t count = fds[1] >= 0 ? 2 : 1;
	int rc = payload_close_fds(exec->payload.keep_fds, fds, count, err);

	exec->sync[1] = fds[0];
	exec->notify.socket = fds[1];
	return rc;
}

static int enter(struct exec *exec, struct err *err)
{
	struct sync_message message;
	int rc;

	/* Before anyone inside can see us. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || setsid() < 0)
		return err_sys(err, errno, "cannot protect the process");
	rc = sync_receive(exec->sync[1], &message);
	if (rc <= 0)
		return err_set(err, EPIPE, "the caller has ended");
	exec->payload.outer_pid = message.value;
	rc = payload_set_labels(&exec->process, exec->proc, err);
	if (!rc)
		rc = join(exec, err);
	if (!rc)
		rc = become_root(exec, err);
	if (!rc && exec->process.terminal)
		rc = console_take(&exec->process, exec->console, err);
	if (!rc)
		rc = close_fds(exec, err);
	if (!rc)
		rc = payload_prepare(&exec->payload, err);
	if (!rc)
		rc = payload_exec(&exec->payload, err);
	return rc;
}

_Noreturn static void child(struct exec *exec)
{
	struct err err = { 0 };

	close(exec->sync[0]);
	umask(0);
	enter(exec, &err);
	sync_send_error(exec->sync[1], &err, exec->payload.failed);
	_exit(1);
}

/* ---- the parent ---- */

static int open_console(struct exec *exec, struct err *err)
{
	const char *path = exec->options->console_socket;

	if (!exec->process.terminal && path)
		return err_set(
			err, EINVAL,
			"--console-socket: there is no terminal; see --tty");
	if (!exec->process.terminal)
		return 0;
	if (!path && exec->options->detach)
		return err_set(
			err, EINVAL,
			"with --detach, a terminal needs --console-socket");
	if (!path)
		return console_pair(&exec->process, &exec->console_own,
				    &exec->console, err);
	exec->console = console_connect(path, err);
	return exec->console < 0 ? exec->console : 0;
}

static int move_below(struct exec *exec, struct err *err)
{
	int below = cgroup_open_below(exec->cgroup, EXEC_GROUP);

	if (below < 0)
		return err_sys(err, -below,
			       "cannot make a cgroup for the process");
	close(exec->cgroup);
	exec->cgroup = below;
	return 0;
}

static int open_all(struct exec *exec, struct err *err)
{
	struct cgroup_mount mount = { .fd = -1 };
	autoclose int cache = -1;
	char pid[16];
	int rc;

	exec->proc = procfs_open(err);
	if (exec->proc < 0)
		return exec->proc;
	snprintf(pid, sizeof(pid), "%d", (int)exec->state.pid);
	exec->payload.setgroups_denied = userns_denies_groups(exec->proc, pid);
	rc = cgroup_mount_open(&mount, err);
	if (!rc && exec->state.cgroup) {
		exec->cgroup = cgroup_open(&mount, exec->state.cgroup);
		if (exec->cgroup < 0)
			rc = err_sys(err, -exec->cgroup,
				     "cannot open the cgroup %s",
				     exec->state.cgroup);
	}
	cgroup_mount_close(&mount);
	/* Whoever manages groups in it may be about to give them controllers,
	 * which a process of ours in the way would keep from them. */
	if (!rc && exec->cgroup >= 0 && config_delegates_cgroup(&exec->config))
		rc = move_below(exec, err);
	if (!rc)
		rc = open_console(exec, err);
	if (rc || !exec->config.has_seccomp)
		return rc;
	cache = openat(exec->context->root_fd, FILTER_CACHE,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = filter_compile(&exec->config.seccomp, cache, &exec->filter, err);
	if (!rc)
		rc = notify_open(&exec->notify, &exec->config, &exec->state,
				 STATUS_RUNNING, err);
	if (!rc && exec->config.has_notify)
		exec->payload.notify = &exec->notify;
	if (!rc)
		exec->payload.filter = &exec->filter;
	return rc;
}

static int set_process_limits(const struct exec *exec, struct err *err)
{
	const struct config_process *process = &exec->process;
	char path[64];
	char text[16];
	int rc;

	rc = payload_set_rlimits(process, exec->pid, err);
	if (rc)
		return rc;
	if (!process->has_oom_score_adj)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", (int)exec->pid);
	snprintf(text, sizeof(text), "%d", process->oom_score_adj);
	rc = procfs_write(exec->proc, path, text);
	return rc ? err_sys(err, -rc, "process.oomScoreAdj") : 0;
}

/*
 * Joining by pidfd asks for the right to trace the process (setns(2)). Who is
 * only root inside does not have that over an init of ours, whose memory is of
 * the namespace above (ptrace(2), "dumpable"); but the caller does, and a
 * descriptor of a namespace asks no more.
 */
static int open_spaces(struct exec *exec, struct err *err)
{
	for (size_t i = 0; i < exec->config.namespace_count; i++) {
		uint64_t flag = exec->config.namespaces[i].flag;
		char path[64];

		if (flag & (CLONE_NEWUSER | CLONE_NEWPID))
			continue;
		snprintf(path, sizeof(path), "%d/ns/%s", (int)exec->state.pid,
			 names_ns_file(flag));
		exec->spaces[i] =
			openat(exec->proc, path, O_RDONLY | O_CLOEXEC);
		if (exec->spaces[i] < 0)
			return err_sys(err, errno, "cannot join the container");
	}
	/* They were its, if it is there still. */
	return sys_pidfd_signal(exec->target, 0) ?
		       err_set(err, ESRCH, "container %s is not running",
			       exec->state.id) :
		       0;
}

static int spawn(struct exec *exec, struct err *err)
{
	int flags;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, exec->sync))
		return err_sys(err, errno, "no socket");
	flags = config_namespace(&exec->config, CLONE_NEWPID) ? CLONE_NEWPID :
								0;
	/* Only there we have the right to. */
	if (exec->unprivileged)
		flags |= CLONE_NEWUSER;
	if (exec->unprivileged && open_spaces(exec, err))
		return -err->code;
	if (flags && setns(exec->target, flags))
		return err_sys(err, errno, "cannot join the pid namespace");
	exec->pid = sys_clone(0, exec->cgroup, &exec->pidfd);
	if (exec->pid == -EBUSY && exec->cgroup >= 0) {
		if (move_below(exec, err))
			return -err->code;
		exec->pid = sys_clone(0, exec->cgroup, &exec->pidfd);
	}
	if (exec->pid == 0)
		child(exec);
	if (exec->pid < 0)
		return err_sys(err, (int)-exec->pid, "no process");
	close(move_fd(&exec->sync[1]));
	return 0;
}

static int wait_running(struct exec *exec, struct err *err)
{
	struct sync_message message;
	int rc = set_process_limits(exec, err);

	if (!exec->options->detach)
		relay_hold(&exec->mask);
	if (!rc)
		rc = sync_send(exec->sync[0], SYNC_START, (int)exec->pid);
	if (rc)
		return rc;
	rc = sync_receive(exec->sync[0], &message);
	if (!rc)
		return 0;
	if (rc < 0)
		return err_sys(err, -rc, "the process did not start");
	*err = message.err;
	exec->context->payload_failed = message.payload_failed;
	return err->code ? -err->code : err_set(err, EIO, "the process failed");
}

static int wait_end(const struct exec *exec, struct err *err)
{
	const struct relay_payload payload = { exec->pid, exec->pidfd,
					       exec->console_own, exec->mask };

	return relay_run(&payload, &exec->context->status, err);
}

static int run(struct exec *exec, struct err *err)
{
	int rc = spawn(exec, err);

	if (!rc)
		rc = wait_running(exec, err);
	if (!rc && exec->options->pid_file)
		rc = pidfile_write(exec->options->pid_file, exec->pid, err);
	if (!rc && exec->options->detach)
		return 0;
	if (!rc)
		rc = wait_end(exec, err);
	if (rc && exec->pid > 0) {
		sys_pidfd_signal(exec->pidfd, SIGKILL);
		(void)sys_wait(exec->pid);
	}
	return rc;
}

static int check_status(struct exec *exec, struct err *err)
{
	enum status status = state_status(&exec->state);

	if (status != STATUS_RUNNING && status != STATUS_CREATED)
		return err_set(err, EINVAL, "container %s is %s, not running",
			       exec->state.id, status_name(status));
	exec->target = state_pidfd(&exec->state);
	if (exec->target < 0)
		return err_set(err, ESRCH, "container %s is not running",
			       exec->state.id);
	return 0;
}

/* What only a process of this host could have. */
static int check_vm(const struct exec_options *options, struct err *err)
{
	const char *option = options->preserve_fds ? "--preserve-fds" :
			     options->apparmor	   ? "--apparmor" :
						     NULL;

	return option ?
		       err_set(err, EOPNOTSUPP,
			       "%s: what exec runs in a VM is no process of this host",
			       option) :
		       0;
}

static int run_in_vm(const struct exec *exec, struct err *err)
{
	const struct exec_options *options = exec->options;
	const struct vm_exec vm = { .state = &exec->state,
				    .process = &exec->process,
				    .detach = options->detach,
				    .pid_file = options->pid_file,
				    .console_socket = options->console_socket };

	return vm_exec(&vm, &exec->context->status,
		       &exec->context->payload_failed, err);
}

static int prepare(struct exec *exec, struct args *args, struct err *err)
{
	int rc = state_open(&exec->state, exec->context->root_fd,
			    exec->options->id, false, err);

	if (!rc)
		rc = check_status(exec, err);
	if (!rc)
		rc = read_container(exec, err);
	if (!rc)
		rc = exec->options->process_file ?
			     read_own_process(exec, err) :
			     change_process(exec, args, err);
	if (rc)
		return rc;
	if (vm_is_state(&exec->state))
		return check_vm(exec->options, err);
	exec->unprivileged = !caps_may_administer() &&
			     config_namespace(&exec->config, CLONE_NEWUSER);
	exec->payload.process = &exec->process;
	exec->payload.keep_fds = exec->options->preserve_fds;
	exec->payload.has_personality = exec->config.has_personality;
	exec->payload.personality = exec->config.personality;
	return open_all(exec, err);
}

static void release(struct exec *exec)
{
	const int fds[] = {
		exec->proc,	   exec->target,  exec->cgroup,	 exec->console,
		exec->console_own, exec->sync[0], exec->sync[1], exec->pidfd,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(exec->spaces); i++) {
		if (exec->spaces[i] >= 0)
			close(exec->spaces[i]);
	}
	filter_release(&exec->filter);
	notify_close(&exec->notify);
	config_dispose(&exec->config);
	config_process_release(&exec->own);
	json_decref(exec->own_tree);
	free(exec->env);
	state_release(&exec->state);
}

static int read_options(struct context *context, struct args *args,
			struct exec_options *options, struct err *err)
{
	const struct arg_option table[] = {
		{ "process", 'p', ARG_TEXT, &options->process_file,
		  "file of the process, as in config.json" },
		{ "pid-file", 0, ARG_TEXT, &options->pid_file,
		  "file that gets the process's ID" },
		{ "console-socket", 0, ARG_TEXT, &options->console_socket,
		  "socket that gets the terminal" },
		{ "tty", 't', ARG_FLAG, &options->tty, "with a terminal" },
		{ "detach", 'd', ARG_FLAG, &options->detach,
		  "do not wait for the end" },
		{ "cwd", 0, ARG_TEXT, &options->cwd, "working directory" },
		{ "env", 'e', ARG_LIST, &options->env, "NAME=VALUE" },
		{ "user", 'u', ARG_TEXT, &options->user,
		  "USER or USER:GROUP, names or numbers" },
		{ "cap", 'c', ARG_LIST, &options->caps, "add a capability" },
		{ "apparmor", 0, ARG_TEXT, &options->apparmor,
		  "AppArmor profile" },
		{ "no-new-privs", 0, ARG_FLAG, &options->no_new_privileges,
		  "no rights from set-user-ID programs" },
		{ "preserve-fds", 0, ARG_COUNT, &options->preserve_fds,
		  "how many descriptors from 3 on are the payload's" },
		{ "no-subreaper", 0, ARG_FLAG, &options->ignored, "accepted" },
		ARGS_END,
	};
	int rc = verb_options("exec", args, table, false, err);

	if (!rc)
		rc = args_next(args, "the container's ID", &options->id, err);
	if (rc)
		return rc;
	if (options->preserve_fds > 1 << 20)
		return err_set(err, EINVAL, "--preserve-fds: too many");
	rc = selfexe_protect(context->argv, 3 + options->preserve_fds,
			     &context->self_mount, err);
	return rc ? rc : context_open_root(context, err);
}

int verb_exec(struct context *context, struct args *args, struct err *err)
{
	struct exec_options options = { .id = "" };
	struct exec exec = {
		.context = context,
		.options = &options,
		.state = { .dir = -1 },
		.proc = -1,
		.target = -1,
		.cgroup = -1,
		.notify = { .socket = -1 },
		.console = -1,
		.console_own = -1,
		.sync = { -1, -1 },
		.pidfd = -1,
		.spaces = { -1, -1, -1, -1, -1, -1, -1, -1 },
	};
	int rc = read_options(context, args, &options, err);

	if (rc)
		return rc;
	rc = prepare(&exec, args, err);
	if (!rc)
		rc = vm_is_state(&exec.state) ? run_in_vm(&exec, err) :
						run(&exec, err);
	release(&exec);
	return rc;
}
