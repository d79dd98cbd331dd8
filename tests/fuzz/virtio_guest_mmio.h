/*
 * The mmio transport for tests/fuzz/virtio_guest.h. Its own operations:
 *
 *	K v	acknowledge interrupts v
 *	C q v	write v to the QueueReady register of queue q
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_MMIO_H
#define TESTS_FUZZ_VIRTIO_GUEST_MMIO_H

#include "tests/fuzz/virtio_guest.h"
#include "tests/unit/irq_double.h"
#include "virtio/mmio.h"

struct guest_mmio {
	struct virtio_mmio mmio;
	struct irq_double irq;
};

static inline uint64_t guest_mmio_read(struct guest *guest, uint64_t offset,
				       unsigned int len)
{
	struct guest_mmio *self = guest->transport_state;

	offset %= VIRTIO_MMIO_BYTES;
	if (offset + len > VIRTIO_MMIO_BYTES)
		return 0;
	return virtio_mmio_bus_ops.read(&self->mmio, offset, len);
}

static inline void guest_mmio_write(struct guest *guest, uint64_t offset,
				    uint64_t value, unsigned int len)
{
	struct guest_mmio *self = guest->transport_state;

	offset %= VIRTIO_MMIO_BYTES;
	if (offset + len <= VIRTIO_MMIO_BYTES)
		virtio_mmio_bus_ops.write(&self->mmio, offset, value, len);
}

static inline uint8_t guest_mmio_status(struct guest *guest)
{
	return (uint8_t)guest_mmio_read(guest, 0x70, 4);
}

static inline void guest_mmio_set_status(struct guest *guest, uint8_t status)
{
	guest_mmio_write(guest, 0x70, status, 4);
}

static inline void guest_mmio_set_features(struct guest *guest,
					   uint64_t features)
{
	guest_mmio_write(guest, 0x24, 0, 4);
	guest_mmio_write(guest, 0x20, (uint32_t)features, 4);
	guest_mmio_write(guest, 0x24, 1, 4);
	guest_mmio_write(guest, 0x20, features >> 32, 4);
}

static inline bool guest_mmio_set_queue(struct guest *guest, unsigned int queue)
{
	const struct virtq_layout *layout = &guest->rings[queue].layout;
	const gpa_t areas[] = { layout->desc, layout->driver, layout->device };

	guest_mmio_write(guest, 0x30, queue, 4);
	guest_mmio_write(guest, 0x38, layout->size, 4);
	for (unsigned int i = 0; i < 3; i++) {
		guest_mmio_write(guest, 0x80 + 0x10 * i, (uint32_t)areas[i], 4);
		guest_mmio_write(guest, 0x84 + 0x10 * i, areas[i] >> 32, 4);
	}
	guest_mmio_write(guest, 0x44, 1, 4);
	return guest_mmio_read(guest, 0x44, 4) == 1;
}

static inline void guest_mmio_kick(struct guest *guest, unsigned int queue)
{
	guest_mmio_write(guest, VIRTIO_MMIO_NOTIFY_OFFSET, queue, 4);
}

static inline bool guest_mmio_op(struct guest *guest, uint8_t op)
{
	struct guest_mmio *self = guest->transport_state;

	switch (op) {
	case 'K':
		guest_mmio_write(guest, 0x64, guest_digit(guest), 4);
		guest_require(self->irq.asserted ==
				      (guest_mmio_read(guest, 0x60, 4) != 0),
			      "the line and its status do not agree");
		return true;
	case 'C':
		guest->spoiled = true;
		guest_mmio_write(guest, 0x30, guest_digit(guest), 4);
		guest_mmio_write(guest, 0x44, guest_digit(guest), 4);
		return true;
	default:
		return false;
	}
}

static inline void guest_mmio_attach(struct guest *guest,
				     struct guest_mmio *self)
{
	static const struct guest_transport transport = {
		.status = guest_mmio_status,
		.set_status = guest_mmio_set_status,
		.set_features = guest_mmio_set_features,
		.set_queue = guest_mmio_set_queue,
		.kick = guest_mmio_kick,
		.read = guest_mmio_read,
		.write = guest_mmio_write,
		.op = guest_mmio_op,
	};

	irq_double_init(&self->irq);
	virtio_mmio_init(&self->mmio, guest->device, &self->irq.line, true);
	guest->transport = &transport;
	guest->transport_state = self;
}

static inline void guest_mmio_detach(struct guest_mmio *self)
{
	virtio_mmio_release(&self->mmio);
}

#endif
