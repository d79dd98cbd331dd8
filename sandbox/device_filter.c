/*
 * The BPF program of a cgroup's device filter (Linux Documentation/admin-guide/
 * cgroup-v2.rst, "Device controller"). The kernel gives it a struct
 * bpf_cgroup_dev_ctx; it returns 1 to allow. Each rule becomes a run of tests
 * that jumps over its verdict when one does not hold; the last rule comes
 * first, so the first that fits decides.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/devices.h"
#include "sandbox/sys.h"

#define MAX_INSTRUCTIONS 4096

_Static_assert(DEVICE_MKNOD == BPF_DEVCG_ACC_MKNOD &&
		       DEVICE_READ == BPF_DEVCG_ACC_READ &&
		       DEVICE_WRITE == BPF_DEVCG_ACC_WRITE,
	       "the kernel's bits");

/* The registers of the program. */
enum {
	R_VERDICT = BPF_REG_0,
	R_CONTEXT = BPF_REG_1,
	R_TYPE = BPF_REG_2,
	R_ACCESS = BPF_REG_3,
	R_MAJOR = BPF_REG_4,
	R_MINOR = BPF_REG_5,
	R_SCRATCH = BPF_REG_6,
};

struct program {
	struct bpf_insn *code;
	size_t len;
	size_t room;
};

/* What every container has: the default devices, its terminals, and making
 * nodes, which gives nobody the right to open them. */
static const struct device_rule always[] = {
	{ true, 'c', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	{ true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	{ true, 'c', 1, 3, 7 }, /* null */
	{ true, 'c', 1, 5, 7 }, /* zero */
	{ true, 'c', 1, 7, 7 }, /* full */
	{ true, 'c', 1, 8, 7 }, /* random */
	{ true, 'c', 1, 9, 7 }, /* urandom */
	{ true, 'c', 5, 0, 7 }, /* tty */
	{ true, 'c', 5, 1, 7 }, /* console */
	{ true, 'c', 5, 2, 7 }, /* ptmx */
	{ true, 'c', 136, DEVICE_ANY, 7 }, /* pts */
};

static void emit(struct program *program, uint8_t code, uint8_t dst,
		 uint8_t src, int32_t imm)
{
	if (program->len < program->room)
		program->code[program->len] = (struct bpf_insn){
			.code = code,
			.dst_reg = dst & 0xf,
			.src_reg = src & 0xf,
			.imm = imm,
		};
	program->len++;
}

static void emit_load(struct program *program, uint8_t dst, size_t offset)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, dst, R_CONTEXT, 0);
	if (program->len <= program->room)
		program->code[program->len - 1].off = (int16_t)offset;
}

