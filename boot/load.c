#include "boot/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "boot/acpi.h"
#include "boot/bda.h"
#include "boot/e820.h"
#include "boot/fdt.h"
#include "boot/kernel.h"
#include "boot/layout.h"
#include "boot/linux_params.h"
#include "boot/modules.h"
#include "boot/multiboot.h"
#include "boot/paging.h"
#include "boot/pvh.h"
#include "boot/reset_vector.h"
#include "core/util.h"

#define PAGE_BYTES 4096

/* boot.rst, "64-bit Boot Protocol": behind the protected-mode code's start. */
#define BZIMAGE_ENTRY64 0x200

/* Where setup_data begins to exist. */
#define PROTOCOL_SETUP_DATA 0x0209

/* The state of one boot_load. */
struct load {
	const struct boot_request *request; /* borrowed */
	const struct platform *platform; /* borrowed */
	const struct gmem *gmem; /* borrowed */
	struct kernel kernel;
	struct elf_image elf; /* as loaded: the kernel's, or its payload */
	struct elf_notes notes; /* of the same */
	struct linux_params params;
	gpa_t kernel_end;
	struct place_room room; /* for what comes with a multiboot kernel */
	struct elf_sections sections;
	struct module_list modules;
	char *cmdline; /* owned */
	struct boot_result result;
};

static void load_release(struct load *load)
{
	kernel_release(&load->kernel);
	elf_sections_release(&load->sections);
	free(load->cmdline);
	load->cmdline = NULL;
}

bool boot_is_bare(enum boot_protocol protocol)
{
	return protocol == BOOT_PROTOCOL_MULTIBOOT ||
	       protocol == BOOT_PROTOCOL_MULTIBOOT2 ||
	       protocol == BOOT_PROTOCOL_FLAT;
}

static bool is_multiboot(const struct load *load)
{
	return load->result.protocol == BOOT_PROTOCOL_MULTIBOOT ||
	       load->result.protocol == BOOT_PROTOCOL_MULTIBOOT2;
}

enum boot_protocol boot_probe(const struct boot_request *request,
			      const struct gmem *gmem)
{
	struct kernel kernel;
	enum boot_protocol protocol = BOOT_PROTOCOL_AUTO;

	if (!kernel_examine(&kernel, request, gmem, NULL))
		protocol = kernel.protocol;
	kernel_release(&kernel);
	return protocol;
}

/* What the kernel is and what follows from that; the guest is not touched. */
static int examine(struct load *load, struct err *err)
{
	struct kernel *kernel = &load->kernel;
	int rc = kernel_examine(kernel, load->request, load->gmem, err);

	if (rc)
		return rc;
	linux_params_header(&load->params.header);
	if (kernel->kind == KERNEL_BZIMAGE)
		load->params.header = kernel->bzimage.header;
	load->elf = kernel->elf;
	load->notes = kernel->notes;
	load->result.protocol = kernel->protocol;
	load->result.payload = kernel->payload;
	load->result.is_linux = kernel->is_linux;
	return 0;
}

/* --- Putting it into memory ----------------------------------------------- */

static int load_elf(struct load *load, struct err *err)
{
	const struct bzimage *image = &load->kernel.bzimage;
	int rc;

	if (load->kernel.kind == KERNEL_ELF) {
		rc = elf_load_file(&load->elf, err);
	} else {
		rc = elf_load_compressed(&image->payload, image->format,
					 image->plain_bytes, load->gmem,
					 &load->elf, err);
		if (!rc)
			rc = elf_read_notes(&load->elf, false, &load->notes,
					    err);
	}
	load->result.kernel = load->elf.start;
	load->kernel_end = load->elf.end;
	return rc;
}

static int load_flat(struct load *load, struct err *err)
{
	const struct boot_file *file = &load->kernel.file;
	gpa_t start = load->kernel.flat.address;

	load->result.kernel = start;
	load->kernel_end = start + file->size_bytes;
	/* flat_check saw that it fits. */
	return boot_file_read(file, 0,
			      gmem_ptr(load->gmem, start, file->size_bytes),
			      (size_t)file->size_bytes, err);
}

