/*
 * linux.resources (runtime-spec 1.2, config-linux.md "Control groups"), turned
 * into lines for files of cgroup v2. What was defined in terms of version 1 is
 * converted as its users expect: shares to weights, and a limit of memory and
 * swap together to one of swap alone.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "container/config_parts.h"

#define LINES_MORE 16

/* Adds FILE = value. The name is the element's path. */
static int add(struct config_resources *resources, const struct jnode *up,
	       const char *key, const char *file, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

static int add(struct config_resources *resources, const struct jnode *up,
	       const char *key, const char *file, const char *fmt, ...)
{
	const struct jnode node = { .up = up, .key = key };
	struct cgroup_setting *setting;
	char controller[32];
	char path[256];
	char *value;
	va_list args;
	int n;

	if (resources->setting_count == resources->setting_room) {
		size_t room = resources->setting_room + LINES_MORE;

		setting = realloc(resources->settings, room * sizeof(*setting));
		if (!setting)
			return -ENOMEM;
		resources->settings = setting;
		resources->setting_room = room;
	}
	va_start(args, fmt);
	n = vasprintf(&value, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	json_path(&node, path, sizeof(path));
	snprintf(controller, sizeof(controller), "%.*s",
		 (int)strcspn(file, "."), file);
	setting = &resources->settings[resources->setting_count++];
	*setting = (struct cgroup_setting){
		.controller = strcmp(controller, "cgroup") != 0 ?
				      strdup(controller) :
				      NULL,
		.file = strdup(file),
		.value = value,
		.name = strdup(path),
	};
	return setting->file && setting->name ? 0 : -ENOMEM;
}

/* A limit, of which -1 is none. */
static int add_limit(struct config_resources *resources, const struct jnode *up,
		     const char *key, const char *file, struct err *err)
{
	int64_t value = 0;
	int rc = json_i64_at(up, key, -1, INT64_MAX, &value, err);

	if (rc <= 0)
		return rc;
	if (value < 0)
		return add(resources, up, key, file, "max");
	return add(resources, up, key, file, "%" PRId64, value);
}

/* ---- memory ---- */

static int read_swap(struct config_resources *resources,
		     const struct jnode *memory, struct err *err)
{
	const struct jnode node = { .up = memory, .key = "swap" };
	int64_t limit = 0;
	int64_t swap = 0;
	int has_limit =
		json_i64_at(memory, "limit", -1, INT64_MAX, &limit, err);
	int rc = json_i64_at(memory, "swap", -1, INT64_MAX, &swap, err);

	if (rc <= 0 || has_limit < 0)
		return rc < 0 ? rc : has_limit;
	/* 0 is what engines write who mean "not said". */
	if (!swap)
		return 0;
	if (swap < 0)
		return add(resources, memory, "swap", "memory.swap.max", "max");
	if (!has_limit || limit <= 0)
		return json_wrong(&node, err,
				  "a limit of swap needs one of memory");
	if (swap < limit)
		return json_wrong(&node, err,
				  "it is less than the limit of memory alone");
	return add(resources, memory, "swap", "memory.swap.max", "%" PRId64,
		   swap - limit);
}

static int read_memory(struct config_resources *resources,
		       const struct jnode *up, struct err *err)
{
	static const char *const refused[] = { "kernel", "kernelTCP",
					       "swappiness" };
	struct jnode memory;
	int64_t low = 0;
	int64_t value = 0;
	int rc = json_object_at(up, "memory", &memory, err);

	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct jnode node = { .up = &memory, .key = refused[i] };

		rc = json_i64_at(&memory, refused[i], -1, INT64_MAX, &value,
				 err);
		if (rc < 0)
			return rc;
		if (rc > 0 && value > 0)
			return json_wrong(&node, err,
					  "cgroup v2 has no such limit");
	}
	rc = read_swap(resources, &memory, err);
	if (rc >= 0)
		rc = json_i64_at(&memory, "limit", -1, INT64_MAX, &value, err);
	/* 0, too, is "not said". */
	if (rc > 0 && value)
		rc = add_limit(resources, &memory, "limit", "memory.max", err);
	if (rc >= 0)
		rc = json_i64_at(&memory, "reservation", -1, INT64_MAX, &low,
				 err);
	if (rc > 0 && low)
		rc = add_limit(resources, &memory, "reservation", "memory.low",
			       err);
	return rc;
}

/* ---- processor ---- */

/* Shares are 2 to 262144, weights 1 to 10000: the line through both ends. */
static uint64_t weight_of(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int read_quota(struct config_resources *resources,
		      const struct jnode *cpu, struct err *err)
{
	int64_t quota = 0;
	uint64_t period = 100000;
	uint64_t burst = 0;
	int rc = json_u64_at(cpu, "period", INT64_MAX, &period, err);
	bool has_period = rc > 0 && period;

	if (!period)
		period = 100000;
	if (rc >= 0)
		rc = json_i64_at(cpu, "quota", INT64_MIN, INT64_MAX, &quota,
				 err);
	if (rc < 0)
		return rc;
	if (quota > 0)
		rc = add(resources, cpu, "quota", "cpu.max",
			 "%" PRId64 " %" PRIu64, quota, period);
	else if (quota < 0 || has_period)
		rc = add(resources, cpu, "period", "cpu.max", "max %" PRIu64,
			 period);
	if (rc < 0)
		return rc;
	rc = json_u64_at(cpu, "burst", INT64_MAX, &burst, err);
	if (rc > 0)
		rc = add(resources, cpu, "burst", "cpu.max.burst", "%" PRIu64,
			 burst);
	return rc;
}

static int read_text(struct config_resources *resources, const struct jnode *up,
		     const char *key, const char *file, struct err *err)
{
	const char *text = NULL;
	int rc = json_string_at(up, key, &text, err);

	if (rc > 0 && *text)
		rc = add(resources, up, key, file, "%s", text);
	return rc;
}

static int read_cpu(struct config_resources *resources, const struct jnode *up,
		    struct err *err)
{
	static const char *const refused[] = { "realtimeRuntime",
					       "realtimePeriod" };
	struct jnode cpu;
	uint64_t shares = 0;
	int64_t number = 0;
	int rc = json_object_at(up, "cpu", &cpu, err);

	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct jnode node = { .up = &cpu, .key = refused[i] };

		rc = json_i64_at(&cpu, refused[i], 0, INT64_MAX, &number, err);
		if (rc < 0)
			return rc;
		if (rc > 0 && number)
			return json_wrong(&node, err,
					  "cgroup v2 has no such limit");
	}
	rc = json_u64_at(&cpu, "shares", UINT64_MAX, &shares, err);
	if (rc > 0 && shares)
		rc = add(resources, &cpu, "shares", "cpu.weight", "%" PRIu64,
			 weight_of(shares));
	if (rc >= 0)
		rc = read_quota(resources, &cpu, err);
	if (rc >= 0)
		rc = json_i64_at(&cpu, "idle", 0, 1, &number, err);
	if (rc > 0)
		rc = add(resources, &cpu, "idle", "cpu.idle", "%" PRId64,
			 number);
	if (rc >= 0)
		rc = read_text(resources, &cpu, "cpus", "cpuset.cpus", err);
	if (rc >= 0)
		rc = read_text(resources, &cpu, "mems", "cpuset.mems", err);
	return rc;
}

/* ---- the block devices ---- */

static int read_throttles(struct config_resources *resources,
			  const struct jnode *io, const char *key,
			  const char *word, struct err *err)
{
	struct jnode array;
	int rc = json_array_at(io, key, &array, err);

	for (size_t i = 0; rc > 0 && i < json_array_size(array.value); i++) {
		struct jnode element = json_element(&array, i);
		uint64_t major = 0;
		uint64_t minor = 0;
		uint64_t rate = 0;

		rc = json_is_object_node(&element, err);
		if (!rc)
			rc = json_u64_at(&element, "major", UINT32_MAX, &major,
					 err);
		if (rc >= 0)
			rc = json_u64_at(&element, "minor", UINT32_MAX, &minor,
					 err);
		if (rc >= 0)
			rc = json_u64_at(&element, "rate", UINT64_MAX, &rate,
					 err);
		if (rc < 0)
			return rc;
		if (!rate)
			rc = add(resources, &array, "rate", "io.max",
				 "%" PRIu64 ":%" PRIu64 " %s=max", major, minor,
				 word);
		else
			rc = add(resources, &array, "rate", "io.max",
				 "%" PRIu64 ":%" PRIu64 " %s=%" PRIu64, major,
				 minor, word, rate);
		rc = rc < 0 ? rc : 1;
	}
	return rc;
}

static int read_block_io(struct config_resources *resources,
			 const struct jnode *up, struct err *err)
{
	static const struct {
		const char *key;
		const char *word;
	} throttles[] = {
		{ "throttleReadBpsDevice", "rbps" },
		{ "throttleWriteBpsDevice", "wbps" },
		{ "throttleReadIOPSDevice", "riops" },
		{ "throttleWriteIOPSDevice", "wiops" },
	};
	struct jnode io;
	uint64_t weight = 0;
	int rc = json_object_at(up, "blockIO", &io, err);

	if (rc <= 0)
		return rc;
	rc = json_u64_at(&io, "weight", 10000, &weight, err);
	/* 10 to 1000 of version 1, 1 to 10000 of version 2. */
	if (rc > 0 && weight)
		rc = add(resources, &io, "weight", "io.weight",
			 "default %" PRIu64,
			 weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990);
	for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE(throttles); i++)
		rc = read_throttles(resources, &io, throttles[i].key,
				    throttles[i].word, err);
	return rc;
}

