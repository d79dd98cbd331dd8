#include "sandbox/copyup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_LEVELS 64
#define MODE_BITS  07777

/* The kernel's record of one entry, getdents64(2). */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* A folder that is being copied; deeper ones come first. */
struct level {
	int from;
	int to;
	/* Of `from`: entries not taken yet. opendir would allocate. */
	char entries[4096] __attribute__((aligned(8)));
	long used;
	long at;
};

static int copy_owner(int to, const struct stat *st)
{
	if (fchownat(to, "", st->st_uid, st->st_gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -errno;
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	autoclose int from = openat(
		from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autoclose int to = openat(
		to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (from < 0 || to < 0)
		return -errno;
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	/* The owner first: a change of it clears the set-user-ID bit. */
	if (copy_owner(to, st) || fchmod(to, st->st_mode & MODE_BITS))
		return -errno;
	return 0;
}

static int copy_link(int from_dir, int to_dir, const char *name,
		     const struct stat *st)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (symlinkat(text, to_dir, name) ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return 0;
}

static int enter(struct level *level, int from_dir, int to_dir,
		 const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	level->used = 0;
	level->at = 0;
	level->from = openat(from_dir, name, flags);
	level->to = openat(to_dir, name, flags);
	return level->from < 0 || level->to < 0 ? -errno : 0;
}

static int copy_folder(struct level *next, const struct level *level,
		       const char *name, const struct stat *st)
{
	int rc;

	if (mkdirat(level->to, name, 0700))
		return -errno;
	rc = enter(next, level->from, level->to, name);
	if (!rc)
		rc = copy_owner(next->to, st);
	if (!rc && fchmod(next->to, st->st_mode & MODE_BITS))
		rc = -errno;
	return rc;
}

/* Returns 1 when @name is a folder, now open in the next level. */
static int copy_entry(struct level *levels, unsigned int depth,
		      const char *name)
{
	struct level *level = &levels[depth];
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(level->from, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(level->from, level->to, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(level->from, level->to, name, &st);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (depth + 1 == MAX_LEVELS)
		return -E2BIG;
	levels[depth + 1].from = -1;
	levels[depth + 1].to = -1;
	return copy_folder(&levels[depth + 1], level, name, &st) ?: 1;
}

static void leave(struct level *level)
{
	if (level->from >= 0)
		close(level->from);
	if (level->to >= 0)
		close(level->to);
}

/* The next name of a folder; NULL at its end or behind an error. */
static const char *next_name(struct level *level, int *ret_rc)
{
	const struct entry *entry;

	if (level->at >= level->used) {
		level->at = 0;
		level->used = syscall(SYS_getdents64, level->from,
				      level->entries, sizeof(level->entries));
		if (level->used <= 0) {
			*ret_rc = level->used < 0 ? -errno : 0;
			return NULL;
		}
	}
	entry = (const void *)(level->entries + level->at);
	level->at += entry->size;
	return entry->name;
}

int copyup(int from, int to, struct err *err)
{
	struct level levels[MAX_LEVELS];
	unsigned int depth = 0;
	bool done = false;
	struct stat st;
	int rc = enter(&levels[0], from, to, ".");

	if (!rc && !fstat(from, &st)) {
		rc = copy_owner(levels[0].to, &st);
		if (!rc && fchmod(levels[0].to, st.st_mode & MODE_BITS))
			rc = -errno;
	}
	while (!rc && !done) {
		const char *name = next_name(&levels[depth], &rc);

		if (name) {
			rc = copy_entry(levels, depth, name);
			if (rc > 0) {
				depth++;
				rc = 0;
			}
		} else if (!rc) {
			done = depth == 0;
			leave(&levels[depth]);
			depth -= !done;
		}
	}
	for (unsigned int i = 0; rc && i <= depth; i++)
		leave(&levels[i]);
	return rc ? err_sys(err, -rc, "cannot copy up what was there") : 0;
}
