/*
 * Runs a command on a new terminal, plays a script of input and expectations,
 * and reports how the command ended and whether it left the terminal as it
 * found it. For tests of whatever turns a terminal raw.
 *
 * usage: pty_run [--timeout SECONDS] [--report FILE] STEP... -- COMMAND...
 *
 * Steps, in order:
 *   expect:TEXT   wait until TEXT came, after what earlier steps matched
 *   send:TEXT     type it; \r \n \t \\ and \xHH are understood
 *   raw, cooked   wait until the terminal is (not) in raw mode
 *   signal:NAME   INT TERM HUP QUIT SEGV ABRT KILL STOP CONT WINCH TSTP to the
 *                 command
 *   size:RxC      rows and columns of the terminal, 24x80 at first; as the
 *                 first step it is there before the command
 *   sleep:MS      let that time pass
 *   end           wait until the command ended (also done behind the last step)
 *
 * The output goes to stdout as it comes. The report has three lines:
 *   status N | signal N        how the command ended
 *   termios restored|changed   the terminal's settings, which start unusual
 *   flags restored|changed     the file status flags that the shell shares
 * Exit status: 0 when every step came true, 1 when not, 2 for wrong usage.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/parse.h"
#include "core/util.h"

#define SEEN_MAX    (1u << 20)
#define TIMEOUT_MS  60000
#define POLL_MS	    20
#define KILL_MS	    2000
#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct session {
	int master; /* owned */
	int slave; /* owned; the command has duplicates of it */
	pid_t pid;
	int wait_status;
	bool ended;
	int64_t due_ms;
	char *seen; /* owned: all output so far, zero-terminated */
	size_t seen_len;
	size_t matched; /* expectations look behind this */
};

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "INT", SIGINT },   { "TERM", SIGTERM }, { "HUP", SIGHUP },
	{ "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "ABRT", SIGABRT },
	{ "KILL", SIGKILL }, { "STOP", SIGSTOP }, { "CONT", SIGCONT },
	{ "USR1", SIGUSR1 }, { "BUS", SIGBUS },	  { "WINCH", SIGWINCH },
	{ "TSTP", SIGTSTP },
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		len -= (size_t)done;
	}
	return true;
}

/* Takes what the command wrote within @wait_ms. */
static void pump(struct session *s, int wait_ms)
{
	struct pollfd pfd = { .fd = s->master, .events = POLLIN };
	char data[4096];
	ssize_t got;
	size_t keep;

	if (!s->ended && waitpid(s->pid, &s->wait_status, WNOHANG) == s->pid)
		s->ended = true;
	if (poll(&pfd, 1, wait_ms) <= 0 || !(pfd.revents & POLLIN))
		return;
	got = read(s->master, data, sizeof(data));
	if (got <= 0)
		return;
	if (!write_all(STDOUT_FILENO, data, (size_t)got))
		return;
	keep = min_u64((size_t)got, SEEN_MAX - s->seen_len);
	memcpy(s->seen + s->seen_len, data, keep);
	s->seen_len += keep;
	s->seen[s->seen_len] = '\0';
}

static bool in_time(const struct session *s, const char *step)
{
	if (now_ms() < s->due_ms)
		return true;
	fprintf(stderr, "\npty_run: time-out at step %s\n", step);
	return false;
}

