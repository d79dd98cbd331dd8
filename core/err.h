/*
 * The error object that travels up to whoever can tell the user.
 *
 * A function that can fail takes `struct err *` last, fills it with one
 * sentence that names the thing and, where there is one, the remedy, and
 * returns -errno. The caller owns the object; passing NULL drops the sentence.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/util.h"

struct err {
	int code; /* positive errno, 0 when no error was set */
	char msg[512]; /* one sentence, no control characters */
};

/* Sets the sentence. @code is a positive errno. Returns -@code. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, with the description of @code behind ": ". */
int err_sys(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before a sentence already set. Returns -err->code. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The host's words for a positive errno; a constant string, any thread. */
const char *err_describe(int code);

#endif
