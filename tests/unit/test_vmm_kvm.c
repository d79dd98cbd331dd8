/*
 * What hull says of a KVM that is missing, forbidden or too old, and how it
 * uses one that is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "tests/unit/real_kvm.h"
#include "vmm/kvm.h"

static struct err err;

/* --- What is asked of an open device --- */

/* A KVM whose answers the test makes up. */
struct answers {
	int version;
	int missing_cap;
	int cap_result; /* of the missing one */
	int run_bytes;
	size_t caps_asked;
};

static struct answers answers;

static int answer(void *opaque, unsigned long request, unsigned long argument)
{
	struct answers *self = opaque;

	switch (request) {
	case KVM_GET_API_VERSION:
		return self->version;
	case KVM_CHECK_EXTENSION:
		self->caps_asked++;
		return (int)argument == self->missing_cap ? self->cap_result :
							    1;
	case KVM_GET_VCPU_MMAP_SIZE:
		return self->run_bytes;
	default:
		ck_abort_msg("ioctl 0x%lx was not to be asked", request);
		return -ENOTTY;
	}
}

static void set_up(void)
{
	answers = (struct answers){
		.version = KVM_API_VERSION,
		.missing_cap = -1,
		.run_bytes = 12288,
	};
	err = (struct err){ 0 };
}

static void expect_refused(int code, const char *sentence)
{
	const struct kvm_probe probe = { .ask = answer, .opaque = &answers };
	size_t bytes = 4711;

	ck_assert_int_eq(kvm_check(&probe, &bytes, &err), -code);
	ck_assert_int_eq(err.code, code);
	ck_assert_str_eq(err.msg, sentence);
	ck_assert_uint_eq(bytes, 4711);
}

START_TEST(test_all_is_there)
{
	const struct kvm_probe probe = { .ask = answer, .opaque = &answers };
	size_t bytes = 0;

	ck_assert_int_eq(kvm_check(&probe, &bytes, &err), 0);
	ck_assert_uint_eq(bytes, 12288);
	ck_assert_uint_eq(answers.caps_asked, kvm_required_cap_count);
}
END_TEST

START_TEST(test_wrong_api_version)
{
	answers.version = 11;
	expect_refused(ENOTSUP,
		       "/dev/kvm speaks API version 11, hull needs 12");
	answers.version = 13;
	expect_refused(ENOTSUP,
		       "/dev/kvm speaks API version 13, hull needs 12");
	answers.version = -ENOTTY;
	expect_refused(ENOTTY, "/dev/kvm is not KVM: "
			       "Inappropriate ioctl for device");
	/* Nothing else means anything before that is known. */
	ck_assert_uint_eq(answers.caps_asked, 0);
}
END_TEST

START_TEST(test_capability_is_named)
{
	answers.missing_cap = KVM_CAP_IMMEDIATE_EXIT;
	expect_refused(ENOTSUP,
		       "this host's KVM lacks KVM_CAP_IMMEDIATE_EXIT, which "
		       "Linux has since 4.11: run a newer host kernel");
}
END_TEST

START_TEST(test_each_required_capability)
{
	const struct kvm_required_cap *cap = &kvm_required_caps[_i];
	char sentence[256];

	ck_assert_int_gt(snprintf(sentence, sizeof(sentence),
				  "this host's KVM lacks %s, which Linux has "
				  "since %s: run a newer host kernel",
				  cap->name, cap->since),
			 0);
	ck_assert_int_eq(strncmp(cap->name, "KVM_CAP_", 8), 0);
	answers.missing_cap = cap->cap;
	expect_refused(ENOTSUP, sentence);
	/* An error for an answer is no yes. */
	answers.cap_result = -EINVAL;
	expect_refused(ENOTSUP, sentence);
}
END_TEST

START_TEST(test_run_area_too_small)
{
	answers.run_bytes = 100;
	expect_refused(ENOTSUP,
		       "KVM_GET_VCPU_MMAP_SIZE gives 100 bytes, too few");
	answers.run_bytes = -EINVAL;
	expect_refused(ENOTSUP,
		       "KVM_GET_VCPU_MMAP_SIZE gives -22 bytes, too few");
}
END_TEST

/* --- A device that does not open --- */

static const char *explain(int code, const struct stat *device)
{
	ck_assert_int_eq(kvm_explain_open_failure(code, device, &err), -code);
	ck_assert_int_eq(err.code, code);
	return err.msg;
}

START_TEST(test_no_device)
{
	static const int codes[] = { ENOENT, ENODEV, ENXIO };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		ck_assert_str_eq(explain(codes[i], NULL),
				 "no /dev/kvm: load the module (modprobe "
				 "kvm_intel or kvm_amd) and enable "
				 "virtualization in the firmware; see `hull "
				 "doctor`");
}
END_TEST

