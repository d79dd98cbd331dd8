#include "container/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "sandbox/names.h"

/* ---- words ---- */

static const struct name_value attributes[] = {
	{ "ro", MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC },
	{ "noatime", MOUNT_ATTR_NOATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
	{ NULL, 0 },
};

static const struct name_value propagations[] = {
	{ "private", MS_PRIVATE },
	{ "slave", MS_SLAVE },
	{ "shared", MS_SHARED },
	{ "unbindable", MS_UNBINDABLE },
	{ NULL, 0 },
};

static void print_names(const struct name_value *names, uint64_t set,
			const char *before)
{
	for (; names->name; names++) {
		if (set & names->value)
			printf(" %s%s", before, names->name);
	}
}

static void print_change(const struct mount_change *change, const char *prefix)
{
	print_names(attributes, change->set, prefix);
	print_names(attributes, change->clear & ~(uint64_t)MOUNT_ATTR__ATIME,
		    "-");
	print_names(propagations, change->propagation, prefix);
}

/* ---- the parent ---- */

static void print_maps(const char *what, const struct userns_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		printf("parent: %s %u is %u outside, %u of them\n", what,
		       maps->maps[i].inside, maps->maps[i].outside,
		       maps->maps[i].count);
}

static void print_hooks(const struct config *config, enum hook_kind kind,
			const char *who)
{
	for (size_t i = 0; i < config->hooks[kind].count; i++)
		printf("%s: %s hook %s\n", who, config_hook_name(kind),
		       config->hooks[kind].hooks[i].path);
}

static void print_cgroup(const struct launch *launch)
{
	const struct config_resources *r = &launch->config.resources;

	if (*launch->unit)
		printf("parent: scope %s of systemd, in %s\n", launch->unit,
		       *launch->slice ? launch->slice : "the usual slice");
	else
		printf("parent: cgroup %s\n", launch->state.cgroup);
	for (size_t i = 0; i < r->setting_count; i++)
		printf("parent: %s = %s\n", r->settings[i].file,
		       r->settings[i].value);
}

static void print_device_filter(const struct config_resources *r)
{
	for (size_t i = 0; i < r->device_count; i++) {
		const struct device_rule *rule = &r->devices[i];

		printf("parent: devices %s %c",
		       rule->allow ? "allowed" : "denied", rule->type);
		if (rule->major == DEVICE_ANY)
			printf(" *");
		else
			printf(" %u", rule->major);
		if (rule->minor == DEVICE_ANY)
			printf(":*");
		else
			printf(":%u", rule->minor);
		printf(" %s%s%s\n", rule->access & DEVICE_READ ? "r" : "",
		       rule->access & DEVICE_WRITE ? "w" : "",
		       rule->access & DEVICE_MKNOD ? "m" : "");
	}
}

static void print_parent(const struct launch *launch)
{
	const struct config *config = &launch->config;

	printf("parent: state %s\n", launch->options->id);
	if (config->has_seccomp)
		printf("parent: filter, by default %s, %zu rules%s\n",
		       config->seccomp.default_action,
		       config->seccomp.rule_count,
		       config->has_notify ? ", with an agent" : "");
	print_cgroup(launch);
	printf("parent: clone with new");
	for (size_t i = 0; names_of_namespaces[i].name; i++) {
		if (config->new_namespaces & names_of_namespaces[i].value)
			printf(" %s", names_of_namespaces[i].name);
	}
	printf("\n");
	print_maps("user", &config->uids);
	print_maps("group", &config->gids);
	if (config->process.has_oom_score_adj)
		printf("parent: oom_score_adj %d\n",
		       config->process.oom_score_adj);
	print_device_filter(&config->resources);
	print_hooks(config, HOOK_PRESTART, "parent");
	print_hooks(config, HOOK_CREATE_RUNTIME, "parent");
}

/* ---- the child ---- */

static void print_mount(const struct mount_plan *plan)
{
	if (plan->remount)
		printf("child: remount %s", plan->target);
	else if (plan->is_bind)
		printf("child: %s %s at %s", plan->recursive ? "rbind" : "bind",
		       plan->source, plan->target);
	else
		printf("child: %s at %s", plan->type, plan->target);
	print_change(&plan->one, "");
	print_change(&plan->below, "r");
	if (plan->idmap)
		printf(" idmap");
	if (plan->copy_up)
		printf(" tmpcopyup");
	for (size_t i = 0; i < plan->param_count; i++)
		printf(" %s", plan->params[i]);
	printf("\n");
}

static void print_devices(const struct config *config)
{
	for (size_t i = 0; i < config->device_count; i++) {
		const struct device_node *node = &config->devices[i];

		printf("child: device %s %c %u:%u mode %o\n", node->path,
		       node->type, node->major, node->minor,
		       (unsigned int)node->mode);
	}
}

static void print_root(const struct launch *launch)
{
	const struct config *config = &launch->config;

	for (size_t i = 0; i < config->namespace_count; i++) {
		if (config->namespaces[i].path)
			printf("child: join %s %s\n",
			       config->namespaces[i].type,
			       config->namespaces[i].path);
	}
	if (config->has_time_offsets)
		printf("child: monotonic %+" PRId64 " s, boottime %+" PRId64
		       " s\n",
		       config->monotonic_s, config->boottime_s);
	printf("child: root %s%s\n", config->root_path,
	       config->root_read_only ? ", read-only in the end" : "");
	for (size_t i = 0; i < config->mount_count; i++)
		print_mount(&config->mounts[i].plan);
	print_devices(config);
	if (config->process.terminal)
		printf("child: terminal %ux%u\n", config->process.console_rows,
		       config->process.console_columns);
	if (config->hostname)
		printf("child: hostname %s\n", config->hostname);
	if (config->domainname)
		printf("child: domainname %s\n", config->domainname);
	for (size_t i = 0; i < config->sysctl_count; i++)
		printf("child: sysctl %s = %s\n", config->sysctls[i].name,
		       config->sysctls[i].value);
	print_hooks(config, HOOK_CREATE_CONTAINER, "child");
	for (size_t i = 0; i < config->read_only_count; i++)
		printf("child: read-only %s\n", config->read_only_paths[i]);
	for (size_t i = 0; i < config->masked_count; i++)
		printf("child: masked %s\n", config->masked_paths[i]);
	printf("child: %s\n",
	       launch->options->no_pivot ? "move and chroot" : "pivot_root");
}

static void print_caps(const char *what, uint64_t set)
{
	const char *name;

	printf("child: %s capabilities", what);
	for (unsigned int i = 0; (name = caps_name(i)); i++) {
		if (set & 1ULL << i)
			printf(" %s", name);
	}
	printf("\n");
}

static void print_payload(const struct config *config)
{
	const struct config_process *process = &config->process;

	printf("child: working directory %s\n", process->cwd);
	for (size_t i = 0; i < process->rlimit_count; i++)
		printf("child: rlimit %d %" PRIu64 " %" PRIu64 "\n",
		       process->rlimits[i].resource,
		       (uint64_t)process->rlimits[i].limit.rlim_cur,
		       (uint64_t)process->rlimits[i].limit.rlim_max);
	if (process->has_scheduler)
		printf("child: scheduling policy %u, nice %d\n",
		       process->scheduler.policy, process->scheduler.nice);
	if (process->has_io_priority)
		printf("child: I/O priority %d\n", process->io_priority);
	printf("child: wait for the start\n");
	print_hooks(config, HOOK_START_CONTAINER, "child");
	if (config->has_personality)
		printf("child: personality %lu\n", config->personality);
	print_caps("bounding", process->caps.bounding);
	printf("child: user %u, group %u, %zu more groups\n", process->uid,
	       process->gid, process->group_count);
	print_caps("effective", process->caps.effective);
	print_caps("permitted", process->caps.permitted);
	print_caps("inheritable", process->caps.inheritable);
	print_caps("ambient", process->caps.ambient);
	if (process->no_new_privileges)
		printf("child: no new privileges\n");
	if (config->has_seccomp)
		printf("child: filter%s\n",
		       process->no_new_privileges ?
			       "" :
			       ", already before the bounding set");
	printf("child: exec %s\n", process->args[0]);
}

int plan_print(const struct launch *launch, struct err *err)
{
	print_parent(launch);
	print_root(launch);
	print_payload(&launch->config);
	print_hooks(&launch->config, HOOK_POSTSTART, "parent");
	print_hooks(&launch->config, HOOK_POSTSTOP, "delete");
	return fflush(stdout) ? err_sys(err, errno, "cannot write") : 0;
}
