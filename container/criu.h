/*
 * criu(8) as a program of its own: the words of its command line, running it,
 * and what it says when it fails. It is found in PATH, has nothing of our
 * environment but that, and writes its log to a file.
 *
 * Its standard input and output are not the container's. What a restored
 * process shall inherit is passed by descriptor, as criu_pass numbers it.
 */
#ifndef CONTAINER_CRIU_H
#define CONTAINER_CRIU_H

#include <limits.h>

#include "container/config.h"
#include "container/state.h"

/* In the folder of a checkpoint: what descriptors 0 to 2 were, as criu knows
 * them by. An array of text, as runc and crun have it. */
#define CRIU_DESCRIPTORS "descriptors.json"

/* The names of external namespaces in a checkpoint, those of runc and crun. */
#define CRIU_NETNS "extRootNetNS"
#define CRIU_PIDNS "extRootPidNS"

/* The name of what lies over masked files. */
#define CRIU_MASK "/dev/null"

/* What checkpoint and restore have in common, as on the command line. */
struct criu_options {
	const char *image_path; /* NULL: "checkpoint" */
	const char *work_path; /* NULL: the image's */
	const char *cgroups_mode; /* NULL: soft */
	const char *empty_ns;
	bool tcp_established;
	bool ext_unix_sk;
	bool shell_job;
	bool file_locks;
	bool auto_dedup;
};

#define CRIU_FDS_MAX 16

struct criu {
	char **words; /* owned, NULL-terminated */
	size_t count;
	size_t room;
	int error; /* -errno of the first word that could not be added */
	int fds[CRIU_FDS_MAX]; /* borrowed; 3 and on in the program */
	size_t fd_count;
	char program[PATH_MAX];
	char images[PATH_MAX];
	char work[PATH_MAX];
	const char *log; /* its name in the folder @work */
	uint64_t namespaces; /* CLONE_NEW* that the program runs in */
	int cgroup; /* that it is born in; borrowed, or -1 */
	bool apart; /* in a session of its own */
	/* Called in the new process before the program takes over; or NULL.
	 * Nothing may allocate. */
	int (*enter)(void *opaque, struct err *err);
	void *opaque;
};

/* Whether there is the program, which *@ret_path gets. -ENOENT with the remedy.
 */
int criu_find(char ret_path[PATH_MAX], struct err *err);

/* Finds the program and the folders (@make: makes those that are missing), and
 * begins the command. To be released also behind a failure. */
int criu_begin(struct criu *criu, const char *command, const char *log,
	       const struct criu_options *options, bool make, struct err *err);

/* Adds one word. What went wrong is told by criu_run. */
void criu_add(struct criu *criu, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Passes a descriptor on; returns its number in the program. */
int criu_pass(struct criu *criu, int fd);

/* Runs it to its end. The error names the log and its first complaint. */
int criu_run(struct criu *criu, struct err *err);

void criu_release(struct criu *criu);

/* Refuses what no checkpoint can hold, or no restore make again. @net as
 * net_plan_read has it. */
int criu_check_config(const struct config *config, const struct net_plan *net,
		      const char *id, struct err *err);

/* Whether the network is made by us. Then its namespace is external to criu,
 * and a new one, with the same network, at each restore. */
bool criu_is_our_network(const struct config *config,
			 const struct net_plan *net);

/* Whether the mount is a copy of the container's own group: there is a mount
 * of cgroups, and no namespace of them. */
bool criu_is_cgroup_bind(const struct config *config,
			 const struct config_mount *mount);

#endif
