#include "virtio/console.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "core/bytes.h"
#include "core/util.h"

#define BIT(n) ((uint64_t)1 << (n))

#define QUEUE_SIZE     64
/* A chain of a whole queue, and the cuts where RAM regions end. */
#define CHAIN_SEGMENTS (QUEUE_SIZE + 2)
#define BATCH_SEGMENTS 256
#define BATCH_CHAINS   32
/* Chains of one pass. */
#define BUDGET	       256

/* virtio 1.2, 5.3.2 */
#define CONTROL_RECEIVE	 2
#define CONTROL_TRANSMIT 3

/* What the driver has yet to be told of a port, first things first. */
enum {
	TELL_ADD = 1 << 0,
	TELL_NAME = 1 << 1,
	TELL_CONSOLE = 1 << 2,
	TELL_SIZE = 1 << 3,
	TELL_CLOSE = 1 << 4,
	TELL_OPEN = 1 << 5,
	TELL_END = 1 << 6,
};

static struct virtio_console *console_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_console, device);
}

static unsigned int receive_queue(const struct virtio_console_port *port)
{
	return port->id ? 2 * port->id + 2 : 0;
}

static unsigned int transmit_queue(const struct virtio_console_port *port)
{
	return receive_queue(port) + 1;
}

/* --- Output -------------------------------------------------------------- */

enum outcome {
	OUTPUT_DONE,
	OUTPUT_STALLED, /* the chardev takes no more now */
	OUTPUT_MORE, /* the pass has ended, the queue has not */
};

/* Chains that one write takes. */
struct batch {
	struct iovec iov[BATCH_SEGMENTS];
	struct virtq_chain chains[BATCH_CHAINS];
	unsigned int chain_count;
	unsigned int segment_count;
};

static void gather(struct virtq *vq, struct batch *batch)
{
	batch->chain_count = 0;
	batch->segment_count = 0;
	while (batch->chain_count < BATCH_CHAINS &&
	       batch->segment_count + CHAIN_SEGMENTS <= BATCH_SEGMENTS) {
		struct virtq_chain *chain = &batch->chains[batch->chain_count];
		int rc;

		chain->iov = batch->iov + batch->segment_count;
		chain->iov_max = CHAIN_SEGMENTS;
		rc = virtq_pop(vq, chain);
		if (rc != 1 && rc != -E2BIG)
			return;
		/* Longer than the queue is more than a driver may send
		 * (virtio 1.2, 2.7.5.3.1): it is answered and not written. */
		if (rc == -E2BIG) {
			chain->readable = 0;
			chain->readable_bytes = 0;
		}
		batch->segment_count += chain->readable;
		batch->chain_count++;
	}
}

/* Completes what @taken bytes cover and gives the rest back to the queue. */
static bool settle(struct virtio_console_port *port, struct virtq *vq,
		   const struct batch *batch, uint64_t taken)
{
	unsigned int done = 0;

	while (done < batch->chain_count &&
	       batch->chains[done].readable_bytes <= taken) {
		taken -= batch->chains[done].readable_bytes;
		virtq_push(vq, batch->chains[done].head, 0);
		done++;
	}
	for (unsigned int i = batch->chain_count; i > done; i--)
		virtq_unpop(vq, &batch->chains[i - 1]);
	port->sent = done < batch->chain_count ? taken : 0;
	return done == batch->chain_count;
}

static void mark_written(struct virtio_console_port *port)
{
	if (atomic_load_explicit(&port->written, memory_order_relaxed))
		return;
	atomic_store(&port->written, true);
	chardev_resume_input(port->chardev); /* see virtio_console_is_used */
}

/* False when the chardev did not take all of it. */
static bool write_batch(struct virtio_console_port *port, struct virtq *vq,
			struct batch *batch)
{
	struct iovec *iov = batch->iov;
	uint16_t count = (uint16_t)batch->segment_count;
	/* The driver may not, but can change a chain that it has exposed. */
	uint64_t taken = min_u64(port->sent, batch->chains[0].readable_bytes);

	virtq_iov_cut(&iov, &count, taken, 0);
	if (count) {
		taken += chardev_writev(port->chardev, iov, count);
		mark_written(port);
	}
	return settle(port, vq, batch, taken);
}

