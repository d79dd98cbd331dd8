/*
 * The file server's open files: data both ways, folders that are read, extended
 * attributes.
 */
#include <linux/falloc.h>
#include <sys/xattr.h>

#include "tests/unit/share_client.h"

#define ROOT FUSE_ROOT_ID

static void set_up(void)
{
	const struct share_folder_config plain = { .max_fds = 0 };

	client_set_up();
	client_folder(&plain);
}

/* --- Data ---------------------------------------------------------------- */

static uint32_t written(void)
{
	struct fuse_write_out out;

	ck_assert_uint_eq(client.out_len, sizeof(out));
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.padding, 0);
	return out.size;
}

START_TEST(test_read_and_write)
{
	uint8_t *data = malloc(MIB);
	uint64_t node;
	uint64_t fh;

	for (size_t i = 0; i < MIB; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
	node = client_entry().nodeid;
	ck_assert_int_eq(client_write(node, fh, 0, data, MIB), 0);
	ck_assert_uint_eq(written(), MIB);
	ck_assert_int_eq(client_write(node, fh, MIB, data, 1000), 0);
	ck_assert_uint_eq(written(), 1000);
	ck_assert_int_eq(client_host_stat("f").st_size, MIB + 1000);
	ck_assert_int_eq(client_read(node, fh, 0, MIB), 0);
	ck_assert_uint_eq(client.out_len, MIB);
	ck_assert_mem_eq(client.out, data, MIB);
	/* Short at the end, nothing behind it, nothing of nothing. */
	ck_assert_int_eq(client_read(node, fh, MIB - 5, 4096), 0);
	ck_assert_uint_eq(client.out_len, 1005);
	ck_assert_mem_eq(client.out, data + MIB - 5, 5);
	ck_assert_int_eq(client_read(node, fh, MIB + 1000, 4096), 0);
	ck_assert_uint_eq(client.out_len, 0);
	ck_assert_int_eq(client_read(node, fh, 0, 0), 0);
	ck_assert_uint_eq(client.out_len, 0);
	/* No more than was asked for, nor than there is room for. */
	client.room = 100;
	ck_assert_int_eq(client_read(node, fh, 0, 60), 0);
	ck_assert_uint_eq(client.out_len, 60);
	ck_assert_int_eq(client_read(node, fh, 0, UINT32_MAX), 0);
	ck_assert_uint_eq(client.out_len, 100);
	ck_assert_int_eq(client_read(node, fh, UINT64_MAX, 10), -EINVAL);
	ck_assert_int_eq(client_write(node, fh, UINT64_MAX, data, 1), -EINVAL);
	ck_assert_int_eq(client_release(node, fh), 0);
	ck_assert_int_eq(client_release(node, fh), -EBADF);
	ck_assert_int_eq(client_read(node, fh, 0, 1), -EBADF);
	free(data);
}
END_TEST

START_TEST(test_write_of_another_size)
{
	struct fuse_write_in arg = { .size = 10 };
	uint64_t fh;

	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
	arg.fh = fh;
	client_attach("123456789", 9);
	ck_assert_int_eq(client_ask(FUSE_WRITE, ROOT, &arg, sizeof(arg), NULL,
				    0),
			 -EINVAL);
	ck_assert_int_eq(client_ask(FUSE_WRITE, ROOT, &arg, sizeof(arg), NULL,
				    0),
			 -EINVAL);
	/* In what is copied there is no data. */
	ck_assert_int_eq(client_ask(FUSE_WRITE, ROOT, &arg, sizeof(arg),
				    "0123456789", 10),
			 -EINVAL);
	/* Nothing else has any. */
	client_attach("x", 1);
	ck_assert_int_eq(client_ask(FUSE_GETATTR, ROOT, &arg, 16, NULL, 0),
			 -E2BIG);
	ck_assert_int_eq(client_host_stat("f").st_size, 0);
}
END_TEST

/* fcntl(2) in the guest changes an open file: each write says how it is. */
START_TEST(test_append)
{
	uint64_t node;
	uint64_t fh;

	client_make_file("f", "0123456789");
	node = client_node(ROOT, "f");
	ck_assert_int_eq(client_open(node, O_RDWR | O_APPEND, &fh), 0);
	ck_assert_int_eq(client_write_as(node,
					 (struct fuse_write_in){
						 .fh = fh, .flags = O_APPEND },
					 "ab", 2),
			 0);
	ck_assert_int_eq(client_host_stat("f").st_size, 12);
	ck_assert_int_eq(client_write_as(node,
					 (struct fuse_write_in){ .fh = fh },
					 "cd", 2),
			 0);
	/* What its page cache writes back has its place. */
	ck_assert_int_eq(
		client_write_as(
			node,
			(struct fuse_write_in){ .fh = fh,
						.offset = 2,
						.write_flags = FUSE_WRITE_CACHE,
						.flags = O_APPEND },
			"ef", 2),
		0);
	ck_assert_int_eq(client_read(node, fh, 0, 100), 0);
	ck_assert_uint_eq(client.out_len, 12);
	ck_assert_mem_eq(client.out, "cdef456789ab", 12);
}
END_TEST

START_TEST(test_modes_of_open)
{
	uint64_t node;
	uint64_t fh;

	client_make_file("f", "text");
	node = client_node(ROOT, "f");
	ck_assert_int_eq(client_open(node, O_RDONLY, &fh), 0);
	ck_assert_int_eq(client_write(node, fh, 0, "x", 1), -EBADF);
	ck_assert_int_eq(client_open(node, O_WRONLY, &fh), 0);
	ck_assert_int_eq(client_read(node, fh, 0, 1), -EBADF);
	/* What would make something else of it is left out. */
	ck_assert_int_eq(client_open(node,
				     O_RDONLY | O_CREAT | O_EXCL | O_DIRECTORY |
					     O_PATH | O_TMPFILE | O_NONBLOCK,
				     &fh),
			 0);
	ck_assert_int_eq(client_read(node, fh, 0, 10), 0);
	ck_assert_uint_eq(client.out_len, 4);
	ck_assert_int_eq(client_open(node, O_RDWR | O_TRUNC, &fh), 0);
	ck_assert_int_eq(client_host_stat("f").st_size, 0);
	client_make_file("f", "text");
	ck_assert_int_eq(client_open(node, O_RDONLY | O_TRUNC, &fh), 0);
	ck_assert_int_eq(client_host_stat("f").st_size, 0);
	ck_assert_int_eq(client_write(node, fh, 0, "x", 1), -EBADF);
	ck_assert_int_eq(client_open(ROOT, O_RDONLY, &fh), -EISDIR);
	ck_assert_int_eq(client_open_as(FUSE_OPENDIR, node, O_RDONLY, &fh),
			 -ENOTDIR);
}
END_TEST

START_TEST(test_create)
{
	uint64_t fh;

	ck_assert_int_eq(client_create(ROOT, "f", O_WRONLY | O_EXCL, &fh), 0);
	ck_assert_uint_eq(client_host_stat("f").st_mode, S_IFREG | 0640);
	ck_assert_int_eq(client_write(ROOT, fh, 0, "text", 4), 0);
	ck_assert_int_eq(client_create(ROOT, "f", O_WRONLY | O_EXCL, &fh),
			 -EEXIST);
	/* What came meanwhile is opened as it is. */
	ck_assert_int_eq(client_create(ROOT, "f", O_RDONLY, &fh), 0);
	ck_assert_uint_eq(client_entry().attr.size, 4);
	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR | O_TRUNC, &fh), 0);
	ck_assert_int_eq(client_host_stat("f").st_size, 0);
	ck_assert_int_eq(client_mkdir(ROOT, "d"), 0);
	ck_assert_int_eq(client_create(ROOT, "d", O_RDWR, &fh), -ESTALE);
}
END_TEST

