#include "vmm/console_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "vmm/exit_status.h"
#include "vmm/replace_file.h"

#define NS_A_MS 1000000

static int64_t now_ns(const struct console_watch *watch)
{
	return loop_now_ns() - watch->start_ns;
}

#define LINES (2 * CONSOLE_SOURCES)

static struct console_line *line_at(struct console_watch *watch,
				    unsigned int index)
{
	return &watch->sources[index / 2].lines[index % 2];
}

/* --- Lines ---------------------------------------------------------------- */

/* One write for each line: what a killed hull leaves has whole lines. */
static void log_line(struct console_watch *watch, const char *line, int64_t at)
{
	char stamp[32];
	union {
		const char *constant;
		char *base;
	} text = { .constant = line };
	struct iovec iov[3] = {
		{ .iov_base = stamp },
		{ .iov_base = text.base, .iov_len = strlen(line) },
		{ .iov_base = (char[]){ '\n' }, .iov_len = 1 },
	};
	ssize_t total;

	if (watch->log_fd < 0)
		return;
	iov[0].iov_len = (size_t)snprintf(stamp, sizeof(stamp),
					  "[%5" PRId64 ".%06" PRId64 "] ",
					  at / 1000000000, at / 1000 % 1000000);
	total = (ssize_t)(iov[0].iov_len + iov[1].iov_len + 1);
	if (writev(watch->log_fd, iov, ARRAY_SIZE(iov)) != total &&
	    !watch->log_error)
		watch->log_error = errno ? errno : EIO;
}

static void keep_tail(struct console_watch *watch, const char *line)
{
	size_t len = min_u64(strlen(line), sizeof(watch->tail) / 2);

	while (watch->tail_len + len + 1 > sizeof(watch->tail)) {
		const char *end = memchr(watch->tail, '\n', watch->tail_len);
		size_t cut = (size_t)(end - watch->tail) + 1;

		watch->tail_len -= cut;
		memmove(watch->tail, end + 1, watch->tail_len);
	}
	memcpy(watch->tail + watch->tail_len, line, len);
	watch->tail_len += len;
	watch->tail[watch->tail_len++] = '\n';
}

/*
 * The kernel says "Run /init as init process" (Linux init/main.c, run_init_
 * process), unless it is told to be quiet; then the first line without its
 * time-stamp behind one that has it is the first of userspace.
 */
static void look_for_init(struct console_watch *watch, const char *line,
			  int64_t at)
{
	const char *text = console_line_skip_stamp(line);

	if (watch->times.init_ns >= 0)
		return;
	if (text != line) {
		watch->kernel_spoke = true;
		if (!strncmp(text, "Run ", 4) &&
		    strstr(text, " as init process"))
			watch->times.init_ns = at;
	} else if (watch->kernel_spoke && *line) {
		watch->times.init_ns = at;
	}
}

static bool match(const struct pattern_set *set, const char *line, int64_t at,
		  struct console_match *match)
{
	if (match->pattern)
		return false;
	match->pattern = pattern_set_match(set, line);
	if (!match->pattern)
		return false;
	match->at_ns = at;
	snprintf(match->line, sizeof(match->line), "%s", line);
	return true;
}

static void tell_failure(const struct console_match *failed,
			 struct verdict *verdict)
{
	const char *name = failed->pattern->name;

	if (name)
		verdict_decide(verdict, EXIT_FAIL_ON,
			       "the console tells of trouble (%s): %.200s",
			       name, failed->line);
	else
		verdict_decide(verdict, EXIT_FAIL_ON,
			       "a line matches --fail-on %s: %.200s",
			       failed->pattern->text, failed->line);
}

/* The first line of either kind decides, but success ends the run at once and
 * failure after its report. */
