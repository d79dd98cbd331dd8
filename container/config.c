#include "container/config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "container/config_parts.h"
#include "sandbox/names.h"

#define SPEC_MAJOR "1."

int config_array(const struct jnode *up, const char *key, size_t size,
		 struct jnode *ret_node, void *ret_array, struct err *err)
{
	int rc = json_array_at(up, key, ret_node, err);
	void *array;

	if (rc <= 0)
		return rc;
	array = calloc(json_array_size(ret_node->value) + 1, size);
	if (!array)
		return err_sys(err, ENOMEM, "%s", key);
	*(void **)ret_array = array;
	return 1;
}

const char *config_hook_name(enum hook_kind kind)
{
	static const char *const names[HOOK_KINDS] = {
		[HOOK_PRESTART] = "prestart",
		[HOOK_CREATE_RUNTIME] = "createRuntime",
		[HOOK_CREATE_CONTAINER] = "createContainer",
		[HOOK_START_CONTAINER] = "startContainer",
		[HOOK_POSTSTART] = "poststart",
		[HOOK_POSTSTOP] = "poststop",
	};

	return names[kind];
}

const struct config_namespace *config_namespace(const struct config *config,
						uint64_t flag)
{
	for (size_t i = 0; i < config->namespace_count; i++) {
		if (config->namespaces[i].flag == flag)
			return &config->namespaces[i];
	}
	return NULL;
}

bool config_delegates_cgroup(const struct config *config)
{
	if (!(config->new_namespaces & CLONE_NEWCGROUP))
		return false;
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct mount_plan *plan = &config->mounts[i].plan;

		if (mount_is_cgroup(plan) &&
		    !(plan->one.set & MOUNT_ATTR_RDONLY))
			return true;
	}
	return false;
}

/* ---- process ---- */

static int read_groups(struct config_process *process, const struct jnode *user,
		       struct err *err)
{
	struct jnode array;
	int rc = config_array(user, "additionalGids", sizeof(gid_t), &array,
			      &process->groups, err);

	process->group_count = config_count(&array, rc);
	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < process->group_count; i++) {
		struct jnode element = json_element(&array, i);
		json_int_t value = json_integer_value(element.value);

		if (!json_is_integer(element.value) || value < 0 ||
		    value >= UINT32_MAX)
			return json_wrong(&element, err,
					  "it is not a group ID");
		process->groups[i] = (gid_t)value;
	}
	return 0;
}

static int read_user(struct config_process *process, const struct jnode *node,
		     struct err *err)
{
	struct jnode user;
	uint64_t uid = 0;
	uint64_t gid = 0;
	uint64_t umask = 0;
	int rc = json_object_at(node, "user", &user, err);

	if (rc <= 0)
		return rc;
	rc = json_u64_at(&user, "uid", UINT32_MAX - 1, &uid, err);
	if (rc >= 0)
		rc = json_u64_at(&user, "gid", UINT32_MAX - 1, &gid, err);
	if (rc < 0)
		return rc;
	rc = json_u64_at(&user, "umask", 0777, &umask, err);
	if (rc < 0)
		return rc;
	process->has_umask = rc > 0;
	process->umask = (mode_t)umask;
	process->uid = (uid_t)uid;
	process->gid = (gid_t)gid;
	return read_groups(process, &user, err);
}

static int read_capability_set(const struct jnode *up, const char *key,
			       uint64_t *ret_set, struct err *err)
{
	struct jnode array;
	int rc = json_array_at(up, key, &array, err);

	for (size_t i = 0; rc > 0 && i < json_array_size(array.value); i++) {
		struct jnode element = json_element(&array, i);
		const char *name = json_string_value(element.value);
		int number = name ? caps_number(name) : -1;

		if (number < 0)
			return json_wrong(&element, err,
					  "\"%s\" is no capability",
					  name ? name : "");
		*ret_set |= 1ULL << number;
	}
	return rc < 0 ? rc : 0;
}