START_TEST(test_unlinked_but_open)
{
	struct fuse_setattr_in arg = { .valid = FATTR_SIZE, .size = 3 };
	uint64_t node;
	uint64_t fh;

	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
	node = client_entry().nodeid;
	ck_assert_int_eq(client_write(node, fh, 0, "text", 4), 0);
	ck_assert_int_eq(client_name(FUSE_UNLINK, ROOT, NULL, 0, "f"), 0);
	ck_assert(!client_host_has("f"));
	ck_assert_int_eq(client_read(node, fh, 0, 10), 0);
	ck_assert_mem_eq(client.out, "text", 4);
	ck_assert_int_eq(client_getattr(node), 0);
	ck_assert_int_eq(client_setattr(node, &arg), 0);
	ck_assert_int_eq(client_open(node, O_RDONLY, &fh), 0);
	ck_assert_int_eq(client_read(node, fh, 0, 10), 0);
	ck_assert_uint_eq(client.out_len, 3);
	/* A guest does not forget what it has open; if it does: */
	client_forget(node, 1);
	ck_assert_int_eq(client_read(node, fh, 0, 10), -ESTALE);
	ck_assert_int_eq(client_release(node, fh), 0);
}
END_TEST

/* fuse.h, FUSE_HANDLE_KILLPRIV_V2. */
START_TEST(test_set_user_id_goes)
{
	struct fuse_setattr_in size = {
		.valid = FATTR_SIZE | FATTR_KILL_SUIDGID,
	};
	const struct fuse_open_in open_arg = {
		.flags = O_RDWR | O_TRUNC,
		.open_flags = FUSE_OPEN_KILL_SUIDGID,
	};
	const uint32_t kill = FUSE_WRITE_KILL_SUIDGID;
	const char *path = client_path("f");
	uint64_t node;
	uint64_t fh;

	client_make_file("f", "text");
	node = client_node(ROOT, "f");
	ck_assert_int_eq(client_open(node, O_RDWR, &fh), 0);
	chmod(path, 06755);
	ck_assert_int_eq(
		client_write_as(node,
				(struct fuse_write_in){ .fh = fh,
							.write_flags = kill },
				"a", 1),
		0);
	ck_assert_uint_eq(client_host_stat("f").st_mode & 07777, 0755);
	/* Without the right to execute it is no such right. */
	chmod(path, 06745);
	ck_assert_int_eq(
		client_write_as(node,
				(struct fuse_write_in){ .fh = fh,
							.write_flags = kill },
				"a", 1),
		0);
	ck_assert_uint_eq(client_host_stat("f").st_mode & 07777, 02745);
	chmod(path, 06755);
	ck_assert_int_eq(client_setattr(node, &size), 0);
	ck_assert_uint_eq(client_host_stat("f").st_mode & 07777, 0755);
	chmod(path, 06755);
	ck_assert_int_eq(client_ask(FUSE_OPEN, node, &open_arg,
				    sizeof(open_arg), NULL, 0),
			 0);
	ck_assert_uint_eq(client_host_stat("f").st_mode & 07777, 0755);
}
END_TEST

