/*
 * Jumps to an address where no memory is: KVM has nothing to fetch the
 * instruction from and ends with KVM_EXIT_INTERNAL_ERROR (KVM api.rst, struct
 * kvm_run, KVM_EXIT_INTERNAL_ERROR).
 */
#include "guest.h"

#define NO_MEMORY 0xdff00000ULL

void guest_main(void)
{
	print("internal-error: jumping\n");
	((void (*)(void))NO_MEMORY)();
	survived();
}
