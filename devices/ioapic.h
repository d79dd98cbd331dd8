/*
 * An I/O APIC with 24 pins, for a machine whose local APICs are in the kernel
 * while this is not (KVM's split irqchip). It turns pins into messages.
 *
 * Sources: Intel 82093AA data sheet; the message's layout: SDM vol. 3A, 11.11.
 */
#ifndef DEVICES_IOAPIC_H
#define DEVICES_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>

#include "core/bus.h"

#define IOAPIC_PINS	  24
#define IOAPIC_MMIO_BYTES 0x1000

struct ioapic_message {
	uint64_t address;
	uint32_t data;
};

/* What a redirection entry's pin sends. */
struct ioapic_message ioapic_message_of(uint64_t entry);
bool ioapic_is_masked(uint64_t entry);

struct ioapic_ops {
	/* Pin @pin sends @message to the local APICs. */
	void (*send)(void *opaque, unsigned int pin,
		     const struct ioapic_message *message);
	/*
	 * Pin @pin now stands for @message, or for nothing (NULL: masked, and
	 * no interrupt of it in service). @is_level: the end of its interrupt
	 * must come back to ioapic_eoi.
	 * Both with the lock held: must not call back.
	 */
	void (*route)(void *opaque, unsigned int pin,
		      const struct ioapic_message *message, bool is_level);
};

struct ioapic {
	const struct ioapic_ops *ops;
	void *opaque;
	pthread_mutex_t lock; /* guards all below */
	uint8_t select;
	uint8_t id;
	uint64_t entries[IOAPIC_PINS];
	uint32_t asserted; /* one bit a pin: the line is high */
};

/* The device is a struct ioapic. */
extern const struct bus_ops ioapic_bus_ops;

void ioapic_init(struct ioapic *ioapic, const struct ioapic_ops *ops,
		 void *opaque);
void ioapic_release(struct ioapic *ioapic);

/* Any thread. */
void ioapic_set_pin(struct ioapic *ioapic, unsigned int pin, bool asserted);

/* A local APIC ended the level-triggered interrupt @vector. vCPU thread. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

#endif
