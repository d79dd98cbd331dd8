/*
 * What systemd expects of whoever runs it in a container, and sysvinit takes
 * as well: https://systemd.io/CONTAINER_INTERFACE ("Execution Environment") and
 * https://systemd.io/CGROUP_DELEGATION. A terminal at /dev/console, `container`
 * in the environment, /sys read-only, /run empty, and a group in cgroup v2 that
 * is its own.
 */
#include "container/recipe_system.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "container/spec_filter.h"
#include "sandbox/caps.h"

/* Of the whole machine; without a meaning in a user namespace. */
static const char *const host_caps[] = {
	"CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND",
	"CAP_BPF",	     "CAP_MAC_ADMIN",  "CAP_MAC_OVERRIDE",
	"CAP_PERFMON",	     "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
	"CAP_SYS_TIME",	     "CAP_SYSLOG",     "CAP_WAKE_ALARM",
};

uint64_t recipe_system_caps(void)
{
	uint64_t caps = 0;

	for (unsigned int cap = 0; caps_name(cap); cap++)
		caps |= 1ULL << cap;
	for (size_t i = 0; i < ARRAY_SIZE(host_caps); i++)
		caps &= ~(1ULL << caps_number(host_caps[i]));
	return caps;
}

/* Takes a word out of an array of words. */
static void drop(json_t *array, const char *word)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (text && !strcmp(text, word))
			json_array_remove(array, i--);
	}
}

static int set_environment(json_t *process)
{
	static const char setting[] = "container=hull-ct";
	static const char name[] = "container=";
	json_t *env = json_object_get(process, "env");

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *text = json_string_value(json_array_get(env, i));

		if (text && !strncmp(text, name, strlen(name)))
			return 0; /* the caller's own word */
	}
	return json_array_append_new(env, json_string(setting));
}

static int add_tmpfs(json_t *mounts, const char *target, const char *mode,
		     const char *size)
{
	return json_array_append_new(
		mounts,
		json_pack("{s:s, s:s, s:s, s:[s, s, s, s]}", "destination",
			  target, "type", "tmpfs", "source", "tmpfs", "options",
			  "nosuid", "nodev", mode, size));
}

/* Its root is the container's own group, by the cgroup namespace. */
static void own_cgroup(json_t *mounts)
{
	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *mount = json_array_get(mounts, i);
		const char *type =
			json_string_value(json_object_get(mount, "type"));

		if (type && !strcmp(type, "cgroup"))
			drop(json_object_get(mount, "options"), "ro");
	}
}

static int set_mounts(json_t *mounts)
{
	own_cgroup(mounts);
	return add_tmpfs(mounts, "/run", "mode=755", "size=50%") |
	       add_tmpfs(mounts, "/run/lock", "mode=1777", "size=5m");
}

int recipe_system(const struct recipe *recipe, json_t *config, struct err *err)
{
	json_t *process = json_object_get(config, "process");
	json_t *linux_part = json_object_get(config, "linux");
	bool failed =
		set_environment(process) ||
		set_mounts(json_object_get(config, "mounts")) ||
		!spec_filter_open(json_object_get(linux_part, "seccomp")) ||
		json_object_set_new(process, "terminal", json_true());

	/* There the kernel gives away only what is of the container's own
	 * namespaces, such as net. */
	if (!recipe->privileged)
		drop(json_object_get(linux_part, "readonlyPaths"), "/proc/sys");
	return failed ? err_set(err, ENOMEM, "no memory") : 0;
}

/* ---- nesting ---- */

/* What makes a network or a root filesystem for who has no rights outside; as
 * far as the host has them. */
static const char *const engine_devices[] = { "/dev/fuse", "/dev/net/tun" };

static int add_device(json_t *linux_part, const char *path)
{
	json_t *resources = json_object_get(linux_part, "resources");
	json_t *devices = json_object_get(linux_part, "devices");
	json_int_t major_number;
	json_int_t minor_number;
	struct stat st;

	if (stat(path, &st) || !S_ISCHR(st.st_mode))
		return 0;
	major_number = (json_int_t)major(st.st_rdev);
	minor_number = (json_int_t)minor(st.st_rdev);
	if (!devices) {
		devices = json_array();
		if (json_object_set_new(linux_part, "devices", devices))
			return -1;
	}
	return json_array_append_new(
		       devices,
		       json_pack("{s:s, s:s, s:I, s:I, s:i}", "path", path,
				 "type", "c", "major", major_number, "minor",
				 minor_number, "fileMode", 0666)) |
	       json_array_append_new(json_object_get(resources, "devices"),
				     json_pack("{s:b, s:s, s:I, s:I, s:s}",
					       "allow", true, "type", "c",
					       "major", major_number, "minor",
					       minor_number, "access", "rwm"));
}

/*
 * Whoever is in a user namespace may mount a procfs or a sysfs only where one
 * is that nothing covers (mount_too_revealing() of Linux). What is masked and
 * read-only otherwise is left to the files' owner, the host's root.
 */
int recipe_nesting(const struct recipe *recipe, json_t *config, struct err *err)
{
	json_t *linux_part = json_object_get(config, "linux");
	json_t *filter = json_object_get(linux_part, "seccomp");
	bool failed = (!recipe->system && !spec_filter_open(filter)) ||
		      !spec_filter_nest(filter);

	json_object_del(linux_part, "maskedPaths");
	json_object_del(linux_part, "readonlyPaths");
	own_cgroup(json_object_get(config, "mounts"));
	for (size_t i = 0; i < ARRAY_SIZE(engine_devices); i++)
		failed |= add_device(linux_part, engine_devices[i]) != 0;
	return failed ? err_set(err, ENOMEM, "no memory") : 0;
}
