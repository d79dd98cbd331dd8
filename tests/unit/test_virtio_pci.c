/*
 * The PCI transport as a driver sees it, found through its capabilities as
 * virtio 1.2, 4.1.4 says, with the entropy device behind it. The bridge is
 * played by the test.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/irq_double.h"
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

static void on_vector(void *opaque, unsigned int vector, uint64_t addr,
		      uint32_t data, bool masked)
{
	ck_assert_ptr_eq(opaque, &gmem);
	ck_assert_uint_lt(vector, VECTORS);
	vectors[vector].addr = addr;
	vectors[vector].data = data;
	vectors[vector].masked = masked;
	vectors[vector].changes++;
}

static void on_notify_moved(void *opaque, struct virtio_pci *moved,
			    uint64_t base)
{
	ck_assert_ptr_eq(opaque, &gmem);
	ck_assert_ptr_eq(moved, &pci);
	notify_base = base;
}

/* --- What a bridge does -------------------------------------------------- */

static uint32_t cfg_in(unsigned int offset, unsigned int len)
{
	uint32_t value = 0;

	pci.function.ops->config_read(&pci.function, offset, len);
	memcpy(&value, pci.function.config + offset, len);
	return le32toh(value);
}

static void cfg_out(unsigned int offset, unsigned int len, uint32_t value)
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

static uint64_t in(uint64_t offset, unsigned int len)
{
	const struct pci_bar *bar = &pci.function.bars[0];

	ck_assert_uint_le(offset + len, bar->size);
	return bar->ops->read(bar->device, offset, len);
}

static void out(uint64_t offset, unsigned int len, uint64_t value)
{
	const struct pci_bar *bar = &pci.function.bars[0];

	ck_assert_uint_le(offset + len, bar->size);
	bar->ops->write(bar->device, offset, value, len);
}

/* --- What a driver does -------------------------------------------------- */

static void find_capabilities(void)
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

static void set_up_intx(struct irq_line *line)
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

static void set_up(void)
{
	set_up_intx(&intx.line);
}

static void tear_down(void)
{
	virtio_device_stop(&rng.device);
	virtio_pci_release(&pci);
	virtio_rng_release(&rng);
	gmem_release(&gmem);
}

static uint64_t common(unsigned int offset, unsigned int len)
{
	return in(structure[COMMON] + offset, len);
}

static void set_common(unsigned int offset, unsigned int len, uint64_t value)
{
	out(structure[COMMON] + offset, len, value);
}

static void set_entry(unsigned int vector, uint64_t addr, uint32_t data,
		      bool masked)
{
	uint64_t at = table + 16ULL * vector;

	out(at, 4, (uint32_t)addr);
	out(at + 4, 4, addr >> 32);
	out(at + 8, 4, data);
	out(at + 12, 4, masked);
}

static void enable_msix(uint16_t control)
{
	cfg_out(msix_cap + 2, 2, control);
}

#define MSIX_ON	  0x8000
#define MSIX_MASK 0x4000

static void choose_features(uint64_t features)
{
	set_common(DRIVER_FEATURE_SELECT, 4, 0);
	set_common(DRIVER_FEATURE, 4, (uint32_t)features);
	set_common(DRIVER_FEATURE_SELECT, 4, 1);
	set_common(DRIVER_FEATURE, 4, features >> 32);
}

static void set_address(unsigned int offset, uint64_t value)
{
	set_common(offset, 4, (uint32_t)value);
	set_common(offset + 4, 4, value >> 32);
}

static void start(void)
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

static void start_with_msix(void)
{
	set_entry(0, 0xfee01000, 0x40, false);
	set_entry(1, 0xfee02000, 0x41, false);
	enable_msix(MSIX_ON);
	start();
}

static uint32_t request(uint32_t len)
{
	const struct ring_buffer buffer = { DATA, len, true };
	uint32_t id;
	uint32_t got = UINT32_MAX;

	ring_add(&ring, &buffer, 1);
	out(structure[NOTIFY], 2, 0);
	ck_assert(ring_take(&ring, &id, &got));
	return got;
}

/* --- Identity and structures --------------------------------------------- */

