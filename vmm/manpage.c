/*
 * hull(1) in mdoc (mdoc(7) of mandoc). What the tables know comes from them;
 * the sections that no table covers are the constants below.
 */
#include <ctype.h>
#include <string.h>

#include "core/util.h"
#include "vmm/config.h"
#include "vmm/exit_status.h"
#include "vmm/help.h"
#include "vmm/version.h"

static const char description[] =
	".Sh DESCRIPTION\n"
	".Nm\n"
	"runs a virtual machine on the KVM of the Linux kernel, one in each\n"
	"process, in the foreground.\n"
	"The console of the guest is the terminal, and the exit status tells\n"
	"how the guest ended.\n";

static const char keys_and_signals[] =
	".Sh KEYS\n"
	"With the console on a terminal every key goes to the guest but\n"
	"Ctrl-A and the one after it:\n"
	".Pp\n"
	".Bl -tag -width \"Ctrl-A x\" -compact\n"
	".It Ctrl-A x\n"
	"end the guest at once\n"
	".It Ctrl-A p\n"
	"press the power button\n"
	".It Ctrl-A b\n"
	"send a break\n"
	".It Ctrl-A a\n"
	"send Ctrl-A\n"
	".It \"Ctrl-A ?\"\n"
	"list these keys\n"
	".El\n"
	".Sh SIGNALS\n"
	"SIGTERM presses the power button of the guest; a second one ends it.\n"
	"SIGINT ends it at once, and so does SIGHUP when the terminal is\n"
	"gone or there are no disks.\n"
	"SIGHUP from another process makes hull look at the sizes of its\n"
	"disk images and tell the guest of those that changed.\n"
	"SIGUSR1 prints the counters of the devices, see\n"
	".Fl -stats .\n"
	"SIGCONT goes on with a guest that was paused for a disk's error.\n"
	"The terminal is put back in order on every way out.\n";

static const char config_file[] =
	".Sh CONFIGURATION FILE\n"
	"The file of\n"
	".Fl -config\n"
	"is a JSON object whose keys are the names of the options.\n"
	"Flags and on or off are\n"
	".Li true\n"
	"or\n"
	".Li false ;\n"
	"numbers, sizes and durations are numbers or strings and mean what\n"
	"they mean on the command line.\n"
	"An option with keys of its own is an object of them, in which a key\n"
	"without a value is\n"
	".Li true ,\n"
	"or a string as on the command line.\n"
	"An option that may be repeated is an array.\n"
	"Unknown keys, doubled keys and wrong types are errors.\n"
	".Bd -literal -offset indent\n"
	"{\n"
	"  \"kernel\": \"vmlinuz\",\n"
	"  \"cpus\": 2,\n"
	"  \"memory\": { \"size\": \"1G\", \"hugepages\": \"2M\" },\n"
	"  \"console\": { \"file\": \"console.log\" }\n"
	"}\n"
	".Ed\n";

static const char files[] =
	".Sh FILES\n"
	".Bl -tag -width /dev/kvm -compact\n"
	".It Pa /dev/kvm\n"
	"the device of KVM, to which the user needs access\n"
	".El\n";

static const char examples[] =
	".Sh EXAMPLES\n"
	"Boot the kernel of this machine to the shell of its initial RAM disk:\n"
	".Bd -literal -offset indent\n"
	"hull run --kernel /boot/vmlinuz-$(uname -r) \\e\n"
	"    --initrd /boot/initrd.img-$(uname -r) \\e\n"
	"    --memory 1G --cmdline \"console=ttyS0 break\"\n"
	".Ed\n"
	".Pp\n"
	"Run a test kernel for at most a minute and keep what it prints:\n"
	".Bd -literal -offset indent\n"
	"hull run --kernel test.elf --timeout 60s --console file=test.log\n"
	".Ed\n"
	".Pp\n"
	"Run a multiboot kernel with a module, as QEMU's\n"
	".Fl initrd\n"
	"would give it one; its exit status is (value << 1) | 1:\n"
	".Bd -literal -offset indent\n"
	"hull run --kernel test.elf --module \"data.bin words\"\n"
	".Ed\n"
	".Pp\n"
	"Enter a boot sector in real mode:\n"
	".Bd -literal -offset indent\n"
	"hull run --flat boot.bin@0x7c00,mode=16\n"
	".Ed\n"
	".Pp\n"
	"Keep a configuration in a file, and change it for one run:\n"
	".Bd -literal -offset indent\n"
	"hull run --kernel vmlinuz --cpus 4 --print-config > vm.json\n"
	"hull run --config vm.json --cpus 1\n"
	".Ed\n";

/* One character of text, so that mdoc takes it as it is. */
static void print_char(FILE *out, char c, bool at_start)
{
	if (at_start && (c == '.' || c == '\''))
		fputs("\\&", out);
	if (c == '\\')
		fputs("\\e", out);
	else if (c == '-')
		fputs("\\-", out);
	else
		fputc(c, out);
}

