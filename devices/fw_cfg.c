#include "devices/fw_cfg.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"

/* Registers, relative to FW_CFG_PORT. */
#define REG_SELECTOR 0 /* 16 bits, write only */
#define REG_DATA     1
#define REG_DMA_HIGH 4 /* big-endian; reads give "QEMU CFG" */
#define REG_DMA_LOW  8 /* a write begins */

/* FW_CFG_ID: the ports are there, and DMA is. */
#define VERSION_PORTS 0x1
#define VERSION_DMA   0x2

/* The selector's bit for writing, which nothing depends on. */
#define SELECT_WRITE 0x4000

/* The control word of a request, which is big-endian. */
#define DMA_ERROR  0x01
#define DMA_READ   0x02
#define DMA_SKIP   0x04
#define DMA_SELECT 0x08
#define DMA_WRITE  0x10
#define DMA_BYTES  16 /* control, length, address */

static const uint8_t dma_signature[8] = {
	'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'
};
static const uint8_t signature[4] = { 'Q', 'E', 'M', 'U' };

/* --- Items (before the machine runs) -------------------------------------- */

void fw_cfg_add(struct fw_cfg *fw_cfg, const struct fw_cfg_item *item)
{
	assert(fw_cfg->item_count < FW_CFG_MAX_ITEMS);
	fw_cfg->items[fw_cfg->item_count++] = *item;
}

void fw_cfg_add_number(struct fw_cfg *fw_cfg, enum fw_cfg_key key,
		       uint64_t value, unsigned int len)
{
	uint8_t *bytes = fw_cfg->numbers[fw_cfg->item_count];
	const struct fw_cfg_item item = {
		.key = (uint16_t)key,
		.size_bytes = len,
		.bytes = bytes,
	};

	assert(len <= sizeof(fw_cfg->numbers[0]));
	store_le64(bytes, value);
	fw_cfg_add(fw_cfg, &item);
}

/* Big-endian: count; then size, key, 16 reserved bits and name of each. */
static void add_file(struct fw_cfg *fw_cfg, const char *name,
		     struct fw_cfg_item item)
{
	uint8_t *entry =
		fw_cfg->directory + 4 + fw_cfg->file_count * (size_t)64;

	assert(fw_cfg->file_count < FW_CFG_MAX_FILES);
	assert(strlen(name) < FW_CFG_NAME_MAX);
	item.key = (uint16_t)(FW_CFG_FILE_FIRST + fw_cfg->file_count);
	fw_cfg_add(fw_cfg, &item);
	store_le32(entry, htobe32((uint32_t)item.size_bytes));
	store_le16(entry + 4, htobe16(item.key));
	memcpy(entry + 8, name, strlen(name) + 1);
	fw_cfg->file_count++;
	store_le32(fw_cfg->directory, htobe32(fw_cfg->file_count));
}

void fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *bytes,
		     uint32_t size_bytes)
{
	add_file(fw_cfg, name,
		 (struct fw_cfg_item){ .size_bytes = size_bytes,
				       .bytes = bytes });
}

void fw_cfg_add_writable(struct fw_cfg *fw_cfg, const char *name,
			 uint8_t *bytes, uint32_t size_bytes)
{
	add_file(fw_cfg, name,
		 (struct fw_cfg_item){ .size_bytes = size_bytes,
				       .bytes = bytes,
				       .writable = bytes });
}

void fw_cfg_init(struct fw_cfg *fw_cfg, const struct gmem *gmem)
{
	struct fw_cfg_item directory = { .key = FW_CFG_FILE_DIR };
	const struct fw_cfg_item magic = {
		.key = FW_CFG_SIGNATURE,
		.size_bytes = sizeof(signature),
		.bytes = signature,
	};

	*fw_cfg = (struct fw_cfg){ .gmem = gmem };
	pthread_mutex_init(&fw_cfg->lock, NULL);
	directory.bytes = fw_cfg->directory;
	directory.size_bytes = sizeof(fw_cfg->directory);
	fw_cfg_add(fw_cfg, &magic);
	fw_cfg_add_number(fw_cfg, FW_CFG_ID, VERSION_PORTS | VERSION_DMA, 4);
	fw_cfg_add(fw_cfg, &directory);
}

void fw_cfg_release(struct fw_cfg *fw_cfg)
{
	pthread_mutex_destroy(&fw_cfg->lock);
}

/* --- Registers (vCPU threads, with the lock) ------------------------------ */

