/* What walks over all groups below one: their processes, and their removal. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/parse.h"
#include "sandbox/cgroup.h"
#include "sandbox/procfs.h"

/* A payload with its own cgroup namespace may nest them; the kernel's default
 * cgroup.max.depth has no end, ours has. */
#define MAX_DEPTH 256

/* The folders that are open, the deepest last. */
struct path_stack {
	DIR *dirs[MAX_DEPTH];
	unsigned int depth;
};

static int push(struct path_stack *stack, int dir, const char *name)
{
	int fd = openat(dir, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (stack->depth == MAX_DEPTH) {
		close(fd);
		return -E2BIG;
	}
	stack->dirs[stack->depth] = fdopendir(fd);
	if (!stack->dirs[stack->depth]) {
		close(fd);
		return -ENOMEM;
	}
	stack->depth++;
	return 0;
}

static void pop(struct path_stack *stack)
{
	assert(stack->depth);
	closedir(stack->dirs[--stack->depth]);
}

static void pop_all(struct path_stack *stack)
{
	while (stack->depth)
		pop(stack);
}

/* The next folder inside the deepest one, NULL behind the last. */
static const char *next_folder(const struct path_stack *stack)
{
	struct dirent *entry;

	assert(stack->depth);
	/* One thread, and a stream of its own. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((entry = readdir(stack->dirs[stack->depth - 1]))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			return entry->d_name;
	}
	return NULL;
}

static int deepest(const struct path_stack *stack)
{
	assert(stack->depth);
	return dirfd(stack->dirs[stack->depth - 1]);
}

/* Goes down to a folder without folders, removes it from above, and looks at
 * that one anew. */
static int remove_below(struct path_stack *stack)
{
	char names[MAX_DEPTH][NAME_MAX + 1];
	int rc = 0;

	while (!rc) {
		const char *name = next_folder(stack);

		if (name) {
			snprintf(names[stack->depth - 1], sizeof(names[0]),
				 "%s", name);
			rc = push(stack, deepest(stack), name);
			continue;
		}
		if (stack->depth == 1)
			return 0;
		pop(stack);
		if (unlinkat(deepest(stack), names[stack->depth - 1],
			     AT_REMOVEDIR) &&
		    errno != ENOENT)
			return -errno;
	}
	return rc == -ENOENT ? 0 : rc;
}

/* A group stays busy for a moment behind the end of its last process. */
#define REMOVE_TRIES	100
#define REMOVE_PAUSE_US 2000

int cgroup_remove(const struct cgroup_mount *mount, const char *path,
		  struct err *err)
{
	struct path_stack stack = { .depth = 0 };
	const char *name = path + strspn(path, "/");
	int rc = 0;

	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (!unlinkat(mount->fd, name, AT_REMOVEDIR) || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return err_sys(err, errno,
				       "cannot remove the cgroup %s", path);
		rc = push(&stack, mount->fd, name);
		if (rc == -ENOENT)
			return 0;
		if (!rc)
			rc = remove_below(&stack);
		pop_all(&stack);
		if (rc && rc != -EBUSY)
			break;
		if (i)
			usleep(REMOVE_PAUSE_US);
	}
	return err_sys(err, rc ? -rc : EBUSY, "cannot remove the cgroup %s",
		       path);
}

struct pid_list {
	pid_t *pids;
	size_t count;
	size_t room;
};

static int add_pid(struct pid_list *list, pid_t pid)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		pid_t *more = realloc(list->pids, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->pids = more;
		list->room = room;
	}
	list->pids[list->count++] = pid;
	return 0;
}

static int add_processes(struct pid_list *list, int cgroup)
{
	int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	char line[32];
	uint64_t pid;
	int rc = 0;

	if (!file) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		/* A threaded group has no processes of its own. */
		return rc == -EOPNOTSUPP ? 0 : rc;
	}
	while (!rc && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		/* 0: a process of another pid namespace. */
		if (!parse_u64(line, &pid) && pid > 0 && pid <= INT_MAX)
			rc = add_pid(list, (pid_t)pid);
	}
	fclose(file);
	return rc;
}

int cgroup_processes(int cgroup, pid_t **ret_pids, size_t *ret_count,
		     struct err *err)
{
	struct path_stack stack = { .depth = 0 };
	struct pid_list list = { .pids = NULL };
	int rc = push(&stack, cgroup, ".");

	if (!rc)
		rc = add_processes(&list, cgroup);
	while (!rc && stack.depth) {
		const char *name = next_folder(&stack);

		if (!name) {
			pop(&stack);
			continue;
		}
		rc = push(&stack, deepest(&stack), name);
		if (!rc)
			rc = add_processes(&list, deepest(&stack));
		else if (rc == -ENOENT)
			rc = 0;
	}
	pop_all(&stack);
	if (rc) {
		free(list.pids);
		return err_sys(err, -rc, "cannot list the cgroup's processes");
	}
	*ret_pids = list.pids;
	*ret_count = list.count;
	return 0;
}

/* ---- what is the caller's ---- */

/* "0::PATH" is version 2's line (cgroups(7), "/proc files"). */
static int own_group(int proc, char *path, size_t size)
{
	autofree char *text = malloc(size + 4096);
	ssize_t n = text ? procfs_read(proc, "self/cgroup", text, size + 4096) :
			   -ENOMEM;
	char *rest = text;
	char *line;

	if (n < 0)
		return (int)n;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		snprintf(path, size, "%s", line + 3);
		return 0;
	}
	return -ENOENT;
}

static bool is_writable(const struct cgroup_mount *mount, const char *path)
{
	autoclose int dir =
		openat(mount->fd, *path ? path + 1 : ".",
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return dir >= 0 && !faccessat(dir, ".", W_OK, AT_EACCESS) &&
	       !faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS);
}

int cgroup_own_top(const struct cgroup_mount *mount, int proc, char *path,
		   size_t size)
{
	char *end;
	int rc = own_group(proc, path, size);

	if (rc)
		return rc;
	/* One outside of the cgroup namespace is "/..". */
	if (!strcmp(path, "/"))
		*path = '\0';
	else if (cgroup_check_path(path, NULL))
		return -ENOENT;
	if (!is_writable(mount, path))
		return -ENOENT;
	while ((end = strrchr(path, '/'))) {
		*end = '\0';
		if (is_writable(mount, path))
			continue;
		*end = '/';
		break;
	}
	return 0;
}
