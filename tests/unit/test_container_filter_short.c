/*
 * Shortened programs answer as the long ones do: the filter that `spec` writes,
 * profiles of all kinds, and made-up programs. What is not understood stays.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "container/config_parts.h"
#include "container/spec_filter.h"
#include "sandbox/filter_same.h"
#include "sandbox/filter_short.h"
#include "tests/unit/filter_machine.h"
#include "tests/unit/quick_check.h"

#define X32 0x40000000U /* __X32_SYSCALL_BIT */

/* Of the same numbers each time (xorshift64, Marsaglia). */
static uint64_t seed;

static uint32_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

struct pair {
	const struct sock_filter *old;
	size_t old_len;
	struct sock_filter code[BPF_MAXINSNS];
	size_t len;
};

static struct pair pair;

/* A constant of the old program or what is next to it, or anything. */
static uint32_t interesting(void)
{
	uint32_t word = random_word();

	switch (word % 8) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return random_word();
	case 3:
		return TIOCSTI; /* which the default knows by its bits */
	default:
		return pair.old[word / 8 % pair.old_len].k + word % 3 - 1;
	}
}

static void answer_is_same(uint32_t arch, uint32_t number)
{
	struct seccomp_data data = { .arch = arch, .nr = (int)number };
	uint32_t wanted = 0, answer = 0;

	data.instruction_pointer = (uint64_t)interesting() << 32;
	data.instruction_pointer |= interesting();
	for (size_t i = 0; i < ARRAY_SIZE(data.args); i++) {
		data.args[i] = (uint64_t)interesting() << 32;
		data.args[i] |= interesting();
	}
	ck_assert(machine_run(pair.old, pair.old_len, &data, &wanted));
	ck_assert(machine_run(pair.code, pair.len, &data, &answer));
	ck_assert_msg(answer == wanted,
		      "arch %x number %x arguments %lx %lx: %x, not %x", arch,
		      number, (long)data.args[0], (long)data.args[1], answer,
		      wanted);
}

static void shorten(const struct sock_filter *code, size_t len)
{
	seed = 88172645463325252U;
	pair.old = code;
	pair.old_len = len;
	memcpy(pair.code, code, len * sizeof(*code));
	pair.len = filter_shorten(pair.code, len);
}

/* Each number several times, as arguments differ. */
static void all_answers_are_same(void)
{
	static const uint32_t archs[] = {
		AUDIT_ARCH_X86_64,
		AUDIT_ARCH_I386,
		AUDIT_ARCH_AARCH64,
		AUDIT_ARCH_ARM,
		0,
		UINT32_MAX,
		AUDIT_ARCH_X86_64 - 1,
		X32,
		AUDIT_ARCH_I386 + 1,
	};

	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		for (uint32_t number = 0; number < 600 * 4; number++) {
			answer_is_same(archs[i], number / 4);
			answer_is_same(archs[i], X32 | number / 4);
		}
		for (unsigned int n = 0; n < 8000; n++)
			answer_is_same(archs[i], interesting());
	}
}

/* The length comes out of libseccomp, so there is room to it. */
static void shortens_profile(const struct filter_profile *profile, size_t most)
{
	struct filter_program program = { .code = NULL };
	struct err err;

	ck_assert_int_eq(filter_build(profile, &program, &err), 0);
	shorten(program.code, program.len);
	ck_assert_uint_lt(pair.len, program.len);
	ck_assert_uint_le(pair.len, most);
	all_answers_are_same();
	filter_release(&program);
}

START_TEST(test_default_profile)
{
	struct err err;
	struct jnode root = { .value = json_object() };
	struct config config = { .tree = root.value };

	json_object_set_new(root.value, "seccomp", spec_filter(&err));
	ck_assert_int_ge(config_read_seccomp(&config, &root, &err), 0);
	shortens_profile(&config.seccomp, 300);
	config_dispose(&config);
}
END_TEST

#define NAMES(...)                                \
	.names = (const char *[]){ __VA_ARGS__ }, \
	.name_count = ARRAY_SIZE(((const char *[]){ __VA_ARGS__ }))
