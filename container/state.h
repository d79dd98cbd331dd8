/*
 * What is kept of a container between two calls: a folder of its own in the
 * root folder of all, mode 0700, with state.json, a copy of config.json and,
 * while the container is created but not started, the socket "start".
 *
 * Everything is reached from the folder's descriptor; a file is replaced by a
 * rename, so a reader sees the old or the new one. Who changes a container
 * holds the lock of its folder, which the kernel lets go with the process.
 */
#ifndef CONTAINER_STATE_H
#define CONTAINER_STATE_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

#define STATE_ID_MAX	128
#define STATE_START	"start" /* the socket's name */
#define STATE_CONFIG	"config.json"
/* While criu restores it: a folder to mount the root on. */
#define STATE_CRIU_ROOT "criu-root"

enum status {
	STATUS_CREATING, /* someone is at it right now */
	STATUS_CREATED,
	STATUS_RUNNING,
	STATUS_PAUSED,
	STATUS_STOPPED, /* also what a create left that came to no end */
};

struct state {
	char id[STATE_ID_MAX + 1];
	int dir; /* owned; the container's folder, -1 when not open */
	int root; /* borrowed; the folder of all */
	bool locked; /* by us */
	pid_t pid; /* 0 before there is a process */
	uint64_t start_time; /* of that process, in ticks since the boot */
	char boot_id[40];
	char created[64]; /* RFC 3339 */
	char *bundle; /* owned, absolute */
	char *rootfs; /* owned, absolute */
	char *cgroup; /* owned, in cgroup v2; NULL when there is none */
	char *unit; /* owned, of systemd, which made the cgroup; or NULL */
	json_t *annotations; /* owned, or NULL */
};

/* The present time as in RFC 3339; 40 bytes are enough. */
void state_now(char *text, size_t size);

/* Letters, digits and _ + - . ; not at the front: . */
int state_check_id(const char *id, struct err *err);

/* Opens the folder of all, made when missing; it must be ours alone. */
int state_open_root(const char *path, struct err *err);

/* Makes the folder of a new container, and locks it. -EEXIST. */
int state_create(struct state *state, int root, const char *id,
		 struct err *err);

/* Reads a container's state. With @lock: waits for those who change it. */
int state_open(struct state *state, int root, const char *id, bool lock,
	       struct err *err);
void state_release(struct state *state);

/* Calls @each with the ID of everything that has a folder in @root, until it is
 * not 0, and returns that. */
int state_each(int root, int (*each)(void *opaque, const char *id),
	       void *opaque, struct err *err);

/* Lets others change it, and takes the lock back: -ENOENT when it was removed
 * meanwhile. */
void state_unlock(struct state *state);
int state_lock(struct state *state);

int state_save(const struct state *state, struct err *err);

/* Sets pid, start time and boot id of a running process. */
int state_set_process(struct state *state, int proc, pid_t pid,
		      struct err *err);

/* Removes the folder. */
int state_remove(struct state *state, struct err *err);

enum status state_status(const struct state *state);
const char *status_name(enum status status);

/* A pidfd of the container's first process; -ESRCH when it is gone. */
int state_pidfd(const struct state *state);

/* The object that the runtime specification calls "state" (runtime.md), with
 * what runc adds. The caller decrefs. NULL without memory. */
json_t *state_to_json(const struct state *state, enum status status);

/* Writes a file in the folder, whole or not at all. */
int state_write_file(int dir, const char *name, const char *text, size_t len,
		     struct err *err);

#endif
