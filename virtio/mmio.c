#include "virtio/mmio.h"

#include <linux/virtio_mmio.h>

/* "virt" (virtio 1.2, 4.2.2). */
#define MAGIC	  0x74726976
#define VERSION	  2
/* Any value; ours spells "HULL" in memory. */
#define VENDOR_ID 0x4c4c5548

/* Linux's header of this version does not have them yet (4.2.2). */
#define REG_SHM_LEN_LOW	  0x0b0
#define REG_SHM_BASE_HIGH 0x0bc
#define REG_CONFIG	  0x100

/* --- Interrupts ---------------------------------------------------------- */

static void raise(struct virtio_mmio *mmio, uint32_t why)
{
	pthread_mutex_lock(&mmio->irq_lock);
	mmio->interrupt_status |= why;
	if (mmio->level_triggered)
		irq_set_level(mmio->irq, true);
	else
		irq_pulse(mmio->irq);
	pthread_mutex_unlock(&mmio->irq_lock);
}

static void acknowledge(struct virtio_mmio *mmio, uint32_t what)
{
	pthread_mutex_lock(&mmio->irq_lock);
	mmio->interrupt_status &= ~what;
	if (mmio->level_triggered && !mmio->interrupt_status)
		irq_set_level(mmio->irq, false);
	pthread_mutex_unlock(&mmio->irq_lock);
}

static uint32_t interrupt_status(struct virtio_mmio *mmio)
{
	uint32_t status;

	pthread_mutex_lock(&mmio->irq_lock);
	status = mmio->interrupt_status;
	pthread_mutex_unlock(&mmio->irq_lock);
	return status;
}

static void mmio_interrupt(struct virtio_device *device, unsigned int index)
{
	(void)index;
	raise(device->transport_opaque, VIRTIO_MMIO_INT_VRING);
}

static void mmio_config_interrupt(struct virtio_device *device)
{
	raise(device->transport_opaque, VIRTIO_MMIO_INT_CONFIG);
}

static void mmio_was_reset(struct virtio_device *device)
{
	struct virtio_mmio *mmio = device->transport_opaque;

	mmio->device_feature_select = 0;
	mmio->driver_feature_select = 0;
	mmio->queue_select = 0;
	acknowledge(mmio, UINT32_MAX);
}

static const struct virtio_transport_ops mmio_ops = {
	.interrupt = mmio_interrupt,
	.config_interrupt = mmio_config_interrupt,
	.was_reset = mmio_was_reset,
};

/* --- Reading ------------------------------------------------------------- */

static uint32_t read_register(struct virtio_mmio *mmio, uint64_t offset)
{
	struct virtio_device *device = mmio->device;
	const struct virtio_queue *queue =
		virtio_queue_get(device, mmio->queue_select);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return device->type->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio_read_features(device,
					    mmio->device_feature_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? queue->max_size : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && queue->vq.enabled;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return interrupt_status(mmio);
	case VIRTIO_MMIO_STATUS:
		return virtio_read_status(device);
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return (uint32_t)atomic_load(&device->config_generation);
	default:
		/* A shared memory region that is not there has length -1
		 * (virtio 1.2, 4.2.2.1); the rest reads as 0. */
		return offset >= REG_SHM_LEN_LOW &&
				       offset <= REG_SHM_BASE_HIGH ?
			       UINT32_MAX :
			       0;
	}
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned int len)
{
	struct virtio_mmio *mmio = opaque;
	uint64_t value;

	/* virtio 1.2, 4.2.2.2: registers are 32 bits wide and aligned. */
	if (offset < REG_CONFIG && (len != 4 || offset % 4))
		return UINT64_MAX;
	pthread_mutex_lock(&mmio->device->lock);
	if (offset < REG_CONFIG)
		value = read_register(mmio, offset);
	else
		value = virtio_read_config(mmio->device, offset - REG_CONFIG,
					   len);
	pthread_mutex_unlock(&mmio->device->lock);
	return value;
}

/* --- Writing ------------------------------------------------------------- */

static void set_low(gpa_t *gpa, uint32_t value)
{
	*gpa = (*gpa & ~(gpa_t)UINT32_MAX) | value;
}

static void set_high(gpa_t *gpa, uint32_t value)
{
	*gpa = (*gpa & UINT32_MAX) | (gpa_t)value << 32;
}

static void write_layout(struct virtio_queue *queue, uint64_t offset,
			 uint32_t value)
{
	struct virtq_layout *layout = &queue->layout;

	if (!virtio_queue_writable(queue))
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* 0 is refused when the queue is enabled. */
		layout->size = value > UINT16_MAX ? 0 : (uint16_t)value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&layout->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&layout->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&layout->driver, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&layout->driver, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&layout->device, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&layout->device, value);
		break;
	default:
		break;
	}
}

static void write_ready(struct virtio_queue *queue, uint32_t value)
{
	if (value == 1)
		virtio_queue_enable(queue);
	else if (value == 0)
		virtio_queue_disable(queue);
}

static void write_register(struct virtio_mmio *mmio, uint64_t offset,
			   uint32_t value)
{
	struct virtio_device *device = mmio->device;
	struct virtio_queue *queue =
		virtio_queue_get(device, mmio->queue_select);

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_feature_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_write_driver_features(
			device, mmio->driver_feature_select, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_feature_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_select = value;
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		acknowledge(mmio, value);
		break;
	case VIRTIO_MMIO_STATUS:
		/* Drivers of this transport do not wait for a reset. */
		virtio_write_status(device, (uint8_t)value, true);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (queue)
			write_ready(queue, value);
		break;
	default:
		if (queue)
			write_layout(queue, offset, value);
		break;
	}
}

static void mmio_write(void *opaque, uint64_t offset, uint64_t value,
		       unsigned int len)
{
	struct virtio_mmio *mmio = opaque;

	if (offset < REG_CONFIG && (len != 4 || offset % 4))
		return;
	if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
		virtio_notify(mmio->device, (uint32_t)value);
		return;
	}
	pthread_mutex_lock(&mmio->device->lock);
	if (offset < REG_CONFIG)
		write_register(mmio, offset, (uint32_t)value);
	else
		virtio_write_config(mmio->device, offset - REG_CONFIG, value,
				    len);
	pthread_mutex_unlock(&mmio->device->lock);
}

const struct bus_ops virtio_mmio_bus_ops = {
	.read = mmio_read,
	.write = mmio_write,
};

/* --- Life ---------------------------------------------------------------- */

void virtio_mmio_init(struct virtio_mmio *mmio, struct virtio_device *device,
		      struct irq_line *irq, bool level_triggered)
{
	*mmio = (struct virtio_mmio){
		.device = device,
		.irq = irq,
		.level_triggered = level_triggered,
	};
	pthread_mutex_init(&mmio->irq_lock, NULL);
	device->transport_opaque = mmio;
	device->transport = &mmio_ops;
}

void virtio_mmio_release(struct virtio_mmio *mmio)
{
	if (!mmio->device)
		return;
	pthread_mutex_destroy(&mmio->irq_lock);
	mmio->device = NULL;
}
