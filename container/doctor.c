#include "container/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "container/criu.h"
#include "container/ids.h"
#include "container/people.h"
#include "container/unpack.h"
#include "container/vm.h"
#include "sandbox/caps.h"
#include "sandbox/cgroup.h"
#include "sandbox/procfs.h"
#include "sandbox/selfexe.h"
#include "sandbox/userns.h"
#include "sandbox/walk.h"

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* works, with less than there could be */
	DOCTOR_MISSING, /* no container runs without it */
};

static const char *const state_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LIMITED] = "limited",
	[DOCTOR_MISSING] = "missing",
};

struct doctor {
	json_t *items; /* owned */
	bool json;
	bool can_run;
};

/* One finding; @remedy is what to do about it, or NULL. */
PRINTF_LIKE(5, 6)
static void tell(struct doctor *doctor, const char *name,
		 enum doctor_state state, const char *remedy, const char *fmt,
		 ...)
{
	char finding[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding, sizeof(finding), fmt, args);
	va_end(args);
	doctor->can_run &= state != DOCTOR_MISSING;
	if (doctor->json)
		json_array_append_new(doctor->items,
				      json_pack("{s:s, s:s, s:s, s:s*}", "name",
						name, "state",
						state_names[state], "finding",
						finding, "remedy", remedy));
	else
		printf("%-8s %-14s %s%s%s\n", state_names[state], name, finding,
		       remedy ? " -> " : "", remedy ? remedy : "");
}

static void check_user(struct doctor *doctor)
{
	uint64_t caps = 0;

	if (geteuid()) {
		tell(doctor, "user", DOCTOR_LIMITED, "run it as root",
		     "user %u: no bridges, quotas, --vm and --privileged",
		     geteuid());
		return;
	}
	caps_effective(&caps);
	for (unsigned int cap = 0; caps_name(cap); cap++) {
		const char *name = caps_name(cap);
		bool needed = !strcmp(name, "CAP_SYS_ADMIN") ||
			      !strcmp(name, "CAP_SETUID") ||
			      !strcmp(name, "CAP_SETGID") ||
			      !strcmp(name, "CAP_MKNOD");

		if (needed && !(caps & 1ULL << cap)) {
			tell(doctor, "user", DOCTOR_MISSING,
			     "give it to whatever this host runs in",
			     "root without %s", name);
			return;
		}
	}
	tell(doctor, "user", DOCTOR_OK, NULL, "root");
}

/* 5.14 is the oldest with cgroup.kill (Linux Documentation/admin-guide/
 * cgroup-v2.rst). */
static void check_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned long major;
	unsigned long minor = 0;
	char *rest;

	if (uname(&name))
		return;
	major = strtoul(name.release, &rest, 10);
	if (*rest == '.')
		minor = strtoul(rest + 1, NULL, 10);
	if (major < 5 || (major == 5 && minor < 14))
		tell(doctor, "kernel", DOCTOR_MISSING, "boot a newer kernel",
		     "Linux %s is older than 5.14", name.release);
	else if (major == 5 && minor < 19)
		tell(doctor, "kernel", DOCTOR_LIMITED, "boot a newer kernel",
		     "Linux %s: an overlay cannot map IDs before 5.19, so launch needs --privileged or --in-place",
		     name.release);
	else
		tell(doctor, "kernel", DOCTOR_OK, NULL, "Linux %s",
		     name.release);
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len) {
		if ((at == list || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\n' || !at[len]))
			return true;
	}
	return false;
}

static void check_controllers(struct doctor *doctor,
			      const struct cgroup_mount *mount)
{
	static const struct {
		const char *name;
		const char *options;
	} wanted[] = {
		{ "memory", "--memory" },
		{ "cpu", "--cpus" },
		{ "pids", "--pids" },
		{ "io", "--io" },
	};
	char list[512] = "";

	cgroup_read(mount->fd, "cgroup.controllers", list, sizeof(list));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (has_word(list, wanted[i].name))
			tell(doctor, wanted[i].name, DOCTOR_OK, NULL,
			     "the %s controller is in cgroup v2",
			     wanted[i].name);
		else
			tell(doctor, wanted[i].name, DOCTOR_LIMITED,
			     mount->hybrid ?
				     "boot with cgroup_no_v1=all" :
				     "boot a kernel that has the controller",
			     "no %s controller in cgroup v2: %s is refused",
			     wanted[i].name, wanted[i].options);
	}
}

/* Of who is not root. */
static void check_delegation(struct doctor *doctor,
			     const struct cgroup_mount *mount)
{
	struct err err = { 0 };
	autoclose int proc = procfs_open(&err);
	char top[PATH_MAX];

	if (proc >= 0 && !cgroup_own_top(mount, proc, top, sizeof(top)))
		tell(doctor, "cgroup", DOCTOR_OK, NULL,
		     "version 2 at %s, of which %s is delegated to the user",
		     mount->path, *top ? top : "/");
	else
		tell(doctor, "cgroup", DOCTOR_LIMITED,
		     "run hull-ct by systemd-run --user --scope",
		     "no cgroup is delegated to the user: limits and freeze are refused, and systemd does not boot");
}

