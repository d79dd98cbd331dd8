/* The verbs for people that tell about one container: info, logs; and enter,
 * for a look around. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/disk.h"
#include "container/logfile.h"
#include "container/net_show.h"
#include "container/people.h"
#include "container/stats.h"
#include "container/supervisor.h"
#include "container/target.h"
#include "container/verbs.h"
#include "container/vm.h"
#include "core/parse.h"

/* ---- info ---- */

/* What a supervisor that was killed took along, and what to do about it. */
static void add_supervision(json_t *tree, const struct home *home)
{
	bool watched = supervisor_pid(home) > 0;
	bool lost = supervisor_lost_console(home);

	json_object_set_new(tree, "supervised", json_boolean(watched));
	if (home->system)
		json_object_set_new(tree, "console",
				    json_string(lost ? "lost" : "ok"));
	if (!watched)
		json_object_set_new(
			tree, "remedy",
			json_string(
				"its supervisor was killed: nobody keeps its log or starts it anew until \"hull-ct start\" gives it another one"));
	else if (lost)
		json_object_set_new(
			tree, "remedy",
			json_string(
				"its console went with a supervisor that was killed: \"hull-ct stop\" and \"hull-ct start\" make a new one"));
}

/* What holds of one that runs, besides what its home says. */
static void add_state(json_t *tree, const struct home *home,
		      const struct target *target)
{
	enum status status = state_status(&target->state);

	if (status != STATUS_STOPPED)
		add_supervision(tree, home);

	json_object_set_new(tree, "status", json_string(status_name(status)));
	if (status != STATUS_STOPPED)
		json_object_set_new(tree, "pid",
				    json_integer(target->state.pid));
	if (target->state.cgroup)
		json_object_set_new(tree, "cgroup",
				    json_string(target->state.cgroup));
	if (target->cgroup >= 0)
		json_object_set_new(tree, "uses",
				    stats_to_json(target->cgroup));
}

static json_t *info(struct context *context, struct home *home)
{
	static const char *const restarts[] = {
		[RESTART_NO] = "no",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_ALWAYS] = "always",
	};
	json_t *tree = json_deep_copy(home->tree);
	json_t *last = json_load_path(home->dir, HOME_LAST, NULL);
	json_t *config = json_load_path(home->dir, STATE_CONFIG, NULL);
	const json_t *linux_part = json_object_get(config, "linux");
	struct target target;
	json_t *disk;
	int rc = target_open(context, home->name, false, &target, NULL);

	json_object_set_new(tree, "name", json_string(home->name));
	json_object_set_new(tree, "kind",
			    json_string(vm_is(home) ? "vm" : "container"));
	json_object_set_new(tree, "home", json_string(home->path));
	json_object_set_new(tree, "restart",
			    json_string(restarts[home->restart]));
	json_object_set_new(
		tree, "status",
		json_string(people_status_name(people_status(context, home))));
	json_object_set_new(tree, "supervisor",
			    json_integer(supervisor_pid(home)));
	json_object_set_new(tree, "checkpoint",
			    json_boolean(home_is_saved(home)));
	json_object_set(tree, "command",
			json_object_get(json_object_get(config, "process"),
					"args"));
	json_object_set(tree, "limits",
			json_object_get(linux_part, "resources"));
	if (last)
		json_object_set_new(tree, "last", last);
	json_object_set_new(tree, "networks",
			    net_show(json_object_get(config, "annotations")));
	disk = disk_use(home);
	if (disk)
		json_object_set_new(tree, "disk", disk);
	if (!rc)
		add_state(tree, home, &target);
	target_close(&target);
	json_decref(config);
	return tree;
}

/* Objects that follow with a prefix, and are left out at the top. */
static const char *const parts[] = { "last", "uses", "disk" };

static bool is_part(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!strcmp(parts[i], key))
			return true;
	}
	return false;
}

/* One "KEY VALUE" a line; what is in lists is JSON. */
static void print_flat(const char *prefix, json_t *tree)
{
	const char *key;
	json_t *value;

	json_object_foreach(tree, key, value)
	{
		autofree char *text =
			json_is_string(value) ?
				NULL :
				json_dumps(value,
					   JSON_ENCODE_ANY | JSON_COMPACT);

		if (!*prefix && is_part(key))
			continue;
		printf("%s%-*s %s\n", prefix, (int)(24 - strlen(prefix)), key,
		       json_is_string(value) ? json_string_value(value) : text);
	}
}

static void print_info(json_t *tree)
{
	print_flat("", tree);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "%s.", parts[i]);
		print_flat(prefix, json_object_get(tree, parts[i]));
	}
}

int verb_info(struct context *context, struct args *args, struct err *err)
{
	const char *name = "";
	bool json = false;
	const struct arg_option table[] = {
		{ "json", 0, ARG_FLAG, &json, "as JSON" },
		ARGS_END,
	};
	struct home home;
	json_t *tree;
	int rc = verb_options("info", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the container's name", &name, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	if (!rc) {
		tree = info(context, &home);
		if (json) {
			rc = json_print(tree, JSON_INDENT(2), err);
		} else {
			print_info(tree);
			json_decref(tree);
		}
	}
	home_release(&home);
	return rc;
}