START_TEST(test_sync_and_space)
{
	struct fuse_fallocate_in space = { .length = 100000 };
	struct fuse_fsync_in sync = { .fsync_flags = 1 };
	struct fuse_flush_in flush = { .fh = 0 };
	struct fuse_lseek_in seek = { .whence = SEEK_DATA };
	const struct fuse_syncfs_in syncfs_arg = { 0 };
	struct fuse_lseek_out out;
	uint64_t fh;

	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
	space.fh = sync.fh = flush.fh = seek.fh = fh;
	ck_assert_int_eq(client_ask(FUSE_FALLOCATE, ROOT, &space, sizeof(space),
				    NULL, 0),
			 0);
	ck_assert_int_eq(client_host_stat("f").st_size, 100000);
	space.mode = 0x40000000;
	ck_assert_int_eq(client_ask(FUSE_FALLOCATE, ROOT, &space, sizeof(space),
				    NULL, 0),
			 -EOPNOTSUPP);
	space.mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	ck_assert_int_eq(client_ask(FUSE_FALLOCATE, ROOT, &space, sizeof(space),
				    NULL, 0),
			 0);
	ck_assert_int_eq(client_write(ROOT, fh, 65536, "x", 1), 0);
	ck_assert_int_eq(
		client_ask(FUSE_LSEEK, ROOT, &seek, sizeof(seek), NULL, 0), 0);
	ck_assert_uint_eq(client.out_len, sizeof(out));
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_le(out.offset, 65536);
	seek.whence = SEEK_SET;
	ck_assert_int_eq(client_ask(FUSE_LSEEK, ROOT, &seek, sizeof(seek), NULL,
				    0),
			 -EINVAL);
	ck_assert_int_eq(
		client_ask(FUSE_FSYNC, ROOT, &sync, sizeof(sync), NULL, 0), 0);
	ck_assert_int_eq(client_ask(FUSE_FSYNCDIR, ROOT, &sync, sizeof(sync),
				    NULL, 0),
			 -EBADF);
	ck_assert_int_eq(client_ask(FUSE_FLUSH, ROOT, &flush, sizeof(flush),
				    NULL, 0),
			 0);
	ck_assert_int_eq(client_ask(FUSE_SYNCFS, ROOT, &syncfs_arg,
				    sizeof(syncfs_arg), NULL, 0),
			 0);
}
END_TEST

