/*
 * What the parts of the file server share: the tables of nodes and open files,
 * and one call of the guest's while it is served.
 */
#ifndef IO_SHARE_INTERNAL_H
#define IO_SHARE_INTERNAL_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "io/share_folder.h"

/* What a directory is read with at a time. */
#define SHARE_DIRENTS_BYTES (32UL * 1024)

/* --- Tables (io/share_table.c) ------------------------------------------- */

/*
 * Things by number: the slot in the lower half, and how many were ever added in
 * the upper half, so that a number of old does not name what came after.
 */
struct share_slot {
	uint64_t id; /* 0: free */
	void *item; /* owned */
	uint32_t next_free;
};

struct share_slots {
	struct share_slot *slots; /* owned array; slot 0 is never used */
	uint32_t size;
	uint32_t first_free; /* 0: none */
	uint32_t added;
	uint32_t count; /* in use */
};

/* The first thing gets the number 1. 0, or -ENOMEM. */
int share_slots_add(struct share_slots *slots, void *item, uint64_t *ret_id);
/* NULL when there is none of that number. */
void *share_slots_get(const struct share_slots *slots, uint64_t id);
void share_slots_remove(struct share_slots *slots, uint64_t id);
void share_slots_release(struct share_slots *slots);

/* A file, folder or other thing that the guest knows. */
struct share_node {
	uint64_t id;
	/* How often the guest was shown it, less forgotten; and whether it is
	 * among `forgotten` as it may be needed no longer. Under the lock. */
	uint64_t lookups;
	bool is_forgotten;
	struct share_node *next_forgotten;
	dev_t dev;
	ino_t ino;
	mode_t type; /* S_IFMT of it, which never changes */
	int fd; /* owned; O_PATH */
	struct share_node *next; /* of the same hash */
};

/* An open file or folder. */
struct share_handle {
	uint64_t id;
	int fd; /* owned */
	bool is_folder;
};

struct share_folder {
	struct share share;
	struct share_node *root; /* owned, in nodes too */
	int proc_fd; /* owned; /proc/self/fd */
	bool read_only;
	bool sealed;
	enum share_cache cache;
	unsigned int max_fds;

	/*
	 * Any thread may forget, so that this guards what it takes: nodes by
	 * their number, their lookups, the list. Only the thread that serves
	 * changes the first, which it may read without. Held for moments.
	 */
	pthread_mutex_t lock;
	struct share_slots nodes;
	struct share_node *forgotten; /* without lookups, when they came here */
	atomic_bool any_forgotten;

	struct share_slots handles;
	struct share_node **buckets; /* owned; of nodes by device and number */
	uint32_t bucket_count; /* a power of two */

	/* Of the thread that serves. */
	bool ready; /* for the questions below */
	bool initialised; /* INIT was answered */
	bool kill_privileges; /* HANDLE_KILLPRIV_V2 was agreed on */
	bool may_give; /* files to other users */
	uid_t uid; /* hull's own */
	gid_t gid;
	uint8_t *dirents; /* owned; SHARE_DIRENTS_BYTES */
};

/* Whether one more descriptor may be held. */
bool share_has_room(const struct share_folder *folder);

/* Takes over @fd, also on failure; the node is counted as shown once more. */
int share_node_enter(struct share_folder *folder, int fd,
		     const struct stat *stat, struct share_node **ret_node);
/* The node lives until share_reap. Any thread; the root stays. */
void share_forget(struct share_folder *folder, uint64_t id, uint64_t lookups);
/* Gives up the nodes that were forgotten for good. */
void share_reap(struct share_folder *folder);
struct share_node *share_node_get(const struct share_folder *folder,
				  uint64_t id);
/* Takes over @fd, also on failure. */
int share_handle_enter(struct share_folder *folder, int fd, bool is_folder,
		       struct share_handle **ret_handle);
struct share_handle *share_handle_get(const struct share_folder *folder,
				      uint64_t id, bool is_folder);
void share_handle_close(struct share_folder *folder,
			struct share_handle *handle);
/* All but the root. */
void share_forget_all(struct share_folder *folder);

/* --- One call ------------------------------------------------------------ */

struct share_call {
	struct share_folder *folder;
	struct share_message *message;
	struct fuse_in_header in;
	struct share_node *node; /* of in.nodeid, where the call has one */
	const void *arg; /* what the operation always has; aligned for it */
	const char *name[2]; /* components that were checked, or texts */
	const uint8_t *rest; /* behind them */
	size_t rest_len;
};

/* 0, or -errno. What it answers besides, it adds. */
typedef int share_operation(struct share_call *call);

/* Room in the answer, SHARE_ANSWER_MAX at most. */
size_t share_room(const struct share_call *call);
/* Answers with the @len bytes at @from; -EIO when they do not fit. */
int share_answer(struct share_call *call, const void *from, size_t len);

/* --- Nodes (io/share_node.c) --------------------------------------------- */

/* "/proc/self/fd/2147483647" */
#define SHARE_PROC_PATH_BYTES 32

/* The path of @node for calls that take no descriptor of O_PATH. */
void share_proc_path(const struct share_node *node,
		     char path[SHARE_PROC_PATH_BYTES]);
int share_stat(int fd, struct stat *ret_stat);
void share_fill_attr(const struct stat *stat, struct fuse_attr *attr);
/* Shows the guest what is called @name in @parent. */
int share_lookup(struct share_folder *folder, const struct share_node *parent,
		 const char *name, struct fuse_entry_out *ret_entry);
/* Answers with the entry of @name in the call's node. */
int share_answer_entry(struct share_call *call, const char *name);

/* --- Files (io/share_file.c) --------------------------------------------- */

/* A descriptor to read or write with: flags as open(2)'s. Or -errno. */
int share_reopen(const struct share_folder *folder,
		 const struct share_node *node, int flags);
/* Set-user-ID and set-group-ID go, as for a write without CAP_FSETID. */
int share_kill_privileges(int fd);
/* Of what an open asks for, what is passed on. */
int share_open_flags(uint32_t flags);
/* Opens what the guest was shown, and fills in the answer. */
int share_open_node(struct share_call *call, const struct share_node *node,
		    int flags, bool kill, struct fuse_open_out *ret_open);
void share_fill_open(const struct share_folder *folder,
		     const struct share_handle *handle,
		     struct fuse_open_out *ret_open);

/* --- Who creates (io/share_user.c) --------------------------------------- */

/* Once, on the thread that serves. */
void share_user_prepare(struct share_folder *folder);
/* From here to share_user_leave, files belong to the guest's user. */
void share_user_enter(const struct share_call *call);
void share_user_leave(const struct share_call *call);

/* --- Operations ---------------------------------------------------------- */

share_operation share_do_lookup, share_do_getattr, share_do_setattr,
	share_do_readlink, share_do_statfs, share_do_syncfs;
share_operation share_do_symlink, share_do_mknod, share_do_mkdir,
	share_do_unlink, share_do_rmdir, share_do_rename, share_do_rename2,
	share_do_link, share_do_create;
share_operation share_do_open, share_do_read, share_do_write, share_do_flush,
	share_do_release, share_do_fsync, share_do_fallocate, share_do_lseek;
share_operation share_do_opendir, share_do_readdir, share_do_readdirplus,
	share_do_releasedir, share_do_fsyncdir;
share_operation share_do_getxattr, share_do_setxattr, share_do_listxattr,
	share_do_removexattr;

#endif
