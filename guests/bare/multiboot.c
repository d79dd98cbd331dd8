/*
 * A multiboot kernel: prints what the boot loader tells and what is in its
 * modules. Built twice: as a 32-bit ELF file, and with the addresses in the
 * header (MULTIBOOT_ADDRESSES) as a flat file.
 *
 * Source: Multiboot Specification 0.6.96.
 */
#include "bare.h"

#define BOOT_MAGIC 0x2badb002u

#define HAS_MEMORY  (1u << 0)
#define HAS_CMDLINE (1u << 2)
#define HAS_MODULES (1u << 3)
#define HAS_ELF	    (1u << 5)
#define HAS_MAP	    (1u << 6)
#define HAS_NAME    (1u << 9)

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t elf_count, elf_size, elf_addr, elf_names;
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr, config_table, boot_loader_name;
};

struct module {
	uint32_t start, end, text, reserved;
};

struct range {
	uint32_t size; /* of what follows */
	uint64_t start, len;
	uint32_t type;
} __attribute__((packed));

/* Page-aligned modules and memory information; see kernel.ld. */
#ifdef MULTIBOOT_ADDRESSES
#define FLAGS	  "0x10003"
#define ADDRESSES ".long header, header, _load_end, _bss_end, _start\n"
#else
#define FLAGS	  "3"
#define ADDRESSES ""
#endif

__asm__(".section .header, \"a\"\n"
	".balign 4\n"
	"header: .long 0x1badb002, " FLAGS ", -(0x1badb002 + " FLAGS
	")\n" ADDRESSES ".text\n"
	".globl _start\n"
	"_start: mov $stack + 4096, %esp\n"
	"push %ebx\n"
	"push %eax\n"
	"call kernel_main\n");

char stack[4096] __attribute__((aligned(16)));

_Noreturn void kernel_main(uint32_t magic, const struct info *info);

static const void *at(uint32_t address)
{
	return (const void *)address;
}

static void print_modules(const struct info *info)
{
	const struct module *module = at(info->mods_addr);

	for (uint32_t i = 0; i < info->mods_count; i++) {
		print("module ");
		print_hex(module[i].end - module[i].start);
		print(module[i].start & 4095 ? " not aligned [" : " [");
		print(at(module[i].text));
		print("]: ");
		print_bytes(at(module[i].start),
			    module[i].end - module[i].start);
	}
}

static void print_map(const struct info *info)
{
	uint32_t next = info->mmap_addr;

	while (next < info->mmap_addr + info->mmap_length) {
		const struct range *range = at(next);

		print("memory ");
		print_hex(range->start);
		print(" ");
		print_hex(range->len);
		print(range->type == 1 ? " ram\n" : " reserved\n");
		next += range->size + 4;
	}
}

_Noreturn void kernel_main(uint32_t magic, const struct info *info)
{
	const uint32_t wanted = HAS_MEMORY | HAS_CMDLINE | HAS_MODULES |
				HAS_MAP | HAS_NAME;

	if (magic != BOOT_MAGIC || (info->flags & wanted) != wanted)
		leave(EXIT_VALUE_FAIL);
	print("multiboot by ");
	print(at(info->boot_loader_name));
	print("\ncmdline: [");
	print(at(info->cmdline));
	print("]\nKiB ");
	print_hex(info->mem_lower);
	print(" ");
	print_hex(info->mem_upper);
	print("\n");
	print_map(info);
	print_modules(info);
	if (info->flags & HAS_ELF)
		print_sections(at(info->elf_addr), info->elf_count,
			       info->elf_names, (uint32_t)kernel_main);
	leave(exit_value(at(info->cmdline)));
}
