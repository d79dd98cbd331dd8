/*
 * One shared folder of the machine: the file server, an I/O thread of its own
 * and the virtio device, put together from the configuration. Main thread.
 */
#ifndef VMM_SHARED_FOLDER_H
#define VMM_SHARED_FOLDER_H

#include "io/share_folder.h"
#include "virtio/fs.h"
#include "vmm/config.h"
#include "vmm/iothreads.h"

struct shared_folder {
	const char *name; /* the tag; borrowed from the configuration */
	struct share_folder *folder; /* owned */
	struct virtio_fs device;
	bool built; /* device is there */
};

/*
 * Raises this process' limit of open files as far as it may and is of use, and
 * returns what each of @count folders may hold of it.
 */
unsigned int shared_folder_limit(unsigned int count);

/* Opens the folder; @max_fds is its part of the limit. */
int shared_folder_open(struct shared_folder *shared,
		       const struct share_config *config, unsigned int max_fds,
		       struct err *err);

/* Its thread waits for file systems, so that it has one to itself. */
int shared_folder_build(struct shared_folder *shared,
			const struct virtio_env *env, struct iothreads *threads,
			struct err *err);

/* The device was stopped, and its thread too. Takes one that is half-built. */
void shared_folder_release(struct shared_folder *shared);

#endif
