#include "devices/ioapic.h"

#define OFFSET_SELECT 0x00
#define OFFSET_WINDOW 0x10

#define INDEX_ID	  0x00
#define INDEX_VERSION	  0x01
#define INDEX_ARBITRATION 0x02
#define INDEX_ENTRIES	  0x10

#define VERSION 0x11

/* A redirection entry, data sheet 3.2.4. */
#define ENTRY_VECTOR		0xffULL
#define ENTRY_DELIVERY_MODE	0x700ULL
#define ENTRY_LOGICAL		(1ULL << 11)
#define ENTRY_PENDING		(1ULL << 12) /* read-only: always idle here */
#define ENTRY_REMOTE_IRR	(1ULL << 14) /* read-only */
#define ENTRY_LEVEL		(1ULL << 15)
#define ENTRY_MASKED		(1ULL << 16)
#define ENTRY_DESTINATION_SHIFT 56
#define ENTRY_READ_ONLY		(ENTRY_PENDING | ENTRY_REMOTE_IRR)

#define MESSAGE_BASE   0xfee00000ULL
#define MESSAGE_ASSERT (1U << 14)

struct ioapic_message ioapic_message_of(uint64_t entry)
{
	struct ioapic_message message = {
		.address = MESSAGE_BASE | (entry >> ENTRY_DESTINATION_SHIFT)
						  << 12,
		.data = (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_DELIVERY_MODE |
					    ENTRY_LEVEL)) |
			MESSAGE_ASSERT,
	};

	if (entry & ENTRY_LOGICAL)
		message.address |= 1U << 2;
	return message;
}

bool ioapic_is_masked(uint64_t entry)
{
	return entry & ENTRY_MASKED;
}

/* The line is high: send, unless masked or a level one still in service. */
static void service(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t *entry = &ioapic->entries[pin];
	struct ioapic_message message;

	if (*entry & ENTRY_MASKED)
		return;
	if (*entry & ENTRY_LEVEL) {
		if (*entry & ENTRY_REMOTE_IRR)
			return;
		*entry |= ENTRY_REMOTE_IRR;
	}
	message = ioapic_message_of(*entry);
	ioapic->ops->send(ioapic->opaque, pin, &message);
}

/*
 * A masked pin whose interrupt is still in service keeps its route, or the end
 * of that interrupt would not come back to us: Linux masks threaded interrupts
 * before it ends them.
 */
static void tell_route(const struct ioapic *ioapic, unsigned int pin)
{
	uint64_t entry = ioapic->entries[pin];
	struct ioapic_message message = ioapic_message_of(entry);
	bool wanted = !(entry & ENTRY_MASKED) || (entry & ENTRY_REMOTE_IRR);

	ioapic->ops->route(ioapic->opaque, pin, wanted ? &message : NULL,
			   entry & ENTRY_LEVEL);
}

void ioapic_set_pin(struct ioapic *ioapic, unsigned int pin, bool asserted)
{
	uint32_t bit = 1U << pin;

	pthread_mutex_lock(&ioapic->lock);
	if (!asserted) {
		ioapic->asserted &= ~bit;
	} else if (!(ioapic->asserted & bit)) {
		ioapic->asserted |= bit;
		service(ioapic, pin);
	}
	pthread_mutex_unlock(&ioapic->lock);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	pthread_mutex_lock(&ioapic->lock);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->entries[pin];

		if ((*entry & ENTRY_VECTOR) != vector ||
		    !(*entry & ENTRY_REMOTE_IRR))
			continue;
		*entry &= ~ENTRY_REMOTE_IRR;
		if (*entry & ENTRY_MASKED)
			tell_route(ioapic, pin);
		if (ioapic->asserted & (1U << pin))
			service(ioapic, pin);
	}
	pthread_mutex_unlock(&ioapic->lock);
}

static void write_entry(struct ioapic *ioapic, unsigned int half,
			uint32_t value)
{
	unsigned int pin = half / 2;
	uint64_t old = ioapic->entries[pin];
	uint64_t entry = old;

	if (half % 2)
		entry = (entry & 0xffffffffULL) | (uint64_t)value << 32;
	else
		entry = (entry & ~0xffffffffULL) | value;
	entry = (entry & ~ENTRY_READ_ONLY) | (old & ENTRY_READ_ONLY);
	if (!(entry & ENTRY_LEVEL))
		entry &= ~ENTRY_REMOTE_IRR;
	ioapic->entries[pin] = entry;
	if (entry == old)
		return;
	tell_route(ioapic, pin);
	/* A level that stood while masked is due now; an edge is lost. */
	if ((entry & ENTRY_LEVEL) && (ioapic->asserted & (1U << pin)))
		service(ioapic, pin);
}

static void write_window(struct ioapic *ioapic, uint32_t value)
{
	unsigned int index = ioapic->select;

	if (index == INDEX_ID)
		ioapic->id = (value >> 24) & 0x0f;
	else if (index >= INDEX_ENTRIES &&
		 index < INDEX_ENTRIES + 2 * IOAPIC_PINS)
		write_entry(ioapic, index - INDEX_ENTRIES, value);
}

static uint32_t read_window(const struct ioapic *ioapic)
{
	unsigned int index = ioapic->select;
	uint64_t entry;

	switch (index) {
	case INDEX_ID:
	case INDEX_ARBITRATION:
		return (uint32_t)ioapic->id << 24;
	case INDEX_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	default:
		break;
	}
	if (index < INDEX_ENTRIES || index >= INDEX_ENTRIES + 2 * IOAPIC_PINS)
		return 0;
	entry = ioapic->entries[(index - INDEX_ENTRIES) / 2];
	return (uint32_t)((index & 1) ? entry >> 32 : entry);
}

static uint64_t ioapic_read(void *device, uint64_t offset, unsigned int len)
{
	struct ioapic *ioapic = device;
	uint64_t value = 0;

	(void)len;
	pthread_mutex_lock(&ioapic->lock);
	if (offset == OFFSET_SELECT)
		value = ioapic->select;
	else if (offset == OFFSET_WINDOW)
		value = read_window(ioapic);
	pthread_mutex_unlock(&ioapic->lock);
	return value;
}

static void ioapic_write(void *device, uint64_t offset, uint64_t value,
			 unsigned int len)
{
	struct ioapic *ioapic = device;

	(void)len;
	pthread_mutex_lock(&ioapic->lock);
	if (offset == OFFSET_SELECT)
		ioapic->select = (uint8_t)value;
	else if (offset == OFFSET_WINDOW)
		write_window(ioapic, (uint32_t)value);
	pthread_mutex_unlock(&ioapic->lock);
}

const struct bus_ops ioapic_bus_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

void ioapic_init(struct ioapic *ioapic, const struct ioapic_ops *ops,
		 void *opaque)
{
	*ioapic = (struct ioapic){ .ops = ops, .opaque = opaque };
	pthread_mutex_init(&ioapic->lock, NULL);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->entries[pin] = ENTRY_MASKED;
}

void ioapic_release(struct ioapic *ioapic)
{
	pthread_mutex_destroy(&ioapic->lock);
}
