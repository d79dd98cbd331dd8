/*
 * What a run leaves for programs: the JSON of --result and the JUnit of
 * --junit. docs/ci.md describes both. Main thread.
 */
#ifndef VMM_RESULT_H
#define VMM_RESULT_H

#include <stdint.h>
#include <time.h>

#include "core/err.h"
#include "vmm/config.h"
#include "vmm/console_watch.h"
#include "vmm/verdict.h"

/* The version of the JSON's format; it grows when a key changes its meaning or
 * goes away, not when one is added. */
#define RESULT_VERSION 1

/* All borrowed. */
struct result {
	const struct vm_config *config;
	const struct verdict *verdict;
	const struct console_watch *watch;
	bool is_over; /* else it is about a run that has begun */
	struct timespec start; /* CLOCK_REALTIME */
	int64_t first_instruction_ns; /* since then; -1: never */
	int64_t end_ns;
};

/* The files that the configuration asks for. */
int result_write(const struct result *result, struct err *err);

/* What the run is called: --name, else the kernel's file name. */
const char *result_name(const struct vm_config *config);

/* The texts of the two; the caller's (free). NULL without memory. */
char *result_json(const struct result *result);
char *result_junit(const struct result *result);

#endif
