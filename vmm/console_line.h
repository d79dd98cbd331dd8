/*
 * Console output as lines of plain text: what programs that read a console for
 * a verdict, a log or test results work on.
 *
 * Escape sequences (ECMA-48: CSI, OSC and its kin, two-byte ones), carriage
 * returns and other control characters but tabs are left out. Bytes above 0x7f
 * stay as they are. A line without end is cut into lines of
 * CONSOLE_LINE_BYTES, so memory is bounded whatever a guest writes.
 *
 * The caller serialises. No allocation.
 */
#ifndef VMM_CONSOLE_LINE_H
#define VMM_CONSOLE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_LINE_BYTES 4096

enum console_sequence {
	SEQUENCE_NONE,
	SEQUENCE_BEGUN, /* ESC was seen */
	SEQUENCE_CSI, /* until a byte of 0x40 to 0x7e */
	SEQUENCE_STRING, /* OSC, DCS, ...: until BEL or ESC \ */
	SEQUENCE_STRING_END, /* ESC inside of one */
	SEQUENCE_ONE_MORE, /* a character set is named by one more byte */
};

struct console_line {
	/* A whole line without its end, a C string. */
	void (*done)(void *opaque, const char *line);
	void *opaque;
	enum console_sequence sequence;
	unsigned int sequence_len; /* bytes of it so far */
	size_t len;
	bool changed; /* since console_line_settled looked */
	bool told; /* by console_line_settled */
	char text[CONSOLE_LINE_BYTES + 1];
};

void console_line_init(struct console_line *line,
		       void (*done)(void *opaque, const char *line),
		       void *opaque);
void console_line_feed(struct console_line *line, const uint8_t *data,
		       size_t len);

/* The end: what there is of the last line is a line. */
void console_line_flush(struct console_line *line);

/*
 * The unfinished line, such as a prompt, when there is one and nothing was
 * added to it since the last call; once for each state of it, else NULL.
 */
const char *console_line_settled(struct console_line *line);

/*
 * What stands behind the time-stamps and the level that Linux's kernel puts
 * before its messages: "<6>[    1.234567][    T1] text" (printk.time,
 * CONFIG_PRINTK_CALLER). The line itself when there is none.
 */
const char *console_line_skip_stamp(const char *line);

#endif
