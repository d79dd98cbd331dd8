#include "boot/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "boot/acpi.h"
#include "boot/bzimage.h"
#include "boot/e820.h"
#include "boot/elf.h"
#include "boot/fdt.h"
#include "boot/file.h"
#include "boot/layout.h"
#include "boot/linux_params.h"
#include "boot/paging.h"
#include "boot/pvh.h"
#include "core/util.h"

#define PAGE_BYTES 4096

/* boot.rst, "64-bit Boot Protocol": behind the protected-mode code's start. */
#define BZIMAGE_ENTRY64 0x200

/* Where setup_data begins to exist. */
#define PROTOCOL_SETUP_DATA 0x0209

enum kernel_kind {
	KERNEL_BZIMAGE,
	KERNEL_ELF,
};

/* The state of one boot_load. */
struct load {
	const struct boot_request *request; /* borrowed */
	const struct platform *platform; /* borrowed */
	const struct gmem *gmem; /* borrowed */
	struct boot_file kernel; /* owned */
	enum kernel_kind kind;
	struct bzimage bzimage; /* KERNEL_BZIMAGE */
	struct elf_image elf; /* ELF, or the payload when it is loaded */
	struct elf_notes notes; /* of the same */
	struct linux_params params;
	gpa_t kernel_end;
	char *cmdline; /* owned */
	struct boot_result result;
};

static void load_release(struct load *load)
{
	boot_file_close(&load->kernel);
	free(load->cmdline);
	load->cmdline = NULL;
}

/* --- What the kernel file is ---------------------------------------------- */

static int wrong_kind(const struct load *load, const char *is,
		      const char *wanted, struct err *err)
{
	return err_set(err, EINVAL, "kernel %s is %s, not %s; leave --boot out",
		       load->kernel.path, is, wanted);
}

static int examine_bzimage(struct load *load, const uint8_t *head, size_t len,
			   struct err *err)
{
	struct bzimage *image = &load->bzimage;
	enum boot_protocol protocol = load->request->protocol;
	bool known;
	int rc = bzimage_open(&load->kernel, head, len, image, err);

	if (rc)
		return rc;
	load->kind = KERNEL_BZIMAGE;
	load->params.header = image->header;
	load->result.is_linux = true;
	load->result.payload = compression_name(image->format);
	known = image->format != COMPRESSION_UNKNOWN;
	if (protocol == BOOT_PROTOCOL_AUTO)
		protocol = known && bzimage_is_64bit(image) ?
				   BOOT_PROTOCOL_BZIMAGE :
				   BOOT_PROTOCOL_BZIMAGE_ENTRY;
	if (protocol == BOOT_PROTOCOL_ELF64)
		protocol = BOOT_PROTOCOL_BZIMAGE;
	if (protocol != BOOT_PROTOCOL_BZIMAGE_ENTRY && !known)
		return err_set(err, EINVAL,
			       "kernel %s has a payload of unknown format; use "
			       "--boot bzimage-entry",
			       load->kernel.path);
	load->result.protocol = protocol;
	return 0;
}

static int examine_elf(struct load *load, struct err *err)
{
	enum boot_protocol protocol = load->request->protocol;
	bool linux_layout;
	gpa_t entry;
	int rc;

	if (protocol == BOOT_PROTOCOL_BZIMAGE ||
	    protocol == BOOT_PROTOCOL_BZIMAGE_ENTRY)
		return wrong_kind(load, "an ELF file", "a Linux bzImage", err);
	rc = elf_open_file(&load->kernel, load->gmem, &load->elf, err);
	if (!rc)
		rc = elf_read_notes(&load->elf, true, &load->notes, err);
	if (rc)
		return rc;
	load->kind = KERNEL_ELF;
	load->result.payload = compression_name(COMPRESSION_NONE);
	load->result.is_linux = load->notes.is_linux;
	/* An image of another kind may have a PVH entry only. */
	if (!elf_entry(&load->elf, &entry, &linux_layout, NULL))
		load->result.is_linux |= linux_layout;
	/* PVH has no place for a device tree. */
	if (protocol == BOOT_PROTOCOL_AUTO)
		protocol = load->notes.has_pvh && !load->result.is_linux &&
					   !load->request->fdt ?
				   BOOT_PROTOCOL_PVH :
				   BOOT_PROTOCOL_ELF64;
	load->result.protocol = protocol;
	return 0;
}

/* Opens the kernel and finds out what it is, without touching the guest. */
static int examine_kernel(struct load *load, struct err *err)
{
	uint8_t head[BZIMAGE_HEAD_BYTES];
	size_t len;
	int rc = boot_file_open(load->request->kernel_path, "kernel",
				&load->kernel, err);

	if (rc)
		return rc;
	len = (size_t)min_u64(sizeof(head), load->kernel.size_bytes);
	rc = boot_file_read(&load->kernel, 0, head, len, err);
	if (rc)
		return rc;
	linux_params_header(&load->params.header);
	if (elf_is(head, len))
		return examine_elf(load, err);
	if (bzimage_is(head, len))
		return examine_bzimage(load, head, len, err);
	return err_set(err, ENOEXEC,
		       "kernel %s is neither a Linux bzImage nor a 64-bit ELF "
		       "file, or is cut off near its beginning",
		       load->kernel.path);
}

