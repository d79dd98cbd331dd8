/*
 * criu(8) as a program of its own: what it is asked for, running it, and what
 * it says when it fails. It is found in PATH, has nothing of our environment
 * but that, and writes its log to a file.
 *
 * Its standard input and output are not the container's. What a restored
 * process shall inherit is passed by descriptor, as criu_pass numbers it.
 */
#ifndef CONTAINER_CRIU_H
#define CONTAINER_CRIU_H

#include <limits.h>

#include "container/config.h"
#include "container/criu_message.h"
#include "container/home.h"
#include "container/state.h"

/* In the folder of a checkpoint: what descriptors 0 to 2 were, as criu knows
 * them by. An array of text, as runc and crun have it. */
#define CRIU_DESCRIPTORS "descriptors.json"

/* In there, too, and ours alone: the PID of the first process, after which the
 * nftables table is named that keeps the network still meanwhile. */
#define CRIU_LOCK "network-lock"

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
	const char *lsm_profile; /* of restore */
	const char *lsm_mount_context; /* of restore */
	bool tcp_established;
	bool ext_unix_sk;
	bool shell_job;
	bool file_locks;
	bool auto_dedup;
};

/* Without another image path, the launched container's own place, which
 * *@ret_path gets, for the caller to free; the log is beside it, and outlives
 * it. */
int criu_options_of_home(struct criu_options *options, const struct home *home,
			 char **ret_path, struct err *err);

#define CRIU_FDS_MAX 16

struct criu {
	enum criu_request request;
	struct criu_message options; /* criu_opts */
	int fds[CRIU_FDS_MAX]; /* borrowed; in the order of criu_inherit */
	size_t fd_count;
	int error; /* -errno of the first thing that could not be added */
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
	/* Called for the terminal that criu has made; @master stays its own. Or
	 * NULL. */
	int (*terminal)(void *opaque, int master, struct err *err);
	void *opaque;
	pid_t pid; /* from criu_run: of the first process that it restored */
};

/* Whether there is the program, which *@ret_path gets. -ENOENT with the remedy.
 */
int criu_find(char ret_path[PATH_MAX], struct err *err);

/* Finds the program and the folders (@make: makes those that are missing), and
 * begins the request. To be released also behind a failure. */
int criu_begin(struct criu *criu, enum criu_request request, const char *log,
	       const struct criu_options *options, bool make, struct err *err);

/* Add one field of criu_opts. What went wrong is told by criu_run. */
void criu_number(struct criu *criu, enum criu_field field, uint64_t value);
void criu_text(struct criu *criu, enum criu_field field, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* One of two texts, fields 1 and 2; NULL: it is left away. */
void criu_texts(struct criu *criu, enum criu_field field, const char *first,
		const char *second);

/* What the checkpoint calls @key is our descriptor @fd, which is open until
 * criu_run. */
void criu_inherit(struct criu *criu, const char *key, int fd);

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
