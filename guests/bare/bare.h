/*
 * What the bare kernels share: the serial port and the way out. They run as
 * they were entered, in 32-bit or in real mode, without interrupts.
 */
#ifndef GUESTS_BARE_BARE_H
#define GUESTS_BARE_BARE_H

#include <stddef.h>
#include <stdint.h>

#include "../exit_value.h"

#define PORT_SERIAL   0x3f8
#define PORT_DEBUGCON 0xe9

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void print_bytes(const char *text, size_t len)
{
	__asm__ volatile("rep outsb"
			 : "+S"(text), "+c"(len)
			 : "d"((uint16_t)PORT_SERIAL)
			 : "memory");
}

static inline void print(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	print_bytes(text, len);
}

static inline void print_hex(uint64_t value)
{
	char text[18];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	text[--at] = 'x';
	text[--at] = '0';
	print_bytes(text + at, sizeof(text) - at);
}

static inline int is_same(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return *a == *b;
}

/* What a 32-bit ELF kernel is told of its sections, and the name that its
 * symbols have for @function. */
struct section {
	uint32_t name, type, flags, address, offset, size, link, rest[3];
};

struct symbol {
	uint32_t name, value, size, rest;
};

static inline void print_symbol(const struct section *symbols, uint32_t names,
				uint32_t function)
{
	const struct symbol *symbol =
		(const struct symbol *)(uintptr_t)symbols->address;

	for (uint32_t i = 0; i < symbols->size / sizeof(*symbol); i++) {
		if (symbol[i].value != function || symbol[i].rest >> 16 == 0)
			continue;
		print("symbol ");
		print((const char *)(uintptr_t)names + symbol[i].name);
		print("\n");
	}
}

static inline void print_sections(const struct section *table, uint32_t count,
				  uint32_t names, uint32_t function)
{
	for (uint32_t i = 1; i < count; i++) {
		const char *name =
			(const char *)(uintptr_t)table[names].address +
			table[i].name;

		print("section ");
		print_hex(table[i].size);
		print(table[i].address ? " " : " nowhere ");
		print(name);
		print("\n");
		if (is_same(name, ".symtab"))
			print_symbol(&table[i], table[table[i].link].address,
				     function);
	}
}

/* The number behind "exit=" in @text, or that of a guest that passed. */
static inline uint8_t exit_value(const char *text)
{
	static const char name[] = "exit=";
	size_t same = 0;
	uint8_t value = 0;

	for (; *text && same < 5; text++)
		same = *text == name[same] ? same + 1 : *text == 'e';
	if (same < 5)
		return EXIT_VALUE_PASS;
	for (; *text >= '0' && *text <= '9'; text++)
		value = (uint8_t)(value * 10 + (*text - '0'));
	return value;
}

static inline _Noreturn void leave(uint8_t value)
{
	outb(PORT_DEBUG_EXIT, value);
	for (;;)
		__asm__ volatile("cli; hlt");
}

#endif
