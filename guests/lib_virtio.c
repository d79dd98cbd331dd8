/*
 * Devices: where they are, and their registers in both transports.
 */
#include "lib_virtio.h"

/* PCI 3.0, 3.2.2.3.2 and chapter 6. */
#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define PCI_SLOTS      32
#define PCI_ID	       0x00
#define PCI_COMMAND    0x04
#define COMMAND_ENABLE 0x6 /* memory, bus master */
#define PCI_BAR0       0x10
#define BAR_64BIT      0x4u
#define BAR_PORT       0x1u
#define BAR_FLAGS      0xfu
#define PCI_SUBSYSTEM  0x2c
#define PCI_CAPS       0x34
#define CAPS_MAX       48
#define CAP_VENDOR     0x09
#define CAP_MSIX       0x11
#define MCFG_BASE      44 /* PCI Firmware 3.0, 4.1.2 */

/* Where no RAM is and every host bridge that we know decodes. */
#define BAR_WINDOW 0xd0000000u

/* virtio 1.2, 4.1.2 and 4.1.4. */
#define VENDOR		0x1af4u
#define TRANSITIONAL	0x1000u
#define MODERN		0x1040u
#define CAP_TYPE_COMMON 1
#define CAP_TYPE_NOTIFY 2
#define CAP_TYPE_CONFIG 4
#define CAP_BAR		4
#define CAP_OFFSET	8
#define CAP_MULTIPLIER	16

/* Where hull and QEMU's microvm have virtio-mmio: at different strides. */
#define MMIO_FIRST 0xfeb00000u
#define MMIO_END   0xfeb10000u
#define MMIO_STEP  0x200
#define MMIO_MAGIC 0x74726976u

/* PCI 3.0, 6.8.2. */
#define MSIX_ENABLE 0x80000000u /* of the capability's first 32 bits */
#define MSIX_TABLE  4
#define MSIX_BIR    7u
#define MSIX_DATA   8 /* in an entry */
#define MSIX_MASK   12

/* Registers of virtio-mmio (4.2.2). */
enum mmio_register {
	MMIO_MAGIC_VALUE = 0x000,
	MMIO_VERSION = 0x004,
	MMIO_DEVICE_ID = 0x008,
	MMIO_FEATURES = 0x010,
	MMIO_FEATURES_SEL = 0x014,
	MMIO_DRIVER_FEATURES = 0x020,
	MMIO_DRIVER_FEATURES_SEL = 0x024,
	MMIO_QUEUE_SEL = 0x030,
	MMIO_QUEUE_MAX = 0x034,
	MMIO_QUEUE_SIZE = 0x038,
	MMIO_QUEUE_READY = 0x044,
	MMIO_QUEUE_NOTIFY = 0x050,
	MMIO_STATUS = 0x070,
	MMIO_QUEUE_DESC = 0x080,
	MMIO_QUEUE_DRIVER = 0x090,
	MMIO_QUEUE_DEVICE = 0x0a0,
	MMIO_CONFIG = 0x100,
};

/* The common structure of virtio-pci (4.1.4.3). */
enum common_field {
	COMMON_FEATURES_SEL = 0x00,
	COMMON_FEATURES = 0x04,
	COMMON_DRIVER_FEATURES_SEL = 0x08,
	COMMON_DRIVER_FEATURES = 0x0c,
	COMMON_STATUS = 0x14,
	COMMON_QUEUE_SEL = 0x16,
	COMMON_QUEUE_SIZE = 0x18,
	COMMON_QUEUE_VECTOR = 0x1a,
	COMMON_QUEUE_ENABLE = 0x1c,
	COMMON_QUEUE_NOTIFY = 0x1e,
	COMMON_QUEUE_DESC = 0x20,
	COMMON_QUEUE_DRIVER = 0x28,
	COMMON_QUEUE_DEVICE = 0x30,
};

void wait_cycles(uint64_t cycles)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < cycles)
		__asm__ volatile("pause");
}

/* --- PCI -------------------------------------------------------------- */

struct pci_function {
	unsigned int slot;
	uint64_t ecam; /* 0: through the ports */
};

static uint32_t pci_read(const struct pci_function *pci, unsigned int offset)
{
	if (pci->ecam != 0)
		return mmio_read32(pci->ecam + pci->slot * 0x8000 + offset);
	outl(PORT_ADDRESS, ADDRESS_ENABLE | pci->slot << 11 | offset);
	return inl(PORT_DATA);
}

