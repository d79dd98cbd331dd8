#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "core/parse.h"

#define MODE 0755

static int open_tree_at(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return -1;
	return move_fd(&fd);
}

int cgroup_mount_open(struct cgroup_mount *ret_mount, struct err *err)
{
	static const char *const places[] = { "/sys/fs/cgroup",
					      "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int fd = open_tree_at(places[i]);

		if (fd < 0)
			continue;
		ret_mount->fd = fd;
		ret_mount->path = places[i];
		ret_mount->hybrid = i > 0;
		return 0;
	}
	return err_set(
		err, ENODEV,
		"no cgroup v2 at /sys/fs/cgroup or /sys/fs/cgroup/unified; mount one: mount -t cgroup2 none /sys/fs/cgroup");
}

void cgroup_mount_close(struct cgroup_mount *mount)
{
	if (mount->fd >= 0)
		close(move_fd(&mount->fd));
}

int cgroup_check_path(const char *path, struct err *err)
{
	size_t components = 0;

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return err_set(err, EINVAL,
			       "the cgroup path \"%s\" is not absolute", path);
	for (const char *at = path; *at;) {
		size_t len;

		while (*at == '/')
			at++;
		len = strcspn(at, "/");
		if (!len)
			break;
		if (!strncmp(at, ".", len) ||
		    (len == 2 && at[0] == '.' && at[1] == '.'))
			return err_set(
				err, EINVAL,
				"the cgroup path \"%s\" may not contain \".\" or \"..\"",
				path);
		components++;
		at += len;
	}
	if (!components)
		return err_set(err, EINVAL,
			       "the cgroup path may not be the root");
	return 0;
}

static const char *relative(const char *path)
{
	while (*path == '/')
		path++;
	return path;
}

