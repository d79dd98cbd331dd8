/*
 * Who gets what is typed: the serial port, until the guest uses the virtio
 * console (virtio_console_is_used); after a reset the serial port again. A
 * receiver for the chardev that both write to, or for the escape keys in
 * front of it.
 *
 * Loop's thread.
 */
#ifndef VMM_CONSOLE_INPUT_H
#define VMM_CONSOLE_INPUT_H

#include "devices/serial.h"
#include "virtio/console.h"

struct console_input {
	struct serial *serial; /* borrowed */
	struct virtio_console *console; /* borrowed; NULL: there is none */
	/* Whom `room` was about, and so who receives: the guest may choose
	 * another one between the two. */
	bool to_console;
};

struct chardev_receiver console_input_receiver(struct console_input *input);

#endif
