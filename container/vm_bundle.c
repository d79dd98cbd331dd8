/*
 * What becomes of an engine's bundle in a VM. What confines programs on a
 * kernel that they share (filter, masked paths, rules for devices, security
 * modules) is not needed there, and left out; what a program would miss is
 * refused. Of bind mounts folders are shared (vm_share.c), and small files are
 * copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "container/vm.h"
#include "container/vm_engine.h"
#include "container/vm_netns.h"
#include "container/vm_parts.h"

#define FILE_BYTES_MAX 65536
#define OPTIONS_MAX    255 /* of a mount, as the guest reads them */
#define WORDS_MAX      4096
#define GROUPS_MAX     64

/* ---- mounts ---- */

/* The guest has its own; engines bind the host's. */
static bool is_guests(const struct mount_plan *plan)
{
	static const struct {
		const char *target;
		const char *type; /* NULL: whatever it is */
	} own[] = {
		{ "/proc", "proc" },	  { "/dev", "tmpfs" },
		{ "/dev/pts", "devpts" }, { "/dev/shm", NULL },
		{ "/dev/mqueue", NULL },  { "/sys", "sysfs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (!strcmp(plan->target, own[i].target) &&
		    (!own[i].type ||
		     (plan->type && !strcmp(plan->type, own[i].type))))
			return true;
	}
	return false;
}

static int say_tmpfs(const struct vm_block *block,
		     const struct mount_plan *plan, struct err *err)
{
	char options[OPTIONS_MAX + 1];
	size_t used = 0;

	for (size_t i = 0; i < plan->param_count; i++) {
		const char *param = plan->params[i];
		int n;

		/* They are of the mount, which has its own. */
		if (!strcmp(param, "ro") || !strcmp(param, "rw"))
			continue;
		n = snprintf(options + used, sizeof(options) - used, "%s%s",
			     used ? "," : "", param);
		if (n < 0 || (size_t)n >= sizeof(options) - used ||
		    strchr(param, ' '))
			return err_set(
				err, EINVAL,
				"%s: options with spaces, or of more than %d bytes, cannot be had in a VM",
				plan->target, OPTIONS_MAX);
		used += (size_t)n;
	}
	if (block)
		vm_say(block, "mount", "%s %u %s %s",
		       plan->copy_up ? "tmpcopyup" : "tmpfs",
		       (unsigned int)(plan->one.set & VM_MOUNT_FLAGS),
		       used ? options : "-", plan->target);
	return 0;
}

static int open_file(const struct mount_plan *plan, struct stat *st,
		     struct err *err)
{
	/* Without waiting for the other end of a FIFO. */
	autoclose int fd = open(plan->source,
				O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (*plan->source != '/')
		return err_set(err, EINVAL,
			       "%s: for a VM the source must be absolute",
			       plan->target);
	if (fd < 0 || fstat(fd, st))
		return err_sys(err, errno, "cannot open %s", plan->source);
	if (!S_ISREG(st->st_mode))
		return err_set(
			err, EOPNOTSUPP,
			"%s: a VM has no way to a device or socket of the host",
			plan->target);
	if (st->st_size > FILE_BYTES_MAX)
		return err_set(
			err, EFBIG,
			"%s: a file of the host is copied into a VM only up to %d bytes; put it into the image",
			plan->target, FILE_BYTES_MAX);
	return move_fd(&fd);
}

static int say_file(const struct vm_block *block, const struct mount_plan *plan,
		    struct err *err)
{
	char text[FILE_BYTES_MAX + 1];
	struct stat st = { .st_mode = 0 };
	autoclose int fd = open_file(plan, &st, err);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (used < sizeof(text) - 1 &&
	       (n = read(fd, text + used, sizeof(text) - 1 - used)) != 0) {
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "cannot read %s",
				       plan->source);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
	if (strlen(text) != used || strchr(plan->target, '='))
		return err_set(
			err, EOPNOTSUPP,
			"%s: only text is copied into a VM; put the file into the image",
			plan->target);
	if (block)
		vm_say(block, "copy", "%o %u %u %s=%s", st.st_mode & 0777,
		       st.st_uid, st.st_gid, plan->target, text);
	return 0;
}

static int say_mount(const struct vm_block *block, const struct config *config,
		     size_t index, struct err *err)
{
	const struct mount_plan *plan = &config->mounts[index].plan;

	if (is_guests(plan))
		return 0;
	if (plan->remount)
		return err_set(err, EOPNOTSUPP,
			       "%s: a VM has no mounts to be changed",
			       plan->target);
	if (vm_share_is(plan))
		return vm_share_say(block, config, index, err);
	if (plan->is_bind)
		return say_file(block, plan, err);
	if (mount_is_cgroup(plan)) {
		/* It shows the guest's groups. */
		if (block)
			vm_say(block, "mount", "cgroup2 %u - %s",
			       (unsigned int)VM_MOUNT_FLAGS, plan->target);
		return 0;
	}
	if (!strcmp(plan->type, "tmpfs"))
		return say_tmpfs(block, plan, err);
	return err_set(
		err, EOPNOTSUPP,
		"%s: of type %s a VM has what it has, at the usual place",
		plan->target, plan->type);
}

/* "net.ipv4.ip_forward", or with slashes where a name has dots. */
static void say_sysctl(const struct vm_block *block,
		       const struct config_sysctl *sysctl)
{
	bool slashes = strchr(sysctl->name, '/');
	char path[256];

	snprintf(path, sizeof(path), "%s", sysctl->name);
	for (char *at = path; *at && !slashes; at++) {
		if (*at == '.')
			*at = '/';
	}
	vm_say(block, "sysctl", "%s=%s", path, sysctl->value);
}

/* ---- the network ---- */

/* What is on the link comes first: gateways are reached by it. */
static void say_routes(const struct vm_block *block, const struct vm_netns *net,
		       bool by_gateway)
{
	for (size_t i = 0; i < net->route_count; i++) {
		bool has_gateway = net->routes[i].gateway.family;

		if (has_gateway == by_gateway)
			vm_say_route(block, &net->routes[i]);
	}
}

int vm_bundle_say_network(const struct vm_block *block,
			  const struct config *config, struct err *err)
{
	const struct config_namespace *ns =
		config_namespace(config, CLONE_NEWNET);
	struct vm_netns net = { .found = false };
	int rc;

	if (!ns || !ns->path)
		return 0;
	rc = vm_netns_read(ns->path, &net, err);
	if (rc || !net.found || !block)
		return rc;
	vm_say(block, "network", "1");
	vm_say(block, "mtu", "%u", net.link.mtu);
	for (size_t i = 0; i < net.address_count; i++)
		vm_say_address(block, &net.addresses[i]);
	say_routes(block, &net, false);
	say_routes(block, &net, true);
	return 0;
}

/* ---- all of it ---- */

int vm_bundle_say(const struct vm_block *block, const struct config *config,
		  struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < config->mount_count; i++) {
		rc = say_mount(block, config, i, err);
		if (rc)
			err_prefix(err, "mounts[%zu]", i);
	}
	for (size_t i = 0; block && i < config->sysctl_count; i++)
		say_sysctl(block, &config->sysctls[i]);
	return rc;
}

