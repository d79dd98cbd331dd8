#include "boot/elf32.h"

#include <string.h>

void elf32_widen_header(const Elf32_Ehdr *from, Elf64_Ehdr *ret_header)
{
	Elf64_Ehdr header = {
		.e_type = from->e_type,
		.e_machine = from->e_machine,
		.e_version = from->e_version,
		.e_entry = from->e_entry,
		.e_phoff = from->e_phoff,
		.e_shoff = from->e_shoff,
		.e_flags = from->e_flags,
		.e_ehsize = from->e_ehsize,
		.e_phentsize = from->e_phentsize,
		.e_phnum = from->e_phnum,
		.e_shentsize = from->e_shentsize,
		.e_shnum = from->e_shnum,
		.e_shstrndx = from->e_shstrndx,
	};

	memcpy(header.e_ident, from->e_ident, sizeof(header.e_ident));
	*ret_header = header;
}

void elf32_widen_segment(const Elf32_Phdr *from, Elf64_Phdr *ret_segment)
{
	*ret_segment = (Elf64_Phdr){
		.p_type = from->p_type,
		.p_flags = from->p_flags,
		.p_offset = from->p_offset,
		.p_vaddr = from->p_vaddr,
		.p_paddr = from->p_paddr,
		.p_filesz = from->p_filesz,
		.p_memsz = from->p_memsz,
		.p_align = from->p_align,
	};
}
