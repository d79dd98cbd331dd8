#include "virtio/pci.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "core/util.h"

/* virtio 1.2, 4.1.2. */
#define VENDOR	       0x1af4
#define DEVICE_BASE    0x1040
#define REVISION       1
#define CLASS_FALLBACK 0xff0000 /* no class of its own */

/* Where things are in the one BAR, a page each (4.1.4). */
#define BAR		  0
#define BAR_BYTES	  0x8000
#define PAGE_COMMON	  0x0000
#define PAGE_ISR	  0x1000
#define PAGE_DEVICE	  0x2000
#define PAGE_NOTIFY	  VIRTIO_PCI_NOTIFY_OFFSET
#define PAGE_MSIX_TABLE	  0x4000
#define PAGE_MSIX_PENDING 0x5000
#define PAGE_BYTES	  0x1000
#define COMMON_BYTES	  0x38

/* Fields of a virtio capability (4.1.4). */
#define CAP_LEN	   2
#define CAP_TYPE   3
#define CAP_BAR	   4
#define CAP_OFFSET 8
#define CAP_LENGTH 12
#define CAP_EXTRA  16 /* multiplier, or the access window's data */

#define ISR_QUEUE  1
#define ISR_CONFIG 2

/* --- Interrupts ---------------------------------------------------------- */

/* irq_lock held. */
static void update_intx(struct virtio_pci *pci)
{
	bool assert = pci->isr && !pci->intx_disabled &&
		      !msix_enabled(&pci->msix);

	if (!pci->machine.intx || assert == pci->intx_asserted)
		return;
	pci->intx_asserted = assert;
	irq_set_level(pci->machine.intx, assert);
}

static void raise(struct virtio_pci *pci, uint8_t why, uint16_t vector)
{
	if (msix_enabled(&pci->msix)) {
		msix_fire(&pci->msix, vector);
		return;
	}
	pthread_mutex_lock(&pci->irq_lock);
	pci->isr |= why;
	update_intx(pci);
	pthread_mutex_unlock(&pci->irq_lock);
}

static void pci_interrupt(struct virtio_device *device, unsigned int index)
{
	struct virtio_pci *pci = device->transport_opaque;

	raise(pci, ISR_QUEUE, atomic_load(&pci->queue_vectors[index]));
}

static void pci_config_interrupt(struct virtio_device *device)
{
	struct virtio_pci *pci = device->transport_opaque;

	/* 4.1.4.5.1: the status says so whether MSI-X is on or not. */
	pthread_mutex_lock(&pci->irq_lock);
	pci->isr |= ISR_CONFIG;
	pthread_mutex_unlock(&pci->irq_lock);
	raise(pci, ISR_CONFIG, atomic_load(&pci->config_vector));
}

/* 4.1.4.5.1: reading clears, and lowers the line. */
static uint8_t read_isr(struct virtio_pci *pci)
{
	uint8_t isr;

	pthread_mutex_lock(&pci->irq_lock);
	isr = pci->isr;
	pci->isr = 0;
	update_intx(pci);
	pthread_mutex_unlock(&pci->irq_lock);
	return isr;
}

/* A vector that queues share follows the one that came last. */
static void follow(const struct virtio_pci *pci, unsigned int index, int fd)
{
	uint16_t vector = atomic_load(&pci->queue_vectors[index]);

	if (vector < pci->msix.count)
		irq_follow(pci->msix.vectors[vector].line, fd);
}

static void pci_follow(struct virtio_device *device, unsigned int index, int fd)
{
	struct virtio_pci *pci = device->transport_opaque;

	pci->queue_fds[index] = fd;
	follow(pci, index, fd);
}

static void set_queue_vector(struct virtio_pci *pci, unsigned int index,
			     uint16_t vector)
{
	int fd = pci->queue_fds[index];

	if (fd >= 0)
		follow(pci, index, -1);
	atomic_store(&pci->queue_vectors[index], vector);
	if (fd >= 0)
		follow(pci, index, fd);
}

static void forget_vectors(struct virtio_pci *pci)
{
	atomic_store(&pci->config_vector, VIRTIO_MSI_NO_VECTOR);
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		atomic_store(&pci->queue_vectors[i], VIRTIO_MSI_NO_VECTOR);
}

