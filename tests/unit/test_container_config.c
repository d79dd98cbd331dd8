/* config.json: every wrong element is refused by its path, and what is right
 * arrives. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "container/config.h"
#include "tests/unit/quick_check.h"

/* A whole configuration with @process, @linux and @more members put in. */
static int read_with(struct config *config, const char *process,
		     const char *linux_part, const char *more, struct err *err)
{
	char text[4096];
	json_t *tree;

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
		 "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]%s},"
		 "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		 "{\"type\":\"uts\"},{\"type\":\"network\"}]%s}%s}",
		 process, linux_part, more);
	err->code = 0;
	err->msg[0] = '\0';
	tree = json_parse(text, strlen(text), "config.json", err);
	if (!tree) {
		*config = (struct config){ .tree = NULL };
		return -EINVAL;
	}
	return config_read(config, tree, err);
}

struct wrong {
	const char *process;
	const char *linux_part;
	const char *more;
	const char *message; /* how it begins */
};

static const struct wrong process_cases[] = {
	{ ",\"terminal\":1", "", "",
	  "process.terminal: expected true or false" },
	{ ",\"cwd\":\"x\"", "", "", "config.json:1:" }, /* a doubled key */
	{ ",\"env\":[\"a\",3]", "", "", "process.env[1]: expected a string" },
	{ ",\"env\":{}", "", "", "process.env: expected an array" },
	{ ",\"user\":[]", "", "", "process.user: expected an object" },
	{ ",\"user\":{\"uid\":-1}", "", "", "process.user.uid: it may not be" },
	{ ",\"user\":{\"uid\":\"0\"}", "", "", "process.user.uid: expected a" },
	{ ",\"user\":{\"gid\":4294967295}", "", "",
	  "process.user.gid: 4294967" },
	{ ",\"user\":{\"umask\":512}", "", "",
	  "process.user.umask: 512 is more" },
	{ ",\"user\":{\"additionalGids\":[1,-1]}", "", "",
	  "process.user.additionalGids[1]" },
	{ ",\"capabilities\":{\"bounding\":[\"CAP_FLY\"]}", "", "",
	  "process.capabilities.bounding[0]: \"CAP_FLY\" is no" },
	{ ",\"capabilities\":{\"ambient\":\"x\"}", "", "",
	  "process.capabilities.ambient: expected an array" },
	{ ",\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]", "",
	  "", "process.rlimits[0]: \"RLIMIT_X\" is no" },
	{ ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]", "",
	  "", "process.rlimits[0]: soft is more" },
	{ ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},"
	  "{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1}]",
	  "", "", "process.rlimits[1]: RLIMIT_AS is given twice" },
	{ ",\"oomScoreAdj\":1001", "", "", "process.oomScoreAdj: 1001 is not" },
	{ ",\"noNewPrivileges\":\"yes\"", "", "", "process.noNewPrivileges" },
	{ ",\"consoleSize\":{\"height\":70000}", "", "",
	  "process.consoleSize.height: 70000 is more" },
	{ ",\"ioPriority\":{\"class\":\"X\"}", "", "", "process.ioPriority" },
	{ ",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}", "",
	  "", "process.ioPriority.priority: 8 is not" },
	{ ",\"scheduler\":{\"policy\":\"SCHED_X\"}", "", "",
	  "process.scheduler: \"SCHED_X\"" },
	{ ",\"scheduler\":{\"policy\":\"SCHED_RR\",\"flags\":[\"F\"]}", "", "",
	  "process.scheduler: \"F\" is no" },
	{ ",\"scheduler\":{\"policy\":\"SCHED_RR\",\"nice\":20}", "", "",
	  "process.scheduler.nice: 20 is not" },
};

