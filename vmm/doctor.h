/*
 * What this host offers to a monitor: KVM above all, and what makes it fast or
 * lets it run without privileges. Looking changes nothing: no module is loaded,
 * no device configured, nothing is written. Main thread.
 */
#ifndef VMM_DOCTOR_H
#define VMM_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#include "core/util.h"

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* works, with less than there could be */
	DOCTOR_MISSING,
};

struct doctor_item {
	const char *name; /* one word, constant */
	enum doctor_state state;
	char finding[400]; /* what was found and what it means */
	char remedy[240]; /* what to do about it, or "" */
};

#define DOCTOR_MAX_ITEMS 20

struct doctor_report {
	/*
	 * Borrowed. "", or for tests a directory that holds other /dev, /proc,
	 * /sys and /etc trees.
	 */
	const char *root;
	bool can_run; /* a guest can be started at all */
	size_t count;
	struct doctor_item items[DOCTOR_MAX_ITEMS];
};

/* Adds a finding; the remedy is added with doctor_remedy. */
void doctor_add(struct doctor_report *report, const char *name,
		enum doctor_state state, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void doctor_remedy(struct doctor_report *report, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

/* The examinations; each adds its lines. */
void doctor_check_kvm(struct doctor_report *report);
void doctor_check_host(struct doctor_report *report);

/*
 * Examines this host and prints what was found, one line each or as JSON.
 * Returns whether a guest can run. Errors of @out are the caller's to check.
 */
bool doctor_run(FILE *out, bool json);

void doctor_print(FILE *out, const struct doctor_report *report);
void doctor_print_json(FILE *out, const struct doctor_report *report);

#endif
