/*
 * The virtio-pci transport, modern only: one memory BAR that holds the common
 * configuration, the interrupt status, the device configuration, a notify
 * address for each queue, and the MSI-X table. The same registers are within
 * reach through configuration space (VIRTIO_PCI_CAP_PCI_CFG).
 *
 * Interrupts are MSI-X messages, or INTx while MSI-X is off and the machine
 * gave a line for it.
 *
 * Source: virtio 1.2, 4.1.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/irq.h"
#include "core/pci.h"
#include "virtio/device.h"
#include "virtio/msix.h"

/* Queue i is kicked at BAR + VIRTIO_PCI_NOTIFY_OFFSET + 4 * i. */
#define VIRTIO_PCI_NOTIFY_OFFSET     0x3000
#define VIRTIO_PCI_NOTIFY_MULTIPLIER 4

struct virtio_pci;

struct virtio_pci_machine {
	const struct msix_ops *msix;
	/*
	 * Optional: the notify addresses now begin at @base, or nowhere when
	 * it is 0. A machine that has KVM write the queues' kick_fd moves its
	 * ioeventfds; they match any value and any width. vCPU thread.
	 */
	void (*notify_moved)(void *opaque, struct virtio_pci *pci,
			     uint64_t base);
	void *opaque; /* for both */
	/*
	 * virtio_pci_vector_count lines, borrowed; the array is copied. Line
	 * 0 is the configuration's by custom only: drivers choose.
	 */
	struct irq_line *const *vectors;
	/* Optional: INTA, level-triggered; borrowed. */
	struct irq_line *intx;
};

struct virtio_pci {
	struct pci_function function;
	struct virtio_device *device; /* borrowed */
	struct virtio_pci_machine machine;
	struct msix msix; /* registers guarded by device->lock */
	uint8_t msix_capability;
	uint8_t access_capability; /* VIRTIO_PCI_CAP_PCI_CFG */

	/* Guarded by device->lock. */
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	int queue_fds[VIRTIO_MAX_QUEUES]; /* to follow (borrowed), or -1 */

	/* Read by interrupts on any thread. */
	_Atomic uint16_t config_vector;
	_Atomic uint16_t queue_vectors[VIRTIO_MAX_QUEUES];

	pthread_mutex_t irq_lock; /* guards what follows */
	uint8_t isr;
	bool intx_disabled;
	bool intx_asserted;
};

/* Vectors that a device with these queues has: one each and one more. */
static inline unsigned int
virtio_pci_vector_count(const struct virtio_device *device)
{
	return device->queue_count + 1;
}

/*
 * Becomes the transport of @device, which it outlives. &pci->function is then
 * ready to be added to a host bridge.
 */
void virtio_pci_init(struct virtio_pci *pci, struct virtio_device *device,
		     const struct virtio_pci_machine *machine);
void virtio_pci_release(struct virtio_pci *pci);

#endif
