#include "container/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "container/console.h"
#include "container/hooks.h"
#include "container/net_setup.h"
#include "container/pidfile.h"
#include "container/relay.h"
#include "container/report.h"
#include "container/sync.h"
#include "container/target.h"
#include "container/vm_net.h"
#include "sandbox/mount_lock.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

/* What clone3 makes; cgroup and time namespaces the child makes itself. */
#define CLONE_FLAGS                                                 \
	(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | \
	 CLONE_NEWUTS | CLONE_NEWUSER)

static void launch_init(struct launch *launch, struct context *context,
			const struct launch_options *options)
{
	*launch = (struct launch){
		.context = context,
		.options = options,
		.state = { .dir = -1 },
		.cgroups = { .fd = -1 },
		.proc = -1,
		.cgroup = -1,
		.root_tree = options->root_tree,
		.cgroup_tree = -1,
		.notify = { .socket = -1 },
		.console = -1,
		.console_own = -1,
		.start = -1,
		.tap = -1,
		.sync = { -1, -1 },
		.pidfd = -1,
		.payload = { .own_file = -1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(launch->namespaces); i++)
		launch->namespaces[i] = -1;
}

/* ---- the cgroup ---- */

/* "No limit" is how a group begins, and needs no controller. */
static size_t real_limits(const struct config_resources *resources,
			  struct cgroup_setting *limits)
{
	size_t count = 0;

	for (size_t i = 0; i < resources->setting_count; i++) {
		if (strncmp(resources->settings[i].value, "max", 3) != 0)
			limits[count++] = resources->settings[i];
	}
	return count;
}

/*
 * Who is root of a user namespace only, or not at all, may have no cgroup to
 * write to, and may not load a filter of devices: nor can such a container make
 * nodes, or open any but those that its caller could.
 */
static bool is_refused(const struct launch *launch, int rc)
{
	return (rc == -EACCES || rc == -EPERM || rc == -EROFS) &&
	       (launch->unprivileged || launch->nested);
}

/* runtime-spec 1.2, config-linux.md, "Cgroup ownership": to the user that the
 * container's process is on the host. */
static int delegate_cgroup(const struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;
	uint32_t owner;
	int rc;

	if (!config_delegates_cgroup(config))
		return 0;
	if (!*launch->unit)
		cgroup_offer(&launch->cgroups, launch->state.cgroup);
	if (launch->unprivileged ||
	    !userns_outside(&config->uids, config->process.uid, &owner))
		return 0;
	rc = cgroup_delegate(launch->cgroup, owner, err);
	return rc && is_refused(launch, rc) ? 0 : rc;
}

/* In a scope the child is born beside one that only waits for it: systemd makes
 * none without a process. */
static int make_scope(struct launch *launch,
		      const struct cgroup_setting *limits, size_t count,
		      struct err *err)
{
	struct state *state = &launch->state;
	const struct scope scope = { .unit = launch->unit,
				     .slice = launch->slice,
				     .description = state->id,
				     .settings = limits,
				     .count = count };
	int rc = scope_holder(&launch->holder, err);

	if (!rc)
		rc = scope_start(&scope, launch->proc, launch->holder,
				 &state->cgroup, err);
	if (rc)
		return rc;
	/* Only now it is ours, for whoever takes us down. */
	state->unit = strdup(launch->unit);
	rc = state->unit ? state_save(state, err) :
			   err_sys(err, ENOMEM, "no memory");
	if (rc)
		return rc;
	launch->cgroup = cgroup_open(&launch->cgroups, state->cgroup);
	if (launch->cgroup < 0)
		return err_sys(err, -launch->cgroup,
			       "cannot open the cgroup %s", state->cgroup);
	/* Exactly, and what systemd knows no property for. */
	return cgroup_apply(launch->cgroup, limits, count, err);
}

static int make_group(struct launch *launch,
		      const struct cgroup_setting *limits, size_t count,
		      struct err *err)
{
	if (*launch->unit)
		return make_scope(launch, limits, count, err);
	launch->cgroup = cgroup_create(&launch->cgroups, launch->state.cgroup,
				       limits, count, err);
	return launch->cgroup < 0 ? launch->cgroup : 0;
}

static int make_cgroup(struct launch *launch, struct err *err)
{
	const struct config_resources *resources = &launch->config.resources;
	autofree struct cgroup_setting *limits = NULL;
	size_t count;
	int rc;

	limits = calloc(resources->setting_count + 1, sizeof(*limits));
	if (!limits)
		return err_sys(err, ENOMEM, "linux.resources");
	count = real_limits(resources, limits);
	rc = make_group(launch, limits, count, err);
	if (rc && !count && !*launch->unit && is_refused(launch, rc)) {
		free(move_ptr(&launch->state.cgroup));
		return 0;
	}
	if (rc && is_refused(launch, rc))
		return err_prefix(
			err,
			"a limit needs a cgroup that is delegated to the caller (systemd-run --user --scope hull-ct ...)");
	if (rc)
		return rc;
	if (!config_namespace(&launch->config, CLONE_NEWCGROUP)) {
		launch->cgroup_tree = mount_copy(launch->cgroup, 0);
		if (launch->cgroup_tree < 0)
			return err_sys(err, -launch->cgroup_tree,
				       "cannot open the cgroup for a mount");
	}
	return delegate_cgroup(launch, err);
}

static int filter_devices(const struct launch *launch, struct err *err)
{
	const struct config_resources *resources = &launch->config.resources;
	int rc;

	if (launch->cgroup < 0)
		return 0;
	rc = devices_attach_filter(launch->cgroup, resources->devices,
				   resources->device_count, true, err);
	return is_refused(launch, rc) ? 0 : rc;
}

/* ---- the child ---- */

static int listen_for_start(struct launch *launch, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* A socket's path may have 107 bytes; this one always does. */
	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/" STATE_START, launch->state.dir);
	launch->start = fd;
	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 1))
		return err_sys(err, errno, "cannot make the start's socket");
	return 0;
}