static const struct wrong linux_cases[] = {
	{ "", ",\"maskedPaths\":[\"x\"]", "",
	  "linux.maskedPaths[0]: \"x\" is" },
	{ "", ",\"readonlyPaths\":[1]", "",
	  "linux.readonlyPaths[0]: expected" },
	{ "", ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]",
	  "", "linux.uidMappings: there is no new user namespace" },
	{ "", ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":0}]",
	  "", "linux.uidMappings[0]: size must" },
	{ "", ",\"timeOffsets\":{\"boottime\":{\"secs\":1}}", "",
	  "linux.timeOffsets: there is no new time" },
	{ "", ",\"devices\":[{\"path\":\"/d\",\"type\":\"x\"}]", "",
	  "linux.devices[0]: \"x\" is no type" },
	{ "", ",\"devices\":[{\"path\":\"d\",\"type\":\"c\"}]", "",
	  "linux.devices[0]: the path" },
	{ "", ",\"devices\":[{\"type\":\"c\"}]", "",
	  "linux.devices[0].path: it is missing" },
	{ "", ",\"sysctl\":{\"kernel.panic\":\"1\"}", "",
	  "linux.sysctl.kernel.panic: it is not in a namespace" },
	{ "", ",\"sysctl\":{\"kernel.shmmax\":\"1\"}", "",
	  "linux.sysctl.kernel.shmmax: the container has no" },
	{ "", ",\"sysctl\":{\"net.a\":1}", "", "linux.sysctl.net.a: expected" },
	{ "", ",\"rootfsPropagation\":\"x\"", "", "linux.rootfsPropagation" },
	{ "", ",\"personality\":{\"domain\":\"X\"}", "", "linux.personality" },
	{ "", ",\"intelRdt\":{\"closID\":\"x\"}", "",
	  "linux.intelRdt: resctrl" },
	{ "", ",\"mountLabel\":\"x\"", "", "linux.mountLabel: SELinux" },
	{ "", ",\"netDevices\":{\"e\":5}", "",
	  "linux.netDevices.e: expected an object" },
	{ "", ",\"netDevices\":{\"a/b\":{}}", "",
	  "linux.netDevices.a/b: \"a/b\" is no name" },
	{ "", ",\"netDevices\":{\"e\":{\"name\":\"eth%s\"}}", "",
	  "linux.netDevices.e.name: \"eth%s\" is no name" },
	{ "", ",\"cgroupsPath\":5", "",
	  "linux.cgroupsPath: expected a string" },
	{ "", ",\"seccomp\":{}", "",
	  "linux.seccomp.defaultAction: it is miss" },
	{ "", ",\"seccomp\":{\"defaultAction\":\"X\"}", "",
	  "linux.seccomp.defaultAction: \"X\" is no" },
	{ "", ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "",
	  "linux.seccomp.defaultAction: an agent cannot be asked" },
	{ "",
	  ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
	  "\"architectures\":[\"Z80\"]}",
	  "", "linux.seccomp.architectures[0]: unknown" },
	{ "",
	  ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
	  "\"flags\":[\"F\"]}",
	  "", "linux.seccomp.flags[0]: unknown" },
	{ "",
	  ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
	  "\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]}",
	  "", "linux.seccomp.syscalls[0].names: there is no name" },
	{ "",
	  ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
	  "\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
	  "\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}",
	  "", "linux.seccomp.syscalls[0].args[0].index: 6 is more" },
	{ "",
	  ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
	  "\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
	  "\"args\":[{\"index\":1,\"op\":\"EQ\"}]}]}",
	  "", "linux.seccomp.syscalls[0].args[0]: \"EQ\" is no operator" },
};

static const struct wrong resource_cases[] = {
	{ "", "\"memory\":{\"limit\":\"1\"}", "",
	  "linux.resources.memory.limit: expected a number" },
	{ "", "\"memory\":{\"limit\":-2}", "",
	  "linux.resources.memory.limit: -2 is not" },
	{ "", "\"memory\":{\"swap\":5}", "",
	  "linux.resources.memory.swap: a limit of swap needs" },
	{ "", "\"memory\":{\"limit\":9,\"swap\":5}", "",
	  "linux.resources.memory.swap: it is less" },
	{ "", "\"memory\":{\"swappiness\":5}", "",
	  "linux.resources.memory.swappiness: cgroup v2" },
	{ "", "\"cpu\":{\"realtimeRuntime\":5}", "",
	  "linux.resources.cpu.realtimeRuntime: cgroup v2" },
	{ "", "\"cpu\":{\"idle\":2}", "",
	  "linux.resources.cpu.idle: 2 is not" },
	{ "", "\"cpu\":{\"cpus\":0}", "",
	  "linux.resources.cpu.cpus: expected" },
	{ "", "\"pids\":{\"limit\":true}", "", "linux.resources.pids.limit" },
	{ "", "\"pids\":5", "", "linux.resources.pids: expected an object" },
	{ "", "\"blockIO\":{\"weight\":10001}", "",
	  "linux.resources.blockIO.weight: 10001" },
	{ "", "\"blockIO\":{\"throttleReadBpsDevice\":[7]}", "",
	  "linux.resources.blockIO.throttleReadBpsDevice[0]: expected an obj" },
	{ "", "\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]", "",
	  "linux.resources.hugepageLimits[0]: no page size" },
	{ "", "\"rdma\":{\"d\":{\"hcaHandles\":-1}}", "",
	  "linux.resources.rdma.d.hcaHandles: it may not" },
	{ "", "\"unified\":{\"cgroup.procs\":\"1\"}", "",
	  "linux.resources.unified.cgroup.procs: it is not a" },
	{ "", "\"unified\":{\"../memory.max\":\"1\"}", "",
	  "linux.resources.unified.../memory.max: it is not a" },
	{ "", "\"unified\":{\"memory.max\":1}", "",
	  "linux.resources.unified.memory.max: expected a string" },
	{ "", "\"network\":{\"classID\":1}", "",
	  "linux.resources.network: cgroup v2" },
	{ "", "\"devices\":[{\"type\":\"z\"}]", "",
	  "linux.resources.devices[0]: \"z\" is no type" },
	{ "", "\"devices\":[{\"access\":\"rx\"}]", "",
	  "linux.resources.devices[0]: \"rx\" is no access" },
	{ "", "\"devices\":[{\"major\":-2}]", "",
	  "linux.resources.devices[0].major: -2 is not" },
};

