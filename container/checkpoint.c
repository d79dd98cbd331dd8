/*
 * `checkpoint`: criu writes all processes of a container into a folder, and
 * ends them. What it cannot know by itself it is told: which mounts and
 * namespaces come from outside and are there again when it restores, and which
 * descriptors are those of whoever runs the container. Names are those of runc
 * and crun where they have any.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/criu.h"
#include "container/home.h"
#include "container/supervisor.h"
#include "container/target.h"
#include "container/verbs.h"
#include "container/vm_agent.h"
#include "sandbox/caps.h"
#include "sandbox/procfs.h"
#include "sandbox/rootpath.h"

struct checkpoint {
	const char *id;
	struct criu_options options;
	const char *parent_path;
	bool leave_running;
	bool pre_dump;
	bool was_paused;
	bool is_launched; /* its program may be an init of ours, reaper.h */
	char *saved; /* owned; its own place for a checkpoint, or NULL */
	struct home home; /* of one that was launched */
	struct target target;
	struct config config;
	struct net_plan *net; /* owned, or NULL */
	int proc; /* the host's; owned */
	int root; /* the container's; owned */
	char *mounts; /* owned; its mountinfo */
	struct criu criu;
};

/* ---- what comes from outside: mounts ---- */

/* Linux proc(5), /proc/pid/mountinfo: "ID PARENT MAJOR:MINOR ROOT POINT ...",
 * or NULL. */
static const char *find_mount(const char *mounts, uint64_t id)
{
	char start[24];
	size_t len = (size_t)snprintf(start, sizeof(start), "%llu ",
				      (unsigned long long)id);

	for (const char *at = mounts; *at; at += strcspn(at, "\n"), at++) {
		if (!strncmp(at, start, len))
			return at;
		if (!strchr(at, '\n'))
			break;
	}
	return NULL;
}

static bool is_octal(const char *text)
{
	return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' &&
	       text[1] <= '7' && text[2] >= '0' && text[2] <= '7';
}

/* The fifth field, in which blanks are \040. */
static bool read_point(const char *line, char *point, size_t size)
{
	size_t len = 0;

	for (int field = 1; field < 5; field++) {
		line = strchr(line, ' ');
		if (!line)
			return false;
		line++;
	}
	while (*line && *line != ' ' && len + 1 < size) {
		if (*line == '\\' && is_octal(line + 1)) {
			point[len++] =
				(char)((line[1] - '0') * 64 +
				       (line[2] - '0') * 8 + line[3] - '0');
			line += 4;
		} else {
			point[len++] = *line++;
		}
	}
	point[len] = '\0';
	return *line == ' ';
}

/* Tells criu that what is mounted on @path goes by @name. The container may
 * have unmounted it, and then there is nothing to tell. */
static void add_mount(struct checkpoint *c, const char *path, const char *name)
{
	autoclose int fd = rootpath_open(c->root, path, O_PATH);
	char point[PATH_MAX];
	const char *line;
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return;
	line = find_mount(c->mounts, st.stx_mnt_id);
	if (line && read_point(line, point, sizeof(point)))
		criu_text(&c->criu, CRIU_EXTERNAL, "mnt[%s]:%s", point, name);
}

/* A folder that is masked has a tmpfs over it, and criu can make those. */
static void add_mask(struct checkpoint *c, const char *path)
{
	autoclose int fd = rootpath_open(c->root, path, O_PATH);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && S_ISCHR(st.st_mode))
		add_mount(c, path, CRIU_MASK);
}

static void add_mounts(struct checkpoint *c)
{
	static const char *const net_files[] = { "/etc/resolv.conf",
						 "/etc/hosts",
						 "/etc/hostname" };
	const struct config *config = &c->config;
	const struct device_node *node;

	for (size_t i = 0; i < config->mount_count; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if ((mount->plan.is_bind && !mount->plan.remount) ||
		    criu_is_cgroup_bind(config, mount))
			add_mount(c, mount->plan.target, mount->plan.target);
	}
	for (size_t i = 0; i < config->masked_count; i++)
		add_mask(c, config->masked_paths[i]);
	/* Those that come with a network; see net_files_make. */
	for (size_t i = 0; i < ARRAY_SIZE(net_files); i++) {
		if (c->net)
			add_mount(c, net_files[i], net_files[i]);
	}
	/* Those of the host, in a user namespace; see launch_open_mounts. */
	for (size_t i = 0; (node = devices_default(i)); i++)
		add_mount(c, node->path, node->path);
	for (size_t i = 0; i < config->device_count; i++)
		add_mount(c, config->devices[i].path, config->devices[i].path);
}

