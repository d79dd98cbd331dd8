/*
 * The file server's names and nodes: what a guest is shown, what it changes,
 * and what it is never let to.
 */
#include <pthread.h>

#include "io/share_internal.h"
#include "tests/unit/share_client.h"

#define ROOT FUSE_ROOT_ID

static const struct share_folder_config plain = { .max_fds = 0 };

static void set_up(void)
{
	client_set_up();
	client_folder(&plain);
}

/* --- Opening ------------------------------------------------------------- */

START_TEST(test_no_folder)
{
	struct share_folder_config config = { .max_fds = 100 };
	struct share_folder *folder = NULL;
	struct err err = { 0 };

	config.path = client_path("missing");
	ck_assert_int_eq(share_folder_open(&config, &folder, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, config.path));
	client_make_file("file", "x");
	config.path = client_path("file");
	ck_assert_int_eq(share_folder_open(&config, &folder, &err), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, config.path));
	ck_assert_ptr_nonnull(strstr(err.msg, "not a folder"));
	ck_assert_ptr_null(folder);
}
END_TEST

/* --- Sessions ------------------------------------------------------------ */

static int init(uint32_t major, uint32_t minor, size_t len)
{
	const struct fuse_init_in arg = {
		.major = major,
		.minor = minor,
		.max_readahead = 4096,
		.flags = UINT32_MAX,
	};

	return client_ask(FUSE_INIT, 0, &arg, len, NULL, 0);
}

START_TEST(test_init)
{
	/* No locks, no passing on of what we do not do. */
	const uint32_t never = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
			       FUSE_WRITEBACK_CACHE | FUSE_POSIX_ACL |
			       FUSE_EXPORT_SUPPORT | FUSE_MAP_ALIGNMENT |
			       FUSE_SETXATTR_EXT | FUSE_NO_OPEN_SUPPORT |
			       FUSE_DONT_MASK | FUSE_INIT_EXT;
	struct fuse_init_out out;

	ck_assert_int_eq(init(7, 37, sizeof(struct fuse_init_in)), 0);
	ck_assert_uint_eq(client.out_len, 64);
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.major, 7);
	ck_assert_uint_ge(out.minor, 31);
	ck_assert_uint_eq(out.max_write, 1 * MIB);
	ck_assert_uint_eq(out.max_pages, 256);
	ck_assert_uint_eq(out.flags & never, 0);
	ck_assert(out.flags & FUSE_BIG_WRITES);
	ck_assert(out.flags & FUSE_MAX_PAGES);
	/* The argument of 7.35 and before. */
	ck_assert_int_eq(init(7, 31, 16), 0);
	ck_assert_int_eq(init(7, 30, 16), -EPROTO);
	ck_assert_int_eq(init(6, 99, 16), -EPROTO);
	ck_assert_int_eq(init(7, 37, 15), -EINVAL);
	/* Later ones are told what we speak. */
	ck_assert_int_eq(init(8, 0, 64), 0);
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.major, 7);
	/* Only what was offered is taken. */
	ck_assert_int_eq(client_init_flags(FUSE_MAX_PAGES), 0);
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_eq(out.flags, FUSE_MAX_PAGES);
}
END_TEST

START_TEST(test_sessions)
{
	unsigned int fds = client_count_fds();
	uint64_t node;
	uint64_t fh;

	for (int way = 0; way < 3; way++) {
		ck_assert_int_eq(client_init_flags(~0U), 0);
		ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
		node = client_entry().nodeid;
		ck_assert_uint_gt(client_count_fds(), fds);
		if (way == 0)
			ck_assert_int_eq(client_ask(FUSE_DESTROY, 0, NULL, 0,
						    NULL, 0),
					 0);
		if (way == 1)
			client.share->ops->reset(client.share);
		if (way == 2)
			ck_assert_int_eq(client_init_flags(~0U), 0);
		ck_assert_uint_eq(client_count_fds(), fds);
		if (way < 2)
			ck_assert_int_eq(client_getattr(ROOT), -EIO);
		ck_assert_int_eq(client_init_flags(~0U), 0);
		ck_assert_int_eq(client_getattr(ROOT), 0);
		ck_assert_int_eq(client_getattr(node), -ESTALE);
		ck_assert_int_eq(client_read(ROOT, fh, 0, 1), -EBADF);
	}
}
END_TEST

