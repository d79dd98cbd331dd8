#include "boot/kernel.h"

#include <errno.h>
#include <string.h>

static int wrong_kind(const struct kernel *kernel, const char *is,
		      const char *wanted, struct err *err)
{
	return err_set(err, EINVAL, "kernel %s is %s, not %s; leave --boot out",
		       kernel->file.path, is, wanted);
}

/* 0: not one of the multiboot protocols. */
static unsigned int multiboot_version(enum boot_protocol protocol)
{
	return protocol == BOOT_PROTOCOL_MULTIBOOT  ? 1 :
	       protocol == BOOT_PROTOCOL_MULTIBOOT2 ? 2 :
						      0;
}

/* --- bzImage -------------------------------------------------------------- */

static int examine_bzimage(struct kernel *kernel,
			   const struct boot_request *request,
			   const uint8_t *head, size_t len, struct err *err)
{
	struct bzimage *image = &kernel->bzimage;
	enum boot_protocol protocol = request->protocol;
	bool known;
	int rc;

	if (multiboot_version(protocol))
		return wrong_kind(kernel, "a Linux bzImage",
				  "a multiboot kernel", err);
	rc = bzimage_open(&kernel->file, head, len, image, err);
	if (rc)
		return rc;
	kernel->kind = KERNEL_BZIMAGE;
	kernel->is_linux = true;
	kernel->payload = compression_name(image->format);
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
			       kernel->file.path);
	kernel->protocol = protocol;
	return 0;
}

/* --- Multiboot ------------------------------------------------------------ */

/* Looks for a header of @version, or of any; without one nothing changes. */
static int find_multiboot(struct kernel *kernel, unsigned int version,
			  struct err *err)
{
	int rc =
		multiboot_find(&kernel->file, version, &kernel->multiboot, err);

	if (rc || !kernel->multiboot.version)
		return rc;
	kernel->payload = compression_name(COMPRESSION_NONE);
	kernel->protocol = kernel->multiboot.version == 1 ?
				   BOOT_PROTOCOL_MULTIBOOT :
				   BOOT_PROTOCOL_MULTIBOOT2;
	/* Addresses come before what an ELF header says (Multiboot 0.6.96,
	 * 3.1.2, bit 16). */
	if (kernel->multiboot.has_addresses)
		kernel->kind = KERNEL_ADDRESSES;
	return 0;
}

/* Moves an image that may be moved to where it wants to be. */
static int relocate(struct kernel *kernel, const struct gmem *gmem,
		    struct err *err)
{
	if (!kernel->multiboot.is_relocatable ||
	    !multiboot_version(kernel->protocol))
		return 0;
	return multiboot_relocate(&kernel->multiboot, &kernel->elf,
				  &kernel->file, gmem, err);
}

/* --- ELF ------------------------------------------------------------------ */

/* See boot_load. */
static int choose_for_elf(struct kernel *kernel,
			  const struct boot_request *request, struct err *err)
{
	bool is_32bit = kernel->elf.is_32bit;
	/* PVH has no place for a device tree, and hull none for its modules. */
	bool pvh = kernel->notes.has_pvh && !request->fdt;
	int rc;

	kernel->protocol = BOOT_PROTOCOL_ELF64;
	if (!is_32bit && kernel->is_linux)
		return 0;
	if (is_32bit || request->module_count || !pvh) {
		rc = find_multiboot(kernel, 0, err);
		if (rc || kernel->multiboot.version)
			return rc;
	}
	if (pvh)
		kernel->protocol = BOOT_PROTOCOL_PVH;
	return 0;
}

static int examine_elf(struct kernel *kernel,
		       const struct boot_request *request,
		       const struct gmem *gmem, struct err *err)
{
	enum boot_protocol protocol = request->protocol;
	bool linux_layout;
	gpa_t entry;
	int rc;

	if (protocol == BOOT_PROTOCOL_BZIMAGE ||
	    protocol == BOOT_PROTOCOL_BZIMAGE_ENTRY)
		return wrong_kind(kernel, "an ELF file", "a Linux bzImage",
				  err);
	rc = elf_open_file(&kernel->file, gmem, &kernel->elf, err);
	if (!rc)
		rc = elf_read_notes(&kernel->elf, true, &kernel->notes, err);
	if (rc)
		return rc;
	kernel->kind = KERNEL_ELF;
	kernel->payload = compression_name(COMPRESSION_NONE);
	kernel->protocol = protocol;
	kernel->is_linux = kernel->notes.is_linux;
	/* An image of another kind may have a PVH entry only. */
	if (!elf_entry(&kernel->elf, &entry, &linux_layout, NULL))
		kernel->is_linux |= linux_layout;
	if (protocol == BOOT_PROTOCOL_AUTO)
		rc = choose_for_elf(kernel, request, err);
	if (!rc && kernel->elf.is_32bit &&
	    kernel->protocol == BOOT_PROTOCOL_ELF64)
		return err_set(err, ENOEXEC,
			       "%s %s is a 32-bit ELF file without a multiboot "
			       "header and without a PVH entry; hull starts "
			       "64-bit x86 ones",
			       kernel->file.what, kernel->file.path);
	if (!rc)
		rc = relocate(kernel, gmem, err);
	if (rc || kernel->kind != KERNEL_ELF)
		return rc;
	return elf_check_place(&kernel->elf,
			       multiboot_version(kernel->protocol) ?
				       PLACE_MULTIBOOT :
				       PLACE_HIGH,
			       err);
}