/* Behind the kernel; below it where it was moved and there is more room. Never
 * below 1 MiB. */
static struct place_room room_beside(const struct load *load)
{
	const struct place_room below = {
		.start = LAYOUT_KERNEL_MIN,
		.end = load->result.kernel,
	};
	const struct place_room behind = {
		.start = max_u64(load->kernel_end, LAYOUT_KERNEL_MIN),
		.end = gmem_low_end(load->gmem),
	};

	if (load->kernel.multiboot.is_relocatable && below.end > below.start &&
	    below.end - below.start > behind.end - behind.start)
		return below;
	return behind;
}

static int load_kernel(struct load *load, struct err *err)
{
	const struct multiboot_image *image = &load->kernel.multiboot;
	int rc;

	if (load->kernel.kind == KERNEL_FLAT) {
		rc = load_flat(load, err);
	} else if (load->kernel.kind == KERNEL_ADDRESSES) {
		load->result.kernel = image->load;
		load->kernel_end = image->end;
		rc = multiboot_load(image, &load->kernel.file, load->gmem, err);
	} else if (load->result.protocol == BOOT_PROTOCOL_BZIMAGE_ENTRY) {
		rc = bzimage_load_whole(&load->kernel.bzimage, load->gmem,
					&load->params.kernel_start,
					&load->kernel_end, err);
		load->result.kernel = load->params.kernel_start;
	} else {
		rc = load_elf(load, err);
	}
	load->result.kernel_bytes = load->kernel_end - load->result.kernel;
	load->result.kernel_moved_by = image->moved_by;
	load->room = room_beside(load);
	if (!rc && is_multiboot(load) && load->kernel.kind == KERNEL_ELF)
		rc = elf_sections_load(&load->elf, &load->room, &load->sections,
				       err);
	return rc;
}

/* As high as the kernel takes it, to be out of the way of everything. */
static int place_initrd(struct load *load, const struct boot_file *file,
			struct err *err)
{
	uint64_t size_bytes = file->size_bytes;
	gpa_t limit = gmem_low_end(load->gmem);
	uint32_t max = load->params.header.initrd_addr_max;

	if (max)
		limit = min_u64(limit, (gpa_t)max + 1);
	if (size_bytes > limit ||
	    align_down(limit - size_bytes, PAGE_BYTES) <
		    max_u64(load->kernel_end, LAYOUT_KERNEL_MIN))
		return err_set(err, ENOMEM,
			       "initrd %s (%" PRIu64
			       " MiB) does not fit into %" PRIu64
			       " MiB of guest memory beside the kernel; use "
			       "--memory",
			       file->path, align_up(size_bytes, MIB) / MIB,
			       load->gmem->size_bytes / MIB);
	load->params.initrd = align_down(limit - size_bytes, PAGE_BYTES);
	load->params.initrd_bytes = size_bytes;
	return 0;
}

/* The user's, or that in a unified kernel image; a size of 0: none. */
static int open_initrd(const struct load *load, struct boot_file *ret_file,
		       struct err *err)
{
	const struct uki_section *section = &load->kernel.uki.initrd;

	*ret_file = (struct boot_file){ .fd = -1 };
	if (load->request->initrd_path)
		return boot_file_open(load->request->initrd_path, "initrd",
				      ret_file, err);
	if (section->size_bytes)
		*ret_file = boot_file_part(&load->kernel.whole, section->offset,
					   section->size_bytes);
	return 0;
}

static void close_initrd(const struct load *load, struct boot_file *file)
{
	/* A part of the kernel's file is not ours to close. */
	if (load->request->initrd_path)
		boot_file_close(file);
}

static int load_initrd(struct load *load, bool place_only, struct err *err)
{
	struct boot_file file;
	void *to;
	int rc = open_initrd(load, &file, err);

	if (rc || !file.size_bytes)
		return rc;
	rc = place_initrd(load, &file, err);
	to = gmem_ptr(load->gmem, load->params.initrd,
		      load->params.initrd_bytes);
	if (!rc && to && !place_only)
		rc = boot_file_read(&file, 0, to, (size_t)file.size_bytes, err);
	close_initrd(load, &file);
	load->result.initrd = load->params.initrd;
	load->result.initrd_bytes = load->params.initrd_bytes;
	return rc;
}

