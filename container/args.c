#include "container/args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/parse.h"

static const struct arg_option *find_long(const struct arg_option *options,
					  const char *name, size_t len)
{
	for (; options->name; options++) {
		if (strlen(options->name) == len &&
		    !memcmp(options->name, name, len))
			return options;
	}
	return NULL;
}

static const struct arg_option *find_letter(const struct arg_option *options,
					    char letter)
{
	for (; options->name; options++) {
		if (options->letter == letter)
			return options;
	}
	return NULL;
}

static int set_flag(const struct arg_option *option, const char *text,
		    struct err *err)
{
	int on = 1;

	if (text && parse_bool(text, &on))
		return err_set(err, EINVAL, "--%s takes true or false",
			       option->name);
	*(bool *)option->value = on;
	return 0;
}

static int set_value(const struct arg_option *option, const char *text,
		     struct err *err)
{
	struct arg_list *list = option->value;
	uint64_t number;

	switch (option->type) {
	case ARG_FLAG:
		return set_flag(option, text, err);
	case ARG_TEXT:
		*(const char **)option->value = text;
		return 0;
	case ARG_COUNT:
		if (parse_u64(text, &number) || number > INT_MAX)
			return err_set(err, EINVAL,
				       "--%s takes a number, not \"%s\"",
				       option->name, text);
		*(unsigned int *)option->value = (unsigned int)number;
		return 0;
	case ARG_LIST:
		if (list->count == ARG_LIST_MAX)
			return err_set(err, EINVAL, "too many --%s",
				       option->name);
		list->items[list->count++] = text;
		return 0;
	}
	return 0;
}

/* The option that @text names, and its value when that is in the same word. */
static const struct arg_option *find(const struct arg_option *options,
				     const char *text, const char **ret_value)
{
	const char *equals;

	*ret_value = NULL;
	if (text[1] == '-') {
		equals = strchr(text, '=');
		if (equals)
			*ret_value = equals + 1;
		return find_long(options, text + 2,
				 equals ? (size_t)(equals - text - 2) :
					  strlen(text + 2));
	}
	/* "-test.v" is no row of letters; neither is anything else here. */
	if (text[2])
		return NULL;
	return find_letter(options, text[1]);
}

static int take(struct args *args, const struct arg_option *options,
		struct err *err)
{
	const char *text = args->at[0];
	const char *value;
	const struct arg_option *option = find(options, text, &value);

	if (!option)
		return err_set(err, EINVAL,
			       "unknown option %s; --help lists them", text);
	args->at++;
	args->count--;
	if (option->type != ARG_FLAG && !value) {
		/* podman looks for these words, to learn whether there is
		 * restore --lsm-mount-context. */
		if (!args->count)
			return err_set(err, EINVAL,
				       "flag needs an argument: %s", text);
		value = *args->at++;
		args->count--;
	}
	return set_value(option, value, err);
}

int args_options(struct args *args, const struct arg_option *options,
		 bool mixed, struct err *err)
{
	char **kept = args->at;
	int kept_count = 0;
	char **start = args->at;
	int rc;

	while (args->count) {
		if (args->at[0][0] != '-' || !args->at[0][1]) {
			if (!mixed)
				return 0;
			kept[kept_count++] = *args->at++;
			args->count--;
			continue;
		}
		if (!strcmp(args->at[0], "--")) {
			args->at++;
			args->count--;
			break;
		}
		rc = take(args, options, err);
		if (rc)
			return rc;
	}
	if (!mixed)
		return 0;
	while (args->count) {
		kept[kept_count++] = *args->at++;
		args->count--;
	}
	args->at = start;
	args->count = kept_count;
	return 0;
}

int args_next(struct args *args, const char *what, const char **ret_text,
	      struct err *err)
{
	if (!args->count)
		return err_set(err, EINVAL, "%s is missing; see --help", what);
	*ret_text = *args->at++;
	args->count--;
	return 0;
}

int args_last(struct args *args, const char *what, const char **ret_text,
	      struct err *err)
{
	int rc = args_next(args, what, ret_text, err);

	return rc ? rc : args_end(args, err);
}

int args_end(const struct args *args, struct err *err)
{
	if (args->count)
		return err_set(err, EINVAL, "unexpected argument \"%s\"",
			       args->at[0]);
	return 0;
}

static void print_help(const struct arg_option *option, const char *value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%c%s--%s%s", option->letter ? "-" : "",
		 option->letter ? option->letter : ' ',
		 option->letter ? ", " : "   ", option->name, value);
	printf("  %-32s %s\n", name, option->help);
}

static void print_mdoc(const struct arg_option *option, const char *value)
{
	printf(".It Fl -%s", option->name);
	if (*value)
		printf(" Ar%s", value);
	if (option->letter)
		printf(" , Fl %c", option->letter);
	printf("\n%s\n", option->help);
}

void args_print_options(const struct arg_option *options, enum args_form form)
{
	static const char *const values[] = {
		[ARG_FLAG] = "",
		[ARG_TEXT] = " VALUE",
		[ARG_COUNT] = " N",
		[ARG_LIST] = " VALUE...",
	};

	if (form == ARGS_MDOC && options->name)
		printf(".Bl -tag -width Ds -compact\n");
	for (const struct arg_option *o = options; o->name; o++) {
		if (form == ARGS_HELP)
			print_help(o, values[o->type]);
		else if (form == ARGS_MDOC)
			print_mdoc(o, values[o->type]);
		else
			printf(" --%s", o->name);
	}
	if (form == ARGS_MDOC && options->name)
		printf(".El\n");
}
