/*
 * The engine behind every option: one table says what an option is called,
 * what it takes and where its value goes, and the command line, the JSON file,
 * the help, the man page and the shell completion are all made from it.
 *
 * An option may be structured: a group of sub-options written
 * `--memory 512M,hugepages=2M` on the command line and
 * `"memory": {"size": "512M", "hugepages": "2M"}` in JSON. It may also be a
 * list: given several times on the command line, an array in JSON. Both forms
 * go through the same setters; groups do not nest.
 *
 * Tables are constant data. Main thread.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum option_type {
	OPTION_FLAG, /* bool; takes no value on the command line */
	OPTION_BOOL, /* bool; on|off */
	OPTION_UINT, /* unsigned int */
	OPTION_SIZE, /* uint64_t, bytes; a plain number counts ->unit */
	OPTION_DURATION, /* uint64_t, milliseconds; plain: seconds */
	OPTION_ENUM, /* int or uint64_t, one of ->values */
	OPTION_STRING, /* char *, owned by the target */
	OPTION_PATH, /* as OPTION_STRING; the shell completes files */
	OPTION_GROUP, /* sub-options of ->group */
	OPTION_TAG, /* only in a group: a choice that takes no value */
};

enum option_flag {
	OPTION_POSITIONAL = 1 << 0, /* in a group: the first item, unnamed */
	OPTION_REQUIRED = 1 << 1, /* in a group: must be there */
	OPTION_MAY_BE_EMPTY = 1 << 2,
	OPTION_NOT_IN_JSON = 1 << 3, /* an action of the command line */
	OPTION_NOT_ZERO = 1 << 4, /* in a group: only left out it may be 0 */
};

struct option_value {
	const char *name;
	uint64_t value;
};

struct option_group;

struct option {
	const char *name; /* without dashes; also the JSON key */
	enum option_type type;
	unsigned int flags; /* enum option_flag */
	size_t offset; /* of the field in the target or the list's element */
	size_t width; /* of the field in bytes */
	uint64_t unit; /* OPTION_SIZE */
	const struct option_value *values; /* OPTION_ENUM; ends at no name */
	const struct option_group *group; /* OPTION_GROUP */
	/* In a group with a choice: what choosing this one stores; else -1. */
	int tag;
	/* A list: `offset` is that of the first element of an inline array. */
	unsigned int list_max; /* 0: not a list */
	size_t list_stride;
	size_t list_count_offset; /* of an unsigned int in the target */
	/* Words. */
	const char *section; /* heading in the help; top level only */
	const char *metavar; /* NULL: made from the type */
	/* Parsed as if given, or NULL. A group without one is there when its
	 * first sub-option is, which is then one with a name or a path. */
	const char *default_text;
	const char *help; /* one line */
	const char *man; /* more sentences for the man page, or NULL */
};

/* Fills offset and width from a member. */
#define OPTION_FIELD(type, member)        \
	.offset = offsetof(type, member), \
	.width = sizeof(((type *)NULL)->member)

struct option_group {
	const struct option *options;
	size_t count;
	/*
	 * With a choice, exactly one of the sub-options whose tag is not -1 is
	 * given, and its tag is stored in the int at this offset.
	 */
	bool has_choice;
	size_t tag_offset;
};

struct option_table {
	const struct option *options;
	size_t count;
};

/* One option as found on the command line; nothing is copied. */
struct option_arg {
	const struct option *option;
	const char *text; /* NULL for a flag */
};

struct option_args {
	struct option_arg *items; /* owned */
	size_t count;
};

/* NULL when there is none of that name. */
const struct option *option_find(const struct option *options, size_t count,
				 const char *name, size_t name_len);

/*
 * The candidate that a misspelt @name most likely means, or NULL when none is
 * near. @candidates ends at NULL.
 */
const char *option_nearest(const char *name, const char *const *candidates);

/* Stores every default of the table; @target is all zeroes before. */
void options_init(const struct option_table *table, void *target);

/* Frees every string that the table knows of and zeroes the fields. */
void options_release(const struct option_table *table, void *target);

/*
 * Splits a command line into options and their texts, without storing
 * anything: unknown, doubled and incomplete options are found here. @argv
 * holds arguments only, no program name, and must outlive @ret_args.
 * -EINVAL with a sentence.
 */
int options_parse(const struct option_table *table, int argc,
		  char *const argv[], struct option_args *ret_args,
		  struct err *err);
void option_args_release(struct option_args *args);

/* The text of the last @name, "" for a flag, NULL when it was not given. */
const char *option_args_get(const struct option_args *args, const char *name);

/*
 * Stores parsed arguments. An argument replaces what the target held, the
 * whole group or the whole list included. On failure the target is partly
 * changed and still releasable.
 */
int options_apply(const struct option_table *table, void *target,
		  const struct option_args *args, struct err *err);

/*
 * The steps below are what other sources of configuration use. All of them
 * store into @base, which is the target for a plain option and what
 * option_list_append gave for a list.
 */

/* Stores one value as the command line writes it. NULL text: a flag. */
int option_set_text(const struct option *option, void *base, const char *text,
		    struct err *err);

/* Stores one scalar; the sentence does not name the option. */
int option_set_scalar(const struct option *option, void *base, const char *text,
		      struct err *err);

/* A group, key by key. Begin stores the defaults over the old values. */
struct option_group_state {
	const struct option *option; /* borrowed: the group */
	void *base; /* borrowed */
	uint64_t seen; /* a bit for each sub-option */
	const struct option *chosen; /* of the choice */
};

void option_group_begin(struct option_group_state *state,
			const struct option *option, void *base);
int option_group_set(struct option_group_state *state, const struct option *sub,
		     const char *text, struct err *err);
int option_group_end(const struct option_group_state *state, struct err *err);

/* Empties a list, or adds an element, yet to be set, and gives its base. */
void option_list_clear(const struct option *option, void *target);
int option_list_append(const struct option *option, void *target,
		       void **ret_base, struct err *err);
unsigned int option_list_count(const struct option *option, const void *target);
void *option_list_at(const struct option *option, void *target,
		     unsigned int index);

/* -EINVAL with "unknown ... NAME; did you mean ...?" */
int option_unknown_key(const struct option_group *group, const char *name,
		       struct err *err);

/* Reading back, for whoever prints a configuration. */

/* False for what was never given and has no default. */
bool option_is_set(const struct option *option, const struct option_group *in,
		   const void *base);

/* The value of anything but a string, as a number. */
uint64_t option_get_number(const struct option *option, const void *base);
const char *option_get_string(const struct option *option, const void *base);

/* The name of an OPTION_ENUM's value, or NULL. */
const char *option_get_enum(const struct option *option, const void *base);

/* "256M", "1500ms": the shortest text that parses back. */
void option_format_size(uint64_t bytes, char *buf, size_t size);
void option_format_duration(uint64_t ms, char *buf, size_t size);

/*
 * What stands behind the option's name in help texts: "SIZE[,hugepages=2M|1G]";
 * empty for a flag.
 */
void option_metavar(const struct option *option, char *buf, size_t size);

/* A sub-option as it is written: "hugepages=2M|1G", "SIZE". */
void option_sub_metavar(const struct option *sub, char *buf, size_t size);

/* Too many sub-options for the metavar to name each: "FILE[,KEY=VALUE]...". */
bool option_group_is_long(const struct option_group *group);

#endif
