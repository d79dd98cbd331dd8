/*
 * The container that the monitor runs in. It has no user namespace, since
 * /dev/kvm belongs to the host, but an ID of its own, which nobody else has,
 * and no capabilities but, with folders of the host, those that give files to
 * the guest's users. Each of its files is bound by itself: whoever took it over
 * finds no folder but that of the sockets and those that the guest has.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/recipe_parts.h"
#include "container/spec.h"
#include "container/vm.h"
#include "container/vm_net.h"
#include "container/vm_netns.h"
#include "container/vm_parts.h"
#include "core/agent.h"

#define DEFAULT_MEMORY (512 * MIB)
/* What the monitor, its threads and the page tables of the guest need. */
#define OWN_MEMORY     (48 * MIB)
#define MEMORY_SHARE   64
#define OWN_PIDS       1024
#define CPU_PERIOD     100000
/* Files of shared folders that the guest knows at one time, each of which is a
 * descriptor, and what these take of the kernel's memory. */
#define SHARED_FILES   65536
#define SHARED_MEMORY  (112 * MIB)

/* Remembers that something could not be made. */
struct monitor {
	const struct home *home;
	const json_t *tree; /* the guest's configuration */
	json_t *config;
	json_t *args;
	json_t *mounts;
	struct vm_netns net; /* an engine's */
	struct config guest; /* owned; what the tree says */
	bool has_shares;
	bool failed;
};

static void put(struct monitor *m, json_t *object, const char *key,
		json_t *value)
{
	m->failed |= json_object_set_new(object, key, value) != 0;
}

static void word(struct monitor *m, const char *text)
{
	m->failed |= json_array_append_new(m->args, json_string(text)) != 0;
}

static void option(struct monitor *m, const char *name, const char *text)
{
	word(m, name);
	word(m, text);
}

/* The file @source of the host, as /NAME. */
static void bind_file(struct monitor *m, const char *source, const char *name,
		      bool writable)
{
	m->failed |=
		json_array_append_new(
			m->mounts,
			json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination",
				  name, "type", "bind", "source", source,
				  "options", "bind", "nosuid", "nodev",
				  writable ? "rw" : "ro")) != 0;
}

/* ---- limits ---- */

static const json_t *resource(const struct monitor *m, const char *group,
			      const char *key)
{
	return json_object_get(
		json_object_get(
			json_object_get(json_object_get(m->tree, "linux"),
					"resources"),
			group),
		key);
}

static uint64_t guest_memory(const struct monitor *m)
{
	json_int_t limit = json_integer_value(resource(m, "memory", "limit"));

	return limit > 0 ? (uint64_t)limit : DEFAULT_MEMORY;
}

/* As many as the quota fills, rounded up. */
static unsigned int guest_cpus(const struct monitor *m)
{
	json_int_t quota = json_integer_value(resource(m, "cpu", "quota"));
	json_int_t period = json_integer_value(resource(m, "cpu", "period"));

	if (quota <= 0)
		return 1;
	if (period <= 0)
		period = CPU_PERIOD;
	return (unsigned int)min_u64((uint64_t)((quota + period - 1) / period),
				     VM_CPUS_MAX);
}

/* Swap is told together with memory (runtime-spec 1.2, config-linux.md). */
static json_t *memory_limits(const struct monitor *m, json_int_t limit)
{
	json_int_t own = (json_int_t)OWN_MEMORY + limit / MEMORY_SHARE +
			 (m->has_shares ? (json_int_t)SHARED_MEMORY : 0);
	json_int_t swap = json_integer_value(resource(m, "memory", "swap"));
	json_int_t kept =
		json_integer_value(resource(m, "memory", "reservation"));
	json_t *memory = json_pack("{s:I}", "limit", limit + own);

	/* A launched one is told of neither. */
	if (!m->home->vm_engine)
		return memory;
	if (memory && swap)
		json_object_set_new(memory, "swap",
				    json_integer(swap > 0 ? swap + own : swap));
	if (memory && kept)
		json_object_set_new(memory, "reservation", json_integer(kept));
	return memory;
}

