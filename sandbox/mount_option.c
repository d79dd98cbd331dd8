/*
 * The mount options of runtime-spec 1.2, config.md "Linux mount options": each
 * name and what it changes.
 */
#include <string.h>
#include <sys/mount.h>

#include "sandbox/mount.h"

enum option_kind {
	IGNORED, /* says what is so anyway, or what no filesystem asks */
	BIND,
	BIND_RECURSIVE,
	READ_ONLY,
	REMOUNT,
	ATTRIBUTE,
	ATTRIBUTE_BELOW, /* and on all mounts below */
	PROPAGATION,
	PROPAGATION_BELOW,
	TO_FILESYSTEM, /* a flag of the superblock: passed on by its name */
	COPY_UP,
	IDMAP,
	IDMAP_RECURSIVE,
};

struct option {
	const char *name;
	enum option_kind kind;
	uint64_t set; /* attributes, or the propagation */
	uint64_t clear;
};

/* A time setting replaces the others (mount_setattr(2)). */
#define TIMES MOUNT_ATTR__ATIME

/* Sorted by the letter; read-only has a kind of its own below. */
static const struct option options[] = {
	{ "async", TO_FILESYSTEM, 0, 0 },
	{ "atime", ATTRIBUTE, MOUNT_ATTR_RELATIME, TIMES },
	{ "bind", BIND, 0, 0 },
	{ "defaults", IGNORED, 0, 0 },
	{ "dev", ATTRIBUTE, 0, MOUNT_ATTR_NODEV },
	{ "diratime", ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", TO_FILESYSTEM, 0, 0 },
	{ "exec", ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC },
	{ "idmap", IDMAP, 0, 0 },
	{ "iversion", TO_FILESYSTEM, 0, 0 },
	{ "lazytime", TO_FILESYSTEM, 0, 0 },
	{ "loud", IGNORED, 0, 0 },
	{ "mand", TO_FILESYSTEM, 0, 0 },
	{ "noatime", ATTRIBUTE, MOUNT_ATTR_NOATIME, TIMES },
	{ "nodev", ATTRIBUTE, MOUNT_ATTR_NODEV, 0 },
	{ "nodiratime", ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0 },
	{ "noexec", ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0 },
	{ "noiversion", IGNORED, 0, 0 },
	{ "nolazytime", TO_FILESYSTEM, 0, 0 },
	{ "nomand", TO_FILESYSTEM, 0, 0 },
	{ "norelatime", ATTRIBUTE, MOUNT_ATTR_STRICTATIME, TIMES },
	{ "nostrictatime", ATTRIBUTE, MOUNT_ATTR_RELATIME, TIMES },
	{ "nosuid", ATTRIBUTE, MOUNT_ATTR_NOSUID, 0 },
	{ "nosymfollow", ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "private", PROPAGATION, MS_PRIVATE, 0 },
	{ "ratime", ATTRIBUTE_BELOW, MOUNT_ATTR_RELATIME, TIMES },
	{ "rbind", BIND_RECURSIVE, 0, 0 },
	{ "rdev", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_NODEV },
	{ "rdiratime", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ATTRIBUTE, MOUNT_ATTR_RELATIME, TIMES },
	{ "remount", REMOUNT, 0, 0 },
	{ "rexec", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_NOEXEC },
	{ "ridmap", IDMAP_RECURSIVE, 0, 0 },
	{ "rnoatime", ATTRIBUTE_BELOW, MOUNT_ATTR_NOATIME, TIMES },
	{ "rnodev", ATTRIBUTE_BELOW, MOUNT_ATTR_NODEV, 0 },
	{ "rnodiratime", ATTRIBUTE_BELOW, MOUNT_ATTR_NODIRATIME, 0 },
	{ "rnoexec", ATTRIBUTE_BELOW, MOUNT_ATTR_NOEXEC, 0 },
	{ "rnorelatime", ATTRIBUTE_BELOW, MOUNT_ATTR_STRICTATIME, TIMES },
	{ "rnostrictatime", ATTRIBUTE_BELOW, MOUNT_ATTR_RELATIME, TIMES },
	{ "rnosuid", ATTRIBUTE_BELOW, MOUNT_ATTR_NOSUID, 0 },
	{ "rnosymfollow", ATTRIBUTE_BELOW, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "ro", READ_ONLY, MOUNT_ATTR_RDONLY, 0 },
	{ "rprivate", PROPAGATION_BELOW, MS_PRIVATE, 0 },
	{ "rrelatime", ATTRIBUTE_BELOW, MOUNT_ATTR_RELATIME, TIMES },
	{ "rro", ATTRIBUTE_BELOW, MOUNT_ATTR_RDONLY, 0 },
	{ "rrw", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATION_BELOW, MS_SHARED, 0 },
	{ "rslave", PROPAGATION_BELOW, MS_SLAVE, 0 },
	{ "rstrictatime", ATTRIBUTE_BELOW, MOUNT_ATTR_STRICTATIME, TIMES },
	{ "rsuid", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", ATTRIBUTE_BELOW, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATION_BELOW, MS_UNBINDABLE, 0 },
	{ "rw", READ_ONLY, 0, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATION, MS_SHARED, 0 },
	{ "silent", IGNORED, 0, 0 },
	{ "slave", PROPAGATION, MS_SLAVE, 0 },
	{ "strictatime", ATTRIBUTE, MOUNT_ATTR_STRICTATIME, TIMES },
	{ "suid", ATTRIBUTE, 0, MOUNT_ATTR_NOSUID },
	{ "symfollow", ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", TO_FILESYSTEM, 0, 0 },
	{ "tmpcopyup", COPY_UP, 0, 0 },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE, 0 },
};

const char *mount_option_name(size_t index)
{
	return index < ARRAY_SIZE(options) ? options[index].name : NULL;
}

/* A later option wins over an earlier one. */
static void change_attribute(struct mount_change *change,
			     const struct option *option)
{
	change->set &= ~(option->clear | option->set);
	change->clear &= ~option->set;
	change->set |= option->set;
	change->clear |= option->clear;
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (!strcmp(options[i].name, name))
			return &options[i];
	}
	return NULL;
}

bool mount_option(struct mount_plan *plan, const char *name)
{
	const struct option *option = find(name);

	if (!option)
		return false;
	switch (option->kind) {
	case IGNORED:
		break;
	case BIND_RECURSIVE:
		plan->recursive = true;
		plan->is_bind = true;
		break;
	case BIND:
		plan->is_bind = true;
		break;
	case REMOUNT:
		plan->remount = true;
		break;
	case READ_ONLY:
		plan->read_only_fs = option->set != 0;
		change_attribute(&plan->one, option);
		break;
	case ATTRIBUTE:
		change_attribute(&plan->one, option);
		break;
	case ATTRIBUTE_BELOW:
		change_attribute(&plan->below, option);
		break;
	case PROPAGATION:
		plan->one.propagation = option->set;
		break;
	case PROPAGATION_BELOW:
		plan->below.propagation = option->set;
		break;
	case COPY_UP:
		plan->copy_up = true;
		break;
	case IDMAP_RECURSIVE:
		plan->idmap_recursive = true;
		plan->idmap = true;
		break;
	case IDMAP:
		plan->idmap = true;
		break;
	case TO_FILESYSTEM:
		return false;
	}
	return true;
}
