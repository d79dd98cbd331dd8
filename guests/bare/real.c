/*
 * A flat binary that stays in real mode. Nobody hands it anything over: it
 * asks fw_cfg for its command line, the machine's size, the files it was
 * started with and the memory map, through the data port and through DMA.
 *
 * Source: QEMU docs/specs/fw_cfg.rst.
 */
#include "bare.h"

#define PORT_SELECTOR 0x510
#define PORT_DATA     0x511
#define PORT_DMA_LOW  0x518

#define KEY_RAM_SIZE	 0x03
#define KEY_CPUS	 0x05
#define KEY_KERNEL_SIZE	 0x08
#define KEY_INITRD_SIZE	 0x0b
#define KEY_KERNEL	 0x11
#define KEY_INITRD	 0x12
#define KEY_CMDLINE_SIZE 0x14
#define KEY_CMDLINE	 0x15
#define KEY_DIRECTORY	 0x19

#define DMA_READ   0x02
#define DMA_SELECT 0x08

struct dma {
	uint32_t control, len, address_high, address_low; /* big-endian */
};

struct range {
	uint64_t start, len;
	uint32_t type;
} __attribute__((packed));

struct file {
	uint32_t size;
	uint16_t key, reserved;
	char name[56];
};

__asm__(".section .start, \"ax\"\n"
	".globl _start\n"
	"_start: calll kernel_main\n");

_Noreturn void kernel_main(void);
extern const char _start[];

static struct range map[16];
static char cmdline[512];

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static uint32_t swapped(uint32_t value)
{
	return value >> 24 | (value >> 8 & 0xff00) | (value & 0xff00) << 8 |
	       value << 24;
}

/* The next bytes of the item that was selected, by the port. */
static void read_port(void *to, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = inb(PORT_DATA);
}

/* An item's first bytes by DMA. */
static void read_dma(uint16_t key, void *to, uint32_t len)
{
	struct dma dma = {
		.control = swapped((uint32_t)key << 16 | DMA_SELECT | DMA_READ),
		.len = swapped(len),
		.address_low = swapped((uint32_t)to),
	};

	out32(PORT_DMA_LOW, swapped((uint32_t)&dma));
	if (*(volatile uint32_t *)&dma.control)
		leave(EXIT_VALUE_FAIL);
}

/* An item of at most 8 bytes. */
static uint64_t read_number(uint16_t key, uint32_t len)
{
	uint64_t value = 0;

	out16(PORT_SELECTOR, key);
	read_port(&value, len);
	return value;
}

static void print_number(const char *name, uint64_t value)
{
	print(name);
	print_hex(value);
	print("\n");
}

/* The image as a file is the one that lies in memory. */
static void print_kernel(void)
{
	uint32_t len = (uint32_t)read_number(KEY_KERNEL_SIZE, 4);

	print_number("kernel ", len);
	out16(PORT_SELECTOR, KEY_KERNEL);
	for (uint32_t i = 0; i < len; i++) {
		if (inb(PORT_DATA) != (uint8_t)_start[i])
			leave(EXIT_VALUE_FAIL);
	}
}

static void print_initrd(void)
{
	uint32_t len = (uint32_t)read_number(KEY_INITRD_SIZE, 4);
	char byte;

	print_number("initrd ", len);
	out16(PORT_SELECTOR, KEY_INITRD);
	while (len--) {
		read_port(&byte, 1);
		print_bytes(&byte, 1);
	}
}

static void print_map(uint16_t key, uint32_t len)
{
	read_dma(key, map, len);
	for (uint32_t i = 0; i < len / sizeof(map[0]); i++) {
		print("memory ");
		print_hex(map[i].start);
		print(" ");
		print_hex(map[i].len);
		print(map[i].type == 1 ? " ram\n" : " reserved\n");
	}
}

/* Of a pointer to the tables its name, and the FADT among the tables. */
static void print_rsdp(uint16_t key)
{
	read_dma(key, map, 8);
	print_bytes((const char *)map, 8);
	print("\n");
}

static void print_tables(uint16_t key, uint32_t len)
{
	uint32_t word;

	out16(PORT_SELECTOR, key);
	for (uint32_t i = 0; i < len / sizeof(word); i++) {
		read_port(&word, sizeof(word));
		if (word == 0x50434146) /* "FACP" */
			print_number("FADT at ", i * sizeof(word));
	}
}

/* Nobody answers a call of the BIOS, nor takes the flags for anything else. */
static void call_bios(void)
{
	uint32_t eax = 0xe820;
	uint8_t carry;

	__asm__ volatile("clc; int $0x70; setc %1; int $0x15; adcb $0, %1"
			 : "+a"(eax), "=&q"(carry)
			 :
			 : "cc", "memory");
	if (carry == 1 && eax == 0x8620)
		print("no bios\n");
}

static void print_files(void)
{
	static struct file files[8];
	uint32_t count;

	out16(PORT_SELECTOR, KEY_DIRECTORY);
	read_port(&count, sizeof(count));
	count = swapped(count);
	if (count > sizeof(files) / sizeof(files[0]))
		leave(EXIT_VALUE_FAIL);
	read_port(files, count * sizeof(files[0]));
	for (uint32_t i = 0; i < count; i++) {
		const struct file *file = &files[i];
		uint16_t key = (uint16_t)(file->key >> 8 | file->key << 8);

		print("file ");
		print(file->name);
		print_number(" ", swapped(file->size));
		if (is_same(file->name, "etc/e820"))
			print_map(key, swapped(file->size));
		if (is_same(file->name, "etc/acpi/rsdp"))
			print_rsdp(key);
		if (is_same(file->name, "etc/acpi/tables"))
			print_tables(key, swapped(file->size));
	}
}

_Noreturn void kernel_main(void)
{
	uint32_t size = (uint32_t)read_number(KEY_CMDLINE_SIZE, 4);

	read_dma(KEY_CMDLINE, cmdline, size);
	print("real mode\ncmdline: [");
	print(cmdline);
	print("]\n");
	call_bios();
	print_number("cpus ", read_number(KEY_CPUS, 2));
	print_number("ram ", read_number(KEY_RAM_SIZE, 8));
	print_kernel();
	print_initrd();
	print_files();
	leave(exit_value(cmdline));
}
