/*
 * Subordinate IDs: what subuid(5) and subgid(5) give to whom. One thread.
 */
#ifndef CONTAINER_IDS_H
#define CONTAINER_IDS_H

#include "container/home.h"
#include "sandbox/userns.h"

#define IDS_MAPS_MAX 32

/* The maps of a user namespace; each is its own, see ids_of_caller. */
struct ids {
	struct userns_map uid_list[IDS_MAPS_MAX];
	struct userns_map gid_list[IDS_MAPS_MAX];
	struct userns_maps uids; /* borrowed, of the lists */
	struct userns_maps gids;
};

/* The first of HOME_ID_COUNT IDs that no home has. The store is locked. */
int ids_new(struct context *context, uint32_t *ret_base, struct err *err);

/*
 * HOME_ID_COUNT IDs for a caller without root's rights: 0 is the caller's own,
 * the others are out of the caller's ranges, in their order. Fails with what to
 * do where they do not suffice. *@ret_ids may not be moved.
 */
int ids_of_caller(struct ids *ret_ids, struct err *err);

/*
 * For a user namespace below ours: the first HOME_ID_COUNT IDs of ours, each as
 * itself. A line of a map has to be within one of the map above it. Fails where
 * there are less. *@ret_ids may not be moved.
 */
int ids_of_namespace(struct ids *ret_ids, struct err *err);

#endif
