/*
 * What changes a folder. The names are components that were checked, and the
 * calls below take the last component as it is: none follows a link there.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

/* linux/fs.h has them too; stdio.h, by the same values. */
#define RENAME_FLAGS ((unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))

int share_do_symlink(struct share_call *call)
{
	int rc;

	/* The second text is where it leads: anywhere, since nobody goes. */
	share_user_enter(call);
	rc = symlinkat(call->name[1], call->node->fd, call->name[0]) ? -errno :
								       0;
	share_user_leave(call);
	return rc ? rc : share_answer_entry(call, call->name[0]);
}

int share_do_mknod(struct share_call *call)
{
	const struct fuse_mknod_in *arg = call->arg;
	mode_t type = arg->mode & S_IFMT;
	int rc;

	/* A device node would be the host's device. */
	if (type && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK)
		return -EPERM;
	share_user_enter(call);
	rc = mknodat(call->node->fd, call->name[0], type | (arg->mode & 07777),
		     0) ?
		     -errno :
		     0;
	share_user_leave(call);
	return rc ? rc : share_answer_entry(call, call->name[0]);
}

int share_do_mkdir(struct share_call *call)
{
	const struct fuse_mkdir_in *arg = call->arg;
	int rc;

	share_user_enter(call);
	rc = mkdirat(call->node->fd, call->name[0], arg->mode & 07777) ?
		     -errno :
		     0;
	share_user_leave(call);
	return rc ? rc : share_answer_entry(call, call->name[0]);
}

int share_do_unlink(struct share_call *call)
{
	return unlinkat(call->node->fd, call->name[0], 0) ? -errno : 0;
}

int share_do_rmdir(struct share_call *call)
{
	return unlinkat(call->node->fd, call->name[0], AT_REMOVEDIR) ? -errno :
								       0;
}

static int rename_to(const struct share_call *call, uint64_t to,
		     unsigned int flags)
{
	const struct share_node *folder = share_node_get(call->folder, to);
	int rc;

	if (!folder)
		return -ESTALE;
	/* A mount that maps IDs lets nobody make a name whom it does not map,
	 * and that may be ourselves (fs/namei.c, may_create). */
	share_user_enter(call);
	rc = renameat2(call->node->fd, call->name[0], folder->fd, call->name[1],
		       flags) ?
		     -errno :
		     0;
	share_user_leave(call);
	return rc;
}

int share_do_rename(struct share_call *call)
{
	const struct fuse_rename_in *arg = call->arg;

	return rename_to(call, arg->newdir, 0);
}

int share_do_rename2(struct share_call *call)
{
	const struct fuse_rename2_in *arg = call->arg;

	if (arg->flags & ~RENAME_FLAGS)
		return -EINVAL;
	return rename_to(call, arg->newdir, arg->flags);
}

int share_do_link(struct share_call *call)
{
	const struct fuse_link_in *arg = call->arg;
	const struct share_node *from =
		share_node_get(call->folder, arg->oldnodeid);
	char path[SHARE_PROC_PATH_BYTES];
	int rc;

	if (!from)
		return -ESTALE;
	/* linkat(2): by descriptor it takes CAP_DAC_READ_SEARCH, by this none.
	 * What is followed is /proc's link and no other. */
	share_proc_path(from, path);
	share_user_enter(call);
	rc = linkat(AT_FDCWD, path, call->node->fd, call->name[0],
		    AT_SYMLINK_FOLLOW) ?
		     -errno :
		     0;
	share_user_leave(call);
	return rc ? rc : share_answer_entry(call, call->name[0]);
}

/* --- CREATE -------------------------------------------------------------- */

/* A new file, open: what is there already is not opened here, as it may be
 * anything. */
static int create_new(const struct share_call *call, int flags, mode_t mode)
{
	int fd;

	share_user_enter(call);
	fd = openat(call->node->fd, call->name[0],
		    (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW |
			    O_CLOEXEC | O_NOCTTY,
		    mode & 07777);
	if (fd < 0)
		fd = -errno;
	share_user_leave(call);
	return fd;
}

static int open_created(struct share_call *call, int fd,
			const struct share_node *node,
			struct fuse_open_out *ret_open)
{
	const struct fuse_create_in *arg = call->arg;
	struct share_handle *handle;
	int rc;

	if (fd < 0)
		return share_open_node(call, node, share_open_flags(arg->flags),
				       arg->open_flags & FUSE_OPEN_KILL_SUIDGID,
				       ret_open);
	rc = share_handle_enter(call->folder, fd, false, &handle);
	if (!rc)
		share_fill_open(call->folder, handle, ret_open);
	return rc;
}

int share_do_create(struct share_call *call)
{
	const struct fuse_create_in *arg = call->arg;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	autoclose int fd =
		create_new(call, share_open_flags(arg->flags), arg->mode);
	struct share_node *node;
	int rc;

	if (fd < 0 && (fd != -EEXIST || arg->flags & O_EXCL))
		return fd;
	rc = share_lookup(call->folder, call->node, call->name[0], &out.entry);
	if (rc)
		return rc;
	node = share_node_get(call->folder, out.entry.nodeid);
	/* What the guest did not know of yet: it looks again. */
	if (node->type != S_IFREG)
		rc = -ESTALE;
	else
		rc = open_created(call, move_fd(&fd), node, &out.open);
	if (rc) {
		share_forget(call->folder, node->id, 1);
		return rc;
	}
	return share_answer(call, &out, sizeof(out));
}