START_TEST(test_cache)
{
	static const uint32_t flags[] = {
		[SHARE_CACHE_AUTO] = 0,
		[SHARE_CACHE_NEVER] = FOPEN_DIRECT_IO,
		[SHARE_CACHE_ALWAYS] = FOPEN_KEEP_CACHE,
	};
	static const uint64_t seconds[] = {
		[SHARE_CACHE_AUTO] = 1,
		[SHARE_CACHE_NEVER] = 0,
		[SHARE_CACHE_ALWAYS] = 86400,
	};
	const struct share_folder_config config = {
		.cache = (enum share_cache)_i,
	};
	struct fuse_open_out open;
	uint64_t node;
	uint64_t fh;

	client_make_file("f", "text");
	client_open_anew(&config);
	node = client_node(ROOT, "f");
	ck_assert_uint_eq(client_entry().entry_valid, seconds[_i]);
	ck_assert_uint_eq(client_entry().attr_valid, seconds[_i]);
	ck_assert_int_eq(client_open(node, O_RDONLY, &fh), 0);
	memcpy(&open, client.out, sizeof(open));
	ck_assert_uint_eq(open.open_flags, flags[_i]);
}
END_TEST

/* --- Folders ------------------------------------------------------------- */

#define FILES 300

static void make_files(void)
{
	char name[16];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		client_make_file(name, "x");
	}
}

/* Reads all of the root with answers of @size bytes: how many names. */
static unsigned int list(uint32_t opcode, uint32_t size, bool seen[FILES],
			 uint64_t *ret_nodes)
{
	const size_t at_dirent =
		opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
	struct fuse_dirent dirent;
	unsigned int count = 0;
	uint64_t offset = 0;
	uint64_t fh;

	memset(seen, 0, FILES);
	ck_assert_int_eq(client_open_as(FUSE_OPENDIR, ROOT, 0, &fh), 0);
	for (;;) {
		size_t at = 0;

		ck_assert_int_eq(client_read_as(opcode, ROOT, fh, offset, size),
				 0);
		ck_assert_uint_le(client.out_len, size);
		if (!client.out_len)
			break;
		while (at < client.out_len) {
			char name[256] = "";
			struct fuse_entry_out entry;

			memcpy(&entry, client.out + at, sizeof(entry));
			at += at_dirent;
			memcpy(&dirent, client.out + at, sizeof(dirent));
			memcpy(name, client.out + at + sizeof(dirent),
			       dirent.namelen);
			at += FUSE_DIRENT_ALIGN(sizeof(dirent) +
						dirent.namelen);
			offset = dirent.off;
			count++;
			if (name[0] == '.') {
				/* Nothing of what lies above. */
				ck_assert_uint_eq(dirent.ino,
						  client_host_stat(".").st_ino);
				ck_assert(!at_dirent || !entry.nodeid);
				continue;
			}
			ck_assert_int_eq(strncmp(name, "file-", 5), 0);
			seen[strtol(name + 5, NULL, 10)] = true;
			ck_assert_uint_eq(dirent.ino,
					  client_host_stat(name).st_ino);
			if (at_dirent)
				ck_assert_uint_eq(entry.attr.ino, dirent.ino);
			if (at_dirent && entry.nodeid)
				ret_nodes[strtol(name + 5, NULL, 10)] =
					entry.nodeid;
		}
		ck_assert_uint_eq(at, client.out_len);
	}
	return count;
}

