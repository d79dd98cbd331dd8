/*
 * `restore`: as `run`, but criu makes the processes, out of what `checkpoint`
 * has written.
 *
 * Theory of operation. State, cgroup and root filesystem are made as for any
 * container, from a bundle that may be another than the checkpoint's. criu runs
 * in a mount namespace of its own, in which the root is a mount, as it wants,
 * and what mounts lie on in there exists. It puts the processes into the
 * container's group, as children of ours (--restore-sibling), and ends.
 */
#include "container/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "container/home.h"
#include "container/people.h"
#include "container/supervisor.h"
#include "container/verbs.h"
#include "core/parse.h"
#include "sandbox/caps.h"
#include "sandbox/link.h"
#include "sandbox/mount_lock.h"
#include "sandbox/nft.h"
#include "sandbox/procfs.h"
#include "sandbox/rootpath.h"
#include "sandbox/selfexe.h"
#include "sandbox/sys.h"
#include "sandbox/terminal.h"
#include "sandbox/userns.h"

/* ---- in criu's mount namespace ---- */

/* In what another mount holds, which is criu's to fill or is there already. */
static bool is_below_mount(const struct config *config, size_t index)
{
	const char *path = config->mounts[index].plan.target;

	for (size_t i = 0; i < index; i++) {
		const char *above = config->mounts[i].plan.target;
		size_t len = strlen(above);

		if (!strncmp(path, above, len) && path[len] == '/')
			return true;
	}
	return false;
}

static int make_target(const struct mount_plan *plan, int root, struct err *err)
{
	int fd = plan->is_bind && !plan->tree_is_dir ?
			 rootpath_make_file(root, plan->target, err) :
			 rootpath_make_dir(root, plan->target, err);

	if (fd < 0)
		return err_prefix(err, "mount %s", plan->target);
	close(fd);
	return 0;
}

static int make_targets(const struct config *config, int root, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		const struct mount_plan *plan = &config->mounts[i].plan;

		if (!plan->remount && !is_below_mount(config, i))
			rc = make_target(plan, root, err);
	}
	return rc;
}

static int enter(void *opaque, struct err *err)
{
	static const struct mount_change apart = { .propagation = MS_PRIVATE };
	const struct restore *restore = opaque;
	const struct launch *launch = restore->launch;
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int rc;

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private,
			  sizeof(private)))
		return err_sys(err, errno, "cannot make the mounts private");
	rc = mount_set(launch->root_tree, &apart, AT_RECURSIVE, err);
	/* Not where it is, which may be a mount already: criu wants to see what
	 * is below. */
	if (!rc && move_mount(launch->root_tree, "", AT_FDCWD, restore->root,
			      MOVE_MOUNT_F_EMPTY_PATH))
		rc = err_sys(err, errno, "cannot attach the root filesystem");
	if (!rc)
		rc = make_targets(&launch->config, launch->root_tree, err);
	/* criu (3.17) forgets this, and what criu has its processes inherit. */
	if (!rc && launch->config.process.no_new_privileges &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = err_sys(err, errno, "process.noNewPrivileges");
	return rc;
}

/* ---- the command ---- */

static void add_mount(struct restore *restore, const char *name,
		      const char *source)
{
	criu_text(&restore->criu, CRIU_EXTERNAL, "mnt[%s]:%s", name, source);
}

/* Under the names that `checkpoint` gave. */
static void add_mounts(struct restore *restore)
{
	const struct launch *launch = restore->launch;
	const struct config *config = &launch->config;

	for (size_t i = 0; i < config->mount_count; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (mount->plan.is_bind && !mount->plan.remount)
			criu_text(&restore->criu, CRIU_EXTERNAL,
				  "mnt[%s]:%s/%zu", mount->plan.target,
				  restore->binds, i);
		else if (criu_is_cgroup_bind(config, mount))
			criu_text(&restore->criu, CRIU_EXTERNAL, "mnt[%s]:%s%s",
				  mount->plan.target, launch->cgroups.path,
				  launch->state.cgroup);
	}
	add_mount(restore, CRIU_MASK, "/dev/null");
	for (size_t i = 0; i < launch->node_count; i++) {
		const char *path = launch->nodes[i].path;

		if (strcmp(path, CRIU_MASK) != 0)
			add_mount(restore, path, path);
	}
}

