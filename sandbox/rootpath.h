/*
 * Paths inside a root filesystem that its owner may fill with anything. Every
 * walk is confined to the root (walk.h, RESOLVE_IN_ROOT): no symbolic link and no ".." leads out, and links of /proc
 * that jump are not followed. Descriptors are close-on-exec and the caller's.
 * Nothing allocates; any thread. Errors are -errno and a sentence.
 */
#ifndef SANDBOX_ROOTPATH_H
#define SANDBOX_ROOTPATH_H

#include <sys/types.h>

#include "core/err.h"

/* Opens what is there, links followed inside of @root. @flags as open(2). */
int rootpath_open(int root, const char *path, int flags);

/* The same, but no part of @path may be a symbolic link (-ELOOP). */
int rootpath_open_plain(int root, const char *path, int flags);

/*
 * The directory @path, with what is missing of it created (mode 0755). A
 * dangling link on the way is refused. O_PATH.
 */
int rootpath_make_dir(int root, const char *path, struct err *err);

/* The file @path: empty when it had to be made, whatever it is when not. */
int rootpath_make_file(int root, const char *path, struct err *err);

/*
 * The folder that @path is in, made when missing; *@ret_name points at the last
 * component inside @path. "/" and a trailing ".." have none: -EINVAL.
 */
int rootpath_parent(int root, const char *path, const char **ret_name,
		    struct err *err);

#endif
