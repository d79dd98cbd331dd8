#include "vmm/json_place.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 8
#define MAX_PATH  256

/* One open object or array. */
struct frame {
	bool is_array;
	unsigned int index; /* arrays: of the current element */
	size_t key_start; /* objects: of the current key, inside the quotes */
	size_t key_len;
};

struct walk {
	const char *text;
	size_t len;
	size_t pos;
	unsigned int depth;
	bool after_key; /* the next token is the value of a key */
	struct frame frames[MAX_DEPTH];
};

/* The path of the place the walk is at; false when it does not fit. */
static bool format_path(const struct walk *walk, char *buf, size_t size)
{
	size_t used = 0;
	int n;

	buf[0] = '\0';
	for (unsigned int i = 0; i < walk->depth; i++) {
		const struct frame *frame = &walk->frames[i];

		if (frame->is_array)
			n = snprintf(buf + used, size - used, "[%u]",
				     frame->index);
		else
			n = snprintf(buf + used, size - used, "%s%.*s",
				     i ? "." : "", (int)frame->key_len,
				     walk->text + frame->key_start);
		if (n < 0 || (size_t)n >= size - used)
			return false;
		used += (size_t)n;
	}
	return true;
}

/* The offset behind a string that starts at @start with its quote. */
static size_t skip_string(const struct walk *walk, size_t start)
{
	size_t pos = start + 1;

	while (pos < walk->len && walk->text[pos] != '"')
		pos += walk->text[pos] == '\\' ? 2 : 1;
	return pos < walk->len ? pos + 1 : walk->len;
}

static bool push(struct walk *walk, bool is_array)
{
	if (walk->depth == MAX_DEPTH)
		return false;
	walk->frames[walk->depth++] = (struct frame){ .is_array = is_array };
	walk->after_key = false;
	return true;
}

static bool is_word(char c)
{
	return c && !strchr(" \t\r\n,:[]{}\"", c);
}

static void take_string(struct walk *walk, size_t start)
{
	struct frame *top = walk->depth ? &walk->frames[walk->depth - 1] : NULL;

	walk->pos = skip_string(walk, start);
	if (top && !top->is_array && !walk->after_key &&
	    walk->pos >= start + 2) {
		top->key_start = start + 1;
		top->key_len = walk->pos - start - 2;
		walk->after_key = true;
	} else {
		walk->after_key = false;
	}
}

/*
 * Moves over one token. Returns true when it was one that has a place of its
 * own: a key, or an element of an array; @ret_start is where it began.
 */
static bool step(struct walk *walk, size_t *ret_start, bool *ret_done)
{
	struct frame *top = walk->depth ? &walk->frames[walk->depth - 1] : NULL;
	size_t start = walk->pos;
	bool has_place;

	*ret_start = start;
	*ret_done = false;
	/* An element is reported before its own brackets are opened. */
	has_place = top && (top->is_array || !walk->after_key);
	switch (walk->text[start]) {
	case '{':
	case '[':
		*ret_done = !push(walk, walk->text[start] == '[');
		walk->pos++;
		return false;
	case '}':
	case ']':
		if (!walk->depth)
			*ret_done = true;
		else
			walk->depth--;
		walk->after_key = false;
		walk->pos++;
		return false;
	case ',':
		if (top && top->is_array)
			top->index++;
		walk->after_key = false;
		walk->pos++;
		return false;
	case '"':
		take_string(walk, start);
		return has_place;
	default:
		if (!is_word(walk->text[start])) {
			walk->pos++;
			return false;
		}
		while (walk->pos < walk->len && is_word(walk->text[walk->pos]))
			walk->pos++;
		walk->after_key = false;
		return has_place;
	}
}

/* Stops at the place that has this offset, or this path when @path is set. */
static bool walk_to(const char *text, size_t len, const char *path,
		    size_t *offset, char *buf, size_t size)
{
	struct walk walk = { .text = text, .len = len };
	bool done = false;
	size_t start;

	while (walk.pos < len && !done) {
		char c = text[walk.pos];
		bool opens_element = (c == '{' || c == '[') && walk.depth &&
				     walk.frames[walk.depth - 1].is_array;
		size_t at = walk.pos;

		/* Its path is that of the array's frame, not yet the inner. */
		if (opens_element && format_path(&walk, buf, size) && path &&
		    !strcmp(buf, path)) {
			*offset = at;
			return true;
		}
		if (!step(&walk, &start, &done))
			continue;
		if (!path && start != *offset)
			continue;
		if (!format_path(&walk, buf, size))
			continue;
		if (!path || !strcmp(buf, path)) {
			*offset = start;
			return true;
		}
	}
	return false;
}

bool json_place_find(const char *text, size_t len, const char *path,
		     size_t *ret_offset)
{
	char buf[MAX_PATH];

	if (!*path) {
		*ret_offset = 0;
		return true;
	}
	return walk_to(text, len, path, ret_offset, buf, sizeof(buf));
}

bool json_place_path(const char *text, size_t len, size_t offset, char *buf,
		     size_t size)
{
	return walk_to(text, len, NULL, &offset, buf, size);
}

void json_place_line(const char *text, size_t offset, unsigned int *ret_line,
		     unsigned int *ret_column)
{
	unsigned int line = 1;
	unsigned int column = 1;

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}
