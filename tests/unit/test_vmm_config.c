/* The options of hull itself: defaults, checks, files against arguments. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/quick_check.h"
#include "vmm/config.h"
#include "vmm/config_json.h"
#include "vmm/json_place.h"

static struct vm_config config;
static struct err err;
static char folder[PATH_MAX];

static void set_up(void)
{
	memset(&err, 0, sizeof(err));
	config_init(&config);
	snprintf(folder, sizeof(folder), P_tmpdir "/hull-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *file_path(void)
{
	static char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/vm.json", folder);
	return path;
}

static void tear_down(void)
{
	config_release(&config);
	unlink(file_path());
	rmdir(folder);
}

static void write_file(const char *text, size_t len)
{
	FILE *file = fopen(file_path(), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	fclose(file);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int from_args(const char *const words[])
{
	/* The type of main's argument; nothing writes to the words. */
	char *const *argv = (char *const *)words;
	int argc = 0;

	while (argv[argc])
		argc++;
	return config_from_args(&config, argc, argv, &err);
}

static void expect_taken(const char *const words[])
{
	ck_assert_msg(from_args(words) == 0, "%s", err.msg);
}

static int validate(const char *const words[])
{
	config_release(&config);
	config_init(&config);
	expect_taken(words);
	return config_validate(&config, &err);
}

static void expect_valid(const char *const words[])
{
	ck_assert_msg(validate(words) == 0, "%s", err.msg);
}

