/*
 * The ELF note that names the 32-bit entry, for assembly files: the owner is
 * "Xen", type XEN_ELFNOTE_PHYS32_ENTRY (Xen public/elfnote.h). A 64-bit ELF has
 * a descriptor of 8 bytes: QEMU reads that many.
 */
#ifndef GUESTS_NOTE_H
#define GUESTS_NOTE_H

#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* clang-format off */
#define PVH_NOTE(entry)                                                       \
	.pushsection .note.pvh, "a", @note ;                                  \
	.balign 4 ;                                                           \
	.long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY ;                                \
	.asciz "Xen" ;                                                        \
	.quad entry ;                                                         \
	.popsection
/* clang-format on */

#endif
