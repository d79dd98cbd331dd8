/* The array "mounts" (runtime-spec 1.2, config.md "Mounts"). */
#include <errno.h>
#include <string.h>

#include "container/config_parts.h"

int config_read_id_maps(struct userns_maps *maps, const struct jnode *up,
			const char *key, struct err *err)
{
	struct jnode array;
	int rc = config_array(up, key, sizeof(*maps->maps), &array, &maps->maps,
			      err);

	maps->count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < maps->count; i++) {
		struct jnode element = json_element(&array, i);
		uint64_t inside = 0;
		uint64_t outside = 0;
		uint64_t count = 0;

		rc = json_is_object_node(&element, err);
		if (!rc)
			rc = json_u64_at(&element, "containerID",
					 UINT32_MAX - 1, &inside, err);
		if (rc >= 0)
			rc = json_u64_at(&element, "hostID", UINT32_MAX - 1,
					 &outside, err);
		if (rc >= 0)
			rc = json_u64_at(&element, "size", UINT32_MAX, &count,
					 err);
		if (rc < 0)
			return rc;
		if (!count)
			return json_wrong(&element, err,
					  "size must be more than 0");
		maps->maps[i] = (struct userns_map){
			.inside = (uint32_t)inside,
			.outside = (uint32_t)outside,
			.count = (uint32_t)count,
		};
		rc = 1;
	}
	return rc < 0 ? rc : 0;
}

static int read_options(struct mount_plan *plan, const struct jnode *node,
			struct err *err)
{
	autofree const char **options = NULL;
	size_t count = 0;
	int rc = json_strings_at(node, "options", &options, &count, err);

	if (rc <= 0)
		return rc;
	plan->params = calloc(count + 1, sizeof(*plan->params));
	if (!plan->params)
		return err_sys(err, ENOMEM, "mounts");
	for (size_t i = 0; i < count; i++) {
		if (!mount_option(plan, options[i]))
			plan->params[plan->param_count++] = options[i];
	}
	return 0;
}

/* It has no source: the mount is there, by the configuration or the image. */
static int check_remount(const struct config_mount *mount,
			 const struct jnode *node, struct err *err)
{
	const struct mount_plan *plan = &mount->plan;

	if (plan->idmap || plan->copy_up)
		return json_wrong(
			node, err,
			"remount goes with neither idmap nor tmpcopyup");
	if (plan->is_bind && plan->param_count)
		return json_wrong(node, err,
				  "a bind mount has no option \"%s\"",
				  plan->params[0]);
	return 0;
}

/* What the filesystem would be told of a bind mount is nothing. */
static int check_bind(const struct mount_plan *plan, const struct jnode *node,
		      struct err *err)
{
	if (plan->param_count)
		return json_wrong(node, err,
				  "a bind mount has no option \"%s\"",
				  plan->params[0]);
	if (plan->copy_up)
		return json_wrong(node, err, "tmpcopyup is for tmpfs");
	if (!plan->source || !*plan->source)
		return json_wrong(node, err, "a bind mount needs a source");
	return 0;
}

static int check_filesystem(const struct mount_plan *plan,
			    const struct jnode *node, struct err *err)
{
	size_t total = 0;

	if (!plan->type || !*plan->type)
		return json_wrong(node, err,
				  "it has neither a type nor the option bind");
	if (plan->idmap)
		return json_wrong(node, err, "idmap is for bind mounts");
	if (plan->copy_up && strcmp(plan->type, "tmpfs") != 0)
		return json_wrong(node, err, "tmpcopyup is for tmpfs");
	for (size_t i = 0; i < plan->param_count; i++)
		total += strlen(plan->params[i]) + 1;
	if (total > MOUNT_DATA_SIZE)
		return json_wrong(node, err,
				  "its options are longer than 4095 bytes");
	if (mount_is_long(plan) &&
	    (plan->copy_up || plan->one.propagation || plan->below.set ||
	     plan->below.clear || plan->below.propagation))
		return json_wrong(
			node, err,
			"an option longer than 255 bytes does not go with tmpcopyup, propagation or what is recursive");
	return 0;
}

static int read_mount(struct config_mount *mount, const struct jnode *node,
		      struct err *err)
{
	struct mount_plan *plan = &mount->plan;
	struct jnode target = { .up = node, .key = "destination" };
	int rc = json_is_object_node(node, err);

	plan->tree = -1;
	plan->idmap_fd = -1;
	if (!rc)
		rc = json_need_string(node, "destination", &plan->target, err);
	if (rc < 0)
		return rc;
	if (*plan->target != '/')
		return json_wrong(&target, err, "\"%s\" is not absolute",
				  plan->target);
	rc = json_string_at(node, "type", &plan->type, err);
	if (rc >= 0)
		rc = json_string_at(node, "source", &plan->source, err);
	if (rc >= 0)
		rc = read_options(plan, node, err);
	if (rc >= 0)
		rc = config_read_id_maps(&mount->uids, node, "uidMappings",
					 err);
	if (rc >= 0)
		rc = config_read_id_maps(&mount->gids, node, "gidMappings",
					 err);
	if (rc < 0)
		return rc;
	if (!mount->uids.count != !mount->gids.count)
		return json_wrong(node, err,
				  "uidMappings and gidMappings go together");
	plan->idmap |= mount->uids.count > 0;
	if (plan->type && !strcmp(plan->type, "bind"))
		plan->is_bind = true;
	if (plan->remount)
		return check_remount(mount, node, err);
	if (!plan->is_bind)
		return check_filesystem(plan, node, err);
	plan->type = NULL;
	return check_bind(plan, node, err);
}

int config_read_mounts(struct config *config, const struct jnode *root,
		       struct err *err)
{
	struct jnode array;
	int rc = config_array(root, "mounts", sizeof(*config->mounts), &array,
			      &config->mounts, err);

	config->mount_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < config->mount_count; i++) {
		struct jnode element = json_element(&array, i);

		rc = read_mount(&config->mounts[i], &element, err);
		rc = rc < 0 ? rc : 1;
	}
	return rc < 0 ? rc : 0;
}