static void pci_write(const struct pci_function *pci, unsigned int offset,
		      uint32_t value)
{
	if (pci->ecam != 0) {
		mmio_write32(pci->ecam + pci->slot * 0x8000 + offset, value);
		return;
	}
	outl(PORT_ADDRESS, ADDRESS_ENABLE | pci->slot << 11 | offset);
	outl(PORT_DATA, value);
}

static uint8_t pci_read8(const struct pci_function *pci, unsigned int offset)
{
	return (uint8_t)(pci_read(pci, offset & ~3u) >> 8 * (offset & 3));
}

/* Both ways lead to the same functions. */
static uint64_t find_ecam(void)
{
	struct pci_function window = { 0 }, ports = { 0 };
	const uint8_t *mcfg;

	if (!cmdline_has("ecam"))
		return 0;
	mcfg = acpi_table("MCFG");
	check(mcfg != NULL, "there is no MCFG");
	copy(&window.ecam, mcfg + MCFG_BASE, sizeof(window.ecam));
	for (; window.slot < PCI_SLOTS; window.slot++, ports.slot++)
		if (pci_read(&window, PCI_ID) != pci_read(&ports, PCI_ID))
			fail_hex("ECAM and the ports differ in slot",
				 window.slot);
	return window.ecam;
}

/* Sizes the BAR (PCI 3.0, 6.2.5.1) and places it: 1 MiB for a slot. */
static uint64_t place_bar(const struct pci_function *pci, unsigned int bar,
			  uint32_t flags)
{
	unsigned int at = PCI_BAR0 + 4 * bar;
	uint32_t base = BAR_WINDOW + (pci->slot << 20) + (bar << 17);
	uint32_t size;

	pci_write(pci, at, 0xffffffff);
	size = ~(pci_read(pci, at) & ~BAR_FLAGS) + 1;
	check(size >= 16 && (size & (size - 1)) == 0 && size <= 1u << 17,
	      "a BAR has no size");
	pci_write(pci, at, base);
	if (flags & BAR_64BIT)
		pci_write(pci, at + 4, 0);
	check((pci_read(pci, at) & ~BAR_FLAGS) == base,
	      "a BAR does not keep its address");
	return base;
}

/* The address of a BAR; one that firmware has given none gets one. */
static uint64_t bar_address(const struct pci_function *pci, unsigned int bar)
{
	uint32_t low = pci_read(pci, PCI_BAR0 + 4 * bar);
	uint64_t base = low & ~BAR_FLAGS;

	check(!(low & BAR_PORT), "a virtio structure is in a port BAR");
	if (low & BAR_64BIT)
		base |= (uint64_t)pci_read(pci, PCI_BAR0 + 4 * bar + 4) << 32;
	/* Placed already: several structures share a BAR. */
	if (base == BAR_WINDOW + (pci->slot << 20) + (bar << 17))
		return base;
	if (base == 0 || cmdline_has("assign"))
		base = place_bar(pci, bar, low);
	return base;
}

static void take_structure(struct vdev *dev, const struct pci_function *pci,
			   unsigned int cap, unsigned int type)
{
	uint64_t at;

	if (type != CAP_TYPE_COMMON && type != CAP_TYPE_NOTIFY &&
	    type != CAP_TYPE_CONFIG)
		return;
	at = bar_address(pci, pci_read8(pci, cap + CAP_BAR)) +
	     pci_read(pci, cap + CAP_OFFSET);
	if (type == CAP_TYPE_COMMON) {
		dev->common = at;
	} else if (type == CAP_TYPE_CONFIG) {
		dev->config = at;
	} else {
		dev->notify = at;
		dev->notify_multiplier = pci_read(pci, cap + CAP_MULTIPLIER);
	}
}

static void take_msix(struct vdev *dev, const struct pci_function *pci,
		      unsigned int cap)
{
	uint32_t table = pci_read(pci, cap + MSIX_TABLE);

	dev->msix = cap;
	dev->msix_table =
		bar_address(pci, table & MSIX_BIR) + (table & ~MSIX_BIR);
}

static void walk_capabilities(struct vdev *dev, const struct pci_function *pci)
{
	unsigned int cap = pci_read8(pci, PCI_CAPS);

	for (unsigned int i = 0; cap != 0 && i < CAPS_MAX; i++) {
		uint32_t head = pci_read(pci, cap);

		if ((head & 0xff) == CAP_VENDOR)
			take_structure(dev, pci, cap, head >> 24);
		else if ((head & 0xff) == CAP_MSIX)
			take_msix(dev, pci, cap);
		cap = head >> 8 & 0xfc;
	}
}