/* --- All ------------------------------------------------------------------ */

static int examine_multiboot(struct kernel *kernel,
			     const struct boot_request *request,
			     const struct gmem *gmem, bool is_elf,
			     struct err *err)
{
	unsigned int version = multiboot_version(request->protocol);
	int rc = find_multiboot(kernel, version, err);

	if (!rc && kernel->kind == KERNEL_ADDRESSES)
		return relocate(kernel, gmem, err);
	if (rc)
		return rc;
	if (version && !kernel->multiboot.version)
		return err_set(err, EINVAL,
			       "kernel %s has no multiboot %u header; leave "
			       "--boot out",
			       kernel->file.path, version);
	if (version && is_elf)
		return examine_elf(kernel, request, gmem, err);
	if (kernel->multiboot.version)
		return err_set(err, ENOEXEC,
			       "kernel %s has a multiboot header without "
			       "addresses and is not an ELF file",
			       kernel->file.path);
	return err_set(err, ENOEXEC,
		       "kernel %s is neither a Linux bzImage nor a 64-bit ELF "
		       "file nor a multiboot kernel, or is cut off near its "
		       "beginning",
		       kernel->file.path);
}

static int read_head(const struct boot_file *file, uint8_t *head,
		     size_t *ret_len, struct err *err)
{
	*ret_len = (size_t)min_u64(BZIMAGE_HEAD_BYTES, file->size_bytes);
	return boot_file_read(file, 0, head, *ret_len, err);
}

/* From now on the kernel is the section of the file that holds it. */
static int enter_uki(struct kernel *kernel, uint8_t *head, size_t *len,
		     struct err *err)
{
	int rc = uki_open(&kernel->whole, &kernel->uki, err);

	if (rc)
		return rc;
	kernel->is_uki = true;
	kernel->file = boot_file_part(&kernel->whole, kernel->uki.kernel.offset,
				      kernel->uki.kernel.size_bytes);
	return read_head(&kernel->file, head, len, err);
}

static int examine_flat(struct kernel *kernel,
			const struct boot_request *request,
			const struct gmem *gmem, struct err *err)
{
	int rc = flat_parse(request->flat, request->flat_mode, &kernel->flat,
			    err);

	if (!rc)
		rc = boot_file_open(kernel->flat.path, "binary", &kernel->whole,
				    err);
	if (!rc)
		rc = flat_check(&kernel->flat, kernel->whole.size_bytes,
				request->flat_mode, gmem, err);
	kernel->file = kernel->whole;
	kernel->kind = KERNEL_FLAT;
	kernel->protocol = BOOT_PROTOCOL_FLAT;
	kernel->payload = compression_name(COMPRESSION_NONE);
	return rc;
}

int kernel_examine(struct kernel *kernel, const struct boot_request *request,
		   const struct gmem *gmem, struct err *err)
{
	uint8_t head[BZIMAGE_HEAD_BYTES];
	bool is_elf;
	size_t len;
	int rc;

	*kernel = (struct kernel){ .whole.fd = -1 };
	if (request->flat)
		return examine_flat(kernel, request, gmem, err);
	rc = boot_file_open(request->kernel_path, "kernel", &kernel->whole,
			    err);
	if (rc)
		return rc;
	kernel->file = kernel->whole;
	rc = read_head(&kernel->file, head, &len, err);
	/* A shorter one is a bzImage that was cut off, if anything. */
	if (!rc && len == sizeof(head) && !bzimage_is(head, len) &&
	    uki_is_pe(head, len))
		rc = enter_uki(kernel, head, &len, err);
	if (rc)
		return rc;
	is_elf = elf_is(head, len);
	if (is_elf && !multiboot_version(request->protocol))
		return examine_elf(kernel, request, gmem, err);
	if (!is_elf && bzimage_is(head, len))
		return examine_bzimage(kernel, request, head, len, err);
	return examine_multiboot(kernel, request, gmem, is_elf, err);
}

void kernel_release(struct kernel *kernel)
{
	boot_file_close(&kernel->whole);
	flat_release(&kernel->flat);
}
