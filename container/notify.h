/*
 * SCMP_ACT_NOTIFY (runtime-spec 1.2, config-linux.md "seccompListenerPath"): the
 * kernel asks an agent about some system calls, through a descriptor that is
 * born with the filter. The process that the filter is for cannot send that to
 * the agent: the call may itself be one that is asked about. So a thread that
 * is not filtered does, while the process waits without calling anything.
 */
#ifndef CONTAINER_NOTIFY_H
#define CONTAINER_NOTIFY_H

#include <sys/types.h>

#include "container/config.h"
#include "container/state.h"

struct notify {
	int socket; /* connected to the agent; owned, or -1: no agent */
	char *text; /* owned; what the agent is told, with room for the pids */
	size_t len; /* without those */
	size_t room;
};

/* In the parent: connects to the agent of the profile, if there is one. */
int notify_open(struct notify *notify, const struct config *config,
		const struct state *state, enum status status, struct err *err);
void notify_close(struct notify *notify);

/* In the child: loads the filter, and returns when the agent has its
 * descriptor. @pid is ours as the agent sees it. Nothing allocates. */
int notify_load(const struct notify *notify,
		const struct filter_program *filter, pid_t pid,
		struct err *err);

#endif
