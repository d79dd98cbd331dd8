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

/* vm_bundle.c: what an engine's bundle has beside the process: mounts, files,
 * sysctls. @block NULL: only checks it. */
int vm_bundle_say(const struct vm_block *block, const struct config *config,
		  struct err *err);

/* The same of the network of the namespace that the bundle names. */
int vm_bundle_say_network(const struct vm_block *block,
			  const struct config *config, struct err *err);

#endif
