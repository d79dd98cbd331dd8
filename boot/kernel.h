/*
 * What the file to boot is, found out without touching the guest: the first
 * half of boot_load, which alone tells what machine a kernel wants. Main
 * thread.
 */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include "boot/bzimage.h"
#include "boot/elf.h"
#include "boot/file.h"
#include "boot/flat.h"
#include "boot/load.h"
#include "boot/multiboot.h"
#include "boot/uki.h"

enum kernel_kind {
	KERNEL_BZIMAGE,
	KERNEL_ELF,
	KERNEL_ADDRESSES, /* a multiboot header says what goes where */
	KERNEL_FLAT,
};

/* Stays where it is: the images point to the files in it. */
struct kernel {
	struct boot_file whole; /* owned */
	struct boot_file file; /* the kernel in it, or all of it */
	bool is_uki;
	struct uki uki; /* places in `whole` */
	enum kernel_kind kind;
	enum boot_protocol protocol; /* never AUTO */
	const char *payload; /* constant string */
	bool is_linux;
	struct bzimage bzimage; /* KERNEL_BZIMAGE */
	struct elf_image elf; /* KERNEL_ELF */
	struct elf_notes notes; /* of the same */
	struct multiboot_image multiboot; /* of the multiboot protocols */
	struct flat flat; /* KERNEL_FLAT, owned */
};

/* Whatever it returns, kernel_release takes @kernel. */
int kernel_examine(struct kernel *kernel, const struct boot_request *request,
		   const struct gmem *gmem, struct err *err);
void kernel_release(struct kernel *kernel);

#endif
