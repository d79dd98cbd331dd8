/*
 * Who a container runs as, from a name: its own /etc/passwd and /etc/group say
 * (passwd(5), group(5)), which are the image's and may be anything: links stay
 * inside of the root, what is no file of moderate size is refused, lines that
 * are none are passed over. One thread.
 */
#ifndef CONTAINER_USERS_H
#define CONTAINER_USERS_H

#include <sys/types.h>

#include "container/json.h"

#define USERS_GROUPS_MAX 256
#define USERS_HOME_MAX	 1024

struct users_entry {
	uid_t uid;
	gid_t gid;
	gid_t groups[USERS_GROUPS_MAX]; /* more of them */
	size_t group_count;
	char home[USERS_HOME_MAX]; /* absolute */
};

/*
 * Finds "USER" or "USER:GROUP", each a name or a number (OCI image-spec 1.1,
 * config.md, "User"); NULL or "" is user 0. Without a group it is the user's
 * own, for a number that has no line @gid, and with it come those that
 * /etc/group lists the user in. @root is the container's root directory.
 */
int users_find(int root, const char *text, gid_t gid,
	       struct users_entry *ret_entry, struct err *err);

/* process.user of config.json. The caller decrefs; NULL without memory. */
json_t *users_to_json(const struct users_entry *entry);

#endif
