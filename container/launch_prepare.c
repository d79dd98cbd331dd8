/* What `create` and `run` read, compile and open before there is a child. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "container/console.h"
#include "container/launch.h"
#include "container/net_setup.h"
#include "container/plan.h"
#include "sandbox/procfs.h"
#include "sandbox/userns.h"

#define OWN_CGROUPS  "/hull-ct"
#define FILTER_CACHE ".filters"

/* ---- the configuration ---- */

static int absolute(const char *base, const char *path, char **ret_path)
{
	int n = *path == '/' ? asprintf(ret_path, "%s", path) :
			       asprintf(ret_path, "%s/%s", base, path);

	return n < 0 ? -ENOMEM : 0;
}

/* The kernel's own words for the folder: absolute and without links. */
static int resolve_folder(const char *path, char **ret_path, struct err *err)
{
	*ret_path = realpath(path, NULL);
	if (!*ret_path)
		return err_sys(err, errno, "cannot open the folder %s", path);
	return 0;
}

/* Where our own top folder is: in the tree's root, or for a caller that is not
 * root in what was delegated to it, as far as there is such. */
static void find_top(char top[PATH_MAX])
{
	struct cgroup_mount mount = { .fd = -1 };
	autoclose int proc = userns_is_root_of_host() ? -1 : procfs_open(NULL);

	if (proc < 0 || cgroup_mount_open(&mount, NULL) ||
	    cgroup_own_top(&mount, proc, top, PATH_MAX))
		*top = '\0';
	cgroup_mount_close(&mount);
}

/* The cgroups path of the configuration is absolute in the tree, or is below
 * our own top folder, which is where the default is, too. */
static int cgroup_path(const struct launch *launch, char **ret_path,
		       struct err *err)
{
	const struct config *config = &launch->config;
	const char *path = config->cgroups_path ? config->cgroups_path :
						  launch->options->id;
	char top[PATH_MAX];
	int n;

	if (*path == '/') {
		n = asprintf(ret_path, "%s", path);
	} else {
		find_top(top);
		n = asprintf(ret_path, "%s" OWN_CGROUPS "/%s", top, path);
	}
	if (n < 0)
		return err_sys(err, ENOMEM, "linux.cgroupsPath");
	if (cgroup_check_path(*ret_path, NULL)) {
		cgroup_check_path(*ret_path, err);
		return err_prefix(err, "linux.cgroupsPath");
	}
	return 0;
}

/* The bundle stays as it is read: a copy is kept for `exec` and the hooks. */
static int read_bundle(struct launch *launch, char **ret_text, size_t *ret_len,
		       struct err *err)
{
	struct state *state = &launch->state;
	autoclose int bundle = -1;
	json_t *tree;
	int rc;

	bundle = open(state->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (bundle < 0)
		return err_sys(err, errno, "cannot open the bundle %s",
			       state->bundle);
	rc = json_read_text(bundle, "config.json", ret_text, ret_len, err);
	if (rc)
		return err_prefix(err, "bundle %s", state->bundle);
	tree = json_parse(*ret_text, *ret_len, "config.json", err);
	if (!tree)
		return -EINVAL;
	rc = config_read(&launch->config, tree, err);
	launch->config.process.terminal |= launch->options->tty;
	return rc ? err_prefix(err, "config.json") : 0;
}

static int check_terminal(const struct launch *launch, struct err *err)
{
	bool terminal = launch->config.process.terminal;
	bool socket = launch->options->console_socket;

	if (terminal && !socket && !launch->options->foreground &&
	    !launch->options->wait)
		return err_set(
			err, EINVAL,
			"config.json: process.terminal: without --console-socket only run in the foreground has somebody for the terminal");
	if (!terminal && socket)
		return err_set(
			err, EINVAL,
			"--console-socket: the configuration asks for no terminal");
	return 0;
}

static int check(const struct launch *launch, struct err *err)
{
	if (!launch->config.has_process)
		return err_set(err, EINVAL,
			       "config.json: process: it is missing");
	if (launch->unprivileged &&
	    !(launch->config.new_namespaces & CLONE_NEWUSER))
		return err_set(
			err, EPERM,
			"config.json: linux.namespaces: without root's rights a container needs a new user namespace; see hull-ct spec");
	return check_terminal(launch, err);
}

/* ---- what the child is given ---- */

static int open_namespaces(struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;

	for (size_t i = 0; i < config->namespace_count; i++) {
		const struct config_namespace *ns = &config->namespaces[i];

		if (!ns->path)
			continue;
		launch->namespaces[i] = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (launch->namespaces[i] < 0)
			return err_sys(err, errno,
				       "cannot open the %s namespace %s",
				       ns->type, ns->path);
	}
	return 0;
}

static int make_idmap(struct launch *launch, struct config_mount *mount,
		      struct err *err)
{
	const struct config *config = &launch->config;
	const struct userns_maps *uids = &mount->uids;
	const struct userns_maps *gids = &mount->gids;