static void pci_was_reset(struct virtio_device *device)
{
	struct virtio_pci *pci = device->transport_opaque;

	pci->device_feature_select = 0;
	pci->driver_feature_select = 0;
	pci->queue_select = 0;
	forget_vectors(pci);
	read_isr(pci);
}

static const struct virtio_transport_ops pci_ops = {
	.interrupt = pci_interrupt,
	.follow = pci_follow,
	.config_interrupt = pci_config_interrupt,
	.was_reset = pci_was_reset,
};

/* --- The common configuration -------------------------------------------- */

/* Fields that can be accessed, and how wide they are (4.1.3.1). */
static bool common_access_fits(uint64_t offset, unsigned int len)
{
	if (offset >= COMMON_BYTES)
		return false;
	/* 64-bit fields may be accessed by halves (4.1.3.1). */
	if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO)
		return (len == 4 || len == 8) && offset % len == 0;
	if (offset == VIRTIO_PCI_COMMON_STATUS ||
	    offset == VIRTIO_PCI_COMMON_CFGGENERATION)
		return len == 1;
	if (offset >= VIRTIO_PCI_COMMON_MSIX)
		return len == 2 && offset % 2 == 0;
	return len == 4 && offset % 4 == 0;
}

static uint64_t read_address(gpa_t gpa, uint64_t offset, unsigned int len)
{
	if (offset % 8)
		return gpa >> 32;
	return len == 8 ? gpa : (uint32_t)gpa;
}

/* 4.1.4.3.1: a number that no split ring can have, which enabling the queue
 * will refuse, reads as none. */
static uint16_t read_size(const struct virtio_queue *queue)
{
	uint16_t size = queue->layout.size;

	if (virtio_has_feature(queue->device, VIRTIO_F_RING_PACKED) ||
	    is_power_of_two(size))
		return size;
	return 0;
}

/* Queue fields; a queue that is not there has size 0 (4.1.4.3.1). */
static uint64_t read_queue(const struct virtio_pci *pci, uint64_t offset,
			   unsigned int len)
{
	const struct virtio_queue *queue =
		virtio_queue_get(pci->device, pci->queue_select);

	if (!queue)
		return 0;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return read_size(queue);
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return atomic_load(&pci->queue_vectors[queue->index]);
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->vq.enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return queue->index;
	default:
		break;
	}
	if (offset < VIRTIO_PCI_COMMON_Q_AVAILLO)
		return read_address(queue->layout.desc, offset, len);
	if (offset < VIRTIO_PCI_COMMON_Q_USEDLO)
		return read_address(queue->layout.driver, offset, len);
	return read_address(queue->layout.device, offset, len);
}

static uint64_t read_common(struct virtio_pci *pci, uint64_t offset,
			    unsigned int len)
{
	struct virtio_device *device = pci->device;

	if (!common_access_fits(offset, len))
		return UINT64_MAX;
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return pci->device_feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return virtio_read_features(device, pci->device_feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return pci->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return virtio_read_driver_features(device,
						   pci->driver_feature_select);
	case VIRTIO_PCI_COMMON_MSIX:
		return atomic_load(&pci->config_vector);
	case VIRTIO_PCI_COMMON_NUMQ:
		return device->queue_count;
	case VIRTIO_PCI_COMMON_STATUS:
		return virtio_read_status(device);
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return (uint8_t)atomic_load(&device->config_generation);
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return pci->queue_select;
	default:
		return read_queue(pci, offset, len);
	}
}

static void write_address(gpa_t *gpa, uint64_t offset, uint64_t value,
			  unsigned int len)
{
	if (len == 8)
		*gpa = value;
	else if (offset % 8)
		*gpa = (*gpa & UINT32_MAX) | value << 32;
	else
		*gpa = (*gpa & ~(gpa_t)UINT32_MAX) | (uint32_t)value;
}

