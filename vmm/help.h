/*
 * Everything that is printed about the commands and their options, made from
 * the tables. Errors of @out are the caller's to check (ferror).
 */
#ifndef VMM_HELP_H
#define VMM_HELP_H

#include <stdio.h>

#include "vmm/commands.h"

/* `hull --help` and `hull COMMAND --help`. */
void help_print_commands(FILE *out, const struct command *list, size_t count);
void help_print_command(FILE *out, const struct command *command);

/* hull(1), in mdoc. */
void help_print_man(FILE *out, const struct command *list, size_t count);

/* A completion script for bash; works without the bash-completion package. */
void help_print_bash_completion(FILE *out, const struct command *list,
				size_t count);

#endif
