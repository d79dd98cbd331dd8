/*
 * struct boot_entry to KVM's registers. Segment attributes are those of flat
 * segments (SDM vol. 3A, 3.4.5); KVM wants the hidden parts given.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"

#define CR0_PE		0x00000001ULL
#define CR0_ET		0x00000010ULL
#define CR0_NE		0x00000020ULL
#define CR0_PG		0x80000000ULL
#define CR4_PAE		0x20ULL
#define EFER_LME	0x100ULL
#define EFER_LMA	0x400ULL
#define RFLAGS_RESERVED 0x2ULL /* bit 1 reads as one */

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define SELECTOR_TSS  0x20
#define TYPE_CODE     0xb /* execute, read, accessed */
#define TYPE_DATA     0x3 /* read, write, accessed */
#define TYPE_TSS      0xb /* busy 32/64-bit TSS */

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.base = 0,
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
	};
}

static void set_flat_segments(struct kvm_sregs *sregs,
			      const struct boot_entry *entry)
{
	bool is_long = entry->mode == BOOT_MODE_LONG;
	struct kvm_segment code = flat_segment(SELECTOR_CODE, TYPE_CODE);
	struct kvm_segment data = flat_segment(SELECTOR_DATA, TYPE_DATA);

	code.l = is_long;
	code.db = !is_long;
	data.db = 1;
	sregs->cs = code;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67,
		.selector = SELECTOR_TSS,
		.type = TYPE_TSS,
		.present = 1,
	};
	sregs->gdt.base = entry->gdt_gpa;
	sregs->gdt.limit = entry->gdt_limit;
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
}

static void set_mode(struct kvm_sregs *sregs, const struct boot_entry *entry)
{
	switch (entry->mode) {
	case BOOT_MODE_REAL:
		sregs->cs.base = entry->cs_base;
		sregs->cs.selector = (uint16_t)(entry->cs_base >> 4);
		break;
	case BOOT_MODE_PROTECTED:
		set_flat_segments(sregs, entry);
		sregs->cr0 = CR0_PE | CR0_ET;
		break;
	case BOOT_MODE_LONG:
		set_flat_segments(sregs, entry);
		sregs->cr3 = entry->cr3;
		sregs->cr4 |= CR4_PAE;
		sregs->efer |= EFER_LME | EFER_LMA;
		sregs->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
		break;
	}
}

int vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry,
		   struct err *err)
{
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rsp = entry->rsp,
		.rax = entry->rax,
		.rbx = entry->rbx,
		.rcx = entry->rcx,
		.rdx = entry->rdx,
		.rsi = entry->rsi,
		.rdi = entry->rdi,
		.rflags = RFLAGS_RESERVED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return err_sys(err, errno, "KVM_GET_SREGS");
	set_mode(&sregs, entry);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return err_sys(err, errno, "KVM_SET_SREGS");
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return err_sys(err, errno, "KVM_SET_REGS");
	return 0;
}