static int read_capabilities(struct config_process *process,
			     const struct jnode *node, struct err *err)
{
	struct caps *caps = &process->caps;
	struct jnode sets;
	int rc = json_object_at(node, "capabilities", &sets, err);

	if (rc <= 0)
		return rc;
	rc = read_capability_set(&sets, "bounding", &caps->bounding, err);
	if (!rc)
		rc = read_capability_set(&sets, "effective", &caps->effective,
					 err);
	if (!rc)
		rc = read_capability_set(&sets, "permitted", &caps->permitted,
					 err);
	if (!rc)
		rc = read_capability_set(&sets, "inheritable",
					 &caps->inheritable, err);
	if (!rc)
		rc = read_capability_set(&sets, "ambient", &caps->ambient, err);
	return rc;
}

static int read_rlimits(struct config_process *process,
			const struct jnode *node, struct err *err)
{
	struct jnode array;
	int rc = config_array(node, "rlimits", sizeof(*process->rlimits),
			      &array, &process->rlimits, err);

	process->rlimit_count = config_count(&array, rc);
	for (size_t i = 0; rc > 0 && i < process->rlimit_count; i++) {
		struct config_rlimit *limit = &process->rlimits[i];
		struct jnode element = json_element(&array, i);
		const struct name_value *entry;
		const char *type = "";
		uint64_t soft = 0;
		uint64_t hard = 0;

		rc = json_is_object_node(&element, err);
		if (!rc)
			rc = json_need_string(&element, "type", &type, err);
		if (rc < 0)
			return rc;
		entry = names_find(names_of_rlimits, type);
		if (!entry)
			return json_wrong(&element, err,
					  "\"%s\" is no resource limit", type);
		for (size_t j = 0; j < i; j++) {
			if (process->rlimits[j].resource == (int)entry->value)
				return json_wrong(&element, err,
						  "%s is given twice", type);
		}
		rc = json_u64_at(&element, "soft", UINT64_MAX, &soft, err);
		if (rc >= 0)
			rc = json_u64_at(&element, "hard", UINT64_MAX, &hard,
					 err);
		if (rc < 0)
			return rc;
		if (soft > hard)
			return json_wrong(&element, err,
					  "soft is more than hard");
		limit->resource = (int)entry->value;
		limit->limit.rlim_cur = soft;
		limit->limit.rlim_max = hard;
		rc = 1;
	}
	return rc < 0 ? rc : 0;
}

static int read_console_size(struct config_process *process,
			     const struct jnode *node, struct err *err)
{
	struct jnode size;
	uint64_t rows = 0;
	uint64_t columns = 0;
	int rc = json_object_at(node, "consoleSize", &size, err);

	if (rc <= 0)
		return rc;
	rc = json_u64_at(&size, "height", UINT16_MAX, &rows, err);
	if (rc >= 0)
		rc = json_u64_at(&size, "width", UINT16_MAX, &columns, err);
	process->console_rows = (unsigned int)rows;
	process->console_columns = (unsigned int)columns;
	return rc < 0 ? rc : 0;
}

/* ioprio_set(2): the class in the upper three bits of 16. */
#define IOPRIO_CLASS_SHIFT 13

static int read_io_priority(struct config_process *process,
			    const struct jnode *node, struct err *err)
{
	static const char *const classes[] = { "", "IOPRIO_CLASS_RT",
					       "IOPRIO_CLASS_BE",
					       "IOPRIO_CLASS_IDLE" };
	const char *name = "";
	struct jnode value;
	int64_t level = 0;
	int rc = json_object_at(node, "ioPriority", &value, err);

	if (rc <= 0)
		return rc;
	rc = json_need_string(&value, "class", &name, err);
	if (rc >= 0)
		rc = json_i64_at(&value, "priority", 0, 7, &level, err);
	if (rc < 0)
		return rc;
	for (int i = 1; i < (int)ARRAY_SIZE(classes); i++) {
		if (strcmp(classes[i], name) != 0)
			continue;
		process->has_io_priority = true;
		process->io_priority = i << IOPRIO_CLASS_SHIFT | (int)level;
		return 0;
	}
	return json_wrong(&value, err, "\"%s\" is no I/O class", name);
}

