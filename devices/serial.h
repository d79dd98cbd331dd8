/*
 * A 16550A UART: what early boot and guests without virtio talk to.
 *
 * Transmission takes no time: a byte written is handed to the chardev before
 * the guest's instruction completes, so that a slow reader slows the guest
 * down and nothing is lost. Reception holds a FIFO of 16 bytes; behind it the
 * chardev is asked to wait.
 *
 * Source: National Semiconductor PC16550D data sheet.
 */
#ifndef DEVICES_SERIAL_H
#define DEVICES_SERIAL_H

#include <pthread.h>

#include "core/bus.h"
#include "core/irq.h"
#include "io/chardev.h"

#define SERIAL_PORTS	  8
#define SERIAL_FIFO_BYTES 16

struct serial {
	struct irq_line *irq; /* borrowed */
	struct chardev *chardev; /* borrowed */
	pthread_mutex_t lock; /* guards all below */
	uint8_t ier;
	uint8_t fcr;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t scr;
	uint8_t msr_delta;
	bool overrun; /* cleared by a read of LSR */
	uint16_t divisor;
	bool thr_empty_pending; /* a transmitter interrupt waits */
	bool irq_asserted;
	uint8_t fifo[SERIAL_FIFO_BYTES];
	unsigned int fifo_start;
	unsigned int fifo_len;
	uint16_t breaks; /* one bit a slot of fifo: a break, not yet told */
};

extern const struct bus_ops serial_bus_ops;

/* Becomes the receiver of @chardev. */
void serial_init(struct serial *serial, struct irq_line *irq,
		 struct chardev *chardev);
void serial_release(struct serial *serial);

/*
 * The input side, for whoever stands between the chardev and the UART, as a
 * chardev_receiver whose opaque is the struct serial. Any thread. What does not
 * fit is an overrun.
 */
size_t serial_room(void *opaque);
void serial_receive(void *opaque, const uint8_t *data, size_t len);

/*
 * A break condition on the line (SysRq for Linux), behind what waits in the
 * FIFO. In a full one it takes the place of the newest byte. Any thread.
 */
void serial_send_break(struct serial *serial);

#endif
