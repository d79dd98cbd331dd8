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

/*
 * Opens /dev/kvm and checks the API version and the capabilities. The error
 * says what is missing and how to get it (the module, the device's group).
 */
int kvm_open(struct kvm *kvm, struct err *err);
int kvm_create_vm(struct kvm *kvm, struct err *err);

int kvm_map_memory(struct kvm *kvm, const struct gmem *gmem, struct err *err);
void kvm_release(struct kvm *kvm);

#endif
