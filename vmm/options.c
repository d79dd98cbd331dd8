/*
 * The option engine, see options.h. Values flow one way: text -> setter ->
 * field. JSON turns its scalars into the same texts, so there is one parser of
 * each type and one sentence for each mistake.
 *
 * The printing side (option_is_set and below) lives in option_text.c.
 */
#include "vmm/options.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/parse.h"

#define MAX_NAME 48

static void *field(const struct option *option, void *base)
{
	return (char *)base + option->offset;
}

static bool is_string(const struct option *option)
{
	return option->type == OPTION_STRING || option->type == OPTION_PATH;
}

const struct option *option_find(const struct option *options, size_t count,
				 const char *name, size_t name_len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(options[i].name) == name_len &&
		    !memcmp(options[i].name, name, name_len))
			return &options[i];
	}
	return NULL;
}

/*
 * Edit distance with transpositions of neighbours (restricted
 * Damerau-Levenshtein), over three rows.
 */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][MAX_NAME + 1];
	size_t *before = rows[0];
	size_t *last = rows[1];
	size_t *row = rows[2];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > MAX_NAME || b_len > MAX_NAME)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = min_u64(best, last[j] + 1);
			best = min_u64(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				best = min_u64(best, before[j - 2] + 1);
			row[j] = best;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *option_nearest(const char *name, const char *const *candidates)
{
	size_t len = strlen(name);
	size_t best_distance = len < 3 ? 1 : 1 + len / 3;
	const char *best = NULL;

	for (; *candidates; candidates++) {
		size_t distance = edit_distance(name, *candidates);

		/* What was only begun, "mem", counts as one mistake. */
		if (len >= 2 && !strncmp(name, *candidates, len))
			distance = min_u64(distance, 1);
		if (distance < best_distance ||
		    (distance == best_distance && !best)) {
			best_distance = distance;
			best = *candidates;
		}
	}
	return best;
}

static const char *nearest_option(const struct option *options, size_t count,
				  const char *name)
{
	const char *names[65];
	size_t n = min_u64(count, ARRAY_SIZE(names) - 1);

	for (size_t i = 0; i < n; i++)
		names[i] = options[i].name;
	names[n] = NULL;
	return option_nearest(name, names);
}

int option_unknown_key(const struct option_group *group, const char *name,
		       struct err *err)
{
	const char *near = nearest_option(group->options, group->count, name);
	char list[120] = "";
	size_t used = 0;

	if (near)
		return err_set(err, EINVAL,
			       "unknown key \"%s\"; did you mean \"%s\"?", name,
			       near);
	for (size_t i = 0; i < group->count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%s%s", i ? ", " : "",
					 group->options[i].name);
	if (used >= sizeof(list)) /* too many to be of help */
		return err_set(err, EINVAL, "unknown key \"%s\"", name);
	return err_set(err, EINVAL, "unknown key \"%s\"; there are %s", name,
		       list);
}

static int set_string(const struct option *option, void *base, const char *text,
		      struct err *err)
{
	char **slot = field(option, base);
	char *copy = strdup(text);

	if (!copy)
		return err_sys(err, ENOMEM, "cannot store the value");
	free(*slot);
	*slot = copy;
	return 0;
}

static void set_number(const struct option *option, void *base, uint64_t value)
{
	void *to = field(option, base);
	unsigned int value32 = (unsigned int)value;
	bool value1 = value != 0;

	switch (option->width) {
	case sizeof(bool):
		memcpy(to, &value1, sizeof(value1));
		break;
	case sizeof(unsigned int):
		memcpy(to, &value32, sizeof(value32));
		break;
	default:
		assert(option->width == sizeof(uint64_t));
		memcpy(to, &value, sizeof(value));
	}
}

static int set_enum(const struct option *option, void *base, const char *text,
		    struct err *err)
{
	const struct option_value *value;
	char list[160];

	for (value = option->values; value->name; value++) {
		if (!strcmp(value->name, text)) {
			set_number(option, base, value->value);
			return 0;
		}
	}
	option_metavar(option, list, sizeof(list));
	return err_set(err, EINVAL, "\"%s\" is not one of %s", text, list);
}

static int number_error(int rc, const char *text, const char *what,
			struct err *err)
{
	if (rc == -ERANGE)
		return err_set(err, EINVAL, "\"%s\" is too large", text);
	return err_set(err, EINVAL, "\"%s\" is not %s", text, what);
}

static int set_size(const struct option *option, void *base, const char *text,
		    struct err *err)
{
	uint64_t value;
	int rc = parse_size(text, option->unit ? option->unit : 1, &value);

	if (rc)
		return number_error(rc, text, "a size, such as 512M or 4G",
				    err);
	set_number(option, base, value);
	return 0;
}

static int set_duration(const struct option *option, void *base,
			const char *text, struct err *err)
{
	uint64_t value;
	int rc = parse_duration_ms(text, &value);

	if (rc)
		return number_error(rc, text,
				    "a duration, such as 500ms or 60s", err);
	set_number(option, base, value);
	return 0;
}

static int set_uint(const struct option *option, void *base, const char *text,
		    struct err *err)
{
	uint64_t value;
	int rc = parse_u64(text, &value);

	if (!rc && value > UINT_MAX)
		rc = -ERANGE;
	if (rc)
		return number_error(rc, text, "a number", err);
	set_number(option, base, value);
	return 0;
}

static int set_bool(const struct option *option, void *base, const char *text,
		    struct err *err)
{
	int value;

	if (parse_bool(text, &value))
		return err_set(err, EINVAL, "\"%s\" is neither on nor off",
			       text);
	set_number(option, base, (uint64_t)value);
	return 0;
}

int option_set_scalar(const struct option *option, void *base, const char *text,
		      struct err *err)
{
	if (!*text && !(option->flags & OPTION_MAY_BE_EMPTY))
		return err_set(err, EINVAL, "the value is empty");
	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_BOOL:
		return set_bool(option, base, text, err);
	case OPTION_UINT:
		return set_uint(option, base, text, err);
	case OPTION_SIZE:
		return set_size(option, base, text, err);
	case OPTION_DURATION:
		return set_duration(option, base, text, err);
	case OPTION_ENUM:
		return set_enum(option, base, text, err);
	case OPTION_STRING:
	case OPTION_PATH:
		return set_string(option, base, text, err);
	case OPTION_TAG:
	case OPTION_GROUP:
		break;
	}
	/* A group in a group, or a tag with a value: the table is wrong. */
	assert(option->type != OPTION_TAG && option->type != OPTION_GROUP);
	return -EINVAL;
}