START_TEST(test_no_permission_names_the_group)
{
	struct stat device = { .st_mode = S_IFCHR | 0660, .st_gid = 0 };

	ck_assert_str_eq(explain(EACCES, &device),
			 "no permission to open /dev/kvm: join the group "
			 "\"root\" (sudo usermod -aG root $USER, then log in "
			 "again)");
	/* A group that /etc/group does not have goes by its number. */
	device.st_gid = 4294000001U;
	ck_assert_ptr_nonnull(
		strstr(explain(EACCES, &device), "the group \"4294000001\""));
	device.st_gid = 0;
	device.st_mode = S_IFCHR | 0600;
	ck_assert_str_eq(explain(EACCES, &device),
			 "no permission to open /dev/kvm, and its mode 0600 "
			 "lets nobody of its group \"root\" in: as root, chgrp "
			 "kvm /dev/kvm && chmod 0660 /dev/kvm, then join the "
			 "group \"kvm\"");
	ck_assert_str_eq(explain(EPERM, &device), err.msg);
}
END_TEST

START_TEST(test_other_failures_in_the_words_of_the_host)
{
	struct stat device = { .st_mode = S_IFCHR | 0660 };

	ck_assert_str_eq(explain(EMFILE, &device),
			 "cannot open /dev/kvm: Too many open files");
	ck_assert_str_eq(explain(EACCES, NULL),
			 "cannot open /dev/kvm: Permission denied");
}
END_TEST

START_TEST(test_flavors_are_described)
{
	ck_assert_str_eq(kvm_flavor_describe(KVM_FLAVOR_VMX), "Intel VT-x");
	ck_assert_str_eq(kvm_flavor_describe(KVM_FLAVOR_SVM), "AMD-V");
	ck_assert_ptr_nonnull(strstr(kvm_flavor_describe(KVM_FLAVOR_EMULATED),
				     "emulated in software"));
}
END_TEST

START_TEST(test_release_of_nothing)
{
	struct kvm kvm = { .fd = -1, .vm_fd = -1 };

	kvm_release(&kvm);
	kvm_release(&kvm);
	ck_assert_int_eq(kvm.fd, -1);
}
END_TEST

/* --- A real one --- */

START_TEST(test_machine_on_kvm)
{
	struct gmem gmem;
	struct kvm kvm;
	int flags;

	ck_assert_int_eq(gmem_init(&gmem, 32 * MIB, 0, &err), 0);
	ck_assert_int_eq(kvm_open(&kvm, &err), 0);
	ck_assert_uint_ge(kvm.vcpu_run_bytes, sizeof(struct kvm_run));
	ck_assert_int_eq(kvm.vm_fd, -1);
	ck_assert_int_eq(kvm.flavor, kvm_flavor_of_host());
	flags = fcntl(kvm.fd, F_GETFD);
	ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(kvm_create_vm(&kvm, &err), 0);
	flags = fcntl(kvm.vm_fd, F_GETFD);
	ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(kvm_map_memory(&kvm, &gmem, &err), 0);
	/* The same slots elsewhere: refused, and told where. */
	gmem.regions[0].start = 0x123;
	ck_assert_int_eq(kvm_map_memory(&kvm, &gmem, &err), -EINVAL);
	ck_assert_str_eq(err.msg,
			 "KVM refuses 32 MiB of guest memory at 0x123: "
			 "Invalid argument");
	kvm_release(&kvm);
	ck_assert_int_eq(kvm.fd, -1);
	ck_assert_int_eq(kvm.vm_fd, -1);
	gmem_release(&gmem);
}
END_TEST

START_TEST(test_no_vm_without_kvm)
{
	struct kvm kvm = { .fd = -1, .vm_fd = -1 };

	ck_assert_int_eq(kvm_create_vm(&kvm, &err), -EBADF);
	ck_assert_str_eq(err.msg, "KVM cannot create a VM: "
				  "Bad file descriptor");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/kvm");
	TCase *tcase = tcase_create("explanations");
	TCase *real = tcase_create("real");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_set_timeout(real, 30);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, real);
	tcase_add_test(tcase, test_all_is_there);
	tcase_add_test(tcase, test_wrong_api_version);
	tcase_add_test(tcase, test_capability_is_named);
	tcase_add_loop_test(tcase, test_each_required_capability, 0,
			    (int)kvm_required_cap_count);
	tcase_add_test(tcase, test_run_area_too_small);
	tcase_add_test(tcase, test_no_device);
	tcase_add_test(tcase, test_no_permission_names_the_group);
	tcase_add_test(tcase, test_other_failures_in_the_words_of_the_host);
	tcase_add_test(tcase, test_flavors_are_described);
	tcase_add_test(tcase, test_release_of_nothing);
	tcase_add_test(tcase, test_no_vm_without_kvm);
	if (has_real_kvm("vmm/kvm/machine_on_kvm"))
		tcase_add_test(real, test_machine_on_kvm);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
