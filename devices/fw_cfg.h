/*
 * QEMU's firmware configuration device: items behind numbers, and named files
 * among them, which a guest reads byte by byte from a port or by DMA. Items are
 * added before a vCPU runs; a few can be written, by DMA.
 *
 * Locks: the device's lock is held while an item's callback runs.
 *
 * Source: QEMU docs/specs/fw_cfg.rst; names of the items as in Linux
 * include/uapi/linux/qemu_fw_cfg.h.
 */
#ifndef DEVICES_FW_CFG_H
#define DEVICES_FW_CFG_H

#include <pthread.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/gmem.h"

#define FW_CFG_PORT	 0x510
#define FW_CFG_PORTS	 12
#define FW_CFG_NAME_MAX	 56 /* of a file, with its end */
#define FW_CFG_MAX_ITEMS 32
#define FW_CFG_MAX_FILES 8

enum fw_cfg_key {
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_ID = 0x01,
	FW_CFG_UUID = 0x02,
	FW_CFG_RAM_SIZE = 0x03,
	FW_CFG_NOGRAPHIC = 0x04,
	FW_CFG_NB_CPUS = 0x05,
	FW_CFG_KERNEL_ADDR = 0x07,
	FW_CFG_KERNEL_SIZE = 0x08,
	FW_CFG_INITRD_ADDR = 0x0a,
	FW_CFG_INITRD_SIZE = 0x0b,
	FW_CFG_BOOT_DEVICE = 0x0c,
	FW_CFG_BOOT_MENU = 0x0e,
	FW_CFG_MAX_CPUS = 0x0f,
	FW_CFG_KERNEL_ENTRY = 0x10,
	FW_CFG_KERNEL_DATA = 0x11,
	FW_CFG_INITRD_DATA = 0x12,
	FW_CFG_CMDLINE_ADDR = 0x13,
	FW_CFG_CMDLINE_SIZE = 0x14,
	FW_CFG_CMDLINE_DATA = 0x15,
	FW_CFG_FILE_DIR = 0x19,
	FW_CFG_FILE_FIRST = 0x20,
};

struct fw_cfg_item {
	uint16_t key;
	uint64_t size_bytes;
	const uint8_t *bytes; /* borrowed, or NULL: `read` has them */
	/* Inside the item; what cannot be read is left as it is. vCPU thread */
	void (*read)(void *opaque, uint64_t offset, uint8_t *to, size_t len);
	void *opaque;
	uint8_t *writable; /* `bytes`, when a guest may write them; or NULL */
};

struct fw_cfg {
	const struct gmem *gmem; /* borrowed; for DMA */
	struct fw_cfg_item items[FW_CFG_MAX_ITEMS];
	unsigned int item_count;
	uint8_t numbers[FW_CFG_MAX_ITEMS][8]; /* items that are a number */
	uint8_t directory[4 + FW_CFG_MAX_FILES * 64];
	unsigned int file_count;

	pthread_mutex_t lock; /* guards all below */
	const struct fw_cfg_item *selected; /* NULL: no such item */
	uint64_t offset; /* of the next byte */
	uint64_t dma_address; /* its upper half, once written */
};

/* The device is a struct fw_cfg. */
extern const struct bus_ops fw_cfg_bus_ops;

/* With signature, version and an empty directory. */
void fw_cfg_init(struct fw_cfg *fw_cfg, const struct gmem *gmem);
void fw_cfg_release(struct fw_cfg *fw_cfg);

/* Before a vCPU runs. There must be room, and no item of that key yet. */
void fw_cfg_add(struct fw_cfg *fw_cfg, const struct fw_cfg_item *item);
/* A little-endian number of @len bytes, 2, 4 or 8. */
void fw_cfg_add_number(struct fw_cfg *fw_cfg, enum fw_cfg_key key,
		       uint64_t value, unsigned int len);
/* A file of that name; the item's key is chosen here. */
void fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *bytes,
		     uint32_t size_bytes);
/* One that the guest may write to while it runs. */
void fw_cfg_add_writable(struct fw_cfg *fw_cfg, const char *name,
			 uint8_t *bytes, uint32_t size_bytes);

#endif