	if (!mount->plan.idmap)
		return 0;
	if (launch->unprivileged)
		return err_set(err, EPERM,
			       "mount %s: idmap needs root's rights",
			       mount->plan.target);
	if (!uids->count) {
		uids = &config->uids;
		gids = &config->gids;
	}
	if (!uids->count)
		return err_set(
			err, EINVAL,
			"mount %s: idmap needs mappings, of its own or of the container",
			mount->plan.target);
	mount->plan.idmap_fd = userns_make(launch->proc, uids, gids, err);
	return mount->plan.idmap_fd < 0 ?
		       err_prefix(err, "mount %s", mount->plan.target) :
		       0;
}

static int open_sources(struct launch *launch, struct err *err)
{
	struct config *config = &launch->config;
	autoclose int bundle =
		open(launch->state.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		struct config_mount *mount = &config->mounts[i];

		if (!mount->plan.is_bind || mount->plan.remount)
			continue;
		rc = mount_open_source(&mount->plan, bundle, err);
		if (!rc)
			rc = make_idmap(launch, mount, err);
		if (!rc)
			rc = mount_prepare(&mount->plan, err);
	}
	return rc;
}

int launch_open_mounts(struct launch *launch, struct err *err)
{
	bool binds = launch->nested ||
		     config_namespace(&launch->config, CLONE_NEWUSER);
	int rc = open_sources(launch, err);

	if (rc)
		return rc;
	if (launch->root_tree < 0)
		launch->root_tree = open_tree(
			AT_FDCWD, launch->state.rootfs,
			OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (launch->root_tree < 0)
		return err_sys(err, errno, "cannot open the root filesystem %s",
			       launch->state.rootfs);
	/* In a user namespace nobody may make nodes: the host's are bound. */
	for (size_t i = 0; !rc && binds && i < launch->node_count; i++) {
		if (launch->nodes[i].type != 'p')
			rc = devices_open_host(&launch->nodes[i], err);
	}
	return rc;
}

static bool is_configured(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->device_count; i++) {
		if (!strcmp(config->devices[i].path, path))
			return true;
	}
	return false;
}

/* The configuration's devices win over the default ones. */
static int collect_devices(struct launch *launch, struct err *err)
{
	const struct config *config = &launch->config;
	const struct device_node *node;
	size_t room = config->device_count;

	while (devices_default(room - config->device_count))
		room++;
	launch->nodes = calloc(room + 1, sizeof(*launch->nodes));
	if (!launch->nodes)
		return err_sys(err, ENOMEM, "linux.devices");
	for (size_t i = 0; (node = devices_default(i)); i++) {
		if (!is_configured(config, node->path))
			launch->nodes[launch->node_count++] = *node;
	}
	for (size_t i = 0; i < config->device_count; i++)
		launch->nodes[launch->node_count++] = config->devices[i];
	return 0;
}

static int open_console(struct launch *launch, struct err *err)
{
	const char *path = launch->options->console_socket;

	if (!launch->config.process.terminal)
		return 0;
	if (!path)
		return console_pair(&launch->config.process,
				    &launch->console_own, &launch->console,
				    err);
	launch->console = console_connect(path, err);
	return launch->console < 0 ? launch->console : 0;
}

static int compile_filter(struct launch *launch, struct err *err)
{
	int root = launch->context->root_fd;
	autoclose int cache = -1;
	int rc;

	if (!launch->config.has_seccomp)
		return 0;
	cache = openat(root, FILTER_CACHE,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cache < 0 && errno == ENOENT && !mkdirat(root, FILTER_CACHE, 0700))
		cache = openat(root, FILTER_CACHE,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = filter_compile(&launch->config.seccomp, cache, &launch->filter,
			    err);
	if (!rc)
		launch->payload.filter = &launch->filter;
	return rc;
}

/* ---- the state for hooks ---- */

#define STATUS_ROOM 64

static int make_hook_state(struct launch *launch, struct err *err)
{
	json_t *tree = state_to_json(&launch->state, STATUS_CREATING);
	char *text = NULL, *roomy;
	size_t len;

	if (tree) {
		/* These two are put in anew each time. */
		json_object_del(tree, "pid");
		json_object_del(tree, "status");
		text = json_dumps(tree, JSON_COMPACT);
	}
	json_decref(tree);
	if (!text)
		return err_set(err, ENOMEM,
			       "cannot write the state: a path is not UTF-8");
	len = strlen(text) - 1; /* without the bracket */
	roomy = realloc(text, len + STATUS_ROOM);
	if (!roomy) {
		free(text);
		return err_sys(err, ENOMEM, "no memory");
	}
	launch->hook_state = roomy;
	launch->hook_state_len = len;
	launch->hook_state_room = len + STATUS_ROOM;
	return 0;
}

const char *launch_hook_state(struct launch *launch, enum status status,
			      pid_t pid)
{
	snprintf(launch->hook_state + launch->hook_state_len,
		 launch->hook_state_room - launch->hook_state_len,
		 ",\"status\":\"%s\",\"pid\":%d}", status_name(status),
		 (int)pid);
	return launch->hook_state;
}

static bool has_any_hook(const struct config *config)
{
	for (unsigned int kind = 0; kind < HOOK_KINDS; kind++) {
		if (config->hooks[kind].count)
			return true;
	}
	return false;
}

/* ---- in order ---- */

static int read_network(struct launch *launch, struct err *err)
{
	int rc = net_plan_read(launch->state.annotations, &launch->net, err);

	if (!rc && launch->net && launch->net->asked && !launch->net->host &&
	    !config_namespace(&launch->config, CLONE_NEWNET))
		rc = err_set(
			err, EINVAL,
			"hull-ct.net: the container has no network namespace");
	return rc ? err_prefix(err, "config.json: annotations") : 0;
}

static int tell_other_bundle(struct launch *launch, struct err *err)
{
	free(launch->state.bundle);
	launch->state.bundle = strdup(launch->options->told_bundle);
	return launch->state.bundle ? 0 : err_sys(err, ENOMEM, "no memory");
}

static int fill_state(struct launch *launch, char **ret_text, size_t *ret_len,
		      struct err *err)
{
	struct state *state = &launch->state;
	autofree char *rootfs = NULL;
	json_t *annotations;
	int rc = resolve_folder(launch->options->bundle, &state->bundle, err);

	if (!rc)
		rc = read_bundle(launch, ret_text, ret_len, err);
	if (!rc)
		rc = check(launch, err);
	if (rc)
		return rc;
	if (absolute(state->bundle, launch->config.root_path, &rootfs))
		return err_sys(err, ENOMEM, "root.path");
	rc = resolve_folder(rootfs, &state->rootfs, err);
	if (rc)
		return err_prefix(err, "config.json: root.path");
	annotations = json_object_get(launch->config.tree, "annotations");
	if (annotations && !json_is_null(annotations))
		state->annotations = json_incref(annotations);
	rc = read_network(launch, err);
	if (!rc && launch->options->told_bundle)
		rc = tell_other_bundle(launch, err);
	if (rc)
		return rc;
	if (!launch->context->systemd)
		return cgroup_path(launch, &state->cgroup, err);
	rc = scope_name(launch->config.cgroups_path, launch->options->id,
			launch->unit, launch->slice, err);
	return rc ? err_prefix(err, "linux.cgroupsPath") : 0;
}

/* Before the container can say what /proc is. */
static int open_own_file(struct launch *launch, struct err *err)
{
	struct payload *payload = &launch->payload;

	if (!payload->reaper)
		return 0;
	payload->own_file =
		openat(launch->proc, "self/exe", O_PATH | O_CLOEXEC);
	return payload->own_file < 0 ?
		       err_sys(err, errno, "cannot open the file of hull-ct") :
		       0;
}

static int open_all(struct launch *launch, struct err *err)
{
	int rc;

	launch->proc = procfs_open_private(&launch->proc_private, err);
	if (launch->proc < 0)
		return launch->proc;
	launch->nested = !userns_is_initial(launch->proc);
	rc = cgroup_mount_open(&launch->cgroups, err);
	if (!rc)
		rc = open_namespaces(launch, err);
	if (!rc)
		rc = collect_devices(launch, err);
	if (!rc && !launch->unprivileged)
		rc = launch_open_mounts(launch, err);
	if (!rc)
		rc = open_console(launch, err);
	if (!rc)
		rc = open_own_file(launch, err);
	if (!rc)
		rc = compile_filter(launch, err);
	return rc;
}

/* Moves what fill_state found out over to the folder that now exists. */
static int make_folder(struct launch *launch, const char *text, size_t len,
		       struct err *err)
{
	struct state made;
	int rc = state_create(&made, launch->context->root_fd,
			      launch->options->id, err);

	if (rc) {
		state_release(&made);
		return rc;
	}
	made.bundle = launch->state.bundle;
	made.rootfs = launch->state.rootfs;
	made.cgroup = launch->state.cgroup;
	made.annotations = launch->state.annotations;
	launch->state = made;
	rc = state_save(&launch->state, err);
	if (!rc)
		rc = notify_open(&launch->notify, &launch->config,
				 &launch->state, STATUS_CREATED, err);
	if (!rc && launch->config.has_notify)
		launch->payload.notify = &launch->notify;
	if (!rc)
		rc = state_write_file(made.dir, STATE_CONFIG, text, len, err);
	if (!rc && has_any_hook(&launch->config))
		rc = make_hook_state(launch, err);
	return rc;
}

int launch_prepare(struct launch *launch, struct err *err)
{
	struct payload *payload = &launch->payload;
	autofree char *text = NULL;
	size_t len = 0;
	int rc = state_check_id(launch->options->id, err);

	launch->unprivileged = !caps_may_administer();
	if (!rc)
		rc = fill_state(launch, &text, &len, err);
	if (!rc && launch->options->dry_run) {
		rc = plan_print(launch, err);
		return rc ? rc : -ECANCELED;
	}
	if (rc)
		return rc;
	payload->process = &launch->config.process;
	payload->has_personality = launch->config.has_personality;
	payload->personality = launch->config.personality;
	payload->keep_fds = launch->options->preserve_fds;
	payload->reaper = launch->options->reaper;
	if (launch->options->vm_program) {
		launch->shim = (struct vm_shim){
			.program = launch->options->vm_program,
			.terminal = launch->config.process.terminal,
			.keeps = launch->options->vm_keeps,
			.argv = launch->context->argv,
			.report = &launch->sync[1],
		};
		payload->shim = &launch->shim;
	}
	rc = open_all(launch, err);
	if (!rc)
		rc = make_folder(launch, text, len, err);
	if (!rc && launch->net)
		rc = net_files_make(&launch->state, launch->net,
				    &launch->config, err);
	return rc;
}

static void close_slot(int *fd)
{
	if (*fd >= 0)
		close(move_fd(fd));
}

void launch_drop_mounts(struct launch *launch)
{
	for (size_t i = 0; i < launch->config.mount_count; i++) {
		close_slot(&launch->config.mounts[i].plan.tree);
		close_slot(&launch->config.mounts[i].plan.idmap_fd);
	}
	close_slot(&launch->root_tree);
	close_slot(&launch->cgroup_tree);
}

void launch_release(struct launch *launch)
{
	launch_drop_mounts(launch);
	scope_release_holder(&launch->holder);
	for (size_t i = 0; i < launch->node_count; i++)
		close_slot(&launch->nodes[i].tree);
	for (size_t i = 0; i < ARRAY_SIZE(launch->namespaces); i++)
		close_slot(&launch->namespaces[i]);
	close_slot(&launch->proc);
	close_slot(&launch->cgroup);
	close_slot(&launch->console);
	close_slot(&launch->console_own);
	close_slot(&launch->start);
	close_slot(&launch->tap);
	close_slot(&launch->sync[0]);
	close_slot(&launch->sync[1]);
	close_slot(&launch->pidfd);
	close_slot(&launch->payload.own_file);
	cgroup_mount_close(&launch->cgroups);
	filter_release(&launch->filter);
	notify_close(&launch->notify);
	free(move_ptr(&launch->nodes));
	free(move_ptr(&launch->net));
	free(move_ptr(&launch->hook_state));
	config_dispose(&launch->config);
	state_release(&launch->state);
}
