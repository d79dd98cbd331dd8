/*
 * The child: a container's first process, from clone3 to the payload. See
 * launch.h. Every step fails closed: an error goes to the parent, which takes
 * everything down.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "container/hooks.h"
#include "container/launch.h"
#include "container/sync.h"
#include "sandbox/mount_lock.h"
#include "sandbox/names.h"
#include "sandbox/procfs.h"
#include "sandbox/rootpath.h"
#include "sandbox/selfexe.h"
#include "sandbox/sys.h"
#include "sandbox/terminal.h"

/* keyctl(2) */
#define JOIN_SESSION_KEYRING 1

/* Between the steps of one child. */
struct init {
	struct launch *launch;
	const struct config *config;
	int root; /* the container's root, once attached */
	pid_t outer_pid; /* as the hooks are told */
	bool payload_failed;
};

static int receive(int socket, enum sync_kind kind, int *ret_value,
		   struct err *err)
{
	struct sync_message message;
	int rc = sync_receive(socket, &message);

	if (rc > 0 && message.kind == kind) {
		*ret_value = message.value;
		return 0;
	}
	return err_set(err, EPIPE, "the process that creates it has ended");
}

/* ---- namespaces ---- */

/* Pid and user namespaces are joined by the parent, before clone3. */
static int join_namespaces(const struct init *init, struct err *err)
{
	const uint64_t by_parent = CLONE_NEWPID | CLONE_NEWUSER;

	for (size_t i = 0; i < init->config->namespace_count; i++) {
		const struct config_namespace *ns =
			&init->config->namespaces[i];

		if (!ns->path || ns->flag & by_parent)
			continue;
		if (setns(init->launch->namespaces[i], (int)ns->flag))
			return err_sys(err, errno,
				       "cannot join the %s namespace %s",
				       ns->type, ns->path);
	}
	return 0;
}

/* Offsets can be set only while nobody is in the namespace, and unshare leaves
 * the caller outside; time_namespaces(7). */
static int enter_time(const struct init *init, struct err *err)
{
	const struct config *config = init->config;
	int proc = init->launch->proc;
	autoclose int ns = -1;
	char text[128];
	int rc = 0;

	if (unshare(CLONE_NEWTIME))
		return err_sys(err, errno, "no new time namespace");
	if (config->has_time_offsets) {
		snprintf(text, sizeof(text),
			 "monotonic %lld %lld\nboottime %lld %lld\n",
			 (long long)config->monotonic_s,
			 (long long)config->monotonic_ns,
			 (long long)config->boottime_s,
			 (long long)config->boottime_ns);
		rc = procfs_write(proc, "self/timens_offsets", text);
	}
	if (rc)
		return err_sys(err, -rc, "linux.timeOffsets");
	ns = openat(proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWTIME))
		return err_sys(err, errno, "cannot enter the time namespace");
	return 0;
}

/*
 * All that belongs to no namespace of clone3's: the cgroup namespace takes the
 * group one is in for its root, and clone3 moves the child behind making it.
 */
static int enter_namespaces(struct init *init, struct err *err)
{
	uint64_t fresh = init->config->new_namespaces;
	int rc = join_namespaces(init, err);

	if (!rc && fresh & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP))
		rc = err_sys(err, errno, "no new cgroup namespace");
	if (!rc && fresh & CLONE_NEWNET) {
		rc = link_loopback_up();
		if (rc)
			rc = err_sys(err, -rc, "cannot bring lo up");
	}
	if (!rc && fresh & CLONE_NEWTIME)
		rc = enter_time(init, err);
	return rc;
}

/* In a user namespace the child has all rights but is nobody; files that it
 * makes shall be root's. */
static int become_root(const struct init *init, struct err *err)
{
	if (!config_namespace(init->config, CLONE_NEWUSER))
		return 0;
	if (!init->launch->payload.setgroups_denied && setgroups(0, NULL))
		return err_sys(err, errno, "cannot drop the groups");
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return err_sys(
			err, errno,
			"cannot become root in the user namespace: ID 0 is not mapped");
	return 0;
}

