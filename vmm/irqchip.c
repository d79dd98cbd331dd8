#include "vmm/irqchip.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "boot/platform.h"
#include "core/log.h"
#include "vmm/trace.h"

_Static_assert(IOAPIC_PINS == PLATFORM_IOAPIC_PINS,
	       "what is built and what the guest is told");

/* Fails or is dropped when the guest programmed a destination that does not
 * exist, as on a real bus. */
static void signal_msi(const struct irqchip *irqchip, uint64_t addr,
		       uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};

	(void)ioctl(irqchip->kvm->vm_fd, KVM_SIGNAL_MSI, &msi);
}

static void trace_pin(const struct irqchip *irqchip, unsigned int pin,
		      const struct ioapic_message *message)
{
	const struct trace_interrupt interrupt = {
		.name = irqchip->pins[pin],
		.pin = "gsi",
		.number = pin,
		.is_known = message != NULL,
		.address = message ? message->address : 0,
		.data = message ? message->data : 0,
	};

	trace_interrupt(irqchip->trace, &interrupt);
}

static void send_message(void *opaque, unsigned int pin,
			 const struct ioapic_message *message)
{
	const struct irqchip *irqchip = opaque;

	if (irqchip->trace)
		trace_pin(irqchip, pin, message);
	signal_msi(irqchip, message->address, message->data);
}

/* KVM's I/O APIC has the entry; where that is masked, the PIC may have it. */
static void trace_kvm_pin(const struct irqchip *irqchip, unsigned int pin)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct ioapic_message message;
	uint64_t entry;

	if (ioctl(irqchip->kvm->vm_fd, KVM_GET_IRQCHIP, &chip) < 0) {
		trace_pin(irqchip, pin, NULL);
		return;
	}
	entry = chip.chip.ioapic.redirtbl[pin].bits;
	message = ioapic_message_of(entry);
	trace_pin(irqchip, pin, ioapic_is_masked(entry) ? NULL : &message);
}

static struct kvm_irq_routing_entry
route_entry(unsigned int gsi, const struct ioapic_message *message)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = (uint32_t)message->address,
			.address_hi = (uint32_t)(message->address >> 32),
			.data = message->data,
		},
	};
}

/*
 * KVM learns which vectors end with an exit to us from the routes of the first
 * IOAPIC_PINS interrupts; those behind are the messages' that eventfds send.
 * route_lock held.
 */
static void set_routes(const struct irqchip *irqchip)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry
			entries[IOAPIC_PINS + IRQCHIP_MAX_ROUTES];
	} table = { .head = { .nr = 0 } };

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if (irqchip->level[pin])
			table.entries[table.head.nr++] =
				route_entry(pin, &irqchip->messages[pin]);
	}
	for (unsigned int i = 0; i < irqchip->route_count; i++)
		table.entries[table.head.nr++] =
			route_entry(IOAPIC_PINS + i, &irqchip->routes[i]);
	if (ioctl(irqchip->kvm->vm_fd, KVM_SET_GSI_ROUTING, &table) < 0)
		log_warn("KVM_SET_GSI_ROUTING: %s", err_describe(errno));
}

/* Edges are sent as messages and need no route, so that the common case does
 * not pay for the kernel's update of its table. */
static void route_pin(void *opaque, unsigned int pin,
		      const struct ioapic_message *message, bool is_level)
{
	struct irqchip *irqchip = opaque;
	bool wanted = message && is_level;

	pthread_mutex_lock(&irqchip->route_lock);
	if (wanted || irqchip->level[pin]) {
		irqchip->level[pin] = wanted;
		if (wanted)
			irqchip->messages[pin] = *message;
		set_routes(irqchip);
	}
	pthread_mutex_unlock(&irqchip->route_lock);
}

static int init_split(struct irqchip *irqchip, struct bus *mmio,
		      struct err *err)
{
	static const struct ioapic_ops ops = {
		.send = send_message,
		.route = route_pin,
	};
	const struct bus_range range = {
		.start = PLATFORM_IOAPIC_BASE,
		.size = IOAPIC_MMIO_BYTES,
		.ops = &ioapic_bus_ops,
		.device = &irqchip->ioapic,
		.name = "I/O APIC",
	};
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = { IOAPIC_PINS },
	};

	if (ioctl(irqchip->kvm->vm_fd, KVM_ENABLE_CAP, &cap) < 0)
		return err_sys(err, errno,
			       "KVM_CAP_SPLIT_IRQCHIP (try --irqchip full)");
	ioapic_init(&irqchip->ioapic, &ops, irqchip);
	return bus_add(mmio, &range, err);
}

