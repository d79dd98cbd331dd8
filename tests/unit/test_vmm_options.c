/*
 * The option engine on a table of its own, which has what hull's table does not
 * have yet: a list of groups and a list of strings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/quick_check.h"
#include "vmm/config_json.h"
#include "vmm/options.h"

enum cable_kind {
	CABLE_NONE,
	CABLE_TAP,
	CABLE_FD
};

struct disk {
	char *path;
	bool read_only;
	char *serial;
	uint64_t rate;
	unsigned int queues;
};

struct target {
	char *name;
	unsigned int count;
	uint64_t size;
	uint64_t wait_ms;
	bool flag;
	bool toggle;
	int level;
	struct disk disks[3];
	unsigned int disk_count;
	int net;
	char *tap;
	unsigned int net_fd;
	char *mac;
	char *tags[2];
	unsigned int tag_count;
};

static const struct option_value levels[] = {
	{ "low", 1 },
	{ "high", 7 },
	{ NULL, 0 },
};

static const struct option disk_options[] = {
	{ .name = "path",
	  .type = OPTION_PATH,
	  .flags = OPTION_POSITIONAL | OPTION_REQUIRED,
	  OPTION_FIELD(struct disk, path),
	  .tag = -1 },
	{ .name = "ro",
	  .type = OPTION_BOOL,
	  OPTION_FIELD(struct disk, read_only),
	  .tag = -1 },
	{ .name = "serial",
	  .type = OPTION_STRING,
	  OPTION_FIELD(struct disk, serial),
	  .tag = -1 },
	{ .name = "bps",
	  .type = OPTION_SIZE,
	  OPTION_FIELD(struct disk, rate),
	  .tag = -1 },
	{ .name = "queues",
	  .type = OPTION_UINT,
	  OPTION_FIELD(struct disk, queues),
	  .default_text = "1",
	  .tag = -1 },
};

static const struct option_group store_group = {
	.options = disk_options,
	.count = ARRAY_SIZE(disk_options),
};

static const struct option net_options[] = {
	{ .name = "tap",
	  .type = OPTION_STRING,
	  OPTION_FIELD(struct target, tap),
	  .tag = CABLE_TAP },
	{ .name = "fd",
	  .type = OPTION_UINT,
	  OPTION_FIELD(struct target, net_fd),
	  .tag = CABLE_FD },
	{ .name = "none", .type = OPTION_TAG, .tag = CABLE_NONE },
	{ .name = "mac",
	  .type = OPTION_STRING,
	  OPTION_FIELD(struct target, mac),
	  .tag = -1 },
};

static const struct option_group cable_group = {
	.options = net_options,
	.count = ARRAY_SIZE(net_options),
	.has_choice = true,
	.tag_offset = offsetof(struct target, net),
};

static const struct option options[] = {
	{ .name = "name",
	  .type = OPTION_STRING,
	  OPTION_FIELD(struct target, name),
	  .default_text = "nobody" },
	{ .name = "count",
	  .type = OPTION_UINT,
	  OPTION_FIELD(struct target, count) },
	{ .name = "size",
	  .type = OPTION_SIZE,
	  .unit = MIB,
	  OPTION_FIELD(struct target, size) },
	{ .name = "wait",
	  .type = OPTION_DURATION,
	  OPTION_FIELD(struct target, wait_ms) },
	{ .name = "flag",
	  .type = OPTION_FLAG,
	  OPTION_FIELD(struct target, flag) },
	{ .name = "toggle",
	  .type = OPTION_BOOL,
	  OPTION_FIELD(struct target, toggle),
	  .default_text = "on" },
	{ .name = "level",
	  .type = OPTION_ENUM,
	  .values = levels,
	  OPTION_FIELD(struct target, level),
	  .default_text = "low" },
	{ .name = "disk",
	  .type = OPTION_GROUP,
	  .group = &store_group,
	  OPTION_FIELD(struct target, disks),
	  .list_max = 3,
	  .list_stride = sizeof(struct disk),
	  .list_count_offset = offsetof(struct target, disk_count) },
	{ .name = "net",
	  .type = OPTION_GROUP,
	  .group = &cable_group,
	  .default_text = "none" },
	{ .name = "tag",
	  .type = OPTION_STRING,
	  OPTION_FIELD(struct target, tags),
	  .list_max = 2,
	  .list_stride = sizeof(char *),
	  .list_count_offset = offsetof(struct target, tag_count) },
	{ .name = "help",
	  .type = OPTION_FLAG,
	  .flags = OPTION_NOT_IN_JSON,
	  OPTION_FIELD(struct target, flag) },
};

static const struct option_table table = {
	.options = options,
	.count = ARRAY_SIZE(options),
};

static struct target target;
static struct err err;

static void set_up(void)
{
	memset(&target, 0, sizeof(target));
	memset(&err, 0, sizeof(err));
	options_init(&table, &target);
}

static void tear_down(void)
{
	options_release(&table, &target);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int apply(const char *const words[])
{
	/* The type of main's argument; nothing writes to the words. */
	char *const *argv = (char *const *)words;
	struct option_args args;
	int argc = 0;
	int rc;

	while (argv[argc])
		argc++;
	rc = options_parse(&table, argc, argv, &args, &err);
	if (rc)
		return rc;
	rc = options_apply(&table, &target, &args, &err);
	option_args_release(&args);
	return rc;
}