static void add_namespaces(struct restore *restore)
{
	const struct launch *launch = restore->launch;
	const struct config *config = &launch->config;
	struct criu *criu = &restore->criu;

	for (size_t i = 0; i < config->namespace_count; i++) {
		const struct config_namespace *ns = &config->namespaces[i];
		int fd = launch->namespaces[i];

		if (ns->flag == CLONE_NEWNET && restore->netns >= 0)
			fd = restore->netns;
		else if (!ns->path)
			continue;
		if (ns->flag == CLONE_NEWNET)
			criu_inherit(criu, CRIU_NETNS, fd);
		else if (ns->flag == CLONE_NEWPID)
			criu_inherit(criu, CRIU_PIDNS, fd);
		else
			criu_texts(criu, CRIU_JOIN_NS, ns->type, ns->path);
	}
}

/* An array, which json_load_path does not take. */
static json_t *load_descriptors(const struct criu *criu, struct err *err)
{
	autoclose int dir =
		open(criu->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = NULL;
	json_t *array = NULL;
	size_t len = 0;

	if (faccessat(dir, CRIU_DESCRIPTORS, F_OK, 0)) {
		err_set(err, ENOENT, "--image-path: %s holds no checkpoint",
			criu->images);
		return NULL;
	}
	if (json_read_text(dir, CRIU_DESCRIPTORS, &text, &len, err))
		return NULL;
	array = json_loadb(text, len, 0, NULL);
	if (!json_is_array(array)) {
		json_decref(array);
		err_set(err, EINVAL,
			"--image-path: %s/" CRIU_DESCRIPTORS " is no array",
			criu->images);
		return NULL;
	}
	return array;
}

/* Its standard descriptors become ours. One that both output and errors go to
 * is told once. */
static int add_descriptors(struct restore *restore, struct err *err)
{
	/* As `checkpoint` has them; an init of ours is a copy of this program.
	 */
	const int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
			    restore->own_file };
	struct criu *criu = &restore->criu;
	json_t *array = load_descriptors(criu, err);
	const char *before = "";

	if (!array)
		return -err->code;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text || !strcmp(text, before) ||
		    (strncmp(text, "pipe:", 5) != 0 &&
		     strncmp(text, "file[", 5) != 0))
			continue;
		criu_inherit(criu, text, fds[i]);
		before = text;
	}
	json_decref(array);
	return 0;
}

/* Its settings come later. */
static int keep_terminal(void *opaque, int master, struct err *err)
{
	struct restore *restore = opaque;

	if (restore->terminal >= 0)
		return 0;
	restore->terminal = fcntl(master, F_DUPFD_CLOEXEC, 3);
	return restore->terminal < 0 ? err_sys(err, errno, "the terminal") : 0;
}

/* As the child of a new container would. */
static int send_terminal(const struct restore *restore, struct err *err)
{
	if (restore->launch->console < 0)
		return 0;
	if (restore->terminal < 0)
		return err_set(
			err, EINVAL,
			"config.json: process.terminal: there is none in the checkpoint");
	return terminal_send(restore->launch->console, restore->terminal, err);
}

static int make_request(struct restore *restore, struct err *err)
{
	const struct launch *launch = restore->launch;
	struct criu *criu = &restore->criu;
	bool ignores = restore->options->cgroups_mode &&
		       !strcmp(restore->options->cgroups_mode, "ignore");

	criu->namespaces = CLONE_NEWNS;
	criu->enter = enter;
	criu->opaque = restore;
	/* Then they stay where criu is. */
	criu->cgroup = ignores ? launch->cgroup : -1;
	if (!ignores && launch->state.cgroup)
		criu_texts(criu, CRIU_CG_ROOT, NULL, launch->state.cgroup);
	criu_number(criu, CRIU_RST_SIBLING, 1);
	criu_text(criu, CRIU_ROOT, "%s", restore->root);
	if (launch->console >= 0) {
		criu->terminal = keep_terminal;
		criu_number(criu, CRIU_ORPHAN_PTS_MASTER, 1);
		criu_number(criu, CRIU_NOTIFY_SCRIPTS, 1);
	}
	if (restore->options->lsm_profile)
		criu_text(criu, CRIU_LSM_PROFILE, "%s",
			  restore->options->lsm_profile);
	if (restore->options->lsm_mount_context)
		criu_text(criu, CRIU_LSM_MOUNT_CONTEXT, "%s",
			  restore->options->lsm_mount_context);
	add_mounts(restore);
	add_namespaces(restore);
	return add_descriptors(restore, err);
}

/* ---- the processes ---- */

/*
 * What criu makes in a user namespace reads the checkpoint, at first as the
 * host's root, but without its rights and with its group, and then as root of
 * that namespace, without any group of the host's. Both can enter the folder
 * until it is done; nobody else could who cannot now.
 */
