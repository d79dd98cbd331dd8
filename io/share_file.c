/* Open files: their data goes between them and guest memory without a copy. */
#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

/* What an open may ask for. O_APPEND is said with each write; O_DIRECT is the
 * guest's own matter, as its buffers are aligned for its page cache. */
#define OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC)
#define FALLOCATE_FLAGS                                          \
	((uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | \
		    FALLOC_FL_ZERO_RANGE))

/* --- Opening ------------------------------------------------------------- */

int share_open_flags(uint32_t flags)
{
	return (int)(flags & (uint32_t)OPEN_FLAGS);
}

int share_reopen(const struct share_folder *folder,
		 const struct share_node *node, int flags)
{
	/* "2147483647" */
	char name[16];
	int fd;

	/* A pipe would wait, a device would do things. */
	if (node->type != S_IFREG && node->type != S_IFDIR)
		return node->type == S_IFLNK ? -ELOOP : -ENXIO;
	snprintf(name, sizeof(name), "%d", node->fd);
	fd = openat(folder->proc_fd, name, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int share_kill_privileges(int fd)
{
	struct stat stat;
	mode_t gone = S_ISUID;

	if (fstat(fd, &stat))
		return -errno;
	/* Without the right to execute it is for mandatory locks. */
	if (stat.st_mode & S_IXGRP)
		gone |= S_ISGID;
	if (!S_ISREG(stat.st_mode) || !(stat.st_mode & gone))
		return 0;
	return fchmod(fd, stat.st_mode & 07777 & ~gone) ? -errno : 0;
}

void share_fill_open(const struct share_folder *folder,
		     const struct share_handle *handle,
		     struct fuse_open_out *ret_open)
{
	*ret_open = (struct fuse_open_out){ .fh = handle->id };
	if (folder->cache == SHARE_CACHE_ALWAYS)
		ret_open->open_flags = FOPEN_KEEP_CACHE;
	if (folder->cache == SHARE_CACHE_ALWAYS && handle->is_folder)
		ret_open->open_flags |= FOPEN_CACHE_DIR;
	if (folder->cache == SHARE_CACHE_NEVER && !handle->is_folder)
		ret_open->open_flags = FOPEN_DIRECT_IO;
}

/* Truncated only when privileges that the change takes away are gone; by the
 * node, since open(2) does it too where the file is then only read. */
static int truncate_open(const struct share_call *call,
			 const struct share_node *node, int fd, int flags,
			 bool kill)
{
	char path[SHARE_PROC_PATH_BYTES];
	int rc = 0;

	if (!(flags & O_TRUNC))
		return 0;
	if (kill && call->folder->kill_privileges)
		rc = share_kill_privileges(fd);
	share_proc_path(node, path);
	if (!rc && truncate(path, 0))
		rc = -errno;
	return rc;
}

int share_open_node(struct share_call *call, const struct share_node *node,
		    int flags, bool kill, struct fuse_open_out *ret_open)
{
	struct share_handle *handle;
	int fd;
	int rc;

	if (node->type == S_IFDIR)
		return -EISDIR;
	if (call->folder->read_only &&
	    ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
		return -EROFS;
	if (!share_has_room(call->folder))
		return -ENFILE;
	fd = share_reopen(call->folder, node, flags & ~O_TRUNC);
	if (fd < 0)
		return fd;
	rc = truncate_open(call, node, fd, flags, kill);
	if (rc) {
		close(fd);
		return rc;
	}
	rc = share_handle_enter(call->folder, fd, false, &handle);
	if (!rc)
		share_fill_open(call->folder, handle, ret_open);
	return rc;
}

int share_do_open(struct share_call *call)
{
	const struct fuse_open_in *arg = call->arg;
	struct fuse_open_out out;
	int rc = share_open_node(call, call->node, share_open_flags(arg->flags),
				 arg->open_flags & FUSE_OPEN_KILL_SUIDGID,
				 &out);

	return rc ? rc : share_answer(call, &out, sizeof(out));
}

int share_do_release(struct share_call *call)
{
	const struct fuse_release_in *arg = call->arg;
	struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);

	if (!handle)
		return -EBADF;
	share_handle_close(call->folder, handle);
	return 0;
}

/* --- Data ---------------------------------------------------------------- */

/* Leaves the first @len bytes of the segments, which have so many. */
static uint16_t shorten(struct iovec *iov, uint16_t count, uint64_t len)
{
	uint16_t used = 0;

	while (len && used < count) {
		iov[used].iov_len = (size_t)min_u64(iov[used].iov_len, len);
		len -= iov[used].iov_len;
		used++;
	}
	return used;
}

int share_do_read(struct share_call *call)
{
	const struct fuse_read_in *arg = call->arg;
	struct share_message *message = call->message;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);
	uint64_t size = min_u64(arg->size, message->out_bytes);
	uint16_t count;
	ssize_t got;

	if (!handle)
		return -EBADF;
	if (arg->offset > INT64_MAX)
		return -EINVAL;
	count = shorten(message->out, message->out_count, size);
	got = preadv(handle->fd, message->out, count, (off_t)arg->offset);
	if (got < 0)
		return -errno;
	message->moved = (uint64_t)got;
	return 0;
}

/* What a write of the guest's is to be to the host: fcntl(2) may have changed
 * it since the file was opened. What its page cache writes back has a place. */
static int write_flags(const struct fuse_write_in *arg)
{
	int flags = 0;

	if (arg->write_flags & FUSE_WRITE_CACHE)
		return 0;
	if (arg->flags & O_APPEND)
		flags |= RWF_APPEND;
	if (arg->flags & O_DSYNC)
		flags |= RWF_DSYNC;
	return flags;
}

int share_do_write(struct share_call *call)
{
	const struct fuse_write_in *arg = call->arg;
	struct share_message *message = call->message;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);
	struct fuse_write_out out = { 0 };
	ssize_t put;
	int rc;

	if (!handle)
		return -EBADF;
	if (arg->size != message->in_bytes || arg->offset > INT64_MAX)
		return -EINVAL;
	if (arg->write_flags & FUSE_WRITE_KILL_SUIDGID) {
		rc = share_kill_privileges(handle->fd);
		if (rc)
			return rc;
	}
	put = pwritev2(handle->fd, message->in, message->in_count,
		       (off_t)arg->offset, write_flags(arg));
	if (put < 0)
		return -errno;
	out.size = (uint32_t)put;
	return share_answer(call, &out, sizeof(out));
}

