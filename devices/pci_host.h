/*
 * The PCI host bridge: bus 0 with the bridge itself at 00:00.0 and up to 31
 * functions, reached through the ports 0xcf8 to 0xcff and through an ECAM
 * window. It decodes two windows of memory for BARs, and nothing outside them,
 * so that no BAR can be moved over RAM or another device. No I/O port BARs, no
 * bus behind this one.
 *
 * Functions are added before a vCPU runs. Every BAR is given an address then,
 * as firmware would; memory decoding stays off until the guest enables it.
 *
 * Locks: the bridge's lock is held while a function's callbacks run; accesses
 * to BARs do not take it.
 *
 * Source: PCI Local Bus Specification 3.0, 3.2.2.3.2 and chapter 6; PCI
 * Express Base Specification 2.0, 7.2.2.
 */
#ifndef DEVICES_PCI_HOST_H
#define DEVICES_PCI_HOST_H

#include <pthread.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/err.h"
#include "core/pci.h"

#define PCI_HOST_PORT	    0xcf8
#define PCI_HOST_PORTS	    8
#define PCI_HOST_SLOTS	    32
/* 32 devices of 8 functions of 4 KiB; the base is a multiple of this. */
#define PCI_HOST_ECAM_BYTES 0x100000

struct pci_host_window {
	uint64_t base;
	uint64_t size;
};

struct pci_host_config {
	struct bus *pio; /* borrowed */
	struct bus *mmio; /* borrowed */
	uint64_t ecam_base;
	struct pci_host_window mmio32; /* below 4 GiB */
	struct pci_host_window mmio64; /* size 0: none */
};

struct pci_host {
	struct pci_host_config config;
	struct pci_function bridge;
	pthread_mutex_t lock; /* guards what follows and all functions */
	struct pci_function *slots[PCI_HOST_SLOTS]; /* borrowed */
	uint32_t address; /* the register at 0xcf8 */
	uint64_t next_bar; /* the next free address of mmio32 */
};

/* Claims the ports and the ECAM window. */
int pci_host_init(struct pci_host *host, const struct pci_host_config *config,
		  struct err *err);
/* No vCPU runs any more. */
void pci_host_release(struct pci_host *host);

/*
 * Plugs @function (borrowed) into @slot, 1 to 31, or the first free one when
 * @slot is 0, and returns the slot. -ENOSPC: no slot, or no room for a BAR;
 * -EEXIST: the slot is taken.
 */
int pci_host_add(struct pci_host *host, struct pci_function *function,
		 unsigned int slot, struct err *err);

#endif
