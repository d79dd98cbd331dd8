/*
 * The framing of gdb's remote serial protocol: `$text#checksum` packets out of
 * a stream of bytes and back. No KVM, no socket. Any thread, one at a time.
 *
 * Source: Debugging with GDB, appendix E "GDB Remote Serial Protocol", E.1
 * Overview, E.5 Interrupts.
 */
#ifndef VMM_GDB_PACKET_H
#define VMM_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/util.h"

/* Of the text of a packet, in either direction; qSupported tells gdb. */
#define GDB_PACKET_BYTES 16384

enum gdb_event {
	GDB_EVENT_NONE,
	GDB_EVENT_PACKET, /* whole and unescaped in `text` */
	GDB_EVENT_BROKEN, /* its checksum is wrong or it is too long */
	GDB_EVENT_INTERRUPT, /* Ctrl-C, outside of packets */
	GDB_EVENT_AGAIN, /* '-': send the last packet once more */
};

enum gdb_reader_state {
	GDB_READ_OUTSIDE,
	GDB_READ_TEXT,
	GDB_READ_ESCAPED,
	GDB_READ_SUM_1,
	GDB_READ_SUM_2,
};

/* All zeroes before the first byte. */
struct gdb_reader {
	enum gdb_reader_state state;
	uint8_t sum; /* of the bytes so far */
	uint8_t told; /* the first digit of the checksum */
	bool too_long;
	bool bad_digit;
	size_t len;
	char text[GDB_PACKET_BYTES + 1]; /* with a zero byte behind it */
};

enum gdb_event gdb_reader_take(struct gdb_reader *reader, uint8_t byte);

/* A packet that is being written. What does not fit sets `overflow`. */
struct gdb_writer {
	size_t len;
	bool overflow;
	/* '$', the text, '#' and two digits; vsnprintf's zero byte. */
	char data[GDB_PACKET_BYTES + 5];
};

void gdb_writer_begin(struct gdb_writer *writer);
void gdb_writer_add(struct gdb_writer *writer, const char *fmt, ...)
	PRINTF_LIKE(2, 3);
/* Two digits for each byte. */
void gdb_writer_add_hex(struct gdb_writer *writer, const void *bytes,
			size_t len);
/* Bytes as they are, escaped where they must be. */
void gdb_writer_add_binary(struct gdb_writer *writer, const char *bytes,
			   size_t len);
/* The checksum; `data` and `len` are then what goes to gdb. */
void gdb_writer_end(struct gdb_writer *writer);

/*
 * Reads a hexadecimal number and moves *@text behind it. False when there is
 * none or it has more than 16 digits.
 */
bool gdb_take_hex(const char **text, uint64_t *ret_value);
/* Exactly @len bytes as two digits each; moves *@text. */
bool gdb_take_bytes(const char **text, uint8_t *to, size_t len);
/* Moves *@text behind @prefix when it begins so. */
bool gdb_take_word(const char **text, const char *prefix);

#endif
