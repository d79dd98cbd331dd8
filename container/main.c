/*
 * hull-ct: an OCI runtime. The options in front of the verb, the verb, and what
 * came of it. Whatever descriptors the caller left open are closed before
 * anything is opened, but those of --preserve-fds, which create, run and exec
 * keep for the payload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "container/args.h"
#include "container/context.h"
#include "container/reaper.h"
#include "container/report.h"
#include "container/state.h"
#include "container/verbs.h"
#include "container/version.h"
#include "sandbox/userns.h"

/* hier(7): state of programs that outlives a reboot. */
#define STORE "/var/lib/hull-ct"
#define ROOT  "/run/hull-ct" /* of the host's root */

#define EXIT_FAILED    1
#define EXIT_USAGE     2
#define EXIT_NOT_RUN   126
#define EXIT_NOT_FOUND 127

static const struct verb verbs[] = {
	{ "launch", "IMAGE [NAME] [-- COMMAND [ARGUMENT]...]",
	  "make and start a container from a root filesystem", verb_launch },
	{ "stop", "NAME", "end it, and kill it when it does not heed",
	  verb_stop },
	{ "enter", "NAME [COMMAND [ARGUMENT]...]",
	  "a shell in a container, on this terminal", verb_enter },
	{ "freeze", "NAME", "halt all processes, as they are", verb_freeze },
	{ "thaw", "NAME", "let them go on", verb_thaw },
	{ "info", "NAME", "tell all about a container", verb_info },
	{ "top", "", "tell what containers use, again and again", verb_top },
	{ "logs", "NAME", "tell what a container has printed", verb_logs },
	{ "autostart", "", "start all that are to run, in their order",
	  verb_autostart },
	{ "destroy", "NAME", "remove it with its files", verb_destroy },
	{ "clone", "NAME CLONE", "a copy of a container that shares its files",
	  verb_clone },
	{ "snapshot", "create|list|rollback|delete NAME [SNAPSHOT]",
	  "keep the files of a container as they are", verb_snapshot },
	{ "export", "NAME", "write all of its files as a tar archive",
	  verb_export },
	{ "import", "FILE NAME [-- COMMAND [ARGUMENT]...]",
	  "make a container of a tar archive, and do not start it",
	  verb_import },
	{ "prune", "", "remove images that no container is made of",
	  verb_prune },
	{ "doctor", "", "tell what this host lacks and what follows",
	  verb_doctor },
	{ "man", "", "print the manual page, in mdoc", verb_man },
	{ "completion", "bash", "print the completion for a shell",
	  verb_completion },
	{ "create", "ID", "make a container that waits for start",
	  verb_create },
	{ "start", "ID", "run the program of a created container", verb_start },
	{ "run", "ID", "create, start, and wait for the end", verb_run },
	{ "exec", "ID COMMAND [ARGUMENT]...", "run a program in a container",
	  verb_exec },
	{ "kill", "ID [SIGNAL]", "send a signal, TERM unless told", verb_kill },
	{ "pause", "ID", "freeze all processes", verb_pause },
	{ "resume", "ID", "thaw them", verb_resume },
	{ "update", "ID", "change limits", verb_update },
	{ "delete", "ID", "remove what is left of a container", verb_delete },
	{ "state", "ID", "tell the state, as JSON", verb_state },
	{ "list", "", "tell all containers", verb_list },
	{ "ps", "ID", "tell the processes of a container", verb_ps },
	{ "events", "ID", "tell what a container uses, and out-of-memory",
	  verb_events },
	{ "checkpoint", "ID",
	  "write a container's processes to files, and end it",
	  verb_checkpoint },
	{ "restore", "ID", "make a container of these files, and let it go on",
	  verb_restore },
	{ "spec", "", "write a config.json to begin with", verb_spec },
	{ "features", "", "tell what is supported, as JSON", verb_features },
};

const struct verb *verb_at(size_t index)
{
	return index < ARRAY_SIZE(verbs) ? &verbs[index] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

int verb_options(const char *name, struct args *args,
		 const struct arg_option *options, bool mixed, struct err *err)
{
	const struct verb *verb = verb_find(name);
	const char *first = args->count ? args->at[0] : "";

	if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
		printf("usage: hull-ct [OPTION]... %s [OPTION]... %s\n\n%s\n\n",
		       verb->name, verb->arguments, verb->help);
		args_print_options(options, ARGS_HELP);
		return -ECANCELED;
	}
	/* See manual.c, which has no other way to the table. */
	if (!strcmp(first, VERB_MDOC) || !strcmp(first, VERB_WORDS)) {
		args_print_options(options, strcmp(first, VERB_MDOC) ?
						    ARGS_WORDS :
						    ARGS_MDOC);
		return -ECANCELED;
	}
	return args_options(args, options, mixed, err);
}

