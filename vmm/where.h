/*
 * The name of the code that a vCPU runs, also where the kernel does not lie at
 * the addresses that it was linked for. Two ways are known in which it comes
 * there:
 *
 * A multiboot2 image is put elsewhere by us (boot/multiboot.h).
 *
 * A Linux that moves itself (KASLR, in its own decompressor), or that another
 * one started (kexec), is found by where its system calls go: it writes the
 * address of its entry_SYSCALL_64 to the MSR LSTAR (SDM vol. 3A, 5.8.8) on each
 * CPU before it starts any driver, and what lies between that and the symbol is
 * how far it has moved, by whole 2 MiB and less than 1 GiB (Linux
 * arch/x86/boot/compressed/kaslr.c; CONFIG_PHYSICAL_ALIGN, KERNEL_IMAGE_SIZE).
 */
#ifndef VMM_WHERE_H
#define VMM_WHERE_H

#include "vmm/symbols.h"
#include "vmm/vcpu.h"

/*
 * symbols_text() for @address on @vcpu, by its thread or while it does not run.
 */
const char *where_text(const struct vcpu *vcpu, const struct symbols *symbols,
		       uint64_t address, char to[SYMBOLS_TEXT_BYTES]);

#endif