/* The initrd, then the modules, one behind the other. */
static int load_modules(struct load *load, struct err *err)
{
	const struct boot_request *request = load->request;
	const struct module *first = &load->modules.modules[0];
	struct boot_file initrd;
	int rc;

	rc = open_initrd(load, &initrd, err);
	if (!rc && initrd.size_bytes)
		rc = modules_add_file(&load->modules, initrd.path, &initrd,
				      &load->room, load->gmem, err);
	close_initrd(load, &initrd);
	for (unsigned int i = 0; i < request->module_count && !rc; i++)
		rc = modules_add(&load->modules, request->modules[i],
				 &load->room, load->gmem, err);
	if (!rc && load->modules.count) {
		load->result.initrd = first->start;
		load->result.initrd_bytes = first->size_bytes;
	}
	return rc;
}

static int load_beside(struct load *load, struct err *err)
{
	if (is_multiboot(load))
		return load_modules(load, err);
	if (load->request->module_count)
		return err_set(err, EINVAL,
			       "%s %s is no multiboot kernel and takes no "
			       "--module; use --initrd",
			       load->kernel.file.what, load->kernel.file.path);
	return load_initrd(load, false, err);
}

static int join_cmdline(struct load *load, const char *text, struct err *err)
{
	const char *suffix = load->result.is_linux ?
				     load->request->linux_cmdline_suffix :
				     NULL;
	size_t max = (size_t)min_u64(load->params.header.cmdline_size,
				     LAYOUT_CMDLINE_SIZE - 1);
	size_t len;

	if (!suffix)
		suffix = "";
	len = strlen(text) + strlen(suffix) + (*suffix ? 1 : 0);
	if (len > max)
		return err_set(err, E2BIG,
			       "the command line has %zu characters, %zu more "
			       "than the kernel takes",
			       len, len - max);
	load->cmdline = malloc(len + 1);
	if (!load->cmdline)
		return err_set(err, ENOMEM, "no memory for the command line");
	snprintf(load->cmdline, len + 1, "%s%s%s", text, *suffix ? " " : "",
		 suffix);
	return 0;
}

static int make_cmdline(struct load *load, struct err *err)
{
	const struct boot_request *request = load->request;
	autofree char *of_uki = NULL;
	const char *text = request->cmdline;
	int rc;

	if (!text && load->kernel.uki.cmdline.size_bytes) {
		rc = uki_read_cmdline(&load->kernel.whole, &load->kernel.uki,
				      &of_uki, err);
		if (rc)
			return rc;
		text = of_uki;
	}
	if (!text)
		text = load->result.is_linux ? BOOT_LINUX_CMDLINE : "";
	return join_cmdline(load, text, err);
}

static struct fdt_chosen fdt_chosen_of(const struct load *load)
{
	return (struct fdt_chosen){
		.bootargs = load->cmdline,
		.initrd_start = load->params.initrd,
		.initrd_end = load->params.initrd + load->params.initrd_bytes,
	};
}

static int write_fdt(struct load *load, struct err *err)
{
	const struct fdt_chosen chosen = fdt_chosen_of(load);
	size_t room = LAYOUT_FDT_SIZE - LINUX_PARAMS_NODE_BYTES;
	void *to = gmem_ptr(load->gmem, LAYOUT_FDT + LINUX_PARAMS_NODE_BYTES,
			    room);
	int rc;

	if (!to)
		return err_set(err, ENOMEM, "no room for the device tree");
	rc = fdt_build(to, room, load->platform, &chosen, err);
	if (!rc)
		load->params.fdt_bytes = (uint32_t)fdt_bytes(to);
	return rc;
}

/* --- The hand-over -------------------------------------------------------- */

