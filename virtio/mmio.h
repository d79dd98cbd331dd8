/*
 * The virtio-mmio transport, version 2: one page of registers and one
 * interrupt. Not offered: shared memory regions and the reset of a single
 * queue.
 *
 * Source: virtio 1.2, 4.2.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/irq.h"
#include "virtio/device.h"

#define VIRTIO_MMIO_BYTES 0x200

/*
 * Where a kick is written, 32 bits wide with the queue's index as the value: a
 * machine that has KVM write queue i's kick_fd matches (offset, 4, i).
 */
#define VIRTIO_MMIO_NOTIFY_OFFSET 0x50

struct virtio_mmio {
	struct virtio_device *device; /* borrowed */
	struct irq_line *irq; /* borrowed */
	bool level_triggered; /* else every event is a pulse */

	/* Guarded by device->lock. */
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint32_t queue_select;

	pthread_mutex_t irq_lock; /* guards what follows */
	uint32_t interrupt_status;
};

extern const struct bus_ops virtio_mmio_bus_ops;

/* Becomes the transport of @device, which it outlives. */
void virtio_mmio_init(struct virtio_mmio *mmio, struct virtio_device *device,
		      struct irq_line *irq, bool level_triggered);
void virtio_mmio_release(struct virtio_mmio *mmio);

#endif
