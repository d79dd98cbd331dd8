/*
 * The console device with one named port for tests/fuzz/virtio_guest.h, over
 * chardevs that take what the input says. Its own operations:
 *
 *	Y p n	type n + 1 times 37 bytes into port p
 *	L p n	the reader of port p makes room for n * 91 bytes, f: for any
 *	J p v	the peer of port 1 comes (v odd) or goes
 *	Z c r	the terminal has c columns and r rows
 *	F i e v	send control message e with value v for port i
 *
 * With room for any, whatever was kicked must have come back; and what is held
 * of the input is never more than may be.
 */
#ifndef TESTS_FUZZ_VIRTIO_GUEST_CONSOLE_H
#define TESTS_FUZZ_VIRTIO_GUEST_CONSOLE_H

#include "tests/fuzz/virtio_guest.h"
#include "tests/unit/chardev_fake.h"
#include "virtio/console.h"

#define GUEST_PORTS	    2
#define GUEST_CONTROL_QUEUE 3U
/* Behind the indirect tables of that queue. */
#define GUEST_MESSAGES	    (GUEST_TABLES + 0x3a00ULL)

struct guest_console {
	struct virtio_console console;
	struct chardev chardevs[GUEST_PORTS];
};

static inline struct guest_console *guest_console_of(struct guest *guest)
{
	return container_of(guest->device, struct guest_console,
			    console.device);
}

static inline struct chardev *guest_chardev(struct guest *guest)
{
	struct guest_console *self = guest_console_of(guest);

	return &self->chardevs[guest_digit(guest) % GUEST_PORTS];
}

static inline void guest_type(struct guest *guest)
{
	static const uint8_t text[16 * 37];
	struct chardev *chardev = guest_chardev(guest);
	size_t len = (guest_digit(guest) + (size_t)1) * 37;

	chardev_fake_type(chardev, text, len);
}

static inline void guest_drain(struct guest *guest)
{
	struct chardev *chardev = guest_chardev(guest);
	unsigned int queue = chardev == guest_console_of(guest)->chardevs ? 1 :
									    5;
	unsigned int before = guest->queue;
	size_t amount = guest_digit(guest);

	atomic_store(&chardev->out_len, 0);
	if (amount < 15) {
		chardev_fake_drain(chardev, amount * 91);
		return;
	}
	guest->queue = queue;
	guest_kick(guest);
	/* A pass ends somewhere; a ring of eight is no more than one. */
	chardev_fake_drain(chardev, SIZE_MAX);
	guest_take(guest);
	if (guest->running && !guest->spoiled)
		guest_require(!guest->outstanding[queue],
			      "output did not come back");
	guest->queue = before;
}

static inline void guest_control(struct guest *guest)
{
	static const uint32_t ids[] = { 0, 1, 2, UINT32_MAX };
	struct ring_driver *ring = &guest->rings[GUEST_CONTROL_QUEUE];
	uint32_t id = ids[guest_digit(guest) % ARRAY_SIZE(ids)];
	unsigned int event = guest_digit(guest);
	unsigned int value = guest_digit(guest);
	unsigned int before = guest->queue;
	struct ring_buffer buffer = { .len = 8 };
	uint8_t *bytes;

	guest->queue = GUEST_CONTROL_QUEUE;
	if (guest_find_head(guest, 1)) {
		buffer.gpa = GUEST_MESSAGES + 8ULL * ring->next_free;
		bytes = gmem_ptr(&guest->gmem, buffer.gpa, 8);
		store_le32(bytes, id);
		store_le16(bytes + 4, (uint16_t)event);
		store_le16(bytes + 6, (uint16_t)value);
		guest_posted(guest, ring_add(ring, &buffer, 1), 0, 1);
		guest_kick(guest);
		guest_take(guest);
		if (!guest->spoiled)
			guest_require(!guest->outstanding[guest->queue],
				      "a message did not come back");
	}
	guest->queue = before;
}

static inline bool guest_console_op(struct guest *guest, uint8_t op)
{
	struct guest_console *self = guest_console_of(guest);
	unsigned int cols;

	switch (op) {
	case 'Y':
		guest_type(guest);
		break;
	case 'L':
		guest_drain(guest);
		break;
	case 'J':
		guest_digit(guest);
		chardev_fake_connect(&self->chardevs[1],
				     guest_digit(guest) & 1);
		break;
	case 'Z':
		cols = guest_digit(guest);
		virtio_console_resize(&self->console, (uint16_t)cols,
				      (uint16_t)guest_digit(guest));
		break;
	case 'F':
		guest_control(guest);
		break;
	default:
		return false;
	}
	for (unsigned int i = 0; i < GUEST_PORTS; i++)
		guest_require(self->console.ports[i].held_len <=
				      VIRTIO_CONSOLE_HELD_BYTES,
			      "more input is held than may be");
	return true;
}

static inline void guest_console_init(struct guest *guest,
				      struct guest_console *self)
{
	const struct virtio_env env = {
		.gmem = &guest->gmem,
		.report = guest_report,
		.opaque = guest,
	};
	const struct virtio_console_named_port named = { "port",
							 &self->chardevs[1] };
	const struct virtio_console_init init = {
		.env = &env,
		.chardev = &self->chardevs[0],
		.named = &named,
		.named_count = 1,
	};
	struct chardev_receiver receiver;

	for (unsigned int i = 0; i < GUEST_PORTS; i++)
		chardev_fake_init(&self->chardevs[i]);
	guest_require(virtio_console_init(&self->console, &init, NULL) == 0,
		      "no device");
	receiver = virtio_console_receiver(&self->console);
	chardev_set_receiver(&self->chardevs[0], &receiver);
	guest->device = &self->console.device;
	guest->queue_count = 6;
	guest->device_features = 3; /* SIZE, MULTIPORT */
	guest->op = guest_console_op;
}

#endif
