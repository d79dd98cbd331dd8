/*
 * Extended attributes: those of users (xattr(7), user.*), of files and folders.
 * Others mean something to the host's kernel: security.capability would give
 * rights on the host, trusted.* and system.* are its own.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/util.h"
#include "io/share_internal.h"

static const char prefix[] = "user.";

static bool is_users(const char *name)
{
	return !strncmp(name, prefix, sizeof(prefix) - 1);
}

/* 0, or why the node cannot have the attribute. */
static int check(const struct share_call *call, const char *name, int error)
{
	if (!is_users(name))
		return -EOPNOTSUPP;
	if (call->node->type != S_IFREG && call->node->type != S_IFDIR)
		return error;
	return 0;
}

/* Answers @len bytes that are in the answer's buffer, or how many there are. */
static int answer_sized(struct share_call *call, uint32_t size, size_t len)
{
	const struct fuse_getxattr_out out = { .size = (uint32_t)len };

	if (!size)
		return share_answer(call, &out, sizeof(out));
	if (len > size || len > share_room(call))
		return -ERANGE;
	call->message->answer_len = len;
	return 0;
}

int share_do_getxattr(struct share_call *call)
{
	const struct fuse_getxattr_in *arg = call->arg;
	char path[SHARE_PROC_PATH_BYTES];
	ssize_t len;
	int rc = check(call, call->name[0], -ENODATA);

	if (rc)
		return rc;
	share_proc_path(call->node, path);
	len = getxattr(path, call->name[0], call->message->answer,
		       SHARE_ANSWER_MAX);
	return len < 0 ? -errno : answer_sized(call, arg->size, (size_t)len);
}

int share_do_setxattr(struct share_call *call)
{
	/* What there is of it without SETXATTR_EXT. */
	const struct fuse_setxattr_in *arg = call->arg;
	char path[SHARE_PROC_PATH_BYTES];
	int rc = check(call, call->name[0], -EPERM);

	if (rc)
		return rc;
	if (arg->size != call->rest_len ||
	    arg->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	share_proc_path(call->node, path);
	return setxattr(path, call->name[0], call->rest, call->rest_len,
			(int)arg->flags) ?
		       -errno :
		       0;
}

int share_do_removexattr(struct share_call *call)
{
	char path[SHARE_PROC_PATH_BYTES];
	int rc = check(call, call->name[0], -EPERM);

	if (rc)
		return rc;
	share_proc_path(call->node, path);
	return removexattr(path, call->name[0]) ? -errno : 0;
}

/* Moves the names that are users' to the front. Returns their length. */
static size_t keep_users(char *names, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		size_t one = strnlen(names + at, len - at - 1) + 1;

		if (is_users(names + at)) {
			memmove(names + kept, names + at, one);
			kept += one;
		}
		at += one;
	}
	return kept;
}

int share_do_listxattr(struct share_call *call)
{
	const struct fuse_getxattr_in *arg = call->arg;
	char *names = (char *)call->message->answer;
	char path[SHARE_PROC_PATH_BYTES];
	ssize_t len;

	if (call->node->type != S_IFREG && call->node->type != S_IFDIR)
		return answer_sized(call, arg->size, 0);
	share_proc_path(call->node, path);
	len = listxattr(path, names, SHARE_ANSWER_MAX);
	if (len < 0)
		return -errno;
	return answer_sized(call, arg->size, keep_users(names, (size_t)len));
}