/* The transmit queue's lock is held. */
static enum outcome send_output(struct virtio_console_port *port)
{
	struct virtio_device *device = &port->console->device;
	struct virtq *vq = virtio_vq(device, transmit_queue(port));
	enum outcome outcome = OUTPUT_DONE;
	unsigned int budget = BUDGET;
	struct batch batch;

	virtq_disable_kicks(vq);
	do {
		gather(vq, &batch);
		if (!batch.chain_count)
			continue;
		if (!write_batch(port, vq, &batch))
			outcome = OUTPUT_STALLED;
		else if (budget <= batch.chain_count)
			outcome = OUTPUT_MORE;
		else
			budget -= batch.chain_count;
	} while (outcome == OUTPUT_DONE &&
		 (virtq_has_chains(vq) || virtq_enable_kicks(vq)));
	virtio_interrupt(device, transmit_queue(port));
	return outcome;
}

/* vCPU thread, the transmit queue's lock is held. */
static void output_kicked(struct virtio_console_port *port)
{
	/* The loop's thread takes the lock for itself only while we keep off
	 * it: it never waits for a guest that does not stop writing. */
	if (atomic_load(&port->stalled))
		return;
	switch (send_output(port)) {
	case OUTPUT_STALLED:
		atomic_store(&port->stalled, true);
		chardev_await_room(port->chardev);
		break;
	case OUTPUT_MORE:
		virtio_kick_again(&port->console->device, transmit_queue(port));
		break;
	default:
		break;
	}
}

/* Loop's thread. */
static bool port_writable(void *opaque)
{
	struct virtio_console_port *port = opaque;
	struct virtio_device *device = &port->console->device;

	if (!atomic_load(&port->stalled) ||
	    !virtio_queue_begin(device, transmit_queue(port)))
		return false;
	/* A reset may have come, and a start after it. */
	if (atomic_load(&port->stalled))
		atomic_store(&port->stalled, send_output(port) != OUTPUT_DONE);
	virtio_queue_end(device, transmit_queue(port));
	return atomic_load(&port->stalled);
}

/* --- Input --------------------------------------------------------------- */

/* Fills @chain with what is held. The console's lock is held. */
static size_t fill(struct virtio_console_port *port,
		   const struct virtq_chain *chain)
{
	size_t done = virtq_chain_write(chain, 0, port->held + port->held_start,
					port->held_len);

	port->held_start += done;
	port->held_len -= done;
	return done;
}

/*
 * Both locks are held. A chain takes a byte or more, but for those that no
 * driver should send: there is an end to those too, and then the driver has to
 * kick. Afterwards kicks are enabled if there is no buffer.
 */
static void deliver(struct virtio_console_port *port, struct virtq *vq)
{
	struct iovec iov[CHAIN_SEGMENTS];
	struct virtq_chain chain = { .iov = iov, .iov_max = CHAIN_SEGMENTS };
	unsigned int budget = VIRTIO_CONSOLE_HELD_BYTES + QUEUE_SIZE;

	virtq_disable_kicks(vq);
	while (port->held_len && atomic_load(&port->guest_open) && budget--) {
		int rc = virtq_pop(vq, &chain);

		if (rc == 0 && virtq_enable_kicks(vq))
			continue;
		if (rc != 1 && rc != -E2BIG)
			return;
		virtq_push(vq, chain.head,
			   rc == 1 ? (uint32_t)fill(port, &chain) : 0);
	}
	if (port->held_len)
		virtq_enable_kicks(vq);
}

/* Whether the driver would take input now; asks for a kick when not. Both
 * locks are held. */
static bool has_buffers(const struct virtio_console_port *port,
			struct virtq *vq)
{
	return !port->held_len && atomic_load(&port->guest_open) &&
	       (virtq_has_chains(vq) || virtq_enable_kicks(vq));
}

/* The receive queue's lock is held. Returns the room there is then. */
static size_t pump_locked(struct virtio_console_port *port)
{
	struct virtio_console *console = port->console;
	struct virtq *vq = virtio_vq(&console->device, receive_queue(port));
	size_t room;

	pthread_mutex_lock(&console->lock);
	if (port->held_len)
		deliver(port, vq);
	room = has_buffers(port, vq) ? VIRTIO_CONSOLE_HELD_BYTES : 0;
	pthread_mutex_unlock(&console->lock);
	virtio_interrupt(&console->device, receive_queue(port));
	return room;
}

