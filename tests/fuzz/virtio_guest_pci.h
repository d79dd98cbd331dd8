/*
 * The PCI transport behind a real host bridge for tests/fuzz/virtio_guest.h.
 * Raw accesses take the page of the BAR from another digit at the end: W aaa w
 * v p, G aaa w p. Its own operations:
 *
 *	B v	move the BAR to the place v
 *	M v	write v to the top of MSI-X control
 *	V i f v	write value v to field f of table entry i
 *	P aa w v	write value v to configuration space
 *	O w v	write through a port, 0xcf8 and onwards
 *	U aa w	read configuration space
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_PCI_H
#define TESTS_FUZZ_VIRTIO_GUEST_PCI_H

#include "devices/pci_host.h"
#include "tests/fuzz/virtio_guest.h"
#include "tests/unit/irq_double.h"
#include "virtio/pci.h"

#define GUEST_ECAM     0xe0000000ULL
#define GUEST_WINDOW   0xd0000000ULL
#define GUEST_WINDOW64 0x4000000000ULL
#define GUEST_BAR      0x8000ULL

struct guest_pci {
	struct virtio_pci pci;
	struct pci_host host;
	struct bus pio;
	struct bus mmio;
	struct irq_double intx;
	struct irq_double vectors[MSIX_MAX_VECTORS];
	bool masked[MSIX_MAX_VECTORS];
	unsigned int slot;
	uint64_t notify;
};

/* A message line that checks that it is not used while it is masked. */
static inline void guest_pci_set_vector(void *opaque, unsigned int vector,
					uint64_t addr, uint32_t data,
					bool masked)
{
	struct guest_pci *self = opaque;

	(void)addr;
	(void)data;
	guest_require(vector < MSIX_MAX_VECTORS, "a vector that is not there");
	self->masked[vector] = masked;
}

static inline void guest_pci_notify_moved(void *opaque, struct virtio_pci *pci,
					  uint64_t base)
{
	struct guest_pci *self = opaque;

	guest_require(pci == &self->pci, "not our function");
	guest_require(!base || base % GUEST_BAR == VIRTIO_PCI_NOTIFY_OFFSET,
		      "notify addresses at an odd place");
	self->notify = base;
}

static inline void guest_cfg_write(struct guest_pci *self, unsigned int offset,
				   unsigned int len, uint64_t value)
{
	bus_write(&self->mmio, GUEST_ECAM + (self->slot << 15) + offset, value,
		  len);
}

static inline uint64_t guest_cfg_read(struct guest_pci *self,
				      unsigned int offset, unsigned int len)
{
	uint64_t value;

	bus_read(&self->mmio, GUEST_ECAM + (self->slot << 15) + offset, len,
		 &value);
	return value;
}

