/* Running criu: how it is found, what it is given, and what its failures say.
 * The program is a script of ours. */
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
	fprintf(file, "#!/bin/sh\n%s\n", script);
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
					     "images/out", "images" };
	char path[160];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		(void)remove(path);
	}
	ck_assert_int_eq(rmdir(base), 0);
}

static void expect_out(const char *expected)
{
	char path[160];
	char text[512];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "%s/out", images);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	ck_assert_str_eq(text, expected);
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

START_TEST(test_options_are_checked)
{
	struct criu_options options = plain;
	struct criu criu;
	struct err err;

	write_program("exit 0");
	options.cgroups_mode = "hard";
	ck_assert_int_eq(criu_begin(&criu, "dump", "dump.log", &options, true,
				    &err),
			 -EINVAL);
	criu_release(&criu);
	options.cgroups_mode = NULL;
	options.empty_ns = "pid";
	ck_assert_int_eq(criu_begin(&criu, "dump", "dump.log", &options, true,
				    &err),
			 -EINVAL);
	criu_release(&criu);
	/* Only a checkpoint makes folders. */
	ck_assert_int_eq(criu_begin(&criu, "restore", "restore.log", &plain,
				    false, &err),
			 -ENOENT);
	criu_release(&criu);
	ck_assert_int_ne(access(images, F_OK), 0);
}
END_TEST

/* Descriptors keep their order, whatever numbers they had here, and nothing
 * else is open; its standard input and output are not ours. */
START_TEST(test_what_it_is_given)
{
	struct criu criu;
	struct err err;
	int second = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int first = open("/dev/full", O_RDONLY | O_CLOEXEC);

	write_program(
		"for a; do :; done\n"
		"{ for f in 0 3 4 5; do /bin/readlink /proc/$$/fd/$f; done\n"
		"echo $a; echo $HOME; } >${2#--images-dir=}/out\nexit 0");
	setenv("HOME", "/leaks", 1);
	ck_assert_int_eq(
		criu_begin(&criu, "dump", "dump.log", &plain, true, &err), 0);
	ck_assert_int_eq(criu_pass(&criu, first), 3);
	ck_assert_int_eq(criu_pass(&criu, second), 4);
	criu_add(&criu, "--last=%d%%", 7);
	ck_assert_int_eq(criu_run(&criu, &err), 0);
	criu_release(&criu);
	close(first);
	close(second);
	expect_out("/dev/null\n/dev/full\n/dev/zero\n--last=7%\n\n");
}
END_TEST

static void expect_failure(const char *script, const char *expected)
{
	struct criu criu;
	struct err err;
	char sentence[512];

	write_program(script);
	ck_assert_int_eq(
		criu_begin(&criu, "dump", "dump.log", &plain, true, &err), 0);
	ck_assert_int_lt(criu_run(&criu, &err), 0);
	criu_release(&criu);
	snprintf(sentence, sizeof(sentence), "%s; its log is %s/dump.log",
		 expected, images);
	ck_assert_str_eq(err.msg, sentence);
}

START_TEST(test_failures_are_told)
{
	/* The first complaint, and not what follows from it. */
	expect_failure(
		"cd ${2#--images-dir=}\n"
		"echo '(00.01) hm' >dump.log\n"
		"echo '(00.02) Error (criu/x.c:12): no way: it' >>dump.log\n"
		"echo '(00.03) Error (criu/y.c:3): Dumping FAILED.' >>dump.log\n"
		"exit 1",
		"criu: no way: it");
	expect_failure("echo >${2#--images-dir=}/dump.log; kill -9 $$",
		       "criu was ended by signal 9");
	expect_failure(
		"echo >${2#--images-dir=}/dump.log; echo bad words; exit 2",
		"criu: bad words");
	expect_failure("echo >${2#--images-dir=}/dump.log; exit 2",
		       "criu: it did not say why");
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
	tcase_add_test(tests, test_failures_are_told);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
