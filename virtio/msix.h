/*
 * MSI-X of a PCI function: the table of messages, the pending bits and the
 * capability. The machine turns messages into interrupts: it is told each
 * vector's message and gives each vector a line to pulse (an irqfd behind a
 * route, or a double in a test).
 *
 * Threads: the table, the pending bits and the control register belong to
 * whoever holds the owner's register lock; msix_fire runs on any thread and
 * takes no lock.
 *
 * Source: PCI Local Bus Specification 3.0, 6.8.2.
 */
#ifndef VIRTIO_MSIX_H
#define VIRTIO_MSIX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/irq.h"
#include "core/pci.h"

/* A vector for each queue and one for the configuration. */
#define MSIX_MAX_VECTORS      65
#define MSIX_ENTRY_BYTES      16
#define MSIX_CAPABILITY_BYTES 12

struct msix_ops {
	/*
	 * Vector @vector now is the message @data to @addr. While @masked (by
	 * its own bit, for all, or with MSI-X off) its line is not pulsed, so
	 * that the route may be kept or dropped. vCPU thread.
	 */
	void (*set_vector)(void *opaque, unsigned int vector, uint64_t addr,
			   uint32_t data, bool masked);
};

struct msix_vector {
	struct irq_line *line; /* borrowed */
	uint64_t addr;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
	atomic_bool masked; /* for any reason */
	atomic_bool pending;
};

struct msix {
	const struct msix_ops *ops;
	void *opaque;
	unsigned int count;
	struct msix_vector vectors[MSIX_MAX_VECTORS];
	atomic_bool enabled;
	bool function_masked;
};

/* @lines has @count borrowed lines that outlive @msix. */
void msix_init(struct msix *msix, const struct msix_ops *ops, void *opaque,
	       struct irq_line *const *lines, unsigned int count);

/*
 * Adds the capability to @function: table and pending bits in BAR @bar at
 * these offsets, multiples of 8. Returns its offset.
 */
uint8_t msix_add_capability(struct pci_function *function, unsigned int count,
			    unsigned int bar, uint32_t table_offset,
			    uint32_t pending_offset);

/* The guest wrote the message control register. */
void msix_set_control(struct msix *msix, uint16_t control);

/* Accesses to the table and to the pending bits, offsets relative to each. */
uint64_t msix_table_read(const struct msix *msix, uint64_t offset,
			 unsigned int len);
void msix_table_write(struct msix *msix, uint64_t offset, uint64_t value,
		      unsigned int len);
uint64_t msix_pending_read(const struct msix *msix, uint64_t offset,
			   unsigned int len);

static inline bool msix_enabled(const struct msix *msix)
{
	return atomic_load(&msix->enabled);
}

/* Sends the message of vector @index, or remembers it while it is masked. */
void msix_fire(struct msix *msix, unsigned int index);

#endif
