#include "devices/pci_host.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "core/util.h"

/* CONFIG_ADDRESS (PCI 3.0, 3.2.2.3.2): bit 31 enables, then bus, device,
 * function, register. */
#define ADDRESS_ENABLE	 0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu
#define ADDRESS_BUS	 0x00ff0000u
#define ADDRESS_DATA	 4 /* CONFIG_DATA's offset in the ports */

/* Low bits of a memory BAR (6.2.5.1). */
#define BAR_64BIT     0x4u
#define BAR_FLAGS     0xfu
#define BAR_MIN	      4096
#define CLASS_HOST    0x060000
/* "Generic host bridge" of the vendor that virtio's IDs come from too. */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008

/* --- BARs ---------------------------------------------------------------- */

static uint64_t bar_register(const struct pci_function *function,
			     unsigned int index)
{
	const uint8_t *at = function->config + PCI_BAR0 + 4 * (size_t)index;
	uint64_t addr = load_le32(at) & ~BAR_FLAGS;

	if (function->bars[index].is_64bit)
		addr |= (uint64_t)load_le32(at + 4) << 32;
	return addr;
}

static bool window_holds(const struct pci_host_window *window, uint64_t addr,
			 uint64_t size)
{
	uint64_t offset = addr - window->base;

	return offset < window->size && size <= window->size - offset;
}

static void unmap_bar(struct pci_host *host, struct pci_function *function,
		      unsigned int index)
{
	struct pci_bar *bar = &function->bars[index];

	if (!bar->addr)
		return;
	bus_remove(host->config.mmio, bar->addr, bar->device);
	bar->addr = 0;
	if (function->ops && function->ops->bar_moved)
		function->ops->bar_moved(function, index, 0);
}

/*
 * An address outside the windows, or one where another BAR is, answers
 * nothing: the guest is between two writes, or sizing, or wrong.
 */
static void map_bar(struct pci_host *host, struct pci_function *function,
		    unsigned int index, uint64_t addr)
{
	struct pci_bar *bar = &function->bars[index];
	const struct bus_range range = {
		.start = addr,
		.size = bar->size,
		.ops = bar->ops,
		.device = bar->device,
		.name = function->name,
	};

	if (!window_holds(&host->config.mmio32, addr, bar->size) &&
	    !window_holds(&host->config.mmio64, addr, bar->size))
		return;
	if (bus_add(host->config.mmio, &range, NULL))
		return;
	bar->addr = addr;
	if (function->ops && function->ops->bar_moved)
		function->ops->bar_moved(function, index, addr);
}