/* ---- namespaces ---- */

static int add_namespaces(struct checkpoint *c, struct err *err)
{
	static const struct {
		uint64_t flag;
		const char *file;
		const char *name;
	} known[] = {
		{ CLONE_NEWNET, "net", CRIU_NETNS },
		{ CLONE_NEWPID, "pid", CRIU_PIDNS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct config_namespace *ns =
			config_namespace(&c->config, known[i].flag);
		char path[32];
		struct stat st;

		if (!ns ||
		    (!ns->path && (ns->flag != CLONE_NEWNET ||
				   !criu_is_our_network(&c->config, c->net))))
			continue;
		snprintf(path, sizeof(path), "%d/ns/%s",
			 (int)c->target.state.pid, known[i].file);
		if (fstatat(c->proc, path, &st, 0))
			return err_sys(err, errno,
				       "cannot open the %s namespace",
				       ns->type);
		criu_text(&c->criu, CRIU_EXTERNAL, "%s[%llu]:%s", known[i].file,
			  (unsigned long long)st.st_ino, known[i].name);
	}
	return 0;
}

/* ---- descriptors 0 to 2 ---- */

/* A file of the first process, below its folder in /proc, that is not in the
 * container's mounts, as /dev/null of the host, is one more thing from outside.
 * What has no file is described by its name. */
static json_t *describe(struct checkpoint *c, const char *file)
{
	char text[PATH_MAX];
	char path[48];
	struct statx st;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", (int)c->target.state.pid, file);
	n = readlinkat(c->proc, path, text, sizeof(text) - 1);
	if (n < 0)
		return json_string("");
	text[n] = '\0';
	if (*text == '/' &&
	    !statx(c->proc, path, 0, STATX_INO | STATX_MNT_ID, &st) &&
	    !find_mount(c->mounts, st.stx_mnt_id)) {
		snprintf(text, sizeof(text), "file[%llx:%llx]",
			 (unsigned long long)st.stx_mnt_id,
			 (unsigned long long)st.stx_ino);
		criu_text(&c->criu, CRIU_EXTERNAL, "%s", text);
	}
	return json_string(text);
}

static int write_descriptors(struct checkpoint *c, struct err *err)
{
	static const char *const files[] = { "fd/0", "fd/1", "fd/2" };
	autoclose int dir =
		open(c->criu.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *array = json_array();
	autofree char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		json_array_append_new(array, describe(c, files[i]));
	if (c->is_launched && json_array_size(array) == ARRAY_SIZE(files))
		json_array_append_new(array, describe(c, "exe"));
	text = json_array_size(array) == ARRAY_SIZE(files) + c->is_launched ?
		       json_dumps(array, JSON_COMPACT) :
		       NULL;
	json_decref(array);
	if (!text)
		return err_set(
			err, EINVAL,
			"container %s: a path of its output or program is not UTF-8",
			c->id);
	return state_write_file(dir, CRIU_DESCRIPTORS, text, strlen(text), err);
}

static int write_lock(const struct checkpoint *c, struct err *err)
{
	autoclose int dir =
		open(c->criu.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[16];
	int len =
		snprintf(text, sizeof(text), "%d\n", (int)c->target.state.pid);

	return state_write_file(dir, CRIU_LOCK, text, (size_t)len, err);
}

/* ---- in order ---- */

/* As systemd does in a group that it may write to. */
static bool gives_controllers(const struct checkpoint *c)
{
	char on[256];

	return c->target.cgroup >= 0 &&
	       cgroup_read(c->target.cgroup, "cgroup.subtree_control", on,
			   sizeof(on)) > 0 &&
	       *on && *on != '\n';
}

static int check_container(struct checkpoint *c, struct err *err)
{
	enum status status = state_status(&c->target.state);

	if (vm_is_state(&c->target.state))
		return err_set(err, EOPNOTSUPP,
			       "container %s is a VM, which has no checkpoints",
			       c->id);
	/* Engines pause it first. */
	c->was_paused = status == STATUS_PAUSED;
	if (status != STATUS_RUNNING && !c->was_paused)
		return err_set(
			err, EINVAL,
			"container %s is %s; only a running one has checkpoints",
			c->id, status_name(status));
	if (gives_controllers(c))
		return err_set(
			err, EOPNOTSUPP,
			"container %s has given controllers to groups of its own, which criu does not make again",
			c->id);
	return criu_check_config(&c->config, c->net, c->id, err);
}

static int check_parent(const struct checkpoint *c, struct err *err)
{
	autoclose int images =
		open(c->criu.images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int parent = -1;

	if (!c->parent_path)
		return 0;
	if (*c->parent_path == '/')
		return err_set(
			err, EINVAL,
			"--parent-path %s is absolute, and must be relative to the image's folder",
			c->parent_path);
	parent = openat(images, c->parent_path,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return parent < 0 ?
		       err_sys(err, errno,
			       "--parent-path: cannot open the folder %s in %s",
			       c->parent_path, c->criu.images) :
		       0;
}

/* Whatever there is to be known of the container, criu is told. */
static int describe_container(struct checkpoint *c, struct err *err)
{
	const struct state *state = &c->target.state;
	char path[32];
	size_t len;
	int rc;

	c->proc = procfs_open(err);
	if (c->proc < 0)
		return c->proc;
	snprintf(path, sizeof(path), "%d/root", (int)state->pid);
	c->root = openat(c->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->root < 0)
		return err_sys(err, errno, "cannot open the root of %s", c->id);
	snprintf(path, sizeof(path), "%d/mountinfo", (int)state->pid);
	rc = json_read_text(c->proc, path, &c->mounts, &len, err);
	if (rc)
		return rc;
	add_mounts(c);
	rc = add_namespaces(c, err);
	if (!rc)
		rc = write_descriptors(c, err);
	return rc ? rc : write_lock(c, err);
}

static int make_request(struct checkpoint *c, struct err *err)
{
	struct criu *criu = &c->criu;
	const struct target *target = &c->target;
	int rc = criu_begin(criu, c->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP,
			    "dump.log", &c->options, true, err);

	if (!rc)
		rc = check_parent(c, err);
	if (rc)
		return rc;
	criu->apart = true;
	criu_number(criu, CRIU_PID, (uint64_t)target->state.pid);
	criu_text(criu, CRIU_FREEZE_CGROUP, "%s%s", target->mount.path,
		  target->state.cgroup);
	if (c->parent_path)
		criu_text(criu, CRIU_PARENT_IMG, "%s", c->parent_path);
	if (c->parent_path || c->pre_dump)
		criu_number(criu, CRIU_TRACK_MEM, 1);
	if (c->pre_dump)
		return 0;
	if (c->leave_running)
		criu_number(criu, CRIU_LEAVE_RUNNING, 1);
	/* Its master is with whoever runs the container. */
	if (c->config.process.terminal)
		criu_number(criu, CRIU_ORPHAN_PTS_MASTER, 1);
	return describe_container(c, err);
}

/* Without another place for it, it is what the container is started from. */
static int open_home(struct context *context, struct checkpoint *c,
		     struct err *err)
{
	struct criu_options *options = &c->options;
	int rc;

	c->is_launched = home_exists(context, c->id);
	if (!c->is_launched)
		return 0;
	rc = home_open(context, c->id, &c->home, err);
	if (rc || options->image_path)
		return rc;
	if (c->leave_running || c->pre_dump)
		return err_set(
			err, EINVAL,
			"container %s goes on, so that it cannot be started from this later: say --image-path",
			c->id);
	rc = criu_options_of_home(options, &c->home, &c->saved, err);
	return rc ? rc : home_forget_saved(&c->home, err);
}

/* Its supervisor shall not take the end for one. */
static int run_criu(struct checkpoint *c, struct err *err)
{
	bool ends = !c->leave_running && !c->pre_dump;
	int rc = 0;

	if (c->is_launched && ends)
		rc = supervisor_hold(&c->home, err);
	if (!rc)
		rc = criu_run(&c->criu, err);
	if (rc && c->is_launched && ends)
		supervisor_let_go(&c->home);
	if (rc && c->saved)
		(void)home_forget_saved(&c->home, NULL);
	return rc;
}

static int checkpoint(struct context *context, struct checkpoint *c,
		      struct err *err)
{
	json_t *tree;
	int rc;

	if (geteuid() || !caps_may_administer())
		return err_set(err, EPERM,
			       "checkpoint needs root's rights, as criu does");
	rc = target_open_running(context, c->id, true, &c->target, err);
	if (rc)
		return rc;
	tree = json_load_path(c->target.state.dir, STATE_CONFIG, err);
	if (!tree)
		return -EINVAL;
	rc = config_read(&c->config, tree, err);
	if (!rc)
		rc = net_plan_read(c->target.state.annotations, &c->net, err);
	if (!rc)
		rc = check_container(c, err);
	if (!rc)
		rc = open_home(context, c, err);
	if (!rc)
		rc = make_request(c, err);
	if (rc)
		return rc;
	rc = run_criu(c, err);
	/* One that was killed leaves it frozen. */
	if (rc && !c->was_paused && cgroup_is_frozen(c->target.cgroup))
		(void)cgroup_freeze(c->target.cgroup, false, NULL);
	return rc ? err_prefix(err, "container %s", c->id) : 0;
}

static void release(struct checkpoint *c)
{
	criu_release(&c->criu);
	config_dispose(&c->config);
	target_close(&c->target);
	free(move_ptr(&c->mounts));
	free(move_ptr(&c->net));
	free(move_ptr(&c->saved));
	if (c->root >= 0)
		close(move_fd(&c->root));
	if (c->proc >= 0)
		close(move_fd(&c->proc));
}

/* The options of runc and crun. */
static int read_arguments(struct args *args, struct checkpoint *c,
			  struct err *err)
{
	struct criu_options *o = &c->options;
	const struct arg_option table[] = {
		{ "image-path", 0, ARG_TEXT, &o->image_path,
		  "folder for the checkpoint, made when missing; ./checkpoint unless told, of a launched container its own" },
		{ "work-path", 0, ARG_TEXT, &o->work_path,
		  "folder for criu's log; the checkpoint's unless told" },
		{ "parent-path", 0, ARG_TEXT, &c->parent_path,
		  "folder of the --pre-dump before, relative to the checkpoint's" },
		{ "leave-running", 0, ARG_FLAG, &c->leave_running,
		  "the container goes on; else it is deleted" },
		{ "pre-dump", 0, ARG_FLAG, &c->pre_dump,
		  "memory alone, while it goes on, for a --parent-path" },
		{ "tcp-established", 0, ARG_FLAG, &o->tcp_established,
		  "connections of TCP, too" },
		{ "ext-unix-sk", 0, ARG_FLAG, &o->ext_unix_sk,
		  "Unix sockets whose other end is outside, too" },
		{ "shell-job", 0, ARG_FLAG, &o->shell_job,
		  "a terminal or session from outside, too" },
		{ "file-locks", 0, ARG_FLAG, &o->file_locks,
		  "locks of files, too" },
		{ "manage-cgroups-mode", 0, ARG_TEXT, &o->cgroups_mode,
		  "criu's --manage-cgroups: soft (unless told), full, strict, ignore" },
		{ "empty-ns", 0, ARG_TEXT, &o->empty_ns,
		  "network: without what is in that namespace" },
		{ "auto-dedup", 0, ARG_FLAG, &o->auto_dedup,
		  "free what --parent-path has of the same memory" },
		ARGS_END,
	};

	return verb_takes_id("checkpoint", args, table, true, &c->id, err);
}

int verb_checkpoint(struct context *context, struct args *args, struct err *err)
{
	struct checkpoint c = {
		.id = "",
		.target = { .state = { .dir = -1 },
			    .mount = { .fd = -1 },
			    .cgroup = -1 },
		.home = { .dir = -1 },
		.proc = -1,
		.root = -1,
	};
	int rc = read_arguments(args, &c, err);

	if (!rc)
		rc = checkpoint(context, &c, err);
	release(&c);
	/* Its processes are gone; so is the rest, as with runc and crun. */
	if (!rc && !c.leave_running && !c.pre_dump)
		rc = c.is_launched ? supervisor_stop(context, &c.home, 0, err) :
				     container_remove(context, c.id, true, err);
	home_release(&c.home);
	return rc < 0 ? rc : 0;
}
