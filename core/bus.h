/*
 * An address bus: finds the device that claims an address and forwards the
 * access. The machine has two, port I/O and memory-mapped I/O.
 *
 * bus_read and bus_write run on vCPU threads; bus_add and bus_remove may run
 * on any thread at any time, from inside a callback too (a guest that moves a
 * BAR does both). No lock is held while a callback runs: a device's own state
 * is the device's to lock, and a callback may still be running or begin on
 * another thread just after bus_remove, so devices live as long as the bus.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

struct bus_ops {
	/*
	 * @offset is relative to the start of the claimed range; @len is 1, 2,
	 * 4 or 8 and the access lies wholly inside the range. A width that a
	 * device does not implement reads as all ones and writes nothing.
	 */
	uint64_t (*read)(void *device, uint64_t offset, unsigned int len);
	void (*write)(void *device, uint64_t offset, uint64_t value,
		      unsigned int len);
};

#define BUS_MAX_RANGES 160

struct bus_range {
	uint64_t start;
	uint64_t size;
	const struct bus_ops *ops;
	void *device; /* borrowed: outlives the bus */
	const char *name; /* borrowed */
};

struct bus {
	pthread_rwlock_t lock; /* guards all below */
	struct bus_range ranges[BUS_MAX_RANGES]; /* by start, disjoint */
	unsigned int count;
};

void bus_init(struct bus *bus);
void bus_release(struct bus *bus);

/* -EEXIST names both sides of an overlap; -ENOSPC when the bus is full. */
int bus_add(struct bus *bus, const struct bus_range *range, struct err *err);

/* Takes the range that starts at @start and belongs to @device off the bus. */
void bus_remove(struct bus *bus, uint64_t start, const void *device);

/* False when nobody claims the whole access; *ret_value is then all ones. */
bool bus_read(struct bus *bus, uint64_t addr, unsigned int len,
	      uint64_t *ret_value);
bool bus_write(struct bus *bus, uint64_t addr, uint64_t value,
	       unsigned int len);

#endif
