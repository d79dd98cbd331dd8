#include "container/report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *from;
	const char *to;
} words[] = {
	{ "no such file or directory", "it does not exist" },
	{ "executable file not found", "the program is missing" },
	{ "permission denied", "access is refused" },
	{ "operation not permitted", "the kernel refuses it" },
};

void report_reword(char *text, size_t size)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t from = strlen(words[i].from);
		size_t to = strlen(words[i].to);
		char *at;

		/* None is longer than what it replaces. */
		while (size && (at = strcasestr(text, words[i].from))) {
			memcpy(at, words[i].to, to);
			memmove(at + to, at + from, strlen(at + from) + 1);
		}
	}
}

static void time_text(char *text, size_t size)
{
	struct timespec now;
	struct tm tm = { .tm_year = 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm) ||
	    !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		text[0] = '\0';
}

/* One write for one line. */
static void write_line(int fd, char *line, int len)
{
	if (line && len > 0 && write(fd, line, (size_t)len) < 0)
		return; /* there is nowhere left to say so */
}

static void log_file(const struct context *context, const char *level,
		     const char *message)
{
	int fd = open(context->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0644);
	json_t *object = NULL;
	autofree char *json = NULL;
	autofree char *line = NULL;
	char when[32];
	int len = -1;

	if (fd < 0)
		return;
	time_text(when, sizeof(when));
	if (context->log_json) {
		object = json_pack("{s:s, s:s, s:s}", "level", level, "msg",
				   message, "time", when);
		json = object ? json_dumps(object, JSON_COMPACT) : NULL;
		json_decref(object);
		len = asprintf(&line, "%s\n", json ? json : "{}");
	} else {
		len = asprintf(&line, "%s %s: %s\n", when, level, message);
	}
	if (len < 0)
		line = NULL;
	write_line(fd, line, len);
	close(fd);
}

static void report(const struct context *context, const char *level,
		   const struct err *err, bool keep_words)
{
	struct err copy = *err;
	autofree char *line = NULL;
	int len;

	if (!keep_words)
		report_reword(copy.msg, sizeof(copy.msg));
	if (context->log)
		log_file(context, level, copy.msg);
	len = asprintf(&line, "hull-ct: %s: %s\n", level, copy.msg);
	if (len < 0)
		line = NULL;
	write_line(STDERR_FILENO, line, len);
}

void report_error(const struct context *context, const struct err *err)
{
	report(context, "error", err, context->payload_failed);
}

void report_warning(const struct context *context, const struct err *err)
{
	report(context, "warning", err, false);
}
