/* What doctor says of hosts that are described by a folder. */
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/quick_check.h"
#include "vmm/doctor.h"
#include "vmm/host_file.h"

static char root[PATH_MAX];
static struct doctor_report report;

static void set_up(void)
{
	snprintf(root, sizeof(root), P_tmpdir "/hull-doctor-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	memset(&report, 0, sizeof(report));
	report.root = root;
}

/* All that is below the root; fts(3) keeps its state to itself. */
static void tear_down(void)
{
	char *const paths[] = { root, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	while (tree && (entry = fts_read(tree)) != NULL) {
		if (entry->fts_info != FTS_D)
			remove(entry->fts_path);
	}
	if (tree)
		fts_close(tree);
}

/* Puts a file with its folders below the root. */
static void put(const char *path, const char *text)
{
	char full[PATH_MAX * 2];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = full + strlen(root) + 1;
	     (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static const struct doctor_item *item(const char *name)
{
	for (size_t i = 0; i < report.count; i++) {
		if (!strcmp(report.items[i].name, name))
			return &report.items[i];
	}
	ck_abort_msg("there is no item %s", name);
	return NULL;
}

static void expect(const char *name, enum doctor_state state,
		   const char *finding, const char *remedy)
{
	const struct doctor_item *found = item(name);

	ck_assert_int_eq(found->state, state);
	ck_assert_msg(strstr(found->finding, finding) != NULL, "%s: %s", name,
		      found->finding);
	ck_assert_msg(strstr(found->remedy, remedy) != NULL, "%s: %s", name,
		      found->remedy);
}

START_TEST(test_no_kvm)
{
	put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse svm\n");
	doctor_check_kvm(&report);
	ck_assert(!report.can_run);
	expect("kvm", DOCTOR_MISSING, "no /dev/kvm", "sudo modprobe kvm_amd");
	expect("virtualization", DOCTOR_MISSING, "kvm_amd is not loaded",
	       "modprobe kvm_amd");
}
END_TEST

START_TEST(test_no_virtualization)
{
	put("/proc/cpuinfo", "flags\t\t: fpu svmx vmxx\n");
	doctor_check_kvm(&report);
	expect("kvm", DOCTOR_MISSING, "no /dev/kvm", "firmware");
	expect("virtualization", DOCTOR_MISSING, "neither VT-x nor AMD-V",
	       "firmware");
}
END_TEST

/* The flag is the last word of its line. */
START_TEST(test_intel)
{
	put("/proc/cpuinfo", "flags\t\t: fpu vmx\n");
	put("/sys/module/kvm_intel/parameters/nested", "Y\n");
	doctor_check_kvm(&report);
	expect("virtualization", DOCTOR_OK, "VT-x", "");
	expect("nested", DOCTOR_OK, "", "");
}
END_TEST

START_TEST(test_nested_off)
{
	put("/sys/module/kvm_amd/parameters/nested", "0\n");
	doctor_check_kvm(&report);
	expect("virtualization", DOCTOR_OK, "AMD-V", "");
	expect("nested", DOCTOR_LIMITED, "", "kvm_amd nested=1");
}
END_TEST

START_TEST(test_emulated)
{
	put("/proc/cpuinfo", "flags\t\t: fpu\n");
	put("/sys/module/kvm_pvm/parameters/x", "");
	doctor_check_kvm(&report);
	expect("virtualization", DOCTOR_LIMITED, "kvm_pvm", "tests/lab");
	expect("nested", DOCTOR_LIMITED, "cannot use KVM", "");
}
END_TEST

/* A node without its driver is not opened: that would load the driver. */
START_TEST(test_module_is_not_loaded)
{
	put("/dev/kvm", "");
	put("/sys/class/misc/other", "");
	put("/proc/cpuinfo", "flags\t\t: vmx\n");
	doctor_check_kvm(&report);
	ck_assert(!report.can_run);
	expect("kvm", DOCTOR_MISSING, "no /dev/kvm", "modprobe kvm_intel");
}
END_TEST

START_TEST(test_not_the_device)
{
	put("/dev/kvm", "");
	doctor_check_kvm(&report);
	ck_assert(!report.can_run);
	expect("kvm", DOCTOR_MISSING, "is not the KVM device", "");
}
END_TEST

/* As a user who is neither the owner nor in the group, also under root. */
static void check_kvm_with_mode(mode_t mode)
{
	char path[PATH_MAX + 16];
	struct stat st;
	char line[64];

	put("/dev/kvm", "");
	snprintf(path, sizeof(path), "%s/dev/kvm", root);
	if (getuid() == 0)
		ck_assert_int_eq(chown(path, 0, 12345), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	snprintf(line, sizeof(line), "virt:x:%u:\n", (unsigned int)st.st_gid);
	put("/etc/group", line);
	ck_assert_int_eq(chmod(path, mode), 0);
	snprintf(path, sizeof(path), "%s/dev", root);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(chmod(root, 0755), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	doctor_check_kvm(&report);
	ck_assert_int_eq(seteuid(getuid()), 0);
}

START_TEST(test_not_in_the_group)
{
	check_kvm_with_mode(0060);
	ck_assert(!report.can_run);
	expect("kvm", DOCTOR_MISSING, "group \"virt\" only",
	       "sudo usermod -aG virt $USER");
}
END_TEST

START_TEST(test_group_is_shut_out)
{
	check_kvm_with_mode(0);
	expect("kvm", DOCTOR_MISSING,
	       "group \"virt\" but its mode 000 lets only its owner in",
	       "chmod 660");
}
END_TEST

START_TEST(test_group_names)
{
	char name[16];

	put("/etc/group", "root:x:0:\n"
			  "bad line\n"
			  "short:x\n"
			  "kvm::104:a,b\n"
			  "a-very-long-group-name:x:7:\n"
			  "later:x:104:\n");
	host_group_name(root, 104, name, sizeof(name));
	ck_assert_str_eq(name, "kvm");
	host_group_name(root, 0, name, sizeof(name));
	ck_assert_str_eq(name, "root");
	host_group_name(root, 7, name, sizeof(name));
	ck_assert_str_eq(name, "a-very-long-gro");
	host_group_name(root, 99, name, sizeof(name));
	ck_assert_str_eq(name, "99");
	host_group_name("/nowhere", 0, name, sizeof(name));
	ck_assert_str_eq(name, "0");
}
END_TEST

START_TEST(test_files)
{
	uint64_t value = 5;
	char buf[4];

	put("/n", "12\n");
	put("/max", "max\n");
	put("/empty", "");
	ck_assert_int_eq(host_file_read(root, "/n", buf, sizeof(buf)), 2);
	ck_assert_str_eq(buf, "12");
	ck_assert_int_eq(host_file_read(root, "/max", buf, sizeof(buf)), 3);
	ck_assert_int_eq(host_file_read(root, "/max", buf, 3), 2);
	ck_assert_str_eq(buf, "ma");
	ck_assert_int_eq(host_file_read(root, "/empty", buf, 3), 0);
	ck_assert_int_eq(host_file_read(root, "/none", buf, 3), -ENOENT);
	ck_assert_str_eq(buf, "");
	ck_assert_int_lt(host_file_read(root, "/", buf, 3), 0);
	ck_assert_int_eq(host_file_read_u64(root, "/n", &value), 0);
	ck_assert_uint_eq(value, 12);
	ck_assert_int_eq(host_file_read_u64(root, "/max", &value), -EINVAL);
	ck_assert_int_eq(host_file_read_u64(root, "/none", &value), -ENOENT);
}
END_TEST

static const char v1_mounts[] = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
				"cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";

START_TEST(test_cgroup_v1)
{
	put("/proc/self/mounts", v1_mounts);
	doctor_check_host(&report);
	expect("cgroup", DOCTOR_MISSING, "not mounted, only v1",
	       "systemd.unified_cgroup_hierarchy=1");
}
END_TEST

START_TEST(test_cgroup_hybrid)
{
	char mounts[400];

	snprintf(mounts, sizeof(mounts), "%scgroup2 /u\\040x cgroup2 rw 0 0\n",
		 v1_mounts);
	put("/proc/self/mounts", mounts);
	/* Neither a longer nor a shorter name is the name. */
	put("/u x/cgroup.controllers", "cpuset memory pid\n");
	doctor_check_host(&report);
	expect("cgroup", DOCTOR_LIMITED,
	       "at /u x lacks the controllers cpu io pids; v1 holds them",
	       "unified");
}
END_TEST

START_TEST(test_cgroup_v2)
{
	put("/proc/self/mounts", "cgroup2 /c cgroup2 rw 0 0\n");
	put("/c/cgroup.controllers", "cpuset cpu io memory pids\n");
	doctor_check_host(&report);
	expect("cgroup", DOCTOR_OK, "v2 at /c with cpuset cpu io memory pids",
	       "");
}
END_TEST

START_TEST(test_huge_pages)
{
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10\n");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n");
	doctor_check_host(&report);
	expect("hugepages-2M", DOCTOR_OK, "10 pages of 2M in the pool, 3 free",
	       "");
	expect("hugepages-1G", DOCTOR_MISSING, "no pages of 1G", "");
}
END_TEST

START_TEST(test_transparent_huge_pages)
{
	static const char path[] =
		"/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	put(path, "always within_size [advise] never deny force\n");
	doctor_check_host(&report);
	expect("thp", DOCTOR_OK, "guest memory gets transparent", "");
}
END_TEST

START_TEST(test_no_transparent_huge_pages)
{
	static const char path[] =
		"/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	put(path, "always within_size advise never [deny] force\n");
	doctor_check_host(&report);
	expect("thp", DOCTOR_LIMITED, "gets no transparent huge pages", "");
}
END_TEST

START_TEST(test_empty_pool)
{
	put("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4\n");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
	doctor_check_host(&report);
	expect("hugepages-1G", DOCTOR_LIMITED, "is empty",
	       "hugepages-1048576kB/nr_hugepages");
	expect("hugepages-2M", DOCTOR_LIMITED, "4 pages of 2M in the pool, 0",
	       "");
}
END_TEST

START_TEST(test_sysctls)
{
	put("/proc/sys/user/max_user_namespaces", "0\n");
	put("/proc/sys/vm/overcommit_memory", "2\n");
	doctor_check_host(&report);
	expect("userns", DOCTOR_MISSING, "user.max_user_namespaces is 0",
	       "sysctl user.max_user_namespaces=15000");
	expect("overcommit", DOCTOR_LIMITED, "vm.overcommit_memory=2",
	       "vm.overcommit_memory=0");
}
END_TEST

START_TEST(test_devices)
{
	put("/dev/net/tun", "");
	put("/sys/class/misc/tun", "");
	put("/dev/vhost-net", "");
	doctor_check_host(&report);
	expect("tun", DOCTOR_OK, "/dev/net/tun can be opened", "");
	expect("vhost-net", DOCTOR_LIMITED, "vhost_net not yet loaded",
	       "modprobe vhost_net");
}
END_TEST

static void print_to(char *buf, size_t size, bool json)
{
	FILE *out = fmemopen(buf, size, "w");

	ck_assert_ptr_nonnull(out);
	if (json)
		doctor_print_json(out, &report);
	else
		doctor_print(out, &report);
	fclose(out);
}

START_TEST(test_print)
{
	char text[800];

	doctor_add(&report, "one", DOCTOR_OK, "all of %d", 3);
	doctor_add(&report, "two", DOCTOR_MISSING, "not \"there\"");
	doctor_remedy(&report, "do it");
	print_to(text, sizeof(text), false);
	ck_assert_str_eq(text,
			 "ok       one            all of 3\n"
			 "missing  two            not \"there\" -> do it\n"
			 "No guest can run on this host.\n");
	report.can_run = true;
	print_to(text, sizeof(text), true);
	ck_assert_str_eq(text, "{\n"
			       "  \"can_run\": true,\n"
			       "  \"items\": [\n"
			       "    {\n"
			       "      \"name\": \"one\",\n"
			       "      \"state\": \"ok\",\n"
			       "      \"finding\": \"all of 3\"\n"
			       "    },\n"
			       "    {\n"
			       "      \"name\": \"two\",\n"
			       "      \"state\": \"missing\",\n"
			       "      \"finding\": \"not \\\"there\\\"\",\n"
			       "      \"remedy\": \"do it\"\n"
			       "    }\n"
			       "  ]\n"
			       "}\n");
}
END_TEST

/* This host, whatever it is: every line names a thing once. */
START_TEST(test_this_host)
{
	report.root = "";
	doctor_check_kvm(&report);
	doctor_check_host(&report);
	for (size_t i = 0; i < report.count; i++) {
		ck_assert(*report.items[i].finding);
		for (size_t j = i + 1; j < report.count; j++)
			ck_assert_str_ne(report.items[i].name,
					 report.items[j].name);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/doctor");
	TCase *tcase = tcase_create("doctor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_no_kvm);
	tcase_add_test(tcase, test_no_virtualization);
	tcase_add_test(tcase, test_intel);
	tcase_add_test(tcase, test_nested_off);
	tcase_add_test(tcase, test_emulated);
	tcase_add_test(tcase, test_module_is_not_loaded);
	tcase_add_test(tcase, test_not_the_device);
	tcase_add_test(tcase, test_not_in_the_group);
	tcase_add_test(tcase, test_group_is_shut_out);
	tcase_add_test(tcase, test_group_names);
	tcase_add_test(tcase, test_files);
	tcase_add_test(tcase, test_cgroup_v1);
	tcase_add_test(tcase, test_cgroup_hybrid);
	tcase_add_test(tcase, test_cgroup_v2);
	tcase_add_test(tcase, test_huge_pages);
	tcase_add_test(tcase, test_transparent_huge_pages);
	tcase_add_test(tcase, test_no_transparent_huge_pages);
	tcase_add_test(tcase, test_empty_pool);
	tcase_add_test(tcase, test_sysctls);
	tcase_add_test(tcase, test_devices);
	tcase_add_test(tcase, test_print);
	tcase_add_test(tcase, test_this_host);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
