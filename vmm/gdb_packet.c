#include "vmm/gdb_packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE	   '}'
#define ESCAPE_XOR 0x20
#define INTERRUPT  0x03

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void begin(struct gdb_reader *reader)
{
	reader->state = GDB_READ_TEXT;
	reader->sum = 0;
	reader->len = 0;
	reader->too_long = false;
	reader->bad_digit = false;
}

static void keep(struct gdb_reader *reader, uint8_t byte)
{
	if (reader->len == GDB_PACKET_BYTES)
		reader->too_long = true;
	else
		reader->text[reader->len++] = (char)byte;
}

static enum gdb_event take_outside(struct gdb_reader *reader, uint8_t byte)
{
	if (byte == '$')
		begin(reader);
	if (byte == '-')
		return GDB_EVENT_AGAIN;
	return byte == INTERRUPT ? GDB_EVENT_INTERRUPT : GDB_EVENT_NONE;
}

/* The checksum is of the bytes as they were sent, escapes and all. */
static void take_text(struct gdb_reader *reader, uint8_t byte)
{
	if (reader->state == GDB_READ_ESCAPED) {
		reader->sum += byte;
		keep(reader, byte ^ ESCAPE_XOR);
		reader->state = GDB_READ_TEXT;
	} else if (byte == '#') {
		reader->state = GDB_READ_SUM_1;
	} else if (byte == '$') {
		/* gdb gave up on the packet and began a new one. */
		begin(reader);
	} else {
		reader->sum += byte;
		if (byte == ESCAPE)
			reader->state = GDB_READ_ESCAPED;
		else
			keep(reader, byte);
	}
}

static enum gdb_event take_sum(struct gdb_reader *reader, uint8_t byte)
{
	int digit = digit_value((char)byte);

	if (digit < 0) {
		reader->bad_digit = true;
		digit = 0;
	}
	if (reader->state == GDB_READ_SUM_1) {
		reader->told = (uint8_t)(digit << 4);
		reader->state = GDB_READ_SUM_2;
		return GDB_EVENT_NONE;
	}
	reader->state = GDB_READ_OUTSIDE;
	reader->text[reader->len] = '\0';
	if (reader->too_long || reader->bad_digit ||
	    (reader->told | digit) != reader->sum)
		return GDB_EVENT_BROKEN;
	return GDB_EVENT_PACKET;
}

enum gdb_event gdb_reader_take(struct gdb_reader *reader, uint8_t byte)
{
	switch (reader->state) {
	case GDB_READ_OUTSIDE:
		return take_outside(reader, byte);
	case GDB_READ_TEXT:
	case GDB_READ_ESCAPED:
		take_text(reader, byte);
		return GDB_EVENT_NONE;
	default:
		return take_sum(reader, byte);
	}
}

void gdb_writer_begin(struct gdb_writer *writer)
{
	writer->data[0] = '$';
	writer->len = 1;
	writer->overflow = false;
}

/* Room for text: what is kept back is for the checksum and a zero byte. */
static size_t room(const struct gdb_writer *writer)
{
	return GDB_PACKET_BYTES + 1 - writer->len;
}

void gdb_writer_add(struct gdb_writer *writer, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(writer->data + writer->len, room(writer) + 1, fmt,
			args);
	va_end(args);
	if (len < 0 || (size_t)len > room(writer))
		writer->overflow = true;
	else
		writer->len += (size_t)len;
}

void gdb_writer_add_hex(struct gdb_writer *writer, const void *bytes,
			size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;

	if (len > room(writer) / 2) {
		writer->overflow = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		writer->data[writer->len++] = digits[from[i] >> 4];
		writer->data[writer->len++] = digits[from[i] & 0xf];
	}
}

void gdb_writer_add_binary(struct gdb_writer *writer, const char *bytes,
			   size_t len)
{
	if (len > room(writer) / 2) {
		writer->overflow = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (c == '#' || c == '$' || c == '*' || c == ESCAPE) {
			writer->data[writer->len++] = ESCAPE;
			c ^= ESCAPE_XOR;
		}
		writer->data[writer->len++] = c;
	}
}

void gdb_writer_end(struct gdb_writer *writer)
{
	uint8_t sum = 0;

	for (size_t i = 1; i < writer->len; i++)
		sum += (uint8_t)writer->data[i];
	writer->len +=
		(size_t)snprintf(writer->data + writer->len, 4, "#%02x", sum);
}

bool gdb_take_hex(const char **text, uint64_t *ret_value)
{
	const char *next = *text;
	uint64_t value = 0;

	while (digit_value(*next) >= 0) {
		if (next - *text == 16)
			return false;
		value = value << 4 | (uint64_t)digit_value(*next++);
	}
	if (next == *text)
		return false;
	*text = next;
	*ret_value = value;
	return true;
}

bool gdb_take_bytes(const char **text, uint8_t *to, size_t len)
{
	const char *next = *text;

	for (size_t i = 0; i < len; i++, next += 2) {
		int high = digit_value(next[0]);
		int low = high < 0 ? -1 : digit_value(next[1]);

		if (low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	*text = next;
	return true;
}

bool gdb_take_word(const char **text, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*text, prefix, len) != 0)
		return false;
	*text += len;
	return true;
}
