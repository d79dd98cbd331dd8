#include "vmm/virtio_bus.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "core/util.h"

/* All between the end of low RAM (core/gmem.h) and the I/O APIC. */
#define PCI_MMIO32_BASE 0xc0000000ULL
#define PCI_MMIO32_SIZE 0x20000000ULL
#define PCI_ECAM_BASE	0xe0000000ULL
#define MMIO_BASE	0xfeb00000ULL
#define MMIO_STRIDE	0x1000ULL

/* INTA to INTD, where no device of a PC's ISA bus is. */
#define INTX_GSI 16

/* The pins that nothing else on this machine takes (vmm/machine.c). */
static const uint8_t mmio_gsis[VIRTIO_BUS_MAX_MMIO] = {
	16, 17, 18, 19, 20, 21, 22, 23, 5, 6, 7, 10, 11, 12, 14,
};

unsigned int virtio_bus_max(enum virtio_transport transport)
{
	return transport == TRANSPORT_PCI ? VIRTIO_BUS_MAX_PCI :
					    VIRTIO_BUS_MAX_MMIO;
}

/* --- What the guest is told ----------------------------------------------- */

static void describe_pci(struct platform *platform)
{
	platform->devices[platform->device_count++] = (struct platform_device){
		.kind = PLATFORM_PCI_HOST,
		.base = PCI_ECAM_BASE,
		.size = PCI_HOST_ECAM_BYTES,
		.gsi = -1,
	};
	platform->pci = (struct platform_pci){
		.mmio32_base = PCI_MMIO32_BASE,
		.mmio32_size = PCI_MMIO32_SIZE,
	};
	for (int i = 0; i < VIRTIO_BUS_INTX; i++)
		platform->pci.intx_gsi[i] = INTX_GSI + i;
}

void virtio_bus_describe(enum virtio_transport transport, unsigned int count,
			 struct platform *platform)
{
	if (transport == TRANSPORT_PCI && count)
		describe_pci(platform);
	if (transport == TRANSPORT_PCI)
		return;
	assert(count <= VIRTIO_BUS_MAX_MMIO);
	for (unsigned int i = 0; i < count; i++)
		platform->devices[platform->device_count++] =
			(struct platform_device){
				.kind = PLATFORM_VIRTIO_MMIO,
				.base = MMIO_BASE + i * MMIO_STRIDE,
				.size = VIRTIO_MMIO_BYTES,
				.gsi = mmio_gsis[i],
			};
}

/* --- Kicks that KVM writes ------------------------------------------------ */

static int ioeventfd(const struct virtio_seat *seat,
		     const struct kvm_ioeventfd *request)
{
	return ioctl(seat->bus->config.kvm->vm_fd, KVM_IOEVENTFD, request);
}

/*
 * KVM writes queue i's eventfd for a write of any width and value to its
 * address (api.rst 4.59: len 0). Where that fails, the write is an exit that
 * reaches the device all the same.
 */
static void watch_pci_kicks(struct virtio_seat *seat, uint64_t base,
			    uint32_t flags)
{
	const struct virtio_device *device = seat->device;

	for (unsigned int i = 0; base && i < device->queue_count; i++) {
		const struct kvm_ioeventfd request = {
			.addr = base +
				(uint64_t)i * VIRTIO_PCI_NOTIFY_MULTIPLIER,
			.fd = device->queues[i].kick_fd,
			.flags = flags,
		};

		if (request.fd >= 0 && ioeventfd(seat, &request) < 0)
			log_debug("%s: KVM_IOEVENTFD: %s", device->type->name,
				  err_describe(errno));
	}
}

static void on_notify_moved(void *opaque, struct virtio_pci *pci, uint64_t base)
{
	struct virtio_seat *seat = opaque;

	(void)pci;
	watch_pci_kicks(seat, seat->notify_base, KVM_IOEVENTFD_FLAG_DEASSIGN);
	watch_pci_kicks(seat, base, 0);
	seat->notify_base = base;
}

/* All queues have one register, which the value tells apart. */
static int watch_mmio_kicks(const struct virtio_seat *seat, uint64_t base,
			    struct err *err)
{
	const struct virtio_device *device = seat->device;

	for (unsigned int i = 0; i < device->queue_count; i++) {
		const struct kvm_ioeventfd request = {
			.addr = base + VIRTIO_MMIO_NOTIFY_OFFSET,
			.len = 4,
			.datamatch = i,
			.fd = device->queues[i].kick_fd,
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};

		if (request.fd >= 0 && ioeventfd(seat, &request) < 0)
			return err_sys(err, errno, "%s: KVM_IOEVENTFD",
				       device->type->name);
	}
	return 0;
}

/* --- PCI ------------------------------------------------------------------ */

static void on_set_vector(void *opaque, unsigned int vector, uint64_t addr,
			  uint32_t data, bool masked)
{
	struct virtio_seat *seat = opaque;

	irqchip_message_set(&seat->messages[vector], addr, data, masked);
}