static void look_for_patterns(struct console_watch *watch, const char *line,
			      int64_t at)
{
	if (match(&watch->fail_on, line, at, &watch->failed) &&
	    verdict_take(watch->verdict))
		tell_failure(&watch->failed, watch->verdict);
	if (match(&watch->expect, line, at, &watch->expected) &&
	    verdict_take(watch->verdict)) {
		watch->verdict->reason = "expect";
		verdict_done(watch->verdict, EXIT_POWEROFF,
			     "the console said what --expect waits for");
	}
}

static void line_done(void *opaque, const char *line)
{
	struct console_watch *watch = opaque;
	int64_t at = now_ns(watch);

	log_line(watch, line, at);
	keep_tail(watch, line);
	look_for_init(watch, line, at);
	if (watch->reads_tests)
		ktap_line(&watch->ktap, line, at);
	look_for_patterns(watch, line, at);
}

static void wrote(void *opaque, bool batched, const uint8_t *data, size_t len)
{
	struct console_watch_source *source = opaque;
	struct console_watch *watch = source->watch;

	pthread_mutex_lock(&watch->lock);
	watch->times.last_byte_ns = now_ns(watch);
	if (watch->times.first_byte_ns < 0)
		watch->times.first_byte_ns = watch->times.last_byte_ns;
	console_line_feed(&source->lines[batched], data, len);
	pthread_mutex_unlock(&watch->lock);
}

struct chardev_tap console_watch_tap(struct console_watch *watch,
				     enum console_source source)
{
	return (struct chardev_tap){
		.wrote = wrote,
		.opaque = &watch->sources[source],
	};
}

/* --- Main thread ---------------------------------------------------------- */

static bool report_is_over(const struct console_watch *watch)
{
	int64_t now = now_ns(watch);

	return now - watch->times.last_byte_ns >
		       (int64_t)CONSOLE_WATCH_SILENCE_MS * NS_A_MS ||
	       now - watch->failed.at_ns >
		       (int64_t)CONSOLE_WATCH_REPORT_MS * NS_A_MS;
}

void console_watch_poll(struct console_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	for (unsigned int i = 0; i < LINES; i++) {
		const char *line = console_line_settled(line_at(watch, i));

		if (line)
			look_for_patterns(watch, line, now_ns(watch));
	}
	/* Also when something else was first: then the loop stops anyway. */
	if (watch->failed.pattern && report_is_over(watch))
		loop_stop(watch->verdict->loop);
	pthread_mutex_unlock(&watch->lock);
}

void console_watch_finish(struct console_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	for (unsigned int i = 0; i < LINES; i++)
		console_line_flush(line_at(watch, i));
	ktap_finish(&watch->ktap, now_ns(watch));
	pthread_mutex_unlock(&watch->lock);
}

static void conclude_tests(const struct console_watch *watch, bool must_be)
{
	struct verdict *verdict = watch->verdict;
	struct ktap_counts counts;

	ktap_count(&watch->ktap, &counts);
	if (counts.failed)
		verdict_decide(verdict, EXIT_TESTS,
			       "%" PRIu64 " of the guest's %" PRIu64
			       " tests failed%s",
			       counts.failed,
			       counts.failed + counts.passed + counts.skipped +
				       counts.expected_failures,
			       counts.missing ? " or have no result" : "");
	else if (must_be && !counts.passed)
		verdict_decide(verdict, EXIT_TESTS,
			       "no test of the guest passed");
}

void console_watch_conclude(const struct console_watch *watch,
			    const struct vm_config *config)
{
	struct verdict *verdict = watch->verdict;

	if (verdict->status == EXIT_POWEROFF && watch->failed.pattern)
		tell_failure(&watch->failed, verdict);
	if (verdict->status == EXIT_POWEROFF && watch->expect.count &&
	    !watch->expected.pattern)
		verdict_decide(verdict, EXIT_NOT_EXPECTED,
			       "the guest ended before its console said what "
			       "--expect waits for");
	if (verdict->status == EXIT_POWEROFF && watch->reads_tests)
		conclude_tests(watch, config->tests == TESTS_ON);
}

