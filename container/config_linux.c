/* The object "linux" (runtime-spec 1.2, config-linux.md). */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "container/config_parts.h"
#include "sandbox/names.h"

/* ---- namespaces and IDs ---- */

static int read_namespaces(struct config *config, const struct jnode *up,
			   struct err *err)
{
	struct jnode array;
	int rc = config_array(up, "namespaces", sizeof(*config->namespaces),
			      &array, &config->namespaces, err);

	config->namespace_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < config->namespace_count; i++) {
		struct config_namespace *ns = &config->namespaces[i];
		struct jnode element = json_element(&array, i);
		const struct jnode path = { .up = &element, .key = "path" };
		const struct name_value *entry;
		const char *type = "";

		rc = json_is_object_node(&element, err);
		if (!rc)
			rc = json_need_string(&element, "type", &type, err);
		if (rc >= 0)
			rc = json_string_at(&element, "path", &ns->path, err);
		if (rc < 0)
			return rc;
		entry = names_find(names_of_namespaces, type);
		if (!entry)
			return json_wrong(&element, err,
					  "\"%s\" is no namespace", type);
		for (size_t j = 0; j < i; j++) {
			if (config->namespaces[j].flag == entry->value)
				return json_wrong(&element, err,
						  "\"%s\" is given twice",
						  type);
		}
		ns->flag = entry->value;
		ns->type = entry->name;
		if (ns->path && !*ns->path)
			ns->path = NULL;
		if (ns->path && *ns->path != '/')
			return json_wrong(&path, err, "\"%s\" is not absolute",
					  ns->path);
		if (!ns->path)
			config->new_namespaces |= ns->flag;
		rc = 1;
	}
	return rc < 0 ? rc : 0;
}

static int check_id_maps(const struct config *config, const struct jnode *up,
			 struct err *err)
{
	const struct jnode uids = { .up = up, .key = "uidMappings" };
	const struct jnode gids = { .up = up, .key = "gidMappings" };
	const struct config_namespace *user =
		config_namespace(config, CLONE_NEWUSER);
	bool is_new = user && !user->path;

	if (config->uids.count && !is_new)
		return json_wrong(&uids, err,
				  "there is no new user namespace to map for");
	if (is_new && !config->uids.count)
		return json_wrong(&uids, err,
				  "a new user namespace needs mappings");
	if (!config->uids.count != !config->gids.count)
		return json_wrong(&gids, err,
				  "uidMappings and gidMappings go together");
	return 0;
}

static int read_offset(const struct jnode *offsets, const char *key,
		       int64_t *ret_s, int64_t *ret_ns, struct err *err)
{
	struct jnode node;
	int rc = json_object_at(offsets, key, &node, err);

	if (rc > 0)
		rc = json_i64_at(&node, "secs", INT64_MIN, INT64_MAX, ret_s,
				 err);
	if (rc >= 0)
		rc = json_i64_at(&node, "nanosecs", 0, 999999999, ret_ns, err);
	return rc;
}

static int read_time_offsets(struct config *config, const struct jnode *up,
			     struct err *err)
{
	struct jnode offsets;
	int rc = json_object_at(up, "timeOffsets", &offsets, err);

	if (rc <= 0)
		return rc;
	if (!json_object_size(offsets.value))
		return 0;
	if (!(config->new_namespaces & CLONE_NEWTIME))
		return json_wrong(&offsets, err,
				  "there is no new time namespace");
	config->has_time_offsets = true;
	rc = read_offset(&offsets, "monotonic", &config->monotonic_s,
			 &config->monotonic_ns, err);
	if (rc >= 0)
		rc = read_offset(&offsets, "boottime", &config->boottime_s,
				 &config->boottime_ns, err);
	return rc;
}

/* ---- devices ---- */

static int device_type(const char *text, char *ret_type)
{
	if (strlen(text) != 1 || !strchr("cbup", *text))
		return -EINVAL;
	*ret_type = *text;
	if (*text == 'u')
		*ret_type = 'c';
	return 0;
}

