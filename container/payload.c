#include "container/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "container/reaper.h"
#include "sandbox/procfs.h"

#define DEFAULT_UMASK 022
#define FIRST_FD      3
#define LAST_SIGNAL   64

/* ---- descriptors ---- */

int payload_close_fds(unsigned int keep_fds, int *fds, size_t count,
		      struct err *err)
{
	unsigned int first = FIRST_FD + keep_fds;

	/* Above all targets first, so that none overwrites another. */
	for (size_t i = 0; i < count; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC,
			       (int)(first + count + 1));
		if (fds[i] < 0)
			return err_sys(err, errno, "no descriptor");
	}
	for (size_t i = 0; i < count; i++) {
		fds[i] = dup3(fds[i], (int)(first + i), O_CLOEXEC);
		if (fds[i] < 0)
			return err_sys(err, errno, "no descriptor");
	}
	if (close_range((unsigned int)(first + count), ~0U, 0))
		return err_sys(err, errno, "cannot close descriptors");
	return 0;
}

/* ---- the working directory ---- */

/*
 * A directory that the container cannot reach from its root, say through a
 * descriptor that leaked, has no path (CVE-2024-21626): the system call then
 * answers with one that does not begin with a slash.
 */
static int check_cwd(struct err *err)
{
	char path[PATH_MAX];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	if (n > 0 && path[0] == '/')
		return 0;
	return err_set(err, EXDEV,
		       "process.cwd leads out of the root filesystem");
}

static int enter_cwd(const struct config_process *process, struct err *err)
{
	if (chdir(process->cwd))
		return err_sys(err, errno, "cannot enter process.cwd \"%s\"",
			       process->cwd);
	return check_cwd(err);
}

/* ---- the program ---- */

static const char *search_path(const struct config_process *process)
{
	for (const char **env = process->env; *env; env++) {
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* 0 when the file can be run. */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? -errno : 0;
}

static int find_in_path(struct payload *payload, const char *name)
{
	const char *at = search_path(payload->process);
	int found = -ENOENT;

	while (*at) {
		size_t len = strcspn(at, ":");
		int n = snprintf(payload->program, sizeof(payload->program),
				 "%.*s/%s", len ? (int)len : 1, len ? at : ".",
				 name);
		int rc;

		if (n > 0 && (size_t)n < sizeof(payload->program)) {
			rc = check_program(payload->program);
			if (!rc)
				return 0;
			if (rc == -EACCES)
				found = rc;
		}
		at += len;
		at += *at == ':';
	}
	return found;
}

/* The words are what engines look for. */
static int find_program(struct payload *payload, struct err *err)
{
	const char *name = payload->process->args[0];
	bool is_path = strchr(name, '/');
	int rc;

	if (is_path) {
		snprintf(payload->program, sizeof(payload->program), "%s",
			 name);
		rc = strlen(name) < PATH_MAX ? check_program(name) :
					       -ENAMETOOLONG;
	} else {
		rc = *name ? find_in_path(payload, name) : -ENOENT;
	}
	if (!rc)
		return 0;
	payload->failed = true;
	if (rc == -EACCES)
		return err_set(err, EACCES, "exec: \"%s\": permission denied",
			       name);
	if (rc == -ENOENT && !is_path)
		return err_set(
			err, ENOENT,
			"exec: \"%s\": executable file not found in $PATH",
			name);
	if (rc == -ENOENT || rc == -ENOTDIR)
		return err_set(err, ENOENT,
			       "exec: \"%s\": no such file or directory", name);
	return err_sys(err, -rc, "exec: \"%s\"", name);
}

/* ---- scheduling ---- */

/* sched_setattr(2), whose structure the C library does not have. */
struct sched_attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
	uint32_t util_min;
	uint32_t util_max;
};

#define IOPRIO_WHO_PROCESS 1

static int set_scheduling(const struct config_process *process, struct err *err)
{
	const struct config_scheduler *s = &process->scheduler;
	struct sched_attributes attributes = {
		.size = sizeof(attributes),
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};

	if (process->has_scheduler &&
	    syscall(SYS_sched_setattr, 0, &attributes, 0))
		return err_sys(err, errno, "process.scheduler");
	if (process->has_io_priority &&
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    process->io_priority))
		return err_sys(err, errno, "process.ioPriority");
	return 0;
}

int payload_set_rlimits(const struct config_process *process, pid_t pid,
			struct err *err)
{
	for (size_t i = 0; i < process->rlimit_count; i++) {
		const struct config_rlimit *limit = &process->rlimits[i];

		if (prlimit(pid, limit->resource, &limit->limit, NULL))
			return err_sys(err, errno, "process.rlimits[%zu]", i);
	}
	return 0;
}

/* ---- security modules ---- */

