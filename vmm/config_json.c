/*
 * JSON to and from a configuration, through the option table. Every scalar
 * becomes the text that the command line would have carried, after its type
 * was checked, and goes through the same setter.
 */
#include "vmm/config_json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "vmm/json_place.h"

/* What the errors need to name a place. */
struct source {
	const char *file;
	const char *text;
	size_t len;
};

static const char *type_name(const json_t *value)
{
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
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		break;
	}
	return "null";
}

/* Puts "file:line:column: " before the sentence, for the key at @path. */
static int at_place(const struct source *source, const char *path,
		    struct err *err)
{
	unsigned int line;
	unsigned int column;
	size_t offset;

	if (!json_place_find(source->text, source->len, path, &offset))
		return err_prefix(err, "%s", source->file);
	json_place_line(source->text, offset, &line, &column);
	return err_prefix(err, "%s:%u:%u", source->file, line, column);
}

/* ---- reading ---- */

static const char *expected_type(const struct option *option)
{
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_BOOL:
		return "true or false";
	case OPTION_TAG:
		return "true";
	case OPTION_UINT:
		return "a number";
	case OPTION_SIZE:
	case OPTION_DURATION:
		return "a number or a string";
	case OPTION_GROUP:
		return "an object or a string";
	case OPTION_ENUM:
	case OPTION_STRING:
	case OPTION_PATH:
		break;
	}
	return "a string";
}

/*
 * The text of a scalar as the command line has it, in @buf or in the tree.
 * NULL when the type does not fit the option.
 */
static const char *scalar_text(const struct option *option, const json_t *value,
			       char *buf, size_t size)
{
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_BOOL:
		if (!json_is_boolean(value))
			return NULL;
		return json_is_true(value) ? "on" : "off";
	case OPTION_SIZE:
	case OPTION_DURATION:
		if (json_is_string(value))
			return json_string_value(value);
		break;
	case OPTION_UINT:
		break;
	case OPTION_ENUM:
	case OPTION_STRING:
	case OPTION_PATH:
		return json_string_value(value);
	case OPTION_TAG:
	case OPTION_GROUP:
		return NULL;
	}
	if (!json_is_integer(value))
		return NULL;
	snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buf;
}

static int wrong_type(const struct option *option, const json_t *value,
		      struct err *err)
{
	return err_set(err, EINVAL, "expected %s, found %s",
		       expected_type(option), type_name(value));
}

/* One key of a group. */
static int set_member(struct option_group_state *state, const char *key,
		      const json_t *value, struct err *err)
{
	const struct option_group *group = state->option->group;
	const struct option *sub =
		option_find(group->options, group->count, key, strlen(key));
	const char *text = NULL;
	char buf[32];

	if (!sub)
		return option_unknown_key(group, key, err);
	if (sub->type == OPTION_TAG) {
		if (!json_is_true(value)) {
			wrong_type(sub, value, err);
			return err_prefix(err, "%s", key);
		}
	} else {
		text = scalar_text(sub, value, buf, sizeof(buf));
		if (!text) {
			wrong_type(sub, value, err);
			return err_prefix(err, "%s", key);
		}
	}
	return option_group_set(state, sub, text, err);
}

static int set_group(const struct source *source, const struct option *option,
		     void *base, const char *path, json_t *object,
		     struct err *err)
{
	struct option_group_state state;
	char member[200];
	const char *key;
	json_t *value;
	int rc;

	option_group_begin(&state, option, base);
	json_object_foreach(object, key, value)
	{
		rc = set_member(&state, key, value, err);
		if (rc) {
			err_prefix(err, "%s", path);
			snprintf(member, sizeof(member), "%s.%s", path, key);
			return at_place(source, member, err);
		}
	}
	rc = option_group_end(&state, err);
	if (rc) {
		err_prefix(err, "%s", path);
		return at_place(source, path, err);
	}
	return 0;
}

/* A plain option, or one element of a list. */
static int set_one(const struct source *source, const struct option *option,
		   void *base, const char *path, json_t *value, struct err *err)
{
	const char *text;
	char buf[32];
	int rc;

	if (option->type == OPTION_GROUP) {
		if (json_is_object(value))
			return set_group(source, option, base, path, value,
					 err);
		text = json_string_value(value);
	} else {
		text = scalar_text(option, value, buf, sizeof(buf));
	}
	if (text)
		rc = option_set_text(option, base, text, err);
	else
		rc = wrong_type(option, value, err);
	if (!rc)
		return 0;
	err_prefix(err, "%s", path);
	return at_place(source, path, err);
}