/* Undoes \r, \n, \t, \\ and \xHH in place; returns the length. */
static size_t unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		uint64_t value;
		char digits[5];

		if (*from != '\\' || from[1] == '\0') {
			*to++ = *from;
			continue;
		}
		from++;
		if (*from == 'x' && isxdigit((unsigned char)from[1]) &&
		    isxdigit((unsigned char)from[2])) {
			snprintf(digits, sizeof(digits), "0x%c%c", from[1],
				 from[2]);
			if (parse_u64(digits, &value) == 0)
				*to++ = (char)value;
			from += 2;
		} else {
			*to++ = (char)(*from == 'r' ? '\r' :
				       *from == 'n' ? '\n' :
				       *from == 't' ? '\t' :
						      *from);
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

static bool step_expect(struct session *s, const char *step, char *text)
{
	size_t len = unescape(text);
	const char *hit;

	for (;;) {
		hit = memmem(s->seen + s->matched, s->seen_len - s->matched,
			     text, len);
		if (hit) {
			s->matched = (size_t)(hit - s->seen) + len;
			return true;
		}
		if (s->ended) {
			/* The last output may still be on its way. */
			size_t before = s->seen_len;

			pump(s, POLL_MS);
			if (s->seen_len == before) {
				fprintf(stderr,
					"\npty_run: the command ended at step %s\n",
					step);
				return false;
			}
			continue;
		}
		if (!in_time(s, step))
			return false;
		pump(s, POLL_MS);
	}
}

static bool step_mode(struct session *s, const char *step, bool raw)
{
	struct termios now;

	for (;;) {
		if (tcgetattr(s->slave, &now) == 0 &&
		    !(now.c_lflag & (ICANON | ECHO | ISIG)) == raw)
			return true;
		if (!in_time(s, step))
			return false;
		pump(s, POLL_MS);
	}
}

static bool step_signal(struct session *s, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			return kill(s->pid, signals[i].number) == 0;
	fprintf(stderr, "pty_run: unknown signal %s\n", name);
	return false;
}

static bool step_sleep(struct session *s, const char *text)
{
	uint64_t ms;
	int64_t until;

	if (parse_u64(text, &ms) != 0)
		return false;
	for (until = now_ms() + (int64_t)ms; now_ms() < until;)
		pump(s, POLL_MS);
	return true;
}

/* ROWSxCOLUMNS */
static bool step_size(struct session *s, const char *text)
{
	char *end;
	struct winsize size = {
		.ws_row = (unsigned short)strtoul(text, &end, 10),
	};

	if (*end != 'x')
		return false;
	size.ws_col = (unsigned short)strtoul(end + 1, &end, 10);
	/* A terminal tells its foreground processes with SIGWINCH. */
	return !*end && ioctl(s->master, TIOCSWINSZ, &size) == 0;
}

static bool step_end(struct session *s)
{
	while (!s->ended) {
		if (!in_time(s, "end"))
			return false;
		pump(s, POLL_MS);
	}
	return true;
}

static bool play(struct session *s, char *step)
{
	char *text = strchr(step, ':');
	size_t verb = text ? (size_t)(text - step) : strlen(step);
	autofree char *copy = strdup(text ? text + 1 : "");

	if (!copy)
		return false;
	if (strncmp(step, "expect", verb) == 0)
		return step_expect(s, step, copy);
	if (strncmp(step, "send", verb) == 0) {
		size_t len = unescape(copy);

		return write_all(s->master, copy, len);
	}
	if (strcmp(step, "raw") == 0 || strcmp(step, "cooked") == 0)
		return step_mode(s, step, step[0] == 'r');
	if (strncmp(step, "signal", verb) == 0)
		return step_signal(s, copy);
	if (strncmp(step, "size", verb) == 0)
		return step_size(s, copy);
	if (strncmp(step, "sleep", verb) == 0)
		return step_sleep(s, copy);
	if (strcmp(step, "end") == 0)
		return step_end(s);
	fprintf(stderr, "pty_run: unknown step %s\n", step);
	return false;
}

/*
 * Settings that no program would set by itself, so that one which "restores" a
 * sane terminal instead of the one it found is caught.
 */
static bool make_unusual(int slave, struct termios *ret_before)
{
	struct termios t;

	if (tcgetattr(slave, &t) < 0)
		return false;
	t.c_iflag &= ~(tcflag_t)IXON;
	t.c_iflag |= IXANY;
	t.c_lflag &= ~(tcflag_t)ECHOCTL;
	t.c_cc[VERASE] = 8;
	t.c_cc[VMIN] = 3;
	if (tcsetattr(slave, TCSANOW, &t) < 0)
		return false;
	return tcgetattr(slave, ret_before) == 0;
}

static bool same_termios(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag &&
	       a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag &&
	       memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/* The child: a session of its own with the terminal as its controlling one. */
static _Noreturn void run_command(int slave, char **command)
{
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0 || dup2(slave, 0) < 0 ||
	    dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
		_exit(126);
	execvp(command[0], command);
	_exit(127);
}

static bool start(struct session *s)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	s->seen = calloc(1, SEEN_MAX + 1);
	if (!s->seen || openpty(&s->master, &s->slave, NULL, NULL, &size) < 0)
		return false;
	fcntl(s->master, F_SETFD, FD_CLOEXEC);
	fcntl(s->slave, F_SETFD, FD_CLOEXEC);
	return true;
}

static void end_command(struct session *s)
{
	int64_t until = now_ms() + KILL_MS;

	if (!s->ended)
		kill(s->pid, SIGTERM);
	while (!s->ended && now_ms() < until)
		pump(s, POLL_MS);
	if (!s->ended) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &s->wait_status, 0);
		s->ended = true;
	}
	for (size_t before = SIZE_MAX; before != s->seen_len;) {
		before = s->seen_len;
		pump(s, POLL_MS);
	}
}

