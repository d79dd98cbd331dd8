/*
 * Filters of system calls. libseccomp turns a profile (the terms of
 * runtime-spec 1.2, config-linux.md "Seccomp") into a program; that takes
 * longer than all else of a start, so programs are kept in files that hold the
 * profile they were made of, too, and are used only for exactly that one.
 *
 * In the parent: these functions allocate. The program itself is loaded by the
 * child with filter_load.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct filter_argument {
	unsigned int index; /* 0 to 5 */
	uint64_t value;
	uint64_t value_two;
	const char *operator; /* "SCMP_CMP_EQ"; borrowed */
};

struct filter_rule {
	const char **names; /* owned array of borrowed names */
	size_t name_count;
	const char *action; /* "SCMP_ACT_ALLOW"; borrowed */
	unsigned int error; /* of SCMP_ACT_ERRNO and SCMP_ACT_TRACE */
	struct filter_argument *arguments; /* owned */
	size_t argument_count;
};

struct filter_profile {
	const char *default_action; /* borrowed */
	unsigned int default_error;
	const char **architectures; /* owned array of borrowed names */
	size_t architecture_count;
	const char **flags;
	size_t flag_count;
	struct filter_rule *rules; /* owned */
	size_t rule_count;
};

struct filter_program {
	void *code; /* owned; 8 bytes for an instruction */
	unsigned short len; /* in instructions */
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* */
};

/* Whether the names are known, for the reader of the configuration. */
bool filter_knows_action(const char *name);
bool filter_knows_operator(const char *name);
bool filter_knows_architecture(const char *name);
bool filter_knows_flag(const char *name);

/* Lists for `features`; NULL behind the last. */
const char *filter_action_name(size_t index);
const char *filter_operator_name(size_t index);
const char *filter_architecture_name(size_t index);
const char *filter_flag_name(size_t index);

/*
 * The program for the profile. @cache is a folder for kept programs that only
 * we can write to, or -1. Names of system calls that are not known are left
 * out, as the specification's users expect.
 */
int filter_compile(const struct filter_profile *profile, int cache,
		   struct filter_program *ret_program, struct err *err);

/* The code as libseccomp writes it, neither shortened nor kept. */
int filter_build(const struct filter_profile *profile,
		 struct filter_program *ret_program, struct err *err);
void filter_release(struct filter_program *program);

/* From here on the process is filtered. Nothing allocates. */
int filter_load(const struct filter_program *program, struct err *err);

/* The same; returns the descriptor that an agent for the calls with
 * SCMP_ACT_NOTIFY answers on (seccomp_unotify(2)), or -errno. */
int filter_load_listener(const struct filter_program *program);

#endif