static int lend_images(struct restore *restore, struct err *err)
{
	const struct config *config = &restore->launch->config;
	const char *images = restore->criu.images;
	struct stat *st = &restore->images_were;
	uint32_t root;

	if (!config_namespace(config, CLONE_NEWUSER) ||
	    !userns_outside(&config->uids, 0, &root))
		return 0;
	restore->images = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (restore->images < 0 || fstat(restore->images, st) ||
	    fchown(restore->images, root, 0) ||
	    fchmod(restore->images, 0710 | (st->st_mode & S_IXOTH)))
		return err_sys(err, errno, "--image-path: %s", images);
	return 0;
}

static void take_images_back(struct restore *restore)
{
	const struct stat *st = &restore->images_were;

	if (restore->images < 0)
		return;
	/* It may be gone by now. */
	(void)!fchown(restore->images, st->st_uid, st->st_gid);
	(void)fchmod(restore->images, st->st_mode & 07777);
	close(move_fd(&restore->images));
}

/* Hooks that make a container out of a bundle cannot make one that was made
 * elsewhere. */
static int check_hooks(const struct config *config, struct err *err)
{
	static const enum hook_kind kinds[] = { HOOK_PRESTART,
						HOOK_CREATE_RUNTIME,
						HOOK_CREATE_CONTAINER };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (config->hooks[kinds[i]].count)
			return err_set(
				err, EOPNOTSUPP,
				"config.json: hooks.%s: restore has no time for these hooks; remove them",
				config_hook_name(kinds[i]));
	}
	return 0;
}

/* criu works in a folder of its own, so the path is absolute. */
static int make_root(struct restore *restore, struct err *err)
{
	const struct launch *launch = restore->launch;
	size_t size = sizeof(restore->root);
	char link[32];
	ssize_t n;
	int more;

	snprintf(link, sizeof(link), "self/fd/%d", launch->state.dir);
	n = readlinkat(launch->proc, link, restore->root, size - 1);
	if (n < 0)
		return err_sys(err, errno, "the container's folder");
	size -= (size_t)n;
	more = snprintf(restore->root + n, size, "/" STATE_CRIU_ROOT);
	if (more < 0 || (size_t)more >= size)
		return err_set(err, ENAMETOOLONG, "--root is too long");
	if (mkdir(restore->root, 0755))
		return err_sys(err, errno, "cannot make %s", restore->root);
	return 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && (!path[len] || path[len] == '/');
}

/* A folder that everybody can reach, which root of a user namespace counts as,
 * and of which criu needs nothing: it is covered meanwhile, for criu alone. */
static int find_place(struct restore *restore, struct err *err)
{
	static const char *const places[] = { "/mnt", "/media", "/srv", "/opt",
					      "/home" };
	const struct criu *criu = &restore->criu;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct stat st;

		if (lstat(places[i], &st) || !S_ISDIR(st.st_mode) ||
		    is_below(criu->images, places[i]) ||
		    is_below(criu->work, places[i]) ||
		    is_below(criu->program, places[i]) ||
		    is_below(restore->root, places[i]))
			continue;
		restore->binds = places[i];
		return 0;
	}
	return err_set(err, ENOENT,
		       "no place for bind mounts: make a folder /mnt");
}

/* What criu had locked it unlocks under the name of today (3.17), and that is
 * another one. */
static int find_lock(const struct restore *restore, char *name, size_t size,
		     struct err *err)
{
	autoclose int dir =
		open(restore->criu.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = NULL;
	uint64_t pid;
	size_t len;
	int rc;

	*name = '\0';
	if (!config_namespace(&restore->launch->config, CLONE_NEWNET) ||
	    faccessat(dir, CRIU_LOCK, F_OK, 0))
		return 0;
	rc = json_read_text(dir, CRIU_LOCK, &text, &len, err);
	if (rc)
		return rc;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, &pid))
		return err_set(err, EINVAL,
			       "--image-path: %s/" CRIU_LOCK " holds no PID",
			       restore->criu.images);
	snprintf(name, size, "CRIU-%llu", (unsigned long long)pid);
	return 0;
}

static int unlock_network(const struct restore *restore, struct err *err)
{
	const struct launch *launch = restore->launch;
	autoclose int home = -1;
	autoclose int netns = -1;
	char name[32];
	char path[32];
	int rc = find_lock(restore, name, sizeof(name), err);

	if (rc || !*name)
		return rc;
	snprintf(path, sizeof(path), "%d/ns/net", (int)launch->pid);
	netns = openat(launch->proc, path, O_RDONLY | O_CLOEXEC);
	home = openat(launch->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0 || home < 0)
		return err_sys(err, errno, "cannot open the network namespace");
	return nft_remove_in(netns, home, name, err);
}