/* Parsed without a complaint, but refused by the check. */
static void expect_invalid(const char *sentence, const char *const words[])
{
	ck_assert_int_eq(validate(words), -EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

#define TAKEN(...)	       expect_taken(ARGS(__VA_ARGS__))
#define VALID(...)	       expect_valid(ARGS(__VA_ARGS__))
#define INVALID(sentence, ...) expect_invalid(sentence, ARGS(__VA_ARGS__))

START_TEST(test_defaults)
{
	ck_assert_ptr_null(config.kernel);
	ck_assert_ptr_null(config.cmdline);
	ck_assert_int_eq(config.boot, BOOT_PROTOCOL_AUTO);
	ck_assert_uint_eq(config.cpus, 1);
	ck_assert_str_eq(config.cpu, "host");
	ck_assert_uint_eq(config.memory_bytes, 256 * MIB);
	ck_assert_uint_eq(config.hugepage_bytes, 0);
	ck_assert(config.acpi);
	ck_assert(!config.fdt);
	ck_assert_int_eq(config.console, CONSOLE_STDIO);
	ck_assert_int_eq(config.debug_exit, DEBUG_EXIT_QEMU);
	ck_assert_uint_eq(config.timeout_ms, 0);
}
END_TEST

START_TEST(test_everything)
{
	TAKEN("--kernel", "k", "--initrd", "i", "--cmdline", "", "--boot",
	      "elf", "--cpus", "4", "--cpu", "host,-avx", "--memory",
	      "2G,hugepages=1G", "--acpi", "off", "--fdt", "on", "--console",
	      "unix=/s,,1", "--debug-exit", "value", "--timeout", "250ms",
	      "--verbose");
	ck_assert_str_eq(config.initrd, "i");
	ck_assert_str_eq(config.cmdline, "");
	ck_assert_int_eq(config.boot, BOOT_PROTOCOL_ELF64);
	ck_assert_uint_eq(config.cpus, 4);
	ck_assert_uint_eq(config.memory_bytes, 2 * GIB);
	ck_assert_uint_eq(config.hugepage_bytes, GIB);
	ck_assert(!config.acpi);
	ck_assert(config.fdt);
	ck_assert_int_eq(config.console, CONSOLE_UNIX);
	ck_assert_str_eq(config.console_path, "/s,1");
	ck_assert_int_eq(config.debug_exit, DEBUG_EXIT_VALUE);
	ck_assert_uint_eq(config.timeout_ms, 250);
	ck_assert(config.verbose);
	ck_assert_int_eq(config_validate(&config, &err), 0);
}
END_TEST

START_TEST(test_kernel_is_needed)
{
	INVALID("no kernel to boot: give --kernel FILE", "--cpus", "1");
	VALID("--print-config");
	ck_assert(!config_is_dump_only(&config));
	VALID("--dump-fdt", "x");
	ck_assert(config_is_dump_only(&config));
	VALID("--dump-acpi", "x", "--kernel", "k");
	ck_assert(!config_is_dump_only(&config));
	INVALID("--fdt on: --boot pvh hands no device tree to a kernel; use --boot elf",
		"--kernel", "k", "--fdt", "on", "--boot", "pvh");
	INVALID("--result and --junit name the same file, r", "--kernel", "k",
		"--result", "r", "--junit", "r");
	INVALID("--pass-status 256: a status is at most 255", "--kernel", "k",
		"--pass-status", "256");
	INVALID("--dump-acpi has nothing to write with --acpi off",
		"--dump-acpi", "x", "--acpi", "off");
}
END_TEST

START_TEST(test_flat_and_modules)
{
	TAKEN("--flat", "boot.bin@0x7c00");
	ck_assert_str_eq(config.flat, "boot.bin@0x7c00");
	ck_assert_int_eq(config.flat_mode, BOOT_MODE_REAL);
	ck_assert_int_eq(config_validate(&config, &err), 0);
	ck_assert(!config_is_dump_only(&config));
	TAKEN("--flat", "a,,b,mode=64");
	ck_assert_str_eq(config.flat, "a,b");
	ck_assert_int_eq(config.flat_mode, BOOT_MODE_LONG);
	TAKEN("--kernel", "k", "--module", "a b,c d", "--module", "e",
	      "--debugcon", "file=x", "--fw-cfg", "on", "--pm-timer", "off");
	ck_assert_uint_eq(config.module_count, 2);
	ck_assert_str_eq(config.modules[0], "a b,c d");
	ck_assert_str_eq(config.modules[1], "e");
	ck_assert_int_eq(config.debugcon, DEBUGCON_FILE);
	ck_assert_str_eq(config.debugcon_path, "x");
	ck_assert_int_eq(config.fw_cfg, DEVICE_ON);
	ck_assert_int_eq(config.pm_timer, DEVICE_OFF);
	INVALID("--kernel and --flat exclude each other", "--kernel", "k",
		"--flat", "f");
	INVALID("--flat: its mode says how it is entered; leave --boot out",
		"--flat", "f", "--boot", "elf");
	INVALID("--module needs a multiboot kernel: give --kernel FILE",
		"--flat", "f", "--module", "m");
	INVALID("--fdt on: --boot multiboot hands no device tree to a kernel; use --boot elf",
		"--kernel", "k", "--fdt", "on", "--boot", "multiboot2");
}
END_TEST

START_TEST(test_cpus)
{
	INVALID("--cpus 0: a guest has 1 to 64 virtual CPUs", "--kernel", "k",
		"--cpus", "0");
	INVALID("--cpus 65: a guest has 1 to 64 virtual CPUs", "--kernel", "k",
		"--cpus", "65");
	VALID("--kernel", "k", "--cpus", "64");
	INVALID("--cpu \"foo\": the only model is \"host\", as in --cpu host,-avx",
		"--kernel", "k", "--cpu", "foo");
}
END_TEST

START_TEST(test_memory)
{
	INVALID("--memory 0: a guest needs memory, at least 32 MiB", "--kernel",
		"k", "--memory", "0");
	INVALID("--memory 31M is too little; the least is 32 MiB", "--kernel",
		"k", "--memory", "31");
	VALID("--kernel", "k", "--memory", "32");
	INVALID("--memory 33554433B is not a multiple of its page size, 4K",
		"--kernel", "k", "--memory", "33554433B");
	INVALID("--memory 33M is not a multiple of its page size, 2M",
		"--kernel", "k", "--memory", "33M,hugepages=2M");
	INVALID("--memory 1536M is not a multiple of its page size, 1G",
		"--kernel", "k", "--memory", "1536M,hugepages=1G");
	VALID("--kernel", "k", "--memory", "64T");
	INVALID("--memory 65T is too much; the most is 64 TiB", "--kernel", "k",
		"--memory", "65T");
	config.memory_bytes = 64 * MIB;
	config.hugepage_bytes = 12345;
	ck_assert_int_eq(config_validate(&config, &err), -EINVAL);
}
END_TEST

START_TEST(test_console)
{
	char path[120];
	char option[140];

	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	snprintf(option, sizeof(option), "unix=%s", path);
	INVALID("--console unix=: the path is longer than the 107 bytes that a socket's name may have",
		"--kernel", "k", "--console", option);
	option[strlen(option) - 1] = '\0';
	VALID("--kernel", "k", "--console", option);
	config.console = CONSOLE_FILE;
	free(config.console_path);
	config.console_path = NULL;
	ck_assert_int_eq(config_validate(&config, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "--console file= needs a path");
}
END_TEST

/* --help wins over mistakes in values. */
START_TEST(test_help)
{
	TAKEN("--memory", "12Q", "--help");
	ck_assert(config.help);
	config_release(&config);
	config_init(&config);
	TAKEN("-h");
	ck_assert(config.help);
}
END_TEST

START_TEST(test_arguments_win_over_file)
{
	static const char text[] =
		"{\"kernel\": \"file\", \"cpus\": 3,"
		" \"memory\": {\"size\": \"1G\", \"hugepages\": \"2M\"}}";

	write_file(text, sizeof(text) - 1);
	TAKEN("--memory", "64M", "--config", file_path(), "--initrd", "i");
	ck_assert_str_eq(config.kernel, "file");
	ck_assert_uint_eq(config.cpus, 3);
	ck_assert_uint_eq(config.memory_bytes, 64 * MIB);
	ck_assert_uint_eq(config.hugepage_bytes, 0);
	ck_assert_str_eq(config.initrd, "i");
}
END_TEST

START_TEST(test_file_errors)
{
	autofree char *big = malloc(CONFIG_JSON_MAX_BYTES + 1);
	char expected[PATH_MAX + 100];

	ck_assert_int_eq(from_args(ARGS("--config", "/nowhere/x")), -ENOENT);
	ck_assert_str_eq(err.msg,
			 "cannot open /nowhere/x: No such file or directory");
	ck_assert_int_eq(from_args(ARGS("--config", folder)), -EISDIR);
	ck_assert_int_eq(from_args(ARGS("--config", "")), -EINVAL);
	ck_assert_str_eq(err.msg, "--config: the value is empty");
	memset(big, ' ', CONFIG_JSON_MAX_BYTES + 1);
	write_file(big, CONFIG_JSON_MAX_BYTES + 1);
	ck_assert_int_eq(from_args(ARGS("--config", file_path())), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s is larger than the 1 MiB that a configuration may have",
		 file_path());
	ck_assert_str_eq(err.msg, expected);
	big[0] = '{';
	big[1] = '}';
	write_file(big, CONFIG_JSON_MAX_BYTES);
	TAKEN("--config", file_path());
	write_file("{\"cpus\": 2, \"cpus\": 3}", 22);
	ck_assert_int_eq(from_args(ARGS("--config", file_path())), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s:1:13: the key \"cpus\" is given twice", file_path());
	ck_assert_str_eq(err.msg, expected);
}
END_TEST

/* The dump of @config, which the caller frees. */
static char *dump(void)
{
	char *text = NULL;

	ck_assert_msg(options_to_json(&config_options, &config, &text, &err) ==
			      0,
		      "%s", err.msg);
	return text;
}

START_TEST(test_dump_is_accepted_back)
{
	autofree char *first = NULL;
	autofree char *second = NULL;

	TAKEN("--kernel", "k \"q\" \\ \xc3\xa9", "--cmdline", "a=\"b c\"",
	      "--memory", "33554433B", "--console", "file=x,,y", "--timeout",
	      "1500ms", "--cpu", "host,+avx,-sse3", "--dump-fdt", "d",
	      "--print-config", "--quiet", "--verbose", "--flat", "f@1,mode=32",
	      "--module", "m 1", "--module", "m 2", "--debugcon", "file=y",
	      "--fw-cfg", "off", "--pm-timer", "on");
	first = dump();
	config_release(&config);
	config_init(&config);
	write_file(first, strlen(first));
	TAKEN("--config", file_path());
	second = dump();
	ck_assert_str_eq(first, second);
	ck_assert_str_eq(config.console_path, "x,y");
	ck_assert_str_eq(config.modules[1], "m 2");
	ck_assert_str_eq(config.flat, "f@1");
	ck_assert_int_eq(config.flat_mode, BOOT_MODE_PROTECTED);
	ck_assert_int_eq(config.fw_cfg, DEVICE_OFF);
	ck_assert_uint_eq(config.memory_bytes, 33554433);
	ck_assert(!config.print_config);
}
END_TEST

START_TEST(test_vhost)
{
	autofree char *text = NULL;

	VALID("--kernel", "k", "--net", "tap=t", "--net", "tap=t,vhost=on",
	      "--net", "bridge=b,vhost=off", "--net", "none,vhost=auto",
	      "--net", "tap=t,rate=1M", "--net", "tap=t,rate=1M,vhost=off");
	ck_assert_int_eq(config.nets[0].vhost, NET_VHOST_AUTO);
	ck_assert_int_eq(config.nets[1].vhost, NET_VHOST_ON);
	ck_assert_int_eq(config.nets[2].vhost, NET_VHOST_OFF);
	text = dump();
	config_release(&config);
	config_init(&config);
	write_file(text, strlen(text));
	TAKEN("--config", file_path());
	ck_assert_int_eq(config.nets[0].vhost, NET_VHOST_AUTO);
	ck_assert_int_eq(config.nets[1].vhost, NET_VHOST_ON);
	ck_assert_int_eq(config.nets[2].vhost, NET_VHOST_OFF);
	INVALID("--net: vhost-net knows no limits; leave out vhost=on or rate=",
		"--kernel", "k", "--net", "tap=t,rate=1M,vhost=on");
	INVALID("--net none,vhost=on: there is no tap whose packets vhost-net could move",
		"--kernel", "k", "--net", "none,vhost=on");
	ck_assert_int_eq(from_args(ARGS("--net", "tap=t,vhost=yes")), -EINVAL);
}
END_TEST

START_TEST(test_shares)
{
	autofree char *text = NULL;

	VALID("--kernel", "k", "--share",
	      "a,,b,tag=012345678901234567890123456789012345", "--share",
	      "c,tag=u,ro,cache=always");
	ck_assert_uint_eq(config_count_devices(&config), 4);
	text = dump();
	config_release(&config);
	config_init(&config);
	write_file(text, strlen(text));
	TAKEN("--config", file_path());
	ck_assert_uint_eq(config.share_count, 2);
	ck_assert_str_eq(config.shares[0].path, "a,b");
	ck_assert_str_eq(config.shares[0].tag,
			 "012345678901234567890123456789012345");
	ck_assert(!config.shares[0].read_only);
	ck_assert_str_eq(config.shares[1].tag, "u");
	ck_assert(config.shares[1].read_only);
	INVALID("--share a: the tag is longer than 36 bytes", "--kernel", "k",
		"--share", "a,tag=0123456789012345678901234567890123456");
	INVALID("--share b: a has the tag t already; give each its own",
		"--kernel", "k", "--share", "a,tag=t", "--share", "b,tag=t");
	ck_assert_int_eq(from_args(ARGS("--share", "a")), -EINVAL);
	ck_assert_int_eq(from_args(ARGS("--share", "tag=t")), -EINVAL);
}
END_TEST

START_TEST(test_dump_of_defaults)
{
	autofree char *text = dump();

	ck_assert_str_eq(
		text,
		"{\n"
		"  \"boot\": \"auto\",\n"
		"  \"cpus\": 1,\n"
		"  \"cpu\": \"host\",\n"
		"  \"memory\": {\n"
		"    \"size\": \"256M\"\n"
		"  },\n"
		"  \"acpi\": true,\n"
		"  \"fdt\": false,\n"
		"  \"irqchip\": \"auto\",\n"
		"  \"fw-cfg\": \"auto\",\n"
		"  \"pm-timer\": \"auto\",\n"
		"  \"rtc\": \"host\",\n"
		"  \"transport\": \"pci\",\n"
		"  \"iothreads\": 0,\n"
		"  \"io-spin\": 64,\n"
		"  \"virtio-console\": true,\n"
		"  \"rng\": true,\n"
		"  \"console\": {\n"
		"    \"stdio\": true\n"
		"  },\n"
		"  \"debug-exit\": \"qemu\",\n"
		"  \"debugcon\": {\n"
		"    \"console\": true\n"
		"  },\n"
		"  \"tests\": \"auto\",\n"
		"  \"dump-on\": \"panic,timeout,fail-on,triple-fault,kvm\",\n"
		"  \"trace-file\": \"hull.trace\"\n"
		"}\n");
}
END_TEST

/* Each option has what the help and the manual print of it. */
START_TEST(test_table_is_complete)
{
	for (size_t i = 0; i < config_options.count; i++) {
		const struct option *option = &config_options.options[i];
		const struct option_group *group = option->group;

		ck_assert_ptr_nonnull(option->help);
		ck_assert_ptr_nonnull(option->section);
		for (size_t j = 0; group && j < group->count; j++)
			ck_assert_ptr_nonnull(group->options[j].help);
		for (size_t j = i + 1; j < config_options.count; j++)
			ck_assert_str_ne(option->name,
					 config_options.options[j].name);
	}
}
END_TEST

/* ---- places in a JSON text ---- */

static const char places[] =
	"{ \"a\": {\"b\": [1, {\"c\": \"x\\\"]\"}, []] },\n"
	"  \"d\": [ {\"e\": 2} ], \"a\\u0062\": 1 }";

static void check_place(const char *path, const char *at)
{
	size_t offset = 0;

	ck_assert(json_place_find(places, sizeof(places) - 1, path, &offset));
	ck_assert_msg(!strncmp(places + offset, at, strlen(at)), "%s is at %s",
		      path, places + offset);
}

START_TEST(test_places)
{
	unsigned int line;
	unsigned int column;
	char path[64];
	size_t offset;

	check_place("", "{ \"a\"");
	check_place("a", "\"a\"");
	check_place("a.b", "\"b\"");
	check_place("a.b[0]", "1,");
	check_place("a.b[1]", "{\"c\"");
	check_place("a.b[1].c", "\"c\"");
	check_place("a.b[2]", "[]]");
	check_place("d[0].e", "\"e\"");
	ck_assert(!json_place_find(places, sizeof(places) - 1, "e", &offset));
	ck_assert(!json_place_find(places, sizeof(places) - 1, "a.b[3]",
				   &offset));
	ck_assert(!json_place_find(places, sizeof(places) - 1, "x\\\"]",
				   &offset));
	offset = (size_t)(strstr(places, "\"e\"") - places);
	ck_assert(json_place_path(places, sizeof(places) - 1, offset, path,
				  sizeof(path)));
	ck_assert_str_eq(path, "d[0].e");
	json_place_line(places, offset, &line, &column);
	ck_assert_uint_eq(line, 2);
	ck_assert_uint_eq(column, 11);
}
END_TEST

/* Every text that ends too early is read to its end and not beyond. */
START_TEST(test_places_in_cut_texts)
{
	for (size_t len = 0; len < sizeof(places); len++) {
		autofree char *text = malloc(len ? len : 1);
		char path[64];
		size_t offset;

		memcpy(text, places, len);
		json_place_find(text, len, "d[0].zz", &offset);
		json_place_path(text, len, len ? len - 1 : 0, path,
				sizeof(path));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/config");
	TCase *tcase = tcase_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_defaults);
	tcase_add_test(tcase, test_everything);
	tcase_add_test(tcase, test_kernel_is_needed);
	tcase_add_test(tcase, test_flat_and_modules);
	tcase_add_test(tcase, test_cpus);
	tcase_add_test(tcase, test_memory);
	tcase_add_test(tcase, test_console);
	tcase_add_test(tcase, test_help);
	tcase_add_test(tcase, test_arguments_win_over_file);
	tcase_add_test(tcase, test_file_errors);
	tcase_add_test(tcase, test_dump_is_accepted_back);
	tcase_add_test(tcase, test_vhost);
	tcase_add_test(tcase, test_shares);
	tcase_add_test(tcase, test_dump_of_defaults);
	tcase_add_test(tcase, test_table_is_complete);
	tcase_add_test(tcase, test_places);
	tcase_add_test(tcase, test_places_in_cut_texts);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
