#include "vmm/irqchip.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "boot/platform.h"
#include "core/log.h"

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

static void send_message(void *opaque, const struct ioapic_message *message)
{
	signal_msi(opaque, message->address, message->data);
}

/* KVM learns which vectors end with an exit to us from the routes of the
 * first IOAPIC_PINS interrupts. */
static void set_routes(const struct irqchip *irqchip)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[IOAPIC_PINS];
	} table = { .head = { .nr = 0 } };

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		const struct ioapic_message *message = &irqchip->messages[pin];

		if (!irqchip->level[pin])
			continue;
		table.entries[table.head.nr++] = (struct kvm_irq_routing_entry){
			.gsi = pin,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {
				.address_lo = (uint32_t)message->address,
				.address_hi =
					(uint32_t)(message->address >> 32),
				.data = message->data,
			},
		};
	}
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

	if (!wanted && !irqchip->level[pin])
		return;
	irqchip->level[pin] = wanted;
	if (wanted)
		irqchip->messages[pin] = *message;
	set_routes(irqchip);
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
	if (mode == IRQCHIP_FULL)
		return init_full(kvm, err);
	return init_split(irqchip, mmio, err);
}

void irqchip_release(struct irqchip *irqchip)
{
	if (irqchip->mode == IRQCHIP_SPLIT)
		ioapic_release(&irqchip->ioapic);
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

	if (self->irqchip->mode == IRQCHIP_SPLIT)
		ioapic_set_pin(&self->irqchip->ioapic, self->gsi, asserted);
	else /* can only fail for a pin that does not exist: a bug of ours */
		(void)ioctl(self->irqchip->kvm->vm_fd, KVM_IRQ_LINE, &level);
}

static void line_pulse(struct irq_line *line)
{
	line_set_level(line, true);
	line_set_level(line, false);
}

void irqchip_line_init(struct irqchip_line *line, struct irqchip *irqchip,
		       unsigned int gsi)
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
}

static void message_pulse(struct irq_line *line)
{
	const struct irqchip_message *message =
		container_of(line, struct irqchip_message, line);

	signal_msi(message->irqchip, atomic_load(&message->addr),
		   atomic_load(&message->data));
}

void irqchip_message_init(struct irqchip_message *message,
			  const struct irqchip *irqchip)
{
	static const struct irq_ops ops = { .pulse = message_pulse };

	*message = (struct irqchip_message){
		.line = { .ops = &ops },
		.irqchip = irqchip,
	};
}

void irqchip_message_set(struct irqchip_message *message, uint64_t addr,
			 uint32_t data)
{
	atomic_store(&message->addr, addr);
	atomic_store(&message->data, data);
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
			     struct irqchip *irqchip, unsigned int gsi)
{
	*shared = (struct irqchip_shared_pin){ .asserting = 0 };
	irqchip_line_init(&shared->pin, irqchip, gsi);
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
