/*
 * The machine's virtio devices: built from the configuration in the order the
 * guest finds them in, plugged into the bus, stopped and taken apart. The part
 * of the composition root that knows every device type. Main thread.
 */
#ifndef VMM_PERIPHERALS_H
#define VMM_PERIPHERALS_H

#include "boot/platform.h"
#include "core/gmem.h"
#include "core/loop.h"
#include "io/chardev.h"
#include "virtio/console.h"
#include "virtio/rng.h"
#include "vmm/config.h"
#include "vmm/disk.h"
#include "vmm/iothreads.h"
#include "vmm/nic.h"
#include "vmm/shared_folder.h"
#include "vmm/virtio_bus.h"

struct peripherals {
	struct virtio_env env;
	struct virtio_bus bus;
	struct iothreads threads;
	struct disk *disks; /* owned array */
	unsigned int disk_count;
	struct nic *nics; /* owned array */
	unsigned int nic_count;
	struct virtio_console *console; /* owned, or NULL */
	struct chardev *ports[CONFIG_MAX_PORTS]; /* owned */
	unsigned int port_count;
	struct virtio_rng *rng; /* owned, or NULL */
	struct shared_folder *shares; /* owned array */
	unsigned int share_count;
};

/* Adds to @platform what the guest is told of the devices in @config. */
void peripherals_describe(const struct vm_config *config,
			  struct platform *platform);

/* Of the machine; borrowed. */
struct peripherals_env {
	const struct vm_config *config;
	const struct gmem *gmem;
	struct loop *loop;
	struct chardev *console; /* the terminal, or what stands for it */
	/* A disk's error is to stop the machine. I/O thread. */
	void (*stopped)(void *opaque);
	void *opaque;
	struct virtio_bus_config bus;
};

/*
 * Opens what is outside the guest, then builds the devices and plugs them in.
 * On failure peripherals_release takes what is there.
 */
int peripherals_build(struct peripherals *peripherals,
		      const struct peripherals_env *env, struct err *err);

/* The I/O threads, before the vCPUs. */
int peripherals_start(struct peripherals *peripherals, struct err *err);

/* The loop was woken. */
void peripherals_update(struct peripherals *peripherals);

/* Looks for disks that have another size now. */
void peripherals_refresh(struct peripherals *peripherals);

/* What disks kept after errors is tried again. */
void peripherals_resume(struct peripherals *peripherals);

/* A vCPU that serves a queue itself comes back soon. Any thread. */
void peripherals_cancel(struct peripherals *peripherals);
/* Waits for all that is in flight. No vCPU runs. */
void peripherals_stop(struct peripherals *peripherals);
/* Takes peripherals that are all zeroes. */
void peripherals_release(struct peripherals *peripherals);

#endif
