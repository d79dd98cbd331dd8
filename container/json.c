#include "container/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/parse.h"

#define MAX_BYTES    (16 * MIB)
#define MAX_DEPTH    32
/* How numbers beyond a signed 64-bit are carried, see quote_large. */
#define LARGE	     "u64:"
#define LARGE_DIGITS 19

/* ---- loading ---- */

int json_read_text(int dir, const char *path, char **ret_text, size_t *ret_len,
		   struct err *err)
{
	autoclose int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	autofree char *text = NULL;
	size_t room = 64 * KIB;
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	while (n) {
		if (!text || len + 1 == room) {
			char *more = realloc(text, text ? room *= 2 : room);

			if (!more)
				return err_sys(err, ENOMEM, "%s", path);
			text = more;
		}
		n = read(fd, text + len, room - len - 1);
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "cannot read %s", path);
		len += n > 0 ? (size_t)n : 0;
		if (len > MAX_BYTES)
			return err_set(err, EFBIG, "%s is larger than 16 MiB",
				       path);
	}
	text[len] = '\0';
	*ret_text = move_ptr(&text);
	*ret_len = len;
	return 0;
}

/* The text need not end with a zero. */
static size_t number_length(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] && strchr("0123456789.eE+-", text[n]))
		n++;
	return n;
}

/*
 * The parser's integers are signed, and resource limits are not: "no limit" is
 * 2^64 - 1. Numbers of that size are turned into marked strings, on a copy.
 */
static char *quote_large(const char *text, size_t len, size_t *ret_len)
{
	/* A mark and two quotes for every 19 digits at most. */
	size_t room = len + (len / LARGE_DIGITS + 1) * sizeof(LARGE "\"\"");
	char *out = malloc(room);
	FILE *stream = out ? fmemopen(out, room, "w") : NULL;
	bool in_string = false;
	size_t step;

	for (size_t i = 0; stream && i < len; i += step) {
		step = 1;
		if (in_string && text[i] == '\\' && i + 1 < len) {
			step = 2;
		} else if (text[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && isdigit((unsigned char)text[i])) {
			step = number_length(text + i, len - i);
			if (step >= LARGE_DIGITS) {
				fprintf(stream, "\"" LARGE "%.*s\"", (int)step,
					text + i);
				continue;
			}
		}
		fprintf(stream, "%.*s", (int)step, text + i);
	}
	if (!stream) {
		free(out);
		return NULL;
	}
	*ret_len = (size_t)ftell(stream);
	fclose(stream);
	return out;
}

json_t *json_parse(const char *text, size_t len, const char *name,
		   struct err *err)
{
	autofree char *quoted = NULL;
	json_error_t error;
	json_t *tree;

	tree = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!tree && json_error_code(&error) == json_error_numeric_overflow) {
		quoted = quote_large(text, len, &len);
		if (quoted)
			tree = json_loadb(quoted, len, JSON_REJECT_DUPLICATES,
					  &error);
	}
	if (!tree)
		err_set(err, EINVAL, "%s:%d:%d: not valid JSON: %s", name,
			error.line, error.column, error.text);
	else if (!json_is_object(tree)) {
		err_set(err, EINVAL, "%s: not a JSON object", name);
		json_decref(tree);
		tree = NULL;
	}
	return tree;
}

json_t *json_load_path(int dir, const char *path, struct err *err)
{
	autofree char *text = NULL;
	size_t len = 0;

	if (json_read_text(dir, path, &text, &len, err))
		return NULL;
	return json_parse(text, len, path, err);
}

/* ---- places ---- */

void json_path(const struct jnode *node, char *buf, size_t size)
{
	const struct jnode *chain[MAX_DEPTH] = { NULL };
	size_t depth = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (; node && node->up && depth < MAX_DEPTH; node = node->up)
		chain[depth++] = node;
	while (depth-- > 0 && used < size) {
		const struct jnode *at = chain[depth];
		int n = at->key ? snprintf(buf + used, size - used, "%s%s",
					   used ? "." : "", at->key) :
				  snprintf(buf + used, size - used, "[%zu]",
					   at->index);

		used += n > 0 ? (size_t)n : 0;
	}
}

int json_print(json_t *tree, size_t flags, struct err *err)
{
	autofree char *text = tree ? json_dumps(tree, flags) : NULL;

	json_decref(tree);
	if (!text)
		return err_set(err, ENOMEM, "no memory");
	if (printf("%s\n", text) < 0 || fflush(stdout))
		return err_sys(err, errno, "cannot write");
	return 0;
}

int json_wrong(const struct jnode *node, struct err *err, const char *fmt, ...)
{
	char path[256];
	char text[256];
	va_list args;

	json_path(node, path, sizeof(path));
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(err, EINVAL, "%s: %s", *path ? path : "the document",
		       text);
}