/* --- Messages ------------------------------------------------------------ */

START_TEST(test_bad_messages)
{
	struct fuse_in_header head = { .opcode = FUSE_GETATTR, .nodeid = ROOT };
	uint8_t bytes[256] = { 0 };

	/* Too short to be told of. */
	for (size_t len = 0; len < sizeof(head); len++) {
		client_send(bytes, len);
		ck_assert(!client.answered);
	}
	client.unique = 0;
	/* Its own length is another one. */
	for (uint32_t len = 0; len < 100; len++) {
		head.len = len;
		memcpy(bytes, &head, sizeof(head));
		ck_assert_int_eq(client_send(bytes, 40 + 16),
				 len == 56 ? 0 : -EIO);
	}
	for (uint32_t opcode = 0; opcode < 5000; opcode += 7) {
		if (opcode < 60 && opcode != 0)
			continue;
		ck_assert_int_eq(client_ask(opcode, ROOT, bytes, 200, NULL, 0),
				 -ENOSYS);
	}
	ck_assert_int_eq(client_ask(FUSE_ACCESS, ROOT, bytes, 8, NULL, 0),
			 -ENOSYS);
	ck_assert_int_eq(client_ask(FUSE_IOCTL, ROOT, bytes, 32, NULL, 0),
			 -ENOSYS);
	ck_assert_int_eq(client_ask(UINT32_MAX, ROOT, bytes, 32, NULL, 0),
			 -ENOSYS);
}
END_TEST

/* Each operation with each length up to more than it wants. */
START_TEST(test_all_lengths)
{
	uint8_t bytes[200];

	client_make_file("a", "text");
	for (int fill = 0; fill < 3; fill++) {
		memset(bytes,
		       fill == 0 ? 0 :
		       fill == 1 ? 'a' :
				   0xff,
		       sizeof(bytes));
		for (uint32_t opcode = 1; opcode < 60; opcode++) {
			for (size_t len = 0; len < sizeof(bytes); len++)
				client_ask(opcode, ROOT, bytes, len, NULL, 0);
			client.room = 1;
			client_ask(opcode, ROOT, bytes, 100, NULL, 0);
			client.room = 0;
		}
	}
	ck_assert_int_eq(client_init_flags(~0U), 0);
	ck_assert_int_eq(client_lookup(ROOT, "a"), 0);
}
END_TEST

/* Nothing happens that could not be told of. */
START_TEST(test_no_room)
{
	client.room = 8;
	ck_assert_int_eq(client_mkdir(ROOT, "d"), -EIO);
	ck_assert(!client_host_has("d"));
	client.room = 0;
	ck_assert_int_eq(client_mkdir(ROOT, "d"), 0);
}
END_TEST

/* --- Names --------------------------------------------------------------- */

