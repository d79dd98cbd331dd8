#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_describe(int code)
{
	const char *text = strerrordesc_np(code);

	return text ? text : "unknown error";
}

/* Names that users and files give may hold anything; a sentence is one line
 * that moves no cursor. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -code;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	make_printable(err->msg);
	return -code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	va_list args;
	size_t used;

	if (!err)
		return -code;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	make_printable(err->msg);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
		 err_describe(code));
	return -code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list args;
	size_t used;

	if (!err)
		return -1;
	memcpy(old, err->msg, sizeof(old));
	va_start(args, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	make_printable(err->msg);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", old);
	return -err->code;
}