static void check_cgroup(struct doctor *doctor)
{
	struct cgroup_mount mount = { .fd = -1 };
	struct err err = { 0 };

	if (cgroup_mount_open(&mount, &err)) {
		tell(doctor, "cgroup", DOCTOR_MISSING,
		     "mount -t cgroup2 none /sys/fs/cgroup", "no cgroup v2");
		return;
	}
	if (geteuid())
		check_delegation(doctor, &mount);
	else if (faccessat(mount.fd, "cgroup.procs", W_OK, 0))
		tell(doctor, "cgroup", DOCTOR_MISSING, "mount it writable",
		     "cgroup v2 at %s cannot be written to", mount.path);
	else
		tell(doctor, "cgroup", DOCTOR_OK, NULL, "version 2 at %s%s",
		     mount.path, mount.hybrid ? ", beside version 1" : "");
	check_controllers(doctor, &mount);
	cgroup_mount_close(&mount);
}

/* proc(5), "/proc/filesystems": for who may not try. */
static bool is_listed(const char *name)
{
	autoclose int fd = open("/proc/filesystems", O_RDONLY | O_CLOEXEC);
	char text[8192];
	char line[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	snprintf(line, sizeof(line), "\t%s\n", name);
	return strstr(text, line);
}

static void check_filesystem(struct doctor *doctor, const char *name)
{
	int fd = fsopen(name, FSOPEN_CLOEXEC);

	if (fd >= 0 || (errno == EPERM && is_listed(name)))
		tell(doctor, name, DOCTOR_OK, NULL,
		     "layers above images, clones and snapshots");
	else
		tell(doctor, name, DOCTOR_LIMITED, "modprobe overlay",
		     "the kernel has no %s: launch needs --in-place", name);
	if (fd >= 0)
		close(fd);
}

/* Those that launch takes. */
static void check_own_ids(struct doctor *doctor)
{
	struct err err = { 0 };
	autoclose int proc = procfs_open(&err);
	autoclose int ns = -1;
	struct ids ids;

	if (proc >= 0 && !ids_of_caller(&ids, &err))
		ns = userns_make(proc, &ids.uids, &ids.gids, &err);
	if (ns >= 0)
		tell(doctor, "userns", DOCTOR_OK, NULL,
		     "launch has %d IDs by /etc/subuid and /etc/subgid",
		     HOME_ID_COUNT);
	else
		tell(doctor, "userns", DOCTOR_LIMITED,
		     "see \"Without root\" in docs/containers.md",
		     "launch does not work: %s", err.msg);
}

/* A user namespace, and whether the filesystem of the store takes its map. */
static void check_ids(struct doctor *doctor, const char *store)
{
	struct userns_map map = { .outside = 100000, .count = 65536 };
	const struct userns_maps maps = { .maps = &map, .count = 1 };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	struct err err = { 0 };
	autoclose int proc = procfs_open(&err);
	autoclose int ns = proc < 0 ? -1 :
				      userns_make(proc, &maps, &maps, &err);
	autoclose int tree = -1;

	if (ns < 0) {
		tell(doctor, "userns", DOCTOR_LIMITED,
		     "see /proc/sys/user/max_user_namespaces",
		     "no user namespaces, so only --privileged works: %s",
		     err.msg);
		return;
	}
	tell(doctor, "userns", DOCTOR_OK, NULL,
	     "containers have no rights outside of theirs");
	/* It may not be there yet; /var is where it will be. */
	if (access(store, F_OK))
		store = "/var";
	tree = open_tree(AT_FDCWD, store, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	attr.userns_fd = (uint64_t)ns;
	if (tree >= 0 &&
	    !mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		tell(doctor, "idmap", DOCTOR_OK, NULL,
		     "the filesystem of %s maps IDs", store);
	else
		tell(doctor, "idmap", DOCTOR_LIMITED,
		     "keep the store on ext4, xfs or btrfs, see --store",
		     "the filesystem of %s cannot map IDs: launch needs --privileged",
		     store);
}

static void check_seccomp(struct doctor *doctor)
{
	/* prctl(2): EINVAL means that the kernel was built without. */
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
		tell(doctor, "seccomp", DOCTOR_OK, NULL,
		     "system calls are filtered");
	else
		tell(doctor, "seccomp", DOCTOR_MISSING,
		     "boot a kernel with CONFIG_SECCOMP_FILTER",
		     "no filters of system calls");
}

/* The ways that are taken where the best one is missing; see features. */
static void check_fallbacks(struct doctor *doctor)
{
	bool is_private = false;
	autoclose int proc = procfs_open_private(&is_private, NULL);

	if (walk_has_openat2())
		tell(doctor, "paths", DOCTOR_OK, NULL,
		     "the kernel keeps paths within an image");
	else
		tell(doctor, "paths", DOCTOR_LIMITED,
		     "allow openat2 in the filter that hull-ct runs under",
		     "no openat2: paths are walked step by step, which takes longer");
	if (is_private)
		tell(doctor, "procfs", DOCTOR_OK, NULL,
		     "a /proc that nobody else sees");
	else if (proc >= 0)
		tell(doctor, "procfs", DOCTOR_LIMITED,
		     geteuid() ? "none is needed" : "run it as the host's root",
		     "no /proc of our own: the host's is checked at each use");
	else
		tell(doctor, "procfs", DOCTOR_MISSING,
		     "mount -t proc proc /proc", "no /proc");
	if (selfexe_has_mount())
		tell(doctor, "program", DOCTOR_OK, NULL,
		     "a read-only mount keeps it from containers");
	else
		tell(doctor, "program", DOCTOR_LIMITED,
		     geteuid() ? "none is needed" : "run it as the host's root",
		     "a copy in memory, of 2 MiB, keeps it from containers");
}

static void check_pressure(struct doctor *doctor)
{
	if (!access("/proc/pressure/cpu", R_OK))
		tell(doctor, "pressure", DOCTOR_OK, NULL, "top shows pressure");
	else
		tell(doctor, "pressure", DOCTOR_LIMITED, "boot with psi=1",
		     "top shows no pressure");
}

static void check_unpack(struct doctor *doctor)
{
	struct err err = { 0 };
	autoclose int fd = unpack_open_program(&err);

	if (fd >= 0)
		tell(doctor, "unpack", DOCTOR_OK, NULL,
		     "archives and OCI layouts can be launched");
	else
		tell(doctor, "unpack", DOCTOR_LIMITED,
		     "install hull-unpack beside hull-ct",
		     "only folders can be launched");
}

static void check_criu(struct doctor *doctor)
{
	char path[PATH_MAX];

	if (criu_find(path, NULL))
		tell(doctor, "criu", DOCTOR_LIMITED, "install the package criu",
		     "no checkpoint and restore");
	else if (access("/proc/sys/kernel/ns_last_pid", F_OK))
		tell(doctor, "criu", DOCTOR_LIMITED,
		     "boot a kernel with CONFIG_CHECKPOINT_RESTORE",
		     "the kernel makes no processes by number: no checkpoint and restore");
	else
		tell(doctor, "criu", DOCTOR_OK, NULL,
		     "checkpoint and restore by %s", path);
}

static void check_network(struct doctor *doctor)
{
	autoclose int fd =
		open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
	char text = '0';

	if (!access("/usr/bin/pasta", X_OK))
		tell(doctor, "pasta", DOCTOR_OK, NULL, "--net user works");
	else
		tell(doctor, "pasta", DOCTOR_LIMITED,
		     "install the package passt", "no --net user");
	if (fd >= 0 && read(fd, &text, sizeof(text)) == 1 && text == '1')
		tell(doctor, "forwarding", DOCTOR_OK, NULL,
		     "other hosts reach published ports");
	else
		tell(doctor, "forwarding", DOCTOR_LIMITED,
		     "sysctl -w net.ipv4.ip_forward=1",
		     "published ports are reached from this host alone");
}

static void check_vms(struct doctor *doctor)
{
	const struct recipe standard = { .image = "" };
	struct err err = { 0 };
	json_t *vm;

	if (access("/dev/kvm", R_OK | W_OK)) {
		tell(doctor, "vm", DOCTOR_LIMITED,
		     "load kvm_intel or kvm_amd; where this is a VM itself, it needs nested virtualization",
		     "no VMs, /dev/kvm cannot be opened: %s",
		     err_describe(errno));
		return;
	}
	vm = vm_disk_can_make() ? vm_describe(&standard, "/", &err) : NULL;
	if (vm)
		tell(doctor, "vm", DOCTOR_OK, NULL, "VMs can run, with %s",
		     json_string_value(json_object_get(vm, "kernel")));
	else if (*err.msg)
		tell(doctor, "vm", DOCTOR_LIMITED, NULL, "no VMs: %s", err.msg);
	else
		tell(doctor, "vm", DOCTOR_LIMITED,
		     "install the package e2fsprogs",
		     "no VMs: mke2fs, which makes their disks, is missing");
	json_decref(vm);
}

int doctor_examine(struct context *context, bool json, bool *ret_can_run,
		   struct err *err)
{
	static const char able[] = "Containers can run on this host.";
	static const char unable[] = "No container can run on this host.";
	struct doctor doctor = { .items = json_array(),
				 .json = json,
				 .can_run = true };

	check_user(&doctor);
	check_kernel(&doctor);
	check_cgroup(&doctor);
	if (geteuid())
		check_own_ids(&doctor);
	else
		check_ids(&doctor, context->store);
	check_filesystem(&doctor, "overlay");
	check_seccomp(&doctor);
	check_fallbacks(&doctor);
	check_unpack(&doctor);
	check_network(&doctor);
	check_criu(&doctor);
	check_pressure(&doctor);
	check_vms(&doctor);
	*ret_can_run = doctor.can_run;
	if (json)
		return json_print(json_pack("{s:b, s:o}", "can_run",
					    doctor.can_run, "items",
					    doctor.items),
				  JSON_INDENT(2), err);
	json_decref(doctor.items);
	printf("%s\n", doctor.can_run ? able : unable);
	return 0;
}