static void update_bars(struct pci_host *host, struct pci_function *function)
{
	bool decode;

	if (!function)
		return;
	decode = load_le16(function->config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
	for (unsigned int i = 0; i < PCI_BARS; i++) {
		uint64_t addr;

		if (!function->bars[i].size)
			continue;
		addr = decode ? bar_register(function, i) : 0;
		if (addr == function->bars[i].addr)
			continue;
		unmap_bar(host, function, i);
		if (addr)
			map_bar(host, function, i, addr);
	}
}

/* --- Configuration space ------------------------------------------------- */

/* Bytes beyond the 256 there are belong to PCI Express; a 0 there ends its
 * list of capabilities before it began (PCIe 2.0, 7.9.2). */
static uint64_t config_read(struct pci_host *host, unsigned int slot,
			    unsigned int offset, unsigned int len)
{
	struct pci_function *function = host->slots[slot];
	uint64_t value = 0;

	if (!function)
		return UINT64_MAX;
	if (offset + len > PCI_CONFIG_BYTES)
		return 0;
	if (function->ops && function->ops->config_read)
		function->ops->config_read(function, offset, len);
	memcpy(&value, function->config + offset, len);
	return le64toh(value);
}

static void config_write(struct pci_host *host, unsigned int slot,
			 unsigned int offset, uint64_t value, unsigned int len)
{
	struct pci_function *function = host->slots[slot];

	if (!function || offset + len > PCI_CONFIG_BYTES)
		return;
	for (unsigned int i = 0; i < len; i++) {
		uint8_t mask = function->writable[offset + i];
		uint8_t *byte = &function->config[offset + i];

		*byte = (uint8_t)((*byte & ~mask) |
				  ((uint8_t)(value >> 8 * i) & mask));
	}
	/* All of them: who moves away makes room for another. */
	if (offset < PCI_BAR0 + 4 * PCI_BARS) {
		update_bars(host, function);
		for (slot = 0; slot < PCI_HOST_SLOTS; slot++)
			update_bars(host, host->slots[slot]);
	}
	if (function->ops && function->ops->config_written)
		function->ops->config_written(function, offset, len);
}

/* --- The ports ----------------------------------------------------------- */

/* False when CONFIG_ADDRESS names nothing of ours. */
static bool decode_address(const struct pci_host *host, unsigned int *ret_slot,
			   unsigned int *ret_offset)
{
	uint32_t address = host->address;

	if (!(address & ADDRESS_ENABLE) || (address & ADDRESS_BUS) ||
	    (address >> 8 & 7))
		return false;
	*ret_slot = address >> 11 & (PCI_HOST_SLOTS - 1);
	*ret_offset = address & 0xfc;
	return true;
}

static bool data_access_fits(uint64_t port, unsigned int len)
{
	return port >= ADDRESS_DATA && len <= 4 && (port & (len - 1)) == 0;
}

static uint64_t port_read(void *opaque, uint64_t port, unsigned int len)
{
	struct pci_host *host = opaque;
	uint64_t value = UINT64_MAX;
	unsigned int slot;
	unsigned int offset;

	pthread_mutex_lock(&host->lock);
	/* CONFIG_ADDRESS is accessed as a double word only (3.2.2.3.2). */
	if (port == 0 && len == 4)
		value = host->address;
	else if (data_access_fits(port, len) &&
		 decode_address(host, &slot, &offset))
		value = config_read(host, slot,
				    offset + (unsigned int)port - ADDRESS_DATA,
				    len);
	pthread_mutex_unlock(&host->lock);
	return value;
}

static void port_write(void *opaque, uint64_t port, uint64_t value,
		       unsigned int len)
{
	struct pci_host *host = opaque;
	unsigned int slot;
	unsigned int offset;

	pthread_mutex_lock(&host->lock);
	if (port == 0 && len == 4)
		host->address = (uint32_t)value & ADDRESS_WRITABLE;
	else if (data_access_fits(port, len) &&
		 decode_address(host, &slot, &offset))
		config_write(host, slot,
			     offset + (unsigned int)port - ADDRESS_DATA, value,
			     len);
	pthread_mutex_unlock(&host->lock);
}

static const struct bus_ops port_ops = {
	.read = port_read,
	.write = port_write,
};

/* --- The ECAM window ----------------------------------------------------- */

/* Bits 15 to 19 are the device, 12 to 14 the function (PCIe 2.0, 7.2.2). Only
 * function 0 of a device is there. */
static bool ecam_access_fits(uint64_t offset, unsigned int len)
{
	return len <= 4 && (offset & (len - 1)) == 0 && !(offset >> 12 & 7);
}

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned int len)
{
	struct pci_host *host = opaque;
	uint64_t value;

	if (!ecam_access_fits(offset, len))
		return UINT64_MAX;
	pthread_mutex_lock(&host->lock);
	value = config_read(host, (unsigned int)(offset >> 15),
			    (unsigned int)(offset & 0xfff), len);
	pthread_mutex_unlock(&host->lock);
	return value;
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value,
		       unsigned int len)
{
	struct pci_host *host = opaque;

	if (!ecam_access_fits(offset, len))
		return;
	pthread_mutex_lock(&host->lock);
	config_write(host, (unsigned int)(offset >> 15),
		     (unsigned int)(offset & 0xfff), value, len);
	pthread_mutex_unlock(&host->lock);
}

static const struct bus_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
};

/* --- Plugging in --------------------------------------------------------- */

