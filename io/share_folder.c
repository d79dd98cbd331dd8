/*
 * A shared folder: how it is opened and closed, and the way of one question,
 * from its bytes to an operation that has a node, an argument and names that
 * were all checked.
 */
#include "io/share_folder.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

#define HEAD_BYTES sizeof(struct fuse_in_header)
/* A page each, so 1 MiB, which is what max_write says too. */
#define MAX_PAGES  256
#define MAX_WRITE  (MAX_PAGES * 4096U)
/* Of 7.31: what came later is negotiated by flags. */
#define MIN_MINOR  31

_Static_assert(HEAD_BYTES == SHARE_QUESTION_HEAD, "fuse_in_header");
_Static_assert(sizeof(struct fuse_out_header) == SHARE_ANSWER_HEAD,
	       "fuse_out_header");
_Static_assert(HEAD_BYTES + sizeof(struct fuse_write_in) == SHARE_QUESTION_PEEK,
	       "fuse_write_in");

/* --- The answer ---------------------------------------------------------- */

size_t share_room(const struct share_call *call)
{
	return (size_t)min_u64(call->message->out_bytes, SHARE_ANSWER_MAX);
}

int share_answer(struct share_call *call, const void *from, size_t len)
{
	struct share_message *message = call->message;

	if (len > share_room(call))
		return -EIO;
	memcpy(message->answer, from, len);
	message->answer_len = len;
	return 0;
}

/* --- Sessions ------------------------------------------------------------ */

static uint32_t wanted_flags(const struct share_folder *folder)
{
	uint32_t flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO |
			 FUSE_ATOMIC_O_TRUNC | FUSE_PARALLEL_DIROPS |
			 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
			 FUSE_MAX_PAGES | FUSE_HANDLE_KILLPRIV_V2;

	if (folder->cache != SHARE_CACHE_ALWAYS)
		flags |= FUSE_AUTO_INVAL_DATA;
	return flags;
}

static int do_init(struct share_call *call)
{
	const struct fuse_init_in *arg = call->arg;
	struct share_folder *folder = call->folder;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
	};

	/* A later major version asks again with ours. */
	if (arg->major > FUSE_KERNEL_VERSION)
		return share_answer(call, &out, sizeof(out));
	if (arg->major < FUSE_KERNEL_VERSION || arg->minor < MIN_MINOR)
		return -EPROTO;
	share_forget_all(folder);
	out.flags = arg->flags & wanted_flags(folder);
	out.max_readahead = arg->max_readahead;
	out.max_background = 64;
	out.congestion_threshold = 48;
	out.max_write = MAX_WRITE;
	out.time_gran = 1;
	out.max_pages = MAX_PAGES;
	folder->kill_privileges = out.flags & FUSE_HANDLE_KILLPRIV_V2;
	folder->initialised = true;
	return share_answer(call, &out, sizeof(out));
}

static void forget_session(struct share_folder *folder)
{
	share_forget_all(folder);
	folder->initialised = false;
	folder->kill_privileges = false;
}

static int do_destroy(struct share_call *call)
{
	forget_session(call->folder);
	return 0;
}

static int do_forget(struct share_call *call)
{
	const struct fuse_forget_in *arg = call->arg;

	share_forget(call->folder, call->in.nodeid, arg->nlookup);
	return 0;
}

static int do_batch_forget(struct share_call *call)
{
	const struct fuse_batch_forget_in *arg = call->arg;
	struct fuse_forget_one one;

	if (call->rest_len / sizeof(one) < arg->count)
		return -EINVAL;
	for (uint32_t i = 0; i < arg->count; i++) {
		memcpy(&one, call->rest + i * sizeof(one), sizeof(one));
		share_forget(call->folder, one.nodeid, one.nlookup);
	}
	return 0;
}

static int do_nothing(struct share_call *call)
{
	(void)call;
	return 0;
}

/* --- Operations ---------------------------------------------------------- */

enum {
	CHANGES = 1 << 0, /* refused when the share is read-only */
	NO_NODE = 1 << 1, /* nodeid names nothing */
	NO_ANSWER = 1 << 2,
	REST = 1 << 3, /* bytes follow the names */
	TEXT = 1 << 4, /* the last name is any text */
	EARLY = 1 << 5, /* before INIT too */
};

struct operation {
	share_operation *run; /* NULL: unknown */
	uint8_t arg_bytes; /* at the least */
	uint8_t answer_bytes; /* the room it wants at the least */
	uint8_t names;
	uint8_t flags;
};