static int set_list(const struct source *source, const struct option *option,
		    void *target, json_t *array, struct err *err)
{
	char path[64];
	void *base;
	int rc;

	if (!json_is_array(array)) {
		err_set(err, EINVAL, "%s: expected an array, found %s",
			option->name, type_name(array));
		return at_place(source, option->name, err);
	}
	option_list_clear(option, target);
	for (size_t i = 0; i < json_array_size(array); i++) {
		snprintf(path, sizeof(path), "%s[%zu]", option->name, i);
		rc = option_list_append(option, target, &base, err);
		if (rc) {
			err_prefix(err, "%s", option->name);
			return at_place(source, path, err);
		}
		rc = set_one(source, option, base, path,
			     json_array_get(array, i), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int unknown_top_key(const struct source *source,
			   const struct option_table *table, const char *key,
			   struct err *err)
{
	const struct option_group as_group = { .options = table->options,
					       .count = table->count };

	option_unknown_key(&as_group, key, err);
	return at_place(source, key, err);
}

static int set_tree(const struct source *source,
		    const struct option_table *table, void *target,
		    json_t *tree, struct err *err)
{
	const struct option *option;
	const char *key;
	json_t *value;
	int rc;

	if (!json_is_object(tree)) {
		err_set(err, EINVAL, "expected an object, found %s",
			type_name(tree));
		return at_place(source, "", err);
	}
	json_object_foreach(tree, key, value)
	{
		option = option_find(table->options, table->count, key,
				     strlen(key));
		if (!option)
			return unknown_top_key(source, table, key, err);
		if (option->flags & OPTION_NOT_IN_JSON) {
			err_set(err, EINVAL,
				"\"%s\" can only be given on the command line",
				key);
			return at_place(source, key, err);
		}
		if (option->list_max)
			rc = set_list(source, option, target, value, err);
		else
			rc = set_one(source, option, target, key, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * The parser reports a doubled key by the offset behind its second one; the
 * sentence names the path and the place where it begins.
 */
static int doubled_key(const struct source *source, const json_error_t *json,
		       struct err *err)
{
	size_t end = json->position > 0 ? (size_t)json->position : 0;
	size_t start = end;
	unsigned int line;
	unsigned int column;
	char path[256];

	if (end > source->len || end < 2)
		return err_set(err, EINVAL, "%s:%d: a key is given twice",
			       source->file, json->line);
	/* Back over the closing quote to the opening, unescaped one. */
	start -= 1;
	do {
		start--;
		while (start > 0 && source->text[start] != '"')
			start--;
	} while (start > 0 && source->text[start - 1] == '\\');
	json_place_line(source->text, start, &line, &column);
	if (json_place_path(source->text, source->len, start, path,
			    sizeof(path)))
		return err_set(err, EINVAL,
			       "%s:%u:%u: the key \"%s\" is given twice",
			       source->file, line, column, path);
	return err_set(err, EINVAL, "%s:%u:%u: a key is given twice",
		       source->file, line, column);
}

static int syntax_error(const struct source *source, const json_error_t *json,
			struct err *err)
{
	if (json_error_code(json) == json_error_duplicate_key)
		return doubled_key(source, json, err);
	return err_set(err, EINVAL, "%s:%d:%d: not valid JSON: %s",
		       source->file, json->line, json->column, json->text);
}

int options_from_json(const struct option_table *table, void *target,
		      const char *file, const char *text, size_t text_len,
		      struct err *err)
{
	const struct source source = { .file = file,
				       .text = text,
				       .len = text_len };
	json_error_t json_err;
	json_t *tree;
	int rc;

	tree = json_loadb(text, text_len,
			  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &json_err);
	if (!tree)
		return syntax_error(&source, &json_err, err);
	rc = set_tree(&source, table, target, tree, err);
	json_decref(tree);
	return rc;
}

/* Reads all of @fd up to the limit; a pipe will do. */
static int read_all(int fd, const char *path, char **ret_text, size_t *ret_len,
		    struct err *err)
{
	autofree char *text = malloc(CONFIG_JSON_MAX_BYTES + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return err_sys(err, ENOMEM, "cannot read %s", path);
	do {
		n = read(fd, text + len, CONFIG_JSON_MAX_BYTES + 1 - len);
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "cannot read %s", path);
		len += n > 0 ? (size_t)n : 0;
	} while (n && len <= CONFIG_JSON_MAX_BYTES);
	if (len > CONFIG_JSON_MAX_BYTES)
		return err_set(
			err, EINVAL,
			"%s is larger than the 1 MiB that a configuration may have",
			path);
	*ret_text = move_ptr(&text);
	*ret_len = len;
	return 0;
}

int config_json_load(struct vm_config *config, const char *path,
		     struct err *err)
{
	autofree char *text = NULL;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	rc = read_all(fd, path, &text, &len, err);
	if (rc)
		return rc;
	return options_from_json(&config_options, config, path, text, len, err);
}

/* ---- writing ---- */

static json_t *scalar_to_json(const struct option *option, const void *base,
			      struct err *err)
{
	uint64_t number;
	const char *text = NULL;
	char buf[32];
	json_t *value;

	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_BOOL:
		return json_boolean(option_get_number(option, base));
	case OPTION_UINT:
		number = option_get_number(option, base);
		return json_integer((json_int_t)number);
	case OPTION_SIZE:
		option_format_size(option_get_number(option, base), buf,
				   sizeof(buf));
		text = buf;
		break;
	case OPTION_DURATION:
		option_format_duration(option_get_number(option, base), buf,
				       sizeof(buf));
		text = buf;
		break;
	case OPTION_ENUM:
		text = option_get_enum(option, base);
		break;
	case OPTION_STRING:
	case OPTION_PATH:
		text = option_get_string(option, base);
		break;
	case OPTION_TAG:
		return json_true();
	case OPTION_GROUP:
		break;
	}
	assert(text);
	value = json_string(text);
	if (!value)
		err_set(err, EINVAL,
			"--%s is not valid UTF-8 and cannot be written as JSON",
			option->name);
	return value;
}

static json_t *group_to_json(const struct option *option, const void *base,
			     struct err *err)
{
	const struct option_group *group = option->group;
	json_t *object = json_object();

	for (size_t i = 0; i < group->count && object; i++) {
		const struct option *sub = &group->options[i];
		json_t *value;

		if (!option_is_set(sub, group, base))
			continue;
		value = scalar_to_json(sub, base, err);
		if (!value || json_object_set_new(object, sub->name, value)) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *one_to_json(const struct option *option, const void *base,
			   struct err *err)
{
	if (option->type == OPTION_GROUP)
		return group_to_json(option, base, err);
	return scalar_to_json(option, base, err);
}

static json_t *list_to_json(const struct option *option, void *target,
			    struct err *err)
{
	unsigned int count = option_list_count(option, target);
	json_t *array = json_array();

	for (unsigned int i = 0; i < count && array; i++) {
		const void *base = option_list_at(option, target, i);
		json_t *value = one_to_json(option, base, err);

		if (!value || json_array_append_new(array, value)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static bool is_dumped(const struct option *option, const void *target)
{
	if (option->flags & OPTION_NOT_IN_JSON)
		return false;
	if (option->list_max)
		return option_list_count(option, target) > 0;
	return option_is_set(option, NULL, target);
}

int options_to_json(const struct option_table *table, void *target,
		    char **ret_text, struct err *err)
{
	json_t *tree = json_object();
	autofree char *text = NULL;

	/* In case it is memory that runs out, not a string that is wrong. */
	err_sys(err, ENOMEM, "cannot write the configuration");
	for (size_t i = 0; i < table->count && tree; i++) {
		const struct option *option = &table->options[i];
		json_t *value;

		if (!is_dumped(option, target))
			continue;
		value = option->list_max ? list_to_json(option, target, err) :
					   one_to_json(option, target, err);
		if (!value || json_object_set_new(tree, option->name, value))
			goto fail;
	}
	if (!tree)
		goto fail;
	text = json_dumps(tree, JSON_INDENT(2));
	if (!text || asprintf(ret_text, "%s\n", text) < 0)
		goto fail;
	json_decref(tree);
	return 0;
fail:
	json_decref(tree);
	return err ? -err->code : -EINVAL;
}
