/*
 * The console device: port 0 is the guest's console, further ports have a name
 * and carry what a guest program and a host program have to say to each other
 * (`org.qemu.guest_agent.0`). Each port stands on a chardev.
 *
 * With named ports the device offers VIRTIO_CONSOLE_F_MULTIPORT. Without, it
 * does not: a console alone needs none of the handshake, and a change of size
 * then is read from the configuration, where every driver agrees on the order
 * of its fields; in the message some have columns first and some rows.
 *
 * Output is written from the guest's memory by the vCPU that kicks, without
 * waiting. What the chardev does not take stays in the queue; when there is
 * room again, the loop's thread goes on. So a slow reader costs no thread and
 * no memory of ours, and nothing is lost. (The Linux console driver spins
 * until its buffer comes back: handing it to another thread would only be
 * later.)
 *
 * Input is read from the chardev only while the driver has the port open and
 * offered a buffer. What was read when the buffers turn out smaller, or a
 * reset comes between, is held for the driver's next buffer: never more than
 * VIRTIO_CONSOLE_HELD_BYTES a port.
 *
 * Messages to the driver are kept as what it has yet to be told of each port,
 * not as a list: a driver that never looks costs nothing.
 *
 * Threads: the queues have no I/O context (virtio/device.h). Locks: the
 * control transmit queue's, then any other queue's, then `lock`.
 *
 * Source: virtio 1.2, 5.3.
 */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include <linux/virtio_console.h>

#include "io/chardev.h"
#include "virtio/device.h"

/* With port 0; each has two queues, and two are for control. */
#define VIRTIO_CONSOLE_MAX_PORTS  31
#define VIRTIO_CONSOLE_NAME_BYTES 127
#define VIRTIO_CONSOLE_HELD_BYTES 4096

struct virtio_console;

struct virtio_console_port {
	struct virtio_console *console;
	struct chardev *chardev; /* borrowed */
	const char *name; /* borrowed; NULL for port 0 */
	unsigned int id;

	/* Guarded by the console's lock, the atomics for writing. */
	unsigned int untold; /* a set of messages, see console.c */
	bool added; /* the driver was told of the port */
	bool ready; /* and has it */
	bool host_open;
	bool told_open; /* what the driver knows of host_open */
	atomic_bool guest_open;
	size_t held_start;
	size_t held_len;
	uint8_t held[VIRTIO_CONSOLE_HELD_BYTES];

	/* Guarded by the transmit queue's lock, the atomics for writing. */
	uint64_t sent; /* bytes of the next chain that were taken before */
	atomic_bool stalled; /* the loop's thread has the queue */
	atomic_bool written; /* there was output since the reset */
};

struct virtio_console {
	struct virtio_device device;
	struct virtio_console_config config;
	unsigned int port_count;
	struct virtio_console_port *ports; /* owned array */
	pthread_mutex_t lock;
	bool multiport; /* negotiated; constant while active */
	bool driver_ready; /* guarded by lock */
	bool size_told; /* since the reset; guarded by lock */
};

/* One named port; both are borrowed as long as the console. */
struct virtio_console_named_port {
	const char *name;
	struct chardev *chardev;
};

/*
 * -EINVAL: a name that is empty, too long, used twice or has a character that
 * does not suit a file's name. For those who want to know before they open
 * anything; the chardevs are not looked at.
 */
int virtio_console_check_names(const struct virtio_console_named_port *named,
			       unsigned int count, struct err *err);

struct virtio_console_init {
	const struct virtio_env *env; /* copied */
	struct chardev *chardev; /* port 0's; borrowed */
	const struct virtio_console_named_port *named;
	unsigned int named_count;
};

/*
 * Becomes the sender of all chardevs, and the receiver of the named ports';
 * that of port 0's chardev is whom the machine chooses. The machine calls
 * chardev_update of each when its loop was woken. -EINVAL: what
 * virtio_console_check_names refuses, or too many ports. Loop's thread, before
 * the loop runs.
 */
int virtio_console_init(struct virtio_console *console,
			const struct virtio_console_init *init,
			struct err *err);
/* The device was stopped and the loop runs no more. */
void virtio_console_release(struct virtio_console *console);

/* The input side of port 0: a receiver for its chardev, or for whoever stands
 * between. Its `room` is any thread's, `receive` the loop's. */
struct chardev_receiver virtio_console_receiver(struct virtio_console *console);

/*
 * Whether the guest uses port 0 as a console: its driver opened it and wrote
 * something. A driver opens it as soon as it finds it, whether or not anybody
 * is going to read there. chardev_resume_input of port 0's chardev is called
 * after each change. Any thread.
 */
bool virtio_console_is_used(const struct virtio_console *console);

/* The terminal has another size; 0, 0: none. Any thread. */
void virtio_console_resize(struct virtio_console *console, uint16_t cols,
			   uint16_t rows);

#endif