#define ARGUMENTS(...)                                          \
	.arguments = (struct filter_argument[]){ __VA_ARGS__ }, \
	.argument_count =                                       \
		ARRAY_SIZE(((struct filter_argument[]){ __VA_ARGS__ }))
#define ARCHITECTURES(...)                                \
	.architectures = (const char *[]){ __VA_ARGS__ }, \
	.architecture_count = ARRAY_SIZE(((const char *[]){ __VA_ARGS__ }))
#define RULES(rules) .rules = (rules), .rule_count = ARRAY_SIZE(rules)

START_TEST(test_denials)
{
	struct filter_rule rules[] = {
		{ NAMES("mount", "umount2", "swapon", "swapoff", "pivot_root",
			"reboot", "sethostname", "setdomainname", "iopl",
			"ioperm", "create_module", "init_module"),
		  .action = "SCMP_ACT_ERRNO", .error = EPERM },
		{ NAMES("ptrace", "kexec_load", "bpf"),
		  .action = "SCMP_ACT_KILL_PROCESS" },
		{ NAMES("keyctl", "add_key", "request_key"),
		  .action = "SCMP_ACT_TRACE", .error = 7 },
	};
	const struct filter_profile profile = {
		.default_action = "SCMP_ACT_ALLOW",
		ARCHITECTURES("SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
			      "SCMP_ARCH_X32"),
		RULES(rules),
	};

	shortens_profile(&profile, 70);
}
END_TEST

START_TEST(test_each_operator)
{
	const uint64_t big = 0x123456789;
	struct filter_rule rules[] = {
		{ NAMES("read", "write", "open", "close", "stat", "fstat",
			"lstat", "poll", "dup", "dup2", "pause", "getpid",
			"alarm", "sendfile", "socket", "connect", "accept"),
		  .action = "SCMP_ACT_ALLOW" },
		{ NAMES("ioctl"), .action = "SCMP_ACT_ALLOW",
		  ARGUMENTS({ 1, 0x5401, 0, "SCMP_CMP_NE" }) },
		{ NAMES("lseek"), .action = "SCMP_ACT_TRAP",
		  ARGUMENTS({ 0, big, 0, "SCMP_CMP_LT" },
			    { 2, 7, 0, "SCMP_CMP_LE" }) },
		{ NAMES("mmap"), .action = "SCMP_ACT_ALLOW",
		  ARGUMENTS({ 0, 0, 0, "SCMP_CMP_EQ" },
			    { 5, big, 0, "SCMP_CMP_GT" }) },
		{ NAMES("fcntl"), .action = "SCMP_ACT_LOG",
		  ARGUMENTS({ 1, 1, 0, "SCMP_CMP_GE" },
			    { 3, 0xf0000000f0, 0xa0000000a0,
			      "SCMP_CMP_MASKED_EQ" }) },
		{ NAMES("fcntl"), .action = "SCMP_ACT_ALLOW",
		  ARGUMENTS({ 4, big, 0, "SCMP_CMP_LE" }) },
		{ NAMES("personality"), .action = "SCMP_ACT_ALLOW",
		  ARGUMENTS({ 0, 0, 0, "SCMP_CMP_EQ" },
			    { 0, 8, 0, "SCMP_CMP_EQ" },
			    { 0, 0xffffffff, 0, "SCMP_CMP_EQ" }) },
	};
	const struct filter_profile profile = {
		.default_action = "SCMP_ACT_ERRNO",
		.default_error = ENOSYS,
		ARCHITECTURES("SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
			      "SCMP_ARCH_X32"),
		RULES(rules),
	};

	shortens_profile(&profile, 130);
}
END_TEST

START_TEST(test_three_architectures)
{
	struct filter_rule rules[] = {
		{ NAMES("read", "write", "openat", "close", "execve", "mmap",
			"munmap", "brk", "exit", "exit_group", "getpid",
			"getppid", "gettid", "futex", "clock_gettime"),
		  .action = "SCMP_ACT_ALLOW" },
		{ NAMES("clone"), .action = "SCMP_ACT_ALLOW",
		  ARGUMENTS({ 0, 0x7e020000, 0, "SCMP_CMP_MASKED_EQ" }) },
	};
	const struct filter_profile profile = {
		.default_action = "SCMP_ACT_KILL_THREAD",
		ARCHITECTURES("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64",
			      "SCMP_ARCH_ARM"),
		RULES(rules),
	};

	shortens_profile(&profile, 70);
}
END_TEST

