/*
 * The machine's interrupt controllers.
 *
 * The local APICs are always the kernel's. The rest is either "split": an I/O
 * APIC of ours and no legacy PIC or PIT, which starts and ends faster (tearing
 * down KVM's I/O bus costs milliseconds) and leaves less of KVM reachable by
 * the guest; or "full": KVM's own I/O APIC, PIC and PIT, which guests without
 * ACPI and test kernels count on.
 *
 * Source: KVM api.rst 4.24, 4.25, 4.52, 4.70, 4.71, 4.75, 7.5.
 */
#ifndef VMM_IRQCHIP_H
#define VMM_IRQCHIP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/bus.h"
#include "core/irq.h"
#include "devices/ioapic.h"
#include "vmm/kvm.h"

enum irqchip_mode {
	IRQCHIP_AUTO,
	IRQCHIP_SPLIT,
	IRQCHIP_FULL
};

struct trace;

/* Messages that KVM sends by itself; the others we send. */
#define IRQCHIP_MAX_ROUTES 64

struct irqchip {
	const struct kvm *kvm; /* borrowed */
	enum irqchip_mode mode; /* never AUTO */
	struct ioapic ioapic; /* split only */
	struct trace *trace; /* see irqchip_trace; or NULL */
	/* What is at each pin (borrowed), for the trace; NULL: nothing. */
	const char *pins[IOAPIC_PINS];
	/* Guards what follows, which KVM's routing table is written from. */
	pthread_mutex_t route_lock;
	bool level[IOAPIC_PINS]; /* the pin has a route for its EOI */
	struct ioapic_message messages[IOAPIC_PINS];
	/* Of messages that an eventfd sends: interrupt IOAPIC_PINS + i. */
	struct ioapic_message routes[IRQCHIP_MAX_ROUTES];
	unsigned int route_count;
};

/* One pin of the I/O APIC. */
struct irqchip_line {
	struct irq_line line;
	struct irqchip *irqchip; /* borrowed */
	unsigned int gsi;
};

/*
 * One message-signalled interrupt. KVM_SIGNAL_MSI is used rather than an irqfd:
 * it needs no entry in KVM's routing table, whose update waits for a grace
 * period of the kernel, and costs a little less per interrupt.
 *
 * Only a message that follows an eventfd, since the kernel itself interrupts
 * the guest (vhost), gets an entry and an irqfd; with KVM's own I/O APIC it
 * does not follow.
 */
struct irqchip_message {
	struct irq_line line;
	struct irqchip *irqchip; /* borrowed */
	const char *name; /* borrowed: its device's, for the trace */
	unsigned int index; /* which of the device's */
	_Atomic uint64_t addr;
	_Atomic uint32_t data;
	/* Guarded by route_lock. */
	bool masked;
	int fd; /* that it follows (borrowed), or -1 */
	int bound_fd; /* KVM has it as an irqfd, or -1 */
	int route; /* its index, or -1 */
};

/* Several devices on one level-triggered pin: asserted while any of them is. */
struct irqchip_shared_pin {
	struct irqchip_line pin;
	pthread_mutex_t lock; /* guards what follows and the members' state */
	unsigned int asserting; /* members */
};

struct irqchip_shared_line {
	struct irq_line line;
	struct irqchip_shared_pin *shared; /* borrowed */
	bool asserted;
};

/*
 * Before any vCPU, and after the memory slots are set: a slot that is added
 * once the interrupt routes exist waits for a grace period of the kernel.
 */
int irqchip_init(struct irqchip *irqchip, const struct kvm *kvm,
		 enum irqchip_mode mode, struct bus *mmio, struct err *err);
void irqchip_release(struct irqchip *irqchip);

/*
 * From now on each interrupt that a line or a message of ours raises is a line
 * of @trace (borrowed). Messages then follow no eventfd, so that those of the
 * kernel's devices, too, come by here. While no guest runs; NULL: no longer.
 */
void irqchip_trace(struct irqchip *irqchip, struct trace *trace);

/* @name, which outlives the irqchip, is the device's in the trace. */
void irqchip_line_init(struct irqchip_line *line, struct irqchip *irqchip,
		       unsigned int gsi, const char *name);

/* Message @index of the device @name, as above. */
void irqchip_message_init(struct irqchip_message *message,
			  struct irqchip *irqchip, const char *name,
			  unsigned int index);
/*
 * What the line sends from now on. While it is @masked nobody pulses it, and
 * no eventfd does. Any thread.
 */
void irqchip_message_set(struct irqchip_message *message, uint64_t addr,
			 uint32_t data, bool masked);

void irqchip_shared_pin_init(struct irqchip_shared_pin *shared,
			     struct irqchip *irqchip, unsigned int gsi,
			     const char *name);
void irqchip_shared_pin_release(struct irqchip_shared_pin *shared);
void irqchip_shared_line_init(struct irqchip_shared_line *line,
			      struct irqchip_shared_pin *shared);

/* KVM_EXIT_IOAPIC_EOI. vCPU thread. */
void irqchip_eoi(struct irqchip *irqchip, uint8_t vector);

#endif