/* ---- what it cannot have ---- */

static int check_namespaces(const struct config *config, struct err *err)
{
	static const struct {
		uint64_t flag;
		const char *type;
	} own[] = {
		{ CLONE_NEWPID, "pid" },
		{ CLONE_NEWIPC, "ipc" },
		{ CLONE_NEWUTS, "uts" },
		{ CLONE_NEWNET, "network" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (!config_namespace(config, own[i].flag))
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: a VM cannot have the host's %s namespace; ask for one of its own",
				own[i].type);
	}
	for (size_t i = 0; i < config->namespace_count; i++) {
		const struct config_namespace *ns = &config->namespaces[i];

		if (ns->flag == CLONE_NEWUSER || ns->flag == CLONE_NEWTIME)
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: a VM has users and a clock of its own; leave the %s namespace away",
				ns->type);
		if (ns->path && ns->flag != CLONE_NEWNET)
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: a VM cannot share the %s namespace of another container",
				ns->type);
	}
	return 0;
}

static int check_process(const struct config_process *process, struct err *err)
{
	size_t args = 0;
	size_t env = 0;

	while (process->args[args])
		args++;
	while (process->env[env])
		env++;
	if (args > WORDS_MAX || env > WORDS_MAX)
		return err_set(
			err, E2BIG,
			"process: a VM takes %d arguments at most, and as many variables",
			WORDS_MAX);
	if (process->group_count > GROUPS_MAX)
		return err_set(
			err, E2BIG,
			"process.user.additionalGids: a VM takes %d at most",
			GROUPS_MAX);
	if (process->has_scheduler || process->has_io_priority)
		return err_set(
			err, EOPNOTSUPP,
			"process: a VM takes neither scheduler nor ioPriority; its CPUs have weights");
	return 0;
}

/* The first of what a guest has not got, or NULL. */
static const char *find_refused(const struct config *config)
{
	const struct config_hooks *hooks = config->hooks;

	if (hooks[HOOK_CREATE_CONTAINER].count)
		return "hooks.createContainer";
	if (hooks[HOOK_START_CONTAINER].count)
		return "hooks.startContainer";
	if (config->device_count)
		return "linux.devices";
	if (config->net_device_count)
		return "linux.netDevices";
	if (config->has_notify)
		return "linux.seccomp.listenerPath";
	if (config->has_personality)
		return "linux.personality";
	if (config->domainname && *config->domainname)
		return "domainname";
	return NULL;
}

/* One card: that of the engine's, or that of the annotation. */
static int check_network(const struct config *config, struct err *err)
{
	const struct config_namespace *ns =
		config_namespace(config, CLONE_NEWNET);
	bool annotated = json_object_get(
		json_object_get(config->tree, "annotations"), "hull-ct.net");
	struct vm_netns net = { .found = false };
	int rc = 0;

	if (ns && ns->path)
		rc = vm_netns_read(ns->path, &net, err);
	if (!rc && net.found && annotated)
		return err_set(
			err, EOPNOTSUPP,
			"annotations: a VM has one network at most: hull-ct.net goes with an engine's none");
	return rc;
}

int vm_bundle_check(const struct config *config, const json_t *tree,
		    struct err *err)
{
	const json_t *memory = json_object_get(
		json_object_get(json_object_get(tree, "linux"), "resources"),
		"memory");
	json_int_t limit = json_integer_value(json_object_get(memory, "limit"));
	const char *refused = find_refused(config);
	int rc;

	if (!config->has_process)
		return err_set(err, EINVAL, "process: it is missing");
	if (refused)
		return err_set(err, EOPNOTSUPP, "%s: a VM cannot have it",
			       refused);
	if (limit > 0 && (uint64_t)limit < VM_LEAST_MEMORY)
		return err_set(
			err, EINVAL,
			"linux.resources.memory.limit: a VM has a kernel of its own and needs 96M or more");
	rc = check_namespaces(config, err);
	if (!rc)
		rc = check_process(&config->process, err);
	if (!rc)
		rc = check_network(config, err);
	return rc ? rc : vm_bundle_say(NULL, config, err);
}
