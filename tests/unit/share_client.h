/*
 * A client of the file server: it makes FUSE messages as a guest's kernel does,
 * or as none would, and keeps the answer. The folder is one of its own, which
 * is gone in the end.
 */
#ifndef TESTS_UNIT_SHARE_CLIENT_H
#define TESTS_UNIT_SHARE_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/share_folder.h"
#include "tests/unit/quick_check.h"

#define CLIENT_OUT_BYTES (2 * MIB)

struct share_client {
	char outside[64]; /* a folder that holds two: */
	char path[80]; /* the one that is shared */
	struct share_folder *folder;
	struct share *share;
	uint64_t unique;
	/* Of what is asked; 0: as root's processes. */
	uint32_t uid;
	uint32_t gid;
	/* The answer, behind its head. */
	uint8_t out[CLIENT_OUT_BYTES];
	size_t out_len;
	uint8_t buffer[SHARE_ANSWER_MAX];
	/* How much room the next answers have; 0: all. */
	size_t room;
	bool answered;
	const void *data;
	size_t data_len;
};

static struct share_client client;

/* What the next message has behind what is copied; borrowed until then. */
static inline void client_attach(const void *data, size_t len)
{
	client.data = data;
	client.data_len = len;
}

/* Sends bytes as they are. Returns the error, 0 or negative. */
static inline int client_send(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	struct iovec in = {
		.iov_base = (void *)client.data,
		.iov_len = client.data_len,
	};
	struct iovec out[2];
	size_t room = client.room ? client.room : sizeof(client.out);
	struct share_message message = {
		.bytes = copy,
		.len = len,
		.in = &in,
		.in_count = client.data_len ? 1 : 0,
		.in_bytes = client.data_len,
		.out = out,
		.out_count = 2,
		.out_bytes = room,
		.can_answer = true,
		.answer = client.buffer,
	};
	struct fuse_out_header head;
	size_t half = room / 3;

	/* Of exactly that size, for the sanitizer. */
	memcpy(copy, bytes, len);
	out[0] = (struct iovec){ client.out, half };
	out[1] = (struct iovec){ client.out + half, room - half };
	client.answered = client.share->ops->serve(client.share, &message);
	free(copy);
	client_attach(NULL, 0);
	client.out_len = 0;
	if (!client.answered)
		return 0;
	memcpy(&head, message.head, sizeof(head));
	ck_assert_uint_le(message.answer_len + message.moved, room);
	ck_assert_uint_eq(head.len, 16 + message.answer_len + message.moved);
	ck_assert_uint_eq(head.unique, client.unique);
	ck_assert(!message.answer_len || !message.moved);
	if (message.answer_len)
		memcpy(client.out, message.answer, message.answer_len);
	client.out_len = message.answer_len + message.moved;
	ck_assert(!head.error || !client.out_len);
	return head.error;
}

/* One message: an argument, then bytes, then what is attached. */
static inline int client_ask(uint32_t opcode, uint64_t nodeid, const void *arg,
			     size_t arg_len, const void *rest, size_t rest_len)
{
	uint8_t bytes[SHARE_QUESTION_MAX];
	struct fuse_in_header head = {
		.len = (uint32_t)(sizeof(head) + arg_len + rest_len +
				  client.data_len),
		.opcode = opcode,
		.unique = ++client.unique,
		.nodeid = nodeid,
		.uid = client.uid,
		.gid = client.gid,
	};

	memcpy(bytes, &head, sizeof(head));
	if (arg_len)
		memcpy(bytes + sizeof(head), arg, arg_len);
	if (rest_len)
		memcpy(bytes + sizeof(head) + arg_len, rest, rest_len);
	return client_send(bytes, sizeof(head) + arg_len + rest_len);
}

static inline int client_name(uint32_t opcode, uint64_t nodeid, const void *arg,
			      size_t arg_len, const char *name)
{
	return client_ask(opcode, nodeid, arg, arg_len, name, strlen(name) + 1);
}

static inline int client_names(uint32_t opcode, uint64_t nodeid,
			       const void *arg, size_t arg_len, const char *one,
			       const char *two)
{
	char both[16384];
	size_t len = strlen(one) + 1;

	memcpy(both, one, len);
	memcpy(both + len, two, strlen(two) + 1);
	return client_ask(opcode, nodeid, arg, arg_len, both,
			  len + strlen(two) + 1);
}

/* --- Operations ---------------------------------------------------------- */

static inline int client_init_flags(uint32_t flags)
{
	const struct fuse_init_in arg = {
		.major = 7,
		.minor = 37,
		.max_readahead = 131072,
		.flags = flags,
	};

	return client_ask(FUSE_INIT, 0, &arg, sizeof(arg), NULL, 0);
}

static inline struct fuse_entry_out client_entry(void)
{
	struct fuse_entry_out entry;

	ck_assert_uint_ge(client.out_len, sizeof(entry));
	memcpy(&entry, client.out, sizeof(entry));
	return entry;
}

static inline int client_lookup(uint64_t parent, const char *name)
{
	return client_name(FUSE_LOOKUP, parent, NULL, 0, name);
}

/* The node of what must be there. */
static inline uint64_t client_node(uint64_t parent, const char *name)
{
	ck_assert_int_eq(client_lookup(parent, name), 0);
	ck_assert_uint_eq(client.out_len, sizeof(struct fuse_entry_out));
	return client_entry().nodeid;
}