static void set_limits(struct monitor *m)
{
	static const char *const same[] = { "cpu", "blockIO", "unified",
					    "hugepageLimits", "rdma" };
	const json_t *from =
		json_object_get(json_object_get(m->tree, "linux"), "resources");
	json_t *to = json_object_get(json_object_get(m->config, "linux"),
				     "resources");
	json_int_t limit = json_integer_value(resource(m, "memory", "limit"));

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		json_t *value = json_object_get(from, same[i]);

		if (value)
			put(m, to, same[i], json_deep_copy(value));
	}
	if (limit > 0)
		put(m, to, "memory", memory_limits(m, limit));
}

/* ---- what it may do ---- */

static void add_device(struct monitor *m, const char *path, int major,
		       int minor)
{
	json_t *part = json_object_get(m->config, "linux");
	json_t *devices = json_object_get(part, "devices");
	json_t *rules =
		json_object_get(json_object_get(part, "resources"), "devices");
	json_int_t id = m->home->id_base;

	if (!devices) {
		devices = json_array();
		put(m, part, "devices", devices);
	}
	m->failed |= json_array_append_new(
			     devices,
			     json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I}",
				       "path", path, "type", "c", "major",
				       major, "minor", minor, "fileMode", 0600,
				       "uid", id, "gid", id)) != 0;
	m->failed |=
		json_array_append_new(
			rules, json_pack("{s:b, s:s, s:i, s:i, s:s}", "allow",
					 true, "type", "c", "major", major,
					 "minor", minor, "access", "rw")) != 0;
}

/* Besides what programs in general may: io_uring, and any ioctl. That of
 * terminals would reach none but its own. */
static void allow_calls(struct monitor *m)
{
	json_t *rules = json_object_get(
		json_object_get(json_object_get(m->config, "linux"), "seccomp"),
		"syscalls");

	m->failed |=
		json_array_append_new(
			rules, json_pack("{s:[s,s,s,s], s:s}", "names", "ioctl",
					 "io_uring_setup", "io_uring_enter",
					 "io_uring_register", "action",
					 "SCMP_ACT_ALLOW")) != 0;
}

/*
 * A guest's users own what they create. All that can be written to, besides the
 * sockets and the disk, are the shared folders, so that is all that these
 * rights are about. CAP_SETPCAP keeps the others (SECBIT_NO_SETUID_FIXUP in
 * capabilities(7)).
 */
static json_t *capabilities(struct monitor *m)
{
	static const char *const sets[] = { "bounding", "permitted",
					    "effective", "inheritable",
					    "ambient" };
	json_t *all = json_object();

	for (size_t i = 0; m->has_shares && i < ARRAY_SIZE(sets); i++)
		put(m, all, sets[i],
		    json_pack("[s,s,s,s,s,s,s]", "CAP_CHOWN",
			      "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
			      "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP"));
	return all;
}

static void set_rights(struct monitor *m, bool tty)
{
	json_t *process = json_object_get(m->config, "process");
	json_int_t id = m->home->id_base;
	int files = OWN_PIDS + (m->has_shares ? SHARED_FILES : 0);

	put(m, process, "terminal", json_boolean(tty));
	/* The umask is the guest's business, too. */
	put(m, process, "user",
	    json_pack("{s:I, s:I, s:i}", "uid", id, "gid", id, "umask",
		      m->has_shares ? 0 : 022));
	put(m, process, "capabilities", capabilities(m));
	put(m, process, "noNewPrivileges", json_true());
	put(m, process, "rlimits",
	    json_pack("[{s:s, s:i, s:i}]", "type", "RLIMIT_NOFILE", "soft",
		      files, "hard", files));
	add_device(m, "/dev/kvm", 10, 232);
	allow_calls(m);
}

/* ---- the machine ---- */

/* What the monitor's own root has of the usual mounts. */
static void keep_mounts(struct monitor *m)
{
	static const char *const kept[] = { "/proc", "/dev", "/dev/pts" };
	json_t *all = json_object_get(m->config, "mounts");

	m->mounts = json_array();
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *mount = json_array_get(all, i);
		const char *place = json_string_value(
			json_object_get(mount, "destination"));

		for (size_t j = 0; place && j < ARRAY_SIZE(kept); j++) {
			if (!strcmp(place, kept[j]))
				m->failed |= json_array_append(m->mounts,
							       mount) != 0;
		}
	}
	put(m, m->config, "mounts", m->mounts);
}

/* Through the page cache: what VMs share of an image is in memory once, and it
 * works on any filesystem. */