/* 4.1.5.1.2.1: a vector that cannot be had reads back as none. */
static uint16_t checked_vector(const struct virtio_pci *pci, uint64_t value)
{
	return value < pci->msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void write_layout(struct virtio_queue *queue, uint64_t offset,
			 uint64_t value, unsigned int len)
{
	struct virtq_layout *layout = &queue->layout;

	if (!virtio_queue_writable(queue))
		return;
	if (offset == VIRTIO_PCI_COMMON_Q_SIZE)
		layout->size = (uint16_t)value;
	else if (offset < VIRTIO_PCI_COMMON_Q_DESCLO)
		return;
	else if (offset < VIRTIO_PCI_COMMON_Q_AVAILLO)
		write_address(&layout->desc, offset, value, len);
	else if (offset < VIRTIO_PCI_COMMON_Q_USEDLO)
		write_address(&layout->driver, offset, value, len);
	else
		write_address(&layout->device, offset, value, len);
}

static void write_queue(struct virtio_pci *pci, uint64_t offset, uint64_t value,
			unsigned int len)
{
	struct virtio_queue *queue =
		virtio_queue_get(pci->device, pci->queue_select);

	if (!queue)
		return;
	if (offset == VIRTIO_PCI_COMMON_Q_MSIX)
		set_queue_vector(pci, queue->index, checked_vector(pci, value));
	else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE && value == 1)
		virtio_queue_enable(queue);
	else
		write_layout(queue, offset, value, len);
}

static void write_common(struct virtio_pci *pci, uint64_t offset,
			 uint64_t value, unsigned int len)
{
	if (!common_access_fits(offset, len))
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		pci->device_feature_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		pci->driver_feature_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_write_driver_features(pci->device,
					     pci->driver_feature_select,
					     (uint32_t)value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		atomic_store(&pci->config_vector, checked_vector(pci, value));
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		/* 4.1.4.3.2: the driver waits until it reads 0. */
		virtio_write_status(pci->device, (uint8_t)value, false);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		pci->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(pci, offset, value, len);
		break;
	}
}

/* --- The BAR ------------------------------------------------------------- */

static uint64_t read_locked(struct virtio_pci *pci, uint64_t offset,
			    unsigned int len)
{
	uint64_t in_page = offset % PAGE_BYTES;

	switch (offset - in_page) {
	case PAGE_COMMON:
		return read_common(pci, in_page, len);
	case PAGE_ISR:
		return in_page == 0 && len == 1 ? read_isr(pci) : UINT64_MAX;
	case PAGE_DEVICE:
		return virtio_read_config(pci->device, in_page, len);
	case PAGE_NOTIFY:
		return 0;
	case PAGE_MSIX_TABLE:
		return msix_table_read(&pci->msix, in_page, len);
	case PAGE_MSIX_PENDING:
		return msix_pending_read(&pci->msix, in_page, len);
	default:
		return UINT64_MAX;
	}
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned int len)
{
	struct virtio_pci *pci = opaque;
	uint64_t value;

	pthread_mutex_lock(&pci->device->lock);
	value = read_locked(pci, offset, len);
	pthread_mutex_unlock(&pci->device->lock);
	return value;
}

static void write_locked(struct virtio_pci *pci, uint64_t offset,
			 uint64_t value, unsigned int len)
{
	uint64_t in_page = offset % PAGE_BYTES;

	switch (offset - in_page) {
	case PAGE_COMMON:
		write_common(pci, in_page, value, len);
		break;
	case PAGE_DEVICE:
		virtio_write_config(pci->device, in_page, value, len);
		break;
	case PAGE_MSIX_TABLE:
		msix_table_write(&pci->msix, in_page, value, len);
		break;
	default:
		break;
	}
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value,
		      unsigned int len)
{
	struct virtio_pci *pci = opaque;

	if (offset - PAGE_NOTIFY < PAGE_BYTES) {
		uint64_t in_page = offset - PAGE_NOTIFY;

		/* The address says which queue, not the value (4.1.4.4). */
		if (in_page % VIRTIO_PCI_NOTIFY_MULTIPLIER == 0)
			virtio_notify(pci->device,
				      (uint32_t)(in_page /
						 VIRTIO_PCI_NOTIFY_MULTIPLIER));
		return;
	}
	pthread_mutex_lock(&pci->device->lock);
	write_locked(pci, offset, value, len);
	pthread_mutex_unlock(&pci->device->lock);
}

