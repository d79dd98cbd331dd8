/* What hull can make use of besides KVM. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "core/err.h"
#include "core/ram_file.h"
#include "io/share_folder.h"
#include "vmm/doctor.h"
#include "vmm/host_file.h"
#include "vmm/options.h"

/* The number at @text, which may go on; -1 without one. */
static long leading_number(const char *text, const char **ret_rest)
{
	char *end;
	long value = strtol(text, &end, 10);

	*ret_rest = end;
	return end == text ? -1 : value;
}

static void check_kernel(struct doctor_report *report)
{
	struct utsname name;
	const char *rest;
	long major;
	long minor;

	if (uname(&name))
		return;
	major = leading_number(name.release, &rest);
	minor = *rest == '.' ? leading_number(rest + 1, &rest) : -1;
	if (major > 6 || (major == 6 && minor >= 1)) {
		doctor_add(report, "kernel", DOCTOR_OK, "Linux %s",
			   name.release);
		return;
	}
	doctor_add(
		report, "kernel", DOCTOR_LIMITED,
		"Linux %s is older than 6.1, the oldest that hull is tested on",
		name.release);
	doctor_remedy(report, "boot a newer kernel");
}

/* A ring of one entry, closed at once. */
static void check_io_uring(struct doctor_report *report)
{
	struct io_uring_params params = { 0 };
	autoclose int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	int error = errno;
	uint64_t disabled = 0;

	if (fd >= 0) {
		doctor_add(report, "io_uring", DOCTOR_OK,
			   "rings can be created");
		return;
	}
	host_file_read_u64(report->root, "/proc/sys/kernel/io_uring_disabled",
			   &disabled);
	if (error == EPERM && disabled) {
		doctor_add(report, "io_uring", DOCTOR_MISSING,
			   "the sysctl kernel.io_uring_disabled is %" PRIu64,
			   disabled);
		doctor_remedy(report, "sudo sysctl kernel.io_uring_disabled=0");
		return;
	}
	doctor_add(report, "io_uring", DOCTOR_MISSING,
		   "no ring can be created: %s", err_describe(error));
	if (error == ENOSYS)
		doctor_remedy(
			report,
			"boot a kernel with CONFIG_IO_URING; in a container, allow the call in its seccomp profile");
	else if (error == EPERM)
		doctor_remedy(
			report,
			"allow io_uring_setup in the seccomp profile of this container");
}

/* Opens a device as hull would, unless that loads its module. */
static void check_device(struct doctor_report *report, const char *name,
			 const char *device, const char *module,
			 const char *use)
{
	char path[PATH_MAX];
	char misc[64];
	autoclose int fd = -1;

	snprintf(path, sizeof(path), "%s%s", report->root, device);
	snprintf(misc, sizeof(misc), "/sys/class/misc/%s", name);
	if (!host_file_exists(report->root, device)) {
		doctor_add(report, name, DOCTOR_MISSING, "there is no %s: %s",
			   device, use);
		doctor_remedy(report, "sudo modprobe %s", module);
		return;
	}
	if (host_file_exists(report->root, "/sys/class/misc") &&
	    !host_file_exists(report->root, misc)) {
		doctor_add(report, name, DOCTOR_LIMITED,
			   "%s is there, its module %s not yet loaded", device,
			   module);
		doctor_remedy(report, "sudo modprobe %s", module);
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		doctor_add(report, name, DOCTOR_OK, "%s can be opened", device);
		return;
	}
	doctor_add(report, name, DOCTOR_MISSING, "%s cannot be opened: %s: %s",
		   device, err_describe(errno), use);
	doctor_remedy(report, "sudo setfacl -m u:$USER:rw %s", device);
}

/* Where the first file system of type @type is mounted. */
static bool find_mount(const struct doctor_report *report, const char *type,
		       char *ret_where, size_t size)
{
	char path[PATH_MAX];
	char buf[1024];
	struct mntent entry;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/mounts", report->root);
	file = setmntent(path, "re");
	if (!file)
		return false;
	while (!found && getmntent_r(file, &entry, buf, sizeof(buf))) {
		found = !strcmp(entry.mnt_type, type);
		if (found)
			snprintf(ret_where, size, "%s", entry.mnt_dir);
	}
	endmntent(file);
	return found;
}

