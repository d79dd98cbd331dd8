/*
 * The BIOS data area of a PC, with what is looked up there by kernels that were
 * written for machines with a BIOS: where low memory ends, and the serial port.
 * Xen, for one, puts its trampoline below that end. And real mode's interrupt
 * vectors, so that a kernel that calls the BIOS is told that there is none, and
 * does not run whatever lies at 0: Xen asks for memory, disks and video.
 */
#ifndef BOOT_BDA_H
#define BOOT_BDA_H

#include "boot/platform.h"
#include "core/err.h"

#define BDA_START 0ULL /* with the vectors */
#define BDA_END	  0x500ULL

int bda_write(const struct platform *platform, struct err *err);

#endif
