#include "sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/parse.h"
#include "sandbox/caps.h"
#include "sandbox/procfs.h"
#include "sandbox/sys.h"

/* The kernel takes 340 lines, in one write of at most a page. */
#define MAP_TEXT 4096

static int write_map(int proc, pid_t pid, const char *file,
		     const struct userns_maps *maps)
{
	char path[64];
	char text[MAP_TEXT];
	size_t used = 0;

	for (size_t i = 0; i < maps->count; i++) {
		int n = snprintf(text + used, sizeof(text) - used, "%u %u %u\n",
				 maps->maps[i].inside, maps->maps[i].outside,
				 maps->maps[i].count);

		if (n < 0 || (size_t)n >= sizeof(text) - used)
			return -E2BIG;
		used += (size_t)n;
	}
	snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	return procfs_write(proc, path, text);
}

static bool is_own(const struct userns_maps *maps, uint32_t id)
{
	return maps->count == 1 && maps->maps[0].count == 1 &&
	       maps->maps[0].outside == id;
}

enum userns_way userns_way(const struct userns_maps *uids,
			   const struct userns_maps *gids)
{
	const uint64_t needed = 1ULL << CAP_SETUID | 1ULL << CAP_SETGID;
	uint64_t caps = 0;

	if (!caps_effective(&caps) && (caps & needed) == needed)
		return USERNS_DIRECT;
	if (is_own(uids, geteuid()) && is_own(gids, getegid()))
		return USERNS_OWN_ID;
	return USERNS_HELPERS;
}

static int write_maps(int proc, pid_t pid, const struct userns_maps *uids,
		      const struct userns_maps *gids, enum userns_way way,
		      struct err *err)
{
	char path[64];
	int rc = 0;

	if (way == USERNS_OWN_ID) {
		snprintf(path, sizeof(path), "%d/setgroups", (int)pid);
		rc = procfs_write(proc, path, "deny");
	}
	if (!rc)
		rc = write_map(proc, pid, "gid_map", gids);
	if (!rc)
		rc = write_map(proc, pid, "uid_map", uids);
	return rc ? err_sys(err, -rc,
			    "cannot map the IDs of the user namespace") :
		    0;
}

/* ---- the helpers of the package uidmap ---- */

#define HELPER_MAPS 32

static _Noreturn void exec_helper(const char *path, pid_t pid,
				  const struct userns_maps *maps)
{
	char text[HELPER_MAPS * 3 + 1][12];
	char *argv[HELPER_MAPS * 3 + 3] = { (char *)path };
	char *no_environment[] = { NULL };
	size_t at = 0;

	snprintf(text[at++], sizeof(text[0]), "%d", (int)pid);
	for (size_t i = 0; i < maps->count; i++) {
		const struct userns_map *map = &maps->maps[i];

		snprintf(text[at++], sizeof(text[0]), "%u", map->inside);
		snprintf(text[at++], sizeof(text[0]), "%u", map->outside);
		snprintf(text[at++], sizeof(text[0]), "%u", map->count);
	}
	for (size_t i = 0; i < at; i++)
		argv[i + 1] = text[i];
	execve(path, argv, no_environment);
	/* Only the parent may say how the process ends. */
	for (;;)
		(void)raise(SIGKILL);
}

/* It writes its own sentence to standard error. */
static int run_helper(const char *path, pid_t pid,
		      const struct userns_maps *maps, struct err *err)
{
	autoclose int pidfd = -1;
	int status;
	pid_t helper;

	if (maps->count > HELPER_MAPS)
		return err_set(err, E2BIG, "more than %d mappings for %s",
			       HELPER_MAPS, path);
	if (access(path, X_OK))
		return err_set(
			err, ENOENT,
			"mapping more than your own ID needs %s; install the package uidmap",
			path);
	helper = sys_clone(0, -1, &pidfd);
	if (helper == 0)
		exec_helper(path, pid, maps);
	if (helper < 0)
		return err_sys(err, (int)-helper, "no process");
	status = sys_wait(helper);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(
			err, EPERM,
			"%s refused the mappings; see /etc/subuid and /etc/subgid",
			path);
	return 0;
}

