#include "container/recipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "container/ids.h"
#include "container/recipe_parts.h"
#include "container/recipe_system.h"
#include "container/spec.h"
#include "container/vm.h"
#include "core/parse.h"
#include "sandbox/caps.h"
#include "sandbox/names.h"

/* One table for parsing and for the help. */
void recipe_options(struct recipe *recipe,
		    struct arg_option table[RECIPE_OPTIONS])
{
	const struct arg_option options[] = {
		{ "memory", 'm', ARG_TEXT, &recipe->memory,
		  "limit of memory: 256M" },
		{ "cpus", 0, ARG_TEXT, &recipe->cpus,
		  "limit of processor time: 1.5" },
		{ "pids", 0, ARG_TEXT, &recipe->pids, "limit of processes" },
		{ "io", 0, ARG_LIST, &recipe->io,
		  "limit of a disk: /dev/sda:rbps=10M,wbps=5M,riops=100,wiops=50" },
		{ "disk-quota", 0, ARG_TEXT, &recipe->disk_quota,
		  "limit of what it writes to its root: 10G" },
		{ "mount", 0, ARG_LIST, &recipe->mounts,
		  "SOURCE:TARGET[:OPTION,...], such as ro, noexec" },
		{ "env", 'e', ARG_LIST, &recipe->env, "NAME=VALUE" },
		{ "hostname", 0, ARG_TEXT, &recipe->hostname,
		  "the container's name, unless told" },
		{ "user", 'u', ARG_TEXT, &recipe->user,
		  "USER or USER:GROUP, names or numbers" },
		{ "cwd", 0, ARG_TEXT, &recipe->cwd, "working directory" },
		{ "cap-add", 0, ARG_LIST, &recipe->caps,
		  "one more capability, or ALL" },
		{ "privileged", 0, ARG_FLAG, &recipe->privileged,
		  "without a user namespace: root inside is root outside" },
		{ "nesting", 0, ARG_FLAG, &recipe->nesting,
		  "containers can be made in it: no paths are masked, more system calls" },
		{ "read-only", 0, ARG_FLAG, &recipe->read_only,
		  "the root filesystem cannot be written to" },
		{ "in-place", 0, ARG_FLAG, &recipe->in_place,
		  "write to the folder itself, not to a layer above it" },
		{ "restart", 0, ARG_TEXT, &recipe->restart_text,
		  "no (unless told), on-failure[:TIMES], always" },
		{ "autostart", 0, ARG_TEXT, &recipe->autostart,
		  "order in which autostart starts it: a number" },
		{ "log-size", 0, ARG_TEXT, &recipe->log_size,
		  "size of one log file, 10M unless told; 0: no log" },
		{ "log-files", 0, ARG_TEXT, &recipe->log_files,
		  "how many of them, 3 unless told" },
		{ "stop-signal", 0, ARG_TEXT, &recipe->stop_signal,
		  "what stop sends first; TERM unless told, with --system what its init takes" },
		{ "stop-timeout", 0, ARG_TEXT, &recipe->stop_timeout,
		  "seconds until stop kills; 10 unless told, 60 with --system" },
		{ "attach", 'a', ARG_FLAG, &recipe->attach,
		  "in the foreground, on this terminal" },
		{ "tty", 't', ARG_FLAG, &recipe->tty,
		  "with --attach: a terminal of its own" },
		{ "rm", 0, ARG_FLAG, &recipe->remove,
		  "with --attach: destroy it at its end" },
		{ "vm", 0, ARG_FLAG, &recipe->vm,
		  "in a virtual machine, with a kernel of its own" },
		{ "disk", 0, ARG_TEXT, &recipe->disk,
		  "with --vm: the most that it can write, 16G unless told" },
		{ "no-init", 0, ARG_FLAG, &recipe->no_init,
		  "the program is process 1 itself" },
		{ "system", 0, ARG_FLAG, &recipe->system,
		  "boot the image's own init, /sbin/init unless told: systemd, sysvinit" },
		ARGS_END,
	};

	_Static_assert(NETWORK_OPTIONS + ARRAY_SIZE(options) <= RECIPE_OPTIONS,
		       "table");
	network_options(&recipe->network, table);
	memcpy(table + NETWORK_OPTIONS, options, sizeof(options));
}

