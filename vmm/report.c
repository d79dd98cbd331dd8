#include "vmm/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/exit_status.h"
#include "vmm/where.h"

#define CR0_PE	  0x1
#define EFER_LMA  0x400
#define RFLAGS_IF 0x200

struct text {
	char *to;
	size_t size;
	size_t used;
};

static void PRINTF_LIKE(2, 3) add(struct text *text, const char *fmt, ...)
{
	va_list args;
	int more;

	va_start(args, fmt);
	more = vsnprintf(text->to + text->used, text->size - text->used, fmt,
			 args);
	va_end(args);
	if (more > 0)
		text->used = min_u64(text->used + (size_t)more, text->size - 1);
}

static const char *mode_name(const struct kvm_sregs *sregs)
{
	if (!(sregs->cr0 & CR0_PE))
		return "real mode";
	if (!(sregs->efer & EFER_LMA))
		return "protected mode";
	return sregs->cs.l ? "64-bit mode" : "compatibility mode";
}

static void add_registers(struct text *text, const struct kvm_regs *regs,
			  const struct kvm_sregs *sregs)
{
	add(text,
	    "  rip %016llx  rsp %016llx  rflags %08llx  %s\n"
	    "  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx\n"
	    "  rsi %016llx  rdi %016llx  rbp %016llx  r8  %016llx\n"
	    "  r9  %016llx  r10 %016llx  r11 %016llx  r12 %016llx\n"
	    "  r13 %016llx  r14 %016llx  r15 %016llx\n",
	    regs->rip, regs->rsp, regs->rflags, mode_name(sregs), regs->rax,
	    regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp,
	    regs->r8, regs->r9, regs->r10, regs->r11, regs->r12, regs->r13,
	    regs->r14, regs->r15);
	add(text,
	    "  cr0 %08llx  cr2 %016llx  cr3 %08llx  cr4 %08llx  efer %llx\n"
	    "  cs %04x base %llx  ss %04x  ds %04x  gdt %llx+%x  idt "
	    "%llx+%x\n",
	    sregs->cr0, sregs->cr2, sregs->cr3, sregs->cr4, sregs->efer,
	    sregs->cs.selector, sregs->cs.base, sregs->ss.selector,
	    sregs->ds.selector, sregs->gdt.base, sregs->gdt.limit,
	    sregs->idt.base, sregs->idt.limit);
}

/* The bytes at the instruction pointer, as far as they are guest RAM. */
static void add_instruction(struct text *text, const struct vcpu *vcpu,
			    const struct kvm_regs *regs,
			    const struct kvm_sregs *sregs)
{
	struct kvm_translation at = {
		.linear_address = sregs->cs.base + regs->rip,
	};

	if (sregs->cs.l)
		at.linear_address = regs->rip;
	add(text, "  instruction bytes at rip:");
	if (ioctl(vcpu->fd, KVM_TRANSLATE, &at) < 0 || !at.valid) {
		add(text, " not mapped\n");
		return;
	}
	for (unsigned int i = 0; i < 15; i++) {
		uint8_t byte;

		if (gmem_read(vcpu->env->gmem, at.physical_address + i, &byte,
			      1) < 0) {
			if (!i)
				add(text, " not guest RAM (address 0x%llx)",
				    at.physical_address);
			break;
		}
		add(text, " %02x", byte);
	}
	add(text, "\n");
}

static void describe_state(struct vcpu *vcpu, struct text *text)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0) {
		add(text, "  registers cannot be read\n");
		return;
	}
	add_registers(text, &regs, &sregs);
	add_instruction(text, vcpu, &regs, &sregs);
}

/* SDM vol. 3C, 24.8 "VM-entry failures"; the number is the exit reason with
 * bit 31 set on Intel, the VMCB's exit code on AMD. */
static const char *entry_failure_meaning(uint64_t reason)
{
	switch (reason) {
	case 0x80000021:
		return "invalid guest state: a register or segment that the "
		       "processor refuses to enter with";
	case 0x80000022:
		return "bad model-specific registers to load on entry";
	case UINT64_MAX:
		return "invalid guest state (AMD-V refused the control block)";
	default:
		return "see the processor's manual for this number";
	}
}