/* ---- groups ---- */

static void set_default(const struct option *option, void *base)
{
	struct err err = { 0 };

	if (is_string(option)) {
		char **slot = field(option, base);

		free(*slot);
		*slot = NULL;
	} else if (option->type != OPTION_TAG) {
		set_number(option, base, 0);
	}
	/* A default that does not parse is a mistake in the table. */
	if (option->default_text &&
	    option_set_scalar(option, base, option->default_text, &err))
		assert(err.code == ENOMEM);
}

void option_group_begin(struct option_group_state *state,
			const struct option *option, void *base)
{
	const struct option_group *group = option->group;

	assert(group->count <= 64);
	*state = (struct option_group_state){ .option = option, .base = base };
	for (size_t i = 0; i < group->count; i++)
		set_default(&group->options[i], base);
}

static void choose(struct option_group_state *state, const struct option *sub)
{
	const struct option_group *group = state->option->group;

	memcpy((char *)state->base + group->tag_offset, &sub->tag,
	       sizeof(sub->tag));
	state->chosen = sub;
}

int option_group_set(struct option_group_state *state, const struct option *sub,
		     const char *text, struct err *err)
{
	const struct option_group *group = state->option->group;
	uint64_t bit = (uint64_t)1 << (sub - group->options);
	int rc;

	if (state->seen & bit)
		return err_set(err, EINVAL, "\"%s\" is given twice", sub->name);
	state->seen |= bit;
	if (group->has_choice && sub->tag >= 0) {
		if (state->chosen)
			return err_set(err, EINVAL,
				       "\"%s\" and \"%s\" exclude each other",
				       state->chosen->name, sub->name);
		choose(state, sub);
	}
	if (sub->type == OPTION_TAG) {
		if (text)
			return err_set(err, EINVAL, "\"%s\" takes no value",
				       sub->name);
		return 0;
	}
	if (!text && sub->type != OPTION_BOOL && sub->type != OPTION_FLAG)
		return err_set(err, EINVAL, "\"%s\" needs a value", sub->name);
	rc = option_set_scalar(sub, state->base, text ? text : "on", err);
	if (!rc && (sub->flags & OPTION_NOT_ZERO) &&
	    !option_get_number(sub, state->base))
		rc = err_set(err, EINVAL, "it cannot be 0; leave it out");
	if (rc && !(sub->flags & OPTION_POSITIONAL))
		return err_prefix(err, "%s", sub->name);
	return rc;
}

int option_group_end(const struct option_group_state *state, struct err *err)
{
	const struct option_group *group = state->option->group;
	char list[160];

	for (size_t i = 0; i < group->count; i++) {
		const struct option *sub = &group->options[i];

		if ((sub->flags & OPTION_REQUIRED) &&
		    !(state->seen & ((uint64_t)1 << i)))
			return err_set(err, EINVAL, "\"%s\" is missing",
				       sub->name);
	}
	if (group->has_choice && !state->chosen) {
		option_metavar(state->option, list, sizeof(list));
		return err_set(err, EINVAL, "no kind is given; it takes %s",
			       list);
	}
	return 0;
}

