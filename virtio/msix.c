#include "virtio/msix.h"

#include <assert.h>

/* Message control (PCI 3.0, 6.8.2.3). */
#define CONTROL		      2
#define CONTROL_ENABLE	      0x8000
#define CONTROL_FUNCTION_MASK 0x4000

/* Fields of a table entry (6.8.2.6 to 6.8.2.9). */
#define ENTRY_ADDR    0
#define ENTRY_DATA    8
#define ENTRY_CONTROL 12
#define ENTRY_MASKED  1u

void msix_init(struct msix *msix, const struct msix_ops *ops, void *opaque,
	       struct irq_line *const *lines, unsigned int count)
{
	assert(count && count <= MSIX_MAX_VECTORS);
	*msix = (struct msix){ .ops = ops, .opaque = opaque, .count = count };
	for (unsigned int i = 0; i < count; i++) {
		msix->vectors[i].line = lines[i];
		/* 6.8.2.9: all are masked after a reset. */
		msix->vectors[i].control = ENTRY_MASKED;
		atomic_store(&msix->vectors[i].masked, true);
	}
}

uint8_t msix_add_capability(struct pci_function *function, unsigned int count,
			    unsigned int bar, uint32_t table_offset,
			    uint32_t pending_offset)
{
	uint8_t bytes[MSIX_CAPABILITY_BYTES] = { 0 };
	uint8_t at;

	store_le16(bytes + CONTROL, (uint16_t)(count - 1));
	store_le32(bytes + 4, table_offset | bar);
	store_le32(bytes + 8, pending_offset | bar);
	at = pci_add_capability(function, PCI_CAP_MSIX, bytes, sizeof(bytes));
	store_le16(function->writable + at + CONTROL,
		   CONTROL_ENABLE | CONTROL_FUNCTION_MASK);
	return at;
}

/*
 * The order matters to msix_fire, which takes no lock: the route first, then
 * the mask, then what was pending. It sets pending before it looks at the mask
 * a second time, so that one of the two sends the message.
 */
static void update_vector(struct msix *msix, unsigned int index)
{
	struct msix_vector *vector = &msix->vectors[index];
	bool masked = !msix_enabled(msix) || msix->function_masked ||
		      (vector->control & ENTRY_MASKED);

	if (masked)
		atomic_store(&vector->masked, true);
	msix->ops->set_vector(msix->opaque, index, vector->addr, vector->data,
			      masked);
	if (masked)
		return;
	atomic_store(&vector->masked, false);
	if (atomic_exchange(&vector->pending, false))
		irq_pulse(vector->line);
}

void msix_fire(struct msix *msix, unsigned int index)
{
	struct msix_vector *vector;

	if (index >= msix->count)
		return;
	vector = &msix->vectors[index];
	if (atomic_load(&vector->masked)) {
		atomic_store(&vector->pending, true);
		if (atomic_load(&vector->masked) ||
		    !atomic_exchange(&vector->pending, false))
			return;
	}
	irq_pulse(vector->line);
}

void msix_set_control(struct msix *msix, uint16_t control)
{
	bool enabled = control & CONTROL_ENABLE;
	bool masked = control & CONTROL_FUNCTION_MASK;

	if (enabled == msix_enabled(msix) && masked == msix->function_masked)
		return;
	atomic_store(&msix->enabled, enabled);
	msix->function_masked = masked;
	for (unsigned int i = 0; i < msix->count; i++) {
		/* Without MSI-X nothing is pending either. */
		if (!enabled)
			atomic_store(&msix->vectors[i].pending, false);
		update_vector(msix, i);
	}
}

/* 6.8.2: the table is accessed in aligned double or quad words. */
static bool access_fits(uint64_t offset, unsigned int len)
{
	return (len == 4 || len == 8) && (offset & (len - 1)) == 0;
}

static uint32_t entry_read(const struct msix_vector *vector,
			   unsigned int offset)
{
	switch (offset) {
	case ENTRY_ADDR:
		return (uint32_t)vector->addr;
	case ENTRY_ADDR + 4:
		return (uint32_t)(vector->addr >> 32);
	case ENTRY_DATA:
		return vector->data;
	default:
		return vector->control;
	}
}

uint64_t msix_table_read(const struct msix *msix, uint64_t offset,
			 unsigned int len)
{
	const struct msix_vector *vector;
	unsigned int field = offset % MSIX_ENTRY_BYTES;
	uint64_t value;

	if (!access_fits(offset, len) ||
	    offset / MSIX_ENTRY_BYTES >= msix->count)
		return UINT64_MAX;
	vector = &msix->vectors[offset / MSIX_ENTRY_BYTES];
	value = entry_read(vector, field);
	if (len == 8)
		value |= (uint64_t)entry_read(vector, field + 4) << 32;
	return value;
}

static void entry_write(struct msix_vector *vector, unsigned int offset,
			uint32_t value)
{
	switch (offset) {
	case ENTRY_ADDR:
		/* 6.8.2.7: bits 0 and 1 are always 0. */
		vector->addr = (vector->addr & ~(uint64_t)UINT32_MAX) |
			       (value & ~3u);
		break;
	case ENTRY_ADDR + 4:
		vector->addr = (vector->addr & UINT32_MAX) | (uint64_t)value
								     << 32;
		break;
	case ENTRY_DATA:
		vector->data = value;
		break;
	default:
		vector->control = value & ENTRY_MASKED;
		break;
	}
}

void msix_table_write(struct msix *msix, uint64_t offset, uint64_t value,
		      unsigned int len)
{
	unsigned int index = (unsigned int)(offset / MSIX_ENTRY_BYTES);
	unsigned int field = offset % MSIX_ENTRY_BYTES;

	if (!access_fits(offset, len) ||
	    offset / MSIX_ENTRY_BYTES >= msix->count)
		return;
	entry_write(&msix->vectors[index], field, (uint32_t)value);
	if (len == 8)
		entry_write(&msix->vectors[index], field + 4,
			    (uint32_t)(value >> 32));
	/* A masked entry is told once it is unmasked: a driver writes it in
	 * four steps. */
	if ((field + len > ENTRY_CONTROL) ||
	    !atomic_load(&msix->vectors[index].masked))
		update_vector(msix, index);
}

uint64_t msix_pending_read(const struct msix *msix, uint64_t offset,
			   unsigned int len)
{
	uint64_t bits = 0;

	if (!access_fits(offset, len))
		return UINT64_MAX;
	for (unsigned int bit = 0; bit < 8 * len; bit++) {
		uint64_t vector = offset * 8 + bit;

		if (vector < msix->count &&
		    atomic_load(&msix->vectors[vector].pending))
			bits |= (uint64_t)1 << bit;
	}
	return bits;
}
