/*
 * The supervisor of many boots. Each gets its configuration as a file, in the
 * output's folder as everything else of it, and its end is read from the
 * result that it wrote. Nothing is shared between boots but the host.
 */
#include "vmm/matrix.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/log.h"
#include "core/loop.h"
#include "vmm/exit_status.h"
#include "vmm/host_file.h"
#include "vmm/matrix_internal.h"

/* How long children have between SIGINT and SIGKILL. */
#define GRACE_MS 5000
/* The progress line is drawn so often when nothing else happens. */
#define TICK_MS	 500

static const struct option matrix_option_list[] = {
	{
		.name = "jobs",
		.type = OPTION_UINT,
		OPTION_FIELD(struct matrix_config, jobs),
		.default_text = "0",
		.help = "boots at a time; 0: as many as there are CPUs",
	},
	{
		.name = "output",
		.type = OPTION_PATH,
		OPTION_FIELD(struct matrix_config, output),
		.metavar = "DIR",
		.default_text = "hull-matrix",
		.help = "folder for results and logs",
	},
	{
		.name = "help",
		.type = OPTION_FLAG,
		OPTION_FIELD(struct matrix_config, help),
		.help = "print this help and exit",
	},
};

const struct option_table matrix_options = {
	.options = matrix_option_list,
	.count = ARRAY_SIZE(matrix_option_list),
};

/* --- One boot ------------------------------------------------------------- */

/* The child between fork and exec: descriptors, signals, and an end when we
 * are gone. */
