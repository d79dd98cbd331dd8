#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "vmm/host_file.h"

/* Below the local APICs, where no RAM and no device of ours is: KVM on Intel
 * without unrestricted guest mode needs 3 pages for a TSS and one for an
 * identity page table (api.rst 4.29 and 4.41). */
#define KVM_IDENTITY_MAP_GPA 0xfeffc000ULL
#define KVM_TSS_GPA	     0xfeffd000ULL

#define REQUIRED(cap, since)     \
	{                        \
		cap, #cap, since \
	}

const struct kvm_required_cap kvm_required_caps[] = {
	REQUIRED(KVM_CAP_IRQCHIP, "2.6.20"),
	REQUIRED(KVM_CAP_USER_MEMORY, "2.6.25"),
	REQUIRED(KVM_CAP_SET_TSS_ADDR, "2.6.25"),
	REQUIRED(KVM_CAP_EXT_CPUID, "2.6.26"),
	REQUIRED(KVM_CAP_MP_STATE, "2.6.27"),
	REQUIRED(KVM_CAP_IRQFD, "2.6.32"),
	REQUIRED(KVM_CAP_IOEVENTFD, "2.6.32"),
	REQUIRED(KVM_CAP_PIT2, "2.6.32"),
	REQUIRED(KVM_CAP_ADJUST_CLOCK, "2.6.32"),
	REQUIRED(KVM_CAP_VCPU_EVENTS, "2.6.34"),
	REQUIRED(KVM_CAP_SIGNAL_MSI, "3.5"),
	REQUIRED(KVM_CAP_SPLIT_IRQCHIP, "4.4"),
	REQUIRED(KVM_CAP_IMMEDIATE_EXIT, "4.11"),
};

const size_t kvm_required_cap_count = ARRAY_SIZE(kvm_required_caps);

enum kvm_flavor kvm_flavor_of_host(void)
{
	if (access("/sys/module/kvm_intel", F_OK) == 0)
		return KVM_FLAVOR_VMX;
	if (access("/sys/module/kvm_amd", F_OK) == 0)
		return KVM_FLAVOR_SVM;
	return KVM_FLAVOR_EMULATED;
}

const char *kvm_flavor_describe(enum kvm_flavor flavor)
{
	static const char *const text[] = {
		[KVM_FLAVOR_VMX] = "Intel VT-x",
		[KVM_FLAVOR_SVM] = "AMD-V",
		[KVM_FLAVOR_EMULATED] =
			"guest kernel mode emulated in software",
	};

	return text[flavor];
}

int kvm_explain_open_failure(int code, const struct stat *device,
			     struct err *err)
{
	char group[64];

	if (code == ENOENT || code == ENODEV || code == ENXIO)
		return err_set(err, code,
			       "no /dev/kvm: load the module (modprobe "
			       "kvm_intel or kvm_amd) and enable "
			       "virtualization in the firmware; see `hull "
			       "doctor`");
	if ((code != EACCES && code != EPERM) || !device)
		return err_sys(err, code, "cannot open /dev/kvm");
	host_group_name("", device->st_gid, group, sizeof(group));
	if (device->st_mode & S_IWGRP)
		return err_set(err, code,
			       "no permission to open /dev/kvm: join the group "
			       "\"%s\" (sudo usermod -aG %s $USER, then log in "
			       "again)",
			       group, group);
	return err_set(err, code,
		       "no permission to open /dev/kvm, and its mode %04o "
		       "lets nobody of its group \"%s\" in: as root, chgrp kvm "
		       "/dev/kvm && chmod 0660 /dev/kvm, then join the group "
		       "\"kvm\"",
		       (unsigned int)(device->st_mode & 07777), group);
}

static int check_caps(const struct kvm_probe *probe, struct err *err)
{
	for (size_t i = 0; i < kvm_required_cap_count; i++) {
		const struct kvm_required_cap *cap = &kvm_required_caps[i];

		if (probe->ask(probe->opaque, KVM_CHECK_EXTENSION,
			       (unsigned long)cap->cap) > 0)
			continue;
		return err_set(err, ENOTSUP,
			       "this host's KVM lacks %s, which Linux has "
			       "since %s: run a newer host kernel",
			       cap->name, cap->since);
	}
	return 0;
}

int kvm_check(const struct kvm_probe *probe, size_t *ret_vcpu_run_bytes,
	      struct err *err)
{
	int version = probe->ask(probe->opaque, KVM_GET_API_VERSION, 0);
	int bytes;
	int rc;

	if (version < 0)
		return err_sys(err, -version, "/dev/kvm is not KVM");
	if (version != KVM_API_VERSION)
		return err_set(err, ENOTSUP,
			       "/dev/kvm speaks API version %d, hull needs %d",
			       version, KVM_API_VERSION);
	rc = check_caps(probe, err);
	if (rc)
		return rc;
	bytes = probe->ask(probe->opaque, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bytes < (int)sizeof(struct kvm_run))
		return err_set(err, ENOTSUP,
			       "KVM_GET_VCPU_MMAP_SIZE gives %d bytes, too few",
			       bytes);
	*ret_vcpu_run_bytes = (size_t)bytes;
	return 0;
}

static int ask_device(void *opaque, unsigned long request,
		      unsigned long argument)
{
	const struct kvm *kvm = opaque;
	int result = ioctl(kvm->fd, request, argument);

	return result < 0 ? -errno : result;
}

int kvm_open_device(void)
{
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

int kvm_open(struct kvm *kvm, struct err *err)
{
	const struct kvm_probe probe = { .ask = ask_device, .opaque = kvm };
	int rc;

	*kvm = (struct kvm){ .fd = -1, .vm_fd = -1 };
	kvm->fd = kvm_open_device();
	if (kvm->fd < 0) {
		struct stat st;
		int code = errno;

		return kvm_explain_open_failure(
			code, stat("/dev/kvm", &st) < 0 ? NULL : &st, err);
	}
	rc = kvm_check(&probe, &kvm->vcpu_run_bytes, err);
	if (rc) {
		kvm_release(kvm);
		return rc;
	}
	kvm->flavor = kvm_flavor_of_host();
	return 0;
}

int kvm_create_vm(struct kvm *kvm, struct err *err)
{
	uint64_t identity_map = KVM_IDENTITY_MAP_GPA;

	do {
		/* A signal interrupts the creation of the VM's worker. */
		kvm->vm_fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	} while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0)
		return err_sys(err, errno, "KVM cannot create a VM%s",
			       errno == EBUSY ? " (another hypervisor holds "
						"the processor)" :
						"");
	if (kvm->flavor != KVM_FLAVOR_VMX)
		return 0;
	if (ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return err_sys(err, errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA) < 0)
		return err_sys(err, errno, "KVM_SET_TSS_ADDR");
	return 0;
}

int kvm_map_memory(struct kvm *kvm, const struct gmem *gmem, struct err *err)
{
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->start,
			.memory_size = region->size_bytes,
			.userspace_addr = (uintptr_t)region->host,
		};

		if (ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return err_sys(err, errno,
				       "KVM refuses %" PRIu64
				       " MiB of guest memory at 0x%" PRIx64,
				       region->size_bytes / MIB, region->start);
	}
	return 0;
}

void kvm_release(struct kvm *kvm)
{
	if (kvm->vm_fd >= 0)
		close(kvm->vm_fd);
	if (kvm->fd >= 0)
		close(kvm->fd);
	kvm->vm_fd = -1;
	kvm->fd = -1;
}
