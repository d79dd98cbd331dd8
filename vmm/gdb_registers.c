#include "vmm/gdb_registers.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define MSR_KERNEL_GS_BASE 0xc0000102

#define CORE	 "org.gnu.gdb.i386.core"
#define SSE	 "org.gnu.gdb.i386.sse"
#define SEGMENTS "org.gnu.gdb.i386.segments"
/* Not one that gdb knows: it shows them among "info registers system". */
#define SYSTEM	 "org.hull.x86.system"

/* In the order of struct gdb_registers, which the tests hold it to. */
static const struct register_kind {
	const char *feature;
	const char *names; /* of as many as there are, with spaces */
	unsigned int bits;
	const char *type;
	const char *group; /* or NULL */
} kinds[] = {
	{ CORE, "rax rbx rcx rdx rsi rdi", 64, "int64", NULL },
	{ CORE, "rbp rsp", 64, "data_ptr", NULL },
	{ CORE, "r8 r9 r10 r11 r12 r13 r14 r15", 64, "int64", NULL },
	{ CORE, "rip", 64, "code_ptr", NULL },
	{ CORE, "eflags", 32, "hull_eflags", NULL },
	{ CORE, "cs ss ds es fs gs", 32, "int32", NULL },
	{ CORE, "st0 st1 st2 st3 st4 st5 st6 st7", 80, "i387_ext", NULL },
	{ CORE, "fctrl fstat ftag fiseg fioff foseg fooff fop", 32, "int",
	  "float" },
	{ SSE,
	  "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 "
	  "xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15",
	  128, "vec128", NULL },
	{ SSE, "mxcsr", 32, "int32", "vector" },
	{ SEGMENTS, "fs_base gs_base", 64, "int", NULL },
	{ SYSTEM, "k_gs_base cr0 cr2 cr3 cr4 cr8 efer gdt_base idt_base", 64,
	  "int64", "system" },
	{ SYSTEM, "gdt_limit idt_limit ldt task", 32, "int32", "system" },
};

/* The types that a feature's registers need, in front of them. */
static const char core_types[] = "<flags id=\"hull_eflags\" size=\"4\">"
				 "<field name=\"CF\" start=\"0\" end=\"0\"/>"
				 "<field name=\"\" start=\"1\" end=\"1\"/>"
				 "<field name=\"PF\" start=\"2\" end=\"2\"/>"
				 "<field name=\"AF\" start=\"4\" end=\"4\"/>"
				 "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
				 "<field name=\"SF\" start=\"7\" end=\"7\"/>"
				 "<field name=\"TF\" start=\"8\" end=\"8\"/>"
				 "<field name=\"IF\" start=\"9\" end=\"9\"/>"
				 "<field name=\"DF\" start=\"10\" end=\"10\"/>"
				 "<field name=\"OF\" start=\"11\" end=\"11\"/>"
				 "<field name=\"NT\" start=\"14\" end=\"14\"/>"
				 "<field name=\"RF\" start=\"16\" end=\"16\"/>"
				 "<field name=\"VM\" start=\"17\" end=\"17\"/>"
				 "<field name=\"AC\" start=\"18\" end=\"18\"/>"
				 "<field name=\"VIF\" start=\"19\" end=\"19\"/>"
				 "<field name=\"VIP\" start=\"20\" end=\"20\"/>"
				 "<field name=\"ID\" start=\"21\" end=\"21\"/>"
				 "</flags>\n";
static const char sse_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\">"
	"<field name=\"v4_float\" type=\"v4f\"/>"
	"<field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/>"
	"<field name=\"v4_int32\" type=\"v4i32\"/>"
	"<field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/>"
	"</union>\n";

/* The length of the first name; moves *@names behind it. */
static size_t take_name(const char **names)
{
	size_t len = strcspn(*names, " ");

	*names += len;
	*names += strspn(*names, " ");
	return len;
}

bool gdb_registers_find(unsigned int number, size_t *ret_offset,
			size_t *ret_size)
{
	size_t offset = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *names = kinds[i].names;

		while (*names) {
			(void)take_name(&names);
			if (!number--) {
				*ret_offset = offset;
				*ret_size = kinds[i].bits / 8;
				return true;
			}
			offset += kinds[i].bits / 8;
		}
	}
	return false;
}

static void write_kind(FILE *to, const struct register_kind *kind)
{
	const char *names = kind->names;

	while (*names) {
		const char *name = names;
		int len = (int)take_name(&names);

		(void)fprintf(to,
			      "<reg name=\"%.*s\" bitsize=\"%u\" "
			      "type=\"%s\"",
			      len, name, kind->bits, kind->type);
		if (kind->group)
			(void)fprintf(to, " group=\"%s\"", kind->group);
		(void)fputs("/>\n", to);
	}
}

char *gdb_registers_xml(void)
{
	const char *feature = "";
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	(void)fputs("<?xml version=\"1.0\"?>\n"
		    "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
		    "<target><architecture>i386:x86-64</architecture>\n",
		    to);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].feature, feature) != 0) {
			(void)fprintf(to, "%s<feature name=\"%s\">\n",
				      *feature ? "</feature>\n" : "",
				      kinds[i].feature);
			feature = kinds[i].feature;
			if (!strcmp(feature, CORE))
				(void)fputs(core_types, to);
			if (!strcmp(feature, SSE))
				(void)fputs(sse_types, to);
		}
		write_kind(to, &kinds[i]);
	}
	(void)fputs("</feature></target>\n", to);
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- To and from KVM --- */

/* The two bits of a register that is empty; others are told as valid (SDM
 * vol. 1, 8.1.7), as the abridged form has only one bit. */
