/*
 * The smallest driver of virtio devices, for guests that do what Linux does
 * not: a device is found on PCI or as virtio-mmio, its features are what the
 * guest says, its rings are split or packed and are polled.
 *
 * Words on the command line: "ecam" reaches PCI's configuration through the
 * window that ACPI's MCFG names instead of the ports, "assign" gives every
 * device new BARs instead of using those that it has.
 *
 * Written from virtio 1.2, 2.6 to 2.8, 4.1 and 4.2. Runs in user mode.
 */
#ifndef GUESTS_LIB_VIRTIO_H
#define GUESTS_LIB_VIRTIO_H

#include "guest.h"

#define VIRTIO_NET 1
#define VIRTIO_BLK 2
#define VIRTIO_RNG 4

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER	   2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 64

#define FEATURE(bit)	  (1ULL << (bit))
#define FEATURE_INDIRECT  FEATURE(28)
#define FEATURE_EVENT_IDX FEATURE(29)
#define FEATURE_VERSION_1 FEATURE(32)
#define FEATURE_PACKED	  FEATURE(34)

/* How long anything may take: some seconds on any processor. */
#define PATIENCE_CYCLES 30000000000ULL

/* --- A device --------------------------------------------------------- */

struct vdev {
	bool pci;
	uint64_t common; /* the common structure, or virtio-mmio's registers */
	uint64_t notify;
	uint64_t config;
	uint32_t notify_multiplier;
	unsigned int slot; /* with pci, as the next three */
	uint64_t ecam; /* 0: its configuration is reached through the ports */
	unsigned int msix; /* MSI-X's capability; 0: none */
	uint64_t msix_table;
	uint64_t features; /* that were agreed upon */
};

/* The first device of type @id, PCI's before virtio-mmio's. */
bool vdev_find(struct vdev *dev, uint16_t id);

/* The names of virtio 1.2, 3.1.1: reset, then features, then DRIVER_OK. */
void vdev_reset(struct vdev *dev); /* and waits until that is done */
uint8_t vdev_status(const struct vdev *dev);
void vdev_set_status(const struct vdev *dev, uint8_t status);
uint64_t vdev_offered(const struct vdev *dev);
/* From after a reset up to FEATURES_OK: whether the device accepts them. */
bool vdev_accepts(struct vdev *dev, uint64_t features);
void vdev_go(const struct vdev *dev);

/*
 * Has queue 0 of a device on PCI send this message when a chain came back;
 * before vdev_go. The queue itself asks for none unless its driver[0] is 0.
 */
void vdev_set_message(const struct vdev *dev, uint64_t address, uint32_t data);

uint8_t vdev_config8(const struct vdev *dev, uint32_t offset);
uint32_t vdev_config32(const struct vdev *dev, uint32_t offset);
uint64_t vdev_config64(const struct vdev *dev, uint32_t offset);
void vdev_set_config8(const struct vdev *dev, uint32_t offset, uint8_t value);

uint16_t vdev_queue_max(const struct vdev *dev, uint16_t index);

/* Whether the device asks for a reset, within PATIENCE_CYCLES. */
bool vdev_wants_reset(const struct vdev *dev);

/* Cycles of doing nothing. */
void wait_cycles(uint64_t cycles);

/* --- A queue ---------------------------------------------------------- */

#define VRING_MAX  1024
#define VRING_NONE 0xffff

#define VSEG_NEXT     1
#define VSEG_WRITE    2 /* for the device to write */
#define VSEG_INDIRECT 4

/* A descriptor; NEXT and what makes it available are the ring's to add. */
struct vseg {
	const void *at;
	uint32_t len;
	uint16_t flags;
};

/* The memory of one queue, as large as any may be; page-aligned. */
struct vring_memory {
	uint8_t desc[16 * VRING_MAX];
	uint8_t driver[2048 + 64];
	uint8_t device[8192 + 64];
} __attribute__((aligned(4096)));

struct vring {
	struct vdev *dev;
	struct vring_memory *memory;
	uint16_t index;
	uint16_t size;
	bool packed;
	bool event_idx;
	uint64_t doorbell; /* where a kick is written to */

	uint16_t next_avail; /* split: free running; packed: a slot */
	uint16_t next_used;
	bool avail_wrap; /* packed, as the next one */
	bool used_wrap;
	uint16_t unkicked; /* entries since a kick was last considered */

	uint16_t free_slots;
	uint16_t free_ids; /* in ids[] */
	uint16_t ids[VRING_MAX]; /* of descriptors, or packed: of buffers */
	uint16_t slots[VRING_MAX]; /* that the chain of this id holds */
};

/*
 * Gives queue @index of @dev this memory and size (0: the largest) and enables
 * it; false when the device did not. Between vdev_accepts and vdev_go.
 */
bool vring_open(struct vring *ring, struct vdev *dev, uint16_t index,
		struct vring_memory *memory, uint16_t size);

/* Makes a chain available and returns its id; VRING_NONE without room. */
uint16_t vring_add(struct vring *ring, const struct vseg *segs,
		   unsigned int count);

/* One descriptor with these @segs in an indirect table (16 bytes for each). */
uint16_t vring_add_table(struct vring *ring, void *table,
			 const struct vseg *segs, unsigned int count);
void vring_write_table(const struct vring *ring, void *table,
		       const struct vseg *segs, unsigned int count);

/* Kicks the device if it wants to hear of what was added; whether it did. */
bool vring_kick(struct vring *ring);
void vring_kick_always(struct vring *ring);

/* The next chain that came back, or false. */
bool vring_take(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len);
/* As vring_take, waiting up to PATIENCE_CYCLES. */
bool vring_wait(struct vring *ring, uint16_t *ret_id, uint32_t *ret_len);

/* --- What no driver may do -------------------------------------------- */

/* Descriptor @slot as it is, next (packed: the id) too. */
void vring_write_desc(const struct vring *ring, uint16_t slot,
		      const struct vseg *seg, uint16_t next);
/* Split: makes @head available, whatever it is. */
void vring_expose(struct vring *ring, uint16_t head);
/* Split: as if so many more entries were there. */
void vring_skip(struct vring *ring, uint16_t entries);
/* Packed: the flags that make a descriptor available now. */
uint16_t vring_available_flags(const struct vring *ring);

#endif
