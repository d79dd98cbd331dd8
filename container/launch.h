/*
 * `create` and `run`: from a bundle to a container's first process, which
 * waits for the start.
 *
 * Theory of operation. The parent reads the configuration, compiles what is to
 * be compiled and opens what only it can open; it writes the state, so that
 * from here on `delete` can clean up; it makes the cgroup; then one clone3
 * makes the child in all namespaces and inside the cgroup. The child
 * (init.c) builds the container around itself. Both have one thread, and the
 * child never allocates.
 */
#ifndef CONTAINER_LAUNCH_H
#define CONTAINER_LAUNCH_H

#include <signal.h>

#include "container/config.h"
#include "container/context.h"
#include "container/payload.h"
#include "container/state.h"
#include "sandbox/scope.h"

struct launch;

struct launch_options {
	const char *bundle;
	const char *id;
	const char *pid_file; /* or NULL */
	const char *console_socket; /* or NULL */
	unsigned int preserve_fds;
	bool no_new_keyring;
	bool no_pivot;
	bool detach; /* run: do not wait for its end */
	bool foreground; /* run, waiting for the end */
	bool dry_run; /* say what would be done, and do nothing */
	bool tty; /* run: a terminal, whatever the configuration says */
	bool reaper; /* an init of ours in front of the program */
	/* A detached mount that is the root filesystem, which the launch takes
	 * over; -1: the folder that config.json names. */
	int root_tree;
	/* The bundle is of a VM's monitor, vm.h: the guest's program, which
	 * vm_shim.h stands for; or NULL. */
	const char *vm_program;
	bool vm_keeps; /* what the guest has written is wanted behind its end */
	const char *told_bundle; /* the state shall tell; NULL: .bundle */
	/* run: what waits for the end in place of launch_run, or NULL; @opaque
	 * is the first argument. The exit status as from launch_run. */
	int (*wait)(void *opaque, const struct launch *launch, int *ret_status,
		    struct err *err);
	/* run: what makes the processes in place of init.c, or NULL. Sets pid
	 * and pidfd of the first, which is a child of the caller's and runs. */
	int (*raise)(void *raise_opaque, struct launch *launch,
		     struct err *err);
	void *raise_opaque;
	void *opaque;
};

/* What parent and child share: the child has a copy of all of it. */
struct launch {
	struct context *context; /* borrowed */
	const struct launch_options *options; /* borrowed */
	struct config config;
	struct state state;
	struct cgroup_mount cgroups;
	struct filter_program filter;
	struct notify notify;
	struct payload payload;
	struct net_plan *net; /* owned; NULL: the annotations ask for none */
	char *hook_state; /* owned; JSON text with room for a pid */
	size_t hook_state_room;
	size_t hook_state_len; /* without status and pid */
	int proc; /* a handle on the host's procfs */
	bool proc_private; /* which is mounted nowhere else */
	int cgroup; /* the container's group, or -1 */
	char unit[SCOPE_NAME_MAX + 1]; /* systemd shall make; or empty */
	char slice[SCOPE_NAME_MAX + 1]; /* of that */
	struct vm_shim shim; /* of a VM */
	pid_t holder; /* keeps the unit alive until the child is in it; or 0 */
	int root_tree; /* a detached copy of the root filesystem */
	int cgroup_tree; /* of its group, where it shall see that alone */
	int console; /* the child sends its terminal there; or -1 */
	int console_own; /* and we get it here when no engine does; or -1 */
	int start; /* listens for the start, or -1: it comes over sync */
	int tap; /* of a VM's monitor, or -1 */
	int sync[2]; /* the parent's end, the child's end */
	bool nested; /* we are in a user namespace already */
	bool unprivileged; /* the child opens what must be opened in a namespace
			    * where it has rights */
	bool has_info; /* the child waits for SYNC_INFO */
	int namespaces[8]; /* opened by path, in the order of config */
	struct device_node *nodes; /* owned; default devices and config's */
	size_t node_count;
	pid_t pid;
	int pidfd;
	sigset_t mask; /* of signals, before relay_hold() */
};

/* `create`. 0 or -errno. */
int launch_create(struct context *context, const struct launch_options *options,
		  struct err *err);

/* `run`: the payload's exit status in *@ret_status (128 + N for a signal). */
int launch_run(struct context *context, const struct launch_options *options,
	       int *ret_status, struct err *err);

/* The child, init.c: does not return. */
_Noreturn void init_main(struct launch *launch);

/* Opens and makes all that the child needs, launch_prepare.c. */
int launch_prepare(struct launch *launch, struct err *err);
/* Opens what is mounted; in the child when only that has the right. */
int launch_open_mounts(struct launch *launch, struct err *err);

/* Makes the network that is asked for in @netns, for a container whose user
 * namespace is that of @pid. */
int launch_make_network(const struct launch *launch, int netns, pid_t pid,
			struct err *err);

/* What the child has its own copies of: held by us, nobody inside could unmount
 * it. */
void launch_drop_mounts(struct launch *launch);

void launch_release(struct launch *launch);

/* The state's JSON text for hooks. Nothing allocates. */
const char *launch_hook_state(struct launch *launch, enum status status,
			      pid_t pid);

#endif
