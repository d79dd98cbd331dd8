/*
 * Names of groups without the name service, which a statically linked program
 * cannot ask.
 */
#ifndef VMM_GROUP_H
#define VMM_GROUP_H

#include <stddef.h>
#include <sys/types.h>

/* The name of @gid in /etc/group, or the number itself. Any thread. */
void group_name(gid_t gid, char *to, size_t size);

#endif