/* A pid namespace takes in only children of who joins it. From a user
 * namespace, the others are made to belong to it. */
static int join_before(const struct launch *launch, uint64_t flag,
		       struct err *err)
{
	const struct config *config = &launch->config;

	for (size_t i = 0; i < config->namespace_count; i++) {
		const struct config_namespace *ns = &config->namespaces[i];

		if (ns->flag != flag || !ns->path)
			continue;
		if (setns(launch->namespaces[i], (int)flag))
			return err_sys(err, errno,
				       "cannot join the %s namespace %s",
				       ns->type, ns->path);
	}
	return 0;
}

static int lock_mounts(struct launch *launch, struct mount_lock *lock,
		       struct err *err)
{
	struct config *config = &launch->config;
	bool locks = false;
	char place[PATH_MAX];
	char name[24];
	int rc;
	int n;

	if (!(config->new_namespaces & CLONE_NEWUSER) || launch->unprivileged)
		return 0;
	for (size_t i = 0; i < config->mount_count; i++) {
		struct mount_plan *plan = &config->mounts[i].plan;

		plan->locked = mount_lock_wanted(plan);
		locks |= plan->locked;
	}
	if (!locks)
		return 0;
	n = snprintf(place, sizeof(place), "%s/%s", launch->context->root,
		     launch->state.id);
	if (n < 0 || (size_t)n >= sizeof(place))
		return err_set(err, ENAMETOOLONG, "--root is too long");
	rc = mount_lock_enter(lock, place, err);
	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		if (config->mounts[i].plan.locked)
			rc = mount_lock_add(lock, name, &config->mounts[i].plan,
					    err);
	}
	return rc;
}

