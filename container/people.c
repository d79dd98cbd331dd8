#include "container/people.h"

#include <errno.h>
#include <string.h>

#include "container/supervisor.h"

enum people_status people_status(struct context *context,
				 const struct home *home)
{
	struct state state;
	enum status status = STATUS_STOPPED;

	if (context->root_fd >= 0 &&
	    !state_open(&state, context->root_fd, home->name, false, NULL)) {
		status = state_status(&state);
		state_release(&state);
	}
	if (status != STATUS_STOPPED)
		return PEOPLE_RUNNING;
	return supervisor_pid(home) ? PEOPLE_RESTARTING : PEOPLE_STOPPED;
}

const char *people_status_name(enum people_status status)
{
	static const char *const names[] = {
		[PEOPLE_STOPPED] = "stopped",
		[PEOPLE_RESTARTING] = "restarting",
		[PEOPLE_RUNNING] = "running",
	};

	return names[status];
}

/* As state_to_json of one that has stopped. */
json_t *people_to_json(const struct home *home, enum people_status status)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s+, s:s}", "ociVersion",
			 "1.2.0", "id", home->name, "status",
			 people_status_name(status), "pid", 0, "bundle",
			 home->path, "rootfs", home->path, "/root", "created",
			 home->created ? home->created : "");
}

int people_write_config(const struct home *home, const json_t *config,
			struct err *err)
{
	autofree char *text = json_dumps(config, JSON_INDENT(2));

	if (!text)
		return err_set(err, ENOMEM, "no memory");
	return state_write_file(home->dir, STATE_CONFIG, text, strlen(text),
				err);
}