static size_t pump(struct virtio_console_port *port)
{
	struct virtio_device *device = &port->console->device;
	size_t room;

	if (!virtio_queue_begin(device, receive_queue(port)))
		return 0;
	room = pump_locked(port);
	virtio_queue_end(device, receive_queue(port));
	return room;
}

static size_t port_room(void *opaque)
{
	return pump(opaque);
}

/* Held first: whenever the device is started or the port opened, be it now,
 * the bytes are there to be found. */
/*
 * Linux looks at the size in the configuration only when it is told of a
 * change, and not before its console stands (drivers/char/virtio_console.c,
 * config_work_handler and is_console_port). Once somebody types to it, it does.
 * `lock` is held.
 */
static void tell_first_size(struct virtio_console *console)
{
	const struct virtio_console_config *config = &console->config;

	if (console->multiport || console->size_told ||
	    (!config->cols && !config->rows))
		return;
	console->size_told = true;
	virtio_config_changed(&console->device, 0, config, 4);
}

static void port_receive(void *opaque, const uint8_t *data, size_t len)
{
	struct virtio_console_port *port = opaque;
	struct virtio_console *console = port->console;

	pthread_mutex_lock(&console->lock);
	/* Only with room, which there is when nothing is held, and only on
	 * this thread. */
	assert(!port->held_len && len <= sizeof(port->held));
	memcpy(port->held, data, len);
	port->held_start = 0;
	port->held_len = len;
	if (port->id == 0)
		tell_first_size(console);
	pthread_mutex_unlock(&console->lock);
	pump(port);
}

static void input_kicked(struct virtio_console_port *port)
{
	virtq_disable_kicks(
		virtio_vq(&port->console->device, receive_queue(port)));
	if (pump_locked(port))
		chardev_resume_input(port->chardev);
}

/* --- Messages to the driver ---------------------------------------------- */

struct message {
	uint8_t bytes[sizeof(struct virtio_console_control) +
		      VIRTIO_CONSOLE_NAME_BYTES];
	size_t len;
};

static void start_message(struct message *message,
			  const struct virtio_console_port *port,
			  uint16_t event, uint16_t value)
{
	store_le32(message->bytes, port->id);
	store_le16(message->bytes + 4, event);
	store_le16(message->bytes + 6, value);
	message->len = sizeof(struct virtio_console_control);
}