int cgroup_open(const struct cgroup_mount *mount, const char *path)
{
	int fd = openat(mount->fd, relative(path),
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

ssize_t cgroup_read(int cgroup, const char *file, char *buf, size_t size)
{
	autoclose int fd = openat(cgroup, file, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (used + 1 < size) {
		n = read(fd, buf + used, size - 1 - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	buf[used] = '\0';
	return (ssize_t)used;
}

static int write_file(int cgroup, const char *file, const char *text)
{
	autoclose int fd = openat(cgroup, file, O_WRONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0)
		n = write(fd, text, strlen(text));
	return n < 0 ? -errno : 0;
}

int cgroup_read_key(int cgroup, const char *file, const char *key,
		    uint64_t *ret_value)
{
	char text[4096];
	ssize_t n = cgroup_read(cgroup, file, text, sizeof(text));
	size_t len = strlen(key);

	if (n < 0)
		return (int)n;
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		if (!strncmp(line, key, len) && line[len] == ' ')
			return parse_u64(line + len + 1, ret_value);
		line = end;
	}
	return -ENOENT;
}

/* ---- controllers ---- */

/* Whether the space-separated list has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, " \n");

		if (n == len && !memcmp(list, word, len))
			return true;
		list += n;
		list += strspn(list, " \n");
	}
	return false;
}

static int check_available(const struct cgroup_mount *mount,
			   const struct cgroup_setting *settings, size_t count,
			   struct err *err)
{
	char list[512];
	ssize_t n = cgroup_read(mount->fd, "cgroup.controllers", list,
				sizeof(list));

	if (n < 0)
		return err_sys(err, (int)-n, "cannot read cgroup.controllers");
	for (size_t i = 0; i < count; i++) {
		const char *controller = settings[i].controller;

		if (!controller || has_word(list, controller))
			continue;
		return err_set(
			err, EOPNOTSUPP,
			"%s cannot be applied: cgroup v2 at %s has no %s controller%s",
			settings[i].name, mount->path, controller,
			mount->hybrid ?
				" (this host keeps its controllers in cgroup v1)" :
				"");
	}
	return 0;
}

/* Switches on in @cgroup what @settings need for the groups in it. */
static int enable_in(int cgroup, const struct cgroup_setting *settings,
		     size_t count, const char *path, struct err *err)
{
	char on[512];
	char wanted[64];
	ssize_t n =
		cgroup_read(cgroup, "cgroup.subtree_control", on, sizeof(on));
	int rc;

	if (n < 0)
		return err_sys(err, (int)-n,
			       "cannot read cgroup.subtree_control of %s",
			       path);
	for (size_t i = 0; i < count; i++) {
		const char *controller = settings[i].controller;

		if (!controller || has_word(on, controller))
			continue;
		snprintf(wanted, sizeof(wanted), "+%s", controller);
		rc = write_file(cgroup, "cgroup.subtree_control", wanted);
		if (rc == -EBUSY)
			return err_set(
				err, EBUSY,
				"%s needs the %s controller, which cannot be switched on in the cgroup %s: processes live in it",
				settings[i].name, controller, path);
		if (rc)
			return err_sys(
				err, -rc,
				"cannot switch on the %s controller in the cgroup %s",
				controller, path);
		if (i + 1 < count)
			cgroup_read(cgroup, "cgroup.subtree_control", on,
				    sizeof(on));
	}
	return 0;
}

static bool needs_controllers(const struct cgroup_setting *settings,
			      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (settings[i].controller)
			return true;
	}
	return false;
}

/* A way down to a group. */
struct walk {
	const char *path;
	const struct cgroup_setting *settings; /* what needs controllers */
	size_t count;
	bool make; /* folders that are missing */
	char name[NAME_MAX + 1]; /* the last component, afterwards */
};

/*
 * Walks from the root to the last component's folder, switching on controllers
 * in each. The descriptor of the folder above the last component.
 */
static int walk_down(const struct cgroup_mount *mount, struct walk *walk,
		     struct err *err)
{
	autoclose int dir =
		openat(mount->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *at = relative(walk->path);
	int next;
	int rc;

	for (;;) {
		size_t len = strcspn(at, "/");
		const char *rest = relative(at + len);

		if (dir < 0)
			return err_sys(err, errno, "cannot open the cgroup %s",
				       walk->path);
		if (len > NAME_MAX)
			return err_set(err, ENAMETOOLONG,
				       "the cgroup path %s is too long",
				       walk->path);
		rc = walk->count ? enable_in(dir, walk->settings, walk->count,
					     walk->path, err) :
				   0;
		if (rc)
			return rc;
		memcpy(walk->name, at, len);
		walk->name[len] = '\0';
		if (!*rest)
			return move_fd(&dir);
		if (walk->make && mkdirat(dir, walk->name, MODE) &&
		    errno != EEXIST)
			return err_sys(err, errno, "cannot make the cgroup %s",
				       walk->path);
		next = openat(dir, walk->name,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		close(dir);
		dir = next;
		at = rest;
	}
}

int cgroup_enable(const struct cgroup_mount *mount, const char *path,
		  const struct cgroup_setting *settings, size_t count,
		  struct err *err)
{
	struct walk walk = { .path = path,
			     .settings = settings,
			     .count = count };
	int rc;

	if (!needs_controllers(settings, count))
		return 0;
	rc = check_available(mount, settings, count, err);
	if (rc)
		return rc;
	rc = walk_down(mount, &walk, err);
	if (rc < 0)
		return rc;
	close(rc);
	return 0;
}

void cgroup_offer(const struct cgroup_mount *mount, const char *path)
{
	static const struct cgroup_setting wanted[] = {
		{ .controller = "cpu", .name = "delegation" },
		{ .controller = "cpuset", .name = "delegation" },
		{ .controller = "io", .name = "delegation" },
		{ .controller = "memory", .name = "delegation" },
		{ .controller = "pids", .name = "delegation" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)cgroup_enable(mount, path, &wanted[i], 1, NULL);
}

int cgroup_open_below(int cgroup, const char *name)
{
	int fd;

	if (mkdirat(cgroup, name, MODE) && errno != EEXIST)
		return -errno;
	fd = openat(cgroup, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

#define DELEGATED "/sys/kernel/cgroup/delegate"

int cgroup_delegate(int cgroup, uid_t uid, struct err *err)
{
	autoclose int list = open(DELEGATED, O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t n = list < 0 ? -1 : read(list, text, sizeof(text) - 1);
	char *rest = text;
	char *file;

	if (n < 0)
		return err_sys(err, errno, "cannot read " DELEGATED);
	text[n] = '\0';
	if (fchown(cgroup, uid, (gid_t)-1))
		return err_sys(err, errno, "cannot delegate the cgroup");
	while ((file = strsep(&rest, "\n"))) {
		/* What belongs to a controller that is off is not there. */
		if (*file && fchownat(cgroup, file, uid, (gid_t)-1, 0) &&
		    errno != ENOENT)
			return err_sys(err, errno,
				       "cannot delegate %s of the cgroup",
				       file);
	}
	return 0;
}

int cgroup_apply(int cgroup, const struct cgroup_setting *settings,
		 size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct cgroup_setting *s = &settings[i];
		int rc = write_file(cgroup, s->file, s->value);

		if (rc == -ENOENT)
			return err_set(err, EOPNOTSUPP,
				       "%s: this kernel's cgroups have no %s",
				       s->name, s->file);
		if (rc)
			return err_sys(err, -rc, "%s: cannot write %s to %s",
				       s->name, s->value, s->file);
	}
	return 0;
}

static int must_be_empty(int cgroup, const char *path, struct err *err)
{
	uint64_t populated = 1;

	if (!cgroup_read_key(cgroup, "cgroup.events", "populated",
			     &populated) &&
	    !populated)
		return 0;
	return err_set(err, EBUSY, "the cgroup %s has processes already", path);
}

int cgroup_create(const struct cgroup_mount *mount, const char *path,
		  const struct cgroup_setting *settings, size_t count,
		  struct err *err)
{
	size_t needed = needs_controllers(settings, count) ? count : 0;
	struct walk walk = { .path = path,
			     .settings = settings,
			     .count = needed,
			     .make = true };
	autoclose int above = -1;
	autoclose int fd = -1;
	bool existed;
	int rc = needed ? check_available(mount, settings, count, err) : 0;

	if (rc)
		return rc;
	above = walk_down(mount, &walk, err);
	if (above < 0)
		return above;
	existed = mkdirat(above, walk.name, MODE) != 0;
	if (existed && errno != EEXIST)
		return err_sys(err, errno, "cannot make the cgroup %s", path);
	fd = openat(above, walk.name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, errno, "cannot open the cgroup %s", path);
	rc = existed ? must_be_empty(fd, path, err) : 0;
	if (!rc)
		rc = cgroup_apply(fd, settings, count, err);
	if (rc) {
		if (!existed)
			unlinkat(above, walk.name, AT_REMOVEDIR);
		return rc;
	}
	return move_fd(&fd);
}

/* ---- life ---- */

int cgroup_kill(int cgroup, struct err *err)
{
	int rc = write_file(cgroup, "cgroup.kill", "1");

	return rc ? err_sys(err, -rc, "cannot kill by cgroup.kill") : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for a line "key value" of cgroup.events; a change of the file wakes
 * poll with POLLPRI. */
static int wait_event(int cgroup, const char *key, uint64_t wanted,
		      int timeout_ms)
{
	autoclose int fd =
		openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int64_t end = now_ms() + timeout_ms;

	while (fd >= 0) {
		struct pollfd wait = { .fd = fd, .events = POLLPRI };
		uint64_t value = !wanted;
		int64_t left = end - now_ms();
		char text[256];
		int rc;

		/* The read through this descriptor is what poll counts from. */
		if (pread(fd, text, sizeof(text), 0) < 0)
			return -errno;
		rc = cgroup_read_key(cgroup, "cgroup.events", key, &value);
		if (rc || value == wanted)
			return rc;
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&wait, 1, (int)left);
	}
	return -errno;
}

int cgroup_wait_empty(int cgroup, int timeout_ms)
{
	return wait_event(cgroup, "populated", 0, timeout_ms);
}

#define FREEZE_TIMEOUT_MS 10000

int cgroup_begin_freeze(int cgroup, struct err *err)
{
	int rc = write_file(cgroup, "cgroup.freeze", "1");

	return rc ? err_sys(err, -rc, "cannot freeze the cgroup") : 0;
}

int cgroup_freeze(int cgroup, bool frozen, struct err *err)
{
	int rc = write_file(cgroup, "cgroup.freeze", frozen ? "1" : "0");

	if (!rc)
		rc = wait_event(cgroup, "frozen", frozen, FREEZE_TIMEOUT_MS);
	/* Half frozen is neither; give its processes back their time. */
	if (rc && frozen)
		write_file(cgroup, "cgroup.freeze", "0");
	return rc ? err_sys(err, -rc, "cannot %s the cgroup",
			    frozen ? "freeze" : "thaw") :
		    0;
}

bool cgroup_is_frozen(int cgroup)
{
	char text[8] = "";

	return cgroup_read(cgroup, "cgroup.freeze", text, sizeof(text)) > 0 &&
	       text[0] == '1';
}
