/* A mount by mount(2), for options that are too long for fsconfig(2). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "sandbox/mount.h"

/* The flags of mount(2) for those of mount_setattr(2). */
static unsigned long old_flags(uint64_t set)
{
	static const struct {
		uint64_t attribute;
		unsigned long flag;
	} pairs[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },
		{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME },
		{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (set & pairs[i].attribute)
			flags |= pairs[i].flag;
	}
	return flags;
}

bool mount_is_long(const struct mount_plan *plan)
{
	for (size_t i = 0; i < plan->param_count; i++) {
		if (strlen(plan->params[i]) > MOUNT_PARAM_MAX)
			return true;
	}
	return false;
}

static int join(const struct mount_plan *plan, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < plan->param_count; i++) {
		int n = snprintf(text + used, size - used, "%s%s", i ? "," : "",
				 plan->params[i]);

		if (n < 0 || (size_t)n >= size - used)
			return -E2BIG;
		used += (size_t)n;
	}
	return 0;
}

/* The caller's /proc leads from the descriptor to the place itself; no part of
 * the container's path is looked up again. */
int mount_by_text(const struct mount_plan *plan, int target, struct err *err)
{
	char data[MOUNT_DATA_SIZE];
	char path[64];
	int rc = join(plan, data, sizeof(data));

	if (rc)
		return err_sys(err, -rc, "its options are too long");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	if (mount(plan->source, path, plan->type, old_flags(plan->one.set),
		  data))
		return err_sys(err, errno, "cannot mount it");
	return 0;
}
