/*
 * The command line: options and arguments of one verb, from a table that is
 * its help, too. "--name value", "--name=value", "-n value"; options end at
 * "--" or at the first argument. One thread.
 */
#ifndef CONTAINER_ARGS_H
#define CONTAINER_ARGS_H

#include "core/err.h"

enum arg_type {
	ARG_FLAG, /* bool */
	ARG_TEXT, /* const char * */
	ARG_COUNT, /* unsigned int */
	ARG_LIST, /* struct arg_list *, may be given several times */
};

#define ARG_LIST_MAX 64

struct arg_list {
	const char *items[ARG_LIST_MAX];
	size_t count;
};

struct arg_option {
	const char *name; /* without the dashes */
	char letter; /* or 0 */
	enum arg_type type;
	void *value; /* what it sets */
	const char *help;
};

/* What a table of options ends with. */
#define ARGS_END                              \
	{                                     \
		NULL, 0, ARG_FLAG, NULL, NULL \
	}

struct args {
	char **at; /* what is left; NULL-terminated */
	int count;
};

/* Takes the options in front; -EINVAL with a sentence. @options ends with a
 * NULL name. With @mixed options may also stand behind arguments. */
int args_options(struct args *args, const struct arg_option *options,
		 bool mixed, struct err *err);

/* The next argument; @what it is called in the error when there is none. */
int args_next(struct args *args, const char *what, const char **ret_text,
	      struct err *err);

/* The same, and nothing may be left behind it. */
int args_last(struct args *args, const char *what, const char **ret_text,
	      struct err *err);

/* Nothing may be left. */
int args_end(const struct args *args, struct err *err);

/* One table is help, manual and completion. */
enum args_form {
	ARGS_HELP, /* a line for each option */
	ARGS_MDOC, /* a list of mdoc(7) */
	ARGS_WORDS, /* the names, with dashes, in one line */
};

void args_print_options(const struct arg_option *options, enum args_form form);

#endif