/* ---- logs ---- */

#define FOLLOW_PAUSE_US 100000

static int open_log(const struct home *home, unsigned int number)
{
	char name[32];

	logfile_name(number, name, sizeof(name));
	return openat(home->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int copy_rest(int fd, struct err *err)
{
	char text[16384];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		if (fwrite(text, 1, (size_t)n, stdout) != (size_t)n)
			return err_sys(err, errno, "cannot write");
	}
	return fflush(stdout) ? err_sys(err, errno, "cannot write") : 0;
}

/* Where the last @lines lines of the file begin. */
static off_t find_lines(int fd, uint64_t lines)
{
	off_t at = lseek(fd, 0, SEEK_END);
	char byte;

	/* The line end of the last line is its own. */
	for (at--; at > 0; at--) {
		if (pread(fd, &byte, 1, at - 1) == 1 && byte == '\n' &&
		    !--lines)
			return at;
	}
	return 0;
}

/* Until the container has ended; a file that was moved up is read to its end
 * before the new one. */
static int follow(struct context *context, const struct home *home, int *fd,
		  struct err *err)
{
	struct stat open_file;
	struct stat by_name;
	int rc = 0;

	for (;;) {
		bool ended = people_status(context, home) == PEOPLE_STOPPED;
		bool moved = !fstatat(home->dir, LOGFILE_NAME, &by_name,
				      AT_SYMLINK_NOFOLLOW) &&
			     (*fd < 0 || fstat(*fd, &open_file) ||
			      open_file.st_ino != by_name.st_ino);

		if (*fd >= 0)
			rc = copy_rest(*fd, err);
		if (rc || (ended && !moved))
			return rc;
		if (moved) {
			if (*fd >= 0)
				close(*fd);
			*fd = open_log(home, 0);
		} else {
			usleep(FOLLOW_PAUSE_US);
		}
	}
}

static int logs(struct context *context, const struct home *home,
		uint64_t lines, bool follows, struct err *err)
{
	int newest = open_log(home, 0);
	int rc = 0;

	for (unsigned int i = home->log_files; !lines && !rc && --i > 0;) {
		autoclose int fd = open_log(home, i);

		if (fd >= 0)
			rc = copy_rest(fd, err);
	}
	if (!rc && newest >= 0) {
		if (lines)
			lseek(newest, find_lines(newest, lines), SEEK_SET);
		rc = copy_rest(newest, err);
	}
	if (!rc && follows)
		rc = follow(context, home, &newest, err);
	if (newest >= 0)
		close(newest);
	return rc;
}

int verb_logs(struct context *context, struct args *args, struct err *err)
{
	const char *name = "";
	const char *lines_text = NULL;
	uint64_t lines = 0;
	bool follows = false;
	const struct arg_option table[] = {
		{ "follow", 'f', ARG_FLAG, &follows,
		  "go on until the container has ended" },
		{ "lines", 'n', ARG_TEXT, &lines_text,
		  "the last lines of the newest file alone" },
		ARGS_END,
	};
	struct home home;
	int rc = verb_options("logs", args, table, true, err);

	if (!rc)
		rc = args_last(args, "the container's name", &name, err);
	if (!rc && lines_text && (parse_u64(lines_text, &lines) || !lines))
		rc = err_set(err, EINVAL, "--lines takes a number, not \"%s\"",
			     lines_text);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = home_open(context, name, &home, err);
	if (!rc)
		rc = logs(context, &home, lines, follows, err);
	home_release(&home);
	return rc;
}

/* ---- enter ---- */

int verb_enter(struct context *context, struct args *args, struct err *err)
{
	/* A login shell, the better one where there are two. */
	char script[] =
		"if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi";
	char program[] = "/bin/sh";
	char option[] = "-c";
	char tty[] = "--tty";
	char *words[] = { program, option, script };
	const struct arg_option table[] = { ARGS_END };
	struct args exec = { .count = 0 };
	char **list;
	int rc = verb_options("enter", args, table, false, err);

	if (!rc && !args->count)
		rc = err_set(err, EINVAL,
			     "the container's name is missing; see --help");
	if (rc)
		return rc;
	/* exec [--tty] NAME WORD... */
	list = calloc((size_t)args->count + 6, sizeof(*list));
	if (!list)
		return err_sys(err, ENOMEM, "no memory");
	exec.at = list;
	if (isatty(STDIN_FILENO))
		list[exec.count++] = tty;
	for (int i = 0; i < args->count; i++)
		list[exec.count++] = args->at[i];
	for (size_t i = 0; args->count == 1 && i < ARRAY_SIZE(words); i++)
		list[exec.count++] = words[i];
	rc = verb_exec(context, &exec, err);
	free(list);
	return rc;
}
