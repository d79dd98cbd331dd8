/*
 * What every verb is given: the options in front of it. One thread.
 */
#ifndef CONTAINER_CONTEXT_H
#define CONTAINER_CONTEXT_H

#include <limits.h>

#include "core/err.h"

struct context {
	const char *root; /* the folder of all containers; NULL: not told */
	int root_fd; /* owned; -1 until context_open_root */
	const char *store; /* the folder of what was launched, see home.h */
	const char *log; /* or NULL: standard error */
	bool log_json;
	bool debug;
	bool vm; /* create and run: in a VM */
	bool systemd; /* makes the cgroups, see sandbox/scope.h */
	char **argv; /* of the process */
	int self_mount; /* see selfexe.h */
	char root_buf[128];
	char store_buf[PATH_MAX];
	/*
	 * The failure is about the program that was to be run in the
	 * container. Engines tell "not found" and "not executable" by words in
	 * the message, so no other message may have them; see report.h.
	 */
	bool payload_failed;
	int status; /* what the process ends with, when all went well */
};

/* Opens the folder of all containers, making it when it is missing. */
int context_open_root(struct context *context, struct err *err);

#endif