/* One item between commas, in a buffer of ours that is cut up. */
static int set_item(struct option_group_state *state, char *item, bool is_first,
		    struct err *err)
{
	const struct option_group *group = state->option->group;
	const struct option *first = &group->options[0];
	const struct option *sub;
	char *equals = strchr(item, '=');
	size_t name_len = equals ? (size_t)(equals - item) : strlen(item);

	if (!*item)
		return err_set(
			err, EINVAL,
			"an item between commas is empty (a comma in a name is written ,,)");
	if (is_first && !equals && (first->flags & OPTION_POSITIONAL))
		return option_group_set(state, first, item, err);
	sub = option_find(group->options, group->count, item, name_len);
	if (!sub) {
		item[name_len] = '\0';
		return option_unknown_key(group, item, err);
	}
	return option_group_set(state, sub, equals ? equals + 1 : NULL, err);
}

/*
 * Ends the item that starts at @item at its comma, turning ",," into one
 * comma in place. Returns where the next item starts, or NULL.
 */
static char *cut_item(char *item)
{
	char *to = item;
	char *from = item;

	while (*from) {
		if (*from == ',') {
			from++;
			if (*from != ',') {
				*to = '\0';
				return from;
			}
		}
		*to++ = *from++;
	}
	*to = '\0';
	return NULL;
}

/* Cuts up @items on the way. */
static int set_items(struct option_group_state *state, char *items,
		     struct err *err)
{
	bool is_first = true;
	char *next;
	int rc;

	for (char *item = items; item; item = next) {
		next = cut_item(item);
		rc = set_item(state, item, is_first, err);
		if (rc)
			return rc;
		is_first = false;
	}
	return option_group_end(state, err);
}

static int set_group_text(const struct option *option, void *base,
			  const char *text, struct err *err)
{
	struct option_group_state state;
	char *copy = strdup(text);
	int rc;

	if (!copy)
		return err_sys(err, ENOMEM, "cannot store the value");
	option_group_begin(&state, option, base);
	rc = set_items(&state, copy, err);
	free(copy);
	return rc;
}

int option_set_text(const struct option *option, void *base, const char *text,
		    struct err *err)
{
	if (option->type == OPTION_GROUP) {
		if (!*text)
			return err_set(err, EINVAL, "the value is empty");
		return set_group_text(option, base, text, err);
	}
	return option_set_scalar(option, base, text ? text : "on", err);
}

/* ---- lists ---- */

static unsigned int *list_count(const struct option *option, void *target)
{
	return (unsigned int *)(void *)((char *)target +
					option->list_count_offset);
}

unsigned int option_list_count(const struct option *option, const void *target)
{
	unsigned int count;

	memcpy(&count, (const char *)target + option->list_count_offset,
	       sizeof(count));
	return count;
}

/*
 * Fields of a list's group are offsets into an element, those of a list of
 * scalars are at the option's own offset: so the base of element i is the
 * element for the one and i strides behind the target for the other.
 */
void *option_list_at(const struct option *option, void *target,
		     unsigned int index)
{
	char *base = (char *)target + (size_t)index * option->list_stride;

	return option->type == OPTION_GROUP ? base + option->offset : base;
}

int option_list_append(const struct option *option, void *target,
		       void **ret_base, struct err *err)
{
	unsigned int *count = list_count(option, target);

	if (*count >= option->list_max)
		return err_set(err, EINVAL, "there are more than %u",
			       option->list_max);
	*ret_base = option_list_at(option, target, *count);
	++*count;
	return 0;
}

static void release_one(const struct option *option, void *base)
{
	char **slot;

	if (option->type == OPTION_GROUP) {
		for (size_t i = 0; i < option->group->count; i++) {
			const struct option *sub = &option->group->options[i];

			if (!is_string(sub))
				continue;
			slot = field(sub, base);
			free(*slot);
			*slot = NULL;
		}
	} else if (is_string(option)) {
		slot = field(option, base);
		free(*slot);
		*slot = NULL;
	}
}

void option_list_clear(const struct option *option, void *target)
{
	unsigned int *count = list_count(option, target);

	for (unsigned int i = 0; i < *count; i++)
		release_one(option, option_list_at(option, target, i));
	*count = 0;
}

/* ---- whole tables ---- */

void options_init(const struct option_table *table, void *target)
{
	struct option_group_state state;
	struct err err = { 0 };

	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (option->list_max)
			continue;
		if (option->type != OPTION_GROUP) {
			set_default(option, target);
			continue;
		}
		if (!option->default_text)
			option_group_begin(&state, option, target);
		else if (option_set_text(option, target, option->default_text,
					 &err))
			assert(err.code == ENOMEM);
	}
}

