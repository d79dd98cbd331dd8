/*
 * A multiboot2 kernel: prints the tags that the boot loader gives. Built twice:
 * linked for 1 MiB, and with a header by which the boot loader chooses the
 * place (MULTIBOOT_RELOCATABLE): as high as there is memory, at a multiple of
 * 2 MiB. Its code runs anywhere, and passes only where it was told that it is.
 *
 * Source: Multiboot2 Specification 2.0.
 */
#include "bare.h"

#define BOOT_MAGIC 0x36d76289u

enum tag_type {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MEMORY = 4,
	TAG_MAP = 6,
	TAG_ELF = 9,
	TAG_OLD_RSDP = 14,
	TAG_RSDP = 15,
	TAG_BASE = 21,
};

struct tag {
	uint32_t type, size, words[];
};

/* From 4 MiB on, the multiple, the highest place. */
#ifdef MULTIBOOT_RELOCATABLE
#define RELOCATABLE ".word 10, 0\n.long 24, 0x400000, -1, 0x200000, 2\n"
#define LINKED	    0
#else
#define RELOCATABLE ""
#define LINKED	    1
#endif

/*
 * It requests command line and memory map, and names its entry itself. Where it
 * is it finds out by a call, whose address goes into the information's second
 * word, which is reserved: the only memory that it knows by then.
 */
__asm__(".section .header, \"a\"\n"
	".balign 8\n"
	".globl header\n"
	".hidden header\n"
	"header: .long 0xe85250d6, 0, header_end - header\n"
	".long -(0xe85250d6 + header_end - header)\n"
	".word 1, 0\n"
	".long 16, 1, 6\n"
	".word 3, 0\n"
	".long 12, _start, 0\n" RELOCATABLE ".word 0, 0\n"
	".long 8\n"
	"header_end:\n"
	".text\n"
	".globl _start\n"
	"_start: lea 8(%ebx), %esp\n"
	"call 1f\n"
	"1: pop %edx\n"
	"lea stack + 4096 - 1b(%edx), %esp\n"
	"push %ebx\n"
	"push %eax\n"
	"call kernel_main\n");

__attribute__((visibility("hidden"))) extern const char header[];
__attribute__((visibility("hidden"))) char stack[4096]
	__attribute__((aligned(16)));

_Noreturn void kernel_main(uint32_t magic, const uint8_t *info);

static void print_text(const char *what, const void *text)
{
	print(what);
	print(text);
	print("\n");
}

static void print_module(const struct tag *tag)
{
	print("module ");
	print_hex(tag->words[1] - tag->words[0]);
	print(" [");
	print((const char *)&tag->words[2]);
	print("]: ");
	print_bytes((const char *)tag->words[0], tag->words[1] - tag->words[0]);
}

/* Entries of start and length, 64 bits each, and type. */
static void print_map(const struct tag *tag)
{
	uint32_t entry_words = tag->words[0] / 4;
	const uint32_t *end = (const uint32_t *)tag + tag->size / 4;

	for (const uint32_t *e = tag->words + 2; e < end; e += entry_words) {
		print("memory ");
		print_hex(e[0] | (uint64_t)e[1] << 32);
		print(" ");
		print_hex(e[2] | (uint64_t)e[3] << 32);
		print(e[4] == 1 ? " ram\n" : " reserved\n");
	}
}

/* What the boot loader says, and what is so: nothing may be between. */
static void check_base(uint32_t base)
{
	print("base ");
	print_hex(base);
	print("\n");
	if (LINKED || base != (uint32_t)header)
		leave(EXIT_VALUE_FAIL);
}

static uint8_t print_tag(const struct tag *tag, uint8_t value)
{
	switch (tag->type) {
	case TAG_CMDLINE:
		print_text("cmdline: ", tag->words);
		return exit_value((const char *)tag->words);
	case TAG_LOADER:
		print_text("multiboot2 by ", tag->words);
		break;
	case TAG_MODULE:
		print_module(tag);
		break;
	case TAG_MEMORY:
		print("KiB ");
		print_hex(tag->words[0]);
		print(" ");
		print_hex(tag->words[1]);
		print("\n");
		break;
	case TAG_MAP:
		print_map(tag);
		break;
	case TAG_ELF:
		print_sections((const struct section *)&tag->words[3],
			       tag->words[0], tag->words[2],
			       (uint32_t)kernel_main);
		break;
	case TAG_OLD_RSDP:
		print("old ");
		/* fall through */
	case TAG_RSDP:
		print("rsdp: ");
		print_bytes((const char *)tag->words, 8);
		print("\n");
		break;
	case TAG_BASE:
		check_base(tag->words[0]);
		break;
	}
	return value;
}

_Noreturn void kernel_main(uint32_t magic, const uint8_t *info)
{
	const struct tag *tag = (const struct tag *)(info + 8);
	uint8_t value = EXIT_VALUE_FAIL;

	if (magic != BOOT_MAGIC)
		leave(EXIT_VALUE_FAIL);
	while (tag->type != TAG_END) {
		value = print_tag(tag, value);
		tag = (const struct tag *)((const uint8_t *)tag +
					   ((tag->size + 7) & ~7u));
	}
	leave(value);
}
