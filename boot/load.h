/*
 * From files to a guest that can start: reads the kernel and initrd into guest
 * memory, writes the tables, and says in which state vCPU 0 enters.
 *
 * Runs on the main thread before any vCPU, on guest memory that nobody has
 * written yet. Nothing is kept open or allocated when it returns.
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
	BOOT_PROTOCOL_MULTIBOOT, /* Multiboot 0.6.96 */
	BOOT_PROTOCOL_MULTIBOOT2, /* Multiboot2 2.0 */
	BOOT_PROTOCOL_FLAT, /* boot_request.flat; chosen by that alone */
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
	/* "FILE[@ADDRESS]", see boot/flat.h, instead of kernel_path; or NULL */
	const char *flat;
	enum boot_mode flat_mode;
	/* "FILE[ WORDS]" of each module for a multiboot kernel. */
	char *const *modules;
	unsigned int module_count;
	bool acpi; /* write ACPI tables */
	bool fdt; /* hand the device tree over (SETUP_DTB) */
	/* Linux' random seed follows from it; NULL: from the host. */
	const uint64_t *seed;
};

struct boot_result {
	struct boot_entry entry;
	enum boot_protocol protocol; /* the one that was used, never AUTO */
	const char *payload; /* "gzip", "xz", ..., "none"; constant string */
	bool is_linux; /* the command line is a Linux one */
	/* Where things are in the guest; sizes of 0: there are none. */
	gpa_t kernel;
	uint64_t kernel_bytes; /* with its .bss */
	/* How far behind where it was linked a multiboot2 header has it put;
	 * wraps where that is below. */
	uint64_t kernel_moved_by;
	gpa_t initrd; /* or the first module */
	uint64_t initrd_bytes;
	gpa_t cmdline;
	uint64_t cmdline_bytes; /* with its end */
	gpa_t acpi;
	uint64_t acpi_bytes; /* the RSDP comes first */
};

/*
 * Whether a kernel of this protocol counts on what a PC with a BIOS has, and
 * on what QEMU adds for test kernels: multiboot ones and flat binaries do.
 */
bool boot_is_bare(enum boot_protocol protocol);

/*
 * The protocol that boot_load would choose, found out from the headers of the
 * files alone; AUTO when it would fail, which is left to it to say.
 */
enum boot_protocol boot_probe(const struct boot_request *request,
			      const struct gmem *gmem);

/*
 * What AUTO does, by the file's content:
 * - a bzImage (boot.rst's "HdrS") is Linux. Its payload is decompressed on the
 *   host and entered in long mode (BZIMAGE). A payload in an unknown format,
 *   and a kernel without a 64-bit entry, start at the image's own entry
 *   (BZIMAGE_ENTRY);
 * - an ELF file is Linux when a note's owner is "Linux", or Xen's GUEST_OS note
 *   says "linux", or it is laid out as Linux is: e_entry is a physical address
 *   in a segment linked at 0xffffffff80000000 plus its physical address. Linux
 *   starts at e_entry (ELF64). Another ELF file starts at its PVH entry when it
 *   has one and neither a device tree nor modules are asked for (PVH), else
 *   through its multiboot header (MULTIBOOT, or MULTIBOOT2 without the older
 *   one), else at e_entry (ELF64). A 32-bit ELF file has to have one of the
 *   first two, and its multiboot header is preferred;
 * - another file with a multiboot header that gives addresses is loaded by
 *   these;
 * - a PE file that is no bzImage is a unified kernel image: what is in its
 *   section .linux is treated as above, .initrd and .cmdline stand in for an
 *   initrd and a command line that are not given.
 * A bzImage with ELF64 is treated as with BZIMAGE, with PVH it is decompressed
 * and entered at its PVH entry.
 *
 * The hand-over. ELF64 and BZIMAGE, in long mode, the first 4 GiB mapped onto
 * themselves, interrupts off, segments as in boot/entry.h:
 *	rip	e_entry as a physical address
 *	rsi	gpa of Linux' boot_params: the e820 map, the command line
 *		(NUL-terminated, below 1 MiB), initrd, RSDP, and in setup_data
 *		the device tree when it is asked for and a seed for Linux
 *	rdi	not for Linux: gpa of the device tree, 0 without one
 *	rdx	not for Linux: gpa of the command line
 *	rsp	not for Linux: the end of 64 KiB of free memory
 * and 0 in all others. BZIMAGE_ENTRY is the same at 0x200 behind the beginning
 * of the protected-mode part where the kernel has a 64-bit entry; else it is
 * protected mode without paging at that beginning. PVH is protected mode
 * without paging with ebx = gpa of hvm_start_info (version 1), initrd as its
 * one module, and 0 in all others; it has no way to pass a device tree.
 * MULTIBOOT and MULTIBOOT2 are the same with eax = the boot loader's magic and
 * ebx = gpa of the information. A relocatable image lies where its header
 * wants it. The modules lie behind the kernel, or below one that was moved up,
 * and behind those of its sections that no segment loads; the initrd, where
 * there is one, is the first of them. As with other loaders, the command line
 * begins with the path of the kernel, and a module's text with its own.
 * FLAT enters at the binary's first byte: long and protected mode as ELF64 that
 * is not Linux; real mode with CS:IP of a segment that starts at a multiple of
 * 64 KiB (0x7c00 is 0000:7c00), 0 in the other segments, SP = 0x7c00, and
 * nothing handed over: fw_cfg has the command line and the memory map.
 *
 * The tables that the guest is entered with lie below 1 MiB (boot/layout.h);
 * what is loaded there must not meet them (boot/place.h), and Linux and PVH
 * kernels may not lie there at all. Else than as a module, the initrd lies as
 * high below the PCI hole as the kernel takes it.
 *
 * -EINVAL or -ENOENT ... with a sentence for whatever is wrong with the files;
 * guest memory may then be partly written.
 */
int boot_load(const struct boot_request *request,
	      const struct platform *platform, struct boot_result *ret_result,
	      struct err *err);

/*
 * Writes the flattened device tree of @platform to the file @path, with the
 * command line and the initrd as boot_load would pass them.
 */
int boot_dump_fdt(const char *path, const struct boot_request *request,
		  const struct platform *platform, struct err *err);

/* Writes each ACPI table to DIR/NAME.dat (facp.dat, ...); makes @dir. */
int boot_dump_acpi(const char *dir, const struct platform *platform,
		   struct err *err);

#endif