START_TEST(test_list)
{
	static const uint32_t sizes[] = { 400, 4096, 65536, 1048576 };
	const struct share_folder_config small = { .max_fds = 200 };
	uint64_t nodes[FILES];
	bool seen[FILES];
	unsigned int known;

	make_files();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ck_assert_uint_eq(list(FUSE_READDIR, sizes[i], seen, NULL),
				  FILES + 2);
		memset(nodes, 0, sizeof(nodes));
		ck_assert_uint_eq(list(FUSE_READDIRPLUS, sizes[i], seen, nodes),
				  FILES + 2);
		for (int n = 0; n < FILES; n++)
			ck_assert(seen[n]);
		/* What was shown is counted, and no more. */
		for (int n = 0; n < FILES; n++) {
			if (!nodes[n])
				continue;
			ck_assert_int_eq(client_getattr(nodes[n]), 0);
			client_forget(nodes[n], 1);
			ck_assert_int_eq(client_getattr(nodes[n]), -ESTALE);
		}
	}
	/* With half of the descriptors taken, names alone. */
	client_open_anew(&small);
	memset(nodes, 0, sizeof(nodes));
	ck_assert_uint_eq(list(FUSE_READDIRPLUS, 4096, seen, nodes), FILES + 2);
	known = 0;
	for (int n = 0; n < FILES; n++)
		known += nodes[n] != 0;
	ck_assert_uint_ge(known, 90);
	ck_assert_uint_lt(known, 100);
}
END_TEST

START_TEST(test_list_hostile)
{
	static const uint64_t places[] = { 1, 12345, INT64_MAX, UINT64_MAX,
					   1ULL << 63 };
	uint64_t file;
	uint64_t folder;

	make_files();
	ck_assert_int_eq(client_open_as(FUSE_OPENDIR, ROOT, 0, &folder), 0);
	ck_assert_int_eq(client_open(client_node(ROOT, "file-1"), 0, &file), 0);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		client_read_as(FUSE_READDIR, ROOT, folder, places[i], 4096);
	for (uint32_t size = 0; size < 200; size++) {
		ck_assert_int_eq(
			client_read_as(FUSE_READDIR, ROOT, folder, 0, size), 0);
		ck_assert_uint_le(client.out_len, size);
		ck_assert_int_eq(client_read_as(FUSE_READDIRPLUS, ROOT, folder,
						0, size),
				 0);
		ck_assert_uint_le(client.out_len, size);
	}
	/* Each kind for what it is. */
	ck_assert_int_eq(client_read_as(FUSE_READDIR, ROOT, file, 0, 4096),
			 -EBADF);
	ck_assert_int_eq(client_read(ROOT, folder, 0, 4096), -EBADF);
	ck_assert_int_eq(client_write(ROOT, folder, 0, "x", 1), -EBADF);
	ck_assert_int_eq(client_release(ROOT, folder), -EBADF);
}
END_TEST

/* --- Extended attributes ------------------------------------------------- */

static int set_xattr(uint64_t node, const char *name, const char *value,
		     uint32_t size)
{
	uint8_t rest[1000];
	size_t len = strlen(name) + 1;
	const struct fuse_setxattr_in arg = { .size = size };

	memcpy(rest, name, len);
	memcpy(rest + len, value, strlen(value));
	return client_ask(FUSE_SETXATTR, node, &arg, 8, rest,
			  len + strlen(value));
}

