/*
 * Guest memory: the only place where a guest physical address becomes a
 * pointer.
 *
 * RAM is one file in memory (a memfd or the like), mapped as one region below
 * the PCI hole and, when it does not all fit there, a second one from 4 GiB up.
 * The regions are fixed once gmem_init returned, so that every thread may read
 * the object without a lock; the bytes of the guest's memory themselves change
 * under our feet at any time, and what is checked must first be copied.
 */
#ifndef CORE_GMEM_H
#define CORE_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

typedef uint64_t gpa_t;

/* The hole in which a PC keeps PCI windows and the I/O and local APICs. */
#define GMEM_HOLE_START 0xc0000000ULL
#define GMEM_HOLE_END	0x100000000ULL

#define GMEM_MAX_REGIONS 2

struct gmem_region {
	gpa_t start;
	uint64_t size_bytes;
	uint64_t file_offset; /* of the region in the file */
	uint8_t *host; /* owned mapping */
};

struct gmem {
	struct gmem_region regions[GMEM_MAX_REGIONS];
	unsigned int region_count;
	uint64_t size_bytes; /* of all RAM */
	int fd; /* owned: the file that is RAM */
};

/*
 * Maps @size_bytes of RAM (a multiple of 4 KiB, not 0). @page_bytes is 0 for
 * ordinary pages, or 2 MiB or 1 GiB for hugetlb pages, of which @size_bytes
 * must be a multiple. The memory is not touched.
 */
int gmem_init(struct gmem *gmem, uint64_t size_bytes, uint64_t page_bytes,
	      struct err *err);
void gmem_release(struct gmem *gmem);

/*
 * The host address of [gpa, gpa + len), or NULL when that is not wholly inside
 * one region. @len 0 gives NULL.
 */
void *gmem_ptr(const struct gmem *gmem, gpa_t gpa, uint64_t len);

/* Copies; -EFAULT when the range is not guest RAM, then nothing was copied. */
int gmem_read(const struct gmem *gmem, gpa_t gpa, void *to, size_t len);
int gmem_write(const struct gmem *gmem, gpa_t gpa, const void *from,
	       size_t len);

/*
 * The next part of @region, [*from, *ret_end), that was ever written to: memory
 * that the guest never touched must not come to be because we look at it. False
 * when there is none. Huge pages do not tell; then it is all of them.
 */
bool gmem_next_data(const struct gmem *gmem, const struct gmem_region *region,
		    uint64_t *from, uint64_t *ret_end);

/* The end of the region below the PCI hole. */
gpa_t gmem_low_end(const struct gmem *gmem);

#endif
