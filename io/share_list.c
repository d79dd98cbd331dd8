/* Folders that are read: names, and with READDIRPLUS what they stand for. */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

/* struct fuse_dirent without its name; of both kinds the name is the end. */
#define NAME_AT	     offsetof(struct fuse_dirent, name)
#define NAME_PLUS_AT offsetof(struct fuse_direntplus, dirent.name)

int share_do_opendir(struct share_call *call)
{
	struct fuse_open_out out;
	struct share_handle *handle;
	int fd;
	int rc;

	if (call->node->type != S_IFDIR)
		return -ENOTDIR;
	if (!share_has_room(call->folder))
		return -ENFILE;
	fd = share_reopen(call->folder, call->node, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	rc = share_handle_enter(call->folder, fd, true, &handle);
	if (rc)
		return rc;
	share_fill_open(call->folder, handle, &out);
	return share_answer(call, &out, sizeof(out));
}

int share_do_releasedir(struct share_call *call)
{
	const struct fuse_release_in *arg = call->arg;
	struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, true);

	if (!handle)
		return -EBADF;
	share_handle_close(call->folder, handle);
	return 0;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/*
 * What a name stands for. Nothing is shown of "." and "..", of what went
 * meanwhile, and when half of the descriptors are taken: those left are for
 * what the guest asks for by name.
 */
static bool show(struct share_call *call, const char *name,
		 struct fuse_entry_out *entry)
{
	const struct share_folder *folder = call->folder;

	return !is_dots(name) &&
	       folder->nodes.count + folder->handles.count <
		       folder->max_fds / 2 &&
	       !share_lookup(call->folder, call->node, name, entry);
}

/* Adds an entry to the answer. False: it does not fit. */
static bool add_entry(struct share_call *call, const struct dirent64 *from,
		      bool plus, size_t room)
{
	struct share_message *message = call->message;
	const size_t name_len = strnlen(from->d_name, sizeof(from->d_name));
	const size_t name_at = plus ? NAME_PLUS_AT : NAME_AT;
	const size_t len = align_up(name_at + name_len, FUSE_DIRENT_ALIGN(1));
	uint8_t *to = message->answer + message->answer_len;
	struct fuse_direntplus head = { .dirent = {
						.ino = from->d_ino,
						.off = (uint64_t)from->d_off,
						.namelen = (uint32_t)name_len,
						.type = from->d_type,
					} };

	if (len > room - message->answer_len)
		return false;
	/* What lies above the folder is not the guest's to know of. */
	if (call->node == call->folder->root && !strcmp(from->d_name, ".."))
		head.dirent.ino = call->node->ino;
	if (plus && !show(call, from->d_name, &head.entry_out)) {
		head.entry_out = (struct fuse_entry_out){ .nodeid = 0 };
		head.entry_out.attr.ino = head.dirent.ino;
		head.entry_out.attr.mode = DTTOIF((mode_t)from->d_type);
	}
	memset(to, 0, len);
	if (plus)
		memcpy(to, &head, name_at);
	else
		memcpy(to, &head.dirent, name_at);
	memcpy(to + name_at, from->d_name, name_len);
	message->answer_len += len;
	return true;
}

/* About as much of the folder as there is room for: what is left of it has to
 * be read again. Always a whole entry. */
static size_t piece(bool plus, size_t room)
{
	size_t len = plus ? room / 4 : room;

	return (size_t)min_u64(max_u64(len, sizeof(struct dirent64)),
			       SHARE_DIRENTS_BYTES);
}

/* One piece of the folder. @ret_full: what follows does not fit. */
static int add_entries(struct share_call *call, int fd, bool plus, size_t room,
		       bool *ret_full)
{
	uint8_t *bytes = call->folder->dirents;
	size_t left = room - call->message->answer_len;
	ssize_t got = getdents64(fd, bytes, piece(plus, left));
	ssize_t at = 0;

	if (got < 0)
		return -errno;
	*ret_full = !got;
	while (at < got && !*ret_full) {
		const struct dirent64 *entry = (const void *)(bytes + at);

		*ret_full = !add_entry(call, entry, plus, room);
		at += entry->d_reclen;
	}
	return 0;
}

static int read_folder(struct share_call *call, bool plus)
{
	const struct fuse_read_in *arg = call->arg;
	const struct share_handle *handle =
		share_handle_get(call->folder, arg->fh, true);
	size_t room = (size_t)min_u64(share_room(call), arg->size);
	bool full = false;
	int rc = 0;

	if (!handle)
		return -EBADF;
	/* A place is what the host's file system said it is, or any other
	 * number: then it says what it makes of that. */
	if (lseek(handle->fd, (off_t)arg->offset, SEEK_SET) < 0)
		return -errno;
	while (!rc && !full)
		rc = add_entries(call, handle->fd, plus, room, &full);
	/* What was shown has to be told of. */
	return call->message->answer_len ? 0 : rc;
}

int share_do_readdir(struct share_call *call)
{
	return read_folder(call, false);
}

int share_do_readdirplus(struct share_call *call)
{
	return read_folder(call, true);
}