static void append(struct message *message, const void *bytes, size_t len)
{
	memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

/* False when the driver knows already. The console's lock is held. */
static bool write_message(struct message *message,
			  const struct virtio_console_port *port,
			  unsigned int what)
{
	const struct virtio_console_config *config = &port->console->config;

	switch (what) {
	case TELL_ADD:
		start_message(message, port, VIRTIO_CONSOLE_PORT_ADD, 0);
		return true;
	case TELL_NAME:
		start_message(message, port, VIRTIO_CONSOLE_PORT_NAME, 1);
		append(message, port->name, strlen(port->name));
		return true;
	case TELL_CONSOLE:
		start_message(message, port, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
		return true;
	case TELL_SIZE:
		start_message(message, port, VIRTIO_CONSOLE_RESIZE, 0);
		append(message, &config->cols, sizeof(config->cols));
		append(message, &config->rows, sizeof(config->rows));
		return true;
	case TELL_CLOSE:
		start_message(message, port, VIRTIO_CONSOLE_PORT_OPEN, 0);
		return port->told_open;
	default:
		start_message(message, port, VIRTIO_CONSOLE_PORT_OPEN, 1);
		return !port->told_open;
	}
}

static void mark_told(struct virtio_console_port *port, unsigned int what)
{
	port->untold &= ~what;
	if (what == TELL_ADD)
		port->added = true;
	else if (what == TELL_OPEN || what == TELL_CLOSE)
		port->told_open = what == TELL_OPEN;
}

/* The next message to the driver, if there is one. */
static struct virtio_console_port *next_message(struct virtio_console *console,
						struct message *message,
						unsigned int *ret_what)
{
	for (unsigned int i = 0; i < console->port_count; i++) {
		struct virtio_console_port *port = &console->ports[i];

		for (unsigned int what = 1; what < TELL_END; what <<= 1) {
			if (!(port->untold & what))
				continue;
			*ret_what = what;
			if (write_message(message, port, what))
				return port;
			mark_told(port, what);
		}
	}
	return NULL;
}

/*
 * The control receive queue's lock is held. Each round tells something, so
 * that there is an end; a buffer that is too small goes back empty, and its
 * driver goes without the message.
 */
static void tell_driver_locked(struct virtio_console *console)
{
	struct virtq *vq = virtio_vq(&console->device, CONTROL_RECEIVE);
	struct iovec iov[CHAIN_SEGMENTS];
	struct virtq_chain chain = { .iov = iov, .iov_max = CHAIN_SEGMENTS };
	struct virtio_console_port *port;
	struct message message;
	unsigned int what;

	pthread_mutex_lock(&console->lock);
	while ((port = next_message(console, &message, &what))) {
		int rc = virtq_pop(vq, &chain);
		size_t len = 0;

		if (rc == 0 && virtq_enable_kicks(vq))
			continue;
		if (rc != 1 && rc != -E2BIG)
			break;
		if (rc == 1 && chain.writable_bytes >= message.len)
			len = virtq_chain_write(&chain, 0, message.bytes,
						message.len);
		virtq_push(vq, chain.head, (uint32_t)len);
		mark_told(port, what);
	}
	pthread_mutex_unlock(&console->lock);
	virtio_interrupt(&console->device, CONTROL_RECEIVE);
}

static void tell_driver(struct virtio_console *console)
{
	/* Without named ports there is no such queue. */
	if (console->device.queue_count <= CONTROL_RECEIVE ||
	    !virtio_queue_begin(&console->device, CONTROL_RECEIVE))
		return;
	tell_driver_locked(console);
	virtio_queue_end(&console->device, CONTROL_RECEIVE);
}

/* Loop's thread. */
static void port_peer_changed(void *opaque, bool connected)
{
	struct virtio_console_port *port = opaque;
	struct virtio_console *console = port->console;

	pthread_mutex_lock(&console->lock);
	port->host_open = connected;
	/* A peer that left and one that came are told both. */
	if (port->ready && connected)
		port->untold |= TELL_OPEN;
	else if (port->ready)
		port->untold = (port->untold & ~(unsigned int)TELL_OPEN) |
			       TELL_CLOSE;
	pthread_mutex_unlock(&console->lock);
	tell_driver(console);
}

void virtio_console_resize(struct virtio_console *console, uint16_t cols,
			   uint16_t rows)
{
	uint8_t size[4];

	store_le16(size, cols);
	store_le16(size + 2, rows);
	pthread_mutex_lock(&console->lock);
	if (memcmp(&console->config, size, sizeof(size)) != 0) {
		virtio_config_changed(&console->device, 0, size, sizeof(size));
		if (console->ports[0].ready)
			console->ports[0].untold |= TELL_SIZE;
	}
	pthread_mutex_unlock(&console->lock);
	tell_driver(console);
}

/* --- Messages from the driver -------------------------------------------- */

static void driver_is_ready(struct virtio_console *console)
{
	/* virtio 1.2, 5.3.6.2.1: a port is added once. */
	if (console->driver_ready)
		return;
	console->driver_ready = true;
	for (unsigned int i = 0; i < console->port_count; i++)
		console->ports[i].untold |= TELL_ADD;
}

static void port_is_ready(struct virtio_console_port *port)
{
	const struct virtio_console_config *config = &port->console->config;

	if (port->ready)
		return;
	port->ready = true;
	port->untold |= port->name ? TELL_NAME : TELL_CONSOLE;
	if (!port->name && (config->cols || config->rows))
		port->untold |= TELL_SIZE;
	if (port->host_open)
		port->untold |= TELL_OPEN;
}

/* Returns the port that was opened or closed, if any. The lock is held. */
static struct virtio_console_port *take_message(struct virtio_console *console,
						const uint8_t *bytes)
{
	uint32_t id = load_le32(bytes);
	uint16_t event = load_le16(bytes + 4);
	uint16_t value = load_le16(bytes + 6);
	struct virtio_console_port *port;

	if (event == VIRTIO_CONSOLE_DEVICE_READY && value) {
		driver_is_ready(console);
		return NULL;
	}
	if (id >= console->port_count || !console->ports[id].added)
		return NULL;
	port = &console->ports[id];
	if (event == VIRTIO_CONSOLE_PORT_READY && value)
		port_is_ready(port);
	if (event != VIRTIO_CONSOLE_PORT_OPEN || !port->ready ||
	    atomic_load(&port->guest_open) == !!value)
		return NULL;
	atomic_store(&port->guest_open, !!value);
	return port;
}

static void read_message(struct virtio_console *console,
			 const struct virtq_chain *chain)
{
	uint8_t bytes[sizeof(struct virtio_console_control)];
	struct virtio_console_port *port;

	if (virtq_chain_read(chain, 0, bytes, sizeof(bytes)) < sizeof(bytes))
		return;
	pthread_mutex_lock(&console->lock);
	port = take_message(console, bytes);
	pthread_mutex_unlock(&console->lock);
	if (!port)
		return;
	pump(port);
	/* Also when it closed: the serial port may be next. */
	chardev_resume_input(port->chardev);
}

static void control_kicked(struct virtio_console *console)
{
	struct virtq *vq = virtio_vq(&console->device, CONTROL_TRANSMIT);
	struct iovec iov[CHAIN_SEGMENTS];
	struct virtq_chain chain = { .iov = iov, .iov_max = CHAIN_SEGMENTS };
	unsigned int budget = BUDGET;
	int rc;

	virtq_disable_kicks(vq);
	do {
		while (budget && (rc = virtq_pop(vq, &chain)) != 0) {
			if (rc != 1 && rc != -E2BIG)
				return;
			budget--;
			if (rc == 1)
				read_message(console, &chain);
			virtq_push(vq, chain.head, 0);
		}
	} while (budget && virtq_enable_kicks(vq));
	if (!budget)
		virtio_kick_again(&console->device, CONTROL_TRANSMIT);
	virtio_interrupt(&console->device, CONTROL_TRANSMIT);
	tell_driver(console);
}

/* --- The device ---------------------------------------------------------- */

static void console_kick(struct virtio_device *device, unsigned int index)
{
	struct virtio_console *console = console_of(device);
	struct virtio_console_port *port;

	/* virtio 1.2, 5.3.2: the others are there with MULTIPORT only. */
	if (index >= CONTROL_RECEIVE && !console->multiport)
		return;
	if (index == CONTROL_RECEIVE) {
		tell_driver_locked(console);
		return;
	}
	if (index == CONTROL_TRANSMIT) {
		control_kicked(console);
		return;
	}
	port = &console->ports[index < CONTROL_RECEIVE ? 0 : index / 2 - 1];
	if (index % 2)
		output_kicked(port);
	else
		input_kicked(port);
}

static int console_activate(struct virtio_device *device, struct err *err)
{
	struct virtio_console *console = console_of(device);

	(void)err;
	console->multiport =
		virtio_has_feature(device, VIRTIO_CONSOLE_F_MULTIPORT);
	/* A driver without ports has no other way to say so. */
	if (!console->multiport)
		atomic_store(&console->ports[0].guest_open, true);
	return 0;
}

/* What is held is for the next driver. */
static int console_reset(struct virtio_device *device)
{
	struct virtio_console *console = console_of(device);

	pthread_mutex_lock(&console->lock);
	console->driver_ready = false;
	console->size_told = false;
	for (unsigned int i = 0; i < console->port_count; i++) {
		struct virtio_console_port *port = &console->ports[i];

		port->untold = 0;
		port->added = false;
		port->ready = false;
		port->told_open = false;
		port->sent = 0;
		atomic_store(&port->guest_open, false);
		atomic_store(&port->stalled, false);
		atomic_store(&port->written, false);
	}
	pthread_mutex_unlock(&console->lock);
	chardev_resume_input(console->ports[0].chardev);
	return 0;
}

/* virtio 1.2, 5.3.5.1: also before there is a driver. */
static void console_config_write(struct virtio_device *device, uint32_t offset,
				 uint64_t value, unsigned int len)
{
	const uint8_t byte = (uint8_t)value;

	(void)len;
	if (offset == offsetof(struct virtio_console_config, emerg_wr))
		chardev_write_all(console_of(device)->ports[0].chardev, &byte,
				  1);
}

static const struct virtio_device_type console_type = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.activate = console_activate,
	.kick = console_kick,
	.reset = console_reset,
	.config_write = console_config_write,
};

/* --- Life ---------------------------------------------------------------- */

/* Linux makes a file of it, /dev/virtio-ports/NAME. */
static int check_name(const struct virtio_console_named_port *named,
		      unsigned int index, struct err *err)
{
	const char *name = named[index].name;
	size_t len = strlen(name);

	if (!len || len > VIRTIO_CONSOLE_NAME_BYTES)
		return err_set(err, EINVAL,
			       "a console port's name has 1 to %d bytes",
			       VIRTIO_CONSOLE_NAME_BYTES);
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)name[i]) || name[i] == '/')
			return err_set(err, EINVAL,
				       "the name of console port %u may have "
				       "letters, digits and punctuation but no "
				       "slash",
				       index + 1);
	}
	for (unsigned int i = 0; i < index; i++) {
		if (!strcmp(name, named[i].name))
			return err_set(err, EINVAL,
				       "two console ports are named %s", name);
	}
	return 0;
}