/* Is @word one of the words of @text? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n == len && !strncmp(text, word, n))
			return true;
		text += n;
		text += strspn(text, " ");
	}
	return false;
}

static void check_cgroup(struct doctor_report *report)
{
	static const char *const wanted[] = { "cpu", "memory", "io", "pids" };
	char where[256];
	char path[300];
	char list[200];
	char lacks[40];
	size_t used = 0;
	char v1[256];
	bool is_hybrid = find_mount(report, "cgroup", v1, sizeof(v1));

	if (!find_mount(report, "cgroup2", where, sizeof(where))) {
		doctor_add(report, "cgroup", DOCTOR_MISSING,
			   "cgroup v2 is not mounted%s",
			   is_hybrid ? ", only v1" : "");
		doctor_remedy(report,
			      "boot with systemd.unified_cgroup_hierarchy=1");
		return;
	}
	snprintf(path, sizeof(path), "%s/cgroup.controllers", where);
	host_file_read(report->root, path, list, sizeof(list));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!has_word(list, wanted[i]))
			used += (size_t)snprintf(lacks + used,
						 sizeof(lacks) - used, " %s",
						 wanted[i]);
	}
	if (used) {
		doctor_add(report, "cgroup", DOCTOR_LIMITED,
			   "cgroup v2 at %s lacks the controllers%s%s", where,
			   lacks, is_hybrid ? "; v1 holds them" : "");
		doctor_remedy(report,
			      "boot with systemd.unified_cgroup_hierarchy=1");
		return;
	}
	doctor_add(report, "cgroup", DOCTOR_OK, "v2 at %s with %s", where,
		   list);
}

/* What unshare(CLONE_NEWUSER) says, asked in a child: 0 or an errno. */
static int try_user_namespace(void)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return errno;
	if (child == 0)
		_exit(unshare(CLONE_NEWUSER) ? errno & 0xff : 0);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

/* A sysctl that forbids or restricts user namespaces, and its good value. */
static bool check_userns_sysctl(struct doctor_report *report, const char *name,
				const char *path, uint64_t good,
				enum doctor_state state)
{
	uint64_t value;

	if (host_file_read_u64(report->root, path, &value) || value == good)
		return true;
	doctor_add(report, "userns", state,
		   "the sysctl %s=%" PRIu64
		   " keeps user namespaces from users without privileges",
		   name, value);
	doctor_remedy(report, "sudo sysctl %s=%" PRIu64, name, good);
	return false;
}

static void check_user_namespaces(struct doctor_report *report)
{
	uint64_t max;
	int error;

	if (!host_file_read_u64(report->root,
				"/proc/sys/user/max_user_namespaces", &max) &&
	    max == 0) {
		doctor_add(report, "userns", DOCTOR_MISSING,
			   "the sysctl user.max_user_namespaces is 0");
		doctor_remedy(report,
			      "sudo sysctl user.max_user_namespaces=15000");
		return;
	}
	error = try_user_namespace();
	if (!check_userns_sysctl(report, "kernel.unprivileged_userns_clone",
				 "/proc/sys/kernel/unprivileged_userns_clone",
				 1, error ? DOCTOR_MISSING : DOCTOR_LIMITED))
		return;
	if (error) {
		doctor_add(report, "userns", DOCTOR_MISSING,
			   "no user namespace can be created: %s",
			   err_describe(error));
		doctor_remedy(
			report,
			"use a kernel with CONFIG_USER_NS; in a container, allow unshare in its seccomp profile");
		return;
	}
	if (!check_userns_sysctl(
		    report, "kernel.apparmor_restrict_unprivileged_userns",
		    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0,
		    DOCTOR_LIMITED))
		return;
	doctor_add(report, "userns", DOCTOR_OK,
		   "user namespaces can be created");
}