/* The virtio device type of a function, 0 when it is none. */
static uint32_t pci_virtio_type(const struct pci_function *pci)
{
	uint32_t id = pci_read(pci, PCI_ID);

	if ((id & 0xffff) != VENDOR)
		return 0;
	if (id >> 16 > MODERN)
		return (id >> 16) - MODERN;
	if (id >> 16 >= TRANSITIONAL)
		return pci_read(pci, PCI_SUBSYSTEM) >> 16;
	return 0;
}

static bool find_pci(struct vdev *dev, uint16_t id)
{
	struct pci_function pci = { .ecam = find_ecam() };

	for (; pci.slot < PCI_SLOTS; pci.slot++) {
		if (pci_virtio_type(&pci) != id)
			continue;
		*dev = (struct vdev){ .pci = true,
				      .slot = pci.slot,
				      .ecam = pci.ecam };
		/* Decoding is off while BARs are walked and may move. */
		pci_write(&pci, PCI_COMMAND, 0);
		walk_capabilities(dev, &pci);
		pci_write(&pci, PCI_COMMAND, COMMAND_ENABLE);
		check(dev->common != 0 && dev->notify != 0,
		      "a virtio structure is missing");
		return true;
	}
	return false;
}

static bool find_mmio(struct vdev *dev, uint16_t id)
{
	for (uint64_t at = MMIO_FIRST; at < MMIO_END; at += MMIO_STEP) {
		if (mmio_read32(at + MMIO_MAGIC_VALUE) != MMIO_MAGIC ||
		    mmio_read32(at + MMIO_DEVICE_ID) != id)
			continue;
		check(mmio_read32(at + MMIO_VERSION) == 2,
		      "virtio-mmio is not of version 2");
		*dev = (struct vdev){ .common = at,
				      .notify = at + MMIO_QUEUE_NOTIFY,
				      .config = at + MMIO_CONFIG };
		return true;
	}
	return false;
}

void vdev_set_message(const struct vdev *dev, uint64_t address, uint32_t data)
{
	const struct pci_function pci = { dev->slot, dev->ecam };

	check(dev->msix != 0, "there is no MSI-X");
	mmio_write32(dev->msix_table, (uint32_t)address);
	mmio_write32(dev->msix_table + 4, (uint32_t)(address >> 32));
	mmio_write32(dev->msix_table + MSIX_DATA, data);
	mmio_write32(dev->msix_table + MSIX_MASK, 0);
	pci_write(&pci, dev->msix, pci_read(&pci, dev->msix) | MSIX_ENABLE);
	mmio_write16(dev->common + COMMON_QUEUE_SEL, 0);
	mmio_write16(dev->common + COMMON_QUEUE_VECTOR, 0);
	check(mmio_read16(dev->common + COMMON_QUEUE_VECTOR) == 0,
	      "queue 0 takes no vector");
}

bool vdev_find(struct vdev *dev, uint16_t id)
{
	return find_pci(dev, id) || find_mmio(dev, id);
}

/* --- Status and features ---------------------------------------------- */

uint8_t vdev_status(const struct vdev *dev)
{
	if (dev->pci)
		return mmio_read8(dev->common + COMMON_STATUS);
	return (uint8_t)mmio_read32(dev->common + MMIO_STATUS);
}

void vdev_set_status(const struct vdev *dev, uint8_t status)
{
	if (dev->pci)
		mmio_write8(dev->common + COMMON_STATUS, status);
	else
		mmio_write32(dev->common + MMIO_STATUS, status);
}

void vdev_reset(struct vdev *dev)
{
	uint64_t start = rdtsc();

	vdev_set_status(dev, 0);
	while (vdev_status(dev) != 0)
		check(rdtsc() - start < PATIENCE_CYCLES,
		      "a reset does not end");
	dev->features = 0;
}

uint64_t vdev_offered(const struct vdev *dev)
{
	uint32_t select = dev->pci ? COMMON_FEATURES_SEL : MMIO_FEATURES_SEL;
	uint32_t value = dev->pci ? COMMON_FEATURES : MMIO_FEATURES;
	uint64_t low;

	mmio_write32(dev->common + select, 0);
	low = mmio_read32(dev->common + value);
	mmio_write32(dev->common + select, 1);
	return low | (uint64_t)mmio_read32(dev->common + value) << 32;
}

bool vdev_accepts(struct vdev *dev, uint64_t features)
{
	uint32_t select = dev->pci ? COMMON_DRIVER_FEATURES_SEL :
				     MMIO_DRIVER_FEATURES_SEL;
	uint32_t value = dev->pci ? COMMON_DRIVER_FEATURES :
				    MMIO_DRIVER_FEATURES;

	vdev_set_status(dev, STATUS_ACKNOWLEDGE);
	vdev_set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	mmio_write32(dev->common + select, 0);
	mmio_write32(dev->common + value, (uint32_t)features);
	mmio_write32(dev->common + select, 1);
	mmio_write32(dev->common + value, (uint32_t)(features >> 32));
	vdev_set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
				     STATUS_FEATURES_OK);
	dev->features = features;
	return vdev_status(dev) & STATUS_FEATURES_OK;
}