/* The child, with the mounts that are locked for it. */
static int clone_child(struct launch *launch, struct err *err)
{
	uint64_t flags = launch->config.new_namespaces & CLONE_FLAGS;
	struct mount_lock lock = { -1, -1, -1, -1 };
	struct err leave;
	int rc = lock_mounts(launch, &lock, err);

	if (!rc) {
		launch->pid = sys_clone(flags, launch->cgroup, &launch->pidfd);
		if (launch->pid == 0)
			init_main(launch);
		if (launch->pid < 0)
			rc = err_sys(err, (int)-launch->pid,
				     "cannot make the container's namespaces");
	}
	if (mount_lock_leave(&lock, &leave) && !rc) {
		*err = leave;
		rc = -err->code;
	}
	launch_drop_mounts(launch);
	scope_release_holder(&launch->holder);
	return rc;
}

static int spawn(struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, launch->sync))
		return err_sys(err, errno, "no socket");
	rc = join_before(launch, CLONE_NEWPID, err);
	if (!rc)
		rc = join_before(launch, CLONE_NEWUSER, err);
	if (rc)
		return rc;
	/* The child is born with what is known here. */
	if (config->new_namespaces & CLONE_NEWUSER)
		launch->payload.setgroups_denied =
			userns_way(&config->uids, &config->gids) ==
			USERNS_OWN_ID;
	else if (launch->nested || config_namespace(config, CLONE_NEWUSER))
		launch->payload.setgroups_denied =
			userns_denies_groups(launch->proc, "self");
	rc = clone_child(launch, err);
	close(move_fd(&launch->sync[1]));
	return rc;
}

static int set_maps(struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;

	if (!(config->new_namespaces & CLONE_NEWUSER))
		return 0;
	return userns_set_maps(launch->proc, launch->pid, &config->uids,
			       &config->gids, err);
}

static int set_oom_score(const struct launch *launch, struct err *err)
{
	const struct config_process *process = &launch->config.process;
	char path[64];
	char text[16];
	int rc;

	if (!process->has_oom_score_adj)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", (int)launch->pid);
	snprintf(text, sizeof(text), "%d", process->oom_score_adj);
	rc = procfs_write(launch->proc, path, text);
	return rc ? err_sys(err, -rc, "process.oomScoreAdj") : 0;
}

/* ---- the network ---- */

static bool has_network(const struct launch *launch)
{
	return launch->config.net_device_count || net_plan_makes(launch->net);
}

/* The namespace that the child made, or that it is going to join. */
static int open_network(const struct launch *launch)
{
	const struct config *config = &launch->config;
	char path[32];

	for (size_t i = 0; i < config->namespace_count; i++) {
		if (config->namespaces[i].flag == CLONE_NEWNET &&
		    config->namespaces[i].path)
			return fcntl(launch->namespaces[i], F_DUPFD_CLOEXEC, 3);
	}
	snprintf(path, sizeof(path), "%d/ns/net", (int)launch->pid);
	return openat(launch->proc, path, O_RDONLY | O_CLOEXEC);
}