/* Allows 10 numbers in a row one by one, but for the last if word 16 is 5. */
static const struct sock_filter plain[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 14),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 11, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 10, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 9, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 8, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 7, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 6, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 5, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
};

START_TEST(test_plain_program)
{
	shorten(plain, ARRAY_SIZE(plain));
	ck_assert_uint_lt(pair.len, 12);
	all_answers_are_same();
}
END_TEST

/* Any other program in its place would have been noticed. */
START_TEST(test_difference_is_noticed)
{
	static struct filter_inputs inputs;
	struct filter_code old = { plain, ARRAY_SIZE(plain) };
	struct filter_code short_one = { pair.code, 0 };

	filter_values_add(&inputs.archs, AUDIT_ARCH_X86_64);
	for (uint32_t number = 0; number < 12; number++)
		filter_values_add(&inputs.numbers, number);
	filter_values_add(&inputs.others, 5);
	inputs.words = 1 << 4;
	shorten(plain, ARRAY_SIZE(plain));
	short_one.len = pair.len;
	ck_assert(filter_same(&old, &short_one, &inputs));
	for (size_t i = 0; i < pair.len; i++) {
		const struct sock_filter kept = pair.code[i];

		pair.code[i].k += BPF_CLASS(kept.code) == BPF_LD ? 4 : 1;
		ck_assert(!filter_same(&old, &short_one, &inputs));
		pair.code[i] = kept;
		pair.code[i].jt = kept.jf;
		pair.code[i].jf = kept.jt;
		ck_assert(filter_same(&old, &short_one, &inputs) ==
			  (kept.jt == kept.jf));
		pair.code[i] = kept;
	}
	short_one.len--;
	ck_assert(!filter_same(&old, &short_one, &inputs));
}
END_TEST

struct oddity {
	size_t at;
	struct sock_filter code;
};

/* Each one in the place of an instruction of the plain program. */
static const struct oddity oddities[] = {
	{ 13, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0) },
	{ 13, BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 5) },
	{ 13, BPF_STMT(BPF_LD | BPF_W | BPF_MEM, 0) },
	{ 13, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 16) },
	{ 13, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 18) },
	{ 13, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64) },
	{ 13, BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 5) },
	{ 13, BPF_STMT(BPF_ST, 0) },
	{ 13, BPF_STMT(BPF_MISC | BPF_TAX, 0) },
	{ 13, BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1) },
	{ 13, BPF_STMT(BPF_ALU | BPF_AND | BPF_X, 0) },
	/* The number or the architecture changed, or tested by bits. */
	{ 13, BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1) },
	{ 3, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 11, 0) },
	{ 1, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 14) },
	{ 3, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 11, 0) },
	/* What is tested depends on the path. */
	{ 1, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3) },
	{ 4, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 9, 0) },
	{ 4, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16) },
	/* Nothing was loaded. */
	{ 0, BPF_STMT(BPF_JMP | BPF_JA, 0) },
	/* Over the end, also by what is more than 32 bits. */
	{ 14, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 1, 2) },
	{ 13, BPF_STMT(BPF_JMP | BPF_JA, 3) },
	{ 13, BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX) },
	{ 16, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16) },
	{ 15, BPF_STMT(BPF_RET | BPF_A, 0) },
};

START_TEST(test_oddities_stay)
{
	struct sock_filter code[ARRAY_SIZE(plain)];

	memcpy(code, plain, sizeof(plain));
	code[oddities[_i].at] = oddities[_i].code;
	shorten(code, ARRAY_SIZE(code));
	ck_assert_uint_eq(pair.len, ARRAY_SIZE(code));
	ck_assert_mem_eq(pair.code, code, sizeof(code));
}
END_TEST

