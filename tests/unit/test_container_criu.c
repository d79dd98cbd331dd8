/* Running criu: how it is found, what it is asked for and given, and what its
 * failures say. The program is a script of ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/criu.h"
#include "tests/unit/quick_check.h"

static char base[64];
static char images[128];
static const struct criu_options plain = { .image_path = images };

/* criu is a shell script in a folder that is all of PATH. */
static void write_program(const char *script)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/criu", base);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "#!/bin/sh\nd=${0%%/*}/images\n%s\n", script);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, 0700), 0);
}

static void set_up(void)
{
	snprintf(base, sizeof(base), "/tmp/hull-criu.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(images, sizeof(images), "%s/images", base);
	setenv("PATH", base, 1);
}

static void tear_down(void)
{
	static const char *const names[] = { "criu", "images/dump.log",
					     "images/out", "images/request",
					     "images" };
	char path[160];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		(void)remove(path);
	}
	ck_assert_int_eq(rmdir(base), 0);
}

static size_t read_file(const char *name, char *text, size_t size)
{
	char path[160];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", images, name);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
	return n;
}

START_TEST(test_found_in_path)
{
	char path[PATH_MAX];
	char expected[128];
	struct err err;

	ck_assert_int_eq(criu_find(path, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "install the package criu"));
	write_program("exit 0");
	ck_assert_int_eq(criu_find(path, &err), 0);
	snprintf(expected, sizeof(expected), "%s/criu", base);
	ck_assert_str_eq(path, expected);
	snprintf(expected, sizeof(expected), ":/none:%s:/", base);
	setenv("PATH", expected, 1);
	ck_assert_int_eq(criu_find(path, &err), 0);
	/* A folder of that name is none. */
	snprintf(expected, sizeof(expected), "%s/criu", base);
	ck_assert_int_eq(remove(expected), 0);
	ck_assert_int_eq(mkdir(expected, 0755), 0);
	ck_assert_int_eq(criu_find(path, &err), -ENOENT);
}
END_TEST

static int begin(struct criu *criu, const struct criu_options *options,
		 bool make)
{
	struct err err;

	return criu_begin(criu, CRIU_DUMP, "dump.log", options, make, &err);
}

START_TEST(test_options_are_checked)
{
	struct criu_options options = plain;
	struct criu criu;

	write_program("exit 0");
	options.cgroups_mode = "hard";
	ck_assert_int_eq(begin(&criu, &options, true), -EINVAL);
	criu_release(&criu);
	options.cgroups_mode = NULL;
	options.empty_ns = "pid";
	ck_assert_int_eq(begin(&criu, &options, true), -EINVAL);
	criu_release(&criu);
	/* Only a checkpoint makes folders. */
	ck_assert_int_eq(begin(&criu, &plain, false), -ENOENT);
	criu_release(&criu);
	ck_assert_int_ne(access(images, F_OK), 0);
}
END_TEST

/* It reads, and answers: dump, with success; dump, without. */
#define REQUEST "/bin/dd bs=9999 count=1 <&3 2>/dev/null >$d/request\n"
#define SUCCESS "printf '\\010\\001\\020\\001' >&3\n"
#define FAILURE "printf '\\010\\001\\020\\000' >&3\n"

/* Descriptors keep their order, whatever numbers they had here, and nothing
 * else is open; its standard input and output are not ours. */
START_TEST(test_what_it_is_given)
{
	/* criu_req: type, and that there are options. */
	static const char first[] = "\x08\x01\x12";
	/* inherit_fd: "one" is 6, "two" is 7; external: "7%". */
	static const char last[] = "\xda\x01\x07\x0a\x03one\x10\x06"
				   "\xda\x01\x07\x0a\x03two\x10\x07"
				   "\xaa\x02\x02"
				   "7%";
	const size_t last_len = sizeof(last) - 1;
	int two = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int one = open("/dev/full", O_RDONLY | O_CLOEXEC);
	struct criu criu;
	struct err err;
	char expected[512];
	char text[512];
	size_t n;

	write_program(
		"{ for f in 0 4 5 6 7 8; do /bin/readlink /proc/$$/fd/$f; done\n"
		"echo $*; echo $HOME; } >$d/out\n" REQUEST SUCCESS);
	setenv("HOME", "/leaks", 1);
	ck_assert_int_eq(begin(&criu, &plain, true), 0);
	criu_inherit(&criu, "one", one);
	criu_inherit(&criu, "two", two);
	criu_text(&criu, CRIU_EXTERNAL, "%d%%", 7);
	ck_assert_int_eq(criu_run(&criu, &err), 0);
	criu_release(&criu);
	close(one);
	close(two);
	read_file("out", text, sizeof(text));
	snprintf(expected, sizeof(expected),
		 "/dev/null\n%s\n%s\n/dev/full\n/dev/zero\nswrk 3\n\n", images,
		 images);
	ck_assert_str_eq(text, expected);
	n = read_file("request", text, sizeof(text));
	ck_assert_mem_eq(text, first, sizeof(first) - 1);
	ck_assert_uint_gt(n, last_len);
	ck_assert_mem_eq(text + n - last_len, last, last_len);
}
END_TEST

