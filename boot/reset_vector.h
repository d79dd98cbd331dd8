/*
 * The reset vector of a PC, F000:FFF0: there is no firmware behind it, only a
 * few instructions that reset the machine. A guest that restarts through the
 * firmware jumps there; Linux does on hardware-reduced ACPI without EFI
 * (arch/x86/kernel/reboot.c: efi_reboot_required, then BOOT_BIOS), although
 * the FADT has a reset register.
 */
#ifndef BOOT_RESET_VECTOR_H
#define BOOT_RESET_VECTOR_H

#include "boot/platform.h"
#include "core/err.h"

/* Without PLATFORM_POWER there is nothing to write, and nothing is. */
int reset_vector_write(const struct platform *platform, struct err *err);

#endif
