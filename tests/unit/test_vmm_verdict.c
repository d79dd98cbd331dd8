/*
 * How a run ends: who decides, and what the user is told of a KVM that gave up.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "vmm/exit_status.h"
#include "vmm/report.h"
#include "vmm/verdict.h"

static struct loop loop;
static struct verdict verdict;

static void set_up(void)
{
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	verdict = (struct verdict){ .loop = &loop };
}

static void tear_down(void)
{
	loop_release(&loop);
}

START_TEST(test_the_first_decides)
{
	ck_assert(verdict_take(&verdict));
	ck_assert(!verdict_take(&verdict));
	verdict_done(&verdict, EXIT_PANIC, "the guest %s", "panicked");
	ck_assert(!verdict_take(&verdict));
	ck_assert_int_eq(verdict.status, EXIT_PANIC);
	ck_assert_str_eq(verdict.sentence, "the guest panicked");
	ck_assert_str_eq(verdict.detail, "");
	loop_run(&loop); /* returns: it is stopped */
}
END_TEST

START_TEST(test_taking_alone_ends_nothing)
{
	ck_assert(verdict_take(&verdict));
	ck_assert(!atomic_load(&loop.stop));
	verdict_done(&verdict, 77, "a guest's own status");
	ck_assert(atomic_load(&loop.stop));
	ck_assert_int_eq(verdict.status, 77);
}
END_TEST

START_TEST(test_long_sentences_are_cut)
{
	char text[400];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert(verdict_take(&verdict));
	verdict_done(&verdict, EXIT_KVM, "%s", text);
	ck_assert_uint_eq(strlen(verdict.sentence),
			  sizeof(verdict.sentence) - 1);
	ck_assert_str_eq(verdict.detail, "");
}
END_TEST

#define THREADS 8

struct contender {
	pthread_t thread;
	pthread_barrier_t *barrier;
	int status;
	bool won;
};

static void *contend(void *opaque)
{
	struct contender *self = opaque;

	pthread_barrier_wait(self->barrier);
	self->won = verdict_take(&verdict);
	if (self->won)
		verdict_done(&verdict, self->status, "thread %d", self->status);
	return NULL;
}

START_TEST(test_one_of_many_threads_decides)
{
	struct contender contenders[THREADS];
	pthread_barrier_t barrier;
	int winner = -1;

	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++) {
		contenders[i] =
			(struct contender){ .barrier = &barrier, .status = i };
		ck_assert_int_eq(pthread_create(&contenders[i].thread, NULL,
						contend, &contenders[i]),
				 0);
	}
	loop_run(&loop);
	for (int i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(contenders[i].thread, NULL), 0);
		if (!contenders[i].won)
			continue;
		ck_assert_int_eq(winner, -1);
		winner = i;
	}
	pthread_barrier_destroy(&barrier);
	ck_assert_int_eq(verdict.status, winner);
}
END_TEST

START_TEST(test_decided_again)
{
	ck_assert(verdict_take(&verdict));
	verdict.reason = "expect";
	verdict_done(&verdict, EXIT_POWEROFF, "first");
	ck_assert_str_eq(verdict_reason(&verdict), "expect");
	verdict_decide(&verdict, EXIT_TESTS, "%d of them", 2);
	ck_assert_int_eq(verdict.status, EXIT_TESTS);
	ck_assert_str_eq(verdict.sentence, "2 of them");
	ck_assert_str_eq(verdict_reason(&verdict), "tests");
	verdict_decide(&verdict, 43, "a guest's own");
	ck_assert_str_eq(verdict_reason(&verdict), "guest");
}
END_TEST

START_TEST(test_deciding_alone_ends_nothing)
{
	ck_assert(verdict_take(&verdict));
	verdict_decide(&verdict, EXIT_FAIL_ON, "its report is to come");
	ck_assert(!atomic_load(&loop.stop));
}
END_TEST

START_TEST(test_pass_status)
{
	static const struct {
		int status;
		unsigned int pass;
		int result;
		const char *reason;
	} cases[] = {
		{ EXIT_POWEROFF, 0, EXIT_POWEROFF, "poweroff" },
		{ EXIT_PANIC, 0, EXIT_PANIC, "panic" },
		{ EXIT_PANIC, EXIT_PANIC, EXIT_POWEROFF, "panic" },
		{ EXIT_POWEROFF, EXIT_PANIC, EXIT_NOT_EXPECTED,
		  "not-expected" },
		{ EXIT_TIMEOUT, EXIT_PANIC, EXIT_TIMEOUT, "timeout" },
		{ 33, 33, EXIT_POWEROFF, "guest" },
		{ EXIT_POWEROFF, EXIT_PANIC, EXIT_POWEROFF, "expect" },
	};

	verdict_decide(&verdict, cases[_i].status, "it ended");
	if (!strcmp(cases[_i].reason, "expect"))
		verdict.reason = "expect";
	verdict_apply_pass_status(&verdict, cases[_i].pass);
	ck_assert_int_eq(verdict.status, cases[_i].result);
	ck_assert_str_eq(verdict_reason(&verdict), cases[_i].reason);
}
END_TEST

/* --- Why KVM could not go on --- */

static struct kvm_run kvm_run;
static struct vcpu_env env;
static struct kvm kvm;
static struct vcpu vcpu;

/* A vCPU of which KVM told @reason and whose registers cannot be read. */
static void set_up_vcpu(void)
{
	set_up();
	memset(&kvm_run, 0, sizeof(kvm_run));
	kvm = (struct kvm){ .flavor = KVM_FLAVOR_VMX };
	env = (struct vcpu_env){ .verdict = &verdict, .kvm = &kvm };
	vcpu = (struct vcpu){
		.env = &env,
		.index = 3,
		.fd = -1,
		.run = &kvm_run,
	};
}

