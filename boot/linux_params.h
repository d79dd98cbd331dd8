/*
 * Linux' boot_params, the "zero page" (Linux Documentation/arch/x86/boot.rst
 * and zero-page.rst), and the setup_data nodes it points to.
 */
#ifndef BOOT_LINUX_PARAMS_H
#define BOOT_LINUX_PARAMS_H

#include <asm/bootparam.h>
#include <stdbool.h>

#include "boot/e820.h"
#include "core/err.h"
#include "core/gmem.h"

struct linux_params {
	struct setup_header header; /* the image's, or linux_params_header */
	gpa_t kernel_start;
	gpa_t initrd;
	uint64_t initrd_bytes; /* 0: none */
	gpa_t rsdp; /* 0: none */
	uint32_t fdt_bytes; /* of the tree behind LAYOUT_FDT; 0: none */
	bool rng_seed; /* add random bytes for the guest's generator */
	const uint64_t *seed; /* they follow from it; NULL: the host's */
};

/* Bytes of a setup_data node in front of its contents. */
#define LINUX_PARAMS_NODE_BYTES sizeof(struct setup_data)

/* A header for kernels that come without one. */
void linux_params_header(struct setup_header *ret_header);

/* Writes the zero page at LAYOUT_BOOT_PARAMS, and the nodes. */
int linux_params_write(const struct gmem *gmem,
		       const struct linux_params *params,
		       const struct e820_map *map, struct err *err);

#endif
