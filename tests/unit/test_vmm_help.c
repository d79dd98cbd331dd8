/* What is printed from the tables: help, manual, completion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/quick_check.h"
#include "vmm/config.h"
#include "vmm/exit_status.h"
#include "vmm/help.h"

static const char *const fruits[] = { "apple", "pear", NULL };

static const struct command list[] = {
	{ .name = "run",
	  .synopsis = "--kernel FILE [OPTION]...",
	  .help = "run it",
	  .man = "Runs it. Tells how.",
	  .options = &config_options },
	{ .name = "eat",
	  .synopsis = "FRUIT",
	  .help = "eat a fruit",
	  .man = ".profile is not eaten. 'Nor is \\ this.",
	  .words = fruits },
};

static char *text;
static size_t text_len;

static void set_up(void)
{
	text = NULL;
}

static void tear_down(void)
{
	free(text);
}

#define CAPTURE(call)                                         \
	do {                                                  \
		FILE *out = open_memstream(&text, &text_len); \
		ck_assert_ptr_nonnull(out);                   \
		call;                                         \
		fclose(out);                                  \
	} while (0)

static void check_widths(size_t max)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		ck_assert_msg(len <= max, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static void check_has(const char *what)
{
	ck_assert_msg(strstr(text, what) != NULL, "no \"%s\" in:\n%s", what,
		      text);
}

START_TEST(test_command_help)
{
	CAPTURE(help_print_command(out, &list[0]));
	check_has("Usage: hull run --kernel FILE [OPTION]...\n");
	check_has("  --memory SIZE[,hugepages=2M|1G]\n");
	check_has("(default: 256M)\n");
	check_has("\nMachine:\n");
	for (size_t i = 0; i < config_options.count; i++)
		check_has(config_options.options[i].name);
	check_widths(79);
}
END_TEST

START_TEST(test_commands_help)
{
	CAPTURE(help_print_commands(out, list, ARRAY_SIZE(list)));
	check_has("  run                     run it\n");
	check_has("  eat                     eat a fruit\n");
	check_widths(79);
}
END_TEST

START_TEST(test_man)
{
	char line[100];

	CAPTURE(help_print_man(out, list, ARRAY_SIZE(list)));
	for (size_t i = 0; i < config_options.count; i++) {
		snprintf(line, sizeof(line), ".It Fl -%s",
			 config_options.options[i].name);
		check_has(line);
	}
	for (size_t i = 0; i < exit_status_count; i++) {
		snprintf(line, sizeof(line), "\n.It %d\n",
			 (int)exit_statuses[i].status);
		check_has(line);
	}
	check_has(
		"\n.It Fl -console Ar \"stdio|file=FILE|pty|unix=PATH|none\"\n");
	check_has("\nRuns it.\nTells how.\n");
	check_has("\n\\&.profile is not eaten.\n\\&'Nor is \\e this.\n");
	check_widths(80);
	/* A line that begins with a dot and no macro would vanish. */
	for (const char *at = text; (at = strstr(at, "\n.")) != NULL; at++)
		ck_assert_msg(at[2] >= 'A' && at[2] <= 'Z', "%.20s", at);
}
END_TEST

/* Runs the script in bash on @line and compares what it offers. */
static void check_completion(const char *line, const char *expected)
{
	static const char code[] =
		"eval \"$2\"; COMP_LINE=$1 COMP_POINT=${#1}\n"
		"_hull; printf '%s ' \"${COMPREPLY[@]}\"";
	char answer[600] = "";
	int fds[2];
	size_t len = 0;
	ssize_t n;
	int status;
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execlp("bash", "bash", "--norc", "-uc", code, "-", line, text,
		       NULL);
		_exit(127);
	}
	close(fds[1]);
	while (len < sizeof(answer) - 1 &&
	       (n = read(fds[0], answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	while (len && answer[len - 1] == ' ')
		answer[--len] = '\0';
	ck_assert_msg(!strcmp(answer, expected), "\"%s\" offers \"%s\"", line,
		      answer);
}

START_TEST(test_completion)
{
	CAPTURE(help_print_bash_completion(out, list, ARRAY_SIZE(list)));
	check_completion("hull ", "run eat --help --version");
	check_completion("hull e", "eat");
	check_completion("hull eat ", "apple pear");
	check_completion("hull eat p", "pear");
	check_completion("hull run --mem", "--memory");
	check_completion("hull run --boot bz", "bzimage bzimage-entry");
	check_completion("hull run --boot=bz", "bzimage bzimage-entry");
	check_completion("hull run --acpi ", "on off");
	check_completion("hull run --verbose --debug-", "--debug-exit");
	check_completion("hull run --cmdline \"a b\" --ker", "--kernel");
	check_completion("hull nothing ", "");
}
END_TEST

START_TEST(test_completion_of_groups)
{
	CAPTURE(help_print_bash_completion(out, list, ARRAY_SIZE(list)));
	check_completion("hull run --console ", "stdio file= pty unix= none");
	check_completion("hull run --console=f", "file=");
	check_completion("hull run --memory ", "");
	check_completion("hull run --memory 1G,", "1G,hugepages=");
	check_completion("hull run --memory=1G,h", "1G,hugepages=");
	check_completion("hull run --memory 1G,hugepages=", "2M 1G");
	check_completion("hull run --memory 1G,hugepages=1", "1G");
	/* File names are the shell's own business. */
	check_completion("hull run --kernel vm", "");
	check_completion("hull run --console file=/t", "");
}
END_TEST

START_TEST(test_exit_status_names)
{
	ck_assert_str_eq(exit_status_name(EXIT_POWEROFF), "poweroff");
	ck_assert_str_eq(exit_status_name(EXIT_HOST), "host");
	ck_assert_ptr_null(exit_status_name(1));
	ck_assert_ptr_null(exit_status_name(-1));
	/* Odd ones are the guest's, and they stay in order for the manual. */
	for (size_t i = 0; i < exit_status_count; i++) {
		ck_assert_int_eq(exit_statuses[i].status % 2, 0);
		if (i)
			ck_assert_int_gt(exit_statuses[i].status,
					 exit_statuses[i - 1].status);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vmm/help");
	TCase *tcase = tcase_create("help");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_command_help);
	tcase_add_test(tcase, test_commands_help);
	tcase_add_test(tcase, test_man);
	tcase_add_test(tcase, test_completion);
	tcase_add_test(tcase, test_completion_of_groups);
	tcase_add_test(tcase, test_exit_status_names);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
