/*
 * The init of application containers: process 1 stays in our own code, reaps
 * what is orphaned, passes signals on to the program, and ends with its status.
 * The kernel ends all others of the pid namespace with it.
 *
 * It has the rights of the payload and no more; its program is the protected
 * copy of ours (selfexe.h), so that nothing can be changed by /proc/1/exe.
 */
#ifndef CONTAINER_REAPER_H
#define CONTAINER_REAPER_H

#include <signal.h>
#include <sys/types.h>

#include "core/err.h"

/* The name by which main knows that it is one. */
#define REAPER_NAME "hull-init"

/*
 * In the container's first process, with rights given up. Returns 0 in the
 * child that is to become the program, -errno when there is no init for it. It
 * is started anew from @exe, our own file (O_PATH), so that nothing of what we
 * had in memory stays with the container, and it can have checkpoints.
 */
int reaper_start(int exe, struct err *err);

/* What it does then, with the arguments that it was started with. */
_Noreturn void reaper_main(const char *program);

/*
 * A child that begins with the signals as they were, to a parent to which none
 * gets lost: all of @ret_signals are blocked there before it can be sent any,
 * for process 1 would not be given one without a handler at all.
 */
pid_t reaper_fork(sigset_t *ret_signals, struct err *err);

/* @argv is the process's own, which a container could read in
 * /proc/1/cmdline: it is overwritten. */
void reaper_hide_arguments(char *argv[]);

#endif
