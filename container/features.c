/* `features`: what this program can do (runtime-spec 1.2, features.md). */
#include <errno.h>

#include "container/config.h"
#include "container/criu.h"
#include "container/verbs.h"
#include "container/version.h"
#include "sandbox/filter.h"
#include "sandbox/names.h"
#include "sandbox/procfs.h"
#include "sandbox/selfexe.h"
#include "sandbox/walk.h"

static json_t *list(const char *(*name)(size_t))
{
	json_t *array = json_array();
	const char *text;

	for (size_t i = 0; (text = name(i)); i++)
		json_array_append_new(array, json_string(text));
	return array;
}

static const char *capability(size_t index)
{
	return caps_name((unsigned int)index);
}

static const char *hook(size_t index)
{
	return index < HOOK_KINDS ? config_hook_name((enum hook_kind)index) :
				    NULL;
}

static const char *namespace(size_t index)
{
	return names_of_namespaces[index].name;
}

static json_t *linux_features(void)
{
	return json_pack("{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, "
			 "s:{s:b, s:o, s:o, s:o, s:o, s:o}, s:{s:b}, s:{s:b}, "
			 "s:{s:b}, s:{s:{s:b}}, s:{s:b}}",
			 "namespaces", list(namespace), "capabilities",
			 list(capability), "cgroup", "v1", 0, "v2", 1,
			 "systemd", 1, "systemdUser", 1, "rdma", 1, "seccomp",
			 "enabled", 1, "actions", list(filter_action_name),
			 "operators", list(filter_operator_name), "archs",
			 list(filter_architecture_name), "knownFlags",
			 list(filter_flag_name), "supportedFlags",
			 list(filter_flag_name), "apparmor", "enabled", 1,
			 "selinux", "enabled", 0, "intelRdt", "enabled", 0,
			 "mountExtensions", "idmap", "enabled", 1, "netDevices",
			 "enabled", 1);
}

static const char *rights(int proc)
{
	if (!caps_may_administer())
		return "a user's: new user namespaces, no device filter";
	return userns_is_initial(proc) ?
		       "root's" :
		       "of a user namespace: no device filter";
}

/* Which of the ways there are this host makes us go. */
static json_t *annotations(void)
{
	static const char *const protection[] = {
		[SELFEXE_EXPOSED] = "none yet: create, run and exec start anew",
		[SELFEXE_READ_ONLY_MOUNT] = "read-only mount",
		[SELFEXE_SEALED_MEMORY] = "sealed memory",
	};
	struct cgroup_mount mount = { .fd = -1 };
	const char *cgroup = "none";
	char criu[PATH_MAX] = "none: criu is not in PATH";
	bool has_criu = !criu_find(criu, NULL);
	bool is_private = false;
	autoclose int proc = procfs_open_private(&is_private, NULL);

	json_t *object;

	if (!cgroup_mount_open(&mount, NULL))
		cgroup = mount.hybrid ? "v2 without the controllers of v1" :
					"v2";
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
			   /* The name that engines know. */
			   "org.opencontainers.runc.checkpoint.enabled",
			   has_criu ? "true" : "false", "hull-ct.checkpoint",
			   criu, "hull-ct.version", hull_ct_version,
			   "hull-ct.cgroup", cgroup, "hull-ct.own-file",
			   protection[selfexe_state()], "hull-ct.rights",
			   rights(proc), "hull-ct.paths",
			   walk_has_openat2() ? "openat2" : "step by step",
			   "hull-ct.procfs",
			   is_private ? "private mount" :
			   proc >= 0  ? "/proc of the host, checked" :
					"none");
	cgroup_mount_close(&mount);
	return object;
}

int verb_features(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	json_t *object;
	int rc = verb_options("features", args, table, true, err);

	(void)context;
	if (!rc)
		rc = args_end(args, err);
	if (rc)
		return rc;
	object = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:[s]}",
			   "ociVersionMin", "1.0.0", "ociVersionMax", "1.2.0",
			   "hooks", list(hook), "mountOptions",
			   list(mount_option_name), "linux", linux_features(),
			   "annotations", annotations(),
			   /* All that begin with it. */
			   "potentiallyUnsafeConfigAnnotations", "hull-ct.");
	return json_print(object, JSON_INDENT(2), err);
}