START_TEST(test_hostile_names)
{
	const struct fuse_mkdir_in mkdir_arg = { .mode = 0777 };
	const struct fuse_rename_in rename_arg = { .newdir = ROOT };
	char name[400];
	static const char *const names[] = {
		"..", ".", "", "/", "/etc", "a/b", "../x", "a/", "./a", "//",
	};

	ck_assert_int_eq(mkdir(client_path("a"), 0755), 0);
	client_make_file("a/b", "inside");
	client_make_file("../secret", "secret");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *bad = names[i];

		ck_assert_int_eq(client_lookup(ROOT, bad), -EINVAL);
		ck_assert_int_eq(client_name(FUSE_MKDIR, ROOT, &mkdir_arg,
					     sizeof(mkdir_arg), bad),
				 -EINVAL);
		ck_assert_int_eq(client_name(FUSE_UNLINK, ROOT, NULL, 0, bad),
				 -EINVAL);
		ck_assert_int_eq(client_name(FUSE_RMDIR, ROOT, NULL, 0, bad),
				 -EINVAL);
		ck_assert_int_eq(client_names(FUSE_RENAME, ROOT, &rename_arg,
					      sizeof(rename_arg), "a", bad),
				 -EINVAL);
		ck_assert_int_eq(client_names(FUSE_RENAME, ROOT, &rename_arg,
					      sizeof(rename_arg), bad, "z"),
				 -EINVAL);
		ck_assert_int_eq(client_names(FUSE_SYMLINK, ROOT, NULL, 0, bad,
					      "to"),
				 -EINVAL);
	}
	/* Without an end, and with more behind it. */
	ck_assert_int_eq(client_ask(FUSE_LOOKUP, ROOT, NULL, 0, "a", 1),
			 -EINVAL);
	ck_assert_int_eq(client_ask(FUSE_LOOKUP, ROOT, NULL, 0, "a\0b", 4),
			 -EINVAL);
	ck_assert_int_eq(client_ask(FUSE_LOOKUP, ROOT, NULL, 0, "a\0", 3),
			 -EINVAL);
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	ck_assert_int_eq(client_lookup(ROOT, name), -ENOENT);
	name[255] = 'n';
	name[256] = '\0';
	ck_assert_int_eq(client_lookup(ROOT, name), -ENAMETOOLONG);
	ck_assert_int_eq(client_lookup(ROOT, "\xff\x01\n"), -ENOENT);
	ck_assert_int_eq(client_lookup(ROOT, "..."), -ENOENT);
}
END_TEST

/* What lies behind a link of the host's is not reached. */
START_TEST(test_links_that_lead_out)
{
	const struct fuse_setattr_in chmod_arg = {
		.valid = FATTR_MODE,
		.mode = 0777,
	};
	const struct fuse_setattr_in size_arg = { .valid = FATTR_SIZE };
	const struct fuse_getxattr_in xattr_arg = { .size = 100 };
	uint64_t file;
	uint64_t folder;
	uint64_t fh;

	client_make_file("../secret", "secret");
	ck_assert_int_eq(symlink("../secret", client_path("file")), 0);
	ck_assert_int_eq(symlink("..", client_path("folder")), 0);
	file = client_node(ROOT, "file");
	ck_assert(S_ISLNK(client_entry().attr.mode));
	folder = client_node(ROOT, "folder");
	ck_assert(S_ISLNK(client_entry().attr.mode));
	ck_assert_int_eq(client_lookup(folder, "secret"), -ENOTDIR);
	ck_assert_int_eq(client_mkdir(folder, "new"), -ENOTDIR);
	ck_assert_int_eq(client_open(file, O_RDONLY, &fh), -ELOOP);
	ck_assert_int_eq(client_open(folder, O_RDONLY, &fh), -ELOOP);
	ck_assert_int_eq(client_open_as(FUSE_OPENDIR, folder, 0, &fh),
			 -ENOTDIR);
	ck_assert_int_eq(client_setattr(file, &size_arg), -ELOOP);
	ck_assert_int_eq(client_setattr(file, &chmod_arg), -EOPNOTSUPP);
	ck_assert_int_eq(client_create(ROOT, "file", O_RDWR, &fh), -ESTALE);
	ck_assert_int_eq(client_create(ROOT, "file", O_RDWR | O_EXCL, &fh),
			 -EEXIST);
	ck_assert_int_eq(client_name(FUSE_GETXATTR, file, &xattr_arg,
				     sizeof(xattr_arg), "user.a"),
			 -ENODATA);
	ck_assert_int_eq(client_ask(FUSE_READLINK, file, NULL, 0, NULL, 0), 0);
	ck_assert_uint_eq(client.out_len, 9);
	ck_assert_mem_eq(client.out, "../secret", 9);
	ck_assert_uint_eq(client_host_stat("../secret").st_mode & 07777, 0644);
	ck_assert_int_eq(client_host_stat("../secret").st_size, 6);
}
END_TEST