START_TEST(test_identity)
{
	ck_assert_uint_eq(cfg_in(PCI_VENDOR_ID, 2), 0x1af4);
	ck_assert_uint_eq(cfg_in(PCI_DEVICE_ID, 2), 0x1044);
	ck_assert_uint_ge(cfg_in(PCI_REVISION_ID, 1), 1);
	ck_assert_uint_ge(cfg_in(PCI_SUBSYSTEM_ID, 2), 0x40);
	ck_assert_uint_eq(cfg_in(PCI_INTERRUPT_PIN, 1), 1);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES);
}
END_TEST

START_TEST(test_capabilities)
{
	for (int kind = COMMON; kind <= ACCESS; kind++)
		ck_assert_uint_ne(caps[kind], 0);
	ck_assert_uint_ge(cfg_in(caps[COMMON] + 12, 4), 56);
	ck_assert_uint_eq(cfg_in(caps[NOTIFY] + 2, 1), 20);
	ck_assert_uint_eq(cfg_in(caps[NOTIFY] + 16, 4), 4);
	ck_assert_uint_ge(cfg_in(caps[NOTIFY] + 12, 4), 4);
	ck_assert_uint_eq(cfg_in(caps[DEVICE] + 12, 4), sizeof(config));
	ck_assert_uint_eq(cfg_in(msix_cap + 2, 2), VECTORS - 1);
	/* 4.1.4: offsets are aligned to what they hold. */
	ck_assert_uint_eq(structure[COMMON] % 4, 0);
	ck_assert_uint_eq(structure[NOTIFY] % 4, 0);
	ck_assert_uint_eq(structure[DEVICE] % 4, 0);
}
END_TEST

START_TEST(test_no_configuration)
{
	tear_down();
	set_up_intx(NULL);
	virtio_pci_release(&pci);
	rng.device.config_size = 0;
	virtio_pci_init(
		&pci, &rng.device,
		&(struct virtio_pci_machine){
			.msix = pci.machine.msix,
			.vectors =
				(struct irq_line *[]){ &vectors[0].irq.line,
						       &vectors[1].irq.line },
		});
	find_capabilities();
	ck_assert_uint_eq(caps[DEVICE], 0);
	ck_assert_uint_eq(cfg_in(PCI_INTERRUPT_PIN, 1), 0);
}
END_TEST

START_TEST(test_features)
{
	set_common(DEVICE_FEATURE_SELECT, 4, 1);
	ck_assert_uint_eq(common(DEVICE_FEATURE_SELECT, 4), 1);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 5);
	set_common(DEVICE_FEATURE_SELECT, 4, 0);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 3U << 28);
	set_common(DEVICE_FEATURE_SELECT, 4, 2);
	ck_assert_uint_eq(common(DEVICE_FEATURE, 4), 0);
	choose_features(1ULL << 32 | 1U << 28);
	ck_assert_uint_eq(common(DRIVER_FEATURE_SELECT, 4), 1);
	ck_assert_uint_eq(common(DRIVER_FEATURE, 4), 1);
	set_common(DRIVER_FEATURE_SELECT, 4, 9);
	set_common(DRIVER_FEATURE, 4, 0xffff);
	ck_assert_uint_eq(common(DRIVER_FEATURE, 4), 0);
	set_common(STATUS, 1, 11);
	ck_assert_uint_eq(common(STATUS, 1), 11);
}
END_TEST

START_TEST(test_queue_fields)
{
	ck_assert_uint_eq(common(NUM_QUEUES, 2), 1);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 64);
	ck_assert_uint_eq(common(QUEUE_NOTIFY_OFF, 2), 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	set_common(QUEUE_SELECT, 2, 1);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 0);
	set_common(QUEUE_ENABLE, 2, 1);
	set_common(QUEUE_SELECT, 2, 0);
	start();
	ck_assert_uint_eq(common(QUEUE_DESC, 4), RING_BASE);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), RING_BASE);
	/* Latched (invariant 1). */
	set_common(QUEUE_SIZE, 2, 2);
	set_common(QUEUE_DESC, 8, 0);
	set_common(QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), SIZE);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), RING_BASE);
	ck_assert_uint_eq(common(QUEUE_ENABLE, 2), 1);
	ck_assert_uint_eq(request(16), 16);
	set_common(STATUS, 1, 0);
	ck_assert_uint_eq(common(QUEUE_SIZE, 2), 64);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), 0);
}
END_TEST