static const struct wrong mount_cases[] = {
	{ "", "", "{}", "mounts[0].destination: it is missing" },
	{ "", "", "7", "mounts[0]: expected an object, found a number" },
	{ "", "", "{\"destination\":\"m\"}",
	  "mounts[0].destination: \"m\" is not absolute" },
	{ "", "", "{\"destination\":\"/m\"}", "mounts[0]: it has neither" },
	{ "", "", "{\"destination\":\"/m\",\"options\":[\"bind\"]}",
	  "mounts[0]: a bind mount needs a source" },
	{ "", "",
	  "{\"destination\":\"/m\",\"source\":\"/\",\"options\":[\"bind\",\"size=1\"]}",
	  "mounts[0]: a bind mount has no option \"size=1\"" },
	{ "", "",
	  "{\"destination\":\"/m\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]}",
	  "mounts[0]: tmpcopyup is for tmpfs" },
	{ "", "",
	  "{\"destination\":\"/m\",\"type\":\"proc\",\"options\":[\"idmap\"]}",
	  "mounts[0]: idmap is for bind" },
	{ "", "",
	  "{\"destination\":\"/m\",\"type\":\"proc\",\"options\":[\"remount\",\"tmpcopyup\"]}",
	  "mounts[0]: remount goes with neither" },
	{ "", "",
	  "{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/\","
	  "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}",
	  "mounts[0]: uidMappings and gidMappings go together" },
};

static const struct wrong top_cases[] = {
	{ "", "", ",\"hostname\":5", "hostname: expected a string" },
	{ "", "",
	  ",\"hostname\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxx\"",
	  "hostname: it is longer" },
	{ "", "", ",\"windows\":{}", "windows: only Linux" },
	{ "", "", ",\"annotations\":{\"a\":1}", "annotations.a: expected a" },
	{ "", "", ",\"annotations\":{\"\":\"x\"}", "annotations.: a key is" },
	{ "", "", ",\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}",
	  "hooks.prestart[0].path: \"x\" is not absolute" },
	{ "", "", ",\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}",
	  "hooks.poststop[0].timeout: it must be" },
	{ "", "", ",\"hooks\":{\"createRuntime\":{}}",
	  "hooks.createRuntime: expected an array" },
	{ "", "", ",\"mounts\":{}", "mounts: expected an array" },
	{ "", "", ",,", "config.json:1:" },
	{ "", "", ",\"hostname\":\"a\",\"hostname\":\"b\"", "config.json:1:" },
};

static void expect_refused(const struct wrong *wrong, const char *process,
			   const char *linux_part, const char *more)
{
	struct config config;
	struct err err;
	int rc = read_with(&config, process, linux_part, more, &err);

	ck_assert_msg(rc == -EINVAL, "accepted: %s %s %s", process, linux_part,
		      more);
	ck_assert_msg(!strncmp(err.msg, wrong->message, strlen(wrong->message)),
		      "said \"%s\", not \"%s\"", err.msg, wrong->message);
	config_dispose(&config);
}

START_TEST(test_wrong_process)
{
	for (size_t i = 0; i < ARRAY_SIZE(process_cases); i++)
		expect_refused(&process_cases[i], process_cases[i].process, "",
			       "");
}
END_TEST