static int read_device(struct device_node *device, const struct jnode *node,
		       struct err *err)
{
	const char *type = "";
	uint64_t major = 0;
	uint64_t minor = 0;
	uint64_t mode = 0666;
	uint64_t uid = 0;
	uint64_t gid = 0;
	int rc = json_is_object_node(node, err);

	device->tree = -1;
	if (!rc)
		rc = json_need_string(node, "path", &device->path, err);
	if (rc >= 0)
		rc = json_need_string(node, "type", &type, err);
	if (rc < 0)
		return rc;
	if (*device->path != '/')
		return json_wrong(node, err, "the path is not absolute");
	if (device_type(type, &device->type))
		return json_wrong(node, err, "\"%s\" is no type of device",
				  type);
	rc = json_u64_at(node, "major", UINT32_MAX >> 1, &major, err);
	if (rc >= 0)
		rc = json_u64_at(node, "minor", UINT32_MAX >> 1, &minor, err);
	if (rc >= 0)
		rc = json_u64_at(node, "fileMode", UINT32_MAX, &mode, err);
	if (rc >= 0)
		rc = json_u64_at(node, "uid", UINT32_MAX - 1, &uid, err);
	if (rc >= 0)
		rc = json_u64_at(node, "gid", UINT32_MAX - 1, &gid, err);
	device->major = (unsigned int)major;
	device->minor = (unsigned int)minor;
	device->mode = (mode_t)(mode & 07777);
	device->uid = (uid_t)uid;
	device->gid = (gid_t)gid;
	return rc < 0 ? rc : 0;
}

static int read_devices(struct config *config, const struct jnode *up,
			struct err *err)
{
	struct jnode array;
	int rc = config_array(up, "devices", sizeof(*config->devices), &array,
			      &config->devices, err);

	config->device_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < config->device_count; i++) {
		struct jnode element = json_element(&array, i);

		rc = read_device(&config->devices[i], &element, err);
		rc = rc < 0 ? rc : 1;
	}
	return rc < 0 ? rc : 0;
}

static int read_access(uint8_t *ret_access, const char *text)
{
	unsigned int access = 0;

	for (; *text; text++) {
		if (*text == 'r')
			access |= DEVICE_READ;
		else if (*text == 'w')
			access |= DEVICE_WRITE;
		else if (*text == 'm')
			access |= DEVICE_MKNOD;
		else
			return -EINVAL;
	}
	*ret_access = (uint8_t)access;
	return 0;
}

/* -1, as nothing, is any. */
static int read_number(const struct jnode *node, const char *key,
		       uint32_t *ret_number, struct err *err)
{
	int64_t number = -1;
	int rc = json_i64_at(node, key, -1, UINT32_MAX - 1, &number, err);

	*ret_number = number < 0 ? DEVICE_ANY : (uint32_t)number;
	return rc;
}

static int read_device_rule(struct device_rule *rule, const struct jnode *node,
			    struct err *err)
{
	const char *type = "a";
	const char *access = "rwm";
	int rc = json_is_object_node(node, err);

	if (!rc)
		rc = json_bool_at(node, "allow", &rule->allow, err);
	if (rc >= 0)
		rc = json_string_at(node, "type", &type, err);
	if (rc >= 0)
		rc = json_string_at(node, "access", &access, err);
	if (rc >= 0)
		rc = read_number(node, "major", &rule->major, err);
	if (rc >= 0)
		rc = read_number(node, "minor", &rule->minor, err);
	if (rc < 0)
		return rc;
	rule->type = 'a';
	if (*type)
		rule->type = *type;
	if (rule->type == 'u')
		rule->type = 'c';
	if (strlen(type) > 1 || !strchr("acb", rule->type))
		return json_wrong(node, err, "\"%s\" is no type of device",
				  type);
	if (read_access(&rule->access, *access ? access : "rwm"))
		return json_wrong(node, err, "\"%s\" is no access", access);
	return 0;
}

int config_read_device_rules(struct config_resources *resources,
			     const struct jnode *node, struct err *err)
{
	struct jnode array;
	int rc = config_array(node, "devices", sizeof(*resources->devices),
			      &array, &resources->devices, err);

	resources->device_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < resources->device_count; i++) {
		struct jnode element = json_element(&array, i);

		rc = read_device_rule(&resources->devices[i], &element, err);
		rc = rc < 0 ? rc : 1;
	}
	return rc < 0 ? rc : 0;
}

