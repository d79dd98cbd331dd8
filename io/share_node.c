/* What a guest is shown of a node, and what it changes of one. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

#define HOUR_SECONDS 3600

void share_proc_path(const struct share_node *node,
		     char path[SHARE_PROC_PATH_BYTES])
{
	snprintf(path, SHARE_PROC_PATH_BYTES, "/proc/self/fd/%d", node->fd);
}

int share_stat(int fd, struct stat *ret_stat)
{
	return fstatat(fd, "", ret_stat, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ?
		       -errno :
		       0;
}

void share_fill_attr(const struct stat *stat, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){
		.ino = stat->st_ino,
		.size = (uint64_t)stat->st_size,
		.blocks = (uint64_t)stat->st_blocks,
		.atime = (uint64_t)stat->st_atim.tv_sec,
		.mtime = (uint64_t)stat->st_mtim.tv_sec,
		.ctime = (uint64_t)stat->st_ctim.tv_sec,
		.atimensec = (uint32_t)stat->st_atim.tv_nsec,
		.mtimensec = (uint32_t)stat->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)stat->st_ctim.tv_nsec,
		.mode = stat->st_mode,
		.nlink = (uint32_t)stat->st_nlink,
		.uid = stat->st_uid,
		.gid = stat->st_gid,
		.rdev = (uint32_t)stat->st_rdev,
		.blksize = (uint32_t)stat->st_blksize,
	};
}

static uint64_t valid_seconds(const struct share_folder *folder)
{
	switch (folder->cache) {
	case SHARE_CACHE_NEVER:
		return 0;
	case SHARE_CACHE_ALWAYS:
		return 24UL * HOUR_SECONDS;
	default:
		return 1;
	}
}

/* --- Names --------------------------------------------------------------- */

int share_lookup(struct share_folder *folder, const struct share_node *parent,
		 const char *name, struct fuse_entry_out *ret_entry)
{
	/* The name is one component, and a link is not followed: whatever it
	 * is lies in the parent. */
	autoclose int fd =
		openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct share_node *node;
	struct stat stat;
	int rc = fd < 0 ? -errno : share_stat(fd, &stat);

	if (!rc)
		rc = share_node_enter(folder, move_fd(&fd), &stat, &node);
	if (rc)
		return rc;
	*ret_entry = (struct fuse_entry_out){
		.nodeid = node->id,
		.entry_valid = valid_seconds(folder),
		.attr_valid = valid_seconds(folder),
	};
	share_fill_attr(&stat, &ret_entry->attr);
	return 0;
}

int share_answer_entry(struct share_call *call, const char *name)
{
	struct fuse_entry_out entry;
	int rc = share_lookup(call->folder, call->node, name, &entry);

	return rc ? rc : share_answer(call, &entry, sizeof(entry));
}

int share_do_lookup(struct share_call *call)
{
	return share_answer_entry(call, call->name[0]);
}

int share_do_readlink(struct share_call *call)
{
	char target[PATH_MAX];
	ssize_t len;

	if (call->node->type != S_IFLNK)
		return -EINVAL;
	len = readlinkat(call->node->fd, "", target, sizeof(target));
	if (len < 0)
		return -errno;
	return share_answer(call, target, (size_t)len);
}

/* --- Attributes ---------------------------------------------------------- */

static int answer_attr(struct share_call *call, int fd)
{
	struct fuse_attr_out out = {
		.attr_valid = valid_seconds(call->folder),
	};
	struct stat stat;
	int rc = share_stat(fd, &stat);

	if (rc)
		return rc;
	share_fill_attr(&stat, &out.attr);
	return share_answer(call, &out, sizeof(out));
}

int share_do_getattr(struct share_call *call)
{
	const struct fuse_getattr_in *arg = call->arg;
	const struct share_handle *handle = NULL;

	if (arg->getattr_flags & FUSE_GETATTR_FH) {
		handle = share_slots_get(&call->folder->handles, arg->fh);
		if (!handle)
			return -EBADF;
	}
	return answer_attr(call, handle ? handle->fd : call->node->fd);
}