#define ENTRY	  sizeof(struct fuse_entry_out)
#define ATTR	  sizeof(struct fuse_attr_out)
#define OPEN	  sizeof(struct fuse_open_out)
#define ARG(type) sizeof(struct fuse_##type##_in)
#define OUT(type) sizeof(struct fuse_##type##_out)

/* INIT of 7.35 and before is shorter: zeroes stand for the rest. */
#define INIT_BYTES 16

static const struct operation operations[] = {
	[FUSE_LOOKUP] = { share_do_lookup, 0, ENTRY, 1, 0 },
	[FUSE_FORGET] = { do_forget, ARG(forget), 0, 0, NO_NODE | NO_ANSWER },
	[FUSE_GETATTR] = { share_do_getattr, ARG(getattr), ATTR, 0, 0 },
	[FUSE_SETATTR] = { share_do_setattr, ARG(setattr), ATTR, 0, CHANGES },
	[FUSE_READLINK] = { share_do_readlink, 0, 0, 0, 0 },
	[FUSE_SYMLINK] = { share_do_symlink, 0, ENTRY, 2, CHANGES | TEXT },
	[FUSE_MKNOD] = { share_do_mknod, ARG(mknod), ENTRY, 1, CHANGES },
	[FUSE_MKDIR] = { share_do_mkdir, ARG(mkdir), ENTRY, 1, CHANGES },
	[FUSE_UNLINK] = { share_do_unlink, 0, 0, 1, CHANGES },
	[FUSE_RMDIR] = { share_do_rmdir, 0, 0, 1, CHANGES },
	[FUSE_RENAME] = { share_do_rename, ARG(rename), 0, 2, CHANGES },
	[FUSE_LINK] = { share_do_link, ARG(link), ENTRY, 1, CHANGES },
	[FUSE_OPEN] = { share_do_open, ARG(open), OPEN, 0, 0 },
	[FUSE_READ] = { share_do_read, ARG(read), 0, 0, 0 },
	[FUSE_WRITE] = { share_do_write, ARG(write), OUT(write), 0, CHANGES },
	[FUSE_STATFS] = { share_do_statfs, 0, OUT(statfs), 0, 0 },
	[FUSE_RELEASE] = { share_do_release, ARG(release), 0, 0, NO_NODE },
	[FUSE_FSYNC] = { share_do_fsync, ARG(fsync), 0, 0, 0 },
	[FUSE_SETXATTR] = { share_do_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0,
			    1, CHANGES | REST | TEXT },
	[FUSE_GETXATTR] = { share_do_getxattr, ARG(getxattr), 0, 1, TEXT },
	[FUSE_LISTXATTR] = { share_do_listxattr, ARG(getxattr), 0, 0, 0 },
	[FUSE_REMOVEXATTR] = { share_do_removexattr, 0, 0, 1, CHANGES | TEXT },
	[FUSE_FLUSH] = { share_do_flush, ARG(flush), 0, 0, 0 },
	[FUSE_INIT] = { do_init, INIT_BYTES, OUT(init), 0,
			NO_NODE | REST | EARLY },
	[FUSE_OPENDIR] = { share_do_opendir, ARG(open), OPEN, 0, 0 },
	[FUSE_READDIR] = { share_do_readdir, ARG(read), 0, 0, 0 },
	[FUSE_RELEASEDIR] = { share_do_releasedir, ARG(release), 0, 0,
			      NO_NODE },
	[FUSE_FSYNCDIR] = { share_do_fsyncdir, ARG(fsync), 0, 0, 0 },
	[FUSE_CREATE] = { share_do_create, ARG(create), ENTRY + OPEN, 1,
			  CHANGES },
	/* A call of ours is soon over, or cannot be interrupted. */
	[FUSE_INTERRUPT] = { do_nothing, ARG(interrupt), 0, 0,
			     NO_NODE | NO_ANSWER },
	[FUSE_DESTROY] = { do_destroy, 0, 0, 0, NO_NODE },
	[FUSE_BATCH_FORGET] = { do_batch_forget, ARG(batch_forget), 0, 0,
				NO_NODE | NO_ANSWER | REST },
	[FUSE_FALLOCATE] = { share_do_fallocate, ARG(fallocate), 0, 0,
			     CHANGES },
	[FUSE_READDIRPLUS] = { share_do_readdirplus, ARG(read), 0, 0, 0 },
	[FUSE_RENAME2] = { share_do_rename2, ARG(rename2), 0, 2, CHANGES },
	[FUSE_LSEEK] = { share_do_lseek, ARG(lseek), OUT(lseek), 0, 0 },
	[FUSE_SYNCFS] = { share_do_syncfs, ARG(syncfs), 0, 0, 0 },
};

