/*
 * The filter that `spec` writes, compiled and run: what it says of a call of
 * each architecture, whether or not this kernel has that.
 */
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "container/config_parts.h"
#include "container/spec_filter.h"
#include "tests/unit/filter_machine.h"
#include "tests/unit/quick_check.h"

#define X32	0x40000000 /* __X32_SYSCALL_BIT */
#define ALLOWED SECCOMP_RET_ALLOW
#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)

static struct config config;
static struct filter_program program;

static void set_up(void)
{
	struct err err;
	struct jnode root = { .value = json_object() };

	json_object_set_new(root.value, "seccomp", spec_filter(&err));
	config = (struct config){ .tree = root.value };
	ck_assert_int_ge(config_read_seccomp(&config, &root, &err), 0);
	ck_assert_int_eq(filter_compile(&config.seccomp, -1, &program, &err),
			 0);
}

static void tear_down(void)
{
	filter_release(&program);
	config_dispose(&config);
}

static uint32_t run(const struct seccomp_data *data)
{
	uint32_t answer = 0;

	ck_assert(machine_run(program.code, program.len, data, &answer));
	return answer;
}

static uint32_t call(uint32_t arch, uint32_t number, uint64_t first,
		     uint64_t second)
{
	const struct seccomp_data data = { .arch = arch,
					   .nr = (int)number,
					   .args = { first, second } };

	return run(&data);
}

/* The numbers of a call: x86-64's and x32's, i386's. */
struct numbers {
	uint32_t x86_64;
	uint32_t x32;
	uint32_t i386;
};

static const struct numbers getpid_call = { 39, X32 | 39, 20 };
static const struct numbers unshare_call = { 272, X32 | 272, 310 };
static const struct numbers clone_call = { 56, X32 | 56, 120 };
static const struct numbers clone3_call = { 435, X32 | 435, 435 };
static const struct numbers ioctl_call = { 16, X32 | 514, 54 };
static const struct numbers mount_call = { 165, X32 | 165, 21 };
static const struct numbers ptrace_call = { 101, X32 | 521, 26 };
static const struct numbers unknown_call = { 999, X32 | 999, 999 };

static void all_say(const struct numbers *n, uint64_t first, uint64_t second,
		    uint32_t wanted)
{
	ck_assert_uint_eq(call(AUDIT_ARCH_X86_64, n->x86_64, first, second),
			  wanted);
	ck_assert_uint_eq(call(AUDIT_ARCH_X86_64, n->x32, first, second),
			  wanted);
	ck_assert_uint_eq(call(AUDIT_ARCH_I386, n->i386, first, second),
			  wanted);
}

START_TEST(test_each_architecture_is_covered)
{
	all_say(&getpid_call, 0, 0, ALLOWED);
	all_say(&unshare_call, CLONE_NEWUSER, 0, MISSING);
	all_say(&mount_call, 0, 0, MISSING);
	all_say(&ptrace_call, 0, 0, MISSING);
	all_say(&unknown_call, 0, 0, MISSING);
	all_say(&clone3_call, 0, 0, MISSING);
}
END_TEST

START_TEST(test_clone_makes_no_namespace)
{
	static const uint64_t flags[] = { CLONE_NEWNS,	 CLONE_NEWCGROUP,
					  CLONE_NEWUTS,	 CLONE_NEWIPC,
					  CLONE_NEWUSER, CLONE_NEWPID,
					  CLONE_NEWNET };

	all_say(&clone_call, 17, 0, ALLOWED);
	all_say(&clone_call, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_THREAD,
		0, ALLOWED);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		all_say(&clone_call, flags[i] | 17, 0, MISSING);
}
END_TEST

START_TEST(test_terminal_is_not_typed_into)
{
	all_say(&ioctl_call, 0, TCGETS, ALLOWED);
	all_say(&ioctl_call, 0, TIOCSTI, MISSING);
	/* The kernel looks at the low half alone (CVE-2019-10063). */
	all_say(&ioctl_call, 0, TIOCSTI | 1ULL << 32, MISSING);
}
END_TEST

/* Of another architecture nothing is known. */
START_TEST(test_foreign_architecture)
{
	ck_assert_uint_ne(call(AUDIT_ARCH_AARCH64, 172, 0, 0), ALLOWED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/filter");
	TCase *tests = tcase_create("filter");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_each_architecture_is_covered);
	tcase_add_test(tests, test_clone_makes_no_namespace);
	tcase_add_test(tests, test_terminal_is_not_typed_into);
	tcase_add_test(tests, test_foreign_architecture);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