static bool report(const struct session *s, const char *path,
		   const struct termios *before, int flags)
{
	struct termios after;
	FILE *file = path ? fopen(path, "we") : stderr;

	if (!file || tcgetattr(s->slave, &after) < 0)
		return false;
	if (WIFSIGNALED(s->wait_status))
		fprintf(file, "signal %d\n", WTERMSIG(s->wait_status));
	else
		fprintf(file, "status %d\n", WEXITSTATUS(s->wait_status));
	fprintf(file, "termios %s\n",
		same_termios(before, &after) ? "restored" : "changed");
	fprintf(file, "flags %s\n",
		fcntl(s->slave, F_GETFL) == flags ? "restored" : "changed");
	return path ? fclose(file) == 0 : true;
}

struct options {
	const char *report; /* path or NULL */
	uint64_t timeout_ms;
	char **steps;
	int step_count;
	char **command;
};

static bool parse_options(int argc, char **argv, struct options *o)
{
	int i = 1;

	o->timeout_ms = TIMEOUT_MS;
	for (; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--timeout") == 0) {
			if (parse_duration_ms(argv[i + 1], &o->timeout_ms))
				return false;
		} else if (strcmp(argv[i], "--report") == 0) {
			o->report = argv[i + 1];
		} else {
			break;
		}
	}
	o->steps = argv + i;
	while (i < argc && strcmp(argv[i], "--") != 0) {
		o->step_count++;
		i++;
	}
	o->command = argv + i + 1;
	return i + 1 < argc;
}

int main(int argc, char **argv)
{
	struct session s = { .master = -1, .slave = -1 };
	struct options o = { .report = NULL };
	struct termios before;
	bool ok = true;
	int played = 0;
	int flags;

	if (!parse_options(argc, argv, &o)) {
		fprintf(stderr, "usage: pty_run [--timeout SECONDS] "
				"[--report FILE] STEP... -- COMMAND...\n");
		return EXIT_USAGE;
	}
	if (!start(&s) || !make_unusual(s.slave, &before)) {
		fprintf(stderr, "pty_run: cannot make a terminal\n");
		return EXIT_USAGE;
	}
	flags = fcntl(s.slave, F_GETFL);
	s.due_ms = now_ms() + (int64_t)o.timeout_ms;
	if (o.step_count && strncmp(o.steps[0], "size:", 5) == 0)
		ok = play(&s, o.steps[played++]);
	s.pid = fork();
	if (s.pid < 0)
		return EXIT_USAGE;
	if (s.pid == 0)
		run_command(s.slave, o.command);
	while (ok && played < o.step_count)
		ok = play(&s, o.steps[played++]);
	ok = ok && step_end(&s);
	end_command(&s);
	ok = report(&s, o.report, &before, flags) && ok;
	free(s.seen);
	return ok ? 0 : EXIT_FAILED;
}
