/*
 * The completion script for bash. The shell cuts words at "=" as well, unlike
 * us, so the script works on the line itself and takes off in the end what
 * stands before the last "=". File names are left to the shell's own
 * completion, which knows quoting.
 */
#include "core/util.h"
#include "vmm/help.h"

/* Answered to: what may follow on "COMMAND OPTION [KEY]"? */
static const char script_start[] =
	"# Completion of hull for bash, made by \"hull completion bash\".\n"
	"\n"
	"# Prints what may stand at a place: words, or @file for a file name.\n"
	"_hull_words() {\n"
	"\tcase $1 in\n";

static const char script_end[] =
	"\t*) return 1 ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_hull() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} list='' prefix='' place word\n"
	"\tlocal value previous\n"
	"\tlocal -a words\n"
	"\tCOMPREPLY=()\n"
	"\tread -r -a words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=('')\n"
	"\t((${#words[@]} > 1)) || return\n"
	"\tvalue=${words[${#words[@]} - 1]}\n"
	"\tprevious=${words[${#words[@]} - 2]}\n"
	"\tplace=${words[1]}\n"
	"\tif ((${#words[@]} == 2)); then\n"
	"\t\tlist=$(_hull_words '')\n"
	"\telif [[ $value == --*=* ]]; then\n"
	"\t\tprefix=${value%%=*}=\n"
	"\t\tplace+=\" ${value%%=*}\"\n"
	"\t\tvalue=${value#*=}\n"
	"\t\tlist=$(_hull_words \"$place\")\n"
	"\telif list=$(_hull_words \"$place $previous\"); then\n"
	"\t\tplace+=\" $previous\"\n"
	"\telse\n"
	"\t\tlist=$(_hull_words \"$place\")\n"
	"\tfi\n"
	"\t# A structured value: complete the item behind the last comma.\n"
	"\tif [[ $value == *[,=]* ]] && _hull_words \"$place ,\" >/dev/null; then\n"
	"\t\tword=${value##*,}\n"
	"\t\tif [[ $value == *,* ]]; then\n"
	"\t\t\tlist=$(_hull_words \"$place ,\")\n"
	"\t\t\tprefix+=${value%\"$word\"}\n"
	"\t\tfi\n"
	"\t\tvalue=$word\n"
	"\t\tif [[ $word == *=* ]]; then\n"
	"\t\t\tlist=$(_hull_words \"$place ${word%%=*}\")\n"
	"\t\t\tprefix+=${word%%=*}=\n"
	"\t\t\tvalue=${word#*=}\n"
	"\t\tfi\n"
	"\tfi\n"
	"\t[[ $list == @file ]] && return\n"
	"\tcompopt +o default 2>/dev/null\n"
	"\tfor word in $list; do\n"
	"\t\t[[ $word == \"$value\"* ]] && COMPREPLY+=(\"$prefix$word\")\n"
	"\tdone\n"
	"\tif [[ $COMP_WORDBREAKS == *=* && $prefix == *=* ]]; then\n"
	"\t\tprefix=${prefix%=*}=\n"
	"\t\tCOMPREPLY=(\"${COMPREPLY[@]#\"$prefix\"}\")\n"
	"\tfi\n"
	"\tif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then\n"
	"\t\tcompopt -o nospace 2>/dev/null\n"
	"\tfi\n"
	"}\n"
	"\n"
	"complete -o default -F _hull hull\n";

/* The values of a scalar, in single quotes. */
static void print_values(FILE *out, const struct option *option)
{
	const char *between = "";

	fputc('\'', out);
	switch (option->type) {
	case OPTION_PATH:
		fputs("@file", out);
		break;
	case OPTION_BOOL:
		fputs("on off", out);
		break;
	case OPTION_ENUM:
		for (const struct option_value *v = option->values; v->name;
		     v++) {
			fprintf(out, "%s%s", between, v->name);
			between = " ";
		}
		break;
	default:
		break;
	}
	fputc('\'', out);
}

/* The keys of a group, "key=" for those that take a value. */
static void print_keys(FILE *out, const struct option_group *group,
		       bool choices)
{
	const char *between = "";

	for (size_t i = 0; i < group->count; i++) {
		const struct option *sub = &group->options[i];
		bool is_choice = group->has_choice && sub->tag >= 0;

		if ((is_choice || (sub->flags & OPTION_POSITIONAL)) && !choices)
			continue;
		fprintf(out, "%s%s%s", between, sub->name,
			sub->type == OPTION_TAG ? "" : "=");
		between = " ";
	}
}

static void print_group(FILE *out, const char *command,
			const struct option *option)
{
	const struct option_group *group = option->group;

	fprintf(out, "\t'%s --%s') echo ", command, option->name);
	if (group->options[0].flags & OPTION_POSITIONAL) {
		print_values(out, &group->options[0]);
	} else {
		fputc('\'', out);
		print_keys(out, group, true);
		fputc('\'', out);
	}
	fprintf(out, " ;;\n\t'%s --%s ,') echo '", command, option->name);
	print_keys(out, group, false);
	fputs("' ;;\n", out);
	for (size_t i = 0; i < group->count; i++) {
		if (group->options[i].type == OPTION_TAG)
			continue;
		fprintf(out, "\t'%s --%s %s') echo ", command, option->name,
			group->options[i].name);
		print_values(out, &group->options[i]);
		fputs(" ;;\n", out);
	}
}

static void print_command(FILE *out, const struct command *command)
{
	const struct option_table *table = command->options;
	const char *const *word = command->words;

	fprintf(out, "\t%s) echo '", command->name);
	for (size_t i = 0; table && i < table->count; i++)
		fprintf(out, "%s--%s", i ? " " : "", table->options[i].name);
	for (; word && *word; word++)
		fprintf(out, "%s%s", word == command->words ? "" : " ", *word);
	fputs("' ;;\n", out);
	for (size_t i = 0; table && i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (option->type == OPTION_FLAG)
			continue;
		if (option->type == OPTION_GROUP) {
			print_group(out, command->name, option);
			continue;
		}
		fprintf(out, "\t'%s --%s') echo ", command->name, option->name);
		print_values(out, option);
		fputs(" ;;\n", out);
	}
}

void help_print_bash_completion(FILE *out, const struct command *list,
				size_t count)
{
	fputs(script_start, out);
	fputs("\t'') echo '", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i ? " " : "", list[i].name);
	fputs(" --help --version' ;;\n", out);
	for (size_t i = 0; i < count; i++)
		print_command(out, &list[i]);
	fputs(script_end, out);
}
