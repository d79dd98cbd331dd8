/*
 * User namespaces: their ID maps (user_namespaces(7)), and one that only
 * carries maps, for ID-mapped mounts. In the parent, one thread.
 */
#ifndef SANDBOX_USERNS_H
#define SANDBOX_USERNS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct userns_map {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

struct userns_maps {
	struct userns_map *maps; /* owned by whoever filled it */
	size_t count;
};

enum userns_way {
	USERNS_DIRECT, /* the caller may map what it likes */
	USERNS_OWN_ID, /* it maps itself alone; setgroups is denied there */
	USERNS_HELPERS, /* newuidmap(1) and newgidmap(1), by /etc/subuid */
};

/* How the caller can set these maps. */
enum userns_way userns_way(const struct userns_maps *uids,
			   const struct userns_maps *gids);

/* What @inside is on the outside; false: it is not mapped. */
bool userns_outside(const struct userns_maps *maps, uint32_t inside,
		    uint32_t *ret_outside);

/* Sets the maps of the new namespace that @pid is in, through a handle on
 * /proc. */
int userns_set_maps(int proc, pid_t pid, const struct userns_maps *uids,
		    const struct userns_maps *gids, struct err *err);

/* Whether setgroups is denied in the namespace of @process, "self" or a pid. */
bool userns_denies_groups(int proc, const char *process);

/* Whether the caller is in the host's own namespace. */
bool userns_is_initial(int proc);

/* Whether the caller is root, and not of a user namespace only. */
bool userns_is_root_of_host(void);

/* Reads "uid_map" or "gid_map" of the caller: up to @room lines. 0 or -errno. */
int userns_read(int proc, const char *file, struct userns_map *list,
		size_t room, size_t *ret_count);

/* A descriptor of a namespace with these maps, in which nobody lives. */
int userns_make(int proc, const struct userns_maps *uids,
		const struct userns_maps *gids, struct err *err);

/* Of the namespaces above @ns, the one right below the caller's, whatever its
 * processes made below that: a descriptor. -EINVAL when @ns is that itself. */
int userns_below_own(int proc, int ns);

#endif