bool userns_outside(const struct userns_maps *maps, uint32_t inside,
		    uint32_t *ret_outside)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct userns_map *map = &maps->maps[i];

		if (inside >= map->inside &&
		    inside - map->inside < map->count) {
			*ret_outside = map->outside + (inside - map->inside);
			return true;
		}
	}
	return false;
}

int userns_set_maps(int proc, pid_t pid, const struct userns_maps *uids,
		    const struct userns_maps *gids, struct err *err)
{
	enum userns_way way = userns_way(uids, gids);
	int rc;

	if (way != USERNS_HELPERS)
		return write_maps(proc, pid, uids, gids, way, err);
	rc = run_helper("/usr/bin/newgidmap", pid, gids, err);
	return rc ? rc : run_helper("/usr/bin/newuidmap", pid, uids, err);
}

bool userns_denies_groups(int proc, const char *process)
{
	char path[64];
	char text[16];

	snprintf(path, sizeof(path), "%s/setgroups", process);
	return procfs_read(proc, path, text, sizeof(text)) > 0 &&
	       !strncmp(text, "deny", 4);
}

bool userns_is_initial(int proc)
{
	static const char all[] = "0 0 4294967295 ";
	char text[128];
	const char *wanted = all;
	bool in_gap = true;

	if (procfs_read(proc, "self/uid_map", text, sizeof(text)) <= 0)
		return false;
	/* The columns are padded. A namespace of one's own can have all IDs as
	 * well, but then its maker has all rights anyway. */
	for (const char *at = text; *at; at++) {
		bool gap = *at == ' ' || *at == '\n';

		if (gap && in_gap)
			continue;
		if (*wanted++ != (gap ? ' ' : *at))
			return false;
		in_gap = gap;
	}
	return !*wanted;
}

/* The next of the numbers that are in columns. */
static bool take_number(char **text, uint32_t *ret_number)
{
	char *word = *text + strspn(*text, " \n");
	size_t len = strcspn(word, " \n");
	uint64_t number;

	*text = word + len;
	if (!len)
		return false;
	if (**text)
		*(*text)++ = '\0';
	if (parse_u64(word, &number) || number > UINT32_MAX)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

int userns_read(int proc, const char *file, struct userns_map *list,
		size_t room, size_t *ret_count)
{
	char path[32];
	char text[MAP_TEXT];
	struct userns_map map;
	char *at = text;
	size_t count = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "self/%s", file);
	n = procfs_read(proc, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	while (take_number(&at, &map.inside) &&
	       take_number(&at, &map.outside) && take_number(&at, &map.count)) {
		if (count == room)
			return -E2BIG;
		list[count++] = map;
	}
	*ret_count = count;
	return 0;
}

int userns_make(int proc, const struct userns_maps *uids,
		const struct userns_maps *gids, struct err *err)
{
	autoclose int pidfd = -1;
	autoclose int ns = -1;
	char path[64];
	pid_t pid = sys_clone(CLONE_NEWUSER, -1, &pidfd);
	int rc;

	if (pid < 0)
		return err_sys(err, (int)-pid, "no new user namespace");
	if (pid == 0) {
		for (;;)
			pause();
	}
	rc = userns_set_maps(proc, pid, uids, gids, err);
	if (!rc) {
		snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
		ns = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			rc = err_sys(err, errno,
				     "no handle on a user namespace");
	}
	sys_pidfd_signal(pidfd, SIGKILL);
	(void)sys_wait(pid);
	return rc ? rc : move_fd(&ns);
}

static bool is_own_namespace(int proc, int ns)
{
	struct stat own;
	struct stat other;

	return !fstatat(proc, "self/ns/user", &own, 0) && !fstat(ns, &other) &&
	       own.st_ino == other.st_ino;
}

int userns_below_own(int proc, int ns)
{
	autoclose int below = -1;
	int above = ioctl(ns, NS_GET_PARENT);

	while (above >= 0 && !is_own_namespace(proc, above)) {
		if (below >= 0)
			close(below);
		below = above;
		above = ioctl(below, NS_GET_PARENT);
	}
	if (above < 0)
		return -errno;
	close(above);
	return below < 0 ? -EINVAL : move_fd(&below);
}

bool userns_is_root_of_host(void)
{
	autoclose int proc = geteuid() ? -1 : procfs_open(NULL);

	return proc >= 0 && userns_is_initial(proc);
}