/* The longest argument, aligned for any. */
union argument {
	struct fuse_init_in init;
	struct fuse_setattr_in setattr;
	struct fuse_write_in write;
	uint64_t any[16];
};

static bool is_component(const char *name, size_t len)
{
	if (!len || len > NAME_MAX || memchr(name, '/', len))
		return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The texts that follow the argument, each with its NUL. */
static int parse_names(struct share_call *call,
		       const struct operation *operation)
{
	for (unsigned int i = 0; i < operation->names; i++) {
		const uint8_t *end = memchr(call->rest, 0, call->rest_len);
		const char *name = (const char *)call->rest;
		bool any = operation->flags & TEXT && i + 1 == operation->names;
		size_t len;

		if (!end)
			return -EINVAL;
		len = (size_t)(end - call->rest);
		if (len >= PATH_MAX || (!any && len > NAME_MAX))
			return -ENAMETOOLONG;
		if (!any && !is_component(name, len))
			return -EINVAL;
		call->name[i] = name;
		call->rest += len + 1;
		call->rest_len -= len + 1;
	}
	return call->rest_len && !(operation->flags & REST) ? -EINVAL : 0;
}

static int parse_arg(struct share_call *call, const struct operation *operation,
		     union argument *arg)
{
	size_t len = operation->arg_bytes;

	if (call->rest_len < len)
		return -EINVAL;
	/* As much as there is of the one whose length varies. */
	if (operation->run == do_init)
		len = (size_t)min_u64(call->rest_len, sizeof(arg->init));
	memcpy(arg, call->rest, len);
	call->arg = arg;
	call->rest += len;
	call->rest_len -= len;
	return 0;
}

static int find_node(struct share_call *call, const struct operation *operation)
{
	if (operation->flags & NO_NODE)
		return 0;
	call->node = share_node_get(call->folder, call->in.nodeid);
	if (!call->node)
		return -ESTALE;
	/* What takes the name of something takes it in a folder. */
	if (operation->names && !(operation->flags & TEXT) &&
	    call->node->type != S_IFDIR)
		return -ENOTDIR;
	return 0;
}

/* Whether what is asked can be served at all. */
static int check_call(const struct share_call *call,
		      const struct operation *operation)
{
	const struct share_message *message = call->message;

	if (!operation->run)
		return -ENOSYS;
	/* Nothing is done that could not be told of. */
	if (!message->can_answer && !(operation->flags & NO_ANSWER))
		return -EIO;
	if (!call->folder->initialised && !(operation->flags & EARLY))
		return -EIO;
	/* Only a write has more than was copied. */
	if (message->in_bytes && operation->run != share_do_write)
		return -E2BIG;
	if (message->out_bytes < operation->answer_bytes)
		return -EIO;
	if (operation->flags & CHANGES && call->folder->read_only)
		return -EROFS;
	return 0;
}

/* Its argument is in @arg, all zeroes until then. */
static int run(struct share_call *call, const struct operation *operation,
	       union argument *arg)
{
	int rc = check_call(call, operation);

	if (!rc)
		rc = parse_arg(call, operation, arg);
	if (!rc)
		rc = parse_names(call, operation);
	if (!rc)
		rc = find_node(call, operation);
	return rc ? rc : operation->run(call);
}

/* --- The contract -------------------------------------------------------- */

static struct share_folder *from_share(struct share *share)
{
	return container_of(share, struct share_folder, share);
}

static size_t folder_copied(struct share *share, const uint8_t *peek,
			    size_t len, uint64_t total)
{
	struct fuse_in_header in;

	(void)share;
	if (len < HEAD_BYTES)
		return len;
	memcpy(&in, peek, sizeof(in));
	if (in.opcode == FUSE_WRITE)
		return len;
	return (size_t)min_u64(total, SHARE_QUESTION_MAX);
}

static void finish(struct share_call *call, int rc)
{
	struct share_message *message = call->message;
	struct fuse_out_header out = {
		.error = rc,
		.unique = call->in.unique,
	};

	if (rc) {
		message->answer_len = 0;
		message->moved = 0;
	}
	out.len =
		(uint32_t)(sizeof(out) + message->answer_len + message->moved);
	memcpy(message->head, &out, sizeof(out));
}

/* False: it is too short to say what it is. */
static bool begin(struct share_call *call, const uint8_t *bytes, size_t len)
{
	if (len < HEAD_BYTES)
		return false;
	memcpy(&call->in, bytes, HEAD_BYTES);
	call->rest = bytes + HEAD_BYTES;
	call->rest_len = len - HEAD_BYTES;
	return true;
}

static bool folder_serve(struct share *share, struct share_message *message)
{
	static const struct operation unknown = { .run = NULL };
	struct share_call call = {
		.folder = from_share(share),
		.message = message,
	};
	union argument arg = { .any = { 0 } };
	const struct operation *operation = &unknown;
	int rc;

	message->answer_len = 0;
	message->moved = 0;
	if (!begin(&call, message->bytes, message->len))
		return false;
	if (!call.folder->ready)
		share_user_prepare(call.folder);
	call.folder->ready = true;
	share_reap(call.folder);
	if (call.in.opcode < ARRAY_SIZE(operations))
		operation = &operations[call.in.opcode];
	if (call.in.len != message->len + message->in_bytes)
		rc = -EIO;
	else
		rc = run(&call, operation, &arg);
	finish(&call, rc);
	share_reap(call.folder);
	return message->can_answer && !(operation->flags & NO_ANSWER);
}

static void folder_forget(struct share *share, const uint8_t *bytes, size_t len)
{
	struct share_call call = { .folder = from_share(share) };
	union argument arg = { .any = { 0 } };
	const struct operation *operation;

	if (!begin(&call, bytes, len) || call.in.len != len ||
	    (call.in.opcode != FUSE_FORGET &&
	     call.in.opcode != FUSE_BATCH_FORGET))
		return;
	operation = &operations[call.in.opcode];
	if (!parse_arg(&call, operation, &arg) &&
	    !parse_names(&call, operation))
		operation->run(&call);
}

static void folder_reset(struct share *share)
{
	forget_session(from_share(share));
}

static const struct share_ops folder_ops = {
	.copied = folder_copied,
	.serve = folder_serve,
	.forget = folder_forget,
	.reset = folder_reset,
};

/* --- Life ---------------------------------------------------------------- */

/*
 * The folder by a mount of our own that nobody else sees, whose being read-only
 * is the kernel's to hold. Takes CAP_SYS_ADMIN; -1 without.
 */
static int open_sealed(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int fd =
		open_tree(AT_FDCWD, path,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
				    sizeof(attr)))
		return -1;
	return move_fd(&fd);
}

