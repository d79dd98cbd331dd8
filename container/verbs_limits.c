/* `update`: changes what a container may use. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "container/config.h"
#include "container/target.h"
#include "container/verbs.h"
#include "container/vm_agent.h"
#include "core/parse.h"
#include "sandbox/scope.h"

/* ---- update ---- */

struct limits {
	const char *file;
	const char *memory;
	const char *swap;
	const char *reservation;
	const char *pids;
	const char *shares;
	const char *quota;
	const char *period;
	const char *burst;
	const char *cpus;
	const char *mems;
	const char *weight;
};

/* "256M" or "-1"; engines write bytes. */
static int set_number(json_t *object, const char *key, const char *option,
		      const char *text, struct err *err)
{
	uint64_t value = 0;

	if (!text)
		return 0;
	if (strcmp(text, "-1") != 0 &&
	    (parse_size(text, 1, &value) || value > INT64_MAX))
		return err_set(err, EINVAL, "%s takes a number, not \"%s\"",
			       option, text);
	json_object_set_new(object, key,
			    json_integer(*text == '-' ? -1 :
							(json_int_t)value));
	return 0;
}

static int from_options(const struct limits *limits, json_t *tree,
			struct err *err)
{
	json_t *memory = json_object();
	json_t *cpu = json_object();
	json_t *pids = json_object();
	json_t *io = json_object();
	int rc = set_number(memory, "limit", "--memory", limits->memory, err);

	json_object_set_new(tree, "memory", memory);
	json_object_set_new(tree, "cpu", cpu);
	if (!rc)
		rc = set_number(memory, "swap", "--memory-swap", limits->swap,
				err);
	if (!rc)
		rc = set_number(memory, "reservation", "--memory-reservation",
				limits->reservation, err);
	if (!rc)
		rc = set_number(pids, "limit", "--pids-limit", limits->pids,
				err);
	if (!rc)
		rc = set_number(cpu, "shares", "--cpu-share", limits->shares,
				err);
	if (!rc)
		rc = set_number(cpu, "quota", "--cpu-quota", limits->quota,
				err);
	if (!rc)
		rc = set_number(cpu, "period", "--cpu-period", limits->period,
				err);
	if (!rc)
		rc = set_number(cpu, "burst", "--cpu-burst", limits->burst,
				err);
	if (!rc)
		rc = set_number(io, "weight", "--blkio-weight", limits->weight,
				err);
	if (limits->cpus)
		json_object_set_new(cpu, "cpus", json_string(limits->cpus));
	if (limits->mems)
		json_object_set_new(cpu, "mems", json_string(limits->mems));
	if (json_object_size(pids))
		json_object_set(tree, "pids", pids);
	if (json_object_size(io))
		json_object_set(tree, "blockIO", io);
	json_decref(pids);
	json_decref(io);
	return rc;
}

static json_t *read_file(const char *path, struct err *err)
{
	return json_load_path(AT_FDCWD, strcmp(path, "-") ? path : "/dev/stdin",
			      err);
}

static int apply(struct target *target, json_t *tree, struct err *err)
{
	struct config_resources resources = { .settings = NULL };
	const struct jnode root = { .value = tree };
	bool has_devices = json_array_size(json_object_get(tree, "devices"));
	int rc = config_read_resources(&resources, &root, err);

	if (!rc && target->state.unit)
		rc = scope_change(target->state.unit, resources.settings,
				  resources.setting_count, err);
	else if (!rc)
		rc = cgroup_enable(&target->mount, target->state.cgroup,
				   resources.settings, resources.setting_count,
				   err);
	if (!rc)
		rc = cgroup_apply(target->cgroup, resources.settings,
				  resources.setting_count, err);
	if (!rc && has_devices)
		rc = devices_attach_filter(target->cgroup, resources.devices,
					   resources.device_count, true, err);
	config_resources_release(&resources);
	return rc;
}

/* These are the guest's own, and it has been told of them. */
static int check_vm(const json_t *tree, struct err *err)
{
	static const char *const fixed[] = { "memory", "pids" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (json_object_size(json_object_get(tree, fixed[i])))
			return err_set(
				err, EOPNOTSUPP,
				"%s: of a VM it cannot be changed while it runs",
				fixed[i]);
	}
	return 0;
}

static int update(struct context *context, const char *id,
		  const struct limits *limits, struct err *err)
{
	struct target target;
	json_t *tree = limits->file ? read_file(limits->file, err) :
				      json_object();
	int rc;

	if (!tree)
		return limits->file ? -err->code : -ENOMEM;
	rc = limits->file ? 0 : from_options(limits, tree, err);
	if (!rc) {
		rc = target_open_running(context, id, true, &target, err);
		if (!rc && vm_is_state(&target.state))
			rc = check_vm(tree, err);
		if (!rc)
			rc = apply(&target, tree, err);
		target_close(&target);
	}
	json_decref(tree);
	return rc;
}

int verb_update(struct context *context, struct args *args, struct err *err)
{
	struct limits limits = { .file = NULL };
	const char *id = "";
	const struct arg_option table[] = {
		{ "resources", 'r', ARG_TEXT, &limits.file,
		  "file of linux.resources, - for standard input" },
		{ "memory", 0, ARG_TEXT, &limits.memory, "bytes, or 256M" },
		{ "memory-swap", 0, ARG_TEXT, &limits.swap,
		  "memory and swap together; -1: no limit" },
		{ "memory-reservation", 0, ARG_TEXT, &limits.reservation,
		  "what is kept under pressure" },
		{ "pids-limit", 0, ARG_TEXT, &limits.pids, "processes" },
		{ "cpu-share", 0, ARG_TEXT, &limits.shares, "relative share" },
		{ "cpu-quota", 0, ARG_TEXT, &limits.quota,
		  "microseconds in a period" },
		{ "cpu-period", 0, ARG_TEXT, &limits.period, "microseconds" },
		{ "cpu-burst", 0, ARG_TEXT, &limits.burst, "microseconds" },
		{ "cpuset-cpus", 0, ARG_TEXT, &limits.cpus, "0-3,5" },
		{ "cpuset-mems", 0, ARG_TEXT, &limits.mems, "nodes" },
		{ "blkio-weight", 0, ARG_TEXT, &limits.weight, "10 to 1000" },
		ARGS_END,
	};
	int rc = verb_takes_id("update", args, table, true, &id, err);

	return rc ? rc : update(context, id, &limits, err);
}