START_TEST(test_addresses)
{
	choose_features(1ULL << 32);
	set_common(STATUS, 1, 11);
	set_common(QUEUE_DESC, 4, 0x1000);
	set_common(QUEUE_DESC + 4, 4, 0x12);
	set_common(QUEUE_DRIVER, 8, 0x3400002000);
	set_common(QUEUE_DEVICE + 4, 4, 0x56);
	ck_assert_uint_eq(common(QUEUE_DESC, 8), 0x1200001000);
	ck_assert_uint_eq(common(QUEUE_DRIVER, 4), 0x2000);
	ck_assert_uint_eq(common(QUEUE_DRIVER + 4, 4), 0x34);
	ck_assert_uint_eq(common(QUEUE_DEVICE, 8), 0x5600000000);
}
END_TEST

/* Fields have one width each (4.1.3.1). */
START_TEST(test_widths)
{
	static const uint8_t widths[] = {
		4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 2, 0, 2,
		0, 1, 1, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 4, 0, 0, 0, 4, 0,
		0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0,
	};

	for (unsigned int offset = 0; offset < 60; offset++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			bool fits = offset < sizeof(widths) &&
				    len == widths[offset];

			if (len == 8)
				fits = offset >= 32 && offset < 56 &&
				       offset % 8 == 0;
			ck_assert_int_eq(common(offset, len) != UINT64_MAX,
					 fits);
			if (!fits)
				set_common(offset, len, UINT64_MAX);
		}
	}
	ck_assert_uint_eq(common(STATUS, 1), 0);
	ck_assert_uint_eq(common(DEVICE_FEATURE_SELECT, 4), 0);
	ck_assert_uint_eq(in(structure[ISR], 4), UINT64_MAX);
	ck_assert_uint_eq(in(structure[ISR] + 1, 1), UINT64_MAX);
	ck_assert_uint_eq(in(0x7ff8, 8), UINT64_MAX);
	out(0x7ff8, 8, 1);
}
END_TEST

START_TEST(test_device_configuration)
{
	uint64_t before = common(GENERATION, 1);

	ck_assert_uint_eq(in(structure[DEVICE], 4), 0x04030201);
	ck_assert_uint_eq(in(structure[DEVICE] + 4, 2), 0x0605);
	ck_assert_uint_eq(in(structure[DEVICE] + 6, 1), 0);
	out(structure[DEVICE], 1, 9);
	ck_assert_uint_eq(in(structure[DEVICE], 1), 1);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_ne(common(GENERATION, 1), before);
}
END_TEST

START_TEST(test_notify)
{
	start();
	ck_assert_uint_eq(request(16), 16);
	/* Only queue 0 is there. */
	out(structure[NOTIFY] + 4, 2, 0);
	out(structure[NOTIFY] + 0xffc, 4, 0);
	out(structure[NOTIFY] + 2, 2, 0);
	ck_assert_uint_eq(in(structure[NOTIFY], 2), 0);
	pci.function.ops->bar_moved(&pci.function, 0, 0xd0000000);
	ck_assert_uint_eq(notify_base, 0xd0000000 + structure[NOTIFY]);
	ck_assert_uint_eq(notify_base, 0xd0000000 + VIRTIO_PCI_NOTIFY_OFFSET);
	pci.function.ops->bar_moved(&pci.function, 0, 0);
	ck_assert_uint_eq(notify_base, 0);
}
END_TEST

/* --- Interrupts ---------------------------------------------------------- */

START_TEST(test_msix)
{
	start_with_msix();
	ck_assert_uint_eq(vectors[1].addr, 0xfee02000);
	ck_assert_uint_eq(vectors[1].data, 0x41);
	ck_assert(!vectors[1].masked);
	request(16);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 0);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(intx.changes, 0);
	/* 4.1.4.5.1: the configuration's bit is set all the same. */
	ck_assert_uint_eq(in(structure[ISR], 1), 2);
	ck_assert_uint_eq(in(structure[ISR], 1), 0);
}
END_TEST

