#include "container/state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "container/json.h"
#include "core/parse.h"
#include "core/tree.h"
#include "sandbox/cgroup.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

#define STATE_FILE  "state.json"
#define OCI_VERSION "1.2.0"
#define DIR_MODE    0700
#define FILE_MODE   0600

int state_check_id(const char *id, struct err *err)
{
	size_t len = strlen(id);

	if (!len || len > STATE_ID_MAX)
		return err_set(err, EINVAL,
			       "a container's ID has 1 to %d characters",
			       STATE_ID_MAX);
	if (*id == '.')
		return err_set(err, EINVAL,
			       "a container's ID may not begin with a dot");
	for (const char *at = id; *at; at++) {
		if (!isalnum((unsigned char)*at) && !strchr("_+-.", *at))
			return err_set(
				err, EINVAL,
				"\"%s\" is no ID for a container: only letters, digits, _ + - and . may be in it",
				id);
	}
	return 0;
}

/* The folders of a path, as far as they are missing. */
static int make_folders(const char *path)
{
	char prefix[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(prefix, path, i);
		prefix[i] = '\0';
		if (mkdir(prefix, DIR_MODE) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int state_open_root(const char *path, struct err *err)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 && errno == ENOENT) {
		rc = make_folders(path);
		if (rc)
			return err_sys(err, -rc, "cannot make %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, errno, "cannot open %s", path);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "%s does not belong to the calling user", path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EPERM,
			       "others may write to %s: chmod 0700 it", path);
	return move_fd(&fd);
}

int state_write_file(int dir, const char *name, const char *text, size_t len,
		     struct err *err)
{
	autoclose int fd = -1;
	char temporary[64];
	int n = snprintf(temporary, sizeof(temporary), ".%s.new", name);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return err_set(err, EINVAL, "%s is too long", name);
	fd = openat(dir, temporary,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len ||
	    renameat(dir, temporary, dir, name))
		return err_sys(err, errno, "cannot write %s", name);
	return 0;
}

void state_now(char *text, size_t size)
{
	struct timespec now;
	struct tm tm = { .tm_year = 0 };
	char seconds[32];

	clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm) ||
	    !strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm))
		seconds[0] = '\0';
	snprintf(text, size, "%s.%09ldZ", seconds, now.tv_nsec);
}