static void select_item(struct fw_cfg *fw_cfg, uint16_t key)
{
	fw_cfg->selected = NULL;
	fw_cfg->offset = 0;
	for (unsigned int i = 0; i < fw_cfg->item_count; i++) {
		if (fw_cfg->items[i].key == (key & ~SELECT_WRITE))
			fw_cfg->selected = &fw_cfg->items[i];
	}
}

/* The next bytes of the item; zeros behind its end. */
static void read_item(struct fw_cfg *fw_cfg, uint8_t *to, size_t len)
{
	const struct fw_cfg_item *item = fw_cfg->selected;
	size_t there = 0;

	if (item && fw_cfg->offset < item->size_bytes)
		there = (size_t)min_u64(len, item->size_bytes - fw_cfg->offset);
	memset(to + there, 0, len - there);
	if (there && item->bytes)
		memcpy(to, item->bytes + fw_cfg->offset, there);
	else if (there)
		item->read(item->opaque, fw_cfg->offset, to, there);
	fw_cfg->offset += there;
}

/* All of it or nothing. */
static bool write_item(struct fw_cfg *fw_cfg, uint64_t gpa, uint32_t len)
{
	const struct fw_cfg_item *item = fw_cfg->selected;

	if (!item || !item->writable ||
	    len > item->size_bytes - fw_cfg->offset ||
	    gmem_read(fw_cfg->gmem, gpa, item->writable + fw_cfg->offset, len))
		return false;
	fw_cfg->offset += len;
	return true;
}

static bool transfer(struct fw_cfg *fw_cfg, uint32_t control, uint64_t gpa,
		     uint32_t len)
{
	uint8_t *to;

	if (control & DMA_READ) {
		to = gmem_ptr(fw_cfg->gmem, gpa, len);
		if (to)
			read_item(fw_cfg, to, len);
		return to || !len;
	}
	if (control & DMA_WRITE)
		return write_item(fw_cfg, gpa, len);
	if ((control & DMA_SKIP) && fw_cfg->selected)
		fw_cfg->offset = min_u64(fw_cfg->offset + len,
					 fw_cfg->selected->size_bytes);
	return true;
}

/* A request that is not in memory cannot be answered. */
static void run_dma(struct fw_cfg *fw_cfg, uint64_t gpa)
{
	uint8_t request[DMA_BYTES];
	uint8_t answer[4];
	uint32_t control;
	bool ok;

	if (gmem_read(fw_cfg->gmem, gpa, request, sizeof(request)))
		return;
	control = be32toh(load_le32(request));
	if (control & DMA_SELECT)
		select_item(fw_cfg, (uint16_t)(control >> 16));
	ok = transfer(fw_cfg, control, be64toh(load_le64(request + 8)),
		      be32toh(load_le32(request + 4)));
	store_le32(answer, htobe32(ok ? 0 : DMA_ERROR));
	(void)gmem_write(fw_cfg->gmem, gpa, answer, sizeof(answer));
}

static void write_register(struct fw_cfg *fw_cfg, uint64_t offset,
			   uint64_t value, unsigned int len)
{
	uint64_t low;

	if (offset == REG_SELECTOR && len == 2) {
		select_item(fw_cfg, (uint16_t)value);
	} else if (offset == REG_DMA_HIGH && len == 4) {
		fw_cfg->dma_address = (uint64_t)be32toh((uint32_t)value) << 32;
	} else if (offset == REG_DMA_LOW && len == 4) {
		low = be32toh((uint32_t)value);
		run_dma(fw_cfg, fw_cfg->dma_address | low);
		fw_cfg->dma_address = 0;
	}
}

static uint64_t fw_cfg_read(void *device, uint64_t offset, unsigned int len)
{
	struct fw_cfg *self = device;
	uint64_t value = 0;
	uint8_t byte = 0;

	if (offset >= REG_DMA_HIGH) {
		memcpy(&value, dma_signature + (offset - REG_DMA_HIGH), len);
		return le64toh(value);
	}
	if (offset != REG_DATA || len != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&self->lock);
	read_item(self, &byte, 1);
	pthread_mutex_unlock(&self->lock);
	return byte;
}

static void fw_cfg_write(void *device, uint64_t offset, uint64_t value,
			 unsigned int len)
{
	struct fw_cfg *self = device;

	pthread_mutex_lock(&self->lock);
	write_register(self, offset, value, len);
	pthread_mutex_unlock(&self->lock);
}

const struct bus_ops fw_cfg_bus_ops = {
	.read = fw_cfg_read,
	.write = fw_cfg_write,
};
