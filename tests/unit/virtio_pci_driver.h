/*
 * Both ends of a function on PCI in a test: a bridge that is played, a driver
 * that finds what it needs through the capabilities as virtio 1.2, 4.1.4 says,
 * and lines that take note; behind it the entropy device.
 */
#ifndef TESTS_UNIT_VIRTIO_PCI_DRIVER_H
#define TESTS_UNIT_VIRTIO_PCI_DRIVER_H

#include "tests/unit/irq_double.h"
#include "tests/unit/quick_check.h"
#include "tests/unit/ring_driver.h"
#include "virtio/pci.h"
#include "virtio/rng.h"

#define RAM	  (4 * MIB)
#define RING_BASE 0x1000
#define DATA	  0x100000
#define SIZE	  8
#define VECTORS	  2
#define NO_VECTOR 0xffff

/* cfg_type of the capabilities. */
enum {
	COMMON = 1,
	NOTIFY = 2,
	ISR = 3,
	DEVICE = 4,
	ACCESS = 5,
	KINDS = 6,
};

/* Offsets in the common configuration (4.1.4.3). */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16,
	NUM_QUEUES = 18,
	STATUS = 20,
	GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
};

struct vector {
	struct irq_double irq;
	uint64_t addr;
	uint32_t data;
	bool masked;
	unsigned int changes;
};

static struct gmem gmem;
static struct virtio_rng rng;
static struct virtio_pci pci;
static struct vector vectors[VECTORS];
static struct irq_double intx;
static struct ring_driver ring;
static uint8_t config[6] = { 1, 2, 3, 4, 5, 6 };
static uint64_t notify_base;
/* What the driver found: offsets of capabilities and structures. */
static unsigned int caps[KINDS];
static uint64_t structure[KINDS];
static unsigned int msix_cap;
static uint64_t table;
static uint64_t pending;

static inline void on_vector(void *opaque, unsigned int vector, uint64_t addr,
			     uint32_t data, bool masked)
{
	ck_assert_ptr_eq(opaque, &gmem);
	ck_assert_uint_lt(vector, VECTORS);
	vectors[vector].addr = addr;
	vectors[vector].data = data;
	vectors[vector].masked = masked;
	vectors[vector].changes++;
}

static inline void on_notify_moved(void *opaque, struct virtio_pci *moved,
				   uint64_t base)
{
	ck_assert_ptr_eq(opaque, &gmem);
	ck_assert_ptr_eq(moved, &pci);
	notify_base = base;
}

/* --- What a bridge does -------------------------------------------------- */

static inline uint32_t cfg_in(unsigned int offset, unsigned int len)
{
	uint32_t value = 0;

	pci.function.ops->config_read(&pci.function, offset, len);
	memcpy(&value, pci.function.config + offset, len);
	return le32toh(value);
}

static inline void cfg_out(unsigned int offset, unsigned int len,
			   uint32_t value)
{
	for (unsigned int i = 0; i < len; i++) {
		uint8_t mask = pci.function.writable[offset + i];
		uint8_t *byte = &pci.function.config[offset + i];

		if (offset + i == PCI_COMMAND + 1)
			mask = PCI_COMMAND_INTX_DISABLE >> 8;
		*byte = (uint8_t)((*byte & ~mask) | (value >> 8 * i & mask));
	}
	pci.function.ops->config_written(&pci.function, offset, len);
}

static inline uint64_t in(uint64_t offset, unsigned int len)
{
	const struct pci_bar *bar = &pci.function.bars[0];

	ck_assert_uint_le(offset + len, bar->size);
	return bar->ops->read(bar->device, offset, len);
}

static inline void out(uint64_t offset, unsigned int len, uint64_t value)
{
	const struct pci_bar *bar = &pci.function.bars[0];

	ck_assert_uint_le(offset + len, bar->size);
	bar->ops->write(bar->device, offset, value, len);
}

/* --- What a driver does -------------------------------------------------- */

static inline void find_capabilities(void)
{
	unsigned int at = cfg_in(PCI_CAPABILITIES, 1);

	memset(caps, 0, sizeof(caps));
	for (int i = 0; at && i < 20; i++) {
		unsigned int id = cfg_in(at, 1);
		unsigned int kind = cfg_in(at + 3, 1);

		ck_assert_uint_eq(at % 4, 0);
		ck_assert_uint_ge(at, 0x40);
		if (id == PCI_CAP_VENDOR) {
			ck_assert_uint_lt(kind, KINDS);
			ck_assert_uint_eq(cfg_in(at + 4, 1), 0);
			ck_assert_uint_ge(cfg_in(at + 2, 1), 16);
			caps[kind] = at;
			structure[kind] = cfg_in(at + 8, 4);
			ck_assert_uint_le(structure[kind] + cfg_in(at + 12, 4),
					  pci.function.bars[0].size);
		} else {
			ck_assert_uint_eq(id, PCI_CAP_MSIX);
			msix_cap = at;
			table = cfg_in(at + 4, 4) & ~7U;
			pending = cfg_in(at + 8, 4) & ~7U;
		}
		at = cfg_in(at + 1, 1);
	}
	ck_assert_uint_eq(at, 0);
}

