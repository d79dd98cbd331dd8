/*
 * Runs a launched container, from its home: in the foreground, or under a
 * supervisor, a process of its own that keeps the log, starts the container
 * anew as its policy says, and notes how it ended.
 *
 * The supervisor can be killed without harm: the container prints into a FIFO
 * that it holds open itself, `list` and `destroy` need no supervisor, and
 * `start` gives the container a new one, which takes over the log. A lock of a
 * file tells whether there is one; the kernel lets it go with the process.
 */
#ifndef CONTAINER_SUPERVISOR_H
#define CONTAINER_SUPERVISOR_H

#include "container/home.h"

struct restore;

/* On the caller's terminal, with @tty on one of its own, which is relayed; its
 * exit status in context->status. */
int supervisor_attach(struct context *context, struct home *home, bool tty,
		      struct err *err);

/* Returns when the program runs, or with the error why it does not. At first it
 * goes on from @restore where that is not NULL, see restore.h. */
int supervisor_start(struct context *context, struct home *home,
		     struct restore *restore, struct err *err);

/* The supervisor's process, 0 without one. */
pid_t supervisor_pid(const struct home *home);

/* Until it is started or let go the container is not started anew when it ends.
 */
int supervisor_hold(const struct home *home, struct err *err);
void supervisor_let_go(const struct home *home);

/* Whether the console of a system container that runs has gone: its master was
 * that of a supervisor that was killed. */
bool supervisor_lost_console(const struct home *home);

/*
 * Ends it: its own signal first, and after the home's timeout, or
 * @timeout_s >= 0, all of its processes are killed. What is left of its state
 * is removed. Returns 1 when there was nothing to stop.
 */
int supervisor_stop(struct context *context, const struct home *home,
		    int timeout_s, struct err *err);

#endif
