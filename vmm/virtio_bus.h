/*
 * Where the machine's virtio devices are plugged in: gives each a transport
 * (a PCI function with MSI-X, or a page of virtio-mmio registers), its
 * interrupts, and lets KVM write the eventfds of its queues.
 *
 * All functions on the main thread, but for what the transports call back.
 */
#ifndef VMM_VIRTIO_BUS_H
#define VMM_VIRTIO_BUS_H

#include "boot/platform.h"
#include "core/bus.h"
#include "core/err.h"
#include "devices/pci_host.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"

enum virtio_transport {
	TRANSPORT_PCI,
	TRANSPORT_MMIO,
};

/* Slot 0 is the bridge. */
#define VIRTIO_BUS_MAX_PCI  (PCI_HOST_SLOTS - 1)
/* One pin of the I/O APIC each, so that no interrupt is shared. */
#define VIRTIO_BUS_MAX_MMIO 15
#define VIRTIO_BUS_INTX	    4

/* One device that is plugged in. */
struct virtio_seat {
	struct virtio_bus *bus; /* borrowed */
	struct virtio_device *device; /* borrowed */
	char name[24]; /* "virtio-blk 00:01.0", for the trace of interrupts */
	struct virtio_pci *pci; /* owned, or NULL */
	struct irqchip_message *messages; /* owned array, with pci */
	struct irqchip_shared_line intx; /* with pci */
	struct virtio_mmio *mmio; /* owned, or NULL */
	struct irqchip_line irq; /* with mmio */
	/* Where KVM watches for kicks, 0: nowhere. */
	uint64_t notify_base;
};

struct virtio_bus_config {
	enum virtio_transport transport;
	const struct kvm *kvm; /* borrowed, as all that follows */
	struct irqchip *irqchip;
	struct bus *pio;
	struct bus *mmio;
};

struct virtio_bus {
	struct virtio_bus_config config;
	struct pci_host *pci; /* owned, or NULL */
	struct irqchip_shared_pin intx[VIRTIO_BUS_INTX];
	struct virtio_seat seats[VIRTIO_BUS_MAX_PCI];
	unsigned int count;
};

/* How many devices there may be. */
unsigned int virtio_bus_max(enum virtio_transport transport);

/* Adds to @platform what a guest is told of @count devices. */
void virtio_bus_describe(enum virtio_transport transport, unsigned int count,
			 struct platform *platform);

/* Before any vCPU runs. */
int virtio_bus_init(struct virtio_bus *bus,
		    const struct virtio_bus_config *config, struct err *err);

/*
 * Plugs @device in, whose queues have their contexts, and which outlives the
 * bus; in the order that the guest is to find devices in.
 */
int virtio_bus_plug(struct virtio_bus *bus, struct virtio_device *device,
		    struct err *err);

/* Vector or pin aside, every device is reset and waited for. No vCPU runs. */
void virtio_bus_stop(struct virtio_bus *bus);
/* Takes a bus that is all zeroes. */
void virtio_bus_release(struct virtio_bus *bus);

#endif