/* ---- values ---- */

static int check_number(const char *option, const char *text, uint64_t min,
			uint64_t max, uint64_t *ret_value, struct err *err)
{
	uint64_t value;

	if (!text)
		return 0;
	if (parse_u64(text, &value) || value < min || value > max)
		return err_set(
			err, EINVAL,
			"--%s takes a number from %llu to %llu, not \"%s\"",
			option, (unsigned long long)min,
			(unsigned long long)max, text);
	*ret_value = value;
	return 0;
}

static int check_size(const char *option, const char *text, uint64_t min,
		      uint64_t *ret_bytes, struct err *err)
{
	uint64_t value;

	if (!text)
		return 0;
	if (parse_size(text, 1, &value) || value < min || value > INT64_MAX)
		return err_set(err, EINVAL,
			       "--%s takes a size such as 256M, not \"%s\"",
			       option, text);
	*ret_bytes = value;
	return 0;
}

static int parse_restart(const char *text, enum restart_policy *ret_policy,
			 uint64_t *ret_max, struct err *err)
{
	const char *on_failure = "on-failure";
	size_t len = strlen(on_failure);

	*ret_max = 0;
	if (!text || !strcmp(text, "no")) {
		*ret_policy = RESTART_NO;
		return 0;
	}
	if (!strcmp(text, "always")) {
		*ret_policy = RESTART_ALWAYS;
		return 0;
	}
	*ret_policy = RESTART_ON_FAILURE;
	if (!strcmp(text, on_failure) ||
	    (!strncmp(text, on_failure, len) && text[len] == ':' &&
	     !parse_u64(text + len + 1, ret_max) && *ret_max &&
	     *ret_max <= UINT32_MAX))
		return 0;
	return err_set(
		err, EINVAL,
		"--restart takes no, on-failure, on-failure:TIMES or always, not \"%s\"",
		text);
}

static int check_lists(const struct recipe *recipe, struct err *err)
{
	for (size_t i = 0; i < recipe->env.count; i++) {
		const char *text = recipe->env.items[i];

		if (!strchr(text, '=') || *text == '=')
			return err_set(err, EINVAL,
				       "--env takes NAME=VALUE, not \"%s\"",
				       text);
	}
	for (size_t i = 0; i < recipe->caps.count; i++) {
		const char *text = recipe->caps.items[i];

		if (strcmp(text, "ALL") != 0 && caps_number(text) < 0)
			return err_set(err, EINVAL,
				       "--cap-add: \"%s\" is no capability",
				       text);
	}
	return 0;
}

static int check_pairs(const struct recipe *recipe, struct err *err)
{
	if (recipe->disk_quota && recipe->in_place)
		return err_set(
			err, EINVAL,
			"--disk-quota counts files above an image, of which there are none with --in-place");
	if (recipe->system && recipe->user)
		return err_set(
			err, EINVAL,
			"--system and --user exclude each other: an init is root in its container");
	if (recipe->nesting && recipe->privileged)
		return err_set(
			err, EINVAL,
			"--nesting and --privileged exclude each other: what it unmasks would be open to root of the host");
	if (recipe->nesting && recipe->vm)
		return err_set(
			err, EINVAL,
			"--nesting and --vm exclude each other: a VM has a kernel of its own to make containers with");
	return 0;
}