void vdev_go(const struct vdev *dev)
{
	vdev_set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
				     STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

bool vdev_wants_reset(const struct vdev *dev)
{
	uint64_t start = rdtsc();

	while (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		if (rdtsc() - start > PATIENCE_CYCLES)
			return false;
	return true;
}

/* --- Configuration ---------------------------------------------------- */

uint8_t vdev_config8(const struct vdev *dev, uint32_t offset)
{
	return mmio_read8(dev->config + offset);
}

uint32_t vdev_config32(const struct vdev *dev, uint32_t offset)
{
	return mmio_read32(dev->config + offset);
}

uint64_t vdev_config64(const struct vdev *dev, uint32_t offset)
{
	return vdev_config32(dev, offset) |
	       (uint64_t)vdev_config32(dev, offset + 4) << 32;
}

void vdev_set_config8(const struct vdev *dev, uint32_t offset, uint8_t value)
{
	mmio_write8(dev->config + offset, value);
}

/* --- Queues ----------------------------------------------------------- */

uint16_t vdev_queue_max(const struct vdev *dev, uint16_t index)
{
	if (dev->pci) {
		mmio_write16(dev->common + COMMON_QUEUE_SEL, index);
		return mmio_read16(dev->common + COMMON_QUEUE_SIZE);
	}
	mmio_write32(dev->common + MMIO_QUEUE_SEL, index);
	return (uint16_t)mmio_read32(dev->common + MMIO_QUEUE_MAX);
}

static void write_address(uint64_t at, const void *address)
{
	mmio_write32(at, (uint32_t)(uint64_t)address);
	mmio_write32(at + 4, (uint32_t)((uint64_t)address >> 32));
}

static void enable_pci(struct vring *ring)
{
	uint64_t common = ring->dev->common;

	mmio_write16(common + COMMON_QUEUE_SIZE, ring->size);
	write_address(common + COMMON_QUEUE_DESC, ring->memory->desc);
	write_address(common + COMMON_QUEUE_DRIVER, ring->memory->driver);
	write_address(common + COMMON_QUEUE_DEVICE, ring->memory->device);
	ring->doorbell = ring->dev->notify +
			 (uint64_t)ring->dev->notify_multiplier *
				 mmio_read16(common + COMMON_QUEUE_NOTIFY);
	mmio_write16(common + COMMON_QUEUE_ENABLE, 1);
}

static void enable_mmio(struct vring *ring)
{
	uint64_t registers = ring->dev->common;

	mmio_write32(registers + MMIO_QUEUE_SIZE, ring->size);
	write_address(registers + MMIO_QUEUE_DESC, ring->memory->desc);
	write_address(registers + MMIO_QUEUE_DRIVER, ring->memory->driver);
	write_address(registers + MMIO_QUEUE_DEVICE, ring->memory->device);
	ring->doorbell = ring->dev->notify;
	mmio_write32(registers + MMIO_QUEUE_READY, 1);
}

static void init_ring(struct vring *ring)
{
	uint64_t features = ring->dev->features;

	ring->packed = features & FEATURE_PACKED;
	ring->event_idx = features & FEATURE_EVENT_IDX;
	ring->avail_wrap = true;
	ring->used_wrap = true;
	ring->free_slots = ring->size;
	ring->free_ids = ring->size;
	for (uint16_t i = 0; i < ring->size && i < VRING_MAX; i++)
		ring->ids[i] = (uint16_t)(ring->size - 1 - i);
	fill(ring->memory, 0, sizeof(*ring->memory));
	/* Polled: no interrupts (2.7.6, 2.8.14). */
	ring->memory->driver[ring->packed ? 2 : 0] = 1;
}

bool vring_open(struct vring *ring, struct vdev *dev, uint16_t index,
		struct vring_memory *memory, uint16_t size)
{
	uint16_t max = vdev_queue_max(dev, index);

	if (max == 0)
		return false;
	*ring = (struct vring){ .dev = dev,
				.memory = memory,
				.index = index,
				.size = size == 0 ? max : size };
	init_ring(ring);
	if (dev->pci) {
		enable_pci(ring);
		return mmio_read16(dev->common + COMMON_QUEUE_ENABLE) == 1;
	}
	enable_mmio(ring);
	return mmio_read32(dev->common + MMIO_QUEUE_READY) == 1;
}
