/*
 * Any text as the state.json of a container: it is read, or refused with a
 * sentence; what was read can be told, has a status, and comes back the same
 * when it is written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/state.h"

#define ID "c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int make_root(void)
{
	char path[] = "/tmp/hull-fuzz-state.XXXXXX";
	int root;

	require(mkdtemp(path));
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(root >= 0 && !mkdirat(root, ID, 0700));
	/* The descriptors are enough. */
	return root;
}

static void check(struct state *state, int root)
{
	json_t *told = state_to_json(state, state_status(state));
	struct state again;
	struct err err;

	json_decref(told);
	if (state_save(state, &err))
		return;
	require(!state_open(&again, root, ID, false, &err));
	require(again.pid == state->pid &&
		again.start_time == state->start_time &&
		!strcmp(again.bundle, state->bundle) &&
		!again.cgroup == !state->cgroup);
	state_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int root = make_root();
	int dir = openat(root, ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = { 0 };
	struct state state;
	char path[64];
	int rc;

	require(!state_write_file(dir, "state.json", (const char *)data, size,
				  &err));
	rc = state_open(&state, root, ID, false, &err);
	if (rc)
		require(err.code > 0 && err.msg[0]);
	else
		check(&state, root);
	state_release(&state);
	unlinkat(dir, "state.json", 0);
	unlinkat(root, ID, AT_REMOVEDIR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
	{
		char real[128];
		ssize_t n = readlink(path, real, sizeof(real) - 1);

		require(n > 0);
		real[n] = '\0';
		rmdir(real);
	}
	close(dir);
	close(root);
	return 0;
}