/* ---- the rest ---- */

static int read_hugepages(struct config_resources *resources,
			  const struct jnode *up, struct err *err)
{
	struct jnode array;
	int rc = json_array_at(up, "hugepageLimits", &array, err);

	for (size_t i = 0; rc > 0 && i < json_array_size(array.value); i++) {
		struct jnode element = json_element(&array, i);
		const char *size = NULL;
		uint64_t limit = 0;
		char file[64];

		rc = json_is_object_node(&element, err);
		if (!rc)
			rc = json_need_string(&element, "pageSize", &size, err);
		if (rc >= 0)
			rc = json_u64_at(&element, "limit", UINT64_MAX, &limit,
					 err);
		if (rc < 0)
			return rc;
		assert(size);
		if (strspn(size, "0123456789KMGB") != strlen(size))
			return json_wrong(&element, err, "no page size: %s",
					  size);
		snprintf(file, sizeof(file), "hugetlb.%s.max", size);
		rc = add(resources, &array, "limit", file, "%" PRIu64, limit);
		rc = rc < 0 ? rc : 1;
	}
	return rc;
}

static int read_rdma(struct config_resources *resources, const struct jnode *up,
		     struct err *err)
{
	struct jnode rdma;
	const char *device;
	json_t *value;
	int rc = json_object_at(up, "rdma", &rdma, err);

