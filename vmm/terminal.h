/*
 * The terminal on standard input: raw while the guest runs, and restored on
 * every way out, also when we crash. One per process. Main thread, but for
 * what the crash handlers do.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include <stdbool.h>

/*
 * True when standard input is a terminal whose foreground process we are: only
 * then is it ours to read and to change.
 */
bool terminal_is_ours(void);

/* Makes it raw, and installs handlers that restore it before a fatal signal
 * ends the process. Does nothing when it is not ours, or raw already. */
void terminal_make_raw(void);

/* Idempotent. */
void terminal_restore(void);

#endif
