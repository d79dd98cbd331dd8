/*
 * A container's configuration (runtime-spec 1.2, config.md and config-linux.md)
 * as plain data, read from config.json. Strings are borrowed from the JSON
 * tree, which the configuration owns; arrays are owned. One thread.
 */
#ifndef CONTAINER_CONFIG_H
#define CONTAINER_CONFIG_H

#include <sys/resource.h>
#include <sys/types.h>

#include "container/json.h"
#include "container/net_plan.h"
#include "sandbox/caps.h"
#include "sandbox/cgroup.h"
#include "sandbox/devices.h"
#include "sandbox/filter.h"
#include "sandbox/mount.h"
#include "sandbox/userns.h"

struct config_rlimit {
	int resource; /* RLIMIT_* */
	struct rlimit limit;
};

struct config_process {
	bool terminal;
	unsigned int console_rows;
	unsigned int console_columns;
	const char *cwd;
	const char **args; /* NULL-terminated */
	const char **env; /* NULL-terminated */
	uid_t uid;
	gid_t gid;
	bool has_umask;
	mode_t umask;
	gid_t *groups;
	size_t group_count;
	struct caps caps; /* empty unless asked for */
	struct config_rlimit *rlimits;
	size_t rlimit_count;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	const char *apparmor_profile; /* or NULL */
	const char *selinux_label;
	bool has_io_priority;
	int io_priority; /* ioprio_set(2)'s class and level */
	bool has_scheduler;
	struct config_scheduler {
		uint32_t policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime;
		uint64_t deadline;
		uint64_t period;
	} scheduler;
};

struct config_namespace {
	uint64_t flag; /* CLONE_NEW* */
	const char *type;
	const char *path; /* NULL: a new one */
};

struct config_mount {
	struct mount_plan plan;
	struct userns_maps uids; /* empty: the container's */
	struct userns_maps gids;
};

enum hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_KINDS,
};

struct config_hook {
	const char *path;
	const char **args; /* NULL-terminated; NULL: the path alone */
	const char **env;
	unsigned int timeout_s; /* 0: none */
};

struct config_hooks {
	struct config_hook *hooks;
	size_t count;
};

struct config_sysctl {
	const char *name;
	const char *value;
};

/* What linux.resources asks for. */
struct config_resources {
	struct cgroup_setting *settings;
	size_t setting_count;
	size_t setting_room;
	struct device_rule *devices;
	size_t device_count;
};

struct config {
	json_t *tree; /* owned */
	const char *version;
	const char *root_path; /* as written, relative to the bundle */
	bool root_read_only;
	const char *hostname; /* or NULL */
	const char *domainname;
	bool has_process;
	struct config_process process;
	struct config_mount *mounts;
	size_t mount_count;
	struct config_hooks hooks[HOOK_KINDS];
	struct config_namespace *namespaces;
	size_t namespace_count;
	uint64_t new_namespaces; /* CLONE_NEW* of those without a path */
	struct userns_maps uids;
	struct userns_maps gids;
	bool has_time_offsets;
	int64_t monotonic_s;
	int64_t monotonic_ns;
	int64_t boottime_s;
	int64_t boottime_ns;
	struct device_node *devices;
	size_t device_count;
	struct net_device *net_devices; /* owned */
	size_t net_device_count;
	const char *cgroups_path; /* or NULL */
	struct config_resources resources;
	struct config_sysctl *sysctls;
	size_t sysctl_count;
	bool has_seccomp;
	struct filter_profile seccomp;
	bool has_notify; /* an agent is asked about some calls */
	const char *listener_path; /* its socket; or NULL */
	const char *listener_metadata;
	const char **masked_paths;
	size_t masked_count;
	const char **read_only_paths;
	size_t read_only_count;
	uint64_t root_propagation; /* MS_*; 0: private */
	bool root_propagation_recursive;
	bool has_personality;
	unsigned long personality;
};

/*
 * Reads @tree, which the configuration takes over also on failure. What may be
 * ignored is; what the container would miss without being told is refused.
 */
int config_read(struct config *config, json_t *tree, struct err *err);
void config_dispose(struct config *config);

/* One process, as in the file that `exec --process` takes. */
int config_read_process(struct config_process *process,
			const struct jnode *node, struct err *err);
void config_process_release(struct config_process *process);

/* linux.resources alone, as `update --resources` takes it. */
int config_read_resources(struct config_resources *resources,
			  const struct jnode *node, struct err *err);
void config_resources_release(struct config_resources *resources);

/* The entry for a namespace type, or NULL. */
const struct config_namespace *config_namespace(const struct config *config,
						uint64_t flag);

/* Whether the container may make groups of its own in its cgroup:
 * config-linux.md, "Cgroup ownership". */
bool config_delegates_cgroup(const struct config *config);

/* "prestart" and so on, as in config.json. */
const char *config_hook_name(enum hook_kind kind);

#endif
