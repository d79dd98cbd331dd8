#include "vmm/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "vmm/config.h"
#include "vmm/config_json.h"
#include "vmm/doctor.h"
#include "vmm/exit_status.h"
#include "vmm/help.h"
#include "vmm/matrix.h"
#include "vmm/run.h"
#include "vmm/version.h"

/* What `hull doctor` and `hull version` are told. */
struct report_config {
	bool json;
	bool help;
};

static const struct option report_option_list[] = {
	{
		.name = "json",
		.type = OPTION_FLAG,
		OPTION_FIELD(struct report_config, json),
		.help = "print JSON instead of lines",
	},
	{
		.name = "help",
		.type = OPTION_FLAG,
		OPTION_FIELD(struct report_config, help),
		.help = "print this help and exit",
	},
};

static const struct option_table report_options = {
	.options = report_option_list,
	.count = ARRAY_SIZE(report_option_list),
};

static int usage_error(const struct err *err)
{
	log_error("%s", err->msg);
	return EXIT_CONFIG;
}

/* What was printed only counts once it is written. */
static int finish_output(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output: %s",
			  err_describe(errno));
		return EXIT_HOST;
	}
	return status;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int print_command_help(const char *name)
{
	help_print_command(stdout, find_command(name));
	return finish_output(EXIT_POWEROFF);
}

static int print_config(struct vm_config *config)
{
	struct err err = { 0 };
	autofree char *text = NULL;

	if (options_to_json(&config_options, config, &text, &err))
		return usage_error(&err);
	fputs(text, stdout);
	return finish_output(EXIT_POWEROFF);
}

static int run_config(struct vm_config *config)
{
	struct err err = { 0 };

	if (config->help)
		return print_command_help("run");
	if (config_validate(config, &err))
		return usage_error(&err);
	if (config->print_config)
		return print_config(config);
	if (config->verbose)
		log_set_level(LOG_INFO);
	return vm_run(config);
}

static int command_run(int argc, char *const argv[])
{
	struct vm_config config;
	struct err err = { 0 };
	int status;

	config_init(&config);
	if (config_from_args(&config, argc, argv, &err))
		status = usage_error(&err);
	else
		status = run_config(&config);
	config_release(&config);
	return status;
}

/* The table's file first, then options. */
static int command_matrix(int argc, char *const argv[])
{
	struct matrix_config config = { 0 };
	bool has_file = argc && argv[0][0] != '-';
	struct option_args args;
	struct err err = { 0 };
	int status;

	options_init(&matrix_options, &config);
	if (options_parse(&matrix_options, argc - has_file, argv + has_file,
			  &args, &err)) {
		status = usage_error(&err);
		goto out;
	}
	if (options_apply(&matrix_options, &config, &args, &err)) {
		status = usage_error(&err);
	} else if (config.help) {
		status = print_command_help("matrix");
	} else if (!has_file) {
		log_error("no table is given: hull matrix FILE");
		status = EXIT_CONFIG;
	} else {
		status = matrix_run(argv[0], &config);
	}
	option_args_release(&args);
out:
	options_release(&matrix_options, &config);
	return status;
}

/* Reads the arguments of a command that only reports. */
static int read_report_config(int argc, char *const argv[],
			      struct report_config *ret_config)
{
	struct report_config config = { 0 };
	struct option_args args;
	struct err err = { 0 };
	int rc;

	rc = options_parse(&report_options, argc, argv, &args, &err);
	if (!rc) {
		rc = options_apply(&report_options, &config, &args, &err);
		option_args_release(&args);
	}
	if (rc)
		usage_error(&err);
	else
		*ret_config = config;
	return rc;
}

static int command_doctor(int argc, char *const argv[])
{
	struct report_config config;
	bool can_run;

	if (read_report_config(argc, argv, &config))
		return EXIT_CONFIG;
	if (config.help)
		return print_command_help("doctor");
	can_run = doctor_run(stdout, config.json);
	return finish_output(can_run ? EXIT_POWEROFF : EXIT_HOST);
}

static int command_version(int argc, char *const argv[])
{
	struct report_config config;

	if (read_report_config(argc, argv, &config))
		return EXIT_CONFIG;
	if (config.help)
		return print_command_help("version");
	if (config.json)
		printf("{\n  \"version\": \"%s\",\n  \"date\": \"%s\"\n}\n",
		       hull_version, hull_date);
	else
		printf("hull %s\n", hull_version);
	return finish_output(EXIT_POWEROFF);
}

static int unknown_command(const char *name)
{
	const char *names[16];
	const char *near;
	size_t n;

	for (n = 0; n < command_count && n < ARRAY_SIZE(names) - 1; n++)
		names[n] = commands[n].name;
	names[n] = NULL;
	near = option_nearest(name, names);
	if (near)
		log_error("unknown command \"%s\"; did you mean \"%s\"?", name,
			  near);
	else
		log_error("unknown command \"%s\"; hull --help lists them",
			  name);
	return EXIT_CONFIG;
}

