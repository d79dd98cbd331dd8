#include "vmm/dump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procfs.h>

#include "vmm/dump_linux.h"
#include "vmm/exit_status.h"

#define PAGE_BYTES  4096ULL
/* Written at once, when none of its pages is zero. */
#define CHUNK_BYTES MIB

struct writer {
	int fd;
	uint64_t offset; /* of what comes next */
	int error; /* the first; positive errno */
};

static void write_at(struct writer *to, uint64_t offset, const void *bytes,
		     size_t len)
{
	const char *from = bytes;

	while (len && !to->error) {
		ssize_t done = pwrite(to->fd, from, len, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			to->error = done ? errno : EIO;
			return;
		}
		from += done;
		offset += (uint64_t)done;
		len -= (size_t)done;
	}
}

static void append(struct writer *to, const void *bytes, size_t len)
{
	write_at(to, to->offset, bytes, len);
	to->offset += len;
}

/* --- Notes --- */

static void add_note(FILE *to, const char *name, uint32_t type,
		     const void *desc, size_t len)
{
	static const char zeroes[4];
	const Elf64_Nhdr head = {
		.n_namesz = (Elf64_Word)(strlen(name) + 1),
		.n_descsz = (Elf64_Word)len,
		.n_type = type,
	};

	(void)fwrite(&head, sizeof(head), 1, to);
	(void)fwrite(name, head.n_namesz, 1, to);
	(void)fwrite(zeroes, align_up(head.n_namesz, 4) - head.n_namesz, 1, to);
	(void)fwrite(desc, len, 1, to);
	(void)fwrite(zeroes, align_up(len, 4) - len, 1, to);
}

static int add_vcpu(FILE *to, const struct vcpu *vcpu)
{
	struct elf_prstatus status = { .pr_pid = (pid_t)vcpu->index + 1 };
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	/* The order of struct user_regs_struct, sys/user.h. */
	const uint64_t values[] = {
		regs.r15,	   regs.r14,
		regs.r13,	   regs.r12,
		regs.rbp,	   regs.rbx,
		regs.r11,	   regs.r10,
		regs.r9,	   regs.r8,
		regs.rax,	   regs.rcx,
		regs.rdx,	   regs.rsi,
		regs.rdi,	   UINT64_MAX /* no system call */,
		regs.rip,	   sregs.cs.selector,
		regs.rflags,	   regs.rsp,
		sregs.ss.selector, sregs.fs.base,
		sregs.gs.base,	   sregs.ds.selector,
		sregs.es.selector, sregs.fs.selector,
		sregs.gs.selector,
	};

	_Static_assert(sizeof(values) == sizeof(status.pr_reg),
		       "as many registers as the note has");
	memcpy(&status.pr_reg, values, sizeof(values));
	add_note(to, "CORE", NT_PRSTATUS, &status, sizeof(status));
	return 0;
}

/* The caller's (free). */
static int make_notes(const struct dump *dump, const struct vmcoreinfo *info,
		      char **ret_notes, size_t *ret_len)
{
	FILE *to = open_memstream(ret_notes, ret_len);
	int rc = 0;

	if (!to)
		return -ENOMEM;
	for (unsigned int i = 0; i < dump->vcpu_count && !rc; i++)
		rc = add_vcpu(to, &dump->vcpus[i]);
	if (info->len)
		add_note(to, VMCOREINFO_NAME, 0, info->text, info->len);
	if (fclose(to) && !rc)
		rc = -ENOMEM;
	return rc;
}

/* --- The file --- */

struct layout {
	Elf64_Phdr headers[2 + GMEM_MAX_REGIONS];
	unsigned int count;
};

static void add_header(struct layout *layout, Elf64_Phdr header)
{
	layout->headers[layout->count++] = header;
}

/*
 * Linux' RAM is told by the direct map's addresses, and the part in which it is
 * a second time by those that it was linked for. The memory of any other guest
 * is told by its physical addresses, which is where small kernels have it; that
 * of a Linux whose map was not found has none.
 */
static void plan(const struct gmem *gmem, const struct linux_maps *maps,
		 size_t notes_len, struct layout *layout)
{
	/* Aligned as memory is, so that the holes are. */
	const uint64_t offset = align_up(PAGE_BYTES + notes_len, PAGE_BYTES);
	const struct gmem_region *in = &gmem->regions[0];

	add_header(layout, (Elf64_Phdr){ .p_type = PT_NOTE,
					 .p_offset = PAGE_BYTES,
					 .p_filesz = notes_len,
					 .p_memsz = notes_len });
	for (unsigned int i = 0; i < gmem->region_count; i++) {
		const struct gmem_region *region = &gmem->regions[i];
		uint64_t vaddr = region->start;

		if (maps->is_linux)
			vaddr = maps->direct_map ?
					maps->direct_map + region->start :
					0;
		if (maps->kernel >= region->start)
			in = region;
		add_header(layout,
			   (Elf64_Phdr){
				   .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_W | PF_X,
				   .p_offset = offset + region->file_offset,
				   .p_paddr = region->start,
				   .p_vaddr = vaddr,
				   .p_filesz = region->size_bytes,
				   .p_memsz = region->size_bytes,
			   });
	}
	if (!maps->kernel_bytes)
		return;
	add_header(layout, (Elf64_Phdr){
				   .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_W | PF_X,
				   .p_offset = offset + in->file_offset +
					       (maps->kernel - in->start),
				   .p_paddr = maps->kernel,
				   .p_vaddr = maps->kernel_virtual,
				   .p_filesz = maps->kernel_bytes,
				   .p_memsz = maps->kernel_bytes,
			   });
}

