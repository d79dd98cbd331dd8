/*
 * `create` and `run` with --vm: the bundle of an engine, run in a VM. It gets a
 * folder as a launched VM has it (vm.h), for as long as the container is there:
 *
 *	STORE/vms/ID/	home.json	as of a launched VM
 *			config.json	the engine's, as it was at create
 *			image/disk	the files of its root
 *			data/upper/disk	what the VM has written
 *			vm/		the bundle of the monitor's container
 *			claim		the owner of this file is the VM's ID;
 *					locked as long as someone makes it
 *
 * Nothing of the engine's root is written to. One thread; root alone.
 */
#ifndef CONTAINER_VM_ENGINE_H
#define CONTAINER_VM_ENGINE_H

#include "container/home.h"
#include "container/launch.h"

struct vm_engine {
	struct home home; /* owned */
	json_t *tree; /* owned; the engine's config.json */
	struct config config; /* owned; the same */
	char *bundle; /* owned; the engine's, absolute */
	char *monitor; /* owned; the bundle of the monitor's container */
	char *program; /* owned; the guest's */
	int claim; /* owned, or -1 */
};

#define VM_ENGINE_NONE                             \
	{                                          \
		.home = { .dir = -1 }, .claim = -1 \
	}

/* Refuses what a VM cannot have, and looks where our own file is: before that
 * is protected. */
int vm_engine_check_options(const struct launch_options *options,
			    struct err *err);

/* Makes the folder, and has @options name its bundle. To be released also
 * behind a failure. */
int vm_engine_make(struct context *context, struct launch_options *options,
		   struct vm_engine *engine, struct err *err);

/* With @discard the folder goes, too, if it is still this one's. */
void vm_engine_release(struct vm_engine *engine, struct context *context,
		       bool discard);

/* Removes the folder of the container @id, if it has one. */
int vm_engine_remove(struct context *context, const char *id, struct err *err);

/* Removes folders whose container is gone, say by a reboot. The store is
 * locked. */
int vm_engine_prune(struct context *context, struct err *err);

/* Calls @each with the first ID of each such VM until a call returns other
 * than 0, which is returned. */
int vm_engine_each_base(struct context *context,
			int (*each)(void *opaque, uint32_t id_base),
			void *opaque, struct err *err);

/* ---- parts ---- */

/* vm_bundle.c: refuses what a VM cannot keep of a bundle. */
int vm_bundle_check(const struct config *config, const json_t *tree,
		    struct err *err);

#endif
