/*
 * The names of a kernel's functions, from the symbol table of its ELF file (of
 * 64 or 32 bits), for whoever shows addresses to a person. Read on the main
 * thread; afterwards constant, and any thread may ask.
 *
 * Source: System V ABI, gABI 4.1, chapter 4 (symbol table).
 */
#ifndef VMM_SYMBOLS_H
#define VMM_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* " <name+0x12>" with a name that is cut. */
#define SYMBOLS_TEXT_BYTES 160

struct symbol {
	uint64_t start;
	uint64_t size_bytes; /* 0: to the next one */
	uint32_t name; /* offset in the names */
};

/* A part of memory in which the kernel is elsewhere than it was linked for. */
struct symbols_move {
	uint64_t start;
	uint64_t size_bytes; /* 0: there is none */
	uint64_t by; /* so much behind; wraps where it went down */
};

/* All zeroes: none. */
struct symbols {
	struct symbol *list; /* owned, by address */
	size_t count;
	char *names; /* owned; ends in a zero byte */
	size_t names_len;
	uint64_t syscall_entry; /* Linux' entry_SYSCALL_64; 0: there is none */
	struct symbols_move move; /* of the kernel by us, for vmm/where.h */
};

/*
 * Of the file @path, called @what in messages. -errno with a sentence, also for
 * a file that is no ELF file or has no symbols; *ret_symbols is then untouched.
 */
int symbols_read(const char *path, const char *what,
		 struct symbols *ret_symbols, struct err *err);
void symbols_release(struct symbols *symbols);

/*
 * " <name+0x12>" for what is known of @address, else nothing; at most
 * SYMBOLS_TEXT_BYTES with its end. Returns @to.
 */
const char *symbols_text(const struct symbols *symbols, uint64_t address,
			 char to[SYMBOLS_TEXT_BYTES]);

#endif