int launch_make_network(const struct launch *launch, int netns, pid_t pid,
			struct err *err)
{
	autoclose int home =
		openat(launch->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	const struct net_place place = { .context = launch->context,
					 .state = &launch->state,
					 .proc = launch->proc,
					 .pid = pid,
					 .netns = netns,
					 .home = home };

	if (home < 0)
		return err_sys(err, errno, "cannot open the network namespace");
	return net_setup(&place, launch->net, launch->config.net_devices,
			 launch->config.net_device_count, err);
}

static int make_network(const struct launch *launch, struct err *err)
{
	autoclose int netns = -1;

	if (!has_network(launch))
		return 0;
	netns = open_network(launch);
	if (netns < 0)
		return err_sys(err, errno, "cannot open the network namespace");
	return launch_make_network(launch, netns, launch->pid, err);
}

static int runtime_hooks(struct launch *launch, struct err *err)
{
	const char *state =
		launch_hook_state(launch, STATUS_CREATING, launch->pid);
	int rc = hooks_run(&launch->config, HOOK_PRESTART, state, err);

	if (!rc)
		rc = hooks_run(&launch->config, HOOK_CREATE_RUNTIME, state,
			       err);
	if (!rc)
		rc = sync_send(launch->sync[0], SYNC_CONTINUE, 0);
	return rc;
}

/* The error of the child, or what there is to say when it had no time to. */
static int child_error(struct launch *launch,
		       const struct sync_message *message, int rc,
		       struct err *err)
{
	if (rc > 0 && message->kind == SYNC_ERROR) {
		*err = message->err;
		launch->context->payload_failed = message->payload_failed;
		if (!err->code)
			err_set(err, EIO,
				"the container's first process failed");
		return -err->code;
	}
	return err_set(err, EIO,
		       "the container's first process ended unexpectedly");
}

/* Until the child has made all that there is to make. */
static int wait_created(struct launch *launch, struct err *err)
{
	struct sync_message message;
	int rc;

	for (;;) {
		rc = sync_receive(launch->sync[0], &message);
		if (rc > 0 && message.kind == SYNC_CREATED)
			return 0;
		if (rc <= 0 || message.kind != SYNC_RUNTIME_HOOKS)
			return child_error(launch, &message, rc, err);
		rc = runtime_hooks(launch, err);
		if (rc)
			return rc;
	}
}

/* From the child's birth until it can do the rest by itself. */
static int raise_child(struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;
	bool in_userns = config_namespace(config, CLONE_NEWUSER);
	int rc;

	launch->has_info = config->new_namespaces & CLONE_NEWUSER ||
			   config->has_notify || has_network(launch) ||
			   config->hooks[HOOK_CREATE_CONTAINER].count ||
			   config->hooks[HOOK_START_CONTAINER].count;
	launch->payload.sets_rlimits = !in_userns;
	rc = vm_net_open(&launch->state, &launch->tap, err);
	if (!rc)
		rc = spawn(launch, err);
	/* It goes when its last holder does, and that is the monitor. */
	if (launch->tap >= 0)
		close(move_fd(&launch->tap));
	if (!rc)
		rc = set_maps(launch, err);
	if (!rc)
		rc = make_network(launch, err);
	if (!rc)
		rc = set_oom_score(launch, err);
	if (!rc && in_userns)
		rc = payload_set_rlimits(&config->process, launch->pid, err);
	/* While the child builds: it runs nothing of others before it has been
	 * told to go on, here if there are hooks, else by SYNC_START. */
	if (!rc)
		rc = filter_devices(launch, err);
	if (!rc && launch->has_info)
		rc = sync_send(launch->sync[0], SYNC_INFO, (int)launch->pid);
	if (!rc)
		rc = state_set_process(&launch->state, launch->proc,
				       launch->pid, err);
	return rc;
}

/* Tells the world of the process. */
static int publish(const struct launch *launch, struct err *err)
{
	int rc = state_save(&launch->state, err);

	if (!rc && launch->options->pid_file)
		rc = pidfile_write(launch->options->pid_file, launch->pid, err);
	return rc;
}

/* Takes down what there is, as far as it goes; the first error is told. */
static void undo(struct launch *launch)
{
	struct err err;

	if (launch->pid > 0) {
		sys_pidfd_signal(launch->pidfd, SIGKILL);
		(void)sys_wait(launch->pid);
	}
	if (launch->state.dir < 0)
		return;
	if (launch->cgroup >= 0) {
		/* Behind a payload that ended well, nothing is in it. */
		if (cgroup_wait_empty(launch->cgroup, 0)) {
			cgroup_kill(launch->cgroup, NULL);
			cgroup_wait_empty(launch->cgroup, 2000);
		}
	}
	if (launch->cgroup >= 0 || launch->state.unit)
		target_remove_group(&launch->cgroups, &launch->state, NULL);
	if (net_remove(&launch->state, &err))
		report_warning(launch->context, &err);
	state_remove(&launch->state, NULL);
}

int launch_create(struct context *context, const struct launch_options *options,
		  struct err *err)
{
	struct launch launch;
	int rc;

