/*
 * Regular expressions over lines of the console: POSIX extended, see regex(7),
 * compiled once. "^" also matches behind the time-stamp of a kernel's message.
 *
 * A set is changed before it is used; then any thread may match.
 */
#ifndef VMM_PATTERN_H
#define VMM_PATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct pattern {
	const char *name; /* of a built-in one, in a word; else NULL */
	const char *text; /* borrowed */
	regex_t regex;
};

struct pattern_set {
	struct pattern *items; /* owned */
	size_t count;
};

/* @text outlives the set. -EINVAL with why it is not a regular expression. */
int pattern_set_add(struct pattern_set *set, const char *text, struct err *err);

/*
 * What a Linux kernel prints when something is wrong with it: panic, Oops, BUG,
 * lockups, stalls, hung tasks, reports of the sanitizers and of lockdep.
 */
int pattern_set_add_linux(struct pattern_set *set, struct err *err);

/* The first that matches, or NULL. */
const struct pattern *pattern_set_match(const struct pattern_set *set,
					const char *line);
void pattern_set_release(struct pattern_set *set);

#endif
