/*
 * `hull matrix`: a table of boots, each a `hull run` of its own, so many at a
 * time, and one report of all. docs/ci.md describes the file. Main thread; the
 * process has no other.
 */
#ifndef VMM_MATRIX_H
#define VMM_MATRIX_H

#include "vmm/options.h"

struct matrix_config {
	unsigned int jobs; /* at a time; 0: one for each CPU */
	char *output; /* path of a folder */
	bool help;
};

extern const struct option_table matrix_options;

/* Runs the table in the file @path; an exit status. */
int matrix_run(const char *path, const struct matrix_config *config);

#endif