int recipe_check(struct recipe *recipe, struct err *err)
{
	enum restart_policy policy = RESTART_NO;
	uint64_t ignored = 0;
	int rc = parse_restart(recipe->restart_text, &policy, &ignored, err);

	if (!rc && recipe->name)
		rc = state_check_id(recipe->name, err);
	if (!rc && recipe->cpus && recipe_cpu_quota(recipe->cpus, &ignored))
		rc = err_set(
			err, EINVAL,
			"--cpus takes a number such as 1.5, from 0.01 to 10000, not \"%s\"",
			recipe->cpus);
	if (!rc && recipe->cwd && *recipe->cwd != '/')
		rc = err_set(err, EINVAL, "--cwd: \"%s\" is not absolute",
			     recipe->cwd);
	if (!rc && recipe->attach && policy != RESTART_NO)
		rc = err_set(err, EINVAL,
			     "--restart and --attach exclude each other");
	if (!rc && recipe->remove && !recipe->attach)
		rc = err_set(err, EINVAL, "--rm goes with --attach");
	if (!rc && recipe->disk_quota)
		rc = check_size("disk-quota", recipe->disk_quota, MIB, &ignored,
				err);
	if (!rc)
		rc = check_pairs(recipe, err);
	if (!rc && recipe->tty && !recipe->attach)
		rc = err_set(err, EINVAL,
			     "--tty goes with --attach; see enter");
	if (!rc && recipe->stop_signal && names_signal(recipe->stop_signal) < 0)
		rc = err_set(err, EINVAL, "--stop-signal: \"%s\" is no signal",
			     recipe->stop_signal);
	if (!rc)
		rc = check_lists(recipe, err);
	if (!rc)
		rc = vm_check(recipe, err);
	return rc ? rc : network_check(&recipe->network, err);
}

/* ---- home.json ---- */

json_t *recipe_home(const struct recipe *recipe, const json_t *base,
		    struct err *err)
{
	const char *signal =
		json_string_value(json_object_get(base, "StopSignal"));
	enum restart_policy policy = RESTART_NO;
	uint64_t restart_max = 0;
	uint64_t log_bytes = 10 * MIB;
	uint64_t log_files = 3;
	uint64_t timeout = recipe->system ? 60 : 10;
	uint64_t order = 0;
	uint64_t quota = 0;
	char created[64];
	json_t *tree;

	state_now(created, sizeof(created));
	if (recipe->stop_signal)
		signal = recipe->stop_signal;
	if (!signal || names_signal(signal) < 0)
		signal = recipe->system ? "0" : "TERM"; /* see home.h */
	if (parse_restart(recipe->restart_text, &policy, &restart_max, err) ||
	    check_size("log-size", recipe->log_size, 0, &log_bytes, err) ||
	    check_number("log-files", recipe->log_files, 1, 100, &log_files,
			 err) ||
	    check_number("stop-timeout", recipe->stop_timeout, 0, 86400,
			 &timeout, err) ||
	    check_number("autostart", recipe->autostart, 0, UINT32_MAX, &order,
			 err) ||
	    check_size("disk-quota", recipe->disk_quota, MIB, &quota, err))
		return NULL;
	tree = json_pack(
		"{s:s, s:s, s:b, s:I, s:b, s:b, s:i, s:I, s:I, s:I, s:i, s:I, s:b, s:I, s:b}",
		"image", recipe->image, "created", created, "privileged",
		recipe->privileged, "idBase", (json_int_t)recipe->id_base,
		"sharesIds", recipe->shares_ids, "reaper",
		!recipe->no_init && !recipe->system, "restart", (int)policy,
		"restartMax", (json_int_t)restart_max, "logBytes",
		(json_int_t)log_bytes, "logFiles", (json_int_t)log_files,
		"stopSignal", names_signal(signal), "stopTimeout",
		(json_int_t)timeout, "autostart", recipe->autostart != NULL,
		"order", (json_int_t)order, "system", recipe->system);
	if (!tree)
		err_set(err, EINVAL, "the name of the image is not UTF-8");
	else if (quota)
		json_object_set_new(tree, "diskQuota",
				    json_integer((json_int_t)quota));
	return tree;
}

/* ---- config.json ---- */

/* Remembers a value that could not be made: text that is not UTF-8. */
struct build {
	json_t *config; /* owned */
	json_t *process; /* borrowed */
	json_t *linux_part;
	json_t *resources;
	bool failed;
};

static void put(struct build *build, json_t *object, const char *key,
		json_t *value)
{
	build->failed |= json_object_set_new(object, key, value) != 0;
}

static void add(struct build *build, json_t *array, json_t *value)
{
	build->failed |= json_array_append_new(array, value) != 0;
}

/* What a distribution's programs expect to have; all of it is worth nothing
 * outside of the user namespace. */
