#include "core/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void bus_init(struct bus *bus)
{
	pthread_rwlock_init(&bus->lock, NULL);
	bus->count = 0;
}

void bus_release(struct bus *bus)
{
	pthread_rwlock_destroy(&bus->lock);
	bus->count = 0;
}

/* The index of the first range that starts above @addr. */
static unsigned int upper_bound(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0;
	unsigned int high = bus->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (bus->ranges[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct bus_range *overlap_of(const struct bus *bus,
					  const struct bus_range *range,
					  unsigned int at)
{
	if (at > 0) {
		const struct bus_range *before = &bus->ranges[at - 1];

		if (range->start - before->start < before->size)
			return before;
	}
	if (at < bus->count &&
	    bus->ranges[at].start - range->start < range->size)
		return &bus->ranges[at];
	return NULL;
}

static int add_locked(struct bus *bus, const struct bus_range *range,
		      struct err *err)
{
	unsigned int at = upper_bound(bus, range->start);
	const struct bus_range *other = overlap_of(bus, range, at);

	if (other)
		return err_set(err, EEXIST,
			       "%s at 0x%" PRIx64 " overlaps %s at 0x%" PRIx64,
			       range->name, range->start, other->name,
			       other->start);
	if (bus->count == BUS_MAX_RANGES)
		return err_set(err, ENOSPC, "no room on the bus for %s",
			       range->name);
	memmove(&bus->ranges[at + 1], &bus->ranges[at],
		(bus->count - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] = *range;
	bus->count++;
	return 0;
}

int bus_add(struct bus *bus, const struct bus_range *range, struct err *err)
{
	int rc;

	pthread_rwlock_wrlock(&bus->lock);
	rc = add_locked(bus, range, err);
	pthread_rwlock_unlock(&bus->lock);
	return rc;
}

void bus_remove(struct bus *bus, uint64_t start, const void *device)
{
	unsigned int at;

	pthread_rwlock_wrlock(&bus->lock);
	at = upper_bound(bus, start);
	if (at > 0 && bus->ranges[at - 1].start == start &&
	    bus->ranges[at - 1].device == device) {
		memmove(&bus->ranges[at - 1], &bus->ranges[at],
			(bus->count - at) * sizeof(bus->ranges[0]));
		bus->count--;
	}
	pthread_rwlock_unlock(&bus->lock);
}

static bool find(struct bus *bus, uint64_t addr, unsigned int len,
		 struct bus_range *ret_range)
{
	bool found = false;
	unsigned int at;

	pthread_rwlock_rdlock(&bus->lock);
	at = upper_bound(bus, addr);
	if (at > 0) {
		const struct bus_range *range = &bus->ranges[at - 1];
		uint64_t offset = addr - range->start;

		found = offset < range->size && len <= range->size - offset;
		if (found)
			*ret_range = *range;
	}
	pthread_rwlock_unlock(&bus->lock);
	return found;
}

bool bus_read(struct bus *bus, uint64_t addr, unsigned int len,
	      uint64_t *ret_value)
{
	struct bus_range range;

	if (!find(bus, addr, len, &range)) {
		*ret_value = UINT64_MAX;
		return false;
	}
	*ret_value = range.ops->read(range.device, addr - range.start, len);
	return true;
}

bool bus_write(struct bus *bus, uint64_t addr, uint64_t value, unsigned int len)
{
	struct bus_range range;

	if (!find(bus, addr, len, &range))
		return false;
	range.ops->write(range.device, addr - range.start, value, len);
	return true;
}
