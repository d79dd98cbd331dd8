/*
 * The file server of a shared folder: FUSE operations on what lies in it,
 * through file descriptors.
 *
 * The guest is not trusted. It names files by one component below a folder it
 * has been shown, never by a path; symbolic links are read for it and never
 * followed; what it is given as node and file handle are numbers that are
 * looked up. Only regular files and folders are ever opened. Each node that it
 * knows holds a descriptor (O_PATH), and so does each open file, so that their
 * number has a limit, after which it gets ENFILE.
 *
 * Who owns what a guest creates: with CAP_SETUID and CAP_SETGID the user and
 * group that the guest says, else the user that hull runs as. Permissions are
 * the guest's kernel's to check; beyond that everything is done with hull's own
 * rights, so that a guest whose hull runs as root has root's rights inside the
 * folder.
 *
 * Threads: opened and freed on any thread, see io/share.h for the rest. The
 * thread that serves gets a umask of its own, and groups of its own.
 *
 * Source: <linux/fuse.h>, 7.31 to 7.38.
 */
#ifndef IO_SHARE_FOLDER_H
#define IO_SHARE_FOLDER_H

#include <stdbool.h>

#include "core/err.h"
#include "io/share.h"

struct share_folder;

/* How long the guest may go by what it was told. */
enum share_cache {
	SHARE_CACHE_AUTO, /* a second; data until a file is opened again */
	SHARE_CACHE_NEVER, /* not at all */
	SHARE_CACHE_ALWAYS, /* as long as it likes: nobody else writes */
};

struct share_folder_config {
	const char *path;
	bool read_only;
	enum share_cache cache;
	unsigned int max_fds; /* of nodes and open files together; 16 or more */
};

/* Errors name the path. The caller owns *ret_folder. */
int share_folder_open(const struct share_folder_config *config,
		      struct share_folder **ret_folder, struct err *err);
/* Nobody serves any more. Takes NULL. */
void share_folder_free(struct share_folder *folder);

struct share *share_folder_share(struct share_folder *folder);

/* Whether the kernel too refuses to write (a mount of our own, read-only). */
bool share_folder_is_sealed(const struct share_folder *folder);

/* Whether this process can give files to any user: see above. */
bool share_folder_can_give(void);

#endif