/* --- Life ----------------------------------------------------------------- */

static bool has_report(const struct vm_config *config)
{
	return config->result || config->junit;
}

static bool reads_tests(const struct vm_config *config)
{
	return config->tests == TESTS_ON ||
	       (config->tests == TESTS_AUTO && has_report(config));
}

bool console_watch_is_wanted(const struct vm_config *config)
{
	return config->expect || config->fail_on_count || config->console_log ||
	       has_report(config) || reads_tests(config);
}

static int compile(struct console_watch *watch, const struct vm_config *config,
		   struct err *err)
{
	/* A log alone judges nothing. */
	bool linux_set = config->expect || config->fail_on_count ||
			 has_report(config) || reads_tests(config);
	int rc = 0;

	if (config->expect)
		rc = pattern_set_add(&watch->expect, config->expect, err);
	if (rc)
		return err_prefix(err, "--expect");
	for (unsigned int i = 0; i < config->fail_on_count && !rc; i++) {
		if (!strcmp(config->fail_on[i], "none"))
			linux_set = false;
		else if (strcmp(config->fail_on[i], "linux") != 0)
			rc = pattern_set_add(&watch->fail_on,
					     config->fail_on[i], err);
	}
	if (rc)
		return err_prefix(err, "--fail-on");
	return linux_set ? pattern_set_add_linux(&watch->fail_on, err) : 0;
}

/* The report that the log is put beside; NULL: nothing can be. */
static const char *report_path(const struct vm_config *config)
{
	if (config->result && !replace_file_is_stream(config->result))
		return config->result;
	if (config->junit && !replace_file_is_stream(config->junit))
		return config->junit;
	return NULL;
}

/* "out/boot.json" keeps its log in "out/boot.console.log". */
static char *log_path_beside(const char *report)
{
	size_t len = strlen(report);
	char *path = NULL;

	if (len > 5 && !strcmp(report + len - 5, ".json"))
		len -= 5;
	else if (len > 4 && !strcmp(report + len - 4, ".xml"))
		len -= 4;
	if (asprintf(&path, "%.*s.console.log", (int)len, report) < 0)
		return NULL;
	return path;
}

static int open_log(struct console_watch *watch, const struct vm_config *config,
		    struct err *err)
{
	const char *report = report_path(config);
	int rc;

	if (!config->console_log && !report)
		return 0;
	watch->log_path = config->console_log ? strdup(config->console_log) :
						log_path_beside(report);
	if (!watch->log_path)
		return err_sys(err, ENOMEM, "console log");
	rc = growing_file_open(watch->log_path, &watch->log_fd);
	return rc ? err_sys(err, -rc, "cannot write the console log %s",
			    watch->log_path) :
		    0;
}

int console_watch_init(struct console_watch *watch,
		       const struct vm_config *config, struct verdict *verdict,
		       int64_t start_ns, struct err *err)
{
	int rc;

	*watch = (struct console_watch){
		.verdict = verdict,
		.start_ns = start_ns,
		.log_fd = -1,
		.reads_tests = reads_tests(config),
		.times = { -1, -1, -1 },
	};
	pthread_mutex_init(&watch->lock, NULL);
	for (unsigned int i = 0; i < CONSOLE_SOURCES; i++)
		watch->sources[i].watch = watch;
	for (unsigned int i = 0; i < LINES; i++)
		console_line_init(line_at(watch, i), line_done, watch);
	rc = compile(watch, config, err);
	return rc ? rc : open_log(watch, config, err);
}

void console_watch_release(struct console_watch *watch)
{
	pattern_set_release(&watch->expect);
	pattern_set_release(&watch->fail_on);
	ktap_release(&watch->ktap);
	if (watch->log_fd >= 0)
		close(move_fd(&watch->log_fd));
	free(watch->log_path);
	watch->log_path = NULL;
	pthread_mutex_destroy(&watch->lock);
}
