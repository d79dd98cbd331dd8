/*
 * What each processor of smp.c runs, copied to a page below 1 MiB, in real
 * mode with CS at that page (SDM vol. 3, 9.4.4.1). Offsets are those of struct
 * ap_page.
 */
#define STARTED	 256
#define SEEN	 512
#define EXTENDED 768

	.section .rodata
	.code16
	.globl	ap_code, ap_code_end
ap_code:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movw	%bx, %si
	xorl	%eax, %eax
	cpuid
	cmpl	$11, %eax
	jb	1f
	movl	$11, %eax
	xorl	%ecx, %ecx
	cpuid
	movb	%dl, EXTENDED(%si)
1:	lock incb SEEN(%si)
	lock incw STARTED
2:	hlt
	jmp	2b
ap_code_end:

	.section .note.GNU-stack, "", @progbits
