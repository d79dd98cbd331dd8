/* The device filter, run by a small machine of our own: what the program says
 * of a device, whatever its instructions are. */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "sandbox/devices.h"
#include "tests/unit/quick_check.h"

#define ROOM 1024

/* Runs the program; -1 for what it may not contain or where it goes astray. */
static int run(const struct bpf_insn *code, int len,
	       const struct bpf_cgroup_dev_ctx *context)
{
	uint64_t r[11] = { 0 };

	for (int at = 0; at >= 0 && at < len; at++) {
		const struct bpf_insn *i = &code[at];
		bool is_k = BPF_SRC(i->code) == BPF_K;
		uint64_t operand = is_k ? (uint64_t)(int64_t)i->imm :
					  r[i->src_reg];
		uint32_t word;

		switch (i->code & ~BPF_X) {
		case BPF_LDX | BPF_MEM | BPF_W:
			/* Register 1 is the context, the only pointer. */
			if (i->src_reg != 1 || i->off < 0 ||
			    (size_t)i->off + sizeof(word) > sizeof(*context))
				return -1;
			memcpy(&word, (const char *)context + i->off,
			       sizeof(word));
			r[i->dst_reg] = word;
			break;
		case BPF_ALU | BPF_MOV:
			r[i->dst_reg] = (uint32_t)operand;
			break;
		case BPF_ALU64 | BPF_MOV:
			r[i->dst_reg] = operand;
			break;
		case BPF_ALU | BPF_AND:
			r[i->dst_reg] = (uint32_t)(r[i->dst_reg] & operand);
			break;
		case BPF_ALU | BPF_RSH:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> operand;
			break;
		case BPF_JMP | BPF_JNE:
			at += r[i->dst_reg] != operand ? i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ:
			at += r[i->dst_reg] == operand ? i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			return -1;
		}
	}
	return -1;
}

static int ask(const struct device_rule *rules, size_t count, char type,
	       uint32_t major, uint32_t minor, uint32_t access)
{
	uint64_t code[ROOM];
	struct bpf_cgroup_dev_ctx context = {
		.access_type = access << 16 |
			       (type == 'b' ? BPF_DEVCG_DEV_BLOCK :
					      BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	int len = devices_build_filter(rules, count, code, ROOM);

	ck_assert_int_gt(len, 0);
	return run((const struct bpf_insn *)(const void *)code, len, &context);
}

START_TEST(test_without_rules)
{
	/* null, tty, a pty and making nodes; nothing else. */
	ck_assert_int_eq(ask(NULL, 0, 'c', 1, 3, 7), 1);
	ck_assert_int_eq(ask(NULL, 0, 'c', 5, 0, 6), 1);
	ck_assert_int_eq(ask(NULL, 0, 'c', 136, 77, 6), 1);
	ck_assert_int_eq(ask(NULL, 0, 'b', 8, 0, DEVICE_MKNOD), 1);
	ck_assert_int_eq(ask(NULL, 0, 'b', 8, 0, DEVICE_READ), 0);
	ck_assert_int_eq(ask(NULL, 0, 'b', 8, 0, DEVICE_MKNOD | DEVICE_READ),
			 0);
	/* A block device of null's number is not null. */
	ck_assert_int_eq(ask(NULL, 0, 'b', 1, 3, 2), 0);
	ck_assert_int_eq(ask(NULL, 0, 'c', 1, 1, 2), 0); /* mem */
}
END_TEST

START_TEST(test_last_rule_decides)
{
	static const struct device_rule rules[] = {
		{ false, 'a', DEVICE_ANY, DEVICE_ANY, 7 },
		{ true, 'b', 8, DEVICE_ANY, DEVICE_READ },
		{ false, 'b', 8, 3, DEVICE_READ | DEVICE_WRITE },
		{ true, 'c', DEVICE_ANY, 9, 7 },
	};

	ck_assert_int_eq(ask(rules, 4, 'b', 8, 1, DEVICE_READ), 1);
	ck_assert_int_eq(ask(rules, 4, 'b', 8, 1, DEVICE_WRITE), 0);
	ck_assert_int_eq(ask(rules, 4, 'b', 8, 1, DEVICE_READ | DEVICE_WRITE),
			 0);
	ck_assert_int_eq(ask(rules, 4, 'b', 8, 3, DEVICE_READ), 0);
	ck_assert_int_eq(ask(rules, 4, 'c', 8, 1, DEVICE_READ), 0);
	ck_assert_int_eq(ask(rules, 4, 'c', 200, 9, 7), 1);
	ck_assert_int_eq(ask(rules, 4, 'c', 200, 8, 2), 0);
	/* Behind the rule for everything, earlier ones count no more. */
	ck_assert_int_eq(ask(rules, 1, 'b', 8, 1, DEVICE_READ), 0);
}
END_TEST

START_TEST(test_allow_all)
{
	static const struct device_rule rules[] = {
		{ true, 'a', DEVICE_ANY, DEVICE_ANY, 7 },
		{ false, 'c', 1, 1, DEVICE_WRITE },
	};

	ck_assert_int_eq(ask(rules, 2, 'b', 99, 99, 7), 1);
	ck_assert_int_eq(ask(rules, 2, 'c', 1, 1, DEVICE_READ), 1);
	ck_assert_int_eq(ask(rules, 2, 'c', 1, 1, DEVICE_WRITE), 0);
}
END_TEST

START_TEST(test_too_many)
{
	struct device_rule rules[200];
	uint64_t code[64];

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i] = (struct device_rule){ true, 'c', 1, (uint32_t)i, 2 };
	ck_assert_int_eq(devices_build_filter(rules, ARRAY_SIZE(rules), code,
					      ARRAY_SIZE(code)),
			 -E2BIG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sandbox/devices");
	TCase *tests = tcase_create("filter");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_without_rules);
	tcase_add_test(tests, test_last_rule_decides);
	tcase_add_test(tests, test_allow_all);
	tcase_add_test(tests, test_too_many);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
