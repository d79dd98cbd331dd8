/*
 * `spec`: a config.json to begin with. It has few rights, a filter of system
 * calls that lists what is allowed, and nothing that needs a controller.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/json.h"
#include "container/spec.h"
#include "container/spec_filter.h"
#include "container/verbs.h"

/* Without the filter, which is long, and the user namespace. */
static const char base[] =
	"{\"ociVersion\":\"1.2.0\","
	"\"process\":{\"terminal\":false,"
	"\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
	"\"cwd\":\"/\","
	"\"capabilities\":{"
	"\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
	"\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
	"\"hostname\":\"hull\","
	"\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{"
	"\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/interrupts\","
	"\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/sched_debug\","
	"\"/proc/scsi\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/sys/dev/block\","
	"\"/sys/devices/virtual/powercap\",\"/sys/firmware\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
	"\"/proc/sysrq-trigger\"]}}";

/* The IDs of user namespaces begin here where none are told. */
#define FIRST_ID 100000
#define ID_COUNT 65536

static json_t *id_map(unsigned int own)
{
	unsigned int first = own ? own : FIRST_ID;

	return json_pack("[{s:i, s:i, s:i}]", "containerID", 0, "hostID",
			 (int)first, "size", own ? 1 : ID_COUNT);
}

/* A group that is not mapped cannot own terminals. */
static void drop_terminal_group(const json_t *tree)
{
	json_t *mounts = json_object_get(tree, "mounts");

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		json_t *options =
			json_object_get(json_array_get(mounts, i), "options");

		for (size_t j = 0; j < json_array_size(options); j++) {
			if (!strcmp(json_string_value(
					    json_array_get(options, j)),
				    "gid=5"))
				json_array_remove(options, j--);
		}
	}
}

json_t *spec_make(bool userns, bool filter, struct err *err)
{
	json_t *tree = json_parse(base, strlen(base), "spec", err);
	json_t *part = json_object_get(tree, "linux");
	json_t *profile;

	if (!tree)
		return NULL;
	if (filter) {
		profile = spec_filter(err);
		if (!profile || json_object_set_new(part, "seccomp", profile))
			goto fail;
	}
	if (userns &&
	    (json_object_set_new(part, "uidMappings", id_map(geteuid())) ||
	     json_object_set_new(part, "gidMappings",
				 id_map(geteuid() ? getegid() : 0)) ||
	     json_array_append_new(json_object_get(part, "namespaces"),
				   json_pack("{s:s}", "type", "user"))))
		goto fail;
	if (userns && geteuid())
		drop_terminal_group(tree);
	return tree;
fail:
	json_decref(tree);
	return NULL;
}

int verb_spec(struct context *context, struct args *args, struct err *err)
{
	const char *bundle = ".";
	bool privileged = false;
	bool rootless = false;
	bool no_filter = false;
	const struct arg_option table[] = {
		{ "bundle", 'b', ARG_TEXT, &bundle, "folder to write it to" },
		{ "privileged", 0, ARG_FLAG, &privileged,
		  "without a user namespace: root inside is root outside" },
		{ "rootless", 0, ARG_FLAG, &rootless,
		  "accepted: a user namespace is the rule" },
		{ "no-seccomp", 0, ARG_FLAG, &no_filter,
		  "without the filter of system calls" },
		ARGS_END,
	};
	autoclose int dir = -1;
	autoclose int fd = -1;
	autofree char *text = NULL;
	json_t *tree;
	int rc = verb_options("spec", args, table, true, err);

	(void)context;
	if (!rc)
		rc = args_end(args, err);
	if (rc)
		return rc;
	tree = spec_make(!privileged, !no_filter, err);
	text = tree ? json_dumps(tree, JSON_INDENT(2)) : NULL;
	json_decref(tree);
	if (!text)
		return err_set(err, ENOMEM, "no memory");
	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "cannot open %s", bundle);
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0644);
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
		return err_sys(err, errno, "cannot write config.json");
	return 0;
}