static const struct bus_ops bar_ops = {
	.read = bar_read,
	.write = bar_write,
};

/* --- Configuration space ------------------------------------------------- */

static bool overlaps(unsigned int offset, unsigned int len, unsigned int at,
		     unsigned int size)
{
	return offset < at + size && at < offset + len;
}

/*
 * The access window (4.1.4.9): false when what the driver has put there is no
 * access to the BAR, which is then ignored (4.1.4.9.2).
 */
static bool window_access(const struct virtio_pci *pci, uint32_t *ret_offset,
			  unsigned int *ret_len)
{
	const uint8_t *cap = pci->function.config + pci->access_capability;
	uint32_t offset = load_le32(cap + CAP_OFFSET);
	uint32_t len = load_le32(cap + CAP_LENGTH);

	if (cap[CAP_BAR] != BAR || (len != 1 && len != 2 && len != 4) ||
	    offset % len || offset >= BAR_BYTES)
		return false;
	*ret_offset = offset;
	*ret_len = len;
	return true;
}

/* 4.1.4.9.1: the first bytes of the data, as many as the access has. */
static void window_write(struct virtio_pci *pci, uint32_t offset,
			 unsigned int len)
{
	const uint8_t *data =
		pci->function.config + pci->access_capability + CAP_EXTRA;
	uint32_t value = load_le32(data);

	if (len < 4)
		value &= (1U << 8 * len) - 1;
	bar_write(pci, offset, value, len);
}

static void on_config_read(struct pci_function *function, unsigned int offset,
			   unsigned int len)
{
	struct virtio_pci *pci =
		container_of(function, struct virtio_pci, function);
	uint8_t *data = function->config + pci->access_capability + CAP_EXTRA;
	uint32_t bar_offset;
	unsigned int bar_len;

	if (overlaps(offset, len, PCI_STATUS, 1)) {
		pthread_mutex_lock(&pci->irq_lock);
		function->config[PCI_STATUS] =
			PCI_STATUS_CAPABILITIES |
			(pci->isr && !msix_enabled(&pci->msix) ?
				 PCI_STATUS_INTERRUPT :
				 0);
		pthread_mutex_unlock(&pci->irq_lock);
	}
	if (overlaps(offset, len, pci->access_capability + CAP_EXTRA, 4) &&
	    window_access(pci, &bar_offset, &bar_len))
		store_le32(data, (uint32_t)bar_read(pci, bar_offset, bar_len));
}

static void on_config_written(struct pci_function *function,
			      unsigned int offset, unsigned int len)
{
	struct virtio_pci *pci =
		container_of(function, struct virtio_pci, function);
	const uint8_t *config = function->config;
	uint32_t bar_offset;
	unsigned int bar_len;

	if (overlaps(offset, len, pci->msix_capability + 2, 2)) {
		pthread_mutex_lock(&pci->device->lock);
		msix_set_control(&pci->msix,
				 load_le16(config + pci->msix_capability + 2));
		pthread_mutex_unlock(&pci->device->lock);
	}
	if (overlaps(offset, len, PCI_COMMAND, 2) ||
	    overlaps(offset, len, pci->msix_capability + 2, 2)) {
		pthread_mutex_lock(&pci->irq_lock);
		pci->intx_disabled = load_le16(config + PCI_COMMAND) &
				     PCI_COMMAND_INTX_DISABLE;
		update_intx(pci);
		pthread_mutex_unlock(&pci->irq_lock);
	}
	if (overlaps(offset, len, pci->access_capability + CAP_EXTRA, 4) &&
	    window_access(pci, &bar_offset, &bar_len))
		window_write(pci, bar_offset, bar_len);
}

static void on_bar_moved(struct pci_function *function, unsigned int bar,
			 uint64_t addr)
{
	struct virtio_pci *pci =
		container_of(function, struct virtio_pci, function);

	(void)bar;
	if (pci->machine.notify_moved)
		pci->machine.notify_moved(
			pci->machine.opaque, pci,
			addr ? addr + VIRTIO_PCI_NOTIFY_OFFSET : 0);
}

