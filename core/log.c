#include "core/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

/* The log sink: one of the few writable globals, since a message must be
 * possible from any place without threading an object through all of vmm. */
static _Atomic int max_level = LOG_WARN;
static atomic_bool raw_terminal;

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

void log_set_raw_terminal(bool raw)
{
	atomic_store(&raw_terminal, raw);
}

/*
 * Names that come from the user or the guest must not reach the terminal as
 * escape sequences, nor look like a second message.
 */
static void blank_controls(char *text, int len)
{
	for (int i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "error: ", "warning: ", "",
					     "debug: " };
	char line[1024];
	va_list args;
	int used;
	int more;

	if ((int)level > atomic_load(&max_level))
		return;
	used = snprintf(line, sizeof(line), "hull: %s", names[level]);
	va_start(args, fmt);
	more = vsnprintf(line + used, sizeof(line) - (size_t)used - 2, fmt,
			 args);
	va_end(args);
	if (more < 0)
		return;
	used += more;
	if ((size_t)used > sizeof(line) - 3)
		used = (int)sizeof(line) - 3;
	blank_controls(line, used);
	if (atomic_load(&raw_terminal))
		line[used++] = '\r';
	line[used++] = '\n';
	/* Nothing is left to tell when standard error itself fails. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return;
}