static const char *const default_caps[] = {
	"CAP_AUDIT_WRITE", "CAP_CHOWN",	    "CAP_DAC_OVERRIDE",
	"CAP_FOWNER",	   "CAP_FSETID",    "CAP_KILL",
	"CAP_MKNOD",	   "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW",	   "CAP_SETFCAP",   "CAP_SETGID",
	"CAP_SETPCAP",	   "CAP_SETUID",    "CAP_SYS_CHROOT",
};

static void set_caps(struct build *build, const struct recipe *recipe)
{
	static const char *const sets[] = { "bounding", "effective",
					    "permitted" };
	uint64_t wanted = 0;
	json_t *caps = json_object();
	const char *name;

	for (size_t i = 0; i < ARRAY_SIZE(default_caps); i++)
		wanted |= 1ULL << caps_number(default_caps[i]);
	if (recipe->nesting || (recipe->system && !recipe->privileged))
		wanted |= recipe_system_caps();
	/* It would be the host's network. */
	if (recipe->network.is_host)
		wanted &= ~(1ULL << caps_number("CAP_NET_ADMIN"));
	for (size_t i = 0; i < recipe->caps.count; i++) {
		int number = caps_number(recipe->caps.items[i]);

		wanted |= number < 0 ? ~0ULL : 1ULL << number;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		json_t *array = json_array();

		for (unsigned int cap = 0; (name = caps_name(cap)); cap++) {
			if (wanted & 1ULL << cap)
				add(build, array, json_string(name));
		}
		put(build, caps, sets[i], array);
	}
	put(build, build->process, "capabilities", caps);
}

const char *recipe_user(const struct recipe *recipe, const json_t *base)
{
	return recipe->user ? recipe->user :
			      json_string_value(json_object_get(base, "User"));
}

/* Entries of an image's array of strings. */
static void add_all(struct build *build, json_t *to, const json_t *from)
{
	for (size_t i = 0; i < json_array_size(from); i++)
		build->failed |=
			json_array_append(to, json_array_get(from, i)) != 0;
}

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return !strncmp(a, b, len) && b[len] == '=';
}

/* A later setting of a name takes the place of an earlier one. */
static void set_variable(struct build *build, json_t *env, const char *text)
{
	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *old = json_string_value(json_array_get(env, i));

		if (old && strchr(text, '=') && same_name(text, old)) {
			build->failed |=
				json_array_set_new(env, i, json_string(text)) !=
				0;
			return;
		}
	}
	add(build, env, json_string(text));
}

static void set_env(struct build *build, const struct recipe *recipe,
		    const json_t *base)
{
	json_t *env = json_object_get(build->process, "env");
	const json_t *own = json_object_get(base, "Env");
	char home[sizeof("HOME=") + USERS_HOME_MAX];

	snprintf(home, sizeof(home), "HOME=%s", recipe->ids.home);
	add(build, env, json_string(home));
	for (size_t i = 0; i < json_array_size(own); i++) {
		const char *text = json_string_value(json_array_get(own, i));

		if (text)
			set_variable(build, env, text);
	}
	for (size_t i = 0; i < recipe->env.count; i++)
		set_variable(build, env, recipe->env.items[i]);
}

/* OCI image-spec 1.1, config.md: Entrypoint in front, Cmd behind it, which a
 * command of the caller's replaces. */
static int set_command(struct build *build, const struct recipe *recipe,
		       const json_t *base, struct err *err)
{
	json_t *args = json_array();

	add_all(build, args, json_object_get(base, "Entrypoint"));
	for (char **word = recipe->command; *word; word++)
		add(build, args, json_string(*word));
	if (!*recipe->command)
		add_all(build, args, json_object_get(base, "Cmd"));
	if (!json_array_size(args) && recipe->system)
		add(build, args, json_string("/sbin/init"));
	put(build, build->process, "args", args);
	if (json_array_size(args) || build->failed)
		return 0;
	return err_set(
		err, EINVAL,
		"%s does not say what to run: put it behind --, as in -- /bin/sh",
		recipe->image);
}

#define SOFT_FILES 1024
#define HARD_FILES 524288 /* what systemd gives its services */