/* We have one thread, so it can go there and come back. */
static int make_network(struct restore *restore, struct err *err)
{
	const struct launch *launch = restore->launch;
	autoclose int home = -1;
	int rc;

	if (!criu_is_our_network(&launch->config, launch->net))
		return 0;
	home = openat(launch->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || unshare(CLONE_NEWNET))
		return err_sys(err, errno, "no new network namespace");
	rc = link_loopback_up();
	restore->netns =
		openat(launch->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (setns(home, CLONE_NEWNET) || rc || restore->netns < 0)
		return err_set(err, EIO, "cannot make the network namespace");
	return launch_make_network(launch, restore->netns, getpid(), err);
}

/*
 * Bind mounts are in there for criu to copy as they were prepared, with mapped
 * IDs and locked flags; see mount_lock.h.
 */
static int lay_binds(struct restore *restore, struct mount_lock *lock,
		     struct err *err)
{
	struct config *config = &restore->launch->config;
	int rc = mount_lock_enter(lock, restore->binds, err);

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%zu", i);
		if (config->mounts[i].plan.tree >= 0)
			rc = mount_lock_add(lock, name, &config->mounts[i].plan,
					    err);
	}
	return rc;
}

static int run_criu(struct restore *restore, struct err *err)
{
	struct launch *launch = restore->launch;
	struct mount_lock lock = { -1, -1, -1, -1 };
	struct err leave;
	int rc = lay_binds(restore, &lock, err);

	if (!rc)
		rc = criu_run(&restore->criu, err);
	if (mount_lock_leave(&lock, &leave) && !rc)
		rc = err_set(err, leave.code, "%s", leave.msg);
	take_images_back(restore);
	if (!rc && restore->criu.pid <= 0)
		rc = err_set(err, EIO, "criu has told no PID");
	if (!rc)
		launch->pid = restore->criu.pid;
	return rc;
}

int restore_raise(void *opaque, struct launch *launch, struct err *err)
{
	struct restore *restore = opaque;
	int rc = check_hooks(&launch->config, err);

	restore->launch = launch;
	if (!rc)
		rc = criu_check_config(&launch->config, launch->net,
				       launch->state.id, err);
	if (!rc)
		rc = make_root(restore, err);
	if (!rc)
		rc = find_place(restore, err);
	if (!rc)
		rc = lend_images(restore, err);
	if (!rc)
		rc = make_network(restore, err);
	if (!rc)
		rc = make_request(restore, err);
	if (!rc)
		rc = run_criu(restore, err);
	unlinkat(launch->state.dir, STATE_CRIU_ROOT, AT_REMOVEDIR);
	if (rc)
		return rc;
	/* A child of ours, so the number is its own until we wait for it. */
	launch->pidfd = sys_pidfd_open(launch->pid);
	if (launch->pidfd < 0)
		return err_sys(err, -launch->pidfd,
			       "the restored container has ended");
	rc = unlock_network(restore, err);
	if (!rc)
		rc = send_terminal(restore, err);
	if (!rc && restore->saved)
		rc = home_forget_saved(restore->saved, err);
	return rc;
}

int restore_open(struct restore *restore, const struct criu_options *options,
		 struct err *err)
{
	*restore = (struct restore){ .options = options,
				     .own_file = -1,
				     .images = -1,
				     .netns = -1,
				     .terminal = -1 };
	if (geteuid() || !caps_may_administer())
		return err_set(err, EPERM,
			       "restore needs root's rights, as criu does");
	restore->own_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (restore->own_file < 0)
		return err_sys(err, errno, "cannot open the file of hull-ct");
	return criu_begin(&restore->criu, CRIU_RESTORE, "restore.log", options,
			  false, err);
}

void restore_close(struct restore *restore)
{
	int *const fds[] = { &restore->own_file, &restore->netns,
			     &restore->terminal };

	take_images_back(restore);
	criu_release(&restore->criu);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(move_fd(fds[i]));
	}
}

/* ---- of a launched container ---- */

int restore_home(struct context *context, struct home *home,
		 const struct criu_options *options, struct err *err)
{
	autofree char *path = NULL;
	struct criu_options saved = { .image_path = NULL };
	struct restore restore;
	int rc;

	if (!options && !home_is_saved(home))
		return supervisor_start(context, home, NULL, err);
	if (options)
		saved = *options;
	rc = criu_options_of_home(&saved, home, &path, err);
	if (rc)
		return rc;
	rc = restore_open(&restore, &saved, err);
	/* Its own is used up. */
	restore.saved = path ? home : NULL;
	if (!rc)
		rc = supervisor_start(context, home, &restore, err);
	restore_close(&restore);
	if (rc && restore.saved)
		err_prefix(
			err,
			"container %s has a checkpoint; start --anew leaves that away",
			home->name);
	return rc;
}