static void add_disks(struct monitor *m)
{
	const struct home *home = m->home;
	autofree char *settings = NULL;
	autofree char *run = NULL;
	autofree char *upper = NULL;
	char name[32];
	char text[64];

	if (asprintf(&settings, "%s/vm/settings", home->path) < 0 ||
	    asprintf(&run, "%s/vm/run", home->path) < 0 ||
	    asprintf(&upper, "%s/data/upper/disk", home->path) < 0) {
		m->failed = true;
		return;
	}
	bind_file(m, run, "/run", true);
	bind_file(m, settings, "/settings", false);
	option(m, "--disk", "/settings,ro,cache=writeback");
	bind_file(m, upper, "/disk", true);
	option(m, "--disk", "/disk,cache=writeback");
	for (size_t i = 0; i < home->layer_count; i++) {
		autofree char *layer = NULL;

		if (asprintf(&layer, "%s/disk", home->layers[i]) < 0) {
			layer = NULL;
			m->failed = true;
			return;
		}
		snprintf(name, sizeof(name), "/layer%zu", i);
		bind_file(m, layer, name, false);
		snprintf(text, sizeof(text), "%s,ro,cache=writeback", name);
		option(m, "--disk", text);
	}
}

/* As a container without root's rights has it: the guest's IDs are on disk
 * those of the VM. */
static json_t *map_ids(const struct monitor *m)
{
	return json_pack("[{s:I, s:i, s:i}]", "containerID",
			 (json_int_t)m->home->id_base, "hostID", 0, "size",
			 HOME_ID_COUNT);
}

static void add_share(struct monitor *m, size_t index)
{
	const struct mount_plan *plan = &m->guest.mounts[index].plan;
	bool read_only = vm_share_is_read_only(plan);
	json_t *mount;
	char name[VM_SHARE_NAME];
	char place[VM_SHARE_NAME + 1];
	char text[3 * VM_SHARE_NAME];

	vm_share_name(index, name);
	snprintf(place, sizeof(place), "/%s", name);
	mount = json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", place,
			  "type", "bind", "source", plan->source, "options",
			  plan->recursive ? "rbind" : "bind", "nosuid", "nodev",
			  read_only ? "rro" : "rw");
	if (mount && !m->home->vm_engine) {
		put(m, mount, "uidMappings", map_ids(m));
		put(m, mount, "gidMappings", map_ids(m));
		m->failed |= json_array_append_new(
				     json_object_get(mount, "options"),
				     json_string(plan->recursive ? "ridmap" :
								   "idmap")) !=
			     0;
	}
	m->failed |= json_array_append_new(m->mounts, mount) != 0;
	snprintf(text, sizeof(text), "%s,tag=%s,ro=%s", place, name,
		 read_only ? "on" : "off");
	option(m, "--share", text);
}

static void add_shares(struct monitor *m)
{
	for (size_t i = 0; i < m->guest.mount_count; i++) {
		if (vm_share_is(&m->guest.mounts[i].plan))
			add_share(m, i);
	}
}

static void find_shares(struct monitor *m)
{
	for (size_t i = 0; i < m->guest.mount_count; i++)
		m->has_shares |= vm_share_is(&m->guest.mounts[i].plan);
}

static void make_command(struct monitor *m)
{
	char text[64];

	bind_file(m, m->home->vm_monitor, "/hull", false);
	bind_file(m, m->home->vm_kernel, "/kernel", false);
	bind_file(m, m->home->vm_initrd, "/initrd", false);
	word(m, "/hull");
	word(m, "run");
	if (json_object_get(json_object_get(m->config, "annotations"),
			    VM_NET_ANNOTATION)) {
		snprintf(text, sizeof(text), "fd=%d", VM_NET_FD);
		option(m, "--net", text);
	} else if (m->net.found) {
		const uint8_t *mac = m->net.link.mac;

		snprintf(text, sizeof(text),
			 "fd=%d,mac=%02x:%02x:%02x:%02x:%02x:%02x", VM_NET_FD,
			 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		option(m, "--net", text);
	}
	option(m, "--kernel", "/kernel");
	option(m, "--initrd", "/initrd");
	/* The kernel says nothing but why it panics. */
	option(m, "--cmdline", "console=ttyS0 loglevel=1 panic=-1");
	option(m, "--debug-exit", "value");
	/* Its end is the program's. */
	word(m, "--quiet");
	snprintf(text, sizeof(text), "%lluM",
		 (unsigned long long)(guest_memory(m) / MIB));
	option(m, "--memory", text);
	snprintf(text, sizeof(text), "%u", guest_cpus(m));
	option(m, "--cpus", text);
	add_disks(m);
	add_shares(m);
	for (unsigned int i = 0; i <= AGENT_PROGRAM; i++) {
		snprintf(text, sizeof(text), AGENT_PORT_NAME "%u,unix=/run/%u",
			 i, i);
		option(m, "--port", text);
	}
}

/* ---- an engine's ---- */

static void keep(struct monitor *m, json_t *to, const json_t *from,
		 const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value)
		put(m, to, key, json_deep_copy(value));
}