int virtio_console_check_names(const struct virtio_console_named_port *named,
			       unsigned int count, struct err *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < count && !rc; i++)
		rc = check_name(named, i, err);
	return rc;
}

static int init_port(struct virtio_console *console, unsigned int id,
		     const char *name, struct chardev *chardev, struct err *err)
{
	struct virtio_console_port *port = &console->ports[id];
	const struct chardev_receiver receiver = {
		.room = port_room,
		.receive = port_receive,
		.opaque = port,
	};
	const struct chardev_sender sender = {
		.writable = port_writable,
		.peer_changed = name ? port_peer_changed : NULL,
		.drop_unheard = name,
		.opaque = port,
	};

	port->console = console;
	port->chardev = chardev;
	port->name = name;
	port->id = id;
	/* A console is there for whoever looks at it later. */
	port->host_open = !name || chardev_has_peer(chardev);
	if (name)
		chardev_set_receiver(chardev, &receiver);
	return chardev_set_sender(chardev, &sender, err);
}

static int init_ports(struct virtio_console *console,
		      const struct virtio_console_init *init, struct err *err)
{
	int rc = init_port(console, 0, NULL, init->chardev, err);

	if (!rc)
		rc = virtio_console_check_names(init->named, init->named_count,
						err);
	for (unsigned int i = 0; !rc && i < init->named_count; i++)
		rc = init_port(console, i + 1, init->named[i].name,
			       init->named[i].chardev, err);
	return rc;
}