static void check_huge_pages(struct doctor_report *report, const char *name,
			     const char *text, unsigned int size_kib)
{
	uint64_t total = 0;
	uint64_t free_pages = 0;
	char path[100];

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages",
		 size_kib);
	if (host_file_read_u64(report->root, path, &total)) {
		doctor_add(report, name, DOCTOR_MISSING,
			   "this CPU or kernel has no pages of %s", text);
		return;
	}
	if (total == 0) {
		doctor_add(report, name, DOCTOR_LIMITED,
			   "the pool for --memory SIZE,hugepages=%s is empty",
			   text);
		doctor_remedy(report, "echo N | sudo tee %s", path);
		return;
	}
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages",
		 size_kib);
	host_file_read_u64(report->root, path, &free_pages);
	doctor_add(report, name, free_pages ? DOCTOR_OK : DOCTOR_LIMITED,
		   "%" PRIu64 " pages of %s in the pool, %" PRIu64 " free",
		   total, text, free_pages);
}

/* See core/ram_file.c: RAM is a memfd, or a file on a tmpfs of our own. */
static void check_transparent_huge_pages(struct doctor_report *report)
{
	static const char path[] =
		"/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	char text[100];

	if (host_file_read(report->root, path, text, sizeof(text)) < 0 ||
	    strstr(text, "[deny]")) {
		doctor_add(report, "thp", DOCTOR_LIMITED,
			   "guest memory gets no transparent huge pages");
		return;
	}
	if (!strstr(text, "[never]")) {
		doctor_add(report, "thp", DOCTOR_OK,
			   "guest memory gets transparent huge pages");
		return;
	}
	if (ram_file_has_tmpfs()) {
		doctor_add(
			report, "thp", DOCTOR_OK,
			"guest memory of 256M and more gets transparent huge pages");
		return;
	}
	doctor_add(
		report, "thp", DOCTOR_LIMITED,
		"guest memory gets no transparent huge pages: more page faults while a guest starts");
	doctor_remedy(report, "echo advise | sudo tee %s", path);
}

static void check_memory(struct doctor_report *report)
{
	uint64_t policy = 0;
	struct rlimit limit;
	char text[32];

	host_file_read_u64(report->root, "/proc/sys/vm/overcommit_memory",
			   &policy);
	if (policy == 2) {
		doctor_add(
			report, "overcommit", DOCTOR_LIMITED,
			"the sysctl vm.overcommit_memory=2 charges all of a guest's memory when it starts");
		doctor_remedy(report, "sudo sysctl vm.overcommit_memory=0");
	} else {
		doctor_add(report, "overcommit", DOCTOR_OK,
			   "guest memory is only charged as it is used");
	}
	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	if (limit.rlim_cur == RLIM_INFINITY) {
		doctor_add(report, "memlock", DOCTOR_OK,
			   "no limit on locked memory");
		return;
	}
	option_format_size(limit.rlim_cur, text, sizeof(text));
	doctor_add(report, "memlock",
		   limit.rlim_cur < 8 * MIB ? DOCTOR_LIMITED : DOCTOR_OK,
		   "%s of memory may be locked%s", text,
		   limit.rlim_cur < 8 * MIB ? ": too little for I/O buffers" :
					      "");
	if (limit.rlim_cur < 8 * MIB)
		doctor_remedy(report,
			      "raise memlock in /etc/security/limits.conf");
}

static void check_shares(struct doctor_report *report)
{
	if (share_folder_can_give()) {
		doctor_add(
			report, "shares", DOCTOR_OK,
			"what a guest creates in a shared folder belongs to the guest's user");
		return;
	}
	doctor_add(
		report, "shares", DOCTOR_LIMITED,
		"what a guest creates in a shared folder belongs to this user");
	doctor_remedy(report,
		      "run hull as root, or with CAP_SETUID and CAP_SETGID");
}

void doctor_check_host(struct doctor_report *report)
{
	check_kernel(report);
	check_io_uring(report);
	check_device(report, "tun", "/dev/net/tun", "tun",
		     "guests can have no tap network");
	check_device(report, "vhost-net", "/dev/vhost-net", "vhost_net",
		     "guest network traffic is moved by hull itself");
	check_cgroup(report);
	check_user_namespaces(report);
	check_huge_pages(report, "hugepages-2M", "2M", 2048);
	check_huge_pages(report, "hugepages-1G", "1G", 1048576);
	check_transparent_huge_pages(report);
	check_memory(report);
	check_shares(report);
}