static int init_full(const struct kvm *kvm, struct err *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_sys(err, errno, "KVM_CREATE_IRQCHIP");
	if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return err_sys(err, errno, "KVM_CREATE_PIT2");
	return 0;
}

int irqchip_init(struct irqchip *irqchip, const struct kvm *kvm,
		 enum irqchip_mode mode, struct bus *mmio, struct err *err)
{
	*irqchip = (struct irqchip){ .kvm = kvm, .mode = mode };
	pthread_mutex_init(&irqchip->route_lock, NULL);
	if (mode == IRQCHIP_FULL)
		return init_full(kvm, err);
	return init_split(irqchip, mmio, err);
}

void irqchip_release(struct irqchip *irqchip)
{
	if (irqchip->mode == IRQCHIP_SPLIT)
		ioapic_release(&irqchip->ioapic);
	if (irqchip->kvm)
		pthread_mutex_destroy(&irqchip->route_lock);
	irqchip->kvm = NULL;
}

void irqchip_trace(struct irqchip *irqchip, struct trace *trace)
{
	irqchip->trace = trace;
}

void irqchip_eoi(struct irqchip *irqchip, uint8_t vector)
{
	if (irqchip->mode == IRQCHIP_SPLIT)
		ioapic_eoi(&irqchip->ioapic, vector);
}

static void line_set_level(struct irq_line *line, bool asserted)
{
	const struct irqchip_line *self =
		container_of(line, struct irqchip_line, line);
	struct kvm_irq_level level = { .irq = self->gsi, .level = asserted };

	if (self->irqchip->mode == IRQCHIP_SPLIT) {
		ioapic_set_pin(&self->irqchip->ioapic, self->gsi, asserted);
		return;
	}
	if (self->irqchip->trace && asserted)
		trace_kvm_pin(self->irqchip, self->gsi);
	/* can only fail for a pin that does not exist: a bug of ours */
	(void)ioctl(self->irqchip->kvm->vm_fd, KVM_IRQ_LINE, &level);
}

static void line_pulse(struct irq_line *line)
{
	line_set_level(line, true);
	line_set_level(line, false);
}

void irqchip_line_init(struct irqchip_line *line, struct irqchip *irqchip,
		       unsigned int gsi, const char *name)
{
	static const struct irq_ops ops = {
		.set_level = line_set_level,
		.pulse = line_pulse,
	};

	*line = (struct irqchip_line){
		.line = { .ops = &ops },
		.irqchip = irqchip,
		.gsi = gsi,
	};
	irqchip->pins[gsi] = name;
}

static void trace_message(const struct irqchip_message *message)
{
	const struct trace_interrupt interrupt = {
		.name = message->name,
		.pin = "msi-x",
		.number = message->index,
		.is_known = true,
		.address = atomic_load(&message->addr),
		.data = atomic_load(&message->data),
	};

	trace_interrupt(message->irqchip->trace, &interrupt);
}

static void message_pulse(struct irq_line *line)
{
	const struct irqchip_message *message =
		container_of(line, struct irqchip_message, line);

	if (message->irqchip->trace)
		trace_message(message);
	signal_msi(message->irqchip, atomic_load(&message->addr),
		   atomic_load(&message->data));
}

/* Makes @fd an irqfd of the message's route, or no longer one. */
static int bind_irqfd(const struct irqchip_message *message, int fd,
		      uint32_t flags)
{
	const struct kvm_irqfd request = {
		.fd = (uint32_t)fd,
		.gsi = IOAPIC_PINS + (uint32_t)message->route,
		.flags = flags,
	};

	return ioctl(message->irqchip->kvm->vm_fd, KVM_IRQFD, &request);
}