static int isolate(struct init *init, struct err *err)
{
	struct launch *launch = init->launch;
	int rc = enter_namespaces(init, err);

	if (!rc)
		rc = become_root(init, err);
	if (rc)
		return rc;
	/* Nobody inside may read or trace us, nor use /proc/PID of ours. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_sys(err, errno, "cannot protect the process");
	if (setsid() < 0)
		return err_sys(err, errno, "no new session");
	if (!launch->options->no_new_keyring &&
	    syscall(SYS_keyctl, JOIN_SESSION_KEYRING, launch->state.id, 0, 0,
		    0) < 0 &&
	    errno != ENOSYS && errno != EPERM && errno != EDQUOT)
		return err_sys(err, errno, "no new session keyring");
	return 0;
}

/* ---- the root filesystem ---- */

/*
 * At its own path, where hooks look for it; in a user namespace that may not
 * go there, over "/", which pivot_root takes as well.
 */
static int attach_root(struct init *init, struct err *err)
{
	static const struct mount_change apart = { .propagation = MS_PRIVATE };
	struct mount_change host = { .propagation = MS_PRIVATE };
	int tree = init->launch->root_tree;
	int rc;

	/* A slave still hears of the host's mounts, if that is asked for. */
	if (init->config->root_propagation == MS_SLAVE ||
	    init->config->root_propagation == MS_SHARED)
		host.propagation = MS_SLAVE;
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE,
			  &(struct mount_attr){ .propagation =
							host.propagation },
			  sizeof(struct mount_attr)))
		return err_sys(err, errno, "cannot make the mounts private");
	rc = mount_set(tree, &apart, AT_RECURSIVE, err);
	if (rc)
		return rc;
	if (move_mount(tree, "", AT_FDCWD, init->launch->state.rootfs,
		       MOVE_MOUNT_F_EMPTY_PATH) &&
	    (errno != EACCES ||
	     move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH)))
		return err_sys(err, errno, "cannot attach the root filesystem");
	init->root = tree;
	return 0;
}

/* Without a namespace of cgroups the container sees its own group alone, and
 * cannot write to it. */
static int mount_cgroup(struct init *init, struct mount_plan *plan,
			struct err *err)
{
	const struct config *config = init->config;
	int rc = 0;

	if (config_namespace(config, CLONE_NEWCGROUP)) {
		plan->type = "cgroup2";
	} else {
		if (init->launch->cgroup_tree < 0)
			return err_set(
				err, EPERM,
				"mount %s: the container has neither a cgroup of its own nor a cgroup namespace",
				plan->target);
		plan->tree = move_fd(&init->launch->cgroup_tree);
		plan->is_bind = true;
		plan->tree_is_dir = true;
		plan->one.set |= MOUNT_ATTR_RDONLY;
		plan->one.clear = 0;
		rc = mount_prepare(plan, err);
	}
	plan->param_count = 0;
	return rc ? rc : mount_attach(plan, init->root, err);
}

static int make_mounts(struct init *init, struct err *err)
{
	const struct config *config = init->config;
	int rc = 0;

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		struct mount_plan *plan = &config->mounts[i].plan;
		char name[24];

		snprintf(name, sizeof(name), "%zu", i);
		if (plan->locked)
			rc = mount_lock_take(name, plan, err);
		if (rc)
			return rc;
		if (mount_is_cgroup(plan))
			rc = mount_cgroup(init, plan, err);
		else
			rc = mount_attach(plan, init->root, err);
	}
	return rc;
}

static int make_devices(struct init *init, struct err *err)
{
	struct launch *launch = init->launch;
	int rc = 0;

	for (size_t i = 0; !rc && i < launch->node_count; i++)
		rc = devices_make(init->root, &launch->nodes[i], err);
	if (!rc)
		rc = devices_make_links(init->root, err);
	return rc;
}

static int make_terminal(struct init *init, struct err *err)
{
	const struct config_process *process = &init->config->process;
	autoclose int master = -1;
	autoclose int slave = -1;
	int rc;

	if (!process->terminal)
		return 0;
	rc = terminal_open(init->root, process->console_rows,
			   process->console_columns, &master, &slave, err);
	if (!rc)
		rc = terminal_make_console(init->root, slave, err);
	if (!rc)
		rc = terminal_send(init->launch->console, master, err);
	/* The session is new already. */
	if (!rc)
		rc = terminal_take(slave, err);
	return rc;
}

static int mask_paths(const struct init *init, struct err *err)
{
	const struct config *config = init->config;
	struct mount_cover cover = { .null = -1, .empty = -1 };
	int rc = 0;

	for (size_t i = 0; !rc && i < config->read_only_count; i++)
		rc = mount_read_only(init->root, config->read_only_paths[i],
				     err);
	if (!rc && config->masked_count) {
		cover.null = devices_open_null(err);
		rc = cover.null < 0 ? cover.null : 0;
	}
	for (size_t i = 0; !rc && i < config->masked_count; i++)
		rc = mount_mask(init->root, config->masked_paths[i], &cover,
				err);
	mount_cover_release(&cover);
	return rc;
}

