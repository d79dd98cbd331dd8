#include "vmm/help.h"

#include <string.h>

#include "core/util.h"

#define LINE_WIDTH  80
#define HELP_COLUMN 26
#define INDENT	    2
#define SUB_INDENT  6

/* Words of @text from column @column on, wrapped, following lines indented. */
static void print_wrapped(FILE *out, const char *text, size_t column)
{
	size_t at = column;
	size_t len;

	while (*text) {
		len = strcspn(text, " ");
		if (at > column && at + 1 + len >= LINE_WIDTH) {
			fprintf(out, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", (int)len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_entry(FILE *out, size_t indent, const char *left,
			const char *text)
{
	size_t used = indent + strlen(left);

	fprintf(out, "%*s%s", (int)indent, "", left);
	if (used + 2 > HELP_COLUMN)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(out, "%*s", (int)(HELP_COLUMN - used), "");
	print_wrapped(out, text, HELP_COLUMN);
}

static void describe(const struct option *option, char *text, size_t size)
{
	if (option->default_text)
		snprintf(text, size, "%s (default: %s)", option->help,
			 option->default_text);
	else
		snprintf(text, size, "%s%s", option->help,
			 option->list_max ? "; may be repeated" : "");
}

/* Those that the group's own line does not name. */
static void print_subs(FILE *out, const struct option_group *group)
{
	char left[160];
	char text[400];

	for (size_t i = 0; i < group->count; i++) {
		const struct option *sub = &group->options[i];

		option_sub_metavar(sub, left, sizeof(left));
		describe(sub, text, sizeof(text));
		print_entry(out, SUB_INDENT, left, text);
	}
}

static void print_option(FILE *out, const struct option *option)
{
	char metavar[160];
	char left[256];
	char text[400];

	option_metavar(option, metavar, sizeof(metavar));
	snprintf(left, sizeof(left), "--%s%s%s", option->name,
		 *metavar ? " " : "", metavar);
	describe(option, text, sizeof(text));
	print_entry(out, INDENT, left, text);
	if (option->type == OPTION_GROUP && option_group_is_long(option->group))
		print_subs(out, option->group);
}

static void print_options(FILE *out, const struct option_table *table)
{
	const char *section = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (!section || (option->section &&
				 strcmp(section, option->section) != 0)) {
			section = option->section ? option->section : "Options";
			fprintf(out, "\n%s:\n", section);
		}
		print_option(out, option);
	}
}

void help_print_command(FILE *out, const struct command *command)
{
	fprintf(out, "Usage: hull %s%s%s\n\n", command->name,
		*command->synopsis ? " " : "", command->synopsis);
	print_wrapped(out, command->man, 0);
	if (command->options)
		print_options(out, command->options);
}

void help_print_commands(FILE *out, const struct command *list, size_t count)
{
	fputs("Usage: hull COMMAND [ARGUMENT]...\n\n"
	      "A virtual machine monitor on Linux KVM.\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < count; i++)
		print_entry(out, INDENT, list[i].name, list[i].help);
	fputs("\n\"hull COMMAND --help\" lists the options of a command, "
	      "\"hull man\" is the manual.\n",
	      out);
}