/* --- Putting it into memory ----------------------------------------------- */

static int load_kernel(struct load *load, struct err *err)
{
	struct bzimage *image = &load->bzimage;
	int rc;

	if (load->result.protocol == BOOT_PROTOCOL_BZIMAGE_ENTRY)
		return bzimage_load_whole(image, load->gmem,
					  &load->params.kernel_start,
					  &load->kernel_end, err);
	if (load->kind == KERNEL_ELF) {
		rc = elf_load_file(&load->elf, err);
	} else {
		rc = elf_load_compressed(&image->payload, image->format,
					 image->plain_bytes, load->gmem,
					 &load->elf, err);
		if (!rc)
			rc = elf_read_notes(&load->elf, false, &load->notes,
					    err);
	}
	load->kernel_end = load->elf.end;
	return rc;
}

/* As high as the kernel takes it, to be out of the way of everything. */
static int place_initrd(struct load *load, uint64_t size_bytes, struct err *err)
{
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
			       load->request->initrd_path,
			       align_up(size_bytes, MIB) / MIB,
			       load->gmem->size_bytes / MIB);
	load->params.initrd = align_down(limit - size_bytes, PAGE_BYTES);
	load->params.initrd_bytes = size_bytes;
	return 0;
}

static int load_initrd(struct load *load, bool place_only, struct err *err)
{
	struct boot_file file;
	void *to;
	int rc;

	if (!load->request->initrd_path)
		return 0;
	rc = boot_file_open(load->request->initrd_path, "initrd", &file, err);
	if (rc)
		return rc;
	rc = place_initrd(load, file.size_bytes, err);
	to = gmem_ptr(load->gmem, load->params.initrd,
		      load->params.initrd_bytes);
	if (!rc && to && !place_only)
		rc = boot_file_read(&file, 0, to, (size_t)file.size_bytes, err);
	boot_file_close(&file);
	return rc;
}

static int make_cmdline(struct load *load, struct err *err)
{
	const struct boot_request *request = load->request;
	bool is_linux = load->result.is_linux;
	const char *text = request->cmdline ? request->cmdline :
			   is_linux	    ? BOOT_LINUX_CMDLINE :
					      "";
	const char *suffix = is_linux && request->linux_cmdline_suffix ?
				     request->linux_cmdline_suffix :
				     "";
	size_t len = strlen(text) + strlen(suffix) + (*suffix ? 1 : 0);
	size_t max = (size_t)min_u64(load->params.header.cmdline_size,
				     LAYOUT_CMDLINE_SIZE - 1);

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
			       load->kernel.path);
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
	if (load->result.protocol != BOOT_PROTOCOL_BZIMAGE_ENTRY)
		return elf_entry(&load->elf, &entry->rip, &linux_layout, err);
	if (bzimage_is_64bit(&load->bzimage)) {
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
	e820_build(load->platform, &map);
	return linux_params_write(load->gmem, &load->params, &map, err);
}

static int write_tables(struct load *load, struct err *err)
{
	const struct boot_request *request = load->request;
	int rc = 0;

	if (gmem_write(load->gmem, LAYOUT_CMDLINE, load->cmdline,
		       strlen(load->cmdline) + 1))
		return err_set(err, ENOMEM, "no room for the command line");
	if (request->acpi)
		rc = acpi_write(load->platform, load->gmem, &load->params.rsdp,
				err);
	if (!rc && request->fdt)
		rc = write_fdt(load, err);
	if (rc)
		return rc;
	if (load->result.protocol == BOOT_PROTOCOL_PVH)
		rc = enter_pvh(load, err);
	else
		rc = enter_linux_style(load, err);
	return rc ? rc : paging_write(load->gmem, &load->result.entry, err);
}

static void load_init(struct load *load, const struct boot_request *request,
		      const struct platform *platform)
{
	*load = (struct load){
		.request = request,
		.platform = platform,
		.gmem = platform->gmem,
		.kernel.fd = -1,
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
	rc = examine_kernel(&load, err);
	if (!rc)
		rc = make_cmdline(&load, err);
	if (!rc)
		rc = load_kernel(&load, err);
	if (!rc)
		rc = load_initrd(&load, false, err);
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
		rc = examine_kernel(&load, err);
	if (!rc)
		rc = make_cmdline(&load, err);
	if (!rc)
		rc = load_initrd(&load, true, err);
	if (!rc)
		rc = dump_tree(path, &load, err);
	load_release(&load);
	return rc;
}
