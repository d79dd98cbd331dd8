/*
 * Unified kernel images: a PE file of systemd-stub's whose sections are a
 * kernel, an initrd and a command line. They are taken out and used without
 * the stub, which needs EFI. Main thread.
 *
 * Sources: UAPI group, "Unified Kernel Image (UKI)"; Microsoft, "PE Format".
 */
#ifndef BOOT_UKI_H
#define BOOT_UKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/file.h"

/* A section's contents in the file; size 0: there is none. */
struct uki_section {
	uint64_t offset;
	uint64_t size_bytes;
};

struct uki {
	struct uki_section kernel; /* .linux */
	struct uki_section initrd; /* .initrd */
	struct uki_section cmdline; /* .cmdline */
};

/*
 * Whether @head, the beginning of a file, is that of a PE file. A bzImage with
 * an EFI stub is one, too: ask bzimage_is first.
 */
bool uki_is_pe(const uint8_t *head, size_t len);

/* -ENOEXEC for a PE file that is none, or is for another processor. */
int uki_open(const struct boot_file *file, struct uki *ret_uki,
	     struct err *err);

/* The command line in it, owned by the caller. There is one. */
int uki_read_cmdline(const struct boot_file *file, const struct uki *uki,
		     char **ret_cmdline, struct err *err);

#endif