static int set_mode(const struct share_node *node, mode_t mode)
{
	char path[SHARE_PROC_PATH_BYTES];

	/* The path leads to the link itself, whose mode is of no use. */
	if (node->type == S_IFLNK)
		return -EOPNOTSUPP;
	share_proc_path(node, path);
	return chmod(path, mode & 07777) ? -errno : 0;
}

static int set_owner(const struct share_node *node,
		     const struct fuse_setattr_in *arg)
{
	uid_t uid = arg->valid & FATTR_UID ? arg->uid : (uid_t)-1;
	gid_t gid = arg->valid & FATTR_GID ? arg->gid : (gid_t)-1;

	return fchownat(node->fd, "", uid, gid,
			AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ?
		       -errno :
		       0;
}

static int set_size(const struct share_call *call,
		    const struct fuse_setattr_in *arg)
{
	const struct share_handle *handle = NULL;
	autoclose int own = -1;
	int fd;
	int rc = 0;

	if (arg->size > INT64_MAX)
		return -EFBIG;
	if (arg->valid & FATTR_FH) {
		handle = share_handle_get(call->folder, arg->fh, false);
		if (!handle)
			return -EBADF;
	}
	if (!handle) {
		own = share_reopen(call->folder, call->node, O_WRONLY);
		if (own < 0)
			return own;
	}
	fd = handle ? handle->fd : own;
	if (arg->valid & FATTR_KILL_SUIDGID && call->folder->kill_privileges)
		rc = share_kill_privileges(fd);
	if (!rc && ftruncate(fd, (off_t)arg->size))
		rc = -errno;
	return rc;
}

static struct timespec time_of(uint32_t valid, uint32_t set, uint32_t now,
			       uint64_t seconds, uint32_t nanoseconds)
{
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return (struct timespec){
		.tv_sec = (time_t)seconds,
		.tv_nsec = nanoseconds,
	};
}

static int set_times(const struct share_node *node,
		     const struct fuse_setattr_in *arg)
{
	const struct timespec times[2] = {
		time_of(arg->valid, FATTR_ATIME, FATTR_ATIME_NOW, arg->atime,
			arg->atimensec),
		time_of(arg->valid, FATTR_MTIME, FATTR_MTIME_NOW, arg->mtime,
			arg->mtimensec),
	};

	/* AT_EMPTY_PATH: Linux 5.8. */
	return utimensat(node->fd, "", times,
			 AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ?
		       -errno :
		       0;
}

int share_do_setattr(struct share_call *call)
{
	const struct fuse_setattr_in *arg = call->arg;
	int rc = 0;

	if (arg->valid & FATTR_MODE)
		rc = set_mode(call->node, arg->mode);
	if (!rc && arg->valid & (FATTR_UID | FATTR_GID))
		rc = set_owner(call->node, arg);
	if (!rc && arg->valid & FATTR_SIZE)
		rc = set_size(call, arg);
	if (!rc && arg->valid & (FATTR_ATIME | FATTR_MTIME))
		rc = set_times(call->node, arg);
	return rc ? rc : answer_attr(call, call->node->fd);
}

/* --- The file system ----------------------------------------------------- */

int share_do_statfs(struct share_call *call)
{
	struct fuse_statfs_out out = { .st = { 0 } };
	struct statfs from;

	if (fstatfs(call->node->fd, &from))
		return -errno;
	out.st.blocks = from.f_blocks;
	out.st.bfree = from.f_bfree;
	out.st.bavail = from.f_bavail;
	out.st.files = from.f_files;
	out.st.ffree = from.f_ffree;
	out.st.bsize = (uint32_t)from.f_bsize;
	out.st.namelen = NAME_MAX;
	out.st.frsize = (uint32_t)from.f_frsize;
	return share_answer(call, &out, sizeof(out));
}

int share_do_syncfs(struct share_call *call)
{
	autoclose int fd = share_reopen(call->folder, call->folder->root,
					O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	return syncfs(fd) ? -errno : 0;
}