static const char *internal_error_meaning(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "KVM had to emulate an instruction and does not know "
		       "it: usually the guest ran into memory that is not "
		       "RAM, or, where KVM is a software one, used an "
		       "instruction its emulator lacks (see `hull doctor`)";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "a second exception arose while one was delivered, "
		       "probably a broken interrupt table";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an exit came while an interrupt was delivered, "
		       "probably a stack or interrupt table that is not RAM";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "the processor gave an exit reason this kernel does "
		       "not know: a host kernel or nesting problem";
	default:
		return "a suberror that this version of hull does not know";
	}
}

static void add_meaning(struct text *text, const char *meaning)
{
	add(text, "  likely: %s\n", meaning);
}

static void report_internal_error(struct vcpu *vcpu, struct text *text)
{
	const struct kvm_run *run = vcpu->run;
	struct verdict *verdict = vcpu->env->verdict;

	add_meaning(text, internal_error_meaning(run->internal.suberror));
	add(text, "  data:");
	for (uint32_t i = 0;
	     i < run->internal.ndata && i < ARRAY_SIZE(run->internal.data); i++)
		add(text, " %llx", run->internal.data[i]);
	add(text, "\n");
	verdict_done(verdict, EXIT_KVM,
		     "vCPU %u: KVM internal error, suberror %u", vcpu->index,
		     run->internal.suberror);
}

void report_fatal_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct verdict *verdict = vcpu->env->verdict;
	struct text text = { verdict->detail, sizeof(verdict->detail), 0 };

	if (!verdict_take(verdict))
		return;
	describe_state(vcpu, &text);
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		/* arch/x86/kvm/svm/svm.c, shutdown_interception. */
		if (vcpu->env->kvm->flavor == KVM_FLAVOR_SVM)
			add(&text, "  AMD-V loses a vCPU's state here: these "
				   "registers are those after a reset\n");
		add_meaning(&text, "an exception could not be delivered, nor "
				   "the double fault after it: no valid "
				   "interrupt table or stack at this point");
		verdict_done(verdict, EXIT_TRIPLE_FAULT,
			     "vCPU %u: triple fault", vcpu->index);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		add_meaning(
			&text,
			entry_failure_meaning(
				run->fail_entry.hardware_entry_failure_reason));
		verdict_done(
			verdict, EXIT_KVM,
			"vCPU %u: the processor refused to enter the guest, "
			"reason 0x%llx",
			vcpu->index,
			run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		report_internal_error(vcpu, &text);
		break;
	default:
		verdict_done(verdict, EXIT_KVM,
			     "vCPU %u: KVM exit reason %u, which hull does "
			     "not handle",
			     vcpu->index, run->exit_reason);
		break;
	}
}

void report_run_failure(struct vcpu *vcpu, int code)
{
	struct verdict *verdict = vcpu->env->verdict;
	struct text text = { verdict->detail, sizeof(verdict->detail), 0 };

	if (!verdict_take(verdict))
		return;
	describe_state(vcpu, &text);
	if (code == EFAULT || code == ENOMEM)
		add_meaning(&text, "the host could not give the guest a page "
				   "of its memory: out of memory, a cgroup "
				   "limit, or no free huge page");
	verdict_done(verdict, EXIT_KVM, "vCPU %u: KVM_RUN failed: %s",
		     vcpu->index, err_describe(code));
}

static const char *activity_name(uint32_t mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return "running";
	case KVM_MP_STATE_HALTED:
		return "halted";
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
		return "not started";
	default:
		return "waiting to be started";
	}
}

void report_where(const struct vcpu *vcpu, const struct symbols *symbols,
		  char *to, size_t size)
{
	char symbol[SYMBOLS_TEXT_BYTES];
	struct text text = { to, size, 0 };
	struct kvm_mp_state activity;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (!size)
		return;
	to[0] = '\0';
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_MP_STATE, &activity) < 0) {
		add(&text, "  vCPU %u: its state cannot be read\n",
		    vcpu->index);
		return;
	}
	add(&text,
	    "  vCPU %u: %s at rip %llx%s, cs base %llx, rsp %llx, %s, "
	    "interrupts %s\n",
	    vcpu->index, activity_name(activity.mp_state), regs.rip,
	    where_text(vcpu, symbols, regs.rip, symbol), sregs.cs.base,
	    regs.rsp, mode_name(&sregs),
	    regs.rflags & RFLAGS_IF ? "on" : "off");
}
