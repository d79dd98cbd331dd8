/*
 * Errors to whoever called: a line on standard error and, with --log, one in a
 * file, as text or as a JSON object.
 *
 * Engines classify failures by words of the message: "permission denied" makes
 * 126 of it, "no such file or directory" and "executable file not found" 127.
 * Those words are said only of the program to run; in other messages they are
 * put differently here, in one place.
 */
#ifndef CONTAINER_REPORT_H
#define CONTAINER_REPORT_H

#include "container/context.h"

/* The failure of the whole call. */
void report_error(const struct context *context, const struct err *err);

/* Something was not as it should be, and the call went on. */
void report_warning(const struct context *context, const struct err *err);

/* Replaces the words that engines look for; see above. */
void report_reword(char *text, size_t size);

#endif
