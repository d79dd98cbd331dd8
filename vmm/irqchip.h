/*
 * The machine's interrupt controllers.
 *
 * The local APICs are always the kernel's. The rest is either "split": an I/O
 * APIC of ours and no legacy PIC or PIT, which starts and ends faster (tearing
 * down KVM's I/O bus costs milliseconds) and leaves less of KVM reachable by
 * the guest; or "full": KVM's own I/O APIC, PIC and PIT, which guests without
 * ACPI and test kernels count on.
 *
 * Source: KVM api.rst 4.24, 4.25, 4.52, 4.70, 4.71, 7.5.
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

struct irqchip {
	const struct kvm *kvm; /* borrowed */
	enum irqchip_mode mode; /* never AUTO */
	struct ioapic ioapic; /* split only; its lock guards what follows */
	bool level[IOAPIC_PINS]; /* the pin has a route for its EOI */
	struct ioapic_message messages[IOAPIC_PINS];
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
 */
struct irqchip_message {
	struct irq_line line;
	const struct irqchip *irqchip; /* borrowed */
	_Atomic uint64_t addr;
	_Atomic uint32_t data;
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

void irqchip_line_init(struct irqchip_line *line, struct irqchip *irqchip,
		       unsigned int gsi);

void irqchip_message_init(struct irqchip_message *message,
			  const struct irqchip *irqchip);
/* What the line sends from now on. Any thread. */
void irqchip_message_set(struct irqchip_message *message, uint64_t addr,
			 uint32_t data);

void irqchip_shared_pin_init(struct irqchip_shared_pin *shared,
			     struct irqchip *irqchip, unsigned int gsi);
void irqchip_shared_pin_release(struct irqchip_shared_pin *shared);
void irqchip_shared_line_init(struct irqchip_shared_line *line,
			      struct irqchip_shared_pin *shared);

/* KVM_EXIT_IOAPIC_EOI. vCPU thread. */
void irqchip_eoi(struct irqchip *irqchip, uint8_t vector);

#endif
