/*
 * The way in, for both entries, to guest_start(): our own page tables,
 * descriptor tables and stack, so that nothing of the hand-over but the
 * registers is relied upon afterwards.
 *
 *   _start     long mode, paging on, flat segments, interrupts off, rsi = gpa
 *              of the zero page, rdi = gpa of the device tree or 0
 *              (boot/load.h)
 *   pvh_start  32-bit protected mode, paging off, ebx = gpa of
 *              hvm_start_info (Xen docs/misc/pvh)
 */
#include "exit_value.h"
#include "note.h"

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18

#define CR0_PE_PG     0x80000001
#define CR4_PAE	      0x20
#define MSR_EFER      0xc0000080
#define EFER_LME      0x100

/* User mode too: see lib_user.c. */
#define PTE_TABLE     0x07
#define PTE_LARGE     0x87

	.text
	.code64
	.globl	_start
_start:
	cld
	movq	%rdi, %rdx
	movl	$pml4, %eax
	movq	%rax, %cr3
	lgdt	gdt_pointer
	movl	$stack_top, %esp
	pushq	$SELECTOR_CODE
	pushq	$1f
	lretq
1:	xorl	%edi, %edi
	jmp	enter

	.code32
	.globl	pvh_start
pvh_start:
	cld
	lgdt	gdt_pointer
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PE_PG, %eax
	movl	%eax, %cr0
	ljmp	$SELECTOR_CODE, $1f
	.code64
1:	movl	$stack_top, %esp
	movl	%ebx, %edi
	xorl	%esi, %esi
	xorl	%edx, %edx

enter:	movl	$SELECTOR_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	lidt	idt_pointer
	call	guest_start

/*
 * Exceptions: all end the guest with a line about them. Whether a vector has an
 * error code is left to the reader: the two top words of the frame are shown.
 */
	.globl	exception_stubs
	.balign	16
exception_stubs:
	.set	vector, 0
	.rept	32
	.balign	16
	movl	$vector, %edi
	jmp	exception
	.set	vector, vector + 1
	.endr

exception:
	popq	%rsi
	popq	%rdx
	movq	%cr2, %rcx
	andq	$-16, %rsp
	call	guest_exception

	.globl	irq_entry
irq_entry:
	pushq	%rax
	incl	irq_count
	movl	$0xfee000b0, %eax
	movl	$0, (%rax)
	popq	%rax
	iretq

	.data
	.balign	16
gdt:	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00cff3000000ffff
	.quad	0x00affb000000ffff
	.globl	gdt_tss
gdt_tss:
	.quad	0, 0
gdt_end:
	.balign	8
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
	.balign	8
idt_pointer:
	.word	256 * 16 - 1
	.quad	idt

/*
 * 0 to 4 GiB as they are, in 2 MiB pages, and one further directory at 4 GiB for
 * map_window(). Made by the assembler: 2048 stores would take milliseconds
 * where each instruction is emulated. Accessed and dirty are set for the same
 * reason.
 */
	.balign	4096
pml4:	.quad	pdpt + PTE_TABLE
	.fill	511, 8, 0
pdpt:	.set	index, 0
	.rept	4
	.quad	directories + index * 4096 + PTE_TABLE
	.set	index, index + 1
	.endr
	.quad	window_directory + PTE_TABLE
	.fill	507, 8, 0
directories:
	.set	index, 0
	.rept	2048
	.quad	(index << 21) + PTE_LARGE + 0x60
	.set	index, index + 1
	.endr
	.globl	window_directory
window_directory:
	.fill	512, 8, 0

	.bss
	.globl	irq_count
	.balign	4096
	.globl	idt
idt:	.skip	256 * 16
	.balign	16
stack:	.skip	16384
stack_top:
irq_count:
	.skip	4

/* A guest for the long-mode entry alone has no note (guests.mk). */
#ifndef LONG_MODE_ONLY
PVH_NOTE(pvh_start)
#endif

	.section .note.GNU-stack, "", @progbits