/* sched_setattr(2). */
static const struct name_value policies[] = {
	{ "SCHED_OTHER", 0 },	 { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },
	{ "SCHED_BATCH", 3 },	 { "SCHED_ISO", 4 },  { "SCHED_IDLE", 5 },
	{ "SCHED_DEADLINE", 6 }, { NULL, 0 },
};

static const struct name_value policy_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },
	{ "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
	{ NULL, 0 },
};

static int read_scheduler_numbers(struct config_scheduler *scheduler,
				  const struct jnode *node, struct err *err)
{
	int64_t nice = 0;
	int64_t priority = 0;
	int rc = json_i64_at(node, "nice", -20, 19, &nice, err);

	if (rc >= 0)
		rc = json_i64_at(node, "priority", 0, 99, &priority, err);
	if (rc >= 0)
		rc = json_u64_at(node, "runtime", UINT64_MAX,
				 &scheduler->runtime, err);
	if (rc >= 0)
		rc = json_u64_at(node, "deadline", UINT64_MAX,
				 &scheduler->deadline, err);
	if (rc >= 0)
		rc = json_u64_at(node, "period", UINT64_MAX, &scheduler->period,
				 err);
	scheduler->nice = (int32_t)nice;
	scheduler->priority = (uint32_t)priority;
	return rc < 0 ? rc : 0;
}

static int read_scheduler(struct config_process *process,
			  const struct jnode *node, struct err *err)
{
	struct config_scheduler *scheduler = &process->scheduler;
	const struct name_value *policy;
	autofree const char **flags = NULL;
	const char *name = "";
	struct jnode value;
	size_t count = 0;
	int rc = json_object_at(node, "scheduler", &value, err);

	if (rc <= 0)
		return rc;
	rc = json_need_string(&value, "policy", &name, err);
	if (rc >= 0)
		rc = json_strings_at(&value, "flags", &flags, &count, err);
	if (rc < 0)
		return rc;
	policy = names_find(policies, name);
	if (!policy)
		return json_wrong(&value, err, "\"%s\" is no policy", name);
	for (size_t i = 0; i < count; i++) {
		const struct name_value *flag =
			names_find(policy_flags, flags[i]);

		if (!flag)
			return json_wrong(&value, err,
					  "\"%s\" is no scheduler flag",
					  flags[i]);
		scheduler->flags |= flag->value;
	}
	scheduler->policy = (uint32_t)policy->value;
	process->has_scheduler = true;
	return read_scheduler_numbers(scheduler, &value, err);
}

static int read_process_rest(struct config_process *process,
			     const struct jnode *node, struct err *err)
{
	int64_t oom = 0;
	int rc = json_bool_at(node, "noNewPrivileges",
			      &process->no_new_privileges, err);

	if (rc >= 0)
		rc = json_string_at(node, "apparmorProfile",
				    &process->apparmor_profile, err);
	if (rc >= 0)
		rc = json_string_at(node, "selinuxLabel",
				    &process->selinux_label, err);
	if (rc >= 0)
		rc = json_i64_at(node, "oomScoreAdj", -1000, 1000, &oom, err);
	if (rc < 0)
		return rc;
	process->has_oom_score_adj = rc > 0;
	process->oom_score_adj = (int)oom;
	rc = read_rlimits(process, node, err);
	if (!rc)
		rc = read_console_size(process, node, err);
	if (!rc)
		rc = read_io_priority(process, node, err);
	if (!rc)
		rc = read_scheduler(process, node, err);
	return rc;
}