static inline void set_up_intx(struct irq_line *line)
{
	static const struct msix_ops ops = { .set_vector = on_vector };
	const struct virtio_env env = { .gmem = &gmem };
	struct irq_line *lines[VECTORS] = { &vectors[0].irq.line,
					    &vectors[1].irq.line };
	const struct virtio_pci_machine machine = {
		.msix = &ops,
		.notify_moved = on_notify_moved,
		.opaque = &gmem,
		.vectors = lines,
		.intx = line,
	};

	ck_assert_int_eq(gmem_init(&gmem, RAM, 0, NULL), 0);
	ck_assert_int_eq(virtio_rng_init(&rng, &env, NULL), 0);
	/* The entropy device has none of its own. */
	rng.device.config = config;
	rng.device.config_size = sizeof(config);
	memset(vectors, 0, sizeof(vectors));
	for (int i = 0; i < VECTORS; i++)
		irq_double_init(&vectors[i].irq);
	irq_double_init(&intx);
	ck_assert_uint_eq(virtio_pci_vector_count(&rng.device), VECTORS);
	virtio_pci_init(&pci, &rng.device, &machine);
	find_capabilities();
}

static inline void set_up(void)
{
	set_up_intx(&intx.line);
}

static inline void tear_down(void)
{
	virtio_device_stop(&rng.device);
	virtio_pci_release(&pci);
	virtio_rng_release(&rng);
	gmem_release(&gmem);
}

static inline uint64_t common(unsigned int offset, unsigned int len)
{
	return in(structure[COMMON] + offset, len);
}

static inline void set_common(unsigned int offset, unsigned int len,
			      uint64_t value)
{
	out(structure[COMMON] + offset, len, value);
}

static inline void set_entry(unsigned int vector, uint64_t addr, uint32_t data,
			     bool masked)
{
	uint64_t at = table + 16ULL * vector;

	out(at, 4, (uint32_t)addr);
	out(at + 4, 4, addr >> 32);
	out(at + 8, 4, data);
	out(at + 12, 4, masked);
}

static inline void enable_msix(uint16_t control)
{
	cfg_out(msix_cap + 2, 2, control);
}

#define MSIX_ON	  0x8000
#define MSIX_MASK 0x4000

static inline void choose_features(uint64_t features)
{
	set_common(DRIVER_FEATURE_SELECT, 4, 0);
	set_common(DRIVER_FEATURE, 4, (uint32_t)features);
	set_common(DRIVER_FEATURE_SELECT, 4, 1);
	set_common(DRIVER_FEATURE, 4, features >> 32);
}

static inline void set_address(unsigned int offset, uint64_t value)
{
	set_common(offset, 4, (uint32_t)value);
	set_common(offset + 4, 4, value >> 32);
}

static inline void start(void)
{
	const struct virtq_features features = { .packed = false };

	ring_init(&ring, &gmem, RING_BASE, SIZE, &features);
	set_common(STATUS, 1, 0);
	ck_assert_uint_eq(common(STATUS, 1), 0);
	set_common(STATUS, 1, 1);
	set_common(STATUS, 1, 3);
	choose_features(1ULL << 32);
	set_common(STATUS, 1, 11);
	ck_assert_uint_eq(common(STATUS, 1), 11);
	set_common(QUEUE_SELECT, 2, 0);
	set_common(QUEUE_SIZE, 2, SIZE);
	set_address(QUEUE_DESC, ring.layout.desc);
	set_address(QUEUE_DRIVER, ring.layout.driver);
	set_address(QUEUE_DEVICE, ring.layout.device);
	set_common(CONFIG_VECTOR, 2, 0);
	set_common(QUEUE_VECTOR, 2, 1);
	set_common(QUEUE_ENABLE, 2, 1);
	ck_assert_uint_eq(common(QUEUE_ENABLE, 2), 1);
	set_common(STATUS, 1, 15);
	ck_assert_uint_eq(common(STATUS, 1), 15);
}

static inline void start_with_msix(void)
{
	set_entry(0, 0xfee01000, 0x40, false);
	set_entry(1, 0xfee02000, 0x41, false);
	enable_msix(MSIX_ON);
	start();
}

static inline uint32_t request(uint32_t len)
{
	const struct ring_buffer buffer = { DATA, len, true };
	uint32_t id;
	uint32_t got = UINT32_MAX;

	ring_add(&ring, &buffer, 1);
	out(structure[NOTIFY], 2, 0);
	ck_assert(ring_take(&ring, &id, &got));
	return got;
}

#endif