/* ---- names and sysctls ---- */

static int set_names(const struct init *init, struct err *err)
{
	const char *host = init->config->hostname;
	const char *domain = init->config->domainname;

	if (host && sethostname(host, strlen(host)))
		return err_sys(err, errno, "hostname");
	if (domain && setdomainname(domain, strlen(domain)))
		return err_sys(err, errno, "domainname");
	return 0;
}

/* "net.ipv4.ip_forward", or with slashes where a name has dots. */
static int sysctl_path(const char *name, char *path, size_t size)
{
	bool slashes = strchr(name, '/');
	int n = snprintf(path, size, "sys/%s", name);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	for (char *at = path; *at && !slashes; at++) {
		if (*at == '.')
			*at = '/';
	}
	return 0;
}

static int set_sysctls(const struct init *init, struct err *err)
{
	const struct config *config = init->config;

	for (size_t i = 0; i < config->sysctl_count; i++) {
		const struct config_sysctl *s = &config->sysctls[i];
		char path[256];
		int rc = sysctl_path(s->name, path, sizeof(path));

		if (!rc)
			rc = procfs_write(init->launch->proc, path, s->value);
		if (rc)
			return err_sys(err, -rc, "linux.sysctl.%s", s->name);
	}
	return 0;
}

/* ---- into the root ---- */

/* What tells about the host and takes orders for it: gone, or, where the mount
 * is locked, covered. */
static int hide_host(const char *path, struct err *err)
{
	struct mount_plan plan = { .type = "tmpfs",
				   .target = path,
				   .one = { .set = MOUNT_ATTR_RDONLY } };
	int host;
	int rc;

	if (!umount2(path, MNT_DETACH) || errno == ENOENT)
		return 0;
	plan.tree = -1;
	host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host < 0)
		return err_sys(err, errno, "cannot open the host's root");
	rc = mount_attach(&plan, host, err);
	close(host);
	return rc;
}

/*
 * pivot_root(2) does not leave the root that the kernel began with, so that is
 * mounted over and left by chroot. Who has CAP_SYS_CHROOT can go back.
 */
static int move_root(const struct init *init, struct err *err)
{
	int rc = hide_host("/proc", err);

	if (!rc)
		rc = hide_host("/sys", err);
	if (rc)
		return rc;
	/* In the first case it is there already; see attach_root. */
	if (move_mount(init->root, "", AT_FDCWD, "/",
		       MOVE_MOUNT_F_EMPTY_PATH) &&
	    errno != ELOOP)
		return err_sys(err, errno, "cannot move the root");
	if (fchdir(init->root) || chroot(".") || chdir("/"))
		return err_sys(err, errno, "cannot change the root");
	return 0;
}

/* The old root lands above the new one, and goes. */
static int pivot_root(const struct init *init, struct err *err)
{
	int rc;

	if (fchdir(init->root))
		return err_sys(err, errno, "cannot enter the root filesystem");
	rc = sys_pivot_root(".", ".");
	if (rc)
		return err_sys(err, -rc,
			       "cannot change the root; see --no-pivot");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return err_sys(err, errno, "cannot leave the host's root");
	return 0;
}

static int change_root(const struct init *init, struct err *err)
{
	static const struct mount_change read_only = {
		.set = MOUNT_ATTR_RDONLY,
	};
	const struct config *config = init->config;
	struct mount_change propagation = { .propagation =
						    config->root_propagation };
	int rc = 0;

	if (config->root_read_only)
		rc = mount_set(init->root, &read_only, 0, err);
	if (rc)
		return rc;
	if (!init->launch->options->no_pivot) {
		selfexe_drop(init->launch->context->self_mount);
		if (init->launch->proc_private)
			procfs_drop(init->launch->proc);
	}
	rc = init->launch->options->no_pivot ? move_root(init, err) :
					       pivot_root(init, err);
	if (rc)
		return rc;
	return mount_set(init->root, &propagation,
			 config->root_propagation_recursive ? AT_RECURSIVE : 0,
			 err);
}

/* cwd may not be there yet; the image's owner would have made it as root. */
static int make_cwd(const struct init *init, struct err *err)
{
	int fd = rootpath_make_dir(init->root, init->config->process.cwd, err);

	if (fd == -EROFS || fd == -EACCES || fd == -ENOTDIR || fd == -ELOOP)
		return 0; /* entering it says what is wrong */
	if (fd < 0)
		return err_prefix(err, "process.cwd");
	close(fd);
	return 0;
}