static void expect_taken(const char *const words[])
{
	ck_assert_msg(apply(words) == 0, "%s", err.msg);
}

static void expect_refused(const char *sentence, const char *const words[])
{
	tear_down();
	set_up();
	ck_assert_int_eq(apply(words), -EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

#define TAKEN(...)	       expect_taken(ARGS(__VA_ARGS__))
#define REFUSED(sentence, ...) expect_refused(sentence, ARGS(__VA_ARGS__))

START_TEST(test_defaults)
{
	ck_assert_str_eq(target.name, "nobody");
	ck_assert_uint_eq(target.count, 0);
	ck_assert(target.toggle);
	ck_assert(!target.flag);
	ck_assert_int_eq(target.level, 1);
	ck_assert_int_eq(target.net, CABLE_NONE);
	ck_assert_uint_eq(target.disk_count, 0);
}
END_TEST

START_TEST(test_scalars)
{
	TAKEN("--name", "x", "--count=0x10", "--size", "3", "--wait", "2m",
	      "--flag", "--toggle", "off", "--level=high");
	ck_assert_str_eq(target.name, "x");
	ck_assert_uint_eq(target.count, 16);
	ck_assert_uint_eq(target.size, 3 * MIB);
	ck_assert_uint_eq(target.wait_ms, 120000);
	ck_assert(target.flag);
	ck_assert(!target.toggle);
	ck_assert_int_eq(target.level, 7);
}
END_TEST

START_TEST(test_scalars_refused)
{
	REFUSED("--count: \"-1\" is not a number", "--count", "-1");
	REFUSED("--count: \"4294967296\" is too large", "--count",
		"4294967296");
	REFUSED("--count: \"99999999999999999999\" is too large", "--count",
		"99999999999999999999");
	REFUSED("--size: \"1X\" is not a size, such as 512M or 4G", "--size",
		"1X");
	REFUSED("--wait: \"1d\" is not a duration, such as 500ms or 60s",
		"--wait", "1d");
	REFUSED("--toggle: \"maybe\" is neither on nor off", "--toggle",
		"maybe");
	REFUSED("--level: \"mid\" is not one of low|high", "--level", "mid");
	REFUSED("--name: the value is empty", "--name", "");
	REFUSED("--name: the value is empty", "--name=");
}
END_TEST

START_TEST(test_command_line_shape)
{
	REFUSED("unknown option --nme; did you mean --name?", "--nme", "x");
	REFUSED("unknown option --siez; did you mean --size?", "--siez=1");
	REFUSED("unknown option --entirely-else", "--entirely-else");
	REFUSED("unknown option -n; options begin with --", "-n");
	REFUSED("unexpected argument \"stray\"", "stray");
	REFUSED("unexpected argument \"--\"", "--");
	REFUSED("unexpected argument \"-\"", "-");
	REFUSED("--count needs a value: N", "--count");
	REFUSED("--count needs a value: N", "--count", "--size", "1");
	REFUSED("--count needs a value: N", "--count", "--size=1");
	REFUSED("--flag takes no value", "--flag=on");
	REFUSED("--count is given twice", "--count", "1", "--count", "1");
	REFUSED("--flag is given twice", "--flag", "--flag");
}
END_TEST

START_TEST(test_sentences_are_one_line)
{
	REFUSED("unexpected argument \"a?b?[2J\"", "a\nb\033[2J");
	REFUSED("unknown option --x??", "--x\r\n");
}
END_TEST

/* What looks like an option is a value when there is no such option. */
START_TEST(test_value_with_dashes)
{
	TAKEN("--name", "--odd-name");
	ck_assert_str_eq(target.name, "--odd-name");
	TAKEN("--name=--size");
	ck_assert_str_eq(target.name, "--size");
}
END_TEST

START_TEST(test_nothing_is_stored_when_the_shape_is_wrong)
{
	ck_assert_int_lt(apply(ARGS("--name", "x", "--nope")), 0);
	ck_assert_str_eq(target.name, "nobody");
}
END_TEST

START_TEST(test_list_of_groups)
{
	TAKEN("--disk", "a.img,ro,serial=S1,bps=1M", "--disk=b.img", "--disk",
	      "c,,d,ro=off,queues=4");
	ck_assert_uint_eq(target.disk_count, 3);
	ck_assert_str_eq(target.disks[0].path, "a.img");
	ck_assert(target.disks[0].read_only);
	ck_assert_str_eq(target.disks[0].serial, "S1");
	ck_assert_uint_eq(target.disks[0].rate, MIB);
	ck_assert_uint_eq(target.disks[0].queues, 1);
	ck_assert_str_eq(target.disks[1].path, "b.img");
	ck_assert(!target.disks[1].read_only);
	ck_assert_ptr_null(target.disks[1].serial);
	ck_assert_uint_eq(target.disks[1].queues, 1);
	ck_assert_str_eq(target.disks[2].path, "c,d");
	ck_assert(!target.disks[2].read_only);
	ck_assert_uint_eq(target.disks[2].queues, 4);
}
END_TEST

START_TEST(test_positional_with_an_equals_sign)
{
	REFUSED("--disk: unknown key \"c,d\"; there are path, ro, serial, bps, queues",
		"--disk", "c,,d=e");
	TAKEN("--disk", "path=c,,d=e");
	ck_assert_str_eq(target.disks[0].path, "c,d=e");
}
END_TEST

START_TEST(test_groups_refused)
{
	REFUSED("--disk: \"path\" is missing", "--disk", "ro=on");
	REFUSED("--disk: \"path\" is given twice", "--disk", "a,path=b");
	REFUSED("--disk: \"ro\" is given twice", "--disk", "a,ro,ro");
	REFUSED("--disk: unknown key \"quues\"; did you mean \"queues\"?",
		"--disk", "a,quues=1");
	REFUSED("--disk: \"serial\" needs a value", "--disk", "a,serial");
	REFUSED("--disk: serial: the value is empty", "--disk", "a,serial=");
	REFUSED("--disk: queues: \"x\" is not a number", "--disk",
		"a,queues=x");
	REFUSED("--disk: an item between commas is empty (a comma in a name is written ,,)",
		"--disk", "a,");
	REFUSED("--disk: an item between commas is empty (a comma in a name is written ,,)",
		"--disk", ",ro");
	REFUSED("--disk: the value is empty", "--disk", "");
	REFUSED("--disk: there are more than 3", "--disk", "a", "--disk", "b",
		"--disk", "c", "--disk", "d");
}
END_TEST

START_TEST(test_choice)
{
	TAKEN("--net", "tap=t0,mac=aa");
	ck_assert_int_eq(target.net, CABLE_TAP);
	ck_assert_str_eq(target.tap, "t0");
	ck_assert_str_eq(target.mac, "aa");
	/* The next one replaces the whole group. */
	TAKEN("--net", "fd=7");
	ck_assert_int_eq(target.net, CABLE_FD);
	ck_assert_uint_eq(target.net_fd, 7);
	ck_assert_ptr_null(target.tap);
	ck_assert_ptr_null(target.mac);
	REFUSED("--net: \"tap\" and \"none\" exclude each other", "--net",
		"tap=t0,none");
	REFUSED("--net: no kind is given; it takes tap=STRING|fd=N|none[,mac=STRING]",
		"--net", "mac=aa");
	REFUSED("--net: \"none\" takes no value", "--net", "none=1");
}
END_TEST

START_TEST(test_lists_are_replaced)
{
	TAKEN("--disk", "a", "--tag", "x", "--tag", "y");
	ck_assert_uint_eq(target.tag_count, 2);
	ck_assert_str_eq(target.tags[1], "y");
	TAKEN("--tag", "z");
	ck_assert_uint_eq(target.tag_count, 1);
	ck_assert_str_eq(target.tags[0], "z");
	ck_assert_ptr_null(target.tags[1]);
	ck_assert_uint_eq(target.disk_count, 1);
	REFUSED("--tag: there are more than 2", "--tag", "1", "--tag", "2",
		"--tag", "3");
}
END_TEST

START_TEST(test_nearest)
{
	static const char *const words[] = { "memory", "kernel", "cpu", "cpus",
					     NULL };

	ck_assert_str_eq(option_nearest("memroy", words), "memory");
	ck_assert_str_eq(option_nearest("mem", words), "memory");
	ck_assert_str_eq(option_nearest("kernal", words), "kernel");
	ck_assert_str_eq(option_nearest("cpu", words), "cpu");
	ck_assert_str_eq(option_nearest("cups", words), "cpus");
	ck_assert_ptr_null(option_nearest("timeout", words));
	ck_assert_ptr_null(option_nearest("", words));
}
END_TEST

static void check_metavar(const char *name, const char *expected)
{
	char buf[160];

	option_metavar(option_find(options, ARRAY_SIZE(options), name,
				   strlen(name)),
		       buf, sizeof(buf));
	ck_assert_str_eq(buf, expected);
}

START_TEST(test_metavar)
{
	char small[8];

	check_metavar("name", "STRING");
	check_metavar("flag", "");
	check_metavar("toggle", "on|off");
	check_metavar("level", "low|high");
	check_metavar("disk", "FILE[,KEY=VALUE]...");
	check_metavar("net", "tap=STRING|fd=N|none[,mac=STRING]");
	option_metavar(&options[7], small, sizeof(small));
	ck_assert_str_eq(small, "FILE[,K");
}
END_TEST

static void check_size(uint64_t bytes, const char *expected)
{
	char buf[32];

	option_format_size(bytes, buf, sizeof(buf));
	ck_assert_str_eq(buf, expected);
}

START_TEST(test_format)
{
	char buf[32];

	check_size(0, "0B");
	check_size(1023, "1023B");
	check_size(1536 * KIB, "1536K");
	check_size(GIB, "1G");
	check_size((uint64_t)3 * 1024 * GIB, "3T");
	check_size((uint64_t)5 * 1024 * 1024 * GIB, "5120T");
	check_size(UINT64_MAX, "18446744073709551615B");
	option_format_duration(1500, buf, sizeof(buf));
	ck_assert_str_eq(buf, "1500ms");
	option_format_duration(90000, buf, sizeof(buf));
	ck_assert_str_eq(buf, "90s");
}
END_TEST

/* ---- JSON ---- */

static int load(const char *text)
{
	return options_from_json(&table, &target, "f.json", text, strlen(text),
				 &err);
}

static void json_refused(const char *sentence, const char *text)
{
	tear_down();
	set_up();
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_str_eq(err.msg, sentence);
}

static const char everything[] = "{\n"
				 "  \"name\": \"x\",\n"
				 "  \"count\": 3,\n"
				 "  \"size\": \"5M\",\n"
				 "  \"wait\": \"90s\",\n"
				 "  \"flag\": true,\n"
				 "  \"toggle\": false,\n"
				 "  \"level\": \"high\",\n"
				 "  \"disk\": [\n"
				 "    {\n"
				 "      \"path\": \"a,b\",\n"
				 "      \"ro\": true,\n"
				 "      \"queues\": 1\n"
				 "    },\n"
				 "    {\n"
				 "      \"path\": \"c\",\n"
				 "      \"serial\": \"S\",\n"
				 "      \"bps\": \"1K\",\n"
				 "      \"queues\": 2\n"
				 "    }\n"
				 "  ],\n"
				 "  \"net\": {\n"
				 "    \"tap\": \"t0\"\n"
				 "  },\n"
				 "  \"tag\": [\n"
				 "    \"one\",\n"
				 "    \"two\"\n"
				 "  ]\n"
				 "}\n";

START_TEST(test_json_round_trip)
{
	autofree char *text = NULL;

	ck_assert_msg(load(everything) == 0, "%s", err.msg);
	ck_assert_int_eq(options_to_json(&table, &target, &text, &err), 0);
	ck_assert_str_eq(text, everything);
}
END_TEST

START_TEST(test_json_same_as_arguments)
{
	autofree char *text = NULL;

	TAKEN("--name=x", "--count=3", "--size=5", "--wait=90", "--flag",
	      "--toggle=off", "--level=high", "--disk", "a,,b,ro", "--disk",
	      "c,serial=S,bps=1024,queues=2", "--net", "tap=t0", "--tag", "one",
	      "--tag", "two");
	ck_assert_int_eq(options_to_json(&table, &target, &text, &err), 0);
	ck_assert_str_eq(text, everything);
}
END_TEST

START_TEST(test_json_short_forms)
{
	ck_assert_msg(load("{\"disk\": [\"a,ro\", {\"path\": \"b\"}],"
			   " \"net\": \"fd=3\", \"size\": 2, \"wait\": 1}") ==
			      0,
		      "%s", err.msg);
	ck_assert_uint_eq(target.disk_count, 2);
	ck_assert(target.disks[0].read_only);
	ck_assert_uint_eq(target.net_fd, 3);
	ck_assert_uint_eq(target.size, 2 * MIB);
	ck_assert_uint_eq(target.wait_ms, 1000);
}
END_TEST

START_TEST(test_json_keys_refused)
{
	json_refused("f.json:2:3: unknown key \"nmae\"; did you mean \"name\"?",
		     "{\"count\": 1,\n  \"nmae\": \"x\"}");
	json_refused("f.json:1:17: the key \"count\" is given twice",
		     "{ \"count\": 1,   \"count\": 2 }");
	json_refused("f.json:3:2: the key \"disk[1].path\" is given twice",
		     "{\"disk\": [\"a\",\n{\"path\": \"x\",\n \"path\": 1}]}");
	json_refused("f.json:2:9: the key \"net.mac\" is given twice",
		     "{\"net\": {\"mac\": \"a\\\"\",\n        \"mac\": 2}}");
	json_refused(
		"f.json:1:24: disk[0]: unknown key \"pth\"; did you mean \"path\"?",
		"{\"count\": 1, \"disk\": [{\"pth\": 1}]}");
}
END_TEST

START_TEST(test_json_types_refused)
{
	json_refused("f.json:1:2: name: expected a string, found a number",
		     "{\"name\": 1}");
	json_refused("f.json:1:2: name: expected a string, found null",
		     "{\"name\": null}");
	json_refused("f.json:1:2: count: expected a number, found a string",
		     "{\"count\": \"1\"}");
	json_refused("f.json:1:2: count: expected a number, found a fraction",
		     "{\"count\": 1.0}");
	json_refused("f.json:1:2: count: \"-1\" is not a number",
		     "{\"count\": -1}");
	json_refused("f.json:1:2: count: \"4294967296\" is too large",
		     "{\"count\": 4294967296}");
	json_refused("f.json:1:2: flag: expected true or false, found a string",
		     "{\"flag\": \"on\"}");
	json_refused(
		"f.json:1:2: size: expected a number or a string, found true",
		"{\"size\": true}");
	json_refused("f.json:1:2: level: expected a string, found an object",
		     "{\"level\": {}}");
	json_refused(
		"f.json:1:2: net: expected an object or a string, found an array",
		"{\"net\": []}");
	json_refused("f.json:1:2: disk: expected an array, found a string",
		     "{\"disk\": \"a\"}");
	json_refused(
		"f.json:1:16: disk[1]: expected an object or a string, found a number",
		"{\"disk\": [\"a\", 5]}");
	json_refused("f.json:1:10: tag[0]: expected a string, found false",
		     "{\"tag\": [false]}");
	json_refused("f.json:1:10: net: none: expected true, found false",
		     "{\"net\": {\"none\": false}}");
	json_refused("f.json:1:1: expected an object, found an array", "[]");
	json_refused("f.json:1:1: expected an object, found a string", "\"x\"");
}
END_TEST

START_TEST(test_json_values_refused)
{
	json_refused("f.json:1:13: disk[0]: queues: \"-2\" is not a number",
		     "{\"disk\": [ {\"queues\": -2}]}");
	json_refused("f.json:1:11: disk[0]: \"path\" is missing",
		     "{\"disk\": [{\"ro\": true}]}");
	json_refused(
		"f.json:1:2: net: no kind is given; it takes tap=STRING|fd=N|none[,mac=STRING]",
		"{\"net\": {\"mac\": \"x\"}}");
	json_refused("f.json:1:22: net: \"tap\" and \"fd\" exclude each other",
		     "{\"net\": {\"tap\": \"x\", \"fd\": 3}}");
	json_refused("f.json:1:2: net: \"none\" takes no value",
		     "{\"net\": \"none=1\"}");
	json_refused("f.json:1:29: tag: there are more than 2",
		     "{\"tag\": [\"one\",    \"two\",   \"three\"]}");
	json_refused(
		"f.json:1:2: \"help\" can only be given on the command line",
		"{\"help\": true}");
	json_refused("f.json:1:2: name: the value is empty",
		     "{\"name\": \"\"}");
}
END_TEST

START_TEST(test_json_syntax_refused)
{
	json_refused(
		"f.json:1:0: not valid JSON: unexpected token near end of file",
		"");
	json_refused(
		"f.json:2:1: not valid JSON: string or '}' expected near '}'",
		"{\"count\": 1,\n}");
	json_refused(
		"f.json:1:13: not valid JSON: end of file expected near 'x'",
		"{\"count\": 1}x");
}
END_TEST

/* Columns count characters, and a key behind such text is still found. */
START_TEST(test_json_utf8_columns)
{
	json_refused(
		"f.json:1:15: unknown key \"zz\"; there are name, count, size, wait, flag, toggle, level, disk, net, tag, help",
		"{\"name\": \"\xc3\xa9\", \"zz\": 1}");
}
END_TEST

START_TEST(test_json_bytes)
{
	static const char with_zero[] = "{\"name\": \"a\0b\"}";
	autofree char *text = NULL;

	ck_assert_int_eq(options_from_json(&table, &target, "f", with_zero,
					   sizeof(with_zero) - 1, &err),
			 -EINVAL);
	ck_assert_int_eq(load("{\"name\": \"a\\u0000b\"}"), -EINVAL);
	TAKEN("--name", "\xff");
	ck_assert_int_eq(options_to_json(&table, &target, &text, &err),
			 -EINVAL);
	ck_assert_str_eq(
		err.msg,
		"--name is not valid UTF-8 and cannot be written as JSON");
}
END_TEST

static TCase *case_of(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("vmm/options");
	TCase *args = case_of(suite, "arguments");
	TCase *json = case_of(suite, "json");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(args, test_defaults);
	tcase_add_test(args, test_scalars);
	tcase_add_test(args, test_scalars_refused);
	tcase_add_test(args, test_command_line_shape);
	tcase_add_test(args, test_sentences_are_one_line);
	tcase_add_test(args, test_value_with_dashes);
	tcase_add_test(args, test_nothing_is_stored_when_the_shape_is_wrong);
	tcase_add_test(args, test_list_of_groups);
	tcase_add_test(args, test_positional_with_an_equals_sign);
	tcase_add_test(args, test_groups_refused);
	tcase_add_test(args, test_choice);
	tcase_add_test(args, test_lists_are_replaced);
	tcase_add_test(args, test_nearest);
	tcase_add_test(args, test_metavar);
	tcase_add_test(args, test_format);
	tcase_add_test(json, test_json_round_trip);
	tcase_add_test(json, test_json_same_as_arguments);
	tcase_add_test(json, test_json_short_forms);
	tcase_add_test(json, test_json_keys_refused);
	tcase_add_test(json, test_json_types_refused);
	tcase_add_test(json, test_json_values_refused);
	tcase_add_test(json, test_json_syntax_refused);
	tcase_add_test(json, test_json_utf8_columns);
	tcase_add_test(json, test_json_bytes);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