static const struct pci_function_ops function_ops = {
	.config_read = on_config_read,
	.config_written = on_config_written,
	.bar_moved = on_bar_moved,
};

/* --- Building ------------------------------------------------------------ */

/* PCI's name for what the device is; guests without a driver look at it. */
static uint32_t class_of(uint16_t id)
{
	static const struct {
		uint16_t id;
		uint32_t class_code;
	} classes[] = {
		{ VIRTIO_ID_NET, 0x020000 },
		{ VIRTIO_ID_BLOCK, 0x018000 },
		{ VIRTIO_ID_CONSOLE, 0x078000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].id == id)
			return classes[i].class_code;
	}
	return CLASS_FALLBACK;
}

static uint8_t add_structure(struct virtio_pci *pci, uint8_t type,
			     uint32_t offset, uint32_t length, uint8_t cap_len)
{
	uint8_t bytes[CAP_EXTRA + 4] = { 0 };

	bytes[CAP_LEN] = cap_len;
	bytes[CAP_TYPE] = type;
	bytes[CAP_BAR] = BAR;
	store_le32(bytes + CAP_OFFSET, offset);
	store_le32(bytes + CAP_LENGTH, length);
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		store_le32(bytes + CAP_EXTRA, VIRTIO_PCI_NOTIFY_MULTIPLIER);
	return pci_add_capability(&pci->function, PCI_CAP_VENDOR, bytes,
				  cap_len);
}

static void add_capabilities(struct virtio_pci *pci)
{
	struct virtio_device *device = pci->device;
	uint8_t *window;

	pci->msix_capability = msix_add_capability(
		&pci->function, virtio_pci_vector_count(device), BAR,
		PAGE_MSIX_TABLE, PAGE_MSIX_PENDING);
	add_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, PAGE_COMMON, COMMON_BYTES,
		      CAP_EXTRA);
	add_structure(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, PAGE_NOTIFY,
		      VIRTIO_PCI_NOTIFY_MULTIPLIER * device->queue_count,
		      CAP_EXTRA + 4);
	add_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, PAGE_ISR, 1, CAP_EXTRA);
	/* 4.1.4.6.1: only for devices that have a configuration. */
	if (device->config_size)
		add_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, PAGE_DEVICE,
			      device->config_size, CAP_EXTRA);
	pci->access_capability =
		add_structure(pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, CAP_EXTRA + 4);
	/* 4.1.4.9: bar, offset, length and the data are the driver's. */
	window = pci->function.writable + pci->access_capability;
	window[CAP_BAR] = 0xff;
	memset(window + CAP_OFFSET, 0xff, CAP_EXTRA + 4 - CAP_OFFSET);
}

void virtio_pci_init(struct virtio_pci *pci, struct virtio_device *device,
		     const struct virtio_pci_machine *machine)
{
	const struct pci_identity identity = {
		.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_BASE + device->type->id),
		.subsystem_vendor = VENDOR,
		.subsystem = (uint16_t)(DEVICE_BASE + device->type->id),
		.revision = REVISION,
		.class_code = class_of(device->type->id),
	};

	*pci = (struct virtio_pci){ .device = device, .machine = *machine };
	pci->machine.vectors = NULL; /* copied below */
	pthread_mutex_init(&pci->irq_lock, NULL);
	msix_init(&pci->msix, machine->msix, machine->opaque, machine->vectors,
		  virtio_pci_vector_count(device));
	pci_function_init(&pci->function, &identity);
	pci->function.ops = &function_ops;
	pci->function.name = device->type->name;
	pci->function.bars[BAR] = (struct pci_bar){
		.size = BAR_BYTES,
		.is_64bit = true,
		.ops = &bar_ops,
		.device = pci,
	};
	/* The machine routes INTA of the slot. */
	if (machine->intx)
		pci->function.config[PCI_INTERRUPT_PIN] = 1;
	add_capabilities(pci);
	forget_vectors(pci);
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		pci->queue_fds[i] = -1;
	device->transport_opaque = pci;
	device->transport = &pci_ops;
}

void virtio_pci_release(struct virtio_pci *pci)
{
	if (!pci->device)
		return;
	pthread_mutex_destroy(&pci->irq_lock);
	pci->device = NULL;
}