#define TAG_EMPTY 3U

static void from_fpu(struct gdb_registers *to, const struct kvm_fpu *fpu)
{
	for (unsigned int i = 0; i < 8; i++) {
		memcpy(to->st[i], fpu->fpr[i], sizeof(to->st[i]));
		if (!(fpu->ftwx & 1U << i))
			to->ftag |= TAG_EMPTY << (2 * i);
	}
	memcpy(to->xmm, fpu->xmm, sizeof(to->xmm));
	to->fctrl = fpu->fcw;
	to->fstat = fpu->fsw;
	to->fop = fpu->last_opcode;
	to->fioff = (uint32_t)fpu->last_ip;
	to->fiseg = (uint32_t)(fpu->last_ip >> 32);
	to->fooff = (uint32_t)fpu->last_dp;
	to->foseg = (uint32_t)(fpu->last_dp >> 32);
	to->mxcsr = fpu->mxcsr;
}

static void to_fpu(struct kvm_fpu *fpu, const struct gdb_registers *from)
{
	fpu->ftwx = 0;
	for (unsigned int i = 0; i < 8; i++) {
		memcpy(fpu->fpr[i], from->st[i], sizeof(from->st[i]));
		if ((from->ftag >> (2 * i) & TAG_EMPTY) != TAG_EMPTY)
			fpu->ftwx |= (uint8_t)(1U << i);
	}
	memcpy(fpu->xmm, from->xmm, sizeof(from->xmm));
	fpu->fcw = (uint16_t)from->fctrl;
	fpu->fsw = (uint16_t)from->fstat;
	fpu->last_opcode = (uint16_t)from->fop;
	fpu->last_ip = from->fioff | (uint64_t)from->fiseg << 32;
	fpu->last_dp = from->fooff | (uint64_t)from->foseg << 32;
	fpu->mxcsr = from->mxcsr;
}

static void from_general(struct gdb_registers *to, const struct kvm_regs *regs)
{
	const uint64_t general[] = {
		regs->rax, regs->rbx, regs->rcx, regs->rdx,
		regs->rsi, regs->rdi, regs->rbp, regs->rsp,
		regs->r8,  regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15
	};

	memcpy(to->general, general, sizeof(general));
	to->rip = regs->rip;
	to->eflags = (uint32_t)regs->rflags;
}

static struct kvm_regs to_general(const struct gdb_registers *from)
{
	uint64_t general[16];

	memcpy(general, from->general, sizeof(general));
	return (struct kvm_regs){
		.rax = general[0],
		.rbx = general[1],
		.rcx = general[2],
		.rdx = general[3],
		.rsi = general[4],
		.rdi = general[5],
		.rbp = general[6],
		.rsp = general[7],
		.r8 = general[8],
		.r9 = general[9],
		.r10 = general[10],
		.r11 = general[11],
		.r12 = general[12],
		.r13 = general[13],
		.r14 = general[14],
		.r15 = general[15],
		.rip = from->rip,
		.rflags = from->eflags,
	};
}

static void from_system(struct gdb_registers *to, const struct kvm_sregs *sregs)
{
	const struct kvm_segment *segments[] = { &sregs->cs, &sregs->ss,
						 &sregs->ds, &sregs->es,
						 &sregs->fs, &sregs->gs };

	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		to->segments[i] = segments[i]->selector;
	to->fs_base = sregs->fs.base;
	to->gs_base = sregs->gs.base;
	to->cr0 = sregs->cr0;
	to->cr2 = sregs->cr2;
	to->cr3 = sregs->cr3;
	to->cr4 = sregs->cr4;
	to->cr8 = sregs->cr8;
	to->efer = sregs->efer;
	to->gdt_base = sregs->gdt.base;
	to->gdt_limit = sregs->gdt.limit;
	to->idt_base = sregs->idt.base;
	to->idt_limit = sregs->idt.limit;
	to->ldt = sregs->ldt.selector;
	to->task = sregs->tr.selector;
}

static void to_system(struct kvm_sregs *sregs, const struct gdb_registers *from)
{
	sregs->fs.base = from->fs_base;
	sregs->gs.base = from->gs_base;
	sregs->cr0 = from->cr0;
	sregs->cr2 = from->cr2;
	sregs->cr3 = from->cr3;
	sregs->cr4 = from->cr4;
	sregs->cr8 = from->cr8;
	sregs->efer = from->efer;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

int gdb_registers_get(const struct vcpu *vcpu,
		      struct gdb_registers *ret_registers)
{
	struct one_msr gs = { .head = { .nmsrs = 1 },
			      .entry = { .index = MSR_KERNEL_GS_BASE } };
	struct gdb_registers registers = { 0 };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_fpu fpu;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_FPU, &fpu) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_MSRS, &gs) < 0)
		return -errno;
	from_general(&registers, &regs);
	from_system(&registers, &sregs);
	from_fpu(&registers, &fpu);
	registers.k_gs_base = gs.entry.data;
	*ret_registers = registers;
	return 0;
}

int gdb_registers_set(const struct vcpu *vcpu,
		      const struct gdb_registers *registers)
{
	struct one_msr gs = { .head = { .nmsrs = 1 },
			      .entry = { .index = MSR_KERNEL_GS_BASE,
					 .data = registers->k_gs_base } };
	struct kvm_regs regs = to_general(registers);
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_FPU, &fpu) < 0)
		return -errno;
	to_system(&sregs, registers);
	to_fpu(&fpu, registers);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_FPU, &fpu) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_MSRS, &gs) < 0)
		return -errno;
	return 0;
}