/* Has KVM route what the message is now. False when there is no room. */
static bool update_route(struct irqchip_message *message)
{
	struct irqchip *irqchip = message->irqchip;
	const struct ioapic_message now = {
		.address = atomic_load(&message->addr),
		.data = atomic_load(&message->data),
	};
	struct ioapic_message *route;

	if (message->route < 0) {
		if (irqchip->route_count == IRQCHIP_MAX_ROUTES)
			return false;
		message->route = (int)irqchip->route_count++;
	}
	route = &irqchip->routes[message->route];
	/* An update is dear: not for a message that was only masked. */
	if (route->address != now.address || route->data != now.data) {
		*route = now;
		set_routes(irqchip);
	}
	return true;
}

/*
 * Binds the eventfd that the message follows, or unbinds it, which waits until
 * no interrupt of it is on its way. Where it cannot be bound, who watches the
 * eventfd sends the message. route_lock held.
 */
static void update_binding(struct irqchip_message *message)
{
	int wanted = message->masked ? -1 : message->fd;

	if (message->bound_fd >= 0 && message->bound_fd != wanted) {
		(void)bind_irqfd(message, message->bound_fd,
				 KVM_IRQFD_FLAG_DEASSIGN);
		message->bound_fd = -1;
	}
	if (wanted < 0 || !update_route(message) || message->bound_fd == wanted)
		return;
	if (bind_irqfd(message, wanted, 0) < 0)
		log_debug("KVM_IRQFD: %s", err_describe(errno));
	else
		message->bound_fd = wanted;
}

static void message_follow(struct irq_line *line, int fd)
{
	struct irqchip_message *message =
		container_of(line, struct irqchip_message, line);

	/* Our table would take the place of the one that KVM made; and of an
	 * interrupt that KVM makes of an eventfd there is no trace. */
	if (message->irqchip->mode != IRQCHIP_SPLIT || message->irqchip->trace)
		return;
	pthread_mutex_lock(&message->irqchip->route_lock);
	message->fd = fd;
	update_binding(message);
	pthread_mutex_unlock(&message->irqchip->route_lock);
}

void irqchip_message_init(struct irqchip_message *message,
			  struct irqchip *irqchip, const char *name,
			  unsigned int index)
{
	static const struct irq_ops ops = {
		.pulse = message_pulse,
		.follow = message_follow,
	};

	*message = (struct irqchip_message){
		.line = { .ops = &ops },
		.irqchip = irqchip,
		.name = name,
		.index = index,
		.masked = true,
		.fd = -1,
		.bound_fd = -1,
		.route = -1,
	};
}

void irqchip_message_set(struct irqchip_message *message, uint64_t addr,
			 uint32_t data, bool masked)
{
	pthread_mutex_lock(&message->irqchip->route_lock);
	atomic_store(&message->addr, addr);
	atomic_store(&message->data, data);
	message->masked = masked;
	update_binding(message);
	pthread_mutex_unlock(&message->irqchip->route_lock);
}

static void shared_set_level(struct irq_line *line, bool asserted)
{
	struct irqchip_shared_line *self =
		container_of(line, struct irqchip_shared_line, line);
	struct irqchip_shared_pin *shared = self->shared;
	bool was;

	pthread_mutex_lock(&shared->lock);
	was = shared->asserting != 0;
	if (asserted != self->asserted) {
		self->asserted = asserted;
		shared->asserting += asserted ? 1 : -1U;
	}
	if (was != (shared->asserting != 0))
		irq_set_level(&shared->pin.line, !was);
	pthread_mutex_unlock(&shared->lock);
}

void irqchip_shared_pin_init(struct irqchip_shared_pin *shared,
			     struct irqchip *irqchip, unsigned int gsi,
			     const char *name)
{
	*shared = (struct irqchip_shared_pin){ .asserting = 0 };
	irqchip_line_init(&shared->pin, irqchip, gsi, name);
	pthread_mutex_init(&shared->lock, NULL);
}

void irqchip_shared_pin_release(struct irqchip_shared_pin *shared)
{
	pthread_mutex_destroy(&shared->lock);
}

void irqchip_shared_line_init(struct irqchip_shared_line *line,
			      struct irqchip_shared_pin *shared)
{
	static const struct irq_ops ops = { .set_level = shared_set_level };

	*line = (struct irqchip_shared_line){
		.line = { .ops = &ops },
		.shared = shared,
	};
}