/* Sentences, each on lines of its own as mdoc wants it. */
static void print_text(FILE *out, const char *text)
{
	const size_t width = 66;
	size_t at = 0;

	while (*text) {
		size_t len = strcspn(text, " ");
		bool ends = len && text[len - 1] == '.';

		for (size_t i = 0; i < len; i++)
			print_char(out, text[i], at + i == 0);
		at += len;
		text += len;
		if (!*text)
			break;
		text += strspn(text, " ");
		if (ends || at + strcspn(text, " ") >= width) {
			fputc('\n', out);
			at = 0;
		} else {
			fputc(' ', out);
			at++;
		}
	}
	fputc('\n', out);
}

/* A line of the help as a sentence. */
static void print_sentence(FILE *out, const char *text)
{
	char sentence[200];

	snprintf(sentence, sizeof(sentence), "%s.", text);
	sentence[0] = (char)toupper((unsigned char)sentence[0]);
	print_text(out, sentence);
}

/* What follows a macro on its line: quoted, for it may hold spaces. */
static void print_argument(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputs("\\(dq", out);
		else
			print_char(out, *text, false);
	}
	fputc('"', out);
}

static void print_group(FILE *out, const struct option_group *group)
{
	fputs(".Bl -tag -width Ds -compact\n", out);
	for (size_t i = 0; i < group->count; i++) {
		const struct option *sub = &group->options[i];
		char metavar[160];

		option_metavar(sub, metavar, sizeof(metavar));
		fputs(".It Cm ", out);
		if (sub->flags & OPTION_POSITIONAL) {
			print_argument(out, metavar);
		} else {
			print_argument(out, sub->name);
			if (sub->type != OPTION_TAG) {
				fputs(" Ns No = Ns Ar ", out);
				print_argument(out, metavar);
			}
		}
		fputc('\n', out);
		print_sentence(out, sub->help);
	}
	fputs(".El\n", out);
}

static void print_option(FILE *out, const struct option *option)
{
	char metavar[160];

	option_metavar(option, metavar, sizeof(metavar));
	fprintf(out, ".It Fl -%s", option->name);
	if (*metavar) {
		fputs(" Ar ", out);
		print_argument(out, metavar);
	}
	fputc('\n', out);
	print_sentence(out, option->help);
	if (option->man)
		print_text(out, option->man);
	if (option->list_max)
		print_text(out, "May be repeated.");
	if (option->default_text) {
		fputs("The default is ", out);
		for (const char *c = option->default_text; *c; c++)
			print_char(out, *c, false);
		fputs(".\n", out);
	}
	if (option->type == OPTION_GROUP)
		print_group(out, option->group);
}

static void print_options(FILE *out, const struct option_table *table)
{
	const char *section = NULL;

	fputs(".Sh OPTIONS\n"
	      "These are the options of\n"
	      ".Nm\n"
	      ".Cm run .\n"
	      "The value may also follow the name behind an equals sign.\n"
	      "In a value with several items a comma that belongs to an item "
	      "is doubled.\n",
	      out);
	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];

		if (!section || strcmp(section, option->section) != 0) {
			if (section)
				fputs(".El\n", out);
			section = option->section;
			fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", section);
		}
		print_option(out, option);
	}
	fputs(".El\n", out);
}

static void print_commands(FILE *out, const struct command *list, size_t count)
{
	fputs(".Sh COMMANDS\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, ".It Cm %s", list[i].name);
		if (*list[i].synopsis) {
			fputs(" Ar ", out);
			print_argument(out, list[i].synopsis);
		}
		fputc('\n', out);
		print_text(out, list[i].man);
	}
	fputs(".El\n", out);
}

static void print_exit_statuses(FILE *out)
{
	fputs(".Sh EXIT STATUS\n"
	      "The statuses of\n"
	      ".Nm\n"
	      "are even:\n"
	      ".Pp\n"
	      ".Bl -tag -width Ds -compact\n",
	      out);
	for (size_t i = 0; i < exit_status_count; i++) {
		fprintf(out, ".It %d\n", (int)exit_statuses[i].status);
		print_text(out, exit_statuses[i].meaning);
	}
	fputs(".El\n"
	      ".Pp\n"
	      "A guest that writes a value to the debug-exit port chooses the\n"
	      "status itself: (value << 1) | 1, which is odd, or the value with\n"
	      ".Fl -debug-exit Cm value .\n",
	      out);
}

void help_print_man(FILE *out, const struct command *list, size_t count)
{
	fprintf(out,
		".Dd %s\n"
		".Dt HULL 1\n"
		".Os\n"
		".Sh NAME\n"
		".Nm hull\n"
		".Nd virtual machine monitor on Linux KVM\n"
		".Sh SYNOPSIS\n",
		hull_date);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, ".Nm hull\n.Cm %s\n", list[i].name);
		if (*list[i].synopsis)
			print_text(out, list[i].synopsis);
	}
	fputs(description, out);
	print_commands(out, list, count);
	print_options(out, &config_options);
	fputs(keys_and_signals, out);
	fputs(config_file, out);
	fputs(files, out);
	print_exit_statuses(out);
	fputs(examples, out);
}