static void expect_report(int status, const char *sentence, const char *detail)
{
	report_fatal_exit(&vcpu);
	ck_assert_int_eq(verdict.status, status);
	ck_assert_str_eq(verdict.sentence, sentence);
	ck_assert_msg(strstr(verdict.detail, detail), "%s", verdict.detail);
	ck_assert(strstr(verdict.detail, "registers cannot be read\n"));
	/* Whole lines: the terminal is restored behind them. */
	ck_assert_int_eq(verdict.detail[strlen(verdict.detail) - 1], '\n');
	ck_assert(atomic_load(&loop.stop));
}

START_TEST(test_triple_fault)
{
	kvm_run.exit_reason = KVM_EXIT_SHUTDOWN;
	expect_report(EXIT_TRIPLE_FAULT, "vCPU 3: triple fault",
		      "  likely: an exception could not be delivered");
}
END_TEST

START_TEST(test_entry_refused)
{
	kvm_run.exit_reason = KVM_EXIT_FAIL_ENTRY;
	kvm_run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	expect_report(EXIT_KVM,
		      "vCPU 3: the processor refused to enter the guest, "
		      "reason 0x80000021",
		      "  likely: invalid guest state");
}
END_TEST

START_TEST(test_entry_refused_on_amd)
{
	kvm_run.exit_reason = KVM_EXIT_FAIL_ENTRY;
	kvm_run.fail_entry.hardware_entry_failure_reason = UINT64_MAX;
	expect_report(EXIT_KVM,
		      "vCPU 3: the processor refused to enter the guest, "
		      "reason 0xffffffffffffffff",
		      "AMD-V refused the control block");
}
END_TEST

START_TEST(test_internal_error)
{
	kvm_run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	kvm_run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	kvm_run.internal.ndata = 2;
	kvm_run.internal.data[0] = 0xabc;
	kvm_run.internal.data[1] = 0x12;
	expect_report(EXIT_KVM, "vCPU 3: KVM internal error, suberror 1",
		      "  data: abc 12\n");
	ck_assert(strstr(verdict.detail, "hull doctor"));
}
END_TEST

/* What KVM says of its own size is not trusted. */
START_TEST(test_internal_error_with_too_much_data)
{
	kvm_run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	kvm_run.internal.suberror = 99;
	kvm_run.internal.ndata = UINT32_MAX;
	memset(kvm_run.internal.data, 0xff, sizeof(kvm_run.internal.data));
	expect_report(EXIT_KVM, "vCPU 3: KVM internal error, suberror 99",
		      "a suberror that this version of hull does not know");
}
END_TEST

START_TEST(test_unknown_exit)
{
	kvm_run.exit_reason = 4242;
	expect_report(EXIT_KVM,
		      "vCPU 3: KVM exit reason 4242, which hull does not "
		      "handle",
		      "registers");
}
END_TEST

START_TEST(test_run_failure)
{
	report_run_failure(&vcpu, ENOMEM);
	ck_assert_int_eq(verdict.status, EXIT_KVM);
	ck_assert_str_eq(verdict.sentence, "vCPU 3: KVM_RUN failed: "
					   "Cannot allocate memory");
	ck_assert(strstr(verdict.detail, "a cgroup limit"));
}
END_TEST

START_TEST(test_late_report_changes_nothing)
{
	ck_assert(verdict_take(&verdict));
	verdict_done(&verdict, EXIT_POWEROFF, "the guest powered off");
	kvm_run.exit_reason = KVM_EXIT_SHUTDOWN;
	report_fatal_exit(&vcpu);
	report_run_failure(&vcpu, EFAULT);
	ck_assert_int_eq(verdict.status, EXIT_POWEROFF);
	ck_assert_str_eq(verdict.sentence, "the guest powered off");
	ck_assert_str_eq(verdict.detail, "");
}
END_TEST

/* --- The numbers --- */

START_TEST(test_exit_statuses)
{
	for (size_t i = 0; i < exit_status_count; i++) {
		const struct exit_status_info *info = &exit_statuses[i];

		/* Odd ones are the guests' own. */
		ck_assert_int_eq((int)info->status % 2, 0);
		ck_assert_int_lt((int)info->status, 126);
		ck_assert_str_eq(exit_status_name((int)info->status),
				 info->name);
		if (i > 0)
			ck_assert_int_lt((int)exit_statuses[i - 1].status,
					 (int)info->status);
	}
	ck_assert_ptr_null(exit_status_name(1));
	ck_assert_ptr_null(exit_status_name(-1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/verdict");
	TCase *tcase = tcase_create("verdict");
	TCase *reports = tcase_create("report");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_checked_fixture(reports, set_up_vcpu, tear_down);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, reports);
	tcase_add_test(tcase, test_the_first_decides);
	tcase_add_test(tcase, test_taking_alone_ends_nothing);
	tcase_add_test(tcase, test_long_sentences_are_cut);
	tcase_add_test(tcase, test_one_of_many_threads_decides);
	tcase_add_test(tcase, test_decided_again);
	tcase_add_test(tcase, test_deciding_alone_ends_nothing);
	tcase_add_loop_test(tcase, test_pass_status, 0, 7);
	tcase_add_test(tcase, test_exit_statuses);
	tcase_add_test(reports, test_triple_fault);
	tcase_add_test(reports, test_entry_refused);
	tcase_add_test(reports, test_entry_refused_on_amd);
	tcase_add_test(reports, test_internal_error);
	tcase_add_test(reports, test_internal_error_with_too_much_data);
	tcase_add_test(reports, test_unknown_exit);
	tcase_add_test(reports, test_run_failure);
	tcase_add_test(reports, test_late_report_changes_nothing);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
