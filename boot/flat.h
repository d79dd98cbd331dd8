/*
 * A flat binary: bytes that go to an address and are entered at their first
 * one. Main thread.
 */
#ifndef BOOT_FLAT_H
#define BOOT_FLAT_H

#include "boot/entry.h"
#include "boot/file.h"
#include "core/gmem.h"

/* Where a binary goes that is given without an address. */
#define FLAT_REAL_ADDRESS 0x7c00 /* as a BIOS puts a boot sector */
#define FLAT_ADDRESS	  0x100000

struct flat {
	char *path; /* owned */
	gpa_t address;
};

/* Takes "FILE[@ADDRESS]"; a number behind the last @ is the address. */
int flat_parse(const char *text, enum boot_mode mode, struct flat *ret_flat,
	       struct err *err);
void flat_release(struct flat *flat);

/*
 * Whether @size_bytes at the address are in guest memory and meet none of the
 * tables that hull writes in @mode (boot/place.h).
 */
int flat_check(const struct flat *flat, uint64_t size_bytes,
	       enum boot_mode mode, const struct gmem *gmem, struct err *err);

#endif
