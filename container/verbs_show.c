/* The verbs that only tell: state, list, ps. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/doctor.h"
#include "container/net_show.h"
#include "container/people.h"
#include "container/state.h"
#include "container/supervisor.h"
#include "container/verbs.h"
#include "container/vm.h"
#include "container/vm_agent.h"
#include "core/parse.h"
#include "sandbox/cgroup.h"
#include "sandbox/procfs.h"

int verb_state(struct context *context, struct args *args, struct err *err)
{
	const struct arg_option table[] = { ARGS_END };
	const char *id = "";
	struct state state;
	int rc = verb_takes_id("state", args, table, true, &id, err);

	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = state_open(&state, context->root_fd, id, false, err);
	if (!rc)
		rc = json_print(state_to_json(&state, state_status(&state)),
				JSON_INDENT(2), err);
	state_release(&state);
	return rc;
}

/* ---- list ---- */

enum list_form {
	LIST_TABLE,
	LIST_JSON,
	LIST_QUIET
};

struct line {
	const char *id;
	pid_t pid;
	const char *status;
	bool is_vm;
	const char *created;
	const char *bundle;
};

static const char *kind_name(bool is_vm)
{
	return is_vm ? "vm" : "container";
}

static void print_line(const struct line *line, const json_t *annotations)
{
	char network[256];
	json_t *networks = net_show(annotations);

	net_show_text(networks, network, sizeof(network));
	json_decref(networks);
	printf("%-30s %-8d %-10s %-9s %-31s %-40s %s\n", line->id,
	       (int)line->pid, line->status, kind_name(line->is_vm),
	       line->created, line->bundle, network);
}

static void add_tree(json_t *array, json_t *tree, bool is_vm,
		     const json_t *annotations)
{
	json_object_set_new(tree, "kind", json_string(kind_name(is_vm)));
	json_object_set_new(tree, "networks", net_show(annotations));
	json_array_append_new(array, tree);
}

struct list {
	struct context *context;
	enum list_form form;
	json_t *array;
};

/* One that was launched and runs, but whose supervisor was killed. */
static bool is_orphaned(struct context *context, const char *id)
{
	struct home home = { .dir = -1 };
	bool orphaned = home_exists(context, id) &&
			!home_open(context, id, &home, NULL) &&
			!supervisor_pid(&home);

	home_release(&home);
	return orphaned;
}

/* Engines read the states of runtime-spec and no other. */
static json_t *with_orphaned(json_t *tree, bool orphaned)
{
	if (orphaned)
		json_object_set_new(tree, "orphaned", json_true());
	return tree;
}

static int list_one(void *opaque, const char *id)
{
	struct list *list = opaque;
	struct context *context = list->context;
	enum list_form form = list->form;
	json_t *array = list->array;
	struct state state;
	enum status status;
	bool orphaned;
	int rc = state_open(&state, context->root_fd, id, false, NULL);

	/* One that was deleted since is none. */
	if (!rc) {
		status = state_status(&state);
		orphaned = status == STATUS_RUNNING && form != LIST_QUIET &&
			   is_orphaned(context, id);
		if (form == LIST_QUIET)
			printf("%s\n", id);
		else if (form == LIST_JSON)
			add_tree(array,
				 with_orphaned(state_to_json(&state, status),
					       orphaned),
				 vm_is_state(&state), state.annotations);
		else
			print_line(
				&(struct line){ id,
						status == STATUS_STOPPED ?
							0 :
							state.pid,
						orphaned ? "orphaned" :
							   status_name(status),
						vm_is_state(&state),
						state.created, state.bundle },
				state.annotations);
	}
	state_release(&state);
	return 0;
}

/* One that was launched and does not run has no state. */
static int list_home(void *opaque, struct home *home)
{
	struct list *list = opaque;
	enum people_status status = people_status(list->context, home);
	const json_t *annotations;
	json_t *config;

	if (!faccessat(list->context->root_fd, home->name, F_OK,
		       AT_SYMLINK_NOFOLLOW))
		return 0;
	if (list->form == LIST_QUIET) {
		printf("%s\n", home->name);
		return 0;
	}
	config = json_load_path(home->dir, STATE_CONFIG, NULL);
	annotations = json_object_get(config, "annotations");
	if (list->form == LIST_JSON)
		add_tree(list->array, people_to_json(home, status), vm_is(home),
			 annotations);
	else
		print_line(&(struct line){ home->name, 0,
					   people_status_name(status),
					   vm_is(home), home->created,
					   home->path },
			   annotations);
	json_decref(config);
	return 0;
}

static int list_all(struct context *context, enum list_form form,
		    struct err *err)
{
	json_t *array = json_array();
	struct list list = { .context = context, .form = form, .array = array };
	int rc;

	if (form == LIST_TABLE)
		printf("%-30s %-8s %-10s %-9s %-31s %-40s %s\n", "ID", "PID",
		       "STATUS", "KIND", "CREATED", "BUNDLE", "NETWORK");
	rc = state_each(context->root_fd, list_one, &list, err);
	if (!rc)
		rc = home_each(context, list_home, &list, err);
	if (!rc && form == LIST_JSON)
		return json_print(array, JSON_INDENT(2), err);
	json_decref(array);
	return rc;
}

static int check_format(const char *format, struct err *err)
{
	if (!strcmp(format, "table") || !strcmp(format, "json"))
		return 0;
	return err_set(err, EINVAL, "--format takes table or json, not \"%s\"",
		       format);
}