/* ---- sysctl ---- */

/* What belongs to a namespace, and to which; the rest would be the host's. */
static uint64_t sysctl_namespace(const char *name)
{
	static const char *const ipc[] = {
		"kernel.msgmax", "kernel.msgmnb",	   "kernel.msgmni",
		"kernel.sem",	 "kernel.shmall",	   "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ipc); i++) {
		if (!strcmp(name, ipc[i]))
			return CLONE_NEWIPC;
	}
	if (!strncmp(name, "fs.mqueue.", 10))
		return CLONE_NEWIPC;
	if (!strncmp(name, "net.", 4))
		return CLONE_NEWNET;
	if (!strcmp(name, "kernel.domainname") ||
	    !strcmp(name, "kernel.hostname"))
		return CLONE_NEWUTS;
	return 0;
}

static int read_sysctls(struct config *config, const struct jnode *up,
			struct err *err)
{
	struct jnode object;
	const char *name;
	json_t *value;
	int rc = json_object_at(up, "sysctl", &object, err);

	if (rc <= 0)
		return rc;
	config->sysctls = calloc(json_object_size(object.value) + 1,
				 sizeof(*config->sysctls));
	if (!config->sysctls)
		return err_sys(err, ENOMEM, "linux.sysctl");
	json_object_foreach(object.value, name, value)
	{
		const struct jnode node = { .up = &object, .key = name };
		uint64_t flag = sysctl_namespace(name);

		if (!json_is_string(value))
			return json_wrong(&node, err, "expected a string");
		if (!flag)
			return json_wrong(
				&node, err,
				"it is not in a namespace: it would change the host");
		if (!config_namespace(config, flag))
			return json_wrong(
				&node, err,
				"the container has no namespace of its own for it");
		config->sysctls[config->sysctl_count++] =
			(struct config_sysctl){ name,
						json_string_value(value) };
	}
	return 0;
}

/* ---- the rest ---- */

static int read_propagation(struct config *config, const struct jnode *up,
			    struct err *err)
{
	static const struct name_value words[] = {
		{ "private", MS_PRIVATE },
		{ "slave", MS_SLAVE },
		{ "shared", MS_SHARED },
		{ "unbindable", MS_UNBINDABLE },
		{ NULL, 0 },
	};
	const struct jnode node = { .up = up, .key = "rootfsPropagation" };
	const struct name_value *entry;
	const char *text = "";
	int rc = json_string_at(up, "rootfsPropagation", &text, err);

	if (rc <= 0 || !*text)
		return rc;
	entry = names_find(words, text);
	if (!entry && *text == 'r') {
		entry = names_find(words, text + 1);
		config->root_propagation_recursive = entry;
	}
	if (!entry)
		return json_wrong(&node, err, "\"%s\" is no propagation", text);
	config->root_propagation = entry->value;
	return 0;
}

/* personality(2). */
static int read_personality(struct config *config, const struct jnode *up,
			    struct err *err)
{
	const char *domain = "";
	struct jnode node;
	struct jnode flags;
	int rc = json_object_at(up, "personality", &node, err);

	if (rc <= 0)
		return rc;
	rc = json_need_string(&node, "domain", &domain, err);
	if (rc >= 0)
		rc = json_array_at(&node, "flags", &flags, err);
	if (rc < 0)
		return rc;
	if (rc > 0 && json_array_size(flags.value))
		return json_wrong(&flags, err, "no flag is supported");
	if (!strcmp(domain, "LINUX32"))
		config->personality = 0x0008;
	else if (strcmp(domain, "LINUX") != 0)
		return json_wrong(&node, err, "\"%s\" is no domain", domain);
	config->has_personality = true;
	return 0;
}

