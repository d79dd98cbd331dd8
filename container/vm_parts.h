/* What the files of a VM's first disk (vm_settings.c) share. */
#ifndef CONTAINER_VM_PARTS_H
#define CONTAINER_VM_PARTS_H

#include <stdio.h>

#include "container/config.h"
#include "sandbox/link.h"

/* Strings of core/agent.h. */
struct vm_block {
	FILE *file; /* owned; in memory */
};

/* "key=value" and a zero. */
void vm_say(const struct vm_block *block, const char *key, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Of the network. */
void vm_say_address(const struct vm_block *block,
		    const struct link_address *address);
void vm_say_route(const struct vm_block *block, const struct link_route *route);

/* MOUNT_ATTR_RDONLY, _NOSUID, _NODEV and _NOEXEC have the values of MS_*. */
#define VM_MOUNT_FLAGS 0xf

/* vm_share.c. The tag of a shared folder, and the name of it in the monitor's
 * root, come from the index of the mount in the configuration. */
#define VM_SHARES_MAX 16
#define VM_SHARE_NAME 32

/* Whether the mount becomes a shared folder: it is of a folder of the host. */
bool vm_share_is(const struct mount_plan *plan);
bool vm_share_is_read_only(const struct mount_plan *plan);
void vm_share_name(size_t index, char name[VM_SHARE_NAME]);

/* Has the guest mount it; @block NULL: only checks. */
int vm_share_say(const struct vm_block *block, const struct config *config,
		 size_t index, struct err *err);

/* All that a launched VM has. */
int vm_share_say_all(const struct vm_block *block, const struct config *config,
		     struct err *err);

/* vm_bundle.c: what an engine's bundle has beside the process: mounts, files,
 * sysctls. @block NULL: only checks it. */
int vm_bundle_say(const struct vm_block *block, const struct config *config,
		  struct err *err);

/* The same of the network of the namespace that the bundle names. */
int vm_bundle_say_network(const struct vm_block *block,
			  const struct config *config, struct err *err);

#endif
