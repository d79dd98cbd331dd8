/*
 * Times one start of a program from outside.
 *
 *   spawn_time [--mark TEXT] [--smaps FILE] [--kill yes] [--timeout SECONDS]
 *              [--log FILE] -- COMMAND [ARGUMENT]...
 *
 * Starts COMMAND with /dev/null as standard input and a pipe as standard output
 * and prints "MARK_NS EXIT_NS STATUS": the time until TEXT had appeared in its
 * output (- without --mark, or when it did not), the time until it had ended
 * and was reaped, and its exit status (128 + N for signal N). The clock starts
 * right before the call that makes the process, so what the host takes for that
 * and for exec is in every figure alike.
 *
 * When TEXT has appeared, --smaps copies the program's /proc/PID/smaps to FILE,
 * and --kill yes ends the program. --log keeps its output.
 *
 * Ends with 0, 2 for wrong usage, 3 when something failed or time ran out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_A_SECOND 1000000000LL
#define MS_A_SECOND 1000

struct job {
	const char *mark;
	const char *smaps;
	const char *kill;
	const char *log;
	long timeout_s;
	char **command;
	/* Of the running program. */
	pid_t pid;
	int pidfd;
	int output; /* -1 when it was closed */
	int log_fd; /* or -1 */
	size_t mark_seen; /* bytes of the mark matched so far */
	int64_t start_ns;
	int64_t mark_ns; /* -1 until seen */
};

static int64_t now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

static int complain(const char *what, int code)
{
	if (code != 0)
		fprintf(stderr, "spawn_time: %s: %s\n", what,
			strerrordesc_np(code));
	else
		fprintf(stderr, "spawn_time: %s\n", what);
	return 3;
}

static int usage(void)
{
	fputs("usage: spawn_time [--mark TEXT] [--smaps FILE] [--kill yes] "
	      "[--timeout SECONDS] [--log FILE] -- COMMAND [ARGUMENT]...\n",
	      stderr);
	return 2;
}

static int parse(int argc, char **argv, struct job *job)
{
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		char *end = NULL;

		if (strcmp(argv[i], "--mark") == 0) {
			job->mark = argv[i + 1];
		} else if (strcmp(argv[i], "--smaps") == 0) {
			job->smaps = argv[i + 1];
		} else if (strcmp(argv[i], "--kill") == 0) {
			job->kill = argv[i + 1];
		} else if (strcmp(argv[i], "--log") == 0) {
			job->log = argv[i + 1];
		} else if (strcmp(argv[i], "--timeout") == 0) {
			job->timeout_s = strtol(argv[i + 1], &end, 10);
			if (*end != '\0' || job->timeout_s <= 0 ||
			    job->timeout_s > 100000)
				return usage();
		} else {
			return usage();
		}
	}
	if (i + 1 >= argc || strcmp(argv[i], "--") != 0 ||
	    (job->mark != NULL && job->mark[0] == '\0') ||
	    ((job->smaps != NULL || job->kill != NULL) && job->mark == NULL))
		return usage();
	job->command = argv + i + 1;
	return 0;
}

/* Starts the command; the clock starts in here. */
static int start(struct job *job)
{
	posix_spawn_file_actions_t actions;
	int ends[2];
	int code;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return complain("pipe", errno);
	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY,
					     0) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, ends[1], 1) != 0)
		return complain("no memory", 0);
	job->start_ns = now_ns();
	code = posix_spawnp(&job->pid, job->command[0], &actions, NULL,
			    job->command, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	job->output = ends[0];
	if (code != 0)
		return complain(job->command[0], code);
	job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	if (job->pidfd < 0)
		return complain("pidfd_open", errno);
	return 0;
}

/* Whether the mark is complete; it has no prefix that it also ends with. */
static int match(struct job *job, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != job->mark[job->mark_seen])
			job->mark_seen = 0;
		if (data[i] == job->mark[job->mark_seen])
			job->mark_seen++;
		if (job->mark[job->mark_seen] == '\0')
			return 1;
	}
	return 0;
}

static int copy_smaps(const struct job *job)
{
	char path[64], data[4096];
	int from, to, status = 0;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)job->pid);
	from = open(path, O_RDONLY | O_CLOEXEC);
	to = open(job->smaps, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (from < 0 || to < 0)
		status = complain(from < 0 ? path : job->smaps, errno);
	while (status == 0 && (got = read(from, data, sizeof(data))) != 0) {
		if (got < 0 || write(to, data, (size_t)got) != got)
			status = complain(job->smaps, errno);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return status;
}

/* What arrived on the pipe. */
static int take_output(struct job *job)
{
	char data[4096];
	ssize_t got = read(job->output, data, sizeof(data));
	int64_t now = now_ns();

	if (got <= 0) {
		close(job->output);
		job->output = -1;
		return 0;
	}
	if (job->log_fd >= 0 && write(job->log_fd, data, (size_t)got) != got)
		return complain(job->log, errno);
	if (job->mark == NULL || job->mark_ns >= 0 ||
	    !match(job, data, (size_t)got))
		return 0;
	job->mark_ns = now - job->start_ns;
	if (job->smaps != NULL && copy_smaps(job) != 0)
		return 3;
	if (job->kill != NULL)
		kill(job->pid, SIGKILL);
	return 0;
}

/* Until the program has ended; its output is read on the way. */
static int watch(struct job *job)
{
	int64_t deadline = job->start_ns + job->timeout_s * NS_A_SECOND;

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = job->output, .events = POLLIN },
			{ .fd = job->pidfd, .events = POLLIN },
		};
		int64_t left = deadline - now_ns();

		if (left <= 0)
			return complain("time is up", 0);
		if (poll(fds, 2,
			 (int)(left / (NS_A_SECOND / MS_A_SECOND)) + 1) < 0 &&
		    errno != EINTR)
			return complain("poll", errno);
		if (fds[0].revents != 0 && take_output(job) != 0)
			return 3;
		if (fds[0].revents == 0 && fds[1].revents != 0)
			return 0;
	}
}

int main(int argc, char **argv)
{
	struct job job = {
		.timeout_s = 60,
		.mark_ns = -1,
		.pidfd = -1,
		.output = -1,
		.log_fd = -1,
	};
	siginfo_t info = { 0 };
	int64_t exit_ns;
	int status = parse(argc, argv, &job);

	if (status != 0)
		return status;
	if (job.log != NULL) {
		job.log_fd = open(job.log,
				  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				  0644);
		if (job.log_fd < 0)
			return complain(job.log, errno);
	}
	if (start(&job) != 0)
		return 3;
	status = watch(&job);
	if (status != 0)
		kill(job.pid, SIGKILL);
	if (waitid(P_PID, (id_t)job.pid, &info, WEXITED) != 0)
		return complain("waitid", errno);
	exit_ns = now_ns() - job.start_ns;
	if (job.mark_ns >= 0)
		printf("%lld", (long long)job.mark_ns);
	else
		printf("-");
	printf(" %lld %d\n", (long long)exit_ns,
	       info.si_status + (info.si_code == CLD_EXITED ? 0 : 128));
	return status;
}