static int place_bar(struct pci_host *host, struct pci_function *function,
		     unsigned int index, struct err *err)
{
	struct pci_bar *bar = &function->bars[index];
	uint8_t *at = function->config + PCI_BAR0 + 4 * (size_t)index;
	uint8_t *mask = function->writable + PCI_BAR0 + 4 * (size_t)index;
	uint64_t addr = align_up(host->next_bar, bar->size);

	assert(is_power_of_two(bar->size) && bar->size >= BAR_MIN);
	if (!window_holds(&host->config.mmio32, addr, bar->size))
		return err_set(err, ENOSPC,
			       "%s: no room below 4 GiB for its %" PRIu64
			       " bytes of PCI registers",
			       function->name, bar->size);
	host->next_bar = addr + bar->size;
	store_le32(at, (uint32_t)addr | (bar->is_64bit ? BAR_64BIT : 0));
	store_le32(mask, (uint32_t) ~(bar->size - 1));
	if (bar->is_64bit) {
		assert(index + 1 < PCI_BARS && !function->bars[index + 1].size);
		store_le32(mask + 4, (uint32_t)(~(bar->size - 1) >> 32));
	}
	return 0;
}

int pci_host_add(struct pci_host *host, struct pci_function *function,
		 unsigned int slot, struct err *err)
{
	if (!slot) {
		for (slot = 1; slot < PCI_HOST_SLOTS; slot++) {
			if (!host->slots[slot])
				break;
		}
	}
	if (slot >= PCI_HOST_SLOTS)
		return err_set(err, ENOSPC,
			       "%s: all %d slots of the PCI bus are taken; "
			       "leave out a device",
			       function->name, PCI_HOST_SLOTS - 1);
	if (host->slots[slot])
		return err_set(err, EEXIST, "%s: PCI slot %u holds %s already",
			       function->name, slot, host->slots[slot]->name);
	for (unsigned int i = 0; i < PCI_BARS; i++) {
		int rc = function->bars[i].size ?
				 place_bar(host, function, i, err) :
				 0;

		if (rc)
			return rc;
	}
	store_le16(function->writable + PCI_COMMAND,
		   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			   PCI_COMMAND_INTX_DISABLE);
	function->writable[PCI_INTERRUPT_LINE] = 0xff;
	host->slots[slot] = function;
	return (int)slot;
}

/* --- Life ---------------------------------------------------------------- */

static int claim(struct pci_host *host, struct err *err)
{
	const struct bus_range ports = { PCI_HOST_PORT, PCI_HOST_PORTS,
					 &port_ops, host, "PCI host" };
	const struct bus_range ecam = { host->config.ecam_base,
					PCI_HOST_ECAM_BYTES, &ecam_ops, host,
					"PCI ECAM" };
	int rc = bus_add(host->config.pio, &ports, err);

	if (rc)
		return rc;
	rc = bus_add(host->config.mmio, &ecam, err);
	if (rc)
		bus_remove(host->config.pio, PCI_HOST_PORT, host);
	return rc;
}

int pci_host_init(struct pci_host *host, const struct pci_host_config *config,
		  struct err *err)
{
	static const struct pci_identity identity = {
		.vendor = BRIDGE_VENDOR,
		.device = BRIDGE_DEVICE,
		.class_code = CLASS_HOST,
	};

	int rc;

	*host = (struct pci_host){
		.config = *config,
		.next_bar = config->mmio32.base,
	};
	pci_function_init(&host->bridge, &identity);
	host->bridge.name = "PCI host bridge";
	host->slots[0] = &host->bridge;
	rc = claim(host, err);
	if (rc) {
		host->slots[0] = NULL;
		return rc;
	}
	pthread_mutex_init(&host->lock, NULL);
	return 0;
}

void pci_host_release(struct pci_host *host)
{
	if (!host->slots[0])
		return;
	for (unsigned int slot = 0; slot < PCI_HOST_SLOTS; slot++) {
		for (unsigned int i = 0; host->slots[slot] && i < PCI_BARS; i++)
			unmap_bar(host, host->slots[slot], i);
		host->slots[slot] = NULL;
	}
	bus_remove(host->config.mmio, host->config.ecam_base, host);
	bus_remove(host->config.pio, PCI_HOST_PORT, host);
	pthread_mutex_destroy(&host->lock);
}
