/*
 * What is kept of a launched container for as long as it is not destroyed: a
 * folder of its own in the store, which outlives a reboot, while its state
 * (state.h) is there only as long as it runs.
 *
 *	STORE/containers/NAME/	home.json	this structure
 *				config.json	the bundle that is launched
 *				root/		where its root is mounted
 *				data/upper, data/work	its own files (overlay)
 *				vm/		of a VM, see vm.h
 *				log, log.1 ...	what it printed
 *				last.json	how it ended
 *	STORE/layers/		trees that nobody changes any more
 *		sha256-..., tar-...	images
 *		s-...			what containers had at a snapshot
 *
 * On disk, IDs are those of the container; an ID-mapped mount shifts them,
 * unless it shares those of its maker's user namespace, see rootless.h. One
 * thread. Who makes or removes anything holds the store's lock.
 */
#ifndef CONTAINER_HOME_H
#define CONTAINER_HOME_H

#include "container/context.h"
#include "container/json.h"
#include "container/state.h"

#define HOME_LAYERS_MAX 64
#define HOME_ID_COUNT	65536
#define HOME_LAST	"last.json"
#define HOME_CHECKPOINT "checkpoint" /* of `checkpoint`; in the folder */

enum restart_policy {
	RESTART_NO,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
};

struct home {
	char name[STATE_ID_MAX + 1];
	int dir; /* owned; -1 when not open */
	char *path; /* owned, absolute */
	json_t *tree; /* owned; the strings below are in it */
	const char *image; /* what it was launched from, for people */
	const char *root; /* a folder it writes to itself, or NULL */
	const char *layers[HOME_LAYERS_MAX]; /* the topmost first */
	size_t layer_count;
	bool privileged; /* no user namespace */
	/* Who launched it was root of a user namespace only, and the container
	 * has the IDs of that one: on disk they are as that has them. */
	bool shares_ids;
	uint32_t id_base; /* its first ID on the host */
	bool reaper; /* our own init runs the program */
	enum restart_policy restart;
	unsigned int restart_max; /* on-failure; 0: no end */
	uint64_t log_bytes; /* of one file; 0: no log */
	unsigned int log_files;
	bool system; /* its own init is process 1 */
	int stop_signal; /* 0 with system: what its init takes */
	unsigned int stop_timeout_s;
	bool autostart;
	unsigned int order; /* of autostart */
	uint64_t disk_quota; /* bytes; 0: none */
	uint32_t project; /* that the quota is of, see disk.h */
	const char *created;
	/* Of a VM; else vm_monitor is NULL. */
	const char *vm_monitor;
	const char *vm_kernel;
	const char *vm_initrd;
	const char *vm_root; /* mode, owner and group of its root folder */
	uint64_t vm_disk_bytes;
	bool vm_engine; /* see vm_engine.h */
};

/* The store's folders; locked until the descriptor is closed. */
int store_lock(struct context *context, struct err *err);

/* A new folder, with all that home.json is to say; taken over. The store is
 * locked. -EEXIST. */
int home_create(struct context *context, const char *name, json_t *tree,
		struct home *ret_home, struct err *err);

int home_open(struct context *context, const char *name, struct home *ret_home,
	      struct err *err);
void home_release(struct home *home);

/* Whether there is such a container, launched and not destroyed. */
bool home_exists(struct context *context, const char *name);

/* Calls @each for all, in the order of their names, until it is not 0. */
int home_each(struct context *context,
	      int (*each)(void *opaque, struct home *home), void *opaque,
	      struct err *err);

/* Replaces home.json with @tree, which is taken over, and reads it anew. */
int home_change(struct home *home, json_t *tree, struct err *err);

/*
 * Brings the container's own files in line with home.json, behind a change of
 * its layers that may have been cut off: a topmost layer that is not there yet
 * is what the container has written so far.
 */
int home_repair(const struct home *home, struct err *err);

/* Whether the container was stopped by `checkpoint`, and goes on from there
 * when it is started; and an end to that. */
bool home_is_saved(const struct home *home);
int home_forget_saved(const struct home *home, struct err *err);

/* Removes the folder and all in it. The store is locked. */
int home_remove(struct context *context, struct home *home, struct err *err);

/* Removes layers of snapshots, and with @images those of images, that no home
 * and no snapshot names. The store is locked. */
int store_clean(struct context *context, bool images, struct err *err);

#endif
