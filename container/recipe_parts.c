#include "container/recipe_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/parse.h"

/* ---- limits ---- */

#define CPU_PERIOD_US 100000
#define CPU_LEAST_US  1000 /* the kernel's, min_cfs_quota_period */
#define CPU_MOST      10000
#define CPU_DIGITS    3

int recipe_cpu_quota(const char *text, uint64_t *ret_quota)
{
	const char *point = strchr(text, '.');
	uint64_t unit = CPU_PERIOD_US;
	uint64_t quota = 0;

	if (strlen(text) > 10 || (point && strlen(point + 1) > CPU_DIGITS))
		return -EINVAL;
	for (const char *at = text; *at; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (at == point)
			continue;
		if (digit > 9)
			return -EINVAL;
		if (point && at > point) {
			unit /= 10;
			quota += digit * unit;
		} else {
			quota = quota * 10 + digit * CPU_PERIOD_US;
		}
	}
	if (quota < CPU_LEAST_US || quota > (uint64_t)CPU_MOST * CPU_PERIOD_US)
		return -ERANGE;
	*ret_quota = quota;
	return 0;
}

static int set_memory(const char *text, json_t *resources, struct err *err)
{
	uint64_t bytes;

	if (parse_size(text, 1, &bytes) || !bytes || bytes > INT64_MAX)
		return err_set(err, EINVAL,
			       "--memory takes a size such as 256M, not \"%s\"",
			       text);
	json_object_set_new(resources, "memory",
			    json_pack("{s:I}", "limit", (json_int_t)bytes));
	return 0;
}

static int set_pids(const char *text, json_t *resources, struct err *err)
{
	uint64_t pids;

	if (parse_u64(text, &pids) || !pids || pids > INT32_MAX)
		return err_set(err, EINVAL, "--pids takes a number, not \"%s\"",
			       text);
	json_object_set_new(resources, "pids",
			    json_pack("{s:I}", "limit", (json_int_t)pids));
	return 0;
}

/* The kinds of io.max and what runtime-spec 1.2, config-linux.md calls them. */
static const struct {
	const char *word;
	const char *key;
} throttles[] = {
	{ "rbps", "throttleReadBpsDevice" },
	{ "wbps", "throttleWriteBpsDevice" },
	{ "riops", "throttleReadIOPSDevice" },
	{ "wiops", "throttleWriteIOPSDevice" },
};

static json_t *member(json_t *object, const char *key, json_t *fresh)
{
	json_t *old = json_object_get(object, key);

	if (!old) {
		json_object_set_new(object, key, fresh);
		return fresh;
	}
	json_decref(fresh);
	return old;
}

/* "rbps=10M" */
static int add_throttle(char *text, const struct stat *disk, json_t *io)
{
	char *equals = strchr(text, '=');
	uint64_t rate;

	if (!equals)
		return -EINVAL;
	*equals = '\0';
	if (parse_size(equals + 1, 1, &rate) || !rate || rate > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(throttles); i++) {
		if (strcmp(throttles[i].word, text) != 0)
			continue;
		json_array_append_new(
			member(io, throttles[i].key, json_array()),
			json_pack("{s:I, s:I, s:I}", "major",
				  (json_int_t)major(disk->st_rdev), "minor",
				  (json_int_t)minor(disk->st_rdev), "rate",
				  (json_int_t)rate));
		return 0;
	}
	return -EINVAL;
}

static int add_io(const char *text, json_t *resources, struct err *err)
{
	json_t *io = member(resources, "blockIO", json_object());
	autofree char *copy = strdup(text);
	struct stat disk;
	char *rest = copy ? strchr(copy, ':') : NULL;
	char *word;

	if (!rest)
		return err_set(err, EINVAL,
			       "--io takes DISK:rbps=10M,..., not \"%s\"",
			       text);
	*rest++ = '\0';
	if (stat(copy, &disk) || !S_ISBLK(disk.st_mode))
		return err_set(err, ENOTBLK, "--io: %s is no disk", copy);
	while ((word = strsep(&rest, ","))) {
		if (add_throttle(word, &disk, io))
			return err_set(
				err, EINVAL,
				"--io takes rbps=, wbps=, riops= and wiops= with a number, not \"%s\"",
				text);
	}
	return 0;
}

int recipe_limits(const struct recipe *recipe, json_t *resources,
		  struct err *err)
{
	uint64_t quota = 0;
	int rc = 0;

	if (recipe->memory)
		rc = set_memory(recipe->memory, resources, err);
	if (!rc && recipe->pids)
		rc = set_pids(recipe->pids, resources, err);
	if (!rc && recipe->cpus && !recipe_cpu_quota(recipe->cpus, &quota))
		json_object_set_new(resources, "cpu",
				    json_pack("{s:I, s:i}", "quota",
					      (json_int_t)quota, "period",
					      CPU_PERIOD_US));
	for (size_t i = 0; !rc && i < recipe->io.count; i++)
		rc = add_io(recipe->io.items[i], resources, err);
	return rc;
}

/* ---- mounts ---- */

/* Relative sources would count from the bundle. */
static int resolve(const char *source, char **ret_path, struct err *err)
{
	*ret_path = realpath(source, NULL);
	return *ret_path ?
		       0 :
		       err_sys(err, errno, "--mount: cannot open %s", source);
}

static int add_mount(const char *text, json_t *mounts, struct err *err)
{
	json_t *options = json_pack("[s, s, s]", "rbind", "nosuid", "nodev");
	autofree char *copy = strdup(text);
	autofree char *source = NULL;
	char *rest = copy;
	char *option, *target;
	int rc = 0;

	/* The source's end: it is what copy begins with. */
	(void)strsep(&rest, ":");
	target = strsep(&rest, ":");
	if (!target || *target != '/' || !*copy)
		rc = err_set(
			err, EINVAL,
			"--mount takes SOURCE:/TARGET or SOURCE:/TARGET:OPTION,..., not \"%s\"",
			text);
	if (!rc)
		rc = resolve(copy, &source, err);
	if (rc) {
		json_decref(options);
		return rc;
	}
	while ((option = strsep(&rest, ",")))
		json_array_append_new(options, json_string(option));
	if (json_array_append_new(
		    mounts, json_pack("{s:s, s:s, s:s, s:o}", "destination",
				      target, "type", "bind", "source", source,
				      "options", options)))
		return err_set(err, EINVAL, "--mount: \"%s\" is not UTF-8",
			       text);
	return 0;
}

int recipe_mounts(const struct recipe *recipe, json_t *mounts, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < recipe->mounts.count; i++)
		rc = add_mount(recipe->mounts.items[i], mounts, err);
	return rc;
}