START_TEST(test_wrong_linux)
{
	for (size_t i = 0; i < ARRAY_SIZE(linux_cases); i++)
		expect_refused(&linux_cases[i], "", linux_cases[i].linux_part,
			       "");
}
END_TEST

START_TEST(test_wrong_resources)
{
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(resource_cases); i++) {
		snprintf(text, sizeof(text), ",\"resources\":{%s}",
			 resource_cases[i].linux_part);
		expect_refused(&resource_cases[i], "", text, "");
	}
}
END_TEST

START_TEST(test_wrong_mounts)
{
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(mount_cases); i++) {
		snprintf(text, sizeof(text), ",\"mounts\":[%s]",
			 mount_cases[i].more);
		expect_refused(&mount_cases[i], "", "", text);
	}
}
END_TEST

START_TEST(test_wrong_top)
{
	for (size_t i = 0; i < ARRAY_SIZE(top_cases); i++)
		expect_refused(&top_cases[i], "", "", top_cases[i].more);
}
END_TEST

/* Documents that read_with cannot make. */
START_TEST(test_wrong_documents)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "[]", "config.json: not a JSON object" },
		{ "{", "config.json:1:1: not valid JSON" },
		{ "{}", "ociVersion: it is missing" },
		{ "{\"ociVersion\":\"2.0\"}", "ociVersion: version 2.0" },
		{ "{\"ociVersion\":1}", "ociVersion: expected a string" },
		{ "{\"ociVersion\":\"1.0\"}", "root: it is missing" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{}}",
		  "root.path: it is missing" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"\"}}",
		  "root.path: it is empty" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"}}",
		  "linux: it is missing" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"linux\":{}}",
		  "linux: a container without a new mount namespace" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"linux\":{\"namespaces\":[{\"type\":\"x\"}]}}",
		  "linux.namespaces[0]: \"x\" is no namespace" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
		  "{\"type\":\"pid\"}]}}",
		  "linux.namespaces[1]: \"pid\" is given twice" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"hostname\":\"h\",\"linux\":{\"namespaces\":["
		  "{\"type\":\"mount\"}]}}",
		  "hostname: it needs a uts namespace" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		  "{\"type\":\"user\"}]}}",
		  "linux.uidMappings: a new user namespace needs" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"process\":{\"args\":[\"a\"]},\"linux\":{}}",
		  "process.cwd: it is missing" },
		{ "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},"
		  "\"process\":{\"cwd\":\"/\",\"args\":[]},\"linux\":{}}",
		  "process.args: there is no program" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config config = { .tree = NULL };
		struct err err = { 0 };
		json_t *tree = json_parse(cases[i].text, strlen(cases[i].text),
					  "config.json", &err);
		int rc = tree ? config_read(&config, tree, &err) : -EINVAL;

		ck_assert_int_eq(rc, -EINVAL);
		ck_assert_msg(!strncmp(err.msg, cases[i].message,
				       strlen(cases[i].message)),
			      "said \"%s\", not \"%s\"", err.msg,
			      cases[i].message);
		config_dispose(&config);
	}
}
END_TEST

START_TEST(test_unknown_is_ignored)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(read_with(&config, ",\"new\":1", ",\"new\":[]",
				   ",\"new\":{\"x\":1.5},\"hostname\":null",
				   &err),
			 0);
	config_dispose(&config);
}
END_TEST

/* "No limit" is beyond what the parser's integers hold. */
START_TEST(test_large_numbers)
{
	struct config config;
	struct err err;
	int rc = read_with(&config,
			   ",\"rlimits\":[{\"type\":\"RLIMIT_AS\","
			   "\"soft\":9223372036854775808,"
			   "\"hard\":18446744073709551615}],"
			   "\"env\":[\"x=18446744073709551615\",\"\\\"9\"]",
			   "", "", &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_uint_eq(config.process.rlimits[0].limit.rlim_cur, 1ULL << 63);
	ck_assert_uint_eq(config.process.rlimits[0].limit.rlim_max, UINT64_MAX);
	ck_assert_str_eq(config.process.env[0], "x=18446744073709551615");
	ck_assert_str_eq(config.process.env[1], "\"9");
	config_dispose(&config);
	rc = read_with(&config,
		       ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,"
		       "\"hard\":18446744073709551616}]",
		       "", "", &err);
	ck_assert_int_eq(rc, -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "process.rlimits[0].hard"));
	config_dispose(&config);
	rc = read_with(&config, ",\"oomScoreAdj\":99999999999999999999", "", "",
		       &err);
	ck_assert_int_eq(rc, -EINVAL);
	ck_assert_str_eq(err.msg, "process.oomScoreAdj: expected a number, "
				  "found a number too large");
	config_dispose(&config);
}
END_TEST

