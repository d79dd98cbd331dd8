/*
 * The verbs for people, called without root's rights.
 *
 * Theory of operation. What needs rights over files or makes containers first
 * joins a user namespace of HOME_ID_COUNT IDs, of which 0 is the caller and the
 * others are of the caller's ranges, with a mount namespace that belongs to it.
 * There the caller is root, and all goes on as for root, but that
 *
 *   - ID-mapped mounts are for the host's root (mount_setattr(2)). So all
 *     containers of a user have the same IDs, those of this namespace, and
 *     files in the store have the owners that the container's have outside;
 *   - overlayfs keeps its notes in attributes "user.", as the others are not
 *     for us (Linux Documentation/filesystems/overlayfs.rst, "User xattr").
 *
 * Each container still has a user namespace of its own, below that one. There
 * is no process that keeps the namespace: supervisors live in one, and the next
 * verb makes another one with the same maps. Whose user ID made a namespace has
 * all rights in it and below from outside (user_namespaces(7)), so verbs that
 * only look, signal or exec stay outside; but from beside it nobody has any, so
 * for a container that runs its supervisor's namespace is joined.
 *
 * Root of any other user namespace, as in a container with nesting, works the
 * same way, with the IDs that are there. One thread.
 */
#ifndef CONTAINER_ROOTLESS_H
#define CONTAINER_ROOTLESS_H

#include "container/context.h"

struct recipe;

/*
 * Who is not root is from here on, in a user namespace; that of the container
 * @name where that runs, which may be NULL. Root stays as it is. Before our
 * program is protected: no descriptor of @context is left open.
 */
int rootless_enter(struct context *context, const char *name, struct err *err);

/* Refuses what only the host's root can give. */
int rootless_check(const struct recipe *recipe, struct err *err);

#endif
