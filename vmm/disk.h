/*
 * One disk of the machine: the image, a backend for each queue, the I/O thread
 * and the virtio device, put together from the configuration. Main thread.
 */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include "io/block_file.h"
#include "virtio/blk.h"
#include "vmm/config.h"
#include "vmm/iothreads.h"

struct disk {
	char name[32]; /* the id, or vda and so on */
	struct block_file *file; /* owned */
	struct block *blocks[VIRTIO_MAX_QUEUES]; /* owned; of each queue */
	unsigned int queue_count;
	struct virtio_blk blk;
	bool built; /* blk is there */
	/* From disk_env; constant once built. */
	void (*stopped)(void *opaque);
	void *opaque;
	/* What waits to be told to the user: -errno of the request that
	 * stopped the machine, or 0. */
	atomic_int stop_error;
};

/* Opens and locks the image; @index is that of the disk. */
int disk_open(struct disk *disk, const struct disk_config *config,
	      unsigned int index, struct err *err);

struct disk_env {
	const struct virtio_env *env;
	struct iothreads *threads;
	unsigned int cpus;
	bool measure_latency;
	/* A request failed that is to stop the machine. I/O thread. */
	void (*stopped)(void *opaque);
	void *opaque;
};

int disk_build(struct disk *disk, const struct disk_config *config,
	       const struct disk_env *env, struct err *err);

/* Tells the guest when the image has another size now. */
void disk_refresh(struct disk *disk);

/* The device was stopped, and its thread too. Takes one that is half-built. */
void disk_release(struct disk *disk);

#endif