static const char *type_name(const json_t *value)
{
	if (json_is_string(value) &&
	    !strncmp(json_string_value(value), LARGE, strlen(LARGE)))
		return "a number too large";
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int wrong_type(const struct jnode *node, const char *expected,
		      struct err *err)
{
	return json_wrong(node, err, "expected %s, found %s", expected,
			  type_name(node->value));
}

/* ---- members ---- */

/* False when the member is missing or null. */
static bool member(const struct jnode *up, const char *key,
		   struct jnode *ret_node)
{
	json_t *value = json_object_get(up->value, key);

	*ret_node = (struct jnode){ .value = value, .up = up, .key = key };
	return value && !json_is_null(value);
}

int json_object_at(const struct jnode *up, const char *key,
		   struct jnode *ret_node, struct err *err)
{
	if (!member(up, key, ret_node))
		return 0;
	if (!json_is_object(ret_node->value))
		return wrong_type(ret_node, "an object", err);
	return 1;
}

int json_array_at(const struct jnode *up, const char *key,
		  struct jnode *ret_node, struct err *err)
{
	if (!member(up, key, ret_node))
		return 0;
	if (!json_is_array(ret_node->value))
		return wrong_type(ret_node, "an array", err);
	return 1;
}

int json_string_at(const struct jnode *up, const char *key,
		   const char **ret_text, struct err *err)
{
	struct jnode node;

	if (!member(up, key, &node))
		return 0;
	if (!json_is_string(node.value))
		return wrong_type(&node, "a string", err);
	*ret_text = json_string_value(node.value);
	return 1;
}

int json_need_string(const struct jnode *up, const char *key,
		     const char **ret_text, struct err *err)
{
	struct jnode node;
	int rc = json_string_at(up, key, ret_text, err);

	if (rc < 0)
		return rc;
	member(up, key, &node);
	if (rc == 0)
		return json_wrong(&node, err, "it is missing");
	if (!**ret_text)
		return json_wrong(&node, err, "it is empty");
	return 1;
}

int json_bool_at(const struct jnode *up, const char *key, bool *ret_value,
		 struct err *err)
{
	struct jnode node;

	if (!member(up, key, &node))
		return 0;
	if (!json_is_boolean(node.value))
		return wrong_type(&node, "true or false", err);
	*ret_value = json_is_true(node.value);
	return 1;
}

int json_i64_at(const struct jnode *up, const char *key, int64_t min,
		int64_t max, int64_t *ret_value, struct err *err)
{
	struct jnode node;
	int64_t value;

	if (!member(up, key, &node))
		return 0;
	if (!json_is_integer(node.value))
		return wrong_type(&node, "a number", err);
	value = json_integer_value(node.value);
	if (value < min || value > max)
		return json_wrong(&node, err,
				  "%" PRId64 " is not from %" PRId64
				  " to %" PRId64,
				  value, min, max);
	*ret_value = value;
	return 1;
}

int json_u64_at(const struct jnode *up, const char *key, uint64_t max,
		uint64_t *ret_value, struct err *err)
{
	const char *text;
	struct jnode node;
	uint64_t value;

	if (!member(up, key, &node))
		return 0;
	text = json_string_value(node.value);
	if (json_is_integer(node.value) && json_integer_value(node.value) >= 0)
		value = (uint64_t)json_integer_value(node.value);
	else if (json_is_integer(node.value))
		return json_wrong(&node, err, "it may not be negative");
	else if (!text || strncmp(text, LARGE, strlen(LARGE)) != 0 ||
		 parse_u64(text + strlen(LARGE), &value))
		return wrong_type(&node, "a number", err);
	if (value > max)
		return json_wrong(&node, err,
				  "%" PRIu64 " is more than %" PRIu64, value,
				  max);
	*ret_value = value;
	return 1;
}

struct jnode json_element(const struct jnode *array, size_t index)
{
	return (struct jnode){
		.value = json_array_get(array->value, index),
		.up = array,
		.index = index,
	};
}

int json_is_object_node(const struct jnode *node, struct err *err)
{
	return json_is_object(node->value) ? 0 :
					     wrong_type(node, "an object", err);
}

int json_strings_at(const struct jnode *up, const char *key,
		    const char ***ret_list, size_t *ret_count, struct err *err)
{
	autofree const char **list = NULL;
	struct jnode array;
	size_t count;
	int rc = json_array_at(up, key, &array, err);

	if (rc <= 0)
		return rc;
	count = json_array_size(array.value);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return err_sys(err, ENOMEM, "%s", key);
	for (size_t i = 0; i < count; i++) {
		struct jnode element = json_element(&array, i);

		if (!json_is_string(element.value))
			return wrong_type(&element, "a string", err);
		list[i] = json_string_value(element.value);
	}
	free(*ret_list);
	*ret_list = move_ptr(&list);
	*ret_count = count;
	return 1;
}