static void emit_verdict(struct program *program, bool allow)
{
	emit(program, BPF_ALU64 | BPF_MOV | BPF_K, R_VERDICT, 0, allow);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

/* access_type is (access << 16) | type. */
static void emit_head(struct program *program)
{
	emit_load(program, R_TYPE,
		  offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(program, BPF_ALU | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0);
	emit(program, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0xffff);
	emit(program, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 16);
	emit_load(program, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(program, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

/*
 * As in cgroup v1: "allow" is for a use that needs no more than it grants,
 * "deny" for one that needs any of what it takes.
 */
static void emit_rule(struct program *program, const struct device_rule *rule)
{
	size_t start = program->len;
	uint8_t all = DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE;

	if (rule->type != 'a')
		emit(program, BPF_JMP | BPF_JNE | BPF_K, R_TYPE, 0,
		     rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK :
					 BPF_DEVCG_DEV_CHAR);
	if (rule->major != DEVICE_ANY)
		emit(program, BPF_JMP | BPF_JNE | BPF_K, R_MAJOR, 0,
		     (int32_t)rule->major);
	if (rule->minor != DEVICE_ANY)
		emit(program, BPF_JMP | BPF_JNE | BPF_K, R_MINOR, 0,
		     (int32_t)rule->minor);
	if (rule->access != all) {
		emit(program, BPF_ALU | BPF_MOV | BPF_X, R_SCRATCH, R_ACCESS,
		     0);
		emit(program, BPF_ALU | BPF_AND | BPF_K, R_SCRATCH, 0,
		     rule->allow ? all & ~rule->access : rule->access);
		emit(program,
		     BPF_JMP | (rule->allow ? BPF_JNE : BPF_JEQ) | BPF_K,
		     R_SCRATCH, 0, 0);
	}
	emit_verdict(program, rule->allow);
	for (size_t i = start; i < program->len && i < program->room; i++) {
		struct bpf_insn *insn = &program->code[i];

		if (BPF_CLASS(insn->code) == BPF_JMP &&
		    BPF_OP(insn->code) != BPF_EXIT)
			insn->off = (int16_t)(program->len - i - 1);
	}
}

static bool covers_everything(const struct device_rule *rule)
{
	return rule->type == 'a' && rule->major == DEVICE_ANY &&
	       rule->minor == DEVICE_ANY &&
	       rule->access == (DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE);
}

int devices_build_filter(const struct device_rule *rules, size_t count,
			 void *ret_code, size_t size)
{
	struct program program = { .code = ret_code, .room = size };
	bool decided = false;

	_Static_assert(sizeof(struct bpf_insn) == sizeof(uint64_t), "one word");
	emit_head(&program);
	for (size_t i = ARRAY_SIZE(always); i-- > 0;)
		emit_rule(&program, &always[i]);
	for (size_t i = count; i-- > 0 && !decided;) {
		emit_rule(&program, &rules[i]);
		/* What comes behind cannot be reached, and the kernel refuses
		 * programs with such instructions. */
		decided = covers_everything(&rules[i]);
	}
	if (!decided)
		emit_verdict(&program, false);
	return program.len > size ? -E2BIG : (int)program.len;
}

/* The id of the one filter that is attached, 0 when none is. */
static int attached(int cgroup, uint32_t *ret_id)
{
	union bpf_attr query = { 0 };
	uint32_t ids[2] = { 0 };
	int rc;

	query.query.target_fd = (uint32_t)cgroup;
	query.query.attach_type = BPF_CGROUP_DEVICE;
	query.query.prog_ids = (uintptr_t)ids;
	query.query.prog_cnt = ARRAY_SIZE(ids);
	rc = sys_bpf(BPF_PROG_QUERY, &query, sizeof(query));
	if (rc < 0)
		return rc;
	if (query.query.prog_cnt > 1)
		return -EEXIST;
	*ret_id = query.query.prog_cnt ? ids[0] : 0;
	return 0;
}

/* The filter's place is taken over in one step (BPF_F_REPLACE): at no time is
 * there none. */
static int attach_program(int cgroup, int program, uint32_t old_id)
{
	union bpf_attr by_id = { .prog_id = old_id };
	union bpf_attr attach = { 0 };
	autoclose int old = -1;

	attach.target_fd = (uint32_t)cgroup;
	attach.attach_bpf_fd = (uint32_t)program;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (old_id) {
		old = sys_bpf(BPF_PROG_GET_FD_BY_ID, &by_id, sizeof(by_id));
		if (old < 0)
			return old;
		attach.attach_flags |= BPF_F_REPLACE;
		attach.replace_bpf_fd = (uint32_t)old;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attach, sizeof(attach));
}

int devices_attach_filter(int cgroup, const struct device_rule *rules,
			  size_t count, bool replace, struct err *err)
{
	uint64_t code[MAX_INSTRUCTIONS];
	int len = devices_build_filter(rules, count, code, ARRAY_SIZE(code));
	union bpf_attr load = { 0 };
	autoclose int program = -1;
	uint32_t old_id = 0;
	int rc;

	if (len < 0)
		return err_set(err, E2BIG, "too many device rules");
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (uintptr_t)code;
	load.insn_cnt = (uint32_t)len;
	load.license = (uintptr_t) "GPL";
	program = sys_bpf(BPF_PROG_LOAD, &load, sizeof(load));
	if (program < 0)
		return err_sys(err, -program, "cannot load the device filter");
	rc = replace ? attached(cgroup, &old_id) : 0;
	if (!rc)
		rc = attach_program(cgroup, program, old_id);
	return rc < 0 ? err_sys(err, -rc, "cannot attach the device filter") :
			0;
}
