/*
 * What a loader hands to the monitor: the state in which vCPU 0 starts. Plain
 * data without KVM's types; vmm/vcpu_state.c turns it into registers. The other
 * vCPUs wait for INIT and SIPI.
 */
#ifndef BOOT_ENTRY_H
#define BOOT_ENTRY_H

#include <stdint.h>

#include "core/gmem.h"

enum boot_mode {
	BOOT_MODE_REAL, /* 16 bit, CS base = cs_base, flat otherwise */
	BOOT_MODE_PROTECTED, /* 32 bit, flat segments, paging off */
	BOOT_MODE_LONG, /* 64 bit, cr3 set, flat segments */
};

/*
 * Segments in protected and long mode are flat: CS selector 0x10, DS/ES/SS
 * 0x18 (boot.rst "64-bit Boot Protocol": __BOOT_CS and __BOOT_DS), TR a
 * present busy TSS with base 0 and limit 0x67. gdt_gpa/gdt_limit describe the
 * table that the loader wrote into guest memory with those selectors.
 * Interrupts are off.
 */
struct boot_entry {
	enum boot_mode mode;
	uint64_t rip;
	uint64_t rsp;
	uint64_t rax;
	uint64_t rbx;
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rsi;
	uint64_t rdi;
	gpa_t cr3; /* BOOT_MODE_LONG only */
	gpa_t gdt_gpa;
	uint16_t gdt_limit;
	uint64_t cs_base; /* BOOT_MODE_REAL only: selector << 4 */
};

#endif