static _Noreturn void exec_boot(const struct matrix *matrix, char *const argv[],
				const char *stderr_path, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(stderr_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		       0666);

	if (null < 0 || log < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(EXIT_HOST);
	(void)prctl(PR_SET_PDEATHSIG, SIGINT);
	if (getppid() != parent)
		_exit(EXIT_ENDED);
	(void)sigprocmask(SIG_SETMASK, &matrix->old_signals, NULL);
	execv("/proc/self/exe", argv);
	_exit(EXIT_HOST);
}

static int start_boot(struct matrix *matrix, struct boot *boot, struct err *err)
{
	char config[PATH_MAX];
	char result[PATH_MAX];
	char junit[PATH_MAX];
	char log[PATH_MAX];
	char errors[PATH_MAX];
	/* NOLINTBEGIN(cppcoreguidelines-*): execv takes no const */
	char *argv[] = { (char[]){ "hull" },
			 (char[]){ "run" },
			 (char[]){ "--config" },
			 config,
			 (char[]){ "--name" },
			 boot->name,
			 (char[]){ "--result" },
			 result,
			 (char[]){ "--junit" },
			 junit,
			 NULL };
	/* NOLINTEND(cppcoreguidelines-*) */
	pid_t parent = getpid();
	int rc;

	if (!matrix_path(matrix, boot->name, "config.json", config) ||
	    !matrix_path(matrix, boot->name, "json", result) ||
	    !matrix_path(matrix, boot->name, "xml", junit) ||
	    !matrix_path(matrix, boot->name, "console.log", log) ||
	    !matrix_path(matrix, boot->name, "stderr", errors))
		return err_sys(err, ENAMETOOLONG, "%s", boot->name);
	/* One that never ends would hold up all. */
	if (!json_object_get(boot->config, "timeout"))
		json_object_set_new(boot->config, "timeout",
				    json_string("300s"));
	if (!json_object_get(boot->config, "console"))
		json_object_set_new(boot->config, "console",
				    json_string("none"));
	rc = matrix_write_json(config, boot->config, err);
	if (rc)
		return rc;
	/* Not what an earlier matrix left. */
	unlink(result);
	unlink(junit);
	unlink(log);
	boot->start_ms = loop_now_ms();
	boot->pid = fork();
	if (boot->pid < 0)
		return err_sys(err, errno, "cannot start a process");
	if (!boot->pid)
		exec_boot(matrix, argv, errors, parent);
	matrix->running++;
	return 0;
}

static const char *sentence_of(const struct boot *boot)
{
	if (boot->sentence[0])
		return boot->sentence;
	if (!boot->is_over)
		return "it was not started";
	return boot->status < 0 ? "hull was killed" : "it says no more";
}

/* From the result, or the first line of its standard error. */
static void read_sentence(const struct matrix *matrix, struct boot *boot)
{
	static const char prefix[] = "hull: error: ";
	const char *sentence =
		json_string_value(json_object_get(boot->result, "sentence"));
	char text[sizeof(boot->sentence)];
	char path[PATH_MAX];

	if (!sentence && matrix_path(matrix, boot->name, "stderr", path)) {
		(void)host_file_read("", path, text, sizeof(text));
		sentence = text;
		if (!strncmp(text, prefix, strlen(prefix)))
			sentence += strlen(prefix);
	}
	snprintf(boot->sentence, sizeof(boot->sentence), "%.*s",
		 (int)strcspn(sentence ? sentence : "", "\n"),
		 sentence ? sentence : "");
}

static void end_boot(struct matrix *matrix, struct boot *boot, int wait_status)
{
	char path[PATH_MAX];

	boot->pid = 0;
	boot->is_over = true;
	boot->took_ms = loop_now_ms() - boot->start_ms;
	if (WIFEXITED(wait_status))
		boot->status = WEXITSTATUS(wait_status);
	if (matrix_path(matrix, boot->name, "json", path))
		boot->result = json_load_file(path, 0, NULL);
	read_sentence(matrix, boot);
	matrix->running--;
	matrix->over++;
	matrix->failed += boot->status != 0;
}

/* --- What the user sees --------------------------------------------------- */

static void clear_progress(const struct matrix *matrix)
{
	if (matrix->has_terminal)
		fputs("\r\x1b[K", stderr);
}

static void draw_progress(const struct matrix *matrix)
{
	struct winsize size = { .ws_col = 80 };
	char line[1024];
	int used;

	if (!matrix->has_terminal)
		return;
	(void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	used = snprintf(line, sizeof(line),
			"%zu of %zu, %zu failed; running:", matrix->over,
			matrix->count, matrix->failed);
	for (size_t i = 0; i < matrix->next; i++) {
		if (matrix->boots[i].pid > 0 && used < (int)sizeof(line))
			used += snprintf(line + used,
					 sizeof(line) - (size_t)used, " %s",
					 matrix->boots[i].name);
	}
	fprintf(stderr, "\r\x1b[K%.*s", size.ws_col > 1 ? size.ws_col - 1 : 79,
		line);
}

/* A line of TAP. */
static void tell_boot(const struct matrix *matrix, size_t index)
{
	const struct boot *boot = &matrix->boots[index];

	clear_progress(matrix);
	/* A name has no "#", which would begin a directive. */
	printf("%s %zu - %s (%" PRId64 ".%" PRId64 " s)",
	       boot->status ? "not ok" : "ok", index + 1, boot->name,
	       boot->took_ms / 1000, boot->took_ms / 100 % 10);
	if (boot->status)
		printf(" # status %d: %s", boot->status, sentence_of(boot));
	putchar('\n');
	(void)fflush(stdout);
}

/* --- All of them ---------------------------------------------------------- */

static void reap(struct matrix *matrix)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < matrix->next; i++) {
			if (matrix->boots[i].pid != pid)
				continue;
			end_boot(matrix, &matrix->boots[i], status);
			tell_boot(matrix, i);
		}
	}
}

static void kill_all(const struct matrix *matrix, int signal_number)
{
	for (size_t i = 0; i < matrix->next; i++) {
		if (matrix->boots[i].pid > 0)
			kill(matrix->boots[i].pid, signal_number);
	}
}