START_TEST(test_vectors_of_choice)
{
	start_with_msix();
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), 1);
	set_common(QUEUE_VECTOR, 2, 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), 0);
	request(16);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	/* 4.1.5.1.2.1: what is not there reads back as none. */
	set_common(QUEUE_VECTOR, 2, VECTORS);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	set_common(CONFIG_VECTOR, 2, 0x1234);
	ck_assert_uint_eq(common(CONFIG_VECTOR, 2), NO_VECTOR);
	request(16);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 0);
	ck_assert_uint_eq(intx.changes, 0);
	/* A reset forgets the choice, not the table. */
	set_common(QUEUE_VECTOR, 2, 1);
	set_common(STATUS, 1, 0);
	ck_assert_uint_eq(common(STATUS, 1), 0);
	ck_assert_uint_eq(common(QUEUE_VECTOR, 2), NO_VECTOR);
	ck_assert_uint_eq(in(table + 16, 4), 0xfee02000);
}
END_TEST

START_TEST(test_masked_vector)
{
	start_with_msix();
	out(table + 16 + 12, 4, 1);
	ck_assert(vectors[1].masked);
	request(16);
	request(16);
	ck_assert_uint_eq(vectors[1].irq.pulses, 0);
	ck_assert_uint_eq(in(pending, 8), 2);
	ck_assert_uint_eq(in(pending, 4), 2);
	/* Another message while it is masked: only the last counts. */
	out(table + 16, 8, 0xfee03000);
	out(table + 16 + 8, 8, 0x42);
	ck_assert_uint_eq(vectors[1].addr, 0xfee03000);
	ck_assert_uint_eq(vectors[1].data, 0x42);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	ck_assert_uint_eq(in(pending, 8), 0);
}
END_TEST

START_TEST(test_function_mask)
{
	start_with_msix();
	enable_msix(MSIX_ON | MSIX_MASK);
	ck_assert(vectors[0].masked && vectors[1].masked);
	request(16);
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert_uint_eq(in(pending, 8), 3);
	enable_msix(MSIX_ON);
	ck_assert_uint_eq(vectors[0].irq.pulses, 1);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
	/* Off: what was pending is forgotten. */
	enable_msix(MSIX_ON | MSIX_MASK);
	request(16);
	enable_msix(0);
	ck_assert_uint_eq(in(pending, 8), 0);
	enable_msix(MSIX_ON);
	ck_assert_uint_eq(vectors[1].irq.pulses, 1);
}
END_TEST

START_TEST(test_table)
{
	/* All are masked after a reset, and nobody was told. */
	for (unsigned int i = 0; i < VECTORS; i++) {
		ck_assert_uint_eq(in(table + 16ULL * i + 12, 4), 1);
		ck_assert_uint_eq(vectors[i].changes, 0);
	}
	set_entry(1, 0x123456789abcdef3, 0x12345678, false);
	ck_assert_uint_eq(in(table + 16, 8), 0x123456789abcdef0);
	ck_assert_uint_eq(in(table + 16 + 4, 4), 0x12345678);
	ck_assert_uint_eq(in(table + 16 + 8, 8), 0x12345678);
	out(table + 16 + 12, 4, 0xffffffff);
	ck_assert_uint_eq(in(table + 16 + 12, 4), 1);
	/* Not while MSI-X is off. */
	ck_assert(vectors[1].masked);
	/* Beyond the last, and odd widths (invariant 20). */
	ck_assert_uint_eq(in(table + 16ULL * VECTORS, 4), UINT64_MAX);
	out(table + 16ULL * VECTORS + 12, 4, 0);
	out(table + 0xff8, 8, 0);
	ck_assert_uint_eq(in(table, 1), UINT64_MAX);
	ck_assert_uint_eq(in(table, 2), UINT64_MAX);
	ck_assert_uint_eq(in(table + 2, 4), UINT64_MAX);
	ck_assert_uint_eq(in(table + 4, 8), UINT64_MAX);
	ck_assert_uint_eq(in(pending, 1), UINT64_MAX);
	out(table + 16, 2, 0xffff);
	out(pending, 8, UINT64_MAX);
	ck_assert_uint_eq(in(pending, 8), 0);
	ck_assert_uint_eq(in(pending + 8, 8), 0);
	ck_assert_uint_eq(in(table + 16, 4), 0x9abcdef0);
}
END_TEST