static int plug_pci(struct virtio_seat *seat, struct err *err)
{
	static const struct msix_ops msix_ops = {
		.set_vector = on_set_vector,
	};
	struct virtio_bus *bus = seat->bus;
	unsigned int vectors = virtio_pci_vector_count(seat->device);
	struct irq_line *lines[MSIX_MAX_VECTORS];
	const struct virtio_pci_machine machine = {
		.msix = &msix_ops,
		.notify_moved = on_notify_moved,
		.opaque = seat,
		.vectors = lines,
		.intx = &seat->intx.line,
	};
	int slot;

	assert(vectors <= MSIX_MAX_VECTORS);
	seat->messages = calloc(vectors, sizeof(*seat->messages));
	seat->pci = calloc(1, sizeof(*seat->pci));
	if (!seat->messages || !seat->pci) {
		free(move_ptr(&seat->pci));
		return err_sys(err, ENOMEM, "%s", seat->device->type->name);
	}
	for (unsigned int i = 0; i < vectors; i++) {
		irqchip_message_init(&seat->messages[i], bus->config.irqchip,
				     seat->name, i);
		lines[i] = &seat->messages[i].line;
	}
	virtio_pci_init(seat->pci, seat->device, &machine);
	slot = pci_host_add(bus->pci, &seat->pci->function, 0, err);
	if (slot < 0)
		return slot;
	/* As lspci in the guest names it. */
	snprintf(seat->name, sizeof(seat->name), "virtio-%s 00:%02x.0",
		 seat->device->type->name, (unsigned int)slot);
	/* INTA of slot n is the machine's INTx line n modulo 4, as told to
	 * the guest (boot/acpi_dsdt.c). */
	irqchip_shared_line_init(&seat->intx,
				 &bus->intx[slot % VIRTIO_BUS_INTX]);
	return 0;
}

static int init_pci(struct virtio_bus *bus, struct err *err)
{
	static const char *const names[VIRTIO_BUS_INTX] = { "INTA", "INTB",
							    "INTC", "INTD" };
	const struct pci_host_config config = {
		.pio = bus->config.pio,
		.mmio = bus->config.mmio,
		.ecam_base = PCI_ECAM_BASE,
		.mmio32 = { PCI_MMIO32_BASE, PCI_MMIO32_SIZE },
	};
	int rc;

	bus->pci = calloc(1, sizeof(*bus->pci));
	if (!bus->pci)
		return err_sys(err, ENOMEM, "PCI host bridge");
	rc = pci_host_init(bus->pci, &config, err);
	if (rc) {
		free(move_ptr(&bus->pci));
		return rc;
	}
	for (unsigned int i = 0; i < VIRTIO_BUS_INTX; i++)
		irqchip_shared_pin_init(&bus->intx[i], bus->config.irqchip,
					INTX_GSI + i, names[i]);
	return 0;
}

/* --- virtio-mmio ---------------------------------------------------------- */

static int plug_mmio(struct virtio_seat *seat, struct err *err)
{
	struct virtio_bus *bus = seat->bus;
	struct bus_range range = {
		.start = MMIO_BASE + (bus->count * MMIO_STRIDE),
		.size = VIRTIO_MMIO_BYTES,
		.ops = &virtio_mmio_bus_ops,
		.name = seat->device->type->name,
	};
	int rc;

	seat->mmio = calloc(1, sizeof(*seat->mmio));
	if (!seat->mmio)
		return err_sys(err, ENOMEM, "%s", seat->device->type->name);
	snprintf(seat->name, sizeof(seat->name), "virtio-%s",
		 seat->device->type->name);
	irqchip_line_init(&seat->irq, bus->config.irqchip,
			  mmio_gsis[bus->count], seat->name);
	virtio_mmio_init(seat->mmio, seat->device, &seat->irq.line, false);
	range.device = seat->mmio;
	rc = bus_add(bus->config.mmio, &range, err);
	if (rc)
		return rc;
	return watch_mmio_kicks(seat, range.start, err);
}

/* --- Life ----------------------------------------------------------------- */

int virtio_bus_init(struct virtio_bus *bus,
		    const struct virtio_bus_config *config, struct err *err)
{
	*bus = (struct virtio_bus){ .config = *config };
	if (config->transport == TRANSPORT_PCI)
		return init_pci(bus, err);
	return 0;
}

int virtio_bus_plug(struct virtio_bus *bus, struct virtio_device *device,
		    struct err *err)
{
	struct virtio_seat *seat;
	int rc;

	if (bus->count == virtio_bus_max(bus->config.transport))
		return err_set(err, EINVAL,
			       "%s: more than %u devices; leave some out%s",
			       device->type->name, bus->count,
			       bus->pci ? "" : " or use --transport pci");
	seat = &bus->seats[bus->count];
	*seat = (struct virtio_seat){ .bus = bus, .device = device };
	rc = bus->pci ? plug_pci(seat, err) : plug_mmio(seat, err);
	bus->count++;
	return rc;
}

void virtio_bus_stop(struct virtio_bus *bus)
{
	for (unsigned int i = 0; i < bus->count; i++)
		virtio_device_stop(bus->seats[i].device);
}

void virtio_bus_release(struct virtio_bus *bus)
{
	if (bus->pci) {
		pci_host_release(bus->pci);
		for (unsigned int i = 0; i < VIRTIO_BUS_INTX; i++)
			irqchip_shared_pin_release(&bus->intx[i]);
	}
	for (unsigned int i = 0; i < bus->count; i++) {
		struct virtio_seat *seat = &bus->seats[i];

		if (seat->pci)
			virtio_pci_release(seat->pci);
		if (seat->mmio)
			virtio_mmio_release(seat->mmio);
		free(seat->pci);
		free(seat->mmio);
		free(seat->messages);
	}
	bus->count = 0;
	free(move_ptr(&bus->pci));
}