/* A link may say anything, and its own owner and times are set. */
START_TEST(test_symlink)
{
	struct fuse_setattr_in arg = {
		.valid = FATTR_MTIME,
		.mtime = 1000,
	};
	char target[4200];
	uint64_t node;

	ck_assert_int_eq(client_names(FUSE_SYMLINK, ROOT, NULL, 0, "link",
				      "/etc/passwd"),
			 0);
	node = client_entry().nodeid;
	ck_assert_int_eq(client_setattr(node, &arg), 0);
	ck_assert_int_eq(client_host_stat("link").st_mtim.tv_sec, 1000);
	ck_assert_int_eq(client_ask(FUSE_READLINK, node, NULL, 0, NULL, 0), 0);
	ck_assert_uint_eq(client.out_len, 11);
	memset(target, 't', sizeof(target));
	target[4095] = '\0';
	ck_assert_int_eq(
		client_names(FUSE_SYMLINK, ROOT, NULL, 0, "long", target), 0);
	target[4095] = 't';
	target[4096] = '\0';
	ck_assert_int_eq(client_names(FUSE_SYMLINK, ROOT, NULL, 0, "longer",
				      target),
			 -ENAMETOOLONG);
	ck_assert_int_eq(client_ask(FUSE_READLINK, ROOT, NULL, 0, NULL, 0),
			 -EINVAL);
}
END_TEST

/* --- Attributes ---------------------------------------------------------- */

START_TEST(test_attributes)
{
	struct fuse_setattr_in arg = {
		.valid = FATTR_MODE | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME,
		.mode = S_IFREG | 0604,
		.size = 100,
		.atime = 1234,
		.atimensec = 5,
		.mtime = 5678,
		.mtimensec = 6,
	};
	struct fuse_attr_out out;
	struct stat stat;
	uint64_t node;

	client_make_file("a", "text");
	node = client_node(ROOT, "a");
	ck_assert_int_eq(client_setattr(node, &arg), 0);
	ck_assert_uint_eq(client.out_len, sizeof(out));
	memcpy(&out, client.out, sizeof(out));
	stat = client_host_stat("a");
	ck_assert_uint_eq(stat.st_mode, S_IFREG | 0604);
	ck_assert_int_eq(stat.st_size, 100);
	ck_assert_int_eq(stat.st_atim.tv_sec, 1234);
	ck_assert_int_eq(stat.st_mtim.tv_nsec, 6);
	ck_assert_uint_eq(out.attr.ino, stat.st_ino);
	ck_assert_uint_eq(out.attr.mode, stat.st_mode);
	ck_assert_uint_eq(out.attr.size, 100);
	ck_assert_uint_eq(out.attr.mtime, 5678);
	ck_assert_uint_eq(out.attr.uid, stat.st_uid);
	ck_assert_uint_eq(out.attr.flags, 0);
	ck_assert_uint_eq(out.dummy, 0);
	arg = (struct fuse_setattr_in){
		.valid = FATTR_MTIME | FATTR_MTIME_NOW,
	};
	ck_assert_int_eq(client_setattr(node, &arg), 0);
	ck_assert_int_gt(client_host_stat("a").st_mtim.tv_sec, 100000);
	ck_assert_int_eq(client_host_stat("a").st_atim.tv_sec, 1234);
	/* Nothing that could not be. */
	arg = (struct fuse_setattr_in){
		.valid = FATTR_MTIME,
		.mtimensec = 1000000000,
	};
	ck_assert_int_eq(client_setattr(node, &arg), -EINVAL);
	arg = (struct fuse_setattr_in){
		.valid = FATTR_SIZE,
		.size = UINT64_MAX,
	};
	ck_assert_int_eq(client_setattr(node, &arg), -EFBIG);
	ck_assert_int_eq(client_setattr(ROOT, &arg), -EFBIG);
	arg.size = 0;
	ck_assert_int_eq(client_setattr(ROOT, &arg), -EISDIR);
	arg.valid |= FATTR_FH;
	ck_assert_int_eq(client_setattr(node, &arg), -EBADF);
}
END_TEST