static int command_help(int argc, char *const argv[])
{
	if (argc > 1) {
		log_error("unexpected argument \"%s\"", argv[1]);
		return EXIT_CONFIG;
	}
	if (argc == 1) {
		if (!find_command(argv[0]))
			return unknown_command(argv[0]);
		return print_command_help(argv[0]);
	}
	help_print_commands(stdout, commands, command_count);
	return finish_output(EXIT_POWEROFF);
}

/* "--help" or "-h" as the only argument. */
static bool wants_help(int argc, char *const argv[])
{
	return argc == 1 &&
	       (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"));
}

static int command_man(int argc, char *const argv[])
{
	if (wants_help(argc, argv))
		return print_command_help("man");
	if (argc) {
		log_error("unexpected argument \"%s\"", argv[0]);
		return EXIT_CONFIG;
	}
	help_print_man(stdout, commands, command_count);
	return finish_output(EXIT_POWEROFF);
}

static int command_completion(int argc, char *const argv[])
{
	if (wants_help(argc, argv))
		return print_command_help("completion");
	if (argc != 1 || strcmp(argv[0], "bash") != 0) {
		log_error(
			"completion is there for one shell: hull completion bash");
		return EXIT_CONFIG;
	}
	help_print_bash_completion(stdout, commands, command_count);
	return finish_output(EXIT_POWEROFF);
}

static const char *const shells[] = { "bash", NULL };
static const char *const command_names[] = {
	"run", "matrix", "doctor", "version", "help", "man", "completion", NULL,
};

const struct command commands[] = {
	{
		.name = "run",
		.synopsis = "--kernel FILE [OPTION]...",
		.help = "run a virtual machine in the foreground",
		.man = "Runs one virtual machine until it ends. "
		       "The exit status tells how it ended.",
		.options = &config_options,
		.run = command_run,
	},
	{
		.name = "matrix",
		.synopsis = "FILE [--jobs N] [--output DIR]",
		.help = "run many virtual machines and report on all",
		.man = "Runs the boots of a table, each as a \"hull run\" of "
		       "its own, so many at a time, and prints a line of TAP "
		       "for each. The folder of --output gets the result, the "
		       "JUnit report and the console log of each boot, and "
		       "matrix.json and matrix.xml for all. "
		       "The file is a JSON object: \"boots\" has an object of "
		       "configuration keys for each name, \"common\" what "
		       "all have in common, and each of \"kernels\" is run "
		       "with each of \"configurations\". "
		       "The exit status is 0 when all passed, 22 when one "
		       "failed, 16 when one could not be tried and 14 after "
		       "Ctrl-C, which ends all.",
		.options = &matrix_options,
		.run = command_matrix,
	},
	{
		.name = "doctor",
		.synopsis = "[--json]",
		.help = "tell what this host can and cannot do",
		.man = "Looks at everything that hull needs or can make use "
		       "of and prints one line for each, with the remedy "
		       "where something is missing. "
		       "Changes nothing. "
		       "The exit status is 0 when a guest can run.",
		.options = &report_options,
		.run = command_doctor,
	},
	{
		.name = "version",
		.synopsis = "[--json]",
		.help = "print the version",
		.man = "Prints the version.",
		.options = &report_options,
		.run = command_version,
	},
	{
		.name = "help",
		.synopsis = "[COMMAND]",
		.help = "print help on hull or on one command",
		.man = "Prints the list of commands, or the options of one.",
		.words = command_names,
		.run = command_help,
	},
	{
		.name = "man",
		.synopsis = "",
		.help = "print the manual page, in mdoc",
		.man = "Prints this page in mdoc; it can be read with "
		       "\"hull man | man -l -\".",
		.run = command_man,
	},
	{
		.name = "completion",
		.synopsis = "bash",
		.help = "print the completion script of a shell",
		.man = "Prints a script that makes bash complete commands, "
		       "options and values.",
		.words = shells,
		.run = command_completion,
	},
};

const size_t command_count = ARRAY_SIZE(commands);

int commands_main(int argc, char *const argv[])
{
	const struct command *command;
	const char *name;

	if (argc < 2) {
		log_error("no command is given; hull --help lists them");
		return EXIT_CONFIG;
	}
	name = argv[1];
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	else if (!strcmp(name, "--version"))
		name = "version";
	command = find_command(name);
	if (!command)
		return unknown_command(name);
	if (!strcmp(name, "help") && wants_help(argc - 2, argv + 2))
		return print_command_help("help");
	return command->run(argc - 2, argv + 2);
}