/* The label that the next exec takes; where the module is not there the write
 * fails, and so does the start. */
int payload_set_labels(const struct config_process *process, int proc,
		       struct err *err)
{
	const char *profile = process->apparmor_profile;
	const char *label = process->selinux_label;
	char text[512];
	int rc = 0;

	if (profile && *profile) {
		snprintf(text, sizeof(text), "exec %s", profile);
		rc = procfs_write(proc, "self/attr/apparmor/exec", text);
		if (rc == -ENOENT)
			rc = procfs_write(proc, "self/attr/exec", text);
		if (rc)
			return err_sys(err, -rc,
				       "process.apparmorProfile \"%s\"",
				       profile);
	}
	if (label && *label)
		rc = procfs_write(proc, "self/attr/exec", label);
	return rc ? err_sys(err, -rc, "process.selinuxLabel \"%s\"", label) : 0;
}

int payload_prepare(struct payload *payload, struct err *err)
{
	const struct config_process *process = payload->process;
	int rc = enter_cwd(process, err);

	if (rc == -EACCES) {
		payload->cwd_later = true;
		rc = 0;
	}
	if (!rc)
		rc = find_program(payload, err);
	if (!rc)
		rc = set_scheduling(process, err);
	if (!rc && payload->sets_rlimits)
		rc = payload_set_rlimits(process, 0, err);
	return rc;
}

/* ---- giving up rights ---- */

static int set_user(const struct payload *payload, struct err *err)
{
	const struct config_process *process = payload->process;
	uid_t uid = process->uid;
	gid_t gid = process->gid;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return err_sys(err, errno, "cannot keep capabilities");
	if (!payload->setgroups_denied) {
		if (setgroups(process->group_count, process->groups))
			return err_sys(err, errno,
				       "process.user.additionalGids");
	} else if (process->group_count) {
		return err_set(
			err, EPERM,
			"process.user.additionalGids: the user namespace denies setgroups");
	}
	if (setresgid(gid, gid, gid))
		return err_sys(err, errno, "cannot become group %u", gid);
	if (setresuid(uid, uid, uid))
		return err_sys(err, errno, "cannot become user %u", uid);
	return 0;
}

static int load_filter(const struct payload *payload, struct err *err)
{
	if (!payload->notify)
		return filter_load(payload->filter, err);
	return notify_load(payload->notify, payload->filter, payload->outer_pid,
			   err);
}

/*
 * Without no_new_privs a filter needs CAP_SYS_ADMIN, so it must be loaded
 * while that is there; else it comes last.
 */
static int give_up_rights(struct payload *payload, struct err *err)
{
	const struct config_process *process = payload->process;
	bool early = !process->no_new_privileges;
	int rc = 0;

	if (payload->filter && early)
		rc = load_filter(payload, err);
	if (!rc)
		rc = caps_drop_bounding(process->caps.bounding, err);
	if (!rc)
		rc = set_user(payload, err);
	if (!rc && payload->cwd_later)
		rc = enter_cwd(process, err);
	if (!rc)
		rc = caps_apply(&process->caps, err);
	if (rc)
		return rc;
	if (process->no_new_privileges &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(err, errno, "process.noNewPrivileges");
	if (payload->filter && !early)
		rc = load_filter(payload, err);
	return rc;
}

/* Ignored signals and the mask would be inherited from whoever called us. */
static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i <= LAST_SIGNAL; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int payload_exec(struct payload *payload, struct err *err)
{
	const struct config_process *process = payload->process;
	int code;
	int rc;

	if (payload->has_personality && personality(payload->personality) < 0)
		return err_sys(err, errno, "linux.personality");
	reset_signals();
	umask(process->has_umask ? process->umask : DEFAULT_UMASK);
	if (close_range(FIRST_FD + payload->keep_fds, ~0U, CLOSE_RANGE_CLOEXEC))
		return err_sys(err, errno, "cannot close descriptors");
	rc = give_up_rights(payload, err);
	if (!rc && payload->reaper)
		rc = reaper_start(payload->own_file, err);
	if (!rc && payload->shim)
		rc = vm_shim_start(payload->shim, payload->program,
				   (char *const *)process->args,
				   (char *const *)process->env,
				   payload->keep_fds, err);
	if (rc)
		return rc;
	execve(payload->program, (char **)process->args, (char **)process->env);
	code = errno;
	payload->failed = true;
	if (code == EACCES || code == EPERM)
		return err_set(err, EACCES, "exec: \"%s\": permission denied",
			       process->args[0]);
	if (code == ENOENT)
		return err_set(
			err, ENOENT,
			"exec: \"%s\": no such file or directory (of the program or its interpreter)",
			process->args[0]);
	return err_sys(err, code, "exec: \"%s\"", process->args[0]);
}