/* Those of ours would be done to the monitor. */
static void keep_annotations(struct monitor *m, json_t *to)
{
	json_t *from = json_object_get(m->tree, "annotations");
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value)
	{
		if (strncmp(key, "hull-ct.", 8) != 0)
			m->failed |= json_object_set(to, key, value) != 0;
	}
}

static int find_network(struct monitor *m, json_t *annotations, struct err *err)
{
	const json_t *list = json_object_get(json_object_get(m->tree, "linux"),
					     "namespaces");
	int rc = 0;

	for (size_t i = 0; !rc && i < json_array_size(list); i++) {
		const json_t *ns = json_array_get(list, i);
		const char *type =
			json_string_value(json_object_get(ns, "type"));
		const char *path =
			json_string_value(json_object_get(ns, "path"));

		if (!type || strcmp(type, "network") != 0 || !path || !*path)
			continue;
		rc = vm_netns_read(path, &m->net, err);
		if (!rc && m->net.found)
			put(m, annotations, VM_NETNS_ANNOTATION,
			    json_string(path));
	}
	return rc;
}

/* What is the host's business all the same: hooks, the place of the cgroup, how
 * soon it is killed for want of memory. */
static void follow_engine(struct monitor *m, json_t *annotations)
{
	const json_t *from = json_object_get(m->tree, "process");
	json_t *process = json_object_get(m->config, "process");
	autofree char *bundle = NULL;

	keep(m, process, from, "oomScoreAdj");
	keep(m, process, from, "consoleSize");
	keep(m, m->config, m->tree, "hooks");
	keep(m, json_object_get(m->config, "linux"),
	     json_object_get(m->tree, "linux"), "cgroupsPath");
	keep_annotations(m, annotations);
	if (asprintf(&bundle, "%s/vm", m->home->path) < 0) {
		bundle = NULL;
		m->failed = true;
		return;
	}
	put(m, annotations, VM_ANNOTATION, json_string(bundle));
	/* An ID may be longer than a host's name. */
	put(m, m->config, "hostname", json_string("hull-vm"));
}

json_t *vm_monitor_config(const struct home *home, const json_t *tree, bool tty,
			  struct err *err)
{
	struct monitor m = { .home = home, .tree = tree };
	json_t *annotations = json_object();
	const char *net = json_string_value(json_object_get(
		json_object_get(tree, "annotations"), "hull-ct.net"));
	int rc = config_read(&m.guest, json_deep_copy(tree), err);

	m.config = rc ? NULL : spec_make(false, true, err);
	if (!m.config) {
		json_decref(annotations);
		config_dispose(&m.guest);
		return NULL;
	}
	find_shares(&m);
	m.args = json_array();
	put(&m, json_object_get(m.config, "process"), "args", m.args);
	put(&m, m.config, "root",
	    json_pack("{s:s, s:b}", "path", "root", "readonly", true));
	put(&m, m.config, "hostname", json_string(home->name));
	put(&m, annotations, VM_ANNOTATION, json_string("yes"));
	if (net && strcmp(net, "none") != 0)
		put(&m, annotations, VM_NET_ANNOTATION, json_string(net));
	if (home->vm_engine) {
		follow_engine(&m, annotations);
		rc = find_network(&m, annotations, err);
	}
	put(&m, m.config, "annotations", annotations);
	keep_mounts(&m);
	set_rights(&m, tty);
	set_limits(&m);
	make_command(&m);
	config_dispose(&m.guest);
	if (!m.failed && !rc)
		return m.config;
	if (!rc)
		err_set(err, EINVAL, "a path is not UTF-8");
	json_decref(m.config);
	return NULL;
}