int config_read_process(struct config_process *process,
			const struct jnode *node, struct err *err)
{
	struct jnode args = { .up = node, .key = "args" };
	size_t arg_count = 0;
	size_t env_count = 0;
	int rc = json_bool_at(node, "terminal", &process->terminal, err);

	if (rc >= 0)
		rc = json_need_string(node, "cwd", &process->cwd, err);
	if (rc < 0)
		return rc;
	if (*process->cwd != '/') {
		args.key = "cwd";
		return json_wrong(&args, err, "\"%s\" is not absolute",
				  process->cwd);
	}
	rc = json_strings_at(node, "args", &process->args, &arg_count, err);
	if (rc < 0)
		return rc;
	if (!arg_count)
		return json_wrong(&args, err, "there is no program to run");
	rc = json_strings_at(node, "env", &process->env, &env_count, err);
	if (rc >= 0 && !process->env) {
		process->env = calloc(1, sizeof(*process->env));
		if (!process->env)
			rc = err_sys(err, ENOMEM, "process.env");
	}
	if (rc >= 0)
		rc = read_user(process, node, err);
	if (rc >= 0)
		rc = read_capabilities(process, node, err);
	if (rc >= 0)
		rc = read_process_rest(process, node, err);
	return rc < 0 ? rc : 0;
}

void config_process_release(struct config_process *process)
{
	free(process->args);
	free(process->env);
	free(process->groups);
	free(process->rlimits);
}

/* ---- hooks ---- */

static int read_hook(struct config_hook *hook, const struct jnode *node,
		     struct err *err)
{
	struct jnode path = { .up = node, .key = "path" };
	uint64_t timeout = 0;
	size_t count;
	int rc = json_is_object_node(node, err);

	if (!rc)
		rc = json_need_string(node, "path", &hook->path, err);
	if (rc < 0)
		return rc;
	assert(hook->path);
	if (*hook->path != '/')
		return json_wrong(&path, err, "\"%s\" is not absolute",
				  hook->path);
	rc = json_strings_at(node, "args", &hook->args, &count, err);
	if (rc >= 0)
		rc = json_strings_at(node, "env", &hook->env, &count, err);
	if (rc < 0)
		return rc;
	rc = json_u64_at(node, "timeout", 86400, &timeout, err);
	path.key = "timeout";
	if (rc > 0 && !timeout)
		return json_wrong(&path, err, "it must be more than 0");
	hook->timeout_s = (unsigned int)timeout;
	return rc < 0 ? rc : 0;
}

static int read_hooks(struct config *config, const struct jnode *root,
		      struct err *err)
{
	struct jnode hooks;
	int rc = json_object_at(root, "hooks", &hooks, err);