static int open_path(struct share_folder *folder, const char *path,
		     struct err *err)
{
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat stat;
	int sealed = -1;
	int rc;

	if (fd < 0 && errno == ENOTDIR)
		return err_set(err, ENOTDIR,
			       "%s is not a folder; a share is one", path);
	if (fd < 0)
		return err_sys(err, errno, "cannot share the folder %s", path);
	if (folder->read_only)
		sealed = open_sealed(path);
	folder->sealed = sealed >= 0;
	if (folder->sealed) {
		close(fd);
		fd = sealed;
	}
	rc = share_stat(fd, &stat);
	if (!rc)
		rc = share_node_enter(folder, move_fd(&fd), &stat,
				      &folder->root);
	if (rc)
		return err_sys(err, -rc, "cannot share the folder %s", path);
	assert(folder->root->id == FUSE_ROOT_ID);
	return 0;
}

int share_folder_open(const struct share_folder_config *config,
		      struct share_folder **ret_folder, struct err *err)
{
	struct share_folder *folder = calloc(1, sizeof(*folder));
	int rc;

	assert(config->max_fds >= 16);
	if (!folder)
		return err_sys(err, ENOMEM, "share");
	*folder = (struct share_folder){
		.share = { .ops = &folder_ops },
		.proc_fd =
			open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.read_only = config->read_only,
		.cache = config->cache,
		.max_fds = config->max_fds,
		.dirents = malloc(SHARE_DIRENTS_BYTES),
	};
	pthread_mutex_init(&folder->lock, NULL);
	if (!folder->dirents)
		rc = err_sys(err, ENOMEM, "share");
	else if (folder->proc_fd < 0)
		rc = err_sys(err, errno,
			     "a share needs /proc/self/fd; mount /proc");
	else
		rc = open_path(folder, config->path, err);
	if (rc) {
		share_folder_free(folder);
		return rc;
	}
	*ret_folder = folder;
	return 0;
}

void share_folder_free(struct share_folder *folder)
{
	if (!folder)
		return;
	share_forget_all(folder);
	if (folder->root) {
		close(folder->root->fd);
		free(folder->root);
	}
	if (folder->proc_fd >= 0)
		close(folder->proc_fd);
	share_slots_release(&folder->nodes);
	share_slots_release(&folder->handles);
	free(folder->buckets);
	free(folder->dirents);
	pthread_mutex_destroy(&folder->lock);
	free(folder);
}

struct share *share_folder_share(struct share_folder *folder)
{
	return &folder->share;
}

bool share_folder_is_sealed(const struct share_folder *folder)
{
	return folder->sealed;
}
