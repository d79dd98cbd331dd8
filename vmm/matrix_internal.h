/*
 * What the parts of `hull matrix` share: the table of boots (matrix_table.c),
 * their supervisor (matrix.c), and what is reported of all (matrix_report.c).
 * No one else includes it.
 */
#ifndef VMM_MATRIX_INTERNAL_H
#define VMM_MATRIX_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

#define MATRIX_MAX_BOOTS 4096
#define MATRIX_NAME_MAX	 100

struct json_t;

struct boot {
	char name[MATRIX_NAME_MAX + 1];
	struct json_t *config; /* owned; as for --config */
	struct json_t *result; /* owned, or NULL: what it wrote */
	pid_t pid; /* > 0 while it runs */
	bool is_over;
	int status; /* its exit status; -1: none, or it did not run */
	int64_t start_ms;
	int64_t took_ms;
	char sentence[512];
};

struct matrix {
	struct boot *boots; /* owned */
	size_t count;
	const char *output; /* borrowed */
	unsigned int jobs;
	size_t next; /* the first that was not started */
	size_t running;
	size_t over;
	size_t failed;
	int64_t interrupted_ms; /* 0: not */
	bool has_terminal; /* standard error is one: progress goes there */
	sigset_t signals; /* that are waited for */
	sigset_t old_signals; /* what children start with */
};

/* Fills in the boots from the file @path. -EINVAL with what is wrong. */
int matrix_load(struct matrix *matrix, const char *path, struct err *err);

/* matrix.json, matrix.xml, and a last line on standard output. */
int matrix_report(const struct matrix *matrix, int64_t took_ms,
		  struct err *err);

/* "DIR/NAME.SUFFIX" in @to, of PATH_MAX bytes; whether it fits. */
bool matrix_path(const struct matrix *matrix, const char *name,
		 const char *suffix, char *to);
int matrix_write_json(const char *path, const struct json_t *tree,
		      struct err *err);

#endif