static inline void client_forget(uint64_t node, uint64_t lookups)
{
	const struct fuse_forget_in arg = { .nlookup = lookups };

	client_ask(FUSE_FORGET, node, &arg, sizeof(arg), NULL, 0);
	ck_assert(!client.answered);
}

static inline int client_getattr(uint64_t node)
{
	const struct fuse_getattr_in arg = { 0 };

	return client_ask(FUSE_GETATTR, node, &arg, sizeof(arg), NULL, 0);
}

static inline int client_setattr(uint64_t node,
				 const struct fuse_setattr_in *arg)
{
	return client_ask(FUSE_SETATTR, node, arg, sizeof(*arg), NULL, 0);
}

static inline int client_mkdir(uint64_t parent, const char *name)
{
	const struct fuse_mkdir_in arg = { .mode = 0755 };

	return client_name(FUSE_MKDIR, parent, &arg, sizeof(arg), name);
}

static inline int client_create(uint64_t parent, const char *name,
				uint32_t flags, uint64_t *ret_fh)
{
	const struct fuse_create_in arg = {
		.flags = flags | O_CREAT,
		.mode = S_IFREG | 0640,
	};
	struct fuse_open_out open;
	int rc = client_name(FUSE_CREATE, parent, &arg, sizeof(arg), name);

	if (rc)
		return rc;
	ck_assert_uint_eq(client.out_len,
			  sizeof(struct fuse_entry_out) + sizeof(open));
	memcpy(&open, client.out + sizeof(struct fuse_entry_out), sizeof(open));
	*ret_fh = open.fh;
	return 0;
}

static inline int client_open_as(uint32_t opcode, uint64_t node, uint32_t flags,
				 uint64_t *ret_fh)
{
	const struct fuse_open_in arg = { .flags = flags };
	struct fuse_open_out open;
	int rc = client_ask(opcode, node, &arg, sizeof(arg), NULL, 0);

	if (rc)
		return rc;
	ck_assert_uint_eq(client.out_len, sizeof(open));
	memcpy(&open, client.out, sizeof(open));
	*ret_fh = open.fh;
	return 0;
}

static inline int client_open(uint64_t node, uint32_t flags, uint64_t *ret_fh)
{
	return client_open_as(FUSE_OPEN, node, flags, ret_fh);
}

static inline int client_read_as(uint32_t opcode, uint64_t node, uint64_t fh,
				 uint64_t offset, uint32_t size)
{
	const struct fuse_read_in arg = {
		.fh = fh,
		.offset = offset,
		.size = size,
	};

	return client_ask(opcode, node, &arg, sizeof(arg), NULL, 0);
}

static inline int client_read(uint64_t node, uint64_t fh, uint64_t offset,
			      uint32_t size)
{
	return client_read_as(FUSE_READ, node, fh, offset, size);
}

/* @arg says all but the size. */
static inline int client_write_as(uint64_t node, struct fuse_write_in arg,
				  const void *data, size_t len)
{
	arg.size = (uint32_t)len;
	client_attach(data, len);
	return client_ask(FUSE_WRITE, node, &arg, sizeof(arg), NULL, 0);
}

static inline int client_write(uint64_t node, uint64_t fh, uint64_t offset,
			       const void *data, size_t len)
{
	const struct fuse_write_in arg = { .fh = fh, .offset = offset };

	return client_write_as(node, arg, data, len);
}

static inline int client_release(uint64_t node, uint64_t fh)
{
	const struct fuse_release_in arg = { .fh = fh };

	return client_ask(FUSE_RELEASE, node, &arg, sizeof(arg), NULL, 0);
}

/* --- The host's side ----------------------------------------------------- */

/* The path of what lies in the folder; the last four stay valid. */
static inline const char *client_path(const char *name)
{
	static char paths[4][512];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", client.path, name);
	return path;
}

static inline void client_make_file(const char *name, const char *text)
{
	int fd = open(client_path(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline bool client_host_has(const char *name)
{
	struct stat stat;

	return !lstat(client_path(name), &stat);
}

static inline struct stat client_host_stat(const char *name)
{
	struct stat stat;

	ck_assert_int_eq(lstat(client_path(name), &stat), 0);
	return stat;
}

static inline void client_folder(const struct share_folder_config *config)
{
	struct share_folder_config own = *config;

	own.path = client.path;
	if (!own.max_fds)
		own.max_fds = 500;
	ck_assert_int_eq(share_folder_open(&own, &client.folder, NULL), 0);
	client.share = share_folder_share(client.folder);
	ck_assert_int_eq(client_init_flags(~0U), 0);
}

static inline void client_open_anew(const struct share_folder_config *config)
{
	share_folder_free(client.folder);
	client_folder(config);
}

static inline unsigned int client_count_fds(void)
{
	unsigned int count = 0;
	struct stat stat;

	for (int fd = 0; fd < 1024; fd++)
		count += !fstat(fd, &stat);
	return count;
}

static inline void client_set_up(void)
{
	memset(&client, 0, sizeof(client));
	client.uid = geteuid();
	client.gid = getegid();
	snprintf(client.outside, sizeof(client.outside),
		 "/var/tmp/hull-share-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(client.outside));
	snprintf(client.path, sizeof(client.path), "%s/shared", client.outside);
	ck_assert_int_eq(mkdir(client.path, 0755), 0);
}

static inline int client_remove(const char *path, const struct stat *stat,
				int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void client_tear_down(void)
{
	share_folder_free(client.folder);
	client.folder = NULL;
	nftw(client.outside, client_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