	launch_init(&launch, context, options);
	rc = launch_prepare(&launch, err);
	if (!rc)
		rc = listen_for_start(&launch, err);
	if (!rc)
		rc = make_cgroup(&launch, err);
	if (!rc)
		rc = raise_child(&launch, err);
	if (!rc)
		rc = wait_created(&launch, err);
	if (!rc)
		rc = publish(&launch, err);
	if (rc)
		undo(&launch);
	launch_release(&launch);
	return rc;
}

/* ---- run ---- */

/* Until the child's end; its terminal is ours when no engine has it. */
static int wait_end(const struct launch *launch, int *ret_status,
		    struct err *err)
{
	const struct relay_payload payload = { launch->pid, launch->pidfd,
					       launch->console_own,
					       launch->mask };

	return relay_run(&payload, ret_status, err);
}

/* Told, and no failure: the container has run. */
static void quiet_hooks(struct launch *launch, enum hook_kind kind,
			enum status status)
{
	struct err err;

	if (launch->config.hooks[kind].count &&
	    hooks_run(&launch->config, kind,
		      launch_hook_state(launch, status, launch->pid), &err))
		report_warning(launch->context, &err);
}

static bool has_runtime_hooks(const struct config *config)
{
	return config->hooks[HOOK_PRESTART].count ||
	       config->hooks[HOOK_CREATE_RUNTIME].count;
}

/*
 * Nobody else starts it, so the word is given before the child asks, while it
 * still builds: it never waits, unless there are hooks to run first.
 */
static int start(struct launch *launch, struct err *err)
{
	struct sync_message message;
	int rc = 0;

	if (has_runtime_hooks(&launch->config))
		rc = wait_created(launch, err);
	if (!rc)
		rc = publish(launch, err);
	if (!launch->options->detach && !launch->options->wait)
		relay_hold(&launch->mask);
	if (!rc)
		rc = sync_send(launch->sync[0], SYNC_START, 0);
	/* The end closes when the payload runs. An early failure is in there,
	 * too, when sending was too late. */
	if (rc && rc != -EPIPE)
		return rc;
	do {
		rc = sync_receive(launch->sync[0], &message);
	} while (rc > 0 && message.kind == SYNC_CREATED);
	return rc ? child_error(launch, &message, rc, err) : 0;
}

/* They run already when they are there. */
static int raise_others(struct launch *launch, struct err *err)
{
	const struct launch_options *options = launch->options;
	int rc;

	if (!options->detach)
		relay_hold(&launch->mask);
	rc = filter_devices(launch, err);
	if (!rc)
		rc = options->raise(options->raise_opaque, launch, err);
	launch_drop_mounts(launch);
	scope_release_holder(&launch->holder);
	if (!rc)
		rc = state_set_process(&launch->state, launch->proc,
				       launch->pid, err);
	return rc ? rc : publish(launch, err);
}

static int raise_and_start(struct launch *launch, struct err *err)
{
	int rc;

	if (launch->options->raise)
		return raise_others(launch, err);
	rc = raise_child(launch, err);
	return rc ? rc : start(launch, err);
}

int launch_run(struct context *context, const struct launch_options *options,
	       int *ret_status, struct err *err)
{
	struct launch launch;
	int rc;

	launch_init(&launch, context, options);
	rc = launch_prepare(&launch, err);
	if (!rc)
		rc = make_cgroup(&launch, err);
	if (!rc)
		rc = raise_and_start(&launch, err);
	if (!rc) {
		quiet_hooks(&launch, HOOK_POSTSTART, STATUS_RUNNING);
		if (options->detach) {
			*ret_status = 0;
			launch_release(&launch);
			return 0;
		}
		/* Whoever pauses or updates it need not wait for its end. */
		state_unlock(&launch.state);
		rc = options->wait ? options->wait(options->opaque, &launch,
						   ret_status, err) :
				     wait_end(&launch, ret_status, err);
		if (!rc)
			launch.pid = 0;
		/* Another has deleted it: the ID may be someone else's. */
		if (state_lock(&launch.state))
			close(move_fd(&launch.state.dir));
	}
	undo(&launch);
	if (!rc)
		quiet_hooks(&launch, HOOK_POSTSTOP, STATUS_STOPPED);
	launch_release(&launch);
	return rc;
}