int state_create(struct state *state, int root, const char *id, struct err *err)
{
	int rc = state_check_id(id, err);

	*state = (struct state){ .dir = -1, .root = root };
	if (rc)
		return rc;
	snprintf(state->id, sizeof(state->id), "%s", id);
	if (mkdirat(root, id, DIR_MODE)) {
		if (errno == EEXIST)
			return err_set(err, EEXIST,
				       "a container with the ID %s exists", id);
		return err_sys(err, errno,
			       "cannot make the container's folder");
	}
	state->dir = openat(root, id,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (state->dir < 0 || flock(state->dir, LOCK_EX | LOCK_NB))
		return err_sys(err, errno,
			       "cannot lock the container's folder");
	state_now(state->created, sizeof(state->created));
	return 0;
}

/* Somebody may have deleted it, and made it anew, while we waited. */
static bool is_still_there(const struct state *state)
{
	struct stat by_name;
	struct stat open;

	return !fstatat(state->root, state->id, &by_name,
			AT_SYMLINK_NOFOLLOW) &&
	       !fstat(state->dir, &open) && by_name.st_ino == open.st_ino;
}

static int copy_text(char **ret_copy, const char *text)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int from_json(struct state *state, json_t *tree, struct err *err)
{
	const struct jnode root = { .value = tree };
	const char *bundle = "";
	const char *rootfs = "";
	const char *cgroup = NULL;
	const char *unit = NULL;
	const char *boot_id = "";
	const char *created = "";
	struct jnode annotations;
	int64_t pid = 0;
	int rc = json_i64_at(&root, "pid", 0, INT32_MAX, &pid, err);

	if (rc >= 0)
		rc = json_u64_at(&root, "startTime", UINT64_MAX,
				 &state->start_time, err);
	if (rc >= 0)
		rc = json_string_at(&root, "bootId", &boot_id, err);
	if (rc >= 0)
		rc = json_string_at(&root, "created", &created, err);
	if (rc >= 0)
		rc = json_need_string(&root, "bundle", &bundle, err);
	if (rc >= 0)
		rc = json_need_string(&root, "rootfs", &rootfs, err);
	if (rc >= 0)
		rc = json_string_at(&root, "cgroup", &cgroup, err);
	if (rc >= 0)
		rc = json_string_at(&root, "unit", &unit, err);
	if (rc >= 0)
		rc = json_object_at(&root, "annotations", &annotations, err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		state->annotations = json_incref(annotations.value);
	state->pid = (pid_t)pid;
	snprintf(state->boot_id, sizeof(state->boot_id), "%s", boot_id);
	snprintf(state->created, sizeof(state->created), "%s", created);
	if (copy_text(&state->bundle, bundle) ||
	    copy_text(&state->rootfs, rootfs) ||
	    copy_text(&state->cgroup, cgroup) || copy_text(&state->unit, unit))
		return err_sys(err, ENOMEM, "state.json");
	return 0;
}

static int read_state(struct state *state, struct err *err)
{
	json_t *tree = json_load_path(state->dir, STATE_FILE, err);
	int rc;

	if (!tree)
		return err ? -err->code : -EINVAL;
	rc = from_json(state, tree, err);
	json_decref(tree);
	return rc;
}

int state_open(struct state *state, int root, const char *id, bool lock,
	       struct err *err)
{
	int rc = state_check_id(id, err);

	*state = (struct state){ .dir = -1, .root = root };
	if (rc)
		return rc;
	snprintf(state->id, sizeof(state->id), "%s", id);
	state->dir = openat(root, id,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (state->dir >= 0 && lock && flock(state->dir, LOCK_EX))
		return err_sys(err, errno,
			       "cannot lock the container's folder");
	state->locked = lock;
	if (state->dir < 0 || (lock && !is_still_there(state)))
		return err_set(err, ENOENT, "container \"%s\" does not exist",
			       id);
	rc = read_state(state, err);
	if (rc == -ENOENT) {
		/* Cut off before anything was made but the folder. */
		state->bundle = strdup("/");
		state->rootfs = strdup("/");
		return state->bundle && state->rootfs ? 0 : -ENOMEM;
	}
	return rc ? err_prefix(err, "container %s", id) : 0;
}

void state_unlock(struct state *state)
{
	flock(state->dir, LOCK_UN);
	state->locked = false;
}

int state_lock(struct state *state)
{
	if (flock(state->dir, LOCK_EX))
		return -errno;
	state->locked = true;
	return is_still_there(state) ? 0 : -ENOENT;
}

void state_release(struct state *state)
{
	if (state->dir >= 0)
		close(move_fd(&state->dir));
	free(move_ptr(&state->bundle));
	free(move_ptr(&state->rootfs));
	free(move_ptr(&state->cgroup));
	free(move_ptr(&state->unit));
	json_decref(state->annotations);
	state->annotations = NULL;
}

struct listing {
	int (*each)(void *opaque, const char *id);
	void *opaque;
};

static int list_one(void *opaque, const char *name)
{
	const struct listing *listing = opaque;

	return *name == '.' ? 0 : listing->each(listing->opaque, name);
}

int state_each(int root, int (*each)(void *opaque, const char *id),
	       void *opaque, struct err *err)
{
	struct listing listing = { .each = each, .opaque = opaque };

	return tree_each(root, list_one, &listing, err);
}

int state_save(const struct state *state, struct err *err)
{
	autofree char *text = NULL;
	json_t *tree = json_pack(
		"{s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:s*, s:s*, s:O*}",
		"ociVersion", OCI_VERSION, "id", state->id, "pid",
		(int)state->pid, "startTime", (json_int_t)state->start_time,
		"bootId", state->boot_id, "created", state->created, "bundle",
		state->bundle, "rootfs", state->rootfs, "cgroup", state->cgroup,
		"unit", state->unit, "annotations", state->annotations);

	text = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
	json_decref(tree);
	if (!text)
		return err_set(err, ENOMEM,
			       "cannot write the state: a path is not UTF-8");
	return state_write_file(state->dir, STATE_FILE, text, strlen(text),
				err);
}

/* ---- the process ---- */

/* Linux proc(5), /proc/pid/stat: the start time is the 22nd field, and the
 * second, in parentheses, may hold anything. */
static int read_start_time(int proc, pid_t pid, uint64_t *ret_ticks,
			   char *ret_kind)
{
	char path[32];
	char text[1024];
	char *at;
	char *end;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (procfs_read(proc, path, text, sizeof(text)) < 0)
		return -ESRCH;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return -EINVAL;
	at += 2;
	*ret_kind = *at;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return -EINVAL;
		at++;
	}
	end = strchr(at, ' ');
	if (end)
		*end = '\0';
	return parse_u64(at, ret_ticks);
}

static int read_boot_id(int proc, char *text, size_t size)
{
	ssize_t n = procfs_read(proc, "sys/kernel/random/boot_id", text, size);

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int state_set_process(struct state *state, int proc, pid_t pid, struct err *err)
{
	char kind;
	int rc = read_start_time(proc, pid, &state->start_time, &kind);

	if (!rc)
		rc = read_boot_id(proc, state->boot_id, sizeof(state->boot_id));
	if (rc)
		return err_sys(err, -rc, "cannot read about process %d",
			       (int)pid);
	state->pid = pid;
	return 0;
}

/* The descriptor is opened first: what is read behind it is about the process
 * it stands for, or that process is gone. */
int state_pidfd(const struct state *state)
{
	autoclose int proc = -1;
	autoclose int pidfd = -1;
	char boot_id[sizeof(state->boot_id)];
	uint64_t start_time;
	char kind;

	if (!state->pid)
		return -ESRCH;
	proc = procfs_open(NULL);
	pidfd = sys_pidfd_open(state->pid);
	if (proc < 0 || pidfd < 0 ||
	    read_start_time(proc, state->pid, &start_time, &kind) ||
	    start_time != state->start_time || kind == 'Z' || kind == 'X' ||
	    read_boot_id(proc, boot_id, sizeof(boot_id)) ||
	    strcmp(boot_id, state->boot_id) != 0)
		return -ESRCH;
	return move_fd(&pidfd);
}

static bool is_frozen(const struct state *state)
{
	struct cgroup_mount mount = { .fd = -1 };
	bool frozen = false;
	int cgroup;

	if (!state->cgroup || cgroup_mount_open(&mount, NULL))
		return false;
	cgroup = cgroup_open(&mount, state->cgroup);
	if (cgroup >= 0) {
		frozen = cgroup_is_frozen(cgroup);
		close(cgroup);
	}
	cgroup_mount_close(&mount);
	return frozen;
}

/* Whoever makes it holds the lock; a lock that can be had was left. */
static bool is_locked_elsewhere(const struct state *state)
{
	int fd = openat(state->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool locked;

	if (fd < 0 || state->locked) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	locked = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return locked;
}

enum status state_status(const struct state *state)
{
	autoclose int pidfd = state_pidfd(state);

	if (pidfd < 0)
		return !state->pid && is_locked_elsewhere(state) ?
			       STATUS_CREATING :
			       STATUS_STOPPED;
	if (!faccessat(state->dir, STATE_START, F_OK, AT_SYMLINK_NOFOLLOW))
		return STATUS_CREATED;
	return is_frozen(state) ? STATUS_PAUSED : STATUS_RUNNING;
}

const char *status_name(enum status status)
{
	static const char *const names[] = {
		[STATUS_CREATING] = "creating", [STATUS_CREATED] = "created",
		[STATUS_RUNNING] = "running",	[STATUS_PAUSED] = "paused",
		[STATUS_STOPPED] = "stopped",
	};

	return names[status];
}

json_t *state_to_json(const struct state *state, enum status status)
{
	bool has_process = status != STATUS_STOPPED &&
			   status != STATUS_CREATING;

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:O*}",
			 "ociVersion", OCI_VERSION, "id", state->id, "status",
			 status_name(status), "pid",
			 has_process ? (int)state->pid : 0, "bundle",
			 state->bundle, "rootfs", state->rootfs, "created",
			 state->created, "annotations", state->annotations);
}

int state_remove(struct state *state, struct err *err)
{
	static const char *const usual[] = { STATE_FILE, STATE_CONFIG,
					     STATE_START };

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		if (unlinkat(state->dir, usual[i], 0) && errno != ENOENT)
			return err_sys(err, errno, "cannot remove %s",
				       usual[i]);
	}
	if (!unlinkat(state->root, state->id, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	/* What a checkpoint or one that was killed has left. */
	return tree_remove(state->root, state->id, err);
}