/* --- The rest ------------------------------------------------------------ */

/* What only closing a file tells, such as NFS, is told. */
int share_do_flush(struct share_call *call)
{
	const struct fuse_flush_in *arg = call->arg;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);
	int fd;

	if (!handle)
		return -EBADF;
	fd = fcntl(handle->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return close(fd) ? -errno : 0;
}

static int sync_handle(const struct share_call *call, bool is_folder)
{
	const struct fuse_fsync_in *arg = call->arg;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, is_folder);
	int rc;

	if (!handle)
		return -EBADF;
	if (arg->fsync_flags & FUSE_FSYNC_FDATASYNC)
		rc = fdatasync(handle->fd);
	else
		rc = fsync(handle->fd);
	return rc ? -errno : 0;
}

int share_do_fsync(struct share_call *call)
{
	return sync_handle(call, false);
}

int share_do_fsyncdir(struct share_call *call)
{
	return sync_handle(call, true);
}

int share_do_fallocate(struct share_call *call)
{
	const struct fuse_fallocate_in *arg = call->arg;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);

	if (!handle)
		return -EBADF;
	if (arg->mode & ~FALLOCATE_FLAGS)
		return -EOPNOTSUPP;
	if (arg->offset > INT64_MAX || arg->length > INT64_MAX)
		return -EFBIG;
	return fallocate(handle->fd, (int)arg->mode, (off_t)arg->offset,
			 (off_t)arg->length) ?
		       -errno :
		       0;
}

int share_do_lseek(struct share_call *call)
{
	const struct fuse_lseek_in *arg = call->arg;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, false);
	struct fuse_lseek_out out = { 0 };
	off_t at;

	if (!handle)
		return -EBADF;
	/* The others are the guest's own. */
	if ((arg->whence != SEEK_DATA && arg->whence != SEEK_HOLE) ||
	    arg->offset > INT64_MAX)
		return -EINVAL;
	at = lseek(handle->fd, (off_t)arg->offset, (int)arg->whence);
	if (at < 0)
		return -errno;
	out.offset = (uint64_t)at;
	return share_answer(call, &out, sizeof(out));
}