	if (rc <= 0)
		return rc;
	json_object_foreach(rdma.value, device, value)
	{
		struct jnode node = { .value = value,
				      .up = &rdma,
				      .key = device };
		uint64_t handles = 0;
		uint64_t objects = 0;
		int has_handles;
		int has_objects;

		rc = json_is_object_node(&node, err);
		if (rc < 0)
			return rc;
		has_handles = json_u64_at(&node, "hcaHandles", UINT32_MAX,
					  &handles, err);
		has_objects = json_u64_at(&node, "hcaObjects", UINT32_MAX,
					  &objects, err);
		if (has_handles < 0 || has_objects < 0)
			return -EINVAL;
		if (has_handles)
			rc = add(resources, &rdma, device, "rdma.max",
				 "%s hca_handle=%" PRIu64, device, handles);
		if (has_objects && !rc)
			rc = add(resources, &rdma, device, "rdma.max",
				 "%s hca_object=%" PRIu64, device, objects);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A file's name that stays in its folder and does not move processes. */
static int read_unified(struct config_resources *resources,
			const struct jnode *up, struct err *err)
{
	struct jnode unified;
	const char *file;
	json_t *value;
	int rc = json_object_at(up, "unified", &unified, err);

	if (rc <= 0)
		return rc;
	json_object_foreach(unified.value, file, value)
	{
		struct jnode node = { .value = value,
				      .up = &unified,
				      .key = file };

		if (!json_is_string(value))
			return json_wrong(&node, err, "expected a string");
		if (strchr(file, '/') || !strchr(file, '.') ||
		    !strncmp(file, "cgroup.", 7) || *file == '.')
			return json_wrong(&node, err,
					  "it is not a controller's file");
		rc = add(resources, &unified, file, file, "%s",
			 json_string_value(value));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int refuse_network(const struct jnode *up, struct err *err)
{
	struct jnode network;
	const struct jnode node = { .up = up, .key = "network" };
	int rc = json_object_at(up, "network", &network, err);

	if (rc <= 0)
		return rc;
	if (json_object_size(network.value) > 0)
		return json_wrong(&node, err,
				  "cgroup v2 has no such controller");
	return 0;
}

int config_read_resources(struct config_resources *resources,
			  const struct jnode *node, struct err *err)
{
	struct jnode pids;
	int64_t limit = 0;
	int rc = config_read_device_rules(resources, node, err);

	if (rc >= 0)
		rc = read_memory(resources, node, err);
	if (rc >= 0)
		rc = read_cpu(resources, node, err);
	if (rc >= 0)
		rc = read_block_io(resources, node, err);
	if (rc >= 0)
		rc = json_object_at(node, "pids", &pids, err);
	if (rc > 0)
		rc = json_i64_at(&pids, "limit", -1, INT64_MAX, &limit, err);
	if (rc > 0)
		rc = limit > 0 ?
			     add(resources, &pids, "limit", "pids.max",
				 "%" PRId64, limit) :
			     add(resources, &pids, "limit", "pids.max", "max");
	if (rc >= 0)
		rc = read_hugepages(resources, node, err);
	if (rc >= 0)
		rc = read_rdma(resources, node, err);
	if (rc >= 0)
		rc = refuse_network(node, err);
	if (rc >= 0)
		rc = read_unified(resources, node, err);
	if (rc == -ENOMEM)
		return err_sys(err, ENOMEM, "linux.resources");
	return rc < 0 ? rc : 0;
}

void config_resources_release(struct config_resources *resources)
{
	for (size_t i = 0; i < resources->setting_count; i++) {
		struct cgroup_setting *s = &resources->settings[i];

		free((void *)s->controller);
		free((void *)s->file);
		free((void *)s->value);
		free((void *)s->name);
	}
	free(resources->settings);
	free(resources->devices);
}
