#include "container/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "container/ids.h"
#include "container/recipe.h"
#include "container/state.h"
#include "sandbox/procfs.h"
#include "sandbox/userns.h"

/* What is above the user namespace of a container that runs, and below ours. */
static int open_above(int proc, const struct state *state)
{
	/* Held while its number is used. */
	autoclose int pidfd = state_pidfd(state);
	autoclose int ns = -1;
	char path[32];

	if (pidfd < 0)
		return pidfd;
	snprintf(path, sizeof(path), "%d/ns/user", (int)state->pid);
	ns = openat(proc, path, O_RDONLY | O_CLOEXEC);
	return ns < 0 ? -errno : userns_below_own(proc, ns);
}

/* -errno when it does not run. */
static int find_namespace(struct context *context, int proc, const char *name)
{
	struct state state = { .dir = -1 };
	int rc = context_open_root(context, NULL);

	if (rc)
		return rc;
	rc = state_open(&state, context->root_fd, name, false, NULL);
	if (!rc)
		rc = open_above(proc, &state);
	state_release(&state);
	return rc;
}

static int make_namespace(int proc, struct err *err)
{
	struct ids ids;
	int rc = ids_of_caller(&ids, err);

	return rc ? rc : userns_make(proc, &ids.uids, &ids.gids, err);
}

int rootless_enter(struct context *context, const char *name, struct err *err)
{
	autoclose int proc = -1;
	autoclose int ns = -1;

	if (!geteuid())
		return 0;
	if (!context->root)
		return err_set(err, EINVAL,
			       "XDG_RUNTIME_DIR is not set; say --root");
	proc = procfs_open(err);
	if (proc < 0)
		return proc;
	ns = name ? find_namespace(context, proc, name) : -1;
	if (context->root_fd >= 0)
		close(move_fd(&context->root_fd));
	if (ns < 0)
		ns = make_namespace(proc, err);
	if (ns < 0)
		return ns;
	if (setns(ns, CLONE_NEWUSER) || unshare(CLONE_NEWNS))
		return err_sys(err, errno, "cannot enter a user namespace");
	if (geteuid())
		return err_set(err, EPERM,
			       "the user namespace of %s is another's",
			       name ? name : "the container");
	return 0;
}

int rootless_check(const struct recipe *recipe, struct err *err)
{
	const char *net = network_for_root(&recipe->network);

	if (!geteuid())
		return 0;
	if (recipe->privileged)
		return err_set(
			err, EPERM,
			"--privileged needs root: without, the user namespace is what a container is made of");
	if (recipe->vm)
		return err_set(
			err, EPERM,
			"--vm needs root, for /dev/kvm and the bridge; hull run needs neither");
	if (recipe->disk_quota)
		return err_set(
			err, EPERM,
			"--disk-quota needs root: a quota is the filesystem's");
	return net ? err_set(err, EPERM,
			     "--net %s needs root, as it changes the host's network; without, there are user, host and none",
			     net) :
		     0;
}
