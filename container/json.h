/*
 * Reading JSON strictly: each getter checks the type and the range, and the
 * error names the element by its path, "linux.resources.memory.limit". What is
 * not asked for is ignored, as the runtime specification wants it (runtime-spec
 * 1.2, config.md "Extensibility").
 *
 * A node is a value and how it was reached; nodes live on the stack, the tree
 * is owned by whoever loaded it. Getters of members leave their output alone
 * when the member is missing or null, and return 1 when it was there, 0 when
 * not, -errno with a sentence when it is wrong.
 */
#ifndef CONTAINER_JSON_H
#define CONTAINER_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "core/err.h"

struct jnode {
	json_t *value; /* borrowed */
	const struct jnode *up; /* NULL at the root */
	const char *key; /* in an object */
	size_t index; /* in an array, when key is NULL */
};

/* Parses @text; @name is for errors ("config.json"). The caller decrefs. */
json_t *json_parse(const char *text, size_t len, const char *name,
		   struct err *err);

/* Reads and parses a file of at most 16 MiB. */
json_t *json_load_path(int dir, const char *path, struct err *err);

/* A file's bytes and a zero behind them; the caller frees. */
int json_read_text(int dir, const char *path, char **ret_text, size_t *ret_len,
		   struct err *err);

/* Prints JSON (JSON_COMPACT or JSON_INDENT of jansson) and a line end. Takes
 * @tree over. */
int json_print(json_t *tree, size_t flags, struct err *err);

/* Sets "PATH: sentence". Returns -EINVAL. */
int json_wrong(const struct jnode *node, struct err *err, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* The path alone, "mounts[2].type". */
void json_path(const struct jnode *node, char *buf, size_t size);

int json_object_at(const struct jnode *up, const char *key,
		   struct jnode *ret_node, struct err *err);
int json_array_at(const struct jnode *up, const char *key,
		  struct jnode *ret_node, struct err *err);
int json_string_at(const struct jnode *up, const char *key,
		   const char **ret_text, struct err *err);
int json_bool_at(const struct jnode *up, const char *key, bool *ret_value,
		 struct err *err);
int json_i64_at(const struct jnode *up, const char *key, int64_t min,
		int64_t max, int64_t *ret_value, struct err *err);
/* Up to 2^64 - 1. */
int json_u64_at(const struct jnode *up, const char *key, uint64_t max,
		uint64_t *ret_value, struct err *err);

/* The member must be there and not be empty. */
int json_need_string(const struct jnode *up, const char *key,
		     const char **ret_text, struct err *err);

/* Element @index of an array. */
struct jnode json_element(const struct jnode *array, size_t index);

/* The element is an object, or it is wrong. */
int json_is_object_node(const struct jnode *node, struct err *err);

/* An array of strings, NULL-terminated, at the member; the caller frees the
 * array, the tree owns the strings. */
int json_strings_at(const struct jnode *up, const char *key,
		    const char ***ret_list, size_t *ret_count, struct err *err);

#endif