int verb_takes_id(const char *name, struct args *args,
		  const struct arg_option *options, bool mixed,
		  const char **ret_id, struct err *err)
{
	int rc = verb_options(name, args, options, mixed, err);

	return rc ? rc : args_last(args, "the container's ID", ret_id, err);
}

int context_open_root(struct context *context, struct err *err)
{
	if (context->root_fd >= 0)
		return 0;
	if (!context->root)
		return err_set(err, EINVAL,
			       "XDG_RUNTIME_DIR is not set; say --root");
	context->root_fd = state_open_root(context->root, err);
	return context->root_fd < 0 ? context->root_fd : 0;
}

/* What stands in front of the verb. */
struct globals {
	const char *log_format;
	const char *cgroup_manager;
	const char *rootless;
	bool systemd_cgroup;
	bool help;
	bool version;
};

static void print_help(const struct arg_option *options)
{
	printf("usage: hull-ct [OPTION]... VERB [OPTION]... [ARGUMENT]...\n\n"
	       "An OCI runtime: Linux containers from bundles of a config.json and a root\n"
	       "filesystem. hull-ct VERB --help tells about a verb.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].help);
	printf("\n");
	args_print_options(options, ARGS_HELP);
}

static void print_version(void)
{
	printf("hull-ct version %s\nspec: 1.2.0\n", hull_ct_version);
}

/* /run for root, the user's own folder for others; an empty variable is as
 * good as none. Engines without root's rights run us as root of a user
 * namespace of theirs, where /run is not ours. */
static int default_root(struct context *context, struct err *err)
{
	/* One thread, and nobody sets variables. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (context->root)
		return 0;
	if (runtime && !*runtime)
		runtime = NULL;
	if (!geteuid() && (!runtime || userns_is_root_of_host()))
		runtime = "/run";
	if (!runtime)
		return 0; /* many verbs do without */
	n = snprintf(context->root_buf, sizeof(context->root_buf), "%s/hull-ct",
		     runtime);
	if (n < 0 || (size_t)n >= sizeof(context->root_buf))
		return err_set(err, ENAMETOOLONG,
			       "XDG_RUNTIME_DIR is too long; say --root");
	context->root = context->root_buf;
	return 0;
}

/* XDG Base Directory Specification: relative paths and empty variables do not
 * count. */
static const char *absolute_variable(const char *name)
{
	/* One thread, and nobody sets variables. */
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	const char *value = getenv(name);

	return value && *value == '/' ? value : NULL;
}

/* With a state folder of one's own goes a store of one's own: names of
 * containers are one space. That of a user's XDG_RUNTIME_DIR goes with that
 * user's data. */
static int default_store(struct context *context, bool own_root)
{
	const char *data = absolute_variable("XDG_DATA_HOME");
	const char *home = absolute_variable("HOME");
	size_t size = sizeof(context->store_buf);
	bool is_user = context->root && strcmp(context->root, ROOT) != 0;
	int n;

	if (own_root)
		n = snprintf(context->store_buf, size, "%s.store",
			     context->root);
	else if (is_user && data)
		n = snprintf(context->store_buf, size, "%s/hull-ct", data);
	else if (is_user && home)
		n = snprintf(context->store_buf, size,
			     "%s/.local/share/hull-ct", home);
	else
		n = snprintf(context->store_buf, size, "%s", STORE);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (!context->store)
		context->store = context->store_buf;
	return 0;
}

static int check_globals(struct context *context, const struct globals *globals,
			 struct err *err)
{
	const char *format = globals->log_format;
	const char *manager = globals->cgroup_manager;
	bool own_root;
	int rc;

	if (format && strcmp(format, "json") != 0 &&
	    strcmp(format, "text") != 0)
		return err_set(err, EINVAL,
			       "--log-format takes text or json, not \"%s\"",
			       format);
	context->log_json = format && !strcmp(format, "json");
	if (manager && strcmp(manager, "cgroupfs") != 0 &&
	    strcmp(manager, "systemd") != 0)
		return err_set(
			err, EINVAL,
			"--cgroup-manager takes cgroupfs or systemd, not \"%s\"",
			manager);
	context->systemd = globals->systemd_cgroup ||
			   (manager && !strcmp(manager, "systemd"));
	if (context->log && !*context->log)
		context->log = NULL;
	own_root = context->root;
	rc = default_root(context, err);
	if (!rc && default_store(context, own_root))
		rc = err_set(err, ENAMETOOLONG, "--root is too long");
	return rc;
}

#define GLOBALS_MAX 13

static void global_options(struct context *context, struct globals *globals,
			   struct arg_option table[GLOBALS_MAX])
{
	const struct arg_option options[] = {
		{ "root", 0, ARG_TEXT, &context->root,
		  "folder of all containers' states" },
		{ "store", 0, ARG_TEXT, &context->store,
		  "folder of what was launched, and of images" },
		{ "log", 0, ARG_TEXT, &context->log,
		  "file that errors are added to" },
		{ "log-format", 0, ARG_TEXT, &globals->log_format,
		  "text or json" },
		{ "debug", 0, ARG_FLAG, &context->debug, "accepted" },
		{ "systemd-cgroup", 's', ARG_FLAG, &globals->systemd_cgroup,
		  "as --cgroup-manager systemd" },
		{ "cgroup-manager", 0, ARG_TEXT, &globals->cgroup_manager,
		  "cgroupfs, unless told, or systemd: a scope, and cgroupsPath is SLICE:PREFIX:NAME" },
		{ "rootless", 0, ARG_TEXT, &globals->rootless, "accepted" },
		{ "vm", 0, ARG_FLAG, &context->vm,
		  "create and run: in a VM of its own; implied by the name hull-vm" },
		{ "help", 'h', ARG_FLAG, &globals->help, "this" },
		{ "version", 'v', ARG_FLAG, &globals->version,
		  "tell which hull-ct this is" },
		ARGS_END,
	};

	_Static_assert(ARRAY_SIZE(options) <= GLOBALS_MAX, "table");
	memcpy(table, options, sizeof(options));
}

void verb_global_options(enum args_form form)
{
	struct context context = { .root_fd = -1 };
	struct globals globals = { .log_format = NULL };
	struct arg_option options[GLOBALS_MAX];

	global_options(&context, &globals, options);
	args_print_options(options, form);
}

/* Engines that know a runtime by its path alone have a second one thus. */
static bool is_named(const char *program, const char *name)
{
	const char *slash = strrchr(program, '/');

	return !strcmp(slash ? slash + 1 : program, name);
}

static int run(struct context *context, struct args *args, struct err *err)
{
	struct globals globals = { .log_format = NULL };
	struct arg_option options[GLOBALS_MAX];
	const struct verb *verb;
	const char *name = "";
	int rc;

	context->vm = is_named(context->argv[0], "hull-vm");
	global_options(context, &globals, options);
	rc = args_options(args, options, false, err);
	context->status = EXIT_USAGE;
	if (rc)
		return rc;
	if (globals.help || globals.version) {
		if (globals.version)
			print_version();
		else
			print_help(options);
		context->status = 0;
		return 0;
	}
	rc = check_globals(context, &globals, err);
	if (!rc)
		rc = args_next(args, "the verb", &name, err);
	if (rc)
		return rc;
	verb = verb_find(name);
	if (!verb)
		return err_set(err, EINVAL, "unknown verb \"%s\"; see --help",
			       name);
	context->status = 0;
	rc = verb->run(context, args, err);
	if (rc == -ECANCELED)
		return 0;
	if (rc && context->payload_failed)
		context->status = rc == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
	else if (rc)
		context->status = EXIT_FAILED;
	return rc;
}

/*
 * Descriptors 0 to 2 that are missing would go to the first files that are
 * opened. What stands in their place fails as a closed one does.
 */
static int hold_standard_files(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", modes[fd]) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	struct context context = { .root_fd = -1,
				   .self_mount = -1,
				   .argv = argv };
	autofree char **copy = NULL;
	struct args args = { .count = argc - 1 };
	struct err err = { 0 };

	if (argc == 2 && !strcmp(argv[0], REAPER_NAME))
		reaper_main(argv[1]);
	if (argc < 1 || hold_standard_files() < 0)
		return EXIT_FAILED;
	/* Arguments are sorted on the way; selfexe_protect needs them as they
	 * were. */
	copy = calloc((size_t)argc + 1, sizeof(*copy));
	if (!copy)
		return EXIT_FAILED;
	for (int i = 1; i < argc; i++)
		copy[i - 1] = argv[i];
	args.at = copy;
	if (run(&context, &args, &err))
		report_error(&context, &err);
	return context.status;
}