static int enter_pvh(struct load *load, struct err *err)
{
	const struct pvh_info info = {
		.initrd = load->params.initrd,
		.initrd_bytes = load->params.initrd_bytes,
		.rsdp = load->params.rsdp,
	};
	struct boot_entry *entry = &load->result.entry;
	struct e820_map map;

	if (!load->notes.has_pvh)
		return err_set(err, EINVAL,
			       "kernel %s has no PVH entry "
			       "(XEN_ELFNOTE_PHYS32_ENTRY); leave --boot out",
			       load->kernel.file.path);
	if (!elf_holds(&load->elf, load->notes.pvh_entry))
		return err_set(err, ENOEXEC,
			       "kernel %s has its PVH entry 0x%" PRIx32
			       " outside of what it loads",
			       load->kernel.file.path, load->notes.pvh_entry);
	e820_build(load->platform, &map);
	entry->mode = BOOT_MODE_PROTECTED;
	entry->rip = load->notes.pvh_entry;
	entry->rbx = LAYOUT_PVH;
	return pvh_write(load->gmem, &info, &map, err);
}

static int find_entry(struct load *load, struct err *err)
{
	struct boot_entry *entry = &load->result.entry;
	bool linux_layout;

	entry->mode = BOOT_MODE_LONG;
	if (load->kernel.kind == KERNEL_FLAT) {
		entry->mode = load->request->flat_mode;
		entry->rip = load->kernel.flat.address;
		return 0;
	}
	if (load->result.protocol != BOOT_PROTOCOL_BZIMAGE_ENTRY)
		return elf_entry(&load->elf, &entry->rip, &linux_layout, err);
	if (bzimage_is_64bit(&load->kernel.bzimage)) {
		entry->rip = load->params.kernel_start + BZIMAGE_ENTRY64;
	} else {
		entry->mode = BOOT_MODE_PROTECTED;
		entry->rip = load->params.kernel_start;
	}
	return 0;
}

static int enter_linux_style(struct load *load, struct err *err)
{
	struct boot_entry *entry = &load->result.entry;
	struct e820_map map;
	int rc = find_entry(load, err);

	if (rc)
		return rc;
	entry->rsi = LAYOUT_BOOT_PARAMS;
	if (!load->result.is_linux) {
		entry->rdx = LAYOUT_CMDLINE;
		entry->rsp = LAYOUT_STACK_TOP;
		if (load->params.fdt_bytes)
			entry->rdi = LAYOUT_FDT + LINUX_PARAMS_NODE_BYTES;
	}
	load->params.rng_seed = load->result.is_linux &&
				load->params.header.version >=
					PROTOCOL_SETUP_DATA;
	load->params.seed = load->request->seed;
	e820_build(load->platform, &map);
	return linux_params_write(load->gmem, &load->params, &map, err);
}

static int enter_multiboot(struct load *load, struct err *err)
{
	const struct multiboot_image *image = &load->kernel.multiboot;
	struct boot_entry *entry = &load->result.entry;
	struct e820_map map;
	const struct multiboot_info info = {
		.image = image,
		.path = load->kernel.file.path,
		.cmdline = load->cmdline,
		.modules = &load->modules,
		.sections = &load->sections,
		.map = &map,
		.low_end = gmem_low_end(load->gmem),
		.load = load->result.kernel,
		.rsdp = load->params.rsdp,
	};
	bool linux_layout;
	int rc = 0;

	if (load->request->fdt)
		return err_set(err, EINVAL,
			       "--fdt on: a multiboot kernel, such as %s, is "
			       "handed no device tree",
			       load->kernel.file.path);
	entry->rip = image->entry;
	if (!image->has_entry)
		rc = elf_entry(&load->elf, &entry->rip, &linux_layout, err);
	else if (!image->has_addresses && !elf_holds(&load->elf, entry->rip))
		rc = err_set(err, ENOEXEC,
			     "kernel %s has its multiboot2 entry 0x%" PRIx64
			     " outside of what it loads",
			     load->kernel.file.path, entry->rip);
	if (rc)
		return rc;
	e820_build(load->platform, &map);
	return multiboot_enter(&info, load->gmem, entry, err);
}