/* Not beyond our own: raising it needs a right that we may not have. */
static void set_files(struct build *build)
{
	struct rlimit own = { .rlim_max = SOFT_FILES };

	getrlimit(RLIMIT_NOFILE, &own);
	put(build, build->process, "rlimits",
	    json_pack("[{s:s, s:I, s:I}]", "type", "RLIMIT_NOFILE", "soft",
		      (json_int_t)min_u64(SOFT_FILES, own.rlim_max), "hard",
		      (json_int_t)min_u64(HARD_FILES, own.rlim_max)));
}

static int set_process(struct build *build, const struct recipe *recipe,
		       const json_t *base, struct err *err)
{
	const char *cwd =
		json_string_value(json_object_get(base, "WorkingDir"));

	put(build, build->process, "noNewPrivileges", json_false());
	set_files(build);
	if (recipe->cwd || (cwd && *cwd == '/'))
		put(build, build->process, "cwd",
		    json_string(recipe->cwd ? recipe->cwd : cwd));
	set_caps(build, recipe);
	set_env(build, recipe, base);
	put(build, build->process, "user", users_to_json(&recipe->ids));
	return set_command(build, recipe, base, err);
}

int recipe_rename(json_t *config, const char *from, const char *to,
		  uint32_t id_base, struct err *err)
{
	static const char *const keys[] = { "uidMappings", "gidMappings" };
	const char *host =
		json_string_value(json_object_get(config, "hostname"));
	int rc = 0;

	if (host && !strcmp(host, from))
		rc |= json_object_set_new(config, "hostname", json_string(to));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *map = json_array_get(
			json_object_get(json_object_get(config, "linux"),
					keys[i]),
			0);

		if (map)
			rc |= json_object_set_new(map, "hostID",
						  json_integer(id_base));
	}
	return rc ? err_set(err, ENOMEM, "no memory") : 0;
}

static void set_map(struct build *build, const char *key,
		    const struct userns_maps *maps)
{
	json_t *array = json_array();

	for (size_t i = 0; i < maps->count; i++)
		add(build, array,
		    json_pack("{s:I, s:I, s:I}", "containerID",
			      (json_int_t)maps->maps[i].inside, "hostID",
			      (json_int_t)maps->maps[i].outside, "size",
			      (json_int_t)maps->maps[i].count));
	put(build, build->linux_part, key, array);
}

static int set_ids(struct build *build, const struct recipe *recipe,
		   struct err *err)
{
	struct userns_map own = { .outside = recipe->id_base,
				  .count = HOME_ID_COUNT };
	struct ids ids = { .uids = { &own, 1 }, .gids = { &own, 1 } };
	int rc = 0;

	if (recipe->privileged)
		return 0;
	if (recipe->shares_ids)
		rc = ids_of_namespace(&ids, err);
	if (rc)
		return rc;
	set_map(build, "uidMappings", &ids.uids);
	set_map(build, "gidMappings", &ids.gids);
	return 0;
}

json_t *recipe_config(const struct recipe *recipe, const json_t *base,
		      struct err *err)
{
	struct build build = { .config = spec_make(!recipe->privileged, true,
						   err) };
	int rc;

	if (!build.config)
		return NULL;
	build.process = json_object_get(build.config, "process");
	build.linux_part = json_object_get(build.config, "linux");
	build.resources = json_object_get(build.linux_part, "resources");
	put(&build, build.config, "root",
	    json_pack("{s:s, s:b}", "path", "root", "readonly",
		      recipe->read_only));
	put(&build, build.config, "hostname",
	    json_string(recipe->hostname ? recipe->hostname : recipe->name));
	rc = set_ids(&build, recipe, err);
	if (!rc)
		rc = set_process(&build, recipe, base, err);
	if (!rc)
		rc = recipe_limits(recipe, build.resources, err);
	if (!rc && recipe->system)
		rc = recipe_system(recipe, build.config, err);
	if (!rc && recipe->nesting)
		rc = recipe_nesting(recipe, build.config, err);
	if (!rc)
		rc = recipe_mounts(
			recipe, json_object_get(build.config, "mounts"), err);
	if (!rc)
		rc = network_configure(&recipe->network, build.config, err);
	if (!rc && build.failed)
		rc = err_set(err, EINVAL, "an argument is not UTF-8");
	if (!rc)
		return build.config;
	json_decref(build.config);
	return NULL;
}