int verb_list(struct context *context, struct args *args, struct err *err)
{
	const char *format = "table";
	bool quiet = false;
	bool json = false;
	const struct arg_option table[] = {
		{ "format", 'f', ARG_TEXT, &format, "table or json" },
		{ "json", 0, ARG_FLAG, &json, "the same as --format json" },
		{ "quiet", 'q', ARG_FLAG, &quiet, "IDs alone" },
		ARGS_END,
	};
	int rc = verb_options("list", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (!rc)
		rc = check_format(format, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	if (quiet)
		return list_all(context, LIST_QUIET, err);
	return list_all(
		context,
		json || !strcmp(format, "json") ? LIST_JSON : LIST_TABLE, err);
}

/* ---- ps ---- */

/* Arguments end with zeros, and the text may hold anything. */
static void read_command(int proc, pid_t pid, char *text, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	n = procfs_read(proc, path, text, size);
	if (n <= 0) {
		snprintf(path, sizeof(path), "%d/comm", (int)pid);
		n = procfs_read(proc, path, text, size);
	}
	for (ssize_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n > 0 ? n : 0] = '\0';
}

static bool in_namespace(int proc, uint64_t pid, const struct stat *wanted)
{
	struct stat own;
	char path[32];

	snprintf(path, sizeof(path), "%" PRIu64 "/ns/pid", pid);
	return !fstatat(proc, path, &own, 0) && own.st_ino == wanted->st_ino;
}

/* Without a cgroup: those of its pid namespace. */
static int namespace_processes(int proc, pid_t first, pid_t **ret_pids,
			       size_t *ret_count)
{
	autofree pid_t *pids = NULL;
	struct dirent **names = NULL;
	struct stat wanted;
	char path[32];
	size_t used = 0;
	uint64_t pid;
	int count;

	snprintf(path, sizeof(path), "%d/ns/pid", (int)first);
	if (fstatat(proc, path, &wanted, 0))
		return 0; /* it has ended */
	/* Ours has others besides. */
	if (in_namespace(proc, (uint64_t)getpid(), &wanted)) {
		*ret_pids = malloc(sizeof(**ret_pids));
		if (!*ret_pids)
			return -ENOMEM;
		**ret_pids = first;
		*ret_count = 1;
		return 0;
	}
	count = scandirat(proc, ".", &names, NULL, NULL);
	pids = calloc(count > 0 ? (size_t)count : 1, sizeof(*pids));
	for (int i = 0; i < count; i++) {
		if (pids && !parse_u64(names[i]->d_name, &pid) &&
		    in_namespace(proc, pid, &wanted))
			pids[used++] = (pid_t)pid;
		free(names[i]);
	}
	free(names);
	if (!pids || count < 0)
		return -ENOMEM;
	*ret_pids = move_ptr(&pids);
	*ret_count = used;
	return 0;
}

static int print_processes(const struct state *state, bool json,
			   struct err *err)
{
	struct cgroup_mount mount = { .fd = -1 };
	autoclose int cgroup = -1;
	autoclose int proc = procfs_open(err);
	autofree pid_t *pids = NULL;
	json_t *array = json_array();
	size_t count = 0;
	int rc = proc < 0 ? proc : cgroup_mount_open(&mount, err);

	if (!rc && state->cgroup)
		cgroup = cgroup_open(&mount, state->cgroup);
	if (!rc && cgroup >= 0)
		rc = cgroup_processes(cgroup, &pids, &count, err);
	else if (!rc && !state->cgroup &&
		 namespace_processes(proc, state->pid, &pids, &count))
		rc = err_sys(err, ENOMEM, "cannot read /proc");
	cgroup_mount_close(&mount);
	if (!rc && !json)
		printf("%8s %s\n", "PID", "CMD");
	for (size_t i = 0; !rc && i < count; i++) {
		char text[4096];

		if (json) {
			json_array_append_new(array, json_integer(pids[i]));
			continue;
		}
		read_command(proc, pids[i], text, sizeof(text));
		printf("%8d %s\n", (int)pids[i], text);
	}
	if (!rc && json)
		return json_print(array, JSON_INDENT(2), err);
	json_decref(array);
	return rc;
}

int verb_ps(struct context *context, struct args *args, struct err *err)
{
	const char *format = "table";
	const char *id = "";
	const struct arg_option table[] = {
		{ "format", 'f', ARG_TEXT, &format, "table or json" },
		ARGS_END,
	};
	struct state state;
	bool is_json;
	int rc = verb_takes_id("ps", args, table, false, &id, err);

	if (!rc)
		rc = check_format(format, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = state_open(&state, context->root_fd, id, false, err);
	is_json = !strcmp(format, "json");
	if (!rc)
		/* Engines want processes that are the host's. */
		rc = vm_is_state(&state) && !is_json ?
			     vm_print_processes(&state, err) :
			     print_processes(&state, is_json, err);
	state_release(&state);
	return rc;
}

/* ---- doctor ---- */

int verb_doctor(struct context *context, struct args *args, struct err *err)
{
	bool json = false;
	bool can_run = false;
	const struct arg_option table[] = {
		{ "json", 0, ARG_FLAG, &json, "as JSON" },
		ARGS_END,
	};
	int rc = verb_options("doctor", args, table, true, err);

	if (!rc)
		rc = args_end(args, err);
	if (!rc)
		rc = doctor_examine(context, json, &can_run, err);
	if (!rc && !can_run)
		context->status = 1;
	return rc;
}
