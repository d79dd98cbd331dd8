/* KVM and the CPU below it. Sources: KVM api.rst 4.1, 4.4 and 4.24. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/err.h"
#include "vmm/config.h"
#include "vmm/cpuid.h"
#include "vmm/doctor.h"
#include "vmm/host_file.h"
#include "vmm/kvm.h"

/* The module that drives the hardware, as the CPU's flags tell. */
static const char *hardware_module(const struct doctor_report *report)
{
	char path[PATH_MAX];
	autofree char *line = NULL;
	const char *module = NULL;
	size_t capacity = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", report->root);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	while (!module && getline(&line, &capacity, file) > 0) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		line[strcspn(line, "\n")] = ' ';
		if (strstr(line, " vmx "))
			module = "kvm_intel";
		else if (strstr(line, " svm "))
			module = "kvm_amd";
		break;
	}
	fclose(file);
	return module;
}

static void report_no_device(struct doctor_report *report)
{
	const char *module = hardware_module(report);

	doctor_add(report, "kvm", DOCTOR_MISSING, "there is no /dev/kvm");
	if (module)
		doctor_remedy(report, "sudo modprobe %s", module);
	else
		doctor_remedy(
			report,
			"turn on VT-x or AMD-V in the firmware; in a virtual machine, nested virtualization in its host; in a container, pass the device in");
}

static void report_no_access(struct doctor_report *report, const char *path,
			     int error)
{
	struct stat st;
	char group[64];

	if (stat(path, &st)) {
		doctor_add(report, "kvm", DOCTOR_MISSING, "/dev/kvm: %s",
			   err_describe(error));
		return;
	}
	host_group_name(report->root, st.st_gid, group, sizeof(group));
	if (error == EACCES && (st.st_mode & 0060) == 0060) {
		doctor_add(
			report, "kvm", DOCTOR_MISSING,
			"/dev/kvm may be opened by group \"%s\" only, which you are not in",
			group);
		doctor_remedy(report,
			      "sudo usermod -aG %s $USER, then log in again",
			      group);
	} else if (error == EACCES) {
		doctor_add(
			report, "kvm", DOCTOR_MISSING,
			"/dev/kvm belongs to group \"%s\" but its mode %03o lets only its owner in",
			group, st.st_mode & 0777);
		doctor_remedy(
			report,
			"sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm, and sudo usermod -aG kvm $USER");
	} else {
		doctor_add(report, "kvm", DOCTOR_MISSING,
			   "/dev/kvm cannot be opened: %s",
			   err_describe(error));
		if (error == EPERM)
			doctor_remedy(
				report,
				"the device rules of this container forbid it: pass the device in");
	}
}

/*
 * Opens the device unless that would load a module: the kernel does so when a
 * device node is there without its driver.
 */
static int open_kvm(struct doctor_report *report)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/dev/kvm", report->root);
	if (!host_file_exists(report->root, "/dev/kvm") ||
	    (host_file_exists(report->root, "/sys/class/misc") &&
	     !host_file_exists(report->root, "/sys/class/misc/kvm"))) {
		report_no_device(report);
		return -1;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		report_no_access(report, path, errno);
	return fd;
}

static bool check_api(struct doctor_report *report, int fd)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version < 0) {
		doctor_add(report, "kvm", DOCTOR_MISSING,
			   "/dev/kvm is not the KVM device: %s",
			   err_describe(errno));
		return false;
	}
	if (version != KVM_API_VERSION) {
		doctor_add(report, "kvm", DOCTOR_MISSING,
			   "/dev/kvm speaks API version %d instead of %d",
			   version, KVM_API_VERSION);
		doctor_remedy(report, "use Linux 2.6.22 or later");
		return false;
	}
	doctor_add(report, "kvm", DOCTOR_OK, "/dev/kvm, API version %d",
		   version);
	return true;
}

