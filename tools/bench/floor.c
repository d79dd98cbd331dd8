/*
 * The floor of the start benchmark: the fewest system calls that run a tiny
 * guest to its write to the debug-exit port. No interrupt controller, no CPUID,
 * no thread, no check that a monitor for use would make; what a monitor takes
 * above this is its own.
 *
 *   floor GUEST.elf [MIB]
 *
 * Knows two ports: a byte to the serial port goes to standard output, a byte to
 * 0xf4 ends with status (value << 1) | 1. Everything else ends with 2.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PORT_SERIAL	0x3f8
#define PORT_DEBUG_EXIT 0xf4

#define DEFAULT_MIB  128
#define MAX_SEGMENTS 8

/* One page each, below the guest's 1 MiB; 2 MiB are mapped. */
#define PML4_GPA 0x1000
#define PDPT_GPA 0x2000
#define PD_GPA	 0x3000

#define PTE_TABLE 0x3
#define PTE_LARGE 0x83

#define CR0_PE_PG (1u | 1u << 31)
#define CR4_PAE	  (1u << 5)
#define EFER_LONG (1u << 8 | 1u << 10)

static _Noreturn void give_up(const char *what)
{
	ssize_t ignored = write(2, what, strlen(what));

	ignored += write(2, "\n", 1);
	_exit(ignored < 0 ? 3 : 2);
}

/* The entry address. */
static uint64_t load(const char *path, uint8_t *memory, uint64_t size)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[MAX_SEGMENTS];
	} elf;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &elf, sizeof(elf), 0) != sizeof(elf))
		give_up("floor: cannot read the guest");
	if (memcmp(elf.header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.header.e_phoff != sizeof(elf.header) ||
	    elf.header.e_phnum > MAX_SEGMENTS)
		give_up("floor: not a guest of this benchmark");
	for (unsigned int i = 0; i < elf.header.e_phnum; i++) {
		const Elf64_Phdr *s = &elf.segments[i];

		if (s->p_type != PT_LOAD)
			continue;
		if (s->p_paddr > size || s->p_filesz > size - s->p_paddr ||
		    pread(fd, memory + s->p_paddr, s->p_filesz,
			  (off_t)s->p_offset) != (ssize_t)s->p_filesz)
			give_up("floor: a segment cannot be loaded");
	}
	return elf.header.e_entry;
}

static void map_identity(uint8_t *memory)
{
	*(uint64_t *)(void *)(memory + PML4_GPA) = PDPT_GPA | PTE_TABLE;
	*(uint64_t *)(void *)(memory + PDPT_GPA) = PD_GPA | PTE_TABLE;
	*(uint64_t *)(void *)(memory + PD_GPA) = PTE_LARGE;
}

static void set_registers(int vcpu, uint64_t entry)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_segment flat = {
		.limit = 0xffffffff,
		.selector = 0x18,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		give_up("floor: KVM_GET_SREGS");
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	sregs.cs = flat;
	sregs.cs.selector = 0x10;
	sregs.cs.type = 11;
	sregs.cs.db = 0;
	sregs.cs.l = 1;
	sregs.cr0 = CR0_PE_PG;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LONG;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		give_up("floor: KVM_SET_SREGS or KVM_SET_REGS");
}

static _Noreturn void run(int vcpu, const struct kvm_run *run)
{
	for (;;) {
		const uint8_t *data;

		if (ioctl(vcpu, KVM_RUN, 0) < 0)
			give_up("floor: KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO ||
		    run->io.direction != KVM_EXIT_IO_OUT)
			give_up("floor: an exit that it does not know");
		data = (const uint8_t *)run + run->io.data_offset;
		if (run->io.port == PORT_DEBUG_EXIT)
			_exit((*data << 1 | 1) & 0xff);
		if (run->io.port == PORT_SERIAL && write(1, data, 1) != 1)
			give_up("floor: standard output");
	}
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : DEFAULT_MIB;
	struct kvm_userspace_memory_region region = {
		.memory_size = mib << 20,
	};
	int kvm, vm, vcpu, run_size;
	uint64_t entry;
	void *memory, *shared;

	if (argc < 2 || mib < 2)
		give_up("usage: floor GUEST.elf [MIB]");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		give_up("floor: no virtual machine from /dev/kvm");
	memory = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		give_up("floor: no memory");
	entry = load(argv[1], memory, region.memory_size);
	map_identity(memory);
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		give_up("floor: KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || run_size < 0)
		give_up("floor: no vCPU");
	shared = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE,
		      MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED)
		give_up("floor: no vCPU");
	set_registers(vcpu, entry);
	run(vcpu, shared);
}
