/*
 * A PCI function as the host bridge sees it: the contract between devices/
 * (the bridge) and virtio/ (functions on it), neither of which knows the
 * other.
 *
 * The bridge owns the configuration access: it reads and writes the bytes of
 * `config` under its lock, honours the masks of what is writable, sizes and
 * moves the BARs and claims their addresses on the machine's bus. The function
 * fills in the rest and is told.
 *
 * Source: PCI Local Bus Specification 3.0, chapter 6.
 */
#ifndef CORE_PCI_H
#define CORE_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/bytes.h"

#define PCI_CONFIG_BYTES 256
#define PCI_BARS	 6

/* Offsets in the configuration space's header (6.1, figure 6-1). */
#define PCI_VENDOR_ID	     0x00
#define PCI_DEVICE_ID	     0x02
#define PCI_COMMAND	     0x04
#define PCI_STATUS	     0x06
#define PCI_REVISION_ID	     0x08
#define PCI_CLASS_PROG	     0x09
#define PCI_CLASS_DEVICE     0x0a
#define PCI_HEADER_TYPE	     0x0e
#define PCI_BAR0	     0x10
#define PCI_SUBSYSTEM_VENDOR 0x2c
#define PCI_SUBSYSTEM_ID     0x2e
#define PCI_CAPABILITIES     0x34
#define PCI_INTERRUPT_LINE   0x3c
#define PCI_INTERRUPT_PIN    0x3d
#define PCI_HEADER_BYTES     0x40

#define PCI_COMMAND_MEMORY	 0x0002
#define PCI_COMMAND_MASTER	 0x0004
#define PCI_COMMAND_INTX_DISABLE 0x0400
#define PCI_STATUS_INTERRUPT	 0x0008
#define PCI_STATUS_CAPABILITIES	 0x0010

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

struct pci_function;

struct pci_function_ops {
	/*
	 * Optional, called with the bridge's lock held on a vCPU thread.
	 * config_read: `config` is about to be read at [offset, offset + len):
	 * bring it up to date. config_written: it was written there.
	 */
	void (*config_read)(struct pci_function *function, unsigned int offset,
			    unsigned int len);
	void (*config_written)(struct pci_function *function,
			       unsigned int offset, unsigned int len);
	/*
	 * Optional, bridge's lock held: BAR @bar now answers at @addr; 0: at
	 * no address.
	 */
	void (*bar_moved)(struct pci_function *function, unsigned int bar,
			  uint64_t addr);
};

/* A memory BAR. A 64-bit one takes up the next entry, which stays empty. */
struct pci_bar {
	uint64_t size; /* a power of two of at least 4 KiB; 0: no BAR */
	bool is_64bit;
	const struct bus_ops *ops;
	void *device; /* borrowed, for ops */
	uint64_t addr; /* the bridge's: where it answers, 0 when it does not */
};

/* Filled in by its owner, who keeps it as long as the bridge. */
struct pci_function {
	const struct pci_function_ops *ops;
	const char *name; /* borrowed; for messages */
	uint8_t config[PCI_CONFIG_BYTES];
	/* Bits a guest may write; the bridge adds those of the header. */
	uint8_t writable[PCI_CONFIG_BYTES];
	struct pci_bar bars[PCI_BARS];
	unsigned int capability_end; /* where pci_add_capability goes on */
	uint8_t last_capability;
};

/* What identifies a function. */
struct pci_identity {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint8_t revision;
	uint32_t class_code; /* class, subclass, interface: 24 bits */
};

static inline void pci_function_init(struct pci_function *function,
				     const struct pci_identity *identity)
{
	uint8_t *config = function->config;

	*function = (struct pci_function){ .capability_end = PCI_HEADER_BYTES };
	store_le16(config + PCI_VENDOR_ID, identity->vendor);
	store_le16(config + PCI_DEVICE_ID, identity->device);
	config[PCI_REVISION_ID] = identity->revision;
	config[PCI_CLASS_PROG] = (uint8_t)identity->class_code;
	store_le16(config + PCI_CLASS_DEVICE,
		   (uint16_t)(identity->class_code >> 8));
	store_le16(config + PCI_SUBSYSTEM_VENDOR, identity->subsystem_vendor);
	store_le16(config + PCI_SUBSYSTEM_ID, identity->subsystem);
}

/*
 * Appends a capability of @len bytes, whose first two (id, next) this fills
 * in, to the list (6.7). Returns its offset, a multiple of 4. The caller keeps
 * the sum of all within the 192 bytes there are.
 */
static inline uint8_t pci_add_capability(struct pci_function *function,
					 uint8_t id, const void *bytes,
					 size_t len)
{
	uint8_t *config = function->config;
	uint8_t at = (uint8_t)function->capability_end;

	memcpy(config + at, bytes, len);
	config[at] = id;
	config[at + 1] = 0;
	if (function->last_capability)
		config[function->last_capability + 1] = at;
	else
		config[PCI_CAPABILITIES] = at;
	config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
	function->last_capability = at;
	function->capability_end = at + (unsigned int)((len + 3) & ~(size_t)3);
	return at;
}

#endif