static void wait_a_while(struct matrix *matrix)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	int got = sigtimedwait(&matrix->signals, NULL, &tick);

	if (got > 0 && got != SIGCHLD && !matrix->interrupted_ms) {
		matrix->interrupted_ms = loop_now_ms();
		kill_all(matrix, SIGINT);
	}
	if (matrix->interrupted_ms &&
	    loop_now_ms() - matrix->interrupted_ms > GRACE_MS)
		kill_all(matrix, SIGKILL);
}

static int run_all(struct matrix *matrix, struct err *err)
{
	int rc = 0;

	printf("TAP version 13\n1..%zu\n", matrix->count);
	(void)fflush(stdout);
	while (matrix->running ||
	       (!matrix->interrupted_ms && matrix->next < matrix->count)) {
		while (!rc && !matrix->interrupted_ms &&
		       matrix->running < matrix->jobs &&
		       matrix->next < matrix->count)
			rc = start_boot(matrix, &matrix->boots[matrix->next++],
					err);
		/* What cannot be started ends it all, as Ctrl-C does. */
		if (rc && !matrix->interrupted_ms) {
			matrix->interrupted_ms = loop_now_ms();
			kill_all(matrix, SIGINT);
		}
		draw_progress(matrix);
		if (matrix->running)
			wait_a_while(matrix);
		reap(matrix);
	}
	clear_progress(matrix);
	return rc;
}

/* The worst that happened: a boot that could not be tried says less of its
 * kernel than one that failed, but the whole cannot be trusted. */
static int status_of_all(const struct matrix *matrix)
{
	int status = EXIT_POWEROFF;

	if (matrix->interrupted_ms)
		return EXIT_ENDED;
	for (size_t i = 0; i < matrix->count; i++) {
		switch (matrix->boots[i].status) {
		case EXIT_POWEROFF:
			break;
		case -1:
		case EXIT_CONFIG:
		case EXIT_KVM:
		case EXIT_HOST:
			return EXIT_HOST;
		default:
			status = EXIT_TESTS;
			break;
		}
	}
	return status;
}

static void prepare(struct matrix *matrix, const struct matrix_config *config)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	matrix->output = config->output;
	matrix->jobs = config->jobs ? config->jobs :
		       cpus > 0	    ? (unsigned int)cpus :
				      1;
	matrix->has_terminal = isatty(STDERR_FILENO);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&matrix->signals);
	sigaddset(&matrix->signals, SIGCHLD);
	sigaddset(&matrix->signals, SIGINT);
	sigaddset(&matrix->signals, SIGTERM);
	sigaddset(&matrix->signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &matrix->signals, &matrix->old_signals);
}

static void release(struct matrix *matrix)
{
	for (size_t i = 0; i < matrix->count; i++) {
		json_decref(matrix->boots[i].config);
		json_decref(matrix->boots[i].result);
	}
	free(matrix->boots);
}

static int make_folder(const char *path, struct err *err)
{
	struct stat stat_now;

	if (!mkdir(path, 0777) || (errno == EEXIST && !stat(path, &stat_now) &&
				   S_ISDIR(stat_now.st_mode)))
		return 0;
	return err_sys(err, errno, "cannot make the folder %s", path);
}

int matrix_run(const char *path, const struct matrix_config *config)
{
	struct matrix matrix = { 0 };
	struct err err = { 0 };
	int64_t start_ms = loop_now_ms();
	int status = EXIT_CONFIG;
	int rc;

	rc = matrix_load(&matrix, path, &err);
	if (!rc)
		rc = make_folder(config->output, &err);
	if (rc)
		goto out;
	prepare(&matrix, config);
	rc = run_all(&matrix, &err);
	/* There is a report of what ended in any case. */
	if (matrix_report(&matrix, loop_now_ms() - start_ms,
			  rc ? NULL : &err) &&
	    !rc)
		rc = -err.code;
	status = rc ? EXIT_HOST : status_of_all(&matrix);
out:
	if (rc)
		log_error("%s", err.msg);
	release(&matrix);
	return status;
}