START_TEST(test_statfs)
{
	struct fuse_statfs_out out;

	ck_assert_int_eq(client_ask(FUSE_STATFS, ROOT, NULL, 0, NULL, 0), 0);
	ck_assert_uint_eq(client.out_len, sizeof(out));
	memcpy(&out, client.out, sizeof(out));
	ck_assert_uint_gt(out.st.blocks, 0);
	ck_assert_uint_eq(out.st.namelen, 255);
	ck_assert_uint_eq(out.st.padding, 0);
}
END_TEST

/* --- Changes ------------------------------------------------------------- */

static int mknod_as(const char *name, uint32_t mode)
{
	const struct fuse_mknod_in arg = { .mode = mode, .rdev = 0x103 };

	return client_name(FUSE_MKNOD, ROOT, &arg, sizeof(arg), name);
}

START_TEST(test_mknod)
{
	uint64_t node;
	uint64_t fh;

	ck_assert_int_eq(mknod_as("null", S_IFCHR | 0666), -EPERM);
	ck_assert_int_eq(mknod_as("disk", S_IFBLK | 0666), -EPERM);
	ck_assert_int_eq(mknod_as("folder", S_IFDIR | 0666), -EPERM);
	ck_assert_int_eq(mknod_as("all", S_IFMT | 0666), -EPERM);
	ck_assert_int_eq(mknod_as("file", S_IFREG | 0642), 0);
	/* Our own umask has no say in it. */
	ck_assert_uint_eq(client_host_stat("file").st_mode, S_IFREG | 0642);
	ck_assert_int_eq(mknod_as("file", S_IFREG | 0642), -EEXIST);
	ck_assert_int_eq(mknod_as("socket", S_IFSOCK | 0600), 0);
	ck_assert_int_eq(mknod_as("pipe", S_IFIFO | 0600), 0);
	node = client_entry().nodeid;
	/* It would wait for somebody. */
	ck_assert_int_eq(client_open(node, O_RDONLY, &fh), -ENXIO);
	ck_assert_int_eq(client_create(ROOT, "pipe", O_WRONLY, &fh), -ESTALE);
}
END_TEST

START_TEST(test_folders)
{
	uint64_t folder;
	uint64_t inner;

	ck_assert_int_eq(client_mkdir(ROOT, "d"), 0);
	folder = client_entry().nodeid;
	ck_assert(S_ISDIR(client_entry().attr.mode));
	ck_assert_int_eq(client_mkdir(folder, "e"), 0);
	inner = client_entry().nodeid;
	ck_assert_int_eq(client_mkdir(folder, "e"), -EEXIST);
	ck_assert_int_eq(client_name(FUSE_RMDIR, ROOT, NULL, 0, "d"),
			 -ENOTEMPTY);
	ck_assert_int_eq(client_name(FUSE_UNLINK, ROOT, NULL, 0, "d"), -EISDIR);
	ck_assert_int_eq(client_name(FUSE_RMDIR, folder, NULL, 0, "e"), 0);
	ck_assert_int_eq(client_mkdir(inner, "f"), -ENOENT);
	ck_assert_int_eq(client_name(FUSE_RMDIR, ROOT, NULL, 0, "d"), 0);
	ck_assert(!client_host_has("d"));
}
END_TEST

static int rename2(uint64_t from, const char *name, uint64_t to,
		   const char *name_to, uint32_t flags)
{
	const struct fuse_rename2_in arg = { .newdir = to, .flags = flags };

	return client_names(FUSE_RENAME2, from, &arg, sizeof(arg), name,
			    name_to);
}