/* 0000:7c00 for a boot sector; see boot_load. */
static void enter_real_mode(struct load *load)
{
	struct boot_entry *entry = &load->result.entry;
	gpa_t start = load->kernel.flat.address;

	entry->mode = BOOT_MODE_REAL;
	entry->cs_base = start & 0xf0000;
	entry->rip = start & 0xffff;
	entry->rsp = FLAT_REAL_ADDRESS;
}

static int enter(struct load *load, struct err *err)
{
	if (load->result.protocol == BOOT_PROTOCOL_PVH)
		return enter_pvh(load, err);
	if (is_multiboot(load))
		return enter_multiboot(load, err);
	return enter_linux_style(load, err);
}

static int write_cmdline(struct load *load, struct err *err)
{
	size_t bytes = strlen(load->cmdline) + 1;

	if (gmem_write(load->gmem, LAYOUT_CMDLINE, load->cmdline, bytes))
		return err_set(err, ENOMEM, "no room for the command line");
	load->result.cmdline = LAYOUT_CMDLINE;
	load->result.cmdline_bytes = bytes;
	return 0;
}

static int write_tables(struct load *load, struct err *err)
{
	const struct boot_request *request = load->request;
	bool is_real = load->kernel.kind == KERNEL_FLAT &&
		       request->flat_mode == BOOT_MODE_REAL;
	int rc = reset_vector_write(load->platform, err);

	if (!rc && boot_is_bare(load->result.protocol))
		rc = bda_write(load->platform, err);
	if (!rc && request->acpi) {
		rc = acpi_write(load->platform, load->gmem, &load->params.rsdp,
				&load->result.acpi_bytes, err);
		load->result.acpi = load->params.rsdp;
	}
	/* The binary may lie where the rest would go. */
	if (!rc && is_real) {
		enter_real_mode(load);
		return 0;
	}
	/* A multiboot kernel may, and finds it in the information. */
	if (!rc && !is_multiboot(load))
		rc = write_cmdline(load, err);
	if (!rc && request->fdt)
		rc = write_fdt(load, err);
	if (!rc)
		rc = enter(load, err);
	return rc ? rc : paging_write(load->gmem, &load->result.entry, err);
}

static void load_init(struct load *load, const struct boot_request *request,
		      const struct platform *platform)
{
	*load = (struct load){
		.request = request,
		.platform = platform,
		.gmem = platform->gmem,
		.kernel.whole.fd = -1,
	};
}

int boot_load(const struct boot_request *request,
	      const struct platform *platform, struct boot_result *ret_result,
	      struct err *err)
{
	struct load load;
	int rc;

	load_init(&load, request, platform);
	if (gmem_low_end(load.gmem) <= LAYOUT_KERNEL_MIN)
		return err_set(err, EINVAL,
			       "a guest needs more than 1 MiB of memory; use "
			       "--memory");
	rc = examine(&load, err);
	if (!rc)
		rc = make_cmdline(&load, err);
	if (!rc)
		rc = load_kernel(&load, err);
	if (!rc)
		rc = load_beside(&load, err);
	if (!rc)
		rc = write_tables(&load, err);
	if (!rc)
		*ret_result = load.result;
	load_release(&load);
	return rc;
}

static int dump_tree(const char *path, struct load *load, struct err *err)
{
	autofree void *buffer = malloc(LAYOUT_FDT_SIZE);
	const struct fdt_chosen chosen = fdt_chosen_of(load);
	int rc;

	if (!buffer)
		return err_set(err, ENOMEM, "no memory for the device tree");
	rc = fdt_build(buffer, LAYOUT_FDT_SIZE, load->platform, &chosen, err);
	return rc ? rc : boot_file_dump(path, buffer, fdt_bytes(buffer), err);
}

int boot_dump_fdt(const char *path, const struct boot_request *request,
		  const struct platform *platform, struct err *err)
{
	struct load load;
	int rc = 0;

	load_init(&load, request, platform);
	linux_params_header(&load.params.header);
	if (request->kernel_path)
		rc = examine(&load, err);
	if (!rc)
		rc = make_cmdline(&load, err);
	if (!rc)
		rc = load_initrd(&load, true, err);
	if (!rc)
		rc = dump_tree(path, &load, err);
	load_release(&load);
	return rc;
}
