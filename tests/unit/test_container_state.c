/* What is kept of a container, the command line's parser, and the words of
 * errors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "container/args.h"
#include "container/report.h"
#include "container/state.h"
#include "sandbox/procfs.h"
#include "tests/unit/quick_check.h"

static char base[64];
static int root;

static void set_up(void)
{
	struct err err;

	snprintf(base, sizeof(base), "/tmp/hull-state.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	root = state_open_root(base, &err);
	ck_assert_int_ge(root, 0);
}

static void tear_down(void)
{
	close(root);
	ck_assert_int_eq(rmdir(base), 0);
}

START_TEST(test_ids)
{
	static const char *const wrong[] = { "",    ".",   "..",
					     ".a",  "a/b", "/",
					     "a b", "a\n", "\xc3\xa4" };
	static const char *const right[] = { "a", "0", "a.b", "A_1+2-3", "_" };
	char text[STATE_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_int_eq(state_check_id(wrong[i], NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		ck_assert_int_eq(state_check_id(right[i], NULL), 0);
	memset(text, 'a', sizeof(text));
	text[STATE_ID_MAX] = '\0';
	ck_assert_int_eq(state_check_id(text, NULL), 0);
	text[STATE_ID_MAX] = 'a';
	text[STATE_ID_MAX + 1] = '\0';
	ck_assert_int_eq(state_check_id(text, NULL), -EINVAL);
}
END_TEST

static void make(struct state *state, const char *id)
{
	struct err err;

	ck_assert_int_eq(state_create(state, root, id, &err), 0);
	state->bundle = strdup("/bundle");
	state->rootfs = strdup("/bundle/rootfs");
}

START_TEST(test_saved_is_read)
{
	struct state state;
	struct state read;
	struct stat st;
	struct err err;

	make(&state, "one");
	state.cgroup = strdup("/group");
	state.pid = 77;
	state.start_time = UINT32_MAX + 5ULL;
	snprintf(state.boot_id, sizeof(state.boot_id), "boot");
	ck_assert_int_eq(state_save(&state, &err), 0);
	ck_assert_int_eq(fstatat(root, "one", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fstatat(root, "one/state.json", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(state_open(&read, root, "one", false, &err), 0);
	ck_assert_int_eq(read.pid, 77);
	ck_assert_uint_eq(read.start_time, UINT32_MAX + 5ULL);
	ck_assert_str_eq(read.boot_id, "boot");
	ck_assert_str_eq(read.cgroup, "/group");
	ck_assert_str_eq(read.bundle, "/bundle");
	ck_assert_str_eq(read.created, state.created);
	state_release(&read);
	ck_assert_int_eq(state_create(&read, root, "one", &err), -EEXIST);
	state_release(&read);
	ck_assert_int_eq(state_remove(&state, &err), 0);
	state_release(&state);
	ck_assert_int_eq(state_open(&read, root, "one", true, &err), -ENOENT);
	state_release(&read);
}
END_TEST

START_TEST(test_broken_state)
{
	static const char *const texts[] = {
		"{",
		"[]",
		"{}",
		"{\"pid\":-1,\"bundle\":\"b\",\"rootfs\":\"r\"}",
		"{\"bundle\":5,\"rootfs\":\"r\"}",
		"{\"bundle\":\"b\"}",
	};
	struct state state;
	struct state read;
	struct err err;

	make(&state, "two");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(state_write_file(state.dir, "state.json",
						  texts[i], strlen(texts[i]),
						  &err),
				 0);
		ck_assert_int_lt(state_open(&read, root, "two", false, &err),
				 0);
		state_release(&read);
	}
	ck_assert_int_eq(state_remove(&state, &err), 0);
	state_release(&state);
}
END_TEST

/* A process is itself only with its start time, on the same boot. */
START_TEST(test_processes_are_told_apart)
{
	struct state state;
	struct err err;
	int proc = procfs_open(&err);
	int fd;

	make(&state, "three");
	ck_assert_int_eq(state_pidfd(&state), -ESRCH);
	ck_assert_int_eq(state_set_process(&state, proc, getpid(), &err), 0);
	fd = state_pidfd(&state);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(state_status(&state), STATUS_RUNNING);
	fd = openat(state.dir, STATE_START, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(state_status(&state), STATUS_CREATED);
	state.start_time++;
	ck_assert_int_eq(state_pidfd(&state), -ESRCH);
	ck_assert_int_eq(state_status(&state), STATUS_STOPPED);
	state.start_time--;
	state.boot_id[0] ^= 1;
	ck_assert_int_eq(state_status(&state), STATUS_STOPPED);
	ck_assert_int_eq(state_remove(&state, &err), 0);
	state_release(&state);
	close(proc);
}
END_TEST

START_TEST(test_creating_while_locked)
{
	struct state state;
	struct state other;
	struct err err;

	make(&state, "four");
	ck_assert_int_eq(state_save(&state, &err), 0);
	ck_assert_int_eq(state_open(&other, root, "four", false, &err), 0);
	ck_assert_int_eq(state_status(&other), STATUS_CREATING);
	close(state.dir);
	state.dir = -1;
	ck_assert_int_eq(state_status(&other), STATUS_STOPPED);
	ck_assert_int_eq(state_remove(&other, &err), 0);
	state_release(&other);
	state_release(&state);
}
END_TEST

START_TEST(test_root_must_be_ours)
{
	struct err err;

	ck_assert_int_eq(chmod(base, 0777), 0);
	ck_assert_int_eq(state_open_root(base, &err), -EPERM);
	ck_assert_int_eq(chmod(base, 0700), 0);
}
END_TEST

START_TEST(test_args)
{
	const char *text = NULL;
	unsigned int number = 0;
	bool flag = false;
	struct arg_list list = { .count = 0 };
	const struct arg_option options[] = {
		{ "text", 't', ARG_TEXT, &text, "" },
		{ "number", 'n', ARG_COUNT, &number, "" },
		{ "flag", 'f', ARG_FLAG, &flag, "" },
		{ "list", 'l', ARG_LIST, &list, "" },
		{ NULL, 0, ARG_FLAG, NULL, NULL },
	};
	char *words[] = { "id",	      "-t",	"a",  "--number=7",
			  "-f",	      "--list", "x",  "more",
			  "--list=y", "--",	"-z", NULL };
	char *wrong[] = { "--none", "-tx", "--text", "--number=x",
			  "--flag=maybe" };
	struct args args = { .at = words, .count = 11 };
	struct err err;

	ck_assert_int_eq(args_options(&args, options, true, &err), 0);
	ck_assert_str_eq(text, "a");
	ck_assert_uint_eq(number, 7);
	ck_assert(flag);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.items[1], "y");
	ck_assert_int_eq(args.count, 3);
	ck_assert_str_eq(args.at[0], "id");
	ck_assert_str_eq(args.at[1], "more");
	ck_assert_str_eq(args.at[2], "-z");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *one[] = { wrong[i], NULL };

		args = (struct args){ .at = one, .count = 1 };
		ck_assert_int_eq(args_options(&args, options, true, &err),
				 -EINVAL);
	}
}
END_TEST

START_TEST(test_words)
{
	char text[] = "cannot open x: No such file or directory (Permission "
		      "denied, no such file or directory)";
	char none[] = "fine";

	report_reword(text, sizeof(text));
	ck_assert_str_eq(text, "cannot open x: it does not exist (access is "
			       "refused, it does not exist)");
	report_reword(none, sizeof(none));
	ck_assert_str_eq(none, "fine");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("container/state");
	TCase *tests = tcase_create("state");
	TCase *pure = tcase_create("words");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_saved_is_read);
	tcase_add_test(tests, test_broken_state);
	tcase_add_test(tests, test_processes_are_told_apart);
	tcase_add_test(tests, test_creating_while_locked);
	tcase_add_test(tests, test_root_must_be_ours);
	tcase_add_test(pure, test_ids);
	tcase_add_test(pure, test_args);
	tcase_add_test(pure, test_words);
	suite_add_tcase(suite, tests);
	suite_add_tcase(suite, pure);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
