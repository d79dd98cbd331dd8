/*
 * Code that does not lie where it was linked, as that of a Linux that moved
 * itself: "by=BYTES" is how far it goes. As Linux does, it tells the processor
 * where system calls go (SDM vol. 3, 5.8.8), which is how the move can be seen.
 * The moved function writes a letter to the serial port; with "stay" it stays.
 */
#include "guest.h"

#define MSR_LSTAR 0xc0000082

/* What is copied. The symbols are what a trace shows. */
__asm__(".globl entry_SYSCALL_64\n"
	".type entry_SYSCALL_64, @function\n"
	"entry_SYSCALL_64: hlt\n"
	".size entry_SYSCALL_64, . - entry_SYSCALL_64\n"
	".globl say_moved\n"
	".type say_moved, @function\n"
	"say_moved: movl $0x3f8, %edx\n"
	"movb $'m', %al\n"
	"outb %al, %dx\n"
	"testl %edi, %edi\n"
	"1: jnz 1b\n"
	"ret\n"
	".size say_moved, . - say_moved\n"
	".globl moved_end\n"
	"moved_end:\n");
extern const char entry_SYSCALL_64[], say_moved[], moved_end[];

void guest_main(void)
{
	const uint64_t by = cmdline_u64("by", 0);
	const uint64_t to = (uint64_t)entry_SYSCALL_64 + by;
	const uint64_t moved = (uint64_t)say_moved + by;

	if (by != 0)
		copy((void *)to, entry_SYSCALL_64,
		     (size_t)(moved_end - entry_SYSCALL_64));
	wrmsr(MSR_LSTAR, to);
	((void (*)(int))moved)(cmdline_has("stay"));
}