/* A driver that starts over puts the BAR where it answers. */
static inline void guest_pci_map(struct guest_pci *self)
{
	guest_cfg_write(self, PCI_COMMAND, 2, 0);
	guest_cfg_write(self, PCI_BAR0, 4, GUEST_WINDOW);
	guest_cfg_write(self, PCI_BAR0 + 4, 4, 0);
	guest_cfg_write(self, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	guest_require(self->notify == GUEST_WINDOW + VIRTIO_PCI_NOTIFY_OFFSET,
		      "the BAR does not answer where it was put");
}

static inline uint64_t guest_pci_read(struct guest *guest, uint64_t offset,
				      unsigned int len)
{
	struct guest_pci *self = guest->transport_state;
	uint64_t value = 0;

	offset |= (uint64_t)guest_digit(guest) << 12;
	if (self->notify)
		bus_read(&self->mmio,
			 self->notify - VIRTIO_PCI_NOTIFY_OFFSET + offset, len,
			 &value);
	return value;
}

static inline void guest_pci_write(struct guest *guest, uint64_t offset,
				   uint64_t value, unsigned int len)
{
	struct guest_pci *self = guest->transport_state;

	offset |= (uint64_t)guest_digit(guest) << 12;
	if (self->notify)
		bus_write(&self->mmio,
			  self->notify - VIRTIO_PCI_NOTIFY_OFFSET + offset,
			  value, len);
}

static inline uint64_t guest_common_in(struct guest *guest, unsigned int offset,
				       unsigned int len)
{
	struct guest_pci *self = guest->transport_state;
	uint64_t value;

	bus_read(&self->mmio, GUEST_WINDOW + offset, len, &value);
	return value;
}

static inline void guest_common_out(struct guest *guest, unsigned int offset,
				    unsigned int len, uint64_t value)
{
	struct guest_pci *self = guest->transport_state;

	bus_write(&self->mmio, GUEST_WINDOW + offset, value, len);
}

static inline uint8_t guest_pci_status(struct guest *guest)
{
	return (uint8_t)guest_common_in(guest, 20, 1);
}

static inline void guest_pci_set_status(struct guest *guest, uint8_t status)
{
	if (!status)
		guest_pci_map(guest->transport_state);
	guest_common_out(guest, 20, 1, status);
}

static inline void guest_pci_set_features(struct guest *guest,
					  uint64_t features)
{
	guest_common_out(guest, 8, 4, 0);
	guest_common_out(guest, 12, 4, (uint32_t)features);
	guest_common_out(guest, 8, 4, 1);
	guest_common_out(guest, 12, 4, features >> 32);
}

static inline bool guest_pci_set_queue(struct guest *guest, unsigned int queue)
{
	const struct virtq_layout *layout = &guest->rings[queue].layout;

	guest_common_out(guest, 22, 2, queue);
	guest_common_out(guest, 24, 2, layout->size);
	guest_common_out(guest, 26, 2, queue + 1);
	guest_common_out(guest, 32, 8, layout->desc);
	guest_common_out(guest, 40, 8, layout->driver);
	guest_common_out(guest, 48, 8, layout->device);
	guest_common_out(guest, 28, 2, 1);
	return guest_common_in(guest, 28, 2) == 1;
}

static inline void guest_pci_kick(struct guest *guest, unsigned int queue)
{
	struct guest_pci *self = guest->transport_state;

	/* Only where the BAR is: a guest may have moved it meanwhile. */
	if (self->notify)
		bus_write(&self->mmio, self->notify + 4ULL * queue, queue, 2);
}

static inline void guest_pci_move(struct guest *guest)
{
	static const uint64_t places[] = {
		GUEST_WINDOW,
		GUEST_WINDOW + GUEST_BAR,
		GUEST_WINDOW + 0x10000,
		GUEST_WINDOW64,
		GUEST_WINDOW64 + 0x12340000,
		0,
		GUEST_ECAM,
		UINT64_MAX,
	};
	struct guest_pci *self = guest->transport_state;
	uint64_t place = places[guest_digit(guest) % 8];
	bool inside =
		place && place != GUEST_ECAM && place != UINT64_MAX &&
		(guest_cfg_read(self, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);

	guest_cfg_write(self, PCI_BAR0, 4, (uint32_t)place);
	guest_cfg_write(self, PCI_BAR0 + 4, 4, place >> 32);
	guest_require(!self->notify == !inside,
		      "a BAR answers where nothing is decoded, or not at all");
	/* The driver goes on where it is; what it cannot reach is lost. */
	if (place != GUEST_WINDOW)
		guest->spoiled = true;
}

static inline void guest_pci_access(struct guest *guest, uint8_t op)
{
	struct guest_pci *self = guest->transport_state;
	unsigned int offset = guest_digit(guest) << 4 | guest_digit(guest);
	unsigned int len = 1U << (guest_digit(guest) & 3);

	if (op == 'U') {
		guest_cfg_read(self, offset, len);
		return;
	}
	guest->spoiled = true;
	guest_cfg_write(self, offset, len, guest_value(guest));
}

static inline void guest_pci_port(struct guest *guest)
{
	struct guest_pci *self = guest->transport_state;
	unsigned int where = guest_digit(guest);
	unsigned int len = 1U << (where >> 3);
	uint64_t value = guest_value(guest);

	guest->spoiled = true;
	bus_write(&self->pio, PCI_HOST_PORT, 0x80000800 | (where << 2), 4);
	bus_write(&self->pio, PCI_HOST_PORT + 4 + (where & 3), value, len);
	bus_read(&self->pio, PCI_HOST_PORT + 4 + (where & 3), len, &value);
}

static inline bool guest_pci_op(struct guest *guest, uint8_t op)
{
	struct guest_pci *self = guest->transport_state;
	unsigned int entry;
	unsigned int field;

	switch (op) {
	case 'B':
		guest_pci_move(guest);
		return true;
	case 'M':
		guest_cfg_write(self, self->pci.msix_capability + 2U, 2,
				guest_digit(guest) << 12);
		return true;
	case 'V':
		entry = guest_digit(guest);
		field = guest_digit(guest) & 3;
		guest_common_out(guest, 0x4000 + 16 * entry + 4 * field, 4,
				 guest_value(guest));
		return true;
	case 'P':
	case 'U':
		guest_pci_access(guest, op);
		return true;
	case 'O':
		guest_pci_port(guest);
		return true;
	default:
		return false;
	}
}

static inline void guest_pci_attach(struct guest *guest, struct guest_pci *self)
{
	static const struct guest_transport transport = {
		.status = guest_pci_status,
		.set_status = guest_pci_set_status,
		.set_features = guest_pci_set_features,
		.set_queue = guest_pci_set_queue,
		.kick = guest_pci_kick,
		.read = guest_pci_read,
		.write = guest_pci_write,
		.op = guest_pci_op,
	};
	static const struct msix_ops msix = { .set_vector =
						      guest_pci_set_vector };
	struct irq_line *lines[MSIX_MAX_VECTORS];
	const struct virtio_pci_machine machine = {
		.msix = &msix,
		.notify_moved = guest_pci_notify_moved,
		.opaque = self,
		.vectors = lines,
		.intx = &self->intx.line,
	};
	const struct pci_host_config config = {
		.pio = &self->pio,
		.mmio = &self->mmio,
		.ecam_base = GUEST_ECAM,
		.mmio32 = { GUEST_WINDOW, 0x100000 },
		.mmio64 = { GUEST_WINDOW64, 0x100000000 },
	};

	*self = (struct guest_pci){ 0 };
	irq_double_init(&self->intx);
	for (unsigned int i = 0; i < MSIX_MAX_VECTORS; i++) {
		irq_double_init(&self->vectors[i]);
		lines[i] = &self->vectors[i].line;
	}
	bus_init(&self->pio);
	bus_init(&self->mmio);
	guest_require(pci_host_init(&self->host, &config, NULL) == 0,
		      "no host bridge");
	virtio_pci_init(&self->pci, guest->device, &machine);
	self->slot = (unsigned int)pci_host_add(&self->host,
						&self->pci.function, 0, NULL);
	guest->transport = &transport;
	guest->transport_state = self;
	guest_pci_map(self);
}

static inline void guest_pci_detach(struct guest_pci *self)
{
	pci_host_release(&self->host);
	virtio_pci_release(&self->pci);
	bus_release(&self->pio);
	bus_release(&self->mmio);
}

#endif
