/*
 * A flat binary whose bytes mean the same in protected and in long mode: prints
 * the command line, which edx points to, and passes. Runs at any address.
 */
#include "../exit_value.h"

#define PORT_SERIAL 0x3f8

	.code64
	.globl	_start
_start:
	cld
	movl	%edx, %esi
	movw	$PORT_SERIAL, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	movb	$'\n', %al
	outb	%al, %dx
	pushq	%rdx		/* there is a stack */
	popq	%rdx
	movb	$EXIT_VALUE_PASS, %al
	outb	%al, $PORT_DEBUG_EXIT
3:	hlt
	jmp	3b

	.section .note.GNU-stack, "", @progbits