/* ---- the verb ---- */

/* The options of runc and crun; conmon gives those of create, too. */
static int read_arguments(struct args *args, struct criu_options *o,
			  struct launch_options *launch, struct err *err)
{
	bool ignored = false;
	const struct arg_option table[] = {
		{ "image-path", 0, ARG_TEXT, &o->image_path,
		  "folder of the checkpoint; ./checkpoint unless told, of a launched container its own" },
		{ "work-path", 0, ARG_TEXT, &o->work_path,
		  "folder for criu's log; the checkpoint's unless told" },
		{ "bundle", 'b', ARG_TEXT, &launch->bundle,
		  "folder of config.json; the current one unless told" },
		{ "pid-file", 0, ARG_TEXT, &launch->pid_file,
		  "file that gets the process's ID" },
		{ "detach", 'd', ARG_FLAG, &launch->detach,
		  "do not wait for the end" },
		{ "tcp-established", 0, ARG_FLAG, &o->tcp_established,
		  "connections of TCP, too" },
		{ "ext-unix-sk", 0, ARG_FLAG, &o->ext_unix_sk,
		  "Unix sockets whose other end was outside, too" },
		{ "shell-job", 0, ARG_FLAG, &o->shell_job,
		  "in our session, as it was with the checkpoint's --shell-job" },
		{ "file-locks", 0, ARG_FLAG, &o->file_locks,
		  "locks of files, too" },
		{ "manage-cgroups-mode", 0, ARG_TEXT, &o->cgroups_mode,
		  "criu's --manage-cgroups: soft (unless told), full, strict, ignore" },
		{ "empty-ns", 0, ARG_TEXT, &o->empty_ns,
		  "network: without what was in that namespace" },
		{ "auto-dedup", 0, ARG_FLAG, &o->auto_dedup,
		  "free what was restored from the checkpoint's files" },
		{ "lsm-profile", 0, ARG_TEXT, &o->lsm_profile,
		  "apparmor:NAME or selinux:LABEL in place of the checkpoint's" },
		{ "lsm-mount-context", 0, ARG_TEXT, &o->lsm_mount_context,
		  "label of mounts in place of the checkpoint's" },
		{ "console-socket", 0, ARG_TEXT, &launch->console_socket,
		  "socket that gets the terminal" },
		{ "no-new-keyring", 0, ARG_FLAG, &ignored, "accepted" },
		{ "no-pivot", 0, ARG_FLAG, &ignored, "accepted" },
		{ "no-subreaper", 0, ARG_FLAG, &ignored, "accepted" },
		ARGS_END,
	};

	return verb_takes_id("restore", args, table, true, &launch->id, err);
}

/* It has no bundle, and nobody who would take its terminal. */
static int restore_launched(struct context *context, const char *name,
			    const struct criu_options *options,
			    const struct launch_options *launch,
			    struct err *err)
{
	struct home home;
	int rc;

	if (launch->bundle || launch->pid_file || launch->console_socket)
		return err_set(
			err, EINVAL,
			"container %s was launched: restore it without --bundle, --pid-file and --console-socket",
			name);
	rc = people_begin(context, name, err);
	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	if (!rc && !options->image_path && !home_is_saved(&home))
		rc = err_set(
			err, ENOENT,
			"container %s has no checkpoint of its own; say --image-path",
			name);
	if (!rc)
		rc = restore_home(context, &home, options, err);
	home_release(&home);
	return rc;
}

static int restore_bundle(struct context *context,
			  const struct criu_options *options,
			  const struct launch_options *asked, struct err *err)
{
	struct launch_options launch = *asked;
	struct restore restore;
	int rc = selfexe_protect(context->argv, STDERR_FILENO + 1,
				 &context->self_mount, err);

	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	if (!launch.bundle)
		launch.bundle = ".";
	launch.foreground = !launch.detach;
	launch.raise = restore_raise;
	launch.raise_opaque = &restore;
	rc = restore_open(&restore, options, err);
	if (!rc)
		rc = launch_run(context, &launch, &context->status, err);
	restore_close(&restore);
	return rc;
}

int verb_restore(struct context *context, struct args *args, struct err *err)
{
	struct criu_options options = { .image_path = NULL };
	struct launch_options launch = { .root_tree = -1 };
	int rc = read_arguments(args, &options, &launch, err);

	if (rc)
		return rc;
	return home_exists(context, launch.id) ?
		       restore_launched(context, launch.id, &options, &launch,
					err) :
		       restore_bundle(context, &options, &launch, err);
}
