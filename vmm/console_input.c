#include "vmm/console_input.h"

static size_t input_room(void *opaque)
{
	struct console_input *input = opaque;
	struct chardev_receiver console;

	input->to_console = input->console &&
			    virtio_console_is_used(input->console);
	if (!input->to_console)
		return serial_room(input->serial);
	console = virtio_console_receiver(input->console);
	return console.room(console.opaque);
}

static void input_receive(void *opaque, const uint8_t *data, size_t len)
{
	struct console_input *input = opaque;
	struct chardev_receiver console;

	if (!input->to_console) {
		serial_receive(input->serial, data, len);
		return;
	}
	console = virtio_console_receiver(input->console);
	console.receive(console.opaque, data, len);
}

struct chardev_receiver console_input_receiver(struct console_input *input)
{
	return (struct chardev_receiver){
		.room = input_room,
		.receive = input_receive,
		.opaque = input,
	};
}