static void write_head(struct writer *to, const struct layout *layout)
{
	const Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(head),
		.e_ehsize = sizeof(head),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)layout->count,
	};

	append(to, &head, sizeof(head));
	append(to, layout->headers, layout->count * sizeof(layout->headers[0]));
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE_BYTES - 1);
}

/* The pages of [from, from + len) that are not zero, in as few writes as
 * there are runs of them. */
static void write_chunk(struct writer *to, const uint8_t *from, uint64_t len,
			uint64_t offset)
{
	uint64_t start = 0;

	for (uint64_t at = 0; at < len; at += PAGE_BYTES) {
		if (!is_zero(from + at))
			continue;
		write_at(to, offset + start, from + start, at - start);
		start = at + PAGE_BYTES;
	}
	if (start < len)
		write_at(to, offset + start, from + start, len - start);
}

static void write_region(const struct dump *dump,
			 const struct gmem_region *region, struct writer *to,
			 uint64_t offset)
{
	uint64_t from = 0, end;

	while (!to->error && gmem_next_data(dump->gmem, region, &from, &end)) {
		while (from < end && !to->error) {
			uint64_t len = min_u64(CHUNK_BYTES, end - from);

			write_chunk(to, region->host + from, len,
				    offset + from);
			from += len;
			if (dump->progress)
				dump->progress(region->file_offset + from,
					       dump->gmem->size_bytes);
		}
	}
}

static int write_core(const struct dump *dump, int fd)
{
	struct writer to = { .fd = fd };
	struct layout layout = { 0 };
	struct vmcoreinfo info;
	struct linux_maps maps;
	autofree char *notes = NULL;
	uint64_t offset;
	size_t len = 0;
	int rc;

	vmcoreinfo_find(dump->gmem, &dump->vmcoreinfo, &info);
	linux_maps_find(dump->gmem, &info, &maps);
	rc = make_notes(dump, &info, &notes, &len);
	if (rc)
		return rc;
	plan(dump->gmem, &maps, len, &layout);
	write_head(&to, &layout);
	write_at(&to, PAGE_BYTES, notes, len);
	for (unsigned int i = 0; i < dump->gmem->region_count; i++)
		write_region(dump, &dump->gmem->regions[i], &to,
			     layout.headers[1 + i].p_offset);
	/* What is zero up to the end. */
	offset = layout.headers[1].p_offset + dump->gmem->size_bytes;
	if (!to.error && ftruncate(fd, (off_t)offset) < 0)
		to.error = errno;
	return -to.error;
}

int dump_write(const struct dump *dump, const char *path, struct err *err)
{
	char temporary[PATH_MAX];
	int fd, rc;

	if (snprintf(temporary, sizeof(temporary), "%s.%d.new", path,
		     (int)getpid()) >= (int)sizeof(temporary))
		return err_sys(err, ENAMETOOLONG, "cannot write the dump %s",
			       path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "cannot write the dump %s", path);
	rc = write_core(dump, fd);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(temporary, path) < 0)
		rc = -errno;
	if (!rc)
		return 0;
	unlink(temporary);
	return err_sys(err, -rc, "cannot write the dump %s", path);
}

/* --- When --- */

static bool is_reason(const char *name, size_t len)
{
	for (size_t i = 0; i < exit_status_count; i++) {
		if (strlen(exit_statuses[i].name) == len &&
		    !strncmp(exit_statuses[i].name, name, len))
			return true;
	}
	return (len == 5 && !strncmp(name, "guest", len)) ||
	       (len == 3 && !strncmp(name, "all", len));
}

int dump_check_reasons(const char *names, struct err *err)
{
	while (1) {
		size_t len = strcspn(names, ",");

		if (!is_reason(names, len))
			return err_set(
				err, EINVAL,
				"--dump-on: %.*s is no way for a run to "
				"end; there are panic, timeout, fail-on, "
				"triple-fault, kvm, guest, all and so on",
				(int)min_u64(len, 64), names);
		if (!names[len])
			return 0;
		names += len + 1;
	}
}

bool dump_is_wanted(const char *names, const char *reason)
{
	while (*names) {
		size_t len = strcspn(names, ",");

		if ((len == strlen(reason) && !strncmp(names, reason, len)) ||
		    (len == 3 && !strncmp(names, "all", len)))
			return true;
		names += len + (names[len] == ',');
	}
	return false;
}