int virtio_console_init(struct virtio_console *console,
			const struct virtio_console_init *init, struct err *err)
{
	unsigned int port_count = init->named_count + 1;
	const struct virtio_device_init device = {
		.type = &console_type,
		.env = init->env,
		.features = BIT(VIRTIO_CONSOLE_F_SIZE) |
			    BIT(VIRTIO_CONSOLE_F_EMERG_WRITE) |
			    (init->named_count ?
				     BIT(VIRTIO_CONSOLE_F_MULTIPORT) :
				     0),
		.queue_count = init->named_count ? 2 * port_count + 2 : 2,
		.queue_size = QUEUE_SIZE,
		.config = &console->config,
		.config_size = sizeof(console->config),
	};
	int rc;

	if (init->named_count >= VIRTIO_CONSOLE_MAX_PORTS)
		return err_set(err, EINVAL,
			       "there can be at most %d named console ports",
			       VIRTIO_CONSOLE_MAX_PORTS - 1);
	*console = (struct virtio_console){ .port_count = port_count };
	store_le32(&console->config.max_nr_ports, port_count);
	console->ports = calloc(port_count, sizeof(*console->ports));
	if (!console->ports)
		return err_sys(err, ENOMEM, "console ports");
	rc = virtio_device_init(&console->device, &device, err);
	if (rc) {
		free(console->ports);
		console->ports = NULL;
		return rc;
	}
	pthread_mutex_init(&console->lock, NULL);
	rc = init_ports(console, init, err);
	if (rc)
		virtio_console_release(console);
	return rc;
}

void virtio_console_release(struct virtio_console *console)
{
	if (!console->ports)
		return;
	virtio_device_release(&console->device);
	pthread_mutex_destroy(&console->lock);
	free(console->ports);
	console->ports = NULL;
}

struct chardev_receiver virtio_console_receiver(struct virtio_console *console)
{
	return (struct chardev_receiver){
		.room = port_room,
		.receive = port_receive,
		.opaque = &console->ports[0],
	};
}

bool virtio_console_is_used(const struct virtio_console *console)
{
	return atomic_load(&console->ports[0].guest_open) &&
	       atomic_load(&console->ports[0].written);
}