/* What would be missing without a word; an empty one asks for nothing. */
static int refuse_unsupported(const struct jnode *up, struct err *err)
{
	static const struct {
		const char *key;
		const char *why;
	} refused[] = {
		{ "intelRdt", "resctrl is not supported" },
		{ "mountLabel", "SELinux labels are not supported" },
		{ "memoryPolicy", "memory policies are not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct jnode node = { .up = up, .key = refused[i].key };
		const json_t *value =
			json_object_get(up->value, refused[i].key);
		const char *text = json_string_value(value);

		if (!value || json_is_null(value) || (text && !*text) ||
		    (json_is_object(value) && !json_object_size(value)))
			continue;
		return json_wrong(&node, err, "%s", refused[i].why);
	}
	return 0;
}

static int check_absolute(const struct jnode *up, const char *key,
			  const char **paths, size_t count, struct err *err)
{
	const struct jnode array = { .up = up, .key = key };

	for (size_t i = 0; i < count; i++) {
		const struct jnode element = { .up = &array, .index = i };

		if (*paths[i] != '/')
			return json_wrong(&element, err,
					  "\"%s\" is not absolute", paths[i]);
	}
	return 0;
}

static int read_paths(struct config *config, const struct jnode *up,
		      struct err *err)
{
	int rc = json_strings_at(up, "maskedPaths", &config->masked_paths,
				 &config->masked_count, err);

	if (rc >= 0)
		rc = check_absolute(up, "maskedPaths", config->masked_paths,
				    config->masked_count, err);
	if (rc >= 0)
		rc = json_strings_at(up, "readonlyPaths",
				     &config->read_only_paths,
				     &config->read_only_count, err);
	if (rc >= 0)
		rc = check_absolute(up, "readonlyPaths",
				    config->read_only_paths,
				    config->read_only_count, err);
	return rc;
}

static int read_identity(struct config *config, const struct jnode *up,
			 struct err *err)
{
	int rc = read_namespaces(config, up, err);

	if (rc >= 0)
		rc = config_read_id_maps(&config->uids, up, "uidMappings", err);
	if (rc >= 0)
		rc = config_read_id_maps(&config->gids, up, "gidMappings", err);
	if (rc >= 0)
		rc = check_id_maps(config, up, err);
	if (rc >= 0)
		rc = read_time_offsets(config, up, err);
	return rc;
}

/* A name set in the host's own namespace would be the host's. */
static int check_names(const struct config *config, const struct jnode *root,
		       struct err *err)
{
	const struct jnode host = { .up = root, .key = "hostname" };
	const struct jnode domain = { .up = root, .key = "domainname" };

	if (config_namespace(config, CLONE_NEWUTS))
		return 0;
	if (config->hostname)
		return json_wrong(&host, err, "it needs a uts namespace");
	if (config->domainname)
		return json_wrong(&domain, err, "it needs a uts namespace");
	return 0;
}

int config_read_linux(struct config *config, const struct jnode *root,
		      struct err *err)
{
	struct jnode node;
	struct jnode resources;
	int rc = json_object_at(root, "linux", &node, err);

	if (rc == 0)
		return json_wrong(&node, err, "it is missing");
	if (rc > 0)
		rc = refuse_unsupported(&node, err);
	if (rc >= 0)
		rc = read_identity(config, &node, err);
	if (rc < 0)
		return rc;
	if (!(config->new_namespaces & CLONE_NEWNS))
		return json_wrong(
			&node, err,
			"a container without a new mount namespace is not supported");
	rc = check_names(config, root, err);
	if (rc >= 0)
		rc = read_devices(config, &node, err);
	if (rc >= 0)
		rc = json_string_at(&node, "cgroupsPath", &config->cgroups_path,
				    err);
	if (config->cgroups_path && !*config->cgroups_path)
		config->cgroups_path = NULL;
	if (rc >= 0)
		rc = json_object_at(&node, "resources", &resources, err);
	if (rc > 0)
		rc = config_read_resources(&config->resources, &resources, err);
	if (rc >= 0)
		rc = config_read_net_devices(config, &node, err);
	if (rc >= 0)
		rc = read_sysctls(config, &node, err);
	if (rc >= 0)
		rc = config_read_seccomp(config, &node, err);
	if (rc >= 0)
		rc = read_paths(config, &node, err);
	if (rc >= 0)
		rc = read_propagation(config, &node, err);
	if (rc >= 0)
		rc = read_personality(config, &node, err);
	return rc;
}
