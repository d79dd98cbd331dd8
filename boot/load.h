/*
 * From files to a guest that can start: reads the kernel and initrd into guest
 * memory, writes the tables, and says in which state vCPU 0 enters.
 *
 * Runs on the main thread before any vCPU. Nothing is kept open or allocated
 * when it returns.
 */
#ifndef BOOT_LOAD_H
#define BOOT_LOAD_H

#include <stdbool.h>

#include "boot/entry.h"
#include "boot/platform.h"
#include "core/err.h"

enum boot_protocol {
	BOOT_PROTOCOL_AUTO, /* by content; see boot_load */
	BOOT_PROTOCOL_BZIMAGE, /* Linux, payload decompressed on the host */
	BOOT_PROTOCOL_BZIMAGE_ENTRY, /* Linux, the kernel's own decompressor */
	BOOT_PROTOCOL_ELF64, /* ELF at its 64-bit entry, Linux boot_params */
	BOOT_PROTOCOL_PVH, /* ELF at XEN_ELFNOTE_PHYS32_ENTRY */
};

/* What a Linux guest is told when the user says nothing. */
#define BOOT_LINUX_CMDLINE "console=ttyS0 panic=-1"

struct boot_request {
	const char *kernel_path;
	const char *initrd_path; /* or NULL */
	const char *cmdline; /* NULL: BOOT_LINUX_CMDLINE for Linux, else "" */
	/* Appended behind a blank when the kernel is Linux; or NULL. */
	const char *linux_cmdline_suffix;
	enum boot_protocol protocol;
	bool acpi; /* write ACPI tables */
	bool fdt; /* hand the device tree over (SETUP_DTB) */
	uint64_t rng_seed; /* reserved, 0 */
};

struct boot_result {
	struct boot_entry entry;
	enum boot_protocol protocol; /* the one that was used, never AUTO */
	const char *payload; /* "gzip", "xz", ..., "none"; constant string */
	bool is_linux; /* the command line is a Linux one */
};

/*
 * AUTO takes a bzImage by its header, decompressing the payload on the host
 * when it knows the format; an ELF file by its 64-bit entry when it is a Linux
 * kernel, by the PVH note when that is all it has, else by its plain entry.
 *
 * -EINVAL or -ENOENT ... with a sentence for whatever is wrong with the files;
 * guest memory may then be partly written.
 */
int boot_load(const struct boot_request *request,
	      const struct platform *platform, struct boot_result *ret_result,
	      struct err *err);

/* Writes the flattened device tree of @platform to the file @path. */
int boot_dump_fdt(const char *path, const struct boot_request *request,
		  const struct platform *platform, struct err *err);

/* Writes each ACPI table to DIR/NAME.dat (facp.dat, ...); makes @dir. */
int boot_dump_acpi(const char *dir, const struct platform *platform,
		   struct err *err);

#endif
