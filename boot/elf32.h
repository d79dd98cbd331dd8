/*
 * The headers of 32-bit ELF files as their 64-bit equivalents, so that one
 * loader does for both. Main thread.
 */
#ifndef BOOT_ELF32_H
#define BOOT_ELF32_H

#include <elf.h>

void elf32_widen_header(const Elf32_Ehdr *from, Elf64_Ehdr *ret_header);
void elf32_widen_segment(const Elf32_Phdr *from, Elf64_Phdr *ret_segment);

#endif