START_TEST(test_rename)
{
	const struct fuse_rename_in arg = { .newdir = ROOT };
	uint64_t folder;

	client_make_file("a", "aa");
	client_make_file("b", "b");
	ck_assert_int_eq(client_mkdir(ROOT, "d"), 0);
	folder = client_entry().nodeid;
	ck_assert_int_eq(client_names(FUSE_RENAME, ROOT, &arg, sizeof(arg), "a",
				      "c"),
			 0);
	ck_assert(!client_host_has("a"));
	ck_assert_int_eq(rename2(ROOT, "c", folder, "x", 0), 0);
	ck_assert(client_host_has("d/x"));
	ck_assert_int_eq(rename2(folder, "x", ROOT, "b", RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_int_eq(rename2(folder, "x", ROOT, "b", RENAME_EXCHANGE), 0);
	ck_assert_int_eq(client_host_stat("b").st_size, 2);
	ck_assert_int_eq(client_host_stat("d/x").st_size, 1);
	/* RENAME_WHITEOUT would make a device node. */
	ck_assert_int_eq(rename2(ROOT, "b", ROOT, "w", 4), -EINVAL);
	ck_assert_int_eq(rename2(ROOT, "b", ROOT, "w", UINT32_MAX), -EINVAL);
	ck_assert_int_eq(rename2(ROOT, "d", folder, "d", 0), -EINVAL);
	ck_assert_int_eq(rename2(ROOT, "b", 99, "w", 0), -ESTALE);
}
END_TEST

START_TEST(test_hard_link)
{
	struct fuse_link_in arg;

	client_make_file("a", "aa");
	ck_assert_int_eq(symlink("a", client_path("s")), 0);
	arg.oldnodeid = client_node(ROOT, "a");
	ck_assert_int_eq(client_name(FUSE_LINK, ROOT, &arg, sizeof(arg), "b"),
			 0);
	ck_assert_uint_eq(client_entry().nodeid, arg.oldnodeid);
	ck_assert_uint_eq(client_entry().attr.nlink, 2);
	ck_assert_int_eq(client_name(FUSE_LINK, ROOT, &arg, sizeof(arg), "b"),
			 -EEXIST);
	/* The link itself, and not what it leads to. */
	arg.oldnodeid = client_node(ROOT, "s");
	ck_assert_int_eq(client_name(FUSE_LINK, ROOT, &arg, sizeof(arg), "t"),
			 0);
	ck_assert(S_ISLNK(client_host_stat("t").st_mode));
	ck_assert_uint_eq(client_host_stat("a").st_nlink, 2);
}
END_TEST

/* --- Who owns it --------------------------------------------------------- */

START_TEST(test_owner)
{
	struct fuse_setattr_in arg = {
		.valid = FATTR_UID | FATTR_GID,
		.uid = 4321,
		.gid = 1234,
	};
	bool can_give = share_folder_can_give();
	uint64_t fh;

	client.uid = 1000;
	client.gid = 1001;
	/* A folder that this user may not write to by himself: the guest's
	 * kernel has decided that. */
	ck_assert_int_eq(client_create(ROOT, "f", O_RDWR, &fh), 0);
	ck_assert_int_eq(client_mkdir(ROOT, "d"), 0);
	ck_assert_int_eq(client_names(FUSE_SYMLINK, ROOT, NULL, 0, "l", "x"),
			 0);
	ck_assert_int_eq(mknod_as("p", S_IFIFO | 0600), 0);
	for (int i = 0; i < 4; i++) {
		struct stat stat = client_host_stat(
			(const char *[]){ "f", "d", "l", "p" }[i]);

		ck_assert_uint_eq(stat.st_uid, can_give ? 1000 : geteuid());
		ck_assert_uint_eq(stat.st_gid, can_give ? 1001 : getegid());
	}
	/* Afterwards it is itself again. */
	client_make_file("own", "x");
	ck_assert_uint_eq(client_host_stat("own").st_uid, geteuid());
	ck_assert_int_eq(client_setattr(client_node(ROOT, "f"), &arg),
			 can_give ? 0 : -EPERM);
}
END_TEST

static void *serve_on_a_thread(void *opaque)
{
	(void)opaque;
	ck_assert_int_eq(client_init_flags(~0U), 0);
	ck_assert_int_eq(mknod_as("guests", S_IFREG | 0666), 0);
	return NULL;
}

/* The thread that serves has no umask, and all others keep theirs. */
START_TEST(test_umask)
{
	const struct share_folder_config config = {
		.path = client.path,
		.max_fds = 100,
	};
	pthread_t thread;

	share_folder_free(client.folder);
	ck_assert_int_eq(share_folder_open(&config, &client.folder, NULL), 0);
	client.share = share_folder_share(client.folder);
	umask(027);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_on_a_thread, NULL),
			 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(mknod(client_path("ours"), S_IFREG | 0666, 0), 0);
	ck_assert_uint_eq(client_host_stat("guests").st_mode & 0777, 0666);
	ck_assert_uint_eq(client_host_stat("ours").st_mode & 0777, 0640);
}
END_TEST

/* --- Read-only ----------------------------------------------------------- */

START_TEST(test_read_only)
{
	const struct share_folder_config config = { .read_only = true };
	static const uint32_t changes[] = {
		FUSE_SETATTR,	FUSE_SYMLINK,	  FUSE_MKNOD,  FUSE_MKDIR,
		FUSE_UNLINK,	FUSE_RMDIR,	  FUSE_RENAME, FUSE_RENAME2,
		FUSE_LINK,	FUSE_WRITE,	  FUSE_CREATE, FUSE_SETXATTR,
		FUSE_FALLOCATE, FUSE_REMOVEXATTR,
	};
	uint8_t bytes[200] = { 0 };
	uint64_t node;
	uint64_t fh;

	client_make_file("a", "text");
	client_open_anew(&config);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		ck_assert_int_eq(client_ask(changes[i], ROOT, bytes, 100, NULL,
					    0),
				 -EROFS);
	node = client_node(ROOT, "a");
	ck_assert_int_eq(client_open(node, O_WRONLY, &fh), -EROFS);
	ck_assert_int_eq(client_open(node, O_RDWR, &fh), -EROFS);
	ck_assert_int_eq(client_open(node, O_ACCMODE, &fh), -EROFS);
	ck_assert_int_eq(client_open(node, O_RDONLY | O_TRUNC, &fh), -EROFS);
	ck_assert_int_eq(client_host_stat("a").st_size, 4);
	ck_assert_int_eq(client_open(node, O_RDONLY, &fh), 0);
	ck_assert_int_eq(client_read(node, fh, 0, 100), 0);
	ck_assert_uint_eq(client.out_len, 4);
	ck_assert_int_eq(client_write(node, fh, 0, "x", 1), -EROFS);
	/* Where it can be, the kernel says so too. */
	ck_assert(share_folder_is_sealed(client.folder) || geteuid());
	if (share_folder_is_sealed(client.folder)) {
		ck_assert_int_eq(openat(client.folder->root->fd, "new",
					O_CREAT | O_WRONLY | O_CLOEXEC, 0600),
				 -1);
		ck_assert_int_eq(errno, EROFS);
	}
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_no_folder);
	tcase_add_test(tcase, test_init);
	tcase_add_test(tcase, test_sessions);
	tcase_add_test(tcase, test_bad_messages);
	tcase_add_test(tcase, test_all_lengths);
	tcase_add_test(tcase, test_no_room);
	tcase_add_test(tcase, test_hostile_names);
	tcase_add_test(tcase, test_links_that_lead_out);
	tcase_add_test(tcase, test_symlink);
	tcase_add_test(tcase, test_attributes);
	tcase_add_test(tcase, test_statfs);
	tcase_add_test(tcase, test_mknod);
	tcase_add_test(tcase, test_folders);
	tcase_add_test(tcase, test_rename);
	tcase_add_test(tcase, test_hard_link);
	tcase_add_test(tcase, test_owner);
	tcase_add_test(tcase, test_umask);
	tcase_add_test(tcase, test_read_only);
}

int main(void)
{
	Suite *suite = suite_create("io/share");
	TCase *tcase = tcase_create("nodes");
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