static const char *setting(const struct config *config, const char *file)
{
	const struct config_resources *r = &config->resources;
	const char *value = "(none)";

	for (size_t i = 0; i < r->setting_count; i++) {
		if (!strcmp(r->settings[i].file, file))
			value = r->settings[i].value;
	}
	return value;
}

START_TEST(test_resources)
{
	struct config config;
	struct err err;
	int rc = read_with(
		&config, "",
		",\"resources\":{\"memory\":{\"limit\":100,\"swap\":150,"
		"\"reservation\":-1},\"cpu\":{\"shares\":1024,\"quota\":-1,"
		"\"period\":50000,\"burst\":7,\"cpus\":\"0-1\"},"
		"\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":10,"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,"
		"\"rate\":5}]},\"hugepageLimits\":[{\"pageSize\":\"2MB\","
		"\"limit\":18446744073709551615}],"
		"\"unified\":{\"memory.high\":\"9\"}}",
		"", &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_str_eq(setting(&config, "memory.max"), "100");
	ck_assert_str_eq(setting(&config, "memory.swap.max"), "50");
	ck_assert_str_eq(setting(&config, "memory.low"), "max");
	ck_assert_str_eq(setting(&config, "cpu.weight"), "39");
	ck_assert_str_eq(setting(&config, "cpu.max"), "max 50000");
	ck_assert_str_eq(setting(&config, "cpu.max.burst"), "7");
	ck_assert_str_eq(setting(&config, "cpuset.cpus"), "0-1");
	ck_assert_str_eq(setting(&config, "pids.max"), "max");
	ck_assert_str_eq(setting(&config, "io.weight"), "default 1");
	ck_assert_str_eq(setting(&config, "io.max"), "8:1 rbps=5");
	ck_assert_str_eq(setting(&config, "hugetlb.2MB.max"),
			 "18446744073709551615");
	ck_assert_str_eq(setting(&config, "memory.high"), "9");
	ck_assert_str_eq(config.resources.settings[0].controller, "memory");
	ck_assert_str_eq(config.resources.settings[0].name,
			 "linux.resources.memory.swap");
	config_dispose(&config);
}
END_TEST

START_TEST(test_mount_options)
{
	struct config config;
	struct err err;
	const struct mount_plan *plan;
	int rc = read_with(
		&config, "", "",
		",\"mounts\":[{\"destination\":\"/a\",\"source\":\"s\","
		"\"type\":\"none\",\"options\":[\"rbind\",\"ro\",\"nosuid\","
		"\"rw\",\"rslave\",\"rnoexec\"]},"
		"{\"destination\":\"/b\",\"type\":\"tmpfs\",\"source\":\"t\","
		"\"options\":[\"nodev\",\"size=5m\",\"noatime\",\"sync\","
		"\"relatime\",\"ro\"]}]",
		&err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	plan = &config.mounts[0].plan;
	ck_assert(plan->is_bind && plan->recursive && !plan->type);
	ck_assert_uint_eq(plan->one.set, MOUNT_ATTR_NOSUID);
	ck_assert_uint_eq(plan->one.clear, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(plan->below.set, MOUNT_ATTR_NOEXEC);
	ck_assert_uint_eq(plan->below.propagation, MS_SLAVE);
	plan = &config.mounts[1].plan;
	ck_assert(!plan->is_bind);
	ck_assert_uint_eq(plan->one.set, MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(plan->param_count, 2);
	ck_assert_str_eq(plan->params[0], "size=5m");
	ck_assert_str_eq(plan->params[1], "sync");
	config_dispose(&config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/config");
	TCase *tests = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_wrong_process);
	tcase_add_test(tests, test_wrong_linux);
	tcase_add_test(tests, test_wrong_resources);
	tcase_add_test(tests, test_wrong_mounts);
	tcase_add_test(tests, test_wrong_top);
	tcase_add_test(tests, test_wrong_documents);
	tcase_add_test(tests, test_unknown_is_ignored);
	tcase_add_test(tests, test_large_numbers);
	tcase_add_test(tests, test_resources);
	tcase_add_test(tests, test_mount_options);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
