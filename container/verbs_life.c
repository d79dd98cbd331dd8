/* The verbs for a container that exists: kill, pause, resume, delete. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "container/hooks.h"
#include "container/net_setup.h"
#include "container/report.h"
#include "container/target.h"
#include "container/verbs.h"
#include "container/vm_agent.h"
#include "container/vm_engine.h"
#include "sandbox/names.h"
#include "sandbox/sys.h"

#define KILL_TIMEOUT_MS 10000

/* ---- kill ---- */

static int signal_all(int cgroup, int signal, struct err *err)
{
	autofree pid_t *pids = NULL;
	size_t count = 0;
	int rc;

	if (signal == SIGKILL)
		return cgroup_kill(cgroup, err);
	rc = cgroup_processes(cgroup, &pids, &count, err);
	for (size_t i = 0; !rc && i < count; i++) {
		autoclose int pidfd = sys_pidfd_open(pids[i]);

		/* One that ended since is one less. */
		if (pidfd >= 0)
			sys_pidfd_signal(pidfd, signal);
	}
	return rc;
}

static int send_signal(const struct state *state, int cgroup, int signal,
		       bool all, struct err *err)
{
	enum status status = state_status(state);
	autoclose int pidfd = state_pidfd(state);
	int rc;

	/* Its processes are the guest's; what ends all of it is the host's. */
	if (vm_is_state(state) && pidfd >= 0 && signal != SIGKILL &&
	    status != STATUS_CREATED)
		return vm_signal(state, signal, err);
	if (all && cgroup >= 0)
		return signal_all(cgroup, signal, err);
	if (pidfd < 0)
		return err_set(err, ESRCH, "container %s is not running: %s",
			       state->id, status_name(status));
	rc = sys_pidfd_signal(pidfd, signal);
	return rc ? err_sys(err, -rc, "cannot signal container %s", state->id) :
		    0;
}

int verb_kill(struct context *context, struct args *args, struct err *err)
{
	const char *signal_text = NULL;
	const char *id = "";
	bool all = false;
	const struct arg_option table[] = {
		{ "all", 'a', ARG_FLAG, &all, "all processes, not the first" },
		{ "signal", 's', ARG_TEXT, &signal_text,
		  "the signal, by number or name" },
		ARGS_END,
	};
	struct target target;
	int signal;
	int rc = verb_options("kill", args, table, true, err);

	if (!rc)
		rc = args_next(args, "the container's ID", &id, err);
	if (!rc && args->count)
		rc = args_last(args, "the signal", &signal_text, err);
	if (rc)
		return rc;
	signal = names_signal(signal_text ? signal_text : "TERM");
	if (signal < 0)
		return err_set(err, EINVAL, "\"%s\" is no signal", signal_text);
	rc = target_open(context, id, false, &target, err);
	if (!rc)
		rc = send_signal(&target.state, target.cgroup, signal, all,
				 err);
	target_close(&target);
	return rc;
}

/* ---- pause and resume ---- */

static int freeze(struct context *context, struct args *args, const char *name,
		  bool frozen, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	struct target target;
	enum status status;
	const char *id = "";
	int rc = verb_takes_id(name, args, table, true, &id, err);

	if (rc)
		return rc;
	rc = target_open(context, id, true, &target, err);
	if (!rc) {
		status = state_status(&target.state);
		if (frozen ? status != STATUS_RUNNING &&
				     status != STATUS_CREATED :
			     status != STATUS_PAUSED)
			rc = err_set(err, EINVAL, "container %s is %s", id,
				     status_name(status));
		else if (target.cgroup < 0)
			rc = err_set(err, ENOENT, "container %s has no cgroup",
				     id);
		else if (frozen && vm_is_state(&target.state))
			rc = cgroup_begin_freeze(target.cgroup, err);
		else
			rc = cgroup_freeze(target.cgroup, frozen, err);
	}
	target_close(&target);
	return rc;
}

int verb_pause(struct context *context, struct args *args, struct err *err)
{
	return freeze(context, args, "pause", true, err);
}

int verb_resume(struct context *context, struct args *args, struct err *err)
{
	return freeze(context, args, "resume", false, err);
}

/* The words of LXC for the same. */
int verb_freeze(struct context *context, struct args *args, struct err *err)
{
	return freeze(context, args, "freeze", true, err);
}

int verb_thaw(struct context *context, struct args *args, struct err *err)
{
	return freeze(context, args, "thaw", false, err);
}

/* ---- delete ---- */

/* What is still alive ends; a frozen group is killed as well (cgroup.kill). */
static int end_processes(const struct state *state, int cgroup, struct err *err)
{
	autoclose int pidfd = state_pidfd(state);
	int rc = 0;

	if (cgroup >= 0) {
		rc = cgroup_kill(cgroup, err);
		if (!rc) {
			rc = cgroup_wait_empty(cgroup, KILL_TIMEOUT_MS);
			if (rc)
				err_set(err, -rc,
					"processes of container %s do not end",
					state->id);
		}
		/* systemd removes the group as soon as it is empty. */
		if (state->unit && (rc == -ENOENT || rc == -ENODEV))
			rc = 0;
	}
	/* It may have been moved elsewhere by those who have the right. */
	if (!rc && pidfd >= 0)
		sys_pidfd_signal(pidfd, SIGKILL);
	return rc;
}

static void poststop(const struct context *context, const struct state *state)
{
	struct config config;
	struct err err = { 0 };
	json_t *tree = json_load_path(state->dir, STATE_CONFIG, NULL);
	json_t *told = state_to_json(state, STATUS_STOPPED);
	autofree char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;

	json_decref(told);
	/* A create that was cut off may not have come to it. */
	if (!tree)
		return;
	if (config_read(&config, tree, &err) ||
	    hooks_run(&config, HOOK_POSTSTOP, text ? text : "{}", &err))
		report_warning(context, &err);
	config_dispose(&config);
}

static int remove_container(struct context *context, struct target *target,
			    bool force, struct err *err)
{
	struct state *state = &target->state;
	enum status status = state_status(state);
	int rc = 0;

	if (!force && status != STATUS_STOPPED && status != STATUS_CREATED)
		return err_set(
			err, EBUSY,
			"container %s is %s; kill it first, or use --force",
			state->id, status_name(status));
	rc = end_processes(state, target->cgroup, err);
	if (!rc)
		rc = target_remove_group(&target->mount, state, err);
	if (!rc)
		rc = net_remove(state, err);
	if (rc)
		return rc;
	poststop(context, state);
	if (vm_is_state(state))
		rc = vm_engine_remove(context, state->id, err);
	return rc ? rc : state_remove(state, err);
}

int container_remove(struct context *context, const char *id, bool force,
		     struct err *err)
{
	struct target target;
	int rc = target_open(context, id, true, &target, err);

	/* Its files come before the state does. */
	if (rc == -ENOENT && force && target.state.dir < 0)
		rc = vm_engine_remove(context, id, err);
	else if (!rc)
		rc = remove_container(context, &target, force, err);
	target_close(&target);
	return rc;
}

int verb_delete(struct context *context, struct args *args, struct err *err)
{
	const char *id = "";
	bool force = false;
	const struct arg_option table[] = {
		{ "force", 'f', ARG_FLAG, &force,
		  "end its processes; no error when there is none" },
		ARGS_END,
	};
	int rc = verb_takes_id("delete", args, table, true, &id, err);

	return rc ? rc : container_remove(context, id, force, err);
}
