/*
 * A vCPU's registers as gdb has them: one block of bytes in the order of the
 * target description, each register little-endian, and the description itself.
 *
 * Source: Debugging with GDB, G.5.6 "i386 Features"; KVM api.rst 4.12
 * (KVM_GET_SREGS), 4.22 (KVM_GET_FPU).
 */
#ifndef VMM_GDB_REGISTERS_H
#define VMM_GDB_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/vcpu.h"

struct gdb_registers {
	uint64_t general[16]; /* rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 */
	uint64_t rip;
	uint32_t eflags;
	uint32_t segments[6]; /* cs, ss, ds, es, fs, gs */
	uint8_t st[8][10];
	uint32_t fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop;
	uint8_t xmm[16][16];
	uint32_t mxcsr;
	uint64_t fs_base, gs_base;
	uint64_t k_gs_base;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	uint64_t gdt_base, idt_base;
	uint32_t gdt_limit, idt_limit, ldt, task;
} __attribute__((packed));

/* The vCPU is parked. -errno from KVM. */
int gdb_registers_get(const struct vcpu *vcpu,
		      struct gdb_registers *ret_registers);

/*
 * Selectors and descriptor tables stay as they are: loading one means more than
 * its number. -EINVAL from KVM for what the processor would refuse.
 */
int gdb_registers_set(const struct vcpu *vcpu,
		      const struct gdb_registers *registers);

/* Where register @number lies in the block. False: there is no such one. */
bool gdb_registers_find(unsigned int number, size_t *ret_offset,
			size_t *ret_size);

/* The target description; the caller's (free). NULL without memory. */
char *gdb_registers_xml(void);

#endif