static bool check_capabilities(struct doctor_report *report, int fd)
{
	char missing[300] = "";
	size_t used = 0;
	int vcpus;

	for (size_t i = 0; i < kvm_required_cap_count; i++) {
		const struct kvm_required_cap *cap = &kvm_required_caps[i];

		if (ioctl(fd, KVM_CHECK_EXTENSION, cap->cap) > 0 ||
		    used >= sizeof(missing))
			continue;
		used += (size_t)snprintf(missing + used, sizeof(missing) - used,
					 "%s%s (Linux %s)", used ? ", " : "",
					 cap->name, cap->since);
	}
	if (used) {
		doctor_add(report, "kvm-caps", DOCTOR_MISSING, "KVM lacks %s",
			   missing);
		doctor_remedy(report, "boot a newer kernel");
		return false;
	}
	vcpus = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (vcpus > CONFIG_MAX_CPUS)
		vcpus = CONFIG_MAX_CPUS;
	doctor_add(
		report, "kvm-caps", DOCTOR_OK,
		"all %zu capabilities that hull needs; up to %d virtual CPUs in a guest",
		kvm_required_cap_count, vcpus);
	return true;
}

/* Any vendor module of KVM that is loaded; for the report only. */
static const char *loaded_module(const struct doctor_report *report)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd",
					       "kvm_pvm" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (host_file_exists(report->root, path))
			return modules[i];
	}
	return NULL;
}

static void check_virtualization(struct doctor_report *report, bool have_kvm)
{
	const char *hardware = hardware_module(report);
	const char *module = loaded_module(report);

	if (module && strcmp(module, "kvm_pvm") != 0) {
		doctor_add(report, "virtualization", DOCTOR_OK,
			   "in hardware: %s",
			   strcmp(module, "kvm_amd") ? "Intel VT-x" : "AMD-V");
	} else if (module || (have_kvm && !hardware)) {
		doctor_add(
			report, "virtualization", DOCTOR_LIMITED,
			"KVM%s%s%s runs guest kernel mode in software: stock Linux guests do not run here, small guests do; hidden from guests by default: %s",
			module ? " (" : "", module ? module : "",
			module ? ")" : "", cpuid_emulated_hidden());
		doctor_remedy(
			report,
			"tests/lab runs a command on an emulated machine whose KVM is complete");
	} else if (hardware) {
		doctor_add(report, "virtualization", DOCTOR_MISSING,
			   "the CPU has it, but %s is not loaded", hardware);
		doctor_remedy(
			report,
			"sudo modprobe %s; if that fails, turn it on in the firmware",
			hardware);
	} else {
		doctor_add(report, "virtualization", DOCTOR_MISSING,
			   "the CPU shows neither VT-x nor AMD-V");
		doctor_remedy(
			report,
			"turn it on in the firmware or, in a virtual machine, nested virtualization in its host");
	}
}

static void check_nested(struct doctor_report *report)
{
	const char *module = loaded_module(report);
	char path[80];
	char text[8];

	if (!module)
		return;
	snprintf(path, sizeof(path), "/sys/module/%s/parameters/nested",
		 module);
	if (host_file_read(report->root, path, text, sizeof(text)) > 0 &&
	    (text[0] == 'Y' || text[0] == '1')) {
		doctor_add(report, "nested", DOCTOR_OK,
			   "guests may use KVM themselves");
		return;
	}
	doctor_add(report, "nested", DOCTOR_LIMITED,
		   "guests cannot use KVM themselves");
	if (strcmp(module, "kvm_pvm") != 0)
		doctor_remedy(
			report,
			"sudo modprobe -r %s && sudo modprobe %s nested=1",
			module, module);
}

void doctor_check_kvm(struct doctor_report *report)
{
	autoclose int fd = open_kvm(report);
	bool have_kvm = fd >= 0 && check_api(report, fd);

	if (have_kvm)
		report->can_run = check_capabilities(report, fd);
	check_virtualization(report, have_kvm);
	check_nested(report);
}