static bool has_hooks(const struct config *config, enum hook_kind kind)
{
	return config->hooks[kind].count > 0;
}

static int run_hooks(struct init *init, struct err *err)
{
	const struct config *config = init->config;
	struct launch *launch = init->launch;
	int value;
	int rc = 0;

	if (has_hooks(config, HOOK_PRESTART) ||
	    has_hooks(config, HOOK_CREATE_RUNTIME)) {
		rc = sync_send(launch->sync[1], SYNC_RUNTIME_HOOKS, 0);
		if (!rc)
			rc = receive(launch->sync[1], SYNC_CONTINUE, &value,
				     err);
	}
	if (!rc)
		rc = hooks_run(config, HOOK_CREATE_CONTAINER,
			       launch_hook_state(launch, STATUS_CREATING,
						 init->outer_pid),
			       err);
	return rc;
}

static int build(struct init *init, struct err *err)
{
	int rc = 0;

	if (init->launch->unprivileged)
		rc = launch_open_mounts(init->launch, err);
	if (!rc)
		rc = attach_root(init, err);
	if (!rc)
		rc = make_mounts(init, err);
	if (!rc)
		rc = make_devices(init, err);
	if (!rc)
		rc = make_terminal(init, err);
	if (!rc)
		rc = set_names(init, err);
	if (!rc)
		rc = set_sysctls(init, err);
	if (!rc)
		rc = run_hooks(init, err);
	if (!rc)
		rc = make_cwd(init, err);
	if (!rc)
		rc = mask_paths(init, err);
	if (!rc)
		rc = payload_set_labels(&init->config->process,
					init->launch->proc, err);
	if (!rc)
		rc = change_root(init, err);
	return rc;
}

/* Waits for `start` to connect, or for `run` to say so. The socket on which
 * errors go from here on is left in sync[1]. */
static int wait_start(struct init *init, struct err *err)
{
	struct launch *launch = init->launch;
	int value;
	int fd;

	if (launch->start < 0)
		return receive(launch->sync[1], SYNC_START, &value, err);
	/* The creator ends now. */
	close(launch->sync[1]);
	do {
		fd = accept4(launch->start, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	close(launch->start);
	launch->sync[1] = fd;
	return fd < 0 ? err_sys(err, errno, "cannot wait for the start") : 0;
}

/* All descriptors but those of the payload and the sockets go before anyone
 * inside can look at them. */
static int close_fds(struct launch *launch, struct err *err)
{
	/* The tap is first, so that it gets the number VM_NET_FD. */
	int *const slots[] = { &launch->tap, &launch->sync[1], &launch->start,
			       &launch->notify.socket,
			       &launch->payload.own_file };
	int *used[ARRAY_SIZE(slots)];
	int fds[ARRAY_SIZE(slots)];
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		if (*slots[i] < 0)
			continue;
		used[count] = slots[i];
		fds[count++] = *slots[i];
	}
	rc = payload_close_fds(launch->payload.keep_fds, fds, count, err);
	for (size_t i = 0; !rc && i < count; i++)
		*used[i] = fds[i];
	if (!rc && launch->tap >= 0) {
		launch->payload.keep_fds++;
		if (fcntl(launch->tap, F_SETFD, 0))
			rc = err_sys(err, errno, "no descriptor");
	}
	return rc;
}

static int run(struct init *init, struct err *err)
{
	struct launch *launch = init->launch;
	struct payload *payload = &launch->payload;
	int rc = 0;

	if (launch->has_info)
		rc = receive(launch->sync[1], SYNC_INFO, &init->outer_pid, err);
	payload->outer_pid = init->outer_pid;
	if (!rc)
		rc = isolate(init, err);
	if (!rc)
		rc = build(init, err);
	if (!rc)
		rc = close_fds(launch, err);
	if (!rc)
		rc = payload_prepare(payload, err);
	if (!rc)
		rc = sync_send(launch->sync[1], SYNC_CREATED, 0);
	if (!rc)
		rc = wait_start(init, err);
	if (!rc)
		rc = hooks_run(init->config, HOOK_START_CONTAINER,
			       launch_hook_state(launch, STATUS_CREATED,
						 init->outer_pid),
			       err);
	if (!rc)
		rc = payload_exec(payload, err);
	return rc;
}

_Noreturn void init_main(struct launch *launch)
{
	struct init init = { .launch = launch,
			     .config = &launch->config,
			     .root = -1 };
	struct err err = { 0 };

	close(launch->sync[0]);
	umask(0);
	run(&init, &err);
	sync_send_error(launch->sync[1], &err, launch->payload.failed);
	_exit(1);
}
