/*
 * The second kind of launched container: a virtual machine. The image becomes
 * a disk, and the monitor, hull, is the payload of an ordinary container: a
 * root filesystem of a few files, a user of its own, no rights, a filter of
 * system calls, /dev/kvm. So it has the state, the cgroup, the log and the
 * supervisor of any other.
 *
 *	HOME/data/upper/disk	what the VM has written
 *	HOME/vm/		the bundle of the monitor's container, made anew
 *				for each start from HOME's config.json, which
 *				says what the guest is to run
 *	LAYER/tree/disk		as HOME/data/upper, or a whole root filesystem
 *
 * What a guest has written is never mounted, or read as a filesystem, on the
 * host. One thread.
 */
#ifndef CONTAINER_VM_H
#define CONTAINER_VM_H

#include "container/config.h"
#include "container/home.h"
#include "container/image.h"
#include "container/recipe.h"

/* Layers of a VM: its disks are named by one letter. */
#define VM_LAYERS_MAX 20

#define VM_CPUS_MAX 64 /* as `hull run` has them */

#define VM_LEAST_MEMORY (96 * MIB) /* below, the kernel cannot say why */
#define VM_IMAGE_BYTES	(256 * GIB) /* sparse: what a root can hold at most */

/* Of the monitor's container, so that the verbs know it; of an engine's VM, the
 * annotation is the path of the monitor's bundle. */
#define VM_GUEST_CONFIG "guest.json"
#define VM_ANNOTATION	"hull-ct.vm"

/* ---- launch ---- */

/*
 * What home.json says of it: programs, size of the disk, and what mke2fs does
 * not take over of the image, of which only the folder counts. Looks for the
 * programs beside our own file, of which a protected start knows nothing: to be
 * called before that, and again behind it. The caller decrefs; NULL with a
 * sentence.
 */
json_t *vm_describe(const struct recipe *recipe, const char *folder,
		    struct err *err);

/* Refuses what a VM cannot keep. */
int vm_check(const struct recipe *recipe, struct err *err);

/*
 * The image as a layer of the store; its folder is the caller's to free. One of
 * a user's folder is a copy for @name alone. The store is locked.
 */
int vm_add_layer(struct context *context, const char *name,
		 const struct image *image, char **ret_path, struct err *err);

/* ---- start ---- */

/* Whether it is a VM. */
bool vm_is(const struct home *home);

/* The disk that a VM writes to, empty, when it is not there. */
int vm_new_disk(const struct home *home, struct err *err);

/* The bundle in HOME/vm, and the program of the guest; the caller frees both.
 */
int vm_prepare(const struct home *home, bool tty, char **ret_bundle,
	       char **ret_program, struct err *err);

/* ---- parts of these ---- */

/* Whether there is mke2fs. */
bool vm_disk_can_make(void);

/* A filesystem in the new file @path, sparse, of the folder @tree, or an empty
 * one (NULL). Needs mke2fs. */
int vm_disk_make(const char *path, const char *tree, uint64_t bytes,
		 struct err *err);

/* The first disk of the VM, see core/agent.h; the caller frees. */
int vm_settings(const struct home *home, const struct config *config,
		const json_t *tree, void **ret_block, size_t *ret_size,
		struct err *err);

/* One process in the same words; the caller frees. */
int vm_process_settings(const struct config_process *process, bool detach,
			char **ret_text, size_t *ret_size, struct err *err);

/* The configuration of the monitor's container. The caller decrefs. */
json_t *vm_monitor_config(const struct home *home, const json_t *tree, bool tty,
			  struct err *err);

#endif