static int get_xattr(uint64_t node, const char *name, uint32_t size)
{
	const struct fuse_getxattr_in arg = { .size = size };

	return client_name(FUSE_GETXATTR, node, &arg, sizeof(arg), name);
}

static int list_xattr(uint64_t node, uint32_t size)
{
	const struct fuse_getxattr_in arg = { .size = size };

	return client_ask(FUSE_LISTXATTR, node, &arg, sizeof(arg), NULL, 0);
}

START_TEST(test_xattr)
{
	struct fuse_getxattr_out out;
	uint64_t node;

	client_make_file("f", "text");
	node = client_node(ROOT, "f");
	if (set_xattr(node, "user.a", "value", 5) == -EOPNOTSUPP)
		return;
	ck_assert_int_eq(set_xattr(node, "user.b", "other", 5), 0);
	/* There may be others, which are nobody's business. */
	setxattr(client_path("f"), "trusted.hull", "x", 1, 0);
	ck_assert_int_eq(get_xattr(node, "user.a", 0), 0);
	ck_assert_uint_eq(client.out_len, sizeof(out));
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.size, 5);
	ck_assert_uint_eq(out.padding, 0);
	ck_assert_int_eq(get_xattr(node, "user.a", 100), 0);
	ck_assert_uint_eq(client.out_len, 5);
	ck_assert_mem_eq(client.out, "value", 5);
	ck_assert_int_eq(get_xattr(node, "user.a", 4), -ERANGE);
	ck_assert_int_eq(list_xattr(node, 0), 0);
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.size, 14);
	ck_assert_int_eq(list_xattr(node, 100), 0);
	ck_assert_uint_eq(client.out_len, 14);
	ck_assert_int_eq(client_name(FUSE_REMOVEXATTR, node, NULL, 0, "user.a"),
			 0);
	ck_assert_int_eq(get_xattr(node, "user.a", 100), -ENODATA);
	/* Its size is another one. */
	ck_assert_int_eq(set_xattr(node, "user.c", "value", 4), -EINVAL);
	ck_assert_int_eq(set_xattr(node, "user.c", "value", 6), -EINVAL);
	/* A folder has them as well. */
	ck_assert_int_eq(set_xattr(ROOT, "user.c", "value", 5), 0);
}
END_TEST

START_TEST(test_xattr_of_others)
{
	static const char *const names[] = {
		"security.capability",
		"security.selinux",
		"trusted.overlay.opaque",
		"system.posix_acl_access",
		"xuser.a",
		"",
	};
	uint64_t node;

	client_make_file("f", "text");
	ck_assert_int_eq(symlink("f", client_path("s")), 0);
	node = client_node(ROOT, "f");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_int_eq(set_xattr(node, names[i], "value", 5),
				 -EOPNOTSUPP);
		ck_assert_int_eq(get_xattr(node, names[i], 100), -EOPNOTSUPP);
		ck_assert_int_eq(client_name(FUSE_REMOVEXATTR, node, NULL, 0,
					     names[i]),
				 -EOPNOTSUPP);
	}
	node = client_node(ROOT, "s");
	ck_assert_int_eq(set_xattr(node, "user.a", "value", 5), -EPERM);
	ck_assert_int_eq(get_xattr(node, "user.a", 100), -ENODATA);
	ck_assert_int_eq(list_xattr(node, 100), 0);
	ck_assert_uint_eq(client.out_len, 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_read_and_write);
	tcase_add_test(tcase, test_write_of_another_size);
	tcase_add_test(tcase, test_append);
	tcase_add_test(tcase, test_modes_of_open);
	tcase_add_test(tcase, test_create);
	tcase_add_test(tcase, test_unlinked_but_open);
	tcase_add_test(tcase, test_set_user_id_goes);
	tcase_add_test(tcase, test_sync_and_space);
	tcase_add_loop_test(tcase, test_cache, 0, 3);
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_list_hostile);
	tcase_add_test(tcase, test_xattr);
	tcase_add_test(tcase, test_xattr_of_others);
}

int main(void)
{
	Suite *suite = suite_create("io/share_files");
	TCase *tcase = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, client_tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