START_TEST(test_intx)
{
	start();
	request(16);
	ck_assert(intx.asserted);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	ck_assert_uint_eq(in(structure[ISR], 1), 1);
	ck_assert(!intx.asserted);
	ck_assert(!(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	virtio_config_changed(&rng.device, 0, "\x01", 1);
	ck_assert(intx.asserted);
	request(16);
	ck_assert_uint_eq(in(structure[ISR], 1), 3);
	/* PCI's own switch hides it. */
	cfg_out(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	request(16);
	ck_assert(!intx.asserted);
	ck_assert(cfg_in(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	cfg_out(PCI_COMMAND, 2, 0);
	ck_assert(intx.asserted);
	/* And so does MSI-X. */
	enable_msix(MSIX_ON);
	ck_assert(!intx.asserted);
	enable_msix(0);
	ck_assert(intx.asserted);
	set_common(STATUS, 1, 0);
	ck_assert(!intx.asserted);
	ck_assert_uint_eq(vectors[0].irq.pulses + vectors[1].irq.pulses, 0);
}
END_TEST

START_TEST(test_no_intx)
{
	tear_down();
	set_up_intx(NULL);
	start();
	request(16);
	ck_assert_uint_eq(in(structure[ISR], 1), 1);
}
END_TEST

/* --- The access window --------------------------------------------------- */

static void aim(unsigned int bar, uint32_t offset, uint32_t len)
{
	cfg_out(caps[ACCESS] + 4, 1, bar);
	cfg_out(caps[ACCESS] + 8, 4, offset);
	cfg_out(caps[ACCESS] + 12, 4, len);
}

START_TEST(test_access_window)
{
	const unsigned int data = caps[ACCESS] + 16;

	aim(0, (uint32_t)structure[COMMON] + STATUS, 1);
	cfg_out(data, 1, 3);
	ck_assert_uint_eq(common(STATUS, 1), 3);
	ck_assert_uint_eq(cfg_in(data, 1), 3);
	aim(0, (uint32_t)structure[COMMON] + NUM_QUEUES, 2);
	ck_assert_uint_eq(cfg_in(data, 2), 1);
	aim(0, (uint32_t)structure[DEVICE], 4);
	ck_assert_uint_eq(cfg_in(data, 4), 0x04030201);
	start();
	aim(0, (uint32_t)structure[NOTIFY], 2);
	ring_add(&ring, &(struct ring_buffer){ DATA, 16, true }, 1);
	cfg_out(data, 2, 0);
	ck_assert(ring_take(&ring, &(uint32_t){ 0 }, &(uint32_t){ 0 }));
}
END_TEST

/* 4.1.4.9.1: anything else is ignored. */
START_TEST(test_bad_access_window)
{
	const unsigned int data = caps[ACCESS] + 16;
	const uint32_t at = (uint32_t)structure[COMMON] + STATUS;
	const struct {
		unsigned int bar;
		uint32_t offset;
		uint32_t len;
	} cases[] = {
		{ 1, at, 1 },	      { 0, at, 0 },
		{ 0, at, 3 },	      { 0, at, 8 },
		{ 0, at + 1, 4 },     { 0, 0x8000, 1 },
		{ 0, UINT32_MAX, 1 }, { 0, UINT32_MAX - 3, 4 },
		{ 255, at, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		aim(cases[i].bar, cases[i].offset, cases[i].len);
		cfg_out(data, 4, 3);
		cfg_in(data, 4);
		ck_assert_uint_eq(common(STATUS, 1), 0);
	}
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_identity);
	tcase_add_test(tcase, test_capabilities);
	tcase_add_test(tcase, test_no_configuration);
	tcase_add_test(tcase, test_features);
	tcase_add_test(tcase, test_queue_fields);
	tcase_add_test(tcase, test_addresses);
	tcase_add_test(tcase, test_widths);
	tcase_add_test(tcase, test_device_configuration);
	tcase_add_test(tcase, test_notify);
	tcase_add_test(tcase, test_msix);
	tcase_add_test(tcase, test_vectors_of_choice);
	tcase_add_test(tcase, test_masked_vector);
	tcase_add_test(tcase, test_function_mask);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_intx);
	tcase_add_test(tcase, test_no_intx);
	tcase_add_test(tcase, test_access_window);
	tcase_add_test(tcase, test_bad_access_window);
}

int main(void)
{
	Suite *suite = suite_create("virtio/pci");
	TCase *tcase = tcase_create("pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	add_tests(tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
