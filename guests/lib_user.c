/*
 * The way to user mode. The page tables of start.S let it see all of memory;
 * what is missing is a TSS, with a stack for exceptions and a bitmap that
 * allows every port (SDM vol. 3, 7.7; vol. 1, 18.5.2).
 */
#include "guest.h"

#define TSS_RSP0      1 /* in 32-bit words */
#define TSS_MAP_BASE  25
#define TSS_WORDS     26
#define MAP_BYTES     8192
#define MAP_END	      0xff /* a byte of ones ends the bitmap */
#define TSS_AVAILABLE 0x89ULL
#define RFLAGS_FIXED  0x2

static struct {
	uint32_t words[TSS_WORDS];
	uint8_t map[MAP_BYTES + 1];
} __attribute__((packed, aligned(16))) tss;

static uint8_t kernel_stack[4096] __attribute__((aligned(16)));

extern uint64_t gdt_tss[2];

void user_mode(void)
{
	uint64_t stack = (uint64_t)(kernel_stack + sizeof(kernel_stack));
	uint64_t at = (uint64_t)&tss;

	copy(&tss.words[TSS_RSP0], &stack, sizeof(stack));
	tss.words[TSS_MAP_BASE] = (uint32_t)sizeof(tss.words) << 16;
	tss.map[MAP_BYTES] = MAP_END;
	gdt_tss[0] = (sizeof(tss) - 1) | (at & 0xffffff) << 16 |
		     TSS_AVAILABLE << 40 | (at >> 24 & 0xff) << 56;
	gdt_tss[1] = at >> 32;
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
	__asm__ volatile("movq %%rsp, %%rax\n\t"
			 "pushq %0\n\t"
			 "pushq %%rax\n\t"
			 "pushq %1\n\t"
			 "pushq %2\n\t"
			 "pushq $1f\n\t"
			 "iretq\n"
			 "1:"
			 :
			 : "i"(SELECTOR_USER_DATA), "i"(RFLAGS_FIXED),
			   "i"(SELECTOR_USER_CODE)
			 : "rax", "memory");
}
