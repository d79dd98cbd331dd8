/* The verbs that bring a container to life: create, start, run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "container/hooks.h"
#include "container/launch.h"
#include "container/people.h"
#include "container/report.h"
#include "container/sync.h"
#include "container/verbs.h"
#include "container/vm_engine.h"
#include "sandbox/selfexe.h"

/* All that is inherited but what the payload is to have, and our own program
 * out of reach. Before anything is opened. */
static int protect(struct context *context, unsigned int preserve_fds,
		   struct err *err)
{
	if (preserve_fds > 1 << 20)
		return err_set(err, EINVAL, "--preserve-fds: too many");
	return selfexe_protect(context->argv, 3 + preserve_fds,
			       &context->self_mount, err);
}

static int launch_arguments(struct context *context, const char *verb,
			    struct args *args, struct launch_options *options,
			    struct err *err)
{
	const bool is_run = !strcmp(verb, "run");
	bool ignored = false;
	const struct arg_option table[] = {
		{ "bundle", 'b', ARG_TEXT, &options->bundle,
		  "folder of config.json; the current one unless told" },
		{ "pid-file", 0, ARG_TEXT, &options->pid_file,
		  "file that gets the process's ID" },
		{ "console-socket", 0, ARG_TEXT, &options->console_socket,
		  "socket that gets the terminal" },
		{ "preserve-fds", 0, ARG_COUNT, &options->preserve_fds,
		  "how many descriptors from 3 on are the payload's" },
		{ "no-new-keyring", 0, ARG_FLAG, &options->no_new_keyring,
		  "keep the session keyring" },
		{ "no-pivot", 0, ARG_FLAG, &options->no_pivot,
		  "for a host that runs from its first ramfs: move and chroot" },
		{ "no-subreaper", 0, ARG_FLAG, &ignored, "accepted" },
		{ "dry-run", 0, ARG_FLAG, &options->dry_run,
		  "print what would be done, step by step, and do nothing" },
		{ is_run ? "tty" : NULL, 't', ARG_FLAG, &options->tty,
		  "with a terminal, whatever config.json says" },
		{ is_run ? "detach" : NULL, 'd', ARG_FLAG, &options->detach,
		  "do not wait for the end" },
		ARGS_END,
	};
	int rc;

	*options = (struct launch_options){ .bundle = ".", .root_tree = -1 };
	rc = verb_options(verb, args, table, true, err);
	if (!rc)
		rc = args_next(args, "the container's ID", &options->id, err);
	if (!rc)
		rc = args_end(args, err);
	options->foreground = is_run && !options->detach;
	if (!rc && context->vm)
		rc = vm_engine_check_options(options, err);
	if (!rc)
		rc = protect(context, options->preserve_fds, err);
	if (!rc)
		rc = context_open_root(context, err);
	return rc;
}

int verb_create(struct context *context, struct args *args, struct err *err)
{
	struct launch_options options;
	struct vm_engine vm = VM_ENGINE_NONE;
	int rc = launch_arguments(context, "create", args, &options, err);

	if (!rc && context->vm)
		rc = vm_engine_make(context, &options, &vm, err);
	if (!rc)
		rc = launch_create(context, &options, err);
	vm_engine_release(&vm, context, rc != 0);
	return rc;
}

int verb_run(struct context *context, struct args *args, struct err *err)
{
	struct launch_options options;
	struct vm_engine vm = VM_ENGINE_NONE;
	int rc = launch_arguments(context, "run", args, &options, err);

	if (!rc && context->vm)
		rc = vm_engine_make(context, &options, &vm, err);
	if (!rc)
		rc = launch_run(context, &options, &context->status, err);
	vm_engine_release(&vm, context, rc || !options.detach);
	return rc;
}

/* ---- start ---- */

/* Connects to the process that waits, and hears how it went: an error, or the
 * end of the connection when the payload runs. */
static int start(struct context *context, const struct state *state,
		 struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sync_message message;
	int rc;

	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/proc/self/fd/%d/" STATE_START, state->dir);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_sys(err, errno, "cannot reach the container");
	rc = sync_receive(fd, &message);
	unlinkat(state->dir, STATE_START, 0);
	if (!rc)
		return 0;
	if (rc < 0)
		return err_sys(err, -rc, "the container did not start");
	*err = message.err;
	context->payload_failed = message.payload_failed;
	return -err->code;
}

/* The configuration of a container that exists is the copy in its folder. */
static void poststart(const struct context *context, const struct state *state)
{
	struct config config;
	struct err err = { 0 };
	json_t *tree = json_load_path(state->dir, STATE_CONFIG, &err);
	json_t *told = state_to_json(state, STATUS_RUNNING);
	autofree char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;

	json_decref(told);
	if (!tree) {
		report_warning(context, &err);
		return;
	}
	if (config_read(&config, tree, &err) ||
	    hooks_run(&config, HOOK_POSTSTART, text ? text : "{}", &err))
		report_warning(context, &err);
	config_dispose(&config);
}

int verb_start(struct context *context, struct args *args, struct err *err)
{
	bool anew = false;
	const struct arg_option table[] = {
		{ "anew", 0, ARG_FLAG, &anew,
		  "from its beginning, though it has a checkpoint; that goes" },
		ARGS_END,
	};
	const char *id = "";
	enum status status;
	struct state state;
	int rc = verb_takes_id("start", args, table, true, &id, err);

	if (!rc && home_exists(context, id))
		return people_start(context, id, anew, err);
	if (!rc)
		rc = context_open_root(context, err);
	if (rc)
		return rc;
	rc = state_open(&state, context->root_fd, id, true, err);
	if (!rc) {
		status = state_status(&state);
		if (status != STATUS_CREATED)
			rc = err_set(err, EINVAL,
				     "container %s is %s, not created", id,
				     status_name(status));
	}
	if (!rc)
		rc = start(context, &state, err);
	if (!rc)
		poststart(context, &state);
	state_release(&state);
	return rc;
}
