#include "vmm/console_line.h"

#include <ctype.h>
#include <string.h>

/* A sequence that goes on for longer is none, or a broken one. */
#define MAX_CSI	   64
#define MAX_STRING 4096

#define ESC 0x1b
#define BEL 0x07
#define DEL 0x7f

void console_line_init(struct console_line *line,
		       void (*done)(void *opaque, const char *line),
		       void *opaque)
{
	*line = (struct console_line){ .done = done, .opaque = opaque };
}

static void finish(struct console_line *line)
{
	line->text[line->len] = '\0';
	line->len = 0;
	line->changed = false;
	line->done(line->opaque, line->text);
}

static void put(struct console_line *line, uint8_t byte)
{
	if (line->len == CONSOLE_LINE_BYTES)
		finish(line);
	line->text[line->len++] = (char)byte;
	line->changed = true;
}

static enum console_sequence sequence_kind(uint8_t byte)
{
	switch (byte) {
	case '[':
		return SEQUENCE_CSI;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		return SEQUENCE_STRING;
	case ' ':
	case '#':
	case '%':
	case '(':
	case ')':
	case '*':
	case '+':
		return SEQUENCE_ONE_MORE;
	default:
		return SEQUENCE_NONE;
	}
}

static enum console_sequence continue_sequence(struct console_line *line,
					       uint8_t byte)
{
	bool is_long = ++line->sequence_len > MAX_CSI;

	switch (line->sequence) {
	case SEQUENCE_BEGUN:
		return sequence_kind(byte);
	case SEQUENCE_CSI:
		return (byte >= 0x40 && byte < DEL) || is_long ? SEQUENCE_NONE :
								 SEQUENCE_CSI;
	case SEQUENCE_STRING:
		if (byte == ESC)
			return SEQUENCE_STRING_END;
		return byte == BEL || line->sequence_len > MAX_STRING ?
			       SEQUENCE_NONE :
			       SEQUENCE_STRING;
	case SEQUENCE_STRING_END:
		/* "ESC \" ends it; any other one is a sequence of its own. */
		return byte == '\\' ? SEQUENCE_NONE : sequence_kind(byte);
	default:
		return SEQUENCE_NONE;
	}
}

static void feed(struct console_line *line, uint8_t byte)
{
	/* A line's end is one in the middle of a broken sequence, too. */
	if (byte == '\n') {
		line->sequence = SEQUENCE_NONE;
		finish(line);
	} else if (line->sequence != SEQUENCE_NONE) {
		line->sequence = continue_sequence(line, byte);
	} else if (byte == ESC) {
		line->sequence = SEQUENCE_BEGUN;
		line->sequence_len = 0;
	} else if (byte == '\t' || (byte >= ' ' && byte != DEL)) {
		put(line, byte);
	}
}

void console_line_feed(struct console_line *line, const uint8_t *data,
		       size_t len)
{
	for (size_t i = 0; i < len; i++)
		feed(line, data[i]);
}

void console_line_flush(struct console_line *line)
{
	line->sequence = SEQUENCE_NONE;
	if (line->len)
		finish(line);
}

const char *console_line_settled(struct console_line *line)
{
	if (!line->len)
		return NULL;
	if (line->changed) {
		line->changed = false;
		line->told = false;
		return NULL;
	}
	if (line->told)
		return NULL;
	line->told = true;
	line->text[line->len] = '\0';
	return line->text;
}

/* Behind "[", blanks, @letters, digits and "]", with a dot among the digits if
 * it is a time; else NULL. */
static const char *skip_bracket(const char *text, const char *letters,
				bool is_time)
{
	unsigned int digits = 0;
	unsigned int dots = 0;

	if (*text != '[')
		return NULL;
	text++;
	text += strspn(text, " ");
	text += strspn(text, letters);
	for (; isdigit((unsigned char)*text) || *text == '.'; text++) {
		digits += *text != '.';
		dots += *text == '.';
	}
	if (*text != ']' || !digits || dots != is_time)
		return NULL;
	return text + 1;
}

const char *console_line_skip_stamp(const char *line)
{
	const char *text = line;
	const char *next;

	if (text[0] == '<' && isdigit((unsigned char)text[1])) {
		next = strchr(text, '>');
		if (next && next - text <= 3)
			text = next + 1;
	}
	next = skip_bracket(text, "", true);
	if (!next)
		return line;
	text = skip_bracket(next, "TC", false);
	if (!text)
		text = next;
	return *text == ' ' ? text + 1 : text;
}
