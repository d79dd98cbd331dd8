/*
 * /dev/kvm and one VM: opening with clear errors, the capabilities that hull
 * cannot do without, and memory slots. The only files that see
 * <linux/kvm.h> are those of vmm/.
 *
 * Source: Linux Documentation/virt/kvm/api.rst, cited by section.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "core/err.h"
#include "core/gmem.h"

struct kvm_required_cap {
	int cap; /* KVM_CAP_... */
	const char *name; /* "KVM_CAP_..." */
	const char *since; /* the first Linux release that has it */
};

extern const struct kvm_required_cap kvm_required_caps[];
extern const size_t kvm_required_cap_count;

/* How this host's KVM runs the kernel mode of a guest. */
enum kvm_flavor {
	KVM_FLAVOR_VMX, /* Intel hardware */
	KVM_FLAVOR_SVM, /* AMD hardware */
	KVM_FLAVOR_EMULATED, /* software: guest kernel mode is interpreted */
};

struct kvm {
	int fd; /* owned: /dev/kvm */
	int vm_fd; /* owned, -1 before kvm_create_vm */
	size_t vcpu_run_bytes; /* of the mapping of struct kvm_run */
	enum kvm_flavor flavor;
};

/* By the module that is loaded; needs no permission. */
enum kvm_flavor kvm_flavor_of_host(void);
const char *kvm_flavor_describe(enum kvm_flavor flavor);

/* Where kvm_check gets its answers from: the device, or a test in its place. */
struct kvm_probe {
	/* The result of an ioctl of /dev/kvm, or -errno. */
	int (*ask)(void *opaque, unsigned long request, unsigned long argument);
	void *opaque;
};

/*
 * The API version, the capabilities, and the size of a vCPU's shared memory:
 * -ENOTSUP and the name of the first thing that is missing or too old.
 */
int kvm_check(const struct kvm_probe *probe, size_t *ret_vcpu_run_bytes,
	      struct err *err);

/*
 * Why /dev/kvm could not be opened (positive errno @code), and what to do.
 * @device is what stat(2) says of it, or NULL. Returns -@code.
 */
int kvm_explain_open_failure(int code, const struct stat *device,
			     struct err *err);

/* A descriptor of /dev/kvm, or -1 with errno. */
int kvm_open_device(void);

/*
 * Opens /dev/kvm and checks the API version and the capabilities. The error
 * says what is missing and how to get it (the module, the device's group).
 */
int kvm_open(struct kvm *kvm, struct err *err);
int kvm_create_vm(struct kvm *kvm, struct err *err);

int kvm_map_memory(struct kvm *kvm, const struct gmem *gmem, struct err *err);
void kvm_release(struct kvm *kvm);

#endif
