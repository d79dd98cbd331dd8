/*
 * Going on from a checkpoint, in place of what a launch does to make a
 * container's processes (`raise` in launch.h).
 */
#ifndef CONTAINER_RESTORE_H
#define CONTAINER_RESTORE_H

#include <sys/stat.h>

#include "container/criu.h"
#include "container/launch.h"

struct restore {
	const struct criu_options *options; /* borrowed */
	/* The checkpoint is that of this container, and done with when it runs
	 * again; borrowed, or NULL. */
	const struct home *saved;
	struct criu criu;
	int images; /* owned; the folder, while it is lent, or -1 */
	struct stat images_were;
	int own_file; /* owned; of this program */
	int netns; /* owned; made by us, or -1 */
	int terminal; /* owned; the master, or -1 */
	struct launch *launch; /* borrowed */
	char root[PATH_MAX]; /* where criu finds the root filesystem */
	const char *binds; /* and what comes from outside, by number */
};

/* Finds criu and the checkpoint. To be closed also behind a failure. */
int restore_open(struct restore *restore, const struct criu_options *options,
		 struct err *err);
void restore_close(struct restore *restore);

/* For launch_options: @opaque is a struct restore. */
int restore_raise(void *opaque, struct launch *launch, struct err *err);

/* `start` of the launched container @home, from where @options say, or, when
 * NULL, from where `checkpoint` has left it, if that is so. */
int restore_home(struct context *context, struct home *home,
		 const struct criu_options *options, struct err *err);

#endif
