/*
 * Messages for the user on standard error: "hull: warning: ...". One write(2)
 * each, so that lines of several threads do not mix. Only vmm/ and container/
 * log; the layers below return errors. Any thread.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/util.h"

enum log_level {
	LOG_ERROR, /* what the user asked did not happen */
	LOG_WARN, /* an anomaly that was ignored */
	LOG_INFO, /* rare events of the guest's life */
	LOG_DEBUG, /* for developers */
};

/* Messages above @level are dropped from now on; the default is LOG_WARN. */
void log_set_level(enum log_level level);

/*
 * While the terminal is raw a line must end in CR LF to stay straight. Set by
 * the owner of the terminal.
 */
void log_set_raw_terminal(bool raw);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
