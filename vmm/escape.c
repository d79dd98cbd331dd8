#include "vmm/escape.h"

#define CTRL_A 0x01

const char *escape_help(void)
{
	return "\r\n"
	       "Ctrl-A x   quit: ends the virtual machine at once\r\n"
	       "Ctrl-A p   press the guest's power button\r\n"
	       "Ctrl-A b   send a break (SysRq on a Linux serial console)\r\n"
	       "Ctrl-A a   send Ctrl-A itself (Ctrl-A Ctrl-A does too)\r\n"
	       "Ctrl-A ?   this help\r\n";
}

/* Hands the sink what it has room for, in two runs where the ring wraps. */
static void pump(struct escape *escape)
{
	while (escape->len) {
		size_t run = ESCAPE_QUEUE_BYTES - escape->start;
		size_t room = escape->sink.room(escape->sink.opaque);

		if (run > escape->len)
			run = escape->len;
		if (run > room)
			run = room;
		if (!run)
			break;
		escape->sink.receive(escape->sink.opaque,
				     escape->queue + escape->start, run);
		escape->start = (escape->start + run) % ESCAPE_QUEUE_BYTES;
		escape->len -= run;
	}
}

static void pump_and_wait(struct escape *escape)
{
	pump(escape);
	if (!escape->len)
		return;
	chardev_expect_room(escape->chardev);
	/* Room may have come before the mark: then no wake follows. */
	if (escape->sink.room(escape->sink.opaque))
		chardev_resume_input(escape->chardev);
}

static void put(struct escape *escape, uint8_t byte)
{
	if (escape->len == ESCAPE_QUEUE_BYTES)
		return;
	escape->queue[(escape->start + escape->len) % ESCAPE_QUEUE_BYTES] =
		byte;
	escape->len++;
}

static void take_command(struct escape *escape, uint8_t key)
{
	switch (key) {
	case 'x':
	case 'X':
		escape->command(escape->opaque, ESCAPE_QUIT);
		break;
	case '?':
	case 'h':
		escape->command(escape->opaque, ESCAPE_HELP);
		break;
	case 'b':
		escape->command(escape->opaque, ESCAPE_BREAK);
		break;
	case 'p':
		escape->command(escape->opaque, ESCAPE_POWER_BUTTON);
		break;
	case 'a':
	case CTRL_A:
		put(escape, CTRL_A);
		break;
	default: /* not one of ours: the guest gets both */
		put(escape, CTRL_A);
		put(escape, key);
		break;
	}
}

static size_t escape_room(void *opaque)
{
	(void)opaque;
	return ESCAPE_QUEUE_BYTES;
}

static void escape_receive(void *opaque, const uint8_t *data, size_t len)
{
	struct escape *escape = opaque;

	for (size_t i = 0; i < len; i++) {
		if (escape->armed) {
			escape->armed = false;
			take_command(escape, data[i]);
		} else if (data[i] == CTRL_A) {
			escape->armed = true;
		} else {
			put(escape, data[i]);
		}
	}
	pump_and_wait(escape);
}

static void escape_resumed(void *opaque)
{
	pump_and_wait(opaque);
}

void escape_init(struct escape *escape, struct chardev *chardev,
		 const struct chardev_receiver *sink,
		 void (*command)(void *opaque, enum escape_command command),
		 void *opaque)
{
	struct chardev_receiver receiver = {
		.room = escape_room,
		.receive = escape_receive,
		.resumed = escape_resumed,
		.opaque = escape,
	};

	escape->chardev = chardev;
	escape->sink = *sink;
	escape->command = command;
	escape->opaque = opaque;
	escape->armed = false;
	escape->start = 0;
	escape->len = 0;
	chardev_set_receiver(chardev, &receiver);
}
