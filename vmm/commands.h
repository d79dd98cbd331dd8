/*
 * The commands of hull and the way from a command line to an exit status. The
 * table below and those of the options are all that the help, the man page and
 * the completion are made from.
 */
#ifndef VMM_COMMANDS_H
#define VMM_COMMANDS_H

#include <stddef.h>

#include "vmm/options.h"

struct command {
	const char *name;
	const char *synopsis; /* what follows the name in a usage line */
	const char *help; /* one line */
	const char *man; /* sentences */
	const struct option_table *options; /* or NULL: takes arguments */
	const char *const *words; /* the argument's values, or NULL */
	/* @argv are the arguments behind the name; an exit status. */
	int (*run)(int argc, char *const argv[]);
};

extern const struct command commands[];
extern const size_t command_count;

/* All of hull: what main returns. */
int commands_main(int argc, char *const argv[]);

#endif