	if (rc <= 0)
		return rc;
	for (unsigned int kind = 0; kind < HOOK_KINDS; kind++) {
		struct config_hooks *list = &config->hooks[kind];
		struct jnode array;

		rc = config_array(&hooks, config_hook_name(kind),
				  sizeof(*list->hooks), &array, &list->hooks,
				  err);
		list->count = config_count(&array, rc);
		for (size_t i = 0; rc > 0 && i < list->count; i++) {
			struct jnode element = json_element(&array, i);

			rc = read_hook(&list->hooks[i], &element, err);
			rc = rc < 0 ? rc : 1;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- the whole ---- */

static int read_version(struct config *config, const struct jnode *root,
			struct err *err)
{
	struct jnode node = { .up = root, .key = "ociVersion" };
	int rc = json_need_string(root, "ociVersion", &config->version, err);

	if (rc < 0)
		return rc;
	/* Semantic versioning: within 1 nothing that we know changes. */
	if (strncmp(config->version, SPEC_MAJOR, strlen(SPEC_MAJOR)) != 0)
		return json_wrong(&node, err,
				  "version %s is not supported, only 1.x",
				  config->version);
	return 0;
}

/* As gethostname(2): what the kernel takes. */
#define UTS_NAME_MAX 64

static int read_root(struct config *config, const struct jnode *root,
		     struct err *err)
{
	struct jnode node;
	int rc = json_object_at(root, "root", &node, err);

	if (rc == 0)
		return json_wrong(&node, err, "it is missing");
	if (rc > 0)
		rc = json_need_string(&node, "path", &config->root_path, err);
	if (rc > 0)
		rc = json_bool_at(&node, "readonly", &config->root_read_only,
				  err);
	return rc < 0 ? rc : 0;
}

static int read_uts_name(const struct jnode *root, const char *key,
			 const char **ret_name, struct err *err)
{
	struct jnode node = { .up = root, .key = key };
	int rc = json_string_at(root, key, ret_name, err);

	if (rc > 0 && strlen(*ret_name) > UTS_NAME_MAX)
		return json_wrong(&node, err, "it is longer than 64 bytes");
	if (rc > 0 && !**ret_name)
		*ret_name = NULL;
	return rc < 0 ? rc : 0;
}

/* Other systems' containers are not ours to start. */
static int refuse_foreign(const struct jnode *root, struct err *err)
{
	static const char *const keys[] = { "solaris", "windows", "vm", "zos",
					    "freebsd" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct jnode node = { .up = root, .key = keys[i] };

		if (json_object_get(root->value, keys[i]))
			return json_wrong(
				&node, err,
				"only Linux containers are supported");
	}
	return 0;
}

static int read_annotations(const struct jnode *root, struct err *err)
{
	struct jnode node;
	const char *key;
	json_t *value;
	int rc = json_object_at(root, "annotations", &node, err);

	if (rc <= 0)
		return rc;
	json_object_foreach(node.value, key, value)
	{
		struct jnode entry = { .up = &node, .key = key };

		if (!*key)
			return json_wrong(&entry, err, "a key is empty");
		if (!json_is_string(value))
			return json_wrong(&entry, err, "expected a string");
	}
	return 0;
}

int config_read(struct config *config, json_t *tree, struct err *err)
{
	const struct jnode root = { .value = tree };
	struct jnode process;
	int rc;

	*config = (struct config){ .tree = tree };
	rc = read_version(config, &root, err);
	if (!rc)
		rc = refuse_foreign(&root, err);
	if (!rc)
		rc = read_root(config, &root, err);
	if (!rc)
		rc = read_uts_name(&root, "hostname", &config->hostname, err);
	if (!rc)
		rc = read_uts_name(&root, "domainname", &config->domainname,
				   err);
	if (!rc)
		rc = read_annotations(&root, err);
	if (rc)
		return rc;
	rc = json_object_at(&root, "process", &process, err);
	if (rc > 0) {
		config->has_process = true;
		rc = config_read_process(&config->process, &process, err);
	}
	if (rc >= 0)
		rc = read_hooks(config, &root, err);
	if (rc >= 0)
		rc = config_read_linux(config, &root, err);
	if (rc >= 0)
		rc = config_read_mounts(config, &root, err);
	return rc < 0 ? rc : 0;
}

void config_dispose(struct config *config)
{
	config_process_release(&config->process);
	for (size_t i = 0; i < config->mount_count; i++) {
		free(config->mounts[i].plan.params);
		free(config->mounts[i].uids.maps);
		free(config->mounts[i].gids.maps);
	}
	free(config->mounts);
	for (unsigned int kind = 0; kind < HOOK_KINDS; kind++) {
		for (size_t i = 0; i < config->hooks[kind].count; i++) {
			free(config->hooks[kind].hooks[i].args);
			free(config->hooks[kind].hooks[i].env);
		}
		free(config->hooks[kind].hooks);
	}
	free(config->namespaces);
	free(config->uids.maps);
	free(config->gids.maps);
	free(config->devices);
	free(config->net_devices);
	config_resources_release(&config->resources);
	free(config->sysctls);
	config_seccomp_release(&config->seccomp);
	free(config->masked_paths);
	free(config->read_only_paths);
	json_decref(config->tree);
}