/* Denies where bits 0 to 3 are 0010, and bit 4 leads elsewhere. */
START_TEST(test_bits_become_one_test)
{
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 12, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 9, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 6, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 3, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};

	shorten(code, ARRAY_SIZE(code));
	ck_assert_uint_eq(pair.len, 9);
	for (uint32_t word = 0; word < 64; word++) {
		const struct seccomp_data data = { .args = { word } };
		uint32_t wanted, answer;

		ck_assert(machine_run(code, ARRAY_SIZE(code), &data, &wanted));
		ck_assert(machine_run(pair.code, pair.len, &data, &answer));
		ck_assert_uint_eq(answer, wanted);
	}
}
END_TEST

START_TEST(test_no_program)
{
	struct sock_filter code = plain[16];

	ck_assert_uint_eq(filter_shorten(NULL, 0), 0);
	ck_assert_uint_eq(filter_shorten(NULL, BPF_MAXINSNS + 1),
			  BPF_MAXINSNS + 1);
	ck_assert_uint_eq(filter_shorten(&code, 1), 1);
	ck_assert_uint_eq(code.code, plain[16].code);
	ck_assert_uint_eq(code.k, plain[16].k);
}
END_TEST

/* So long that conditional jumps do not reach from one end to the other: 1300
 * numbers with other numbers between them, some with an argument. */
START_TEST(test_far_jumps)
{
	enum {
		COUNT = 1300,
		BEGIN = 4,
		BLOCK = BEGIN + COUNT * 2 + 1
	};
	static struct sock_filter code[BLOCK + 4];
	size_t len = 0;

	code[len++] = plain[0];
	code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						   AUDIT_ARCH_X86_64, 1, 0);
	code[len++] = plain[16];
	code[len++] = plain[2];
	for (uint32_t n = 0; n < COUNT; n++) {
		code[len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, n * 3 - n % 2, 0, 1);
		if (n % 100 == 50)
			code[len] = (struct sock_filter)BPF_STMT(
				BPF_JMP | BPF_JA, BLOCK - (uint32_t)len - 1);
		else
			code[len] = (struct sock_filter)BPF_STMT(
				BPF_RET | BPF_K, SECCOMP_RET_ERRNO | n % 7);
		len++;
	}
	code[len++] = plain[15];
	code[len++] = plain[13];
	code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 5,
						   0, 1);
	code[len++] = plain[15];
	code[len++] = plain[16];
	ck_assert_uint_eq(len, ARRAY_SIZE(code));
	shorten(code, len);
	ck_assert_uint_lt(pair.len, len);
	all_answers_are_same();
}
END_TEST

START_TEST(test_random_programs)
{
	static uint8_t noise[2000];
	struct sock_filter code[MADE_MOST];
	uint64_t state = 1;
	unsigned int shortened = 0;

	for (unsigned int n = 0; n < 300; n++) {
		struct bytes bytes = { noise, sizeof(noise) };
		size_t len;

		seed = ++state * 0x9e3779b97f4a7c15U;
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)random_word();
		len = make_program(&bytes, code);
		shorten(code, len);
		if (pair.len == len) {
			ck_assert_mem_eq(pair.code, code, len * sizeof(*code));
			continue;
		}
		shortened++;
		for (unsigned int i = 0; i < 2000; i++)
			answer_is_same(i % 16 ? AUDIT_ARCH_X86_64 :
						interesting(),
				       interesting());
	}
	ck_assert_uint_gt(shortened, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/filter_short");
	TCase *tests = tcase_create("filter_short");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_default_profile);
	tcase_add_test(tests, test_denials);
	tcase_add_test(tests, test_each_operator);
	tcase_add_test(tests, test_three_architectures);
	tcase_add_test(tests, test_plain_program);
	tcase_add_test(tests, test_difference_is_noticed);
	tcase_add_loop_test(tests, test_oddities_stay, 0, ARRAY_SIZE(oddities));
	tcase_add_test(tests, test_bits_become_one_test);
	tcase_add_test(tests, test_no_program);
	tcase_add_test(tests, test_far_jumps);
	tcase_add_test(tests, test_random_programs);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