static int take_terminal(void *opaque, int master, struct err *err)
{
	(void)err;
	*(int *)opaque = master;
	return 0;
}

/* Whatever it tells of is answered; a terminal comes with its own words. */
START_TEST(test_notifications)
{
	struct criu criu;
	struct err err;
	int master = -1;
	char text[16];

	write_program(
		REQUEST
		/* notify, success, notify { "pre-restore" } */
		"printf '\\010\\006\\020\\001\\052\\015\\012\\013pre-restore' >&3\n"
		"/bin/dd bs=99 count=1 <&3 2>/dev/null >$d/out\n"
		/* restore, success, restore { 300 } */
		"printf '\\010\\002\\020\\001\\042\\003\\010\\254\\002' >&3");
	ck_assert_int_eq(begin(&criu, &plain, true), 0);
	criu.terminal = take_terminal;
	criu.opaque = &master;
	ck_assert_int_eq(criu_run(&criu, &err), 0);
	ck_assert_int_eq(criu.pid, 300);
	ck_assert_int_eq(master, -1);
	criu_release(&criu);
	/* notify, notify_success */
	ck_assert_uint_eq(read_file("out", text, sizeof(text)), 4);
	ck_assert_mem_eq(text, "\x08\x06\x18\x01", 4);
}
END_TEST

static void expect_error(const char *script, int fds, const char *expected)
{
	struct criu criu;
	struct err err;

	write_program(script);
	ck_assert_int_eq(begin(&criu, &plain, true), 0);
	for (int i = 0; i < fds; i++)
		criu_inherit(&criu, "many", STDIN_FILENO);
	ck_assert_int_lt(criu_run(&criu, &err), 0);
	ck_assert_str_eq(err.msg, expected);
	criu_release(&criu);
}

static void expect_failure(const char *script, const char *expected)
{
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "%s; its log is %s/dump.log",
		 expected, images);
	expect_error(script, 0, sentence);
}

START_TEST(test_failures_are_told)
{
	/* The first complaint, and not what follows from it. */
	expect_failure(
		"cd $d\n"
		"echo '(00.01) hm' >dump.log\n"
		"echo '(00.02) Error (criu/x.c:12): no way: it' >>dump.log\n"
		"echo '(00.03) Error (criu/y.c:3): FAILED.' >>dump.log\n" REQUEST
			FAILURE "exit 1",
		"criu: no way: it");
	expect_failure("echo >$d/dump.log; kill -9 $$",
		       "criu was ended by signal 9");
	expect_failure("echo >$d/dump.log; echo bad words; exit 2",
		       "criu: bad words");
	expect_failure("echo >$d/dump.log; exit 2", "criu: it did not say why");
	/* An end in the middle is no success, whatever its status. */
	expect_failure("echo >$d/dump.log", "criu: it did not say why");
	/* What is no answer, and what is not asked for. */
	expect_error(REQUEST "printf '\\377' >&3", 0,
		     "criu: an answer that is none");
	expect_error(SUCCESS, CRIU_FDS_MAX + 1,
		     "the request to criu: Argument list too long");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/criu");
	TCase *tests = tcase_create("criu");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_found_in_path);
	tcase_add_test(tests, test_options_are_checked);
	tcase_add_test(tests, test_what_it_is_given);
	tcase_add_test(tests, test_notifications);
	tcase_add_test(tests, test_failures_are_told);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