void options_release(const struct option_table *table, void *target)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (option->list_max)
			option_list_clear(option, target);
		else
			release_one(option, target);
	}
}

static int unknown_option(const struct option_table *table, const char *name,
			  size_t name_len, struct err *err)
{
	char copy[MAX_NAME + 1];
	const char *near = NULL;

	if (name_len <= MAX_NAME) {
		memcpy(copy, name, name_len);
		copy[name_len] = '\0';
		near = nearest_option(table->options, table->count, copy);
	}
	if (near)
		return err_set(err, EINVAL,
			       "unknown option --%.*s; did you mean --%s?",
			       (int)min_u64(name_len, 200), name, near);
	return err_set(err, EINVAL, "unknown option --%.*s",
		       (int)min_u64(name_len, 200), name);
}

static bool was_given(const struct option_args *args,
		      const struct option *option)
{
	for (size_t i = 0; i < args->count; i++) {
		if (args->items[i].option == option)
			return true;
	}
	return false;
}

/* Is @text itself an option of the table, so that a value is missing? */
static bool is_known_option(const struct option_table *table, const char *text)
{
	if (strncmp(text, "--", 2) != 0)
		return false;
	return option_find(table->options, table->count, text + 2,
			   strcspn(text + 2, "=")) != NULL;
}

/* Takes the option at argv[0], and its value; returns how many, or -errno. */
static int parse_one(const struct option_table *table, int argc,
		     char *const argv[], struct option_args *args,
		     struct err *err)
{
	const char *name = argv[0] + 2;
	size_t name_len;
	const struct option *option;
	const char *text = NULL;
	char metavar[160];
	int used = 1;

	if (!strcmp(argv[0], "-h"))
		name = "help";
	else if (argv[0][0] == '-' && argv[0][1] && argv[0][1] != '-')
		return err_set(err, EINVAL,
			       "unknown option %s; options begin with --",
			       argv[0]);
	else if (strncmp(argv[0], "--", 2) != 0 || !argv[0][2])
		return err_set(err, EINVAL, "unexpected argument \"%s\"",
			       argv[0]);
	name_len = strcspn(name, "=");
	option = option_find(table->options, table->count, name, name_len);
	if (!option)
		return unknown_option(table, name, name_len, err);
	if (!option->list_max && was_given(args, option))
		return err_set(err, EINVAL, "--%s is given twice",
			       option->name);
	if (name[name_len])
		text = name + name_len + 1;
	if (option->type == OPTION_FLAG) {
		if (text)
			return err_set(err, EINVAL, "--%s takes no value",
				       option->name);
	} else if (!text) {
		option_metavar(option, metavar, sizeof(metavar));
		if (argc < 2 || is_known_option(table, argv[1]))
			return err_set(err, EINVAL, "--%s needs a value: %s",
				       option->name, metavar);
		text = argv[1];
		used = 2;
	}
	args->items[args->count++] =
		(struct option_arg){ .option = option, .text = text };
	return used;
}

int options_parse(const struct option_table *table, int argc,
		  char *const argv[], struct option_args *ret_args,
		  struct err *err)
{
	struct option_args args = { 0 };
	int used;

	args.items = calloc((size_t)argc + 1, sizeof(*args.items));
	if (!args.items)
		return err_sys(err, ENOMEM, "cannot read the command line");
	for (int i = 0; i < argc; i += used) {
		used = parse_one(table, argc - i, argv + i, &args, err);
		if (used < 0) {
			option_args_release(&args);
			return used;
		}
	}
	*ret_args = args;
	return 0;
}

void option_args_release(struct option_args *args)
{
	free(args->items);
	*args = (struct option_args){ 0 };
}

const char *option_args_get(const struct option_args *args, const char *name)
{
	for (size_t i = args->count; i-- > 0;) {
		if (!strcmp(args->items[i].option->name, name))
			return args->items[i].text ? args->items[i].text : "";
	}
	return NULL;
}

int options_apply(const struct option_table *table, void *target,
		  const struct option_args *args, struct err *err)
{
	int rc;

	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (option->list_max && was_given(args, option))
			option_list_clear(option, target);
	}
	for (size_t i = 0; i < args->count; i++) {
		const struct option_arg *arg = &args->items[i];
		void *base = target;

		rc = 0;
		if (arg->option->list_max)
			rc = option_list_append(arg->option, target, &base,
						err);
		if (!rc)
			rc = option_set_text(arg->option, base, arg->text, err);
		if (rc)
			return err_prefix(err, "--%s", arg->option->name);
	}
	return 0;
}
