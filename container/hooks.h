/*
 * The hooks of runtime-spec 1.2, config.md "POSIX-platform Hooks": programs
 * that get the container's state on standard input. Nothing allocates, so a
 * container's child may run them, too.
 */
#ifndef CONTAINER_HOOKS_H
#define CONTAINER_HOOKS_H

#include "container/config.h"

/* Runs them in order to the first that fails: -errno and a sentence. @state is
 * the JSON text. */
int hooks_run(const struct config *config, enum hook_kind kind,
	      const char *state, struct err *err);

#endif
