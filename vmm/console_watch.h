/*
 * The one watcher of what the guest writes to its consoles (serial port, virtio
 * console, debug console): keeps the log, looks for the regular expressions of
 * --expect and --fail-on, reads test results, and takes the time of what can be
 * seen of a boot.
 *
 * Lines are those of vmm/console_line.h, of each device by itself, however the
 * bytes of two of them mix; but a debug console that shares the serial port's
 * chardev shares its lines.
 *
 * The taps are called on the threads of whoever writes; the rest on the main
 * thread. A lock of its own guards what both see.
 */
#ifndef VMM_CONSOLE_WATCH_H
#define VMM_CONSOLE_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "io/chardev.h"
#include "vmm/config.h"
#include "vmm/console_line.h"
#include "vmm/ktap.h"
#include "vmm/pattern.h"
#include "vmm/verdict.h"

/* How often main looks for prompts and for the end of a failure's report. */
#define CONSOLE_WATCH_POLL_MS	 100
/* The report behind the line that failed, such as the stack of an Oops, is
 * over after so much silence, and at the latest after so long. */
#define CONSOLE_WATCH_SILENCE_MS 500
#define CONSOLE_WATCH_REPORT_MS	 5000

#define CONSOLE_WATCH_TAIL_BYTES 8192
#define CONSOLE_WATCH_LINE_BYTES 512

/* A line that decided. */
struct console_match {
	const struct pattern *pattern; /* NULL: none did */
	char line[CONSOLE_WATCH_LINE_BYTES]; /* cut */
	int64_t at_ns;
};

/* Nanoseconds since hull began; -1: did not happen. */
struct console_times {
	int64_t first_byte_ns;
	int64_t last_byte_ns;
	int64_t init_ns;
};

/* The chardevs that a guest's consoles write to. */
enum console_source {
	CONSOLE_SOURCE_CONSOLE,
	CONSOLE_SOURCE_DEBUGCON, /* when it has a file of its own */
	CONSOLE_SOURCES,
};

struct console_watch;

struct console_watch_source {
	struct console_watch *watch; /* the one it is in */
	/* By how the device writes, see struct chardev_tap. */
	struct console_line lines[2];
};

struct console_watch {
	struct verdict *verdict; /* borrowed */
	int64_t start_ns; /* CLOCK_MONOTONIC, when hull began */
	char *log_path; /* owned; NULL: no log */
	int log_fd; /* owned */
	int log_error; /* the first that cost a line; positive errno */
	bool reads_tests;

	/* Constant once it runs. */
	struct pattern_set expect;
	struct pattern_set fail_on;

	pthread_mutex_t lock; /* guards all below */
	struct console_watch_source sources[CONSOLE_SOURCES];
	struct console_match expected;
	struct console_match failed;
	struct console_times times;
	bool kernel_spoke; /* a line with a time-stamp */
	struct ktap ktap;
	/* The newest lines, for who reads only the report. */
	char tail[CONSOLE_WATCH_TAIL_BYTES];
	size_t tail_len;
};

/* Whether anything of @config asks for a watcher. */
bool console_watch_is_wanted(const struct vm_config *config);

/*
 * Compiles the expressions and creates the log. @verdict is borrowed.
 * -EINVAL with what is wrong with an expression, or why there can be no log.
 * Takes what is half-built to console_watch_release.
 */
int console_watch_init(struct console_watch *watch,
		       const struct vm_config *config, struct verdict *verdict,
		       int64_t start_ns, struct err *err);
void console_watch_release(struct console_watch *watch);

struct chardev_tap console_watch_tap(struct console_watch *watch,
				     enum console_source source);

/* Every CONSOLE_WATCH_POLL_MS. */
void console_watch_poll(struct console_watch *watch);

/* No more is written: the unfinished lines are lines, and tests without a
 * result are missing. */
void console_watch_finish(struct console_watch *watch);

/*
 * What the console says of a run that ended well: failed all the same when a
 * line of --fail-on came, that of --expect did not, or a test failed. Changes
 * the verdict's status and sentence; after console_watch_finish.
 */
void console_watch_conclude(const struct console_watch *watch,
			    const struct vm_config *config);

#endif
