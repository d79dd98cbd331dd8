/*
 * Folders of the host in a VM: bind mounts, each of which becomes a shared
 * folder (hull's --share) that the guest mounts in its place. What else a VM
 * could be given of the host, a file, is copied; see vm_bundle.c.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "container/vm.h"
#include "container/vm_parts.h"

bool vm_share_is(const struct mount_plan *plan)
{
	struct stat st;

	return plan->is_bind && !plan->remount && *plan->source == '/' &&
	       !stat(plan->source, &st) && S_ISDIR(st.st_mode);
}

bool vm_share_is_read_only(const struct mount_plan *plan)
{
	return (plan->one.set | plan->below.set) & MOUNT_ATTR_RDONLY;
}

void vm_share_name(size_t index, char name[VM_SHARE_NAME])
{
	snprintf(name, VM_SHARE_NAME, "share%zu", index);
}

int vm_share_say(const struct vm_block *block, const struct config *config,
		 size_t index, struct err *err)
{
	const struct mount_plan *plan = &config->mounts[index].plan;
	char name[VM_SHARE_NAME];
	size_t before = 0;

	for (size_t i = 0; i < index; i++)
		before += vm_share_is(&config->mounts[i].plan);
	if (before >= VM_SHARES_MAX)
		return err_set(
			err, E2BIG,
			"%s: a VM can have %d folders of the host at most",
			plan->target, VM_SHARES_MAX);
	vm_share_name(index, name);
	if (block)
		vm_say(block, "mount", "virtiofs %u %s %s",
		       (unsigned int)(plan->one.set & VM_MOUNT_FLAGS), name,
		       plan->target);
	return 0;
}

int vm_share_say_all(const struct vm_block *block, const struct config *config,
		     struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		const struct mount_plan *plan = &config->mounts[i].plan;

		if (vm_share_is(plan))
			rc = vm_share_say(block, config, i, err);
		else if (plan->is_bind)
			rc = err_set(
				err, ENOTDIR,
				"--mount: a VM can have folders of the host, and %s is none",
				plan->source);
	}
	return rc;
}
